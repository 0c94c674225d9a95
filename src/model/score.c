#include "model/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/packing.h"
#include "model/sample.h"

enum {
    PASS_ROWS = 2048, // rows of a pass, in memory at once; one sequence alone may have more
    LOGIT_ROWS = 64,  // rows of logits in memory at once
};

// A target that is scored at a row of the pass. Several may share a row: the logits are computed once.
typedef struct reading {
    int32_t row, sequence, target;
    double nll;
} reading;

// By row; within one any fixed order will do.
static int by_row(const void *left, const void *right) {
    const reading *a = left, *b = right;
    if (a->row != b->row) return a->row > b->row ? 1 : -1;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

// What is read from a pass.
typedef struct answers {
    reading *readings; // [n], sorted
    int32_t n, n_rows;
    int32_t *rows;      // [n_rows], those that are read, ascending
    int32_t *first;     // [n_rows + 1], the first reading of each, and the end
    int32_t *likeliest; // [all sequences], the likeliest tokens are asked for; NULL: the readings' nll
} answers;

static ae_status score_logits(ae_model *m, float *logits, int32_t row, int32_t n_rows, answers *a) {
    int32_t next[LOGIT_ROWS], targets[LOGIT_ROWS];
    double nll[LOGIT_ROWS];
    memcpy(next, a->first + row, (size_t)n_rows * sizeof *next);
    // Each round scores the next target of every row that has one left.
    for (int32_t left = a->first[row + n_rows] - a->first[row]; left > 0;) {
        for (int32_t i = 0; i < n_rows; i++)
            targets[i] = next[i] < a->first[row + i + 1] ? a->readings[next[i]].target : 0;
        AE_TRY(m->backend->cross_entropy(m->backend, nll, logits, targets, NULL, n_rows, m->config.n_vocab));
        for (int32_t i = 0; i < n_rows; i++) {
            if (next[i] == a->first[row + i + 1]) continue;
            a->readings[next[i]++].nll = nll[i];
            left--;
        }
    }
    return AE_OK;
}

static ae_status find_likeliest(ae_model *m, const float *logits, float *host, int32_t row, int32_t n_rows,
                                answers *a) {
    ae_backend *be = m->backend;
    const size_t n_vocab = (size_t)m->config.n_vocab;
    for (int32_t i = 0; i < n_rows; i++) {
        int32_t best;
        AE_TRY(be->get(be, host, logits + (size_t)i * n_vocab, n_vocab));
        ae_top_k(host, m->config.n_vocab, 1, &best);
        for (int32_t r = a->first[row + i]; r < a->first[row + i + 1]; r++)
            a->likeliest[a->readings[r].sequence] = best;
    }
    return AE_OK;
}

// A logit of minus infinity would leave log-probabilities finite: all logits are looked at.
static ae_status check_logits(ae_model *m, const ae_scored *scored, const float *logits, int32_t row,
                              int32_t n_rows, const answers *a) {
    const size_t n_vocab = (size_t)m->config.n_vocab;
    int64_t bad = -1;
    AE_TRY(m->backend->all_finite(m->backend, logits, (size_t)n_rows * n_vocab, &bad));
    if (bad < 0) return AE_OK;
    const ae_scored *s = &scored[a->readings[a->first[row + bad / (int64_t)n_vocab]].sequence];
    return ae_model_blame_at(m, "a logit", s->ids, s->first + s->n);
}

// x[n_rows, d_model], the rows that are read: a few rows of logits at a time.
static ae_status read_top(ae_model *m, const ae_scored *scored, const float *x, ae_arena *arena, answers *a) {
    const int32_t d = m->config.d_model, n_vocab = m->config.n_vocab;
    const int32_t chunk = a->n_rows < LOGIT_ROWS ? a->n_rows : LOGIT_ROWS;
    ae_backend *be = m->backend;
    float *logits = NULL, *normed = NULL;
    float *host = a->likeliest ? ae_arena_alloc(arena, (size_t)n_vocab, sizeof *host) : NULL;
    ae_status status = a->likeliest && !host ? ae_no_memory() : AE_OK;
    if (status == AE_OK) status = be->alloc(be, (size_t)chunk * (size_t)n_vocab, &logits);
    if (status == AE_OK) status = be->alloc(be, (size_t)chunk * (size_t)d, &normed);
    for (int32_t row = 0; status == AE_OK && row < a->n_rows; row += chunk) {
        const int32_t n = a->n_rows - row < chunk ? a->n_rows - row : chunk;
        status = ae_head_forward(m, x + (size_t)row * (size_t)d, n, normed, NULL, NULL, logits);
        if (status == AE_OK) status = check_logits(m, scored, logits, row, n, a);
        if (status == AE_OK)
            status = a->likeliest ? find_likeliest(m, logits, host, row, n, a)
                                  : score_logits(m, logits, row, n, a);
    }
    be->release(be, logits);
    be->release(be, normed);
    return status;
}

// Where the packed sequences are read.
static ae_status gather_readings(const ae_scored *scored, const ae_packed *sequences, int32_t n_sequences,
                                 ae_arena *arena, answers *a) {
    for (int32_t i = 0; i < n_sequences; i++)
        a->n += scored[sequences[i].index].n;
    a->readings = ae_arena_alloc(arena, (size_t)a->n, sizeof *a->readings);
    a->rows = ae_arena_alloc(arena, (size_t)a->n, sizeof *a->rows);
    a->first = ae_arena_alloc(arena, (size_t)a->n + 1, sizeof *a->first);
    if (!a->readings || !a->rows || !a->first) return ae_no_memory();
    reading *r = a->readings;
    for (int32_t i = 0; i < n_sequences; i++) {
        const ae_scored *s = &scored[sequences[i].index];
        for (int32_t j = 0; j < s->n; j++)
            *r++ = (reading){.row = ae_packed_row(&sequences[i], s->first + j),
                             .sequence = sequences[i].index,
                             .target = s->targets ? s->targets[j] : -1};
    }
    qsort(a->readings, (size_t)a->n, sizeof *a->readings, by_row);
    for (int32_t i = 0; i < a->n; i++) {
        if (i > 0 && a->readings[i].row == a->readings[i - 1].row) continue;
        a->rows[a->n_rows] = a->readings[i].row;
        a->first[a->n_rows++] = i;
    }
    a->first[a->n_rows] = a->n;
    return AE_OK;
}

// One pass over as many of the sorted sequences as it holds: *n_done.
static ae_status read_pass(ae_model *m, const ae_scored *scored, ae_packed *sequences, int32_t n_sequences,
                           double *nll, int32_t *likeliest, int32_t *n_done) {
    ae_backend *be = m->backend;
    ae_arena *arena = NULL;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *x = NULL;
    ae_packing packing;
    answers a = {.likeliest = likeliest};
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    AE_TRY_GOTO(done, ae_packing_make(arena, sequences, n_sequences, PASS_ROWS, &packing));
    AE_TRY_GOTO(done, gather_readings(scored, sequences, packing.n_sequences, arena, &a));
    const int32_t n_rows = packing.batch.n_rows;
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_rows * (size_t)m->config.d_model, &x));
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, n_rows, true, &store));
    AE_TRY_GOTO(done, ae_work_new(m, n_rows, &work));
    const ae_selection select = {.rows = a.rows, .n = a.n_rows};
    AE_TRY_GOTO(done, ae_run_layers(m, &packing.batch, packing.ids, x, store, work, &select));
    AE_TRY_GOTO(done, read_top(m, scored, x, arena, &a));
    for (int32_t i = 0; nll && i < packing.n_sequences; i++)
        nll[sequences[i].index] = 0;
    for (int32_t i = 0; nll && i < a.n; i++) {
        const reading *r = &a.readings[i];
        const ae_scored *s = &scored[r->sequence];
        if (!isfinite(r->nll))
            AE_TRY_GOTO(done, ae_model_blame_at(m, "a log-probability", s->ids, s->first + s->n));
        nll[r->sequence] += r->nll / scored[r->sequence].n;
    }
    *n_done = packing.n_sequences;
done:
    be->release(be, x);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    return status;
}

static ae_status read_sequences(ae_model *m, const ae_scored *scored, int32_t n, double *nll,
                                int32_t *likeliest) {
    ae_packed *sequences = ae_alloc((size_t)n, sizeof *sequences);
    if (!sequences) return ae_no_memory();
    for (int32_t i = 0; i < n; i++)
        sequences[i] = (ae_packed){.ids = scored[i].ids, .n_ids = scored[i].first + scored[i].n, .index = i};
    ae_packing_sort(sequences, n);
    ae_status status = AE_OK;
    for (int32_t first = 0, n_done = 0; status == AE_OK && first < n; first += n_done)
        status = read_pass(m, scored, sequences + first, n - first, nll, likeliest, &n_done);
    ae_free(sequences);
    return status;
}

ae_status ae_score_sequences(ae_model *m, const ae_scored *scored, int32_t n_scored, double *nll) {
    return read_sequences(m, scored, n_scored, nll, NULL);
}

ae_status ae_likeliest_next(ae_model *m, const int32_t *const *ids, const int32_t *lengths, int32_t n,
                            int32_t *likeliest) {
    ae_scored *read = ae_alloc((size_t)n, sizeof *read);
    if (!read) return ae_no_memory();
    for (int32_t i = 0; i < n; i++)
        read[i] = (ae_scored){.ids = ids[i], .n_ids = lengths[i], .first = lengths[i] - 1, .n = 1};
    ae_status status = read_sequences(m, read, n, NULL, likeliest);
    ae_free(read);
    return status;
}

// ---- texts as tokens -------------------------------------------------------------------------------

static ae_status check_length(const ae_model *m, const char *what, size_t n_ids) {
    if (n_ids == 0) return ae_fail(AE_ERR_ARGUMENT, "%s is empty", what);
    if (n_ids > (size_t)m->config.n_ctx)
        return ae_fail(AE_ERR_ARGUMENT, "%s has %zu tokens, the model's context holds %d", what, n_ids,
                       m->config.n_ctx);
    return AE_OK;
}

static ae_status encode(const ae_model *m, const char *text, size_t length, ae_arena *arena, int32_t **ids,
                        size_t *n_ids) {
    int32_t *list = NULL;
    AE_TRY(ae_encode(m, text, length, &list, n_ids));
    *ids = ae_arena_alloc(arena, *n_ids, sizeof **ids);
    if (*ids) memcpy(*ids, list, *n_ids * sizeof **ids);
    ae_free(list);
    return *ids ? AE_OK : ae_no_memory();
}

ae_status ae_encode_prompt(const ae_model *m, const char *what, const char *text, size_t length,
                           ae_arena *arena, int32_t **ids, int32_t *n_ids) {
    int32_t *list;
    size_t n;
    AE_TRY(encode(m, text, length, arena, &list, &n));
    AE_TRY(check_length(m, what, n));
    *ids = list;
    *n_ids = (int32_t)n;
    return AE_OK;
}

// The whole is tokenised at once, the target's tokens are those of " target" alone.
ae_status ae_scored_target(const ae_model *m, const char *prompt, const char *target, ae_arena *arena,
                           ae_scored *out) {
    int32_t *ids = NULL, *targets, n_ids;
    size_t n_prompt, n_targets;
    AE_TRY(ae_encode(m, prompt, strlen(prompt), &ids, &n_prompt));
    ae_free(ids); // their number is all that is asked
    AE_TRY(check_length(m, "the prompt", n_prompt));
    if (!*target) return ae_fail(AE_ERR_ARGUMENT, "the target is empty");
    char *whole = ae_format("%s %s", prompt, target);
    if (!whole) return ae_no_memory();
    ae_status status = encode(m, whole + strlen(prompt), strlen(target) + 1, arena, &targets, &n_targets);
    if (status == AE_OK)
        status = ae_encode_prompt(m, "prompt and target", whole, strlen(whole), arena, &ids, &n_ids);
    ae_free(whole);
    if (status != AE_OK) return status;
    // Merges across the joint can make the whole shorter than its parts; then the target's positions run out.
    if (n_prompt - 1 + n_targets > (size_t)n_ids)
        return ae_fail(AE_ERR_ARGUMENT,
                       "'%s' and '%s' merge into fewer tokens together than apart: they cannot be scored",
                       prompt, target);
    *out = (ae_scored){.ids = ids,
                       .n_ids = n_ids,
                       .first = (int32_t)n_prompt - 1,
                       .n = (int32_t)n_targets,
                       .targets = targets};
    return AE_OK;
}

// ---- the public calls ------------------------------------------------------------------------------

ae_status ae_score(ae_model *m, const char *prompt, const char *const *targets, size_t n_targets,
                   double *nll) {
    if (n_targets == 0) return AE_OK;
    if (n_targets > 65536) return ae_fail(AE_ERR_ARGUMENT, "%zu targets at once; at most 65536", n_targets);
    ae_arena *arena = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    ae_scored *scored = ae_arena_alloc(arena, n_targets, sizeof *scored);
    double *values = ae_arena_alloc(arena, n_targets, sizeof *values); // nll stays untouched on failure
    if (!scored || !values) AE_TRY_GOTO(done, ae_no_memory());
    for (size_t i = 0; i < n_targets; i++)
        AE_TRY_GOTO(done, ae_scored_target(m, prompt, targets[i], arena, &scored[i]));
    AE_TRY_GOTO(done, ae_score_sequences(m, scored, (int32_t)n_targets, values));
    memcpy(nll, values, n_targets * sizeof *nll);
done:
    ae_arena_free(arena);
    return status;
}

ae_status ae_logits(ae_model *m, const char *text, float *out) {
    int32_t *ids = NULL, n_ids = 0;
    ae_arena *arena = NULL;
    ae_store *store = NULL;
    ae_work *work = NULL;
    float *x = NULL, *normed = NULL, *logits = NULL;
    ae_backend *be = m->backend;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    AE_TRY_GOTO(done, ae_encode_prompt(m, "the text", text, strlen(text), arena, &ids, &n_ids));
    const ae_seq seq = {.n_rows = n_ids};
    const int32_t last = n_ids - 1;
    const ae_selection select = {.rows = &last, .n = 1};
    ae_batch batch;
    AE_TRY_GOTO(done, ae_batch_new(arena, &seq, 1, &batch));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n_ids * (size_t)m->config.d_model, &x));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)m->config.d_model, &normed));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)m->config.n_vocab, &logits));
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, n_ids, true, &store));
    AE_TRY_GOTO(done, ae_work_new(m, n_ids, &work));
    AE_TRY_GOTO(done, ae_run_layers(m, &batch, ids, x, store, work, &select));
    AE_TRY_GOTO(done, ae_head_forward(m, x, 1, normed, NULL, NULL, logits));
    int64_t bad = -1;
    AE_TRY_GOTO(done, be->all_finite(be, logits, (size_t)m->config.n_vocab, &bad));
    if (bad >= 0) AE_TRY_GOTO(done, ae_model_blame_at(m, "a logit", ids, n_ids));
    AE_TRY_GOTO(done, be->get(be, out, logits, (size_t)m->config.n_vocab));
done:
    be->release(be, x);
    be->release(be, normed);
    be->release(be, logits);
    ae_store_free(m, store);
    ae_work_free(m, work);
    ae_arena_free(arena);
    return status;
}
