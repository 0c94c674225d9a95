/* backend/backend.h: the op table. Model code calls ops through it and knows nothing of where they run.
 *
 * Matrices are row-major fp32 in the backend's memory; a "rows" matrix is [n_rows, width], packed over
 * sequences. Weights are host-mapped, as stored (fp32, fp16, bf16), and converted tile by tile. ld* is the
 * distance between rows in elements. Ops do not check for NaN; all_finite does. Ops that need scratch memory
 * can fail; on failure outputs are undefined. Same inputs, same machine: same bytes, however many threads. */
#ifndef AE_BACKEND_BACKEND_H
#define AE_BACKEND_BACKEND_H

#include "format/tensor.h"

typedef struct ae_weight {
    const void *data; // never copied
    ae_dtype dtype;   // AE_F32, AE_F16, AE_BF16
    int32_t n_in, n_out;
    bool in_out; // true: stored [n_in, n_out] (GPT-2's Conv1D); false: [n_out, n_in] (torch Linear,
                 // embeddings)
} ae_weight;

/* One sequence of a packed batch. Its keys and values lie in a store of rows (one a layer): first an optional
 * shared prefix, then its own, contiguous. The batch's new rows of the sequence are own rows [past, past +
 * n_rows). */
typedef struct ae_seq {
    int32_t row, n_rows;      // in the packed matrix
    int32_t ctx_row, ctx_len; // shared prefix in the store; ctx_len 0: none
    int32_t own_row, past;    // own rows in the store, and how many are there before this batch
} ae_seq;                     // position of its first new row: ctx_len + past

typedef struct ae_attention {
    const ae_seq *seqs;
    int32_t n_seqs;
    int32_t n_head, d_head;
    float scale;        // on q·k
    const float *k, *v; // the store: [capacity, n_head * d_head], the new rows already in it
} ae_attention;

typedef struct ae_backend ae_backend;

struct ae_backend {
    const char *name;
    int n_threads;
    const char
        *arithmetic; // what decides the last bits of its results: "AVX-512, OpenBLAS 0.3.21 SkylakeX, ..."

    void (*destroy)(ae_backend *be);

    /* memory of the backend: n floats, zeroed, aligned to 64 */
    ae_status (*alloc)(ae_backend *be, size_t n, float **out);
    void (*release)(ae_backend *be, float *memory); // NULL is fine
    ae_status (*zero)(ae_backend *be, float *x, size_t n);
    ae_status (*put)(ae_backend *be, float *to, const float *from_host, size_t n);
    ae_status (*get)(ae_backend *be, float *to_host, const float *from, size_t n);

    /* y[i] (+)= table[ids[i]]; table is [n_out = number of rows, n_in = width], in_out false */
    ae_status (*embed)(ae_backend *be, float *y, const ae_weight *table, const int32_t *ids, int32_t n_rows,
                       bool accumulate);

    /* y[n, n_out] (+)= x[n, n_in] W + bias; bias [n_out] may be NULL (and must be NULL when accumulating) */
    ae_status (*linear)(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                        const ae_weight *w, const float *bias, int32_t n_rows, bool accumulate);
    /* dx[n, n_in] (+)= dy[n, n_out] Wᵀ */
    ae_status (*linear_backward)(ae_backend *be, float *dx, int32_t lddx, const float *dy, int32_t lddy,
                                 const ae_weight *w, int32_t n_rows, bool accumulate);

    /* y = (x - mean) * rstd * gamma + beta over rows of width d; mean, rstd: [n], may be NULL together */
    ae_status (*layer_norm)(ae_backend *be, float *y, float *mean, float *rstd, const float *x,
                            const float *gamma, const float *beta, float epsilon, int32_t n_rows, int32_t d);
    /* dx += gradient */
    ae_status (*layer_norm_backward)(ae_backend *be, float *dx, const float *dy, const float *x,
                                     const float *gamma, const float *mean, const float *rstd, int32_t n_rows,
                                     int32_t d);

    /* gelu, tanh form ("gelu_new"): y = f(x) (y may be x); dx = dy * f'(x) (dx may be dy) over n
     * elements */
    ae_status (*gelu)(ae_backend *be, float *y, const float *x, size_t n);
    ae_status (*gelu_backward)(ae_backend *be, float *dx, const float *dy, const float *x, size_t n);

    /* Rotary position embedding in place on x[n, n_head * d_head]: the first n_rot dimensions of each head,
     * interleaved pairs (0,1), (2,3), ..., angle = position * base^(-2i/n_rot). inverse: rotate back (its own
     * gradient). */
    ae_status (*rotary)(ae_backend *be, float *x, int32_t ldx, const int32_t *positions, int32_t n_rows,
                        int32_t n_head, int32_t d_head, int32_t n_rot, float base, bool inverse);

    /* out[row] = softmax(scale q kᵀ) v, causal within own rows, over prefix + own; q, out: packed rows. */
    ae_status (*attention)(ae_backend *be, float *out, int32_t ldout, const float *q, int32_t ldq,
                           const ae_attention *a);
    /* Gradients with respect to q and to the *new* rows' k and v (packed rows); earlier rows are constants.
     * All three outputs are overwritten. Probabilities are recomputed. */
    ae_status (*attention_backward)(ae_backend *be, float *dq, int32_t lddq, float *dk, int32_t lddk,
                                    float *dv, int32_t lddv, const float *dout, int32_t lddout,
                                    const float *q, int32_t ldq, const ae_attention *a);

    /* y[i] = x[index[i]] / y[index[i]] = x[i] / y[index[i]] += x[i], rows of width d; index NULL: i itself. A
     * repeated index in scatter_add adds up, in order of i. */
    ae_status (*gather)(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                        const int32_t *index, int32_t n_rows, int32_t d);
    ae_status (*scatter)(ae_backend *be, float *y, int32_t ldy, const int32_t *index, const float *x,
                         int32_t ldx, int32_t n_rows, int32_t d);
    ae_status (*scatter_add)(ae_backend *be, float *y, int32_t ldy, const int32_t *index, const float *x,
                             int32_t ldx, int32_t n_rows, int32_t d);
    ae_status (*add)(ae_backend *be, float *y, const float *x, size_t n); // y += x

    /* Rows of logits [n, n_vocab]: nll[i] = -log softmax(logits[i])[targets[i]] (host, double). Where weights
     * (host, [n]) is not NULL, logits become their gradient weights[i] * (softmax - one_hot). */
    ae_status (*cross_entropy)(ae_backend *be, double *nll, float *logits, const int32_t *targets,
                               const double *weights, int32_t n_rows, int32_t n_vocab);
    /* logits := log softmax(logits), in place */
    ae_status (*log_softmax)(ae_backend *be, float *logits, int32_t n_rows, int32_t n_vocab);
    /* kl[i] = sum_x p (log p - log_init), p = softmax(logits[i]) (host, double); gradient as in
     * cross_entropy. */
    ae_status (*kl_divergence)(ae_backend *be, double *kl, float *logits, const float *log_init,
                               const double *weights, int32_t n_rows, int32_t n_vocab);

    /* sum[d, d] (double, host; upper triangle only: j >= i) += xᵀ x for x[n, d] */
    ae_status (*second_moment)(ae_backend *be, double *sum, const float *x, int32_t ldx, int32_t n_rows,
                               int32_t d);

    /* m[i, j] += a[i] * b[j], m: [n_a, n_b]; product and sum each rounded to float: the same bits on every
     * machine */
    ae_status (*rank_one)(ae_backend *be, float *m, const float *a, int32_t n_a, const float *b, int32_t n_b);

    /* *index: of the first element that is not finite, or -1 */
    ae_status (*all_finite)(ae_backend *be, const float *x, size_t n, int64_t *index);

    /* A weight as fp32 in the backend's memory, in stored order: [n_in * n_out] */
    ae_status (*expand)(ae_backend *be, float *to, const ae_weight *w);
};

/* n_threads: 0 for one a core. Free with be->destroy(be). */
ae_status ae_backend_cpu(int n_threads, ae_backend **out);

#endif
