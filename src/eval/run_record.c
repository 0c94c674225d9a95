// A run's settings read back, as options to go on with.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "edit/hparams.h"
#include "eval/guard.h"
#include "eval/run_settings.h"

typedef struct reader {
    const char *path; // of the settings, for messages
    ae_arena *arena;
} reader;

static ae_status get_text(const reader *r, const json_t *object, const char *field, const char **out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->path, object, field, false, &text));
    *out = text ? ae_arena_strdup(r->arena, text) : NULL;
    return *out || !text ? AE_OK : ae_no_memory();
}

static ae_status get_int(const reader *r, const json_t *object, const char *field, int *out) {
    int64_t value = 0;
    AE_TRY(ae_json_int(r->path, object, field, true, INT32_MIN, INT32_MAX, &value));
    *out = (int)value;
    return AE_OK;
}

// The number of the word among `words`.
static ae_status get_choice(const reader *r, const json_t *object, const char *field,
                            const char *const *words, int n_words, int *out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->path, object, field, true, &text));
    for (int i = 0; i < n_words; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return AE_OK;
        }
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is '%.100s', expected '%s' or the like", r->path, field,
                   text, words[0]);
}

static ae_status get_seed(const reader *r, const json_t *identity, uint64_t *out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->path, identity, "seed", true, &text));
    char *end = NULL;
    *out = strtoull(text, &end, 10);
    if (isdigit((unsigned char)*text) && !*end) return AE_OK;
    return ae_fail(AE_ERR_FORMAT, "'%s': field 'seed' is '%.100s', expected a whole number as text", r->path,
                   text);
}

static ae_status read_inputs(const reader *r, const json_t *inputs, ae_run_options *o) {
    AE_TRY(get_text(r, inputs, "dataset", &o->dataset));
    AE_TRY(get_text(r, inputs, "data", &o->data));
    AE_TRY(get_text(r, inputs, "select", &o->select));
    AE_TRY(get_text(r, inputs, "hparams_name", &o->hparams_name));
    AE_TRY(get_text(r, inputs, "stats", &o->stats));
    AE_TRY(get_text(r, inputs, "ppl_text", &o->ppl_text));
    int guard = 0;
    AE_TRY(get_choice(r, inputs, "guard", ae_guard_names, AE_GUARD_STOP + 1, &guard));
    o->guard = (ae_guard)guard;
    const json_t *tasks = json_object_get(inputs, "tasks");
    if (!o->dataset || !o->data || !json_is_array(tasks) || json_array_size(tasks) > AE_MAX_TASK_FILES)
        return ae_fail(AE_ERR_FORMAT, "'%s': 'inputs' must name 'dataset', 'data' and at most %d 'tasks'",
                       r->path, AE_MAX_TASK_FILES);
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const char *path = json_string_value(json_array_get(tasks, i));
        if (!path) return ae_fail(AE_ERR_FORMAT, "'%s': 'tasks' must hold strings", r->path);
        o->tasks[i] = ae_arena_strdup(r->arena, path);
        if (!o->tasks[i]) return ae_no_memory();
        o->n_tasks++;
    }
    return AE_OK;
}

static ae_status read_identity(const reader *r, const json_t *identity, ae_run_record *out) {
    static const char *const labels[] = {[AE_GLUE_COMPAT] = "compat", [AE_GLUE_CORRECTED] = "corrected"};
    static const char *const decodings[] = {"bytes", "compat"};
    ae_run_options *o = &out->options;
    AE_TRY(ae_json_int(r->path, identity, "limit", true, 0, INT64_MAX, &o->limit));
    AE_TRY(ae_json_int(r->path, identity, "max_edits", true, 0, INT64_MAX, &o->max_edits));
    AE_TRY(ae_hparams_get(r->path, identity, &o->hparams));
    AE_TRY(ae_json_number(r->path, identity, "ridge", true, 0, 1e300, &o->ridge));
    AE_TRY(get_seed(r, identity, &o->seed));
    AE_TRY(ae_json_bool(r->path, identity, "sequential", true, &o->sequential));
    AE_TRY(get_int(r, identity, "num_edits", &o->num_edits));
    AE_TRY(get_int(r, identity, "generation_interval", &o->generation_interval));
    AE_TRY(ae_json_bool(r->path, identity, "pre", true, &o->pre));
    AE_TRY(get_int(r, identity, "glue_interval", &o->glue_interval));
    int choice = 0;
    AE_TRY(get_choice(r, identity, "glue_labels", labels, 2, &choice));
    o->glue_labels = (ae_glue_labels)choice;
    AE_TRY(get_choice(r, identity, "decode", decodings, 2, &choice));
    out->model_options.decode_compat = choice == 1;
    AE_TRY(get_int(r, identity, "ppl_interval", &o->ppl_interval));
    return ae_json_int(r->path, identity, "ppl_tokens", true, 1, INT64_MAX, &o->ppl_tokens);
}

static ae_status read_record(const char *folder, const json_t *settings, ae_run_record *out) {
    const reader r = {.path = folder, .arena = out->arena};
    out->options = ae_run_defaults();
    out->options.n_tasks = 0;
    out->folder = out->options.resume = ae_arena_strdup(r.arena, folder);
    if (!out->folder) return ae_no_memory();
    const json_t *model = json_object_get(settings, "model");
    AE_TRY(get_text(&r, model, "name", &out->model_name));
    AE_TRY(get_text(&r, model, "folder", &out->model_folder));
    AE_TRY(get_int(&r, model, "n_threads", &out->model_options.n_threads));
    if (!out->model_name || !out->model_folder)
        return ae_fail(AE_ERR_FORMAT, "'%s': the settings must name the model and its folder", folder);
    AE_TRY(read_inputs(&r, json_object_get(settings, "inputs"), &out->options));
    return read_identity(&r, json_object_get(settings, "identity"), out);
}

static ae_status load(const char *folder, ae_run_record **out) {
    json_t *settings = NULL;
    ae_arena *arena = NULL;
    ae_status status = ae_run_settings_load(folder, &settings);
    if (status == AE_ERR_NOT_FOUND)
        return ae_fail(AE_ERR_NOT_FOUND,
                       "'%s' has no settings (" AE_RUN_SETTINGS
                       "): it is no run of aedile, or was ended before it began; give all options anew",
                       folder);
    if (status == AE_OK) status = ae_arena_new(&arena);
    ae_run_record *record = status == AE_OK ? ae_arena_alloc(arena, 1, sizeof *record) : NULL;
    if (status == AE_OK && !record) status = ae_no_memory();
    if (record) {
        record->arena = arena;
        status = read_record(folder, settings, record);
    }
    json_decref(settings);
    if (status == AE_OK)
        *out = record;
    else
        ae_arena_free(arena);
    return status;
}

ae_status ae_run_record_open(const char *results, const char *run, ae_run_record **out) {
    char *folder = NULL;
    AE_TRY(ae_run_folder_find(results, run, &folder));
    const ae_status status = load(folder, out);
    ae_free(folder);
    return status;
}

void ae_run_record_free(ae_run_record *record) {
    if (record) ae_arena_free(record->arena);
}
