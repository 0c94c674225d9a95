// aedile/report: the tables, which hold every number that the figures show; options; what goes wrong.
#include "support.h"

// ---- tables ----------------------------------------------------------------------------------------

// A CSV file as rows of fields; without quoted line ends, which these files have none of.
typedef struct table {
    char *text;
    char **lines;
    size_t n_lines; // the first one is the header
} table;

static table read_table(void *const *state, const char *name) {
    table t = {.text = read_text(in_folder_of(state, name))};
    size_t capacity = 0;
    for (char *at = t.text, *end; *at; at = end + 2) {
        end = strstr(at, "\r\n");
        assert_non_null(end);
        *end = '\0';
        assert_ok(ae_grow((void **)&t.lines, &capacity, t.n_lines + 1, sizeof *t.lines));
        t.lines[t.n_lines++] = at;
    }
    assert_true(t.n_lines > 0);
    return t;
}

static void free_table(table *t) {
    ae_free(t->lines);
    ae_free(t->text);
}

static int column_of(const table *t, const char *name) {
    const size_t length = strlen(name);
    int column = 0;
    for (const char *at = t->lines[0]; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL, column++)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) return column;
    fail_msg("no column '%s' in '%s'", name, t->lines[0]);
    return -1;
}

// The field; good until the next call.
static const char *field(const table *t, size_t line, const char *column) {
    static char text[2000];
    const char *at = t->lines[line];
    for (int c = column_of(t, column); c > 0; c--) {
        if (*at == '"')
            for (at++; *at != '"' || at[1] == '"'; at += *at == '"' ? 2 : 1)
                continue;
        at = strchr(at, ',');
        assert_non_null(at);
        at++;
    }
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, ","), at);
    return text;
}

static double number(const table *t, size_t line, const char *column) {
    const char *text = field(t, line, column);
    return *text ? strtod(text, NULL) : NAN;
}

static void write_tables(const char *const *runs, size_t n, const char *output, int window) {
    const ae_report_options options = {.format = AE_REPORT_CSV, .output = output, .window = window};
    assert_ok(ae_report_write(runs, n, &options, NULL));
}

static double mean_of_last(const table *t, size_t line, int window) {
    double sum = 0;
    int n = 0;
    for (; n < window && line >= 1 && strcmp(field(t, line, "measure"), "efficacy") == 0; n++, line--)
        sum += number(t, line, "percent");
    return sum / n;
}

static void scores_and_their_averages(void **state) {
    const char *run = make_run(state, "run_003", made_up_run_defaults), *output = in_folder_of(state, "out");
    write_tables(&run, 1, output, 7);
    table t = read_table(state, "out/scores.csv");
    assert_string_equal(t.lines[0], "run,measure,edit,case_id,percent,moving_average,flagged");
    assert_int_equal(t.n_lines, 1 + 3 * 200);
    for (size_t i = 1; i <= 200; i++) {
        assert_string_equal(field(&t, i, "run"), "run_003 r-rome");
        assert_string_equal(field(&t, i, "measure"), "efficacy");
        assert_true(number(&t, i, "edit") == (double)i);
        assert_true(number(&t, i, "case_id") == (double)(4 * i - 1));
        assert_true(number(&t, i, "percent") == 0 || number(&t, i, "percent") == 100);
        assert_true(fabs(number(&t, i, "moving_average") - mean_of_last(&t, i, 7)) < 1e-9);
        assert_true(number(&t, i, "flagged") == (i == 77));
    }
    assert_string_equal(field(&t, 201, "measure"), "paraphrase");
    assert_string_equal(field(&t, 600, "measure"), "neighborhood");
    free_table(&t);

    // Left to itself the window is a twentieth of the run.
    write_tables(&run, 1, output, 0);
    t = read_table(state, "out/scores.csv");
    assert_true(fabs(number(&t, 150, "moving_average") - mean_of_last(&t, 150, 10)) < 1e-9);
    free_table(&t);
}

static void an_edit_that_disables_stands_out(void **state) {
    made_up_run made = made_up_run_defaults;
    made.fate = RUN_COLLAPSES;
    const char *run = make_run(state, "run", made);
    write_tables(&run, 1, in_folder_of(state, "out"), 0);
    table t = read_table(state, "out/entropy.csv");
    assert_string_equal(t.lines[0], "run,measure,edit,case_id,update_distance,ngram_entropy,flagged");
    assert_int_equal(t.n_lines, 1 + 40); // every fifth has a generation test
    for (size_t i = 1; i < t.n_lines; i++) {
        const bool fatal = number(&t, i, "edit") == 131;
        assert_int_equal(number(&t, i, "update_distance") > 1e-4, fatal);
        assert_int_equal(number(&t, i, "ngram_entropy") < 5, number(&t, i, "edit") >= 131);
        assert_int_equal(number(&t, i, "flagged"), fatal);
    }
    free_table(&t);
    t = read_table(state, "out/k_dot_u.csv");
    assert_int_equal(t.n_lines, 201);
    assert_true(number(&t, 131, "k_dot_u") == 0.0007);
    free_table(&t);
    t = read_table(state, "out/distance.csv");
    assert_true(number(&t, 131, "distance") > 30 * number(&t, 130, "distance"));
    free_table(&t);
}

static void tasks_and_perplexity(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 60;
    const char *runs[2] = {make_run(state, "a", made)};
    made.fate = RUN_OF_REFERENCE;
    runs[1] = make_run(state, "b", made);
    write_tables(runs, 2, in_folder_of(state, "out"), 0);
    table t = read_table(state, "out/downstream_f1.csv");
    assert_string_equal(t.lines[0], "run,measure,edit,f1_percent");
    assert_int_equal(t.n_lines, 1 + 2 * 4 * 4); // runs, tasks, times
    static const double edits[] = {0, 20, 40, 60};
    for (size_t i = 1; i < t.n_lines; i++) {
        const size_t time = (i - 1) % 4;
        const bool of_reference = strcmp(field(&t, i, "run"), "b p-rome") == 0;
        assert_true(number(&t, i, "edit") == (of_reference && time == 0 ? 1 : edits[time]));
        assert_true(number(&t, i, "f1_percent") > 20 && number(&t, i, "f1_percent") < 100);
    }
    assert_string_equal(field(&t, 1, "measure"), "sst");
    assert_string_equal(field(&t, 32, "measure"), "rte");
    free_table(&t);
    t = read_table(state,
                   "out/perplexity.csv"); // of the first run alone: with the tasks, and after each tenth edit
    assert_int_equal(t.n_lines, 1 + 7);
    for (size_t i = 1; i < t.n_lines; i++) {
        assert_string_equal(field(&t, i, "run"), "a r-rome");
        assert_true(number(&t, i, "edit") == 10.0 * (double)(i - 1));
        assert_true(fabs(number(&t, i, "perplexity") - 18 - 0.2 * (double)(i - 1)) < 0.03);
    }
    free_table(&t);
    assert_false(ae_path_exists(in_folder_of(state, "out/none.csv")));
}

static void tables_of_runs_and_edits(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 30;
    made.hostile = true;
    const char *runs[2] = {make_run(state, "a", made)};
    made.fate = RUN_COLLAPSES;
    made.collapse_at = 20;
    runs[1] = make_run(state, "b", made);
    write_tables(runs, 2, in_folder_of(state, "out"), 0);
    table t = read_table(state, "out/runs.csv");
    assert_int_equal(t.n_lines, 3);
    assert_string_equal(field(&t, 1, "run"), "a r-rome");
    assert_string_equal(field(&t, 2, "variant"), "rome");
    assert_string_equal(field(&t, 2, "model"), "gpt2-xl");
    assert_true(number(&t, 1, "cases") == 30 && number(&t, 1, "edits") == 30);
    assert_true(number(&t, 1, "skipped") == 2 && number(&t, 2, "flagged") == 1);
    assert_true(number(&t, 1, "post_rewrite_success") > number(&t, 2, "post_rewrite_success"));
    assert_true(number(&t, 1, "post_rewrite_success_low") <= number(&t, 1, "post_rewrite_success"));
    assert_true(isfinite(number(&t, 1, "pre_rewrite_success")));
    assert_true(isnan(number(&t, 2, "pre_rewrite_success"))); // not measured
    free_table(&t);

    t = read_table(state, "out/edits.csv");
    assert_int_equal(t.n_lines, 1 + 60);
    assert_string_equal(field(&t, 31, "run"), "b rome");
    assert_string_equal(field(&t, 50, "flag"), "update norm 433 times the median");
    assert_string_equal(field(&t, 50, "file"), "1_edits-case_79.json");
    // A field with quotes and commas is quoted; what comes behind it is in its place.
    assert_non_null(strstr(t.lines[4], "\"\"document.title='broken'\"\""));
    assert_string_equal(field(&t, 4, "relation_id"), "P103");
    assert_true(number(&t, 4, "case_id") == 15);
    free_table(&t);
}

// ---- where edits lie on the axis -------------------------------------------------------------------

static void write_case(void *const *state, const char *run, int case_id, const char *chunk) {
    char name[100], text[400];
    snprintf(name, sizeof name, "%s/2_edits-case_%d.json", run, case_id);
    snprintf(
        text, sizeof text,
        "{\"case_id\": %d, \"grouped_case_ids\": %s, \"distance_from_original\": {\"1\": 1e-6}, \"post\": "
        "{\"rewrite_prompts_correct\": [true, false]}}",
        case_id, chunk);
    write_text(in_folder_of(state, name), text);
}

static void edits_of_a_chunk_lie_side_by_side(void **state) {
    assert_ok(ae_folder_make(in_folder_of(state, "run")));
    write_case(state, "run", 3, "[3, 5]");
    write_case(state, "run", 5, "[3, 5]");
    write_case(state, "run", 8, "[8, 9]");
    write_case(state, "run", 9, "[8, 9]");
    const char *run = in_folder_of(state, "run");
    write_tables(&run, 1, in_folder_of(state, "out"), 0);
    table t = read_table(state, "out/distance.csv");
    assert_int_equal(t.n_lines, 5);
    for (size_t i = 1; i <= 4; i++)
        assert_true(number(&t, i, "edit") == (double)i);
    assert_string_equal(field(&t, 1, "run"), "run"); // its variant is not known
    free_table(&t);
    t = read_table(state, "out/scores.csv"); // of zsRE: the share of tokens
    assert_true(number(&t, 1, "percent") == 50);
    assert_int_equal(t.n_lines, 5); // nothing but efficacy was measured
    free_table(&t);
    assert_false(ae_path_exists(in_folder_of(state, "out/update.csv"))); // of no edit known

    // Where edits do not accumulate it is their order.
    write_text(in_folder_of(state, "run/params.json"), "{\"sequential\": false}");
    write_case(state, "run", 8, "[8]");
    write_case(state, "run", 9, "[9]");
    write_tables(&run, 1, in_folder_of(state, "out"), 0);
    t = read_table(state, "out/update.csv"); // an edit alone is as large as its distance
    assert_int_equal(t.n_lines, 3);
    assert_true(number(&t, 1, "edit") == 3 && number(&t, 2, "edit") == 4);
    assert_true(number(&t, 1, "update_distance") == 1e-6);
    free_table(&t);
}

static void runs_of_the_same_name_are_told_apart(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 3;
    const char *runs[4] = {make_run(state, "x/run_000", made), make_run(state, "y/run_000", made)};
    runs[2] = runs[0];
    made.fate = RUN_COLLAPSES;
    runs[3] = make_run(state, "z/run_000", made);
    write_tables(runs, 4, in_folder_of(state, "out"), 0);
    table t = read_table(state, "out/runs.csv");
    char label[800];
    snprintf(label, sizeof label, "%s r-rome", runs[0]);
    assert_string_equal(field(&t, 1, "run"), label);
    snprintf(label, sizeof label, "%s r-rome", runs[1]);
    assert_string_equal(field(&t, 2, "run"), label);
    snprintf(label, sizeof label, "%s r-rome (2)", runs[0]);
    assert_string_equal(field(&t, 3, "run"), label);
    assert_string_equal(field(&t, 4, "run"), "run_000 rome");
    free_table(&t);
}

// ---- options and failures --------------------------------------------------------------------------

static void options_are_checked(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 2;
    const char *run = make_run(state, "run", made), *none = in_folder_of(state, "nowhere");
    ae_report_options options = {.output = in_folder_of(state, "report.html")};
    assert_fails(ae_report_write(&run, 0, &options, NULL), AE_ERR_ARGUMENT,
                 "a report shows 1 to 64 runs, not 0");
    assert_fails(ae_report_write(&none, 1, &options, NULL), AE_ERR_NOT_FOUND, "/nowhere': no such folder");
    options.window = -1;
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_ARGUMENT, "is -1, expected 1 to 1000000");
    options.window = 0;
    options.scale = 21;
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_ARGUMENT,
                 "21 pixels a point: expected 0.1 to 20");
    options.scale = NAN;
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_ARGUMENT, "pixels a point");
    options.scale = 0;
    options.output = run;
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_ARGUMENT,
                 "is a folder; the report is one file");
    options.output = "";
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_ARGUMENT, "needs a name");
    options.format = AE_REPORT_PNG;
    options.output = in_folder_of(state, "run/params.json");
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_ARGUMENT,
                 "is a file; figures go into a folder");
    options.output = in_folder_of(state, "run/params.json/x");
    assert_int_equal(ae_report_write(&run, 1, &options, NULL), AE_ERR_IO);
    write_text(in_folder_of(state, "empty.json"), "{}");
    assert_ok(ae_folder_make(in_folder_of(state, "begun")));
    write_text(in_folder_of(state, "begun/params.json"), "{}");
    const char *begun = in_folder_of(state, "begun");
    options.output = in_folder_of(state, "out");
    assert_fails(ae_report_write(&begun, 1, &options, NULL), AE_ERR_NOT_FOUND, "has no case files");
    assert_false(ae_path_exists(options.output));
}

static void a_failure_leaves_what_was_there(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 6;
    const char *run = make_run(state, "run", made);
    write_text(in_folder_of(state, "report.html"), "old");
    write_text(in_folder_of(state, "run/1_edits-case_7.json"), "{\"case_id\": 7, \"post\": {\"text\": 5}}");
    const ae_report_options options = {.output = in_folder_of(state, "report.html")};
    assert_fails(ae_report_write(&run, 1, &options, NULL), AE_ERR_FORMAT,
                 "run/1_edits-case_7.json': field 'text' is an integer");
    char *text = read_text(in_folder_of(state, "report.html"));
    assert_string_equal(text, "old");
    ae_free(text);
}

static bool stop_at_once(void *user, const char *stage, double done, double total, const char *unit) {
    (void)stage, (void)done, (void)total, (void)unit;
    ++*(int *)user;
    return false;
}

static void a_caller_may_stop_it(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 6;
    const char *run = make_run(state, "run", made);
    int asked = 0;
    const ae_hooks hooks = {.user = &asked, .progress = stop_at_once};
    const ae_report_options options = {.output = in_folder_of(state, "report.html")};
    assert_int_equal(ae_report_write(&run, 1, &options, &hooks), AE_ERR_CANCELLED);
    assert_int_equal(asked, 1);
    assert_false(ae_path_exists(options.output));
}

static void lack_of_memory_is_told(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 2;
    made.glue_interval = 2;
    const char *runs[2] = {make_run(state, "a", made)};
    made.fate = RUN_COLLAPSES;
    runs[1] = make_run(state, "b", made);
    static const char *const outputs[] = {"report.html", "svg", "png", "csv"};
    for (int format = AE_REPORT_HTML; format <= AE_REPORT_CSV; format++) {
        const ae_report_options options = {.format = (ae_report_format)format,
                                           .output = in_folder_of(state, outputs[format])};
        uint64_t n = 1;
        for (;; n += 1 + n / 20) { // each of the first, then fewer and fewer
            ae_memory_fail_at(n);
            const ae_status status = ae_report_write(runs, 2, &options, NULL);
            ae_memory_fail_at(0);
            if (status == AE_OK) break;
            if (status != AE_ERR_MEMORY) fail_msg("allocation %d gave %s", (int)n, ae_last_error());
            assert_true(format != AE_REPORT_HTML || !ae_path_exists(options.output));
        }
        assert_true(n > 60);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(scores_and_their_averages),
        in_folder(an_edit_that_disables_stands_out),
        in_folder(tasks_and_perplexity),
        in_folder(tables_of_runs_and_edits),
        in_folder(edits_of_a_chunk_lie_side_by_side),
        in_folder(runs_of_the_same_name_are_told_apart),
        in_folder(options_are_checked),
        in_folder(a_failure_leaves_what_was_there),
        in_folder(a_caller_may_stop_it),
        in_folder(lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
