// Hyperparameter files (aedile/edit.h).
#include "fuzz.h"

#include "aedile/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const ae_model *model = fuzz_model();
    const char *path = fuzz_file("hparams.json", data, size);
    ae_hparams h;
    fuzz_begin();
    if (fuzz_ok(ae_hparams_load(path, model, &fuzz_hooks, &h))) {
        if (h.n_layers == 0) {
            h.layers[0] = 1;
            h.n_layers = 1;
        }
        FUZZ_CHECK(ae_hparams_check(&h, model) == AE_OK, "%s", ae_last_error());
        FUZZ_CHECK(memchr(h.mom2_dataset, '\0', sizeof h.mom2_dataset) &&
                       memchr(h.mom2_dtype, '\0', sizeof h.mom2_dtype),
                   "a name without an end");
    }
    fuzz_end(size, FUZZ_PER_JSON_BYTE, 1 << 17);
    return 0;
}
