// linear and linear_backward: which library multiplies, and the bias.
#include <cblas.h>
#include <string.h>

#include "backend/cpu/avx512.h"
#include "backend/cpu/convert.h"
#include "backend/cpu/matmul.h"
#include "backend/cpu/onednn.h"

static void openblas(int n_threads, const ae_cpu_product *p) {
    int former = ae_cpu_library_threads(n_threads);
    float beta = p->accumulate ? 1.0f : 0.0f;
    if (p->n_rows == 1)
        cblas_sgemv(CblasRowMajor, p->transposed ? CblasNoTrans : CblasTrans,
                    p->transposed ? p->n_cols : p->n_inner, p->transposed ? p->n_inner : p->n_cols, 1.0f,
                    p->b, p->transposed ? p->n_inner : p->n_cols, p->a, 1, beta, p->c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->transposed ? CblasTrans : CblasNoTrans, p->n_rows,
                    p->n_cols, p->n_inner, 1.0f, p->a, p->lda, p->b, p->transposed ? p->n_inner : p->n_cols,
                    beta, p->c, p->ldc);
    ae_cpu_library_threads(former);
}

/* Who multiplies (measured: docs/performance.md).
 *
 *   machine          b                            rows    by
 *   with AVX-512     16-bit                       any     our own kernel, which converts as it reads
 *                    fp32, [n_inner, n_cols]      any     our own kernel: 1.2 to 1.6 times oneDNN, 1.8 times
 * OpenBLAS fp32, [n_cols, n_inner]      1..12   our own kernel 13..    oneDNN: 1.1 to 1.5 times our own, 1.6
 * to 2 times OpenBLAS any other        16-bit                       any     OpenBLAS on converted panels fp32
 * 1       OpenBLAS gemv (its gemm is half as fast at one row) fp32                         2..     OpenBLAS
 * gemm */
ae_status ae_cpu_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    enum { FEW_ROWS = 12 };
    AE_TRY(ae_cpu_check_dtype(p->dtype));
    if (p->n_rows <= 0 || p->n_cols <= 0) return AE_OK;
    if (ae_cpu_has_avx512()) {
        bool onednn = p->dtype == AE_F32 && p->transposed && p->n_rows > FEW_ROWS;
        return onednn ? ae_cpu_onednn_matmul(&cpu->onednn, cpu->base.n_threads, p)
                      : ae_cpu_avx512_matmul(cpu, p);
    }
    if (p->dtype != AE_F32) return ae_cpu_matmul_16(cpu, p);
    openblas(cpu->base.n_threads, p);
    return AE_OK;
}

ae_status ae_cpu_linear(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                        const ae_weight *w, const float *bias, int32_t n_rows, bool accumulate) {
    if (bias && accumulate)
        return ae_fail(AE_ERR_INTERNAL, "linear: a bias cannot be added when accumulating");
    // The product is added to rows that hold the bias already.
    if (bias) {
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_rows * (size_t)w->n_out > AE_CPU_SERIAL)
        for (int32_t i = 0; i < n_rows; i++)
            memcpy(y + (size_t)i * (size_t)ldy, bias, (size_t)w->n_out * sizeof *y);
    }
    return ae_cpu_matmul(ae_cpu(be), &(ae_cpu_product){
                                         .n_rows = n_rows,
                                         .n_inner = w->n_in,
                                         .n_cols = w->n_out,
                                         .a = x,
                                         .lda = ldx,
                                         .b = w->data,
                                         .dtype = w->dtype,
                                         .transposed = !w->in_out,
                                         .c = y,
                                         .ldc = ldy,
                                         .accumulate = accumulate || bias,
                                     });
}

ae_status ae_cpu_linear_backward(ae_backend *be, float *dx, int32_t lddx, const float *dy, int32_t lddy,
                                 const ae_weight *w, int32_t n_rows, bool accumulate) {
    return ae_cpu_matmul(ae_cpu(be), &(ae_cpu_product){
                                         .n_rows = n_rows,
                                         .n_inner = w->n_out,
                                         .n_cols = w->n_in,
                                         .a = dy,
                                         .lda = lddy,
                                         .b = w->data,
                                         .dtype = w->dtype,
                                         .transposed = w->in_out,
                                         .c = dx,
                                         .ldc = lddx,
                                         .accumulate = accumulate,
                                     });
}
