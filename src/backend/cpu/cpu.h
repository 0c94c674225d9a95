/* backend/cpu/cpu.h: the CPU implementation of the op table, from the inside.
 *
 * One file a concern; every op is one function here. Work is split over `n_threads` OpenMP threads by a
 * clause on each region, never by a global setting; what a thread adds up is a piece of fixed size, so that
 * their number changes no sum. A backend serves one calling thread at a time: ops share
 * its scratch memory. */
#ifndef AE_BACKEND_CPU_CPU_H
#define AE_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "backend/cpu/onednn.h"

typedef struct ae_cpu_backend {
    ae_backend base; // first: an ae_backend * is an ae_cpu_backend *
    void *scratch;   // grows to what the largest op so far needed
    size_t scratch_size;
    ae_cpu_onednn *onednn; // NULL until its first product
    char arithmetic[128];
} ae_cpu_backend;

static inline ae_cpu_backend *ae_cpu(ae_backend *be) {
    return (ae_cpu_backend *)be;
}

/* `count` elements of `size` bytes, aligned to 64, not zeroed, the backend's; valid until the next call. */
ae_status ae_cpu_scratch(ae_cpu_backend *cpu, size_t count, size_t size, void **out);

/* Threads that a parallel region of n_threads is given, unless dynamic adjustment takes some away: fewer
 * where the user or the calling program has set limits (OMP_THREAD_LIMIT, a region that we are called in).
 * Our own regions work with what they get; oneDNN would leave the missing threads' share undone. */
int ae_cpu_team(int n_threads);

/* OpenBLAS and oneDNN take omp_get_max_threads() threads. This sets it for the calling thread (and for the
 * threads of regions that it opens next), and returns the former value, with which to call it again. */
int ae_cpu_library_threads(int n_threads);

/* Elements below which a loop over memory is not worth waking the other threads. */
enum { AE_CPU_SERIAL = 16 * 1024 };

ae_status ae_cpu_alloc(ae_backend *be, size_t n, float **out);
void ae_cpu_release(ae_backend *be, float *memory);
ae_status ae_cpu_zero(ae_backend *be, float *x, size_t n);
ae_status ae_cpu_put(ae_backend *be, float *to, const float *from_host, size_t n);
ae_status ae_cpu_get(ae_backend *be, float *to_host, const float *from, size_t n);
ae_status ae_cpu_embed(ae_backend *be, float *y, const ae_weight *table, const int32_t *ids, int32_t n_rows,
                       bool accumulate);
ae_status ae_cpu_linear(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                        const ae_weight *w, const float *bias, int32_t n_rows, bool accumulate);
ae_status ae_cpu_linear_backward(ae_backend *be, float *dx, int32_t lddx, const float *dy, int32_t lddy,
                                 const ae_weight *w, int32_t n_rows, bool accumulate);
ae_status ae_cpu_layer_norm(ae_backend *be, float *y, float *mean, float *rstd, const float *x,
                            const float *gamma, const float *beta, float epsilon, int32_t n_rows, int32_t d);
ae_status ae_cpu_layer_norm_backward(ae_backend *be, float *dx, const float *dy, const float *x,
                                     const float *gamma, const float *mean, const float *rstd, int32_t n_rows,
                                     int32_t d);
ae_status ae_cpu_gelu(ae_backend *be, float *y, const float *x, size_t n);
ae_status ae_cpu_gelu_backward(ae_backend *be, float *dx, const float *dy, const float *x, size_t n);
ae_status ae_cpu_rotary(ae_backend *be, float *x, int32_t ldx, const int32_t *positions, int32_t n_rows,
                        int32_t n_head, int32_t d_head, int32_t n_rot, float base, bool inverse);
ae_status ae_cpu_attention(ae_backend *be, float *out, int32_t ldout, const float *q, int32_t ldq,
                           const ae_attention *a);
ae_status ae_cpu_attention_backward(ae_backend *be, float *dq, int32_t lddq, float *dk, int32_t lddk,
                                    float *dv, int32_t lddv, const float *dout, int32_t lddout,
                                    const float *q, int32_t ldq, const ae_attention *a);
ae_status ae_cpu_gather(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                        const int32_t *index, int32_t n_rows, int32_t d);
ae_status ae_cpu_scatter(ae_backend *be, float *y, int32_t ldy, const int32_t *index, const float *x,
                         int32_t ldx, int32_t n_rows, int32_t d);
ae_status ae_cpu_scatter_add(ae_backend *be, float *y, int32_t ldy, const int32_t *index, const float *x,
                             int32_t ldx, int32_t n_rows, int32_t d);
ae_status ae_cpu_add(ae_backend *be, float *y, const float *x, size_t n);
ae_status ae_cpu_cross_entropy(ae_backend *be, double *nll, float *logits, const int32_t *targets,
                               const double *weights, int32_t n_rows, int32_t n_vocab);
ae_status ae_cpu_log_softmax(ae_backend *be, float *logits, int32_t n_rows, int32_t n_vocab);
ae_status ae_cpu_kl_divergence(ae_backend *be, double *kl, float *logits, const float *log_init,
                               const double *weights, int32_t n_rows, int32_t n_vocab);
ae_status ae_cpu_second_moment(ae_backend *be, double *sum, const float *x, int32_t ldx, int32_t n_rows,
                               int32_t d);
ae_status ae_cpu_rank_one(ae_backend *be, float *m, const float *a, int32_t n_a, const float *b, int32_t n_b);
ae_status ae_cpu_all_finite(ae_backend *be, const float *x, size_t n, int64_t *index);
ae_status ae_cpu_expand(ae_backend *be, float *to, const ae_weight *w);

#endif
