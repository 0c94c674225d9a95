// params.json: the reference's hyperparameters and settings, by its names and in its order, then ours.
#include <string.h>

#include "edit/hparams.h"
#include "eval/python_json.h"
#include "eval/run_settings.h"

enum { INDENT = 1 };

static ae_status put_bool(json_t *object, const char *key, bool value) {
    return ae_json_put(object, key, json_boolean(value));
}

static ae_status put_int(json_t *object, const char *key, int64_t number) {
    return ae_json_put(object, key, json_integer(number));
}

static ae_status put_text(json_t *object, const char *key, const char *text) {
    return ae_json_put(object, key, ae_json_any_text(text));
}

// The flags that say the variant to the reference (spec: editing §4).
static ae_status put_flags(json_t *params, ae_variant variant) {
    AE_TRY(put_bool(params, "enable_prompt_keys", variant != AE_R_ROME));
    AE_TRY(put_bool(params, "enable_random_prefix_keys", variant == AE_R_ROME));
    return put_bool(params, "original_implementation", variant != AE_P_ROME);
}

static ae_status put_module(json_t *params, const char *key, const char *prefix, const char *tensor,
                            int n_parts) {
    char *name = ae_module_name(prefix, tensor, n_parts);
    if (!name) return ae_no_memory();
    const ae_status status = put_text(params, key, name);
    ae_free(name);
    return status;
}

static ae_status put_modules(json_t *params, const ae_model *model) {
    const ae_arch *a = model->config.arch;
    AE_TRY(put_module(params, "rewrite_module_tmp", a->prefix, a->tensor.mlp_out, 1));
    AE_TRY(put_module(params, "layer_module_tmp", a->prefix, a->tensor.mlp_out, 3));
    AE_TRY(put_module(params, "mlp_module_tmp", a->prefix, a->tensor.mlp_out, 2));
    AE_TRY(put_module(params, "attn_module_tmp", a->prefix, a->tensor.attn_out, 2));
    AE_TRY(put_module(params, "ln_f_module", a->prefix, a->tensor.ln_f_weight, 1));
    return model->config.tied_head ? put_module(params, "lm_head_module", a->prefix, a->tensor.wte, 1)
                                   : put_module(params, "lm_head_module", "", a->tensor.head_weight, 1);
}

// A member of the settings' hyperparameters, which are under the reference's names already.
static ae_status copy(json_t *params, const json_t *from, const char *key) {
    return ae_json_put(params, key, json_incref(json_object_get(from, key)));
}

static ae_status put_hparams(json_t *params, const ae_model *model, const ae_hparams *h,
                             const json_t *identity) {
    static const char *const before[] = {"layers", "fact_token", "v_num_grad_steps", "v_lr"};
    static const char *const behind[] = {"v_weight_decay", "clamp_norm_factor", "kl_factor",
                                         "mom2_adjustment", "context_template_length_params"};
    const json_t *from = json_object_get(identity, "hparams");
    AE_TRY(put_flags(params, h->variant));
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        AE_TRY(copy(params, from, before[i]));
    AE_TRY(put_int(params, "v_loss_layer", model->config.n_layer - 1));
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        AE_TRY(copy(params, from, behind[i]));
    AE_TRY(put_modules(params, model));
    AE_TRY(copy(params, from, "mom2_dataset"));
    AE_TRY(ae_json_put(params, "mom2_n_samples",
                       h->mom2_n_samples > 0 ? json_integer(h->mom2_n_samples) : json_null()));
    return copy(params, from, "mom2_dtype");
}

static ae_status put_run(json_t *params, const ae_model *model, const ae_run_options *o) {
    AE_TRY(put_text(params, "model_name", model->info.name));
    AE_TRY(put_text(params, "algo_name", "ROME"));
    AE_TRY(put_text(params, "dataset", o->dataset));
    AE_TRY(put_int(params, "n_edits", o->num_edits));
    AE_TRY(put_bool(params, "use_cache", false));
    AE_TRY(put_text(params, "continue_from_run", NULL));
    AE_TRY(put_bool(params, "skip_generation_tests", o->generation_interval < 0));
    AE_TRY(put_int(params, "generation_test_interval", o->generation_interval));
    AE_TRY(put_bool(params, "conserve_memory", false));
    AE_TRY(put_bool(params, "sequential", o->sequential));
    AE_TRY(put_text(params, "hparams_fname", o->hparams_name ? o->hparams_name : "built-in"));
    return ae_json_put(params, "dataset_size_limit", o->limit > 0 ? json_integer(o->limit) : json_null());
}

static ae_status put_ours(json_t *params, const ae_run_options *o, const json_t *identity) {
    static const char *const hashes[] = {"model",     "dataset",  "cases", "statistics",
                                         "templates", "snippets", "tasks", "ppl_text"};
    AE_TRY(put_text(params, "variant", ae_variant_name(o->hparams.variant)));
    // A seed beyond JSON's integers stays text.
    AE_TRY(o->seed <= INT64_MAX ? put_int(params, "seed", (int64_t)o->seed) : copy(params, identity, "seed"));
    json_t *object = json_object();
    AE_TRY(ae_json_put(params, "hashes", object));
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        AE_TRY(copy(object, identity, hashes[i]));
    object = json_object();
    AE_TRY(ae_json_put(params, "versions", object));
    return put_text(object, "aedile", ae_version());
}

ae_status ae_run_params_text(ae_model *model, const ae_run_options *o, const json_t *settings, char **text) {
    const json_t *identity = json_object_get(settings, "identity");
    json_t *params = json_object();
    ae_status status = put_hparams(params, model, &o->hparams, identity);
    if (status == AE_OK) status = put_run(params, model, o);
    if (status == AE_OK) status = put_ours(params, o, identity);
    return ae_python_json_finish(status, params, INDENT, text);
}
