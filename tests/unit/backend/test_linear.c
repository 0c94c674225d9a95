// backend: linear, linear_backward, embed, expand, for every type and orientation of a weight.
#include "check.h"

#include "backend/cpu/matmul.h"

static const ae_dtype dtypes[] = {AE_F32, AE_F16, AE_BF16};
static const char *const dtype_names[] = {"F32", "F16", "BF16"};

/* One call of linear and of linear_backward against the definition. */
static void check_product(ae_backend *be, ae_random *random, int d, int32_t n_rows, int32_t n_in,
                          int32_t n_out, bool in_out, bool backward, bool accumulate, bool with_bias) {
    int32_t inner = backward ? n_out : n_in, cols = backward ? n_in : n_out;
    size_t ldx = (size_t)inner + (size_t)(n_rows % 3), ldy = (size_t)cols + (size_t)(n_rows % 2 ? 5 : 0);
    test_weight t = random_weight(random, dtypes[d], n_in, n_out, in_out, d == 0 ? 4 : 2);
    float *x = random_floats(random, (size_t)n_rows * ldx, 1);
    float *y = random_floats(random, (size_t)n_rows * ldy, 1);
    float *bias = random_floats(random, (size_t)cols, 1);
    double *expected = new_doubles((size_t)n_rows * (size_t)cols), *terms = new_doubles((size_t)cols);
    double *start = new_doubles((size_t)n_rows * (size_t)cols);
    double *matrix = new_doubles((size_t)inner * (size_t)cols); // [inner, cols], whatever was stored
    for (int32_t k = 0; k < inner; k++)
        for (int32_t j = 0; j < cols; j++)
            matrix[(size_t)k * (size_t)cols + (size_t)j] =
                backward ? weight_at(&t, j, k) : weight_at(&t, k, j);
    for (size_t i = 0; i < (size_t)n_rows; i++) {
        double *row = expected + i * (size_t)cols, *from = start + i * (size_t)cols;
        for (size_t j = 0; j < (size_t)cols; j++)
            row[j] = from[j] = accumulate ? (double)y[i * ldy + j] : with_bias ? (double)bias[j] : 0;
        for (size_t k = 0; k < (size_t)inner; k++)
            for (size_t j = 0; j < (size_t)cols; j++)
                row[j] += (double)x[i * ldx + k] * matrix[k * (size_t)cols + j];
    }
    for (size_t i = 0; i < (size_t)n_rows; i++)
        for (size_t j = (size_t)cols; j < ldy; j++)
            y[i * ldy + j] = 7;
    if (backward)
        assert_ok(be->linear_backward(be, y, (int32_t)ldy, x, (int32_t)ldx, &t.w, n_rows, accumulate));
    else
        assert_ok(be->linear(be, y, (int32_t)ldy, x, (int32_t)ldx, &t.w, with_bias ? bias : NULL, n_rows,
                             accumulate));
    char what[200];
    snprintf(what, sizeof what, "%s %s [%d, %d] %s, %d rows, %d threads%s%s",
             backward ? "linear_backward" : "linear", dtype_names[d], n_in, n_out,
             in_out ? "in_out" : "out_in", n_rows, be->n_threads, accumulate ? ", accumulate" : "",
             with_bias ? ", bias" : "");
    assert_padding(y, (size_t)n_rows, (size_t)cols, ldy, 7, what);
    // Rounding is relative to the terms of a sum, which may cancel.
    for (size_t i = 0; i < (size_t)n_rows; i++) {
        for (size_t j = 0; j < (size_t)cols; j++)
            terms[j] = fabs(start[i * (size_t)cols + j]);
        for (size_t k = 0; k < (size_t)inner; k++)
            for (size_t j = 0; j < (size_t)cols; j++)
                terms[j] += fabs((double)x[i * ldx + k] * matrix[k * (size_t)cols + j]);
        for (size_t j = 0; j < (size_t)cols; j++)
            if (!(fabs((double)y[i * ldy + j] - expected[i * (size_t)cols + j]) <= 5e-7 * terms[j]))
                fail_msg("%s: [%zu, %zu] is %.9g, expected %.9g", what, i, j, (double)y[i * ldy + j],
                         expected[i * (size_t)cols + j]);
    }
    ae_free(start);
    ae_free(matrix);
    ae_free(terms);
    ae_free(expected);
    ae_free(bias);
    ae_free(y);
    ae_free(x);
    free_weight(&t);
}

static void linear_is_the_product(void **state) {
    (void)state;
    static const int32_t shapes[][2] = {{1, 1},    {1, 20},   {3, 1},     {3, 65},   {20, 3},
                                        {65, 257}, {257, 65}, {600, 130}, {130, 600}};
    static const int32_t rows[] = {0, 1, 2, 3, 8, 17, 70};
    ae_random random = ae_random_stream(1, 0, 0);
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                for (int d = 0; d < 3; d++)
                    for (int flags = 0; flags < 10; flags++) {
                        bool in_out = flags % 2, accumulate = flags / 2 == 1 || flags / 2 == 4,
                             bias = flags / 2 == 2;
                        check_product(be, &random, d, rows[r], shapes[s][0], shapes[s][1], in_out,
                                      flags / 2 >= 3, accumulate, bias);
                    }
        be->destroy(be);
    }
}

/* Every row count that packing can produce, at one shape. */
static void linear_takes_any_number_of_rows(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 1, 0);
    ae_backend *be = make_backend(4);
    for (int32_t n_rows = 1; n_rows <= 70; n_rows++)
        for (int flags = 0; flags < 4; flags++)
            check_product(be, &random, n_rows % 3, n_rows, 65, 96, flags % 2, flags / 2, false, !(flags / 2));
    be->destroy(be);
}

/* Wide enough that every thread has panels and the inner dimension is cut; the sum over 3000 terms keeps its
 * digits. */
static void linear_is_right_for_large_matrices(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 2, 0);
    ae_backend *be = make_backend(4);
    static const int32_t rows[] = {1, 5, 24, 130};
    for (int r = 0; r < 4; r++)
        for (int d = 0; d < 3; d++)
            for (int flags = 0; flags < 4; flags++)
                check_product(be, &random, d, rows[r], 1111, 1030, flags % 2, flags / 2, flags == 3,
                              flags == 1);
    be->destroy(be);
}

/* Whichever of them this machine's dispatch leaves out is tested here too. */
static void every_implementation_multiplies_alike(void **state) {
    (void)state;
    static ae_status (*const matmul[])(ae_cpu_backend *, const ae_cpu_product *) = {
        ae_cpu_openblas_matmul, ae_cpu_onednn_matmul, ae_cpu_avx512_matmul};
    static const char *const names[] = {"OpenBLAS", "oneDNN", "own"};
    static const int32_t shapes[][3] = {{1, 700, 300}, {2, 33, 129},   {12, 2100, 70},
                                        {13, 65, 257}, {70, 130, 600}, {530, 40, 90}};
    ae_random random = ae_random_stream(1, 6, 0);
    for (int b = 0; b < N_BACKENDS; b++)
        for (int variant = 0; variant < 6 * 3 * 3 * 4; variant++) {
            int which = variant % 3, d = variant / 3 % 3;
            bool transposed = variant / 9 % 2, accumulate = variant / 18 % 2;
            const int32_t *shape = shapes[variant / 36];
            if (which == 1 && d != 0) continue; // oneDNN multiplies fp32 only
            if (which == 2 && !ae_cpu_has_avx512()) continue;
            int32_t rows = shape[0], inner = shape[1], cols = shape[2], lda = inner + 3 * (variant % 2),
                    ldb = (transposed ? inner : cols) + (which != 1 && variant % 5 < 2 ? 7 : 0),
                    ldc = cols + 1;
            ae_backend *be = make_backend(thread_counts[b]);
            test_weight t = random_weight(&random, dtypes[d], ldb, transposed ? cols : inner, false, 2);
            float *a = random_floats(&random, (size_t)rows * (size_t)lda, 1);
            float *c = random_floats(&random, (size_t)rows * (size_t)ldc, 1);
            float *before = copy_floats(c, (size_t)rows * (size_t)ldc);
            ae_cpu_product p = {.n_rows = rows,
                                .n_inner = inner,
                                .n_cols = cols,
                                .a = a,
                                .lda = lda,
                                .b = t.w.data,
                                .ldb = ldb,
                                .dtype = dtypes[d],
                                .transposed = transposed,
                                .c = c,
                                .ldc = ldc,
                                .accumulate = accumulate};
            assert_ok(matmul[which]((ae_cpu_backend *)be, &p));
            for (int32_t i = 0; i < rows; i++) {
                size_t at = (size_t)i * (size_t)ldc;
                assert_true(c[at + (size_t)cols] == before[at + (size_t)cols]);
                for (int32_t j = 0; j < cols; j += 1 + j % 3) {
                    double sum = accumulate ? (double)before[at + (size_t)j] : 0, terms = fabs(sum);
                    for (int32_t k = 0; k < inner; k++) {
                        double term = (double)a[(size_t)i * (size_t)lda + (size_t)k] *
                                      t.values[transposed ? (size_t)j * (size_t)ldb + (size_t)k
                                                          : (size_t)k * (size_t)ldb + (size_t)j];
                        sum += term;
                        terms += fabs(term);
                    }
                    if (!(fabs((double)c[at + (size_t)j] - sum) <= 5e-7 * terms))
                        fail_msg("%s %s%s, %d x %d x %d: [%d, %d] is %.9g, expected %.9g", names[which],
                                 dtype_names[d], transposed ? " transposed" : "", rows, inner, cols, i, j,
                                 (double)c[at + (size_t)j], sum);
                }
            }
            ae_free(before);
            ae_free(c);
            ae_free(a);
            free_weight(&t);
            be->destroy(be);
        }
}

/* More shapes than are kept compiled: the oldest make room, and come back. */
static void many_shapes_share_the_compiled_products(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 7, 0);
    ae_backend *be = make_backend(2);
    for (int round = 0; round < 2; round++)
        for (int32_t n_rows = 13; n_rows < 13 + 200; n_rows++) {
            test_weight t = random_weight(&random, AE_F32, 20, 16, false, 0);
            float *x = random_floats(&random, (size_t)n_rows * 20, 1),
                  *y = ae_alloc((size_t)n_rows * 16, sizeof *y);
            ae_cpu_product p = {.n_rows = n_rows,
                                .n_inner = 20,
                                .n_cols = 16,
                                .a = x,
                                .lda = 20,
                                .b = t.w.data,
                                .ldb = 20,
                                .dtype = AE_F32,
                                .transposed = true,
                                .c = y,
                                .ldc = 16};
            assert_ok(ae_cpu_onednn_matmul((ae_cpu_backend *)be, &p));
            for (int32_t i = 0; i < n_rows; i += n_rows - 1) {
                double sum = 0;
                for (int32_t k = 0; k < 20; k++)
                    sum += (double)x[i * 20 + k] * t.values[15 * 20 + k];
                assert_true(fabs((double)y[i * 16 + 15] - sum) < 1e-5);
            }
            ae_free(y);
            ae_free(x);
            free_weight(&t);
        }
    be->destroy(be);
    be = make_backend(1);
    float x[2] = {1, 2}, w[2] = {3, 4}, y;
    ae_cpu_product p = {.n_rows = 1,
                        .n_inner = 2,
                        .n_cols = 1,
                        .a = x,
                        .lda = 2,
                        .b = w,
                        .ldb = 2,
                        .dtype = AE_F32,
                        .transposed = true,
                        .c = &y,
                        .ldc = 1};
    ae_memory_fail_at(1);
    assert_fails(ae_cpu_onednn_matmul((ae_cpu_backend *)be, &p), AE_ERR_MEMORY, "out of memory");
    assert_ok(ae_cpu_onednn_matmul((ae_cpu_backend *)be, &p));
    assert_true(y == 11);
    be->destroy(be);
}

static void linear_gives_the_same_bytes_twice(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 3, 0);
    for (int b = 0; b < N_BACKENDS; b++)
        for (int d = 0; d < 3; d++)
            for (int in_out = 0; in_out < 2; in_out++)
                for (int32_t n_rows = 1; n_rows <= 130; n_rows = n_rows * 5 + 1) {
                    ae_backend *be = make_backend(thread_counts[b]);
                    test_weight t = random_weight(&random, dtypes[d], 640, 770, in_out, 0);
                    float *x = random_floats(&random, (size_t)n_rows * 640, 1);
                    float *first = random_floats(&random, (size_t)n_rows * 770, 1);
                    float *second = random_floats(&random, (size_t)n_rows * 770, 1);
                    assert_ok(be->linear(be, first, 770, x, 640, &t.w, NULL, n_rows, false));
                    assert_ok(be->linear(be, second, 770, x, 640, &t.w, NULL, n_rows, false));
                    assert_same_bytes(first, second, (size_t)n_rows * 770 * sizeof *first, "linear");
                    be->destroy(be);
                    be = make_backend(thread_counts[b]);
                    assert_ok(be->linear(be, second, 770, x, 640, &t.w, NULL, n_rows, false));
                    assert_same_bytes(first, second, (size_t)n_rows * 770 * sizeof *first,
                                      "linear, new backend");
                    be->destroy(be);
                    ae_free(second);
                    ae_free(first);
                    ae_free(x);
                    free_weight(&t);
                }
}

static void linear_reports_misuse_and_lack_of_memory(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 4, 0);
    ae_backend *be = make_backend(2);
    test_weight t = random_weight(&random, AE_F16, 20, 30, true, 0);
    float x[40] = {0}, y[60], bias[30] = {0};
    assert_fails(be->linear(be, y, 30, x, 20, &t.w, bias, 2, true), AE_ERR_INTERNAL, "bias");
    ae_memory_fail_at(1);
    assert_fails(be->linear(be, y, 30, x, 20, &t.w, NULL, 2, false), AE_ERR_MEMORY, "out of memory");
    ae_memory_fail_at(0);
    assert_ok(be->linear(be, y, 30, x, 20, &t.w, bias, 2, false));
    for (int i = 0; i < 60; i++)
        assert_true(y[i] == 0);
    t.w.dtype = AE_I32;
    assert_fails(be->linear(be, y, 30, x, 20, &t.w, NULL, 2, false), AE_ERR_INTERNAL, "F32, F16 or BF16");
    assert_fails(be->expand(be, y, &t.w), AE_ERR_INTERNAL, "F32, F16 or BF16");
    free_weight(&t);
    be->destroy(be);
}

/* All 65536 values of both formats. */
static void sixteen_bits_expand_exactly(void **state) {
    (void)state;
    uint16_t *bits = ae_alloc(65536 + 1, sizeof *bits);
    float *out = ae_alloc(65536, sizeof *out);
    assert_non_null(bits);
    assert_non_null(out);
    unsigned char *odd = (unsigned char *)bits + 1; // not even aligned to 2
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        memcpy(odd + 2 * i, &h, 2);
    }
    for (int b = 0; b < N_BACKENDS; b++)
        for (int d = 1; d < 3; d++) {
            ae_backend *be = make_backend(thread_counts[b]);
            ae_weight w = {.data = odd, .dtype = dtypes[d], .n_in = 256, .n_out = 256, .in_out = false};
            assert_ok(be->expand(be, out, &w));
            // 250 wide: rows do not end with a vector
            ae_weight narrow = w;
            narrow.n_in = 250;
            float row[250];
            for (uint32_t i = 0; i < 65536; i++) {
                double expected = from_bits_16((uint16_t)i, dtypes[d]);
                bool same = isnan(expected) ? isnan(out[i]) : (double)out[i] == expected;
                if (!same || (!isnan(expected) && !signbit(expected) != !signbit(out[i])))
                    fail_msg("%s %04x is %.9g, expected %.9g", dtype_names[d], i, (double)out[i], expected);
            }
            for (int32_t i = 0; i < 256; i++) {
                assert_ok(be->embed(be, row, &narrow, &i, 1, false));
                for (int32_t j = 0; j < 250; j++) {
                    double expected = from_bits_16((uint16_t)(i * 250 + j), dtypes[d]);
                    assert_true(isnan(expected) ? isnan(row[j]) : (double)row[j] == expected);
                }
            }
            be->destroy(be);
        }
    ae_free(out);
    ae_free(bits);
}

static void embed_takes_rows_of_the_table(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 5, 0);
    static const int32_t widths[] = {1, 3, 20, 65, 257, 1600};
    for (int b = 0; b < N_BACKENDS; b++)
        for (int w = 0; w < 6; w++)
            for (int d = 0; d < 3; d++) {
                ae_backend *be = make_backend(thread_counts[b]);
                int32_t width = widths[w], ids[70];
                test_weight t = random_weight(&random, dtypes[d], width, 11, false, 2);
                for (int i = 0; i < 70; i++)
                    ids[i] = (i * 7 + 3) % 11;
                float *y = random_floats(&random, 70 * (size_t)width, 1),
                      *before = copy_floats(y, 70 * (size_t)width);
                assert_ok(be->embed(be, y, &t.w, ids, 70, true));
                for (size_t i = 0; i < 70 * (size_t)width; i++) {
                    double value =
                        t.values[(size_t)ids[i / (size_t)width] * (size_t)width + i % (size_t)width];
                    assert_true(y[i] == before[i] + (float)value);
                }
                assert_ok(be->embed(be, y, &t.w, ids, 70, false));
                for (size_t i = 0; i < 70 * (size_t)width; i++)
                    assert_true((double)y[i] ==
                                t.values[(size_t)ids[i / (size_t)width] * (size_t)width + i % (size_t)width]);
                assert_ok(be->embed(be, y, &t.w, ids, 0, false));
                ids[3] = 11;
                assert_fails(be->embed(be, y, &t.w, ids, 70, false), AE_ERR_ARGUMENT, "id 11 (row 3)");
                ids[3] = -1;
                assert_fails(be->embed(be, y, &t.w, ids, 70, false), AE_ERR_ARGUMENT, "id -1 (row 3)");
                t.w.in_out = true;
                assert_fails(be->embed(be, y, &t.w, ids, 1, false), AE_ERR_INTERNAL, "[rows, width]");
                ae_free(before);
                ae_free(y);
                free_weight(&t);
                be->destroy(be);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_is_the_product),
        cmocka_unit_test(linear_takes_any_number_of_rows),
        cmocka_unit_test(linear_is_right_for_large_matrices),
        cmocka_unit_test(every_implementation_multiplies_alike),
        cmocka_unit_test(many_shapes_share_the_compiled_products),
        cmocka_unit_test(linear_gives_the_same_bytes_twice),
        cmocka_unit_test(linear_reports_misuse_and_lack_of_memory),
        cmocka_unit_test(sixteen_bits_expand_exactly),
        cmocka_unit_test(embed_takes_rows_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
