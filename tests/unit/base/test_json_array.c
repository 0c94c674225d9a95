// base/json_array: elements one at a time, bad bytes by number, no more work than bytes.
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_array.h"
#include "base/memory.h"
#include "base/random.h"

// Overwrites in place: file systems that see a file emptied and written anew flush it to disk.
static const char *write_bytes(void *const *state, const void *bytes, size_t length) {
    static char path[600];
    snprintf(path, sizeof path, "%s/array.json", (const char *)*state);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, length), length);
    assert_int_equal(ftruncate(file, (off_t)length), 0);
    assert_int_equal(close(file), 0);
    return path;
}

static const char *write_text(void *const *state, const char *text) {
    return write_bytes(state, text, strlen(text));
}

static void elements_come_one_at_a_time(void **state) {
    static const char *const text =
        " [\n{\"a\": [1, {\"b\": \"]}\\\"\\\\\"}], \"c\": \"{[\"} ,\t\"x\\\\\",-1.5e3\n,true,null,[] , {},"
        "[[],[{}]], \"\\u0000,]\"\r\n] \n";
    static const char *const expected[] = {
        "{\"a\": [1, {\"b\": \"]}\\\"\\\\\"}], \"c\": \"{[\"}",
        "\"x\\\\\"",
        "-1500.0",
        "true",
        "null",
        "[]",
        "{}",
        "[[], [{}]]",
        "\"\\u0000,]\"",
    };
    size_t n = sizeof expected / sizeof *expected;
    ae_json_array array;
    assert_ok(ae_json_array_open(write_text(state, text), &array));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            json_t *element = NULL;
            assert_int_equal(array.index, i);
            assert_ok(ae_json_array_next(&array, &element));
            assert_non_null(element);
            char *dumped = ae_json_dump(element, 0);
            assert_string_equal(dumped, expected[i]);
            ae_free(dumped);
            json_decref(element);
        }
        for (int again = 0; again < 2; again++) {
            json_t *element = (json_t *)1;
            bool found = true;
            assert_ok(ae_json_array_next(&array, &element));
            assert_null(element);
            assert_ok(ae_json_array_skip(&array, &found));
            assert_false(found);
            assert_int_equal(array.index, n);
        }
        ae_json_array_rewind(&array);
    }
    // Skipping and reading mix.
    json_t *element;
    bool found = false;
    for (int i = 0; i < 7; i++) {
        assert_ok(ae_json_array_skip(&array, &found));
        assert_true(found);
    }
    assert_ok(ae_json_array_next(&array, &element));
    assert_int_equal(json_array_size(element), 2);
    json_decref(element);
    assert_ok(ae_json_array_skip(&array, &found));
    assert_true(found);
    assert_ok(ae_json_array_skip(&array, &found));
    assert_false(found);
    ae_json_array_close(&array);
    assert_null(array.map.data);
    ae_json_array_close(&array);
}

static void an_empty_array_has_no_elements(void **state) {
    static const char *const texts[] = {"[]", " [ ] ", "\n[\n]\n"};
    for (size_t i = 0; i < 3; i++) {
        ae_json_array array;
        json_t *element = (json_t *)1;
        assert_ok(ae_json_array_open(write_text(state, texts[i]), &array));
        assert_ok(ae_json_array_next(&array, &element));
        assert_null(element);
        ae_json_array_close(&array);
    }
}

static void what_is_no_array_is_not_opened(void **state) {
    ae_json_array array = {.index = 77};
    assert_fails(ae_json_array_open(write_text(state, ""), &array), AE_ERR_FORMAT,
                 "array.json' is empty, expected a JSON array");
    assert_fails(ae_json_array_open(write_text(state, " \n"), &array), AE_ERR_FORMAT, "is empty");
    assert_fails(ae_json_array_open(write_text(state, " {\"a\": []}"), &array), AE_ERR_FORMAT,
                 "array.json' does not begin with '[' at byte 1");
    assert_fails(ae_json_array_open(write_bytes(state, "\0[]", 3), &array), AE_ERR_FORMAT,
                 "does not begin with '[' at byte 0");
    assert_fails(
        ae_json_array_open(write_text(state, "version https://git-lfs.github.com/spec/v1\noid"), &array),
        AE_ERR_FORMAT, "is a Git LFS pointer, not the data themselves: run 'git lfs pull'");
    assert_fails(ae_json_array_open(*state, &array), AE_ERR_IO, "is a folder, a file was expected");
    assert_fails(ae_json_array_open("tests/absent.json", &array), AE_ERR_NOT_FOUND, "tests/absent.json");
    assert_int_equal(array.index, 77);
}

// Reads, or skips, until the first failure.
static ae_status read_all(const char *path, bool skip, size_t *n_read) {
    ae_json_array array;
    AE_TRY(ae_json_array_open(path, &array));
    ae_status status;
    bool found = true;
    for (*n_read = 0; found; *n_read += found) {
        json_t *element = NULL;
        status = skip ? ae_json_array_skip(&array, &found) : ae_json_array_next(&array, &element);
        if (!skip) found = element != NULL;
        json_decref(element);
        if (status != AE_OK) break;
    }
    ae_json_array_close(&array);
    return status;
}

static void malformed_elements_are_named(void **state) {
    // Whether skipping notices as well, the elements before, the message.
    static const struct {
        const char *text;
        bool also_skipped;
        size_t n_read;
        const char *message;
    } cases[] = {
        {"[", true, 0, "element 1 at byte 1': the file ends before the array's ']'"},
        {"[1, 2 ", true, 2, "element 3 at byte 6': the file ends before the array's ']'"},
        {"[1,", true, 1, "element 2 at byte 3': the file ends before the array's ']'"},
        {"[1 2]", true, 1, "element 2 at byte 3': expected ',' or ']' before it"},
        {"[1, ]", true, 1, "element 2 at byte 4': expected an element behind the ','"},
        {"[,1]", true, 0, "element 1 at byte 1': expected an element before the ','"},
        {"[1,,2]", true, 1, "element 2 at byte 3': expected an element before the ','"},
        {"[{}, {\"a\": [1, 2}]", true, 1, "element 2 at byte 5': the '}' at byte 16 closes a '['"},
        {"[{}, {\"a\": {]}]", true, 1, "element 2 at byte 5': the ']' at byte 12 closes a '{'"},
        {"[{}, {\"a\": \"x}]", true, 1, "element 2 at byte 5': the file ends within it"},
        {"[{}, {\"a\": \"x\\", true, 1, "element 2 at byte 5': the file ends within it"},
        {"[{}, {\"a\": \"x\\\"}]", true, 1, "element 2 at byte 5': the file ends within it"},
        {"[{}, [1, 2", true, 1, "element 2 at byte 5': the file ends within it"},
        {"[\"a", true, 0, "element 1 at byte 1': the file ends within it"},
        {"[1] x", true, 1, "element 2 at byte 4': there is more behind the array's ']'"},
        {"[1]]", true, 1, "element 2 at byte 3': there is more behind the array's ']'"},
        {"[]1", true, 0, "element 1 at byte 2': there is more behind the array's ']'"},
        {"[3, {\"a\": 1,\n \"b\" 2}]", false, 1, "element 2 at byte 4' is not valid JSON: line 2, column"},
        {"[{\"a\": 1, \"a\": 2}]", false, 0,
         "element 1 at byte 1' is not valid JSON: line 1, column 12: duplicate"},
        {"[1, nul]", false, 1, "element 2 at byte 4' is not valid JSON"},
        {"[1, }]", false, 1, "element 2 at byte 4' is not valid JSON"},
        {"[1, 2x3]", false, 1, "element 2 at byte 4' is not valid JSON"},
        {"[1, 99999999999999999999]", false, 1,
         "element 2 at byte 4' is not valid JSON: line 1, column 20: too big"},
        {"[\"a\", \"\xff\"]", false, 1, "element 2 at byte 6' is not valid JSON"},
        {"[\"a\", \"\\ud800\"]", false, 1, "element 2 at byte 6' is not valid JSON"},
        {"[\"a\", \"\\x\"]", false, 1, "element 2 at byte 6' is not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_text(state, cases[i].text);
        size_t n_read = 99;
        assert_fails(read_all(path, false, &n_read), AE_ERR_FORMAT, cases[i].message);
        assert_non_null(strstr(ae_last_error(), "array.json"));
        assert_int_equal(n_read, cases[i].n_read);
        ae_status status = read_all(path, true, &n_read);
        if ((status != AE_OK) != cases[i].also_skipped) fail_msg("%s: %s", cases[i].text, ae_last_error());
        if (status != AE_OK) assert_non_null(strstr(ae_last_error(), cases[i].message));
    }
    // A NUL byte is refused wherever it stands.
    size_t n_read;
    assert_fails(read_all(write_bytes(state, "[1, {\"a\": \"x\0y\"}]", 18), false, &n_read), AE_ERR_FORMAT,
                 "element 2 at byte 4': a NUL character at byte 12");
    assert_fails(read_all(write_bytes(state, "[1, {\0}]", 8), false, &n_read), AE_ERR_FORMAT,
                 "element 2 at byte 4': a NUL character at byte 5");
    assert_fails(read_all(write_bytes(state, "[1\0, 2]", 7), false, &n_read), AE_ERR_FORMAT,
                 "element 1 at byte 1': a NUL character at byte 2");
    assert_fails(read_all(write_bytes(state, "[1 \0]", 6), false, &n_read), AE_ERR_FORMAT,
                 "element 2 at byte 3': expected ',' or ']' before it");
}

static void a_failed_element_is_not_passed(void **state) {
    ae_json_array array;
    json_t *element = (json_t *)1;
    bool found;
    assert_ok(ae_json_array_open(write_text(state, "[1, {\"a\" 2}, 3]"), &array));
    assert_ok(ae_json_array_skip(&array, &found));
    for (int again = 0; again < 2; again++) {
        assert_fails(ae_json_array_next(&array, &element), AE_ERR_FORMAT, "element 2 at byte 4'");
        assert_ptr_equal(element, (json_t *)1);
        assert_int_equal(array.index, 1);
    }
    assert_ok(ae_json_array_skip(&array, &found)); // its brackets are sound
    assert_ok(ae_json_array_next(&array, &element));
    assert_int_equal(json_integer_value(element), 3);
    json_decref(element);
    ae_json_array_close(&array);
}

static void nesting_is_limited(void **state) {
    ae_text text = {0};
    for (int depth = 64; depth <= 65; depth++) {
        text.length = 0;
        assert_ok(ae_text_append(&text, "[7, ", 4));
        for (int i = 0; i < depth; i++)
            assert_ok(i % 2 == 0 ? ae_text_append(&text, "[", 1) : ae_text_append(&text, "{\"k\": ", 6));
        if (depth % 2 == 0) assert_ok(ae_text_append(&text, "1", 1));
        for (int i = depth; i-- > 0;)
            assert_ok(ae_text_append(&text, i % 2 == 0 ? "]" : "}", 1));
        assert_ok(ae_text_append(&text, "]", 1));
        size_t n_read;
        ae_status status = read_all(write_bytes(state, text.data, text.length), false, &n_read);
        if (depth == 64) {
            assert_int_equal(status, AE_OK);
            assert_int_equal(n_read, 2);
        } else {
            assert_int_equal(status, AE_ERR_FORMAT);
            assert_non_null(
                strstr(ae_last_error(), "element 2 at byte 4': brackets nest deeper than 64 at byte 228"));
        }
    }
    // A million of them cost neither stack nor time.
    text.length = 0;
    for (int i = 0; i < 1000000; i++)
        assert_ok(ae_text_append(&text, "[", 1));
    size_t n_read;
    assert_fails(read_all(write_bytes(state, text.data, text.length), true, &n_read), AE_ERR_FORMAT,
                 "element 1 at byte 1': brackets nest deeper than 64");
    ae_free(text.data);
}

// Work that grew with the square of the size would not end within the test's time.
static void many_elements_and_long_strings_are_read(void **state) {
    ae_text text = {0};
    assert_ok(ae_text_append(&text, "[", 1));
    for (int i = 0; i < 300000; i++)
        assert_ok(ae_text_printf(&text, "%s{\"n\": %d}", i > 0 ? "," : "", i));
    assert_ok(ae_text_append(&text, ",\"", 2));
    for (int i = 0; i < 2000000; i++)
        assert_ok(ae_text_append(&text, "\\\\", 2));
    assert_ok(ae_text_append(&text, "\"]", 2));
    const char *path = write_bytes(state, text.data, text.length);
    ae_free(text.data);
    ae_json_array array;
    json_t *element;
    assert_ok(ae_json_array_open(path, &array));
    for (int i = 0; i < 300000; i++) {
        assert_ok(ae_json_array_next(&array, &element));
        assert_int_equal(json_integer_value(json_object_get(element, "n")), i);
        json_decref(element);
    }
    assert_ok(ae_json_array_next(&array, &element));
    assert_int_equal(json_string_length(element), 2000000);
    json_decref(element);
    ae_json_array_close(&array);
    size_t n_read;
    assert_ok(read_all(path, true, &n_read));
    assert_int_equal(n_read, 300001);
}

static void damaged_arrays_never_crash(void **state) {
    static const char text[] =
        "[{\"a\": [1, {\"b\": \"]}\\\"\"}], \"c\": \"\\u00e9{[\"}, [true, null, -1e3], \"x\"]";
    size_t length = sizeof text - 1, n_read;
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(read_all(write_bytes(state, text, cut), false, &n_read), AE_ERR_FORMAT);
        assert_int_equal(read_all(write_bytes(state, text, cut), true, &n_read), AE_ERR_FORMAT);
    }
    ae_random random = ae_random_stream(5, 0, 0);
    char flipped[sizeof text];
    size_t accepted = 0;
    for (int i = 0; i < 2000; i++) {
        memcpy(flipped, text, sizeof text);
        for (int k = 0; k < 2; k++)
            flipped[ae_random_next(&random) % length] ^= (char)(1 << ae_random_next(&random) % 8);
        const char *path = write_bytes(state, flipped, length);
        for (int skip = 0; skip < 2; skip++) {
            ae_status status = read_all(path, skip, &n_read);
            if (status != AE_OK && status != AE_ERR_FORMAT) fail_msg("%s", ae_last_error());
            accepted += status == AE_OK;
        }
    }
    assert_true(accepted > 100 && accepted < 4000);
}

static void lack_of_memory_is_reported(void **state) {
    const char *path = write_text(state, "[{\"a\": 1}]");
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        size_t n_read;
        ae_memory_fail_at(n);
        status = read_all(path, false, &n_read);
        ae_memory_fail_at(0);
    }
    assert_int_equal(status, AE_OK);
    assert_int_equal(failures, 3); // the map's path, the element's name, and none
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(elements_come_one_at_a_time),
        WITH_FOLDER(an_empty_array_has_no_elements),
        WITH_FOLDER(what_is_no_array_is_not_opened),
        WITH_FOLDER(malformed_elements_are_named),
        WITH_FOLDER(a_failed_element_is_not_passed),
        WITH_FOLDER(nesting_is_limited),
        WITH_FOLDER(many_elements_and_long_strings_are_read),
        WITH_FOLDER(damaged_arrays_never_crash),
        WITH_FOLDER(lack_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
