#include "eval/generation_test.h"

#include <math.h>
#include <string.h>

#include "eval/metrics.h"
#include "model/generate.h"
#include "model/score.h"

enum { TEXT_TOKENS = 100, ESSENCE_TOKENS = 100, TOP_K = 5 };

// The prompts' tokens, and behind each room for those to come.
static ae_status prepare(const ae_model *m, const ae_record *record, uint64_t seed, ae_arena *arena,
                         ae_continuation *sequences) {
    const int32_t length = m->config.n_ctx < TEXT_TOKENS ? m->config.n_ctx : TEXT_TOKENS;
    for (size_t i = 0; i < record->generation.count; i++) {
        const char *prompt = record->generation.items[i];
        int32_t *ids, n_ids;
        AE_TRY(ae_encode_prompt(m, "a generation prompt", prompt, strlen(prompt), arena, &ids, &n_ids));
        const int32_t max_new = n_ids < length ? length - n_ids : 0;
        int32_t *all = ae_arena_alloc(arena, (size_t)(n_ids + max_new), sizeof *all);
        if (!all) return ae_no_memory();
        memcpy(all, ids, (size_t)n_ids * sizeof *all);
        sequences[i] = (ae_continuation){
            .prompt = all,
            .n_prompt = n_ids,
            .max_new = max_new,
            .random = ae_random_stream(seed, (uint64_t)record->case_id, i),
            .ids = all + n_ids,
        };
    }
    return AE_OK;
}

static ae_status write_texts(ae_model *m, const ae_record *record, uint64_t seed, ae_arena *arena,
                             ae_generation *out) {
    const size_t n = record->generation.count;
    ae_continuation *sequences = ae_arena_alloc(arena, n, sizeof *sequences);
    out->texts = ae_arena_alloc(arena, n, sizeof *out->texts);
    if (!sequences || !out->texts) return ae_no_memory();
    AE_TRY(prepare(m, record, seed, arena, sequences));
    const ae_continue_options how = {.top_k = TOP_K, .temperature = 1.0, .stop_id = -1};
    AE_TRY(ae_continue(m, sequences, (int32_t)n, &how));
    for (size_t i = 0; i < n; i++) {
        const ae_continuation *s = &sequences[i];
        char *text = NULL;
        AE_TRY(ae_sampled_text(m, s->prompt, (size_t)(s->n_prompt + s->n_ids), &text));
        out->texts[i] = ae_arena_strdup(arena, text);
        ae_free(text);
        if (!out->texts[i]) return ae_no_memory();
    }
    out->n_texts = n;
    return AE_OK;
}

// Perplexity as the reference counts it: the sum of T - 1 log-probabilities over T tokens.
static ae_status score_essence(ae_model *m, const char *text, ae_arena *arena, double *out) {
    int32_t *ids = NULL;
    size_t n_ids = 0;
    AE_TRY(ae_encode(m, text, strlen(text), &ids, &n_ids));
    size_t n = n_ids < ESSENCE_TOKENS ? n_ids : ESSENCE_TOKENS;
    if (n > (size_t)m->config.n_ctx) n = (size_t)m->config.n_ctx;
    int32_t *kept = ae_arena_alloc(arena, n, sizeof *kept);
    if (kept) memcpy(kept, ids, n * sizeof *kept);
    ae_free(ids);
    if (!kept) return ae_no_memory();
    double nll = 0; // of the tokens behind the first
    if (n > 1) {
        const ae_scored all = {
            .ids = kept, .n_ids = (int32_t)n, .first = 0, .n = (int32_t)n - 1, .targets = kept + 1};
        AE_TRY(ae_score_sequences(m, &all, 1, &nll));
    }
    *out = n > 0 ? exp(nll * (double)(n - 1) / (double)n) : NAN;
    return AE_OK;
}

ae_status ae_generation_test(ae_model *m, const ae_dataset *dataset, size_t index,
                             const ae_snippets *snippets, uint64_t seed, ae_arena *arena,
                             const ae_generation **out) {
    const ae_record *record = &dataset->records[index];
    *out = NULL;
    if (record->generation.count == 0) return AE_OK;
    bool found = false;
    double unused;
    AE_TRY(ae_snippets_reference_score(snippets, record, NULL, 0, &found, &unused)); // are there any?
    if (!found) return AE_OK;
    ae_generation *g = ae_arena_alloc(arena, 1, sizeof *g);
    if (!g) return ae_no_memory();
    AE_TRY(write_texts(m, record, seed, arena, g));
    const char *const *texts = (const char *const *)g->texts;
    AE_TRY(ae_ngram_entropy(texts, g->n_texts, &g->ngram_entropy));
    AE_TRY(ae_snippets_reference_score(snippets, record, texts, g->n_texts, &g->has_reference,
                                       &g->reference_score));
    g->essence_text = ae_snippets_essence(snippets, index);
    if (g->essence_text) AE_TRY(score_essence(m, g->essence_text, arena, &g->essence_score));
    *out = g;
    return AE_OK;
}
