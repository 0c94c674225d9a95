/* backend/cpu/matmul.h: the one matrix product behind linear and linear_backward. */
#ifndef AE_BACKEND_CPU_MATMUL_H
#define AE_BACKEND_CPU_MATMUL_H

#include "backend/cpu/cpu.h"

/* c[n_rows, n_cols] (+)= a[n_rows, n_inner] B. B is a stored weight, contiguous: [n_inner, n_cols], or
 * [n_cols, n_inner] where `transposed`. */
typedef struct ae_cpu_product {
    int32_t n_rows, n_inner, n_cols;
    const float *a;
    int32_t lda;
    const void *b;
    ae_dtype dtype; // of b: F32, F16, BF16
    bool transposed;
    float *c;
    int32_t ldc;
    bool accumulate;
} ae_cpu_product;

ae_status ae_cpu_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p);

/* 16-bit b (panels.c): expanded panel by panel, never as a whole. */
ae_status ae_cpu_matmul_16(ae_cpu_backend *cpu, const ae_cpu_product *p);

#endif
