// The packed pass: packing, prefixes and selections change nothing; the backward pass is the forward pass's
// gradient.
#include "test.h"
#include "plain_logits.h"
#include "two_models.h"

#include <math.h>

#include "model/generate.h"
#include "model/pass.h"
#include "model/score.h"

static const int32_t text_a[] = {72, 101, 108, 108, 111, 32, 119, 111, 114, 108, 100};
static const int32_t text_b[] = {72, 101, 108, 108, 111, 32, 116, 104, 101, 114, 101, 33, 5};
enum { N_A = 11, N_B = 13 };

// Two sequences with a common beginning, scored together (their beginning once) and apart.
static void shared_prefixes_change_nothing(void **state) {
    two_models *f = *state;
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        const int32_t n_vocab = m->config.n_vocab;
        const ae_scored scored[2] = {
            {.ids = text_a, .n_ids = N_A, .first = 7, .n = 3, .targets = text_a + 8},
            {.ids = text_b, .n_ids = N_B, .first = 6, .n = 5, .targets = text_b + 7},
        };
        double together[2], apart[2], plain[2];
        assert_ok(ae_score_sequences(m, scored, 2, together));
        for (int s = 0; s < 2; s++) {
            assert_ok(ae_score_sequences(m, &scored[s], 1, &apart[s]));
            float *logits = plain_logits(m, scored[s].ids, scored[s].n_ids);
            plain[s] = 0;
            for (int32_t j = 0; j < scored[s].n; j++)
                plain[s] +=
                    plain_nll(logits + (scored[s].first + j) * n_vocab, n_vocab, scored[s].targets[j]) /
                    scored[s].n;
            m->backend->release(m->backend, logits);
            assert_true(fabs(together[s] - plain[s]) < 2e-6 * fabs(plain[s]));
            assert_true(fabs(apart[s] - plain[s]) < 2e-6 * fabs(plain[s]));
        }
        assert_true(fabs(plain[0] - plain[1]) > 1e-3); // the two texts are really told apart
    }
}

// Greedy continuation with the store against one full pass a token; two prompts packed against one alone.
static void generation_matches_full_passes(void **state) {
    two_models *f = *state;
    enum { NEW = 12 };
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        const int32_t n_vocab = m->config.n_vocab;
        int32_t packed_a[NEW], packed_b[NEW];
        ae_continuation sequences[2] = {
            {.prompt = text_a, .n_prompt = N_A, .max_new = NEW, .ids = packed_a},
            {.prompt = text_b, .n_prompt = N_B, .max_new = NEW / 2, .ids = packed_b},
        };
        const ae_continue_options greedy = {.top_k = 1, .temperature = 1, .stop_id = -1};
        assert_ok(ae_continue(m, sequences, 2, &greedy));
        assert_int_equal(sequences[0].n_ids, NEW);
        assert_int_equal(sequences[1].n_ids, NEW / 2);
        int32_t ids[N_B + NEW];
        memcpy(ids, text_b, sizeof text_b);
        for (int32_t n = N_B, j = 0; j < NEW / 2; j++, n++) {
            float *logits = plain_logits(m, ids, n);
            const int32_t best = plain_best(logits + (n - 1) * n_vocab, n_vocab);
            assert_int_equal(packed_b[j], best);
            ids[n] = best;
            m->backend->release(m->backend, logits);
        }
        // the same stream gives the same draws, whoever else is in the batch
        const ae_continue_options drawn = {.top_k = 5, .temperature = 1, .stop_id = -1};
        int32_t alone[NEW];
        ae_continuation single = {.prompt = text_a, .n_prompt = N_A, .max_new = NEW, .ids = alone};
        single.random = sequences[0].random = ae_random_stream(3, 1, 2);
        sequences[1].random = ae_random_stream(3, 1, 3);
        assert_ok(ae_continue(m, sequences, 2, &drawn));
        assert_ok(ae_continue(m, &single, 1, &drawn));
        assert_memory_equal(alone, packed_a, sizeof alone);
    }
}

// Rows that go through the model, counted where they enter it.
static struct {
    const ae_weight *table;
    ae_status (*embed)(ae_backend *, float *, const ae_weight *, const int32_t *, int32_t, bool);
    int32_t n_rows, most, n_passes;
} counted;

static ae_status count_rows(ae_backend *be, float *y, const ae_weight *table, const int32_t *ids,
                            int32_t n_rows, bool accumulate) {
    if (table == counted.table) {
        counted.n_rows += n_rows;
        counted.n_passes++;
        if (n_rows > counted.most) counted.most = n_rows;
    }
    return counted.embed(be, y, table, ids, n_rows, accumulate);
}

// More prompts than one group holds, all with one beginning: each as if it were alone, the beginning once.
static void continuations_share_their_beginning(void **state) {
    two_models *f = *state;
    enum { N = 100, HEAD = 20, NEW = 5 };
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        static int32_t prompts[N][HEAD + 20], packed[N][NEW];
        ae_continuation sequences[N];
        int32_t n_done = 0, n_rows = HEAD;
        for (int32_t s = 0; s < N; s++) {
            const int32_t n_prompt = HEAD + 1 + s % 20; // more than 1024 rows in all, less than twice
            for (int32_t j = 0; j < n_prompt; j++)
                prompts[s][j] = j < HEAD ? 40 + j : 30 + (s * 7 + j * j) % 200;
            prompts[s][HEAD] = 90 + s; // no more than HEAD tokens are common to all
            sequences[s] = (ae_continuation){.prompt = prompts[s],
                                             .n_prompt = n_prompt,
                                             .max_new = s == 17 ? 0 : NEW,
                                             .random = ae_random_stream(5, 1, (uint64_t)s),
                                             .ids = packed[s]};
            if (s != 17) n_rows += n_prompt - HEAD + NEW - 1; // the last token is not looked at
        }
        const ae_continue_options drawn = {.top_k = 5, .temperature = 1, .stop_id = -1};
        memset(&counted, 0, sizeof counted);
        counted.table = &m->wte;
        counted.embed = m->backend->embed;
        m->backend->embed = count_rows;
        assert_ok(ae_continue(m, sequences, N, &drawn));
        m->backend->embed = counted.embed;
        assert_int_equal(counted.n_rows, n_rows);
        assert_int_equal(counted.n_passes, 2 * NEW); // two groups
        assert_true(counted.most <= HEAD + 1024);
        for (int32_t s = 0; s < N; s++) {
            int32_t alone[NEW];
            ae_continuation single = sequences[s];
            single.ids = alone;
            single.random = ae_random_stream(5, 1, (uint64_t)s);
            assert_ok(ae_continue(m, &single, 1, &drawn));
            assert_int_equal(sequences[s].n_ids, s == 17 ? 0 : NEW);
            assert_memory_equal(alone, packed[s], (size_t)single.n_ids * sizeof *alone);
            n_done += single.n_ids;
        }
        assert_int_equal(n_done, (N - 1) * NEW);
    }
}

// ---- backward --------------------------------------------------------------------------------------

enum { PAST = 4 };

typedef struct pass {
    ae_model *m;
    ae_arena *arena;
    ae_batch batch;
    ae_store *store;
    ae_work *work;
    ae_tape *tape;
    ae_selection select;
    int32_t layer; // the first one that is run
    float *base;   // [n_rows, d_model], the residual before it
    float *x, *dx, *normed, *mean, *rstd, *logits;
} pass;

static const int32_t out_rows[3] = {4, 6, 8}; // of 7 + 2 rows
static const int32_t out_targets[3] = {101, 32, 9};
static const double out_weights[3] = {0.5, 1.25, 0.75};

// Layers from p->layer to the top over rows PAST.. of text_a and the last two of text_b, which has PAST rows
// as a prefix shared with text_a; loss of three rows' targets.
static double run_forward(pass *p, const float *start, bool gradient) {
    ae_model *m = p->m;
    ae_backend *be = m->backend;
    const int32_t last = m->config.n_layer - 1, d = m->config.d_model;
    assert_ok(be->put(be, p->x, start, (size_t)(p->batch.n_rows * d)));
    for (int32_t layer = p->layer; layer <= last; layer++)
        assert_ok(ae_layer_forward(m, layer, &p->batch, p->x, p->store, p->work,
                                   &p->tape->layers[layer - p->layer], layer == last ? &p->select : NULL,
                                   NULL));
    assert_ok(ae_head_forward(m, p->x, 3, p->normed, p->mean, p->rstd, p->logits));
    double nll[3], loss = 0;
    assert_ok(be->cross_entropy(be, nll, p->logits, out_targets, gradient ? out_weights : NULL, 3,
                                m->config.n_vocab));
    for (int i = 0; i < 3; i++)
        loss += out_weights[i] * nll[i];
    return loss;
}

static void backward_is_the_gradient(void **state) {
    two_models *f = *state;
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        ae_backend *be = m->backend;
        const int32_t d = m->config.d_model;
        pass p = {.m = m, .layer = 1, .select = {.rows = out_rows, .n = 3}};
        assert_ok(ae_arena_new(&p.arena));
        const int32_t capacity = N_A + 2;
        assert_ok(ae_store_new(m, 0, m->config.n_layer, capacity, false, &p.store));
        assert_ok(ae_work_new(m, capacity, &p.work));
        // all rows below, and the prefix rows above, once
        ae_batch all;
        const ae_seq whole = {.n_rows = PAST};
        assert_ok(ae_batch_new(p.arena, &whole, 1, &all));
        assert_ok(be->alloc(be, (size_t)(capacity * d), &p.x));
        assert_ok(ae_embed(m, &all, text_a, p.x));
        for (int32_t layer = 0; layer < m->config.n_layer; layer++)
            assert_ok(ae_layer_forward(m, layer, &all, p.x, p.store, p.work, NULL, NULL, NULL));
        const ae_seq seqs[2] = {{.n_rows = N_A - PAST, .own_row = 0, .past = PAST},
                                {.n_rows = 2, .ctx_row = 0, .ctx_len = PAST, .own_row = N_A}};
        assert_ok(ae_batch_new(p.arena, seqs, 2, &p.batch));
        const int32_t n_rows = p.batch.n_rows;
        assert_ok(ae_tape_new(m, 1, m->config.n_layer - 1, n_rows, &p.tape));
        assert_ok(be->alloc(be, (size_t)(n_rows * d), &p.dx));
        assert_ok(be->alloc(be, (size_t)(n_rows * d), &p.normed));
        assert_ok(be->alloc(be, 3, &p.mean));
        assert_ok(be->alloc(be, 3, &p.rstd));
        assert_ok(be->alloc(be, (size_t)(3 * m->config.n_vocab), &p.logits));
        float *start = calloc((size_t)(n_rows * d), sizeof *start);
        ae_random random = ae_random_stream(1, 2, 3);
        for (int32_t j = 0; j < n_rows * d; j++)
            start[j] = (float)ae_random_normal(&random);

        run_forward(&p, start, true);
        assert_ok(ae_head_backward(m, p.dx, p.normed, p.logits, p.x, p.mean, p.rstd, 3));
        for (int32_t layer = m->config.n_layer - 1; layer >= p.layer; layer--)
            assert_ok(ae_layer_backward(m, layer, &p.batch, p.dx, p.store, p.work,
                                        &p.tape->layers[layer - p.layer],
                                        layer == m->config.n_layer - 1 ? &p.select : NULL));
        double *gradient = calloc((size_t)(n_rows * d), sizeof *gradient), scale = 0;
        for (int32_t j = 0; j < n_rows * d; j++) {
            gradient[j] = (double)p.dx[j];
            scale = fmax(scale, fabs(gradient[j]));
        }
        // central differences in fp32 arithmetic: a step of 1e-2 leaves about 1e-3 of the largest element
        for (int32_t j = 0; j < n_rows * d; j += 5) {
            const float kept = start[j], step = 1e-2f;
            start[j] = kept + step;
            const double up = run_forward(&p, start, false);
            start[j] = kept - step;
            const double down = run_forward(&p, start, false);
            start[j] = kept;
            const double numeric = (up - down) / (2 * (double)step);
            if (fabs(numeric - gradient[j]) > 4e-3 * scale)
                fail_msg("%s: row %d column %d: backward %g, differences %g (largest %g)",
                         m->info.architecture, j / d, j % d, gradient[j], numeric, scale);
        }
        free(start);
        free(gradient);
        float *all_memory[] = {p.x, p.dx, p.normed, p.mean, p.rstd, p.logits};
        for (size_t j = 0; j < sizeof all_memory / sizeof *all_memory; j++)
            be->release(be, all_memory[j]);
        ae_tape_free(m, p.tape);
        ae_store_free(m, p.store);
        ae_work_free(m, p.work);
        ae_arena_free(p.arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_prefixes_change_nothing),
        cmocka_unit_test(generation_matches_full_passes),
        cmocka_unit_test(continuations_share_their_beginning),
        cmocka_unit_test(backward_is_the_gradient),
    };
    return cmocka_run_group_tests(tests, open_two_models, close_two_models);
}
