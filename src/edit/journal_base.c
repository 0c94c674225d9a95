// journal.json: format, version and the base model's identity.
#include "edit/journal_base.h"

#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"

enum { VERSION = 1, FILE_LIMIT = 1 << 20 };
static const char format[] = "aedile-journal";

void ae_time_text(char out[AE_ENTRY_TIME]) {
    const time_t now = time(NULL);
    struct tm utc = {0};
    gmtime_r(&now, &utc);
    if (strftime(out, AE_ENTRY_TIME, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) out[0] = '\0';
}

void ae_journal_base_free(ae_journal_base *base) {
    ae_free(base->architecture);
    ae_free(base->name);
    *base = (ae_journal_base){0};
}

static ae_status read_text(const char *path, const json_t *object, const char *field, char **out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(path, object, field, true, &text));
    *out = ae_strdup(text);
    return *out ? AE_OK : ae_no_memory();
}

static ae_status read_size(const char *path, const json_t *object, const char *field, int *out) {
    int64_t value = 0;
    AE_TRY(ae_json_int(path, object, field, true, 1, 1 << 28, &value));
    *out = (int)value;
    return AE_OK;
}

static ae_status read_base(const char *path, const json_t *json, ae_journal_base *out) {
    if (!json_is_object(json))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", path, ae_json_type_name(json));
    const char *text = NULL;
    AE_TRY(ae_json_string(path, json, "format", true, &text));
    if (strcmp(text, format) != 0)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': field 'format' is '%.200s', expected '%s': this is not a journal of edits",
                       path, text, format);
    int64_t version = 0;
    AE_TRY(ae_json_int(path, json, "version", true, 1, INT32_MAX, &version));
    if (version != VERSION)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s' is of version %lld; this aedile (%s) reads version %d", path,
                       (long long)version, ae_version(), VERSION);
    AE_TRY(ae_json_string(path, json, "created", true, &text));
    if (strlen(text) >= sizeof out->created)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': field 'created' is '%.200s', expected a time like 2025-01-31T12:00:00Z", path,
                       text);
    memcpy(out->created, text, strlen(text) + 1);
    const json_t *base = json_object_get(json, "base");
    if (!json_is_object(base))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'base' is %s, expected an object", path,
                       ae_json_type_name(base));
    AE_TRY(ae_json_string(path, base, "shape_sha256", true, &text));
    if (!ae_is_sha256(text))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'shape_sha256' is '%.200s', expected 64 hex digits", path,
                       text);
    memcpy(out->shape_sha256, text, AE_DIGEST_HEX);
    AE_TRY(read_size(path, base, "n_layer", &out->n_layer));
    AE_TRY(read_size(path, base, "d_model", &out->d_model));
    AE_TRY(read_size(path, base, "d_mlp", &out->d_mlp));
    AE_TRY(read_text(path, base, "architecture", &out->architecture));
    return read_text(path, base, "name", &out->name);
}

ae_status ae_journal_base_load(const char *folder, ae_journal_base *out) {
    char *path = ae_path_join(folder, AE_JOURNAL_FILE);
    if (!path) return ae_no_memory();
    json_t *json = NULL;
    ae_journal_base base = {0};
    ae_status status = ae_json_load(path, FILE_LIMIT, &json);
    if (status == AE_OK) status = read_base(path, json, &base);
    if (status == AE_OK)
        *out = base;
    else
        ae_journal_base_free(&base);
    json_decref(json);
    ae_free(path);
    return status;
}

ae_status ae_journal_base_create(const char *folder, const ae_model *model) {
    const ae_model_info *info = &model->info;
    char shape[AE_DIGEST_HEX], created[AE_ENTRY_TIME];
    AE_TRY(ae_model_shape_sha256(model, shape));
    ae_time_text(created);
    json_t *json = json_pack("{s:s, s:i, s:s, s:s, s:{s:s, s:s, s:s, s:i, s:i, s:i}}", "format", format,
                             "version", VERSION, "created", created, "aedile", ae_version(), "base",
                             "architecture", info->architecture, "name", info->name, "shape_sha256", shape,
                             "n_layer", info->n_layer, "d_model", info->d_model, "d_mlp", info->d_mlp);
    if (!json)
        return ae_fail(AE_ERR_ARGUMENT,
                       "the model's name '%s' is not valid UTF-8: a journal cannot record it", info->name);
    char *text = ae_json_dump(json, 2), *path = ae_path_join(folder, AE_JOURNAL_FILE);
    ae_status status = text && path ? ae_atomic_write(path, text, strlen(text)) : ae_no_memory();
    ae_free(path);
    ae_free(text);
    json_decref(json);
    return status;
}

ae_status ae_journal_base_check(const ae_journal_base *base, const char *folder, const ae_model *model) {
    char shape[AE_DIGEST_HEX];
    AE_TRY(ae_model_shape_sha256(model, shape));
    if (strcmp(shape, base->shape_sha256) == 0) return AE_OK;
    const ae_model_info *info = &model->info;
    return ae_fail(
        AE_ERR_MISMATCH,
        "the journal '%s' belongs to the %s model '%s' (%d layers, d_model %d, shape %.12s), the model given "
        "is "
        "the %s model '%s' in '%s' (%d layers, d_model %d, shape %.12s): give the model that the edits were "
        "made on",
        folder, base->architecture, base->name, base->n_layer, base->d_model, base->shape_sha256,
        info->architecture, info->name, info->folder, info->n_layer, info->d_model, shape);
}
