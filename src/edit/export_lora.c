// The journal's active entries as a PEFT LoRA adapter.
//
// LoRA adds (alpha / r) B A to a matrix [n_out, n_in]; with alpha = r, a row of A for each u and a column of
// B for each right, that is the sum of right uᵀ, exactly.
#include "edit/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "edit/export_folder.h"
#include "format/safetensors.h"
#include "model/hub.h"
#include "model/model.h"

typedef struct lora_layer {
    int n; // edits of the layer: its rank
    int n_filled;
    char module[128];
    char name_a[192], name_b[192];
    float *a; // [n, d_mlp]
    float *b; // [d_model, n]
} lora_layer;

typedef struct lora {
    const ae_journal *journal;
    const ae_model *model;
    lora_layer *layers; // [n_layer]
    int rank;           // the largest n
    size_t n_targets;   // layers with n > 0
} lora;

static void count_edit(lora *x, const ae_edit *edit) {
    for (int k = 0; k < edit->n_layers; k++)
        x->layers[edit->layers[k].layer].n++;
}

// The active entries in order, one in memory at a time.
static ae_status for_each_active(lora *x, void (*take)(lora *x, const ae_edit *edit)) {
    for (size_t i = 0; i < ae_journal_count(x->journal); i++) {
        ae_journal_entry entry;
        ae_edit *edit = NULL;
        AE_TRY(ae_journal_read(x->journal, i, &entry, NULL));
        if (entry.reverted) continue;
        AE_TRY(ae_journal_read(x->journal, i, &entry, &edit));
        take(x, edit);
        ae_edit_free(edit);
    }
    return AE_OK;
}

static ae_status count_edits(lora *x) {
    AE_TRY(for_each_active(x, count_edit));
    for (int layer = 0; layer < x->model->config.n_layer; layer++) {
        if (x->layers[layer].n > x->rank) x->rank = x->layers[layer].n;
        if (x->layers[layer].n > 0) x->n_targets++;
    }
    if (x->n_targets > 0) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT, "the journal '%s' has no active entries: there is nothing to export",
                   ae_journal_folder(x->journal));
}

static void fill_row(lora *x, const ae_edit *edit) {
    for (int k = 0; k < edit->n_layers; k++) {
        const ae_layer_edit *from = &edit->layers[k];
        lora_layer *l = &x->layers[from->layer];
        memcpy(l->a + (size_t)l->n_filled * (size_t)from->d_mlp, from->u, (size_t)from->d_mlp * sizeof *l->a);
        for (size_t j = 0; j < (size_t)from->d_model; j++)
            l->b[j * (size_t)l->n + (size_t)l->n_filled] = from->right[j];
        l->n_filled++;
    }
}

static ae_status fill_matrices(lora *x) {
    const size_t d_mlp = (size_t)x->model->config.d_mlp, d_model = (size_t)x->model->config.d_model;
    for (int layer = 0; layer < x->model->config.n_layer; layer++) {
        lora_layer *l = &x->layers[layer];
        if (l->n == 0) continue;
        snprintf(l->module, sizeof l->module, x->model->info.mlp_out_module, layer);
        snprintf(l->name_a, sizeof l->name_a, "base_model.model.%s.lora_A.weight", l->module);
        snprintf(l->name_b, sizeof l->name_b, "base_model.model.%s.lora_B.weight", l->module);
        l->a = ae_alloc((size_t)l->n * d_mlp, sizeof *l->a);
        l->b = ae_alloc((size_t)l->n * d_model, sizeof *l->b);
        if (!l->a || !l->b) return ae_no_memory();
    }
    return for_each_active(x, fill_row);
}

// A text, then the tensors' bytes, as a file of the folder.
static ae_status write_file(const ae_export_folder *folder, const char *name, const char *text, size_t length,
                            const ae_tensor *tensors, size_t count) {
    FILE *stream = NULL;
    char *path = NULL;
    AE_TRY(ae_export_file_open(folder, name, &stream, &path));
    ae_status status = ae_export_write(stream, path, text, length);
    for (size_t i = 0; i < count && status == AE_OK; i++)
        status = ae_export_write(stream, path, tensors[i].data, tensors[i].n_bytes);
    const ae_status closed = ae_export_file_close(stream, path);
    if (status == AE_OK) status = closed;
    ae_free(path);
    return status;
}

static ae_status write_weights(const lora *x, const ae_export_folder *folder) {
    ae_tensor *tensors = ae_alloc(2 * x->n_targets, sizeof *tensors);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    ae_status status =
        tensors && metadata ? AE_OK : ae_fail(AE_ERR_MEMORY, "out of memory while writing an adapter");
    size_t count = 0;
    const int64_t d_mlp = x->model->config.d_mlp, d_model = x->model->config.d_model;
    for (int layer = 0; layer < x->model->config.n_layer && status == AE_OK; layer++) {
        const lora_layer *l = &x->layers[layer];
        if (l->n == 0) continue;
        tensors[count++] = (ae_tensor){.name = l->name_a,
                                       .dtype = AE_F32,
                                       .n_dim = 2,
                                       .shape = {l->n, d_mlp},
                                       .n_bytes = (size_t)l->n * (size_t)d_mlp * sizeof *l->a,
                                       .data = l->a};
        tensors[count++] = (ae_tensor){.name = l->name_b,
                                       .dtype = AE_F32,
                                       .n_dim = 2,
                                       .shape = {d_model, l->n},
                                       .n_bytes = (size_t)l->n * (size_t)d_model * sizeof *l->b,
                                       .data = l->b};
    }
    char *header = NULL;
    size_t length = 0;
    if (status == AE_OK) status = ae_safetensors_header(tensors, count, metadata, &header, &length);
    if (status == AE_OK)
        status = write_file(folder, "adapter_model.safetensors", header, length, tensors, count);
    ae_free(header);
    json_decref(metadata);
    ae_free(tensors);
    return status;
}

// A hub name where the base lies in the hub's cache; else its folder, so that PEFT finds it again.
static char *base_name(const ae_model *model) {
    const char *folder = model->info.folder;
    ae_hub_place place;
    if (ae_hub_find(folder, &place)) return ae_strdup(model->info.name);
    char *full = realpath(folder, NULL);
    char *copy = ae_strdup(full ? full : folder);
    free(full);
    return copy;
}

// rank_pattern and alpha_pattern name the layers whose count of edits is not r. PEFT reads their keys as
// regular expressions over the module's whole name; a module's own name matches no other module.
static json_t *make_config(const lora *x, const char *base) {
    json_t *targets = json_array(), *ranks = json_object(), *alphas = json_object();
    bool good = targets && ranks && alphas;
    for (int layer = 0; good && layer < x->model->config.n_layer; layer++) {
        const lora_layer *l = &x->layers[layer];
        if (l->n == 0) continue;
        good = json_array_append_new(targets, json_string(l->module)) == 0;
        if (good && l->n != x->rank)
            good = json_object_set_new(ranks, l->module, json_integer(l->n)) == 0 &&
                   json_object_set_new(alphas, l->module, json_integer(l->n)) == 0;
    }
    json_t *config = NULL;
    if (good)
        config =
            json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:f, s:s, s:b, s:O, s:O, s:O, s:b, s:b}", "peft_type",
                      "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path", base, "inference_mode", 1,
                      "r", x->rank, "lora_alpha", x->rank, "lora_dropout", 0.0, "bias", "none",
                      "fan_in_fan_out", x->model->config.arch->in_out, "target_modules", targets,
                      "rank_pattern", ranks, "alpha_pattern", alphas, "use_rslora", 0, "use_dora", 0);
    json_decref(targets);
    json_decref(ranks);
    json_decref(alphas);
    return config;
}

static ae_status write_config(const lora *x, const ae_export_folder *folder) {
    char *base = base_name(x->model);
    if (!base) return ae_no_memory();
    json_t *config = make_config(x, base);
    ae_status status = AE_OK;
    if (!config)
        status =
            ae_fail(AE_ERR_ARGUMENT, "the base's name '%s' is not valid UTF-8, or memory is short", base);
    char *text = config ? ae_json_dump(config, 2) : NULL;
    if (config)
        status =
            text ? write_file(folder, "adapter_config.json", text, strlen(text), NULL, 0) : ae_no_memory();
    ae_free(text);
    json_decref(config);
    ae_free(base);
    return status;
}

ae_status ae_export_lora(ae_journal *journal, ae_model *model, const char *output) {
    AE_TRY(ae_journal_check_model(journal, model));
    lora x = {.journal = journal, .model = model};
    const int n_layer = model->config.n_layer;
    x.layers = ae_alloc((size_t)n_layer, sizeof *x.layers);
    if (!x.layers) return ae_no_memory();
    ae_export_folder folder = {0};
    ae_status status = count_edits(&x);
    if (status == AE_OK) status = fill_matrices(&x);
    if (status == AE_OK) status = ae_export_folder_begin(output, &folder);
    if (status == AE_OK) status = write_weights(&x, &folder);
    if (status == AE_OK) status = write_config(&x, &folder);
    if (status == AE_OK) status = ae_export_folder_commit(&folder);
    ae_export_folder_abandon(&folder);
    for (int layer = 0; layer < n_layer; layer++) {
        ae_free(x.layers[layer].a);
        ae_free(x.layers[layer].b);
    }
    ae_free(x.layers);
    return status;
}
