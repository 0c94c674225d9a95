// linear and linear_backward: which library multiplies, and the bias.
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/matmul.h"

/* Who multiplies, as measured (docs/performance.md):
 *
 *   machine      b                        rows   by
 *   AVX-512      16-bit                   any    our own kernels, which convert as they read
 *   AVX-512      fp32                     1      OpenBLAS gemv
 *   AVX-512      fp32, [n_inner, n_cols]  2-     our own: up to 1.6 times oneDNN
 *   AVX-512      fp32, [n_cols, n_inner]  2-12   our own: up to 1.2 times oneDNN
 *   AVX-512      fp32, [n_cols, n_inner]  13-    oneDNN: up to 1.1 times our own
 *   any other    any                      any    OpenBLAS
 *
 * No choice depends on the number of threads, and none of the three lets it change a sum: the same bytes
 * however many there are (tests/unit/backend/test_threads.c).
 */
ae_status ae_cpu_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    enum { FEW_ROWS = 12 };
    AE_TRY(ae_cpu_check_dtype(p->dtype));
    if (p->n_rows <= 0 || p->n_cols <= 0) return AE_OK;
    bool full = p->dtype == AE_F32;
    if (!ae_cpu_has_avx512() || (full && p->n_rows == 1)) return ae_cpu_openblas_matmul(cpu, p);
    // For rows with gaps between them oneDNN has no fast kernel.
    bool dense =
        p->lda == p->n_inner && p->ldc == p->n_cols && p->ldb == (p->transposed ? p->n_inner : p->n_cols);
    if (full && p->transposed && p->n_rows > FEW_ROWS && dense) return ae_cpu_onednn_matmul(cpu, p);
    return ae_cpu_avx512_matmul(cpu, p);
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
                                         .ldb = w->in_out ? w->n_out : w->n_in,
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
                                         .ldb = w->in_out ? w->n_out : w->n_in,
                                         .dtype = w->dtype,
                                         .transposed = w->in_out,
                                         .c = dx,
                                         .ldc = lddx,
                                         .accumulate = accumulate,
                                     });
}
