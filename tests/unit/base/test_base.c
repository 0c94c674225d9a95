// base: error text, memory, files, JSON, random streams, digests.
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"

static void error_text_is_kept_and_extended(void **state) {
    (void)state;
    assert_int_equal(ae_fail(AE_ERR_FORMAT, "field '%s' is %d", "n", 3), AE_ERR_FORMAT);
    assert_string_equal(ae_last_error(), "field 'n' is 3");
    assert_int_equal(ae_fail_context(AE_ERR_FORMAT, "layer %d", 7), AE_ERR_FORMAT);
    assert_string_equal(ae_last_error(), "layer 7: field 'n' is 3");
    ae_fail(AE_ERR_IO, "again: %s", ae_last_error());
    assert_string_equal(ae_last_error(), "again: layer 7: field 'n' is 3");
    errno = ENOENT;
    assert_fails(ae_fail_errno(AE_ERR_IO, "cannot open"), AE_ERR_NOT_FOUND,
                 "cannot open: No such file or directory");
    assert_string_equal(ae_status_name(AE_ERR_BUSY), "AE_ERR_BUSY");
    assert_string_equal(ae_status_name((ae_status)99), "AE_ERR_UNKNOWN");
}

static void memory_checks_sizes_and_can_be_made_to_fail(void **state) {
    (void)state;
    assert_null(ae_alloc(SIZE_MAX / 2, 4));
    assert_non_null(strstr(ae_last_error(), "out of memory"));
    ae_memory_fail_at(2);
    void *first = ae_alloc(1, 1), *second = ae_alloc(1, 1), *third = ae_alloc(1, 1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    ae_free(first);
    ae_free(third);
    ae_arena *arena;
    assert_ok(ae_arena_new(&arena));
    for (int i = 0; i < 1000; i++) {
        char *bytes = ae_arena_alloc(arena, (size_t)i, 17);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % 64, 0);
        memset(bytes, i, (size_t)i * 17);
    }
    assert_null(ae_arena_alloc(arena, SIZE_MAX, 2));
    ae_arena_free(arena);
}

static void files_appear_whole_or_not_at_all(void **state) {
    const char *folder = *state;
    char *path = ae_path_join(folder, "a/b/file");
    char *sub = ae_path_join(folder, "a/b");
    assert_ok(ae_folder_make(sub));
    assert_ok(ae_atomic_write(path, "one", 3));
    ae_atomic_file file;
    assert_ok(ae_atomic_open(path, &file));
    fputs("two", file.stream);
    ae_atomic_abandon(&file);
    char *text;
    size_t length;
    assert_ok(ae_file_read(path, 100, &text, &length));
    assert_string_equal(text, "one");
    ae_free(text);
    assert_fails(ae_file_read(path, 2, &text, &length), AE_ERR_FORMAT, "larger than the 2 bytes");
    char **names;
    size_t count;
    assert_ok(ae_folder_list(sub, &names, &count));
    assert_int_equal(count, 1);
    assert_string_equal(names[0], "file");
    ae_folder_list_free(names, count);
    ae_map map;
    assert_ok(ae_map_open(path, &map));
    assert_int_equal(map.size, 3);
    ae_map_close(&map);
    assert_fails(ae_map_open(sub, &map), AE_ERR_IO, "is a folder, a file was expected");
    ae_free(path);
    path = ae_path_join(folder, "none");
    assert_fails(ae_map_open(path, &map), AE_ERR_NOT_FOUND, "none");
    ae_free(path);
    ae_free(sub);
}

static void json_fields_are_typed_and_named(void **state) {
    (void)state;
    json_t *object;
    const char *text = "{\"n\": 3, \"x\": 4, \"s\": \"a\", \"b\": true, \"z\": null}";
    assert_ok(ae_json_parse("t.json", text, strlen(text), &object));
    int64_t n = 0;
    double x = 0;
    bool b = false;
    const char *s = NULL;
    assert_ok(ae_json_int("t.json", object, "n", true, 0, 10, &n));
    assert_int_equal(n, 3);
    assert_ok(ae_json_number("t.json", object, "x", true, 0, 10, &x));
    assert_true(x == 4.0);
    assert_ok(ae_json_bool("t.json", object, "b", true, &b));
    assert_true(b);
    assert_ok(ae_json_string("t.json", object, "s", true, &s));
    assert_string_equal(s, "a");
    assert_ok(ae_json_int("t.json", object, "z", false, 0, 10, &n));
    assert_fails(ae_json_int("t.json", object, "z", true, 0, 10, &n), AE_ERR_FORMAT,
                 "'t.json': field 'z' is missing");
    assert_fails(ae_json_int("t.json", object, "s", true, 0, 10, &n), AE_ERR_FORMAT,
                 "field 's' is a string, expected an integer");
    assert_fails(ae_json_int("t.json", object, "n", true, 5, 10, &n), AE_ERR_FORMAT,
                 "field 'n' is 3, expected 5 to 10");
    json_decref(object);
    text = "{\"v\": \"rome\\u0000 no\", \"e\": \"\"}";
    assert_ok(ae_json_parse("t.json", text, strlen(text), &object));
    s = "a";
    assert_fails(ae_json_string("t.json", object, "v", true, &s), AE_ERR_FORMAT,
                 "'t.json': field 'v' holds a NUL character after 'rome'");
    assert_string_equal(s, "a");
    size_t length = 0;
    assert_ok(ae_json_bytes("t.json", object, "v", true, &s, &length));
    assert_int_equal(length, 8);
    assert_memory_equal(s, "rome\0 no", 9);
    assert_ok(ae_json_string("t.json", object, "e", true, &s));
    assert_string_equal(s, "");
    json_decref(object);
    text = "{\"n\": 3, \"n\": 4}";
    assert_fails(ae_json_parse("t.json", text, strlen(text), &object), AE_ERR_FORMAT, "duplicate");
    assert_fails(ae_json_parse("t.json", "[1] 2", 5, &object), AE_ERR_FORMAT, "not valid JSON");
}

static void shuffle_is_python_s(void **state) {
    (void)state;
    // python3 -c "import random; r = random.Random(1); l = list(range(10)); r.shuffle(l); print(l)"
    static const uint32_t expected[10] = {6, 8, 9, 7, 5, 3, 0, 4, 1, 2};
    uint32_t list[10];
    assert_ok(ae_python_shuffle(1, 10, list));
    if (memcmp(list, expected, sizeof list) != 0) {
        for (int i = 0; i < 10; i++)
            print_message("%u ", list[i]);
        fail();
    }
}

static void streams_are_fixed_and_independent(void **state) {
    (void)state;
    ae_random a = ae_random_stream(0, 1, 2), b = ae_random_stream(0, 1, 2), c = ae_random_stream(0, 2, 1);
    assert_int_equal(ae_random_next(&a), ae_random_next(&b));
    assert_int_not_equal(ae_random_next(&a), ae_random_next(&c));
    double mean = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        double x = ae_random_normal(&a);
        mean += x / 100000;
        square += x * x / 100000;
    }
    assert_true(mean > -0.02 && mean < 0.02 && square > 0.97 && square < 1.03);
}

static void sha256_is_the_standard_s(void **state) {
    (void)state;
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_sha256("abc", 3, hex));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_text_is_kept_and_extended),
        cmocka_unit_test(memory_checks_sizes_and_can_be_made_to_fail),
        cmocka_unit_test_setup_teardown(files_appear_whole_or_not_at_all, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test(json_fields_are_typed_and_named),
        cmocka_unit_test(shuffle_is_python_s),
        cmocka_unit_test(streams_are_fixed_and_independent),
        cmocka_unit_test(sha256_is_the_standard_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
