// One edit as the bytes of a safetensors file, and back.
#include "edit/journal_entry.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "format/safetensors.h"

static const char entry_format[] = "aedile-edit/1";
static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

enum { N_DIGITS = sizeof zeros - 1, N_TRACES = 4, N_VECTORS = 7, N_LAYER_TENSORS = N_TRACES + N_VECTORS };

// The doubles come first in the file, so that every tensor lies at a multiple of its element size.
static const struct {
    const char *name;
    size_t field;
} traces[N_TRACES] = {
    {"loss", offsetof(ae_layer_edit, loss)},
    {"nll", offsetof(ae_layer_edit, nll)},
    {"kl", offsetof(ae_layer_edit, kl)},
    {"decay", offsetof(ae_layer_edit, decay)},
};

static const struct {
    const char *name;
    size_t field;
    bool wide; // [d_mlp]; else [d_model]
} vectors[N_VECTORS] = {
    {"u", offsetof(ae_layer_edit, u), true},
    {"right", offsetof(ae_layer_edit, right), false},
    {"delta", offsetof(ae_layer_edit, delta), false},
    {"key_u", offsetof(ae_layer_edit, key_u), true},
    {"key", offsetof(ae_layer_edit, key), true},
    {"value", offsetof(ae_layer_edit, value), false},
    {"target_init", offsetof(ae_layer_edit, target_init), false},
};

static const struct {
    const char *name;
    size_t field;
} figures[] = {
    {"k_dot_u", offsetof(ae_layer_edit, k_dot_u)},
    {"update_norm", offsetof(ae_layer_edit, update_norm)},
    {"weight_norm", offsetof(ae_layer_edit, weight_norm)},
    {"delta_norm", offsetof(ae_layer_edit, delta_norm)},
    {"target_init_norm", offsetof(ae_layer_edit, target_init_norm)},
};

enum { N_FIGURES = sizeof figures / sizeof *figures };

#define FIELD(type, layer, offset)       ((type *)(void *)((char *)(layer) + (offset)))
#define CONST_FIELD(type, layer, offset) ((const type *)(const void *)((const char *)(layer) + (offset)))

bool ae_is_sha256(const char *text) {
    return strlen(text) == N_DIGITS && strspn(text, "0123456789abcdef") == N_DIGITS;
}

// ---- digest
// ---------------------------------------------------------------------------------------------------

// Where the digest's digits stand; NULL if the header names none. In JSON no string can hold an unescaped
// quote, so the first match is the key itself.
static const char *find_digits(const char *bytes, size_t length) {
    static const char key[] = "\"aedile.digest\"";
    if (length < 8) return NULL;
    uint64_t n_header = 0;
    for (int i = 7; i >= 0; i--)
        n_header = n_header << 8 | (unsigned char)bytes[i];
    if (n_header > length - 8) return NULL;
    const char *at = memmem(bytes + 8, (size_t)n_header, key, sizeof key - 1), *end = bytes + 8 + n_header;
    if (!at) return NULL;
    at += sizeof key - 1;
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    return end - at > N_DIGITS + 1 && at[0] == '"' && at[N_DIGITS + 1] == '"' ? at + 1 : NULL;
}

static ae_status digest_bytes(const char *bytes, size_t length, const char *digits, char hex[AE_DIGEST_HEX]) {
    ae_digest *digest = NULL;
    AE_TRY(ae_digest_new(&digest));
    ae_status status = ae_digest_add(digest, bytes, (size_t)(digits - bytes));
    if (status == AE_OK) status = ae_digest_add(digest, zeros, N_DIGITS);
    if (status == AE_OK)
        status = ae_digest_add(digest, digits + N_DIGITS, length - (size_t)(digits - bytes) - N_DIGITS);
    if (status == AE_OK) status = ae_digest_hex(digest, hex);
    ae_digest_free(digest);
    return status;
}

static ae_status check_digest(const char *name, const char *bytes, size_t length) {
    const char *digits = find_digits(bytes, length);
    if (!digits)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' is not a journal entry, or its beginning is damaged: no digest is found "
                       "in it; restore the file from a copy",
                       name);
    char hex[AE_DIGEST_HEX];
    AE_TRY(digest_bytes(bytes, length, digits, hex));
    if (memcmp(hex, digits, N_DIGITS) != 0)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' has changed since it was written: its digest is %s, it was %.*s; restore "
                       "the file from a copy",
                       name, hex, N_DIGITS, digits);
    return AE_OK;
}

// ---- writing
// --------------------------------------------------------------------------------------------------

// The JSON library allocates on its own and leaves no text behind.
static ae_status json_memory(void) {
    return ae_fail(AE_ERR_MEMORY, "out of memory while writing a journal entry");
}

// A JSON text of the user's; only text that is not UTF-8 can be refused by the JSON library.
static ae_status set_text(json_t *object, const char *field, const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    if (!value)
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is not valid UTF-8: the journal cannot record it", field);
    return json_object_set_new(object, field, value) == 0 ? AE_OK : json_memory();
}

static ae_status set_int(json_t *object, const char *field, int64_t number) {
    return json_object_set_new(object, field, json_integer(number)) == 0 ? AE_OK : json_memory();
}

static ae_status set_number(json_t *object, const char *field, double number) {
    if (!isfinite(number))
        return ae_fail(AE_ERR_NUMERIC,
                       "'%s' is %g: the journal refuses an edit with a value that is not finite", field,
                       number);
    return json_object_set_new(object, field, json_real(number)) == 0 ? AE_OK : json_memory();
}

// NaN stands for "not measured" and is null in the file.
static ae_status set_measured(json_t *object, const char *field, double number) {
    if (!isnan(number)) return set_number(object, field, number);
    return json_object_set_new(object, field, json_null()) == 0 ? AE_OK : json_memory();
}

// A new object or array under `field`, borrowed from `object`; NULL on lack of memory.
static json_t *add_child(json_t *object, const char *field, json_t *child) {
    return json_object_set_new(object, field, child) == 0 ? child : NULL;
}

static ae_status write_request(json_t *root, const ae_request *request) {
    json_t *object = add_child(root, "request", json_object());
    if (!object) return json_memory();
    AE_TRY(set_text(object, "prompt", request->prompt));
    AE_TRY(set_text(object, "subject", request->subject));
    AE_TRY(set_text(object, "target_new", request->target_new));
    AE_TRY(set_text(object, "target_true", request->target_true));
    return set_int(object, "case_id", request->case_id);
}

static ae_status write_hparams(json_t *root, const ae_hparams *h) {
    json_t *object = add_child(root, "hparams", json_object());
    if (!object) return json_memory();
    AE_TRY(set_text(object, "variant", ae_variant_name(h->variant)));
    json_t *layers = add_child(object, "layers", json_array());
    if (!layers) return json_memory();
    for (int i = 0; i < h->n_layers; i++)
        if (json_array_append_new(layers, json_integer(h->layers[i])) != 0) return json_memory();
    AE_TRY(set_text(object, "fact_token", ae_fact_token_name(h->fact_token)));
    AE_TRY(set_int(object, "v_num_grad_steps", h->v_num_grad_steps));
    AE_TRY(set_number(object, "v_lr", h->v_lr));
    AE_TRY(set_number(object, "v_weight_decay", h->v_weight_decay));
    AE_TRY(set_number(object, "clamp_norm_factor", h->clamp_norm_factor));
    AE_TRY(set_number(object, "kl_factor", h->kl_factor));
    if (json_object_set_new(object, "mom2_adjustment", json_boolean(h->mom2_adjustment)) != 0)
        return json_memory();
    json_t *lengths = add_child(object, "context_template_length_params", json_array());
    if (!lengths) return json_memory();
    for (int i = 0; i < h->n_template_lengths; i++)
        if (json_array_append_new(
                lengths, json_pack("[i, i]", h->template_lengths[i][0], h->template_lengths[i][1])) != 0)
            return json_memory();
    AE_TRY(set_text(object, "mom2_dataset", h->mom2_dataset));
    AE_TRY(set_int(object, "mom2_n_samples", h->mom2_n_samples));
    return set_text(object, "mom2_dtype", h->mom2_dtype);
}

static ae_status write_measure(json_t *root, const char *field, const ae_measure *measure) {
    json_t *object = add_child(root, field, json_object());
    if (!object) return json_memory();
    AE_TRY(set_measured(object, "target_new", measure->target_new));
    AE_TRY(set_measured(object, "target_true", measure->target_true));
    return set_text(object, "continuation", measure->continuation);
}

static ae_status write_layer(json_t *array, const ae_layer_edit *layer) {
    json_t *object = json_object();
    if (json_array_append_new(array, object) != 0) return json_memory();
    AE_TRY(set_int(object, "layer", layer->layer));
    AE_TRY(set_text(object, "module", layer->module));
    AE_TRY(set_int(object, "d_mlp", layer->d_mlp));
    AE_TRY(set_int(object, "d_model", layer->d_model));
    AE_TRY(set_text(object, "base_sha256", layer->base_sha256));
    for (int i = 0; i < N_FIGURES; i++)
        AE_TRY(set_number(object, figures[i].name, *CONST_FIELD(double, layer, figures[i].field)));
    return AE_OK;
}

static ae_status write_document(json_t *root, const ae_entry_head *head, const ae_edit *edit) {
    AE_TRY(set_int(root, "id", head->id));
    AE_TRY(set_text(root, "time", head->time));
    AE_TRY(set_text(root, "aedile", ae_version()));
    AE_TRY(set_text(root, "shape_sha256", head->shape_sha256));
    AE_TRY(write_request(root, &edit->request));
    AE_TRY(write_hparams(root, &edit->hparams));
    char seed[24]; // as text: JSON readers lose digits of integers above 2^53
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)edit->seed);
    AE_TRY(set_text(root, "seed", seed));
    json_t *templates = add_child(root, "templates", json_object());
    if (!templates) return json_memory();
    AE_TRY(set_int(templates, "count", (int64_t)edit->n_templates));
    AE_TRY(set_text(templates, "sha256", edit->templates_sha256));
    json_t *layers = add_child(root, "layers", json_array());
    if (!layers) return json_memory();
    for (int i = 0; i < edit->n_layers; i++)
        AE_TRY(write_layer(layers, &edit->layers[i]));
    AE_TRY(write_measure(root, "before", &edit->before));
    AE_TRY(write_measure(root, "after", &edit->after));
    json_t *seconds = add_child(root, "seconds", json_object());
    if (!seconds) return json_memory();
    AE_TRY(set_number(seconds, "keys", edit->seconds_keys));
    AE_TRY(set_number(seconds, "solve", edit->seconds_solve));
    AE_TRY(set_number(seconds, "optimise", edit->seconds_optimise));
    return set_number(seconds, "update", edit->seconds_update);
}

// Metadata: three texts. The digest's digits are zeros as yet.
static ae_status make_metadata(const ae_entry_head *head, const ae_edit *edit, json_t **out) {
    json_t *root = json_object();
    if (!root) return json_memory();
    ae_status status = write_document(root, head, edit);
    char *text = status == AE_OK ? ae_json_dump(root, 0) : NULL;
    json_decref(root);
    if (status != AE_OK) return status;
    if (!text) return ae_no_memory();
    json_t *metadata = json_pack("{s:s, s:s, s:s}", "aedile.format", entry_format, "aedile.digest", zeros,
                                 "aedile.edit", text);
    ae_free(text);
    if (!metadata) return json_memory();
    *out = metadata;
    return AE_OK;
}

static ae_status check_vector(const ae_layer_edit *layer, const char *name, const void *data, int64_t n,
                              bool is_double) {
    if (n > 0 && !data)
        return ae_fail(AE_ERR_ARGUMENT, "layer %d of the edit has no '%s'", layer->layer, name);
    for (int64_t i = 0; i < n; i++) {
        const double value = is_double ? ((const double *)data)[i] : (double)((const float *)data)[i];
        if (!isfinite(value))
            return ae_fail(AE_ERR_NUMERIC,
                           "layer %d: '%s' holds %g at element %lld: the journal refuses an edit with a "
                           "value that is not finite",
                           layer->layer, name, value, (long long)i);
    }
    return AE_OK;
}

typedef char tensor_name[40];

static ae_status list_tensors(const ae_layer_edit *layer, ae_tensor *tensor, tensor_name *name) {
    if (layer->d_mlp < 1 || layer->d_model < 1 || layer->n_steps < 0)
        return ae_fail(AE_ERR_ARGUMENT, "layer %d of the edit: d_mlp %d, d_model %d, %d steps cannot be",
                       layer->layer, layer->d_mlp, layer->d_model, layer->n_steps);
    for (int i = 0; i < N_LAYER_TENSORS; i++) {
        const bool trace = i < N_TRACES;
        const char *last = trace ? traces[i].name : vectors[i - N_TRACES].name;
        const void *data;
        int64_t n;
        if (trace) {
            data = *CONST_FIELD(double *, layer, traces[i].field);
            n = layer->n_steps;
        } else {
            data = *CONST_FIELD(float *, layer, vectors[i - N_TRACES].field);
            n = vectors[i - N_TRACES].wide ? layer->d_mlp : layer->d_model;
        }
        AE_TRY(check_vector(layer, last, data, n, trace));
        snprintf(name[i], sizeof name[i], "layer.%d.%s", layer->layer, last);
        tensor[i] = (ae_tensor){.name = name[i],
                                .dtype = trace ? AE_F64 : AE_F32,
                                .n_dim = 1,
                                .shape = {n},
                                .n_bytes = (size_t)n * (trace ? sizeof(double) : sizeof(float)),
                                .data = n > 0 ? data : ""};
    }
    return AE_OK;
}

// Traces of all layers, then vectors of all layers: see `traces`.
static int compare_width(const ae_tensor *a, const ae_tensor *b) {
    return (a->dtype == AE_F64) < (b->dtype == AE_F64);
}

static void sort_by_width(ae_tensor *tensors, size_t count) {
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && compare_width(&tensors[j - 1], &tensors[j]); j--) {
            const ae_tensor swapped = tensors[j];
            tensors[j] = tensors[j - 1];
            tensors[j - 1] = swapped;
        }
}

static ae_status assemble(const ae_tensor *tensors, size_t count, const json_t *metadata, ae_text *out) {
    char *header = NULL;
    size_t n_header = 0;
    AE_TRY(ae_safetensors_header(tensors, count, metadata, &header, &n_header));
    ae_status status = ae_text_append(out, header, n_header);
    ae_free(header);
    for (size_t i = 0; status == AE_OK && i < count; i++)
        status = ae_text_append(out, tensors[i].data, tensors[i].n_bytes);
    if (status != AE_OK) return status;
    const char *digits = find_digits(out->data, out->length);
    if (!digits || memcmp(digits, zeros, N_DIGITS) != 0)
        return ae_fail(AE_ERR_INTERNAL, "the digest's place is not found in a header just written");
    char hex[AE_DIGEST_HEX];
    AE_TRY(digest_bytes(out->data, out->length, digits, hex));
    memcpy(out->data + (digits - out->data), hex, N_DIGITS);
    return AE_OK;
}

ae_status ae_entry_write(const ae_entry_head *head, const ae_edit *edit, char **bytes, size_t *length) {
    if (edit->n_layers < 1 || edit->n_layers > AE_MAX_EDIT_LAYERS)
        return ae_fail(AE_ERR_ARGUMENT, "an edit of %d layers cannot be recorded: 1 to %d are possible",
                       edit->n_layers, AE_MAX_EDIT_LAYERS);
    const size_t count = (size_t)edit->n_layers * N_LAYER_TENSORS;
    ae_tensor *tensors = ae_alloc(count, sizeof *tensors);
    tensor_name *names = ae_alloc(count, sizeof *names);
    json_t *metadata = NULL;
    ae_text file = {0};
    ae_status status = tensors && names ? AE_OK : ae_no_memory();
    for (int i = 0; status == AE_OK && i < edit->n_layers; i++)
        status = list_tensors(&edit->layers[i], tensors + i * N_LAYER_TENSORS, names + i * N_LAYER_TENSORS);
    if (status == AE_OK) {
        sort_by_width(tensors, count);
        status = make_metadata(head, edit, &metadata);
    }
    if (status == AE_OK) status = assemble(tensors, count, metadata, &file);
    json_decref(metadata);
    ae_free(names);
    ae_free(tensors);
    if (status != AE_OK) {
        ae_free(file.data);
        return status;
    }
    *bytes = file.data;
    *length = file.length;
    return AE_OK;
}

// ---- reading
// --------------------------------------------------------------------------------------------------

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

// The tensor "layer.<n>.<last>": [n] (or any length where n is -1) of `dtype`, finite.
static ae_status get_tensor(const reader *r, int layer, const char *last, ae_dtype dtype, int64_t n,
                            const ae_tensor **out) {
    tensor_name name;
    snprintf(name, sizeof name, "layer.%d.%s", layer, last);
    const ae_tensor *t = ae_safetensors_find(r->file, name);
    if (!t) return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is missing", r->name, name);
    if (t->dtype != dtype || t->n_dim != 1 || (n >= 0 && t->shape[0] != n) || t->shape[0] > INT32_MAX)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s' is %s with %d dimensions, the first %lld; expected %s [%lld]",
                       r->name, name, ae_dtype_name(t->dtype), t->n_dim,
                       t->n_dim > 0 ? (long long)t->shape[0] : 0LL, ae_dtype_name(dtype), (long long)n);
    *out = t;
    return AE_OK;
}

static ae_status read_vector(const reader *r, int layer, const char *last, ae_dtype dtype, int64_t n,
                             void **out) {
    const ae_tensor *t = NULL;
    AE_TRY(get_tensor(r, layer, last, dtype, n, &t));
    void *copy = ae_arena_alloc(r->arena, (size_t)n, ae_dtype_size(dtype));
    if (!copy) return ae_no_memory();
    if (t->n_bytes > 0) memcpy(copy, t->data, t->n_bytes);
    for (int64_t i = 0; i < n; i++) {
        const double value = dtype == AE_F64 ? ((double *)copy)[i] : (double)((float *)copy)[i];
        if (!isfinite(value))
            return ae_fail(AE_ERR_NUMERIC, "'%s': tensor '%s' holds %g at element %lld", r->name, t->name,
                           value, (long long)i);
    }
    *out = copy;
    return AE_OK;
}

static ae_status read_layer(const reader *r, const json_t *object, ae_layer_edit *out) {
    enum { MAX_SIZE = 1 << 28 };
    AE_TRY(get_int(r, object, "layer", 0, 1 << 20, &out->layer));
    AE_TRY(get_short(r, object, "module", out->module, sizeof out->module));
    AE_TRY(get_int(r, object, "d_mlp", 1, MAX_SIZE, &out->d_mlp));
    AE_TRY(get_int(r, object, "d_model", 1, MAX_SIZE, &out->d_model));
    AE_TRY(get_sha256(r, object, "base_sha256", false, out->base_sha256));
    for (int i = 0; i < N_FIGURES; i++)
        AE_TRY(get_number(r, object, figures[i].name, FIELD(double, out, figures[i].field)));
    const ae_tensor *loss = NULL;
    AE_TRY(get_tensor(r, out->layer, "loss", AE_F64, -1, &loss));
    out->n_steps = (int)loss->shape[0];
    void *data = NULL;
    for (int i = 0; i < N_TRACES; i++) {
        AE_TRY(read_vector(r, out->layer, traces[i].name, AE_F64, out->n_steps, &data));
        *FIELD(double *, out, traces[i].field) = data;
    }
    for (int i = 0; i < N_VECTORS; i++) {
        const int n = vectors[i].wide ? out->d_mlp : out->d_model;
        AE_TRY(read_vector(r, out->layer, vectors[i].name, AE_F32, n, &data));
        *FIELD(float *, out, vectors[i].field) = data;
    }
    return AE_OK;
}

static ae_status read_layers(const reader *r, const json_t *root, ae_edit *out) {
    const json_t *array = NULL;
    AE_TRY(get_array(r, root, "layers", 1, AE_MAX_EDIT_LAYERS, &array));
    const size_t n = json_array_size(array);
    if (ae_safetensors_count(r->file) != n * N_LAYER_TENSORS)
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %zu tensors, expected %zu for %zu layers", r->name,
                       ae_safetensors_count(r->file), n * N_LAYER_TENSORS, n);
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
    if (strcmp(format, entry_format) != 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s' is of format '%.100s'; this version of aedile (%s) reads '%s'", r->name, format,
                       ae_version(), entry_format);
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
