/* eval/summary.h: what a summary keeps besides what it shows: every case's numbers, for comparisons. */
#ifndef AE_EVAL_SUMMARY_H
#define AE_EVAL_SUMMARY_H

#include "aedile/eval.h"
#include "base/memory.h"
#include "eval/run_read.h"

/* A number of each case, by the name that its mean over the cases has. */
typedef struct ae_summary_column {
    const char *name;
    size_t offset; // of the number in ae_run_case_data
    double scale;  // what means and deviations are shown in: 100 or 1
} ae_summary_column;

enum { AE_SUMMARY_COLUMNS = 25 };
extern const ae_summary_column ae_summary_columns[AE_SUMMARY_COLUMNS]; // in the order of summary.json

/* The harmonic mean of three columns' means. */
typedef struct ae_summary_score {
    const char *name;
    int parts[3]; // numbers of columns
} ae_summary_score;

enum { AE_SUMMARY_SCORES = 2 };
extern const ae_summary_score ae_summary_scores[AE_SUMMARY_SCORES];

/* Resampled means behind an interval, and the seed that they are drawn with. */
enum { AE_SUMMARY_DRAWS = 2000, AE_SUMMARY_SEED = 0 };

typedef struct ae_summary_case {
    int64_t case_id;
    const char
        *request; // prompt, subject and new target in one: the same case of another data set is another case
    size_t index; // in the order of editing
} ae_summary_case;

/* Every ae_summary is the first member of one of these. */
typedef struct ae_summary_cases {
    ae_summary shown;
    ae_summary_case *cases;            // [n_cases], by case_id, then request
    double *cells[AE_SUMMARY_COLUMNS]; // each [n_cases] in the order of editing, unscaled; NaN: not measured
} ae_summary_cases;

/* ae_summarize of a run that was read already. */
ae_status ae_summary_of_run(const ae_run_data *run, int64_t first, const ae_hooks *hooks, ae_summary **out);

/* Rounded to 2 places, as numpy rounds: to even where the value lies in the middle. */
double ae_summary_round(double value);

#endif
