#include "model/pass.h"

enum { ROTARY_BASE = 10000 };

// ---- memory ----------------------------------------------------------------------------------------

static ae_status room(ae_model *m, int64_t rows, int64_t width, float **out) {
    return m->backend->alloc(m->backend, (size_t)rows * (size_t)width, out);
}

ae_status ae_store_new(ae_model *m, int32_t first, int32_t n_layer, int32_t capacity, bool passing,
                       ae_store **out) {
    ae_store *s = ae_alloc(1, sizeof *s);
    if (!s) return ae_no_memory();
    *s = (ae_store){.first = first, .n_layer = n_layer, .capacity = capacity};
    s->k = ae_alloc((size_t)n_layer + 1, sizeof *s->k);
    s->v = ae_alloc((size_t)n_layer + 1, sizeof *s->v);
    ae_status status = s->k && s->v ? AE_OK : ae_no_memory();
    for (int32_t i = 0; status == AE_OK && i < n_layer; i++) {
        if (passing && i > 0) {
            s->k[i] = s->k[0];
            s->v[i] = s->v[0];
            continue;
        }
        status = room(m, capacity, m->config.d_model, &s->k[i]);
        if (status == AE_OK) status = room(m, capacity, m->config.d_model, &s->v[i]);
    }
    if (status != AE_OK) {
        ae_store_free(m, s);
        return status;
    }
    *out = s;
    return AE_OK;
}

void ae_store_free(ae_model *m, ae_store *s) {
    if (!s) return;
    for (int32_t i = 0; i < s->n_layer; i++) {
        const bool own = i == 0 || (s->k && s->k[i] != s->k[0]);
        if (own && s->k) m->backend->release(m->backend, s->k[i]);
        if (own && s->v) m->backend->release(m->backend, s->v[i]);
    }
    ae_free(s->k);
    ae_free(s->v);
    ae_free(s);
}

ae_status ae_batch_new(ae_arena *arena, const ae_seq *seqs, int32_t n_seqs, ae_batch *out) {
    int32_t n_rows = 0;
    for (int32_t i = 0; i < n_seqs; i++)
        n_rows += seqs[i].n_rows;
    ae_batch b = {.n_rows = n_rows, .n_seqs = n_seqs};
    b.seqs = ae_arena_alloc(arena, (size_t)n_seqs, sizeof *b.seqs);
    b.positions = ae_arena_alloc(arena, (size_t)n_rows, sizeof *b.positions);
    b.store_rows = ae_arena_alloc(arena, (size_t)n_rows, sizeof *b.store_rows);
    if (!b.seqs || !b.positions || !b.store_rows) return ae_no_memory();
    int32_t row = 0;
    for (int32_t i = 0; i < n_seqs; i++) {
        b.seqs[i] = seqs[i];
        b.seqs[i].row = row;
        for (int32_t j = 0; j < seqs[i].n_rows; j++, row++) {
            b.positions[row] = seqs[i].ctx_len + seqs[i].past + j;
            b.store_rows[row] = seqs[i].own_row + seqs[i].past + j;
        }
    }
    *out = b;
    return AE_OK;
}

ae_status ae_work_new(ae_model *m, int32_t n_rows, ae_work **out) {
    ae_work *w = ae_alloc(1, sizeof *w);
    if (!w) return ae_no_memory();
    w->n_rows = n_rows;
    const int64_t d = m->config.d_model;
    ae_status status = room(m, n_rows, d, &w->norm);
    if (status == AE_OK) status = room(m, n_rows, 3 * d, &w->qkv);
    if (status == AE_OK) status = room(m, n_rows, d, &w->mixed);
    if (status == AE_OK) status = room(m, n_rows, m->config.d_mlp, &w->hidden);
    if (status == AE_OK) status = room(m, n_rows, d, &w->out);
    if (status != AE_OK) {
        ae_work_free(m, w);
        return status;
    }
    *out = w;
    return AE_OK;
}

void ae_work_free(ae_model *m, ae_work *w) {
    if (!w) return;
    float *all[] = {w->norm, w->qkv, w->mixed, w->hidden, w->out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        m->backend->release(m->backend, all[i]);
    ae_free(w);
}

ae_status ae_tape_new(ae_model *m, int32_t first, int32_t n_layer, int32_t n_rows, ae_tape **out) {
    ae_tape *t = ae_alloc(1, sizeof *t);
    if (!t) return ae_no_memory();
    *t = (ae_tape){.first = first, .n_layer = n_layer, .n_rows = n_rows};
    t->layers = ae_alloc((size_t)n_layer + 1, sizeof *t->layers);
    ae_status status = t->layers ? AE_OK : ae_no_memory();
    const int64_t d = m->config.d_model;
    for (int32_t i = 0; status == AE_OK && i < n_layer; i++) {
        ae_saved *s = &t->layers[i];
        status = room(m, n_rows, d, &s->x_in);
        if (status == AE_OK) status = room(m, n_rows, 1, &s->mean_1);
        if (status == AE_OK) status = room(m, n_rows, 1, &s->rstd_1);
        if (status == AE_OK) status = room(m, n_rows, 3 * d, &s->qkv);
        if (status == AE_OK) status = room(m, n_rows, m->config.d_mlp, &s->pre);
        if (m->config.arch->parallel) continue;
        if (status == AE_OK) status = room(m, n_rows, d, &s->x_mid);
        if (status == AE_OK) status = room(m, n_rows, 1, &s->mean_2);
        if (status == AE_OK) status = room(m, n_rows, 1, &s->rstd_2);
    }
    if (status != AE_OK) {
        ae_tape_free(m, t);
        return status;
    }
    *out = t;
    return AE_OK;
}

void ae_tape_free(ae_model *m, ae_tape *t) {
    if (!t) return;
    for (int32_t i = 0; t->layers && i < t->n_layer; i++) {
        ae_saved *s = &t->layers[i];
        float *all[] = {s->x_in, s->mean_1, s->rstd_1, s->qkv, s->x_mid, s->mean_2, s->rstd_2, s->pre};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            m->backend->release(m->backend, all[j]);
    }
    ae_free(t->layers);
    ae_free(t);
}

// ---- forward ---------------------------------------------------------------------------------------

ae_status ae_embed(ae_model *m, const ae_batch *batch, const int32_t *ids, float *x) {
    ae_backend *be = m->backend;
    AE_TRY(be->embed(be, x, &m->wte, ids, batch->n_rows, false));
    if (m->config.arch->positions == AE_POSITIONS_LEARNED)
        AE_TRY(be->embed(be, x, &m->wpe, batch->positions, batch->n_rows, true));
    return AE_OK;
}

static ae_attention attention_of(const ae_model *m, int32_t layer, const ae_batch *batch,
                                 const ae_store *store) {
    const ae_config *c = &m->config;
    return (ae_attention){.seqs = batch->seqs,
                          .n_seqs = batch->n_seqs,
                          .n_head = c->n_head,
                          .d_head = c->d_head,
                          .scale = c->scale_by_layer ? c->attn_scale / (float)(layer + 1) : c->attn_scale,
                          .k = store->k[layer - store->first],
                          .v = store->v[layer - store->first]};
}

// qkv[n_rows, 3 d] of the normed rows, q and k rotated; k and v put into the store.
static ae_status project_qkv(ae_model *m, int32_t layer, const ae_batch *batch, const float *norm, float *qkv,
                             ae_store *store) {
    const ae_config *c = &m->config;
    const ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    const int32_t d = c->d_model, n = batch->n_rows;
    if (!w->attn_in[1].data)
        AE_TRY(be->linear(be, qkv, 3 * d, norm, d, &w->attn_in[0], w->attn_in_bias[0], n, false));
    else
        for (int i = 0; i < 3; i++)
            AE_TRY(be->linear(be, qkv + i * d, 3 * d, norm, d, &w->attn_in[i], w->attn_in_bias[i], n, false));
    if (c->arch->positions == AE_POSITIONS_ROTARY)
        for (int i = 0; i < 2; i++)
            AE_TRY(be->rotary(be, qkv + i * d, 3 * d, batch->positions, n, c->n_head, c->d_head, c->n_rot,
                              ROTARY_BASE, false));
    AE_TRY(be->scatter(be, store->k[layer - store->first], d, batch->store_rows, qkv + d, 3 * d, n, d));
    return be->scatter(be, store->v[layer - store->first], d, batch->store_rows, qkv + 2 * d, 3 * d, n, d);
}

// out[n, d_model] = MLP of the normed rows; `pre` keeps what the nonlinearity sees. *stopped: the tap asked
// to stop.
static ae_status mlp_forward(ae_model *m, int32_t layer, const float *norm, int32_t n, float *pre,
                             float *hidden, float *out, const ae_tap *tap, bool *stopped) {
    const ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    const int32_t d = m->config.d_model, d_mlp = m->config.d_mlp;
    AE_TRY(be->linear(be, pre, d_mlp, norm, d, &w->mlp_in, w->mlp_in_bias, n, false));
    AE_TRY(be->gelu(be, hidden, pre, (size_t)n * (size_t)d_mlp));
    if (tap && tap->key) AE_TRY(be->gather(be, tap->key, d_mlp, hidden, d_mlp, tap->rows, tap->n, d_mlp));
    *stopped = tap && tap->stop_at_key;
    if (*stopped) return AE_OK;
    AE_TRY(be->linear(be, out, d, hidden, d_mlp, &w->mlp_out, w->mlp_out_bias, n, false));
    if (tap && tap->value) AE_TRY(be->gather(be, tap->value, d, out, d, tap->rows, tap->n, d));
    return AE_OK;
}

// The selected rows of m[n_rows, d_model] move to its front, by way of `spare` (gathering in place would
// race).
static ae_status keep_rows(ae_model *m, float *rows, float *spare, const ae_selection *select) {
    ae_backend *be = m->backend;
    const int32_t d = m->config.d_model;
    AE_TRY(be->gather(be, spare, d, rows, d, select->rows, select->n, d));
    return be->gather(be, rows, d, spare, d, NULL, select->n, d);
}

ae_status ae_layer_forward(ae_model *m, int32_t layer, const ae_batch *batch, float *x, ae_store *store,
                           ae_work *work, ae_saved *saved, const ae_selection *select, const ae_tap *tap) {
    const ae_config *c = &m->config;
    const ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    const int32_t d = c->d_model, n_rows = batch->n_rows, n_out = select ? select->n : n_rows;
    float *qkv = saved ? saved->qkv : work->qkv, *pre = saved ? saved->pre : work->hidden;
    bool stopped = false;

    if (saved) AE_TRY(be->gather(be, saved->x_in, d, x, d, NULL, n_rows, d));
    AE_TRY(be->layer_norm(be, work->norm, saved ? saved->mean_1 : NULL, saved ? saved->rstd_1 : NULL, x,
                          w->ln_1_weight, w->ln_1_bias, c->epsilon, n_rows, d));
    if (c->arch->parallel && tap && tap->stop_at_key) // the MLP does not wait for attention here
        return mlp_forward(m, layer, work->norm, n_rows, pre, work->hidden, work->out, tap, &stopped);
    AE_TRY(project_qkv(m, layer, batch, work->norm, qkv, store));
    if (n_out == 0) return AE_OK;
    const ae_attention a = attention_of(m, layer, batch, store);
    AE_TRY(be->attention(be, work->mixed, d, qkv, 3 * d, &a));
    if (select) { // work->qkv has served: its keys and values are in the store, or in `saved`
        AE_TRY(keep_rows(m, x, work->qkv, select));
        AE_TRY(keep_rows(m, work->mixed, work->qkv, select));
        if (c->arch->parallel) AE_TRY(keep_rows(m, work->norm, work->qkv, select));
    }
    AE_TRY(be->linear(be, work->out, d, work->mixed, d, &w->attn_out, w->attn_out_bias, n_out, false));
    AE_TRY(be->add(be, x, work->out, (size_t)n_out * (size_t)d));
    if (!c->arch->parallel) {
        if (saved) AE_TRY(be->gather(be, saved->x_mid, d, x, d, NULL, n_out, d));
        AE_TRY(be->layer_norm(be, work->norm, saved ? saved->mean_2 : NULL, saved ? saved->rstd_2 : NULL, x,
                              w->ln_2_weight, w->ln_2_bias, c->epsilon, n_out, d));
    }
    AE_TRY(mlp_forward(m, layer, work->norm, n_out, pre, work->hidden, work->out, tap, &stopped));
    if (stopped) return AE_OK;
    return be->add(be, x, work->out, (size_t)n_out * (size_t)d);
}

ae_status ae_run_layers(ae_model *m, const ae_batch *batch, const int32_t *ids, float *x, ae_store *store,
                        ae_work *work, const ae_selection *select) {
    const int32_t last = m->config.n_layer - 1;
    AE_TRY(ae_embed(m, batch, ids, x));
    for (int32_t layer = 0; layer <= last; layer++)
        AE_TRY(ae_layer_forward(m, layer, batch, x, store, work, NULL, layer == last ? select : NULL, NULL));
    return AE_OK;
}

ae_status ae_head_forward(ae_model *m, const float *x, int32_t n_rows, float *normed, float *mean,
                          float *rstd, float *logits) {
    const ae_config *c = &m->config;
    ae_backend *be = m->backend;
    AE_TRY(be->layer_norm(be, normed, mean, rstd, x, m->ln_f_weight, m->ln_f_bias, c->epsilon, n_rows,
                          c->d_model));
    return be->linear(be, logits, c->n_vocab, normed, c->d_model, &m->head, m->head_bias, n_rows, false);
}

// ---- backward --------------------------------------------------------------------------------------

ae_status ae_head_backward(ae_model *m, float *dx, float *dnormed, const float *dlogits, const float *x,
                           const float *mean, const float *rstd, int32_t n_rows) {
    const ae_config *c = &m->config;
    ae_backend *be = m->backend;
    AE_TRY(be->linear_backward(be, dnormed, c->d_model, dlogits, c->n_vocab, &m->head, n_rows, false));
    AE_TRY(be->zero(be, dx, (size_t)n_rows * (size_t)c->d_model));
    return be->layer_norm_backward(be, dx, dnormed, x, m->ln_f_weight, mean, rstd, n_rows, c->d_model);
}

// dnorm[n] = gradient at the MLP's normed input, from dy[n] at its output.
static ae_status mlp_backward(ae_model *m, int32_t layer, float *dnorm, const float *dy, const float *pre,
                              float *dhidden, int32_t n) {
    const ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    const int32_t d = m->config.d_model, d_mlp = m->config.d_mlp;
    AE_TRY(be->linear_backward(be, dhidden, d_mlp, dy, d, &w->mlp_out, n, false));
    AE_TRY(be->gelu_backward(be, dhidden, dhidden, pre, (size_t)n * (size_t)d_mlp));
    return be->linear_backward(be, dnorm, d, dhidden, d_mlp, &w->mlp_in, n, false);
}

// dnorm[n_rows] = gradient at attention's normed input, from dy[n_out] at the output of its projection.
static ae_status attention_backward(ae_model *m, int32_t layer, const ae_batch *batch, float *dnorm,
                                    const float *dy, const ae_store *store, ae_work *work,
                                    const ae_saved *saved, const ae_selection *select) {
    const ae_config *c = &m->config;
    const ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    const int32_t d = c->d_model, n_rows = batch->n_rows;
    if (select) {
        AE_TRY(be->linear_backward(be, work->out, d, dy, d, &w->attn_out, select->n, false));
        AE_TRY(be->zero(be, work->mixed, (size_t)n_rows * (size_t)d));
        AE_TRY(be->scatter(be, work->mixed, d, select->rows, work->out, d, select->n, d));
    } else
        AE_TRY(be->linear_backward(be, work->mixed, d, dy, d, &w->attn_out, n_rows, false));
    const ae_attention a = attention_of(m, layer, batch, store);
    float *dq = work->qkv, *dk = work->qkv + d, *dv = work->qkv + 2 * d;
    AE_TRY(
        be->attention_backward(be, dq, 3 * d, dk, 3 * d, dv, 3 * d, work->mixed, d, saved->qkv, 3 * d, &a));
    if (c->arch->positions == AE_POSITIONS_ROTARY)
        for (int i = 0; i < 2; i++)
            AE_TRY(be->rotary(be, work->qkv + i * d, 3 * d, batch->positions, n_rows, c->n_head, c->d_head,
                              c->n_rot, ROTARY_BASE, true));
    if (!w->attn_in[1].data)
        return be->linear_backward(be, dnorm, d, work->qkv, 3 * d, &w->attn_in[0], n_rows, false);
    for (int i = 0; i < 3; i++)
        AE_TRY(be->linear_backward(be, dnorm, d, work->qkv + i * d, 3 * d, &w->attn_in[i], n_rows, i > 0));
    return AE_OK;
}

// dx[n] to dx[n_rows], the rows that were not selected zero. `copy` has room for n rows.
static ae_status spread(ae_model *m, float *dx, float *copy, int32_t n_rows, const ae_selection *select) {
    const int32_t d = m->config.d_model;
    ae_backend *be = m->backend;
    AE_TRY(be->gather(be, copy, d, dx, d, NULL, select->n, d));
    AE_TRY(be->zero(be, dx, (size_t)n_rows * (size_t)d));
    return be->scatter(be, dx, d, select->rows, copy, d, select->n, d);
}

ae_status ae_layer_backward(ae_model *m, int32_t layer, const ae_batch *batch, float *dx,
                            const ae_store *store, ae_work *work, const ae_saved *saved,
                            const ae_selection *select) {
    const ae_config *c = &m->config;
    const ae_layer_weights *w = &m->layers[layer];
    ae_backend *be = m->backend;
    const int32_t d = c->d_model, n_rows = batch->n_rows, n_out = select ? select->n : n_rows;

    if (c->arch->parallel) {
        // Both branches read one norm: its gradient is the sum of theirs. The MLP's part is over the rows
        // that went on.
        AE_TRY(attention_backward(m, layer, batch, work->norm, dx, store, work, saved, select));
        AE_TRY(mlp_backward(m, layer, work->out, dx, saved->pre, work->hidden, n_out));
        AE_TRY(be->scatter_add(be, work->norm, d, select ? select->rows : NULL, work->out, d, n_out, d));
    } else {
        AE_TRY(mlp_backward(m, layer, work->norm, dx, saved->pre, work->hidden, n_out));
        AE_TRY(be->layer_norm_backward(be, dx, work->norm, saved->x_mid, w->ln_2_weight, saved->mean_2,
                                       saved->rstd_2, n_out, d));
        AE_TRY(attention_backward(m, layer, batch, work->norm, dx, store, work, saved, select));
    }
    if (select) AE_TRY(spread(m, dx, work->out, n_rows, select));
    return be->layer_norm_backward(be, dx, work->norm, saved->x_in, w->ln_1_weight, saved->mean_1,
                                   saved->rstd_1, n_rows, d);
}
