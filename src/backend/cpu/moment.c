// Second moments and the rank-one update.
#include <omp.h>

#include "backend/cpu/simd.h"
#include "backend/cpu/small_gemm.h"

// The upper triangle is cut into tiles; a thread computes one as a float product of this batch, which stays
// in its second-level cache, and adds it in double. For the left factor, columns of x become rows of a
// transposed copy, a band of them at a time.
enum {
    BAND = 2048, // columns of x transposed at once: with 4096 rows 32 MiB
    TILE_ROWS = 512,
    TILE_COLS = 128,
    TILE = TILE_ROWS * TILE_COLS,
    SQUARE = 16,        // what is transposed at a time
    SERIAL = 64 * 1024, // products of numbers below which one thread does it all
};

/* to[cols, n_rows] = transpose of x[n_rows, cols], cols <= SQUARE */
AE_SIMD_INLINE void transpose_body(float *to, size_t ldto, const float *x, size_t ldx, int32_t n_rows,
                                   int32_t cols) {
    for (int32_t first = 0; first < n_rows; first += SQUARE) {
        int32_t rows = n_rows - first < SQUARE ? n_rows - first : SQUARE;
        float square[SQUARE][SQUARE];
        if (rows == SQUARE && cols == SQUARE) {
            for (int32_t r = 0; r < SQUARE; r++)
                memcpy(square[r], x + (size_t)(first + r) * ldx, sizeof square[r]);
            for (int32_t c = 0; c < SQUARE; c++)
                for (int32_t r = 0; r < SQUARE; r++)
                    to[(size_t)c * ldto + (size_t)(first + r)] = square[r][c];
        } else
            for (int32_t c = 0; c < cols; c++)
                for (int32_t r = first; r < first + rows; r++)
                    to[(size_t)c * ldto + (size_t)r] = x[(size_t)r * ldx + (size_t)c];
    }
}
AE_SIMD(transpose, (float *to, size_t ldto, const float *x, size_t ldx, int32_t n_rows, int32_t cols),
        (to, ldto, x, ldx, n_rows, cols))

AE_SIMD_INLINE void add_to_double_body(double *sum, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        sum[i] += (double)x[i];
}
AE_SIMD(add_to_double, (double *sum, const float *x, size_t n), (sum, x, n))

typedef struct moment {
    double *sum;
    const float *x;    // [n_rows, d]
    float *transposed; // [BAND or d, n_rows]
    size_t ldx, ldt;
    int32_t n_rows, d;
} moment;

/* Rows [row, row + TILE_ROWS) and columns [col, col + TILE_COLS) of the sum, less what lies below the
 * diagonal; `left`: the transposed copy's row for `row`. */
static void add_tile(ae_gemm *gemm, const moment *m, int32_t row, int32_t row_end, const float *left,
                     int32_t col, float *product) {
    int32_t col_end = m->d - col < TILE_COLS ? m->d : col + TILE_COLS;
    if (row_end > col_end) row_end = col_end;
    int32_t rows = row_end - row, cols = col_end - col;
    memset(product, 0, (size_t)rows * TILE_COLS * sizeof *product);
    ae_gemm_nn(gemm, rows, cols, m->n_rows, left, m->ldt, m->x + col, m->ldx, product, TILE_COLS);
    for (int32_t r = row; r < row_end; r++) {
        int32_t from = r > col ? r : col;
        add_to_double(m->sum + (size_t)r * (size_t)m->d + (size_t)from,
                      product + (size_t)(r - row) * TILE_COLS + (size_t)(from - col),
                      (size_t)(col_end - from));
    }
}

ae_status ae_cpu_second_moment(ae_backend *be, double *sum, const float *x, int32_t ldx, int32_t n_rows,
                               int32_t d) {
    if (n_rows <= 0) return AE_OK;
    moment m = {.sum = sum, .x = x, .ldx = (size_t)ldx, .n_rows = n_rows, .d = d};
    // Rows of the copy start on a cache line, an odd number of lines apart: not all in the same set of a
    // cache.
    m.ldt = ((size_t)n_rows + 15) / 16 * 16;
    if (m.ldt / 16 % 2 == 0) m.ldt += 16;
    size_t band = (size_t)(d < BAND ? d : BAND) * m.ldt;
    void *scratch;
    AE_TRY(ae_cpu_scratch(ae_cpu(be), band + (size_t)be->n_threads * TILE, sizeof(float), &scratch));
    m.transposed = scratch;
    ae_status status = AE_OK;
    int former = ae_cpu_library_threads(1);
#pragma omp parallel num_threads(be->n_threads) if ((int64_t)n_rows * d * d > SERIAL)
    {
        ae_gemm gemm = ae_gemm_begin();
        float *product = m.transposed + band + (size_t)omp_get_thread_num() * TILE;
        for (int32_t first = 0; first < d; first += BAND) {
            int32_t end = d - first < BAND ? d : first + BAND;
#pragma omp for schedule(static)
            for (int32_t c = first; c < end; c += SQUARE)
                transpose(m.transposed + (size_t)(c - first) * m.ldt, m.ldt, x + c, m.ldx, n_rows,
                          end - c < SQUARE ? end - c : SQUARE);
#pragma omp for schedule(dynamic) collapse(2)
            for (int32_t row = first; row < end; row += TILE_ROWS)
                for (int32_t col = first; col < d; col += TILE_COLS)
                    if (col + TILE_COLS > row)
                        add_tile(&gemm, &m, row, end - row < TILE_ROWS ? end : row + TILE_ROWS,
                                 m.transposed + (size_t)(row - first) * m.ldt, col, product);
        }
        ae_gemm_end(&gemm, &status);
    }
    ae_cpu_library_threads(former);
    return ae_gemm_outcome(status);
}

/* The build forbids contraction, so that product and sum are rounded one by one. */
AE_SIMD_INLINE void add_scaled_body(float *m, float a, const float *b, size_t n) {
    for (size_t j = 0; j < n; j++) {
        float product = a * b[j];
        m[j] += product;
    }
}
AE_SIMD(add_scaled, (float *m, float a, const float *b, size_t n), (m, a, b, n))

ae_status ae_cpu_rank_one(ae_backend *be, float *m, const float *a, int32_t n_a, const float *b,
                          int32_t n_b) {
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_a * (size_t)n_b > AE_CPU_SERIAL)
    for (int32_t i = 0; i < n_a; i++)
        add_scaled(m + (size_t)i * (size_t)n_b, a[i], b, (size_t)n_b);
    return AE_OK;
}
