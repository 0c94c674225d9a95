// report/page: one file, whole, with data that no text can break out of.
#include "support.h"

#include "report/page.h"
#include "xml_check.h"

static char *make_page(void *const *state, const char *const *runs, size_t n, const char *title) {
    const char *output = in_folder_of(state, "report.html");
    const ae_report_options options = {.output = output, .title = title};
    assert_ok(ae_report_write(runs, n, &options, NULL));
    return read_text(output);
}

// The JSON block.
static json_t *data_of(const char *page) {
    static const char begin[] = "<script type=\"application/json\" id=\"data\">";
    const char *at = strstr(page, begin);
    assert_non_null(at);
    at += sizeof begin - 1;
    const char *end = strstr(at, "</script>");
    assert_non_null(end);
    json_t *data = NULL;
    assert_ok(ae_json_parse("data", at, (size_t)(end - at), &data));
    return data;
}

// json_get(data, "runs", 0, "rows", 3) would be shorter; paths are made of names and numbers parted by '/'.
static json_t *at_path(json_t *data, const char *path) {
    char copy[200], *rest = copy;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *step; data && (step = strsep(&rest, "/"));)
        data = json_is_array(data) ? json_array_get(data, (size_t)atoi(step)) : json_object_get(data, step);
    if (!data) fail_msg("there is no %s", path);
    return data;
}

static const char *text_at(json_t *data, const char *path) {
    return json_string_value(at_path(data, path));
}

static double number_at(json_t *data, const char *path) {
    assert_true(json_is_number(at_path(data, path)));
    return json_number_value(at_path(data, path));
}

// The page without the head's void elements, styles, data and script, which are no XML.
static char *markup_of(const char *page) {
    const char *begin = strstr(page, "<header>"), *end = strstr(page, "<script type=");
    assert_non_null(begin);
    assert_non_null(end);
    char *markup = ae_strndup(begin, (size_t)(end - begin));
    // Void elements and attributes without a value are HTML's own.
    static const char *const own[][2] = {
        {" hidden>", ">"}, {"aria-label=\"Filter the edits\">", "/>"}, {"type=\"checkbox\">", "/>"}};
    for (size_t o = 0; o < sizeof own / sizeof *own; o++)
        for (char *at; (at = strstr(markup, own[o][0]));) {
            memset(at, ' ', strlen(own[o][0]) - strlen(own[o][1]));
            memcpy(at + strlen(own[o][0]) - strlen(own[o][1]), own[o][1], strlen(own[o][1]));
        }
    return markup;
}

static void a_page_is_whole(void **state) {
    made_up_run made = made_up_run_defaults;
    const char *runs[3] = {make_run(state, "healthy", made)};
    made.fate = RUN_COLLAPSES;
    runs[1] = make_run(state, "collapses", made);
    made.fate = RUN_OF_REFERENCE;
    runs[2] = make_run(state, "reference", made);
    char *page = make_page(state, runs, 3, NULL);
    assert_int_equal(strncmp(page, "<!doctype html>\n<html lang=\"en\">", 31), 0);
    assert_non_null(strstr(page, "<title>healthy r-rome, collapses rome and reference p-rome</title>"));
    assert_non_null(strstr(page, ">3 runs, 600 edits, 2 flagged as out of line.<"));
    assert_int_equal(count_of(page, "<figure id="), 8);
    assert_int_equal(count_of(page, "<svg viewBox="), 3 + 4 + 4 + 5 + 3 + 4); // panels, runs' table, legend
    assert_int_equal(count_of(page, " role=\"img\" aria-label=\""), 16);
    assert_non_null(strstr(page, "collapses rome: 200 points, from "));
    // Nothing is fetched: the only address is the name of SVG's own elements, in the script.
    assert_int_equal(count_of(page, "http"),
                     count_of(page, "http://www.w3.org/2000/svg") + count_of(page, "http-equiv"));
    assert_null(strstr(page, "@import"));
    assert_null(strstr(page, "url("));
    assert_non_null(strstr(page, "default-src 'none'"));
    char *markup = markup_of(page);
    assert_well_formed(markup);
    ae_free(markup);
    ae_free(page);
}

static void its_data_are_those_of_the_runs(void **state) {
    made_up_run made = made_up_run_defaults;
    made.fate = RUN_COLLAPSES;
    const char *run = make_run(state, "run", made);
    char *page = make_page(state, &run, 1, "A title");
    json_t *data = data_of(page);
    assert_non_null(strstr(page, "<h1>A title</h1>"));
    assert_string_equal(text_at(data, "columns/6"), "flag");
    assert_int_equal(json_array_size(at_path(data, "runs")), 1);
    assert_string_equal(text_at(data, "runs/0/label"), "run rome");
    assert_int_equal(json_array_size(at_path(data, "runs/0/rows")), 200);
    assert_int_equal(json_array_size(at_path(data, "runs/0/rows/0")),
                     json_array_size(at_path(data, "columns")));
    assert_true(number_at(data, "runs/0/rows/130/0") == 131);
    assert_true(number_at(data, "runs/0/rows/130/1") == 523);
    assert_string_equal(text_at(data, "runs/0/rows/130/6"), "update norm 433 times the median");
    assert_true(json_is_null(at_path(data, "runs/0/rows/129/6")));
    assert_true(number_at(data, "runs/0/rows/130/12") == 0.0007);
    assert_true(json_is_null(at_path(data, "runs/0/rows/131/10"))); // no generation test
    assert_string_equal(text_at(data, "runs/0/details/130/file"), "1_edits-case_523.json");
    assert_true(number_at(data, "runs/0/details/130/update_norm") == 5200);
    assert_int_equal(json_array_size(at_path(data, "runs/0/details/130/post/neighborhood")), 10);
    assert_int_equal(json_array_size(at_path(data, "runs/0/details/130/post/rewrite/0")), 2);
    assert_int_equal(json_array_size(at_path(data, "runs/0/details/130/post/text")), 10);
    assert_true(json_array_size(at_path(data, "runs/0/details/130/loss/17")) >= 12);
    assert_true(json_is_null(at_path(data, "cut")));
    assert_int_equal(json_array_size(at_path(data, "figures")), 8);
    assert_string_equal(text_at(data, "figures/0/id"), "scores");
    json_t *series = at_path(data, "figures/0/panels/0/series/0");
    assert_string_equal(text_at(series, "name"), "Efficacy");
    assert_int_equal(json_array_size(at_path(series, "y")), 200);
    assert_int_equal(json_array_size(at_path(series, "raw")), 200);
    assert_null(json_object_get(series, "x")); // the edits
    assert_true(json_is_true(at_path(series, "edits")));
    json_t *f1 = at_path(data, "figures/1/panels/0/series/0"); // of points that are no edits x is told
    assert_true(number_at(f1, "x/10") == 200);
    assert_true(json_is_false(at_path(f1, "edits")));
    // Where the axes lie: within the drawing.
    assert_true(number_at(data, "figures/0/panels/0/plot/0") > 20);
    assert_true(number_at(data, "figures/0/panels/0/plot/0") + number_at(data, "figures/0/panels/0/plot/2") <
                480);
    assert_true(number_at(data, "figures/0/panels/0/y/1") == 100);
    json_decref(data);
    ae_free(page);
}

static void texts_cannot_break_out(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 40;
    made.hostile = true;
    const char *runs[2] = {make_run(state, "</title><script>alert(1)<", made)};
    made.fate = RUN_COLLAPSES;
    made.collapse_at = 20;
    runs[1] = make_run(state, "b", made);
    char *page = make_page(state, runs, 2, made_up_hostile);
    assert_int_equal(count_of(page, "<script"), 2);
    assert_int_equal(count_of(page, "</script"), 2);
    assert_int_equal(count_of(page, "<title"), 1);
    assert_int_equal(count_of(page, "</title"), 1);
    assert_int_equal(count_of(page, "<img"), 0);
    assert_int_equal(count_of(page, "<!--"), 0);
    char *markup = markup_of(page);
    assert_well_formed(markup);
    ae_free(markup);
    json_t *data = data_of(page);
    assert_string_equal(text_at(data, "runs/0/rows/3/3"), made_up_hostile);
    const char *generated = text_at(data, "runs/0/details/10/post/text/0");
    assert_int_equal(strncmp(generated, made_up_hostile, strlen(made_up_hostile)), 0);
    assert_non_null(strstr(text_at(data, "runs/0/label"), "<script>alert(1)<"));
    json_decref(data);
    ae_free(page);
}

static void what_is_not_measured_is_said(void **state) {
    made_up_run made = made_up_run_defaults;
    made.fate = RUN_OF_REFERENCE;
    made.n_cases = 10;
    made.generation_interval = 0;
    const char *run = make_run(state, "run", made);
    char *page = make_page(state, &run, 1, NULL);
    assert_non_null(
        strstr(page, "Not measured, and so not shown: Size of each edit&#39;s update; Generations against "
                     "the size of the update; Perplexity; Divisor of each update, k·u.</p>"));
    assert_int_equal(count_of(page, "<figure id="), 4);
    assert_non_null(strstr(page, "<td class=\"number\">–</td>")); // no n-gram entropy
    ae_free(page);
}

static void odd_values_are_shown(void **state) {
    assert_ok(ae_folder_make(in_folder_of(state, "run")));
    write_text(
        in_folder_of(state, "run/1_edits-case_0.json"),
        "{\"case_id\": 0, \"requested_rewrite\": {\"subject\": \"a\\u0007\", \"prompt\": \"{}\", "
        "\"target_new\": {\"str\": \"x\"}}, \"post\": {\"text\": \"one\\u0000text\", "
        "\"rewrite_prompts_probs\": "
        "[{\"target_new\": null, \"target_true\": -1e308}]}, \"distance_from_original\": {\"1\": 1e308, "
        "\"2\": "
        "1e308}, \"aedile\": {\"error\": \"a prompt did not fit\", \"update_distance\": -1e308, \"k_dot_u\": "
        "1e308}}");
    const char *run = in_folder_of(state, "run");
    char *page = make_page(state, &run, 1, "");
    json_t *data = data_of(page);
    assert_string_equal(text_at(data, "runs/0/rows/0/3"), "a\xef\xbf\xbd"); // no character of HTML
    assert_int_equal(json_string_length(at_path(data, "runs/0/details/0/post/text/0")), 8);
    assert_true(json_is_null(at_path(data, "runs/0/details/0/post/rewrite/0/0")));
    assert_string_equal(text_at(data, "runs/0/details/0/error"), "a prompt did not fit");
    assert_true(number_at(data, "runs/0/details/0/distance") > 9e307); // the largest over the layers
    assert_true(number_at(data, "runs/0/rows/0/11") < -9e307);
    json_decref(data);
    ae_free(page);
}

// Longer generated texts than fit are cut between characters, and the page says where.
static void long_texts_are_cut(void **state) {
    assert_ok(ae_folder_make(in_folder_of(state, "run")));
    enum { EACH = 3 << 20 };
    char *text = ae_alloc(EACH + 1000, 1);
    assert_non_null(text);
    for (int i = 0; i < 4; i++) {
        char name[60];
        int length = sprintf(text, "{\"case_id\": %d, \"post\": {\"text\": [\"x", i);
        for (int k = 0; k < EACH / 2; k++)
            length += sprintf(text + length, "é");
        sprintf(text + length, "\"]}}");
        snprintf(name, sizeof name, "run/1_edits-case_%d.json", i);
        write_text(in_folder_of(state, name), text);
    }
    ae_free(text);
    const char *run = in_folder_of(state, "run");
    char *page = make_page(state, &run, 1, NULL);
    json_t *data = data_of(page);
    assert_true(number_at(data, "cut") == 2 << 20);
    // An odd number of bytes: "x" and whole "é"s.
    assert_int_equal(json_string_length(at_path(data, "runs/0/details/3/post/text/0")), (2 << 20) - 1);
    assert_true(strlen(page) < 9 << 20);
    json_decref(data);
    ae_free(page);
}

static void style_and_script_are_in_it(void **state) {
    made_up_run made = made_up_run_defaults;
    made.n_cases = 1;
    const char *run = make_run(state, "run", made);
    char *page = make_page(state, &run, 1, NULL), *css = read_text("src/report/page.css"),
         *js = read_text("src/report/page.js");
    assert_int_equal(ae_page_css_size, strlen(css));
    assert_int_equal(ae_page_js_size, strlen(js));
    assert_int_equal(count_of(page, css), 1);
    assert_int_equal(count_of(page, js), 1);
    assert_null(strstr(css, "</style"));
    assert_null(strstr(js, "</script"));
    assert_null(strstr(js, "innerHTML")); // texts become text nodes, nothing else
    assert_null(strstr(js, "eval("));
    assert_null(strstr(js, "document.write"));
    ae_free(page);
    ae_free(css);
    ae_free(js);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(a_page_is_whole),
        in_folder(its_data_are_those_of_the_runs),
        in_folder(texts_cannot_break_out),
        in_folder(what_is_not_measured_is_said),
        in_folder(odd_values_are_shown),
        in_folder(long_texts_are_cut),
        in_folder(style_and_script_are_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
