// Rotary position embedding, interleaved pairs. Angles in double: a position of 2000 times a frequency keeps
// no digit to lose in float, and a row costs only n_rot / 2 sines.
#include <math.h>

#include "backend/cpu/cpu.h"

ae_status ae_cpu_rotary(ae_backend *be, float *x, int32_t ldx, const int32_t *positions, int32_t n_rows,
                        int32_t n_head, int32_t d_head, int32_t n_rot, float base, bool inverse) {
    int32_t pairs = n_rot / 2;
    void *scratch;
    AE_TRY(ae_cpu_scratch(ae_cpu(be), (size_t)pairs, sizeof(double), &scratch));
    double *frequency = scratch; // [pairs]
    for (int32_t p = 0; p < pairs; p++)
        frequency[p] = pow((double)base, -2.0 * p / n_rot);
#pragma omp parallel for num_threads(be->n_threads)                                                          \
    schedule(static) if ((size_t)n_rows * (size_t)n_head * (size_t)n_rot > AE_CPU_SERIAL / 8)
    for (int32_t i = 0; i < n_rows; i++) {
        float *row = x + (size_t)i * (size_t)ldx;
        for (int32_t p = 0; p < pairs; p++) {
            double angle = positions[i] * frequency[p];
            float c = (float)cos(angle), s = (float)(inverse ? -sin(angle) : sin(angle));
            for (int32_t h = 0; h < n_head; h++) {
                float *pair = row + (size_t)h * (size_t)d_head + 2 * (size_t)p;
                float even = pair[0], odd = pair[1];
                pair[0] = even * c - odd * s;
                pair[1] = odd * c + even * s;
            }
        }
    }
    return AE_OK;
}
