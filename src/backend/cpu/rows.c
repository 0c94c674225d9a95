// Moving rows: embed, gather, scatter, add; and a weight as fp32.
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"

enum { SPAN = 4096 };

AE_SIMD_INLINE void add_span_body(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}
AE_SIMD(add_span, (float *y, const float *x, size_t n), (y, x, n))

static void embed_row(float *y, const ae_weight *table, int32_t id, bool accumulate) {
    size_t d = (size_t)table->n_in, first = (size_t)id * d;
    if (!accumulate) {
        ae_cpu_to_float(table->data, table->dtype, first, d, y);
        return;
    }
    float part[256];
    for (size_t j = 0; j < d; j += 256) {
        size_t n = d - j < 256 ? d - j : 256;
        ae_cpu_to_float(table->data, table->dtype, first + j, n, part);
        add_span(y + j, part, n);
    }
}

ae_status ae_cpu_embed(ae_backend *be, float *y, const ae_weight *table, const int32_t *ids, int32_t n_rows,
                       bool accumulate) {
    AE_TRY(ae_cpu_check_dtype(table->dtype));
    if (table->in_out) return ae_fail(AE_ERR_INTERNAL, "embed: the table must be stored [rows, width]");
    for (int32_t i = 0; i < n_rows; i++)
        if (ids[i] < 0 || ids[i] >= table->n_out)
            return ae_fail(AE_ERR_ARGUMENT, "id %d (row %d) is outside the table of %d rows", ids[i], i,
                           table->n_out);
    size_t d = (size_t)table->n_in;
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if ((size_t)n_rows * d > AE_CPU_SERIAL)
    for (int32_t i = 0; i < n_rows; i++)
        embed_row(y + (size_t)i * d, table, ids[i], accumulate);
    return AE_OK;
}

ae_status ae_cpu_gather(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                        const int32_t *index, int32_t n_rows, int32_t d) {
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_rows * (size_t)d > AE_CPU_SERIAL)
    for (int32_t i = 0; i < n_rows; i++)
        memcpy(y + (size_t)i * (size_t)ldy, x + (size_t)(index ? index[i] : i) * (size_t)ldx,
               (size_t)d * sizeof *y);
    return AE_OK;
}

/* In order of i by one thread: where an index is repeated, the last row wins. */
ae_status ae_cpu_scatter(ae_backend *be, float *y, int32_t ldy, const int32_t *index, const float *x,
                         int32_t ldx, int32_t n_rows, int32_t d) {
    if (!index) return ae_cpu_gather(be, y, ldy, x, ldx, NULL, n_rows, d);
    for (int32_t i = 0; i < n_rows; i++)
        memcpy(y + (size_t)index[i] * (size_t)ldy, x + (size_t)i * (size_t)ldx, (size_t)d * sizeof *y);
    return AE_OK;
}

/* Threads share the columns, not the rows, so that a repeated index adds up in order of i. */
ae_status ae_cpu_scatter_add(ae_backend *be, float *y, int32_t ldy, const int32_t *index, const float *x,
                             int32_t ldx, int32_t n_rows, int32_t d) {
    enum { COLUMNS = 256 };
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_rows * (size_t)d > AE_CPU_SERIAL)
    for (int32_t j = 0; j < d; j += COLUMNS) {
        size_t n = (size_t)(d - j < COLUMNS ? d - j : COLUMNS);
        for (int32_t i = 0; i < n_rows; i++)
            add_span(y + (size_t)(index ? index[i] : i) * (size_t)ldy + j, x + (size_t)i * (size_t)ldx + j,
                     n);
    }
    return AE_OK;
}

ae_status ae_cpu_add(ae_backend *be, float *y, const float *x, size_t n) {
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n > AE_CPU_SERIAL)
    for (size_t i = 0; i < n; i += SPAN)
        add_span(y + i, x + i, n - i < SPAN ? n - i : SPAN);
    return AE_OK;
}

ae_status ae_cpu_expand(ae_backend *be, float *to, const ae_weight *w) {
    AE_TRY(ae_cpu_check_dtype(w->dtype));
    size_t n = (size_t)w->n_in * (size_t)w->n_out;
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n > AE_CPU_SERIAL)
    for (size_t i = 0; i < n; i += SPAN)
        ae_cpu_to_float(w->data, w->dtype, i, n - i < SPAN ? n - i : SPAN, to + i);
    return AE_OK;
}
