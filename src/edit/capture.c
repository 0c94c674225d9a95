#include "edit/capture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/packing.h"

// ---- a request as sequences ------------------------------------------------------------------------

static ae_status check_fits(const ae_model *m, const ae_request *request, int32_t n_ids, const char *text) {
    if (n_ids <= m->config.n_ctx) return AE_OK;
    return ae_fail(
        AE_ERR_ARGUMENT,
        "the request for subject '%.80s' gives a text of %d tokens, the model's context holds %d: '%.60s...'",
        request->subject, n_ids, m->config.n_ctx, text);
}

// One request's texts tend to share a fault: the first warning says it all.
typedef struct first_warning {
    const ae_hooks *hooks;
    bool given;
} first_warning;

static void warn_once(void *user, const char *text) {
    first_warning *first = user;
    if (!first->given) ae_warn(first->hooks, "%s", text);
    first->given = true;
}

ae_status ae_fact_build(ae_model *m, const ae_request *request, const ae_templates *templates,
                        ae_fact_token fact_token, bool strict, const ae_hooks *hooks, ae_arena *arena,
                        ae_fact *out) {
    AE_TRY(ae_request_check(request));
    ae_fact f = {.request = request, .n_rewrites = (int32_t)templates->count};
    int32_t *targets = NULL;
    AE_TRY(ae_edit_target_ids(m->tokenizer, request->target_new, arena, &targets, &f.n_targets));
    f.targets = targets;
    f.rewrites = ae_arena_alloc(arena, templates->count, sizeof *f.rewrites);
    if (!f.rewrites) return ae_no_memory();
    first_warning boundary = {.hooks = hooks}, joint = {.hooks = hooks};
    const ae_hooks boundary_hooks = {.user = &boundary, .warn = warn_once};
    const ae_hooks joint_hooks = {.user = &joint, .warn = warn_once};
    for (size_t i = 0; i < templates->count; i++) {
        ae_edit_text text;
        AE_TRY(ae_edit_text_build(m->tokenizer, templates->text[i], request, fact_token, strict,
                                  &boundary_hooks, arena, &text));
        const int32_t n_ids = text.n_ids + f.n_targets - 1;
        AE_TRY(check_fits(m, request, n_ids, text.text));
        AE_TRY(ae_edit_check_joint(m->tokenizer, &text, f.targets, f.n_targets, &joint_hooks));
        int32_t *ids = ae_arena_alloc(arena, (size_t)n_ids, sizeof *ids);
        if (!ids) return ae_no_memory();
        memcpy(ids, text.ids, (size_t)text.n_ids * sizeof *ids);
        memcpy(ids + text.n_ids, f.targets, (size_t)(f.n_targets - 1) * sizeof *ids);
        f.rewrites[i] = (ae_sequence){.ids = ids, .n_ids = n_ids, .lookup = text.lookup};
    }
    const ae_request kl_request = {
        .prompt = "{} is a", .subject = request->subject, .target_new = request->target_new};
    const ae_request *const requests[2] = {&kl_request, request};
    ae_sequence *const sequences[2] = {&f.kl, &f.bare};
    for (int i = 0; i < 2; i++) {
        ae_edit_text text;
        AE_TRY(ae_edit_text_build(m->tokenizer, "{}", requests[i], fact_token, strict, NULL, arena, &text));
        AE_TRY(check_fits(m, request, text.lookup + 1, text.text));
        *sequences[i] = (ae_sequence){.ids = text.ids, .n_ids = text.lookup + 1, .lookup = text.lookup};
    }
    *out = f;
    return AE_OK;
}

// ---- the passes ------------------------------------------------------------------------------------

// The sequences of all facts, in the one order that every array over sequences has; out NULL: only counted.
static int32_t all_sequences(ae_fact *facts, int32_t n_facts, ae_sequence **out) {
    int32_t n = 0;
    for (int32_t f = 0; f < n_facts; f++) {
        for (int32_t i = 0; i < facts[f].n_rewrites; i++, n++)
            if (out) out[n] = &facts[f].rewrites[i];
        if (out) {
            out[n] = &facts[f].kl;
            out[n + 1] = &facts[f].bare;
        }
        n += 2;
    }
    return n;
}

// Gives every sequence its rows.
static ae_status pack(ae_capture *c, ae_sequence *const *sequences, int32_t n_seqs, ae_packing *out) {
    ae_packed *packed = ae_arena_alloc(c->arena, (size_t)n_seqs, sizeof *packed);
    if (!packed) return ae_no_memory();
    for (int32_t i = 0; i < n_seqs; i++)
        packed[i] = (ae_packed){.ids = sequences[i]->ids,
                                .n_ids = sequences[i]->n_ids,
                                .n_own = sequences[i]->n_ids - sequences[i]->lookup,
                                .index = i};
    ae_packing_sort(packed, n_seqs);
    AE_TRY(ae_packing_make(c->arena, packed, n_seqs, INT32_MAX, out));
    for (int32_t i = 0; i < n_seqs; i++) {
        ae_sequence *s = sequences[packed[i].index];
        s->shared = packed[i].shared;
        s->shared_row = packed[i].shared_row;
        s->row = packed[i].row;
    }
    c->n_rows = out->batch.n_rows;
    return AE_OK;
}

// Rows of all texts through the layers up to the edited one; keys and values [n_seqs, ...] at the lookup
// indices, host.
static ae_status run_below(ae_capture *c, const ae_packing *packing, ae_sequence *const *sequences,
                           int32_t n_seqs, float *keys, float *values) {
    ae_model *m = c->m;
    ae_backend *be = m->backend;
    const int32_t d = m->config.d_model, d_mlp = m->config.d_mlp;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *tap_key = NULL, *tap_value = NULL;
    ae_status status = AE_OK;
    int32_t *lookups = ae_arena_alloc(c->arena, (size_t)n_seqs, sizeof *lookups);
    if (!lookups) return ae_no_memory();
    for (int32_t i = 0; i < n_seqs; i++)
        lookups[i] = sequences[i]->row + sequences[i]->lookup - sequences[i]->shared;
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_seqs * (size_t)d_mlp, &tap_key));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_seqs * (size_t)d, &tap_value));
    AE_TRY_GOTO(done, ae_store_new(m, 0, c->layer + 1, c->n_rows, true, &store));
    AE_TRY_GOTO(done, ae_work_new(m, c->n_rows, &work));
    AE_TRY_GOTO(done, ae_embed(m, &packing->batch, packing->ids, c->residual));
    const ae_tap tap = {.rows = lookups, .n = n_seqs, .key = tap_key, .value = tap_value};
    for (int32_t layer = 0; layer <= c->layer; layer++)
        AE_TRY_GOTO(done, ae_layer_forward(m, layer, &packing->batch, c->residual, store, work, NULL, NULL,
                                           layer == c->layer ? &tap : NULL));
    AE_TRY_GOTO(done, be->get(be, keys, tap_key, (size_t)n_seqs * (size_t)d_mlp));
    AE_TRY_GOTO(done, be->get(be, values, tap_value, (size_t)n_seqs * (size_t)d));
done:
    be->release(be, tap_key);
    be->release(be, tap_value);
    ae_store_free(m, store);
    ae_work_free(m, work);
    return status;
}

// Rows before the lookup indices through the layers above: by causality no delta ever changes them.
static ae_status run_prefixes(ae_capture *c, ae_sequence *const *sequences, int32_t n_seqs) {
    ae_model *m = c->m;
    ae_backend *be = m->backend;
    const int32_t d = m->config.d_model;
    ae_seq *seqs = ae_arena_alloc(c->arena, (size_t)n_seqs, sizeof *seqs);
    int32_t *rows = ae_arena_alloc(c->arena, (size_t)c->n_rows, sizeof *rows);
    if (!seqs || !rows) return ae_no_memory();
    int32_t n = 0, n_rows = 0;
    for (int32_t i = 0; i < n_seqs; i++) {
        const ae_sequence *s = sequences[i];
        const int32_t own = s->lookup - s->shared;
        if (own == 0) continue;
        seqs[n++] =
            (ae_seq){.n_rows = own, .ctx_row = s->shared_row, .ctx_len = s->shared, .own_row = s->row};
        for (int32_t j = 0; j < own; j++)
            rows[n_rows++] = s->row + j;
    }
    if (n_rows == 0) return AE_OK;
    ae_work *work = NULL;
    float *x = NULL;
    ae_batch batch;
    ae_status status = AE_OK;
    AE_TRY_GOTO(done, ae_batch_new(c->arena, seqs, n, &batch));
    AE_TRY_GOTO(done, ae_work_new(m, n_rows, &work));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_rows * (size_t)d, &x));
    AE_TRY_GOTO(done, be->gather(be, x, d, c->residual, d, rows, n_rows, d));
    const ae_selection nothing = {.n = 0};
    for (int32_t layer = c->layer + 1; layer < m->config.n_layer; layer++)
        AE_TRY_GOTO(done, ae_layer_forward(m, layer, &batch, x, c->store, work, NULL,
                                           layer == m->config.n_layer - 1 ? &nothing : NULL, NULL));
done:
    be->release(be, x);
    ae_work_free(m, work);
    return status;
}

// What came of a text at its lookup index must be finite.
static ae_status check_finite(const ae_capture *c, const ae_fact *fact, const ae_sequence *text,
                              const float *values, int32_t n, const char *name) {
    int32_t i = 0;
    while (i < n && isfinite(values[i]))
        i++;
    if (i == n) return AE_OK;
    char what[160];
    snprintf(what, sizeof what, "the %s of subject '%.80s' at layer %d, element %d,", name,
             fact->request->subject, c->layer, i);
    return ae_model_blame_at(c->m, what, text->ids, text->lookup + 1);
}

// The facts' means and bare vectors from keys[n_seqs, d_mlp] and values[n_seqs, d_model].
static ae_status fill_facts(ae_capture *c, const float *keys, const float *values) {
    const int32_t d = c->m->config.d_model, d_mlp = c->m->config.d_mlp;
    for (int32_t f = 0; f < c->n_facts; f++) {
        ae_fact *fact = &c->facts[f];
        fact->key_mean = ae_arena_alloc(c->arena, (size_t)d_mlp, sizeof(double));
        fact->key_bare = ae_arena_alloc(c->arena, (size_t)d_mlp, sizeof(double));
        fact->value_mean = ae_arena_alloc(c->arena, (size_t)d, sizeof(double));
        fact->target_init = ae_arena_alloc(c->arena, (size_t)d, sizeof(double));
        if (!fact->key_mean || !fact->key_bare || !fact->value_mean || !fact->target_init)
            return ae_no_memory();
        for (int32_t i = 0; i < fact->n_rewrites; i++, keys += d_mlp, values += d) {
            AE_TRY(check_finite(c, fact, &fact->rewrites[i], keys, d_mlp, "key"));
            AE_TRY(check_finite(c, fact, &fact->rewrites[i], values, d, "value"));
            for (int32_t j = 0; j < d_mlp; j++)
                fact->key_mean[j] += (double)keys[j] / fact->n_rewrites;
            for (int32_t j = 0; j < d; j++)
                fact->value_mean[j] += (double)values[j] / fact->n_rewrites;
        }
        keys += d_mlp; // the KL text's
        values += d;
        AE_TRY(check_finite(c, fact, &fact->bare, keys, d_mlp, "key"));
        AE_TRY(check_finite(c, fact, &fact->bare, values, d, "value"));
        for (int32_t j = 0; j < d_mlp; j++)
            fact->key_bare[j] = keys[j];
        for (int32_t j = 0; j < d; j++)
            fact->target_init[j] = values[j];
        keys += d_mlp;
        values += d;
    }
    return AE_OK;
}

ae_status ae_capture_run(ae_model *m, int32_t layer, ae_fact *facts, int32_t n_facts, ae_capture **out) {
    ae_capture *c = ae_alloc(1, sizeof *c);
    if (!c) return ae_no_memory();
    *c = (ae_capture){.m = m, .layer = layer, .facts = facts, .n_facts = n_facts};
    const int32_t d = m->config.d_model, d_mlp = m->config.d_mlp;
    float *keys = NULL, *values = NULL;
    ae_sequence **sequences = NULL;
    ae_status status = AE_OK;
    AE_TRY_GOTO(done, ae_arena_new(&c->arena));
    const int32_t n_seqs = all_sequences(facts, n_facts, NULL);
    sequences = ae_alloc((size_t)n_seqs, sizeof *sequences);
    keys = ae_alloc((size_t)n_seqs * (size_t)d_mlp, sizeof *keys);
    values = ae_alloc((size_t)n_seqs * (size_t)d, sizeof *values);
    if (!sequences || !keys || !values) AE_TRY_GOTO(done, ae_no_memory());
    all_sequences(facts, n_facts, sequences);
    ae_packing packing;
    AE_TRY_GOTO(done, pack(c, sequences, n_seqs, &packing));
    AE_TRY_GOTO(done, m->backend->alloc(m->backend, (size_t)c->n_rows * (size_t)d, &c->residual));
    AE_TRY_GOTO(done, ae_store_new(m, layer + 1, m->config.n_layer - layer - 1, c->n_rows, false, &c->store));
    AE_TRY_GOTO(done, run_below(c, &packing, sequences, n_seqs, keys, values));
    AE_TRY_GOTO(done, fill_facts(c, keys, values));
    AE_TRY_GOTO(done, run_prefixes(c, sequences, n_seqs));
done:
    ae_free(sequences);
    ae_free(keys);
    ae_free(values);
    if (status != AE_OK) {
        ae_capture_free(c);
        return status;
    }
    *out = c;
    return AE_OK;
}

void ae_capture_free(ae_capture *c) {
    if (!c) return;
    c->m->backend->release(c->m->backend, c->residual);
    ae_store_free(c->m, c->store);
    ae_arena_free(c->arena);
    ae_free(c);
}
