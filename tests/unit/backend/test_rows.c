// backend: memory, moving rows, rotary, layer norm, gelu, finiteness, and the rank-one update.
#include "check.h"

#include "backend/cpu/exp.h"

static const int32_t widths[] = {1, 3, 20, 65, 257, 1600};
enum { N_WIDTHS = sizeof widths / sizeof *widths };

static void backend_refuses_senseless_thread_counts(void **state) {
    (void)state;
    ae_backend *be = NULL;
    assert_fails(ae_backend_cpu(-1, &be), AE_ERR_ARGUMENT, "-1 threads");
    assert_fails(ae_backend_cpu(100000, &be), AE_ERR_ARGUMENT, "100000 threads");
    ae_memory_fail_at(1);
    assert_fails(ae_backend_cpu(1, &be), AE_ERR_MEMORY, "out of memory");
    assert_null(be);
    assert_ok(ae_backend_cpu(0, &be));
    assert_true(be->n_threads >= 1);
    assert_string_equal(be->name, "cpu");
    be->destroy(be);
}

static void memory_is_zeroed_aligned_and_copied(void **state) {
    (void)state;
    ae_backend *be = make_backend(2);
    float *memory = NULL, host[5] = {1, 2, 3, 4, 5}, back[5];
    assert_ok(be->alloc(be, 5, &memory));
    assert_int_equal((uintptr_t)memory % 64, 0);
    for (int i = 0; i < 5; i++)
        assert_true(memory[i] == 0);
    assert_ok(be->put(be, memory, host, 5));
    assert_ok(be->get(be, back, memory, 5));
    assert_memory_equal(host, back, sizeof host);
    be->release(be, memory);
    be->release(be, NULL);
    assert_ok(be->alloc(be, 0, &memory));
    assert_ok(be->put(be, memory, NULL, 0));
    be->release(be, memory);
    float *none = NULL;
    assert_fails(be->alloc(be, SIZE_MAX / 2, &none), AE_ERR_MEMORY, "out of memory");
    assert_null(none);
    be->destroy(be);
}

static void rows_are_moved_by_index(void **state) {
    (void)state;
    ae_random random = ae_random_stream(2, 0, 0);
    for (int b = 0; b < N_BACKENDS; b++)
        for (int w = 0; w < N_WIDTHS; w++) {
            ae_backend *be = make_backend(thread_counts[b]);
            int32_t d = widths[w], ldx = d + 2, ldy = d + 3, index[70];
            for (int i = 0; i < 70; i++)
                index[i] = (i * 13) % 70; // a permutation
            float *x = random_floats(&random, 70 * (size_t)ldx, 1),
                  *y = random_floats(&random, 70 * (size_t)ldy, 1);
            float *before = copy_floats(y, 70 * (size_t)ldy);
            assert_ok(be->gather(be, y, ldy, x, ldx, index, 70, d));
            for (int i = 0; i < 70; i++) {
                assert_memory_equal(y + i * ldy, x + index[i] * ldx, (size_t)d * 4);
                assert_memory_equal(y + i * ldy + d, before + i * ldy + d, 3 * 4);
            }
            assert_ok(be->scatter(be, y, ldy, index, x, ldx, 70, d));
            for (int i = 0; i < 70; i++)
                assert_memory_equal(y + index[i] * ldy, x + i * ldx, (size_t)d * 4);
            assert_ok(be->scatter(be, y, ldy, NULL, x, ldx, 70, d));
            for (int i = 0; i < 70; i++)
                assert_memory_equal(y + i * ldy, x + i * ldx, (size_t)d * 4);
            index[69] = index[0]; // of two rows for one place, the last stays
            assert_ok(be->scatter(be, y, ldy, index, x, ldx, 70, d));
            assert_memory_equal(y + index[69] * ldy, x + 69 * ldx, (size_t)d * 4);

            memcpy(y, before, 70 * (size_t)ldy * 4);
            for (int i = 0; i < 70; i++)
                index[i] = i % 4;
            float *expected = copy_floats(before, 70 * (size_t)ldy);
            for (int i = 0; i < 70; i++)
                for (int32_t j = 0; j < d; j++)
                    expected[index[i] * ldy + j] += x[i * ldx + j];
            assert_ok(be->scatter_add(be, y, ldy, index, x, ldx, 70, d));
            assert_same_bytes(y, expected, 70 * (size_t)ldy * 4, "scatter_add");
            assert_ok(be->scatter_add(be, y, ldy, NULL, x, ldx, 70, d));
            for (int i = 0; i < 70; i++)
                for (int32_t j = 0; j < d; j++)
                    assert_true(y[i * ldy + j] == expected[i * ldy + j] + x[i * ldx + j]);

            memcpy(y, before, 70 * (size_t)ldx * 4);
            assert_ok(be->add(be, y, x, 70 * (size_t)ldx));
            for (size_t i = 0; i < 70 * (size_t)ldx; i++)
                assert_true(y[i] == before[i] + x[i]);
            assert_ok(be->gather(be, NULL, ldy, NULL, ldx, NULL, 0, d));
            assert_ok(be->scatter(be, NULL, ldy, index, NULL, ldx, 0, d));
            assert_ok(be->scatter_add(be, NULL, ldy, index, NULL, ldx, 0, d));
            assert_ok(be->add(be, NULL, NULL, 0));
            ae_free(expected);
            ae_free(before);
            ae_free(y);
            ae_free(x);
            be->destroy(be);
        }
}

static void rotary_turns_pairs(void **state) {
    (void)state;
    ae_random random = ae_random_stream(2, 1, 0);
    static const int32_t shapes[][3] = {{1, 2, 2}, {3, 10, 4}, {2, 20, 20}, {5, 7, 6}, {16, 256, 64}};
    for (int b = 0; b < N_BACKENDS; b++)
        for (int s = 0; s < 5; s++) {
            ae_backend *be = make_backend(thread_counts[b]);
            int32_t n_head = shapes[s][0], d_head = shapes[s][1], n_rot = shapes[s][2],
                    ld = n_head * d_head + 3;
            int32_t positions[17];
            for (int i = 0; i < 17; i++)
                positions[i] = i * i * 7;
            size_t n = 17 * (size_t)ld;
            float *x = random_floats(&random, n, 1), *before = copy_floats(x, n);
            assert_ok(be->rotary(be, x, ld, positions, 17, n_head, d_head, n_rot, 10000.0f, false));
            double *expected = new_doubles(n);
            for (size_t i = 0; i < n; i++)
                expected[i] = (double)before[i];
            for (int i = 0; i < 17; i++)
                for (int32_t h = 0; h < n_head; h++)
                    for (int32_t p = 0; p < n_rot / 2; p++) {
                        size_t at = (size_t)i * (size_t)ld + (size_t)(h * d_head + 2 * p);
                        double angle = positions[i] * pow(10000, -2.0 * p / n_rot);
                        double even = (double)before[at], odd = (double)before[at + 1];
                        expected[at] = even * cos(angle) - odd * sin(angle);
                        expected[at + 1] = odd * cos(angle) + even * sin(angle);
                    }
            assert_close(x, expected, n, 2e-7, "rotary");
            // A rotation's gradient is the rotation back.
            assert_ok(be->rotary(be, x, ld, positions, 17, n_head, d_head, n_rot, 10000.0f, true));
            for (size_t i = 0; i < n; i++)
                expected[i] = (double)before[i];
            assert_close(x, expected, n, 4e-7, "rotary back"); // two rotations, each rounded
            assert_ok(be->rotary(be, x, ld, positions, 0, n_head, d_head, n_rot, 10000.0f, false));
            ae_free(expected);
            ae_free(before);
            ae_free(x);
            be->destroy(be);
        }
    ae_backend *be = make_backend(1);
    float x[4] = {0};
    int32_t position = 1;
    ae_memory_fail_at(1);
    assert_fails(be->rotary(be, x, 4, &position, 1, 1, 4, 4, 10000.0f, false), AE_ERR_MEMORY,
                 "out of memory");
    be->destroy(be);
}

// ---- layer norm ------------------------------------------------------------------------------------

static void norm_reference(double *y, const double *x, const float *gamma, const float *beta, double epsilon,
                           int32_t d) {
    double mean = 0, variance = 0;
    for (int32_t j = 0; j < d; j++)
        mean += x[j] / d;
    for (int32_t j = 0; j < d; j++)
        variance += (x[j] - mean) * (x[j] - mean) / d;
    for (int32_t j = 0; j < d; j++)
        y[j] = (x[j] - mean) / sqrt(variance + epsilon) * (double)gamma[j] + (beta ? (double)beta[j] : 0);
}

typedef struct norm_case {
    const float *gamma, *dy;
    int32_t d;
    double *y;
} norm_case;

static double norm_scalar(const double *x, void *user) {
    norm_case *c = user;
    norm_reference(c->y, x, c->gamma, NULL, 1e-5, c->d);
    double sum = 0;
    for (int32_t j = 0; j < c->d; j++)
        sum += c->y[j] * (double)c->dy[j];
    return sum;
}

static void layer_norm_and_its_gradient(void **state) {
    (void)state;
    ae_random random = ae_random_stream(2, 2, 0);
    static const int32_t rows[] = {1, 2, 7, 70};
    for (int b = 0; b < N_BACKENDS; b++)
        for (int w = 0; w < N_WIDTHS; w++)
            for (int r = 0; r < 4; r++) {
                ae_backend *be = make_backend(thread_counts[b]);
                int32_t d = widths[w], n_rows = rows[r];
                size_t n = (size_t)n_rows * (size_t)d;
                float *x = random_floats(&random, n, 3), *gamma = random_floats(&random, (size_t)d, 1);
                float *beta = random_floats(&random, (size_t)d, 1), *dy = random_floats(&random, n, 1);
                float *y = ae_alloc(n, 4), *again = ae_alloc(n, 4), mean[70], rstd[70];
                double *expected = new_doubles(n), *point = new_doubles(n), *scratch = new_doubles((size_t)d);
                for (size_t i = 0; i < n; i++) {
                    x[i] += 20; // a mean many times the spread, as in the residual stream
                    point[i] = (double)x[i];
                }
                assert_ok(be->layer_norm(be, y, mean, rstd, x, gamma, beta, 1e-5f, n_rows, d));
                for (int32_t i = 0; i < n_rows; i++)
                    norm_reference(expected + (size_t)i * (size_t)d, point + (size_t)i * (size_t)d, gamma,
                                   beta, 1e-5, d);
                assert_close(y, expected, n, 2e-6, "layer_norm");
                assert_ok(be->layer_norm(be, again, NULL, NULL, x, gamma, beta, 1e-5f, n_rows, d));
                assert_same_bytes(y, again, n * 4, "layer_norm without mean and rstd");

                memset(again, 0, n * 4);
                assert_ok(be->layer_norm_backward(be, again, dy, x, gamma, mean, rstd, n_rows, d));
                int32_t checked = d > 300 && n_rows > 2 ? 1 : n_rows; // differences cost d² a row
                for (int32_t i = 0; i < checked; i++) {
                    size_t at = (size_t)i * (size_t)d;
                    norm_case c = {gamma, dy + at, d, scratch};
                    numeric_gradient(norm_scalar, &c, point + at, (size_t)d, expected + at);
                    // The gradient of a row of one or a few nearly equal elements cancels: compare with the
                    // size of its terms.
                    double size = 0;
                    for (int32_t j = 0; j < d; j++)
                        size = fmax(size, fabs((double)(dy[at + (size_t)j] * gamma[j] * rstd[i])));
                    for (int32_t j = 0; j < d; j++)
                        if (!(fabs((double)again[at + (size_t)j] - expected[at + (size_t)j]) <= 2e-5 * size))
                            fail_msg("layer_norm_backward: row %d of width %d, %d: %g, expected %g", i, d, j,
                                     (double)again[at + (size_t)j], expected[at + (size_t)j]);
                }
                memcpy(y, again, n * 4); // it adds
                assert_ok(be->layer_norm_backward(be, again, dy, x, gamma, mean, rstd, n_rows, d));
                for (size_t i = 0; i < n; i++)
                    assert_true(fabsf(again[i] - 2 * y[i]) <= 4e-7f * fabsf(again[i]));
                assert_ok(be->layer_norm(be, NULL, NULL, NULL, NULL, gamma, beta, 1e-5f, 0, d));
                assert_ok(be->layer_norm_backward(be, NULL, NULL, NULL, gamma, NULL, NULL, 0, d));
                ae_free(scratch);
                ae_free(point);
                ae_free(expected);
                ae_free(again);
                ae_free(y);
                ae_free(dy);
                ae_free(beta);
                ae_free(gamma);
                ae_free(x);
                be->destroy(be);
            }
}

// ---- exp and gelu ----------------------------------------------------------------------------------

/* Distance of two floats in representable numbers. */
static double ulps(float got, double expected) {
    float nearest = (float)expected;
    double spacing = (double)(nextafterf(fabsf(nearest), INFINITY) - fabsf(nearest));
    return fabs((double)got - expected) / spacing;
}

static void exp_is_within_two_ulp(void **state) {
    (void)state;
    double worst = 0;
    float at = 0;
    for (uint32_t i = 0; i < 4000000; i++) {
        float x = -104.0f + (float)i * (192.7f / 4000000);
        double error = ulps(ae_exp(x), exp((double)x));
        if (error > worst) {
            worst = error;
            at = x;
        }
    }
    for (uint32_t i = 0; i < 1000000; i++) { // and close to 0
        float x = ldexpf((float)i - 500000, -40);
        double error = ulps(ae_exp(x), exp((double)x));
        if (error > worst) {
            worst = error;
            at = x;
        }
    }
    print_message("exp: at most %.3f ulp, at %.9g\n", worst, (double)at);
    assert_true(worst <= 2);
    assert_true(ae_exp(0) == 1);
    assert_true(ae_exp(-INFINITY) == 0 && ae_exp(-110) == 0);
    assert_true(ae_exp(INFINITY) == INFINITY && ae_exp(89) == INFINITY);
    assert_true(ae_exp(88.72f) < INFINITY);
    assert_true(isnan(ae_exp(NAN)));
}

static double gelu_reference(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void gelu_and_its_gradient(void **state) {
    (void)state;
    enum { N = 100003 };
    float *x = ae_alloc(N, 4), *y = ae_alloc(N, 4), *dy = ae_alloc(N, 4), *dx = ae_alloc(N, 4);
    for (int i = 0; i < N; i++) {
        x[i] = -12 + (float)i * (24.0f / N);
        dy[i] = 1 + (float)(i % 7);
    }
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        for (size_t n = 0; n <= N; n = n * 3 + 1) {
            assert_ok(be->gelu(be, y, x, n));
            assert_ok(be->gelu_backward(be, dx, dy, x, n));
        }
        assert_ok(be->gelu(be, y, x, N));
        assert_ok(be->gelu_backward(be, dx, dy, x, N));
        for (int i = 0; i < N; i++) {
            double at = (double)x[i], h = 1e-5;
            // The exponent 2z is rounded to float, and its error is the exponential's relative error; 1 +
            // tanh cancels in the reference, where gelu is under 1e-6.
            double twice_z = 1.6 * fabs(at + 0.044715 * at * at * at), expected = gelu_reference(at);
            if (!(fabs((double)y[i] - expected) <= (5e-7 + 1.5e-7 * twice_z) * fabs(expected) + 1e-14))
                fail_msg("gelu(%.9g) is %.9g, expected %.9g", at, (double)y[i], expected);
            double slope = (gelu_reference(at + h) - gelu_reference(at - h)) / (2 * h) * (double)dy[i];
            if (!(fabs((double)dx[i] - slope) <= 2e-6 * (double)dy[i]))
                fail_msg("gelu'(%.9g) is %.9g, expected %.9g", at, (double)dx[i] / (double)dy[i], slope);
        }
        // The plain version of the loop, which this file is compiled to, gives the same bits as the machine's
        // widest.
        for (int i = 0; i < N; i++) {
            float v = x[i], plain = v / (1.0f + ae_exp(-1.5957691216f * (v + 0.044715f * v * v * v)));
            assert_true(y[i] == plain);
        }
        float *in_place = copy_floats(dy, N);
        assert_ok(be->gelu_backward(be, in_place, in_place, x, N));
        assert_same_bytes(in_place, dx, N * 4, "gelu_backward in place");
        ae_free(in_place);
        float odd[5] = {NAN, 1e30f, -1e30f, 0, -0.0f}, one[5] = {1, 1, 1, 1, 1}, out[5];
        assert_ok(be->gelu(be, out, odd, 5));
        assert_true(isnan(out[0]) && out[1] == 1e30f && out[2] == 0 && out[3] == 0 && out[4] == 0);
        assert_ok(be->gelu_backward(be, out, one, odd, 5));
        assert_true(isnan(out[0]) && out[1] == 1 && fabsf(out[2]) < 1e-30f && out[3] == 0.5f);
        be->destroy(be);
    }
    ae_free(dx);
    ae_free(dy);
    ae_free(y);
    ae_free(x);
}

// ---- all_finite, rank_one --------------------------------------------------------------------------

static void all_finite_finds_the_first(void **state) {
    (void)state;
    ae_random random = ae_random_stream(2, 3, 0);
    enum { N = 70001 };
    float *x = random_floats(&random, N, 1e30);
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const size_t places[] = {0, 1, 15, 16, 17, 4095, 4096, 4097, 40000, N - 2, N - 1};
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        int64_t index = 5;
        x[3] = 3.4028235e38f;
        x[4] = 1e-45f;
        assert_ok(be->all_finite(be, x, N, &index));
        assert_int_equal(index, -1);
        index = 5;
        assert_ok(be->all_finite(be, x, 0, &index));
        assert_int_equal(index, -1);
        for (size_t p = 0; p < sizeof places / sizeof *places; p++)
            for (int k = 0; k < 3; k++) {
                float was = x[places[p]], last = x[N - 1];
                x[N - 1] = NAN;
                x[places[p]] = bad[k];
                assert_ok(be->all_finite(be, x, N, &index));
                assert_int_equal(index, places[p]);
                assert_ok(be->all_finite(be, x, places[p], &index));
                assert_int_equal(index, -1);
                x[N - 1] = last;
                x[places[p]] = was;
            }
        be->destroy(be);
    }
    ae_free(x);
}

static void rank_one_rounds_twice(void **state) {
    (void)state;
    ae_random random = ae_random_stream(2, 4, 0);
    for (int b = 0; b < N_BACKENDS; b++)
        for (int w = 0; w < N_WIDTHS; w++) {
            ae_backend *be = make_backend(thread_counts[b]);
            int32_t n_a = 33, n_b = widths[w];
            size_t n = (size_t)n_a * (size_t)n_b;
            float *m = random_floats(&random, n, 1), *a = random_floats(&random, (size_t)n_a, 1);
            float *v = random_floats(&random, (size_t)n_b, 1), *expected = copy_floats(m, n);
            int fused = 0;
            for (int32_t i = 0; i < n_a; i++)
                for (int32_t j = 0; j < n_b; j++) {
                    float *to = &expected[(size_t)i * (size_t)n_b + (size_t)j];
                    volatile float product = a[i] * v[j]; // rounded, whatever the compiler may like to do
                    fused += fmaf(a[i], v[j], *to) != *to + product;
                    *to += product;
                }
            assert_ok(be->rank_one(be, m, a, n_a, v, n_b));
            assert_same_bytes(m, expected, n * 4, "rank_one");
            if (n_b > 20) assert_true(fused > 0); // the data would show a fused product
            assert_ok(be->rank_one(be, NULL, NULL, 0, v, n_b));
            ae_free(expected);
            ae_free(v);
            ae_free(a);
            ae_free(m);
            be->destroy(be);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backend_refuses_senseless_thread_counts),
        cmocka_unit_test(memory_is_zeroed_aligned_and_copied),
        cmocka_unit_test(rows_are_moved_by_index),
        cmocka_unit_test(rotary_turns_pairs),
        cmocka_unit_test(layer_norm_and_its_gradient),
        cmocka_unit_test(exp_is_within_two_ulp),
        cmocka_unit_test(gelu_and_its_gradient),
        cmocka_unit_test(all_finite_finds_the_first),
        cmocka_unit_test(rank_one_rounds_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
