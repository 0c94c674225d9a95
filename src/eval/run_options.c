// A run's options: defaults, and what is sensible.
#include <inttypes.h>
#include <math.h>

#include "eval/run.h"

ae_run_options ae_run_defaults(void) {
    return (ae_run_options){.results = "results",
                            .dataset = "cf",
                            .data = "data",
                            .num_edits = 1,
                            .generation_interval = 1,
                            .glue_interval = 20,
                            .ppl_tokens = 4096};
}

static ae_status check_interval(const char *name, int64_t value) {
    if (value >= 0) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT, "%s is %" PRId64 ", expected 0 (none) or more", name, value);
}

ae_status ae_run_options_check(const ae_run_options *o, const ae_model *model) {
    if (!o->results || !*o->results || !o->dataset || !*o->dataset || !o->data || !*o->data)
        return ae_fail(AE_ERR_ARGUMENT, "a run needs a results folder, a data set and a data folder");
    if (o->num_edits < 1)
        return ae_fail(AE_ERR_ARGUMENT, "num_edits is %d, expected 1 or more records a chunk", o->num_edits);
    if (o->generation_interval < -1 || o->generation_interval == 0)
        return ae_fail(
            AE_ERR_ARGUMENT,
            "generation_interval is %d, expected -1 (no generation tests), or K for every case whose id is "
            "a multiple of K",
            o->generation_interval);
    AE_TRY(check_interval("glue_interval", o->glue_interval));
    AE_TRY(check_interval("ppl_interval", o->ppl_interval));
    if (o->ppl_interval > 0 && !o->ppl_text)
        return ae_fail(AE_ERR_ARGUMENT,
                       "ppl_interval is %d, but no text is given to measure perplexity on (ppl_text)",
                       o->ppl_interval);
    if (o->ppl_tokens < 2)
        return ae_fail(AE_ERR_ARGUMENT, "ppl_tokens is %" PRId64 ", expected 2 or more", o->ppl_tokens);
    if (o->n_tasks < 0 || o->n_tasks > AE_MAX_TASK_FILES)
        return ae_fail(AE_ERR_ARGUMENT, "%d task files, expected at most %d", o->n_tasks, AE_MAX_TASK_FILES);
    if (o->guard < AE_GUARD_WARN || o->guard > AE_GUARD_STOP)
        return ae_fail(AE_ERR_ARGUMENT, "there is no guard number %d", (int)o->guard);
    if (o->glue_labels < AE_GLUE_COMPAT || o->glue_labels > AE_GLUE_CORRECTED)
        return ae_fail(AE_ERR_ARGUMENT, "there are no labels number %d", (int)o->glue_labels);
    if (!(isfinite(o->ridge) && o->ridge >= 0))
        return ae_fail(AE_ERR_ARGUMENT, "ridge is %g, expected 0 or more", o->ridge);
    return ae_hparams_check(&o->hparams, model);
}
