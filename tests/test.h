/* test.h: what every unit test includes: cmocka, checks of a status with its text, a scratch folder. */
#ifndef AE_TEST_H
#define AE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aedile/status.h"

#define assert_ok(expression)                                                                                \
    do {                                                                                                     \
        ae_status got_ = (expression);                                                                       \
        if (got_ != AE_OK) fail_msg("%s gave %s: %s", #expression, ae_status_name(got_), ae_last_error());   \
    } while (0)

/* The call must fail with this status and a message that contains `text`. */
#define assert_fails(expression, status_, text)                                                              \
    do {                                                                                                     \
        ae_status got_ = (expression);                                                                       \
        if (got_ != (status_))                                                                               \
            fail_msg("%s gave %s (%s), not %s", #expression, ae_status_name(got_),                           \
                     got_ == AE_OK ? "" : ae_last_error(), ae_status_name(status_));                         \
        if (!strstr(ae_last_error(), (text)))                                                                \
            fail_msg("'%s' does not contain '%s'", ae_last_error(), (text));                                 \
    } while (0)

/* Set-up and tear-down: *state is the path of a fresh folder. */
static inline int make_scratch_folder(void **state) {
    const char *base = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/aedile-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) return -1;
    *state = strdup(path);
    return *state ? 0 : -1;
}

static inline int remove_scratch_folder(void **state) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    int failed = system(command);
    free(*state);
    return failed;
}

#endif
