/* report/draw.h: figures onto a canvas. */
#ifndef AE_REPORT_DRAW_H
#define AE_REPORT_DRAW_H

#include "report/canvas.h"
#include "report/figure.h"

typedef struct ae_frame {
    double x, y, width, height; // points
} ae_frame;

/* The panel with its axes, within `frame`. *plot: the part between the axes. */
ae_status ae_draw_panel(ae_canvas *canvas, const ae_report *report, const ae_panel *panel, ae_frame frame,
                        ae_frame *plot);

/* What the figure's styles stand for, in rows of at most `width` from x, y down. The height; 0 where there is
 * nothing to explain. canvas NULL: the height alone. */
double ae_draw_legend(ae_canvas *canvas, const ae_report *report, const ae_figure *figure, double x, double y,
                      double width);

/* A whole figure, as it goes into a paper: legend, then panels side by side. */
typedef struct ae_figure_size {
    double width, height;
    size_t columns;
} ae_figure_size;
ae_figure_size ae_measure_figure(const ae_report *report, const ae_figure *figure);
ae_status ae_draw_figure(ae_canvas *canvas, const ae_report *report, const ae_figure *figure);

/* The size of one panel that stands alone. */
enum { AE_PANEL_WIDTH = 480, AE_PANEL_HEIGHT = 300 };

#endif
