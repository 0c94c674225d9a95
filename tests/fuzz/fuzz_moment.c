// Statistics of keys and their kept factor (aedile/edit.h: ae_moment_open), for a matrix of 8 rows.
#include "fuzz.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "edit/hparams.h"

static const char *const names[] = {"m.npz", "m.npz.factor.safetensors"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ae_model *model = fuzz_model();
    const char *folder = fuzz_files(names, 2, data, size);
    char *path = ae_path_join(folder, names[0]);
    ae_hparams hparams;
    FUZZ_CHECK(ae_hparams_standard(model, 1, &hparams) == AE_OK, "%s", ae_last_error());
    for (int i = 0; i < 2; i++) { // the second time with the factor that the first one kept
        ae_moment *moment = NULL;
        fuzz_begin();
        const bool good = fuzz_ok(ae_moment_open(model, 1, &hparams, path, 0, &fuzz_hooks, &moment));
        fuzz_end(size, 1032 * sizeof(double), 1 << 20);
        if (!good) break;
        const ae_moment_info info = ae_moment_get_info(moment);
        FUZZ_CHECK(info.n == FUZZ_D_MLP && info.n_tokens >= 0, "%d rows", info.n);
        double x[FUZZ_D_MLP] = {1, 2, 3};
        fuzz_ok(ae_moment_solve(moment, x));
        ae_moment_free(moment);
    }
    ae_free(path);
    return 0;
}
