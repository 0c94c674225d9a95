// report/average: means of what came last, gaps passed over.
#include "test.h"

#include <math.h>

#include "report/average.h"

static void a_window_looks_back(void **state) {
    (void)state;
    const double values[] = {4, 8, 0, 2, 6};
    double out[5];
    ae_moving_average(values, 5, 3, out);
    assert_true(out[0] == 4); // alone
    assert_true(out[1] == 6); // of two
    assert_true(out[2] == 4);
    assert_true(out[3] == 10.0 / 3);
    assert_true(out[4] == 8.0 / 3); // 0, 2, 6: what comes before has left the window
    ae_moving_average(values, 5, 1, out);
    for (int i = 0; i < 5; i++)
        assert_true(out[i] == values[i]);
    ae_moving_average(values, 5, 100, out);
    assert_true(out[4] == 4);
    ae_moving_average(values, 0, 3, NULL); // nothing to do
}

static void gaps_do_not_count(void **state) {
    (void)state;
    const double values[] = {NAN, NAN, 3, NAN, 5, INFINITY, NAN, NAN, NAN};
    double out[9];
    ae_moving_average(values, 9, 3, out);
    assert_true(isnan(out[0]) && isnan(out[1]));
    assert_true(out[2] == 3 && out[3] == 3);
    assert_true(out[4] == 4);
    assert_true(out[5] == 5 && out[6] == 5);
    assert_true(isnan(out[7]) && isnan(out[8]));
}

// What is huge leaves the mean when it leaves the window.
static void a_huge_value_leaves_no_trace(void **state) {
    (void)state;
    const double values[] = {1e300, 0.1, 0.2, 0.3, 0.1};
    double out[5];
    ae_moving_average(values, 5, 2, out);
    assert_true(out[0] == 1e300);
    assert_true(fabs(out[2] - 0.15) < 1e-15);
    assert_true(fabs(out[4] - 0.2) < 1e-15);
}

static void a_window_of_its_own_choice(void **state) {
    (void)state;
    assert_int_equal(ae_default_window(0), 5);
    assert_int_equal(ae_default_window(100), 5);
    assert_int_equal(ae_default_window(200), 10);
    assert_int_equal(ae_default_window(5000), 250);
    assert_int_equal(ae_default_window(21919), 1000);
}

static void what_is_finite_is_sorted(void **state) {
    (void)state;
    double values[] = {3, NAN, -1, INFINITY, 2, -INFINITY};
    assert_int_equal(ae_sort_finite(values, 6), 3);
    assert_true(values[0] == -1 && values[1] == 2 && values[2] == 3);
    assert_int_equal(ae_sort_finite(values, 0), 0);
    double none[] = {NAN};
    assert_int_equal(ae_sort_finite(none, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_looks_back),          cmocka_unit_test(gaps_do_not_count),
        cmocka_unit_test(a_huge_value_leaves_no_trace), cmocka_unit_test(a_window_of_its_own_choice),
        cmocka_unit_test(what_is_finite_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
