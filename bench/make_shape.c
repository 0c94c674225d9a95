/* bench/make_shape: a checkpoint of random weights in the shape of a published model, with that model's
 * config. It costs as much to edit as the real one, and knows nothing.
 *
 * Usage: make_shape SHAPE FOLDER --tokenizer FOLDER    (make_shape --list names the shapes)
 *
 * FOLDER gets config.json, vocab.json, merges.txt (copies of the tokenizer's) and model.safetensors, which is
 * written last: where it is there, the folder is whole and nothing is done. All tensors are cut from one pool
 * of normal numbers, each at its own place. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "format/half.h"
#include "format/safetensors.h"

typedef struct shape {
    const char *name;
    bool gptj;
    ae_dtype dtype;
    int n_layer, n_head, d_model, n_vocab, n_ctx;
} shape;

// Sizes: the published configs of openai-community/gpt2*, EleutherAI/gpt-j-6b.
static const shape shapes[] = {
    {"gpt2", false, AE_F32, 12, 12, 768, 50257, 1024},
    {"gpt2-medium", false, AE_F32, 24, 16, 1024, 50257, 1024},
    {"gpt2-xl", false, AE_F32, 48, 25, 1600, 50257, 1024},
    {"gpt-j-6B-fp16", true, AE_F16, 28, 16, 4096, 50400, 2048},
    {"gpt-j-6B-bf16", true, AE_BF16, 28, 16, 4096, 50400, 2048},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, SEED = 20, STEP = 4099, MAX_TENSORS = 1024 };
static const double DEVIATION = 0.02; // initializer_range of all of them

typedef struct checkpoint {
    const shape *shape;
    ae_arena *arena;
    ae_tensor tensors[MAX_TENSORS];
    size_t count;
    unsigned char *pool; // normal numbers of the shape's type
    unsigned char *ones; // d_model of them
} checkpoint;

static size_t element(const shape *s) {
    return s->dtype == AE_F32 ? 4 : 2;
}

static void put(unsigned char *to, ae_dtype dtype, size_t index, float value) {
    uint16_t half = 0;
    if (dtype == AE_F16) half = ae_float_to_f16(value);
    if (dtype == AE_BF16) half = ae_float_to_bf16(value);
    if (dtype == AE_F32)
        memcpy(to + index * sizeof value, &value, sizeof value);
    else
        memcpy(to + index * sizeof half, &half, sizeof half);
}

static ae_status add(checkpoint *c, const char *layer, const char *name, int64_t rows, int64_t columns,
                     bool ones) {
    if (c->count == MAX_TENSORS) return ae_fail(AE_ERR_INTERNAL, "more than %d tensors", MAX_TENSORS);
    ae_tensor *t = &c->tensors[c->count];
    char whole[96];
    snprintf(whole, sizeof whole, "%s%s", layer, name);
    t->name = ae_arena_strdup(c->arena, whole);
    if (!t->name) return ae_no_memory();
    t->dtype = c->shape->dtype;
    t->n_dim = columns ? 2 : 1;
    t->shape[0] = rows;
    t->shape[1] = columns;
    t->n_bytes = (size_t)(rows * (columns ? columns : 1)) * element(c->shape);
    t->data = ones ? c->ones : c->pool + c->count * STEP * element(c->shape);
    c->count++;
    return AE_OK;
}

static ae_status add_norm(checkpoint *c, const char *layer, const char *name) {
    char part[32];
    snprintf(part, sizeof part, "%s.weight", name);
    AE_TRY(add(c, layer, part, c->shape->d_model, 0, true));
    snprintf(part, sizeof part, "%s.bias", name);
    return add(c, layer, part, c->shape->d_model, 0, false);
}

static ae_status add_tensors(checkpoint *c) {
    const shape *s = c->shape;
    const int64_t d = s->d_model, d_mlp = 4 * d;
    AE_TRY(add(c, "transformer.", "wte.weight", s->n_vocab, d, false));
    if (!s->gptj) AE_TRY(add(c, "transformer.", "wpe.weight", s->n_ctx, d, false));
    for (int l = 0; l < s->n_layer; l++) {
        char layer[32];
        snprintf(layer, sizeof layer, "transformer.h.%d.", l);
        AE_TRY(add_norm(c, layer, "ln_1"));
        if (s->gptj) { // Linear: [out, in], attention without biases
            static const char *const projections[] = {"attn.q_proj.weight", "attn.k_proj.weight",
                                                      "attn.v_proj.weight", "attn.out_proj.weight"};
            for (int i = 0; i < 4; i++)
                AE_TRY(add(c, layer, projections[i], d, d, false));
            AE_TRY(add(c, layer, "mlp.fc_in.weight", d_mlp, d, false));
            AE_TRY(add(c, layer, "mlp.fc_in.bias", d_mlp, 0, false));
            AE_TRY(add(c, layer, "mlp.fc_out.weight", d, d_mlp, false));
            AE_TRY(add(c, layer, "mlp.fc_out.bias", d, 0, false));
        } else { // Conv1D: [in, out]
            AE_TRY(add(c, layer, "attn.c_attn.weight", d, 3 * d, false));
            AE_TRY(add(c, layer, "attn.c_attn.bias", 3 * d, 0, false));
            AE_TRY(add(c, layer, "attn.c_proj.weight", d, d, false));
            AE_TRY(add(c, layer, "attn.c_proj.bias", d, 0, false));
            AE_TRY(add_norm(c, layer, "ln_2"));
            AE_TRY(add(c, layer, "mlp.c_fc.weight", d, d_mlp, false));
            AE_TRY(add(c, layer, "mlp.c_fc.bias", d_mlp, 0, false));
            AE_TRY(add(c, layer, "mlp.c_proj.weight", d_mlp, d, false));
            AE_TRY(add(c, layer, "mlp.c_proj.bias", d, 0, false));
        }
    }
    AE_TRY(add_norm(c, "transformer.", "ln_f"));
    if (!s->gptj) return AE_OK;
    AE_TRY(add(c, "", "lm_head.weight", s->n_vocab, d, false));
    return add(c, "", "lm_head.bias", s->n_vocab, 0, false);
}

static ae_status fill_pool(checkpoint *c) {
    const shape *s = c->shape;
    const size_t largest = (size_t)s->n_vocab * (size_t)s->d_model, n = largest + (size_t)MAX_TENSORS * STEP;
    enum { PIECE = 4096 };
    c->pool = ae_arena_alloc(c->arena, n, element(s));
    c->ones = ae_arena_alloc(c->arena, (size_t)s->d_model, element(s));
    if (!c->pool || !c->ones) return ae_no_memory();
    for (size_t i = 0; i < (size_t)s->d_model; i++)
        put(c->ones, s->dtype, i, 1);
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < n; first += PIECE) {
        ae_random random = ae_random_stream(SEED, first, 0);
        for (size_t i = first; i < first + PIECE && i < n; i++)
            put(c->pool, s->dtype, i, (float)(DEVIATION * ae_random_normal(&random)));
    }
    return AE_OK;
}

static ae_status write_text(const char *folder, const char *name, const char *text, size_t length) {
    char *path = ae_path_join(folder, name);
    const ae_status status = path ? ae_atomic_write(path, text, length) : ae_no_memory();
    ae_free(path);
    return status;
}

static ae_status write_config(const shape *s, const char *folder) {
    static const char *const types[] = {"float32", "float16", "bfloat16"};
    const char *type = types[s->dtype == AE_F32 ? 0 : s->dtype == AE_F16 ? 1 : 2];
    ae_text text = {0};
    ae_status status = ae_text_printf(
        &text,
        "{\n  \"model_type\": \"%s\",\n  \"architectures\": [\"%s\"],\n  \"activation_function\": "
        "\"gelu_new\",\n"
        "  \"attn_pdrop\": %s,\n  \"embd_pdrop\": %s,\n  \"resid_pdrop\": %s,\n  \"layer_norm_epsilon\": "
        "1e-05,\n"
        "  \"initializer_range\": %g,\n  \"n_embd\": %d,\n  \"n_head\": %d,\n  \"n_inner\": null,\n  "
        "\"n_layer\": %d,\n"
        "  \"n_positions\": %d,\n%s  \"vocab_size\": %d,\n  \"bos_token_id\": 50256,\n  \"eos_token_id\": "
        "50256,\n"
        "  \"tie_word_embeddings\": %s,\n  \"torch_dtype\": \"%s\"\n}\n",
        s->gptj ? "gptj" : "gpt2", s->gptj ? "GPTJForCausalLM" : "GPT2LMHeadModel", s->gptj ? "0.0" : "0.1",
        s->gptj ? "0.0" : "0.1", s->gptj ? "0.0" : "0.1", DEVIATION, s->d_model, s->n_head, s->n_layer,
        s->n_ctx, s->gptj ? "  \"rotary\": true,\n  \"rotary_dim\": 64,\n" : "  \"n_ctx\": 1024,\n",
        s->n_vocab, s->gptj ? "false" : "true", type);
    if (status == AE_OK) status = write_text(folder, "config.json", text.data, text.length);
    ae_free(text.data);
    return status;
}

static ae_status copy_file(const char *from, const char *name, const char *to) {
    char *path = ae_path_join(from, name), *data = NULL;
    size_t length = 0;
    ae_status status = path ? ae_file_read(path, 1 << 24, &data, &length) : ae_no_memory();
    if (status == AE_OK) status = write_text(to, name, data, length);
    ae_free(data);
    ae_free(path);
    return status;
}

static ae_status make(checkpoint *c, const char *folder, const char *tokenizer) {
    char *path = ae_path_join(folder, "model.safetensors");
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    ae_status status = path && metadata ? AE_OK : ae_no_memory();
    if (status == AE_OK && ae_path_exists(path)) goto done;
    fprintf(stderr, "make_shape: writing %s to %s\n", c->shape->name, folder);
    AE_TRY_GOTO(done, ae_folder_make(folder));
    AE_TRY_GOTO(done, copy_file(tokenizer, "vocab.json", folder));
    AE_TRY_GOTO(done, copy_file(tokenizer, "merges.txt", folder));
    AE_TRY_GOTO(done, write_config(c->shape, folder));
    AE_TRY_GOTO(done, ae_arena_new(&c->arena));
    AE_TRY_GOTO(done, fill_pool(c));
    AE_TRY_GOTO(done, add_tensors(c));
    AE_TRY_GOTO(done, ae_safetensors_write(path, c->tensors, c->count, metadata));
done:
    json_decref(metadata);
    ae_free(path);
    ae_arena_free(c->arena);
    return status;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (int i = 0; i < N_SHAPES; i++)
            puts(shapes[i].name);
        return 0;
    }
    checkpoint *c = argc == 5 && strcmp(argv[3], "--tokenizer") == 0 ? calloc(1, sizeof *c) : NULL;
    for (int i = 0; c && i < N_SHAPES; i++)
        if (strcmp(argv[1], shapes[i].name) == 0) c->shape = &shapes[i];
    if (!c || !c->shape) {
        fprintf(
            stderr,
            "Usage: make_shape SHAPE FOLDER --tokenizer FOLDER    (make_shape --list names the shapes)\n");
        return 2;
    }
    const ae_status status = make(c, argv[2], argv[4]);
    if (status != AE_OK) fprintf(stderr, "make_shape: %s\n", ae_last_error());
    free(c);
    return status == AE_OK ? 0 : 1;
}
