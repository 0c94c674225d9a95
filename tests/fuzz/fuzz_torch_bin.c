// torch's zip checkpoints (format/torch_bin.h).
#include "fuzz.h"

#include "format/torch_bin.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    return fuzz_mutate_zip(data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("pytorch_model.bin", data, size);
    ae_torch_bin *file = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_torch_bin_open(path, &file));
    fuzz_end(size, 256, 1 << 18);
    if (!good) return 0;
    for (size_t i = 0; i < ae_torch_bin_count(file); i++) {
        const ae_tensor *t = ae_torch_bin_at(file, i);
        const int64_t n = ae_tensor_elements(t);
        FUZZ_CHECK(n >= 0 && (size_t)n * ae_dtype_size(t->dtype) == t->n_bytes, "'%s'", t->name);
        FUZZ_CHECK(t->n_bytes <= size && t->offset <= size - t->n_bytes, "'%s'", t->name);
        FUZZ_CHECK(memcmp(t->data, data + t->offset, t->n_bytes) == 0, "'%s' lies elsewhere", t->name);
        FUZZ_CHECK(i == 0 || ae_torch_bin_at(file, i - 1)->offset <= t->offset, "'%s'", t->name);
    }
    ae_torch_bin_close(file);
    return 0;
}
