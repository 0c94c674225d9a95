// Keys at every token: what second moments are made of.
#include "model/pass.h"

struct ae_keys {
    ae_model *model;
    int layer;
    int32_t capacity; // rows that there is room for
    float *x;         // [capacity, d_model]
    ae_store *store;
    ae_work *work;
};

static void release(ae_keys *k) {
    k->model->backend->release(k->model->backend, k->x);
    ae_store_free(k->model, k->store);
    ae_work_free(k->model, k->work);
    k->x = NULL;
    k->store = NULL;
    k->work = NULL;
    k->capacity = 0;
}

ae_status ae_keys_new(ae_model *model, int layer, ae_keys **out) {
    ae_keys *k = ae_alloc(1, sizeof *k);
    if (!k) return ae_no_memory();
    *k = (ae_keys){.model = model, .layer = layer};
    *out = k;
    return AE_OK;
}

void ae_keys_free(ae_keys *k) {
    if (!k) return;
    release(k);
    ae_free(k);
}

static ae_status make_room(ae_keys *k, int32_t n_rows) {
    if (n_rows <= k->capacity) return AE_OK;
    ae_model *m = k->model;
    release(k);
    ae_status status = m->backend->alloc(m->backend, (size_t)n_rows * (size_t)m->config.d_model, &k->x);
    if (status == AE_OK) status = ae_store_new(m, 0, k->layer + 1, n_rows, true, &k->store);
    if (status == AE_OK) status = ae_work_new(m, n_rows, &k->work);
    if (status == AE_OK) k->capacity = n_rows;
    return status;
}

ae_status ae_keys_of(ae_keys *k, const int32_t *const *ids, const int32_t *lengths, int32_t n_seqs,
                     const float **out) {
    ae_model *m = k->model;
    ae_arena *arena = NULL;
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
    AE_TRY_GOTO(done, make_room(k, n_rows));
    AE_TRY_GOTO(done, ae_embed(m, &batch, tokens, k->x));
    for (int32_t l = 0; l < k->layer; l++)
        AE_TRY_GOTO(done, ae_layer_forward(m, l, &batch, k->x, k->store, k->work, NULL, NULL, NULL));
    const ae_tap tap = {.n = n_rows, .stop_at_key = true};
    AE_TRY_GOTO(done, ae_layer_forward(m, k->layer, &batch, k->x, k->store, k->work, NULL, NULL, &tap));
    *out = k->work->hidden; // where the layer stops, these are its keys
done:
    ae_arena_free(arena);
    return status;
}
