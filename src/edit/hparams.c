// Hyperparameters: names, built-in values, what is sensible. Files are read in hparams_load.c.
#include "aedile/edit.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "edit/hparams.h"
#include "model/model.h"

static const char *const variant_names[] = {
    [AE_R_ROME] = "r-rome", [AE_ROME] = "rome", [AE_P_ROME] = "p-rome"};
static const char *const fact_token_names[] = {[AE_SUBJECT_LAST] = "subject_last",
                                               [AE_SUBJECT_FIRST] = "subject_first",
                                               [AE_SUBJECT_FIRST_AFTER_LAST] = "subject_first_after_last",
                                               [AE_LAST] = "last"};

const char *ae_variant_name(ae_variant variant) {
    return (size_t)variant < sizeof variant_names / sizeof *variant_names ? variant_names[variant]
                                                                          : "unknown";
}

ae_status ae_variant_parse(const char *name, ae_variant *out) {
    for (int i = 0; i < (int)(sizeof variant_names / sizeof *variant_names); i++)
        if (strcmp(name, variant_names[i]) == 0) {
            *out = (ae_variant)i;
            return AE_OK;
        }
    return ae_fail(AE_ERR_ARGUMENT, "there is no variant '%s'; there are r-rome, rome and p-rome", name);
}

const char *ae_fact_token_name(ae_fact_token token) {
    return (size_t)token < sizeof fact_token_names / sizeof *fact_token_names ? fact_token_names[token]
                                                                              : "unknown";
}

// The one model whose file differs from the others in more than the layer (rebuilding-rome, hparams/ROME).
static bool is_gpt2_medium(const ae_model_info *info) {
    return strcmp(info->architecture, "gpt2") == 0 && info->n_layer == 24 && info->d_model == 1024;
}

static ae_status no_layer(const ae_model_info *info) {
    return ae_fail(AE_ERR_ARGUMENT,
                   "no layer is known for '%s' (%s, %d layers of width %d): name one with --layer or in a "
                   "hyperparameter file",
                   info->name, info->architecture, info->n_layer, info->d_model);
}

// A layer that is named takes the place of those that `h` has.
static ae_status choose_layer(const ae_model_info *info, int layer, ae_hparams *h) {
    if (layer >= 0) {
        h->layers[0] = layer;
        h->n_layers = 1;
    }
    if (h->n_layers == 0 || h->layers[0] < 0) return no_layer(info);
    if (h->layers[0] >= info->n_layer)
        return ae_fail(AE_ERR_MISMATCH, "layer %d does not exist: '%s' has layers 0 to %d", h->layers[0],
                       info->name, info->n_layer - 1);
    return AE_OK;
}

ae_status ae_hparams_standard(const ae_model *model, int layer, ae_hparams *out) {
    const ae_model_info *info = &model->info;
    ae_hparams h = {.variant = AE_R_ROME,
                    .layers = {info->default_layer},
                    .n_layers = 1,
                    .fact_token = AE_SUBJECT_LAST,
                    .v_num_grad_steps = 20,
                    .v_lr = 0.5,
                    .v_weight_decay = 0.5,
                    .clamp_norm_factor = is_gpt2_medium(info) ? 3.0 : 4.0,
                    .kl_factor = 0.0625,
                    .mom2_adjustment = true,
                    .template_lengths = {{5, 10}, {10, 10}},
                    .n_template_lengths = 2,
                    .mom2_dataset = "wikipedia",
                    .mom2_n_samples = 100000,
                    .mom2_dtype = "float32"};
    AE_TRY(choose_layer(info, layer, &h));
    *out = h;
    return AE_OK;
}

ae_status ae_hparams_builtin(const ae_model *model, int layer, ae_hparams *out) {
    char *path = model->info.folder ? ae_path_join(model->info.folder, "hparams.json") : NULL;
    if (model->info.folder && !path) return ae_no_memory();
    ae_hparams h;
    ae_status status = path && ae_path_exists(path) ? ae_hparams_load(path, model, NULL, &h)
                                                    : ae_hparams_standard(model, layer, &h);
    ae_free(path);
    AE_TRY(status);
    AE_TRY(choose_layer(&model->info, layer, &h));
    *out = h;
    return AE_OK;
}

static ae_status check_layers(const ae_hparams *h, const ae_model_info *info) {
    if (h->n_layers == 0) return no_layer(info);
    if (h->n_layers < 0 || h->n_layers > AE_MAX_EDIT_LAYERS)
        return ae_fail(AE_ERR_ARGUMENT, "'layers' has %d entries, expected 1 to %d", h->n_layers,
                       AE_MAX_EDIT_LAYERS);
    for (int i = 0; i < h->n_layers; i++) {
        if (h->layers[i] < 0 || h->layers[i] >= info->n_layer)
            return ae_fail(AE_ERR_MISMATCH, "'layers' names layer %d, but '%s' has layers 0 to %d",
                           h->layers[i], info->name, info->n_layer - 1);
        if (i > 0 && h->layers[i] <= h->layers[i - 1])
            return ae_fail(AE_ERR_ARGUMENT, "'layers' must ascend, each layer once: %d follows %d",
                           h->layers[i], h->layers[i - 1]);
    }
    return AE_OK;
}

static ae_status check_number(const char *field, double value, bool zero_is_fine) {
    if (isfinite(value) && (value > 0 || (zero_is_fine && value == 0))) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT, "'%s' is %g, expected a number %s", field, value,
                   zero_is_fine ? "of 0 or more" : "above 0");
}

// Names that become part of the statistics' path.
static ae_status check_name(const char *field, const char *value, size_t room) {
    if (!memchr(value, '\0', room))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is longer than %zu bytes", field, room - 1);
    if (!*value || strchr(value, '/'))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is '%s', expected a name without '/'", field, value);
    return AE_OK;
}

static ae_status check_templates(const ae_hparams *h, const ae_model_info *info) {
    if (h->n_template_lengths < 0 || h->n_template_lengths > AE_MAX_TEMPLATE_LENGTHS)
        return ae_fail(AE_ERR_ARGUMENT, "'context_template_length_params' has %d entries, expected 0 to %d",
                       h->n_template_lengths, AE_MAX_TEMPLATE_LENGTHS);
    for (int i = 0; i < h->n_template_lengths; i++) {
        int length = h->template_lengths[i][0], count = h->template_lengths[i][1];
        if (length < 1 || length > info->n_ctx)
            return ae_fail(
                AE_ERR_ARGUMENT,
                "'context_template_length_params' asks for texts of %d tokens, expected 1 to %d (the model's "
                "context)",
                length, info->n_ctx);
        if (count < 1 || count > 1000)
            return ae_fail(
                AE_ERR_ARGUMENT,
                "'context_template_length_params' asks for %d texts of one length, expected 1 to 1000",
                count);
    }
    return AE_OK;
}

ae_status ae_hparams_check(const ae_hparams *h, const ae_model *model) {
    const ae_model_info *info = &model->info;
    AE_TRY(check_layers(h, info));
    if ((size_t)h->variant >= sizeof variant_names / sizeof *variant_names)
        return ae_fail(AE_ERR_ARGUMENT, "there is no variant number %d", (int)h->variant);
    if ((size_t)h->fact_token >= sizeof fact_token_names / sizeof *fact_token_names)
        return ae_fail(AE_ERR_ARGUMENT, "there is no fact token number %d", (int)h->fact_token);
    if (h->fact_token == AE_LAST && h->variant != AE_R_ROME)
        return ae_fail(
            AE_ERR_ARGUMENT,
            "'fact_token' is 'last', which only the variant r-rome knows (not %s); take one of the subject's "
            "tokens",
            ae_variant_name(h->variant));
    if (h->v_num_grad_steps < 1 || h->v_num_grad_steps > 100000)
        return ae_fail(AE_ERR_ARGUMENT, "'v_num_grad_steps' is %d, expected 1 to 100000",
                       h->v_num_grad_steps);
    AE_TRY(check_number("v_lr", h->v_lr, false));
    AE_TRY(check_number("v_weight_decay", h->v_weight_decay, true));
    AE_TRY(check_number("clamp_norm_factor", h->clamp_norm_factor, false));
    AE_TRY(check_number("kl_factor", h->kl_factor, true));
    AE_TRY(check_templates(h, info));
    AE_TRY(check_name("mom2_dataset", h->mom2_dataset, sizeof h->mom2_dataset));
    AE_TRY(check_name("mom2_dtype", h->mom2_dtype, sizeof h->mom2_dtype));
    if (h->mom2_n_samples < 0)
        return ae_fail(AE_ERR_ARGUMENT, "'mom2_n_samples' is %lld, expected 0 (all) or more",
                       (long long)h->mom2_n_samples);
    return AE_OK;
}
