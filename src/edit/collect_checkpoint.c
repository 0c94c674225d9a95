#include "edit/collect_checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/safetensors.h"

static const int64_t MOST = INT64_C(1) << 53; // of documents or tokens

static const char format_name[] = "aedile.collect";
static const char format_version[] = "2";

static size_t n_packed(const ae_collected *c) {
    return (size_t)c->n * ((size_t)c->n + 1) / 2;
}

// Rows of the upper triangle, one behind the other, as the file holds them.
static const double *row(const ae_collected *c, int i) {
    return c->sum + (size_t)i * (size_t)c->n + i;
}

static size_t row_bytes(const ae_collected *c, int i) {
    return (size_t)(c->n - i) * sizeof(double);
}

// Of everything that the file holds: to go on from another place would be as wrong as from other sums.
static ae_status sha256_of(const ae_collected *c, char hex[AE_DIGEST_HEX]) {
    ae_digest *digest = NULL;
    const int64_t numbers[] = {c->position, c->n_documents, c->n_tokens};
    AE_TRY(ae_digest_new(&digest));
    ae_status status = ae_digest_add(digest, c->identity, sizeof c->identity);
    if (status == AE_OK) status = ae_digest_add(digest, numbers, sizeof numbers);
    for (int i = 0; status == AE_OK && i < c->n; i++)
        status = ae_digest_add(digest, row(c, i), row_bytes(c, i));
    if (status == AE_OK) status = ae_digest_hex(digest, hex);
    ae_digest_free(digest);
    return status;
}

static ae_status make_header(const ae_collected *c, char **header, size_t *length) {
    char sha256[AE_DIGEST_HEX];
    AE_TRY(sha256_of(c, sha256));
    json_t *metadata = json_object();
    ae_status status = AE_OK;
    if (ae_json_note(metadata, "format", format_name) || ae_json_note(metadata, "version", format_version) ||
        ae_json_note(metadata, "identity", c->identity) || ae_json_note(metadata, "sha256", sha256) ||
        ae_json_note_int(metadata, "position", c->position) ||
        ae_json_note_int(metadata, "documents", c->n_documents) ||
        ae_json_note_int(metadata, "tokens", c->n_tokens))
        status = ae_fail(AE_ERR_MEMORY, "out of memory for a checkpoint");
    ae_tensor tensor = {.name = "sum",
                        .dtype = AE_F64,
                        .n_dim = 1,
                        .shape = {(int64_t)n_packed(c)},
                        .n_bytes = n_packed(c) * sizeof(double),
                        .data = c->sum};
    if (status == AE_OK) status = ae_safetensors_header(&tensor, 1, metadata, header, length);
    json_decref(metadata);
    return status;
}

ae_status ae_collected_write(const ae_collected *c, const char *path) {
    char *header = NULL;
    size_t length;
    AE_TRY(make_header(c, &header, &length));
    ae_atomic_file file;
    ae_status status = ae_atomic_open(path, &file);
    if (status == AE_OK) {
        // What cannot be written shows in the stream's error flag, which the commit looks at.
        fwrite(header, 1, length, file.stream);
        for (int i = 0; i < c->n && !ferror(file.stream); i++)
            fwrite(row(c, i), 1, row_bytes(c, i), file.stream);
        status = ae_atomic_commit(&file);
    }
    ae_free(header);
    return status;
}

static bool says(const json_t *metadata, const char *key, const char *value) {
    const char *text = json_string_value(json_object_get(metadata, key));
    return text && strcmp(text, value) == 0;
}

static ae_status read_number(const char *path, const json_t *metadata, const char *key, int64_t *out) {
    const char *text = json_string_value(json_object_get(metadata, key));
    char *end = NULL;
    *out = text ? strtoll(text, &end, 10) : -1;
    if (!text || end == text || *end || *out < 0 || *out > MOST)
        return ae_fail(AE_ERR_FORMAT, "checkpoint '%s' is damaged: '%s' is '%s'", path, key,
                       text ? text : "missing");
    return AE_OK;
}

static ae_status read_open(ae_collected *c, const char *path, const ae_safetensors *file) {
    const json_t *metadata = ae_safetensors_metadata(file);
    const ae_tensor *tensor = ae_safetensors_find(file, "sum");
    if (!says(metadata, "format", format_name) || !says(metadata, "version", format_version))
        return ae_fail(AE_ERR_FORMAT, "checkpoint '%s' is damaged: it is not of format '%s', version %s",
                       path, format_name, format_version);
    if (!says(metadata, "identity", c->identity))
        return ae_fail(AE_ERR_MISMATCH,
                       "checkpoint '%s' belongs to another collection: the model, layer, text files or "
                       "number of samples "
                       "were others",
                       path);
    if (!tensor || tensor->dtype != AE_F64 || tensor->n_dim != 1 || tensor->shape[0] != (int64_t)n_packed(c))
        return ae_fail(AE_ERR_FORMAT, "checkpoint '%s' is damaged: it has no tensor 'sum' of %zu entries",
                       path, n_packed(c));
    AE_TRY(read_number(path, metadata, "position", &c->position));
    AE_TRY(read_number(path, metadata, "documents", &c->n_documents));
    AE_TRY(read_number(path, metadata, "tokens", &c->n_tokens));
    const char *bytes = tensor->data;
    for (int i = 0; i < c->n; i++) {
        memcpy(c->sum + (size_t)i * (size_t)c->n + i, bytes, row_bytes(c, i));
        bytes += row_bytes(c, i);
    }
    char sha256[AE_DIGEST_HEX];
    AE_TRY(sha256_of(c, sha256));
    if (!says(metadata, "sha256", sha256))
        return ae_fail(AE_ERR_FORMAT,
                       "checkpoint '%s' is damaged: its contents do not have the digest noted for them",
                       path);
    for (int i = 0; i < c->n; i++)
        for (int j = i; j < c->n; j++)
            if (!isfinite(c->sum[(size_t)i * (size_t)c->n + (size_t)j]))
                return ae_fail(AE_ERR_NUMERIC, "checkpoint '%s' holds a sum that is %g, at [%d, %d]", path,
                               c->sum[(size_t)i * (size_t)c->n + (size_t)j], i, j);
    return AE_OK;
}

ae_status ae_collected_read(ae_collected *c, const char *path) {
    ae_safetensors *file = NULL;
    ae_status status = ae_safetensors_open(path, &file);
    if (status == AE_OK) status = read_open(c, path, file);
    ae_safetensors_close(file);
    return status;
}
