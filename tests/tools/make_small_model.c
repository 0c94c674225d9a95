/* make_small_model FOLDER [--tokenizer OTHER]: writes a small GPT-2 checkpoint with seeded random weights.
 *
 * It knows no facts; it is there so that everything the command does can be tested on any machine
 * within seconds. The weights are larger than a trained model's would be at the start of training: each layer
 * then has a say in the logits, and an edit has something to change. The vocabulary is the 256 bytes, a few
 * merges and <|endoftext|>; or vocab.json and merges.txt of another folder, and then the context is as long
 * as GPT-2's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "format/safetensors.h"

enum { N_LAYER = 4, N_HEAD = 4, D_MODEL = 64, D_MLP = 256, MAX_TENSORS = 4 + 12 * N_LAYER };

// Pairs in the order in which they are merged; "Ġ" (U+0120) stands for the space.
static const char *const merges[][2] = {
    {"Ġ", "t"},  {"h", "e"}, {"Ġ", "a"},  {"i", "n"},    {"r", "e"},  {"Ġt", "he"}, {"o", "n"},
    {"Ġ", "s"},  {"e", "r"}, {"a", "t"},  {"Ġ", "o"},    {"e", "n"},  {"i", "t"},   {"a", "n"},
    {"Ġ", "in"}, {"i", "s"}, {"Ġ", "P"},  {"a", "r"},    {"Ġ", "is"}, {"ĠP", "ar"}, {"ĠPar", "is"},
    {"Ġ", "R"},  {"o", "m"}, {"om", "e"}, {"ĠR", "ome"}, {"e", "l"},
};
enum { N_MERGES = sizeof merges / sizeof *merges };

typedef struct checkpoint {
    ae_arena *arena;
    const char *tokenizer; // the folder that it is taken from; NULL: the merges above
    int n_vocab, n_ctx;
    ae_tensor tensors[MAX_TENSORS];
    size_t count;
} checkpoint;

// One more tensor: `mean` plus normal noise of `deviation`, its stream named by its number. Its values; NULL
// on lack of memory.
static float *add(checkpoint *c, const char *name, int64_t rows, int64_t columns, double mean,
                  double deviation) {
    ae_tensor *t = &c->tensors[c->count];
    const int64_t n = rows * (columns ? columns : 1);
    float *values = ae_arena_alloc(c->arena, (size_t)n, sizeof *values);
    t->name = ae_arena_strdup(c->arena, name);
    if (!values || !t->name) return NULL;
    ae_random random = ae_random_stream(2024, c->count, 0);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(mean + deviation * ae_random_normal(&random));
    t->dtype = AE_F32;
    t->n_dim = columns ? 2 : 1;
    t->shape[0] = rows;
    t->shape[1] = columns;
    t->n_bytes = (size_t)n * sizeof *values;
    t->data = values;
    c->count++;
    return values;
}

// Token embeddings, which are the output matrix, too. Tokens that would be unreadable on a screen, and the
// end of the text, get small ones, so that they are seldom the likeliest.
static ae_status add_embeddings(checkpoint *c) {
    float *values = add(c, "transformer.wte.weight", c->n_vocab, D_MODEL, 0, 0.3);
    if (!values) return ae_no_memory();
    for (int id = 0; id < c->n_vocab; id++) {
        const bool byte = id < 256 && !c->tokenizer; // elsewhere they are in another order
        const bool readable = byte ? id >= 32 && id < 127 : id < c->n_vocab - 1;
        for (int i = 0; i < D_MODEL && !readable; i++)
            values[id * D_MODEL + i] *= 0.1f;
    }
    return AE_OK;
}

static ae_status add_layer(checkpoint *c, int layer) {
    const double by_model = 1 / sqrt(D_MODEL), by_mlp = 1 / sqrt(D_MLP);
    const struct {
        const char *name;
        int64_t rows, columns;
        double mean, deviation;
    } list[] = {
        {"ln_1.weight", D_MODEL, 0, 1, 0.05},
        {"ln_1.bias", D_MODEL, 0, 0, 0.02},
        {"attn.c_attn.weight", D_MODEL, 3 * D_MODEL, 0, 1.5 * by_model},
        {"attn.c_attn.bias", 3 * D_MODEL, 0, 0, 0.02},
        {"attn.c_proj.weight", D_MODEL, D_MODEL, 0, 1.5 * by_model},
        {"attn.c_proj.bias", D_MODEL, 0, 0, 0.02},
        {"ln_2.weight", D_MODEL, 0, 1, 0.05},
        {"ln_2.bias", D_MODEL, 0, 0, 0.02},
        {"mlp.c_fc.weight", D_MODEL, D_MLP, 0, by_model},
        {"mlp.c_fc.bias", D_MLP, 0, 0, 0.02},
        {"mlp.c_proj.weight", D_MLP, D_MODEL, 0, by_mlp},
        {"mlp.c_proj.bias", D_MODEL, 0, 0, 0.02},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char name[64];
        snprintf(name, sizeof name, "transformer.h.%d.%s", layer, list[i].name);
        if (!add(c, name, list[i].rows, list[i].columns, list[i].mean, list[i].deviation))
            return ae_no_memory();
    }
    return AE_OK;
}

static ae_status write_weights(const char *folder, checkpoint *c) {
    AE_TRY(add_embeddings(c));
    if (!add(c, "transformer.wpe.weight", c->n_ctx, D_MODEL, 0, 0.05)) return ae_no_memory();
    for (int layer = 0; layer < N_LAYER; layer++)
        AE_TRY(add_layer(c, layer));
    if (!add(c, "transformer.ln_f.weight", D_MODEL, 0, 1, 0.05)) return ae_no_memory();
    if (!add(c, "transformer.ln_f.bias", D_MODEL, 0, 0, 0.02)) return ae_no_memory();
    char *path = ae_path_join(folder, "model.safetensors");
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    ae_status status =
        path && metadata ? ae_safetensors_write(path, c->tensors, c->count, metadata) : ae_no_memory();
    json_decref(metadata);
    ae_free(path);
    return status;
}

static ae_status write_text(const char *folder, const char *name, const ae_text *text) {
    char *path = ae_path_join(folder, name);
    ae_status status = path ? ae_atomic_write(path, text->data, text->length) : ae_no_memory();
    ae_free(path);
    return status;
}

static ae_status write_config(const char *folder, const checkpoint *c) {
    ae_text text = {0};
    ae_status status = ae_text_printf(
        &text,
        "{\n  \"model_type\": \"gpt2\",\n  \"architectures\": [\"GPT2LMHeadModel\"],\n"
        "  \"activation_function\": \"gelu_new\",\n  \"layer_norm_epsilon\": 1e-05,\n  \"n_embd\": %d,\n"
        "  \"n_head\": %d,\n  \"n_inner\": %d,\n  \"n_layer\": %d,\n  \"n_positions\": %d,\n  \"n_ctx\": "
        "%d,\n"
        "  \"vocab_size\": %d,\n  \"bos_token_id\": %d,\n  \"eos_token_id\": %d,\n  \"torch_dtype\": "
        "\"float32\"\n}\n",
        D_MODEL, N_HEAD, D_MLP, N_LAYER, c->n_ctx, c->n_ctx, c->n_vocab, c->n_vocab - 1, c->n_vocab - 1);
    if (status == AE_OK) status = write_text(folder, "config.json", &text);
    ae_free(text.data);
    return status;
}

// The character that stands for a byte in GPT-2's vocabulary files, as UTF-8: printable bytes stand for
// themselves, the others for U+0100 on, in order.
static void byte_character(int byte, char out[3]) {
    int code = 0x100;
    for (int b = 0; b <= byte; b++) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte && printable) code = b;
        if (b < byte && !printable) code++;
    }
    if (code < 0x80) {
        out[0] = (char)code;
        out[1] = '\0';
    } else {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        out[2] = '\0';
    }
}

static ae_status write_tokenizer(const char *folder, const checkpoint *c) {
    json_t *vocab = json_object();
    ae_text list = {0}, text = {0};
    ae_status status = vocab ? ae_text_printf(&list, "#version: 0.2\n") : ae_no_memory();
    int id = 0;
    for (; id < 256; id++) {
        char character[3];
        byte_character(id, character);
        json_object_set_new(vocab, character, json_integer(id));
    }
    for (size_t i = 0; status == AE_OK && i < N_MERGES; i++) {
        char token[16];
        snprintf(token, sizeof token, "%s%s", merges[i][0], merges[i][1]);
        json_object_set_new(vocab, token, json_integer(id++));
        status = ae_text_printf(&list, "%s %s\n", merges[i][0], merges[i][1]);
    }
    json_object_set_new(vocab, "<|endoftext|>", json_integer(id++));
    if (status == AE_OK && (int)json_object_size(vocab) != c->n_vocab)
        status = ae_fail(AE_ERR_INTERNAL, "two tokens of the vocabulary are the same");
    text.data = ae_json_dump(vocab, 0);
    if (!text.data && status == AE_OK) status = ae_no_memory();
    if (status == AE_OK) {
        text.length = strlen(text.data);
        status = write_text(folder, "vocab.json", &text);
    }
    if (status == AE_OK) status = write_text(folder, "merges.txt", &list);
    ae_free(text.data);
    ae_free(list.data);
    json_decref(vocab);
    return status;
}

static ae_status copy_file(const char *from, const char *name, const char *to) {
    char *path = ae_path_join(from, name);
    ae_text text = {0};
    ae_status status = path ? ae_file_read(path, 1 << 24, &text.data, &text.length) : ae_no_memory();
    if (status == AE_OK) status = write_text(to, name, &text);
    ae_free(text.data);
    ae_free(path);
    return status;
}

static ae_status count_vocabulary(const char *folder, int *n) {
    char *path = ae_path_join(folder, "vocab.json");
    json_t *vocab = NULL;
    const ae_status status = path ? ae_json_load(path, 1 << 24, &vocab) : ae_no_memory();
    *n = (int)json_object_size(vocab);
    json_decref(vocab);
    ae_free(path);
    return status;
}

static ae_status write_all(const char *folder, checkpoint *c) {
    c->n_vocab = 256 + N_MERGES + 1;
    c->n_ctx = c->tokenizer ? 1024 : 256;
    AE_TRY(ae_arena_new(&c->arena));
    AE_TRY(ae_folder_make(folder));
    if (c->tokenizer) {
        AE_TRY(count_vocabulary(c->tokenizer, &c->n_vocab));
        AE_TRY(copy_file(c->tokenizer, "vocab.json", folder));
        AE_TRY(copy_file(c->tokenizer, "merges.txt", folder));
    } else {
        AE_TRY(write_tokenizer(folder, c));
    }
    AE_TRY(write_config(folder, c));
    return write_weights(folder, c); // last: its presence says that the folder is whole
}

int main(int argc, char **argv) {
    if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--tokenizer") == 0)) {
        fprintf(stderr, "Usage: make_small_model FOLDER [--tokenizer OTHER]\n");
        return 2;
    }
    checkpoint c = {.tokenizer = argc == 4 ? argv[3] : NULL};
    const ae_status status = write_all(argv[1], &c);
    if (status != AE_OK) fprintf(stderr, "make_small_model: %s\n", ae_last_error());
    ae_arena_free(c.arena);
    return status == AE_OK ? 0 : 1;
}
