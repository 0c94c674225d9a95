// linear and linear_backward: which library multiplies, and the bias.
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/matmul.h"

/* Who multiplies, as measured (docs/performance.md):
 *
 *   machine        b                          rows   by
 *   AVX-512        16-bit                     any    our own kernels, which convert as they read
 *   AVX-512        fp32, [n_inner, n_cols]    any    our own: 1.1 to 1.8 times oneDNN, 1.7 times OpenBLAS
 *   AVX-512        fp32, [n_cols, n_inner]    1-12   our own
 *   AVX-512        fp32, [n_cols, n_inner]    13-    oneDNN: as fast as ours or 1.1 times, 1.6 times OpenBLAS
 *   any other      any                        any    OpenBLAS: gemv at one row, 16-bit weights by panels
 */
ae_status ae_cpu_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    enum { FEW_ROWS = 12 };
    AE_TRY(ae_cpu_check_dtype(p->dtype));
    if (p->n_rows <= 0 || p->n_cols <= 0) return AE_OK;
    if (ae_cpu_has_avx512()) {
        // For rows with gaps between them oneDNN has no fast kernel.
        bool dense = p->lda == p->n_inner && p->ldc == p->n_cols;
        bool onednn = p->dtype == AE_F32 && p->transposed && p->n_rows > FEW_ROWS && dense;
        return onednn ? ae_cpu_onednn_matmul(cpu, p) : ae_cpu_avx512_matmul(cpu, p);
    }
    return ae_cpu_openblas_matmul(cpu, p);
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
