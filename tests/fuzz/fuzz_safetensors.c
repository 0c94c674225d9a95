// The safetensors format (format/safetensors.h).
#include "fuzz.h"

#include "base/memory.h"
#include "format/safetensors.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    return seed % 4 == 0 ? LLVMFuzzerMutate(data, size, max_size)
                         : fuzz_mutate_safetensors(data, size, max_size);
}

static void check_tensor(const ae_safetensors *file, const ae_tensor *t, const uint8_t *data, size_t size) {
    const uint8_t *begin = t->data;
    FUZZ_CHECK(begin >= data && t->n_bytes <= size && begin <= data + size - t->n_bytes, "'%s'", t->name);
    FUZZ_CHECK((uint64_t)(begin - data) == t->offset, "'%s'", t->name);
    FUZZ_CHECK(t->n_dim >= 0 && t->n_dim <= AE_MAX_DIM, "'%s'", t->name);
    const int64_t n = ae_tensor_elements(t);
    FUZZ_CHECK(n >= 0 && (size_t)n * ae_dtype_size(t->dtype) == t->n_bytes, "'%s'", t->name);
    FUZZ_CHECK(ae_safetensors_find(file, t->name) == t, "'%s'", t->name);
    fuzz_touch(t->data, t->n_bytes);
    float values[8];
    ae_tensor_to_float(t, n > 8 ? n - 8 : 0, n > 8 ? 8 : n, values);
}

// Written anew, the tensors are what they were.
static void check_again(const ae_safetensors *file) {
    const size_t count = ae_safetensors_count(file);
    ae_tensor *tensors = ae_alloc(count, sizeof *tensors);
    FUZZ_CHECK(tensors, "no memory");
    ae_text bytes = {0};
    for (size_t i = 0; i < count; i++)
        tensors[i] = *ae_safetensors_at(file, i);
    char *header = NULL;
    size_t length = 0;
    ae_safetensors *again = NULL;
    FUZZ_CHECK(ae_safetensors_header(tensors, count, ae_safetensors_metadata(file), &header, &length) ==
                       AE_OK &&
                   ae_text_append(&bytes, header, length) == AE_OK,
               "%s", ae_last_error());
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(ae_text_append(&bytes, tensors[i].data, tensors[i].n_bytes) == AE_OK, "no memory");
    FUZZ_CHECK(ae_safetensors_open_memory("again", bytes.data, bytes.length, &again) == AE_OK, "%s",
               ae_last_error());
    FUZZ_CHECK(ae_safetensors_count(again) == count, "another number of tensors");
    for (size_t i = 0; i < count; i++) {
        const ae_tensor *t = ae_safetensors_find(again, tensors[i].name);
        FUZZ_CHECK(t && t->dtype == tensors[i].dtype && t->n_dim == tensors[i].n_dim &&
                       memcmp(t->shape, tensors[i].shape, sizeof t->shape) == 0 &&
                       t->n_bytes == tensors[i].n_bytes && memcmp(t->data, tensors[i].data, t->n_bytes) == 0,
                   "'%s' differs", tensors[i].name);
    }
    ae_safetensors_close(again);
    ae_free(bytes.data);
    ae_free(header);
    ae_free(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ae_safetensors *file = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_safetensors_open_memory("input", data, size, &file));
    fuzz_end(size, FUZZ_PER_JSON_BYTE, 1 << 18);
    if (!good) return 0;
    for (size_t i = 0; i < ae_safetensors_count(file); i++)
        check_tensor(file, ae_safetensors_at(file, i), data, size);
    check_again(file);
    ae_safetensors_close(file);
    return 0;
}
