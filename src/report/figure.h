/* report/figure.h: what a report shows, as data: figures of panels of series. Drawing (draw.h), tables
 * (csv.h) and the page (page.h) are made from it, so that all say the same. */
#ifndef AE_REPORT_FIGURE_H
#define AE_REPORT_FIGURE_H

#include "aedile/report.h"
#include "base/memory.h"
#include "eval/run_read.h"
#include "report/axis.h"

typedef struct ae_report_run {
    const ae_run_data *data;
    const ae_summary *summary; // NULL where no table needs it
    const char *label;         // "run_003 r-rome"; no two of a report are the same
    const double *edit;        // [data->n_cases] place on an axis of edits: the number in the sequence
    const bool *flagged;       // [data->n_cases]
    size_t n_flagged;
} ae_report_run;

typedef enum ae_series_form { AE_SERIES_LINE, AE_SERIES_DOTS, AE_SERIES_LINE_AND_DOTS } ae_series_form;

typedef struct ae_series {
    size_t run;          // which of the report
    const char *name;    // what tells it from the others of its panel: the run's label, or the measure
    const char *measure; // "efficacy", "sst"
    int style;           // which colour, dash and shape (canvas.h)
    ae_series_form form;
    size_t n;
    const double *x, *y; // [n]; NaN: nothing there
    const double *raw;   // [n] y before it was averaged; NULL where it is not an average
    bool of_edits;       // point i is case i of the run
} ae_series;

typedef struct ae_panel {
    const char *title; // NULL where the figure has one panel
    ae_axis x, y;
    ae_series *series;
    size_t n_series;
} ae_panel;

typedef struct ae_figure {
    const char *id;           // "entropy": name of its files, anchor in the page
    const char *title, *text; // of the page; text: a sentence or two on what is shown
    ae_panel *panels;
    size_t n_panels;
} ae_figure;

/* Everything of one report. Lives in its arena. */
typedef struct ae_report {
    const char *title;
    int window; // edits
    ae_report_run *runs;
    size_t n_runs;
    ae_figure *figures; // those that there are measurements for
    size_t n_figures;
    const char *missing; // the titles of the others, in one sentence; NULL: none is missing
    ae_arena *arena;
} ae_report;

/* Makes the figures of report->runs, with report->window. */
ae_status ae_report_make_figures(ae_report *report);

/* Text of any bytes as UTF-8 without control characters: what is not becomes U+FFFD. Lives in the arena. NULL
 * on lack of memory. */
const char *ae_report_clean(ae_arena *arena, const char *text);

#endif
