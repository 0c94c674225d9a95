/* report/axis.h: from values to places on an axis, and the numbers beside it. */
#ifndef AE_REPORT_AXIS_H
#define AE_REPORT_AXIS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ae_axis {
    const char *label;  // beside the axis, with the unit
    const char *column; // the same as a column of a table: "update_distance"
    double low, high;   // what is shown; low < high
    bool log;           // low > 0
} ae_axis;

enum { AE_TICKS_MAX = 16 };

typedef struct ae_ticks {
    int n;
    double at[AE_TICKS_MAX];
    char label[AE_TICKS_MAX][16];
} ae_ticks;

/* Which values a logarithmic axis is for. */
typedef enum ae_log_rule {
    AE_LOG_NEVER,
    AE_LOG_IF_LARGE, // the largest is far above the median
    AE_LOG_IF_FAR,   // the largest or the smallest is far from it
} ae_log_rule;

/* Sets low, high and log so that all values are shown between round numbers, a linear axis from 0 on unless
 * there are negative ones. NaN is passed over. Sorts `values`. */
void ae_axis_fit(ae_axis *axis, double *values, size_t n, ae_log_rule rule);

/* At most `most` round numbers within the axis, in ascending order. */
void ae_axis_ticks(const ae_axis *axis, int most, ae_ticks *out);

/* 0 at the low end, 1 at the high one; NaN for NaN and for what a logarithmic axis cannot show. */
double ae_axis_place(const ae_axis *axis, double value);

/* A number in few letters: "0.25", "1500", "1.5e-6". */
enum { AE_NUMBER_TEXT = 32 };
const char *ae_number_text(double value, int digits, char out[AE_NUMBER_TEXT]);

#endif
