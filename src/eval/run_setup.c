// Before the first record: inputs, folder, lock, settings, templates, journal.
#include <string.h>

#include "eval/run.h"
#include "eval/run_settings.h"

#define TEMPLATES "aedile/templates.json"

// ---- checks ----------------------------------------------------------------------------------------

static ae_status check_model(const ae_model *model) {
    for (int layer = 0; layer < model->config.n_layer; layer++)
        if (model->layers[layer].edited)
            return ae_fail(
                AE_ERR_ARGUMENT,
                "layer %d of '%s' is edited: a run begins with the model's own weights (ae_model_restore)",
                layer, model->info.name);
    return AE_OK;
}

// ---- templates -------------------------------------------------------------------------------------

// A resumed run has its own; a file that is named must say the same, which the settings' comparison finds
// out.
static ae_status get_templates(ae_run *r, bool begun) {
    const ae_run_options *o = r->options;
    if (o->templates) return ae_templates_load(o->templates, &r->templates);
    if (!begun) return ae_templates_sample(r->model, &o->hparams, o->seed, &r->quiet, &r->templates);
    char *path = ae_run_folder_path(&r->folder, TEMPLATES);
    if (!path) return ae_no_memory();
    const ae_status status = ae_templates_load(path, &r->templates);
    ae_free(path);
    return status;
}

static ae_status save_templates(const ae_run *r) {
    char *path = ae_run_folder_path(&r->folder, TEMPLATES);
    if (!path) return ae_no_memory();
    const ae_status status = ae_templates_save(&r->templates, path);
    ae_free(path);
    return status;
}

// ---- settings --------------------------------------------------------------------------------------

static ae_status write_params(const ae_run *r, const json_t *settings) {
    char *params = NULL;
    AE_TRY(ae_run_params_text(r->model, r->options, settings, &params));
    const ae_status status = ae_run_folder_write(&r->folder, params, "params.json");
    ae_free(params);
    return status;
}

// The settings come when the templates are there, so that a run that has settings has begun.
static ae_status write_settings(const ae_run *r, const json_t *settings) {
    AE_TRY(save_templates(r));
    return ae_run_settings_write(&r->folder, settings);
}

// The folder is made only now, when nothing is left that could be wrong with the options.
static ae_status begin(ae_run *r, const json_t *recorded) {
    json_t *settings = NULL;
    AE_TRY(ae_run_settings_make(r->model, r->options, &r->in, &r->templates, r->hooks, &settings));
    ae_status status = AE_OK;
    if (!r->folder.path) status = ae_run_folder_create(r->options->results, &r->folder);
    if (status == AE_OK)
        status = recorded ? ae_run_settings_check(r->folder.path, recorded, settings, r->hooks)
                          : write_settings(r, settings);
    if (status == AE_OK && !ae_run_folder_has(&r->folder, "params.json")) status = write_params(r, settings);
    json_decref(settings);
    return status;
}

// ---- all of it -------------------------------------------------------------------------------------

// Without the lock, and without a folder of its own.
static ae_status count_only(ae_run *r) {
    const ae_run_options *o = r->options;
    AE_TRY(o->resume ? ae_run_folder_find(o->results, o->resume, &r->folder.path)
                     : ae_run_folder_next(o->results, &r->folder.path));
    return ae_run_inputs_open(r->model, o, true, r->hooks, &r->in);
}

// A run that was ended before it had settings holds nothing else either; what does is not ours to write into.
static ae_status check_unbegun(const char *path) {
    char **names = NULL, *settings = ae_path_join(path, AE_RUN_SETTINGS);
    size_t count = 0;
    const bool begun = settings && ae_path_exists(settings);
    ae_status status = settings ? AE_OK : ae_no_memory();
    ae_free(settings);
    if (status == AE_OK && !begun) status = ae_folder_list(path, &names, &count);
    for (size_t i = 0; i < count && status == AE_OK; i++)
        if (strcmp(names[i], "aedile") != 0 && strcmp(names[i], "glue_eval") != 0)
            status = ae_fail(AE_ERR_NOT_FOUND,
                             "'%s' holds '%s' but no settings (" AE_RUN_SETTINGS
                             "): it is no run of aedile, and cannot be gone on with",
                             path, names[i]);
    ae_folder_list_free(names, count);
    return status;
}

static ae_status open_resumed(ae_run *r, json_t **recorded) {
    char *path = NULL;
    AE_TRY(ae_run_folder_find(r->options->results, r->options->resume, &path));
    ae_status status = check_unbegun(path);
    if (status == AE_OK) status = ae_run_folder_open(path, &r->folder);
    if (status == AE_OK) {
        status = ae_run_settings_load(path, recorded);
        if (status == AE_ERR_NOT_FOUND) status = AE_OK; // ended before it began
    }
    ae_free(path);
    return status;
}

static ae_status open_journal(ae_run *r) {
    if (!r->options->sequential) return AE_OK;
    char *path = ae_run_folder_path(&r->folder, "aedile/journal");
    if (!path) return ae_no_memory();
    ae_status status = ae_journal_open(path, r->model, true, false, &r->journal);
    ae_free(path);
    return status == AE_OK ? ae_journal_check_model(r->journal, r->model) : status;
}

ae_status ae_run_set_up(ae_run *r) {
    json_t *recorded = NULL;
    AE_TRY(ae_run_options_check(r->options, r->model));
    AE_TRY(check_model(r->model));
    if (r->options->dry_run) return count_only(r);
    ae_status status = AE_OK;
    if (r->options->resume) status = open_resumed(r, &recorded);
    if (status == AE_OK) status = ae_run_inputs_open(r->model, r->options, false, r->hooks, &r->in);
    if (status == AE_OK) status = get_templates(r, recorded != NULL);
    if (status == AE_OK) status = begin(r, recorded);
    json_decref(recorded);
    if (status == AE_OK) status = open_journal(r);
    if (status == AE_OK) status = ae_guard_new(&r->guard);
    if (status == AE_OK) status = ae_event_log_new(&r->folder, &r->log);
    return status;
}

void ae_run_tear_down(ae_run *r) {
    ae_event_log_free(r->log);
    ae_guard_free(r->guard);
    ae_journal_close(r->journal);
    ae_templates_free(&r->templates);
    ae_run_inputs_free(&r->in);
    ae_run_folder_close(&r->folder);
}
