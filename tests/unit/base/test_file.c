// base/file and base/lock: what is no file where a file is expected; what is half-written is private.
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"

static mode_t mode_of(const char *path) {
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode & 07777;
}

// Opening a pipe waits for a writer, unless it is refused: then this ends.
static void pipes_devices_and_folders_are_refused_at_once(void **state) {
    char *pipe = ae_path_join(*state, "pipe"), *zero = ae_path_join(*state, "zero"), *text = NULL;
    ae_map map = {0};
    int file = -1;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(symlink("/dev/zero", zero), 0);
    const char *const paths[] = {pipe, zero};
    for (size_t i = 0; i < 2; i++) {
        assert_fails(ae_map_open(paths[i], &map), AE_ERR_IO, "' is not a regular file");
        assert_fails(ae_file_read(paths[i], 100, &text, NULL), AE_ERR_IO, "' is not a regular file");
        assert_fails(ae_file_open(paths[i], &file), AE_ERR_IO, "' is not a regular file");
    }
    assert_fails(ae_map_open(*state, &map), AE_ERR_IO, "' is a folder, a file was expected");
    assert_fails(ae_file_read(*state, 100, &text, NULL), AE_ERR_IO, "' is a folder, a file was expected");
    assert_int_equal(file, -1);
    ae_free(zero);
    ae_free(pipe);
}

static void a_pipe_of_our_own_is_read(void **state) {
    (void)state;
    int ends[2];
    char path[32], *text = NULL;
    size_t length = 0;
    ae_map map = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "[1]", 3), 3);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_fails(ae_map_open(path, &map), AE_ERR_IO, "' is not a regular file");
    assert_ok(ae_file_read(path, 100, &text, &length));
    assert_int_equal(length, 3);
    assert_string_equal(text, "[1]");
    ae_free(text);
    close(ends[0]);
}

static void what_is_half_written_is_private(void **state) {
    char *path = ae_path_join(*state, "result");
    const mode_t before = umask(0022);
    ae_atomic_file file = {0};
    assert_ok(ae_atomic_open(path, &file));
    if (file.temporary) assert_int_equal(mode_of(file.temporary), 0600);
    assert_false(ae_path_exists(path));
    assert_ok(ae_atomic_commit(&file));
    assert_int_equal(mode_of(path), 0644);
    umask(0077);
    assert_ok(ae_atomic_write(path, "x", 1));
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(ae_finished_mode(0777), 0700);
    umask(0002);
    assert_int_equal(ae_finished_mode(0666), 0664);
    assert_int_equal(umask(before), 0002); // asking has not changed it
    ae_free(path);
}

static void a_result_takes_the_place_of_a_link(void **state) {
    char *path = ae_path_join(*state, "link"), *other = ae_path_join(*state, "other"), *text = NULL;
    assert_ok(ae_atomic_write(other, "old", 3));
    assert_int_equal(symlink(other, path), 0);
    assert_ok(ae_atomic_write(path, "new", 3));
    assert_ok(ae_file_read(other, 100, &text, NULL));
    assert_string_equal(text, "old");
    ae_free(text);
    assert_ok(ae_file_read(path, 100, &text, NULL));
    assert_string_equal(text, "new");
    ae_free(text);
    ae_free(other);
    ae_free(path);
}

static void a_lock_is_a_file_of_its_own(void **state) {
    static const char message[] =
        "' is no file of its own (a link, or the like), which a lock must be: remove it";
    char *lock = ae_path_join(*state, "lock"), *other = ae_path_join(*state, "precious"), *text = NULL;
    char *nothing = ae_path_join(*state, "nothing");
    int file = -1;
    assert_ok(ae_atomic_write(other, "kept", 4));
    for (int kind = 0; kind < 4; kind++) {
        assert_int_equal(kind == 0   ? symlink(other, lock)
                         : kind == 1 ? symlink(nothing, lock)
                         : kind == 2 ? link(other, lock)
                                     : mkfifo(lock, 0600),
                         0);
        assert_fails(ae_lock_take(lock, "x", &file), AE_ERR_IO, message);
        assert_int_equal(file, -1);
        assert_false(ae_path_exists(nothing));
        assert_ok(ae_file_read(other, 100, &text, NULL));
        assert_string_equal(text, "kept");
        ae_free(text);
        assert_int_equal(unlink(lock), 0);
    }
    assert_ok(ae_lock_take(lock, "x", &file));
    ae_lock_release(lock, file);
    ae_free(nothing);
    ae_free(other);
    ae_free(lock);
}

static void a_folder_that_is_a_link_is_not_written_into(void **state) {
    char *link = ae_path_join(*state, "elsewhere"), *file = ae_path_join(*state, "file");
    char *none = ae_path_join(*state, "none");
    assert_int_equal(symlink("/", link), 0);
    assert_ok(ae_atomic_write(file, "", 0));
    assert_fails(ae_folder_check_own(link), AE_ERR_IO,
                 "elsewhere' is a link, not a folder: nothing is written");
    assert_fails(ae_folder_check_own(file), AE_ERR_IO, "file' is a file, not a folder: nothing is written");
    assert_ok(ae_folder_check_own(none));
    assert_ok(ae_folder_check_own(*state));
    ae_free(none);
    ae_free(file);
    ae_free(link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipes_devices_and_folders_are_refused_at_once),
        cmocka_unit_test(a_pipe_of_our_own_is_read),
        cmocka_unit_test(what_is_half_written_is_private),
        cmocka_unit_test(a_result_takes_the_place_of_a_link),
        cmocka_unit_test(a_lock_is_a_file_of_its_own),
        cmocka_unit_test(a_folder_that_is_a_link_is_not_written_into),
    };
    return cmocka_run_group_tests(tests, make_scratch_folder, remove_scratch_folder);
}
