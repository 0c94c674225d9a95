/* plain_logits.h: a model's logits by the plainest use of the packed pass. */
#ifndef AE_PLAIN_LOGITS_H
#define AE_PLAIN_LOGITS_H

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

#endif
