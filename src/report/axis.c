#include "report/axis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "report/average.h"

// How many times the median is far.
enum { FAR = 20 };

static const double HUGEST = 1e300, TINIEST = 1e-290;

// ---- round numbers ---------------------------------------------------------------------------------

// The largest 1, 2 or 5 times a power of ten that is not above `value` (up: the smallest not below it).
static double round_number(double value, bool up) {
    const double power = pow(10, floor(log10(value)));
    static const double digits[] = {1, 2, 5, 10};
    const double digit = value / power;
    for (int i = 0; i < 4; i++) {
        if (up && digits[i] >= digit * (1 - 1e-9)) return digits[i] * power;
        if (!up && i < 3 && digits[i + 1] > digit * (1 + 1e-9)) return digits[i] * power;
    }
    return 10 * power;
}

// No zeros behind the point of the digits that end at `end`; the end without them.
static char *trim_zeros(char *digits, char *end) {
    if (!memchr(digits, '.', (size_t)(end - digits))) return end;
    while (end[-1] == '0')
        end--;
    return end[-1] == '.' ? end - 1 : end;
}

static void exponent_text(double value, int digits, char out[AE_NUMBER_TEXT]) {
    ae_print(out, AE_NUMBER_TEXT, "%.*e", digits - 1, value);
    char *e = strchr(out, 'e');
    const int exponent = atoi(e + 1);
    char *end = trim_zeros(out, e);
    snprintf(end, (size_t)(AE_NUMBER_TEXT - (end - out)), "e%d", exponent);
}

const char *ae_number_text(double value, int digits, char out[AE_NUMBER_TEXT]) {
    const double size = fabs(value);
    if (!isfinite(value)) {
        snprintf(out, AE_NUMBER_TEXT, "n/a");
    } else if (value == 0 || (size >= 1e-3 && size < 1e6)) {
        const int before = value == 0 ? 1 : (int)floor(log10(size)) + 1;
        ae_print(out, AE_NUMBER_TEXT, "%.*f", digits > before ? digits - before : 0, value);
        *trim_zeros(out, out + strlen(out)) = '\0';
    } else {
        exponent_text(value, digits, out);
    }
    return out;
}

// ---- the range -------------------------------------------------------------------------------------

static double within(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

void ae_axis_fit(ae_axis *axis, double *values, size_t n, ae_log_rule rule) {
    n = ae_sort_finite(values, n);
    // Beyond these limits a span could overflow, or vanish.
    const double least = n > 0 ? within(values[0], -HUGEST, HUGEST) : 0;
    const double most = n > 0 ? within(values[n - 1], -HUGEST, HUGEST) : 1;
    const double median = n > 0 ? values[(n - 1) / 2] : 0;
    axis->log = least > TINIEST && ((rule != AE_LOG_NEVER && most > FAR * median) ||
                                    (rule == AE_LOG_IF_FAR && median > FAR * least));
    if (axis->log) {
        axis->low = round_number(least, false);
        axis->high = round_number(most, true);
        return;
    }
    axis->low = least < 0 ? least : 0;
    axis->high = most > 0 ? most : 0;
    if (axis->high - axis->low < TINIEST) axis->high = axis->low + 1;
    const double step = round_number((axis->high - axis->low) / 5, true);
    axis->low = floor(axis->low / step + 1e-9) * step;
    axis->high = ceil(axis->high / step - 1e-9) * step;
}

double ae_axis_place(const ae_axis *axis, double value) {
    if (axis->log) return value > 0 ? log(value / axis->low) / log(axis->high / axis->low) : NAN;
    return (value - axis->low) / (axis->high - axis->low);
}

// ---- ticks -----------------------------------------------------------------------------------------

static void add_tick(ae_ticks *ticks, double at, int digits, bool exponents) {
    if (ticks->n == AE_TICKS_MAX) return;
    char text[AE_NUMBER_TEXT];
    if (exponents)
        exponent_text(at, digits, text);
    else
        ae_number_text(at, digits, text);
    ticks->at[ticks->n] = at;
    snprintf(ticks->label[ticks->n], sizeof ticks->label[0], "%.15s", text);
    ticks->n++;
}

static void linear_ticks(const ae_axis *axis, int most, ae_ticks *out) {
    const double span = axis->high - axis->low, largest = fmax(fabs(axis->low), fabs(axis->high));
    double step = round_number(span / most, true);
    if (floor(axis->high / step + 1e-9) - ceil(axis->low / step - 1e-9) + 1 > most)
        step = round_number(step * 1.5, true);
    // Digits enough that neighbours differ.
    const int digits = (int)(floor(log10(largest) + 1e-9) - floor(log10(step) + 1e-9)) + 1;
    for (double i = ceil(axis->low / step - 1e-9); i * step <= axis->high + 1e-9 * span; i++)
        add_tick(out, i == 0 ? 0 : i * step, digits < 1 ? 1 : digits, false); // never -0
}

// Whole powers of ten, all or every second, third, ...; between few of them their two- and fivefold, too.
static void log_ticks(const ae_axis *axis, int most, ae_ticks *out) {
    const int first = (int)floor(log10(axis->low) + 1e-9), last = (int)ceil(log10(axis->high) - 1e-9);
    const int decades = last - first;
    static const double digits[] = {1, 2, 5};
    const int n_digits = decades * 3 <= most ? 3 : 1, stride = decades / most + 1;
    for (int power = first; power <= last; power += stride)
        for (int d = 0; d < n_digits; d++) {
            const double at = digits[d] * pow(10, power);
            if (at >= axis->low * (1 - 1e-9) && at <= axis->high * (1 + 1e-9))
                add_tick(out, at, 1, axis->high < 0.02);
        }
}

void ae_axis_ticks(const ae_axis *axis, int most, ae_ticks *out) {
    *out = (ae_ticks){0};
    if (most > AE_TICKS_MAX) most = AE_TICKS_MAX;
    if (axis->log)
        log_ticks(axis, most, out);
    else
        linear_ticks(axis, most, out);
}
