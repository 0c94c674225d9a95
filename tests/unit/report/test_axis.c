// report/axis: ranges, round numbers, places, short numbers.
#include "test.h"

#include <float.h>
#include <math.h>

#include "report/axis.h"

static ae_axis fitted(ae_log_rule rule, size_t n, const double *values) {
    double copy[16];
    ae_axis axis = {0};
    memcpy(copy, values, n * sizeof *copy);
    ae_axis_fit(&axis, copy, n, rule);
    assert_true(isfinite(axis.low) && isfinite(axis.high) && axis.low < axis.high);
    return axis;
}
#define FITTED(rule, ...)                                                                                    \
    fitted(rule, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

// The labels, joined by spaces.
static const char *labels(ae_axis axis, int most) {
    static char text[400];
    ae_ticks ticks;
    ae_axis_ticks(&axis, most, &ticks);
    *text = '\0';
    assert_true(ticks.n <= most && ticks.n <= AE_TICKS_MAX);
    for (int t = 0; t < ticks.n; t++) {
        const double place = ae_axis_place(&axis, ticks.at[t]);
        assert_true(place > -1e-9 && place < 1 + 1e-9);
        assert_true(t == 0 || ticks.at[t] > ticks.at[t - 1]);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", t ? " " : "", ticks.label[t]);
    }
    return text;
}

static void ranges_end_at_round_numbers(void **state) {
    (void)state;
    ae_axis axis = FITTED(AE_LOG_NEVER, 3, 7.3, 5);
    assert_true(axis.low == 0 && axis.high == 8 && !axis.log);
    axis = FITTED(AE_LOG_NEVER, -0.03, 0.011);
    assert_true(fabs(axis.low + 0.03) < 1e-12 && fabs(axis.high - 0.02) < 1e-12);
    axis = FITTED(AE_LOG_NEVER, -5, -3);
    assert_true(axis.low == -5 && axis.high == 0);
    axis = FITTED(AE_LOG_NEVER, 0, 0);
    assert_true(axis.low == 0 && axis.high == 1);
    axis = FITTED(AE_LOG_NEVER, NAN, INFINITY);
    assert_true(axis.low == 0 && axis.high == 1);
    axis = FITTED(AE_LOG_NEVER, 1.3e-6);
    assert_true(axis.low == 0 && fabs(axis.high - 1.5e-6) < 1e-15);
}

static void logarithmic_only_where_values_are_far_apart(void **state) {
    (void)state;
    assert_false(FITTED(AE_LOG_IF_LARGE, 1, 2, 19).log);
    ae_axis axis = FITTED(AE_LOG_IF_LARGE, 1.1e-6, 1.2e-6, 1.3e-6, 5.1e-4);
    assert_true(axis.log);
    assert_true(fabs(axis.low - 1e-6) < 1e-15 && fabs(axis.high - 1e-3) < 1e-12);
    assert_false(FITTED(AE_LOG_NEVER, 1, 1, 1, 1000).log);
    assert_false(FITTED(AE_LOG_IF_LARGE, 0.001, 1, 1, 1).log); // small ones do not matter here
    assert_true(FITTED(AE_LOG_IF_FAR, 0.001, 1, 1, 1).log);
    assert_false(FITTED(AE_LOG_IF_FAR, 0, 1, 1, 1000).log);  // zero has no place on such an axis
    assert_false(FITTED(AE_LOG_IF_FAR, -1, 1, 1, 1000).log); // neither have negative numbers
}

static void extreme_numbers_still_make_an_axis(void **state) {
    (void)state;
    const ae_log_rule rules[] = {AE_LOG_NEVER, AE_LOG_IF_LARGE, AE_LOG_IF_FAR};
    for (int r = 0; r < 3; r++) {
        const ae_axis axes[] = {FITTED(rules[r], DBL_MAX, -DBL_MAX, 1),
                                FITTED(rules[r], DBL_MAX, 1, 1),
                                FITTED(rules[r], 5e-324),
                                FITTED(rules[r], 5e-324, 1, 1),
                                FITTED(rules[r], DBL_TRUE_MIN, DBL_MAX),
                                FITTED(rules[r], 1e15, 1e15 + 1)};
        for (size_t a = 0; a < sizeof axes / sizeof *axes; a++)
            assert_true(strlen(labels(axes[a], 8)) > 0);
    }
}

static void ticks_are_round_and_few(void **state) {
    (void)state;
    assert_string_equal(labels((ae_axis){.low = 0, .high = 100}, 7), "0 20 40 60 80 100");
    assert_string_equal(labels((ae_axis){.low = 0, .high = 200}, 7), "0 50 100 150 200");
    assert_string_equal(labels((ae_axis){.low = 0, .high = 4999}, 7), "0 1000 2000 3000 4000");
    assert_string_equal(labels((ae_axis){.low = 0, .high = 1}, 4), "0 0.5 1");
    assert_string_equal(labels((ae_axis){.low = -0.5, .high = 0.5}, 6), "-0.4 -0.2 0 0.2 0.4");
    assert_string_equal(labels((ae_axis){.low = 0, .high = 1.2e-6}, 5), "0 5e-7 1e-6");
    assert_string_equal(labels((ae_axis){.low = 0, .high = 1.25}, 8), "0 0.2 0.4 0.6 0.8 1 1.2");
    assert_string_equal(labels((ae_axis){.low = 0, .high = 1}, 1), "0");
}

static void logarithmic_ticks_are_powers_of_ten(void **state) {
    (void)state;
    assert_string_equal(labels((ae_axis){.low = 1e-6, .high = 1e-3, .log = true}, 7), "1e-6 1e-5 1e-4 1e-3");
    assert_string_equal(labels((ae_axis){.low = 5e-4, .high = 1, .log = true}, 7), "0.001 0.01 0.1 1");
    assert_string_equal(labels((ae_axis){.low = 10, .high = 100, .log = true}, 7), "10 20 50 100");
    assert_string_equal(labels((ae_axis){.low = 1e-9, .high = 1e9, .log = true}, 7),
                        "1e-9 1e-6 0.001 1 1000 1e6 1e9");
}

static void places(void **state) {
    (void)state;
    const ae_axis linear = {.low = -10, .high = 10}, log = {.low = 1e-4, .high = 1, .log = true};
    assert_true(ae_axis_place(&linear, -10) == 0 && ae_axis_place(&linear, 5) == 0.75);
    assert_true(isnan(ae_axis_place(&linear, NAN)));
    assert_true(fabs(ae_axis_place(&log, 0.01) - 0.5) < 1e-12);
    assert_true(isnan(ae_axis_place(&log, 0)) && isnan(ae_axis_place(&log, -1)));
}

static void short_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        int digits;
        const char *text;
    } cases[] = {
        {0, 3, "0"},
        {1, 3, "1"},
        {0.25, 3, "0.25"},
        {12.3456, 4, "12.35"},
        {1500, 2, "1500"},
        {0.001, 3, "0.001"},
        {0.1, 1, "0.1"},
        {-2.5, 3, "-2.5"},
        {1.5e-6, 3, "1.5e-6"},
        {1e-6, 3, "1e-6"},
        {123456, 3, "123456"},
        {1e6, 3, "1e6"},
        {-1.25e9, 3, "-1.25e9"},
        {NAN, 3, "n/a"},
        {INFINITY, 3, "n/a"},
        {100, 1, "100"},
        {1e-300, 2, "1e-300"},
    };
    char text[AE_NUMBER_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(ae_number_text(cases[i].value, cases[i].digits, text), cases[i].text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_end_at_round_numbers),
        cmocka_unit_test(logarithmic_only_where_values_are_far_apart),
        cmocka_unit_test(extreme_numbers_still_make_an_axis),
        cmocka_unit_test(ticks_are_round_and_few),
        cmocka_unit_test(logarithmic_ticks_are_powers_of_ten),
        cmocka_unit_test(places),
        cmocka_unit_test(short_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
