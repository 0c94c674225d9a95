#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void bench_add(bench_samples *s, double value) {
    if (s->n < BENCH_SAMPLES) s->value[s->n++] = value;
}

static int ascending(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median(const bench_samples *s) {
    double sorted[BENCH_SAMPLES];
    if (s->n == 0) return NAN;
    memcpy(sorted, s->value, (size_t)s->n * sizeof *sorted);
    qsort(sorted, (size_t)s->n, sizeof *sorted, ascending);
    return (sorted[s->n / 2] + sorted[(s->n - 1) / 2]) / 2;
}

double bench_least(const bench_samples *s) {
    double least = s->n > 0 ? s->value[0] : NAN;
    for (int i = 1; i < s->n; i++)
        if (s->value[i] < least) least = s->value[i];
    return least;
}

double bench_median_ratio(const bench_samples *a, const bench_samples *b) {
    bench_samples ratio = {.n = 0};
    for (int i = 0; i < a->n && i < b->n; i++)
        bench_add(&ratio, b->value[i] / a->value[i]);
    return bench_median(&ratio);
}
