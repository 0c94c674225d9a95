// Layer normalisation. Sums in double: a row's mean square can be thousands of times its variance.
#include <math.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"

/* sum of (x - shift) and of its square, over a row */
AE_SIMD_INLINE void row_sums_body(const float *x, int32_t d, double shift, double sums[2]) {
    double sum[AE_LANES] = {0}, square[AE_LANES] = {0};
    int32_t j = 0;
    for (; j + AE_LANES <= d; j += AE_LANES)
        for (int32_t l = 0; l < AE_LANES; l++) {
            double v = (double)x[j + l] - shift;
            sum[l] += v;
            square[l] += v * v;
        }
    for (int32_t l = 0; j < d; j++, l++) {
        double v = (double)x[j] - shift;
        sum[l] += v;
        square[l] += v * v;
    }
    sums[0] = sums[1] = 0;
    for (int32_t l = 0; l < AE_LANES; l++) {
        sums[0] += sum[l];
        sums[1] += square[l];
    }
}
AE_SIMD(row_sums, (const float *x, int32_t d, double shift, double sums[2]), (x, d, shift, sums))

AE_SIMD_INLINE void row_norm_body(float *y, const float *x, const float *gamma, const float *beta, int32_t d,
                                  double mean, double rstd) {
    for (int32_t j = 0; j < d; j++)
        y[j] = (float)(((double)x[j] - mean) * rstd) * gamma[j] + beta[j];
}
AE_SIMD(row_norm,
        (float *y, const float *x, const float *gamma, const float *beta, int32_t d, double mean,
         double rstd),
        (y, x, gamma, beta, d, mean, rstd))

ae_status ae_cpu_layer_norm(ae_backend *be, float *y, float *mean, float *rstd, const float *x,
                            const float *gamma, const float *beta, float epsilon, int32_t n_rows, int32_t d) {
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_rows * (size_t)d > AE_CPU_SERIAL)
    for (int32_t i = 0; i < n_rows; i++) {
        const float *row = x + (size_t)i * (size_t)d;
        double sums[2];
        row_sums(row, d, 0, sums);
        double m = sums[0] / d;
        row_sums(row, d, m, sums);
        double r = 1 / sqrt(sums[1] / d + (double)epsilon);
        row_norm(y + (size_t)i * (size_t)d, row, gamma, beta, d, m, r);
        if (mean) mean[i] = (float)m;
        if (rstd) rstd[i] = (float)r;
    }
    return AE_OK;
}

/* With g = dy * gamma and n the normalised row: dx += rstd (g - mean(g) - n mean(g n)). */
AE_SIMD_INLINE void row_gradient_body(float *dx, const float *dy, const float *x, const float *gamma,
                                      int32_t d, float mean, float rstd) {
    double sum[AE_LANES] = {0}, along[AE_LANES] = {0};
    int32_t j = 0;
    for (; j + AE_LANES <= d; j += AE_LANES)
        for (int32_t l = 0; l < AE_LANES; l++) {
            double g = (double)(dy[j + l] * gamma[j + l]);
            sum[l] += g;
            along[l] += g * (double)((x[j + l] - mean) * rstd);
        }
    for (int32_t l = 0; j < d; j++, l++) {
        double g = (double)(dy[j] * gamma[j]);
        sum[l] += g;
        along[l] += g * (double)((x[j] - mean) * rstd);
    }
    for (int32_t l = 1; l < AE_LANES; l++) {
        sum[0] += sum[l];
        along[0] += along[l];
    }
    float mean_g = (float)(sum[0] / d), mean_gn = (float)(along[0] / d);
    for (j = 0; j < d; j++)
        dx[j] += rstd * (dy[j] * gamma[j] - mean_g - (x[j] - mean) * rstd * mean_gn);
}
AE_SIMD(row_gradient,
        (float *dx, const float *dy, const float *x, const float *gamma, int32_t d, float mean, float rstd),
        (dx, dy, x, gamma, d, mean, rstd))

ae_status ae_cpu_layer_norm_backward(ae_backend *be, float *dx, const float *dy, const float *x,
                                     const float *gamma, const float *mean, const float *rstd, int32_t n_rows,
                                     int32_t d) {
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_rows * (size_t)d > AE_CPU_SERIAL)
    for (int32_t i = 0; i < n_rows; i++) {
        size_t at = (size_t)i * (size_t)d;
        row_gradient(dx + at, dy + at, x + at, gamma, d, mean[i], rstd[i]);
    }
    return AE_OK;
}
