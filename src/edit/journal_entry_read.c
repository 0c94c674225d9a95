// The bytes of an entry's file as an edit; no figure in them is used before it is checked.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "edit/hparams.h"
#include "edit/journal_entry_parts.h"
#include "format/safetensors.h"

static ae_status check_digest(const char *name, const char *bytes, size_t length) {
    const char *digits = ae_entry_find_digits(bytes, length);
    if (!digits)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' is not a journal entry, or its beginning is damaged: no digest is found "
                       "in it; restore the file from a copy",
                       name);
    char hex[AE_DIGEST_HEX];
    AE_TRY(ae_entry_digest(bytes, length, digits, hex));
    if (memcmp(hex, digits, AE_ENTRY_DIGITS) != 0)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' has changed since it was written: its digest is %s, it was %.*s; restore "
                       "the file from a copy",
                       name, hex, AE_ENTRY_DIGITS, digits);
    return AE_OK;
}

typedef struct reader {
    const char *name; // of the file, for messages
    const ae_safetensors *file;
    ae_arena *arena;
} reader;

static ae_status get_object(const reader *r, const json_t *object, const char *field, const json_t **out) {
    *out = json_object_get(object, field);
    if (json_is_object(*out)) return AE_OK;
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an object", r->name, field,
                   ae_json_type_name(*out));
}

static ae_status get_array(const reader *r, const json_t *object, const char *field, size_t low, size_t high,
                           const json_t **out) {
    *out = json_object_get(object, field);
    if (!json_is_array(*out))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an array", r->name, field,
                       ae_json_type_name(*out));
    const size_t n = json_array_size(*out);
    if (n < low || n > high)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' has %zu elements, expected %zu to %zu", r->name,
                       field, n, low, high);
    return AE_OK;
}

// A text of the entry's own arena; NULL where it is null and not required.
static ae_status get_text(const reader *r, const json_t *object, const char *field, bool required,
                          char **out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->name, object, field, required, &text));
    *out = text ? ae_arena_strdup(r->arena, text) : NULL;
    return *out || !text ? AE_OK : ae_no_memory();
}

// A text into a buffer of `size` bytes.
static ae_status get_short(const reader *r, const json_t *object, const char *field, char *out, size_t size) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->name, object, field, true, &text));
    if (strlen(text) >= size)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is '%.200s', longer than %zu bytes", r->name, field,
                       text, size - 1);
    memcpy(out, text, strlen(text) + 1);
    return AE_OK;
}

static ae_status get_sha256(const reader *r, const json_t *object, const char *field, bool may_be_empty,
                            char out[AE_DIGEST_HEX]) {
    AE_TRY(get_short(r, object, field, out, AE_DIGEST_HEX));
    if (ae_is_sha256(out) || (may_be_empty && !*out)) return AE_OK;
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is '%s', expected 64 hex digits", r->name, field, out);
}

static ae_status get_int(const reader *r, const json_t *object, const char *field, int64_t low, int64_t high,
                         int *out) {
    int64_t value = 0;
    AE_TRY(ae_json_int(r->name, object, field, true, low, high, &value));
    *out = (int)value;
    return AE_OK;
}

static ae_status get_number(const reader *r, const json_t *object, const char *field, double *out) {
    return ae_json_number(r->name, object, field, true, -INFINITY, INFINITY, out);
}

static ae_status read_request(const reader *r, const json_t *root, ae_request *out) {
    const json_t *object = NULL;
    AE_TRY(get_object(r, root, "request", &object));
    char *prompt = NULL, *subject = NULL, *target_new = NULL, *target_true = NULL;
    AE_TRY(get_text(r, object, "prompt", true, &prompt));
    AE_TRY(get_text(r, object, "subject", true, &subject));
    AE_TRY(get_text(r, object, "target_new", true, &target_new));
    AE_TRY(get_text(r, object, "target_true", false, &target_true));
    *out = (ae_request){prompt, subject, target_new, target_true, -1};
    return ae_json_int(r->name, object, "case_id", true, INT64_MIN, INT64_MAX, &out->case_id);
}

// The number of the name among `count` names, which name_of gives.
static ae_status get_choice(const reader *r, const json_t *object, const char *field, int count,
                            const char *(*name_of)(int), int *out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->name, object, field, true, &text));
    for (int i = 0; i < count; i++)
        if (strcmp(text, name_of(i)) == 0) {
            *out = i;
            return AE_OK;
        }
    return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field '%s' is '%.200s', which this version does not know",
                   r->name, field, text);
}

static const char *variant_at(int i) {
    return ae_variant_name((ae_variant)i);
}

static const char *fact_token_at(int i) {
    return ae_fact_token_name((ae_fact_token)i);
}

static ae_status read_hparams(const reader *r, const json_t *root, ae_hparams *out) {
    const json_t *object = NULL, *array = NULL;
    AE_TRY(get_object(r, root, "hparams", &object));
    int choice = 0;
    AE_TRY(get_choice(r, object, "variant", AE_P_ROME + 1, variant_at, &choice));
    out->variant = (ae_variant)choice;
    AE_TRY(get_choice(r, object, "fact_token", AE_LAST + 1, fact_token_at, &choice));
    out->fact_token = (ae_fact_token)choice;
    AE_TRY(get_array(r, object, "layers", 0, AE_MAX_EDIT_LAYERS, &array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *layer = json_array_get(array, i);
        if (!json_is_integer(layer) || json_integer_value(layer) < 0 || json_integer_value(layer) > INT32_MAX)
            return ae_fail(AE_ERR_FORMAT, "'%s': field 'layers' holds %s that is not a layer", r->name,
                           ae_json_type_name(layer));
        out->layers[out->n_layers++] = (int)json_integer_value(layer);
    }
    AE_TRY(get_int(r, object, "v_num_grad_steps", INT32_MIN, INT32_MAX, &out->v_num_grad_steps));
    AE_TRY(get_number(r, object, "v_lr", &out->v_lr));
    AE_TRY(get_number(r, object, "v_weight_decay", &out->v_weight_decay));
    AE_TRY(get_number(r, object, "clamp_norm_factor", &out->clamp_norm_factor));
    AE_TRY(get_number(r, object, "kl_factor", &out->kl_factor));
    AE_TRY(ae_json_bool(r->name, object, "mom2_adjustment", true, &out->mom2_adjustment));
    AE_TRY(get_array(r, object, "context_template_length_params", 0, AE_MAX_TEMPLATE_LENGTHS, &array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        int *pair = out->template_lengths[i];
        if (json_unpack((json_t *)(uintptr_t)json_array_get(array, i), "[i, i!]", &pair[0], &pair[1]) != 0)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s': field 'context_template_length_params' must hold pairs of integers",
                           r->name);
        out->n_template_lengths++;
    }
    AE_TRY(get_short(r, object, "mom2_dataset", out->mom2_dataset, sizeof out->mom2_dataset));
    AE_TRY(ae_json_int(r->name, object, "mom2_n_samples", true, INT64_MIN, INT64_MAX, &out->mom2_n_samples));
    return get_short(r, object, "mom2_dtype", out->mom2_dtype, sizeof out->mom2_dtype);
}

ae_status ae_hparams_get(const char *name, const json_t *document, ae_hparams *out) {
    const reader r = {.name = name};
    ae_hparams hparams = {0};
    AE_TRY(read_hparams(&r, document, &hparams));
    *out = hparams;
    return AE_OK;
}

static ae_status read_measure(const reader *r, const json_t *root, const char *field, ae_measure *out) {
    const json_t *object = NULL;
    AE_TRY(get_object(r, root, field, &object));
    *out = (ae_measure){.target_new = NAN, .target_true = NAN};
    AE_TRY(ae_json_number(r->name, object, "target_new", false, -INFINITY, INFINITY, &out->target_new));
    AE_TRY(ae_json_number(r->name, object, "target_true", false, -INFINITY, INFINITY, &out->target_true));
    return get_text(r, object, "continuation", false, &out->continuation);
}

static ae_status read_seed(const reader *r, const json_t *root, uint64_t *out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(r->name, root, "seed", true, &text));
    uint64_t seed = 0;
    bool fits = *text != '\0';
    for (const char *c = text; *c && fits; c++)
        fits = isdigit((unsigned char)*c) && !__builtin_mul_overflow(seed, 10, &seed) &&
               !__builtin_add_overflow(seed, (uint64_t)(*c - '0'), &seed);
    if (!fits)
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'seed' is '%.200s', expected a whole number below 2^64",
                       r->name, text);
    *out = seed;
    return AE_OK;
}

// The tensor "layer.<n>.<last>": [n] (or any length where n is -1) of `dtype`.
static ae_status get_tensor(const reader *r, int layer, const char *last, ae_dtype dtype, int64_t n,
                            const ae_tensor **out) {
    char name[40];
    snprintf(name, sizeof name, "layer.%d.%s", layer, last);
    const ae_tensor *t = ae_safetensors_find(r->file, name);
    if (!t) return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is missing", r->name, name);
    if (t->dtype != dtype || t->n_dim != 1 || (n >= 0 && t->shape[0] != n) || t->shape[0] > INT32_MAX) {
        char length[24] = "of any length";
        if (n >= 0) snprintf(length, sizeof length, "[%lld]", (long long)n);
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s' is %s with %d dimensions, the first %lld; expected %s %s", r->name,
                       name, ae_dtype_name(t->dtype), t->n_dim, t->n_dim > 0 ? (long long)t->shape[0] : 0LL,
                       ae_dtype_name(dtype), length);
    }
    *out = t;
    return AE_OK;
}

static ae_status read_vector(const reader *r, const ae_entry_vector *vector, ae_layer_edit *layer) {
    const int64_t n = ae_entry_vector_length(vector, layer);
    const ae_tensor *t = NULL;
    AE_TRY(get_tensor(r, layer->layer, vector->name, vector->dtype, n, &t));
    void *copy = ae_arena_alloc(r->arena, (size_t)n, ae_dtype_size(vector->dtype));
    if (!copy) return ae_no_memory();
    if (t->n_bytes > 0) memcpy(copy, t->data, t->n_bytes);
    double value = 0;
    const int64_t bad = ae_entry_find_bad(copy, vector->dtype, n, &value);
    if (bad >= 0)
        return ae_fail(AE_ERR_NUMERIC, "'%s': tensor '%s' holds %g at element %lld", r->name, t->name, value,
                       (long long)bad);
    ae_entry_vector_set(vector, layer, copy);
    return AE_OK;
}

static ae_status read_layer(const reader *r, const json_t *object, ae_layer_edit *out) {
    enum { MAX_SIZE = 1 << 28 };
    AE_TRY(get_int(r, object, "layer", 0, 1 << 20, &out->layer));
    AE_TRY(get_short(r, object, "module", out->module, sizeof out->module));
    AE_TRY(get_int(r, object, "d_mlp", 1, MAX_SIZE, &out->d_mlp));
    AE_TRY(get_int(r, object, "d_model", 1, MAX_SIZE, &out->d_model));
    AE_TRY(get_sha256(r, object, "base_sha256", false, out->base_sha256));
    for (int i = 0; i < AE_ENTRY_FIGURES; i++) {
        char *field = (char *)out + ae_entry_figures[i].field;
        AE_TRY(get_number(r, object, ae_entry_figures[i].name, (double *)(void *)field));
    }
    const ae_tensor *loss = NULL;
    AE_TRY(get_tensor(r, out->layer, "loss", AE_F64, -1, &loss));
    out->n_steps = (int)loss->shape[0];
    for (int i = 0; i < AE_ENTRY_VECTORS; i++)
        AE_TRY(read_vector(r, &ae_entry_vectors[i], out));
    return AE_OK;
}

static ae_status read_layers(const reader *r, const json_t *root, ae_edit *out) {
    const json_t *array = NULL;
    AE_TRY(get_array(r, root, "layers", 1, AE_MAX_EDIT_LAYERS, &array));
    const size_t n = json_array_size(array);
    if (ae_safetensors_count(r->file) != n * AE_ENTRY_VECTORS)
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %zu tensors, expected %zu for %zu layers", r->name,
                       ae_safetensors_count(r->file), n * AE_ENTRY_VECTORS, n);
    out->layers = ae_arena_alloc(r->arena, n, sizeof *out->layers);
    if (!out->layers) return ae_no_memory();
    for (size_t i = 0; i < n; i++) {
        const json_t *object = json_array_get(array, i);
        if (!json_is_object(object))
            return ae_fail(AE_ERR_FORMAT, "'%s': field 'layers' holds %s, expected objects", r->name,
                           ae_json_type_name(object));
        AE_TRY(read_layer(r, object, &out->layers[i]));
        if (i > 0 && out->layers[i].layer <= out->layers[i - 1].layer)
            return ae_fail(AE_ERR_FORMAT, "'%s': layer %d follows layer %d, expected ascending layers",
                           r->name, out->layers[i].layer, out->layers[i - 1].layer);
    }
    out->n_layers = (int)n;
    return AE_OK;
}

static ae_status read_document(const reader *r, const json_t *root, ae_entry_head *head, ae_edit *out) {
    if (!json_is_object(root))
        return ae_fail(AE_ERR_FORMAT, "'%s': 'aedile.edit' holds %s, expected an object", r->name,
                       ae_json_type_name(root));
    AE_TRY(get_int(r, root, "id", 1, INT32_MAX, &head->id));
    AE_TRY(get_short(r, root, "time", head->time, sizeof head->time));
    AE_TRY(get_sha256(r, root, "shape_sha256", false, head->shape_sha256));
    AE_TRY(read_request(r, root, &out->request));
    AE_TRY(read_hparams(r, root, &out->hparams));
    AE_TRY(read_seed(r, root, &out->seed));
    const json_t *object = NULL;
    AE_TRY(get_object(r, root, "templates", &object));
    int64_t n_templates = 0;
    AE_TRY(ae_json_int(r->name, object, "count", true, 0, INT64_MAX, &n_templates));
    out->n_templates = (size_t)n_templates;
    AE_TRY(get_sha256(r, object, "sha256", true, out->templates_sha256));
    AE_TRY(read_layers(r, root, out));
    AE_TRY(read_measure(r, root, "before", &out->before));
    AE_TRY(read_measure(r, root, "after", &out->after));
    AE_TRY(get_object(r, root, "seconds", &object));
    AE_TRY(get_number(r, object, "keys", &out->seconds_keys));
    AE_TRY(get_number(r, object, "solve", &out->seconds_solve));
    AE_TRY(get_number(r, object, "optimise", &out->seconds_optimise));
    return get_number(r, object, "update", &out->seconds_update);
}

static ae_status read_metadata(const reader *r, json_t **document) {
    const json_t *metadata = ae_safetensors_metadata(r->file);
    const char *format = json_string_value(json_object_get(metadata, "aedile.format"));
    const char *text = json_string_value(json_object_get(metadata, "aedile.edit"));
    if (!format || !text)
        return ae_fail(AE_ERR_FORMAT, "'%s' is not a journal entry: its metadata lacks '%s'", r->name,
                       format ? "aedile.edit" : "aedile.format");
    if (strcmp(format, AE_ENTRY_FORMAT) != 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s' is of format '%.100s'; this version of aedile (%s) reads '%s'", r->name, format,
                       ae_version(), AE_ENTRY_FORMAT);
    return ae_json_parse(r->name, text, strlen(text), document);
}

ae_status ae_entry_read(const char *name, const void *bytes, size_t length, ae_entry_head *head,
                        ae_edit **edit) {
    AE_TRY(check_digest(name, bytes, length));
    ae_safetensors *file = NULL;
    AE_TRY(ae_safetensors_open_memory(name, bytes, length, &file));
    reader r = {.name = name, .file = file};
    json_t *document = NULL;
    ae_entry_head got = {0};
    ae_edit *made = NULL;
    ae_status status = AE_OK;
    AE_TRY_GOTO(done, ae_arena_new(&r.arena));
    made = ae_arena_alloc(r.arena, 1, sizeof *made);
    if (!made) {
        status = ae_no_memory();
        goto done;
    }
    made->arena = r.arena;
    AE_TRY_GOTO(done, read_metadata(&r, &document));
    AE_TRY_GOTO(done, read_document(&r, document, &got, made));
    *head = got;
    *edit = made;
done:
    if (status != AE_OK) ae_arena_free(r.arena);
    json_decref(document);
    ae_safetensors_close(file);
    return status;
}
