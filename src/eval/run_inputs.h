/* eval/run_inputs.h: all that a run reads: data set, snippets, tasks, held-out text, statistics. */
#ifndef AE_EVAL_RUN_INPUTS_H
#define AE_EVAL_RUN_INPUTS_H

#include "base/digest.h"
#include "eval/dataset.h"
#include "eval/perplexity.h"
#include "eval/snippets.h"
#include "eval/task.h"

typedef struct ae_run_inputs {
    ae_dataset *dataset;
    char cases_sha256[AE_DIGEST_HEX]; // of the case ids, in order, one a line: what a selection came to
    ae_snippets *snippets;            // NULL: no generation tests
    char snippets_sha256[AE_SNIPPET_FILES][AE_DIGEST_HEX]; // of ae_snippet_files
    ae_task *tasks[AE_MAX_TASK_FILES];
    int n_tasks;
    bool has_text;
    ae_perplexity_text text;
    ae_moment *moments[AE_MAX_EDIT_LAYERS]; // by the hyperparameters' layers; NULL without mom2_adjustment
    char moments_sha256[AE_MAX_EDIT_LAYERS][AE_DIGEST_HEX];
} ae_run_inputs;

/* Opens what the options name. `only_count`: the data set and the tasks alone. Free in any case. */
ae_status ae_run_inputs_open(ae_model *model, const ae_run_options *options, bool only_count,
                             const ae_hooks *hooks, ae_run_inputs *out);
void ae_run_inputs_free(ae_run_inputs *inputs); // zeroed by this

#endif
