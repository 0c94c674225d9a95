// Products by OpenBLAS. With 16-bit weights each thread expands a panel at a time into scratch that stays in
// its cache.
#include <cblas.h>
#include <omp.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/matmul.h"

enum { PANEL_COLS = 128, PANEL_INNER = 512 }; // 256 KiB a thread

/* Columns [col, col + cols) of c, over all of the inner dimension. */
static void panel_column(const ae_cpu_product *p, int32_t col, int32_t cols, float *panel) {
    bool add = p->accumulate;
    for (int32_t inner = 0; inner < p->n_inner; inner += PANEL_INNER) {
        int32_t depth = p->n_inner - inner < PANEL_INNER ? p->n_inner - inner : PANEL_INNER;
        int32_t lines = p->transposed ? cols : depth, width = p->transposed ? depth : cols;
        for (int32_t i = 0; i < lines; i++) {
            size_t first = p->transposed ? (size_t)(col + i) * (size_t)p->ldb + (size_t)inner
                                         : (size_t)(inner + i) * (size_t)p->ldb + (size_t)col;
            ae_cpu_to_float(p->b, p->dtype, first, (size_t)width, panel + (size_t)i * (size_t)width);
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->transposed ? CblasTrans : CblasNoTrans, p->n_rows, cols,
                    depth, 1.0f, p->a + inner, p->lda, panel, width, add ? 1.0f : 0.0f, p->c + col, p->ldc);
        add = true;
    }
}

static void whole(int n_threads, const ae_cpu_product *p) {
    int former = ae_cpu_library_threads(n_threads);
    float beta = p->accumulate ? 1.0f : 0.0f;
    if (p->n_rows == 1)
        cblas_sgemv(CblasRowMajor, p->transposed ? CblasNoTrans : CblasTrans,
                    p->transposed ? p->n_cols : p->n_inner, p->transposed ? p->n_inner : p->n_cols, 1.0f,
                    p->b, p->ldb, p->a, 1, beta, p->c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->transposed ? CblasTrans : CblasNoTrans, p->n_rows,
                    p->n_cols, p->n_inner, 1.0f, p->a, p->lda, p->b, p->ldb, beta, p->c, p->ldc);
    ae_cpu_library_threads(former);
}

ae_status ae_cpu_openblas_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    int n_threads = cpu->base.n_threads;
    if (p->dtype == AE_F32) {
        whole(n_threads, p);
        return AE_OK;
    }
    void *scratch;
    AE_TRY(ae_cpu_scratch(cpu, (size_t)n_threads * PANEL_COLS * PANEL_INNER, sizeof(float), &scratch));
    int former = ae_cpu_library_threads(1); // the regions' threads call OpenBLAS, each for itself
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int32_t col = 0; col < p->n_cols; col += PANEL_COLS) {
        float *panel = (float *)scratch + (size_t)omp_get_thread_num() * PANEL_COLS * PANEL_INNER;
        panel_column(p, col, p->n_cols - col < PANEL_COLS ? p->n_cols - col : PANEL_COLS, panel);
    }
    ae_cpu_library_threads(former);
    return AE_OK;
}
