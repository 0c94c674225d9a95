/* plain_logits.h: a model's logits by the plainest use of the packed pass, and what follows from them. */
#ifndef AE_PLAIN_LOGITS_H
#define AE_PLAIN_LOGITS_H

#include <math.h>

#include "model/pass.h"

/* Logits at every position of one sequence, all at once; [n, n_vocab], release with m->backend->release. */
static inline float *plain_logits(ae_model *m, const int32_t *ids, int32_t n) {
    ae_backend *be = m->backend;
    ae_arena *arena;
    ae_store *store;
    ae_work *work;
    ae_batch batch;
    float *x, *normed, *logits;
    assert_ok(ae_arena_new(&arena));
    const ae_seq seq = {.n_rows = n};
    assert_ok(ae_batch_new(arena, &seq, 1, &batch));
    assert_ok(ae_store_new(m, 0, m->config.n_layer, n, true, &store));
    assert_ok(ae_work_new(m, n, &work));
    assert_ok(be->alloc(be, (size_t)(n * m->config.d_model), &x));
    assert_ok(be->alloc(be, (size_t)(n * m->config.d_model), &normed));
    assert_ok(be->alloc(be, (size_t)(n * m->config.n_vocab), &logits));
    assert_ok(ae_embed(m, &batch, ids, x));
    for (int32_t layer = 0; layer < m->config.n_layer; layer++)
        assert_ok(ae_layer_forward(m, layer, &batch, x, store, work, NULL, NULL, NULL));
    assert_ok(ae_head_forward(m, x, n, normed, NULL, NULL, logits));
    be->release(be, x);
    be->release(be, normed);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    return logits;
}

/* -log softmax(logits)[target] of one row. */
static inline double plain_nll(const float *logits, int32_t n_vocab, int32_t target) {
    double most = -INFINITY, sum = 0;
    for (int32_t i = 0; i < n_vocab; i++)
        most = fmax(most, (double)logits[i]);
    for (int32_t i = 0; i < n_vocab; i++)
        sum += exp((double)logits[i] - most);
    return log(sum) + most - (double)logits[target];
}

/* The likeliest id of one row. */
static inline int32_t plain_best(const float *logits, int32_t n_vocab) {
    int32_t best = 0;
    for (int32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

#endif
