// Writing statistics as the reference does (docs/formats.md).
#include <math.h>
#include <string.h>

#include "edit/moment.h"
#include "format/npz.h"

// The upper triangle as a full matrix of float32, in the same memory: a float never lies behind its double.
static ae_status round_in_place(const char *path, double *sum, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            sum[i * n + j] = sum[j * n + i];
    char *bytes = (char *)sum;
    for (size_t i = 0; i < n * n; i++) {
        double value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        float rounded = (float)value;
        if (!isfinite(rounded))
            return ae_fail(AE_ERR_NUMERIC,
                           "'%s' cannot be written: the sum at [%zu, %zu] is %g, too large for float32", path,
                           i / n, i % n, value);
        memcpy(bytes + i * sizeof rounded, &rounded, sizeof rounded);
    }
    return AE_OK;
}

ae_status ae_moment_write(const char *path, double *sum, int n, int64_t n_tokens, int64_t n_samples) {
    AE_TRY(round_in_place(path, sum, (size_t)n));
    const uint64_t none_bits = 0xfff8000000000002u; // the NaN that the reference writes for None
    double none;
    memcpy(&none, &none_bits, sizeof none);
    const ae_npz_array arrays[] = {
        {.name = "mom2.constructor", .text = "util.runningstats.SecondMoment()"},
        {.name = "mom2.count", .dtype = AE_I64, .data = &n_tokens},
        {.name = "mom2.mom2", .dtype = AE_F32, .n_dim = 2, .shape = {n, n}, .data = sum},
        {.name = "sample_size",
         .dtype = n_samples > 0 ? AE_I64 : AE_F64,
         .data = n_samples > 0 ? (const void *)&n_samples : &none},
    };
    return ae_npz_write(path, arrays, sizeof arrays / sizeof *arrays);
}
