#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[2048];

const char *ae_status_name(ae_status status) {
    static const char *const names[] = {
#define AE_STATUS_NAME(code, text) #code,
        AE_STATUS_TABLE(AE_STATUS_NAME)
#undef AE_STATUS_NAME
    };
    if ((size_t)status >= sizeof names / sizeof *names) return "AE_ERR_UNKNOWN";
    return names[status];
}

const char *ae_status_text(ae_status status) {
    static const char *const texts[] = {
#define AE_STATUS_TEXT(code, text) text,
        AE_STATUS_TABLE(AE_STATUS_TEXT)
#undef AE_STATUS_TEXT
    };
    if ((size_t)status >= sizeof texts / sizeof *texts) return "unknown status";
    return texts[status];
}

const char *ae_last_error(void) {
    return last_error;
}

const char *ae_version(void) {
    return AE_VERSION;
}

ae_status ae_fail(ae_status status, const char *format, ...) {
    char text[sizeof last_error]; // the arguments may point into last_error
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(last_error, text, strlen(text) + 1);
    return status;
}

// What the error number means; strerror_r, which has two forms, told apart. `buffer` may hold the answer.
static const char *reason_of(int number, char *buffer, size_t size) {
#ifdef __GLIBC__
    return strerror_r(number, buffer, size);
#else
    if (strerror_r(number, buffer, size) != 0) snprintf(buffer, size, "error %d", number);
    return buffer;
#endif
}

ae_status ae_fail_errno(ae_status status, const char *format, ...) {
    int cause = errno;
    char text[sizeof last_error - 256], reason[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(last_error, sizeof last_error, "%s: %s", text, reason_of(cause, reason, sizeof reason));
    if (cause == ENOMEM) return AE_ERR_MEMORY;
    if (cause == ENOENT) return AE_ERR_NOT_FOUND;
    return status;
}

ae_status ae_fail_context(ae_status status, const char *format, ...) {
    char context[512], text[sizeof last_error];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    memcpy(text, last_error, sizeof text);
    snprintf(last_error, sizeof last_error, "%s: %.1500s", context, text);
    return status;
}

void ae_warn(const ae_hooks *hooks, const char *format, ...) {
    if (!hooks || !hooks->warn) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hooks->warn(hooks->user, text);
}

ae_status ae_progress(const ae_hooks *hooks, const char *stage, double done, double total, const char *unit) {
    if (!hooks || !hooks->progress) return AE_OK;
    if (hooks->progress(hooks->user, stage, done, total, unit)) return AE_OK;
    return ae_fail(AE_ERR_CANCELLED, "%s was stopped after %.0f %s", stage, done, unit);
}
