#include "eval/run_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit/hparams.h"
#include "eval/guard.h"
#include "edit/journal_base.h"
#include "eval/python_json.h"

enum { VERSION = 2, FILE_LIMIT = 16 << 20, INDENT = 1 };
static const char format[] = "aedile-run";

static ae_status put_text(json_t *object, const char *key, const char *text) {
    return ae_json_put(object, key, ae_json_any_text(text));
}

static ae_status put_int(json_t *object, const char *key, int64_t number) {
    return ae_json_put(object, key, json_integer(number));
}

// A member that is a new object; NULL on lack of memory.
static json_t *put_object(json_t *object, const char *key) {
    json_t *child = json_object();
    return ae_json_put(object, key, child) == AE_OK ? child : NULL;
}

// ---- what decides results --------------------------------------------------------------------------

// A journal needs the edited matrices' bytes alone; what a run measures depends on all of them.
static ae_status put_model_identity(json_t *identity, const ae_model *model, const ae_hooks *hooks) {
    char hex[AE_DIGEST_HEX];
    json_t *object = put_object(identity, "model");
    AE_TRY(ae_model_shape_sha256(model, hex));
    AE_TRY(put_text(object, "shape_sha256", hex));
    AE_TRY(ae_tokenizer_sha256(model->info.folder, hex));
    AE_TRY(put_text(object, "tokenizer_sha256", hex));
    AE_TRY(ae_model_weights_sha256(model, hooks, hex));
    AE_TRY(put_text(object, "weights_sha256", hex));
    return put_text(identity, "decode", model->decode_compat ? "compat" : "bytes");
}

static ae_status put_dataset_identity(json_t *identity, const ae_run_options *o, const ae_run_inputs *in) {
    json_t *object = put_object(identity, "dataset");
    AE_TRY(put_text(object, "kind", in->dataset->kind == AE_DATASET_ZSRE ? "zsre" : "counterfact"));
    AE_TRY(put_text(object, "sha256", in->dataset->sha256));
    AE_TRY(put_int(identity, "limit", o->limit));
    AE_TRY(put_int(identity, "max_edits", o->max_edits));
    const bool by_file = in->dataset->select_sha256[0] != '\0';
    AE_TRY(put_text(identity, "select",
                    by_file                   ? in->dataset->select_sha256
                    : o->select && *o->select ? o->select
                                              : NULL));
    object = put_object(identity, "cases");
    AE_TRY(put_int(object, "count", (int64_t)in->dataset->count));
    return put_text(object, "sha256", in->cases_sha256);
}

static ae_status put_edit_identity(json_t *identity, const ae_run_options *o, const ae_run_inputs *in,
                                   const ae_templates *templates) {
    char layer[16], seed[24];
    AE_TRY(ae_hparams_put(identity, &o->hparams));
    json_t *statistics = put_object(identity, "statistics");
    for (int i = 0; i < o->hparams.n_layers && in->moments[i]; i++) {
        snprintf(layer, sizeof layer, "%d", o->hparams.layers[i]);
        AE_TRY(put_text(statistics, layer, in->moments_sha256[i]));
    }
    AE_TRY(ae_json_put(identity, "ridge", json_real(o->ridge)));
    json_t *object = put_object(identity, "templates");
    AE_TRY(put_int(object, "count", (int64_t)templates->count));
    AE_TRY(put_text(object, "sha256", templates->sha256));
    snprintf(seed, sizeof seed, "%" PRIu64, o->seed); // as text: JSON readers lose digits above 2^53
    return put_text(identity, "seed", seed);
}

static ae_status put_measure_identity(json_t *identity, const ae_run_options *o, const ae_run_inputs *in) {
    AE_TRY(ae_json_put(identity, "sequential", json_boolean(o->sequential)));
    AE_TRY(put_int(identity, "num_edits", o->num_edits));
    AE_TRY(put_int(identity, "generation_interval", o->generation_interval));
    AE_TRY(ae_json_put(identity, "pre", json_boolean(o->pre)));
    json_t *snippets = put_object(identity, "snippets");
    for (int i = 0; i < AE_SNIPPET_FILES && in->snippets; i++)
        AE_TRY(put_text(snippets, ae_snippet_files[i], in->snippets_sha256[i]));
    AE_TRY(put_int(identity, "glue_interval", o->glue_interval));
    AE_TRY(put_text(identity, "glue_labels", o->glue_labels == AE_GLUE_CORRECTED ? "corrected" : "compat"));
    json_t *tasks = put_object(identity, "tasks");
    for (int i = 0; i < in->n_tasks; i++)
        AE_TRY(put_text(tasks, in->tasks[i]->name, in->tasks[i]->sha256));
    AE_TRY(put_text(identity, "ppl_text", in->has_text ? in->text.sha256 : NULL));
    AE_TRY(put_int(identity, "ppl_interval", o->ppl_interval));
    return put_int(identity, "ppl_tokens", o->ppl_tokens);
}

// ---- where things lie ------------------------------------------------------------------------------

// Absolute, so that a run can be resumed from another folder; as given where that cannot be told.
static ae_status put_path(json_t *object, const char *key, const char *path) {
    char *full = path ? realpath(path, NULL) : NULL;
    const ae_status status = put_text(object, key, full ? full : path);
    free(full);
    return status;
}

static ae_status put_inputs(json_t *settings, const ae_run_options *o, const ae_run_inputs *in) {
    json_t *inputs = put_object(settings, "inputs"), *tasks = json_array();
    const bool known = strcmp(o->dataset, "cf") == 0 || strcmp(o->dataset, "zsre") == 0;
    AE_TRY(ae_json_put(inputs, "tasks", tasks));
    AE_TRY(known ? put_text(inputs, "dataset", o->dataset) : put_path(inputs, "dataset", o->dataset));
    AE_TRY(put_path(inputs, "data", o->data));
    const bool by_file = in->dataset->select_sha256[0] != '\0';
    AE_TRY(by_file ? put_path(inputs, "select", o->select) : put_text(inputs, "select", o->select));
    AE_TRY(put_text(inputs, "hparams_name", o->hparams_name));
    // The one file that was found, so that it is found again whatever the environment says then.
    const bool one = o->hparams.n_layers == 1 && in->moments[0];
    AE_TRY(put_path(inputs, "stats", one ? ae_moment_get_info(in->moments[0]).path : o->stats));
    for (int i = 0; i < in->n_tasks; i++) {
        char *full = realpath(in->tasks[i]->path, NULL);
        const int failed = json_array_append_new(tasks, ae_json_any_text(full ? full : in->tasks[i]->path));
        free(full);
        if (failed) return ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
    }
    AE_TRY(put_path(inputs, "ppl_text", o->ppl_text));
    return put_text(inputs, "guard", ae_guard_names[o->guard]);
}

static ae_status put_settings(json_t *settings, const ae_model *model, const ae_run_options *o,
                              const ae_run_inputs *in, const ae_templates *templates, const ae_hooks *hooks) {
    char created[AE_ENTRY_TIME];
    ae_time_text(created);
    AE_TRY(put_text(settings, "format", format));
    AE_TRY(put_int(settings, "version", VERSION));
    AE_TRY(put_text(settings, "aedile", ae_version()));
    AE_TRY(put_text(settings, "created", created));
    json_t *object = put_object(settings, "model");
    AE_TRY(put_text(object, "name", model->info.name));
    AE_TRY(put_path(object, "folder", model->info.folder));
    AE_TRY(put_int(object, "n_threads", model->info.n_threads));
    AE_TRY(put_text(object, "arithmetic", model->backend->arithmetic));
    AE_TRY(put_inputs(settings, o, in));
    json_t *identity = put_object(settings, "identity");
    AE_TRY(put_model_identity(identity, model, hooks));
    AE_TRY(put_dataset_identity(identity, o, in));
    AE_TRY(put_edit_identity(identity, o, in, templates));
    return put_measure_identity(identity, o, in);
}

ae_status ae_run_settings_make(const ae_model *model, const ae_run_options *options,
                               const ae_run_inputs *inputs, const ae_templates *templates,
                               const ae_hooks *hooks, json_t **out) {
    json_t *settings = json_object();
    const ae_status status = put_settings(settings, model, options, inputs, templates, hooks);
    if (status == AE_OK)
        *out = settings;
    else
        json_decref(settings);
    return status;
}

ae_status ae_run_settings_write(const ae_run_folder *folder, const json_t *settings) {
    char *text = ae_python_json(settings, INDENT);
    if (!text) return ae_no_memory();
    const ae_status status = ae_run_folder_write(folder, text, "%s", AE_RUN_SETTINGS);
    ae_free(text);
    return status;
}

// ---- read and compare ------------------------------------------------------------------------------

static ae_status check_format(const char *path, const json_t *settings) {
    const char *text = json_string_value(json_object_get(settings, "format"));
    if (!text || strcmp(text, format) != 0)
        return ae_fail(AE_ERR_FORMAT, "'%s' does not hold a run's settings: field 'format' is not '%s'", path,
                       format);
    int64_t version = 0;
    AE_TRY(ae_json_int(path, settings, "version", true, 1, INT32_MAX, &version));
    if (version != VERSION)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s' is of version %" PRId64 "; this aedile (%s) reads version %d", path, version,
                       ae_version(), VERSION);
    static const char *const objects[] = {"model", "inputs", "identity"};
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        if (!json_is_object(json_object_get(settings, objects[i])))
            return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an object", path, objects[i],
                           ae_json_type_name(json_object_get(settings, objects[i])));
    return AE_OK;
}

ae_status ae_run_settings_load(const char *folder, json_t **out) {
    char *path = ae_path_join(folder, AE_RUN_SETTINGS);
    if (!path) return ae_no_memory();
    json_t *settings = NULL;
    ae_status status = ae_json_load(path, FILE_LIMIT, &settings);
    if (status == AE_OK) status = check_format(path, settings);
    ae_free(path);
    if (status == AE_OK)
        *out = settings;
    else
        json_decref(settings);
    return status;
}

static ae_status refuse(const char *folder, const char *name, const json_t *recorded, const json_t *now) {
    char *was = recorded ? ae_python_json(recorded, -1) : ae_strdup("nothing");
    char *is = now ? ae_python_json(now, -1) : ae_strdup("nothing");
    ae_status status = ae_no_memory();
    if (was && is)
        status = ae_fail(
            AE_ERR_MISMATCH,
            "the run '%s' was begun with %s %.200s, and cannot go on with %.200s: give its own value, or "
            "begin a new run",
            folder, name, was, is);
    ae_free(was);
    ae_free(is);
    return status;
}

// `name` is the path of the member that is compared: "hparams.v_lr".
static ae_status compare(const char *folder, const char *name, const json_t *recorded, const json_t *now) {
    if (!json_is_object(recorded) || !json_is_object(now))
        return recorded && now && json_equal(recorded, now) ? AE_OK : refuse(folder, name, recorded, now);
    const json_t *both[2] = {recorded, now}; // members that only one of them has are found, too
    for (int i = 0; i < 2; i++) {
        json_t *object = (json_t *)(uintptr_t)both[i];
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
            const char *key = json_object_iter_key(at);
            char member[256];
            snprintf(member, sizeof member, "%s%s%s", name, *name ? "." : "", key);
            AE_TRY(compare(folder, member, json_object_get(recorded, key), json_object_get(now, key)));
        }
    }
    return AE_OK;
}

// NULL: not told.
static const char *arithmetic_of(const json_t *settings) {
    return json_string_value(json_object_get(json_object_get(settings, "model"), "arithmetic"));
}

ae_status ae_run_settings_check(const char *folder, const json_t *recorded, const json_t *now,
                                const ae_hooks *hooks) {
    AE_TRY(compare(folder, "", json_object_get(recorded, "identity"), json_object_get(now, "identity")));
    const char *version = json_string_value(json_object_get(recorded, "aedile"));
    if (!version || strcmp(version, ae_version()) != 0)
        ae_warn(hooks,
                "the run '%s' was begun by aedile %s, this is %s: later figures may differ from its own",
                folder, version ? version : "(unknown)", ae_version());
    const char *was = arithmetic_of(recorded), *is = arithmetic_of(now);
    if (was && is && strcmp(was, is) != 0)
        ae_warn(hooks,
                "the run '%s' was begun with %s, and goes on with %s: later figures may differ in their last "
                "digits from those that the other gives",
                folder, was, is);
    return AE_OK;
}
