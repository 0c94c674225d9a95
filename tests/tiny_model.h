/* tiny_model.h: writes a small random model folder that the library, and transformers, open like a real one.
 *
 * Three layers, d_model 16, two heads, 64 positions, byte-level vocabulary of 256 bytes, a few merges and
 * <|endoftext|>. All weights follow from `seed`; the scale is large enough that different tokens get clearly
 * different logits. */
#ifndef AE_TINY_MODEL_H
#define AE_TINY_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "format/safetensors.h"

enum {
    TINY_D = 16,
    TINY_HEADS = 2,
    TINY_LAYERS = 3,
    TINY_CTX = 64,
    TINY_MLP = 4 * TINY_D,
    TINY_N_MERGES = 8,
    TINY_VOCAB = 256 + TINY_N_MERGES + 1, // <|endoftext|> is the last id
    TINY_MAX_TENSORS = 64,
};

/* Pairs merged by the tokenizer, in order; "\xc4\xa0" is the letter that stands for a space. */
static const char *const tiny_merges[TINY_N_MERGES][2] = {
    {"\xc4\xa0", "t"},   {"h", "e"}, {"\xc4\xa0", "a"}, {"i", "n"},
    {"\xc4\xa0t", "he"}, {"o", "n"}, {"r", "e"},        {"in", "g"},
};

typedef struct tiny_tensors {
    ae_tensor tensor[TINY_MAX_TENSORS];
    char name[TINY_MAX_TENSORS][64];
    size_t count;
} tiny_tensors;

static inline void tiny_free(tiny_tensors *list) {
    for (size_t i = 0; i < list->count; i++)
        ae_free((void *)(uintptr_t)list->tensor[i].data);
    list->count = 0;
}

/* mean + scale * normal, [rows, columns] (columns 0: a vector), stream (seed, number of the tensor). */
static inline int tiny_add(tiny_tensors *list, const char *name, int64_t rows, int64_t columns,
                           ae_dtype dtype, uint64_t seed, double mean, double scale) {
    if (list->count >= TINY_MAX_TENSORS) return -1;
    int64_t n = rows * (columns > 0 ? columns : 1);
    float *values = ae_alloc((size_t)n, sizeof *values);
    void *stored = ae_alloc((size_t)n, ae_dtype_size(dtype));
    if (!values || !stored) {
        ae_free(values);
        ae_free(stored);
        return -1;
    }
    ae_random stream = ae_random_stream(seed, list->count, 0x74696e79);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(mean + scale * ae_random_normal(&stream));
    ae_float_to_dtype(values, n, dtype, stored);
    ae_free(values);
    snprintf(list->name[list->count], sizeof list->name[0], "%s", name);
    list->tensor[list->count] = (ae_tensor){.name = list->name[list->count],
                                            .dtype = dtype,
                                            .n_dim = columns > 0 ? 2 : 1,
                                            .shape = {rows, columns},
                                            .n_bytes = (size_t)n * ae_dtype_size(dtype),
                                            .data = stored};
    list->count++;
    return 0;
}

/* The weights with an MLP of width d_mlp: see tiny_make_tensors. */
static inline int tiny_make_wide_tensors(tiny_tensors *list, const char *architecture, ae_dtype dtype,
                                         uint64_t seed, int d_mlp) {
    memset(list, 0, sizeof *list);
    bool gptj = strcmp(architecture, "gptj") == 0;
    int failed = 0;
    char name[64];
#define TINY_ADD(name_, rows, columns, mean, scale)                                                          \
    (failed |= tiny_add(list, (name_), (rows), (columns), dtype, seed, (mean), (scale)))
#define TINY_LAYER(suffix, rows, columns, mean, scale)                                                       \
    (snprintf(name, sizeof name, "transformer.h.%d.%s", layer, (suffix)),                                    \
     TINY_ADD(name, (rows), (columns), (mean), (scale)))
    TINY_ADD("transformer.wte.weight", TINY_VOCAB, TINY_D, 0, 0.5);
    if (!gptj) TINY_ADD("transformer.wpe.weight", TINY_CTX, TINY_D, 0, 0.1);
    for (int layer = 0; layer < TINY_LAYERS; layer++) {
        TINY_LAYER("ln_1.weight", TINY_D, 0, 1, 0.1);
        TINY_LAYER("ln_1.bias", TINY_D, 0, 0, 0.1);
        if (gptj) {
            TINY_LAYER("attn.q_proj.weight", TINY_D, TINY_D, 0, 0.3);
            TINY_LAYER("attn.k_proj.weight", TINY_D, TINY_D, 0, 0.3);
            TINY_LAYER("attn.v_proj.weight", TINY_D, TINY_D, 0, 0.3);
            TINY_LAYER("attn.out_proj.weight", TINY_D, TINY_D, 0, 0.3);
            TINY_LAYER("mlp.fc_in.weight", d_mlp, TINY_D, 0, 0.3);
            TINY_LAYER("mlp.fc_in.bias", d_mlp, 0, 0, 0.1);
            TINY_LAYER("mlp.fc_out.weight", TINY_D, d_mlp, 0, 0.15);
            TINY_LAYER("mlp.fc_out.bias", TINY_D, 0, 0, 0.1);
        } else {
            TINY_LAYER("attn.c_attn.weight", TINY_D, 3 * TINY_D, 0, 0.3);
            TINY_LAYER("attn.c_attn.bias", 3 * TINY_D, 0, 0, 0.1);
            TINY_LAYER("attn.c_proj.weight", TINY_D, TINY_D, 0, 0.3);
            TINY_LAYER("attn.c_proj.bias", TINY_D, 0, 0, 0.1);
            TINY_LAYER("ln_2.weight", TINY_D, 0, 1, 0.1);
            TINY_LAYER("ln_2.bias", TINY_D, 0, 0, 0.1);
            TINY_LAYER("mlp.c_fc.weight", TINY_D, d_mlp, 0, 0.3);
            TINY_LAYER("mlp.c_fc.bias", d_mlp, 0, 0, 0.1);
            TINY_LAYER("mlp.c_proj.weight", d_mlp, TINY_D, 0, 0.15);
            TINY_LAYER("mlp.c_proj.bias", TINY_D, 0, 0, 0.1);
        }
    }
    TINY_ADD("transformer.ln_f.weight", TINY_D, 0, 1, 0.1);
    TINY_ADD("transformer.ln_f.bias", TINY_D, 0, 0, 0.1);
    if (gptj) {
        TINY_ADD("lm_head.weight", TINY_VOCAB, TINY_D, 0, 0.5);
        TINY_ADD("lm_head.bias", TINY_VOCAB, 0, 0, 0.1);
    }
#undef TINY_LAYER
#undef TINY_ADD
    return failed;
}

/* The weights in memory, for tests that write them in a container of their own; tiny_free in any case. */
static inline int tiny_make_tensors(tiny_tensors *list, const char *architecture, ae_dtype dtype,
                                    uint64_t seed) {
    return tiny_make_wide_tensors(list, architecture, dtype, seed, TINY_MLP);
}

static inline int tiny_write_text(const char *folder, const char *name, const char *text) {
    char *path = ae_path_join(folder, name);
    int failed = !path || ae_atomic_write(path, text, strlen(text)) != AE_OK;
    ae_free(path);
    return failed;
}

static inline int tiny_write_json(const char *folder, const char *name, json_t *value) {
    char *text = value ? ae_json_dump(value, 2) : NULL;
    int failed = !text || tiny_write_text(folder, name, text);
    ae_free(text);
    json_decref(value);
    return failed;
}

/* The letter by which GPT-2's vocabulary writes a byte: printable ones as they are, the others from U+0100
 * on. */
static inline void tiny_byte_letter(int byte, char letter[3]) {
    int code = byte, next = 256;
    for (int b = 0; b <= byte; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        if (b == byte && !printable) code = next;
        if (!printable) next++;
    }
    if (code < 0x80) {
        letter[0] = (char)code;
        letter[1] = '\0';
    } else {
        letter[0] = (char)(0xc0 | (code >> 6));
        letter[1] = (char)(0x80 | (code & 0x3f));
        letter[2] = '\0';
    }
}

/* All but the weights, for an MLP of width d_mlp: see tiny_write_rest. */
static inline int tiny_write_wide_rest(const char *folder, const char *architecture, ae_dtype dtype,
                                       int d_mlp) {
    bool gptj = strcmp(architecture, "gptj") == 0;
    const char *torch_dtype = dtype == AE_F16 ? "float16" : dtype == AE_BF16 ? "bfloat16" : "float32";
    int failed = 0;
    json_t *config =
        json_pack("{s:[s], s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:n, s:f, s:b, s:b, s:f, s:f, s:f, s:i, "
                  "s:i, s:s, s:b}",
                  "architectures", gptj ? "GPTJForCausalLM" : "GPT2LMHeadModel", "model_type", architecture,
                  "activation_function", "gelu_new", "n_embd", TINY_D, "n_head", TINY_HEADS, "n_layer",
                  TINY_LAYERS, "n_positions", TINY_CTX, "n_ctx", TINY_CTX, "vocab_size", TINY_VOCAB,
                  "n_inner", "layer_norm_epsilon", 1e-5, "scale_attn_weights", 1, "use_cache", 1,
                  "attn_pdrop", 0.0, "embd_pdrop", 0.0, "resid_pdrop", 0.0, "bos_token_id", TINY_VOCAB - 1,
                  "eos_token_id", TINY_VOCAB - 1, "torch_dtype", torch_dtype, "tie_word_embeddings", !gptj);
    if (config && d_mlp != TINY_MLP) failed |= json_object_set_new(config, "n_inner", json_integer(d_mlp));
    if (config && gptj) failed |= json_object_set_new(config, "rotary_dim", json_integer(4));
    failed |= tiny_write_json(folder, "config.json", config);
    failed |= tiny_write_json(
        folder, "generation_config.json",
        json_pack("{s:i, s:i}", "bos_token_id", TINY_VOCAB - 1, "eos_token_id", TINY_VOCAB - 1));

    json_t *vocab = json_object();
    char letter[3], merged[32];
    for (int i = 0; i < 256; i++) {
        tiny_byte_letter(i, letter);
        failed |= json_object_set_new(vocab, letter, json_integer(i));
    }
    ae_text merges = {0};
    failed |= ae_text_printf(&merges, "#version: 0.2\n") != AE_OK;
    for (int i = 0; i < TINY_N_MERGES; i++) {
        snprintf(merged, sizeof merged, "%s%s", tiny_merges[i][0], tiny_merges[i][1]);
        failed |= json_object_set_new(vocab, merged, json_integer(256 + i));
        failed |= ae_text_printf(&merges, "%s %s\n", tiny_merges[i][0], tiny_merges[i][1]) != AE_OK;
    }
    failed |= json_object_set_new(vocab, "<|endoftext|>", json_integer(TINY_VOCAB - 1));
    failed |= tiny_write_json(folder, "vocab.json", vocab);
    failed |= !merges.data || tiny_write_text(folder, "merges.txt", merges.data);
    ae_free(merges.data);
    failed |=
        tiny_write_json(folder, "tokenizer_config.json",
                        json_pack("{s:b, s:s, s:s, s:s, s:s, s:i}", "add_prefix_space", 0, "bos_token",
                                  "<|endoftext|>", "eos_token", "<|endoftext|>", "unk_token", "<|endoftext|>",
                                  "tokenizer_class", "GPT2Tokenizer", "model_max_length", TINY_CTX));
    return failed;
}

/* config.json, vocab.json, merges.txt, tokenizer_config.json, generation_config.json: all but the weights. */
static inline int tiny_write_rest(const char *folder, const char *architecture, ae_dtype dtype) {
    return tiny_write_wide_rest(folder, architecture, dtype, TINY_MLP);
}

/* make_tiny_model with an MLP of width d_mlp, for tests of what works on a large matrix piece by piece. */
static inline int make_wide_tiny_model(const char *folder, const char *architecture, ae_dtype dtype,
                                       uint64_t seed, int d_mlp) {
    if (ae_folder_make(folder) != AE_OK || tiny_write_wide_rest(folder, architecture, dtype, d_mlp) != 0)
        return -1;
    tiny_tensors *list = ae_alloc(1, sizeof *list);
    char *path = ae_path_join(folder, "model.safetensors");
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    int failed = !list || !path || !metadata ||
                 tiny_make_wide_tensors(list, architecture, dtype, seed, d_mlp) != 0 ||
                 ae_safetensors_write(path, list->tensor, list->count, metadata) != AE_OK;
    if (list) tiny_free(list);
    json_decref(metadata);
    ae_free(path);
    ae_free(list);
    return failed ? -1 : 0;
}

/* Makes the folder and writes the model into it. architecture: "gpt2" or "gptj"; dtype: F32, F16 or BF16. 0:
 * done. */
static inline int make_tiny_model(const char *folder, const char *architecture, ae_dtype dtype,
                                  uint64_t seed) {
    return make_wide_tiny_model(folder, architecture, dtype, seed, TINY_MLP);
}

#endif
