#include "backend/cpu/small_gemm.h"

#include <cblas.h>

#include "backend/cpu/simd.h"

enum { SMALL = 32 * 1024 }; // products of numbers

static bool small(int32_t m, int32_t n, int32_t k) {
    return (int64_t)m * n * k <= SMALL || m == 1;
}

AE_SIMD_INLINE void nt_body(int32_t m, int32_t n, int32_t k, float alpha, const float *a, size_t lda,
                            const float *b, size_t ldb, float *c, size_t ldc) {
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j < n; j++) {
            const float *x = a + (size_t)i * lda, *y = b + (size_t)j * ldb;
            float sum[AE_LANES] = {0};
            int32_t p = 0;
            for (; p + AE_LANES <= k; p += AE_LANES)
                for (int32_t l = 0; l < AE_LANES; l++)
                    sum[l] += x[p + l] * y[p + l];
            for (int32_t l = 0; p < k; p++, l++)
                sum[l] += x[p] * y[p];
            for (int32_t step = AE_LANES / 2; step > 0; step /= 2)
                for (int32_t l = 0; l < step; l++)
                    sum[l] += sum[l + step];
            c[(size_t)i * ldc + (size_t)j] = alpha * sum[0];
        }
}
AE_SIMD(nt,
        (int32_t m, int32_t n, int32_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
         float *c, size_t ldc),
        (m, n, k, alpha, a, lda, b, ldb, c, ldc))

/* a's element (i, p) lies at a[i * row + p * step], which serves both a and its transpose. */
AE_SIMD_INLINE void add_rows_body(int32_t m, int32_t n, int32_t k, const float *a, size_t row, size_t step,
                                  const float *b, size_t ldb, float *c, size_t ldc) {
    for (int32_t i = 0; i < m; i++) {
        float *to = c + (size_t)i * ldc;
        for (int32_t p = 0; p < k; p++) {
            float scale = a[(size_t)i * row + (size_t)p * step];
            const float *from = b + (size_t)p * ldb;
            for (int32_t j = 0; j < n; j++)
                to[j] += scale * from[j];
        }
    }
}
AE_SIMD(add_rows,
        (int32_t m, int32_t n, int32_t k, const float *a, size_t row, size_t step, const float *b, size_t ldb,
         float *c, size_t ldc),
        (m, n, k, a, row, step, b, ldb, c, ldc))

void ae_gemm_nt(int32_t m, int32_t n, int32_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float *c, size_t ldc) {
    if (n == 0) return;
    if (small(m, n, k))
        nt(m, n, k, alpha, a, lda, b, ldb, c, ldc);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, alpha, a, (blasint)lda, b, (blasint)ldb,
                    0.0f, c, (blasint)ldc);
}

void ae_gemm_nn(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float *c, size_t ldc) {
    if (k == 0) return;
    if (small(m, n, k))
        add_rows(m, n, k, a, lda, 1, b, ldb, c, ldc);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, (blasint)lda, b,
                    (blasint)ldb, 1.0f, c, (blasint)ldc);
}

void ae_gemm_tn(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float *c, size_t ldc) {
    if (small(m, n, k))
        add_rows(m, n, k, a, 1, lda, b, ldb, c, ldc);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0f, a, (blasint)lda, b, (blasint)ldb,
                    1.0f, c, (blasint)ldc);
}
