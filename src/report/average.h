/* report/average.h: noisy series made readable. */
#ifndef AE_REPORT_AVERAGE_H
#define AE_REPORT_AVERAGE_H

#include <stddef.h>

/* out[i]: the mean of what is finite among values[i - window + 1 .. i], the last `window` values up to i
 * (fewer at the beginning); NaN where there is nothing. Nothing that comes later moves it, so a break shows
 * where it happens. */
void ae_moving_average(const double *values, size_t n, size_t window, double *out);

/* The window where none is asked for: a twentieth of the longest run, at least 5. */
int ae_default_window(size_t n_edits);

/* Puts what is finite to the front, in ascending order; how many these are. */
size_t ae_sort_finite(double *values, size_t n);

#endif
