/* check.h: what the backend's tests share: backends of several thread counts, seeded data, comparison with a
 * reference in double, gradients by central differences. */
#ifndef AE_TEST_BACKEND_CHECK_H
#define AE_TEST_BACKEND_CHECK_H

#include "test.h"

#include <math.h>

#include "backend/backend.h"
#include "base/memory.h"
#include "base/random.h"

enum { N_BACKENDS = 3 };
static const int thread_counts[N_BACKENDS] = {1, 2, 4};

static inline ae_backend *make_backend(int n_threads) {
    ae_backend *be = NULL;
    assert_ok(ae_backend_cpu(n_threads, &be));
    assert_int_equal(be->n_threads, n_threads);
    return be;
}

/* Mean 0, variance 1, evenly distributed. */
static inline double random_number(ae_random *random) {
    return 3.4641016 * (ae_random_uniform(random) - 0.5);
}

/* n such numbers times `scale`; free with ae_free. */
static inline float *random_floats(ae_random *random, size_t n, double scale) {
    float *x = ae_alloc(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * random_number(random));
    return x;
}

static inline float *copy_floats(const float *x, size_t n) {
    float *copy = ae_alloc(n, sizeof *copy);
    assert_non_null(copy);
    if (n > 0) memcpy(copy, x, n * sizeof *x);
    return copy;
}

static inline double *new_doubles(size_t n) {
    double *x = ae_alloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

/* |got - expected| <= relative * size + absolute, where size is the largest |expected|: for sums whose terms
 * cancel. */
static inline void assert_close(const float *got, const double *expected, size_t n, double relative,
                                const char *what) {
    double size = 0;
    for (size_t i = 0; i < n; i++)
        if (fabs(expected[i]) > size) size = fabs(expected[i]);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= relative * size))
            fail_msg("%s: element %zu of %zu is %.9g, expected %.9g (largest %.3g)", what, i, n,
                     (double)got[i], expected[i], size);
}

static inline void assert_same_bytes(const void *a, const void *b, size_t n, const char *what) {
    if (n > 0 && memcmp(a, b, n) != 0) fail_msg("%s: not the same bytes", what);
}

/* Every element of the padding between rows must still be `mark`. */
static inline void assert_padding(const float *x, size_t rows, size_t width, size_t ld, float mark,
                                  const char *what) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = width; j < ld; j++)
            if (x[i * ld + j] != mark) fail_msg("%s: row %zu wrote beyond its end", what, i);
}

/* A number as a half or bfloat16: bits of the nearest (for data of moderate size, not a general conversion).
 */
static inline uint16_t to_bits_16(float x, ae_dtype dtype) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (dtype == AE_BF16) return (uint16_t)(bits >> 16);
    uint32_t sign = bits >> 16 & 0x8000u;
    int exponent = (int)(bits >> 23 & 255) - 112;
    if (exponent <= 0) return (uint16_t)sign; // below the normal halves: zero will do
    return (uint16_t)(sign | (uint32_t)exponent << 10 | (bits >> 13 & 0x3ffu));
}

/* The value of such bits, from the definition of the formats. */
static inline double from_bits_16(uint16_t h, ae_dtype dtype) {
    int exponent_bits = dtype == AE_F16 ? 5 : 8, fraction_bits = 15 - exponent_bits;
    int exponent = h >> fraction_bits & ((1 << exponent_bits) - 1), fraction = h & ((1 << fraction_bits) - 1);
    int bias = (1 << (exponent_bits - 1)) - 1;
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

/* A random weight of the given type, and its values in double, in stored order. `offset` bytes of
 * misalignment. */
typedef struct test_weight {
    ae_weight w;
    unsigned char *memory;
    double *values;
} test_weight;

static inline test_weight random_weight(ae_random *random, ae_dtype dtype, int32_t n_in, int32_t n_out,
                                        bool in_out, size_t offset) {
    size_t n = (size_t)n_in * (size_t)n_out;
    test_weight t = {.memory = ae_alloc(n * 4 + 64, 1), .values = new_doubles(n)};
    assert_non_null(t.memory);
    unsigned char *data = t.memory + offset;
    for (size_t i = 0; i < n; i++) {
        float x = (float)random_number(random);
        if (dtype == AE_F32) {
            memcpy(data + 4 * i, &x, 4);
            t.values[i] = (double)x;
        } else {
            uint16_t h = to_bits_16(x, dtype);
            memcpy(data + 2 * i, &h, 2);
            t.values[i] = from_bits_16(h, dtype);
        }
    }
    t.w = (ae_weight){.data = data, .dtype = dtype, .n_in = n_in, .n_out = n_out, .in_out = in_out};
    return t;
}

static inline double weight_at(const test_weight *t, int32_t in, int32_t out) {
    return t->w.in_out ? t->values[(size_t)in * (size_t)t->w.n_out + (size_t)out]
                       : t->values[(size_t)out * (size_t)t->w.n_in + (size_t)in];
}

static inline void free_weight(test_weight *t) {
    ae_free(t->memory);
    ae_free(t->values);
}

/* Gradient of f at x[n] by central differences, in double throughout. */
static inline void numeric_gradient(double (*f)(const double *x, void *user), void *user, double *x, size_t n,
                                    double *gradient) {
    for (size_t i = 0; i < n; i++) {
        double h = 1e-5, at = x[i];
        x[i] = at + h;
        double above = f(x, user);
        x[i] = at - h;
        gradient[i] = (above - f(x, user)) / (2 * h);
        x[i] = at;
    }
}

#endif
