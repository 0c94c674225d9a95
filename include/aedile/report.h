/* aedile/report.h: runs as pictures: one self-contained HTML file, or plots for a paper. */
#ifndef AEDILE_REPORT_H
#define AEDILE_REPORT_H

#include "aedile/eval.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_report_format {
    AE_REPORT_HTML,
    AE_REPORT_SVG,
    AE_REPORT_PNG,
    AE_REPORT_CSV
} ae_report_format;

typedef struct ae_report_options {
    ae_report_format format;
    const char *output; /* HTML: a file; the others: a folder, one file a figure (or table) */
    const char *title;  /* NULL: made from the runs' names */
    int window;   /* of the moving average, the last so many edits; 0: a twentieth of the longest run, >= 5 */
    double scale; /* PNG: pixels a point; 0: 2 */
} ae_report_options;

/* Figures of one run or of several (at most 64), overlaid, and tables. The page needs no network and no file
 * beside it. Nothing is written unless all of it could be made; each file appears whole or not at all, and
 * replaces one of its name. AE_ERR_NOT_FOUND and AE_ERR_FORMAT name the run's file. */
AE_API ae_status ae_report_write(const char *const *runs, size_t n_runs, const ae_report_options *options,
                                 const ae_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
