// gelu in its tanh form. With z = sqrt(2/pi) (x + 0.044715 x³): (1 + tanh z) / 2 = 1 / (1 + e^(-2z)), so that
// gelu(x) = x / (1 + e^(-2z)), free of the cancellation that 1 + tanh z suffers for negative x.
#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"

static const float two_root = 1.5957691216f; // 2 sqrt(2/pi)
static const float cubic = 0.044715f;

AE_SIMD_INLINE void span_body(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        y[i] = v / (1.0f + ae_exp(-two_root * (v + cubic * v * v * v)));
    }
}
AE_SIMD(span, (float *y, const float *x, size_t n), (y, x, n))

/* Beyond |x| = 10 the derivative is 0 or 1 to 1e-36, and e^(-2z) would leave the range of float. */
AE_SIMD_INLINE void span_gradient_body(float *dx, const float *dy, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < -10.0f ? -10.0f : x[i];
        v = v > 10.0f ? 10.0f : v;
        float e = ae_exp(-two_root * (v + cubic * v * v * v));
        float s = 1.0f / (1.0f + e);
        dx[i] = dy[i] * (s + v * s * (e * s) * two_root * (1.0f + 3.0f * cubic * v * v));
    }
}
AE_SIMD(span_gradient, (float *dx, const float *dy, const float *x, size_t n), (dx, dy, x, n))

enum { SPAN = 4096 };

ae_status ae_cpu_gelu(ae_backend *be, float *y, const float *x, size_t n) {
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n > AE_CPU_SERIAL)
    for (size_t i = 0; i < n; i += SPAN)
        span(y + i, x + i, n - i < SPAN ? n - i : SPAN);
    return AE_OK;
}

ae_status ae_cpu_gelu_backward(ae_backend *be, float *dx, const float *dy, const float *x, size_t n) {
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n > AE_CPU_SERIAL)
    for (size_t i = 0; i < n; i += SPAN)
        span_gradient(dx + i, dy + i, x + i, n - i < SPAN ? n - i : SPAN);
    return AE_OK;
}
