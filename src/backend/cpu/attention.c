// Attention, forward and backward, over an optional shared prefix and own rows. A task is one head of one
// block of query rows, so that scratch is a block of rows times the longest context, a thread.
#include <math.h>
#include <omp.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/exp.h"
#include "backend/cpu/small_gemm.h"

enum { BLOCK_ROWS = 64 };

typedef struct block {
    int32_t seq, first, n_rows; // rows [first, first + n_rows) of the sequence's new ones
} block;

/* Keys that the block's last row sees; a row before it sees one less. */
static int32_t keys_seen(const ae_seq *s, const block *b) {
    return s->ctx_len + s->past + b->first + b->n_rows;
}

/* Of row `row` of a store or packed matrix, the part of head `head`. */
static size_t head_at(const ae_attention *a, int32_t row, size_t ld, int32_t head) {
    return (size_t)row * ld + (size_t)head * (size_t)a->d_head;
}

/* x := e^(scale (x - max)) / sum over the first n, 0 from there to `width`; scale > 0 */
AE_SIMD_INLINE void softmax_row_body(float *x, float scale, int32_t n, int32_t width) {
    float max = -INFINITY, lane_max[AE_LANES];
    double sum[AE_LANES] = {0};
    int32_t j = 0;
    for (int32_t l = 0; l < AE_LANES; l++)
        lane_max[l] = -INFINITY;
    for (; j + AE_LANES <= n; j += AE_LANES)
        for (int32_t l = 0; l < AE_LANES; l++)
            lane_max[l] = x[j + l] > lane_max[l] ? x[j + l] : lane_max[l];
    for (int32_t l = 0; j < n; j++, l++)
        lane_max[l] = x[j] > lane_max[l] ? x[j] : lane_max[l];
    for (int32_t l = 0; l < AE_LANES; l++)
        max = lane_max[l] > max ? lane_max[l] : max;
    for (j = 0; j < n; j++)
        x[j] = ae_exp(scale * (x[j] - max));
    for (j = 0; j + AE_LANES <= n; j += AE_LANES)
        for (int32_t l = 0; l < AE_LANES; l++)
            sum[l] += (double)x[j + l];
    for (int32_t l = 0; j < n; j++, l++)
        sum[l] += (double)x[j];
    for (int32_t l = 1; l < AE_LANES; l++)
        sum[0] += sum[l];
    float inverse = (float)(1 / sum[0]);
    for (j = 0; j < n; j++)
        x[j] *= inverse;
    for (; j < width; j++)
        x[j] = 0;
}
AE_SIMD(softmax_row, (float *x, float scale, int32_t n, int32_t width), (x, scale, n, width))

/* d := p (d - sum p d) scale: from the gradient of the probabilities to that of q·k */
AE_SIMD_INLINE void score_gradient_body(float *d, const float *p, int32_t n, float scale) {
    double sum[AE_LANES] = {0};
    int32_t j = 0;
    for (; j + AE_LANES <= n; j += AE_LANES)
        for (int32_t l = 0; l < AE_LANES; l++)
            sum[l] += (double)(p[j + l] * d[j + l]);
    for (int32_t l = 0; j < n; j++, l++)
        sum[l] += (double)(p[j] * d[j]);
    for (int32_t l = 1; l < AE_LANES; l++)
        sum[0] += sum[l];
    float mean = (float)sum[0];
    for (j = 0; j < n; j++)
        d[j] = p[j] * (d[j] - mean) * scale;
}
AE_SIMD(score_gradient, (float *d, const float *p, int32_t n, float scale), (d, p, n, scale))

/* out[rows, keys] = x storeᵀ for one head: prefix and own rows side by side. */
static void against_store(ae_gemm *g, const ae_attention *a, const ae_seq *s, const block *b, int32_t head,
                          const float *x, size_t ldx, const float *store, float *out) {
    size_t ld = (size_t)a->n_head * (size_t)a->d_head;
    int32_t keys = keys_seen(s, b), own = keys - s->ctx_len;
    const float *rows = x + head_at(a, s->row + b->first, ldx, head);
    ae_gemm_nt(g, b->n_rows, s->ctx_len, a->d_head, rows, ldx, store + head_at(a, s->ctx_row, ld, head), ld,
               out, (size_t)keys);
    ae_gemm_nt(g, b->n_rows, own, a->d_head, rows, ldx, store + head_at(a, s->own_row, ld, head), ld,
               out + s->ctx_len, (size_t)keys);
}

/* out = x[rows, keys] store for one head. */
static void over_store(ae_gemm *g, const ae_attention *a, const ae_seq *s, const block *b, int32_t head,
                       const float *x, const float *store, float *out, size_t ldout) {
    size_t ld = (size_t)a->n_head * (size_t)a->d_head;
    int32_t keys = keys_seen(s, b), own = keys - s->ctx_len;
    float *rows = out + head_at(a, s->row + b->first, ldout, head);
    for (int32_t r = 0; r < b->n_rows; r++)
        memset(rows + (size_t)r * ldout, 0, (size_t)a->d_head * sizeof *rows);
    ae_gemm_nn(g, b->n_rows, a->d_head, s->ctx_len, x, (size_t)keys, store + head_at(a, s->ctx_row, ld, head),
               ld, rows, ldout);
    ae_gemm_nn(g, b->n_rows, a->d_head, own, x + s->ctx_len, (size_t)keys,
               store + head_at(a, s->own_row, ld, head), ld, rows, ldout);
}

static void probabilities(ae_gemm *g, const ae_attention *a, const block *b, int32_t head, const float *q,
                          size_t ldq, float *p) {
    const ae_seq *s = &a->seqs[b->seq];
    int32_t keys = keys_seen(s, b);
    against_store(g, a, s, b, head, q, ldq, a->k, p);
    for (int32_t r = 0; r < b->n_rows; r++)
        softmax_row(p + (size_t)r * (size_t)keys, a->scale, keys - b->n_rows + r + 1, keys);
}

/* What both directions need: floats a block's matrix can have, and how many blocks there are. */
static size_t largest_block(const ae_attention *a, size_t *n_blocks) {
    size_t largest = 0;
    *n_blocks = 0;
    for (int32_t i = 0; i < a->n_seqs; i++) {
        const ae_seq *s = &a->seqs[i];
        size_t rows = (size_t)(s->n_rows < BLOCK_ROWS ? s->n_rows : BLOCK_ROWS);
        size_t keys = (size_t)s->ctx_len + (size_t)s->past + (size_t)s->n_rows;
        if (rows * keys > largest) largest = rows * keys;
        *n_blocks += ((size_t)s->n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    }
    return (largest + 15) / 16 * 16; // each thread's share starts on a cache line
}

static block block_at(const ae_attention *a, int32_t seq, int32_t first) {
    int32_t rest = a->seqs[seq].n_rows - first;
    return (block){seq, first, rest < BLOCK_ROWS ? rest : BLOCK_ROWS};
}

ae_status ae_cpu_attention(ae_backend *be, float *out, int32_t ldout, const float *q, int32_t ldq,
                           const ae_attention *a) {
    size_t n_blocks, share = largest_block(a, &n_blocks);
    if (n_blocks == 0) return AE_OK;
    void *scratch;
    AE_TRY(ae_cpu_scratch(
        ae_cpu(be), (size_t)be->n_threads * share * sizeof(float) + n_blocks * sizeof(block), 1, &scratch));
    float *buffers = scratch;
    block *blocks = (block *)(buffers + (size_t)be->n_threads * share);
    size_t n = 0;
    for (int32_t i = 0; i < a->n_seqs; i++)
        for (int32_t first = 0; first < a->seqs[i].n_rows; first += BLOCK_ROWS)
            blocks[n++] = block_at(a, i, first);
    size_t n_tasks = n_blocks * (size_t)a->n_head;
    int former = ae_cpu_library_threads(1);
    ae_status status = AE_OK;
#pragma omp parallel num_threads(be->n_threads) if (n_tasks > 1)
    {
        ae_gemm gemm = ae_gemm_begin();
        float *p = buffers + (size_t)omp_get_thread_num() * share;
#pragma omp for schedule(dynamic)
        for (size_t t = 0; t < n_tasks; t++) {
            const block *b = &blocks[t / (size_t)a->n_head];
            int32_t head = (int32_t)(t % (size_t)a->n_head);
            probabilities(&gemm, a, b, head, q, (size_t)ldq, p);
            over_store(&gemm, a, &a->seqs[b->seq], b, head, p, a->v, out, (size_t)ldout);
        }
        ae_gemm_end(&gemm, &status);
    }
    ae_cpu_library_threads(former);
    return ae_gemm_outcome(status);
}

typedef struct gradients {
    float *dq, *dk, *dv;
    size_t lddq, lddk, lddv;
    const float *dout, *q;
    size_t lddout, ldq;
} gradients;

/* One block's share; dk and dv of the sequence's rows up to the block's last are added to. */
static void block_backward(ae_gemm *gemm, const ae_attention *a, const block *b, int32_t head,
                           const gradients *g, float *p, float *d) {
    const ae_seq *s = &a->seqs[b->seq];
    int32_t keys = keys_seen(s, b), fixed = s->ctx_len + s->past, added = keys - fixed;
    probabilities(gemm, a, b, head, g->q, g->ldq, p);
    against_store(gemm, a, s, b, head, g->dout, g->lddout, a->v, d);
    ae_gemm_tn(added, a->d_head, b->n_rows, p + fixed, (size_t)keys,
               g->dout + head_at(a, s->row + b->first, g->lddout, head), g->lddout,
               g->dv + head_at(a, s->row, g->lddv, head), g->lddv);
    for (int32_t r = 0; r < b->n_rows; r++)
        score_gradient(d + (size_t)r * (size_t)keys, p + (size_t)r * (size_t)keys, keys, a->scale);
    over_store(gemm, a, s, b, head, d, a->k, g->dq, g->lddq);
    ae_gemm_tn(added, a->d_head, b->n_rows, d + fixed, (size_t)keys,
               g->q + head_at(a, s->row + b->first, g->ldq, head), g->ldq,
               g->dk + head_at(a, s->row, g->lddk, head), g->lddk);
}

ae_status ae_cpu_attention_backward(ae_backend *be, float *dq, int32_t lddq, float *dk, int32_t lddk,
                                    float *dv, int32_t lddv, const float *dout, int32_t lddout,
                                    const float *q, int32_t ldq, const ae_attention *a) {
    size_t n_blocks, share = largest_block(a, &n_blocks);
    if (n_blocks == 0) return AE_OK;
    void *scratch;
    AE_TRY(ae_cpu_scratch(ae_cpu(be), (size_t)be->n_threads * 2 * share, sizeof(float), &scratch));
    gradients g = {.dq = dq, .dk = dk, .dv = dv, .dout = dout, .q = q};
    g.lddq = (size_t)lddq, g.lddk = (size_t)lddk, g.lddv = (size_t)lddv, g.lddout = (size_t)lddout,
    g.ldq = (size_t)ldq;
    size_t n_tasks = (size_t)a->n_seqs * (size_t)a->n_head;
    int former = ae_cpu_library_threads(1);
    ae_status status = AE_OK;
    // A sequence's blocks add to the same dk and dv: one thread does them, in order.
#pragma omp parallel num_threads(be->n_threads) if (n_tasks > 1)
    {
        ae_gemm gemm = ae_gemm_begin();
        float *p = (float *)scratch + (size_t)omp_get_thread_num() * 2 * share;
#pragma omp for schedule(dynamic)
        for (size_t t = 0; t < n_tasks; t++) {
            int32_t seq = (int32_t)(t / (size_t)a->n_head), head = (int32_t)(t % (size_t)a->n_head);
            const ae_seq *s = &a->seqs[seq];
            for (int32_t r = s->row; r < s->row + s->n_rows; r++) {
                memset(dk + head_at(a, r, g.lddk, head), 0, (size_t)a->d_head * sizeof *dk);
                memset(dv + head_at(a, r, g.lddv, head), 0, (size_t)a->d_head * sizeof *dv);
            }
            for (int32_t first = 0; first < s->n_rows; first += BLOCK_ROWS) {
                block b = block_at(a, seq, first);
                block_backward(&gemm, a, &b, head, &g, p, p + share);
            }
        }
        ae_gemm_end(&gemm, &status);
    }
    ae_cpu_library_threads(former);
    return ae_gemm_outcome(status);
}
