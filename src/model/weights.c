// The edited matrices: an fp32 copy of each, base + rank-one updates in order.
#include "model/model.h"

ae_status ae_model_make_editable(ae_model *m, int layer) {
    ae_layer_weights *w = &m->layers[layer];
    if (w->edited) return AE_OK;
    const ae_weight stored = w->mlp_out;
    float *copy = NULL;
    AE_TRY(m->backend->alloc(m->backend, (size_t)stored.n_in * (size_t)stored.n_out, &copy));
    ae_status status = m->backend->expand(m->backend, copy, &stored);
    if (status != AE_OK) {
        m->backend->release(m->backend, copy);
        return status;
    }
    w->edited = copy;
    w->mlp_out.data = copy;
    w->mlp_out.dtype = AE_F32;
    return AE_OK;
}

ae_status ae_model_add_rank_one(ae_model *m, int layer, const float *u, const float *right) {
    ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    AE_TRY(ae_model_make_editable(m, layer));
    const int32_t d_mlp = m->config.d_mlp, d_model = m->config.d_model;
    if (w->mlp_out.in_out) return be->rank_one(be, w->edited, u, d_mlp, right, d_model);
    return be->rank_one(be, w->edited, right, d_model, u, d_mlp);
}

void ae_model_restore_layer(ae_model *m, int layer) {
    ae_layer_weights *w = &m->layers[layer];
    if (!w->edited) return;
    m->backend->release(m->backend, w->edited);
    w->edited = NULL;
    w->mlp_out.data = w->mlp_out_tensor->data;
    w->mlp_out.dtype = w->mlp_out_tensor->dtype;
}

void ae_model_restore(ae_model *m) {
    for (int layer = 0; layer < m->config.n_layer; layer++)
        ae_model_restore_layer(m, layer);
}

ae_status ae_model_get_mlp_out(const ae_model *m, int layer, float *out) {
    if (layer < 0 || layer >= m->config.n_layer)
        return ae_fail(AE_ERR_ARGUMENT, "layer %d: the model has layers 0 to %d", layer,
                       m->config.n_layer - 1);
    const ae_layer_weights *w = &m->layers[layer];
    const size_t n = (size_t)m->config.d_mlp * (size_t)m->config.d_model;
    if (w->edited) return m->backend->get(m->backend, out, w->edited, n);
    ae_tensor_to_float(w->mlp_out_tensor, 0, (int64_t)n, out);
    return AE_OK;
}
