// config.json (model/config.h).
#include "fuzz.h"

#include <math.h>

#include "model/config.h"

static const char *const names[] = {"config.json"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, 1, data, size);
    ae_config c;
    fuzz_begin();
    if (fuzz_ok(ae_config_load(folder, &c))) {
        FUZZ_CHECK(c.arch && c.n_layer >= 1 && c.n_head >= 1 && c.n_ctx >= 1 && c.n_vocab >= 1 &&
                       c.d_mlp >= 1,
                   "a size is missing");
        FUZZ_CHECK(c.d_head >= 1 && c.d_head * c.n_head == c.d_model, "%d heads", c.n_head);
        FUZZ_CHECK(c.n_rot >= 0 && c.n_rot <= c.d_head && c.n_rot % 2 == 0, "%d rotated", c.n_rot);
        FUZZ_CHECK(c.epsilon > 0 && isfinite(c.attn_scale) && c.attn_scale > 0, "a factor");
    }
    fuzz_end(size, FUZZ_PER_JSON_BYTE, 1 << 17);
    return 0;
}
