/* counted_work.h: what a model's backend is asked to do, counted: rows of every product, pairs of attention,
 * rows of logits, memory. Machines differ in time, not in this.
 *
 *     start_counting(m);
 *     ... the library's calls ...
 *     const counted_work done = counting.now;
 *     stop_counting();
 *
 * One model at a time, on one thread. */
#ifndef AE_COUNTED_WORK_H
#define AE_COUNTED_WORK_H

#include "test.h"
#include "tiny_model.h"

#include "model/model.h"

enum { ATTN_IN, ATTN_IN_K, ATTN_IN_V, ATTN_OUT, MLP_IN, MLP_OUT, N_MATRICES }; // K and V: where not fused

static const char *const matrix_names[N_MATRICES] = {"attn_in",  "attn_in k", "attn_in v",
                                                     "attn_out", "mlp_in",    "mlp_out"};

typedef struct counted_product {
    int64_t calls, rows;
} counted_product;

typedef struct counted_work {
    counted_product forward[TINY_LAYERS][N_MATRICES], backward[TINY_LAYERS][N_MATRICES];
    counted_product head, head_backward;
    counted_product embed;         // of tokens
    int64_t pairs, pairs_backward; // (row, row that it attends to), of all heads one
    int64_t loss_rows, loss_gradients, kl_rows, kl_gradients; // gradients: of the rows, those asked for
    int64_t multiply_adds;                                    // of all products
    int64_t moments, rank_ones, expands;                      // calls
    int64_t allocated;                                        // floats, all in all
    int64_t live, peak;                                       // floats, of those allocated while counting
} counted_work;

enum { COUNTED_BLOCKS = 1024 };

static struct {
    ae_model *m;
    ae_backend real;
    counted_work now;
    struct {
        float *memory;
        int64_t n;
    } blocks[COUNTED_BLOCKS];
} counting;

static inline const ae_weight *counted_matrix(const ae_layer_weights *w, int matrix) {
    const ae_weight *all[N_MATRICES] = {&w->attn_in[0], &w->attn_in[1], &w->attn_in[2],
                                        &w->attn_out,   &w->mlp_in,     &w->mlp_out};
    return all[matrix];
}

static inline void count_product(const ae_weight *w, int32_t n_rows, bool backward) {
    const ae_model *m = counting.m;
    counted_product *p = NULL;
    if (w == &m->head) p = backward ? &counting.now.head_backward : &counting.now.head;
    for (int layer = 0; layer < m->config.n_layer && !p; layer++)
        for (int i = 0; i < N_MATRICES && !p; i++)
            if (w == counted_matrix(&m->layers[layer], i))
                p = backward ? &counting.now.backward[layer][i] : &counting.now.forward[layer][i];
    if (!p) fail_msg("a product with a matrix that is not the model's");
    p->calls++;
    p->rows += n_rows;
    counting.now.multiply_adds += (int64_t)n_rows * w->n_in * w->n_out;
}

static ae_status counted_linear(ae_backend *be, float *y, int32_t ldy, const float *x, int32_t ldx,
                                const ae_weight *w, const float *bias, int32_t n_rows, bool accumulate) {
    count_product(w, n_rows, false);
    return counting.real.linear(be, y, ldy, x, ldx, w, bias, n_rows, accumulate);
}

static ae_status counted_linear_backward(ae_backend *be, float *dx, int32_t lddx, const float *dy,
                                         int32_t lddy, const ae_weight *w, int32_t n_rows, bool accumulate) {
    count_product(w, n_rows, true);
    return counting.real.linear_backward(be, dx, lddx, dy, lddy, w, n_rows, accumulate);
}

static ae_status counted_embed(ae_backend *be, float *y, const ae_weight *table, const int32_t *ids,
                               int32_t n_rows, bool accumulate) {
    if (table == &counting.m->wte) {
        counting.now.embed.calls++;
        counting.now.embed.rows += n_rows;
    }
    return counting.real.embed(be, y, table, ids, n_rows, accumulate);
}

static inline int64_t counted_pairs(const ae_attention *a) {
    int64_t n = 0;
    for (int32_t i = 0; i < a->n_seqs; i++) {
        const int64_t rows = a->seqs[i].n_rows, before = a->seqs[i].ctx_len + a->seqs[i].past;
        n += rows * before + rows * (rows + 1) / 2;
    }
    return n;
}

static ae_status counted_attention(ae_backend *be, float *out, int32_t ldout, const float *q, int32_t ldq,
                                   const ae_attention *a) {
    counting.now.pairs += counted_pairs(a);
    return counting.real.attention(be, out, ldout, q, ldq, a);
}

static ae_status counted_attention_backward(ae_backend *be, float *dq, int32_t lddq, float *dk, int32_t lddk,
                                            float *dv, int32_t lddv, const float *dout, int32_t lddout,
                                            const float *q, int32_t ldq, const ae_attention *a) {
    counting.now.pairs_backward += counted_pairs(a);
    return counting.real.attention_backward(be, dq, lddq, dk, lddk, dv, lddv, dout, lddout, q, ldq, a);
}

static ae_status counted_cross_entropy(ae_backend *be, double *nll, float *logits, const int32_t *targets,
                                       const double *weights, int32_t n_rows, int32_t n_vocab) {
    counting.now.loss_rows += n_rows;
    if (weights) counting.now.loss_gradients += n_rows;
    return counting.real.cross_entropy(be, nll, logits, targets, weights, n_rows, n_vocab);
}

static ae_status counted_kl(ae_backend *be, double *kl, float *logits, const float *log_init,
                            const double *weights, int32_t n_rows, int32_t n_vocab) {
    counting.now.kl_rows += n_rows;
    if (weights) counting.now.kl_gradients += n_rows;
    return counting.real.kl_divergence(be, kl, logits, log_init, weights, n_rows, n_vocab);
}

static ae_status counted_moment(ae_backend *be, double *sum, const float *x, int32_t ldx, int32_t n_rows,
                                int32_t d) {
    counting.now.moments++;
    return counting.real.second_moment(be, sum, x, ldx, n_rows, d);
}

static ae_status counted_rank_one(ae_backend *be, float *m, const float *a, int32_t n_a, const float *b,
                                  int32_t n_b) {
    counting.now.rank_ones++;
    return counting.real.rank_one(be, m, a, n_a, b, n_b);
}

static ae_status counted_expand(ae_backend *be, float *to, const ae_weight *w) {
    counting.now.expands++;
    return counting.real.expand(be, to, w);
}

static ae_status counted_alloc(ae_backend *be, size_t n, float **out) {
    const ae_status status = counting.real.alloc(be, n, out);
    if (status != AE_OK) return status;
    counted_work *now = &counting.now;
    now->allocated += (int64_t)n;
    now->live += (int64_t)n;
    if (now->live > now->peak) now->peak = now->live;
    int i = 0;
    while (i < COUNTED_BLOCKS && counting.blocks[i].memory)
        i++;
    if (i == COUNTED_BLOCKS) fail_msg("more than %d blocks of memory at once", COUNTED_BLOCKS);
    counting.blocks[i].memory = *out;
    counting.blocks[i].n = (int64_t)n;
    return AE_OK;
}

static void counted_release(ae_backend *be, float *memory) {
    for (int i = 0; memory && i < COUNTED_BLOCKS; i++)
        if (counting.blocks[i].memory == memory) {
            counting.now.live -= counting.blocks[i].n;
            counting.blocks[i].memory = NULL;
        }
    counting.real.release(be, memory);
}

static inline void start_counting(ae_model *m) {
    ae_backend *be = m->backend;
    assert_true(m->config.n_layer <= TINY_LAYERS);
    memset(&counting, 0, sizeof counting);
    counting.m = m;
    counting.real = *be;
    be->linear = counted_linear;
    be->linear_backward = counted_linear_backward;
    be->embed = counted_embed;
    be->attention = counted_attention;
    be->attention_backward = counted_attention_backward;
    be->cross_entropy = counted_cross_entropy;
    be->kl_divergence = counted_kl;
    be->second_moment = counted_moment;
    be->rank_one = counted_rank_one;
    be->expand = counted_expand;
    be->alloc = counted_alloc;
    be->release = counted_release;
}

static inline void stop_counting(void) {
    *counting.m->backend = counting.real;
}

/* ---- token sequences ---- */

/* Rows of sequences that share all that they have in common: how many different beginnings there are. */
static inline int64_t different_rows(const int32_t *const *ids, const int32_t *lengths, int n) {
    int64_t rows = 0;
    for (int i = 0; i < n; i++) {
        int32_t known = 0; // of sequence i's beginning, in an earlier one
        for (int j = 0; j < i; j++) {
            int32_t k = 0;
            while (k < lengths[i] && k < lengths[j] && ids[i][k] == ids[j][k])
                k++;
            if (k > known) known = k;
        }
        rows += lengths[i] - known;
    }
    return rows;
}

/* ---- checks ---- */

#define assert_count(got, expected, ...)                                                                     \
    do {                                                                                                     \
        const int64_t got_ = (got), expected_ = (expected);                                                  \
        char where_[200];                                                                                    \
        snprintf(where_, sizeof where_, __VA_ARGS__);                                                        \
        if (got_ != expected_)                                                                               \
            fail_msg("%s: %lld, expected %lld", where_, (long long)got_, (long long)expected_);              \
    } while (0)

#define assert_between(got, least, most, ...)                                                                \
    do {                                                                                                     \
        const int64_t got_ = (got), least_ = (least), most_ = (most);                                        \
        char where_[200];                                                                                    \
        snprintf(where_, sizeof where_, __VA_ARGS__);                                                        \
        if (got_ < least_ || got_ > most_)                                                                   \
            fail_msg("%s: %lld, expected %lld to %lld", where_, (long long)got_, (long long)least_,          \
                     (long long)most_);                                                                      \
    } while (0)

#endif
