/* eval/case_file.h: the files of one case: <num_edits>_edits-case_<case_id>.json in the run's folder, and
 * aedile/skipped/case_<id>.json for one that was not edited. The reference's keys in its order, and ours
 * under "aedile"; every key is in docs/formats.md, "Run folder". */
#ifndef AE_EVAL_CASE_FILE_H
#define AE_EVAL_CASE_FILE_H

#include <inttypes.h>

#include "eval/edit_figures.h"
#include "eval/measure.h"

#define AE_CASE_FILE    "%d_edits-case_%" PRId64 ".json" // of num_edits and the case's id
#define AE_SKIPPED_FILE "aedile/skipped/case_%" PRId64 ".json"

/* Everything that goes into a case file. */
typedef struct ae_case_result {
    const ae_record *record;
    const int64_t *grouped; // case ids of the chunk's edits
    size_t n_grouped;
    int num_edits;                     // the option
    double seconds;                    // of the chunk's edits
    const ae_case_measure *pre, *post; // NULL: not measured
    const char *error;                 // why post is NULL
    const int *layers;                 // [n_layers], with
    const double *distances;           // ‖W0 - W‖_F / elements of each
    int n_layers;
    int64_t n_edits;
    int journal_id; // 0: none
    const char *flag;
    const ae_edit_figures *figures;
    double perplexity; // NaN: not measured
    double seconds_measure;
} ae_case_result;

/* The file's text; free with ae_free. */
ae_status ae_case_file_text(const ae_case_result *result, char **text);

/* What a run needs to know of a case file that is there already: its line of the log, and its edit's figures.
 * Lives in the arena. */
typedef struct ae_case_record {
    int64_t case_id, n_edits;
    double seconds; // of this edit
    double efficacy, paraphrase, neighborhood, distance, perplexity;
    const char *flag, *time;
    ae_edit_figures figures;
    ae_edit_extremes extremes;
} ae_case_record;
ae_status ae_case_file_read(const char *path, ae_arena *arena, ae_case_record *out);

/* A record that was not edited: {case_id, requested_rewrite, reason, refused, n_edits, time, layers}.
 * `refused`: the edit could not be made at all; else the guard did not keep it. */
typedef struct ae_skipped_case {
    int64_t case_id, n_edits; // n_edits: applied before it
    const char *reason;
    bool refused;
    const char *time; // "" where it is yet to be written
} ae_skipped_case;
ae_status ae_skipped_text(const ae_record *record, const ae_skipped_case *skipped,
                          const ae_edit_figures *figures,
                          char **text); // figures: NULL where there was no edit
ae_status ae_skipped_read(const char *path, ae_arena *arena, ae_skipped_case *out);

#endif
