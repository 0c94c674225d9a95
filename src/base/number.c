#include "base/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t plain; // stays to the end; 0 where there was no memory for it: then the program's

static void make_plain(void) {
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

// The calling thread's locale until now.
static locale_t use_plain(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_plain);
    return uselocale(plain);
}

int ae_vprint(char *out, size_t size, const char *format, va_list args) {
    const locale_t former = use_plain();
    const int length = vsnprintf(out, size, format, args);
    uselocale(former);
    return length;
}

int ae_print(char *out, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int length = ae_vprint(out, size, format, args);
    va_end(args);
    return length;
}

double ae_number(const char *text, char **end) {
    const locale_t former = use_plain();
    const double value = strtod(text, end);
    uselocale(former);
    return value;
}
