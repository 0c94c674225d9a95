// One numpy array (format/npy.h).
#include "fuzz.h"

#include "base/memory.h"
#include "format/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("idf.npy", data, size);
    double *values = NULL;
    int n_dim = -1;
    int64_t shape[AE_MAX_DIM];
    fuzz_begin();
    if (fuzz_ok(ae_npy_read_double(path, &values, &n_dim, shape))) {
        FUZZ_CHECK(n_dim >= 0 && n_dim <= AE_MAX_DIM, "%d dimensions", n_dim);
        size_t n = 1;
        for (int d = 0; d < n_dim; d++)
            n *= (size_t)shape[d];
        FUZZ_CHECK(n <= size, "%zu elements of %zu bytes", n, size);
        fuzz_touch(values, n * sizeof *values);
    }
    ae_free(values);
    fuzz_end(size, 16, 1 << 17);
    return 0;
}
