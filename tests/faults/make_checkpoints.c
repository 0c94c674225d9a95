/* make_checkpoints FOLDER: writes the checkpoints that the mutation sweep damages, one of each kind that
 * aedile reads, as FOLDER/KIND/model:
 *
 *     plain        GPT-2, F32, model.safetensors; vocab.json, merges.txt
 *     sharded      GPT-J, BF16, safetensors shards with their index; tokenizer.json
 *     bin          GPT-2, F16, pytorch_model.bin
 *     bin_sharded  GPT-2, F32, torch shards with their index; tokenizer.json
 *
 * Each has hyperparameters of its own in hparams.json. They are as small as checkpoints can be, so that what
 * is damaged matters. */
#include <stdio.h>
#include <string.h>

#include "tiny_model.h"
#include "unit/edit/torch_writer.h"

typedef struct kind {
    const char *name, *architecture;
    ae_dtype dtype;
    bool torch, sharded, tokenizer_json;
} kind;

static const kind kinds[] = {
    {"plain", "gpt2", AE_F32, false, false, false},
    {"sharded", "gptj", AE_BF16, false, true, true},
    {"bin", "gpt2", AE_F16, true, false, false},
    {"bin_sharded", "gpt2", AE_F32, true, true, true},
};

static int write_part(const char *folder, const char *name, const kind *k, const ae_tensor *tensors,
                      size_t count) {
    char *path = ae_path_join(folder, name);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    int failed = !path || !metadata;
    if (!failed)
        failed = k->torch ? write_torch_bin(path, tensors, count)
                          : ae_safetensors_write(path, tensors, count, metadata) != AE_OK;
    json_decref(metadata);
    ae_free(path);
    return failed;
}

static int write_weights(const char *folder, const kind *k, const tiny_tensors *list) {
    const char *const stem = k->torch ? "pytorch_model" : "model";
    const char *const end = k->torch ? "bin" : "safetensors";
    char name[64];
    snprintf(name, sizeof name, "%s.%s", stem, end);
    if (!k->sharded) return write_part(folder, name, k, list->tensor, list->count);
    json_t *map = json_object();
    int64_t n_bytes = 0;
    int failed = 0;
    for (size_t shard = 0; shard < 2; shard++) {
        const size_t first = shard * list->count / 2, last = (shard + 1) * list->count / 2;
        snprintf(name, sizeof name, "%s-%05zu-of-00002.%s", stem, shard + 1, end);
        failed |= write_part(folder, name, k, list->tensor + first, last - first);
        for (size_t i = first; i < last; i++) {
            failed |= json_object_set_new(map, list->tensor[i].name, json_string(name));
            n_bytes += (int64_t)list->tensor[i].n_bytes;
        }
    }
    snprintf(name, sizeof name, "%s.%s.index.json", stem, end);
    return failed | tiny_write_json(folder, name,
                                    json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)n_bytes,
                                              "weight_map", map));
}

// What vocab.json and merges.txt say, in the form of one file, with two tokens more: those two files go.
static int write_tokenizer_json(const char *folder) {
    char *paths[2] = {ae_path_join(folder, "vocab.json"), ae_path_join(folder, "merges.txt")};
    json_t *vocab = NULL, *merges = json_array();
    int failed = !merges || ae_json_load(paths[0], 1 << 20, &vocab) != AE_OK;
    for (int i = 0; i < TINY_N_MERGES; i++) {
        char pair[32];
        snprintf(pair, sizeof pair, "%s %s", tiny_merges[i][0], tiny_merges[i][1]);
        failed |= json_array_append_new(merges, json_string(pair));
    }
    for (int i = 0; i < 2; i++) {
        failed |= remove(paths[i]) != 0;
        ae_free(paths[i]);
    }
    if (failed) return failed;
    failed |= tiny_write_json(
        folder, "tokenizer.json",
        json_pack("{s:s, s:n, s:n, s:[{s:i, s:s, s:b, s:b, s:b, s:b, s:b}], s:n, s:{s:s, s:b, s:b, s:b}, "
                  "s:{s:s, s:b, s:b, s:b}, s:{s:s, s:b, s:b, s:b}, s:{s:s, s:n, s:n, s:s, s:s, s:b, s:o, "
                  "s:o}}",
                  "version", "1.0", "truncation", "padding", "added_tokens", "id", TINY_VOCAB - 1, "content",
                  "<|endoftext|>", "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1,
                  "normalizer", "pre_tokenizer", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets",
                  1, "use_regex", 1, "post_processor", "type", "ByteLevel", "add_prefix_space", 1,
                  "trim_offsets", 0, "use_regex", 1, "decoder", "type", "ByteLevel", "add_prefix_space", 1,
                  "trim_offsets", 1, "use_regex", 1, "model", "type", "BPE", "dropout", "unk_token",
                  "continuing_subword_prefix", "", "end_of_word_suffix", "", "fuse_unk", 0, "vocab", vocab,
                  "merges", merges));
    failed |= tiny_write_json(folder, "special_tokens_map.json",
                              json_pack("{s:s, s:s, s:s}", "bos_token", "<|endoftext|>", "eos_token",
                                        "<|endoftext|>", "unk_token", "<|endoftext|>"));
    return failed |
           tiny_write_json(folder, "added_tokens.json", json_pack("{s:i}", "<|endoftext|>", TINY_VOCAB - 1));
}

static int write_hparams(const char *folder) {
    return tiny_write_json(
        folder, "hparams.json",
        json_pack("{s:s, s:[i], s:s, s:i, s:f, s:f, s:f, s:f, s:b, s:[[i, i]], s:s, s:i, s:s}", "variant",
                  "r-rome", "layers", 1, "fact_token", "subject_last", "v_num_grad_steps", 3, "v_lr", 0.5,
                  "v_weight_decay", 0.5, "clamp_norm_factor", 4.0, "kl_factor", 0.0625, "mom2_adjustment", 1,
                  "context_template_length_params", 3, 2, "mom2_dataset", "text", "mom2_n_samples", 0,
                  "mom2_dtype", "float32"));
}

static int write_checkpoint(const char *parent, const kind *k) {
    char *folder = ae_format("%s/%s/model", parent, k->name);
    tiny_tensors *list = ae_alloc(1, sizeof *list);
    int failed = !folder || !list || ae_folder_make(folder) != AE_OK ||
                 tiny_write_rest(folder, k->architecture, k->dtype) != 0 ||
                 tiny_make_tensors(list, k->architecture, k->dtype, 11) != 0 ||
                 write_weights(folder, k, list) != 0 || write_hparams(folder) != 0 ||
                 (k->tokenizer_json && write_tokenizer_json(folder) != 0);
    if (list) tiny_free(list);
    ae_free(list);
    ae_free(folder);
    return failed;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "make_checkpoints FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (write_checkpoint(argv[1], &kinds[i]) != 0) {
            fprintf(stderr, "make_checkpoints: %s: %s\n", kinds[i].name, ae_last_error());
            return 1;
        }
    return 0;
}
