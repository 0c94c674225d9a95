// text/tfidf: vectors computed by hand, tokens as scikit-learn's pattern finds them, joined texts, bad files.
#include "test.h"

#include <math.h>

#include "text/tfidf.h"
#include "unit/format/npy_writer.h"

#define VOCABULARY                                                                                           \
    "{\"the\": 0, \"of\": 1, \"city\": 2, \"x_y\": 3, \"\xC3\xA9t\xC3\xA9\": 4, \"a\": 5, "                  \
    "\"\xCE\xBF\xCF\x82\": 6, \"i\xCC\x87\": 7}"
static const double idf[] = {1, 2, 3, 4, 5, 6, 7, 8};
enum { N_TERMS = sizeof idf / sizeof *idf };

typedef struct paths {
    char vocabulary[512], idf[512];
} paths;

static paths write_files(void *const *state, const char *vocabulary, const double *values, size_t n) {
    paths p;
    snprintf(p.vocabulary, sizeof p.vocabulary, "%s/tfidf_vocab.json", (const char *)*state);
    snprintf(p.idf, sizeof p.idf, "%s/idf.npy", (const char *)*state);
    assert_ok(ae_atomic_write(p.vocabulary, vocabulary, strlen(vocabulary)));
    write_doubles(p.idf, values, n);
    return p;
}

static ae_tfidf *open_usual(void *const *state) {
    paths p = write_files(state, VOCABULARY, idf, N_TERMS);
    ae_tfidf *tfidf;
    assert_ok(ae_tfidf_open(p.vocabulary, p.idf, &tfidf));
    return tfidf;
}

// Counts of the terms, -1 ends the list of (column, count).
static void check_counts(const ae_tfidf *tfidf, const char *text, const int *expected) {
    ae_tfidf_vector v;
    assert_ok(ae_tfidf_transform(tfidf, text, strlen(text), &v));
    double square = 0;
    size_t n = 0;
    for (; expected[2 * n] >= 0; n++)
        square += pow(expected[2 * n + 1] * idf[expected[2 * n]], 2);
    if (v.n != n) fail_msg("'%s' has %zu terms, not %zu", text, v.n, n);
    assert_true(fabs(v.norm - sqrt(square)) < 1e-12);
    for (size_t i = 0; i < n; i++) {
        double value = expected[2 * i + 1] * idf[expected[2 * i]] / sqrt(square);
        if (v.columns[i] != expected[2 * i] || fabs(v.values[i] - value) > 1e-15)
            fail_msg("'%s': column %d has %.17g, expected column %d and %.17g", text, (int)v.columns[i],
                     v.values[i], expected[2 * i], value);
    }
    ae_tfidf_vector_free(&v);
    assert_null(v.columns);
}

static void words_are_counted_and_weighed(void **state) {
    ae_tfidf *tfidf = open_usual(state);
    ae_tfidf_vector v;
    assert_ok(ae_tfidf_transform(tfidf, "The city, of the CITY a. X_Y", 28, &v));
    // 2, 2, 6 and 4, of length sqrt(60)
    assert_int_equal(v.n, 4);
    static const double values[] = {0.25819888974716115, 0.25819888974716115, 0.77459666924148340,
                                    0.51639777949432231};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(v.columns[i], i);
        assert_true(fabs(v.values[i] - values[i]) < 1e-15);
    }
    ae_tfidf_vector_free(&v);
    ae_tfidf_free(tfidf);
    ae_tfidf_free(NULL);
}

static void tokens_are_those_of_the_pattern(void **state) {
    ae_tfidf *tfidf = open_usual(state);
    static const struct {
        const char *text;
        int expected[12];
    } cases[] = {
        {"", {-1}},
        {"unknown words", {-1}},
        {"a a", {-1}}, // one character is no token, although the vocabulary has it
        {"the", {0, 1, -1}},
        {"the\nthe-of 'the'", {0, 3, 1, 1, -1}},
        {"thecity the_city x_y", {3, 1, -1}},
        {"\xC3\x89T\xC3\x89 \xC3\xA9t\xC3\xA9", {4, 2, -1}},
        {"e\xCC\x81te\xCC\x81", {-1}},              // accents of their own are no word characters
        {"\xCE\x9F\xCE\xA3 the", {0, 1, 6, 1, -1}}, // lower case with a final sigma
        {"the\xFF"
         "of\xE2\x82"
         "city",
         {0, 1, 1, 1, 2, 1, -1}}, // bad bytes part words
        {"\xC4\xB0", {-1}},       // i and a dot: one word character
        {"of the city of", {0, 1, 1, 2, 2, 1, -1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_counts(tfidf, cases[i].text, cases[i].expected);
    ae_tfidf_vector v;
    assert_ok(ae_tfidf_transform(tfidf, "the\0of", 6, &v));
    assert_int_equal(v.n, 2);
    ae_tfidf_vector_free(&v);
    ae_tfidf_free(tfidf);
}

static ae_tfidf_vector vector_of(const ae_tfidf *tfidf, const char *text) {
    ae_tfidf_vector v;
    assert_ok(ae_tfidf_transform(tfidf, text, strlen(text), &v));
    return v;
}

static void cosines_and_joined_texts(void **state) {
    ae_tfidf *tfidf = open_usual(state);
    ae_tfidf_vector city = vector_of(tfidf, "the city"), all = vector_of(tfidf, "the of the city"),
                    other = vector_of(tfidf, "x_y"), none = vector_of(tfidf, "");
    // (1, 0, 3) and (2, 2, 3): 11 / (sqrt 10 sqrt 17)
    assert_true(fabs(ae_tfidf_cosine(&city, &all) - 11 / sqrt(170)) < 1e-15);
    assert_true(ae_tfidf_cosine(&all, &city) == ae_tfidf_cosine(&city, &all));
    assert_true(fabs(ae_tfidf_cosine(&all, &all) - 1) < 1e-15);
    assert_true(ae_tfidf_cosine(&city, &other) == 0);
    assert_true(isnan(ae_tfidf_cosine(&city, &none)) && isnan(ae_tfidf_cosine(&none, &city)));
    ae_tfidf_vector joined, direct = vector_of(tfidf, "the city the of the city");
    assert_ok(ae_tfidf_join(&city, &all, &joined));
    assert_int_equal(joined.n, direct.n);
    assert_true(fabs(joined.norm - direct.norm) < 1e-14);
    for (size_t i = 0; i < direct.n; i++) {
        assert_int_equal(joined.columns[i], direct.columns[i]);
        assert_true(fabs(joined.values[i] - direct.values[i]) < 1e-15);
    }
    ae_tfidf_vector_free(&joined);
    assert_ok(ae_tfidf_join(&none, &other, &joined));
    assert_int_equal(joined.n, 1);
    assert_int_equal(joined.columns[0], 3);
    assert_true(joined.values[0] == 1 && joined.norm == 4);
    ae_tfidf_vector_free(&joined);
    assert_ok(ae_tfidf_join(&other, &city, &joined)); // its columns lie behind the other's
    assert_int_equal(joined.n, 3);
    assert_int_equal(joined.columns[2], 3);
    ae_tfidf_vector_free(&joined);
    assert_ok(ae_tfidf_join(&none, &none, &joined));
    assert_int_equal(joined.n, 0);
    assert_true(joined.norm == 0);
    ae_tfidf_vector_free(&joined);
    ae_tfidf_vector_free(&city);
    ae_tfidf_vector_free(&all);
    ae_tfidf_vector_free(&other);
    ae_tfidf_vector_free(&none);
    ae_tfidf_vector_free(&direct);
    ae_tfidf_free(tfidf);
}

static void bad_files_are_refused_by_name(void **state) {
    static const struct {
        const char *vocabulary;
        ae_status status;
        const char *text;
    } cases[] = {
        {"[1, 2]", AE_ERR_FORMAT, "tfidf_vocab.json' is an array, expected an object of term: column"},
        {"{\"a\": 0", AE_ERR_FORMAT, "tfidf_vocab.json' is not valid JSON"},
        {"{\"a\": 0, \"a\": 1}", AE_ERR_FORMAT, "duplicate"},
        {"{\"a\": 0}", AE_ERR_MISMATCH, "idf.npy' has 2 values: they do not belong together"},
        {"{\"a\": 0}", AE_ERR_MISMATCH, "tfidf_vocab.json' has 1 terms, '"},
        {"{\"aa\": 0, \"bb\": 2}", AE_ERR_MISMATCH, "the column of 'bb' is 2, '"},
        {"{\"aa\": 0, \"bb\": 2}", AE_ERR_MISMATCH, "idf.npy' has 0 to 1: they do not belong together"},
        {"{\"aa\": 0, \"bb\": -1}", AE_ERR_MISMATCH, "the column of 'bb' is -1, '"},
        {"{\"aa\": 0, \"bb\": \"1\"}", AE_ERR_FORMAT, "the column of 'bb' is a string, expected an integer"},
    };
    ae_tfidf *tfidf = NULL;
    paths p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        p = write_files(state, cases[i].vocabulary, (const double[]){1, 2}, 2);
        assert_fails(ae_tfidf_open(p.vocabulary, p.idf, &tfidf), cases[i].status, cases[i].text);
    }
    p = write_files(state, "{\"aa\": 0, \"bb\": 1}", (const double[]){1, INFINITY}, 2);
    assert_fails(ae_tfidf_open(p.vocabulary, p.idf, &tfidf), AE_ERR_FORMAT,
                 "idf.npy': value 1 (from 0) is inf, expected a finite number");
    write_doubles(p.idf, NULL, 0);
    assert_fails(ae_tfidf_open(p.vocabulary, p.idf, &tfidf), AE_ERR_FORMAT,
                 "idf.npy' has shape [0], expected one dimension, a value a term");
    write_npy(p.idf, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", (const double[]){1, 2},
              16);
    assert_fails(ae_tfidf_open(p.vocabulary, p.idf, &tfidf), AE_ERR_FORMAT, "idf.npy' has shape [1, 2]");
    assert_fails(ae_tfidf_open(p.vocabulary, "/nowhere/idf.npy", &tfidf), AE_ERR_NOT_FOUND,
                 "/nowhere/idf.npy");
    write_npy(p.idf, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", (const float[]){1, 2},
              8);
    assert_fails(ae_tfidf_open("/nowhere/v.json", p.idf, &tfidf), AE_ERR_NOT_FOUND, "/nowhere/v.json");
    assert_null(tfidf);
    assert_ok(ae_tfidf_open(p.vocabulary, p.idf, &tfidf)); // float32 is fine
    ae_tfidf_free(tfidf);
}

static void any_allocation_may_fail(void **state) {
    paths p = write_files(state, VOCABULARY, idf, N_TERMS);
    int failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        ae_tfidf *tfidf = NULL;
        ae_tfidf_vector a = {0}, both = {.n = 77};
        ae_memory_fail_at(n);
        ae_status status = ae_tfidf_open(p.vocabulary, p.idf, &tfidf);
        if (status == AE_OK) status = ae_tfidf_transform(tfidf, "the city", 8, &a);
        if (status == AE_OK) status = ae_tfidf_join(&a, &a, &both);
        ae_memory_fail_at(0);
        if (status == AE_OK) {
            assert_int_equal(both.n, 2);
            ae_tfidf_vector_free(&both);
        }
        ae_tfidf_vector_free(&a);
        ae_tfidf_free(tfidf);
        if (status == AE_OK) break;
        assert_fails(status, AE_ERR_MEMORY, "out of memory");
        assert_int_equal(both.n, 77);
    }
    assert_true(failures >= 10); // 4 for the files or more, 4 for a vector, 2 for the joined one
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_are_counted_and_weighed, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(tokens_are_those_of_the_pattern, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(cosines_and_joined_texts, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(bad_files_are_refused_by_name, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(any_allocation_may_fail, make_scratch_folder, remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
