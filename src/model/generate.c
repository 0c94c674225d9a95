#include "model/generate.h"

#include <string.h>

#include "model/sample.h"
#include "text/unicode.h"

// Rows of keys and values, beside those that all share, in memory at once. One sequence alone may need more.
enum { GROUP_ROWS = 1024 };

typedef struct generation {
    ae_model *m;
    ae_continuation *sequences;
    const ae_continue_options *options;
    int32_t n_shared;  // tokens that all prompts begin with: the store's first rows
    bool shared_ready; // their keys and values are there
    int32_t *active;   // sequences of the group that still go on
    int32_t n_active;
    int32_t *own_row; // [n], where each sequence's keys and values begin in the store
    ae_seq *seqs;     // [1 + sequences of a group], of the next pass
    int32_t *ids;     // the tokens of its rows
    ae_store *store;
    ae_work *work;
    float *x, *normed, *logits; // backend memory: [rows, d_model], [n, d_model], [n, n_vocab]
    float *row;                 // [n_vocab], host
} generation;

// Own rows of a sequence in the store. The last token is never looked at.
static int32_t own_rows(const generation *g, const ae_continuation *s) {
    return s->n_prompt - g->n_shared + s->max_new - 1;
}

// What all prompts begin with, each left with one token at least.
static int32_t count_shared(const ae_continuation *sequences, int32_t n) {
    const ae_continuation *first = NULL;
    int32_t shared = 0, n_used = 0;
    for (int32_t i = 0; i < n; i++) {
        const ae_continuation *s = &sequences[i];
        if (s->max_new <= 0) continue;
        n_used++;
        if (!first) {
            first = s;
            shared = s->n_prompt - 1;
        }
        if (s->n_prompt - 1 < shared) shared = s->n_prompt - 1;
        for (int32_t j = 0; j < shared; j++)
            if (s->prompt[j] != first->prompt[j]) shared = j;
    }
    return n_used > 1 ? shared : 0;
}

// Sequences that go together: from the one asked for up to `end`.
typedef struct group {
    int32_t end;
    int32_t n;        // those that have something to do
    int32_t n_rows;   // their tokens in the first pass
    int32_t capacity; // and their rows in the store
} group;

static group group_at(const generation *g, int32_t first, int32_t n_sequences) {
    group p = {.end = first};
    for (; p.end < n_sequences; p.end++) {
        const ae_continuation *s = &g->sequences[p.end];
        if (s->max_new <= 0) continue;
        if (p.n > 0 && own_rows(g, s) > GROUP_ROWS - p.capacity) break;
        p.n++;
        p.n_rows += s->n_prompt - g->n_shared;
        p.capacity += own_rows(g, s);
    }
    return p;
}

static ae_status blame(const generation *g, const ae_continuation *s) {
    int32_t *ids = ae_alloc((size_t)(s->n_prompt + s->n_ids), sizeof *ids);
    if (!ids) return ae_no_memory();
    memcpy(ids, s->prompt, (size_t)s->n_prompt * sizeof *ids);
    if (s->n_ids > 0) memcpy(ids + s->n_prompt, s->ids, (size_t)s->n_ids * sizeof *ids);
    const ae_status status = ae_model_blame_at(g->m, "a logit", ids, s->n_prompt + s->n_ids);
    ae_free(ids);
    return status;
}

// Ends the active sequences whose logits are not finite; the first of them is at `bad`.
static ae_status end_failed(generation *g, int64_t bad) {
    ae_backend *be = g->m->backend;
    const size_t n_vocab = (size_t)g->m->config.n_vocab;
    const ae_continuation *first = &g->sequences[g->active[bad / (int64_t)n_vocab]];
    if (!g->options->go_on) return blame(g, first);
    AE_TRY(ae_model_check_finite(g->m));
    for (int32_t i = (int32_t)(bad / (int64_t)n_vocab); i < g->n_active; i++) {
        AE_TRY(be->all_finite(be, g->logits + (size_t)i * n_vocab, n_vocab, &bad));
        g->sequences[g->active[i]].failed = bad >= 0;
    }
    return AE_OK;
}

// One pass over the new rows of the active sequences and a token for each. n_lead: 1 where a sequence that
// gets none, the shared beginning, goes before them.
static ae_status step(generation *g, ae_arena *arena, int32_t n_lead) {
    ae_model *m = g->m;
    ae_backend *be = m->backend;
    const int32_t n = g->n_active, n_vocab = m->config.n_vocab;
    ae_batch batch;
    AE_TRY(ae_batch_new(arena, g->seqs, n_lead + n, &batch));
    int32_t *last = ae_arena_alloc(arena, (size_t)n, sizeof *last);
    if (!last) return ae_no_memory();
    for (int32_t i = 0; i < n; i++)
        last[i] = batch.seqs[n_lead + i].row + batch.seqs[n_lead + i].n_rows - 1;
    const ae_selection select = {.rows = last, .n = n};
    AE_TRY(ae_run_layers(m, &batch, g->ids, g->x, g->store, g->work, &select));
    AE_TRY(ae_head_forward(m, g->x, n, g->normed, NULL, NULL, g->logits));
    int64_t bad = -1;
    AE_TRY(be->all_finite(be, g->logits, (size_t)n * (size_t)n_vocab, &bad));
    if (bad >= 0) AE_TRY(end_failed(g, bad));

    int32_t still = 0;
    for (int32_t i = 0; i < n; i++) {
        const int32_t index = g->active[i];
        ae_continuation *s = &g->sequences[index];
        if (s->failed) continue;
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

static ae_status step_with_scratch(generation *g, int32_t n_lead) {
    ae_arena *arena = NULL;
    AE_TRY(ae_arena_new(&arena));
    const ae_status status = step(g, arena, n_lead);
    ae_arena_free(arena);
    return status;
}

static ae_status continue_group(generation *g, int32_t first, int32_t end) {
    const int32_t n_lead = g->n_shared > 0 && !g->shared_ready ? 1 : 0;
    int32_t row = 0, own = g->n_shared;
    g->n_active = 0;
    for (int32_t i = first; i < end; i++) {
        const ae_continuation *s = &g->sequences[i];
        if (s->max_new <= 0) continue;
        if (n_lead == 1 && g->n_active == 0) { // the shared beginning goes along with the first group
            g->seqs[0] = (ae_seq){.n_rows = g->n_shared};
            memcpy(g->ids, s->prompt, (size_t)g->n_shared * sizeof *g->ids);
            row = g->n_shared;
        }
        const int32_t n_rows = s->n_prompt - g->n_shared;
        g->own_row[i] = own;
        g->seqs[n_lead + g->n_active] = (ae_seq){.n_rows = n_rows, .ctx_len = g->n_shared, .own_row = own};
        memcpy(g->ids + row, s->prompt + g->n_shared, (size_t)n_rows * sizeof *g->ids);
        g->active[g->n_active++] = i;
        row += n_rows;
        own += own_rows(g, s);
    }
    if (g->n_active == 0) return AE_OK;
    AE_TRY(step_with_scratch(g, n_lead));
    g->shared_ready = true;
    while (g->n_active > 0) {
        for (int32_t i = 0; i < g->n_active; i++) {
            const int32_t index = g->active[i];
            const ae_continuation *s = &g->sequences[index];
            g->seqs[i] = (ae_seq){.n_rows = 1,
                                  .ctx_len = g->n_shared,
                                  .own_row = g->own_row[index],
                                  .past = s->n_prompt - g->n_shared + s->n_ids - 1};
            g->ids[i] = s->ids[s->n_ids - 1];
        }
        AE_TRY(step_with_scratch(g, 0));
    }
    return AE_OK;
}

ae_status ae_continue(ae_model *m, ae_continuation *sequences, int32_t n,
                      const ae_continue_options *options) {
    ae_backend *be = m->backend;
    generation g = {
        .m = m, .sequences = sequences, .options = options, .n_shared = count_shared(sequences, n)};
    int32_t most = 0, rows = 0, capacity = 0; // of any group
    for (int32_t first = 0; first < n;) {
        const group p = group_at(&g, first, n);
        if (p.n > most) most = p.n;
        if (p.n_rows > rows) rows = p.n_rows;
        if (p.capacity > capacity) capacity = p.capacity;
        first = p.end;
    }
    for (int32_t i = 0; i < n; i++) {
        sequences[i].n_ids = 0;
        sequences[i].failed = false;
    }
    if (most == 0) return AE_OK;
    rows += g.n_shared;
    capacity += g.n_shared;

    ae_arena *arena = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    g.active = ae_arena_alloc(arena, (size_t)most, sizeof *g.active);
    g.own_row = ae_arena_alloc(arena, (size_t)n, sizeof *g.own_row);
    g.seqs = ae_arena_alloc(arena, (size_t)most + 1, sizeof *g.seqs);
    g.ids = ae_arena_alloc(arena, (size_t)rows, sizeof *g.ids);
    g.row = ae_arena_alloc(arena, (size_t)m->config.n_vocab, sizeof *g.row);
    if (!g.active || !g.own_row || !g.seqs || !g.ids || !g.row) AE_TRY_GOTO(done, ae_no_memory());
    AE_TRY_GOTO(done, ae_store_new(m, 0, m->config.n_layer, capacity, false, &g.store));
    AE_TRY_GOTO(done, ae_work_new(m, rows, &g.work));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)rows * (size_t)m->config.d_model, &g.x));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)most * (size_t)m->config.d_model, &g.normed));
    AE_TRY_GOTO(done, be->alloc(be, (size_t)most * (size_t)m->config.n_vocab, &g.logits));
    for (int32_t first = 0, end; first < n; first = end) {
        end = group_at(&g, first, n).end;
        AE_TRY_GOTO(done, continue_group(&g, first, end));
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
    if (length == 0) return AE_OK;
    AE_TRY(ae_utf8_replace(s->pending.data, length, &text, &n));
    if (ae_text_drop_nul(text, n) > 0) s->on_token(s->user, text);
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
        return ae_fail(AE_ERR_ARGUMENT, "temperature is %g, expected a number above 0, at most 1e6",
                       o.temperature);

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
    AE_TRY_GOTO(done, ae_model_decode_string(m, new_ids, n_new, text, NULL));
done:
    ae_free(s.pending.data);
    ae_free(ids);
    ae_free(new_ids);
    return status;
}
