/* backend/cpu/small_gemm.h: fp32 products by the calling thread alone, row-major: own loops where the
 * matrices are so small that a library's packing would cost more than the product, OpenBLAS beyond that (call
 * with one library thread set, see ae_cpu_library_threads). */
#ifndef AE_BACKEND_CPU_SMALL_GEMM_H
#define AE_BACKEND_CPU_SMALL_GEMM_H

#include <stddef.h>
#include <stdint.h>

/* c[m, n] = alpha * a[m, k] b[n, k]ᵀ */
void ae_gemm_nt(int32_t m, int32_t n, int32_t k, float alpha, const float *a, size_t lda, const float *b,
                size_t ldb, float *c, size_t ldc);
/* c[m, n] += a[m, k] b[k, n] */
void ae_gemm_nn(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float *c, size_t ldc);
/* c[m, n] += a[k, m]ᵀ b[k, n] */
void ae_gemm_tn(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float *c, size_t ldc);

#endif
