// backend: cross entropy, log softmax, KL divergence, second moments.
#include "check.h"

#include "backend/cpu/matmul.h"

static const int32_t vocabularies[] = {1, 2, 3, 20, 65, 257, 2048, 2049, 50257};
enum { N_VOCABULARIES = sizeof vocabularies / sizeof *vocabularies };

static double log_sum_exp(const double *x, int32_t n) {
    double max = x[0], sum = 0;
    for (int32_t i = 1; i < n; i++)
        max = fmax(max, x[i]);
    for (int32_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    return max + log(sum);
}

typedef struct loss_case {
    int32_t n_vocab, target;
    const float *log_init; // NULL: cross entropy
} loss_case;

static double loss(const double *x, void *user) {
    const loss_case *c = user;
    double total = log_sum_exp(x, c->n_vocab), sum = 0;
    if (!c->log_init) return total - x[c->target];
    for (int32_t i = 0; i < c->n_vocab; i++)
        sum += exp(x[i] - total) * (x[i] - total - (double)c->log_init[i]);
    return sum;
}

/* The exact gradient; itself checked by central differences where the vocabulary is small enough. */
static void loss_gradient(double *x, loss_case *c, double *gradient) {
    double total = log_sum_exp(x, c->n_vocab), value = loss(x, c);
    for (int32_t i = 0; i < c->n_vocab; i++) {
        double log_p = x[i] - total;
        gradient[i] = c->log_init ? exp(log_p) * (log_p - (double)c->log_init[i] - value)
                                  : exp(log_p) - (i == c->target);
    }
    if (c->n_vocab > 300) return;
    double *numeric = new_doubles((size_t)c->n_vocab);
    numeric_gradient(loss, c, x, (size_t)c->n_vocab, numeric);
    for (int32_t i = 0; i < c->n_vocab; i++)
        if (!(fabs(numeric[i] - gradient[i]) <= 1e-8)) fail_msg("reference: %g, %g", numeric[i], gradient[i]);
    ae_free(numeric);
}

static void check_losses(ae_backend *be, ae_random *random, int32_t n_rows, int32_t n_vocab, double spread) {
    size_t n = (size_t)n_rows * (size_t)n_vocab;
    float *logits = random_floats(random, n, spread), *work = copy_floats(logits, n);
    float *log_init = random_floats(random, n, 0.1);
    double *x = new_doubles(n), *expected = new_doubles((size_t)n_vocab);
    int32_t *targets = ae_alloc((size_t)n_rows, sizeof *targets);
    double *weights = new_doubles((size_t)n_rows), *nll = new_doubles((size_t)n_rows),
           *kl = new_doubles((size_t)n_rows);
    for (size_t i = 0; i < n; i++) {
        log_init[i] += (float)logits[i];
        logits[i] += 30; // a common offset cancels in the result, not on the way
        x[i] = (double)logits[i];
    }
    for (int32_t i = 0; i < n_rows; i++) {
        targets[i] = (i * 31 + 7) % n_vocab;
        weights[i] = 0.5 + i;
    }
    assert_ok(be->log_softmax(be, log_init, n_rows, n_vocab));

    memcpy(work, logits, n * 4);
    assert_ok(be->log_softmax(be, work, n_rows, n_vocab));
    for (int32_t i = 0; i < n_rows; i++) {
        double total = log_sum_exp(x + (size_t)i * (size_t)n_vocab, n_vocab);
        for (int32_t j = 0; j < n_vocab; j++) {
            size_t at = (size_t)i * (size_t)n_vocab + (size_t)j;
            if (!(fabs((double)work[at] - (x[at] - total)) <= 1e-6 + 1e-7 * fabs(x[at] - total)))
                fail_msg("log_softmax %d of %d: %.9g, expected %.9g", j, n_vocab, (double)work[at],
                         x[at] - total);
        }
    }
    for (int which = 0; which < 2; which++) {
        double *value = which ? kl : nll;
        memcpy(work, logits, n * 4);
        if (which)
            assert_ok(be->kl_divergence(be, value, work, log_init, NULL, n_rows, n_vocab));
        else
            assert_ok(be->cross_entropy(be, value, work, targets, NULL, n_rows, n_vocab));
        assert_same_bytes(work, logits, n * 4, "logits without weights");
        if (which)
            assert_ok(be->kl_divergence(be, value, work, log_init, weights, n_rows, n_vocab));
        else
            assert_ok(be->cross_entropy(be, value, work, targets, weights, n_rows, n_vocab));
        for (int32_t i = 0; i < n_rows; i++) {
            size_t at = (size_t)i * (size_t)n_vocab;
            loss_case c = {n_vocab, targets[i], which ? log_init + at : NULL};
            double exact = loss(x + at, &c);
            if (!(fabs(value[i] - exact) <= 1e-6))
                fail_msg("%s of %d: %.12g, expected %.12g", which ? "kl" : "nll", n_vocab, value[i], exact);
            loss_gradient(x + at, &c, expected);
            for (int32_t j = 0; j < n_vocab; j++)
                expected[j] *= weights[i];
            // Relative to the weight: a vocabulary of one has the gradient 0.
            for (int32_t j = 0; j < n_vocab; j++)
                if (!(fabs((double)work[at + (size_t)j] - expected[j]) <= 2e-6 * weights[i]))
                    fail_msg("gradient of %s, %d of %d: %.9g, expected %.9g", which ? "kl" : "nll", j,
                             n_vocab, (double)work[at + (size_t)j], expected[j]);
        }
    }
    ae_free(kl);
    ae_free(nll);
    ae_free(weights);
    ae_free(targets);
    ae_free(expected);
    ae_free(x);
    ae_free(log_init);
    ae_free(work);
    ae_free(logits);
}

static void losses_and_their_gradients(void **state) {
    (void)state;
    ae_random random = ae_random_stream(3, 0, 0);
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        for (int v = 0; v < N_VOCABULARIES; v++) {
            check_losses(be, &random, 1, vocabularies[v], 1);
            check_losses(be, &random, 2, vocabularies[v], 20);
            if (vocabularies[v] < 1000) check_losses(be, &random, 70, vocabularies[v], 3);
        }
        be->destroy(be);
    }
}

/* The sum over a large vocabulary: the gradient of every row sums to 0, and a sure prediction has its tiny
 * nll. */
static void small_losses_keep_their_digits(void **state) {
    (void)state;
    enum { V = 50257 };
    ae_backend *be = make_backend(2);
    float *logits = ae_alloc(V, sizeof *logits);
    double nll, weight = 1, sum = 0;
    int32_t target = 1234;
    logits[target] = 30;
    assert_ok(be->cross_entropy(be, &nll, logits, &target, &weight, 1, V));
    double exact = log1p((V - 1) * exp(-30));
    assert_true(fabs(nll - exact) <= 2e-14); // doubles near 30 are 4e-15 apart
    for (int i = 0; i < V; i++)
        sum += (double)logits[i];
    assert_true(fabs(sum) <= 4e-6 * exact); // e^x of a float near -30: 2e-6
    ae_free(logits);
    be->destroy(be);
}

static void losses_take_infinities_no_rows_and_bad_targets(void **state) {
    (void)state;
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        double value[2], weights[2] = {1, 1};
        int32_t targets[2] = {0, 5};
        enum { V = 5000 };
        float *logits = ae_alloc(2 * V, sizeof *logits);
        assert_ok(be->cross_entropy(be, NULL, NULL, NULL, NULL, 0, V));
        assert_ok(be->log_softmax(be, NULL, 0, V));
        assert_ok(be->kl_divergence(be, NULL, NULL, NULL, NULL, 0, V));
        // Of 5000 logits only the first two are not -inf: whole chunks are.
        for (int i = 2; i < 2 * V; i++)
            logits[i] = i % V < 2 ? 0 : -INFINITY;
        targets[1] = 1;
        assert_ok(be->cross_entropy(be, value, logits, targets, weights, 2, V));
        assert_true(fabs(value[0] - log(2)) < 1e-12 && fabs(value[1] - log(2)) < 1e-12);
        assert_true(logits[0] == -0.5f && logits[1] == 0.5f && logits[2] == 0 && logits[V] == 0.5f);
        // NaN is not hidden.
        logits[V - 1] = NAN;
        assert_ok(be->cross_entropy(be, value, logits, targets, NULL, 2, V));
        assert_true(isnan(value[0]) && !isnan(value[1]));
        targets[1] = V;
        assert_fails(be->cross_entropy(be, value, logits, targets, NULL, 2, V), AE_ERR_ARGUMENT,
                     "target 5000 (row 1)");
        targets[1] = -1;
        assert_fails(be->cross_entropy(be, value, logits, targets, NULL, 2, V), AE_ERR_ARGUMENT,
                     "target -1 (row 1)");
        ae_free(logits);
        be->destroy(be);
        be = make_backend(thread_counts[b]);
        float few[3] = {0};
        targets[0] = 0;
        ae_memory_fail_at(1);
        assert_fails(be->cross_entropy(be, value, few, targets, NULL, 1, 3), AE_ERR_MEMORY, "out of memory");
        ae_memory_fail_at(1);
        assert_fails(be->log_softmax(be, few, 1, 3), AE_ERR_MEMORY, "out of memory");
        ae_memory_fail_at(1);
        assert_fails(be->kl_divergence(be, value, few, few, NULL, 1, 3), AE_ERR_MEMORY, "out of memory");
        ae_memory_fail_at(0);
        be->destroy(be);
    }
}

/* The same bytes for any number of threads: rows are cut into chunks of fixed size. */
static void losses_do_not_depend_on_threads(void **state) {
    (void)state;
    enum { V = 50257 };
    ae_random random = ae_random_stream(3, 1, 0);
    float *logits = random_floats(&random, V, 5), *first = copy_floats(logits, V),
          *work = copy_floats(logits, V);
    double weight = 2, nll[N_BACKENDS], kl[N_BACKENDS];
    int32_t target = 77;
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        memcpy(work, logits, V * 4);
        assert_ok(be->kl_divergence(be, &kl[b], work, first, NULL, 1, V));
        assert_ok(be->cross_entropy(be, &nll[b], work, &target, &weight, 1, V));
        if (b == 0) memcpy(first, work, V * 4);
        assert_same_bytes(first, work, V * 4, "gradient");
        assert_true(nll[b] == nll[0]);
        be->destroy(be);
    }
    ae_free(work);
    ae_free(first);
    ae_free(logits);
}

static void second_moment_adds_the_upper_triangle(void **state) {
    (void)state;
    ae_random random = ae_random_stream(3, 2, 0);
    // Tiles are 512 by 128, and 2048 columns are transposed at a time, in squares of 16.
    static const int32_t sizes[] = {1, 3, 20, 65, 127, 128, 129, 257, 515, 2100};
    static const int32_t rows[] = {0, 1, 2, 16, 33};
    for (int b = 0; b < N_BACKENDS; b++)
        for (int s = 0; s < 10; s++)
            for (int r = 0; r < 5; r++) {
                ae_backend *be = make_backend(thread_counts[b]);
                int32_t d = sizes[s], n_rows = rows[r], ldx = d + 3;
                float *x = random_floats(&random, (size_t)n_rows * (size_t)ldx, 1);
                double *sum = new_doubles((size_t)d * (size_t)d);
                for (size_t i = 0; i < (size_t)d * (size_t)d; i++)
                    sum[i] = (double)i;
                assert_ok(be->second_moment(be, sum, x, ldx, n_rows, d));
                for (int32_t i = 0; i < d; i++)
                    for (int32_t j = 0; j < d; j++) {
                        size_t at = (size_t)i * (size_t)d + (size_t)j;
                        double expected = 0, size = 0;
                        for (int32_t k = 0; k < n_rows; k++) {
                            double term = (double)x[k * ldx + i] * (double)x[k * ldx + j];
                            expected += term;
                            size += fabs(term);
                        }
                        if (j < i && sum[at] != (double)at)
                            fail_msg("second_moment %d: [%d, %d] lies below the diagonal, but changed", d, i,
                                     j);
                        if (j >= i && !(fabs(sum[at] - (double)at - expected) <= 1e-6 * size + 1e-9))
                            fail_msg("second_moment %d: [%d, %d] grew by %g, expected %g", d, i, j,
                                     sum[at] - (double)at, expected);
                    }
                ae_free(sum);
                ae_free(x);
                be->destroy(be);
            }
    ae_backend *be = make_backend(2);
    double sum[4] = {0};
    float x[2] = {1, 2};
    ae_memory_fail_at(1);
    assert_fails(be->second_moment(be, sum, x, 2, 1, 2), AE_ERR_MEMORY, "out of memory");
    assert_ok(be->second_moment(be, sum, x, 2, 1, 2));
    assert_true(sum[0] == 1 && sum[1] == 2 && sum[2] == 0 && sum[3] == 4);
    be->destroy(be);
}

/* Many rows, whose products are summed in steps; the same bytes whatever the threads. */
static void second_moment_does_not_depend_on_threads(void **state) {
    (void)state;
    enum { D = 650, ROWS = 700, LDX = D + 5 };
    ae_random random = ae_random_stream(3, 3, 0);
    float *x = random_floats(&random, ROWS * LDX, 1);
    double *sums[N_BACKENDS];
    for (int b = 0; b < N_BACKENDS; b++) {
        ae_backend *be = make_backend(thread_counts[b]);
        sums[b] = new_doubles(D * D);
        assert_ok(be->second_moment(be, sums[b], x, LDX, ROWS, D));
        assert_ok(
            be->second_moment(be, sums[b], x + LDX, LDX, 3, D)); // a small batch in the large one's memory
        assert_same_bytes(sums[0], sums[b], D * D * sizeof(double), "second_moment by other threads");
        be->destroy(be);
    }
    for (int i = 0; i < D; i++)
        for (int j = i; j < D; j++) {
            double expected = 0;
            for (int k = 0; k < ROWS; k++)
                expected += (k >= 1 && k < 4 ? 2 : 1) * (double)x[k * LDX + i] * (double)x[k * LDX + j];
            if (!(fabs(sums[0][i * D + j] - expected) <= 1e-6 * ROWS))
                fail_msg("[%d, %d] is %.9g, expected %.9g", i, j, sums[0][i * D + j], expected);
        }
    for (int b = 0; b < N_BACKENDS; b++)
        ae_free(sums[b]);
    ae_free(x);
}

/* The product of a tile has memory of its own where our kernels do it. */
static void second_moment_reports_lack_of_memory(void **state) {
    (void)state;
    enum { D = 100, ROWS = 40 };
    ae_random random = ae_random_stream(3, 4, 0);
    float *x = random_floats(&random, ROWS * D, 1);
    double *sum = new_doubles(D * D);
    ae_backend *be = make_backend(1);
    ae_memory_fail_at(2);
    if (ae_cpu_has_avx512())
        assert_fails(be->second_moment(be, sum, x, D, ROWS, D), AE_ERR_MEMORY,
                     "out of memory: the scratch of a thread's matrix product was refused");
    else
        assert_ok(be->second_moment(be, sum, x, D, ROWS, D));
    ae_memory_fail_at(0);
    assert_ok(be->second_moment(be, sum, x, D, ROWS, D));
    be->destroy(be);
    ae_free(sum);
    ae_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_and_their_gradients),
        cmocka_unit_test(small_losses_keep_their_digits),
        cmocka_unit_test(losses_take_infinities_no_rows_and_bad_targets),
        cmocka_unit_test(losses_do_not_depend_on_threads),
        cmocka_unit_test(second_moment_adds_the_upper_triangle),
        cmocka_unit_test(second_moment_does_not_depend_on_threads),
        cmocka_unit_test(second_moment_reports_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
