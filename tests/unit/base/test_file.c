// base/file and base/lock: what is no file where a file is expected; what is half-written is private.
#include "test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

static void what_was_not_downloaded_is_named(void **state) {
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    char *path = ae_path_join(*state, "pointer"), *link = ae_path_join(*state, "to-nothing"), *text = NULL;
    ae_map map = {0};
    int file = -1;
    assert_ok(ae_atomic_write(path, pointer, sizeof pointer - 1));
    assert_int_equal(symlink("../blobs/0123", link), 0);
    const struct {
        const char *path;
        ae_status status;
        const char *message;
    } cases[] = {
        {path, AE_ERR_FORMAT,
         "pointer' is a Git LFS pointer, not the data themselves: run 'git lfs pull' in its folder"},
        {link, AE_ERR_NOT_FOUND, "to-nothing' is a link to what is not there"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_fails(ae_map_open(cases[i].path, &map), cases[i].status, cases[i].message);
        assert_fails(ae_file_read(cases[i].path, 100, &text, NULL), cases[i].status, cases[i].message);
        assert_fails(ae_file_open(cases[i].path, &file), cases[i].status, cases[i].message);
    }
    assert_ok(ae_atomic_write(path, pointer, 30)); // too short for one
    assert_ok(ae_file_open(path, &file));
    close(file);
    assert_false(ae_path_exists(link));
    assert_true(ae_path_is_taken(link));
    assert_int_equal(unlink(link), 0);
    assert_false(ae_path_is_taken(link));
    ae_free(link);
    ae_free(path);
}

// Stands before the C library's: the third name of a folder can be made unreadable.
static int names_until_error;

struct dirent *readdir(DIR *folder) {
    static struct dirent *(*real)(DIR *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    if (names_until_error == 0 || --names_until_error > 0) return real(folder);
    errno = EIO;
    return NULL;
}

static void a_folder_that_cannot_be_read_is_no_shorter_one(void **state) {
    char **names = NULL;
    size_t count = 0;
    names_until_error = 3;
    assert_fails(ae_folder_list(*state, &names, &count), AE_ERR_IO, "cannot list folder '");
    assert_int_equal(names_until_error, 0);
    assert_null(names);
    errno = ENOENT; // what is left from before is no error
    assert_ok(ae_folder_list(*state, &names, &count));
    assert_true(count > 0);
    ae_folder_list_free(names, count);
}

// So does this: what sets the mask for a moment lets files of other threads have it.
static int n_masks;

mode_t umask(mode_t mask) {
    n_masks++;
    return (mode_t)syscall(SYS_umask, mask);
}

static void asking_for_the_mode_sets_nothing(void **state) {
    (void)state;
    const mode_t before = umask(0027);
    n_masks = 0;
    assert_int_equal(ae_finished_mode(0777), 0750);
    assert_int_equal(ae_finished_mode(0666), 0640);
    assert_int_equal(n_masks, 0);
    umask(before);
}

static void a_result_replaces_no_device_pipe_or_folder(void **state) {
    char *pipe = ae_path_join(*state, "result-pipe"), *null = ae_path_join(*state, "null");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(symlink("/dev/null", null), 0);
    const char *const paths[] = {pipe, null, *state, "/dev/fd/1"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_fails(ae_atomic_write(paths[i], "x", 1), AE_ERR_ARGUMENT,
                     "' is a device, a pipe or a folder: name a file");
    struct stat info;
    assert_int_equal(lstat(pipe, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(lstat(null, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    // A link to nothing gives way like one to a file.
    assert_int_equal(unlink(null), 0);
    assert_int_equal(symlink("nothing", null), 0);
    assert_ok(ae_atomic_write(null, "x", 1));
    assert_int_equal(lstat(null, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    ae_free(null);
    ae_free(pipe);
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
        cmocka_unit_test(what_was_not_downloaded_is_named),
        cmocka_unit_test(a_folder_that_cannot_be_read_is_no_shorter_one),
        cmocka_unit_test(asking_for_the_mode_sets_nothing),
        cmocka_unit_test(a_result_replaces_no_device_pipe_or_folder),
        cmocka_unit_test(what_is_half_written_is_private),
        cmocka_unit_test(a_result_takes_the_place_of_a_link),
        cmocka_unit_test(a_lock_is_a_file_of_its_own),
        cmocka_unit_test(a_folder_that_is_a_link_is_not_written_into),
    };
    return cmocka_run_group_tests(tests, make_scratch_folder, remove_scratch_folder);
}
