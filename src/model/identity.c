// Digests that tell one model from another.
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

ae_status ae_model_base_sha256(ae_model *m, int layer, char hex[AE_DIGEST_HEX]) {
    char *known = m->base_sha256[layer];
    if (!known[0]) {
        const ae_tensor *t = m->layers[layer].mlp_out_tensor;
        AE_TRY(ae_sha256(t->data, t->n_bytes, known));
    }
    memcpy(hex, known, AE_DIGEST_HEX);
    return AE_OK;
}

ae_status ae_model_shape_sha256(const ae_model *m, char hex[AE_DIGEST_HEX]) {
    const ae_config *c = &m->config;
    ae_text text = {0};
    ae_status status =
        ae_text_printf(&text, "%s %d %d %d %d %d %d %d %.9g %.9g %d %d\n", c->arch->model_type, c->n_layer,
                       c->n_head, c->d_model, c->d_mlp, c->n_ctx, c->n_vocab, c->n_rot, (double)c->epsilon,
                       (double)c->attn_scale, c->scale_by_layer, c->tied_head);
    for (size_t i = 0; status == AE_OK && i < ae_checkpoint_count(m->checkpoint); i++) {
        const ae_tensor *t = ae_checkpoint_at(m->checkpoint, i);
        status = ae_text_printf(&text, "%s %s", t->name, ae_dtype_name(t->dtype));
        for (int j = 0; status == AE_OK && j < t->n_dim; j++)
            status = ae_text_printf(&text, " %lld", (long long)t->shape[j]);
        if (status == AE_OK) status = ae_text_append(&text, "\n", 1);
    }
    if (status == AE_OK) status = ae_sha256(text.data, text.length, hex);
    ae_free(text.data);
    return status;
}

// ---- all weights -----------------------------------------------------------------------------------

typedef struct hashing {
    ae_digest *digest;
    const ae_hooks *hooks;
    double done, total; // bytes
} hashing;

static ae_status add_tensor(hashing *h, const ae_tensor *t) {
    enum { PIECE = 16 << 20 };
    for (size_t at = 0; at < t->n_bytes; at += PIECE) {
        const size_t length = t->n_bytes - at < PIECE ? t->n_bytes - at : PIECE;
        AE_TRY(ae_digest_add(h->digest, (const unsigned char *)t->data + at, length));
        h->done += (double)length;
        AE_TRY(ae_progress(h->hooks, "checking the weights", h->done, h->total, "bytes"));
    }
    return AE_OK;
}

ae_status ae_model_weights_sha256(const ae_model *m, const ae_hooks *hooks, char hex[AE_DIGEST_HEX]) {
    hashing h = {.hooks = hooks};
    const size_t count = ae_checkpoint_count(m->checkpoint);
    for (size_t i = 0; i < count; i++)
        h.total += (double)ae_checkpoint_at(m->checkpoint, i)->n_bytes;
    AE_TRY(ae_digest_new(&h.digest));
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++)
        status = add_tensor(&h, ae_checkpoint_at(m->checkpoint, i));
    if (status == AE_OK) status = ae_digest_hex(h.digest, hex);
    ae_digest_free(h.digest);
    return status;
}
