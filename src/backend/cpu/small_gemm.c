#include "backend/cpu/small_gemm.h"

#include <cblas.h>

#include "backend/cpu/matmul.h"
#include "backend/cpu/simd.h"
#include "base/memory.h"

enum { SMALL_512 = 8 * 1024, SMALL = 32 * 1024 }; // products of numbers: up to there by our own loops

static bool small(int64_t limit, int32_t m, int32_t n, int32_t k) {
    return (int64_t)m * n * k <= limit || m == 1;
}

AE_SIMD_INLINE void nt_body(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b,
                            size_t ldb, float *c, size_t ldc) {
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
            c[(size_t)i * ldc + (size_t)j] = sum[0];
        }
}
AE_SIMD(nt,
        (int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
         size_t ldc),
        (m, n, k, a, lda, b, ldb, c, ldc))

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

void ae_gemm_end(ae_gemm *g, ae_status *status) {
    ae_free(g->alone.scratch);
    if (g->status != AE_OK) {
#pragma omp atomic write
        *status = g->status;
    }
}

ae_status ae_gemm_outcome(ae_status status) {
    if (status == AE_OK) return AE_OK;
    return ae_fail(status, "out of memory: the scratch of a thread's matrix product was refused");
}

/* c = a bᵀ, or c += a b */
static void avx512(ae_gemm *g, bool transposed, int32_t m, int32_t n, int32_t k, const float *a, size_t lda,
                   const float *b, size_t ldb, float *c, size_t ldc) {
    if (g->status != AE_OK) return;
    g->status = ae_cpu_avx512_matmul(&g->alone, &(ae_cpu_product){.n_rows = m,
                                                                  .n_inner = k,
                                                                  .n_cols = n,
                                                                  .a = a,
                                                                  .lda = (int32_t)lda,
                                                                  .b = b,
                                                                  .ldb = (int32_t)ldb,
                                                                  .dtype = AE_F32,
                                                                  .transposed = transposed,
                                                                  .c = c,
                                                                  .ldc = (int32_t)ldc,
                                                                  .accumulate = !transposed});
}

void ae_gemm_nt(ae_gemm *g, int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b,
                size_t ldb, float *c, size_t ldc) {
    if (n == 0) return;
    bool wide = ae_cpu_has_avx512();
    if (small(wide ? SMALL_512 : SMALL, m, n, k))
        nt(m, n, k, a, lda, b, ldb, c, ldc);
    else if (wide)
        avx512(g, true, m, n, k, a, lda, b, ldb, c, ldc);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, a, (blasint)lda, b, (blasint)ldb,
                    0.0f, c, (blasint)ldc);
}

void ae_gemm_nn(ae_gemm *g, int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b,
                size_t ldb, float *c, size_t ldc) {
    if (k == 0) return;
    bool wide = ae_cpu_has_avx512();
    if (small(wide ? SMALL_512 : SMALL, m, n, k))
        add_rows(m, n, k, a, lda, 1, b, ldb, c, ldc);
    else if (wide)
        avx512(g, false, m, n, k, a, lda, b, ldb, c, ldc);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, (blasint)lda, b,
                    (blasint)ldb, 1.0f, c, (blasint)ldc);
}

void ae_gemm_tn(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float *c, size_t ldc) {
    if (small(SMALL, m, n, k))
        add_rows(m, n, k, a, 1, lda, b, ldb, c, ldc);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0f, a, (blasint)lda, b, (blasint)ldb,
                    1.0f, c, (blasint)ldc);
}
