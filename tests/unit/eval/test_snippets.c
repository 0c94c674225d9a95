// eval/snippets: reference scores and essence texts by hand, what is kept, missing and malformed files.
#include "unit/edit/support.h"

#include <math.h>

#include "eval/snippets.h"
#include "unit/format/npy_writer.h"

#define VOCABULARY "{\"river\": 0, \"city\": 1, \"old\": 2, \"church\": 3}"
static const double idf[] = {1, 2, 3, 4};

static const char SNIPPETS[] =
    "[{\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": ["
    "  {\"name\": \"Bonn\", \"text\": \"Old city\", \"query\": \"x\"},"
    "  {\"name\": \"Ulm\", \"text\": \"a church\"},"
    "  {\"name\": \"Bonn\", \"text\": \"on a river.\"}]},\n"
    " {\"relation_id\": \"P9\", \"target_id\": \"Q1\", \"samples\": 3, \"more\": [{}]}," // nobody asks
    " {\"relation_id\": \"P1\", \"target_id\": \"Q2\", \"samples\": [{\"name\": \"Bonn\", \"text\": "
    "\"unknown\"}]},"
    " {\"relation_id\": \"P2\", \"target_id\": \"Q1\", \"samples\": []},"
    " {\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": [{\"name\": \"Ulm\", \"text\": \"city "
    "CITY\"}]}]";

#define RECORD(relation, target, who)                                                                        \
    {                                                                                                        \
        .relation_id = relation, .target_new_id = target, .request = {.subject = who }                       \
    }

static ae_record records[] = {
    RECORD("P1", "Q1", "Bonn"), RECORD("P1", "Q1", "Ulm"),  RECORD("P1", "Q2", "Ulm"),
    RECORD("P2", "Q1", "Bonn"), RECORD("P1", "Q3", "Bonn"), RECORD("", "Q1", "Bonn"),
    RECORD("P1", "", "Bonn"),   RECORD("P1", "Q1", "Bonn"),
};
enum { N_RECORDS = sizeof records / sizeof *records };
static const ae_dataset dataset = {.records = records, .count = N_RECORDS};

static void write_all(void *const *state, const char *snippets) {
    write_text(*state, "attribute_snippets.json", snippets);
    write_text(*state, "tfidf_vocab.json", VOCABULARY);
    write_doubles(in_folder(*state, "idf.npy"), idf, 4);
}

static double score_of(const ae_snippets *snippets, size_t record, const char *const *texts, size_t n) {
    bool found = false;
    double score = 77;
    assert_ok(ae_snippets_reference_score(snippets, &records[record], texts, n, &found, &score));
    assert_true(found);
    return score;
}

static void texts_are_scored_against_a_pair_s_snippets(void **state) {
    write_all(state, SNIPPETS);
    kept_warnings kept = {0};
    const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
    ae_snippets *snippets;
    assert_ok(ae_snippets_open(*state, &dataset, &hooks, &snippets));
    assert_int_equal(kept.count, 0);
    // Both elements together: river 1, city 3 * 2, old 3, church 4: length sqrt(1 + 36 + 9 + 16)
    static const char *const texts[] = {"The river", "and the River"};
    double score = score_of(snippets, 0, texts, 2);
    if (fabs(score - 1 / sqrt(62)) > 1e-15) fail_msg("the river's score is %.17g", score);
    static const char *const same[] = {"Old city a church", "on a river.", "city CITY"};
    assert_true(fabs(score_of(snippets, 0, same, 3) - 1) < 1e-15);
    static const char *const city[] = {"city"};
    assert_true(fabs(score_of(snippets, 1, city, 1) - 6 / sqrt(62)) < 1e-15);
    // No known term on either side: not a number.
    static const char *const nothing[] = {"unknown", ""};
    assert_true(isnan(score_of(snippets, 0, nothing, 2)));
    assert_true(isnan(score_of(snippets, 0, NULL, 0)));
    assert_true(isnan(score_of(snippets, 2, city, 1)));
    // No snippets at all: an element without samples, no element, no ids.
    for (size_t i = 3; i <= 6; i++) {
        bool found = true;
        score = 77;
        assert_ok(ae_snippets_reference_score(snippets, &records[i], city, 1, &found, &score));
        if (found || score != 77) fail_msg("record %zu has snippets", i);
    }
    ae_snippets_free(snippets);
    ae_snippets_free(NULL);
}

static void essences_are_a_subject_s_own_snippets(void **state) {
    write_all(state, SNIPPETS);
    ae_snippets *snippets;
    assert_ok(ae_snippets_open(*state, &dataset, NULL, &snippets));
    assert_string_equal(ae_snippets_essence(snippets, 0), "Old city on a river.");
    assert_string_equal(ae_snippets_essence(snippets, 1), "a church city CITY");
    assert_null(ae_snippets_essence(snippets, 2)); // the pair's only snippet is about Bonn
    for (size_t i = 3; i <= 6; i++)
        assert_null(ae_snippets_essence(snippets, i));
    assert_string_equal(ae_snippets_essence(snippets, 7), "Old city on a river."); // the first record's twin
    ae_snippets_free(snippets);
}

static void without_files_there_is_a_warning(void **state) {
    static const char *const names[] = {"attribute_snippets.json", "tfidf_vocab.json", "idf.npy"};
    kept_warnings kept = {0};
    const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
    ae_snippets *snippets = (void *)&kept;
    assert_ok(ae_snippets_open(*state, &dataset, &hooks, &snippets));
    assert_null(snippets);
    assert_warned(
        kept, 1,
        "has no attribute_snippets.json, tfidf_vocab.json and idf.npy: there are no generation tests");
    snippets = (void *)&kept;
    for (int i = 0; i < 3; i++) {
        write_all(state, SNIPPETS);
        remove(in_folder(*state, names[i]));
        char expected[600];
        snprintf(expected, sizeof expected, "/%s' is not there although '%s/", names[i],
                 (const char *)*state);
        assert_fails(ae_snippets_open(*state, &dataset, &hooks, &snippets), AE_ERR_NOT_FOUND, expected);
        assert_non_null(strstr(ae_last_error(), "published under https://"));
        assert_ptr_equal(snippets, &kept);
    }
    assert_int_equal(kept.count, 1);
}

static void records_without_ids_need_no_files_read(void **state) {
    write_all(state, "{ this is not read");
    const ae_dataset no_ids = {.records = records + 5, .count = 2};
    ae_snippets *snippets = (void *)state;
    assert_ok(ae_snippets_open(*state, &no_ids, NULL, &snippets));
    assert_null(snippets);
    const ae_dataset empty = {.records = NULL, .count = 0};
    snippets = (void *)state;
    assert_ok(ae_snippets_open(*state, &empty, NULL, &snippets));
    assert_null(snippets);
    // Nor do they lack any: there is nothing to warn of, and nothing to refuse.
    kept_warnings kept = {0};
    const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
    remove(in_folder(*state, "idf.npy"));
    snippets = (void *)state;
    assert_ok(ae_snippets_open(*state, &no_ids, &hooks, &snippets));
    assert_null(snippets);
    remove(in_folder(*state, "attribute_snippets.json"));
    remove(in_folder(*state, "tfidf_vocab.json"));
    assert_ok(ae_snippets_open(*state, &no_ids, &hooks, &snippets));
    assert_int_equal(kept.count, 0);
}

static void malformed_files_are_refused_by_place(void **state) {
#define ELEMENT(text) "[{\"relation_id\": \"P1\", \"target_id\": \"Q3\", \"samples\": []}, " text "]"
    static const struct {
        const char *snippets, *text;
    } cases[] = {
        {"{}", "attribute_snippets.json' does not begin with '['"},
        {ELEMENT("{\"relation_id\": \"P1\""), "attribute_snippets.json, element 2 at byte "},
        {ELEMENT("7"), "attribute_snippets.json, element 2': field 'relation_id' is missing"},
        {ELEMENT("{\"relation_id\": \"P1\", \"target_id\": 5}"),
         "element 2': field 'target_id' is an integer, expected a string"},
        {ELEMENT("{\"relation_id\": \"P1\", \"target_id\": \"Q1\"}"),
         "element 2': field 'samples' is nothing, expected an array"},
        {ELEMENT(
             "{\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": [{\"name\": \"Bonn\", \"text\": "
             "\"x\"}, {\"name\": \"x\"}]}"),
         "element 2': field 'text' is missing"},
        {ELEMENT("{\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": [{\"text\": \"x\"}]}"),
         "sample 1: '"},
        {ELEMENT("{\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": [{\"text\": \"x\"}]}"),
         "element 2': field 'name' is missing"},
    };
    ae_snippets *snippets = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_all(state, cases[i].snippets);
        assert_fails(ae_snippets_open(*state, &dataset, NULL, &snippets), AE_ERR_FORMAT, cases[i].text);
    }
    write_all(state, SNIPPETS);
    write_text(*state, "tfidf_vocab.json", "[]");
    assert_fails(ae_snippets_open(*state, &dataset, NULL, &snippets), AE_ERR_FORMAT,
                 "tfidf_vocab.json' is an array");
    assert_null(snippets);
}

typedef struct seen_progress {
    int calls, stop_at;
    double done, total;
} seen_progress;

static bool see_progress(void *user, const char *stage, double done, double total, const char *unit) {
    seen_progress *seen = user;
    assert_string_equal(stage, "reading snippets");
    assert_string_equal(unit, "bytes");
    assert_true(done > seen->done);
    seen->done = done;
    seen->total = total;
    return ++seen->calls != seen->stop_at;
}

static void reading_tells_how_far_it_is_and_can_be_stopped(void **state) {
    write_all(state, SNIPPETS);
    seen_progress seen = {0};
    const ae_hooks hooks = {.user = &seen, .progress = see_progress};
    ae_snippets *snippets = NULL;
    assert_ok(ae_snippets_open(*state, &dataset, &hooks, &snippets));
    ae_snippets_free(snippets);
    assert_int_equal(seen.calls, 5);
    assert_true(seen.total == (double)strlen(SNIPPETS) && seen.done <= seen.total);
    seen = (seen_progress){.stop_at = 2};
    snippets = NULL;
    assert_fails(ae_snippets_open(*state, &dataset, &hooks, &snippets), AE_ERR_CANCELLED,
                 "reading snippets was stopped after");
    assert_null(snippets);
}

static void any_allocation_may_fail(void **state) {
    write_all(state, SNIPPETS);
    static const char *const texts[] = {"old city", "river"};
    int failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        ae_snippets *snippets = NULL;
        bool found = false;
        double score = 77;
        ae_memory_fail_at(n);
        ae_status status = ae_snippets_open(*state, &dataset, NULL, &snippets);
        if (status == AE_OK)
            status = ae_snippets_reference_score(snippets, &records[0], texts, 2, &found, &score);
        ae_memory_fail_at(0);
        ae_snippets_free(snippets);
        if (status == AE_OK) break;
        assert_fails(status, AE_ERR_MEMORY, "out of memory");
        assert_true(!found && score == 77);
    }
    assert_true(failures > 30);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(texts_are_scored_against_a_pair_s_snippets),
        WITH_FOLDER(essences_are_a_subject_s_own_snippets),
        WITH_FOLDER(without_files_there_is_a_warning),
        WITH_FOLDER(records_without_ids_need_no_files_read),
        WITH_FOLDER(malformed_files_are_refused_by_place),
        WITH_FOLDER(reading_tells_how_far_it_is_and_can_be_stopped),
        WITH_FOLDER(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
