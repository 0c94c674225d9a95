/* base/number.h: printf and strtod as in the C locale, for what is written to files and read back. A program
 * that uses the library may have set another, in which a number has a comma. */
#ifndef AE_BASE_NUMBER_H
#define AE_BASE_NUMBER_H

#include <stdarg.h>
#include <stddef.h>

int ae_print(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int ae_vprint(char *out, size_t size, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* As strtod; end may be NULL. */
double ae_number(const char *text, char **end);

#endif
