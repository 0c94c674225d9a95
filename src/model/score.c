#include "model/score.h"

#include <math.h>
#include <string.h>

enum { LOGIT_ROWS = 64 }; // rows of logits in memory at once

// Tokens that all sequences share and that lie before every scored position.
static int32_t common_prefix(const ae_scored *s, int32_t n) {
    int32_t shared = s[0].first;
    for (int32_t i = 1; i < n; i++) {
        if (s[i].first < shared) shared = s[i].first;
        for (int32_t j = 0; j < shared; j++)
            if (s[i].ids[j] != s[0].ids[j]) shared = j;
    }
    return n > 1 ? shared : 0;
}

// Negative log-probabilities at the top's rows, a few rows of logits at a time.
static ae_status score_rows(ae_model *m, const float *x, int32_t n_rows, const int32_t *targets,
                            double *nll) {
    const int32_t d = m->config.d_model, n_vocab = m->config.n_vocab;
    const int32_t chunk = n_rows < LOGIT_ROWS ? n_rows : LOGIT_ROWS;
    ae_backend *be = m->backend;
    float *logits = NULL, *normed = NULL;
    ae_status status = be->alloc(be, (size_t)chunk * (size_t)n_vocab, &logits);
    if (status == AE_OK) status = be->alloc(be, (size_t)chunk * (size_t)d, &normed);
    for (int32_t row = 0; status == AE_OK && row < n_rows; row += chunk) {
        const int32_t n = n_rows - row < chunk ? n_rows - row : chunk;
        status = ae_head_forward(m, x + (size_t)row * (size_t)d, n, normed, NULL, NULL, logits);
        if (status == AE_OK)
            status = be->cross_entropy(be, nll + row, logits, targets + row, NULL, n, n_vocab);
    }
    be->release(be, logits);
    be->release(be, normed);
    return status;
}

ae_status ae_score_sequences(ae_model *m, const ae_scored *scored, int32_t n_scored, double *nll) {
    if (n_scored == 0) return AE_OK;
    const int32_t shared = common_prefix(scored, n_scored);
    ae_arena *arena = NULL;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *x = NULL;
    ae_backend *be = m->backend;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));

    int32_t n_rows = 0, n_out = 0;
    ae_seq *seqs = ae_arena_alloc(arena, (size_t)n_scored, sizeof *seqs);
    if (!seqs) AE_TRY_GOTO(done, ae_no_memory());
    for (int32_t i = 0; i < n_scored; i++) {
        const int32_t last = scored[i].first + scored[i].n; // what follows is never looked at
        seqs[i] = (ae_seq){.n_rows = last - shared, .ctx_len = shared, .own_row = shared + n_rows};
        n_rows += seqs[i].n_rows;
        n_out += scored[i].n;
    }
    int32_t *ids = ae_arena_alloc(arena, (size_t)n_rows, sizeof *ids);
    int32_t *out_rows = ae_arena_alloc(arena, (size_t)n_out, sizeof *out_rows);
    int32_t *targets = ae_arena_alloc(arena, (size_t)n_out, sizeof *targets);
    double *row_nll = ae_arena_alloc(arena, (size_t)n_out, sizeof *row_nll);
    if (!ids || !out_rows || !targets || !row_nll) AE_TRY_GOTO(done, ae_no_memory());
    ae_batch prefix, batch;
    const ae_seq prefix_seq = {.n_rows = shared};
    AE_TRY_GOTO(done, ae_batch_new(arena, &prefix_seq, 1, &prefix));
    AE_TRY_GOTO(done, ae_batch_new(arena, seqs, n_scored, &batch));
    for (int32_t i = 0, out = 0; i < n_scored; i++) {
        const int32_t row = batch.seqs[i].row;
        memcpy(ids + row, scored[i].ids + shared, (size_t)seqs[i].n_rows * sizeof *ids);
        for (int32_t j = 0; j < scored[i].n; j++, out++) {
            out_rows[out] = row + scored[i].first - shared + j;
            targets[out] = scored[i].targets[j];
        }
    }
    const int32_t most = n_rows > shared ? n_rows : shared;
    AE_TRY_GOTO(done, be->alloc(be, (size_t)most * (size_t)m->config.d_model, &x));
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, shared + n_rows, shared == 0, &store));
    AE_TRY_GOTO(done, ae_work_new(m, most, &work));
    const ae_selection nothing = {.n = 0}, select = {.rows = out_rows, .n = n_out};
    if (shared > 0) AE_TRY_GOTO(done, ae_run_layers(m, &prefix, scored[0].ids, x, store, work, &nothing));
    AE_TRY_GOTO(done, ae_run_layers(m, &batch, ids, x, store, work, &select));
    AE_TRY_GOTO(done, score_rows(m, x, n_out, targets, row_nll));
    for (int32_t i = 0, out = 0; i < n_scored; i++) {
        nll[i] = 0;
        for (int32_t j = 0; j < scored[i].n; j++)
            nll[i] += row_nll[out++] / scored[i].n;
        if (!isfinite(nll[i])) AE_TRY_GOTO(done, ae_model_blame(m, "a log-probability"));
    }
done:
    be->release(be, x);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    return status;
}

// ---- the public calls ------------------------------------------------------------------------------

static ae_status check_length(const ae_model *m, size_t n_ids, const char *what) {
    if (n_ids > (size_t)m->config.n_ctx)
        return ae_fail(AE_ERR_ARGUMENT, "%s has %zu tokens, the model's context holds %d", what, n_ids,
                       m->config.n_ctx);
    return AE_OK;
}

// One target after the prompt: the whole tokenised at once, its last tokens counted on the target alone.
static ae_status scored_target(const ae_model *m, const char *prompt, size_t n_prompt, const char *target,
                               ae_scored *out, int32_t **ids, int32_t **targets) {
    char *spaced = ae_format(" %s", target), *whole = ae_format("%s %s", prompt, target);
    size_t n_ids = 0, n_targets = 0;
    ae_status status = spaced && whole ? AE_OK : ae_no_memory();
    if (status == AE_OK && !*target) status = ae_fail(AE_ERR_ARGUMENT, "the target is empty");
    if (status == AE_OK) status = ae_encode(m, spaced, strlen(spaced), targets, &n_targets);
    if (status == AE_OK) status = ae_encode(m, whole, strlen(whole), ids, &n_ids);
    if (status == AE_OK) status = check_length(m, n_ids, "prompt and target");
    ae_free(spaced);
    ae_free(whole);
    if (status != AE_OK) return status;
    // Merges across the joint can make the whole shorter than its parts; then the target's positions run out.
    if (n_prompt - 1 + n_targets > n_ids)
        return ae_fail(AE_ERR_ARGUMENT,
                       "'%s' and '%s' merge into fewer tokens together than apart: they cannot be scored",
                       prompt, target);
    *out = (ae_scored){.ids = *ids,
                       .n_ids = (int32_t)n_ids,
                       .first = (int32_t)n_prompt - 1,
                       .n = (int32_t)n_targets,
                       .targets = *targets};
    return AE_OK;
}

ae_status ae_score(ae_model *m, const char *prompt, const char *const *targets, size_t n_targets,
                   double *nll) {
    if (n_targets == 0) return AE_OK;
    if (n_targets > 65536) return ae_fail(AE_ERR_ARGUMENT, "%zu targets at once; at most 65536", n_targets);
    int32_t *prompt_ids = NULL;
    size_t n_prompt = 0;
    ae_status status = ae_encode(m, prompt, strlen(prompt), &prompt_ids, &n_prompt);
    ae_free(prompt_ids);
    if (status != AE_OK) return status;
    if (n_prompt == 0)
        return ae_fail(AE_ERR_ARGUMENT, "the prompt is empty: there is nothing to score a target after");
    AE_TRY(check_length(m, n_prompt, "the prompt"));
    ae_scored *scored = ae_alloc(n_targets, sizeof *scored);
    int32_t **owned = ae_alloc(2 * n_targets, sizeof *owned);
    double *values = ae_alloc(n_targets, sizeof *values); // nll stays untouched on failure
    if (!scored || !owned || !values) status = ae_no_memory();
    for (size_t i = 0; status == AE_OK && i < n_targets; i++)
        status = scored_target(m, prompt, n_prompt, targets[i], &scored[i], &owned[2 * i], &owned[2 * i + 1]);
    if (status == AE_OK) status = ae_score_sequences(m, scored, (int32_t)n_targets, values);
    if (status == AE_OK) memcpy(nll, values, n_targets * sizeof *nll);
    for (size_t i = 0; owned && i < 2 * n_targets; i++)
        ae_free(owned[i]);
    ae_free(owned);
    ae_free(scored);
    ae_free(values);
    return status;
}

ae_status ae_logits(ae_model *m, const char *text, float *out) {
    int32_t *ids = NULL;
    size_t n_ids = 0;
    AE_TRY(ae_encode(m, text, strlen(text), &ids, &n_ids));
    ae_arena *arena = NULL;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *x = NULL, *normed = NULL, *logits = NULL;
    ae_backend *be = m->backend;
    ae_status status = AE_OK;
    if (n_ids == 0)
        AE_TRY_GOTO(done, ae_fail(AE_ERR_ARGUMENT, "the text is empty: there is no token to read logits at"));
    AE_TRY_GOTO(done, check_length(m, n_ids, "the text"));
    AE_TRY_GOTO(done, ae_arena_new(&arena));
    const ae_seq seq = {.n_rows = (int32_t)n_ids};
    const int32_t last = (int32_t)n_ids - 1;
    const ae_selection select = {.rows = &last, .n = 1};
    ae_batch batch;
    AE_TRY_GOTO(done, ae_batch_new(arena, &seq, 1, &batch));
    AE_TRY_GOTO(done, be->alloc(be, n_ids * (size_t)m->config.d_model, &x));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)m->config.d_model, &normed));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)m->config.n_vocab, &logits));
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, (int32_t)n_ids, true, &store));
    AE_TRY_GOTO(done, ae_work_new(m, (int32_t)n_ids, &work));
    AE_TRY_GOTO(done, ae_run_layers(m, &batch, ids, x, store, work, &select));
    AE_TRY_GOTO(done, ae_head_forward(m, x, 1, normed, NULL, NULL, logits));
    int64_t bad = -1;
    AE_TRY_GOTO(done, be->all_finite(be, logits, (size_t)m->config.n_vocab, &bad));
    if (bad >= 0) AE_TRY_GOTO(done, ae_model_blame(m, "a logit"));
    AE_TRY_GOTO(done, be->get(be, out, logits, (size_t)m->config.n_vocab));
done:
    be->release(be, x);
    be->release(be, normed);
    be->release(be, logits);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    ae_free(ids);
    return status;
}
