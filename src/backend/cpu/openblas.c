// Products by OpenBLAS, one thread a call: where it shares a product out itself, sums come in an order that
// depends on how many threads there are (and few rows take up to three times as long). So c is cut into tiles
// here, always the same ones. With 16-bit weights each thread expands a panel at a time into scratch that
// stays in its cache.
#include <cblas.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/matmul.h"

enum {
    PANEL_COLS = 128, // 256 KiB a thread
    PANEL_INNER = 512,
    TILE_ROWS = 256,    // of an fp32 product
    TILES = 16,         // that it is cut into, or a few more; wide ones are faster, many occupy more threads
    ROW_TILES = 8,      // ... where there is one row: the memory is busy with fewer
    BAND_UNIT = 16,     // bands of b, where there is one row, are a multiple of this many rows high
    UNIT = 64,          // tiles are a multiple of this many columns wide
    SERIAL = 64 * 1024, // products of numbers below which one thread does it all
};

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

/* Columns that a tile of an fp32 product has. */
static int32_t tile_cols(const ae_cpu_product *p) {
    int32_t bands = (p->n_rows - 1) / TILE_ROWS + 1, tiles = p->n_rows == 1 ? ROW_TILES : TILES;
    int32_t across = (tiles - 1) / bands + 1, cols = (p->n_cols - 1) / across + 1;
    return (cols - 1) / UNIT * UNIT + UNIT;
}

static void multiply_tile(const ae_cpu_product *p, int32_t row, int32_t rows, int32_t col, int32_t cols) {
    const float *a = p->a + (size_t)row * (size_t)p->lda, *b = p->b;
    float *c = p->c + (size_t)row * (size_t)p->ldc + (size_t)col, beta = p->accumulate ? 1.0f : 0.0f;
    b += p->transposed ? (size_t)col * (size_t)p->ldb : (size_t)col;
    if (p->n_rows == 1) // here b is transposed: see by_bands
        cblas_sgemv(CblasRowMajor, CblasNoTrans, cols, p->n_inner, 1.0f, b, p->ldb, a, 1, beta, c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->transposed ? CblasTrans : CblasNoTrans, rows, cols,
                    p->n_inner, 1.0f, a, p->lda, b, p->ldb, beta, c, p->ldc);
}

static bool is_small(const ae_cpu_product *p) {
    return (int64_t)p->n_rows * p->n_inner * p->n_cols <= SERIAL;
}

static void by_tiles(int n_threads, const ae_cpu_product *p) {
    int32_t width = tile_cols(p);
#pragma omp parallel for num_threads(n_threads) schedule(static) collapse(2) if (!is_small(p))
    for (int32_t row = 0; row < p->n_rows; row += TILE_ROWS)
        for (int32_t col = 0; col < p->n_cols; col += width)
            multiply_tile(p, row, p->n_rows - row < TILE_ROWS ? p->n_rows - row : TILE_ROWS, col,
                          p->n_cols - col < width ? p->n_cols - col : width);
}

/* One row times b [n_inner, n_cols]: tiles of columns would be read in short runs, so b is cut into bands of
 * its rows, and what they contribute is added up in order. */
static ae_status by_bands(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    int32_t depth = ((p->n_inner - 1) / ROW_TILES / BAND_UNIT + 1) * BAND_UNIT,
            bands = (p->n_inner - 1) / depth + 1;
    size_t cols = (size_t)p->n_cols;
    void *scratch;
    AE_TRY(ae_cpu_scratch(cpu, (size_t)bands * cols, sizeof(float), &scratch));
    float *parts = scratch; // [bands, n_cols]
#pragma omp parallel for num_threads(cpu->base.n_threads) schedule(static) if (!is_small(p))
    for (int32_t band = 0; band < bands; band++) {
        int32_t first = band * depth, rows = p->n_inner - first < depth ? p->n_inner - first : depth;
        cblas_sgemv(CblasRowMajor, CblasTrans, rows, p->n_cols, 1.0f,
                    (const float *)p->b + (size_t)first * (size_t)p->ldb, p->ldb, p->a + first, 1, 0.0f,
                    parts + (size_t)band * cols, 1);
    }
    if (!p->accumulate) memset(p->c, 0, cols * sizeof *p->c);
    for (int32_t band = 0; band < bands; band++)
        for (size_t j = 0; j < cols; j++)
            p->c[j] += parts[(size_t)band * cols + j];
    return AE_OK;
}

static ae_status by_panels(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    int n_threads = cpu->base.n_threads;
    void *scratch;
    AE_TRY(ae_cpu_scratch(cpu, (size_t)n_threads * PANEL_COLS * PANEL_INNER, sizeof(float), &scratch));
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int32_t col = 0; col < p->n_cols; col += PANEL_COLS) {
        float *panel = (float *)scratch + (size_t)omp_get_thread_num() * PANEL_COLS * PANEL_INNER;
        panel_column(p, col, p->n_cols - col < PANEL_COLS ? p->n_cols - col : PANEL_COLS, panel);
    }
    return AE_OK;
}

ae_status ae_cpu_openblas_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    int former = ae_cpu_library_threads(1);
    ae_status status = AE_OK;
    if (p->dtype != AE_F32)
        status = by_panels(cpu, p);
    else if (p->n_rows == 1 && !p->transposed)
        status = by_bands(cpu, p);
    else
        by_tiles(cpu->base.n_threads, p);
    ae_cpu_library_threads(former);
    return status;
}
