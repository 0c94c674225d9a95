// all_finite: a NaN or an infinity has all exponent bits set.
#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"

enum { SPAN = 4096 };

AE_SIMD_INLINE void bad_elements_body(const float *x, size_t n, uint32_t *count) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad += (ae_bits_of(x[i]) & 0x7f800000u) == 0x7f800000u;
    *count = bad;
}
AE_SIMD(bad_elements, (const float *x, size_t n, uint32_t *count), (x, n, count))

ae_status ae_cpu_all_finite(ae_backend *be, const float *x, size_t n, int64_t *index) {
    size_t first = n; // start of the first span that has one
#pragma omp parallel for num_threads(be->n_threads) schedule(static)                                         \
    reduction(min                                                                                            \
              : first) if (n > AE_CPU_SERIAL)
    for (size_t i = 0; i < n; i += SPAN) {
        uint32_t bad;
        bad_elements(x + i, n - i < SPAN ? n - i : SPAN, &bad);
        if (bad > 0 && i < first) first = i;
    }
    uint32_t bad = 0;
    for (; first < n; first++) {
        bad_elements(x + first, 1, &bad);
        if (bad) break;
    }
    *index = first < n ? (int64_t)first : -1;
    return AE_OK;
}
