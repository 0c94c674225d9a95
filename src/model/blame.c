// What is to blame for a result that is not finite: looked for only once there is one.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/pass.h"

// ---- weights ---------------------------------------------------------------------------------------

enum { SCAN = 4096 };

ae_status ae_model_check_tensor(const ae_model *m, const ae_tensor *t) {
    float values[SCAN];
    const int64_t n = ae_tensor_elements(t);
    for (int64_t i = 0; i < n; i += SCAN) {
        const int64_t length = n - i < SCAN ? n - i : SCAN;
        ae_tensor_to_float(t, i, length, values);
        for (int64_t j = 0; j < length; j++)
            if (!isfinite(values[j]))
                return ae_fail(AE_ERR_NUMERIC,
                               "'%s': tensor '%s' holds %g at element %lld: the checkpoint is damaged",
                               m->info.folder, t->name, (double)values[j], (long long)(i + j));
    }
    return AE_OK;
}

ae_status ae_model_check_finite(ae_model *m) {
    for (size_t i = 0; i < ae_checkpoint_count(m->checkpoint); i++) {
        const ae_tensor *t = ae_checkpoint_at(m->checkpoint, i);
        // Old GPT-2 checkpoints carry the attention mask's constant (-10000, or -inf) as a buffer: not a
        // weight.
        if (strstr(t->name, ".masked_bias")) continue;
        if (t->dtype == AE_F32 || t->dtype == AE_F16 || t->dtype == AE_BF16)
            AE_TRY(ae_model_check_tensor(m, t));
    }
    return AE_OK;
}

bool ae_model_is_edited(const ae_model *m) {
    for (int layer = 0; layer < m->config.n_layer; layer++)
        if (m->layers[layer].edited) return true;
    return false;
}

// ---- activations -----------------------------------------------------------------------------------

typedef char place[120];

// "", or " (first in the activations after layer 3, at token 5 of 7)": where the first value of x[n_rows,
// d_model] is not finite.
static ae_status look(ae_model *m, const float *x, int32_t n_rows, const char *after, place where) {
    int64_t bad = -1;
    const size_t n = (size_t)n_rows * (size_t)m->config.d_model;
    AE_TRY(m->backend->all_finite(m->backend, x, n, &bad));
    if (bad >= 0)
        snprintf(where, sizeof(place), " (first in the activations after %s, at token %lld of %d)", after,
                 (long long)(bad / m->config.d_model) + 1, n_rows);
    return AE_OK;
}

// One sequence through the model, layer by layer, until something is not finite.
static ae_status follow(ae_model *m, const int32_t *ids, int32_t n_ids, place where) {
    ae_backend *be = m->backend;
    ae_arena *arena = NULL;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *x = NULL;
    ae_batch batch;
    ae_status status = AE_OK;
    const ae_seq seq = {.n_rows = n_ids};
    AE_TRY(ae_arena_new(&arena));
    AE_TRY_GOTO(done, ae_batch_new(arena, &seq, 1, &batch));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_ids * (size_t)m->config.d_model, &x));
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, n_ids, true, &store));
    AE_TRY_GOTO(done, ae_work_new(m, n_ids, &work));
    AE_TRY_GOTO(done, ae_embed(m, &batch, ids, x));
    AE_TRY_GOTO(done, look(m, x, n_ids, "the embedding", where));
    for (int32_t layer = 0; layer < m->config.n_layer && !*where; layer++) {
        char after[32];
        snprintf(after, sizeof after, "layer %d", layer);
        AE_TRY_GOTO(done, ae_layer_forward(m, layer, &batch, x, store, work, NULL, NULL, NULL));
        AE_TRY_GOTO(done, look(m, x, n_ids, after, where));
    }
done:
    be->release(be, x);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    return status;
}

ae_status ae_model_blame_at(ae_model *m, const char *what, const int32_t *ids, int32_t n_ids) {
    const ae_status status = ae_model_check_finite(m);
    if (status != AE_OK) return ae_fail_context(status, "%s is not finite", what);
    place where = "";
    if (n_ids > 0) AE_TRY(follow(m, ids, n_ids, where));
    if (ae_model_is_edited(m))
        return ae_fail(AE_ERR_NUMERIC,
                       "%s is not finite although the stored weights are%s: an earlier edit broke the model; "
                       "revert edits until it is finite again",
                       what, where);
    return ae_fail(AE_ERR_NUMERIC, "%s is not finite although all weights of '%s' are%s", what,
                   m->info.folder, where);
}

ae_status ae_model_blame(ae_model *m, const char *what) {
    return ae_model_blame_at(m, what, NULL, 0);
}
