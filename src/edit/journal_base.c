// journal.json: format, version and the base model's identity.
#include "edit/journal_base.h"

#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "edit/journal_entry_parts.h"

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

const char *ae_journal_base_find_digits(const char *text, size_t length) {
    return ae_find_digits(text, length, "\"digest\"");
}

// The first version wrote no digest. A file without one holds what that version wrote and nothing else: a
// damaged "digest" is not taken for a file that never had one.
static ae_status check_undigested(const char *path, json_t *json) {
    static const char *const known[] = {"format", "version", "created", "aedile", "base"};
    for (void *at = json_object_iter(json); at; at = json_object_iter_next(json, at)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known && !found; i++)
            found = strcmp(json_object_iter_key(at), known[i]) == 0;
        if (!found)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s' has changed since it was written: it has no digest, but a field '%.80s'; "
                           "restore the file from a copy",
                           path, json_object_iter_key(at));
    }
    return AE_OK;
}

static ae_status check_digest(const char *path, const char *text, size_t length, json_t *json,
                              ae_journal_base *base) {
    const char *digits = ae_journal_base_find_digits(text, length);
    if (!digits) return check_undigested(path, json);
    char hex[AE_DIGEST_HEX];
    AE_TRY(ae_entry_digest(text, length, digits, hex));
    if (memcmp(hex, digits, AE_ENTRY_DIGITS) != 0)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' has changed since it was written: its digest is %s, it was %.*s; restore the "
                       "file from a copy",
                       path, hex, AE_ENTRY_DIGITS, digits);
    base->has_digest = true;
    return AE_OK;
}

ae_status ae_journal_base_load(const char *folder, ae_journal_base *out) {
    char *path = ae_path_join(folder, AE_JOURNAL_FILE), *text = NULL;
    if (!path) return ae_no_memory();
    size_t length = 0;
    json_t *json = NULL;
    ae_journal_base base = {0};
    ae_status status = ae_file_read(path, FILE_LIMIT, &text, &length);
    if (status == AE_OK) status = ae_json_parse(path, text, length, &json);
    // What is wrong with a field says more than that something is.
    if (status == AE_OK) status = read_base(path, json, &base);
    if (status == AE_OK) status = check_digest(path, text, length, json, &base);
    if (status == AE_OK)
        *out = base;
    else
        ae_journal_base_free(&base);
    json_decref(json);
    ae_free(text);
    ae_free(path);
    return status;
}

// The text's digits, zeros as yet, become its digest.
static ae_status sign(char *text) {
    const size_t length = strlen(text);
    const char *digits = ae_journal_base_find_digits(text, length);
    if (!digits) return ae_fail(AE_ERR_INTERNAL, "the digest's place is not found in a text just written");
    char hex[AE_DIGEST_HEX];
    AE_TRY(ae_entry_digest(text, length, digits, hex));
    memcpy(text + (digits - text), hex, AE_ENTRY_DIGITS);
    return AE_OK;
}

ae_status ae_journal_base_create(const char *folder, const ae_model *model) {
    const ae_model_info *info = &model->info;
    char shape[AE_DIGEST_HEX], created[AE_ENTRY_TIME];
    AE_TRY(ae_model_shape_sha256(model, shape));
    ae_time_text(created);
    // The digest stands before any text of the user's, where it is looked for.
    json_t *json =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:i, s:i, s:i}}", "format", format, "version",
                  VERSION, "digest", AE_ENTRY_ZEROS, "created", created, "aedile", ae_version(), "base",
                  "architecture", info->architecture, "name", info->name, "shape_sha256", shape, "n_layer",
                  info->n_layer, "d_model", info->d_model, "d_mlp", info->d_mlp);
    if (!json)
        return ae_fail(AE_ERR_ARGUMENT,
                       "the model's name '%s' is not valid UTF-8: a journal cannot record it", info->name);
    char *text = ae_json_dump(json, 2), *path = ae_path_join(folder, AE_JOURNAL_FILE);
    ae_status status = text && path ? sign(text) : ae_no_memory();
    if (status == AE_OK) status = ae_atomic_write(path, text, strlen(text));
    ae_free(path);
    ae_free(text);
    json_decref(json);
    return status;
}

ae_status ae_journal_base_check(const ae_journal_base *base, const char *folder, const ae_model *model) {
    char shape[AE_DIGEST_HEX];
    AE_TRY(ae_model_shape_sha256(model, shape));
    const ae_model_info *info = &model->info;
    // The sizes are those that entries are held to: a journal may lie about them.
    if (strcmp(shape, base->shape_sha256) == 0 && base->n_layer == info->n_layer &&
        base->d_model == info->d_model && base->d_mlp == info->d_mlp)
        return AE_OK;
    return ae_fail(
        AE_ERR_MISMATCH,
        "the journal '%s' belongs to the %s model '%s' (%d layers, d_model %d, d_mlp %d, shape %.12s), the "
        "model given is the %s model '%s' in '%s' (%d layers, d_model %d, d_mlp %d, shape %.12s): give the "
        "model that the edits were made on",
        folder, base->architecture, base->name, base->n_layer, base->d_model, base->d_mlp, base->shape_sha256,
        info->architecture, info->name, info->folder, info->n_layer, info->d_model, info->d_mlp, shape);
}
