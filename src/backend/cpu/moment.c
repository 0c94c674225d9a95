// Second moments and the rank-one update.
#include <cblas.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"

enum { BLOCK = 2048 }; // 16 MiB of scratch

AE_SIMD_INLINE void add_to_double_body(double *sum, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        sum[i] += (double)x[i];
}
AE_SIMD(add_to_double, (double *sum, const float *x, size_t n), (sum, x, n))

/* Block by block of the upper triangle: a float product of this batch, then added in double. On the diagonal
 * a symmetric product computes only the upper half. */
ae_status ae_cpu_second_moment(ae_backend *be, double *sum, const float *x, int32_t ldx, int32_t n_rows,
                               int32_t d) {
    if (n_rows <= 0) return AE_OK;
    size_t side = (size_t)(d < BLOCK ? d : BLOCK);
    void *scratch;
    AE_TRY(ae_cpu_scratch(ae_cpu(be), side * side, sizeof(float), &scratch));
    float *product = scratch; // [rows, cols] of the block
    int former = ae_cpu_library_threads(be->n_threads);
    for (int32_t i = 0; i < d; i += BLOCK)
        for (int32_t j = i; j < d; j += BLOCK) {
            int32_t rows = d - i < BLOCK ? d - i : BLOCK, cols = d - j < BLOCK ? d - j : BLOCK;
            if (i == j)
                cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, rows, n_rows, 1.0f, x + i, ldx, 0.0f,
                            product, cols);
            else
                cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, cols, n_rows, 1.0f, x + i, ldx,
                            x + j, ldx, 0.0f, product, cols);
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static, 16) if ((size_t)rows * (size_t)cols > AE_CPU_SERIAL)
            for (int32_t r = 0; r < rows; r++) {
                int32_t from = i == j ? r : 0;
                add_to_double(sum + (size_t)(i + r) * (size_t)d + (size_t)(j + from),
                              product + (size_t)r * (size_t)cols + from, (size_t)(cols - from));
            }
        }
    ae_cpu_library_threads(former);
    return AE_OK;
}

/* The build forbids contraction, so that product and sum are rounded one by one. */
AE_SIMD_INLINE void add_scaled_body(float *m, float a, const float *b, size_t n) {
    for (size_t j = 0; j < n; j++) {
        float product = a * b[j];
        m[j] += product;
    }
}
AE_SIMD(add_scaled, (float *m, float a, const float *b, size_t n), (m, a, b, n))

ae_status ae_cpu_rank_one(ae_backend *be, float *m, const float *a, int32_t n_a, const float *b,
                          int32_t n_b) {
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_a * (size_t)n_b > AE_CPU_SERIAL)
    for (int32_t i = 0; i < n_a; i++)
        add_scaled(m + (size_t)i * (size_t)n_b, a[i], b, (size_t)n_b);
    return AE_OK;
}
