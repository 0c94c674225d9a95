// Opening a model: config, weights bound by name and checked by shape, tokenizer, backend.
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/config.h"
#include "model/hub.h"
#include "text/unicode.h"

// Where published models are edited: the layers of the papers and of the reference's hyperparameter files.
// Others need --layer.
static const struct {
    const char *model_type;
    int n_layer, d_model, layer;
} known_layers[] = {
    {"gpt2", 24, 1024, 8},  // gpt2-medium
    {"gpt2", 36, 1280, 12}, // gpt2-large
    {"gpt2", 48, 1600, 17}, // gpt2-xl
    {"gptj", 28, 4096, 5},  // gpt-j-6B
    {"gpt2", 6, 256, 0},    // the demo model
};

static int known_layer(const ae_config *c) {
    for (size_t i = 0; i < sizeof known_layers / sizeof *known_layers; i++)
        if (strcmp(known_layers[i].model_type, c->arch->model_type) == 0 &&
            known_layers[i].n_layer == c->n_layer && known_layers[i].d_model == c->d_model)
            return known_layers[i].layer;
    return -1;
}

// ---- binding tensors -------------------------------------------------------------------------------

typedef struct binder {
    ae_model *model;
    const char *prefix; // what this checkpoint puts in front of tensor names: the table's prefix, or ""
    const char *folder;
    int64_t vector_bytes; // of the vectors expanded so far
} binder;

static ae_status find_tensor(const binder *b, const char *prefix, const char *pattern, int layer, int n_dim,
                             const int64_t *shape, const ae_tensor **out) {
    char name[256];
    int length = snprintf(name, sizeof name, "%s", prefix);
    snprintf(name + length, sizeof name - (size_t)length, pattern,
             layer); // at most one %d, from our own tables
    const ae_tensor *t = ae_checkpoint_find(b->model->checkpoint, name);
    if (!t)
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is missing from the checkpoint", b->folder, name);
    if (t->dtype != AE_F32 && t->dtype != AE_F16 && t->dtype != AE_BF16)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': tensor '%s' is %s; weights must be F32, F16 or BF16",
                       b->folder, name, ae_dtype_name(t->dtype));
    bool fits = t->n_dim == n_dim;
    for (int i = 0; fits && i < n_dim; i++)
        fits = t->shape[i] == shape[i];
    if (!fits) {
        ae_text has = {0};
        ae_status status = AE_OK;
        for (int i = 0; i < t->n_dim && status == AE_OK; i++)
            status = ae_text_printf(&has, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
        if (status == AE_OK)
            status =
                n_dim == 2
                    ? ae_fail(AE_ERR_FORMAT,
                              "'%s': tensor '%s' has shape [%s], config.json makes it [%lld, %lld]",
                              b->folder, name, has.data ? has.data : "", (long long)shape[0],
                              (long long)shape[1])
                    : ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' has shape [%s], config.json makes it [%lld]",
                              b->folder, name, has.data ? has.data : "", (long long)shape[0]);
        ae_free(has.data);
        return status;
    }
    *out = t;
    return AE_OK;
}

// A vector, expanded to fp32 once (biases and norms are small). Vectors of a torch archive may share one
// storage, so that a small file could ask for any number of them: 16-bit vectors of their own come to twice
// the files' bytes.
static ae_status bind_vector(binder *b, const char *prefix, const char *pattern, int layer, int32_t n,
                             float **out) {
    const int64_t shape[1] = {n};
    const ae_tensor *t = NULL;
    AE_TRY(find_tensor(b, prefix, pattern, layer, 1, shape, &t));
    const int64_t file_bytes = ae_checkpoint_bytes(b->model->checkpoint);
    b->vector_bytes += n * (int64_t)sizeof(float);
    if (b->vector_bytes > 4 * file_bytes)
        return ae_fail(
            AE_ERR_FORMAT,
            "'%s': vectors up to tensor '%s' take %lld bytes, but the weight files have only %lld: its "
            "tensors share their storage; save each tensor as its own",
            b->folder, t->name, (long long)b->vector_bytes, (long long)file_bytes);
    float *values = ae_arena_alloc(b->model->arena, (size_t)n, sizeof *values);
    if (!values) return ae_no_memory();
    ae_tensor_to_float(t, 0, n, values);
    *out = values;
    return AE_OK;
}

static ae_status bind_matrix(const binder *b, const char *prefix, const char *pattern, int layer,
                             int32_t n_in, int32_t n_out, bool in_out, ae_weight *out,
                             const ae_tensor **tensor) {
    const int64_t shape[2] = {in_out ? n_in : n_out, in_out ? n_out : n_in};
    const ae_tensor *t = NULL;
    AE_TRY(find_tensor(b, prefix, pattern, layer, 2, shape, &t));
    *out = (ae_weight){.data = t->data, .dtype = t->dtype, .n_in = n_in, .n_out = n_out, .in_out = in_out};
    if (tensor) *tensor = t;
    return AE_OK;
}

static ae_status bind_layer(binder *b, int layer, ae_layer_weights *w) {
    const ae_config *c = &b->model->config;
    const ae_arch *arch = c->arch;
    const int32_t d = c->d_model;
    AE_TRY(bind_vector(b, b->prefix, arch->tensor.ln_1_weight, layer, d, &w->ln_1_weight));
    AE_TRY(bind_vector(b, b->prefix, arch->tensor.ln_1_bias, layer, d, &w->ln_1_bias));
    if (arch->tensor.ln_2_weight) {
        AE_TRY(bind_vector(b, b->prefix, arch->tensor.ln_2_weight, layer, d, &w->ln_2_weight));
        AE_TRY(bind_vector(b, b->prefix, arch->tensor.ln_2_bias, layer, d, &w->ln_2_bias));
    }
    const int32_t n_attn_in = arch->tensor.attn_in[1] ? d : 3 * d;
    for (int i = 0; i < 3 && arch->tensor.attn_in[i]; i++) {
        AE_TRY(bind_matrix(b, b->prefix, arch->tensor.attn_in[i], layer, d, n_attn_in, arch->in_out,
                           &w->attn_in[i], NULL));
        if (arch->tensor.attn_in_bias[i])
            AE_TRY(bind_vector(b, b->prefix, arch->tensor.attn_in_bias[i], layer, n_attn_in,
                               &w->attn_in_bias[i]));
    }
    AE_TRY(bind_matrix(b, b->prefix, arch->tensor.attn_out, layer, d, d, arch->in_out, &w->attn_out, NULL));
    if (arch->tensor.attn_out_bias)
        AE_TRY(bind_vector(b, b->prefix, arch->tensor.attn_out_bias, layer, d, &w->attn_out_bias));
    AE_TRY(
        bind_matrix(b, b->prefix, arch->tensor.mlp_in, layer, d, c->d_mlp, arch->in_out, &w->mlp_in, NULL));
    AE_TRY(bind_vector(b, b->prefix, arch->tensor.mlp_in_bias, layer, c->d_mlp, &w->mlp_in_bias));
    AE_TRY(bind_matrix(b, b->prefix, arch->tensor.mlp_out, layer, c->d_mlp, d, arch->in_out, &w->mlp_out,
                       &w->mlp_out_tensor));
    return bind_vector(b, b->prefix, arch->tensor.mlp_out_bias, layer, d, &w->mlp_out_bias);
}

static ae_status bind_weights(ae_model *m, const char *folder) {
    const ae_config *c = &m->config;
    const ae_arch *arch = c->arch;
    char name[256];
    snprintf(name, sizeof name, "%s%s", arch->prefix, arch->tensor.wte);
    const bool prefixed =
        ae_checkpoint_find(m->checkpoint, name) || !ae_checkpoint_find(m->checkpoint, arch->tensor.wte);
    binder b = {.model = m, .prefix = prefixed ? arch->prefix : "", .folder = folder};

    AE_TRY(bind_matrix(&b, b.prefix, arch->tensor.wte, 0, c->d_model, c->n_vocab, false, &m->wte, NULL));
    if (arch->tensor.wpe)
        AE_TRY(bind_matrix(&b, b.prefix, arch->tensor.wpe, 0, c->d_model, c->n_ctx, false, &m->wpe, NULL));
    AE_TRY(bind_vector(&b, b.prefix, arch->tensor.ln_f_weight, 0, c->d_model, &m->ln_f_weight));
    AE_TRY(bind_vector(&b, b.prefix, arch->tensor.ln_f_bias, 0, c->d_model, &m->ln_f_bias));
    m->head = m->wte;
    if (!c->tied_head)
        AE_TRY(
            bind_matrix(&b, "", arch->tensor.head_weight, 0, c->d_model, c->n_vocab, false, &m->head, NULL));
    if (arch->tensor.head_bias)
        AE_TRY(bind_vector(&b, "", arch->tensor.head_bias, 0, c->n_vocab, &m->head_bias));
    // Every layer has tensors of its own: what no file backs is not allocated.
    if ((size_t)c->n_layer > ae_checkpoint_count(m->checkpoint))
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': config.json says %d layers, but the weight files hold only %zu tensors", folder,
                       c->n_layer, ae_checkpoint_count(m->checkpoint));
    m->layers = ae_arena_alloc(m->arena, (size_t)c->n_layer, sizeof *m->layers);
    m->base_sha256 = ae_arena_alloc(m->arena, (size_t)c->n_layer, sizeof *m->base_sha256);
    if (!m->layers || !m->base_sha256) return ae_no_memory();
    for (int layer = 0; layer < c->n_layer; layer++)
        AE_TRY(bind_layer(&b, layer, &m->layers[layer]));

    char *module = ae_arena_strdup(m->arena, arch->tensor.mlp_out);
    if (!module) return ae_no_memory();
    module[strlen(module) - strlen(".weight")] = '\0';
    size_t size = strlen(arch->prefix) + strlen(module) + 1;
    char *full = ae_arena_alloc(m->arena, size, 1);
    if (!full) return ae_no_memory();
    snprintf(full, size, "%s%s", arch->prefix, module);
    m->info.mlp_out_module = full;
    return AE_OK;
}

// ---- open and close --------------------------------------------------------------------------------

// A snapshot in the hub's cache is named as there: EleutherAI/gpt-j-6B.
static char *hub_name(ae_arena *arena, const ae_hub_place *place) {
    char *name = ae_arena_strndup(arena, place->name, place->name_length);
    char *dashes = name ? strstr(name, "--") : NULL;
    if (dashes) {
        dashes[0] = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    // The hub renamed gpt2's owner; statistics and papers know the short name.
    static const char owner[] = "openai-community/";
    return name && strncmp(name, owner, strlen(owner)) == 0 ? name + strlen(owner) : name;
}

// Any other folder is its last component; what "." is called the file system knows.
static char *model_name(ae_arena *arena, const char *folder) {
    ae_hub_place place;
    if (ae_hub_find(folder, &place)) return hub_name(arena, &place);
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && folder[begin - 1] != '/')
        begin--;
    const bool dots = (end - begin == 1 || end - begin == 2) && strspn(folder + begin, ".") >= end - begin;
    char *full = dots ? realpath(folder, NULL) : NULL;
    char *name = full ? model_name(arena, full) : ae_arena_strndup(arena, folder + begin, end - begin);
    free(full);
    return name;
}

static ae_status fill_info(ae_model *m, const char *folder) {
    const ae_config *c = &m->config;
    m->info.folder = ae_arena_strdup(m->arena, folder);
    m->info.name = model_name(m->arena, folder);
    if (!m->info.folder || !m->info.name) return ae_no_memory();
    m->info.architecture = c->arch->model_type;
    m->info.dtype = ae_dtype_name(m->layers[0].mlp_out.dtype);
    m->info.n_layer = c->n_layer;
    m->info.n_head = c->n_head;
    m->info.d_head = c->d_head;
    m->info.d_model = c->d_model;
    m->info.d_mlp = c->d_mlp;
    m->info.n_vocab = c->n_vocab;
    m->info.n_ctx = c->n_ctx;
    m->info.tied_head = c->tied_head;
    m->info.n_threads = m->backend->n_threads;
    m->info.n_bytes = ae_checkpoint_bytes(m->checkpoint);
    m->info.default_layer = known_layer(c);
    // Parameters are what the architecture names; buffers (attention masks) that old checkpoints carry are
    // not.
    const int64_t d = c->d_model, per_layer = 4 * d * d + 2 * d * c->d_mlp + c->d_mlp + d + 2 * d +
                                              (c->arch->tensor.ln_2_weight ? 2 * d : 0) +
                                              (c->arch->tensor.attn_in_bias[0] ? 3 * d : 0) +
                                              (c->arch->tensor.attn_out_bias ? d : 0);
    m->info.n_parameters = c->n_layer * per_layer + c->n_vocab * d * (c->tied_head ? 1 : 2) + 2 * d +
                           (c->arch->tensor.wpe ? c->n_ctx * d : 0) + (m->head_bias ? c->n_vocab : 0);
    return AE_OK;
}

ae_status ae_model_open(const char *folder, const ae_model_options *options, ae_model **out) {
    if (!ae_path_is_folder(folder))
        return ae_fail(AE_ERR_NOT_FOUND, "'%s' is not a folder: a Hugging Face model folder was expected",
                       folder);
    ae_model *m = ae_alloc(1, sizeof *m);
    if (!m) return ae_no_memory();
    ae_status status = AE_OK;
    m->decode_compat = options && options->decode_compat;
    AE_TRY_GOTO(fail, ae_backend_cpu(options ? options->n_threads : 0, &m->backend));
    AE_TRY_GOTO(fail, ae_arena_new(&m->arena));
    AE_TRY_GOTO(fail, ae_config_load(folder, &m->config));
    AE_TRY_GOTO(fail, ae_checkpoint_open(folder, &m->checkpoint));
    AE_TRY_GOTO(fail, bind_weights(m, folder));
    AE_TRY_GOTO(fail, ae_tokenizer_open(folder, m->config.n_vocab, &m->tokenizer));
    AE_TRY_GOTO(fail, fill_info(m, folder));
    *out = m;
    return AE_OK;
fail:
    ae_model_free(m);
    return status;
}

void ae_model_free(ae_model *m) {
    if (!m) return;
    if (m->layers) ae_model_restore(m);
    if (m->backend) m->backend->destroy(m->backend);
    ae_tokenizer_free(m->tokenizer);
    ae_checkpoint_close(m->checkpoint);
    ae_arena_free(m->arena);
    ae_free(m);
}

const ae_model_info *ae_model_get_info(const ae_model *m) {
    return &m->info;
}

ae_status ae_model_set_name(ae_model *m, const char *name) {
    if (!*name) return ae_fail(AE_ERR_ARGUMENT, "a model's name must not be empty");
    char *copy = ae_arena_strdup(m->arena, name);
    if (!copy) return ae_no_memory();
    m->info.name = copy;
    m->is_named = true;
    return AE_OK;
}

size_t ae_model_tensor_count(const ae_model *m) {
    return ae_checkpoint_count(m->checkpoint);
}

ae_tensor_info ae_model_tensor(const ae_model *m, size_t index) {
    const ae_tensor *t = ae_checkpoint_at(m->checkpoint, index);
    return (ae_tensor_info){.name = t->name,
                            .dtype = ae_dtype_name(t->dtype),
                            .file = ae_checkpoint_file(m->checkpoint, (size_t)t->file),
                            .n_dim = t->n_dim,
                            .shape = t->shape,
                            .n_bytes = (int64_t)t->n_bytes};
}

// ---- text ------------------------------------------------------------------------------------------

ae_status ae_encode(const ae_model *m, const char *text, size_t length, int32_t **ids, size_t *n_ids) {
    int32_t *list = NULL;
    size_t n = 0, capacity = 0;
    ae_status status = ae_grow((void **)&list, &capacity, length / 4 + 1, sizeof *list);
    if (status == AE_OK) status = ae_tokenizer_encode(m->tokenizer, text, length, &list, &n, &capacity);
    if (status != AE_OK) {
        ae_free(list);
        return status;
    }
    *ids = list;
    *n_ids = n;
    return AE_OK;
}

ae_status ae_model_decode(const ae_model *m, const int32_t *ids, size_t n_ids, char **text, size_t *length) {
    size_t n = 0;
    AE_TRY(ae_tokenizer_decode(m->tokenizer, ids, n_ids, text, &n));
    if (m->decode_compat) {
        ae_text_drop_nul(*text, n);
        ae_text_cleanup_compat(*text);
        n = strlen(*text);
    }
    if (length) *length = n;
    return AE_OK;
}

ae_status ae_model_decode_string(const ae_model *m, const int32_t *ids, size_t n_ids, char **text,
                                 size_t *length) {
    size_t n = 0;
    AE_TRY(ae_model_decode(m, ids, n_ids, text, &n));
    n = ae_text_drop_nul(*text, n);
    if (length) *length = n;
    return AE_OK;
}

ae_status ae_decode(const ae_model *m, const int32_t *ids, size_t n_ids, char **text, size_t *length) {
    for (size_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || ids[i] >= m->config.n_vocab)
            return ae_fail(AE_ERR_ARGUMENT, "token id %d is outside the vocabulary of %d", ids[i],
                           m->config.n_vocab);
    return ae_model_decode(m, ids, n_ids, text, length);
}
