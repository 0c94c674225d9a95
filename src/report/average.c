#include "report/average.h"

#include <math.h>
#include <stdlib.h>

void ae_moving_average(const double *values, size_t n, size_t window, double *out) {
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        size_t count = 0;
        // Summed anew each time: a running sum would carry the rounding of a huge value along for good.
        for (size_t j = i + 1 > window ? i + 1 - window : 0; j <= i; j++) {
            if (!isfinite(values[j])) continue;
            sum += values[j];
            count++;
        }
        out[i] = count > 0 ? sum / (double)count : NAN;
    }
}

int ae_default_window(size_t n_edits) {
    const size_t window = n_edits / 20;
    return window < 5 ? 5 : window > 1000 ? 1000 : (int)window;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t ae_sort_finite(double *values, size_t n) {
    size_t finite = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) values[finite++] = values[i];
    if (finite > 0) qsort(values, finite, sizeof *values, ascending);
    return finite;
}
