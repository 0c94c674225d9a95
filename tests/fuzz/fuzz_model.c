// A whole model folder (aedile/model.h): do configuration, weights and tokenizer go together? A small model
// that opens is run once.
#include "fuzz.h"

#include "base/memory.h"

static const char *const names[] = {
    "config.json", "model.safetensors",     "vocab.json",
    "merges.txt",  "tokenizer_config.json", "pytorch_model.bin",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    return fuzz_mutate_files(data, size, max_size, seed);
}

static void run(ae_model *model) {
    const ae_model_info *info = ae_model_get_info(model);
    FUZZ_CHECK(info->n_layer > 0 && (size_t)info->n_layer <= ae_model_tensor_count(model), "%d layers",
               info->n_layer);
    if (info->n_parameters > 50000) return;
    float *logits = ae_alloc((size_t)info->n_vocab, sizeof *logits);
    fuzz_ok(ae_model_check_finite(model));
    fuzz_ok(ae_logits(model, "In the end", logits));
    ae_free(logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, sizeof names / sizeof *names, data, size);
    const ae_model_options options = {.n_threads = 1};
    ae_model *model = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_model_open(folder, &options, &model));
    fuzz_end(size, 2 * FUZZ_PER_JSON_BYTE, 4 << 20);
    if (good) run(model);
    ae_model_free(model);
    return 0;
}
