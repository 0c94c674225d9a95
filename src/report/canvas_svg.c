// A canvas that writes SVG: presentation attributes, so that a file needs no style sheet, and classes, so
// that a page can give other colours.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "report/canvas.h"

static const char fonts[] = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

#define PRINT(svg, ...)                                                                                      \
    do {                                                                                                     \
        ae_svg *svg_ = (ae_svg *)(svg);                                                                      \
        if (svg_->status == AE_OK) svg_->status = ae_text_printf(svg_->out, __VA_ARGS__);                    \
    } while (0)

ae_status ae_xml_text(ae_text *out, const char *text) {
    for (; *text; text++) {
        const char *const escaped = *text == '<'    ? "&lt;"
                                    : *text == '>'  ? "&gt;"
                                    : *text == '&'  ? "&amp;"
                                    : *text == '"'  ? "&quot;"
                                    : *text == '\'' ? "&#39;"
                                                    : NULL;
        AE_TRY(ae_text_append(out, escaped ? escaped : text, escaped ? strlen(escaped) : 1));
    }
    return ae_text_append(out, "", 0);
}

// A length with one decimal, without what does not matter: "12", "-0.5".
static const char *length_text(double value, char out[16]) {
    ae_print(out, 16, "%.1f", value == 0 || fabs(value) < 0.05 ? 0.0 : value);
    char *end = out + strlen(out);
    if (strcmp(end - 2, ".0") == 0) end[-2] = '\0';
    return out;
}

static void begin_group(ae_canvas *canvas, const char *name, int run) {
    if (run >= 0)
        PRINT(canvas, "<g class=\"%s\" data-run=\"%d\">", name, run);
    else
        PRINT(canvas, "<g class=\"%s\">", name);
}

static void end_group(ae_canvas *canvas) {
    PRINT(canvas, "</g>\n");
}

static void draw_lines(ae_canvas *canvas, const ae_point *points, size_t n, ae_colour colour, double width,
                       int dash_style) {
    PRINT(canvas,
          "<path class=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%g\" stroke-linejoin=\"round\"",
          ae_colour_class(colour), ae_colour_hex(colour), width);
    size_t n_dashes = 0;
    const double *dashes = dash_style >= 0 ? ae_style_dash(dash_style, &n_dashes) : NULL;
    for (size_t i = 0; i < n_dashes; i++)
        PRINT(canvas, "%s%g%s", i ? " " : " stroke-dasharray=\"", dashes[i], i + 1 == n_dashes ? "\"" : "");
    PRINT(canvas, " d=\"");
    bool down = false;
    char x[16], y[16];
    for (size_t i = 0; i < n; i++) {
        const bool gap = isnan(points[i].x) || isnan(points[i].y);
        if (!gap)
            PRINT(canvas, "%c%s %s", down ? 'L' : 'M', length_text(points[i].x, x),
                  length_text(points[i].y, y));
        down = !gap;
    }
    PRINT(canvas, "\"/>");
}

// One path for all: with thousands of points it is an eighth of what elements of their own would take. A
// circle is the round end of a line without length.
static void draw_marks(ae_canvas *canvas, const ae_point *points, size_t n, ae_colour colour, ae_shape shape,
                       double radius) {
    ae_point corners[AE_CORNERS_MAX];
    const size_t n_corners = ae_shape_corners(shape, corners);
    const char *class = ae_colour_class(colour), *hex = ae_colour_hex(colour);
    char x[16], y[16];
    if (shape == AE_SHAPE_RING)
        PRINT(canvas, "<path class=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.4\" d=\"", class, hex);
    else if (n_corners == 0)
        PRINT(canvas, "<path class=\"%s\" stroke=\"%s\" stroke-width=\"%g\" stroke-linecap=\"round\" d=\"",
              class, hex, 2 * radius);
    else
        PRINT(canvas, "<path class=\"%s fill\" fill=\"%s\" d=\"", class, hex);
    for (size_t i = 0; i < n; i++) {
        if (shape == AE_SHAPE_RING) {
            PRINT(canvas, "M%s %s", length_text(points[i].x - radius, x), length_text(points[i].y, y));
            PRINT(canvas, "a%g %g 0 1 0 %g 0a%g %g 0 1 0 %g 0", radius, radius, 2 * radius, radius, radius,
                  -2 * radius);
        } else if (n_corners == 0) {
            PRINT(canvas, "M%s %sh0", length_text(points[i].x, x), length_text(points[i].y, y));
        } else {
            PRINT(canvas, "M%s %s", length_text(points[i].x + radius * corners[0].x, x),
                  length_text(points[i].y + radius * corners[0].y, y));
            for (size_t c = 1; c < n_corners; c++)
                PRINT(canvas, "l%s %s", length_text(radius * (corners[c].x - corners[c - 1].x), x),
                      length_text(radius * (corners[c].y - corners[c - 1].y), y));
            PRINT(canvas, "z");
        }
    }
    PRINT(canvas, "\"/>");
}

static void draw_text(ae_canvas *canvas, double x, double y, ae_text_style style, const char *text) {
    static const char *const anchors[] = {"start", "middle", "end"};
    char x_text[16], y_text[16];
    ae_svg *svg = (ae_svg *)canvas;
    PRINT(canvas, "<text class=\"%s\" fill=\"%s\" x=\"%s\" y=\"%s\" font-size=\"%g\"",
          ae_colour_class(style.colour), ae_colour_hex(style.colour), length_text(x, x_text),
          length_text(y, y_text), style.size);
    if (style.anchor != AE_ANCHOR_START) PRINT(canvas, " text-anchor=\"%s\"", anchors[style.anchor]);
    if (style.bold) PRINT(canvas, " font-weight=\"bold\"");
    if (style.upwards) PRINT(canvas, " transform=\"rotate(-90 %s %s)\"", x_text, y_text);
    PRINT(canvas, ">");
    if (svg->status == AE_OK) svg->status = ae_xml_text(svg->out, text);
    PRINT(canvas, "</text>");
}

static void draw_fill(ae_canvas *canvas, double x, double y, double width, double height, ae_colour colour) {
    PRINT(canvas, "<rect class=\"%s fill\" fill=\"%s\" x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\"/>",
          ae_colour_class(colour), ae_colour_hex(colour), x, y, width, height);
}

void ae_svg_begin(ae_svg *svg, ae_text *out, double width, double height, const char *attributes, bool page) {
    *svg = (ae_svg){{begin_group, end_group, draw_lines, draw_marks, draw_text, draw_fill}, out, AE_OK};
    if (page) {
        PRINT(svg, "<svg viewBox=\"0 0 %g %g\" %s>\n", width, height, attributes);
        return;
    }
    PRINT(svg,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%gpt\" height=\"%gpt\" viewBox=\"0 0 %g %g\" "
          "font-family=\"%s\" %s>\n",
          width, height, width, height, fonts, attributes);
    draw_fill(&svg->canvas, 0, 0, width, height, AE_COLOUR_PAPER);
}

ae_status ae_svg_finish(ae_svg *svg) {
    PRINT(svg, "</svg>\n");
    return svg->status;
}
