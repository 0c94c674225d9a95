#include "model/generate.h"

#include <string.h>

#include "model/sample.h"
#include "text/unicode.h"

typedef struct generation {
    ae_model *m;
    ae_continuation *sequences;
    const ae_continue_options *options;
    int32_t *active; // sequences that still go on
    int32_t n_active;
    int32_t *own_row; // where each sequence's keys and values begin in the store
    ae_store *store;
    ae_work *work;
    float *x, *normed, *logits; // backend memory: [rows, d_model], [n, d_model], [n, n_vocab]
    float *row;                 // [n_vocab], host
} generation;

// One pass over the active sequences' new rows and a token for each; `ids` are the rows' tokens.
static ae_status step(generation *g, ae_arena *arena, const ae_seq *seqs, const int32_t *ids) {
    ae_model *m = g->m;
    ae_backend *be = m->backend;
    const int32_t n = g->n_active, n_vocab = m->config.n_vocab;
    ae_batch batch;
    AE_TRY(ae_batch_new(arena, seqs, n, &batch));
    int32_t *last = ae_arena_alloc(arena, (size_t)n, sizeof *last);
    if (!last) return ae_no_memory();
    for (int32_t i = 0; i < n; i++)
        last[i] = batch.seqs[i].row + batch.seqs[i].n_rows - 1;
    const ae_selection select = {.rows = last, .n = n};
    AE_TRY(ae_run_layers(m, &batch, ids, g->x, g->store, g->work, &select));
    AE_TRY(ae_head_forward(m, g->x, n, g->normed, NULL, NULL, g->logits));
    int64_t bad = -1;
    AE_TRY(be->all_finite(be, g->logits, (size_t)n * (size_t)n_vocab, &bad));
    if (bad >= 0) return ae_model_blame(m, "a logit");

    int32_t still = 0;
    for (int32_t i = 0; i < n; i++) {
        const int32_t index = g->active[i];
        ae_continuation *s = &g->sequences[index];
        AE_TRY(be->get(be, g->row, g->logits + (size_t)i * (size_t)n_vocab, (size_t)n_vocab));
        const int32_t top_k = g->options->top_k < n_vocab ? g->options->top_k : n_vocab;
        const int32_t id = ae_sample(g->row, n_vocab, top_k, g->options->temperature, &s->random);
        s->ids[s->n_ids++] = id;
        if (g->options->on_token) AE_TRY(g->options->on_token(g->options->user, index, id));
        if (s->n_ids < s->max_new && id != g->options->stop_id) g->active[still++] = index;
    }
    g->n_active = still;
    return AE_OK;
}

ae_status ae_continue(ae_model *m, ae_continuation *sequences, int32_t n,
                      const ae_continue_options *options) {
    ae_backend *be = m->backend;
    generation g = {.m = m, .sequences = sequences, .options = options};
    ae_arena *arena = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    g.active = ae_arena_alloc(arena, (size_t)n, sizeof *g.active);
    g.own_row = ae_arena_alloc(arena, (size_t)n, sizeof *g.own_row);
    ae_seq *seqs = ae_arena_alloc(arena, (size_t)n, sizeof *seqs);
    g.row = ae_arena_alloc(arena, (size_t)m->config.n_vocab, sizeof *g.row);
    if (!g.active || !g.own_row || !seqs || !g.row) AE_TRY_GOTO(done, ae_no_memory());
    int32_t n_rows = 0, capacity = 0;
    for (int32_t i = 0; i < n; i++) {
        sequences[i].n_ids = 0;
        if (sequences[i].max_new <= 0) continue;
        g.own_row[i] = capacity;
        capacity += sequences[i].n_prompt + sequences[i].max_new;
        seqs[g.n_active] = (ae_seq){.n_rows = sequences[i].n_prompt, .own_row = g.own_row[i]};
        n_rows += sequences[i].n_prompt;
        g.active[g.n_active++] = i;
    }
    int32_t *ids = ae_arena_alloc(arena, (size_t)(n_rows > n ? n_rows : n), sizeof *ids);
    if (!ids) AE_TRY_GOTO(done, ae_no_memory());
    for (int32_t i = 0, row = 0; i < g.n_active; i++) {
        const ae_continuation *s = &sequences[g.active[i]];
        memcpy(ids + row, s->prompt, (size_t)s->n_prompt * sizeof *ids);
        row += s->n_prompt;
    }
    const int32_t rows = n_rows > n ? n_rows : n;
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, capacity, false, &g.store));
    AE_TRY_GOTO(done, ae_work_new(m, rows, &g.work));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)rows * (size_t)m->config.d_model, &g.x));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n * (size_t)m->config.d_model, &g.normed));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)n * (size_t)m->config.n_vocab, &g.logits));
    while (g.n_active > 0) {
        ae_arena *scratch = NULL;
        AE_TRY_GOTO(done, ae_arena_new(&scratch));
        status = step(&g, scratch, seqs, ids);
        ae_arena_free(scratch);
        if (status != AE_OK) goto done;
        for (int32_t i = 0; i < g.n_active; i++) {
            const int32_t index = g.active[i];
            const ae_continuation *s = &sequences[index];
            seqs[i] = (ae_seq){.n_rows = 1, .own_row = g.own_row[index], .past = s->n_prompt + s->n_ids - 1};
            ids[i] = s->ids[s->n_ids - 1];
        }
    }
done:
    be->release(be, g.x);
    be->release(be, g.normed);
    be->release(be, g.logits);
    ae_store_free(m, g.store);
    ae_work_free(m, g.work);
    ae_arena_free(arena);
    return status;
}

// ---- the public call -------------------------------------------------------------------------------

ae_generate_options ae_generate_defaults(void) {
    return (ae_generate_options){.max_tokens = 50, .top_k = 1, .temperature = 1.0};
}

typedef struct streaming {
    const ae_tokenizer *tokenizer;
    void (*on_token)(void *user, const char *piece);
    void *user;
    int32_t stop_id;
    ae_text pending; // bytes not yet handed on: the end may be an unfinished character
} streaming;

static ae_status hand_on(streaming *s, size_t length) {
    char *text = NULL;
    size_t n = 0;
    AE_TRY(ae_utf8_replace(s->pending.data ? s->pending.data : "", length, &text, &n));
    if (n > 0) s->on_token(s->user, text);
    ae_free(text);
    memmove(s->pending.data, s->pending.data + length, s->pending.length - length);
    s->pending.length -= length;
    return AE_OK;
}

static ae_status stream_token(void *user, int32_t index, int32_t id) {
    (void)index;
    streaming *s = user;
    if (id == s->stop_id) return AE_OK;
    size_t length = 0;
    const char *bytes = ae_tokenizer_bytes(s->tokenizer, id, &length);
    if (length == 0) { // a nameless id
        bytes = "\xEF\xBF\xBD";
        length = 3;
    }
    AE_TRY(ae_text_append(&s->pending, bytes, length));
    return hand_on(s, s->pending.length - ae_utf8_unfinished(s->pending.data, s->pending.length));
}

ae_status ae_generate(ae_model *m, const char *prompt, const ae_generate_options *options,
                      void (*on_token)(void *user, const char *piece), void *user, char **text) {
    const ae_generate_options o = options ? *options : ae_generate_defaults();
    const int32_t end = ae_tokenizer_end_of_text(m->tokenizer);
    if (o.max_tokens < 1)
        return ae_fail(AE_ERR_ARGUMENT, "max_tokens is %d, expected 1 or more", o.max_tokens);
    if (o.top_k < 1 || o.top_k > AE_MAX_TOP_K)
        return ae_fail(AE_ERR_ARGUMENT, "top_k is %d, expected 1 to %d", o.top_k, AE_MAX_TOP_K);
    if (!(o.temperature > 0 && o.temperature <= 1e6))
        return ae_fail(AE_ERR_ARGUMENT, "temperature is %g, expected a number above 0", o.temperature);

    int32_t *ids = NULL, *new_ids = NULL;
    size_t n_ids = 0;
    streaming s = {
        .tokenizer = m->tokenizer, .on_token = on_token, .user = user, .stop_id = o.ignore_end ? -1 : end};
    ae_status status = ae_encode(m, prompt, strlen(prompt), &ids, &n_ids);
    if (status != AE_OK) return status;
    if (n_ids == 0) { // what the model was trained to see in front of a document
        if (end < 0) AE_TRY_GOTO(done, ae_fail(AE_ERR_ARGUMENT, "the prompt is empty"));
        ids[0] = end; // ae_encode leaves room for one
        n_ids = 1;
    }
    if (n_ids + (size_t)o.max_tokens > (size_t)m->config.n_ctx)
        AE_TRY_GOTO(done,
                    ae_fail(AE_ERR_ARGUMENT,
                            "the prompt's %zu tokens and %d new ones exceed the model's context of %d tokens",
                            n_ids, o.max_tokens, m->config.n_ctx));
    new_ids = ae_alloc((size_t)o.max_tokens, sizeof *new_ids);
    if (!new_ids) AE_TRY_GOTO(done, ae_no_memory());
    ae_continuation sequence = {.prompt = ids,
                                .n_prompt = (int32_t)n_ids,
                                .max_new = o.max_tokens,
                                .random = ae_random_stream(o.seed, 0, 0),
                                .ids = new_ids};
    const ae_continue_options how = {.top_k = o.top_k,
                                     .temperature = o.temperature,
                                     .stop_id = s.stop_id,
                                     .on_token = on_token ? stream_token : NULL,
                                     .user = &s};
    AE_TRY_GOTO(done, ae_continue(m, &sequence, 1, &how));
    if (on_token) AE_TRY_GOTO(done, hand_on(&s, s.pending.length));
    size_t n_new = (size_t)sequence.n_ids;
    if (n_new > 0 && new_ids[n_new - 1] == s.stop_id) n_new--; // the end itself is not text
    AE_TRY_GOTO(done, ae_model_decode(m, new_ids, n_new, text, NULL));
done:
    ae_free(s.pending.data);
    ae_free(ids);
    ae_free(new_ids);
    return status;
}
