/* report/csv.h: figures and tables as comma-separated values (RFC 4180), one observation a line. */
#ifndef AE_REPORT_CSV_H
#define AE_REPORT_CSV_H

#include "report/figure.h"

/* The points of a figure: run, measure, edit and case_id (of points that are cases), x unless it is the edit,
 * y, moving_average where there is one, flagged. */
ae_status ae_csv_figure(ae_text *out, const ae_report *report, const ae_figure *figure);

/* A line a run: what it is, and its summary (mean, std, low and high of each number). */
ae_status ae_csv_runs(ae_text *out, const ae_report *report);

/* A line an edit: request, numbers before and after, flag. */
ae_status ae_csv_edits(ae_text *out, const ae_report *report);

#endif
