// One edit as the bytes of a safetensors file.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "edit/hparams.h"
#include "edit/journal_entry_parts.h"
#include "format/safetensors.h"

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

ae_status ae_hparams_put(json_t *root, const ae_hparams *h) {
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
    for (int i = 0; i < AE_ENTRY_FIGURES; i++) {
        const char *field = (const char *)layer + ae_entry_figures[i].field;
        AE_TRY(set_number(object, ae_entry_figures[i].name, *(const double *)(const void *)field));
    }
    return AE_OK;
}

static ae_status write_document(json_t *root, const ae_entry_head *head, const ae_edit *edit) {
    AE_TRY(set_int(root, "id", head->id));
    AE_TRY(set_text(root, "time", head->time));
    AE_TRY(set_text(root, "aedile", ae_version()));
    AE_TRY(set_text(root, "shape_sha256", head->shape_sha256));
    AE_TRY(write_request(root, &edit->request));
    AE_TRY(ae_hparams_put(root, &edit->hparams));
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
    json_t *metadata = json_pack("{s:s, s:s, s:s}", "aedile.format", AE_ENTRY_FORMAT, "aedile.digest",
                                 AE_ENTRY_ZEROS, "aedile.edit", text);
    ae_free(text);
    if (!metadata) return json_memory();
    *out = metadata;
    return AE_OK;
}

typedef char tensor_name[40];

static ae_status make_tensor(const ae_layer_edit *layer, const ae_entry_vector *vector, ae_tensor *tensor,
                             tensor_name name) {
    const void *data = ae_entry_vector_get(vector, layer);
    const int64_t n = ae_entry_vector_length(vector, layer);
    if (n > 0 && !data)
        return ae_fail(AE_ERR_ARGUMENT, "layer %d of the edit has no '%s'", layer->layer, vector->name);
    double value = 0;
    const int64_t bad = ae_entry_find_bad(data, vector->dtype, n, &value);
    if (bad >= 0)
        return ae_fail(
            AE_ERR_NUMERIC,
            "layer %d: '%s' holds %g at element %lld: the journal refuses an edit with a value that "
            "is not finite",
            layer->layer, vector->name, value, (long long)bad);
    snprintf(name, sizeof(tensor_name), "layer.%d.%s", layer->layer, vector->name);
    *tensor = (ae_tensor){.name = name,
                          .dtype = vector->dtype,
                          .n_dim = 1,
                          .shape = {n},
                          .n_bytes = (size_t)n * ae_dtype_size(vector->dtype),
                          .data = n > 0 ? data : ""};
    return AE_OK;
}

// The doubles of all layers come first, so that every tensor lies at a multiple of its element size.
static ae_status make_tensors(const ae_edit *edit, ae_tensor *tensors, tensor_name *names) {
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *layer = &edit->layers[i];
        if (layer->d_mlp < 1 || layer->d_model < 1 || layer->n_steps < 0)
            return ae_fail(AE_ERR_ARGUMENT, "layer %d of the edit: d_mlp %d, d_model %d, %d steps cannot be",
                           layer->layer, layer->d_mlp, layer->d_model, layer->n_steps);
    }
    size_t count = 0;
    for (int k = 0; k < AE_ENTRY_VECTORS; k++)
        for (int i = 0; i < edit->n_layers; i++, count++)
            AE_TRY(make_tensor(&edit->layers[i], &ae_entry_vectors[k], &tensors[count], names[count]));
    return AE_OK;
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
    const char *digits = ae_entry_find_digits(out->data, out->length);
    if (!digits || memcmp(digits, AE_ENTRY_ZEROS, AE_ENTRY_DIGITS) != 0)
        return ae_fail(AE_ERR_INTERNAL, "the digest's place is not found in a header just written");
    char hex[AE_DIGEST_HEX];
    AE_TRY(ae_entry_digest(out->data, out->length, digits, hex));
    memcpy(out->data + (digits - out->data), hex, AE_ENTRY_DIGITS);
    return AE_OK;
}

ae_status ae_entry_write(const ae_entry_head *head, const ae_edit *edit, char **bytes, size_t *length) {
    if (edit->n_layers < 1 || edit->n_layers > AE_MAX_EDIT_LAYERS)
        return ae_fail(AE_ERR_ARGUMENT, "an edit of %d layers cannot be recorded: 1 to %d are possible",
                       edit->n_layers, AE_MAX_EDIT_LAYERS);
    const size_t count = (size_t)edit->n_layers * AE_ENTRY_VECTORS;
    ae_tensor *tensors = ae_alloc(count, sizeof *tensors);
    tensor_name *names = ae_alloc(count, sizeof *names);
    json_t *metadata = NULL;
    ae_text file = {0};
    ae_status status = tensors && names ? AE_OK : ae_no_memory();
    if (status == AE_OK) status = make_tensors(edit, tensors, names);
    if (status == AE_OK) status = make_metadata(head, edit, &metadata);
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
