/* aedile/eval.h: edits in sequence over a data set, measured, resumable, summarised.
 *
 * ae_run_execute edits record after record and writes the result tree of "Rebuilding ROME"'s code (names,
 * keys and meaning as there); ae_summarize reads such a tree back into one row of numbers. What is measured
 * and how is told in docs/model.md, the files in docs/formats.md. */
#ifndef AEDILE_EVAL_H
#define AEDILE_EVAL_H

#include "aedile/journal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- selections ---- */

/* Writes which of `total` records the rule selects: {"0": bool, ..., "total-1": bool}, indented by 4, no
 * newline at the end: the reference's disabling_edits_*.json byte for byte. `rule` is "sample:SEED:N" (the
 * first N of Python's shuffle of 0..total-1 seeded with SEED), "" (all) or such a file, whose keys are taken
 * for record numbers. AE_ERR_ARGUMENT quotes a rule that is not well formed and says what is expected, or
 * names a record that is not below `total`; AE_ERR_NOT_FOUND, AE_ERR_FORMAT name the file. */
AE_API ae_status ae_select_write(const char *rule, int64_t total, const char *path);

/* ---- a run ---- */

typedef enum ae_guard { AE_GUARD_WARN, AE_GUARD_SKIP, AE_GUARD_STOP } ae_guard;
typedef enum ae_glue_labels { AE_GLUE_COMPAT, AE_GLUE_CORRECTED } ae_glue_labels;

enum { AE_MAX_TASK_FILES = 16 };

/* Everything that decides what a run does. Start from ae_run_defaults. Strings are the caller's. */
typedef struct ae_run_options {
    const char *results; /* folder of all runs; default "results": the run is <results>/ROME/run_<NNN> */
    const char *resume;  /* a run to go on with: its folder, or its name run_<NNN>; NULL: a new run */

    const char *dataset; /* "cf", "zsre", or a file of records; default "cf" */
    const char *data;    /* folder of the data files; default "data" */
    int64_t limit;       /* only the first `limit` records of the file; 0: all */
    int64_t max_edits;   /* at most so many edits; 0: all */
    const char *select;  /* NULL, "sample:SEED:N", or a JSON file of case_id -> bool */

    ae_hparams hparams;       /* required: variant and numbers of the edit */
    const char *hparams_name; /* as it is written into params.json; NULL: "built-in" */
    const char *stats;        /* statistics, as ae_moment_open's path; NULL: its places */
    double ridge;
    const char *templates; /* a file of context templates; NULL: sampled from the model with the seed */
    uint64_t seed;

    bool sequential;         /* edits accumulate; else weights are restored after each chunk */
    int num_edits;           /* records edited one after another before they are measured; default 1 */
    int generation_interval; /* generation tests where case_id is a multiple of it; -1: none; default 1 */
    bool pre;                /* measure each case before its edit, too */

    int glue_interval; /* downstream tasks before the first and after every so many edits; 0: none; default 20
                        */
    const char *tasks[AE_MAX_TASK_FILES]; /* task files (.json, .pkl); none: sst2, mrpc, cola, rte in
                                             <data>/glue, or in ./glue_eval/dataset */
    int n_tasks;
    ae_glue_labels glue_labels;
    const char *ppl_text; /* text file whose perplexity is measured with the downstream tasks; NULL: none */
    int ppl_interval;     /* and after every so many edits besides; 0: only with the tasks */
    int64_t ppl_tokens;   /* of its first so many tokens; default 4096 */

    ae_guard guard; /* what to do about an edit that is out of line with the run so far */

    /* Asked between chunks: true ends the run there, ready to be resumed. May be NULL. */
    bool (*stop)(void *user);
    void *stop_user;

    bool dry_run; /* count what would be done, and write nothing: result->folder is what it would be called */
} ae_run_options;

AE_API ae_run_options ae_run_defaults(void);

/* What one edit and its measurements came to, as it is handed to the listener and as one line of the event
 * log. Means over the case's prompts; NaN where not measured. */
typedef struct ae_run_case {
    int64_t case_id;
    int64_t n_edits; /* applied so far, this one included */
    int64_t n_total; /* that the run will apply */
    double seconds;  /* of the edit */
    double efficacy, paraphrase,
        neighborhood; /* share of prompts with the wanted order (zsRE: tokens right) */
    /* With several layers the smallest k·u, of the others the largest. distance: ‖W0 - W‖_F / elements, all
     * edits so far. */
    double k_dot_u, update_norm, delta_norm, distance;
    double perplexity;
    const char *flag; /* what is out of line ("update norm 14 times the median"); NULL: nothing */
} ae_run_case;

/* Downstream tasks after n_edits edits. */
typedef struct ae_run_task {
    const char *name; /* "sst" */
    double f1, mcc, accuracy;
} ae_run_task;
typedef struct ae_run_tasks {
    int64_t n_edits;
    double perplexity; /* NaN: not measured */
    const ae_run_task *tasks;
    int n_tasks;
} ae_run_tasks;

/* A run talks besides ae_hooks through these; each may be NULL. Called after the files in question are
 * written. */
typedef struct ae_run_listener {
    void *user;
    void (*on_start)(void *user, const char *folder, int64_t n_cases, int64_t n_done); /* n_done: resumed */
    void (*on_case)(void *user, const ae_run_case *result);
    void (*on_tasks)(void *user, const ae_run_tasks *result);
} ae_run_listener;

typedef struct ae_run_result {
    char *folder;
    int64_t n_cases; /* records that the run takes */
    int64_t n_done;  /* of these, edited and measured, or skipped */
    int64_t n_edits, n_flagged, n_skipped;
    bool complete; /* false: stopped by `stop` or by the guard; resume goes on */
    char *reason;  /* the guard's sentence where it stopped the run; else NULL */
} ae_run_result;

/* Runs, or goes on with options->resume. The model must hold its base weights; it is left with the run's last
 * weights (restored where edits do not accumulate). A run killed at any instant and resumed, on as many
 * threads, ends with the same weights and the same files as one that was never killed, times apart.
 *
 * Where options->resume is given the other options must be the run's own, as ae_run_record_open gives them:
 * one that would change results is AE_ERR_MISMATCH, naming both values. Free to change are where inputs lie
 * (their hashes are compared), `results`, `guard`, `stop` and `dry_run`. A run that was ended before it could
 * write its settings down begins with the options given.
 *
 * A record whose edit cannot be made (its text does not fit the context, a value is not finite) is skipped
 * with a warning, and is under aedile/skipped; with AE_GUARD_STOP it ends the run.
 *
 * AE_ERR_BUSY, naming the process, if another one works on it; AE_ERR_CANCELLED if hooks->progress asked for
 * it: the run can be resumed then, as after any error. On errors `result` is filled as far as it came. */
AE_API ae_status ae_run_execute(ae_model *model, const ae_run_options *options, const ae_hooks *hooks,
                                const ae_run_listener *listener, ae_run_result *result);
AE_API void ae_run_result_free(ae_run_result *result); /* zeroed by this */

/* What a run wrote down of itself when it began. Strings live as long as the record. */
typedef struct ae_run_record {
    const char *folder;
    const char *model_name, *model_folder; /* as ae_model_info has them */
    ae_model_options model_options;        /* n_threads: those that it began with */
    ae_run_options options;                /* with `resume` set: hand them to ae_run_execute */
    struct ae_arena *arena;
} ae_run_record;

/* `results` and `run` as ae_run_options' results and resume. AE_ERR_NOT_FOUND: there is no such run, or none
 * that has its settings. */
AE_API ae_status ae_run_record_open(const char *results, const char *run, ae_run_record **out);
AE_API void ae_run_record_free(ae_run_record *record); /* NULL is fine */

/* ---- summaries ---- */

/* One number over all cases, by the reference's name: "post_rewrite_success", "post_score", "time". As there,
 * all are times 100 but the time (seconds) and the essence scores; nothing is rounded yet. A score is the
 * harmonic mean of the three successes' means, those rounded to 2 places. */
typedef struct ae_summary_value {
    const char *name;
    double mean, std; /* std: of the population; NaN for the scores */
    double low, high; /* 95 % bootstrap interval of the mean; NaN for the scores */
    size_t n;         /* cases that measured it */
} ae_summary_value;

/* Strings live as long as the summary; "" where the run does not tell. */
typedef struct ae_summary {
    const char *folder, *name, *variant, *model, *dataset;
    int64_t n_cases, n_edits, n_flagged; /* n_edits: applied by the last of the cases */
    int64_t n_skipped;                   /* records of the whole run */
    ae_summary_value *values;            /* in the order of summary.json */
    size_t n_values;
    struct ae_arena *arena;
} ae_summary;

/* Reads a run's files, ours or the reference's own. `first` > 0: only the first so many cases in the order of
 * editing. Warns of what the means do not show: edits out of line, cases that could not be measured, records
 * that were skipped, a run that did not end. AE_ERR_NOT_FOUND if it is no run, or one without a case yet;
 * AE_ERR_FORMAT names file, field and value. */
AE_API ae_status ae_summarize(const char *folder, int64_t first, const ae_hooks *hooks, ae_summary **out);
AE_API void ae_summary_free(ae_summary *summary); /* NULL is fine */
/* A value by name; NULL where it was not measured. */
AE_API const ae_summary_value *ae_summary_get(const ae_summary *summary, const char *name);

/* Mean difference b - a of one value over the cases that both runs have, and its 95 % interval by paired
 * bootstrap; of a score the difference of the scores over those cases, their means unrounded. Cases are the
 * same if case_id, prompt, subject and new target are. AE_ERR_NOT_FOUND where no case is measured in both;
 * AE_ERR_ARGUMENT for a name that no summary has. */
typedef struct ae_difference {
    double mean, low, high;
    size_t n;
} ae_difference;
AE_API ae_status ae_summary_compare(const ae_summary *a, const ae_summary *b, const char *name,
                                    ae_difference *out);

/* Writes <run>/evals/summary.json as the reference's experiments/summarize.py does: {name: [mean, std], ...,
 * run_dir, num_cases} on one line, rounded as there; what is NaN there is null. */
AE_API ae_status ae_summary_write(const ae_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
