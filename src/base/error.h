/* base/error.h: how library code reports a failure.
 *
 *     if (n < 0) return ae_fail(AE_ERR_FORMAT, "'%s': field 'n' is %d, expected 0 or more", path, n);
 *     AE_TRY(ae_map_open(path, &map));                 // returns on failure
 *     AE_TRY_GOTO(done, ae_map_open(path, &map));      // sets `status` and jumps, for functions with
 * clean-up
 */
#ifndef AE_BASE_ERROR_H
#define AE_BASE_ERROR_H

#include "aedile/status.h"

/* Sets this thread's error text and returns `status`, so that `return ae_fail(...)` reads naturally. */
ae_status ae_fail(ae_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with ": <strerror(errno)>" behind it. errno ENOMEM gives AE_ERR_MEMORY, ENOENT AE_ERR_NOT_FOUND.
 */
ae_status ae_fail_errno(ae_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<context>: " in front of the current text (a caller adds what its callee could not know). */
ae_status ae_fail_context(ae_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hands `format` to hooks->warn, where there is one. */
void ae_warn(const ae_hooks *hooks, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reports progress, where anyone listens; AE_ERR_CANCELLED where the listener asks to stop. */
ae_status ae_progress(const ae_hooks *hooks, const char *stage, double done, double total, const char *unit);

#define AE_TRY(expression)                                                                                   \
    do {                                                                                                     \
        ae_status try_status_ = (expression);                                                                \
        if (try_status_ != AE_OK) return try_status_;                                                        \
    } while (0)

#define AE_TRY_GOTO(label, expression)                                                                       \
    do {                                                                                                     \
        status = (expression);                                                                               \
        if (status != AE_OK) goto label;                                                                     \
    } while (0)

#endif
