// format/tensor: the type table, element counts, 16-bit floats, lookup.
#include "test.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "format/half.h"
#include "format/tensor.h"

static void types_have_names_and_sizes(void **state) {
    (void)state;
    ae_dtype type = AE_U8;
    assert_true(ae_dtype_parse("BF16", &type));
    assert_int_equal(type, AE_BF16);
    assert_false(ae_dtype_parse("bf16", &type));
    assert_false(ae_dtype_parse("", &type));
    assert_int_equal(type, AE_BF16);
    assert_string_equal(ae_dtype_name(AE_BOOL), "BOOL");
    assert_string_equal(ae_dtype_name((ae_dtype)99), "unknown");
    assert_int_equal(ae_dtype_size(AE_F64), 8);
    assert_int_equal(ae_dtype_size(AE_F16), 2);
    assert_int_equal(ae_dtype_size((ae_dtype)99), 0);
    assert_string_equal(ae_dtype_list(), "F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
}

static void elements_are_counted_without_overflow(void **state) {
    (void)state;
    ae_tensor scalar = {.n_dim = 0}, matrix = {.n_dim = 2, .shape = {3, 5}};
    ae_tensor empty = {.n_dim = 3, .shape = {INT64_MAX, 0, INT64_MAX}},
              negative = {.n_dim = 2, .shape = {0, -1}};
    ae_tensor huge = {.n_dim = 2, .shape = {INT64_MAX / 2, 3}}, deep = {.n_dim = AE_MAX_DIM + 1};
    assert_int_equal(ae_tensor_elements(&scalar), 1);
    assert_int_equal(ae_tensor_elements(&matrix), 15);
    assert_int_equal(ae_tensor_elements(&empty), -1); // its extents alone cannot be addressed
    empty.shape[0] = 1;
    assert_int_equal(ae_tensor_elements(&empty), 0);
    assert_int_equal(ae_tensor_elements(&negative), -1);
    assert_int_equal(ae_tensor_elements(&huge), -1);
    assert_int_equal(ae_tensor_elements(&deep), -1);
    char text[AE_SHAPE_TEXT];
    assert_string_equal(ae_shape_text(0, NULL, text), "[]");
    assert_string_equal(ae_shape_text(2, matrix.shape, text), "[3, 5]");
    const int64_t longest[AE_MAX_DIM] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN,
                                         INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    assert_int_equal(strlen(ae_shape_text(AE_MAX_DIM, longest, text)), 8 * 20 + 7 * 2 + 2);
}

// The value of an IEEE binary16 by its definition.
static double half_value(unsigned half) {
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double magnitude = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

static void every_half_becomes_its_float(void **state) {
    (void)state;
    uint16_t *halves = ae_alloc(65536 + 1, sizeof *halves);
    float *floats = ae_alloc(65536, sizeof *floats);
    for (unsigned i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    ae_tensor tensor = {.dtype = AE_F16, .n_dim = 1, .shape = {65536}, .n_bytes = 131072, .data = halves};
    ae_tensor_to_float(&tensor, 0, 65536, floats);
    for (unsigned i = 0; i < 65536; i++) {
        assert_int_equal(ae_float_bits(floats[i]), ae_float_bits(ae_f16_to_float((uint16_t)i)));
        bool infinite = (i & 0x7fff) == 0x7c00, nan = (i & 0x7fff) > 0x7c00;
        if (nan)
            assert_true(isnan(floats[i]));
        else if (infinite)
            assert_true(isinf(floats[i]) && (floats[i] < 0) == (i >> 15));
        else
            assert_true(floats[i] == half_value(i) && !signbit(floats[i]) == !(i >> 15));
    }
    // Rows of every length and start, from bytes that are not aligned.
    unsigned char *shifted = (unsigned char *)halves + 1;
    memmove(shifted, halves, 131072);
    tensor.data = shifted;
    for (int64_t n = 0; n < 40; n++) {
        float row[41];
        row[n] = 12345.0f;
        ae_tensor_to_float(&tensor, 100 + n, n, row);
        for (int64_t i = 0; i < n; i++)
            assert_true(row[i] == half_value((unsigned)(100 + n + i)));
        assert_true(row[n] == 12345.0f);
    }
    ae_free(halves);
    ae_free(floats);
}

// Nearest half by search among both neighbours, ties to the even one.
static uint16_t nearest_half(float value) {
    double magnitude = fabs((double)value);
    unsigned sign = signbit(value) ? 0x8000 : 0, best = 0;
    if (magnitude >= 65520.0) return (uint16_t)(sign | 0x7c00);
    unsigned low = 0, high = 0x7bff; // the largest half that is not above the value
    while (low < high) {
        unsigned middle = (low + high + 1) / 2;
        if (half_value(middle) <= magnitude)
            low = middle;
        else
            high = middle - 1;
    }
    double below = magnitude - half_value(low),
           above = low < 0x7bff ? half_value(low + 1) - magnitude : INFINITY;
    best = below < above ? low : above < below ? low + 1 : low + (low & 1);
    return (uint16_t)(sign | best);
}

static void floats_round_to_the_nearest_half(void **state) {
    (void)state;
    enum { N = 300000 };
    float *values = ae_alloc(N, sizeof *values);
    uint16_t *halves = ae_alloc(N, sizeof *halves);
    size_t n = 0;
    for (unsigned i = 0; i < 0x7c00; i++) { // each half, the middle to the next, and the floats beside that
        float half = (float)half_value(i), next = i < 0x7bff ? (float)half_value(i + 1) : 65536.0f;
        float middle = half + (next - half) / 2;
        const float probes[] = {half, middle, nextafterf(middle, 0), nextafterf(middle, INFINITY), -middle};
        for (size_t k = 0; k < sizeof probes / sizeof *probes; k++)
            values[n++] = probes[k];
    }
    ae_random random = ae_random_stream(1, 0, 0);
    while (n < N) { // any exponent
        float value = ae_float_from_bits((uint32_t)ae_random_next(&random));
        if (!isnan(value)) values[n++] = value;
    }
    ae_float_to_dtype(values, N, AE_F16, halves);
    for (size_t i = 0; i < N; i++) {
        uint16_t expected = nearest_half(values[i]);
        if (halves[i] != expected || ae_float_to_f16(values[i]) != expected)
            fail_msg("%a gave 0x%04x and 0x%04x, not 0x%04x", (double)values[i], halves[i],
                     ae_float_to_f16(values[i]), expected);
    }
    const float edges[] = {
        INFINITY, -INFINITY,  NAN,     ae_float_from_bits(0x7f800001u), ae_float_from_bits(0xff802000u),
        -0.0f,    65519.996f, 65520.0f};
    const uint16_t expected[] = {0x7c00, 0xfc00, 0x7e00, 0x7e00, 0xfe01, 0x8000, 0x7bff, 0x7c00};
    for (size_t i = 0; i < 8; i++) {
        float row[16]; // by the wide way and by the plain one
        uint16_t wide[16];
        for (int k = 0; k < 16; k++)
            row[k] = edges[i];
        ae_float_to_dtype(row, 16, AE_F16, wide);
        assert_int_equal(wide[0], expected[i]);
        assert_int_equal(wide[15], expected[i]);
        assert_int_equal(ae_float_to_f16(edges[i]), expected[i]);
    }
    ae_free(values);
    ae_free(halves);
}

static void bfloat16_is_the_upper_half_rounded(void **state) {
    (void)state;
    uint16_t brains[8];
    const float values[8] = {1.0f,
                             -0.0f,
                             ae_float_from_bits(0x3f808000u),  // half way, 1.0 is even
                             ae_float_from_bits(0x3f818000u),  // half way, the next is even
                             ae_float_from_bits(0x3f808001u),  // above half way
                             ae_float_from_bits(0x7f7fffffu),  // the largest float rounds to infinity
                             ae_float_from_bits(0x7f800001u),  // a NaN whose payload lies in the lower half
                             ae_float_from_bits(0x00018000u)}; // subnormal, half way
    const uint16_t expected[8] = {0x3f80, 0x8000, 0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0, 0x0002};
    ae_float_to_dtype(values, 8, AE_BF16, brains);
    for (int i = 0; i < 8; i++)
        assert_int_equal(brains[i], expected[i]);
    uint16_t all[65536];
    static float floats[65536];
    for (unsigned i = 0; i < 65536; i++)
        all[i] = (uint16_t)i;
    ae_tensor tensor = {.dtype = AE_BF16, .n_dim = 1, .shape = {65536}, .n_bytes = sizeof all, .data = all};
    ae_tensor_to_float(&tensor, 0, 65536, floats);
    for (unsigned i = 0; i < 65536; i++) {
        assert_int_equal(ae_float_bits(floats[i]), i << 16);
        if (!isnan(floats[i])) assert_int_equal(ae_float_to_bf16(floats[i]), i);
    }
}

static void other_types_convert_or_give_nan(void **state) {
    (void)state;
    const double doubles[3] = {1.0 / 3.0, 1e300, -2.0};
    const float floats[3] = {7.5f, -0.0f, 3.0f};
    const int32_t integers[3] = {1, 2, 3};
    float out[3];
    ae_tensor tensor = {.dtype = AE_F64, .n_dim = 1, .shape = {3}, .n_bytes = 24, .data = doubles};
    ae_tensor_to_float(&tensor, 0, 3, out);
    assert_true(out[0] == 1.0f / 3.0f && isinf(out[1]) && out[2] == -2.0f);
    tensor = (ae_tensor){.dtype = AE_F32, .n_dim = 1, .shape = {3}, .n_bytes = 12, .data = floats};
    ae_tensor_to_float(&tensor, 1, 2, out);
    assert_true(signbit(out[0]) && out[1] == 3.0f);
    tensor = (ae_tensor){.dtype = AE_I32, .n_dim = 1, .shape = {3}, .n_bytes = 12, .data = integers};
    ae_tensor_to_float(&tensor, 0, 3, out);
    assert_true(isnan(out[0]) && isnan(out[2]));
    double back[3];
    ae_float_to_dtype(floats, 3, AE_F64, back);
    assert_true(back[0] == 7.5 && signbit(back[1]));
}

static void lookup_finds_by_name(void **state) {
    (void)state;
    const ae_tensor tensors[3] = {{.name = "b"}, {.name = "a"}, {.name = "ab"}};
    const ae_tensor **sorted = ae_tensor_sort(tensors, 3);
    assert_non_null(sorted);
    assert_ptr_equal(sorted[0], &tensors[1]);
    assert_ptr_equal(ae_tensor_lookup(sorted, 3, "ab"), &tensors[2]);
    assert_ptr_equal(ae_tensor_lookup(sorted, 3, "b"), &tensors[0]);
    assert_null(ae_tensor_lookup(sorted, 3, "c"));
    assert_null(ae_tensor_lookup(sorted, 0, "a"));
    ae_free(sorted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names_and_sizes),
        cmocka_unit_test(elements_are_counted_without_overflow),
        cmocka_unit_test(every_half_becomes_its_float),
        cmocka_unit_test(floats_round_to_the_nearest_half),
        cmocka_unit_test(bfloat16_is_the_upper_half_rounded),
        cmocka_unit_test(other_types_convert_or_give_nan),
        cmocka_unit_test(lookup_finds_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
