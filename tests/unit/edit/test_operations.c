// How much work an edit is, counted, not timed: what delta cannot change is computed once (docs/model.md,
// "The value"). A change that makes the engine do more fails here.
#include "test.h"
#include "counted_work.h"
#include "two_models.h"

#include "aedile/edit.h"
#include "edit/capture.h"
#include "edit/templates.h"

enum { EVALUATIONS = 20, N_TEMPLATES = 5, MOST_TEXTS = 64 };

static const ae_request
    tower = {.prompt = "{} is in the town of",
             .subject = "The tall tower",
             .target_new = "Rome", // five bytes with the space: five tokens
             .case_id = 1},
    ana = {.prompt = "The mother tongue of {} is", .subject = "Ana B", .target_new = " Czech", .case_id = 2},
    zoe = {.prompt = "We all know {}", .subject = "Zo\xc3\xab", .target_new = "x", .case_id = 3};

static ae_templates given_templates(void) {
    // two that begin alike
    static const char *const texts[N_TEMPLATES] = {"{}", "Then he said. {}", "A {} and more. {}",
                                                   "In 1990. {}", "In 1991. {}"};
    ae_templates t = {.text = ae_alloc(N_TEMPLATES, sizeof *t.text), .count = N_TEMPLATES};
    assert_non_null(t.text);
    for (int i = 0; i < N_TEMPLATES; i++)
        t.text[i] = ae_strdup(texts[i]);
    assert_ok(ae_templates_finish(&t));
    return t;
}

static ae_hparams slow_hparams(const ae_model *m, int layer) {
    ae_hparams hp;
    assert_ok(ae_hparams_builtin(m, layer, &hp));
    hp.mom2_adjustment = false;
    hp.v_lr = 0.01; // too slow to be done before the last evaluation
    assert_int_equal(hp.v_num_grad_steps, EVALUATIONS);
    assert_int_equal(hp.variant, AE_R_ROME);
    return hp;
}

// ---- what requests take, from their texts ----------------------------------------------------------

typedef struct needed {
    // Rows up to the edited layer, and of the keys and values above it: what texts begin with before their
    // lookup indices once, whatever is at the lookup index or behind for each text itself.
    int64_t below, before;
    int64_t alone;     // rows up to the edited layer if no text shared
    int64_t changing;  // rows from the lookup indices on, above the edited layer
    int64_t loss, out; // rows of target tokens; and with the KL texts' last
    int64_t pairs;     // of attention, in a layer above
    int64_t pairs_alone;
    int64_t texts; // in all
} needed;

static needed work_of(ae_model *m, const ae_request *requests, int n_requests,
                      const ae_templates *templates) {
    ae_arena *arena;
    const int32_t *ids[MOST_TEXTS];
    int32_t lookups[MOST_TEXTS];
    needed w = {0};
    int n = 0;
    assert_ok(ae_arena_new(&arena));
    for (int r = 0; r < n_requests; r++) {
        ae_fact fact;
        assert_ok(ae_fact_build(m, &requests[r], templates, AE_SUBJECT_LAST, false, NULL, arena, &fact));
        const int n_texts = fact.n_rewrites + 2;
        assert_true(n + n_texts <= MOST_TEXTS);
        for (int i = 0; i < n_texts; i++, n++) { // the bare prompt is last: above the layer it is not needed
            const ae_sequence *s = i < n_texts - 2    ? &fact.rewrites[i]
                                   : i == n_texts - 2 ? &fact.kl
                                                      : &fact.bare;
            const int64_t all = s->n_ids, before = s->lookup, changing = all - before;
            ids[n] = s->ids;
            lookups[n] = s->lookup;
            w.below += changing;
            w.alone += all;
            w.pairs_alone += all * (all + 1) / 2;
            if (i == n_texts - 1) continue;
            w.changing += changing;
            w.pairs += changing * before + changing * (changing + 1) / 2;
        }
        w.loss += (int64_t)fact.n_rewrites * fact.n_targets;
        w.out += (int64_t)fact.n_rewrites * fact.n_targets + 1;
    }
    w.before = different_rows(ids, lookups, n);
    w.below += w.before;
    w.texts = n;
    ae_arena_free(arena);
    return w;
}

// ---- an edit, stage by stage -----------------------------------------------------------------------

typedef struct stages {
    counted_work at[EVALUATIONS + 1]; // [i]: before evaluation i; the last: at the end
    int n_evaluations;
} stages;

static bool note_stage(void *user, const char *stage, double done, double total, const char *unit) {
    stages *s = user;
    (void)total, (void)unit;
    if (strcmp(stage, "optimising the value") == 0) {
        assert_int_equal((int)done, s->n_evaluations);
        assert_true(s->n_evaluations < EVALUATIONS);
        s->at[s->n_evaluations++] = counting.now;
    }
    return true;
}

static stages counted_edit(ae_model *m, const ae_hparams *hp, const ae_templates *templates,
                           const ae_request *requests, size_t n) {
    stages s = {.n_evaluations = 0};
    ae_edit *edits[4];
    const ae_hooks hooks = {.user = &s, .progress = note_stage};
    const ae_edit_options options = {.hparams = hp, .templates = templates};
    assert_true(n <= 4);
    start_counting(m);
    const ae_status status = ae_edit_compute(m, requests, n, &options, &hooks, edits);
    s.at[EVALUATIONS] = counting.now;
    stop_counting();
    assert_ok(status);
    assert_int_equal(s.n_evaluations, EVALUATIONS);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(edits[i]->layers[0].n_steps, EVALUATIONS);
        ae_edit_free(edits[i]);
    }
    return s;
}

static bool is_there(const ae_model *m, int matrix) { // q, k and v are one matrix, or three
    return counted_matrix(&m->layers[0], matrix)->data != NULL;
}

// Up to the edited layer the rows of all texts once; above it those before the lookup indices, which in the
// last layer leave their keys and values and nothing else. No logits, nothing backwards.
static void check_capture(const ae_model *m, int layer, const needed *w, const counted_work *c) {
    const int last = m->config.n_layer - 1;
    assert_between(c->embed.rows, 1, w->below, "rows below");
    assert_count(c->embed.calls, 1, "passes below");
    for (int l = 0; l <= last; l++)
        for (int i = 0; i < N_MATRICES; i++) {
            const bool none = !is_there(m, i) || (l > layer && l == last && i >= ATTN_OUT);
            const int64_t most = none ? 0 : l <= layer ? w->below : w->before;
            assert_between(c->forward[l][i].rows, most > 0, most, "capture, layer %d, %s", l,
                           matrix_names[i]);
            assert_between(c->forward[l][i].calls, most > 0, most > 0, "capture, layer %d, %s, calls", l,
                           matrix_names[i]);
            assert_count(c->backward[l][i].calls, 0, "capture, layer %d, %s backwards", l, matrix_names[i]);
        }
    const int64_t above = last > layer ? last - layer - 1 : 0; // layers whose attention is read
    assert_between(c->pairs, 1, (layer + 1 + above) * w->pairs_alone, "capture, attention");
    assert_count(c->head.calls, 0, "capture, logits");
    assert_count(c->loss_rows + c->kl_rows, 0, "capture, losses");
}

// One evaluation, from `a` to `b`: above the edited layer the rows from the lookup indices on; in the last
// layer only rows that have logits go past attention. The way back is the same.
static void check_evaluation(const ae_model *m, int layer, const needed *w, const counted_work *a,
                             const counted_work *b, int number) {
    const int last = m->config.n_layer - 1, back = number < EVALUATIONS - 1; // the last one only evaluates
    int64_t multiply_adds = (1 + back) * w->out * m->head.n_in * m->head.n_out;
    for (int l = 0; l <= last; l++)
        for (int i = 0; i < N_MATRICES; i++) {
            const ae_weight *matrix = counted_matrix(&m->layers[l], i);
            const int calls = l > layer && is_there(m, i);
            const int64_t rows = !calls ? 0 : l == last && i >= ATTN_OUT ? w->out : w->changing;
            const counted_product *f[2] = {&a->forward[l][i], &b->forward[l][i]},
                                  *r[2] = {&a->backward[l][i], &b->backward[l][i]};
            assert_count(f[1]->rows - f[0]->rows, rows, "evaluation %d, layer %d, %s", number, l,
                         matrix_names[i]);
            assert_count(f[1]->calls - f[0]->calls, calls, "evaluation %d, layer %d, %s, calls", number, l,
                         matrix_names[i]);
            assert_count(r[1]->rows - r[0]->rows, back * rows, "evaluation %d, layer %d, %s backwards",
                         number, l, matrix_names[i]);
            assert_count(r[1]->calls - r[0]->calls, back * calls,
                         "evaluation %d, layer %d, %s backwards, calls", number, l, matrix_names[i]);
            multiply_adds += (1 + back) * rows * matrix->n_in * matrix->n_out;
        }
    assert_count(b->multiply_adds - a->multiply_adds, multiply_adds, "evaluation %d, multiplications",
                 number);
    assert_count(b->pairs - a->pairs, (last - layer) * w->pairs, "evaluation %d, attention", number);
    assert_count(b->pairs_backward - a->pairs_backward, back * (last - layer) * w->pairs,
                 "evaluation %d, attention backwards", number);
    assert_count(b->head.rows - a->head.rows, w->out, "evaluation %d, logits", number);
    assert_count(b->head_backward.rows - a->head_backward.rows, back * w->out,
                 "evaluation %d, logits backwards", number);
    // one read of the head for all target tokens, one for the KL texts
    assert_between(b->head.calls - a->head.calls, 1, 2, "evaluation %d, reads of the head", number);
    assert_count(b->loss_rows - a->loss_rows, w->loss, "evaluation %d, losses", number);
    assert_count(b->loss_gradients - a->loss_gradients, back * w->loss, "evaluation %d, loss gradients",
                 number);
    assert_count(b->kl_rows - a->kl_rows, w->out - w->loss, "evaluation %d, KL", number);
    assert_count(b->kl_gradients - a->kl_gradients, back * (w->out - w->loss), "evaluation %d, KL gradients",
                 number);
    assert_count(b->embed.calls - a->embed.calls, 0, "evaluation %d, tokens", number);
    // memory is made once, before the first evaluation's work
    if (number > 0) assert_count(b->allocated - a->allocated, 0, "evaluation %d, memory", number);
}

// The most floats at once. While steps are taken: residual, keys and values above of all rows, and what the
// rows that change need; before that, a pass over all rows up to the edited layer.
static int64_t most_memory(const ae_model *m, int layer, const needed *w) {
    const int64_t d = m->config.d_model, d_mlp = m->config.d_mlp, vocab = m->config.n_vocab,
                  above = m->config.n_layer - 1 - layer;
    const int64_t kept = w->below * d * (1 + 2 * above), scratch = 7 * d + d_mlp;
    const int64_t saved = above * w->changing * (5 * d + d_mlp + 4);
    const int64_t steps =
        saved + w->changing * (scratch + 2 * d) + w->out * (vocab + 3 * d + 2) + vocab + w->texts * d;
    const int64_t pass = w->below * (scratch + 2 * d) + w->texts * (d + d_mlp);
    return kept + (steps > pass ? steps : pass);
}

static void check_edit(const ae_model *m, int layer, const needed *w, const stages *s) {
    check_capture(m, layer, w, &s->at[0]);
    for (int i = 0; i < EVALUATIONS; i++)
        check_evaluation(m, layer, w, &s->at[i], &s->at[i + 1], i);
    const counted_work *all = &s->at[EVALUATIONS];
    assert_count(all->moments + all->rank_ones + all->expands, 0, "work on weights");
    assert_count(all->live, 0, "floats that are still there");
    assert_between(all->peak, 1, most_memory(m, layer, w), "floats at once");
}

static void an_edit_computes_what_delta_changes_and_no_more(void **state) {
    two_models *f = *state;
    ae_templates templates = given_templates();
    for (int i = 0; i < N_TWO; i++)
        for (int layer = 0; layer < TINY_LAYERS; layer++) {
            ae_model *m = f->models[i];
            const ae_hparams hp = slow_hparams(m, layer);
            const needed w = work_of(m, &tower, 1, &templates);
            const stages s = counted_edit(m, &hp, &templates, &tower, 1);
            check_edit(m, layer, &w, &s);
            const counted_work *all = &s.at[EVALUATIONS];
            print_message(
                "%s, layer %d: %lld rows below, %lld changing; %lld multiplications, %lld of them before "
                "the first evaluation; %lld floats at once, %lld allowed\n",
                m->info.architecture, layer, (long long)all->embed.rows, (long long)w.changing,
                (long long)all->multiply_adds, (long long)s.at[0].multiply_adds, (long long)all->peak,
                (long long)most_memory(m, layer, &w));
        }
    ae_templates_free(&templates);
}

// By hand, so that the texts' figures above are not only the engine's own: one template, "{}".
static void the_rows_are_those_of_the_texts(void **state) {
    two_models *f = *state;
    ae_model *m = f->models[0];
    char text[] = "{}", *list[] = {text};
    const ae_templates bare = {.text = list, .count = 1};
    const needed w = work_of(m, &zoe, 1, &bare);
    // "We all know Zo\xc3\xab" is 16 bytes, "_a" of "_all" merged: 15 tokens, the target "_x" two more, of
    // which the last is never read. "Zo\xc3\xab is a": 4 tokens up to the subject's end. The bare prompt: 15.
    assert_count(w.alone, 16 + 4 + 15, "rows below, if nothing were shared");
    assert_count(w.below, 14 + 3 + 2 + 1 + 1,
                 "rows below"); // the bare prompt begins as the rewriting text does
    assert_count(w.before, 14 + 3, "rows before the lookup indices");
    assert_count(w.changing, 2 + 1, "rows that change");
    assert_count(w.loss, 2, "target tokens");
    assert_count(w.out, 3, "rows of logits");
    assert_count(w.pairs, 15 + 16 + 4, "pairs of attention");
    const ae_hparams hp = slow_hparams(m, 1);
    const stages s = counted_edit(m, &hp, &bare, &zoe, 1);
    check_edit(m, 1, &w, &s);
}

static void a_second_edit_takes_no_more_than_the_first(void **state) {
    two_models *f = *state;
    ae_templates templates = given_templates();
    for (int i = 0; i < N_TWO; i++) {
        const ae_hparams hp = slow_hparams(f->models[i], 1);
        const stages first = counted_edit(f->models[i], &hp, &templates, &tower, 1),
                     second = counted_edit(f->models[i], &hp, &templates, &tower, 1);
        const counted_work *a = &first.at[EVALUATIONS], *b = &second.at[EVALUATIONS];
        assert_count(b->multiply_adds, a->multiply_adds, "multiplications of the second");
        assert_count(b->pairs + b->pairs_backward, a->pairs + a->pairs_backward, "attention of the second");
        assert_between(b->allocated, 1, a->allocated, "floats of the second, all in all");
        assert_between(b->peak, 1, a->peak, "floats of the second, at once");
    }
    ae_templates_free(&templates);
}

// Packed into the same passes: rows that change add up, other rows are shared, weights are read as for one.
static void edits_together_take_one_pass_and_no_more_rows(void **state) {
    two_models *f = *state;
    ae_templates templates = given_templates();
    const ae_request both[2] = {tower, ana};
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        const ae_hparams hp = slow_hparams(m, 1);
        needed w = work_of(m, both, 2, &templates);
        assert_true(w.below * 5 < w.alone * 4);
        const int64_t twice = w.below / 20; // a text attends to one other's rows alone (model/packing.h)
        w.below += twice;
        w.before += twice;
        const stages s = counted_edit(m, &hp, &templates, both, 2);
        check_edit(m, 1, &w, &s);
    }
    ae_templates_free(&templates);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_edit_computes_what_delta_changes_and_no_more, open_two_models,
                                        close_two_models),
        cmocka_unit_test_setup_teardown(the_rows_are_those_of_the_texts, open_two_models, close_two_models),
        cmocka_unit_test_setup_teardown(a_second_edit_takes_no_more_than_the_first, open_two_models,
                                        close_two_models),
        cmocka_unit_test_setup_teardown(edits_together_take_one_pass_and_no_more_rows, open_two_models,
                                        close_two_models),
    };
    return cmocka_run_group_tests_name("operations of an edit", tests, NULL, NULL);
}
