// Perplexity of running text: what is read, and the number against plain logits.
#include "test.h"
#include "plain_logits.h"
#include "two_models.h"

#include <math.h>

#include "base/digest.h"
#include "eval/perplexity.h"

static const char *write_text(const two_models *f, const char *name, const char *text) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    return path;
}

static void check_ids(const ae_perplexity_text *text, const int32_t *expected, size_t n) {
    assert_int_equal(text->n_ids, n);
    assert_memory_equal(text->ids, expected, n * sizeof *expected);
}

static void documents_are_joined_by_end_of_text(void **state) {
    two_models *f = *state;
    const ae_model *m = f->models[0];
    enum { END = TINY_VOCAB - 1 };
    static const int32_t expected[] = {'a', 'b', END, 'c', END, 'x', '1'};
    ae_perplexity_text text;
    static const char plain[] = "ab\n\nc\n\n\nx1\n"; // empty lines are no documents
    assert_ok(ae_perplexity_open(m, write_text(f, "a.txt", plain), 100, &text));
    check_ids(&text, expected, 7);
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_sha256(plain, strlen(plain), hex));
    assert_string_equal(text.sha256, hex);
    ae_perplexity_close(&text);
    assert_null(text.ids);
    ae_perplexity_close(&text);

    static const char lines[] = "{\"text\": \"ab\"}\n{\"text\": \"c\"}\n{\"text\": \"x1\"}\n";
    assert_ok(ae_perplexity_open(m, write_text(f, "a.jsonl", lines), 5, &text));
    check_ids(&text, expected, 5);
    ae_perplexity_close(&text);
    assert_ok(ae_perplexity_open(m, write_text(f, "a.jsonl", lines), 6, &text)); // cut within a document
    check_ids(&text, expected, 6);
    ae_perplexity_close(&text);
}

static void texts_that_will_not_do_are_refused(void **state) {
    two_models *f = *state;
    const ae_model *m = f->models[0];
    ae_perplexity_text text = {.n_ids = 77};
    assert_fails(ae_perplexity_open(m, "/nowhere/a.txt", 100, &text), AE_ERR_NOT_FOUND, "/nowhere/a.txt");
    assert_fails(ae_perplexity_open(m, write_text(f, "empty.txt", "\n\n"), 100, &text), AE_ERR_ARGUMENT,
                 "empty.txt' holds 0 tokens of text");
    assert_fails(ae_perplexity_open(m, write_text(f, "one.txt", "x\n"), 100, &text), AE_ERR_ARGUMENT,
                 "one.txt' holds 1 tokens of text");
    assert_fails(ae_perplexity_open(m, write_text(f, "bad.jsonl", "{\"text\": 1}\n"), 100, &text),
                 AE_ERR_FORMAT, "bad.jsonl");
    assert_fails(ae_perplexity_open(m, write_text(f, "a.txt", "abc\n"), 1, &text), AE_ERR_ARGUMENT,
                 "perplexity over 1 tokens");
    assert_int_equal(text.n_ids, 77);
}

// exp of the mean over every token but the first of each window, one window after another
static double by_hand(ae_model *m, const int32_t *ids, size_t n) {
    const size_t width = (size_t)m->config.n_ctx, n_vocab = (size_t)m->config.n_vocab;
    double sum = 0, count = 0;
    for (size_t at = 0; at < n; at += width) {
        const size_t length = n - at < width ? n - at : width;
        float *logits = plain_logits(m, ids + at, (int32_t)length);
        for (size_t i = 1; i < length; i++, count++)
            sum += plain_nll(logits + (i - 1) * n_vocab, (int32_t)n_vocab, ids[at + i]);
        m->backend->release(m->backend, logits);
    }
    return exp(sum / count);
}

static void windows_are_averaged_over_tokens(void **state) {
    two_models *f = *state;
    // less than a window; whole ones; one token left over; some; more windows than one pass holds
    static const size_t lengths[] = {2, 50, 64, 192, 193, 200, 2600};
    static int32_t ids[2600];
    ae_random random = ae_random_stream(4, 5, 6);
    for (size_t i = 0; i < 2600; i++)
        ids[i] = (int32_t)(ae_random_next(&random) % TINY_VOCAB);
    double worst = 0;
    for (int i = 0; i < N_TWO; i++)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            const ae_perplexity_text text = {.ids = ids, .n_ids = lengths[l]};
            double got;
            assert_ok(ae_perplexity(f->models[i], &text, &got));
            const double expected = by_hand(f->models[i], ids, lengths[l]);
            worst = fmax(worst, fabs(got / expected - 1));
        }
    print_message("perplexity: %.1e relative off plain logits, at most\n", worst);
    assert_true(worst < 2e-6); // 1e-6 of a mean near 6 in the exponent
}

static void numbers_that_are_not_finite_are_an_error(void **state) {
    two_models *f = *state;
    int32_t ids[] = {72, 101, 108};
    const ae_perplexity_text text = {.ids = ids, .n_ids = 3};
    double got = 77;
    spoil(f->models[1]);
    assert_fails(ae_perplexity(f->models[1], &text, &got), AE_ERR_NUMERIC, "not finite");
    ae_model_restore(f->models[1]);
    assert_true(got == 77);
}

static void any_allocation_may_fail(void **state) {
    two_models *f = *state;
    const char *path = write_text(f, "a.txt", "abc\ndef\n");
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        ae_perplexity_text text = {.n_ids = 77};
        double got = 77;
        ae_memory_fail_at(n);
        ae_status status = ae_perplexity_open(f->models[0], path, 100, &text);
        if (status == AE_OK) status = ae_perplexity(f->models[0], &text, &got);
        ae_memory_fail_at(0);
        if (text.n_ids != 77) ae_perplexity_close(&text);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_true(got == 77);
        failures++;
        assert_true(n < 1000);
    }
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_joined_by_end_of_text),
        cmocka_unit_test(texts_that_will_not_do_are_refused),
        cmocka_unit_test(windows_are_averaged_over_tokens),
        cmocka_unit_test(numbers_that_are_not_finite_are_an_error),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_two_models, close_two_models);
}
