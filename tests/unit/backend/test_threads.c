// backend: no op's result depends on how many threads compute it, where its operands lie, what its scratch
// held before, or, but for matrix products, on the instruction set.
#include "check.h"

#include <omp.h>

#include "backend/cpu/matmul.h"
#include "backend/cpu/simd.h"

static const int counts[] = {1, 4, 2, 3, 7}; // the first is what the others are compared with
enum { N_COUNTS = sizeof counts / sizeof *counts };

static int n_counts(void) {
    return getenv("AE_SANITIZED") ? 2 : N_COUNTS; // there everything takes ten times as long
}

// ---- matrix products -------------------------------------------------------------------------------

static ae_status (*const matmul[])(ae_cpu_backend *, const ae_cpu_product *) = {
    ae_cpu_openblas_matmul, ae_cpu_onednn_matmul, ae_cpu_avx512_matmul};
static const char *const names[] = {"OpenBLAS", "oneDNN", "own"};
enum { OPENBLAS, ONEDNN, OWN, N_IMPLEMENTATIONS };

/* Every path of each: one row, few and many rows, an inner dimension that is cut, more tiles than threads and
 * fewer, and what is one thread's because it is so small. */
static const int32_t shapes[][3] = {
    {1, 300, 900},   {1, 900, 70},    {1, 2100, 301}, {2, 700, 130},  {12, 2100, 70},
    {13, 900, 1030}, {20, 600, 2000}, {40, 520, 333}, {520, 65, 200}, {3, 5, 7},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* Bytes that a and c (whole floats) and b (whole elements) lie behind a cache line's start. */
static const size_t offsets[][3] = {{0, 0, 0}, {4, 8, 12}, {32, 2, 60}, {20, 36, 16}};
enum { N_OFFSETS = sizeof offsets / sizeof *offsets };

static void *moved(const void *data, size_t bytes, size_t offset) {
    unsigned char *memory = ae_alloc(bytes + 128, 1);
    assert_non_null(memory);
    memcpy(memory + offset, data, bytes);
    return memory;
}

static void products_do_not_depend_on_threads_or_places(void **state) {
    (void)state;
    static const ae_dtype dtypes[] = {AE_F32, AE_F16, AE_BF16};
    ae_random random = ae_random_stream(5, 0, 0);
    ae_backend *backends[N_COUNTS];
    for (int t = 0; t < n_counts(); t++)
        backends[t] = make_backend(counts[t]);
    for (int variant = 0; variant < N_SHAPES * N_IMPLEMENTATIONS * 12; variant++) {
        const int32_t *shape = shapes[variant / (N_IMPLEMENTATIONS * 12)];
        const int which = variant / 12 % N_IMPLEMENTATIONS, d = variant / 4 % 3;
        const bool transposed = variant % 2, accumulate = variant / 2 % 2;
        if ((which == ONEDNN && d != 0) || (which == OWN && !ae_cpu_has_avx512())) continue;
        const int32_t rows = shape[0], inner = shape[1], cols = shape[2];
        const size_t n_a = (size_t)rows * (size_t)inner * 4, n_c = (size_t)rows * (size_t)cols * 4,
                     n_b = (size_t)inner * (size_t)cols * ae_dtype_size(dtypes[d]);
        float *a = random_floats(&random, n_a / 4, 1), *c = random_floats(&random, n_c / 4, 1);
        test_weight w = random_weight(&random, dtypes[d], inner, cols, true, 0);
        float *expected = NULL;
        for (int run = 0; run < n_counts() * N_OFFSETS; run++) {
            const size_t *offset = offsets[run % N_OFFSETS];
            const int t = run / N_OFFSETS;
            // fp32 at an odd place is for the products that a stored weight can be given to as it lies
            const size_t b_offset = d == 0 && which == OPENBLAS ? offset[1] / 4 * 4 : offset[1];
            unsigned char *a_at = moved(a, n_a, offset[0]), *b_at = moved(w.w.data, n_b, b_offset),
                          *c_at = moved(c, n_c, offset[2]);
            assert_ok(
                matmul[which](ae_cpu(backends[t]), &(ae_cpu_product){.n_rows = rows,
                                                                     .n_inner = inner,
                                                                     .n_cols = cols,
                                                                     .a = (float *)(void *)(a_at + offset[0]),
                                                                     .lda = inner,
                                                                     .b = b_at + b_offset,
                                                                     .ldb = transposed ? inner : cols,
                                                                     .dtype = dtypes[d],
                                                                     .transposed = transposed,
                                                                     .c = (float *)(void *)(c_at + offset[2]),
                                                                     .ldc = cols,
                                                                     .accumulate = accumulate}));
            if (!expected) {
                expected = ae_alloc(n_c, 1);
                assert_non_null(expected);
                memcpy(expected, c_at + offset[2], n_c);
            } else if (memcmp(expected, c_at + offset[2], n_c) != 0) {
                fail_msg("%s, %d x %d x %d%s%s, type %d: other bytes with %d threads, places %zu %zu %zu",
                         names[which], rows, inner, cols, transposed ? " transposed" : "",
                         accumulate ? " accumulating" : "", (int)dtypes[d], counts[t], offset[0], b_offset,
                         offset[2]);
            }
            ae_free(a_at);
            ae_free(b_at);
            ae_free(c_at);
        }
        ae_free(expected);
        free_weight(&w);
        ae_free(a);
        ae_free(c);
    }
    for (int t = 0; t < n_counts(); t++)
        backends[t]->destroy(backends[t]);
}

/* A region that gets fewer threads than it asks for, because it is inside another or because the machine is
 * busy, computes all of it nevertheless. */
static void a_program_with_regions_of_its_own_gets_the_same_products(void **state) {
    (void)state;
    enum { N = 300, ROWS_OF_A = 40, CALLERS = 3 };
    ae_random random = ae_random_stream(5, 2, 0);
    float *a = random_floats(&random, ROWS_OF_A * N, 1), *b = random_floats(&random, N * N, 1);
    float *c = random_floats(&random, (CALLERS + 2) * ROWS_OF_A * N, 1);
    for (int which = 0; which < N_IMPLEMENTATIONS; which++) {
        if (which == OWN && !ae_cpu_has_avx512()) continue;
        ae_cpu_product p = {.n_rows = ROWS_OF_A, .n_inner = N, .n_cols = N, .a = a, .lda = N};
        p.b = b, p.ldb = N, p.dtype = AE_F32, p.transposed = true, p.ldc = N;
        ae_backend *backends[CALLERS + 2];
        ae_status status[CALLERS] = {AE_OK};
        for (int i = 0; i < CALLERS + 2; i++)
            backends[i] = make_backend(4);
        p.c = c + CALLERS * ROWS_OF_A * N;
        assert_ok(matmul[which](ae_cpu(backends[CALLERS]), &p));
#pragma omp parallel for num_threads(CALLERS) firstprivate(p)
        for (int i = 0; i < CALLERS; i++) {
            p.c = c + i * ROWS_OF_A * N;
            status[i] = matmul[which](ae_cpu(backends[i]), &p);
        }
        omp_set_dynamic(1);
        p.c = c + (CALLERS + 1) * ROWS_OF_A * N;
        assert_ok(matmul[which](ae_cpu(backends[CALLERS + 1]), &p));
        assert_true(omp_get_dynamic());
        omp_set_dynamic(0);
        for (int i = 0; i < CALLERS + 2; i++) {
            if (i < CALLERS) assert_int_equal(status[i], AE_OK);
            assert_same_bytes(c + CALLERS * ROWS_OF_A * N, c + i * ROWS_OF_A * N,
                              ROWS_OF_A * N * sizeof(float), names[which]);
            backends[i]->destroy(backends[i]);
        }
    }
    ae_free(a);
    ae_free(b);
    ae_free(c);
}

// ---- everything else -------------------------------------------------------------------------------

/* Wide enough that every op wakes its threads. */
enum { ROWS = 150, D = 256, HEADS = 8, VOCAB = 5000, SEQS = 3, LOSS_ROWS = 9 };

typedef struct inputs {
    float *x, *dy, *gamma, *beta, *keys, *values; // [ROWS, D], [D]
    float *logits, *log_init;                     // [LOSS_ROWS, VOCAB]
    test_weight table;                            // [VOCAB, D]
    int32_t ids[ROWS], positions[ROWS], index[ROWS], targets[LOSS_ROWS];
    double weights[LOSS_ROWS];
} inputs;

static inputs make_inputs(void) {
    ae_random random = ae_random_stream(5, 1, 0);
    inputs in = {.x = random_floats(&random, ROWS * D, 1),
                 .dy = random_floats(&random, ROWS * D, 1),
                 .gamma = random_floats(&random, D, 1),
                 .beta = random_floats(&random, D, 1),
                 .keys = random_floats(&random, ROWS * D, 1),
                 .values = random_floats(&random, ROWS * D, 1),
                 .logits = random_floats(&random, LOSS_ROWS * VOCAB, 4),
                 .log_init = random_floats(&random, LOSS_ROWS * VOCAB, 4),
                 .table = random_weight(&random, AE_F16, D, VOCAB, false, 2)};
    for (int i = 0; i < ROWS; i++) {
        in.ids[i] = i * 31 % VOCAB;
        in.positions[i] = i;
        in.index[i] = i * 7 % 40; // repeated ones add up
    }
    for (int i = 0; i < LOSS_ROWS; i++) {
        in.targets[i] = i * 501;
        in.weights[i] = 1.0 / (i + 1);
    }
    return in;
}

static void free_inputs(inputs *in) {
    float *all[] = {in->x, in->dy, in->gamma, in->beta, in->keys, in->values, in->logits, in->log_init};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ae_free(all[i]);
    free_weight(&in->table);
}

/* What every op makes of the inputs, one behind the other; `n` floats are left of the room. */
typedef struct results {
    float *all;
    size_t n, room;
} results;

static float *next(results *r, size_t n, const float *start) {
    assert_true(r->n + n <= r->room);
    float *at = r->all + r->n;
    r->n += n;
    if (start) memcpy(at, start, n * sizeof *at);
    return at;
}

static void losses(ae_backend *be, const inputs *in, results *r) {
    const size_t n = LOSS_ROWS * VOCAB;
    double *per_row =
        (double *)(void *)next(r, 4 * LOSS_ROWS, NULL); // r->all is aligned, all counts are even
    assert_ok(
        be->cross_entropy(be, per_row, next(r, n, in->logits), in->targets, in->weights, LOSS_ROWS, VOCAB));
    assert_ok(be->log_softmax(be, next(r, n, in->logits), LOSS_ROWS, VOCAB));
    assert_ok(be->kl_divergence(be, per_row + LOSS_ROWS, next(r, n, in->logits), in->log_init, in->weights,
                                LOSS_ROWS, VOCAB));
}

/* Ops that go element by element or row by row, whose loops are the same for every instruction set. */
static void loops(ae_backend *be, const inputs *in, results *r) {
    const size_t n = ROWS * D;
    float *mean = next(r, ROWS, NULL), *rstd = next(r, ROWS, NULL), *m = next(r, n, in->x);
    assert_ok(be->layer_norm(be, next(r, n, NULL), mean, rstd, in->x, in->gamma, in->beta, 1e-5f, ROWS, D));
    assert_ok(be->layer_norm_backward(be, next(r, n, in->x), in->dy, in->x, in->gamma, mean, rstd, ROWS, D));
    assert_ok(be->gelu(be, next(r, n, NULL), in->x, n));
    assert_ok(be->gelu_backward(be, next(r, n, NULL), in->dy, in->x, n));
    assert_ok(be->rotary(be, next(r, n, in->x), D, in->positions, ROWS, HEADS, D / HEADS, 16, 1e4f, false));
    assert_ok(be->embed(be, next(r, n, in->x), &in->table.w, in->ids, ROWS, true));
    assert_ok(be->scatter_add(be, next(r, n, in->x), D, in->index, in->dy, D, ROWS, D));
    assert_ok(be->add(be, next(r, n, in->x), in->dy, n));
    assert_ok(be->rank_one(be, m, in->dy, ROWS, in->gamma, D));
    assert_ok(be->expand(be, next(r, (size_t)VOCAB * D, NULL), &in->table.w));
    losses(be, in, r);
}

/* Ops in which matrices are multiplied by each thread for itself. */
static void blocks(ae_backend *be, const inputs *in, results *r) {
    const size_t n = ROWS * D;
    static const ae_seq seqs[SEQS] = {
        // one with a block's rows and more, one that goes on, one that shares a beginning
        {.row = 0, .n_rows = 70, .own_row = 0},
        {.row = 70, .n_rows = 20, .own_row = 70, .past = 10},
        {.row = 90, .n_rows = 60, .own_row = 100 - 10, .ctx_row = 0, .ctx_len = 5},
    };
    const ae_attention a = {.seqs = seqs,
                            .n_seqs = SEQS,
                            .n_head = HEADS,
                            .d_head = D / HEADS,
                            .scale = 0.2f,
                            .k = in->keys,
                            .v = in->values};
    assert_ok(be->attention(be, next(r, n, NULL), D, in->x, D, &a));
    float *dq = next(r, n, NULL), *dk = next(r, n, NULL), *dv = next(r, n, NULL);
    assert_ok(be->attention_backward(be, dq, D, dk, D, dv, D, in->dy, D, in->x, D, &a));
    double *sum = (double *)(void *)next(r, 2 * (size_t)D * D, NULL);
    memset(sum, 0, (size_t)D * D * sizeof *sum);
    assert_ok(be->second_moment(be, sum, in->x, D, ROWS, D));
}

static results all_of(ae_backend *be, const inputs *in,
                      void (*ops)(ae_backend *, const inputs *, results *)) {
    results r = {.room = (size_t)VOCAB * D + 12 * ROWS * D + 3 * LOSS_ROWS * VOCAB + 4096 + 2 * D * D};
    r.all = ae_alloc(r.room, sizeof *r.all);
    assert_non_null(r.all);
    void *scratch = NULL; // what was there before must not matter
    assert_ok(ae_cpu_scratch(ae_cpu(be), 1 << 20, 1, &scratch));
    memset(scratch, 0x7f, 1 << 20);
    ops(be, in, &r);
    return r;
}

static void compare(const results *a, const results *b, const char *what, int number) {
    assert_true(a->n > 0 && a->n == b->n);
    for (size_t i = 0; i < a->n; i++)
        if (memcmp(a->all + i, b->all + i, sizeof *a->all) != 0)
            fail_msg("%s %d: result %zu of %zu is %.9g, not %.9g", what, number, i, a->n, (double)b->all[i],
                     (double)a->all[i]);
}

static void no_op_depends_on_the_number_of_threads(void **state) {
    (void)state;
    inputs in = make_inputs();
    void (*const groups[])(ae_backend *, const inputs *, results *) = {loops, blocks, blocks};
    for (int g = 0; g < 3; g++) {
#ifdef AE_SIMD_X86
        if (g == 2)
            ae_simd_most = AE_SIMD_AVX2; // where OpenBLAS multiplies what is our own work with AVX-512
#endif
        results expected = {0};
        for (int t = 0; t < n_counts(); t++) {
            ae_backend *be = make_backend(counts[t]);
            results got = all_of(be, &in, groups[g]);
            if (t == 0)
                expected = got;
            else {
                compare(&expected, &got, "threads:", counts[t]);
                ae_free(got.all);
            }
            be->destroy(be);
        }
        ae_free(expected.all);
    }
#ifdef AE_SIMD_X86
    ae_simd_most = AE_SIMD_AVX512;
#endif
    free_inputs(&in);
}

#ifdef AE_SIMD_X86
static void loops_give_the_same_bytes_with_every_instruction_set(void **state) {
    (void)state;
    inputs in = make_inputs();
    ae_backend *be = make_backend(2);
    results expected = all_of(be, &in, loops);
    for (int level = AE_SIMD_AVX512; level >= AE_SIMD_BASE; level--) {
        ae_simd_most = (ae_simd_level)level;
        results got = all_of(be, &in, loops);
        ae_simd_most = AE_SIMD_AVX512;
        compare(&expected, &got, "level of instructions:", level);
        ae_free(got.all);
    }
    ae_free(expected.all);
    be->destroy(be);
    free_inputs(&in);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_do_not_depend_on_threads_or_places),
        cmocka_unit_test(a_program_with_regions_of_its_own_gets_the_same_products),
        cmocka_unit_test(no_op_depends_on_the_number_of_threads),
#ifdef AE_SIMD_X86
        cmocka_unit_test(loops_give_the_same_bytes_with_every_instruction_set),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
