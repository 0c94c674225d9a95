// backend: attention and its gradient, over shared prefixes, earlier rows and new rows.
#include "check.h"

#include "backend/cpu/matmul.h"

/* A packed batch and the store that it attends to. */
typedef struct batch {
    ae_seq seqs[8];
    int32_t n_seqs, n_rows, capacity, n_head, d_head;
    double scale;
    const double *dout;
    double *q, *k, *v; // [n_rows | capacity, n_head * d_head]
} batch;

/* The definition, for one row of one head. */
static void attend(const batch *b, const ae_seq *s, int32_t r, int32_t h, double *out) {
    size_t width = (size_t)b->n_head * (size_t)b->d_head, at = (size_t)h * (size_t)b->d_head;
    const double *q = b->q + (size_t)(s->row + r) * width + at;
    int32_t n_keys = s->ctx_len + s->past + r + 1;
    double score[400], max = -INFINITY, sum = 0;
    assert_true(n_keys <= 400);
    for (int32_t j = 0; j < n_keys; j++) {
        int32_t row = j < s->ctx_len ? s->ctx_row + j : s->own_row + j - s->ctx_len;
        score[j] = 0;
        for (int32_t c = 0; c < b->d_head; c++)
            score[j] += q[c] * b->k[(size_t)row * width + at + (size_t)c];
        score[j] *= b->scale;
        max = fmax(max, score[j]);
    }
    for (int32_t j = 0; j < n_keys; j++)
        sum += score[j] = exp(score[j] - max);
    for (int32_t c = 0; c < b->d_head; c++)
        out[c] = 0;
    for (int32_t j = 0; j < n_keys; j++) {
        int32_t row = j < s->ctx_len ? s->ctx_row + j : s->own_row + j - s->ctx_len;
        for (int32_t c = 0; c < b->d_head; c++)
            out[c] += score[j] / sum * b->v[(size_t)row * width + at + (size_t)c];
    }
}

/* sum of dout * out over one sequence and head, as a function of whatever differs. */
typedef struct probe {
    batch *b;
    const ae_seq *s;
    int32_t head;
} probe;

static double probe_loss(const double *x, void *user) {
    (void)x; // the elements varied lie in the batch itself
    probe *p = user;
    double sum = 0, out[256];
    size_t width = (size_t)p->b->n_head * (size_t)p->b->d_head;
    for (int32_t r = 0; r < p->s->n_rows; r++) {
        attend(p->b, p->s, r, p->head, out);
        for (int32_t c = 0; c < p->b->d_head; c++)
            sum +=
                out[c] * p->b->dout[(size_t)(p->s->row + r) * width + (size_t)(p->head * p->b->d_head + c)];
    }
    return sum;
}

static double *as_doubles(const float *x, size_t n) {
    double *y = new_doubles(n);
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
    return y;
}

/* Rows of width `width` with `ld` between them, the rest filled with 7. */
static float *spread(const float *x, size_t rows, size_t width, size_t ld) {
    float *y = ae_alloc(rows * ld, sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < ld; j++)
            y[i * ld + j] = j < width ? x[i * width + j] : 7;
    return y;
}

static float *dense(const float *x, size_t rows, size_t width, size_t ld) {
    float *y = ae_alloc(rows * width, sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < rows; i++)
        memcpy(y + i * width, x + i * ld, width * sizeof *y);
    return y;
}

/* lengths: {ctx_len, past, n_rows} of each sequence; a prefix is shared by all that have one of that length.
 */
static void check_attention(ae_backend *be, uint64_t seed, int32_t n_head, int32_t d_head,
                            const int32_t (*lengths)[3], int32_t n_seqs, bool gradients) {
    ae_random random = ae_random_stream(4, seed, (uint64_t)be->n_threads);
    batch b = {.n_seqs = n_seqs, .n_head = n_head, .d_head = d_head, .scale = 1 / sqrt(d_head)};
    int32_t capacity = 0;
    for (int32_t i = 0; i < n_seqs; i++)
        if (lengths[i][0] > capacity) capacity = lengths[i][0];
    for (int32_t i = 0; i < n_seqs; i++) {
        capacity += 2; // rows of nobody in between
        b.seqs[i] = (ae_seq){.row = b.n_rows,
                             .n_rows = lengths[i][2],
                             .ctx_row = 0,
                             .ctx_len = lengths[i][0],
                             .own_row = capacity,
                             .past = lengths[i][1]};
        b.n_rows += lengths[i][2];
        capacity += lengths[i][1] + lengths[i][2];
    }
    b.capacity = capacity;
    size_t width = (size_t)n_head * (size_t)d_head, rows = (size_t)b.n_rows, n = rows * width, ld = width + 5;
    float *q = random_floats(&random, n, 1.5), *dout = random_floats(&random, n, 1);
    float *k = random_floats(&random, (size_t)capacity * width, 1.5),
          *v = random_floats(&random, (size_t)capacity * width, 1);
    b.q = as_doubles(q, n);
    b.k = as_doubles(k, (size_t)capacity * width);
    b.v = as_doubles(v, (size_t)capacity * width);
    double *dout_exact = as_doubles(dout, n), *expected = new_doubles(n);
    b.dout = dout_exact;
    ae_attention a = {b.seqs, n_seqs, n_head, d_head, (float)b.scale, k, v};

    float *q_rows = spread(q, rows, width, ld), *out = spread(q, rows, width, ld),
          *again = spread(q, rows, width, ld);
    assert_ok(be->attention(be, out, (int32_t)ld, q_rows, (int32_t)ld, &a));
    assert_padding(out, rows, width, ld, 7, "attention");
    for (int32_t i = 0; i < n_seqs; i++)
        for (int32_t r = 0; r < b.seqs[i].n_rows; r++)
            for (int32_t h = 0; h < n_head; h++)
                attend(&b, &b.seqs[i], r, h,
                       expected + (size_t)(b.seqs[i].row + r) * width + (size_t)(h * d_head));
    float *got = dense(out, rows, width, ld);
    assert_close(got, expected, n, 3e-6, "attention");
    ae_free(got);
    assert_ok(be->attention(be, again, (int32_t)ld, q_rows, (int32_t)ld, &a));
    assert_same_bytes(out, again, rows * ld * 4, "attention twice");

    if (gradients) {
        float *dout_rows = spread(dout, rows, width, ld + 1);
        float *results[3], *repeated[3];
        for (int i = 0; i < 3; i++) {
            results[i] = spread(q, rows, width, ld + (size_t)i);
            repeated[i] = spread(dout, rows, width, ld + (size_t)i);
            float **set = i == 2 ? results : NULL;
            if (set)
                assert_ok(be->attention_backward(be, set[0], (int32_t)ld, set[1], (int32_t)ld + 1, set[2],
                                                 (int32_t)ld + 2, dout_rows, (int32_t)ld + 1, q_rows,
                                                 (int32_t)ld, &a));
        }
        assert_ok(be->attention_backward(be, repeated[0], (int32_t)ld, repeated[1], (int32_t)ld + 1,
                                         repeated[2], (int32_t)ld + 2, dout_rows, (int32_t)ld + 1, q_rows,
                                         (int32_t)ld, &a));
        static const char *const names[] = {"dq", "dk", "dv"};
        for (int i = 0; i < 3; i++) {
            double *source = i == 0 ? b.q : i == 1 ? b.k : b.v;
            for (int32_t s = 0; s < n_seqs; s++)
                for (int32_t r = 0; r < b.seqs[s].n_rows; r++)
                    for (int32_t h = 0; h < n_head; h++) {
                        size_t packed = (size_t)(b.seqs[s].row + r) * width + (size_t)(h * d_head);
                        size_t stored =
                            (size_t)(b.seqs[s].own_row + b.seqs[s].past + r) * width + (size_t)(h * d_head);
                        probe p = {&b, &b.seqs[s], h};
                        numeric_gradient(probe_loss, &p, source + (i == 0 ? packed : stored), (size_t)d_head,
                                         expected + packed);
                    }
            assert_padding(results[i], rows, width, ld + (size_t)i, 7, names[i]);
            got = dense(results[i], rows, width, ld + (size_t)i);
            assert_close(got, expected, n, 1e-5, names[i]);
            ae_free(got);
            assert_same_bytes(results[i], repeated[i], rows * (ld + (size_t)i) * 4,
                              "attention_backward twice");
            ae_free(results[i]);
            ae_free(repeated[i]);
        }
        ae_free(dout_rows);
    }
    ae_free(again);
    ae_free(out);
    ae_free(q_rows);
    ae_free(expected);
    ae_free(dout_exact);
    ae_free(b.v);
    ae_free(b.k);
    ae_free(b.q);
    ae_free(v);
    ae_free(k);
    ae_free(dout);
    ae_free(q);
}

static void small_batches(void **state) {
    (void)state;
    static const int32_t lengths[][3] = {{0, 0, 1}, {5, 0, 3}, {0, 4, 2}, {5, 2, 7},
                                         {5, 0, 0}, {0, 0, 0}, {3, 1, 1}};
    static const int32_t heads[][2] = {{1, 1}, {1, 3}, {2, 20}, {3, 8}, {1, 65}};
    for (int b = 0; b < N_BACKENDS; b++)
        for (int h = 0; h < 5; h++) {
            ae_backend *be = make_backend(thread_counts[b]);
            check_attention(be, (uint64_t)h, heads[h][0], heads[h][1], lengths, 7, true);
            be->destroy(be);
        }
}

/* More rows than one block, and products large enough to leave our own loops. */
static void long_sequences(void **state) {
    (void)state;
    static const int32_t lengths[][3] = {{30, 20, 70}, {0, 0, 131}, {30, 1, 64}};
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        check_attention(be, 10, 2, 33, lengths, 3, false);
        check_attention(be, 11, 1, 2, lengths, 3, true);
        check_attention(be, 12, 1, 256, lengths, 3, false);
        be->destroy(be);
    }
    // Differences with a wide head cost much: once, one sequence.
    static const int32_t one[][3] = {{20, 3, 67}};
    ae_backend *be = make_backend(2);
    check_attention(be, 13, 1, 24, one, 1, true);
    be->destroy(be);
}

/* Every later key must have no influence at all, not even through 0 * NaN in rows that are not the
 * sequence's. */
static void what_lies_ahead_is_not_seen(void **state) {
    (void)state;
    ae_backend *be = make_backend(1);
    enum { D = 16, N = 80 };
    ae_random random = ae_random_stream(4, 99, 0);
    float *q = random_floats(&random, N * D, 1), *k = random_floats(&random, N * D, 1),
          *v = random_floats(&random, N * D, 1);
    float *whole = ae_alloc(N * D, 4), *part = ae_alloc(N * D, 4);
    ae_seq s = {.row = 0, .n_rows = N};
    ae_attention a = {&s, 1, 1, D, 0.25f, k, v};
    assert_ok(be->attention(be, whole, D, q, D, &a));
    s.n_rows = 70;
    for (int i = 70 * D; i < N * D; i++)
        k[i] = v[i] = NAN;
    assert_ok(be->attention(be, part, D, q, D, &a));
    for (int i = 0; i < 70 * D; i++)
        assert_true(fabsf(part[i] - whole[i]) <= 1e-6f);
    // Cut in two: the first 40 rows first, the others with these as their past.
    s.n_rows = 40;
    assert_ok(be->attention(be, part, D, q, D, &a));
    s = (ae_seq){.row = 40, .n_rows = 30, .past = 40};
    assert_ok(be->attention(be, part, D, q, D, &a));
    for (int i = 0; i < 70 * D; i++)
        assert_true(fabsf(part[i] - whole[i]) <= 1e-6f);
    ae_free(part);
    ae_free(whole);
    ae_free(v);
    ae_free(k);
    ae_free(q);
    be->destroy(be);
}

static void scratch_can_be_refused(void **state) {
    (void)state;
    ae_backend *be = make_backend(2);
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8], z[8], w[8];
    ae_seq s = {.row = 0, .n_rows = 2};
    ae_attention a = {&s, 1, 1, 4, 1, x, x};
    ae_memory_fail_at(1);
    assert_fails(be->attention(be, y, 4, x, 4, &a), AE_ERR_MEMORY, "out of memory");
    ae_memory_fail_at(1);
    assert_fails(be->attention_backward(be, y, 4, z, 4, w, 4, x, 4, x, 4, &a), AE_ERR_MEMORY,
                 "out of memory");
    assert_ok(be->attention(be, y, 4, x, 4, &a));
    assert_true(y[0] == 1 && y[3] == 4); // the first row sees itself only
    // A product of a thread's own, where our kernels do it.
    enum { ROWS = 64, D = 64 };
    ae_random random = ae_random_stream(4, 98, 0);
    float *q = random_floats(&random, ROWS * D, 1), *out = ae_alloc(ROWS * D, sizeof *out);
    ae_seq long_one = {.n_rows = ROWS};
    ae_attention large = {&long_one, 1, 1, D, 0.125f, q, q};
    ae_memory_fail_at(2);
    if (ae_cpu_has_avx512())
        assert_fails(be->attention(be, out, D, q, D, &large), AE_ERR_MEMORY,
                     "out of memory: the scratch of a thread's matrix product was refused");
    ae_memory_fail_at(0);
    assert_ok(be->attention(be, out, D, q, D, &large));
    ae_free(out);
    ae_free(q);
    a.n_seqs = 0;
    assert_ok(be->attention(be, NULL, 4, NULL, 4, &a));
    assert_ok(be->attention_backward(be, NULL, 4, NULL, 4, NULL, 4, NULL, 4, NULL, 4, &a));
    be->destroy(be);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_batches),
        cmocka_unit_test(long_sequences),
        cmocka_unit_test(what_lies_ahead_is_not_seen),
        cmocka_unit_test(scratch_can_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
