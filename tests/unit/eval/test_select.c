// eval/select: the reference's sample byte for byte, selections from files, bad rules by their text.
#include "unit/edit/support.h"

#include "base/digest.h"
#include "aedile/eval.h"
#include "eval/select.h"

// The rows that the rule selects of 0..total-1, with case ids equal to rows, as "1 7 8 ".
static const char *selected(const char *rule, int64_t total) {
    static char text[1000];
    ae_case_selection *selection = NULL;
    assert_ok(ae_selection_open(rule, total, &selection));
    size_t length = 0;
    text[0] = '\0';
    for (int64_t row = 0; row < total; row++)
        if (ae_selection_has(selection, row, row))
            length += (size_t)snprintf(text + length, sizeof text - length, "%d ", (int)row);
    ae_selection_free(selection);
    return text;
}

static void a_sample_is_python_s(void **state) {
    (void)state;
    // python3: random.seed(S); l = list(range(total)); random.shuffle(l); sorted(l[:N])
    assert_string_equal(selected("sample:0:3", 10), "1 7 8 ");
    assert_string_equal(selected("sample:4294967296:4", 10), "2 3 8 9 ");
    assert_string_equal(selected("sample:18446744073709551615:5", 12), "1 2 6 8 9 ");
    assert_string_equal(selected("sample:1:1", 1), "0 ");
    assert_string_equal(selected("sample:37:3", 3), "0 1 2 ");
    assert_string_equal(selected(NULL, 3), "0 1 2 ");
    assert_string_equal(selected("", 3), "0 1 2 ");
    assert_string_equal(selected(NULL, 0), "");
    // Rows count, whatever the cases are called.
    ae_case_selection *selection;
    size_t count = 7;
    assert_ok(ae_selection_open("sample:0:3", 10, &selection));
    assert_true(ae_selection_has(selection, 7, 700));
    assert_false(ae_selection_has(selection, 6, 7));
    assert_null(ae_selection_cases(selection, &count));
    assert_int_equal(count, 0);
    ae_selection_free(selection);
    ae_selection_free(NULL);
}

static void the_reference_s_list_is_written_byte_for_byte(void **state) {
    const char *path = in_folder(*state, "disabling_edits_counterfact.json");
    assert_ok(ae_select_write("sample:37:5000", 21919, path));
    char *bytes, hex[AE_DIGEST_HEX];
    size_t length;
    assert_ok(ae_file_read(path, 1 << 20, &bytes, &length));
    assert_ok(ae_sha256(bytes, length, hex));
    ae_free(bytes);
    // Size and SHA-256 as the Git-LFS pointer of data/disabling_edits_counterfact.json in
    // github.com/scalable-model-editing/rebuilding-rome states them.
    assert_int_equal(length, 422272);
    assert_string_equal(hex, "981f423931a30a8c351636fb5671702334b1e5a8672d0b1beb2c30435cedd300");
    // Read back, it selects what it was made from.
    ae_case_selection *selection;
    size_t count;
    assert_ok(ae_selection_open(path, 21919, &selection));
    const int64_t *cases = ae_selection_cases(selection, &count);
    assert_int_equal(count, 5000);
    static const int64_t first[] = {3, 6, 13, 16, 23, 29, 30, 31, 34, 38};
    assert_memory_equal(cases, first, sizeof first);
    assert_true(ae_selection_has(selection, 0, 38));
    assert_false(ae_selection_has(selection, 38, 0));
    ae_selection_free(selection);
}

static void small_lists_are_written(void **state) {
    static const char text[] = "{\n    \"0\": true,\n    \"1\": false,\n    \"2\": false\n}";
    const char *path = in_folder(*state, "s.json");
    char *bytes;
    assert_ok(ae_select_write("sample:0:1", 3, path));
    assert_ok(ae_file_read(path, 1000, &bytes, NULL));
    assert_string_equal(bytes, text);
    ae_free(bytes);
    const char *again = in_folder(*state, "again.json");
    assert_ok(ae_select_write(path, 2, again));
    assert_ok(ae_file_read(again, 1000, &bytes, NULL));
    assert_string_equal(bytes, "{\n    \"0\": true,\n    \"1\": false\n}");
    ae_free(bytes);
    assert_fails(ae_select_write("sample:0:1", 0, path), AE_ERR_ARGUMENT, "0 records, expected 1 or more");
    assert_fails(ae_select_write("sample:0:1", -1, path), AE_ERR_ARGUMENT, "-1 records, expected 1 or more");
    assert_fails(ae_select_write("sample:0:1", 3, in_folder(*state, "none/s.json")), AE_ERR_NOT_FOUND,
                 "none/s.json");
    // Nothing that a file selects is dropped.
    assert_ok(ae_atomic_write(again, "{\"1\": true, \"30\": true, \"99\": false}", 36));
    assert_fails(ae_select_write(again, 5, path), AE_ERR_ARGUMENT,
                 "again.json' selects record 30, of 5 records there are 0 to 4");
    // A rule that fails leaves the file as it was.
    assert_fails(ae_select_write("sample:0:4", 3, path), AE_ERR_ARGUMENT, "1 to 3");
    assert_ok(ae_file_read(path, 1000, &bytes, NULL));
    assert_string_equal(bytes, text);
    ae_free(bytes);
}

static void files_go_by_case_id(void **state) {
    const char *path =
        write_text(*state, "s.json", "{\"900\": true, \"7\": false, \"0\": true, \"18\": true}");
    ae_case_selection *selection;
    size_t count;
    assert_ok(ae_selection_open(path, 4, &selection));
    const int64_t *cases = ae_selection_cases(selection, &count);
    assert_int_equal(count, 3);
    assert_int_equal(cases[0], 0);
    assert_int_equal(cases[1], 18);
    assert_int_equal(cases[2], 900);
    assert_true(ae_selection_has(selection, 3, 900));
    assert_false(ae_selection_has(selection, 3, 7));
    assert_false(ae_selection_has(selection, 0, 3));
    ae_selection_free(selection);
    // All false: nothing is selected, and the answer is still by case id.
    assert_ok(ae_selection_open(write_text(*state, "s.json", "{\"1\": false}"), 4, &selection));
    assert_non_null(ae_selection_cases(selection, &count));
    assert_int_equal(count, 0);
    assert_false(ae_selection_has(selection, 1, 1));
    ae_selection_free(selection);
}

static void bad_rules_say_what_is_expected(void **state) {
    static const char expected[] = "expected sample:SEED:N with whole numbers, SEED from 0 to 2^64 - 1";
    static const char *const malformed[] = {
        "sample:",
        "sample:5",
        "sample::5",
        "sample:5:",
        "sample:x:5",
        "sample:5:x",
        "sample:-1:5",
        "sample:5:-1",
        "sample:+1:5",
        "sample: 1:5",
        "sample:1:5 ",
        "sample:1:5:7",
        "sample:1.5:5",
        "sample:1e3:5",
        "sample:0x1:5",
        "sample:01:5",
        "sample:1:05",
        "sample:18446744073709551616:5",
        "sample:1:99999999999999999999",
        "sample:100000000000000000000:5",
    };
    ae_case_selection *selection = (ae_case_selection *)1;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        char quoted[100];
        snprintf(quoted, sizeof quoted, "selection '%s': %s", malformed[i], expected);
        assert_fails(ae_selection_open(malformed[i], 10, &selection), AE_ERR_ARGUMENT, quoted);
    }
    assert_fails(ae_selection_open("sample:1:11", 10, &selection), AE_ERR_ARGUMENT,
                 "selection 'sample:1:11': expected to draw 1 to 10 records, as many as there are");
    assert_fails(ae_selection_open("sample:1:0", 10, &selection), AE_ERR_ARGUMENT, "1 to 10 records");
    assert_fails(ae_selection_open("sample:1:18446744073709551615", 10, &selection), AE_ERR_ARGUMENT,
                 "1 to 10 records");
    assert_fails(ae_selection_open(NULL, -1, &selection), AE_ERR_ARGUMENT,
                 "a selection from -1 records, expected 0 to 2147483647");
    assert_fails(ae_selection_open(NULL, INT64_MAX, &selection), AE_ERR_ARGUMENT, "expected 0 to 2147483647");
    assert_fails(ae_selection_open("37:5000", 10, &selection), AE_ERR_NOT_FOUND,
                 "selection '37:5000' is neither sample:SEED:N nor a file of case id -> true or false: ");
    static const char *const files[][2] = {
        {"[3]", "holds an array, expected an object of case id -> true or false"},
        {"{\"a\": true}", "key 'a' is no case id: expected digits alone"},
        {"{\"-1\": true}", "key '-1' is no case id"},
        {"{\"01\": true}", "key '01' is no case id"},
        {"{\"\": true}", "key '' is no case id"},
        {"{\"9223372036854775808\": true}", "key '9223372036854775808' is no case id"},
        {"{\"1\": 1}", "case '1' is an integer, expected true or false"},
        {"{\"1\": null}", "case '1' is null, expected true or false"},
        {"{\"1\": true, \"1\": false}", "duplicate"},
        {"{\"1\": true", "is not valid JSON"},
        {"", "is not valid JSON"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = write_text(*state, "bad.json", files[i][0]);
        assert_fails(ae_selection_open(path, 10, &selection), AE_ERR_FORMAT, files[i][1]);
        assert_non_null(strstr(ae_last_error(), "bad.json"));
    }
    assert_ptr_equal(selection, (ae_case_selection *)1);
}

static void lack_of_memory_is_reported(void **state) {
    const char *rules[] = {"sample:1:5", write_text(*state, "s.json", "{\"1\": true, \"2\": false}")};
    for (int i = 0; i < 2; i++) {
        ae_status status = AE_ERR_MEMORY;
        int failures = 0;
        for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
            ae_case_selection *selection = NULL;
            ae_memory_fail_at(n);
            status = ae_selection_open(rules[i], 10, &selection);
            ae_memory_fail_at(0);
            ae_selection_free(selection);
        }
        assert_int_equal(status, AE_OK);
        assert_true(failures > 3);
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_python_s),
        WITH_FOLDER(the_reference_s_list_is_written_byte_for_byte),
        WITH_FOLDER(small_lists_are_written),
        WITH_FOLDER(files_go_by_case_id),
        WITH_FOLDER(bad_rules_say_what_is_expected),
        WITH_FOLDER(lack_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
