// A model folder's weights (format/checkpoint.h): files, and indexes that name them.
#include "fuzz.h"

#include <limits.h>

#include "format/checkpoint.h"

static const char *const names[] = {
    "model.safetensors.index.json", "a.safetensors",     "b.safetensors", "model.safetensors",
    "pytorch_model.bin.index.json", "pytorch_model.bin", "a.bin",         "b.bin",
};
enum { N_NAMES = sizeof names / sizeof *names };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    return fuzz_mutate_files(data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, N_NAMES, data, size);
    ae_checkpoint *checkpoint = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_checkpoint_open(folder, &checkpoint));
    fuzz_end(size, 4 * FUZZ_PER_JSON_BYTE, 1 << 20);
    if (!good) return 0;
    const size_t n_files = ae_checkpoint_file_count(checkpoint);
    for (size_t i = 0; i < ae_checkpoint_count(checkpoint); i++) {
        const ae_tensor *t = ae_checkpoint_at(checkpoint, i);
        const int64_t n = ae_tensor_elements(t);
        FUZZ_CHECK(n >= 0 && (size_t)n * ae_dtype_size(t->dtype) == t->n_bytes, "'%s'", t->name);
        FUZZ_CHECK(t->n_bytes <= size && t->file >= 0 && (size_t)t->file < n_files, "'%s'", t->name);
        FUZZ_CHECK(ae_checkpoint_find(checkpoint, t->name) == t, "'%s'", t->name);
        fuzz_touch(t->data, t->n_bytes);
    }
    for (size_t i = 0; i < n_files; i++)
        FUZZ_CHECK(!strchr(ae_checkpoint_file(checkpoint, i), '/'), "a file outside the folder");
    ae_checkpoint_close(checkpoint);
    return 0;
}
