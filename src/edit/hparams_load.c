// Hyperparameter files: the reference's (hparams/ROME/<model>.json), and the same with "variant"
// (docs/formats.md).
#include "aedile/edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "edit/hparams.h"
#include "model/model.h"

enum { HPARAMS_LIMIT = 1 << 20 };

static const char *const known_fields[] = {
    "variant",
    "original_implementation",
    "enable_prompt_keys",
    "enable_random_prefix_keys",
    "layers",
    "fact_token",
    "v_num_grad_steps",
    "v_lr",
    "v_loss_layer",
    "v_weight_decay",
    "clamp_norm_factor",
    "kl_factor",
    "mom2_adjustment",
    "context_template_length_params",
    "rewrite_module_tmp",
    "layer_module_tmp",
    "mlp_module_tmp",
    "attn_module_tmp",
    "ln_f_module",
    "lm_head_module",
    "mom2_dataset",
    "mom2_n_samples",
    "mom2_dtype",
};

static void warn_of_unknown_fields(const char *path, const json_t *object, const ae_hooks *hooks) {
    for (void *at = json_object_iter((json_t *)(uintptr_t)object); at;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const char *field = json_object_iter_key(at);
        bool known = false;
        for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++)
            known = known || strcmp(field, known_fields[i]) == 0;
        if (!known) ae_warn(hooks, "'%s': field '%s' is not known and has no effect", path, field);
    }
}

static ae_status wrong_type(const char *path, const char *field, const json_t *value, const char *expected) {
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is or holds %s, expected %s", path, field,
                   ae_json_type_name(value), expected);
}

static ae_status read_int(const char *path, const json_t *object, const char *field, int low, int high,
                          int *out) {
    int64_t value = *out;
    AE_TRY(ae_json_int(path, object, field, false, low, high, &value));
    *out = (int)value;
    return AE_OK;
}

// A field that is absent or null leaves *out NULL.
static ae_status read_array(const char *path, const json_t *object, const char *field, size_t most,
                            const json_t **out) {
    const json_t *value = json_object_get(object, field);
    *out = NULL;
    if (!value || json_is_null(value)) return AE_OK;
    if (!json_is_array(value)) return wrong_type(path, field, value, "an array");
    if (json_array_size(value) > most)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' has %zu entries, expected at most %zu", path, field,
                       json_array_size(value), most);
    *out = value;
    return AE_OK;
}

static ae_status element_int(const char *path, const char *field, const json_t *array, size_t index,
                             int *out) {
    const json_t *value = json_array_get(array, index);
    if (!json_is_integer(value)) return wrong_type(path, field, value, "integers");
    json_int_t number = json_integer_value(value);
    if (number < 0 || number > 1000000)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' holds %lld, expected 0 to 1000000", path, field,
                       (long long)number);
    *out = (int)number;
    return AE_OK;
}

static int compare_ints(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

// The reference edits sorted(layers), so that a file may name them in any order.
static ae_status read_layers(const char *path, const json_t *object, ae_hparams *h) {
    const json_t *array;
    AE_TRY(read_array(path, object, "layers", AE_MAX_EDIT_LAYERS, &array));
    if (!array) return AE_OK;
    if (json_array_size(array) == 0)
        return ae_fail(AE_ERR_ARGUMENT, "'%s': 'layers' has 0 entries, expected 1 to %d", path,
                       AE_MAX_EDIT_LAYERS);
    h->n_layers = (int)json_array_size(array);
    for (int i = 0; i < h->n_layers; i++)
        AE_TRY(element_int(path, "layers", array, (size_t)i, &h->layers[i]));
    qsort(h->layers, (size_t)h->n_layers, sizeof *h->layers, compare_ints);
    return AE_OK;
}

static ae_status read_template_lengths(const char *path, const json_t *object, ae_hparams *h) {
    static const char field[] = "context_template_length_params";
    const json_t *array;
    AE_TRY(read_array(path, object, field, AE_MAX_TEMPLATE_LENGTHS, &array));
    if (!array) return AE_OK;
    h->n_template_lengths = (int)json_array_size(array);
    for (int i = 0; i < h->n_template_lengths; i++) {
        const json_t *pair = json_array_get(array, (size_t)i);
        if (!json_is_array(pair) || json_array_size(pair) != 2)
            return wrong_type(path, field, pair, "pairs [length, count]");
        for (int k = 0; k < 2; k++)
            AE_TRY(element_int(path, field, pair, (size_t)k, &h->template_lengths[i][k]));
    }
    return AE_OK;
}

// A flag of the reference: what the file says, or what the reference takes where it says nothing.
typedef struct flag {
    const char *field;
    bool given, value;
} flag;

static ae_status read_flag(const char *path, const json_t *object, flag *f) {
    const json_t *value = json_object_get(object, f->field);
    f->given = value && !json_is_null(value);
    return ae_json_bool(path, object, f->field, false, &f->value);
}

static ae_status refuse_flag(const char *path, const flag *f, bool wanted, ae_variant variant) {
    if (!f->given || f->value == wanted) return AE_OK;
    return ae_fail(AE_ERR_FORMAT, "'%s' contradicts itself: 'variant' is '%s', but '%s' is %s", path,
                   ae_variant_name(variant), f->field, f->value ? "true" : "false");
}

static ae_status read_variant(const char *path, const json_t *object, ae_variant *out) {
    flag original = {.field = "original_implementation", .value = true};
    flag prompt = {.field = "enable_prompt_keys", .value = false};
    flag random = {.field = "enable_random_prefix_keys", .value = true};
    AE_TRY(read_flag(path, object, &original));
    AE_TRY(read_flag(path, object, &prompt));
    AE_TRY(read_flag(path, object, &random));
    const char *name = NULL;
    AE_TRY(ae_json_string(path, object, "variant", false, &name));
    if (name) {
        ae_variant variant;
        if (ae_variant_parse(name, &variant) != AE_OK)
            return ae_fail(AE_ERR_FORMAT, "'%s': field 'variant' is '%s', expected r-rome, rome or p-rome",
                           path, name);
        AE_TRY(refuse_flag(path, &prompt, variant != AE_R_ROME, variant));
        AE_TRY(refuse_flag(path, &random, variant == AE_R_ROME, variant));
        if (variant != AE_R_ROME) AE_TRY(refuse_flag(path, &original, variant == AE_ROME, variant));
        *out = variant;
        return AE_OK;
    }
    if (prompt.value == random.value)
        return ae_fail(
            AE_ERR_FORMAT,
            "'%s': 'enable_prompt_keys'%s and 'enable_random_prefix_keys'%s are both %s; exactly one must be "
            "true, or say \"variant\": \"r-rome\", \"rome\" or \"p-rome\"",
            path, prompt.given ? "" : " (by default)", random.given ? "" : " (by default)",
            prompt.value ? "true" : "false");
    *out = random.value ? AE_R_ROME : original.value ? AE_ROME : AE_P_ROME;
    return AE_OK;
}

static ae_status read_fact_token(const char *path, const json_t *object, ae_fact_token *out) {
    const char *name = NULL;
    AE_TRY(ae_json_string(path, object, "fact_token", false, &name));
    if (!name) return AE_OK;
    for (int i = AE_SUBJECT_LAST; i <= AE_LAST; i++)
        if (strcmp(name, ae_fact_token_name((ae_fact_token)i)) == 0) {
            *out = (ae_fact_token)i;
            return AE_OK;
        }
    return ae_fail(
        AE_ERR_FORMAT,
        "'%s': field 'fact_token' is '%s', expected subject_last, subject_first, subject_first_after_last or "
        "last",
        path, name);
}

static ae_status read_name(const char *path, const json_t *object, const char *field, size_t room,
                           char *out) {
    const char *value = NULL;
    AE_TRY(ae_json_string(path, object, field, false, &value));
    if (!value) return AE_OK;
    if (strlen(value) >= room)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is longer than %zu bytes: '%s'", path, field,
                       room - 1, value);
    memcpy(out, value, strlen(value) + 1);
    return AE_OK;
}

static ae_status read_moments(const char *path, const json_t *object, ae_hparams *h) {
    AE_TRY(ae_json_bool(path, object, "mom2_adjustment", false, &h->mom2_adjustment));
    AE_TRY(read_name(path, object, "mom2_dataset", sizeof h->mom2_dataset, h->mom2_dataset));
    AE_TRY(read_name(path, object, "mom2_dtype", sizeof h->mom2_dtype, h->mom2_dtype));
    // null is the reference's way to say: every document.
    if (json_is_null(json_object_get(object, "mom2_n_samples"))) h->mom2_n_samples = 0;
    return ae_json_int(path, object, "mom2_n_samples", false, 0, INT64_MAX, &h->mom2_n_samples);
}

static ae_status check_module(const char *path, const json_t *object, const char *field, const char *expected,
                              const char *also) {
    const char *value = NULL;
    AE_TRY(ae_json_string(path, object, field, false, &value));
    if (!value || strcmp(value, expected) == 0 || (also && strcmp(value, also) == 0)) return AE_OK;
    return ae_fail(AE_ERR_MISMATCH, "'%s' does not fit the model: field '%s' is '%s', the model's is '%s'",
                   path, field, value, expected);
}

char *ae_module_name(const char *prefix, const char *tensor, int n_parts) {
    size_t length = strlen(tensor);
    for (int i = 0; i < n_parts; i++)
        while (length > 0 && tensor[--length] != '.')
            continue;
    const char *slot = strstr(tensor, "%d");
    if (!slot || slot + 2 > tensor + length) return ae_format("%s%.*s", prefix, (int)length, tensor);
    return ae_format("%s%.*s{}%.*s", prefix, (int)(slot - tensor), tensor, (int)(tensor + length - slot - 2),
                     slot + 2);
}

// Module names tell which model a file was written for. Only the edited matrix is used, but one that does not
// fit says that the file is another model's.
static ae_status check_modules(const char *path, const json_t *object, const ae_model *model) {
    const ae_arch *arch = model->config.arch;
    const struct {
        const char *field, *prefix, *tensor;
        int n_parts; // of the tensor's name to leave out
    } modules[] = {
        {"rewrite_module_tmp", arch->prefix, arch->tensor.mlp_out, 1},
        {"mlp_module_tmp", arch->prefix, arch->tensor.mlp_out, 2},
        {"layer_module_tmp", arch->prefix, arch->tensor.mlp_out, 3},
        {"attn_module_tmp", arch->prefix, arch->tensor.attn_out, 2},
        {"ln_f_module", arch->prefix, arch->tensor.ln_f_weight, 1},
    };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        char *expected = ae_module_name(modules[i].prefix, modules[i].tensor, modules[i].n_parts);
        ae_status status =
            expected ? check_module(path, object, modules[i].field, expected, NULL) : ae_no_memory();
        ae_free(expected);
        AE_TRY(status);
    }
    // A tied output matrix is named after the embedding in the reference's files, after the head elsewhere.
    char *head = ae_module_name("", arch->tensor.head_weight, 1),
         *embedding = ae_module_name(arch->prefix, arch->tensor.wte, 1);
    ae_status status = AE_ERR_MEMORY;
    if (head && embedding && model->config.tied_head)
        status = check_module(path, object, "lm_head_module", embedding, head);
    else if (head && embedding)
        status = check_module(path, object, "lm_head_module", head, NULL);
    ae_free(head);
    ae_free(embedding);
    return status;
}

static ae_status check_loss_layer(const char *path, const json_t *object, const ae_model *model,
                                  const ae_hooks *hooks) {
    int last = model->info.n_layer - 1, layer = -1;
    AE_TRY(read_int(path, object, "v_loss_layer", -1, 1000000, &layer));
    if (layer != -1 && layer != last)
        ae_warn(hooks,
                "'%s': 'v_loss_layer' is %d, but the loss is read at the model's output, as if it were the "
                "last layer, "
                "%d",
                path, layer, last);
    return AE_OK;
}

static ae_status read_hparams(const char *path, const json_t *object, const ae_model *model,
                              const ae_hooks *hooks, ae_hparams *h) {
    warn_of_unknown_fields(path, object, hooks);
    AE_TRY(check_modules(path, object, model));
    AE_TRY(read_layers(path, object, h));
    AE_TRY(read_variant(path, object, &h->variant));
    AE_TRY(read_fact_token(path, object, &h->fact_token));
    AE_TRY(read_int(path, object, "v_num_grad_steps", 1, 100000, &h->v_num_grad_steps));
    AE_TRY(ae_json_number(path, object, "v_lr", false, 0, 1e6, &h->v_lr));
    AE_TRY(ae_json_number(path, object, "v_weight_decay", false, 0, 1e6, &h->v_weight_decay));
    AE_TRY(ae_json_number(path, object, "clamp_norm_factor", false, 0, 1e6, &h->clamp_norm_factor));
    AE_TRY(ae_json_number(path, object, "kl_factor", false, 0, 1e6, &h->kl_factor));
    AE_TRY(read_template_lengths(path, object, h));
    AE_TRY(read_moments(path, object, h));
    AE_TRY(check_loss_layer(path, object, model, hooks));
    ae_hparams checked = *h;
    if (h->n_layers == 0) checked.n_layers = 1; // the caller has to name one yet; layer 0 is always there
    ae_status status = ae_hparams_check(&checked, model);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "'%s'", path);
}

ae_status ae_hparams_load(const char *path, const ae_model *model, const ae_hooks *hooks, ae_hparams *out) {
    json_t *document = NULL;
    AE_TRY(ae_json_load(path, HPARAMS_LIMIT, &document));
    ae_hparams h;
    ae_status status = AE_OK;
    if (!json_is_object(document))
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object of hyperparameters", path,
                         ae_json_type_name(document));
    const bool known = model->info.default_layer >= 0;
    if (status == AE_OK) status = ae_hparams_standard(model, known ? -1 : 0, &h);
    if (status == AE_OK) {
        if (!known) h.n_layers = 0;
        status = read_hparams(path, document, model, hooks, &h);
    }
    json_decref(document);
    if (status == AE_OK) *out = h;
    return status;
}
