#include "eval/run_inputs.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"

// ---- data set --------------------------------------------------------------------------------------

static ae_status hash_cases(const ae_dataset *dataset, char hex[AE_DIGEST_HEX]) {
    ae_text text = {0};
    ae_status status = ae_text_append(&text, "", 0);
    for (size_t i = 0; i < dataset->count && status == AE_OK; i++)
        status = ae_text_printf(&text, "%" PRId64 "\n", dataset->records[i].case_id);
    if (status == AE_OK) status = ae_sha256(text.data, text.length, hex);
    ae_free(text.data);
    return status;
}

static ae_status open_dataset(const ae_run_options *o, const ae_hooks *hooks, ae_run_inputs *in) {
    const ae_dataset_options options = {.limit = o->limit, .select = o->select, .max_edits = o->max_edits};
    AE_TRY(ae_dataset_open(o->dataset, o->data, &options, hooks, &in->dataset));
    return hash_cases(in->dataset, in->cases_sha256);
}

// ---- snippets --------------------------------------------------------------------------------------

static ae_status open_snippets(const ae_run_options *o, const ae_hooks *hooks, ae_run_inputs *in) {
    if (o->generation_interval <= 0) return AE_OK;
    AE_TRY(ae_snippets_open(o->data, in->dataset, hooks, &in->snippets));
    for (int i = 0; in->snippets && i < AE_SNIPPET_FILES; i++) {
        char *path = ae_path_join(o->data, ae_snippet_files[i]);
        const ae_status status = path ? ae_sha256_file(path, in->snippets_sha256[i]) : ae_no_memory();
        ae_free(path);
        AE_TRY(status);
    }
    return AE_OK;
}

// ---- downstream tasks ------------------------------------------------------------------------------

// The file of one of the reference's tasks: ours, or theirs. Relative to the folder of the data files, and to
// where the reference's checkout has it. *path: ae_free; NULL: in none of these places.
static ae_status find_task(const ae_run_options *o, const char *name, char **path) {
    char *ours = ae_path_join(o->data, "glue");
    const char *const folders[] = {ours, "glue_eval/dataset"}, *const endings[] = {"json", "pkl"};
    ae_status status = ours ? AE_OK : ae_no_memory();
    *path = NULL;
    for (size_t i = 0; status == AE_OK && !*path && i < 4; i++) {
        char *candidate = ae_format("%s/%s.%s", folders[i / 2], name, endings[i % 2]);
        if (!candidate)
            status = ae_no_memory();
        else if (ae_path_exists(candidate))
            *path = candidate;
        if (*path != candidate) ae_free(candidate);
    }
    ae_free(ours);
    return status;
}

static ae_status load_default_task(const ae_run_options *o, const char *name, const ae_hooks *hooks,
                                   ae_task **out) {
    char *path = NULL;
    AE_TRY(find_task(o, name, &path));
    ae_status status =
        path ? ae_task_load(path, o->glue_labels, hooks, out)
             : ae_fail(
                   AE_ERR_NOT_FOUND,
                   "the downstream task '%s' is neither in '%s/glue' nor in 'glue_eval/dataset' (%s.json or "
                   "%s.pkl): name task files (--glue), or do without (--glue-interval 0)",
                   name, o->data, name, name);
    ae_free(path);
    return status;
}

static ae_status check_task_names(const ae_run_inputs *in) {
    for (int i = 0; i < in->n_tasks; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(in->tasks[i]->name, in->tasks[k]->name) == 0)
                return ae_fail(
                    AE_ERR_ARGUMENT,
                    "'%s' and '%s' are both the task '%s', whose results have one name: leave one out",
                    in->tasks[k]->path, in->tasks[i]->path, in->tasks[i]->name);
    return AE_OK;
}

static ae_status load_tasks(const ae_run_options *o, const ae_hooks *hooks, ae_run_inputs *in) {
    static const char *const names[] = {"sst2", "mrpc", "cola", "rte"};
    if (o->glue_interval <= 0) return AE_OK;
    const int n = o->n_tasks > 0 ? o->n_tasks : (int)(sizeof names / sizeof *names);
    for (int i = 0; i < n; i++, in->n_tasks++)
        AE_TRY(o->n_tasks > 0 ? ae_task_load(o->tasks[i], o->glue_labels, hooks, &in->tasks[i])
                              : load_default_task(o, names[i], hooks, &in->tasks[i]));
    return check_task_names(in);
}

// ---- statistics ------------------------------------------------------------------------------------

static ae_status open_moments(ae_model *model, const ae_run_options *o, const ae_hooks *hooks,
                              ae_run_inputs *in) {
    for (int i = 0; o->hparams.mom2_adjustment && i < o->hparams.n_layers; i++) {
        AE_TRY(ae_moment_open(model, o->hparams.layers[i], &o->hparams, o->stats, o->ridge, hooks,
                              &in->moments[i]));
        AE_TRY(ae_sha256_file(ae_moment_get_info(in->moments[i]).path, in->moments_sha256[i]));
    }
    return AE_OK;
}

// ---- all of it -------------------------------------------------------------------------------------

ae_status ae_run_inputs_open(ae_model *model, const ae_run_options *o, bool only_count, const ae_hooks *hooks,
                             ae_run_inputs *in) {
    AE_TRY(open_dataset(o, hooks, in));
    AE_TRY(load_tasks(o, hooks, in));
    if (only_count) return AE_OK;
    if (o->ppl_text) {
        AE_TRY(ae_perplexity_open(model, o->ppl_text, o->ppl_tokens, &in->text));
        in->has_text = true;
    }
    AE_TRY(open_snippets(o, hooks, in));
    return open_moments(model, o, hooks, in);
}

void ae_run_inputs_free(ae_run_inputs *in) {
    for (int i = 0; i < AE_MAX_EDIT_LAYERS; i++)
        ae_moment_free(in->moments[i]);
    if (in->has_text) ae_perplexity_close(&in->text);
    for (int i = 0; i < AE_MAX_TASK_FILES; i++)
        ae_task_free(in->tasks[i]);
    ae_snippets_free(in->snippets);
    ae_dataset_free(in->dataset);
    *in = (ae_run_inputs){0};
}
