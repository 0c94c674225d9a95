/* eval/run.h: a run while it goes on, in pieces: setting up, one edit, one chunk, the tasks between.
 *
 * The files are the run's state. A resumed run goes through the same records in the same order as a new one:
 * what a file or the journal tells is not done again, what they do not tell is done now, on weights that are
 * the same to the bit. Chunk by chunk, nothing of the next is begun before all files of this one are written.
 */
#ifndef AE_EVAL_RUN_H
#define AE_EVAL_RUN_H

#include "edit/journal.h"
#include "eval/event_log.h"
#include "eval/guard.h"
#include "eval/run_folder.h"
#include "eval/run_inputs.h"

typedef struct ae_run {
    ae_model *model;
    const ae_run_options *options;
    const ae_hooks *hooks;
    ae_hooks quiet; // warnings alone: one progress report a case is enough
    ae_run_listener listener;
    ae_run_folder folder;
    ae_run_inputs in;
    ae_templates templates;
    ae_journal *journal; // NULL where edits do not accumulate
    size_t n_entries;    // of the journal that are in the model
    ae_guard_history *guard;
    ae_event_log *log;
    ae_run_result *result;
    bool stopped;              // by the guard
    size_t n_without_snippets; // cases whose generation test was due and not possible
} ae_run;

/* AE_ERR_ARGUMENT names the option and what is expected. */
ae_status ae_run_options_check(const ae_run_options *options, const ae_model *model);

/* Opens the inputs; finds or makes the folder, takes its lock; compares the settings of a run that is
 * resumed, writes those of a new one. run->model, options and hooks are set. */
ae_status ae_run_set_up(ae_run *run);
void ae_run_tear_down(ae_run *run);

/* ---- a chunk: records that are edited one after another, and then measured ---- */

typedef struct ae_rank_one {
    int layer;
    float *u, *right;
} ae_rank_one;

typedef struct ae_slot {
    const ae_record *record;
    size_t index;          // of the record in the data set
    bool skipped, written; // its file is there: under aedile/skipped, or the case file
    bool edited;           // its edit is in the model
    int journal_id;        // 0: none
    int64_t n_edits;       // applied with this one
    ae_edit_figures figures;
    char flag[AE_FLAG_TEXT];    // "": in line
    const ae_case_measure *pre; // NULL: not measured
    ae_rank_one *updates;       // without a journal: what to apply again should a later one be undone
} ae_slot;

typedef struct ae_chunk {
    ae_arena *arena; // for all that the chunk holds
    ae_slot *slots;
    size_t count;
    int64_t n_edits_before;
    bool decided;      // a case file is there, so that which of its edits are kept is known
    double perplexity; // after it; NaN: not measured, infinite: not finite
    double *distances; // [layers of the hyperparameters]
} ae_chunk;

/* Records [first, first + count) from beginning to end. run->stopped: the guard ended the run in it. */
ae_status ae_run_chunk(ae_run *run, size_t first, size_t count);

/* Brings the slot's edit into the model: from the journal where it is there, else computed, checked, and kept
 * in the journal; or leaves it out (slot->skipped, or run->stopped). */
ae_status ae_run_edit(ae_run *run, ae_chunk *chunk, ae_slot *slot);

/* ---- what is measured between chunks ---- */

/* Was a multiple of `interval` edits reached from `before` to `after`? 0: never. */
bool ae_run_is_due(int64_t before, int64_t after, int interval);
bool ae_run_perplexity_is_due(const ae_run *run, int64_t before, int64_t after);

/* Infinite where the model's output is not finite. */
ae_status ae_run_perplexity(ae_run *run, double *perplexity);

/* Perplexity and tasks of the unedited model. */
ae_status ae_run_base(ae_run *run);

/* Are the files of the tasks after this case all there? */
bool ae_run_has_tasks(const ae_run *run, int64_t case_id);

/* The tasks after a chunk whose last edited case is case_ids[n - 1], unless their files are there. */
ae_status ae_run_tasks_after(ae_run *run, const int64_t *case_ids, size_t n, double perplexity);

/* ‖W0 - W‖_F / elements of a layer. */
ae_status ae_run_distance(const ae_model *model, int layer, double *distance);

#endif
