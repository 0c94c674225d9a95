// From requests to rank-one updates: keys, the solve, the value, the update (docs/model.md walks through it).
#include "aedile/edit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "edit/capture.h"
#include "edit/optimise.h"

// Below this, relative to ‖k‖, k·u is rounding and not a divisor.
static const double SMALLEST_DIVISOR = 1e-12;

static double dot(const double *a, const double *b, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

// ‖W‖_F of the layer's matrix as it is now.
static ae_status weight_norm(const ae_model *m, int32_t layer, double *norm) {
    const ae_layer_weights *w = &m->layers[layer];
    const int64_t n = (int64_t)m->config.d_mlp * m->config.d_model;
    enum { TILE = 4096 };
    float tile[TILE];
    double sum = 0;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t length = n - i < TILE ? n - i : TILE;
        if (w->edited)
            AE_TRY(m->backend->get(m->backend, tile, w->edited + i, (size_t)length));
        else
            ae_tensor_to_float(w->mlp_out_tensor, i, length, tile);
        double part = 0;
        for (int64_t j = 0; j < length; j++)
            part += (double)tile[j] * (double)tile[j];
        sum += part;
    }
    *norm = sqrt(sum);
    return AE_OK;
}

// ---- the edit object -------------------------------------------------------------------------------

static ae_status new_edit(const ae_request *request, const ae_edit_options *options, ae_edit **out) {
    ae_arena *arena = NULL;
    AE_TRY(ae_arena_new(&arena));
    ae_edit *e = ae_arena_alloc(arena, 1, sizeof *e);
    ae_layer_edit *layers =
        e ? ae_arena_alloc(arena, (size_t)options->hparams->n_layers, sizeof *layers) : NULL;
    if (!layers) {
        ae_arena_free(arena);
        return ae_no_memory();
    }
    *e = (ae_edit){.hparams = *options->hparams,
                   .seed = options->seed,
                   .n_templates = options->templates->count,
                   .layers = layers,
                   .before = {NAN, NAN, NULL},
                   .after = {NAN, NAN, NULL},
                   .arena = arena};
    memcpy(e->templates_sha256, options->templates->sha256, sizeof e->templates_sha256);
    e->request.case_id = request->case_id;
    e->request.prompt = ae_arena_strdup(arena, request->prompt);
    e->request.subject = ae_arena_strdup(arena, request->subject);
    e->request.target_new = ae_arena_strdup(arena, request->target_new);
    if (request->target_true) e->request.target_true = ae_arena_strdup(arena, request->target_true);
    if (!e->request.prompt || !e->request.subject || !e->request.target_new ||
        (request->target_true && !e->request.target_true)) {
        ae_arena_free(arena);
        return ae_no_memory();
    }
    *out = e;
    return AE_OK;
}

void ae_edit_free(ae_edit *edit) {
    if (edit) ae_arena_free(edit->arena);
}

// doubles as an arena's floats; NULL on lack of memory.
static float *keep(ae_arena *arena, const double *values, int32_t n) {
    float *copy = ae_arena_alloc(arena, (size_t)n, sizeof *copy);
    for (int32_t i = 0; copy && i < n; i++)
        copy[i] = (float)values[i];
    return copy;
}

static ae_status keep_trace(ae_arena *arena, const ae_solution *s, ae_layer_edit *e) {
    const double *from[4] = {s->loss, s->nll, s->kl, s->decay};
    double **to[4] = {&e->loss, &e->nll, &e->kl, &e->decay};
    e->n_steps = s->n_steps;
    for (int i = 0; i < 4; i++) {
        *to[i] = ae_arena_alloc(arena, (size_t)s->n_steps, sizeof(double));
        if (!*to[i]) return ae_no_memory();
        memcpy(*to[i], from[i], (size_t)s->n_steps * sizeof(double));
    }
    return AE_OK;
}

// ---- u and right -----------------------------------------------------------------------------------

// u = C⁻¹ k / ‖C⁻¹ k‖ (or k/‖k‖ without statistics).
static ae_status solve_u(const ae_moment *moment, const double *key, int32_t n, double *u) {
    memcpy(u, key, (size_t)n * sizeof *u);
    if (moment) AE_TRY(ae_moment_solve(moment, u));
    const double length = sqrt(dot(u, u, n));
    if (!isfinite(length) || length == 0)
        return ae_fail(AE_ERR_NUMERIC,
                       "the solution of C u = k has length %g: the key or the statistics are unusable",
                       length);
    for (int32_t i = 0; i < n; i++)
        u[i] /= length;
    return AE_OK;
}

// Everything of one layer's edit from what was captured and optimised.
static ae_status finish_layer(ae_model *m, int32_t layer, const ae_fact *fact, const ae_solution *solution,
                              const ae_moment *moment, ae_edit *edit, const ae_hparams *hparams,
                              const ae_hooks *hooks, ae_layer_edit *e) {
    ae_arena *arena = edit->arena;
    const double began = ae_seconds();
    const int32_t d = m->config.d_model, d_mlp = m->config.d_mlp;
    const ae_variant variant = hparams->variant;
    const double *key_u = variant == AE_P_ROME ? fact->key_bare : fact->key_mean;
    const double *key = variant == AE_R_ROME ? fact->key_mean : fact->key_bare;
    const double *value = variant == AE_R_ROME ? fact->value_mean : fact->target_init;
    double *u = ae_arena_alloc(arena, (size_t)d_mlp, sizeof *u);
    double *right = ae_arena_alloc(arena, (size_t)d, sizeof *right);
    if (!u || !right) return ae_no_memory();
    AE_TRY(solve_u(moment, key_u, d_mlp, u));
    const double solved = ae_seconds();
    edit->seconds_solve += solved - began;
    const double k_dot_u = dot(key, u, d_mlp), key_norm = sqrt(dot(key, key, d_mlp));
    if (!isfinite(k_dot_u) || fabs(k_dot_u) <= SMALLEST_DIVISOR * key_norm)
        return ae_fail(AE_ERR_NUMERIC,
                       "k·u is %g for a key of length %g: too small to divide by; the edit of subject "
                       "'%.80s' is refused",
                       k_dot_u, key_norm, fact->request->subject);
    for (int32_t j = 0; j < d; j++) {
        const double wanted =
            variant == AE_R_ROME ? fact->target_init[j] + solution->delta[j] - value[j] : solution->delta[j];
        right[j] = wanted / k_dot_u;
    }

    e->layer = layer;
    e->d_mlp = d_mlp;
    e->d_model = d;
    snprintf(e->module, sizeof e->module, m->info.mlp_out_module, layer);
    e->u = keep(arena, u, d_mlp);
    e->right = keep(arena, right, d);
    e->delta = keep(arena, solution->delta, d);
    e->key_u = keep(arena, key_u, d_mlp);
    e->key = keep(arena, key, d_mlp);
    e->value = keep(arena, value, d);
    e->target_init = keep(arena, fact->target_init, d);
    if (!e->u || !e->right || !e->delta || !e->key_u || !e->key || !e->value || !e->target_init)
        return ae_no_memory();
    AE_TRY(keep_trace(arena, solution, e));
    AE_TRY(ae_model_base_sha256(m, layer, e->base_sha256));
    e->k_dot_u = k_dot_u;
    e->update_norm = sqrt(dot(right, right, d)); // ‖u‖ = 1
    AE_TRY(weight_norm(m, layer, &e->weight_norm));
    e->delta_norm = sqrt(dot(solution->delta, solution->delta, d));
    e->target_init_norm = sqrt(dot(fact->target_init, fact->target_init, d));
    // Elementwise |W + ΔW| is at most the sum of the norms: below this nothing can overflow.
    if (!(e->update_norm + e->weight_norm < (double)FLT_MAX / 4))
        return ae_fail(AE_ERR_NUMERIC,
                       "the update of subject '%.80s' has norm %g on a matrix of norm %g: refused, the "
                       "weights are untouched",
                       fact->request->subject, e->update_norm, e->weight_norm);
    if (e->update_norm > e->weight_norm)
        ae_warn(hooks,
                "the update of subject '%.80s' is larger than the matrix it changes (norm %.3g on %.3g, k·u "
                "%.3g): "
                "such an edit usually disables the model",
                fact->request->subject, e->update_norm, e->weight_norm, k_dot_u);
    if (solution->at_start)
        ae_warn(hooks,
                variant == AE_R_ROME
                    ? "the model already says the target of subject '%.80s' (loss %.3g): delta stays 0, only "
                      "the mean "
                      "value is corrected"
                    : "the model already says the target of subject '%.80s' (loss %.3g): nothing is changed",
                fact->request->subject, solution->loss[0]);
    edit->seconds_update += ae_seconds() - solved;
    return AE_OK;
}

// ---- compute ---------------------------------------------------------------------------------------

static ae_status compute_layer(ae_model *m, int index, ae_fact *facts, size_t n,
                               const ae_edit_options *options, const ae_hooks *hooks, ae_edit **edits) {
    const ae_hparams *hp = options->hparams;
    const int32_t layer = hp->layers[index];
    const ae_moment *moment = hp->mom2_adjustment ? options->moments[index] : NULL;
    ae_capture *capture = NULL;
    ae_arena *arena = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    ae_solution *solutions = ae_arena_alloc(arena, n, sizeof *solutions);
    if (!solutions) AE_TRY_GOTO(done, ae_no_memory());
    const double start = ae_seconds();
    AE_TRY_GOTO(done, ae_capture_run(m, layer, facts, (int32_t)n, &capture));
    const double captured = ae_seconds();
    AE_TRY_GOTO(done, ae_optimise(capture, hp, hooks, arena, solutions));
    const double optimised = ae_seconds();
    for (size_t i = 0; i < n; i++) {
        AE_TRY_GOTO(done, finish_layer(m, layer, &facts[i], &solutions[i], moment, edits[i], hp, hooks,
                                       &edits[i]->layers[index]));
        edits[i]->n_layers = index + 1;
        edits[i]->seconds_keys += (captured - start) / (double)n; // a batch shares its passes
        edits[i]->seconds_optimise += (optimised - captured) / (double)n;
    }
done:
    ae_capture_free(capture);
    ae_arena_free(arena);
    return status;
}

// The layers of one request in turn, each seeing the ones before; the model is put back to what it was.
static ae_status compute_in_turn(ae_model *m, ae_fact *fact, const ae_edit_options *options,
                                 const ae_hooks *hooks, ae_edit **edit) {
    const ae_hparams *hp = options->hparams;
    const size_t n_weights = (size_t)m->config.d_mlp * (size_t)m->config.d_model;
    // Earlier edits' matrices: subtraction would not give the same bits. And what no value of them exceeds.
    float *kept[AE_MAX_EDIT_LAYERS] = {NULL};
    double kept_max[AE_MAX_EDIT_LAYERS] = {0};
    ae_status status = AE_OK;
    int n_applied = 0;
    for (int i = 0; status == AE_OK && i < hp->n_layers; i++) {
        status = compute_layer(m, i, fact, 1, options, hooks, edit);
        if (status != AE_OK || i == hp->n_layers - 1) break;
        const ae_layer_edit *e = &(*edit)->layers[i];
        const float *edited = m->layers[e->layer].edited;
        if (edited) {
            kept_max[i] = m->layers[e->layer].edited_max;
            kept[i] = ae_alloc(n_weights, sizeof *kept[i]);
            status = kept[i] ? AE_OK : ae_no_memory();
            if (status == AE_OK) status = m->backend->get(m->backend, kept[i], edited, n_weights);
        }
        if (status == AE_OK) status = ae_model_check_rank_one(m, e->layer, e->u, e->right);
        if (status == AE_OK) status = ae_model_add_rank_one(m, e->layer, e->u, e->right);
        if (status == AE_OK) n_applied = i + 1;
    }
    for (int i = 0; i < hp->n_layers; i++) {
        const int layer = hp->layers[i];
        if (i < n_applied && kept[i]) {
            (void)m->backend->put(m->backend, m->layers[layer].edited, kept[i], n_weights);
            m->layers[layer].edited_max = kept_max[i];
        } else if (i < n_applied)
            ae_model_restore_layer(m, layer);
        ae_free(kept[i]);
    }
    return status;
}

static ae_status check_options(const ae_model *m, const ae_edit_options *options) {
    const ae_hparams *hp = options->hparams;
    AE_TRY(ae_hparams_check(hp, m));
    if (!options->templates || options->templates->count == 0)
        return ae_fail(AE_ERR_ARGUMENT, "there are no context templates: sample or load at least one");
    for (int i = 0; hp->mom2_adjustment && i < hp->n_layers; i++) {
        if (!options->moments || !options->moments[i])
            return ae_fail(AE_ERR_ARGUMENT,
                           "no second moments are given for layer %d (mom2_adjustment is true)",
                           hp->layers[i]);
        const ae_moment_info info = ae_moment_get_info(options->moments[i]);
        if (info.n != m->config.d_mlp)
            return ae_fail(AE_ERR_MISMATCH, "'%s' holds moments of %d dimensions, the model's keys have %d",
                           info.path, info.n, m->config.d_mlp);
    }
    return AE_OK;
}

ae_status ae_edit_compute(ae_model *m, const ae_request *requests, size_t n_requests,
                          const ae_edit_options *options, const ae_hooks *hooks, ae_edit **out) {
    AE_TRY(check_options(m, options));
    if (n_requests == 0) return AE_OK;
    ae_arena *arena = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    ae_fact *facts = ae_arena_alloc(arena, n_requests, sizeof *facts);
    ae_edit **edits = ae_arena_alloc(arena, n_requests, sizeof(ae_edit *));
    if (!facts || !edits) AE_TRY_GOTO(done, ae_no_memory());
    for (size_t i = 0; i < n_requests; i++) {
        AE_TRY_GOTO(done, ae_fact_build(m, &requests[i], options->templates, options->hparams->fact_token,
                                        options->strict, hooks, arena, &facts[i]));
        AE_TRY_GOTO(done, new_edit(&requests[i], options, &edits[i]));
    }
    if (options->hparams->n_layers == 1)
        AE_TRY_GOTO(done, compute_layer(m, 0, facts, n_requests, options, hooks, edits));
    else
        for (size_t i = 0; i < n_requests; i++)
            AE_TRY_GOTO(done, compute_in_turn(m, &facts[i], options, hooks, &edits[i]));
    memcpy(out, edits, n_requests * sizeof(ae_edit *));
done:
    for (size_t i = 0; status != AE_OK && edits && i < n_requests; i++)
        ae_edit_free(edits[i]);
    ae_arena_free(arena);
    return status;
}

// ---- apply -----------------------------------------------------------------------------------------

ae_status ae_edit_apply(ae_model *m, const ae_edit *edit) {
    // Everything that can be refused is refused before the first matrix changes.
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *e = &edit->layers[i];
        if (e->layer < 0 || e->layer >= m->config.n_layer || e->d_mlp != m->config.d_mlp ||
            e->d_model != m->config.d_model)
            return ae_fail(AE_ERR_MISMATCH,
                           "the edit is for layer %d of size %d x %d, the model has layers 0 to %d of size "
                           "%d x %d",
                           e->layer, e->d_mlp, e->d_model, m->config.n_layer - 1, m->config.d_mlp,
                           m->config.d_model);
        AE_TRY(ae_model_check_rank_one(m, e->layer, e->u, e->right));
    }
    bool made[AE_MAX_EDIT_LAYERS] = {false};
    ae_status status = AE_OK;
    for (int i = 0; status == AE_OK && i < edit->n_layers; i++) {
        made[i] = !m->layers[edit->layers[i].layer].edited;
        status = ae_model_make_editable(m, edit->layers[i].layer);
    }
    if (status != AE_OK) {
        for (int i = 0; i < edit->n_layers; i++)
            if (made[i]) ae_model_restore_layer(m, edit->layers[i].layer);
        return status;
    }
    for (int i = 0; i < edit->n_layers; i++)
        AE_TRY(ae_model_add_rank_one(m, edit->layers[i].layer, edit->layers[i].u, edit->layers[i].right));
    return AE_OK;
}

// ---- measure ---------------------------------------------------------------------------------------

// ae_score puts a space in front of a target itself.
static const char *without_space(const char *target) {
    return *target == ' ' ? target + 1 : target;
}

ae_status ae_measure_request(ae_model *m, const ae_request *request, int n_tokens, ae_measure *out) {
    AE_TRY(ae_request_check(request));
    const char *hole = strstr(request->prompt, "{}");
    char *prompt =
        ae_format("%.*s%s%s", (int)(hole - request->prompt), request->prompt, request->subject, hole + 2);
    if (!prompt) return ae_no_memory();
    const char *targets[2] = {without_space(request->target_new),
                              request->target_true ? without_space(request->target_true) : NULL};
    double nll[2] = {NAN, NAN};
    ae_measure measure = {NAN, NAN, NULL};
    ae_status status = ae_score(m, prompt, targets, request->target_true ? 2 : 1, nll);
    int32_t *ids = NULL;
    size_t n_prompt = 0;
    if (status == AE_OK) status = ae_encode(m, prompt, strlen(prompt), &ids, &n_prompt);
    ae_free(ids);
    const int room = m->config.n_ctx - (int)n_prompt; // a long prompt leaves fewer tokens, or none, to show
    if (n_tokens > room) n_tokens = room;
    if (status == AE_OK && n_tokens > 0) {
        ae_generate_options options = ae_generate_defaults();
        options.max_tokens = n_tokens;
        status = ae_generate(m, prompt, &options, NULL, NULL, &measure.continuation);
    }
    ae_free(prompt);
    if (status != AE_OK) return status;
    measure.target_new = exp(-nll[0]);
    measure.target_true = exp(-nll[1]);
    *out = measure;
    return AE_OK;
}
