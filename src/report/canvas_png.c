// A canvas that paints an image with cairo.
#include <cairo.h>
#include <math.h>
#include <string.h>

#include "report/canvas.h"

static cairo_t *cairo_of(ae_canvas *canvas) {
    return ((ae_png *)canvas)->cairo;
}

static void begin_group(ae_canvas *canvas, const char *name, int run) {
    (void)canvas, (void)name, (void)run; // an image has no groups
}

static void end_group(ae_canvas *canvas) {
    (void)canvas;
}

static unsigned hex_digits(const char *digits) {
    unsigned value = 0;
    for (int i = 0; i < 2; i++)
        value = value * 16 + (unsigned)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return value;
}

static void set_colour(cairo_t *cairo, ae_colour colour) {
    const char *hex = ae_colour_hex(colour) + 1;
    cairo_set_source_rgb(cairo, hex_digits(hex) / 255.0, hex_digits(hex + 2) / 255.0,
                         hex_digits(hex + 4) / 255.0);
}

static void draw_lines(ae_canvas *canvas, const ae_point *points, size_t n, ae_colour colour, double width,
                       int dash_style) {
    cairo_t *cairo = cairo_of(canvas);
    size_t n_dashes = 0;
    const double *dashes = dash_style >= 0 ? ae_style_dash(dash_style, &n_dashes) : NULL;
    cairo_set_dash(cairo, dashes, (int)n_dashes, 0);
    cairo_set_line_width(cairo, width);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    set_colour(cairo, colour);
    bool down = false;
    for (size_t i = 0; i < n; i++) {
        const bool gap = isnan(points[i].x) || isnan(points[i].y);
        if (!gap && down) cairo_line_to(cairo, points[i].x, points[i].y);
        if (!gap && !down) cairo_move_to(cairo, points[i].x, points[i].y);
        down = !gap;
    }
    cairo_stroke(cairo);
}

static void draw_marks(ae_canvas *canvas, const ae_point *points, size_t n, ae_colour colour, ae_shape shape,
                       double radius) {
    cairo_t *cairo = cairo_of(canvas);
    ae_point corners[AE_CORNERS_MAX];
    const size_t n_corners = ae_shape_corners(shape, corners);
    set_colour(cairo, colour);
    cairo_set_dash(cairo, NULL, 0, 0);
    cairo_set_line_width(cairo, 1.4);
    for (size_t i = 0; i < n; i++) {
        cairo_new_sub_path(cairo);
        if (n_corners == 0) cairo_arc(cairo, points[i].x, points[i].y, radius, 0, 2 * acos(-1));
        for (size_t c = 0; c < n_corners; c++)
            cairo_line_to(cairo, points[i].x + radius * corners[c].x, points[i].y + radius * corners[c].y);
        cairo_close_path(cairo);
        if (shape == AE_SHAPE_RING)
            cairo_stroke(cairo);
        else
            cairo_fill(cairo);
    }
}

static void draw_text(ae_canvas *canvas, double x, double y, ae_text_style style, const char *text) {
    static const double shift[] = {0, 0.5, 1};
    cairo_t *cairo = cairo_of(canvas);
    cairo_text_extents_t extents;
    cairo_save(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, style.size);
    cairo_text_extents(cairo, text, &extents);
    cairo_translate(cairo, x, y);
    if (style.upwards) cairo_rotate(cairo, -acos(0));
    cairo_move_to(cairo, -shift[style.anchor] * extents.x_advance, 0);
    set_colour(cairo, style.colour);
    cairo_show_text(cairo, text);
    cairo_restore(cairo);
}

static void draw_fill(ae_canvas *canvas, double x, double y, double width, double height, ae_colour colour) {
    cairo_t *cairo = cairo_of(canvas);
    set_colour(cairo, colour);
    cairo_rectangle(cairo, x, y, width, height);
    cairo_fill(cairo);
}

ae_status ae_png_begin(ae_png *png, double width, double height, double scale) {
    *png = (ae_png){.canvas = {begin_group, end_group, draw_lines, draw_marks, draw_text, draw_fill}};
    png->surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width * scale), (int)ceil(height * scale));
    png->cairo = cairo_create(png->surface);
    const cairo_status_t status = cairo_status(png->cairo);
    if (status != CAIRO_STATUS_SUCCESS) {
        cairo_destroy(png->cairo);
        cairo_surface_destroy(png->surface);
        return ae_fail(status == CAIRO_STATUS_NO_MEMORY ? AE_ERR_MEMORY : AE_ERR_ARGUMENT,
                       "an image of %.0f by %.0f pixels: %s", width * scale, height * scale,
                       cairo_status_to_string(status));
    }
    cairo_scale(png->cairo, scale, scale);
    draw_fill(&png->canvas, 0, 0, width, height, AE_COLOUR_PAPER);
    return AE_OK;
}

static cairo_status_t append(void *out, const unsigned char *bytes, unsigned length) {
    return ae_text_append(out, (const char *)bytes, length) == AE_OK ? CAIRO_STATUS_SUCCESS
                                                                     : CAIRO_STATUS_NO_MEMORY;
}

ae_status ae_png_finish(ae_png *png, ae_text *out) {
    cairo_status_t status = cairo_status(png->cairo);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_write_to_png_stream(png->surface, append, out);
    cairo_destroy(png->cairo);
    cairo_surface_destroy(png->surface);
    if (status == CAIRO_STATUS_SUCCESS) return AE_OK;
    return ae_fail(status == CAIRO_STATUS_NO_MEMORY ? AE_ERR_MEMORY : AE_ERR_INTERNAL,
                   "painting an image: %s", cairo_status_to_string(status));
}
