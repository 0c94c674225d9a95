/* fixture.h: files for the format tests: the committed ones, copies cut short or with flipped bits, and kept
 * output. */
#ifndef AE_TEST_FIXTURE_H
#define AE_TEST_FIXTURE_H

#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#define FIXTURES "tests/data/format/"

static inline void read_whole(const char *path, char **bytes, size_t *length) {
    assert_ok(ae_file_read(path, 1 << 20, bytes, length));
}

/* "<scratch>/<name>" in `path`. */
static inline const char *scratch_path(void *const *state, const char *name, char path[512]) {
    snprintf(path, 512, "%s/%s", (const char *)*state, name);
    return path;
}

/* The same, or "$AE_KEEP/<name>" where that is set: written files stay there, for tools/parity_format.py. */
static inline const char *kept_path(void *const *state, const char *name, char path[512]) {
    const char *keep = getenv("AE_KEEP");
    if (!keep) return scratch_path(state, name, path);
    snprintf(path, 512, "%s/%s", keep, name);
    return path;
}

/* Overwrites in place: ae_atomic_write flushes to disk, and so do file systems that see a file emptied and
 * written anew; thousands of these are written. */
static inline void write_whole(const char *path, const void *bytes, size_t length) {
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, length), length);
    assert_int_equal(ftruncate(file, (off_t)length), 0);
    assert_int_equal(close(file), 0);
}

/* Files of this process can grow to this many bytes, as on a disk that is full; 0 lifts the limit. */
static inline void limit_file_size(size_t bytes) {
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes > 0 ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static inline void assert_folder_is_empty(void *const *state) {
    char **names;
    size_t count;
    assert_ok(ae_folder_list(*state, &names, &count));
    assert_int_equal(count, 0);
    ae_folder_list_free(names, count);
}

/* One to four flipped bits of bytes[0..length). */
static inline void flip_bits(char *bytes, size_t length, ae_random *random) {
    uint64_t n = 1 + ae_random_next(random) % 4;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bit = ae_random_next(random) % (8 * length);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
}

/* A reader of hostile bytes must answer AE_OK or an error with a text. */
static inline void assert_answers(ae_status status) {
    if (status == AE_OK) return;
    if (status != AE_ERR_FORMAT && status != AE_ERR_UNSUPPORTED && status != AE_ERR_NOT_FOUND)
        fail_msg("damaged input gave %s: %s", ae_status_name(status), ae_last_error());
    assert_true(strlen(ae_last_error()) > 0);
}

#endif
