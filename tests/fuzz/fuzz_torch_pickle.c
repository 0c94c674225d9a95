// The pickle of a torch checkpoint (format/torch_pickle.h).
#include "fuzz.h"

#include "format/torch_pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ae_arena *arena = NULL;
    ae_torch_entry *entries = NULL;
    size_t count = 0;
    fuzz_begin();
    FUZZ_CHECK(ae_arena_new(&arena) == AE_OK, "no memory");
    if (fuzz_ok(ae_torch_unpickle("input", data, size, arena, &entries, &count))) {
        FUZZ_CHECK(count <= size, "%zu entries of %zu bytes", count, size);
        for (size_t i = 0; i < count; i++) {
            const ae_torch_entry *e = &entries[i];
            fuzz_touch(e->name, strlen(e->name));
            fuzz_touch(e->storage, strlen(e->storage));
            FUZZ_CHECK(e->n_dim >= 0 && e->n_dim <= AE_MAX_DIM, "%d dimensions", e->n_dim);
            FUZZ_CHECK(ae_dtype_size(e->dtype) > 0, "no type");
        }
    }
    ae_arena_free(arena);
    fuzz_end(size, 256, 1 << 18);
    return 0;
}
