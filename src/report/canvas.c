#include "report/canvas.h"

#include <math.h>

// Colours: the eight that people of every colour vision tell apart (Okabe and Ito, "Color Universal Design",
// 2008), black left to the text, yellow darkened so that it stands out from white.
static const struct {
    const char *hex, *class;
} colours[] = {
    [AE_COLOUR_PAPER] = {"#ffffff", "paper"},   [AE_COLOUR_INK] = {"#1f2328", "ink"},
    [AE_COLOUR_MUTED] = {"#59636e", "muted"},   [AE_COLOUR_GRID] = {"#e4e7eb", "grid"},
    [AE_COLOUR_FLAG] = {"#c62828", "flag"},     [AE_COLOUR_SERIES + 0] = {"#0072b2", "s0"},
    [AE_COLOUR_SERIES + 1] = {"#d55e00", "s1"}, [AE_COLOUR_SERIES + 2] = {"#009e73", "s2"},
    [AE_COLOUR_SERIES + 3] = {"#cc79a7", "s3"}, [AE_COLOUR_SERIES + 4] = {"#56b4e9", "s4"},
    [AE_COLOUR_SERIES + 5] = {"#e69f00", "s5"}, [AE_COLOUR_SERIES + 6] = {"#7f7f7f", "s6"},
    [AE_COLOUR_SERIES + 7] = {"#9a8700", "s7"},
};

const char *ae_colour_hex(ae_colour colour) {
    return colours[colour].hex;
}

const char *ae_colour_class(ae_colour colour) {
    return colours[colour].class;
}

const double *ae_style_dash(int style, size_t *count) {
    static const struct {
        size_t count;
        double lengths[6];
    } dashes[] = {
        {0, {0}},
        {2, {6, 2.5}},
        {2, {1.5, 2}},
        {4, {7, 2, 1.5, 2}},
        {2, {3, 2}},
        {2, {10, 3}},
        {6, {7, 2, 1.5, 2, 1.5, 2}},
        {4, {10, 2, 3, 2}},
    };
    // The ninth style has the first one's colour, and the second one's dash.
    const int i = (style + style / AE_STYLES) % AE_STYLES;
    *count = dashes[i].count;
    return dashes[i].lengths;
}

// n corners on a circle of this radius, the first at the top; behind each, where inner > 0, one on the inner
// circle.
static size_t round_corners(size_t n, double radius, double inner, double turn, ae_point *corners) {
    static const double circle = 6.283185307179586;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const double angle = circle * ((double)i / (double)n + turn),
                     between = angle + circle / (double)n / 2;
        corners[count++] = (ae_point){radius * sin(angle), -radius * cos(angle)};
        if (inner > 0) corners[count++] = (ae_point){inner * sin(between), -inner * cos(between)};
    }
    return count;
}

// A plus sign, turned by `turn` of a circle.
static size_t plus_corners(double turn, ae_point *corners) {
    static const double circle = 6.283185307179586;
    static const ae_point arm[] = {
        {-0.3, -1.1}, {0.3, -1.1}, {0.3, -0.3}}; // the upper one, and the corner behind it
    size_t count = 0;
    for (int quarter = 0; quarter < 4; quarter++)
        for (int i = 0; i < 3; i++) {
            const double angle = circle * (quarter / 4.0 + turn), s = sin(angle), c = cos(angle);
            corners[count++] = (ae_point){c * arm[i].x - s * arm[i].y, s * arm[i].x + c * arm[i].y};
        }
    return count;
}

size_t ae_shape_corners(ae_shape shape, ae_point corners[AE_CORNERS_MAX]) {
    switch (shape) {
    case AE_SHAPE_SQUARE:
        return round_corners(4, 1.25, 0, 0.125, corners);
    case AE_SHAPE_TRIANGLE:
        return round_corners(3, 1.4, 0, 0, corners);
    case AE_SHAPE_DIAMOND:
        return round_corners(4, 1.4, 0, 0, corners);
    case AE_SHAPE_CROSS:
        return plus_corners(0.125, corners);
    case AE_SHAPE_PLUS:
        return plus_corners(0, corners);
    case AE_SHAPE_TRIANGLE_DOWN:
        return round_corners(3, 1.4, 0, 0.5, corners);
    case AE_SHAPE_STAR:
        return round_corners(5, 1.5, 0.65, 0, corners);
    case AE_SHAPE_CIRCLE:
    case AE_SHAPE_RING:
        break;
    }
    return 0;
}
