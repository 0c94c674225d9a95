// The edited matrices: an fp32 copy of each, base + rank-one updates in order.
#include "model/model.h"

#include <float.h>
#include <math.h>

#include "format/half.h"

// ---- how large values are --------------------------------------------------------------------------

// The bits of a float without its sign grow with its size, up to infinity and NaN.
static float largest(const float *values, int64_t n) {
    uint32_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t size = ae_float_bits(values[i]) & 0x7fffffffu;
        top = size > top ? size : top;
    }
    return ae_float_from_bits(top);
}

static ae_status find_stored_max(ae_model *m, int layer) {
    enum { TILE = 4096 };
    ae_layer_weights *w = &m->layers[layer];
    if (w->stored_max > 0) return AE_OK;
    const int64_t n = (int64_t)m->config.d_mlp * m->config.d_model;
    float tile[TILE], max = 0;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t length = n - i < TILE ? n - i : TILE;
        ae_tensor_to_float(w->mlp_out_tensor, i, length, tile);
        const float here = largest(tile, length);
        if (!isfinite(here)) return ae_model_check_tensor(m, w->mlp_out_tensor);
        max = here > max ? here : max;
    }
    w->stored_max = (double)max;
    return AE_OK;
}

static ae_status check_vector(int layer, const char *name, const float *values, int32_t n) {
    if (isfinite(largest(values, n))) return AE_OK;
    int32_t i = 0;
    while (isfinite(values[i]))
        i++;
    return ae_fail(AE_ERR_NUMERIC, "the edit's '%s' for layer %d holds %g at element %d", name, layer,
                   (double)values[i], i);
}

ae_status ae_model_check_rank_one(ae_model *m, int layer, const float *u, const float *right) {
    const int32_t d_mlp = m->config.d_mlp, d_model = m->config.d_model;
    AE_TRY(check_vector(layer, "u", u, d_mlp));
    AE_TRY(check_vector(layer, "right", right, d_model));
    AE_TRY(find_stored_max(m, layer));
    const ae_layer_weights *w = &m->layers[layer];
    const double before = w->edited ? w->edited_max : w->stored_max;
    const double added = (double)largest(u, d_mlp) * (double)largest(right, d_model);
    if (before + added < (double)FLT_MAX / 2) return AE_OK; // whatever rounding does to it
    return ae_fail(AE_ERR_NUMERIC,
                   "the edit adds up to %g to '%s', whose values reach %g: together they may leave the range "
                   "of float; refused, the weights are untouched",
                   added, w->mlp_out_tensor->name, before);
}

// ---- the copies ------------------------------------------------------------------------------------

ae_status ae_model_make_editable(ae_model *m, int layer) {
    ae_layer_weights *w = &m->layers[layer];
    if (w->edited) return AE_OK;
    AE_TRY(find_stored_max(m, layer));
    const ae_weight stored = w->mlp_out;
    float *copy = NULL;
    AE_TRY(m->backend->alloc(m->backend, (size_t)stored.n_in * (size_t)stored.n_out, &copy));
    ae_status status = m->backend->expand(m->backend, copy, &stored);
    if (status != AE_OK) {
        m->backend->release(m->backend, copy);
        return status;
    }
    w->edited = copy;
    w->edited_max = w->stored_max;
    w->mlp_out.data = copy;
    w->mlp_out.dtype = AE_F32;
    return AE_OK;
}

ae_status ae_model_add_rank_one(ae_model *m, int layer, const float *u, const float *right) {
    ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    AE_TRY(ae_model_make_editable(m, layer));
    const int32_t d_mlp = m->config.d_mlp, d_model = m->config.d_model;
    w->edited_max += (double)largest(u, d_mlp) * (double)largest(right, d_model);
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
