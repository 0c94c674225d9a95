/* report/canvas.h: the few things that a figure is drawn with, onto SVG text or a PNG image.
 *
 * Lengths are in points, y grows downwards. Drawing cannot fail on its own; lack of memory is remembered and
 * told by the _finish of the canvas in question. */
#ifndef AE_REPORT_CANVAS_H
#define AE_REPORT_CANVAS_H

#include "base/memory.h"

/* What a colour is for. A page gives each its own value for light and dark; images use ae_colour_hex. */
typedef enum ae_colour {
    AE_COLOUR_PAPER,
    AE_COLOUR_INK,   // text, axes
    AE_COLOUR_MUTED, // text of less weight
    AE_COLOUR_GRID,
    AE_COLOUR_FLAG,   // what is out of line
    AE_COLOUR_SERIES, // + 0 to AE_STYLES - 1
} ae_colour;

/* Styles differ in colour, dash and shape at once, so that they can be told apart in grey, too. */
enum { AE_STYLES = 8 };
const char *ae_colour_hex(ae_colour colour);           // "#0072b2"
const char *ae_colour_class(ae_colour colour);         // "s0", "ink": the class of SVG elements
const double *ae_style_dash(int style, size_t *count); // lengths of stroke and gap; count 0: solid
static inline ae_colour ae_style_colour(int style) {
    return (ae_colour)(AE_COLOUR_SERIES + style % AE_STYLES);
}

typedef struct ae_point {
    double x, y; // NaN: a gap
} ae_point;

typedef enum ae_shape {
    AE_SHAPE_CIRCLE,
    AE_SHAPE_SQUARE,
    AE_SHAPE_TRIANGLE,
    AE_SHAPE_DIAMOND,
    AE_SHAPE_CROSS,
    AE_SHAPE_PLUS,
    AE_SHAPE_TRIANGLE_DOWN,
    AE_SHAPE_STAR,
    AE_SHAPE_RING, // a circle's outline
} ae_shape;
static inline ae_shape ae_style_shape(int style) {
    return (ae_shape)(style % AE_STYLES);
}

/* Corners of a shape of radius 1 around 0, 0; 0 for circle and ring, which have none. */
enum { AE_CORNERS_MAX = 12 };
size_t ae_shape_corners(ae_shape shape, ae_point corners[AE_CORNERS_MAX]);

typedef enum ae_anchor { AE_ANCHOR_START, AE_ANCHOR_MIDDLE, AE_ANCHOR_END } ae_anchor;

typedef struct ae_text_style {
    ae_colour colour;
    double size;
    ae_anchor anchor;
    bool bold;
    bool upwards; // turned to the left by a right angle
} ae_text_style;

typedef struct ae_canvas ae_canvas;
struct ae_canvas {
    /* Everything up to end_group belongs together; run -1: to no run. */
    void (*begin_group)(ae_canvas *canvas, const char *name, int run);
    void (*end_group)(ae_canvas *canvas);
    void (*lines)(ae_canvas *canvas, const ae_point *points, size_t n, ae_colour colour, double width,
                  int dash_style); // dash_style -1: solid
    void (*marks)(ae_canvas *canvas, const ae_point *points, size_t n, ae_colour colour, ae_shape shape,
                  double radius);
    void (*text)(ae_canvas *canvas, double x, double y, ae_text_style style, const char *text);
    void (*fill)(ae_canvas *canvas, double x, double y, double width, double height, ae_colour colour);
};

/* SVG, appended to `out`. `attributes` go into the <svg> element besides its size (may be ""); `page` leaves
 * out what the page's style sheet says: font and paper. */
typedef struct ae_svg {
    ae_canvas canvas;
    ae_text *out;
    ae_status status;
} ae_svg;
void ae_svg_begin(ae_svg *svg, ae_text *out, double width, double height, const char *attributes, bool page);
ae_status ae_svg_finish(ae_svg *svg);

/* Text with what XML takes for its own escaped, for elements and quoted attributes. The text is clean UTF-8.
 */
ae_status ae_xml_text(ae_text *out, const char *text);

/* An image of `scale` pixels a point. */
typedef struct ae_png {
    ae_canvas canvas;
    struct _cairo_surface *surface;
    struct _cairo *cairo;
} ae_png;
ae_status ae_png_begin(ae_png *png, double width, double height, double scale);
ae_status ae_png_finish(ae_png *png, ae_text *out); // releases it in any case
#endif
