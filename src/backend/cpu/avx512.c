// Our own product. Threads share out the columns of c; each works alone on its own, and no sum depends on how
// many threads there are. At few rows the time is that of reading b once, so b is read in long runs, and what
// comes next is asked for while this is multiplied. Figures: docs/performance.md.
//
// b [n_inner, n_cols]: a few rows of b at a time, 64 columns of them are copied (and converted) into a panel
// in the nearest cache; a tile of up to 6 rows by 64 columns of c is kept in 24 registers while the panel
// runs past it.
//
// b [n_cols, n_inner], few rows: elements of c are dot products of contiguous rows; a tile of up to 4 rows by
// 6 columns is kept as 24 vectors of partial sums, and fp32 weights are read where they lie. For more rows it
// pays to transpose b into panels.
#include "backend/cpu/matmul.h"

#include "backend/cpu/simd.h"

#ifdef AE_SIMD_X86

#include <immintrin.h>
#include <omp.h>

enum {
    VECTOR = 16,
    STRIP = 64, // columns of a panel
    // Rows of a panel. For few rows of a: b is read as 16 streams, each as long as a block is wide. From MANY
    // rows on: c is loaded and stored less often.
    DEPTH_FEW = 16,
    MANY = 40,
    DEPTH_MANY = 128,
    PANEL_ROWS = 6,    // of a tile
    AHEAD = 128,       // elements by which a stream is prefetched
    BLOCK = 64 * 1024, // floats of c that a thread works on: 256 KiB of its second-level cache
    ROWS = 512,        // of a that are worked through for one reading of b
    FEW_DOTS = 12,     // rows up to which dot products beat transposed panels
    DOT_DEPTH = 2048,  // length of a partial dot product
    DOT_ROWS = 4,      // of a tile
    DOT_COLS = 6,
    SCRATCH = DOT_COLS * DOT_DEPTH, // floats a thread; more than STRIP * DEPTH_MANY
    SERIAL = 64 * 1024,             // products of numbers below which one thread does it all
};

#define INLINE_512 AE_TARGET_AVX512 AE_SIMD_INLINE

bool ae_cpu_has_avx512(void) {
    return ae_simd() == AE_SIMD_AVX512;
}

INLINE_512 __mmask16 mask_of(int32_t n) {
    return n >= VECTOR ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* 16 elements of b from `first` on, those outside the mask 0 and not touched. */
INLINE_512 __m512 load(const void *b, ae_dtype dtype, size_t first, __mmask16 mask) {
    const unsigned char *from = (const unsigned char *)b + first * (dtype == AE_F32 ? 4 : 2);
    if (dtype == AE_F32) return _mm512_maskz_loadu_ps(mask, from);
    __m256i half = _mm256_maskz_loadu_epi16(mask, from);
    if (dtype == AE_F16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// ---- b [n_inner, n_cols] ---------------------------------------------------------------------------

/* A hint: the address may lie beyond the matrix. */
INLINE_512 void prefetch(const void *b, size_t byte) {
    _mm_prefetch((const char *)((uintptr_t)b + byte), _MM_HINT_T0);
}

INLINE_512 void fill_panel(const ae_cpu_product *p, ae_dtype dtype, int32_t inner, int32_t depth, int32_t col,
                           int32_t cols, float *panel) {
    size_t size = dtype == AE_F32 ? 4 : 2;
    for (int32_t k = 0; k < depth; k++) {
        size_t first = (size_t)(inner + k) * (size_t)p->ldb + (size_t)col;
        for (size_t ahead = 0; ahead < STRIP * size; ahead += 64)
            prefetch(p->b, (first + AHEAD) * size + ahead);
        for (int32_t c = 0; c < STRIP; c += VECTOR)
            _mm512_store_ps(panel + (size_t)k * STRIP + c,
                            load(p->b, dtype, first + (size_t)c, mask_of(cols - c)));
    }
}

/* r[i][j] to r[j][i]: within groups of four rows by unpacking, then quarters of registers. */
INLINE_512 void transpose(__m512 r[VECTOR]) {
    __m512 t[VECTOR];
#pragma GCC unroll 4
    for (int i = 0; i < VECTOR; i += 4) {
        __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1]));
        __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1]));
        __m512d low_2 = _mm512_castps_pd(_mm512_unpacklo_ps(r[i + 2], r[i + 3]));
        __m512d high_2 = _mm512_castps_pd(_mm512_unpackhi_ps(r[i + 2], r[i + 3]));
        t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, low_2));
        t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, low_2));
        t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, high_2));
        t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, high_2));
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) { // quarter q of t[i + c] holds rows i to i + 3 of column 4 q + c
        __m512 even = _mm512_shuffle_f32x4(t[c], t[4 + c], 0x88),
               odd = _mm512_shuffle_f32x4(t[c], t[4 + c], 0xdd);
        __m512 even_2 = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0x88);
        __m512 odd_2 = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0xdd);
        r[c] = _mm512_shuffle_f32x4(even, even_2, 0x88);
        r[c + 4] = _mm512_shuffle_f32x4(odd, odd_2, 0x88);
        r[c + 8] = _mm512_shuffle_f32x4(even, even_2, 0xdd);
        r[c + 12] = _mm512_shuffle_f32x4(odd, odd_2, 0xdd);
    }
}

/* The same panel from rows of b that are columns of c. */
INLINE_512 void fill_panel_across(const ae_cpu_product *p, ae_dtype dtype, int32_t inner, int32_t depth,
                                  int32_t col, int32_t cols, float *panel) {
    const int32_t size = dtype == AE_F32 ? 4 : 2, line = 64 / size; // elements of a cache line
    for (int32_t c = 0; c < STRIP && c < cols; c += VECTOR)
        for (int32_t k = 0; k < depth; k += VECTOR) {
            __m512 r[VECTOR];
#pragma GCC unroll 16
            for (int i = 0; i < VECTOR; i++) {
                size_t first = (size_t)(col + c + i) * (size_t)p->ldb + (size_t)(inner + k);
                if (k % line == 0) prefetch(p->b, (first + AHEAD) * (size_t)size);
                r[i] = load(p->b, dtype, first, c + i < cols ? mask_of(depth - k) : 0);
            }
            transpose(r);
#pragma GCC unroll 16
            for (int i = 0; i < VECTOR; i++)
                _mm512_store_ps(panel + (size_t)(k + i) * STRIP + c, r[i]);
        }
}

INLINE_512 void panel_tile(int32_t rows, const float *a, size_t lda, const float *panel, int32_t depth,
                           float *c, size_t ldc, int32_t cols, bool add) {
    __m512 sum[PANEL_ROWS][4];
#pragma GCC unroll 6
    for (int32_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int32_t j = 0; j < 4; j++)
            sum[i][j] = _mm512_setzero_ps();
    for (int32_t k = 0; k < depth; k++) {
        __m512 b[4];
#pragma GCC unroll 4
        for (int32_t j = 0; j < 4; j++)
            b[j] = _mm512_load_ps(panel + (size_t)k * STRIP + j * VECTOR);
#pragma GCC unroll 6
        for (int32_t i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(a[(size_t)i * lda + (size_t)k]);
#pragma GCC unroll 4
            for (int32_t j = 0; j < 4; j++)
                sum[i][j] = _mm512_fmadd_ps(x, b[j], sum[i][j]);
        }
    }
#pragma GCC unroll 6
    for (int32_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int32_t j = 0; j < 4; j++) {
            __mmask16 mask = mask_of(cols - j * VECTOR);
            float *to = c + (size_t)i * ldc + j * VECTOR;
            __m512 before = _mm512_maskz_loadu_ps(add ? mask : 0, to);
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(before, sum[i][j]));
        }
}

/* Rows shared out evenly over as few tiles as will do. */
INLINE_512 void panel_rows(const float *a, size_t lda, int32_t rows, const float *panel, int32_t depth,
                           float *c, size_t ldc, int32_t cols, bool add) {
    for (int32_t tiles = (rows + PANEL_ROWS - 1) / PANEL_ROWS; tiles > 0; tiles--) {
        int32_t n = (rows + tiles - 1) / tiles;
        switch (n) {
#define TILE(N)                                                                                              \
    case N:                                                                                                  \
        panel_tile(N, a, lda, panel, depth, c, ldc, cols, add);                                              \
        break;
            TILE(1)
            TILE(2)
            TILE(3)
            TILE(4)
            TILE(5)
            TILE(6)
#undef TILE
        }
        a += (size_t)n * lda;
        c += (size_t)n * ldc;
        rows -= n;
    }
}

/* Rows [row, row + rows) of columns [begin, end) of c, a block of columns at a time that stays in the cache.
 */
INLINE_512 void by_panels(const ae_cpu_product *p, ae_dtype dtype, int32_t row, int32_t rows, int32_t begin,
                          int32_t end, float *panel) {
    size_t lda = (size_t)p->lda, ldc = (size_t)p->ldc;
    int32_t step = rows < MANY ? DEPTH_FEW : DEPTH_MANY, width = BLOCK / rows / STRIP * STRIP;
    for (int32_t block = begin; block < end; block += width) {
        int32_t stop = end - block < width ? end : block + width;
        for (int32_t inner = 0; inner < p->n_inner; inner += step) {
            int32_t depth = p->n_inner - inner < step ? p->n_inner - inner : step;
            for (int32_t col = block; col < stop; col += STRIP) {
                fill_panel(p, dtype, inner, depth, col, stop - col, panel);
                panel_rows(p->a + (size_t)row * lda + (size_t)inner, lda, rows, panel, depth,
                           p->c + (size_t)row * ldc + (size_t)col, ldc, stop - col,
                           p->accumulate || inner > 0);
            }
        }
    }
}

// ---- b [n_cols, n_inner] ---------------------------------------------------------------------------

/* The rows of b behind one tile; those of the next are fetched into the second-level cache meanwhile. */
typedef struct lines {
    const float *b[DOT_COLS];
    uintptr_t next;     // 0: nothing to fetch
    size_t pitch, size; // bytes from row to row, and an element, as stored
    int32_t depth, cols;
} lines;

INLINE_512 void dot_tile(int32_t rows, const float *a, size_t lda, const lines *l, float *c, size_t ldc,
                         bool add) {
    __m512 sum[DOT_ROWS][DOT_COLS];
#pragma GCC unroll 4
    for (int32_t i = 0; i < rows; i++)
#pragma GCC unroll 6
        for (int32_t j = 0; j < DOT_COLS; j++)
            sum[i][j] = _mm512_setzero_ps();
    for (int32_t k = 0; k < l->depth; k += VECTOR) {
        __mmask16 mask = mask_of(l->depth - k);
        if (l->next)
#pragma GCC unroll 6
            for (size_t j = 0; j < DOT_COLS; j++)
                _mm_prefetch((const char *)(l->next + j * l->pitch + (size_t)k * l->size), _MM_HINT_T1);
        __m512 x[DOT_ROWS];
#pragma GCC unroll 4
        for (int32_t i = 0; i < rows; i++)
            x[i] = _mm512_maskz_loadu_ps(mask, a + (size_t)i * lda + (size_t)k);
#pragma GCC unroll 6
        for (int32_t j = 0; j < DOT_COLS; j++) {
            __m512 y = _mm512_maskz_loadu_ps(mask, l->b[j] + k);
#pragma GCC unroll 4
            for (int32_t i = 0; i < rows; i++)
                sum[i][j] = _mm512_fmadd_ps(x[i], y, sum[i][j]);
        }
    }
#pragma GCC unroll 4
    for (int32_t i = 0; i < rows; i++)
#pragma GCC unroll 6
        for (int32_t j = 0; j < DOT_COLS; j++) {
            float total = _mm512_reduce_add_ps(sum[i][j]);
            if (j < l->cols)
                c[(size_t)i * ldc + (size_t)j] = add ? c[(size_t)i * ldc + (size_t)j] + total : total;
        }
}

INLINE_512 void dot_rows(const float *a, size_t lda, int32_t rows, lines *l, float *c, size_t ldc, bool add) {
    for (int32_t tiles = (rows + DOT_ROWS - 1) / DOT_ROWS; tiles > 0; tiles--) {
        int32_t n = (rows + tiles - 1) / tiles;
        switch (n) {
#define TILE(N)                                                                                              \
    case N:                                                                                                  \
        dot_tile(N, a, lda, l, c, ldc, add);                                                                 \
        break;
            TILE(1)
            TILE(2)
            TILE(3)
            TILE(4)
#undef TILE
        }
        l->next = 0;
        a += (size_t)n * lda;
        c += (size_t)n * ldc;
        rows -= n;
    }
}

/* The rows of b for columns [col, col + cols) of c. A tile always has its full number of columns: the last
 * one is repeated, and what is too much is not stored. 16-bit rows are converted into scratch. */
INLINE_512 lines lines_of(const ae_cpu_product *p, ae_dtype dtype, int32_t inner, int32_t depth, int32_t col,
                          int32_t cols, float *scratch) {
    size_t size = dtype == AE_F32 ? 4 : 2, pitch = (size_t)p->ldb * size;
    lines l = {.pitch = pitch, .size = size, .depth = depth, .cols = cols};
    l.next = (uintptr_t)p->b + (size_t)(col + DOT_COLS) * pitch + (size_t)inner * size;
    for (int32_t j = 0; j < DOT_COLS; j++) {
        int32_t line = j < cols ? j : cols - 1;
        size_t first = (size_t)(col + line) * (size_t)p->ldb + (size_t)inner;
        l.b[j] = dtype == AE_F32 ? (const float *)p->b + first : scratch + (size_t)line * DOT_DEPTH;
        if (dtype == AE_F32 || j != line) continue;
        for (int32_t k = 0; k < depth; k += VECTOR)
            _mm512_store_ps(scratch + (size_t)j * DOT_DEPTH + k,
                            load(p->b, dtype, first + (size_t)k, mask_of(depth - k)));
    }
    return l;
}

INLINE_512 void by_dots(const ae_cpu_product *p, ae_dtype dtype, int32_t begin, int32_t end, float *scratch) {
    for (int32_t inner = 0; inner < p->n_inner; inner += DOT_DEPTH)
        for (int32_t col = begin; col < end; col += DOT_COLS) {
            int32_t depth = p->n_inner - inner < DOT_DEPTH ? p->n_inner - inner : DOT_DEPTH;
            int32_t cols = end - col < DOT_COLS ? end - col : DOT_COLS;
            lines l = lines_of(p, dtype, inner, depth, col, cols, scratch);
            dot_rows(p->a + inner, (size_t)p->lda, p->n_rows, &l, p->c + col, (size_t)p->ldc,
                     p->accumulate || inner > 0);
        }
}

/* The same from transposed panels: a strip of columns at a time, along rows of b. */
INLINE_512 void by_panels_across(const ae_cpu_product *p, ae_dtype dtype, int32_t row, int32_t rows,
                                 int32_t begin, int32_t end, float *panel) {
    size_t lda = (size_t)p->lda, ldc = (size_t)p->ldc;
    for (int32_t col = begin; col < end; col += STRIP)
        for (int32_t inner = 0; inner < p->n_inner; inner += DEPTH_MANY) {
            int32_t depth = p->n_inner - inner < DEPTH_MANY ? p->n_inner - inner : DEPTH_MANY;
            fill_panel_across(p, dtype, inner, depth, col, end - col, panel);
            panel_rows(p->a + (size_t)row * lda + (size_t)inner, lda, rows, panel, depth,
                       p->c + (size_t)row * ldc + (size_t)col, ldc, end - col, p->accumulate || inner > 0);
        }
}

/* The type is a constant in each copy of this. */
INLINE_512 void columns_of(const ae_cpu_product *p, ae_dtype dtype, int32_t begin, int32_t end,
                           float *scratch) {
    if (p->transposed && p->n_rows <= FEW_DOTS) {
        by_dots(p, dtype, begin, end, scratch);
        return;
    }
    for (int32_t row = 0; row < p->n_rows; row += ROWS) {
        int32_t rows = p->n_rows - row < ROWS ? p->n_rows - row : ROWS;
        if (p->transposed)
            by_panels_across(p, dtype, row, rows, begin, end, scratch);
        else
            by_panels(p, dtype, row, rows, begin, end, scratch);
    }
}

AE_TARGET_AVX512 static void columns(const ae_cpu_product *p, int32_t begin, int32_t end, float *scratch) {
    if (p->dtype == AE_F32) columns_of(p, AE_F32, begin, end, scratch);
    if (p->dtype == AE_F16) columns_of(p, AE_F16, begin, end, scratch);
    if (p->dtype == AE_BF16) columns_of(p, AE_BF16, begin, end, scratch);
}

ae_status ae_cpu_avx512_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    int n_threads = cpu->base.n_threads;
    void *scratch;
    AE_TRY(ae_cpu_scratch(cpu, (size_t)n_threads * SCRATCH, sizeof(float), &scratch));
    int32_t unit = p->transposed && p->n_rows <= FEW_DOTS ? DOT_COLS : STRIP,
            units = (p->n_cols + unit - 1) / unit;
#pragma omp parallel num_threads(n_threads) if ((int64_t)p->n_rows * p->n_inner * p->n_cols > SERIAL)
    {
        int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        int32_t begin = (int32_t)(units * me / team) * unit, end = (int32_t)(units * (me + 1) / team) * unit;
        if (end > p->n_cols) end = p->n_cols;
        if (begin < end) columns(p, begin, end, (float *)scratch + (size_t)me * SCRATCH);
    }
    return AE_OK;
}

#else

bool ae_cpu_has_avx512(void) {
    return false;
}

ae_status ae_cpu_avx512_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p) {
    (void)cpu, (void)p;
    return ae_fail(AE_ERR_INTERNAL, "no AVX-512 in this build");
}

#endif
