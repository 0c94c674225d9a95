// eval/summary: runs written by hand, their numbers worked out by hand; comparisons; summary.json byte by
// byte.
#include "test.h"

#include <math.h>
#include <sys/stat.h>

#include "aedile/eval.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

// ---- runs ------------------------------------------------------------------------------------------

static const char *path_of(void *const *state, const char *name) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

// Not flushed to disk: some tests write thousands of times.
static void write_bytes(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *path, const char *text) {
    write_bytes(path, text, strlen(text));
}

static void make_run(void *const *state, const char *run, const char *params) {
    char path[800];
    assert_ok(ae_folder_make(path_of(state, run)));
    snprintf(path, sizeof path, "%s/params.json", path_of(state, run));
    write_text(path, params);
}

static const char reference_params[] = "{\"enable_random_prefix_keys\": true, \"enable_prompt_keys\": false, "
                                       "\"original_implementation\": true, \"model_name\": \"gpt2-xl\", "
                                       "\"dataset\": \"cf\", \"sequential\": true}";

// A case file as the reference writes it; `members` follow the record.
static void write_case_of(void *const *state, const char *run, int id, const char *subject,
                          const char *members) {
    char path[800], text[4096];
    snprintf(path, sizeof path, "%s/1_edits-case_%d.json", path_of(state, run), id);
    snprintf(
        text, sizeof text,
        "{\n \"case_id\": %d,\n \"grouped_case_ids\": [\n  %d\n ],\n \"num_edits\": 1,\n"
        " \"requested_rewrite\": {\"prompt\": \"{} is in\", \"relation_id\": \"P1\","
        " \"target_new\": {\"str\": \"Rome\", \"id\": \"Q1\"}, \"target_true\": {\"str\": \"Paris\", \"id\": "
        "\"Q2\"}, \"subject\": \"%s\"},\n %s\n}",
        id, id, subject, members);
    write_text(path, text);
}

static void write_case(void *const *state, const char *run, int id, const char *members) {
    char subject[16];
    snprintf(subject, sizeof subject, "S%d", id);
    write_case_of(state, run, id, subject, members);
}

#define PAIR(new_, true_) "{\"target_new\": " #new_ ", \"target_true\": " #true_ "}"

// Three cases. Successes: rewrite 1, 0, 1; paraphrase 1/2, 1, 1/2; neighbourhood 1/3 (equal is none), 1, 1/3.
static void make_three(void *const *state, const char *run) {
    make_run(state, run, reference_params);
    write_case(
        state, run, 0,
        "\"time\": 1.5, \"post\": {\"rewrite_prompts_probs\": [" PAIR(
            1,
            2) "],"
               "\"paraphrase_prompts_probs\": [" PAIR(1, 2) "," PAIR(
                   3,
                   2) "],"
                      "\"neighborhood_prompts_probs\": [" PAIR(5, 1) "," PAIR(1, 5) "," PAIR(
                          2,
                          2) "],"
                             "\"attribute_prompts_probs\": []}, \"distance_from_original\": {\"17\": 1e-7}");
    write_case(
        state, run, 5,
        "\"time\": 2.5, \"post\": {\"rewrite_prompts_probs\": [" PAIR(
            3, 2) "],"
                  "\"paraphrase_prompts_probs\": [" PAIR(1, 4) "," PAIR(
                      1, 4) "],"
                            "\"neighborhood_prompts_probs\": [" PAIR(
                                4, 1) "],"
                                      "\"ngram_entropy\": 6, \"reference_score\": 0.25, \"text\": [\"a b\"], "
                                      "\"essence_score\": 100.5,"
                                      "\"essence_text\": \"c\"}, \"distance_from_original\": {\"17\": 2e-7}");
    write_case(
        state, run, 12,
        "\"time\": 4.1, \"post\": {\"rewrite_prompts_probs\": [" PAIR(
            0.25,
            2) "],"
               "\"paraphrase_prompts_probs\": [" PAIR(1, 2) "," PAIR(
                   3, 2) "],"
                         "\"neighborhood_prompts_probs\": [" PAIR(5, 1) "," PAIR(1, 5) "," PAIR(
                             1,
                             5) "],"
                                "\"ngram_entropy\": 5.1234, \"reference_score\": null, \"text\": [\"a b\"]},"
                                "\"distance_from_original\": {\"17\": 3e-7}");
}

static ae_summary *summarize(void *const *state, const char *run) {
    ae_summary *summary = NULL;
    assert_ok(ae_summarize(path_of(state, run), 0, NULL, &summary));
    return summary;
}

static void assert_value(const ae_summary *summary, const char *name, double mean, double std, size_t n) {
    const ae_summary_value *value = ae_summary_get(summary, name);
    if (!value) fail_msg("there is no '%s'", name);
    if (!(fabs(value->mean - mean) < 1e-9)) fail_msg("%s: mean %.12g, not %.12g", name, value->mean, mean);
    if (isnan(std) ? !isnan(value->std) : !(fabs(value->std - std) < 1e-9))
        fail_msg("%s: deviation %.12g, not %.12g", name, value->std, std);
    assert_int_equal(value->n, n);
}

// ---- the numbers -----------------------------------------------------------------------------------

static void numbers_are_those_worked_out_by_hand(void **state) {
    make_three(state, "run_004");
    ae_summary *summary = summarize(state, "run_004");
    assert_string_equal(summary->name, "run_004");
    assert_string_equal(summary->folder, path_of(state, "run_004"));
    assert_string_equal(summary->variant, "r-rome");
    assert_string_equal(summary->model, "gpt2-xl");
    assert_string_equal(summary->dataset, "cf");
    assert_int_equal(summary->n_cases, 3);
    assert_int_equal(summary->n_edits, 3);
    assert_int_equal(summary->n_flagged, 0);
    assert_int_equal(summary->n_skipped, 0);

    // Deviations: population. Of 1, 0, 1: sqrt(2)/3. Of 1/2, 1, 1/2: sqrt(2)/6. Of 1/3, 1, 1/3: sqrt(8)/9.
    const double root = sqrt(2);
    assert_value(summary, "time", 2.7, sqrt((1.2 * 1.2 + 0.2 * 0.2 + 1.4 * 1.4) / 3), 3);
    assert_value(summary, "post_rewrite_success", 200 / 3.0, 100 * root / 3, 3);
    assert_value(summary, "post_paraphrase_success", 200 / 3.0, 100 * root / 6, 3);
    assert_value(summary, "post_neighborhood_success", 500 / 9.0, 100 * sqrt(8) / 9, 3);
    const double p1 = exp(-1), p2 = exp(-2), p3 = exp(-3), p4 = exp(-4), p5 = exp(-5), q = exp(-0.25);
    const double mean = ((p1 - p2) + (p3 - p2) + (q - p2)) / 3;
    const double spread = pow(p1 - p2 - mean, 2) + pow(p3 - p2 - mean, 2) + pow(q - p2 - mean, 2);
    assert_value(summary, "post_rewrite_diff", 100 * mean, 100 * sqrt(spread / 3), 3);
    const double paraphrase[] = {(p1 - p2 + p3 - p2) / 2, p1 - p4}; // the first one twice
    const double step = paraphrase[1] - paraphrase[0];
    assert_value(summary, "post_paraphrase_diff", 100 * (paraphrase[0] + step / 3), 100 * step * root / 3, 3);
    const double n0 = 0, n1 = p1 - p4, n2 = (p5 - p1) / 3, m = (n0 + n1 + n2) / 3;
    assert_value(summary, "post_neighborhood_diff", 100 * m,
                 100 * sqrt((m * m + (n1 - m) * (n1 - m) + (n2 - m) * (n2 - m)) / 3), 3);
    assert_value(summary, "post_ngram_entropy", 556.17, 43.83, 2);
    assert_value(summary, "post_reference_score", 25, 0, 1);
    assert_value(summary, "post_essence_score", 100.5, 0, 1);
    // Of the rounded means 66.67, 66.67, 55.56.
    assert_value(summary, "post_score", 3 / (2 / 66.67 + 1 / 55.56), NAN, 3);

    static const char *const names[] = {
        "time",
        "post_rewrite_success",
        "post_rewrite_diff",
        "post_paraphrase_success",
        "post_paraphrase_diff",
        "post_neighborhood_success",
        "post_neighborhood_diff",
        "post_ngram_entropy",
        "post_reference_score",
        "post_essence_score",
        "post_score",
    };
    assert_int_equal(summary->n_values, sizeof names / sizeof *names);
    for (size_t i = 0; i < summary->n_values; i++)
        assert_string_equal(summary->values[i].name, names[i]);
    assert_null(ae_summary_get(summary, "pre_rewrite_success"));
    assert_null(ae_summary_get(summary, "post_rewrite_acc"));
    ae_summary_free(summary);
    ae_summary_free(NULL);
}

static void intervals_hold_the_mean_and_are_the_same_twice(void **state) {
    make_three(state, "run_000");
    ae_summary *a = summarize(state, "run_000"), *b = summarize(state, "run_000");
    for (size_t i = 0; i < a->n_values; i++) {
        const ae_summary_value *value = &a->values[i];
        if (strcmp(value->name, "post_score") == 0) {
            assert_true(isnan(value->low) && isnan(value->high));
            continue;
        }
        if (value->n == 1)
            assert_true(value->low == value->mean && value->high == value->mean);
        else
            assert_true(value->low < value->mean && value->mean < value->high);
        assert_true(value->low == b->values[i].low && value->high == b->values[i].high);
    }
    // Three cases: all resamples of the least or the greatest value have 1 in 27, more than 2.5 %.
    const ae_summary_value *time = ae_summary_get(a, "time");
    assert_true(time->low == 1.5 && fabs(time->high - 4.1) < 1e-12);
    ae_summary_free(a);
    ae_summary_free(b);
}

static void measured_before_too(void **state) {
    make_run(state, "run_000", reference_params);
    static const char measures[] =
        "\"rewrite_prompts_probs\": [" PAIR(% d, 2) "], \"paraphrase_prompts_probs\": [" PAIR(
            1, 2) "],"
                  "\"neighborhood_prompts_probs\": [" PAIR(3, 2) "]";
    for (int id = 0; id < 4; id++) {
        char pre[400], post[400], members[1000];
        snprintf(pre, sizeof pre, measures, id == 0 ? 1 : 3); // 1 of 4
        snprintf(post, sizeof post, measures, id == 0 ? 3 : 1);
        snprintf(members, sizeof members, "\"time\": 1, \"pre\": {%s}, \"post\": {%s}", pre, post);
        write_case(state, "run_000", id, members);
    }
    ae_summary *summary = summarize(state, "run_000");
    assert_value(summary, "pre_rewrite_success", 25, 100 * sqrt(3) / 4, 4);
    assert_value(summary, "post_rewrite_success", 75, 100 * sqrt(3) / 4, 4);
    assert_value(summary, "pre_score", 3 / (1 / 25.0 + 2 / 100.0), NAN, 4);
    assert_value(summary, "post_score", 3 / (1 / 75.0 + 2 / 100.0), NAN, 4);
    assert_string_equal(summary->values[1].name, "pre_rewrite_success");
    assert_string_equal(summary->values[7].name, "post_rewrite_success");
    assert_string_equal(summary->values[13].name, "pre_score");
    assert_string_equal(summary->values[14].name, "post_score");
    ae_summary_free(summary);
}

static void a_mean_of_nothing_gives_no_score(void **state) {
    make_run(state, "run_000", reference_params);
    write_case(state, "run_000", 1,
               "\"post\": {\"rewrite_prompts_probs\": [" PAIR(1, 2) "], \"paraphrase_prompts_probs\": [],"
                                                                    "\"neighborhood_prompts_probs\": [" PAIR(
                                                                        2, 1) "]}");
    ae_summary *summary = summarize(state, "run_000");
    assert_value(summary, "post_rewrite_success", 100, 0, 1);
    assert_null(ae_summary_get(summary, "post_paraphrase_success"));
    assert_null(ae_summary_get(summary, "post_score"));
    assert_null(ae_summary_get(summary, "time"));
    ae_summary_free(summary);

    // None right is a score of nought, as scipy has it.
    write_case(state, "run_000", 1,
               "\"post\": {\"rewrite_prompts_probs\": [" PAIR(
                   2, 1) "],"
                         "\"paraphrase_prompts_probs\": [" PAIR(
                             1, 2) "], \"neighborhood_prompts_probs\": [" PAIR(2, 1) "]}");
    summary = summarize(state, "run_000");
    assert_value(summary, "post_score", 0, NAN, 1);
    ae_summary_free(summary);
}

static void zsre_has_accuracies(void **state) {
    make_run(state, "run_000",
             "{\"enable_random_prefix_keys\": false, \"enable_prompt_keys\": true, "
             "\"original_implementation\": true,"
             " \"model_name\": \"gpt2\", \"dataset\": \"zsre\"}");
    write_case(state, "run_000", 7,
               "\"time\": 2, \"post\": {\"rewrite_prompts_correct\": [true, true, false, true],"
               "\"paraphrase_prompts_correct\": [false, false], \"neighborhood_prompts_correct\": [true]}");
    write_case(state, "run_000", 8,
               "\"time\": 2, \"post\": {\"rewrite_prompts_correct\": [true],"
               "\"paraphrase_prompts_correct\": [true, false], \"neighborhood_prompts_correct\": [true]}");
    ae_summary *summary = summarize(state, "run_000");
    assert_string_equal(summary->variant, "rome");
    assert_string_equal(summary->dataset, "zsre");
    assert_value(summary, "post_rewrite_acc", 87.5, 12.5, 2);
    assert_value(summary, "post_paraphrase_acc", 25, 25, 2);
    assert_value(summary, "post_neighborhood_acc", 100, 0, 2);
    assert_null(ae_summary_get(summary, "post_rewrite_success"));
    assert_null(ae_summary_get(summary, "post_score"));
    ae_summary_free(summary);
}

static void the_first_cases_are_those_edited_first(void **state) {
    make_three(state, "run_000");
    const char *folder = path_of(state, "run_000");
    ae_summary *summary = NULL;
    assert_ok(ae_summarize(folder, 2, NULL, &summary)); // 0 and 5, not 0 and 12
    assert_value(summary, "time", 2, 0.5, 2);
    assert_value(summary, "post_rewrite_success", 50, 50, 2);
    assert_int_equal(summary->n_cases, 2);
    assert_int_equal(summary->n_edits, 2);
    ae_summary_free(summary);
    assert_ok(ae_summarize(folder, 3, NULL, &summary));
    assert_int_equal(summary->n_cases, 3);
    ae_summary_free(summary);
    assert_ok(ae_summarize(folder, 1000, NULL, &summary));
    assert_int_equal(summary->n_cases, 3);
    ae_summary_free(summary);
    assert_fails(ae_summarize(folder, -1, NULL, &summary), AE_ERR_ARGUMENT, "the first -1 cases");
}

// ---- warnings --------------------------------------------------------------------------------------

static void keep_warning(void *user, const char *text) {
    strncat(user, text, 999 - strlen(user));
    strncat(user, "\n", 999 - strlen(user));
}

static void what_the_means_do_not_show_is_told(void **state) {
    make_three(state, "run_000");
    write_case(state, "run_000", 12,
               "\"time\": 1, \"post\": {}, \"aedile\": {\"n_edits\": 3, \"flag\": \"update norm 14 times the "
               "median\","
               "\"error\": \"logits are not finite\"}");
    assert_ok(ae_folder_make(path_of(state, "run_000/aedile/skipped")));
    write_text(path_of(state, "run_000/aedile/skipped/case_6.json"), "{}");
    char warnings[1000] = "";
    const ae_hooks hooks = {.user = warnings, .warn = keep_warning};
    ae_summary *summary = NULL;
    assert_ok(ae_summarize(path_of(state, "run_000"), 0, &hooks, &summary));
    assert_int_equal(summary->n_flagged, 1);
    assert_value(summary, "post_rewrite_success", 50, 50, 2); // an empty "post" is in no mean
    assert_value(summary, "time", 5 / 3.0, sqrt((1 + 25 + 16) / 36.0 / 3), 3);
    char expected[3000];
    const char *folder = path_of(state, "run_000");
    snprintf(expected, sizeof expected,
             "'%s': edits out of line: 1 of 3 cases; the first is case 12: update norm 14 times the median\n"
             "'%s': not measured, and in no mean: 1 of 3 cases; the first is case 12: logits are not finite\n"
             "'%s': records that were skipped, and are in no mean: 1\n",
             folder, folder, folder);
    assert_string_equal(warnings, expected);
    assert_int_equal(summary->n_skipped, 1);
    ae_summary_free(summary);
    *warnings = '\0';
    assert_ok(ae_summarize(folder, 2, &hooks, &summary));
    assert_int_equal(summary->n_flagged, 0);
    assert_null(strstr(warnings, "case 12"));
    ae_summary_free(summary);
}

static void a_run_that_has_not_ended_is_told(void **state) {
    static const char line[] = "{\"event\": \"case\", \"case_id\": 0, \"flag\": null}\n";
    static const char end[] = "{\"event\": \"end\", \"n_cases\": 3}\n";
    const struct {
        const char *lines[2];
        bool ended;
    } logs[] = {{{end, ""}, true},    {{line, end}, true},
                {{"", ""}, false},    {{line, ""}, false},
                {{end, line}, false}, {{line, "{\"event\": \"en"}, false},
                {{"\n", ""}, false},  {{line, "{\"event\": \"end\"\n\n"}, false}};
    make_three(state, "run_000");
    assert_ok(ae_folder_make(path_of(state, "run_000/aedile")));
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        char text[300], warnings[1000] = "", expected[3000];
        snprintf(text, sizeof text, "%s%s", logs[i].lines[0], logs[i].lines[1]);
        write_text(path_of(state, "run_000/aedile/events.jsonl"), text);
        const ae_hooks hooks = {.user = warnings, .warn = keep_warning};
        const char *folder = path_of(state, "run_000");
        ae_summary *summary = NULL;
        assert_ok(ae_summarize(folder, 2, &hooks, &summary));
        ae_summary_free(summary);
        snprintf(expected, sizeof expected, "'%s': the run has not ended; it has 3 cases so far\n", folder);
        assert_string_equal(warnings, logs[i].ended ? "" : expected);
    }
}

// ---- comparing -------------------------------------------------------------------------------------

// Case `id`: its time, and whether rewrite, paraphrase and neighbourhood succeed.
static void write_outcome(void *const *state, const char *run, int id, double time, const char *outcome) {
    char members[1000];
    snprintf(members, sizeof members,
             "\"time\": %g, \"post\": {\"rewrite_prompts_probs\": [" PAIR(
                 % d, 2) "],"
                         "\"paraphrase_prompts_probs\": [" PAIR(
                             % d, 2) "], \"neighborhood_prompts_probs\": [" PAIR(% d, 2) "]}",
             time, outcome[0] == '+' ? 1 : 3, outcome[1] == '+' ? 1 : 3, outcome[2] == '+' ? 3 : 1);
    write_case(state, run, id, members);
}

static void make_two(void *const *state) {
    make_run(state, "a", reference_params);
    make_run(state, "b", reference_params);
    write_outcome(state, "a", 1, 1, "+-+");
    write_outcome(state, "a", 2, 2, "+++");
    write_outcome(state, "a", 3, 3, "+++");
    write_outcome(state, "a", 4, 4, "-++");
    write_outcome(state, "a", 9, 100, "---"); // a's alone
    write_outcome(state, "b", 0, 100, "---"); // b's alone
    write_outcome(state, "b", 1, 3, "+++");
    write_outcome(state, "b", 2, 4, "++-");
    write_outcome(state, "b", 3, 5, "+++");
    write_outcome(state, "b", 4, 6, "+++");
}

static void differences_are_over_shared_cases(void **state) {
    make_two(state);
    ae_summary *a = summarize(state, "a"), *b = summarize(state, "b");
    ae_difference d, back;
    assert_ok(ae_summary_compare(a, b, "time", &d));
    assert_true(d.mean == 2 && d.low == 2 && d.high == 2 && d.n == 4); // 2 more in each: nothing to doubt
    assert_ok(ae_summary_compare(a, b, "post_rewrite_success", &d));   // 0 0 0 +1
    assert_true(d.mean == 25 && d.low == 0 && d.high == 75 && d.n == 4);
    assert_ok(ae_summary_compare(b, a, "post_rewrite_success", &back));
    assert_true(back.mean == -25 && back.low == -75 && back.high == 0 && back.n == 4);
    assert_ok(ae_summary_compare(a, b, "post_neighborhood_success", &d)); // 0 -1 0 0
    assert_true(d.mean == -25 && d.high == 0);
    ae_summary_free(a);
    ae_summary_free(b);
}

static void scores_are_compared_over_whole_cases(void **state) {
    make_two(state);
    ae_summary *a = summarize(state, "a"), *b = summarize(state, "b");
    ae_difference d, again;
    assert_ok(ae_summary_compare(a, b, "post_score", &d));
    const double score_a = 3 / (2 / 75.0 + 1 / 100.0), score_b = 3 / (2 / 100.0 + 1 / 75.0);
    assert_true(fabs(d.mean - (score_b - score_a)) < 1e-9);
    assert_int_equal(d.n, 4);
    assert_true(d.low < d.mean && d.mean < d.high);
    assert_ok(ae_summary_compare(a, b, "post_score", &again));
    assert_true(d.low == again.low && d.high == again.high);
    assert_ok(
        ae_summary_compare(a, a, "post_score", &d)); // drawn together: against itself there is no difference
    assert_true(d.mean == 0 && d.low == 0 && d.high == 0 && d.n == 5);
    ae_summary_free(a);
    ae_summary_free(b);
}

static void cases_of_other_requests_are_other_cases(void **state) {
    make_run(state, "a", reference_params);
    make_run(state, "b", reference_params);
    write_case_of(state, "a", 1, "Louvre", "\"time\": 1");
    write_case_of(state, "a", 2, "Eiffel Tower", "\"time\": 5");
    write_case_of(state, "b", 1, "Prado", "\"time\": 9");
    write_case_of(state, "b", 2, "Eiffel Tower", "\"time\": 6");
    ae_summary *a = summarize(state, "a"), *b = summarize(state, "b");
    ae_difference d = {.n = 77};
    assert_ok(ae_summary_compare(a, b, "time", &d));
    assert_true(d.mean == 1 && d.n == 1);
    d.n = 77;
    assert_fails(ae_summary_compare(a, b, "post_rewrite_success", &d), AE_ERR_NOT_FOUND,
                 "no measured case in common");
    assert_fails(ae_summary_compare(a, b, "post_score", &d), AE_ERR_NOT_FOUND, "no measured case in common");
    assert_fails(ae_summary_compare(a, b, "post_speed", &d), AE_ERR_ARGUMENT, "'post_speed' is not the name");
    assert_int_equal(d.n, 77);
    ae_summary_free(b);
    write_case_of(state, "b", 2, "Big Ben", "\"time\": 6");
    b = summarize(state, "b");
    assert_fails(ae_summary_compare(a, b, "time", &d), AE_ERR_NOT_FOUND, "/a' and '");
    ae_summary_free(a);
    ae_summary_free(b);
}

// ---- writing ---------------------------------------------------------------------------------------

static void assert_file(void *const *state, const char *name, const char *expected) {
    char *text = NULL;
    assert_ok(ae_file_read(path_of(state, name), 1 << 20, &text, NULL));
    assert_string_equal(text, expected);
    ae_free(text);
}

// What the reference's summarize.py writes of these cases (numpy 2.4, scipy 1.17), but for its bare NaN in
// the score, and for a null among the reference scores, on which it stops.
static void summary_json_is_the_references(void **state) {
    make_three(state, "run_000/");
    ae_summary *summary = summarize(state, "run_000/");
    assert_ok(ae_summary_write(summary));
    char expected[2000];
    snprintf(expected, sizeof expected,
             "{\"time\": [2.6999999999999997, 1.0708252269472671], \"post_rewrite_success\": [66.67, 47.14], "
             "\"post_rewrite_diff\": [26.35, 29.84], \"post_paraphrase_success\": [66.67, 23.57], "
             "\"post_paraphrase_diff\": [16.55, 13.01], \"post_neighborhood_success\": [55.56, 31.43], "
             "\"post_neighborhood_diff\": [7.64, 19.93], \"post_ngram_entropy\": [556.17, 43.83], "
             "\"post_reference_score\": [25.0, 0.0], \"post_essence_score\": [100.5, 0.0], "
             "\"post_score\": [62.50382811181732, null], \"run_dir\": \"%s\", \"num_cases\": 3}",
             path_of(state, "run_000"));
    assert_file(state, "run_000/evals/summary.json", expected);
    assert_ok(ae_summary_write(summary)); // again, over the old one
    assert_file(state, "run_000/evals/summary.json", expected);
    ae_summary_free(summary);
    summary = summarize(state, "run_000"); // what was written is in nobody's way
    assert_int_equal(summary->n_cases, 3);
    ae_summary_free(summary);
}

static void sums_do_not_depend_on_the_order(void **state) {
    static const double values[] = {1e16, 1, -1e16, 1, 0.5, 0.1, 1e-9, 0.3, 0.1, 3};
    enum { N = sizeof values / sizeof *values };
    ae_summary *summaries[2];
    for (int backwards = 0; backwards < 2; backwards++) {
        const char *run = backwards ? "b" : "a";
        make_run(state, run, reference_params);
        for (int i = 0; i < N; i++) {
            char members[100];
            snprintf(members, sizeof members, "\"time\": %.17g", values[backwards ? N - 1 - i : i]);
            write_case(state, run, i, members);
        }
        summaries[backwards] = summarize(state, run);
    }
    assert_true(ae_summary_get(summaries[0], "time")->mean == 6.000000001 / N);
    assert_true(ae_summary_get(summaries[1], "time")->mean == 6.000000001 / N);
    ae_summary_free(summaries[0]);
    ae_summary_free(summaries[1]);
}

static void run_dir_is_any_folder(void **state) {
    make_three(state, "r\xC3\xBCn \"\xFF\"");
    ae_summary *summary = summarize(state, "r\xC3\xBCn \"\xFF\"");
    assert_ok(ae_summary_write(summary));
    char *text = NULL;
    assert_ok(ae_file_read(path_of(state, "r\xC3\xBCn \"\xFF\"/evals/summary.json"), 1 << 20, &text, NULL));
    assert_non_null(strstr(text, "/r\\u00fcn \\\"\\ufffd\\\"\", \"num_cases\": 3}"));
    ae_free(text);
    ae_summary_free(summary);
}

static void a_summary_that_cannot_be_written_is_told(void **state) {
    make_three(state, "run_000");
    ae_summary *summary = summarize(state, "run_000");
    write_text(path_of(state, "run_000/evals"), "in the way");
    assert_fails(ae_summary_write(summary), AE_ERR_IO, "run_000/evals'");
    assert_file(state, "run_000/evals", "in the way");
    ae_summary_free(summary);
}

// ---- what is no run --------------------------------------------------------------------------------

static void what_is_no_run_is_refused(void **state) {
    ae_summary *summary = NULL;
    assert_fails(ae_summarize(path_of(state, "run_9"), 0, NULL, &summary), AE_ERR_NOT_FOUND, "run_9'");
    write_text(path_of(state, "file"), "x");
    assert_fails(ae_summarize(path_of(state, "file"), 0, NULL, &summary), AE_ERR_NOT_FOUND, "file'");
    assert_ok(ae_folder_make(path_of(state, "empty")));
    assert_fails(ae_summarize(path_of(state, "empty"), 0, NULL, &summary), AE_ERR_NOT_FOUND,
                 "no run's folder");
    make_run(state, "begun", reference_params);
    assert_fails(ae_summarize(path_of(state, "begun"), 0, NULL, &summary), AE_ERR_NOT_FOUND,
                 "holds no case files (<n>_edits-case_<id>.json) yet");
    assert_null(summary);
}

static void damaged_files_are_named(void **state) {
    static const struct {
        const char *members, *text;
    } broken[] = {
        {"\"time\": 1, \"post\": {\"rewrite", "1_edits-case_5.json' is not valid JSON"}, // cut off below
        {"\"time\": \"1\"", "1_edits-case_5.json': field 'time' is a string, expected a number"},
        {"\"post\": [1]", "1_edits-case_5.json': field 'post' is an array, expected an object"},
        {"\"post\": {\"ngram_entropy\": true}", "field 'ngram_entropy' is a boolean, expected a number"},
        {"\"post\": {\"rewrite_prompts_probs\": {}}",
         "rewrite_prompts_probs' is an object, expected an array"},
        {"\"post\": {\"rewrite_prompts_probs\": [3]}", "rewrite_prompts_probs"},
        {"\"post\": {\"rewrite_prompts_probs\": [{\"target_new\": 1}]}", "target_true"},
        {"\"post\": {\"rewrite_prompts_correct\": [1]}", "rewrite_prompts_correct"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        make_three(state, "run_000");
        write_case(state, "run_000", 5, broken[i].members);
        ae_summary *summary = NULL;
        assert_fails(ae_summarize(path_of(state, "run_000"), 0, NULL, &summary), AE_ERR_FORMAT,
                     broken[i].text);
        assert_null(summary);
    }
}

static void every_cut_is_told(void **state) {
    make_run(state, "run_000", reference_params);
    write_case(state, "run_000", 5, "\"time\": 1, \"post\": {\"rewrite_prompts_probs\": [" PAIR(1, 2) "]}");
    const char *folder = path_of(state, "run_000");
    char path[800], *text = NULL;
    size_t length;
    snprintf(path, sizeof path, "%s/1_edits-case_5.json", folder);
    assert_ok(ae_file_read(path, 1 << 20, &text, &length));
    for (size_t n = 0; n < length; n++) {
        write_bytes(path, text, n);
        ae_summary *summary = NULL;
        assert_fails(ae_summarize(folder, 0, NULL, &summary), AE_ERR_FORMAT,
                     "1_edits-case_5.json' is not valid JSON");
    }
    ae_free(text);
}

// Bytes changed at random: a summary, or an error that names the file; never more (the sanitizers watch).
static void any_bytes_are_read_or_refused(void **state) {
    make_three(state, "run_000");
    const char *folder = path_of(state, "run_000");
    static const char *const names[] = {"1_edits-case_5.json", "params.json"};
    int refused = 0, read = 0;
    ae_random random = ae_random_stream(1, 0, 0);
    for (int i = 0; i < 2000; i++) {
        char path[800], *text = NULL;
        size_t length;
        snprintf(path, sizeof path, "%s/%s", folder, names[i % 2]);
        assert_ok(ae_file_read(path, 1 << 20, &text, &length));
        char *changed = ae_strndup(text, length);
        for (uint64_t n = 1 + ae_random_next(&random) % 3; n > 0; n--) {
            static const char bytes[] = "0919eE-+.\"[]{}:, ntf\\\x00\xFF";
            changed[ae_random_next(&random) % length] = bytes[ae_random_next(&random) % sizeof bytes];
        }
        write_bytes(path, changed, length);
        ae_summary *summary = NULL;
        const ae_status status = ae_summarize(folder, 0, NULL, &summary);
        if (status == AE_OK)
            read++;
        else if (strstr(ae_last_error(), names[i % 2]))
            refused++;
        else
            fail_msg("%s: %s", ae_status_name(status), ae_last_error());
        ae_summary_free(summary);
        write_bytes(path, text, length);
        ae_free(changed);
        ae_free(text);
    }
    assert_true(refused > 500 && read > 100);
}

static void lack_of_memory_is_told(void **state) {
    make_two(state);
    char other[800];
    snprintf(other, sizeof other, "%s", path_of(state, "b"));
    const char *folder = path_of(state, "a");
    ae_summary *a = NULL, *b = NULL;
    uint64_t failures = 0;
    for (ae_status status = AE_ERR_MEMORY; status != AE_OK; failures++) {
        ae_memory_fail_at(failures + 1);
        status = ae_summarize(folder, 0, NULL, &a);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_null(a);
    }
    assert_true(failures > 20);
    assert_ok(ae_summarize(other, 0, NULL, &b));
    for (int name = 0; name < 2; name++) {
        failures = 0;
        for (;; failures++) {
            ae_difference d;
            ae_memory_fail_at(failures + 1);
            const ae_status status = ae_summary_compare(a, b, name ? "post_score" : "time", &d);
            ae_memory_fail_at(0);
            if (status == AE_OK) break;
            assert_int_equal(status, AE_ERR_MEMORY);
        }
        assert_true(failures >= 2);
    }
    failures = 0;
    for (;; failures++) {
        ae_memory_fail_at(failures + 1);
        const ae_status status = ae_summary_write(a);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
    }
    assert_true(failures > 4);
    ae_summary_free(a);
    ae_summary_free(b);
}

// ---- selections ------------------------------------------------------------------------------------

static void a_selection_is_written(void **state) {
    // random.seed(1); l = list(range(5)); random.shuffle(l): [2, 3, 4, 0, 1]
    assert_ok(ae_select_write("sample:1:2", 5, path_of(state, "s.json")));
    assert_file(
        state, "s.json",
        "{\n    \"0\": false,\n    \"1\": false,\n    \"2\": true,\n    \"3\": true,\n    \"4\": false\n}");
    assert_fails(ae_select_write("sample:1", 5, path_of(state, "t.json")), AE_ERR_ARGUMENT, "sample:1");
    assert_false(ae_path_exists(path_of(state, "t.json")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_those_worked_out_by_hand),
        TEST(intervals_hold_the_mean_and_are_the_same_twice),
        TEST(measured_before_too),
        TEST(a_mean_of_nothing_gives_no_score),
        TEST(zsre_has_accuracies),
        TEST(the_first_cases_are_those_edited_first),
        TEST(what_the_means_do_not_show_is_told),
        TEST(a_run_that_has_not_ended_is_told),
        TEST(differences_are_over_shared_cases),
        TEST(scores_are_compared_over_whole_cases),
        TEST(cases_of_other_requests_are_other_cases),
        TEST(summary_json_is_the_references),
        TEST(sums_do_not_depend_on_the_order),
        TEST(run_dir_is_any_folder),
        TEST(a_summary_that_cannot_be_written_is_told),
        TEST(what_is_no_run_is_refused),
        TEST(damaged_files_are_named),
        TEST(every_cut_is_told),
        TEST(any_bytes_are_read_or_refused),
        TEST(lack_of_memory_is_told),
        TEST(a_selection_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
