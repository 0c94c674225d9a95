// Sequences that begin alike: how many rows they take, and that sharing rows changes no answer.
#include "test.h"
#include "plain_logits.h"
#include "two_models.h"

#include <math.h>

#include "model/packing.h"
#include "model/score.h"

// Texts of one letter a token.
static ae_packed packed_text(const char *text, int32_t index) {
    static int32_t ids[64][64];
    ae_packed s = {.ids = ids[index], .n_ids = (int32_t)strlen(text), .index = index};
    for (int32_t i = 0; i < s.n_ids; i++)
        ids[index][i] = text[i];
    return s;
}

// Every position of every packed sequence must lead to its own token, at its own position, and attention must
// see exactly what goes before.
static void check_rows(const ae_packed *sequences, const ae_packing *p) {
    for (int32_t i = 0; i < p->n_sequences; i++) {
        const ae_packed *s = &sequences[i];
        for (int32_t at = 0; at < s->n_ids; at++) {
            const int32_t row = ae_packed_row(s, at);
            assert_true(row >= 0 && row < p->batch.n_rows);
            assert_int_equal(p->ids[row], s->ids[at]);
            assert_int_equal(p->batch.positions[row], at);
            assert_int_equal(p->batch.store_rows[row], row);
        }
    }
    for (int32_t i = 0; i < p->batch.n_seqs; i++) {
        const ae_seq *seq = &p->batch.seqs[i];
        assert_int_equal(seq->row, seq->own_row);
        assert_int_equal(seq->past, 0);
        assert_true(seq->ctx_row + seq->ctx_len <= seq->own_row);
    }
}

static void rows_are_shared(void **state) {
    (void)state;
    static const struct {
        const char *texts[6];
        int32_t n_rows, n_seqs;
    } cases[] = {
        {{"abc"}, 3, 1},
        {{"abc", "abc"}, 3, 1},
        {{"ab", "abc", "a"}, 3, 1},
        {{"abc", "xyz"}, 6, 2},
        {{"abcd", "abxy"}, 6, 2},
        {{"abcd", "abxy", "abx", "ab"}, 6, 2},       // a part of a branch costs nothing, either
        {{"promptAA", "promptBB", "prompt"}, 10, 2}, // two targets after one prompt
        // two prompts of one form, two targets each: the second is there in full, its targets share it
        {{"the first AA", "the first BB", "the third AA", "the third BB"}, 12 + 2 + 12 + 2, 4},
        // branches of one trunk that share nothing more
        {{"abcd", "abxy", "abzw"}, 4 + 2 + 2, 3},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ae_packed sequences[6];
        int32_t n = 0;
        for (; n < 6 && cases[c].texts[n]; n++)
            sequences[n] = packed_text(cases[c].texts[n], n);
        ae_arena *arena;
        ae_packing packing;
        assert_ok(ae_arena_new(&arena));
        ae_packing_sort(sequences, n);
        assert_ok(ae_packing_make(arena, sequences, n, 100, &packing));
        assert_int_equal(packing.n_sequences, n);
        check_rows(sequences, &packing);
        if (packing.batch.n_rows != cases[c].n_rows || packing.batch.n_seqs != cases[c].n_seqs)
            fail_msg("'%s'...: %d rows in %d sequences, expected %d in %d", cases[c].texts[0],
                     packing.batch.n_rows, packing.batch.n_seqs, cases[c].n_rows, cases[c].n_seqs);
        ae_arena_free(arena);
    }
}

// What a caller changes at the end of each sequence is nobody else's, and the same end is there twice.
static void the_last_tokens_can_be_a_sequences_own(void **state) {
    (void)state;
    static const struct {
        const char *texts[4];
        int32_t n_own, n_rows, n_seqs;
    } cases[] = {
        {{"abc", "abc"}, 1, 4, 2},
        {{"abc", "abc"}, 3, 6, 2},
        {{"abcd", "abcx", "abc"}, 1, 4 + 1 + 1, 3}, // "abc" shares only "ab"
        {{"tmpl AA", "tmpl BB", "tmpl CC", "tmpl DD"}, 2, 7 + 3 * 2, 4},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ae_packed sequences[4];
        int32_t n = 0;
        for (; n < 4 && cases[c].texts[n]; n++) {
            sequences[n] = packed_text(cases[c].texts[n], n);
            sequences[n].n_own = cases[c].n_own;
        }
        ae_arena *arena;
        ae_packing packing;
        assert_ok(ae_arena_new(&arena));
        ae_packing_sort(sequences, n);
        assert_ok(ae_packing_make(arena, sequences, n, 100, &packing));
        check_rows(sequences, &packing);
        assert_int_equal(packing.batch.n_rows, cases[c].n_rows);
        assert_int_equal(packing.batch.n_seqs, cases[c].n_seqs);
        bool taken[100] = {false};
        for (int32_t i = 0; i < n; i++)
            for (int32_t at = sequences[i].n_ids - cases[c].n_own; at < sequences[i].n_ids; at++) {
                const int32_t row = ae_packed_row(&sequences[i], at);
                assert_false(taken[row]);
                taken[row] = true;
            }
        for (int32_t i = 0; i < n; i++) // and nobody attends to it
            for (int32_t at = 0; at < sequences[i].shared; at++)
                assert_false(taken[sequences[i].shared_row + at]);
        ae_arena_free(arena);
    }
}

static void a_pass_has_bounded_rows(void **state) {
    (void)state;
    static const char *const texts[] = {"abcdefgh", "abcdefghij", "klmnop", "klmxyz", "q", "rs"};
    enum { N = 6, MAX = 9 };
    ae_packed sequences[N];
    for (int32_t i = 0; i < N; i++)
        sequences[i] = packed_text(texts[i], i);
    ae_packing_sort(sequences, N);
    int32_t seen = 0, n_passes = 0;
    for (int32_t first = 0; first < N; n_passes++) {
        ae_arena *arena;
        ae_packing packing;
        assert_ok(ae_arena_new(&arena));
        assert_ok(ae_packing_make(arena, sequences + first, N - first, MAX, &packing));
        assert_true(packing.n_sequences >= 1);
        check_rows(sequences + first, &packing);
        // more than MAX only where one sequence alone has them
        assert_true(packing.batch.n_rows <= MAX || packing.batch.n_seqs == 1);
        for (int32_t i = 0; i < packing.n_sequences; i++)
            seen |= 1 << sequences[first + i].index;
        first += packing.n_sequences;
        ae_arena_free(arena);
    }
    assert_int_equal(seen, (1 << N) - 1);
    assert_int_equal(n_passes, 3); // rs q klmxyz | klmnop | abcdefghij, abcdefgh
}

// Many sequences over a few letters, so that they share beginnings of every length; more rows than one pass
// holds.
static void sharing_changes_no_answer(void **state) {
    two_models *f = *state;
    enum { N = 400, LONGEST = 40, N_PLAIN = 60 };
    static int32_t ids[N][LONGEST + 4], lengths[N], likeliest[N];
    static const int32_t *lists[N];
    static ae_scored scored[N];
    static double nll[N];
    ae_random random = ae_random_stream(1, 2, 3);
    for (int32_t i = 0; i < N; i++) {
        lengths[i] = 5 + (int32_t)(ae_random_next(&random) % (LONGEST - 4));
        const int32_t kept = i > 0 ? (int32_t)(ae_random_next(&random) % (uint64_t)(lengths[i - 1] + 1)) : 0;
        for (int32_t j = 0; j < lengths[i]; j++)
            ids[i][j] = j < kept ? ids[i - 1][j] : 97 + (int32_t)(ae_random_next(&random) % 3);
        lists[i] = ids[i];
        const int32_t n = 1 + i % 4;
        scored[i] = (ae_scored){
            .ids = ids[i], .n_ids = lengths[i], .first = lengths[i] - n, .n = n, .targets = ids[i / 2]};
    }
    double worst = 0;
    for (int m_index = 0; m_index < N_TWO; m_index++) {
        ae_model *m = f->models[m_index];
        const int32_t n_vocab = m->config.n_vocab;
        assert_ok(ae_score_sequences(m, scored, N, nll));
        assert_ok(ae_likeliest_next(m, lists, lengths, N, likeliest));
        for (int32_t i = 0; i < N; i += N / N_PLAIN) {
            float *logits = plain_logits(m, ids[i], lengths[i]);
            double expected = 0;
            for (int32_t j = 0; j < scored[i].n; j++)
                expected +=
                    plain_nll(logits + (scored[i].first + j) * n_vocab, n_vocab, scored[i].targets[j]) /
                    scored[i].n;
            worst = fmax(worst, fabs(nll[i] - expected) / expected);
            assert_int_equal(likeliest[i], plain_best(logits + (lengths[i] - 1) * n_vocab, n_vocab));
            m->backend->release(m->backend, logits);
        }
    }
    print_message("packed against one sequence at a time: %.1e relative at most\n", worst);
    assert_true(worst < 1e-6);
}

static void numbers_that_are_not_finite_are_an_error(void **state) {
    two_models *f = *state;
    static const int32_t ids[] = {72, 101, 108};
    const int32_t *list = ids, length = 3;
    int32_t likeliest = -7;
    double nll = -7;
    const ae_scored scored = {.ids = ids, .n_ids = 3, .first = 1, .n = 1, .targets = ids};
    spoil(f->models[0]);
    assert_fails(ae_score_sequences(f->models[0], &scored, 1, &nll), AE_ERR_NUMERIC,
                 "an earlier edit broke the model");
    assert_fails(ae_likeliest_next(f->models[0], &list, &length, 1, &likeliest), AE_ERR_NUMERIC,
                 "an earlier edit broke the model");
    ae_model_restore(f->models[0]);
    assert_ok(ae_likeliest_next(f->models[0], &list, &length, 1, &likeliest));
    assert_true(likeliest >= 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_shared),
        cmocka_unit_test(the_last_tokens_can_be_a_sequences_own),
        cmocka_unit_test(a_pass_has_bounded_rows),
        cmocka_unit_test(sharing_changes_no_answer),
        cmocka_unit_test(numbers_that_are_not_finite_are_an_error),
    };
    return cmocka_run_group_tests(tests, open_two_models, close_two_models);
}
