/* backend/cpu/small_gemm.h: fp32 products by the calling thread alone, row-major, inside an op's parallel
 * region: own loops where the matrices are so small that packing would cost more than the product; beyond
 * that our own kernels where there is AVX-512, and OpenBLAS elsewhere (for which the op has set one library
 * thread, see ae_cpu_library_threads). */
#ifndef AE_BACKEND_CPU_SMALL_GEMM_H
#define AE_BACKEND_CPU_SMALL_GEMM_H

#include "backend/cpu/cpu.h"

/* What a thread multiplies with: memory of its own, while the backend's scratch serves the op. */
typedef struct ae_gemm {
    ae_cpu_backend alone; // of one thread
    ae_status status;     // of the first product that failed, for lack of memory; those after it do nothing
} ae_gemm;

static inline ae_gemm ae_gemm_begin(void) {
    return (ae_gemm){.alone = {.base = {.n_threads = 1}}};
}

/* Frees its memory. A failure goes to *status, which the threads share. */
void ae_gemm_end(ae_gemm *g, ae_status *status);

/* Behind the parallel region: the same status, its text now the calling thread's. */
ae_status ae_gemm_outcome(ae_status status);

/* c[m, n] = a[m, k] b[n, k]ᵀ */
void ae_gemm_nt(ae_gemm *g, int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b,
                size_t ldb, float *c, size_t ldc);
/* c[m, n] += a[m, k] b[k, n] */
void ae_gemm_nn(ae_gemm *g, int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b,
                size_t ldb, float *c, size_t ldc);
/* c[m, n] += a[k, m]ᵀ b[k, n]; always OpenBLAS beyond small ones */
void ae_gemm_tn(int32_t m, int32_t n, int32_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float *c, size_t ldc);

#endif
