/* eval/run_read.h: a run's folder as data: what summaries and reports are made of. Reads our own runs and the
 * reference's (whose case files lack the "aedile" member). */
#ifndef AE_EVAL_RUN_READ_H
#define AE_EVAL_RUN_READ_H

#include "aedile/eval.h"
#include "base/json.h"
#include "eval/metrics.h"

/* The numbers of one case, NaN where not measured. "post" and, where the run measured it, "pre". */
typedef struct ae_case_numbers {
    double rewrite_success, paraphrase_success, neighborhood_success; // mean over prompts, 0 to 1
    double rewrite_diff, paraphrase_diff, neighborhood_diff;
    double rewrite_acc, paraphrase_acc, neighborhood_acc; // zsRE
    double ngram_entropy, reference_score, essence_score;
} ae_case_numbers;

typedef struct ae_run_case_data {
    int64_t case_id;
    int64_t n_edits; // applied with this one; the reference's files: when it was measured, the chunk included
    const char *file;       // name in the folder
    const json_t *document; // the case file, for what is not here
    const char *subject, *prompt, *target_new, *target_true, *relation_id;
    double time, distance; // distance_from_original, the largest over the layers
    // Ours alone; update_distance: ‖ΔW‖_F / elements.
    double update_norm, update_distance, delta_norm, k_dot_u, perplexity;
    const char *flag;  // NULL: nothing out of line
    const char *error; // NULL; or why nothing was measured after the edit
    ae_case_numbers pre, post;
} ae_run_case_data;

typedef struct ae_run_task_data {
    const char *name;         // "rte", or "rte (corrected labels)"
    double f1, mcc, accuracy; // accuracy: correct / total
    int64_t correct, incorrect, invalid, total;
} ae_run_task_data;

typedef struct ae_run_tasks_data {
    int64_t n_edits; // applied when they were measured; 0: before the first
    size_t n_cases;  // cases that lie before, in the order of editing
    const char *file;
    double perplexity;
    ae_run_task_data *tasks;
    size_t n_tasks;
} ae_run_tasks_data;

/* Strings and documents live as long as the data. */
typedef struct ae_run_data {
    const char *folder, *name;             // "results/ROME/run_003", "run_003"
    const char *variant, *model, *dataset; // "" where not told
    const json_t *params;                  // NULL: there is no params.json
    bool sequential;         // edits accumulate (taken for granted where params.json does not say)
    ae_run_case_data *cases; // in the order of editing
    size_t n_cases;
    ae_run_tasks_data *tasks; // by n_cases
    size_t n_tasks;
    int64_t n_skipped; // records that the run did not edit, or whose edit it took back
    struct ae_arena *arena;
    json_t *documents; // owns them all
} ae_run_data;

/* AE_ERR_NOT_FOUND if it is no run's folder (says what is missing); AE_ERR_FORMAT names file, field and
 * value. A run that still goes on, or was stopped, is read as far as it came. */
ae_status ae_run_read(const char *folder, const ae_hooks *hooks, ae_run_data **out);
void ae_run_data_free(ae_run_data *data); // NULL is fine

#endif
