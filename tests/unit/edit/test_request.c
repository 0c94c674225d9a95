// edit: requests, and the files they come in; the file of context templates.
#include "support.h"

#include "base/digest.h"
#include "edit/templates.h"

static void a_request_names_what_is_wrong_with_it(void **state) {
    (void)state;
    ae_request r = {
        .prompt = "The mother tongue of {} is", .subject = "Danielle Darrieux", .target_new = "English"};
    assert_ok(ae_request_check(&r));
    r.prompt = "{}";
    assert_ok(ae_request_check(&r));
    r.prompt = "a set {x} of {} {";
    assert_ok(ae_request_check(&r));
    r.prompt = "The mother tongue of her is";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "prompt 'The mother tongue of her is' has no '{}'");
    r.prompt = "{} and {} are";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "prompt '{} and {} are' has more than one '{}'");
    r.prompt = "The \"{}\" is";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "its '{}' must come first or follow a space");
    r.prompt = "";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "the prompt is empty");
    r.prompt = NULL;
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "the prompt is empty");
    r.prompt = "{} is";
    r.subject = " ";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "prompt '{} is': the subject is empty");
    r.subject = "{}";
    assert_ok(ae_request_check(&r));
    r.target_new = "";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT,
                 "prompt '{} is', subject '{}': the new target is empty");
    r.target_new = "  ";
    assert_fails(ae_request_check(&r), AE_ERR_ARGUMENT, "the new target is empty");
}

static void assert_request(const ae_request *r, const char *prompt, const char *subject,
                           const char *target_new, const char *target_true, int64_t case_id) {
    assert_string_equal(r->prompt, prompt);
    assert_string_equal(r->subject, subject);
    assert_string_equal(r->target_new, target_new);
    if (target_true)
        assert_string_equal(r->target_true, target_true);
    else
        assert_null(r->target_true);
    assert_int_equal(r->case_id, case_id);
}

static void requests_come_in_four_forms(void **state) {
    ae_request *r = NULL;
    size_t n = 0;
    assert_ok(ae_requests_load(
        write_text(
            *state, "a.json",
            "[{\"case_id\": 18, \"pararel_idx\": 3603, \"requested_rewrite\": {\"prompt\": \"{}, created "
            "by\","
            "  \"relation_id\": \"P176\", \"target_new\": {\"str\": \"Honda\", \"id\": \"Q9584\"},"
            "  \"target_true\": {\"str\": \"Porsche\", \"id\": \"Q40993\"}, \"subject\": \"Porsche 911\"},"
            "  \"paraphrase_prompts\": []},"
            " {\"case_id\": 0, \"prompt\": \"The mother tongue of Zoë (b. {1}) is\", \"subject\": \"Zoë\","
            "  \"target_new\": \"English\", \"ground_truth\": \"French\", \"rephrase_prompt\": \"\"},"
            " {\"prompt\": \"{} plays\", \"subject\": \"LeBron James\", \"target_new\": {\"str\": \"chess\"},"
            "  \"target_true\": \"basketball\"},"
            " {\"prompt\": \"{} plays\", \"subject\": \"X\", \"target_new\": \"go\", \"target_true\": null},"
            " {\"prompt\": \"The operator {} is\", \"subject\": \"operator {}\", \"target_new\": \"new\","
            "  \"ground_truth\": \"\"}]"),
        &r, &n));
    assert_int_equal(n, 5);
    assert_request(&r[0], "{}, created by", "Porsche 911", "Honda", "Porsche", 18);
    assert_request(&r[1], "The mother tongue of {} (b. {1}) is", "Zoë", "English", "French", 0);
    assert_request(&r[2], "{} plays", "LeBron James", "chess", "basketball", -1);
    assert_request(&r[3], "{} plays", "X", "go", NULL, -1);
    assert_request(&r[4], "The {} is", "operator {}", "new", NULL, -1);
    ae_requests_free(r, n);

    assert_ok(ae_requests_load(
        write_text(*state, "one.json", "{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": \"T\"}"),
        &r, &n));
    assert_int_equal(n, 1);
    assert_request(&r[0], "{} is", "S", "T", NULL, -1);
    ae_requests_free(r, n);

    assert_ok(
        ae_requests_load(write_text(*state, "lists.json",
                                    "{\"prompts\": [\"A is\", \"Is {} at\"], \"subject\": [\"A\", \"B\"],"
                                    " \"target_new\": [\"x\", \"y\"], \"ground_truth\": [\"u\", null]}"),
                         &r, &n));
    assert_int_equal(n, 2);
    assert_request(&r[0], "{} is", "A", "x", "u", -1);
    assert_request(&r[1], "Is {} at", "B", "y", NULL, -1);
    ae_requests_free(r, n);
    ae_requests_free(NULL, 0);
}

static void a_bad_record_is_named(void **state) {
    static const struct {
        const char *json;
        ae_status status;
        const char *text;
    } cases[] = {
        {"[]", AE_ERR_FORMAT, "holds no requests"},
        {"{\"prompts\": []}", AE_ERR_FORMAT, "holds no requests"},
        {"3", AE_ERR_FORMAT, "holds an integer, expected a request or an array of requests"},
        {"[", AE_ERR_FORMAT, "is not valid JSON: line 1"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": \"T\"}, 7]", AE_ERR_FORMAT,
         ".json, record 2' is an integer, expected an object"},
        {"[{\"prompt\": \"{} is\", \"target_new\": \"T\"}]", AE_ERR_FORMAT,
         ".json, record 1': field 'subject' is missing"},
        {"[{\"prompt\": \"{} is\", \"subject\": [\"S\"], \"target_new\": \"T\"}]", AE_ERR_FORMAT,
         ".json, record 1': field 'subject' is an array, expected a string"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": 4}]", AE_ERR_FORMAT,
         "field 'target_new' is an integer, expected a string"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": {\"id\": \"Q1\"}}]", AE_ERR_FORMAT,
         "field 'target_new': '"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": {\"id\": \"Q1\"}}]", AE_ERR_FORMAT,
         "field 'str' is missing"},
        {"[{\"prompt\": \"Who are you?\", \"subject\": \"Ann\", \"target_new\": \"T\"}]", AE_ERR_FORMAT,
         ".json, record 1': prompt 'Who are you?' has neither '{}' nor the subject 'Ann'"},
        {"[{\"prompt\": \"Ann met Ann in\", \"subject\": \"Ann\", \"target_new\": \"T\"}]", AE_ERR_FORMAT,
         "subject 'Ann' occurs more than once in prompt 'Ann met Ann in'"},
        {"[{\"prompt\": \"aaa is\", \"subject\": \"aa\", \"target_new\": \"T\"}]", AE_ERR_FORMAT,
         "subject 'aa' occurs more than once"},
        {"[{\"prompt\": \"Who?\", \"subject\": \"\", \"target_new\": \"T\"}]", AE_ERR_FORMAT,
         "nor the subject ''"},
        {"[{\"prompt\": \"(Ann) is\", \"subject\": \"Ann\", \"target_new\": \"T\"}]", AE_ERR_ARGUMENT,
         ".json, record 1': prompt '({}) is': its '{}' must come first or follow a space"},
        {"[{\"prompt\": \"{} or {}\", \"subject\": \"S\", \"target_new\": \"T\"}]", AE_ERR_ARGUMENT,
         ".json, record 1': prompt '{} or {}' has more than one"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": \"\"}]", AE_ERR_ARGUMENT,
         "new target is empty"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"S\", \"target_new\": \"a\\u0000b\"}]", AE_ERR_FORMAT,
         "field 'target_new' holds a NUL character after 'a'"},
        {"[{\"requested_rewrite\": []}]", AE_ERR_FORMAT,
         "field 'requested_rewrite' is an array, expected an object"},
        {"[{\"case_id\": \"1\", \"prompt\": \"{} is\"}]", AE_ERR_FORMAT,
         "field 'case_id' is a string, expected an integer"},
        {"[{\"case_id\": -2, \"prompt\": \"{} is\"}]", AE_ERR_FORMAT, "field 'case_id' is -2"},
        {"{\"prompts\": [\"{} is\", \"{} as\"], \"subject\": [\"S\"], \"target_new\": [\"T\", \"T\"]}",
         AE_ERR_FORMAT, "field 'subject' is an array of 1 entries, but 'prompts' is an array of 2"},
        {"{\"prompts\": [\"{} is\"], \"subject\": \"S\", \"target_new\": [\"T\"]}", AE_ERR_FORMAT,
         "field 'subject' is a string of 0 entries"},
        {"{\"prompts\": [\"{} is\"], \"subject\": [\"S\"]}", AE_ERR_FORMAT, "field 'target_new' is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_request *r = (ae_request *)1;
        size_t n = 77;
        assert_fails(ae_requests_load(write_text(*state, "bad.json", cases[i].json), &r, &n), cases[i].status,
                     cases[i].text);
        assert_ptr_equal(r, (ae_request *)1);
        assert_int_equal(n, 77);
    }
    ae_request *r;
    size_t n;
    assert_fails(ae_requests_load(in_folder(*state, "none.json"), &r, &n), AE_ERR_NOT_FOUND, "none.json");
}

// No allocation that fails may leak or go unnoticed.
static void lack_of_memory_is_reported(void **state) {
    const char *path = write_text(*state, "m.json",
                                  "[{\"prompt\": \"Ann is\", \"subject\": \"Ann\", \"target_new\": \"T\"},"
                                  " {\"prompt\": \"{} is\", \"subject\": \"Ann\", \"target_new\": \"T\"}]");
    uint64_t at = 1;
    for (ae_status status = AE_ERR_MEMORY; status != AE_OK; at++) {
        ae_request *r;
        size_t n;
        ae_memory_fail_at(at);
        status = ae_requests_load(path, &r, &n);
        ae_memory_fail_at(0);
        if (status == AE_OK)
            ae_requests_free(r, n);
        else
            assert_int_equal(status, AE_ERR_MEMORY);
    }
    assert_true(at > 10);
}

static void counterfact_reads_alike_in_both_forms(void **state) {
    (void)state;
    if (!ae_path_is_folder("../shared/data/counterfact")) {
        print_message("../shared/data/counterfact is not there: skipped\n");
        skip();
    }
    static ae_request *by_case[32768];
    static const char *const names[] = {"edit", "train", "val"};
    ae_request *flat[3], *full;
    size_t n_flat[3], n_full, total = 0, compared = 0;
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "../shared/data/counterfact/counterfact-%s.json", names[i]);
        assert_ok(ae_requests_load(path, &flat[i], &n_flat[i]));
        total += n_flat[i];
        for (size_t k = 0; k < n_flat[i]; k++)
            by_case[flat[i][k].case_id] = &flat[i][k];
    }
    assert_int_equal(total, 21919);
    assert_ok(ae_requests_load("../shared/data/counterfact/counterfact.json", &full, &n_full));
    assert_int_equal(n_full, 1099);
    for (size_t i = 0; i < n_full; i++) {
        const ae_request *same = by_case[full[i].case_id];
        assert_non_null(same);
        assert_request(same, full[i].prompt, full[i].subject, full[i].target_new, full[i].target_true,
                       full[i].case_id);
        compared++;
    }
    assert_int_equal(compared, 1099);
    for (int i = 0; i < 3; i++)
        ae_requests_free(flat[i], n_flat[i]);
    ae_requests_free(full, n_full);
}

static void templates_survive_their_file(void **state) {
    static const char *const texts[] = {"{}", "The \"first\" {} of Zoë. {}", "a\nb. {} tail"};
    ae_templates t = {.text = ae_alloc(3, sizeof *t.text), .count = 3}, back = {0}, same = {0};
    for (int i = 0; i < 3; i++)
        t.text[i] = ae_strdup(texts[i]);
    assert_ok(ae_templates_finish(&t));
    const char *path = in_folder(*state, "templates.json");
    assert_ok(ae_templates_save(&t, path));
    char *bytes, hex[AE_DIGEST_HEX];
    size_t length;
    assert_ok(ae_file_read(path, 10000, &bytes, &length));
    assert_ok(ae_sha256(bytes, length, hex));
    assert_string_equal(bytes,
                        "[\n \"{}\",\n \"The \\\"first\\\" {} of Zoë. {}\",\n \"a\\nb. {} tail\"\n]\n");
    assert_string_equal(t.sha256, hex);
    ae_free(bytes);
    assert_ok(ae_templates_load(path, &back));
    assert_int_equal(back.count, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(back.text[i], texts[i]);
    assert_string_equal(back.sha256, hex);
    // The hash is of the list, not of a file's layout.
    assert_ok(ae_templates_load(
        write_text(*state, "t2.json",
                   "[\"{}\", \"The \\\"first\\\" {} of Zo\\u00eb. {}\", \"a\\nb. {} tail\"]"),
        &same));
    assert_string_equal(same.sha256, hex);
    ae_templates_free(&t);
    ae_templates_free(&back);
    ae_templates_free(&same);
    assert_null(back.text);
    ae_templates_free(NULL);
    const char *two = "{} {}x";
    assert_ptr_equal(ae_template_placeholder(two), two + 3);
    assert_null(ae_template_placeholder("{ }"));
}

static void bad_templates_are_refused(void **state) {
    static const char *const cases[][2] = {
        {"[]", "holds no templates"},
        {"{}", "holds an object, expected an array of strings"},
        {"[\"{}\", 3]", "entry 2 is an integer, expected a string"},
        {"[\"{}\", \"plain\"]", "entry 2, 'plain', has no '{}'"},
        {"[\"{}\\u0000\"]", "entry 1 holds a NUL character"},
    };
    ae_templates t = {.count = 5};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(ae_templates_load(write_text(*state, "bad.json", cases[i][0]), &t), AE_ERR_FORMAT,
                     cases[i][1]);
    assert_int_equal(t.count, 5);
    char *none = "no placeholder", *broken = "\xff {}";
    ae_templates made = {.text = &none, .count = 1};
    assert_fails(ae_templates_finish(&made), AE_ERR_ARGUMENT, "template 1, 'no placeholder', has no '{}'");
    made.text = &broken;
    assert_fails(ae_templates_finish(&made), AE_ERR_ARGUMENT, "template 1 is not valid UTF-8");
    made.count = 0;
    assert_fails(ae_templates_save(&made, in_folder(*state, "x.json")), AE_ERR_ARGUMENT,
                 "templates is empty");
    assert_false(ae_path_exists(in_folder(*state, "x.json")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_names_what_is_wrong_with_it),
        cmocka_unit_test_setup_teardown(requests_come_in_four_forms, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(a_bad_record_is_named, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_reported, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test(counterfact_reads_alike_in_both_forms),
        cmocka_unit_test_setup_teardown(templates_survive_their_file, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(bad_templates_are_refused, make_scratch_folder,
                                        remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
