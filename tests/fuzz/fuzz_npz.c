// numpy's archives (format/npz.h): the statistics files of this field.
#include "fuzz.h"

#include "base/memory.h"
#include "format/npz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    return fuzz_mutate_zip(data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"mom2.mom2", "mom2.count", "sample_size", "mom2.constructor", "a"};
    const char *path = fuzz_file("statistics.npz", data, size);
    ae_npz *file = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_npz_open(path, &file))) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            double *values = NULL;
            int n_dim = -1;
            int64_t shape[AE_MAX_DIM];
            if (fuzz_ok(ae_npz_read_double(file, names[i], &values, &n_dim, shape))) {
                FUZZ_CHECK(n_dim >= 0 && n_dim <= AE_MAX_DIM, "'%s'", names[i]);
                size_t n = 1;
                for (int d = 0; d < n_dim; d++)
                    n *= (size_t)shape[d];
                fuzz_touch(values, n * sizeof *values);
            }
            ae_free(values);
        }
        ae_npz_close(file);
    }
    // Deflate makes 1032 bytes of one at most, and a byte of '|b1' becomes a double.
    fuzz_end(size, 1032 * sizeof(double), 1 << 18);
    return 0;
}
