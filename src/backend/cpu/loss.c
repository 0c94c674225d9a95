// Losses over rows of logits. A row is cut into chunks of fixed size, so that few rows over a large
// vocabulary still occupy every thread and the result does not depend on how many there are. Exponentials in
// float, sums in double.
#include <math.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"

enum { CHUNK = 2048 };

typedef struct part {
    float max;
    double sum; // of e^(x - max)
} part;

AE_SIMD_INLINE void reduce_body(const float *x, size_t n, part *out) {
    float max[AE_LANES];
    double sum[AE_LANES] = {0};
    for (size_t l = 0; l < AE_LANES; l++)
        max[l] = -INFINITY;
    size_t i = 0;
    for (; i + AE_LANES <= n; i += AE_LANES)
        for (size_t l = 0; l < AE_LANES; l++)
            max[l] = x[i + l] > max[l] ? x[i + l] : max[l];
    for (; i < n; i++)
        max[0] = x[i] > max[0] ? x[i] : max[0];
    float top = max[0];
    for (size_t l = 1; l < AE_LANES; l++)
        top = max[l] > top ? max[l] : top;
    out->max = top;
    float from = top == -INFINITY ? 0.0f : top; // a chunk of nothing but -inf has the sum 0, not NaN
    for (i = 0; i + AE_LANES <= n; i += AE_LANES)
        for (size_t l = 0; l < AE_LANES; l++)
            sum[l] += (double)ae_exp(x[i + l] - from);
    for (size_t l = 0; i < n; i++, l++)
        sum[l] += (double)ae_exp(x[i] - from);
    out->sum = 0;
    for (size_t l = 0; l < AE_LANES; l++)
        out->sum += sum[l];
}
AE_SIMD(reduce, (const float *x, size_t n, part *out), (x, n, out))

/* x := weight * e^(x - log_sum) */
AE_SIMD_INLINE void softmax_gradient_body(float *x, size_t n, double log_sum, float weight) {
    for (size_t i = 0; i < n; i++)
        x[i] = weight * ae_exp((float)((double)x[i] - log_sum));
}
AE_SIMD(softmax_gradient, (float *x, size_t n, double log_sum, float weight), (x, n, log_sum, weight))

AE_SIMD_INLINE void subtract_body(float *x, size_t n, double log_sum) {
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] - log_sum);
}
AE_SIMD(subtract, (float *x, size_t n, double log_sum), (x, n, log_sum))

/* sum of p (log p - log_init) */
AE_SIMD_INLINE void divergence_body(const float *x, const float *log_init, size_t n, double log_sum,
                                    double *out) {
    double sum[AE_LANES] = {0};
    size_t i = 0;
    for (; i + AE_LANES <= n; i += AE_LANES)
        for (size_t l = 0; l < AE_LANES; l++) {
            double log_p = (double)x[i + l] - log_sum;
            sum[l] += (double)ae_exp((float)log_p) * (log_p - (double)log_init[i + l]);
        }
    for (size_t l = 0; i < n; i++, l++) {
        double log_p = (double)x[i] - log_sum;
        sum[l] += (double)ae_exp((float)log_p) * (log_p - (double)log_init[i]);
    }
    *out = 0;
    for (size_t l = 0; l < AE_LANES; l++)
        *out += sum[l];
}
AE_SIMD(divergence, (const float *x, const float *log_init, size_t n, double log_sum, double *out),
        (x, log_init, n, log_sum, out))

/* x := weight * p (log p - log_init - kl) */
AE_SIMD_INLINE void divergence_gradient_body(float *x, const float *log_init, size_t n, double log_sum,
                                             double kl, float weight) {
    for (size_t i = 0; i < n; i++) {
        double log_p = (double)x[i] - log_sum;
        x[i] = weight * ae_exp((float)log_p) * (float)(log_p - (double)log_init[i] - kl);
    }
}
AE_SIMD(divergence_gradient,
        (float *x, const float *log_init, size_t n, double log_sum, double kl, float weight),
        (x, log_init, n, log_sum, kl, weight))

static size_t chunk_length(int32_t n_vocab, size_t chunk) {
    size_t rest = (size_t)n_vocab - chunk * CHUNK;
    return rest < CHUNK ? rest : CHUNK;
}

typedef struct rows {
    size_t n_rows, n_vocab, n_chunks;
    double *log_sum;   // [n_rows] log of the sum of e^x
    double *chunk_sum; // [n_rows, n_chunks] for the caller
} rows;

/* log_sum of every row; the arrays are the backend's scratch. */
static ae_status reduce_rows(ae_backend *be, const float *logits, int32_t n_rows, int32_t n_vocab,
                             rows *out) {
    size_t n = (size_t)n_rows, n_chunks = ((size_t)n_vocab + CHUNK - 1) / CHUNK;
    void *scratch;
    AE_TRY(ae_cpu_scratch(ae_cpu(be), n * (1 + n_chunks) * sizeof(double) + n * n_chunks * sizeof(part), 1,
                          &scratch));
    part *parts = scratch;
    *out = (rows){.n_rows = n, .n_vocab = (size_t)n_vocab, .n_chunks = n_chunks};
    out->log_sum = (double *)(parts + n * n_chunks);
    out->chunk_sum = out->log_sum + n;
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n * n_chunks > 1)
    for (size_t t = 0; t < n * n_chunks; t++)
        reduce(logits + t / n_chunks * (size_t)n_vocab + t % n_chunks * CHUNK,
               chunk_length(n_vocab, t % n_chunks), &parts[t]);
    for (size_t i = 0; i < n; i++) {
        const part *p = parts + i * n_chunks;
        double sum = 0;
        float max = p[0].max;
        for (size_t c = 1; c < n_chunks; c++)
            max = p[c].max > max ? p[c].max : max;
        for (size_t c = 0; c < n_chunks; c++)
            sum += p[c].sum * exp((double)p[c].max - (double)max);
        out->log_sum[i] = (double)max + log(sum);
    }
    return AE_OK;
}

ae_status ae_cpu_cross_entropy(ae_backend *be, double *nll, float *logits, const int32_t *targets,
                               const double *weights, int32_t n_rows, int32_t n_vocab) {
    if (n_rows <= 0) return AE_OK;
    for (int32_t i = 0; i < n_rows; i++)
        if (targets[i] < 0 || targets[i] >= n_vocab)
            return ae_fail(AE_ERR_ARGUMENT, "target %d (row %d) is outside the vocabulary of %d", targets[i],
                           i, n_vocab);
    rows r;
    AE_TRY(reduce_rows(be, logits, n_rows, n_vocab, &r));
    for (int32_t i = 0; i < n_rows; i++)
        nll[i] = r.log_sum[i] - (double)logits[(size_t)i * r.n_vocab + (size_t)targets[i]];
    if (!weights) return AE_OK;
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (r.n_rows * r.n_chunks > 1)
    for (size_t t = 0; t < r.n_rows * r.n_chunks; t++) {
        size_t i = t / r.n_chunks, c = t % r.n_chunks;
        softmax_gradient(logits + i * r.n_vocab + c * CHUNK, chunk_length(n_vocab, c), r.log_sum[i],
                         (float)weights[i]);
    }
    for (int32_t i = 0; i < n_rows; i++) // p - 1 of the target, without the cancellation where p is near 1
        logits[(size_t)i * r.n_vocab + (size_t)targets[i]] = (float)(weights[i] * expm1(-nll[i]));
    return AE_OK;
}

ae_status ae_cpu_log_softmax(ae_backend *be, float *logits, int32_t n_rows, int32_t n_vocab) {
    if (n_rows <= 0) return AE_OK;
    rows r;
    AE_TRY(reduce_rows(be, logits, n_rows, n_vocab, &r));
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (r.n_rows * r.n_chunks > 1)
    for (size_t t = 0; t < r.n_rows * r.n_chunks; t++) {
        size_t i = t / r.n_chunks, c = t % r.n_chunks;
        subtract(logits + i * r.n_vocab + c * CHUNK, chunk_length(n_vocab, c), r.log_sum[i]);
    }
    return AE_OK;
}

ae_status ae_cpu_kl_divergence(ae_backend *be, double *kl, float *logits, const float *log_init,
                               const double *weights, int32_t n_rows, int32_t n_vocab) {
    if (n_rows <= 0) return AE_OK;
    rows r;
    AE_TRY(reduce_rows(be, logits, n_rows, n_vocab, &r));
    size_t n_tasks = r.n_rows * r.n_chunks;
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n_tasks > 1)
    for (size_t t = 0; t < n_tasks; t++) {
        size_t i = t / r.n_chunks, c = t % r.n_chunks, at = i * r.n_vocab + c * CHUNK;
        divergence(logits + at, log_init + at, chunk_length(n_vocab, c), r.log_sum[i], &r.chunk_sum[t]);
    }
    for (size_t i = 0; i < r.n_rows; i++) {
        kl[i] = 0;
        for (size_t c = 0; c < r.n_chunks; c++)
            kl[i] += r.chunk_sum[i * r.n_chunks + c];
    }
    if (!weights) return AE_OK;
#pragma omp parallel for num_threads(be->n_threads) schedule(static) if (n_tasks > 1)
    for (size_t t = 0; t < n_tasks; t++) {
        size_t i = t / r.n_chunks, c = t % r.n_chunks, at = i * r.n_vocab + c * CHUNK;
        divergence_gradient(logits + at, log_init + at, chunk_length(n_vocab, c), r.log_sum[i], kl[i],
                            (float)weights[i]);
    }
    return AE_OK;
}
