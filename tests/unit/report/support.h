/* support.h: reports of made-up runs, and what is in them. */
#ifndef AE_TEST_REPORT_SUPPORT_H
#define AE_TEST_REPORT_SUPPORT_H

#include "test.h"

#include "aedile/report.h"
#include "base/json.h"
#include "base/memory.h"
#include "made_up_run.h"

// "<the test's folder>/<name>"; good until the 64th call from here.
static inline const char *in_folder_of(void *const *state, const char *name) {
    static char paths[64][700];
    static int next;
    char *path = paths[next++ % 64];
    snprintf(path, sizeof paths[0], "%s/%s", (const char *)*state, name);
    return path;
}

// A run named `name` in the test's folder.
static inline const char *make_run(void *const *state, const char *name, made_up_run run) {
    const char *folder = in_folder_of(state, name);
    run.folder = folder;
    made_up_run_write(&run);
    return folder;
}

static inline char *read_text(const char *path) {
    char *text = NULL;
    assert_ok(ae_file_read(path, (size_t)1 << 30, &text, NULL));
    return text;
}

static inline void write_text(const char *path, const char *text) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

// How often `part` occurs.
static inline size_t count_of(const char *text, const char *part) {
    size_t n = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

#endif
