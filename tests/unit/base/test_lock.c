// base/lock: one at a time; what a process that died leaves is taken over.
#include "test.h"

#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"

static void the_second_is_told_who_has_it(void **state) {
    char *path = ae_path_join(*state, "x.lock"), who[80];
    int first = -1, second = -1;
    assert_ok(ae_lock_take(path, "x", &first));
    assert_true(first >= 0);
    snprintf(who, sizeof who, "'x' is being worked on by process %ld:", (long)getpid());
    assert_fails(ae_lock_take(path, "x", &second), AE_ERR_BUSY, who);
    assert_int_equal(second, -1);
    ae_lock_release(path, first);
    assert_false(ae_path_exists(path));
    assert_ok(ae_lock_take(path, "x", &second));
    ae_lock_release(path, second);
    ae_free(path);
}

static void the_file_of_a_dead_process_is_taken_over(void **state) {
    char *path = ae_path_join(*state, "y.lock"), *text = NULL, who[80];
    int file = -1;
    assert_ok(ae_atomic_write(path, "123456789\n", 10));
    assert_ok(ae_lock_take(path, "y", &file));
    assert_ok(ae_file_read(path, 100, &text, NULL));
    snprintf(who, sizeof who, "%ld\n", (long)getpid());
    assert_string_equal(text, who);
    ae_free(text);
    ae_lock_release(path, file);
    ae_free(path);
}

static void a_folder_that_is_not_there_is_named(void **state) {
    char *path = ae_path_join(*state, "nowhere/z.lock");
    int file = -1;
    assert_fails(ae_lock_take(path, "z", &file), AE_ERR_NOT_FOUND, "nowhere/z.lock'");
    ae_free(path);
}

static void what_killed_writers_left_is_cleared(void **state) {
    char *folder = ae_path_join(*state, "folder");
    assert_ok(ae_folder_make(folder));
    static const char *const kept[] = {
        "a.json",          "b.json.tmp-12", "c.json.tmp-folder", "d.json.tmp-aLink0", "e.json.tmp-aB3dE6x",
        "notes.tmp-backup"};
    static const char *const removed[] = {"f.json.tmp-aB3dE6", "g.tmp-x.safetensors.tmp-00001f"};
    enum { KEPT = sizeof kept / sizeof *kept, ALL = KEPT + sizeof removed / sizeof *removed };
    for (size_t i = 0; i < ALL; i++) {
        char *path = ae_path_join(folder, i < KEPT ? kept[i] : removed[i - KEPT]);
        if (strstr(path, "tmp-folder"))
            assert_ok(ae_folder_make(path));
        else if (strstr(path, "tmp-aLink0"))
            assert_int_equal(symlink("a.json", path), 0);
        else
            assert_ok(ae_atomic_write(path, "", 0));
        assert_int_equal(ae_path_is_half_written(path), i >= KEPT);
        ae_free(path);
    }
    assert_ok(ae_folder_clear(folder));
    char **left = NULL;
    size_t count = 0;
    assert_ok(ae_folder_list(folder, &left, &count));
    assert_int_equal(count, KEPT);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(left[i], kept[i]);
    ae_folder_list_free(left, count);
    ae_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_is_told_who_has_it),
        cmocka_unit_test(the_file_of_a_dead_process_is_taken_over),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test(what_killed_writers_left_is_cleared),
    };
    return cmocka_run_group_tests(tests, make_scratch_folder, remove_scratch_folder);
}
