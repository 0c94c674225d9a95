/* backend/cpu/matmul.h: the one matrix product behind linear and linear_backward. */
#ifndef AE_BACKEND_CPU_MATMUL_H
#define AE_BACKEND_CPU_MATMUL_H

#include "backend/cpu/cpu.h"

/* c[n_rows, n_cols] (+)= a[n_rows, n_inner] B. B is stored as [n_inner, n_cols], or as [n_cols, n_inner]
 * where `transposed`. */
typedef struct ae_cpu_product {
    int32_t n_rows, n_inner, n_cols;
    const float *a;
    int32_t lda;
    const void *b;
    int32_t ldb;    // oneDNN takes only contiguous ones, as stored weights are
    ae_dtype dtype; // of b: F32, F16, BF16
    bool transposed;
    float *c;
    int32_t ldc;
    bool accumulate;
} ae_cpu_product;

/* Chooses among the three below (linear.c). */
ae_status ae_cpu_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p);

/* On any machine, any type; 16-bit weights are expanded panel by panel, never as a whole. OpenBLAS's own
 * sharing out among threads is never used (openblas.c). */
ae_status ae_cpu_openblas_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p);

/* On any machine, b in fp32; what was compiled for a shape is kept in the backend (onednn.h). */
ae_status ae_cpu_onednn_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p);

/* Where ae_cpu_has_avx512, any type: our own kernels. */
bool ae_cpu_has_avx512(void);
ae_status ae_cpu_avx512_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p);

#endif
