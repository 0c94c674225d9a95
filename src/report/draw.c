#include "report/draw.h"

#include <math.h>
#include <string.h>

#include "text/utf8.h"

enum { TICK_SIZE = 11, LABEL_SIZE = 12, TITLE_SIZE = 13, LEGEND_SIZE = 12, LEGEND_ROW = 18 };
static const double LINE_WIDTH = 1.8, DOT = 2, RING = 5;

// ---- fewer points ----------------------------------------------------------------------------------

// Many points of a line share a column of the image; the first, the lowest, the highest and the last of them
// draw the same line. In place; how many are left.
static size_t thin_line(ae_point *points, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n;) {
        if (isnan(points[i].y)) { // a gap has no lowest point
            points[kept++] = points[i++];
            continue;
        }
        size_t end = i + 1, low = i, high = i;
        const double column = floor(2 * points[i].x); // of half a point
        for (; end < n && floor(2 * points[end].x) == column && !isnan(points[end].y); end++) {
            if (points[end].y < points[low].y) low = end;
            if (points[end].y > points[high].y) high = end;
        }
        const size_t chosen[4] = {i, low < high ? low : high, low < high ? high : low, end - 1};
        for (int c = 0; c < 4; c++)
            if (c == 0 || chosen[c] != chosen[c - 1]) points[kept++] = points[chosen[c]];
        i = end;
    }
    return kept;
}

// Points between gaps, to which no line leads. In place; how many.
static size_t keep_lone(ae_point *points, size_t n) {
    size_t kept = 0;
    bool before = false; // is there a point?
    for (size_t i = 0; i < n; i++) {
        const bool here = !isnan(points[i].y), behind = i + 1 < n && !isnan(points[i + 1].y);
        if (here && !before && !behind) points[kept++] = points[i];
        before = here;
    }
    return kept;
}

// Drops what lies within the plot's half point of another, and gaps. In place; how many are left.
static ae_status thin_dots(ae_point *points, size_t *n, ae_frame plot) {
    const size_t columns = (size_t)(2 * plot.width) + 2, rows = (size_t)(2 * plot.height) + 2;
    bool *taken = ae_alloc(columns * rows, sizeof *taken);
    if (!taken) return ae_no_memory();
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        const double column = floor(2 * (points[i].x - plot.x)), row = floor(2 * (points[i].y - plot.y));
        if (!(column >= 0 && column < (double)columns && row >= 0 && row < (double)rows)) continue;
        bool *cell = &taken[(size_t)row * columns + (size_t)column];
        if (!*cell) points[kept++] = points[i];
        *cell = true;
    }
    ae_free(taken);
    *n = kept;
    return AE_OK;
}

// ---- series ----------------------------------------------------------------------------------------

static ae_point place(const ae_panel *panel, ae_frame plot, double x, double y) {
    return (ae_point){plot.x + plot.width * ae_axis_place(&panel->x, x),
                      plot.y + plot.height * (1 - ae_axis_place(&panel->y, y))};
}

static size_t place_all(const ae_panel *panel, const ae_series *s, ae_frame plot, ae_point *points) {
    for (size_t i = 0; i < s->n; i++)
        points[i] = place(panel, plot, s->x[i], s->y[i]);
    return s->n;
}

static ae_status draw_series(ae_canvas *canvas, const ae_panel *panel, const ae_series *s, ae_frame plot,
                             ae_point *points) {
    const ae_colour colour = ae_style_colour(s->style);
    if (s->form != AE_SERIES_DOTS) {
        size_t n = thin_line(points, place_all(panel, s, plot, points));
        canvas->lines(canvas, points, n, colour, LINE_WIDTH, s->style);
        n = keep_lone(points, n);
        if (n > 0) canvas->marks(canvas, points, n, colour, AE_SHAPE_CIRCLE, LINE_WIDTH / 2);
    }
    if (s->form != AE_SERIES_LINE) {
        size_t n = place_all(panel, s, plot, points);
        AE_TRY(thin_dots(points, &n, plot));
        canvas->marks(canvas, points, n, colour, ae_style_shape(s->style), DOT);
    }
    return AE_OK;
}

// Rings around the points of flagged edits; a line gets marks on the axis below instead, where they meet no
// other.
static ae_status draw_flags(ae_canvas *canvas, const ae_report *report, const ae_panel *panel,
                            const ae_series *s, ae_frame plot, ae_point *points) {
    const ae_report_run *run = &report->runs[s->run];
    if (!s->of_edits || run->n_flagged == 0) return AE_OK;
    const bool on_axis = s->form == AE_SERIES_LINE;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (run->flagged[i]) {
            points[n] = place(panel, plot, s->x[i], s->y[i]);
            if (on_axis) points[n].y = plot.y + plot.height - 3;
            n++;
        }
    AE_TRY(thin_dots(points, &n, plot));
    canvas->marks(canvas, points, n, AE_COLOUR_FLAG, on_axis ? AE_SHAPE_TRIANGLE : AE_SHAPE_RING,
                  on_axis ? 2.5 : RING);
    return AE_OK;
}

// ---- axes ------------------------------------------------------------------------------------------

static void draw_line(ae_canvas *canvas, double x0, double y0, double x1, double y1, ae_colour colour) {
    const ae_point ends[] = {{x0, y0}, {x1, y1}};
    canvas->lines(canvas, ends, 2, colour, 1, -1);
}

static void draw_axes(ae_canvas *canvas, const ae_panel *panel, ae_frame frame, ae_frame plot) {
    const double right = plot.x + plot.width, bottom = plot.y + plot.height;
    const ae_text_style tick = {.colour = AE_COLOUR_MUTED, .size = TICK_SIZE, .anchor = AE_ANCHOR_MIDDLE};
    const ae_text_style label = {.colour = AE_COLOUR_INK, .size = LABEL_SIZE, .anchor = AE_ANCHOR_MIDDLE};
    ae_ticks ticks;
    canvas->begin_group(canvas, "axes", -1);
    ae_axis_ticks(&panel->y, (int)(plot.height / 36) + 1, &ticks);
    for (int t = 0; t < ticks.n; t++) {
        const double y = place(panel, plot, panel->x.low, ticks.at[t]).y;
        ae_text_style style = tick;
        style.anchor = AE_ANCHOR_END;
        draw_line(canvas, plot.x, y, right, y, AE_COLOUR_GRID);
        canvas->text(canvas, plot.x - 6, y + 4, style, ticks.label[t]);
    }
    ae_axis_ticks(&panel->x, (int)(plot.width / 60) + 1, &ticks);
    for (int t = 0; t < ticks.n; t++) {
        const double x = place(panel, plot, ticks.at[t], panel->y.low).x;
        draw_line(canvas, x, bottom, x, bottom + 4, AE_COLOUR_INK);
        canvas->text(canvas, x, bottom + 16, tick, ticks.label[t]);
    }
    draw_line(canvas, plot.x, bottom, right, bottom, AE_COLOUR_INK);
    canvas->text(canvas, plot.x + plot.width / 2, frame.y + frame.height - 6, label, panel->x.label);
    ae_text_style upwards = label;
    upwards.upwards = true;
    canvas->text(canvas, frame.x + 13, plot.y + plot.height / 2, upwards, panel->y.label);
    if (panel->title) {
        ae_text_style title = {.colour = AE_COLOUR_INK, .size = TITLE_SIZE, .bold = true};
        canvas->text(canvas, plot.x, frame.y + 16, title, panel->title);
    }
    canvas->end_group(canvas);
}

// The y axis leaves room for its longest number; digits of the common fonts are about 0.56 of their size
// wide.
static ae_frame plot_within(const ae_panel *panel, ae_frame frame) {
    ae_ticks ticks;
    size_t longest = 2;
    ae_axis_ticks(&panel->y, 10, &ticks);
    for (int t = 0; t < ticks.n; t++)
        if (strlen(ticks.label[t]) > longest) longest = strlen(ticks.label[t]);
    const double left = 28 + 0.6 * TICK_SIZE * (double)longest, top = panel->title ? 26 : 10;
    return (ae_frame){frame.x + left, frame.y + top, frame.width - left - 18, frame.height - top - 42};
}

ae_status ae_draw_panel(ae_canvas *canvas, const ae_report *report, const ae_panel *panel, ae_frame frame,
                        ae_frame *plot) {
    *plot = plot_within(panel, frame);
    draw_axes(canvas, panel, frame, *plot);
    size_t most = 0;
    for (size_t s = 0; s < panel->n_series; s++)
        if (panel->series[s].n > most) most = panel->series[s].n;
    ae_point *points = ae_alloc(most, sizeof *points);
    ae_status status = points ? AE_OK : ae_no_memory();
    for (size_t s = 0; s < panel->n_series && status == AE_OK; s++) {
        const ae_series *series = &panel->series[s];
        canvas->begin_group(canvas, "series", (int)series->run);
        status = draw_series(canvas, panel, series, *plot, points);
        // Measures of one run have the same flags; on the axis once is enough.
        const bool again = s > 0 && series->form == AE_SERIES_LINE && panel->series[s - 1].run == series->run;
        if (status == AE_OK && !again) status = draw_flags(canvas, report, panel, series, *plot, points);
        canvas->end_group(canvas);
    }
    ae_free(points);
    return status;
}

// ---- legend ----------------------------------------------------------------------------------------

// Characters, not bytes; letters are a little more than half as wide as high.
static double text_width(const char *text, double size) {
    size_t n = 0;
    for (size_t left = strlen(text); left > 0; n++) {
        uint32_t code;
        int length = ae_utf8_decode((const unsigned char *)text, left, &code);
        if (length < 0) length = -length;
        text += length;
        left -= (size_t)length;
    }
    return 0.6 * size * (double)n;
}

typedef struct legend {
    ae_canvas *canvas;
    double left, right, x, y; // y: the base line
    size_t n;
} legend;

enum { SWATCH = 26, ENTRY_GAP = 16 };

static bool next_entry(legend *l, const char *name) {
    const double width = SWATCH + text_width(name, LEGEND_SIZE);
    if (l->n == 0 || (l->x + width > l->right && l->x > l->left)) {
        l->x = l->left;
        l->y += LEGEND_ROW;
    }
    l->n++;
    if (l->canvas)
        l->canvas->text(l->canvas, l->x + SWATCH, l->y,
                        (ae_text_style){.colour = AE_COLOUR_INK, .size = LEGEND_SIZE}, name);
    l->x += width + ENTRY_GAP;
    return l->canvas != NULL;
}

static void series_entry(legend *l, const ae_series *s) {
    if (!next_entry(l, s->name)) return;
    const double x = l->x - ENTRY_GAP - SWATCH - text_width(s->name, LEGEND_SIZE), y = l->y - 4;
    const ae_point ends[] = {{x, y}, {x + SWATCH - 6, y}}, middle = {x + (SWATCH - 6) / 2.0, y};
    l->canvas->begin_group(l->canvas, "key", (int)s->run);
    if (s->form != AE_SERIES_DOTS)
        l->canvas->lines(l->canvas, ends, 2, ae_style_colour(s->style), LINE_WIDTH, s->style);
    if (s->form != AE_SERIES_LINE)
        l->canvas->marks(l->canvas, &middle, 1, ae_style_colour(s->style), ae_style_shape(s->style),
                         1.5 * DOT);
    l->canvas->end_group(l->canvas);
}

static void flag_entry(legend *l, bool on_axis) {
    static const char name[] = "flagged edit";
    if (!next_entry(l, name)) return;
    const double x = l->x - ENTRY_GAP - SWATCH - text_width(name, LEGEND_SIZE);
    const ae_point middle = {x + SWATCH - 14, l->y - 4};
    l->canvas->marks(l->canvas, &middle, 1, AE_COLOUR_FLAG, on_axis ? AE_SHAPE_TRIANGLE : AE_SHAPE_RING,
                     on_axis ? 3 : RING);
}

double ae_draw_legend(ae_canvas *canvas, const ae_report *report, const ae_figure *figure, double x, double y,
                      double width) {
    legend l = {.canvas = canvas, .left = x, .right = x + width, .x = x, .y = y - 4};
    bool flags = false, on_axis = false;
    size_t styles = 0;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t seen = 0;
        for (size_t p = 0; p < figure->n_panels; p++)
            for (size_t s = 0; s < figure->panels[p].n_series; s++) {
                const ae_series *series = &figure->panels[p].series[s];
                const uint64_t bit = UINT64_C(1) << (series->style % 64);
                if (seen & bit) continue;
                seen |= bit;
                styles += pass == 0;
                if (series->of_edits && report->runs[series->run].n_flagged > 0) {
                    flags = true;
                    on_axis = series->form == AE_SERIES_LINE;
                }
                if (pass == 1 && styles > 1) series_entry(&l, series);
            }
    }
    if (flags) flag_entry(&l, on_axis);
    return l.n == 0 ? 0 : l.y + 8 - y;
}

// ---- figures ---------------------------------------------------------------------------------------

enum { SMALL_WIDTH = 340, SMALL_HEIGHT = 250, MARGIN = 6 };

ae_figure_size ae_measure_figure(const ae_report *report, const ae_figure *figure) {
    ae_figure_size size = {.columns = figure->n_panels > 3 ? 2 : figure->n_panels};
    const size_t rows = (figure->n_panels + size.columns - 1) / size.columns;
    size.width = size.columns == 1 ? AE_PANEL_WIDTH : SMALL_WIDTH * (double)size.columns;
    size.height = (size.columns == 1 ? AE_PANEL_HEIGHT : SMALL_HEIGHT) * (double)rows;
    size.height += ae_draw_legend(NULL, report, figure, 0, MARGIN, size.width - 4 * MARGIN) + MARGIN;
    return size;
}

ae_status ae_draw_figure(ae_canvas *canvas, const ae_report *report, const ae_figure *figure) {
    const ae_figure_size size = ae_measure_figure(report, figure);
    const size_t rows = (figure->n_panels + size.columns - 1) / size.columns;
    canvas->begin_group(canvas, "legend", -1);
    const double top =
        MARGIN + ae_draw_legend(canvas, report, figure, 3 * MARGIN, MARGIN, size.width - 4 * MARGIN);
    canvas->end_group(canvas);
    const double width = size.width / (double)size.columns, height = (size.height - top) / (double)rows;
    for (size_t p = 0; p < figure->n_panels; p++) {
        ae_frame plot;
        const ae_frame frame = {width * (double)(p % size.columns), top + height * (double)(p / size.columns),
                                width, height};
        AE_TRY(ae_draw_panel(canvas, report, &figure->panels[p], frame, &plot));
    }
    return AE_OK;
}
