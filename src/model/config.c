#include "model/config.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { CONFIG_LIMIT = 16 << 20 };

static ae_status read_size(const char *path, const json_t *json, const char *key, bool required,
                           int32_t *out) {
    int64_t value = *out;
    AE_TRY(ae_json_int(path, json, key, required, 1, 1 << 24, &value));
    *out = (int32_t)value;
    return AE_OK;
}

// A switch that changes the computation and that we do not compute: it must be absent or have the usual
// value.
static ae_status refuse_switch(const char *path, const json_t *json, const char *key, bool usual) {
    bool value = usual;
    AE_TRY(ae_json_bool(path, json, key, false, &value));
    if (value != usual)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': '%s' is %s, which is not supported", path, key,
                       value ? "true" : "false");
    return AE_OK;
}

static ae_status read_config(const char *path, const json_t *json, ae_config *c) {
    if (!json_is_object(json))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", path, ae_json_type_name(json));
    const char *type = NULL;
    AE_TRY(ae_json_string(path, json, "model_type", true, &type));
    c->arch = ae_arch_find(type);
    if (!c->arch)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': model_type '%s' is not supported; supported are: %s", path,
                       type, ae_arch_names());
    const ae_arch *arch = c->arch;
    AE_TRY(read_size(path, json, arch->key.n_layer, true, &c->n_layer));
    AE_TRY(read_size(path, json, arch->key.n_head, true, &c->n_head));
    AE_TRY(read_size(path, json, arch->key.d_model, true, &c->d_model));
    AE_TRY(read_size(path, json, arch->key.n_vocab, true, &c->n_vocab));
    AE_TRY(read_size(path, json, arch->key.n_ctx, true, &c->n_ctx));
    if (c->d_model % c->n_head != 0)
        return ae_fail(AE_ERR_FORMAT, "'%s': %s = %d is not a multiple of %s = %d", path, arch->key.d_model,
                       c->d_model, arch->key.n_head, c->n_head);
    c->d_head = c->d_model / c->n_head;
    c->d_mlp = 4 * c->d_model;
    AE_TRY(read_size(path, json, arch->key.d_mlp, false, &c->d_mlp));
    double epsilon = 1e-5;
    AE_TRY(ae_json_number(path, json, arch->key.epsilon, false, 1e-12, 1e-1, &epsilon));
    c->epsilon = (float)epsilon;
    c->n_rot = 0;
    if (arch->positions == AE_POSITIONS_ROTARY) {
        c->n_rot = json_object_get(json, arch->key.n_rot) ? c->d_head : arch->n_rot_default;
        AE_TRY(read_size(path, json, arch->key.n_rot, false, &c->n_rot));
        if (c->n_rot > c->d_head || c->n_rot % 2 != 0)
            return ae_fail(AE_ERR_FORMAT, "'%s': %s = %d must be even and at most the head size %d", path,
                           arch->key.n_rot, c->n_rot, c->d_head);
    }
    const char *activation = "gelu_new";
    AE_TRY(ae_json_string(path, json, arch->key.activation, false, &activation));
    if (strcmp(activation, "gelu_new") != 0 && strcmp(activation, "gelu_pytorch_tanh") != 0)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': %s '%s' is not supported; supported is: gelu_new", path,
                       arch->key.activation, activation);

    bool scale_weights = true;
    c->scale_by_layer = false;
    if (arch->key.scale_weights)
        AE_TRY(ae_json_bool(path, json, arch->key.scale_weights, false, &scale_weights));
    if (arch->key.scale_by_layer)
        AE_TRY(ae_json_bool(path, json, arch->key.scale_by_layer, false, &c->scale_by_layer));
    // A family that has no such switch may carry it in its config all the same: with its usual value, or not
    // at all.
    if (!arch->key.scale_weights) AE_TRY(refuse_switch(path, json, "scale_attn_weights", true));
    if (!arch->key.scale_by_layer)
        AE_TRY(refuse_switch(path, json, "scale_attn_by_inverse_layer_idx", false));
    c->attn_scale = scale_weights ? (float)(1.0 / sqrt((double)c->d_head)) : 1.0f;
    // reorder_and_upcast_attn only changes the precision of 16-bit training: ours is fp32 throughout.
    AE_TRY(refuse_switch(path, json, "add_cross_attention", false));
    c->tied_head = arch->tied_head;
    AE_TRY(ae_json_bool(path, json, "tie_word_embeddings", false, &c->tied_head));
    return AE_OK;
}

ae_status ae_config_load(const char *folder, ae_config *out) {
    char *path = ae_path_join(folder, "config.json");
    if (!path) return ae_no_memory();
    json_t *json = NULL;
    ae_config config = {0};
    ae_status status = ae_json_load(path, CONFIG_LIMIT, &json);
    if (status == AE_ERR_NOT_FOUND && !ae_path_is_taken(path))
        ae_fail(status, "'%s' has no config.json: it is not a Hugging Face model folder", folder);
    if (status == AE_OK) status = read_config(path, json, &config);
    if (status == AE_OK) *out = config;
    json_decref(json);
    ae_free(path);
    return status;
}
