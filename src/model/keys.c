// Keys at every token: what second moments are made of.
#include "model/pass.h"

ae_status ae_model_keys(ae_model *m, int layer, const int32_t *const *ids, const int32_t *lengths,
                        int32_t n_seqs, float **keys) {
    ae_backend *be = m->backend;
    ae_arena *arena = NULL;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *x = NULL, *key = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    ae_seq *seqs = ae_arena_alloc(arena, (size_t)n_seqs, sizeof *seqs);
    if (!seqs) AE_TRY_GOTO(done, ae_no_memory());
    int32_t n_rows = 0;
    for (int32_t i = 0; i < n_seqs; i++) {
        seqs[i] = (ae_seq){.n_rows = lengths[i], .own_row = n_rows};
        n_rows += lengths[i];
    }
    ae_batch batch;
    AE_TRY_GOTO(done, ae_batch_new(arena, seqs, n_seqs, &batch));
    int32_t *tokens = ae_arena_alloc(arena, (size_t)n_rows, sizeof *tokens);
    if (!tokens) AE_TRY_GOTO(done, ae_no_memory());
    for (int32_t i = 0, row = 0; i < n_seqs; i++)
        for (int32_t j = 0; j < lengths[i]; j++)
            tokens[row++] = ids[i][j];
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_rows * (size_t)m->config.d_model, &x));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_rows * (size_t)m->config.d_mlp, &key));
    AE_TRY_GOTO(done, ae_store_new(m, 0, layer + 1, n_rows, true, &store));
    AE_TRY_GOTO(done, ae_work_new(m, n_rows, &work));
    AE_TRY_GOTO(done, ae_embed(m, &batch, tokens, x));
    for (int32_t l = 0; l < layer; l++)
        AE_TRY_GOTO(done, ae_layer_forward(m, l, &batch, x, store, work, NULL, NULL, NULL));
    const ae_tap tap = {.n = n_rows, .key = key, .stop_at_key = true};
    AE_TRY_GOTO(done, ae_layer_forward(m, layer, &batch, x, store, work, NULL, NULL, &tap));
    *keys = key;
    key = NULL;
done:
    be->release(be, x);
    be->release(be, key);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    return status;
}
