/* bench/lib/samples.h: repeated measurements of one thing, ours and the reference's way in turn. */
#ifndef AE_BENCH_SAMPLES_H
#define AE_BENCH_SAMPLES_H

#include <stddef.h>

enum { BENCH_SAMPLES = 1024 };

typedef struct bench_samples {
    double value[BENCH_SAMPLES];
    int n;
} bench_samples;

void bench_add(bench_samples *s, double value); // beyond BENCH_SAMPLES they are dropped
double bench_median(const bench_samples *s);    // NaN of none
double bench_least(const bench_samples *s);

/* The median of b[i] / a[i] over the pairs; NaN of none. */
double bench_median_ratio(const bench_samples *a, const bench_samples *b);

#endif
