/* aedile/status.h: status codes, error text, and how the library talks to its caller.
 *
 * Every call that can fail returns an ae_status. On anything but AE_OK, ae_last_error() holds one sentence
 * for a person: it names the file, field, tensor and value concerned and says what to do. Outputs are then
 * untouched (pointers stay as they were, files are as they were). The library never prints, exits or aborts.
 */
#ifndef AEDILE_STATUS_H
#define AEDILE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AE_API __attribute__((visibility("default")))
#else
#define AE_API
#endif

/* code, what it means */
#define AE_STATUS_TABLE(X)                                                                                   \
    X(AE_OK, "success")                                                                                      \
    X(AE_ERR_ARGUMENT, "an argument or request is not acceptable")                                           \
    X(AE_ERR_NOT_FOUND, "a file, model or tensor is not there")                                              \
    X(AE_ERR_IO, "reading or writing failed")                                                                \
    X(AE_ERR_FORMAT, "a file's content is malformed")                                                        \
    X(AE_ERR_UNSUPPORTED, "a valid file asks for something that is not supported")                           \
    X(AE_ERR_MISMATCH, "two things do not belong together (model, journal, statistics, hyperparameters)")    \
    X(AE_ERR_NUMERIC, "a value is not finite, or a matrix or divisor is singular")                           \
    X(AE_ERR_MEMORY, "out of memory")                                                                        \
    X(AE_ERR_BUSY, "another process is using it")                                                            \
    X(AE_ERR_CANCELLED, "stopped by the caller")                                                             \
    X(AE_ERR_INTERNAL, "a defect in aedile itself")

typedef enum ae_status {
#define AE_STATUS_ENUM(code, text) code,
    AE_STATUS_TABLE(AE_STATUS_ENUM)
#undef AE_STATUS_ENUM
} ae_status;

/* The code's own name, "AE_ERR_IO". Never NULL. */
AE_API const char *ae_status_name(ae_status status);

/* What the code means in general, "reading or writing failed". Never NULL. */
AE_API const char *ae_status_text(ae_status status);

/* The text of the last error of this thread; "" if there was none. Valid until this thread's next failing
 * call. */
AE_API const char *ae_last_error(void);

/* What a long call tells its caller while it works. Any member may be NULL, and so may a pointer to the
 * whole. Called on the thread that made the library call. */
typedef struct ae_hooks {
    void *user; /* handed back to each function */
    /* Something the user should know although work goes on; one sentence. It may quote
     * texts of the user's or the model's as they are, newlines among them. */
    void (*warn)(void *user, const char *text);
    /* `done` of `total` `unit`s of `stage` are finished ("collecting moments", 1200, 100000, "documents");
     * total is 0 where it is not known. Return false to cancel: the call ends with AE_ERR_CANCELLED. */
    bool (*progress)(void *user, const char *stage, double done, double total, const char *unit);
} ae_hooks;

/* The library's version, "0.1.0". */
AE_API const char *ae_version(void);

/* Frees what the library says "free with ae_free". NULL is fine. */
AE_API void ae_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
