#include "eval/measure.h"

#include <math.h>
#include <string.h>

#include "eval/generation_test.h"
#include "model/score.h"

// The prompt of the edit with the subject in its one hole.
static ae_status rewrite_prompt(const ae_request *request, ae_arena *arena, const char **out) {
    const char *hole = strstr(request->prompt, "{}");
    if (!hole) return ae_fail(AE_ERR_ARGUMENT, "prompt '%s' has no '{}' for the subject", request->prompt);
    char *text =
        ae_format("%.*s%s%s", (int)(hole - request->prompt), request->prompt, request->subject, hole + 2);
    *out = text ? ae_arena_strdup(arena, text) : NULL;
    ae_free(text);
    return *out ? AE_OK : ae_no_memory();
}

// ---- CounterFact: probabilities of both targets ----------------------------------------------------

static ae_status measure_pairs(ae_model *m, const ae_record *record, ae_arena *arena, ae_case_measure *out) {
    const char *targets[2] = {record->request.target_new, record->request.target_true};
    const char *rewrite;
    AE_TRY(rewrite_prompt(&record->request, arena, &rewrite));
    const struct {
        ae_prompt_list prompts;
        ae_pairs *pairs;
    } lists[] = {{{&rewrite, 1}, &out->rewrite},
                 {record->paraphrases, &out->paraphrases},
                 {record->neighborhood, &out->neighborhood},
                 {record->attributes, &out->attributes}};
    enum { N_LISTS = sizeof lists / sizeof *lists };
    size_t n = 0;
    for (int l = 0; l < N_LISTS; l++)
        n += lists[l].prompts.count;
    ae_scored *scored = ae_arena_alloc(arena, 2 * n, sizeof *scored);
    double *nll = ae_arena_alloc(arena, 2 * n, sizeof *nll);
    if (!scored || !nll) return ae_no_memory();
    ae_scored *next = scored;
    for (int l = 0; l < N_LISTS; l++)
        for (size_t i = 0; i < lists[l].prompts.count; i++)
            for (int t = 0; t < 2; t++) {
                const char *prompt = lists[l].prompts.items[i];
                const ae_status status = ae_scored_target(m, prompt, targets[t], arena, next++);
                if (status != AE_OK)
                    return ae_fail_context(status, "prompt '%.80s', target '%.80s'", prompt, targets[t]);
            }
    AE_TRY(ae_score_sequences(m, scored, (int32_t)(2 * n), nll));
    for (int l = 0; l < N_LISTS; l++) {
        const size_t count = lists[l].prompts.count;
        ae_pair *pairs = ae_arena_alloc(arena, count, sizeof *pairs);
        if (!pairs) return ae_no_memory();
        for (size_t i = 0; i < count; i++, nll += 2)
            pairs[i] = (ae_pair){.target_new = nll[0], .target_true = nll[1]};
        *lists[l].pairs = (ae_pairs){pairs, count};
    }
    return AE_OK;
}

// ---- zsRE: is each token of the answer the likeliest -----------------------------------------------

// Questions to the model, and the token that answers each.
typedef struct questions {
    const int32_t **ids;
    int32_t *lengths, *answers, *likeliest;
    size_t n, capacity;
} questions;

// Tokens of " " + target.
static ae_status target_tokens(const ae_model *m, const char *target, ae_arena *arena, int32_t **ids,
                               size_t *n) {
    char *spaced = ae_format(" %s", target);
    if (!spaced) return ae_no_memory();
    int32_t *list = NULL;
    ae_status status = ae_encode(m, spaced, strlen(spaced), &list, n);
    ae_free(spaced);
    if (status != AE_OK) return status;
    *ids = ae_arena_alloc(arena, *n, sizeof **ids);
    if (*ids) memcpy(*ids, list, *n * sizeof **ids);
    ae_free(list);
    return *ids ? AE_OK : ae_no_memory();
}

// prompt + decode(the target's first tokens) as tokens. Text, not ids, as the reference asks it: a token that
// cuts a character decodes to U+FFFD, and the joint may merge.
static ae_status ask(const ae_model *m, const char *prompt, const int32_t *target, size_t n_before,
                     ae_arena *arena, questions *q) {
    char *before = NULL;
    size_t length = 0;
    AE_TRY(ae_model_decode(m, target, n_before, &before, &length));
    ae_text text = {0};
    ae_status status = ae_text_append(&text, prompt, strlen(prompt));
    if (status == AE_OK) status = ae_text_append(&text, before, length);
    int32_t *ids;
    if (status == AE_OK)
        status =
            ae_encode_prompt(m, "prompt and answer", text.data, text.length, arena, &ids, &q->lengths[q->n]);
    ae_free(before);
    ae_free(text.data);
    if (status != AE_OK) return ae_fail_context(status, "prompt '%.80s'", prompt);
    q->ids[q->n] = ids;
    return AE_OK;
}

// The first token of decode(token), tokenised again.
static ae_status expect(const ae_model *m, int32_t token, int32_t *answer) {
    char *text = NULL;
    size_t length = 0, n = 0;
    int32_t *ids = NULL;
    AE_TRY(ae_model_decode(m, &token, 1, &text, &length));
    const ae_status status = ae_encode(m, text, length, &ids, &n);
    ae_free(text);
    if (status != AE_OK) return status;
    *answer = n > 0 ? ids[0] : -1; // the old clean-up of spaces can leave nothing: nothing matches that
    ae_free(ids);
    return AE_OK;
}

static ae_status add_questions(const ae_model *m, const ae_prompt_list *prompts, const int32_t *target,
                               size_t n_target, ae_arena *arena, questions *q) {
    for (size_t p = 0; p < prompts->count; p++)
        for (size_t i = 0; i < n_target; i++) {
            AE_TRY(ask(m, prompts->items[p], target, i, arena, q));
            AE_TRY(expect(m, target[i], &q->answers[q->n]));
            q->n++;
        }
    return AE_OK;
}

static ae_status measure_tokens(ae_model *m, const ae_record *record, ae_arena *arena, ae_case_measure *out) {
    const char *rewrite;
    AE_TRY(rewrite_prompt(&record->request, arena, &rewrite));
    int32_t *target, *other = NULL;
    size_t n_target, n_other = 0;
    AE_TRY(target_tokens(m, record->request.target_new, arena, &target, &n_target));
    if (record->neighborhood_target)
        AE_TRY(target_tokens(m, record->neighborhood_target, arena, &other, &n_other));
    const struct {
        ae_prompt_list prompts;
        const int32_t *target;
        size_t n_target;
        ae_bools *correct;
    } lists[] = {{{&rewrite, 1}, target, n_target, &out->rewrite_correct},
                 {record->paraphrases, target, n_target, &out->paraphrases_correct},
                 {record->neighborhood, other, n_other, &out->neighborhood_correct}};
    enum { N_LISTS = sizeof lists / sizeof *lists };
    size_t n = 0;
    for (int l = 0; l < N_LISTS; l++)
        n += lists[l].prompts.count * lists[l].n_target;
    questions q = {.ids = ae_arena_alloc(arena, n, sizeof *q.ids),
                   .lengths = ae_arena_alloc(arena, n, sizeof *q.lengths),
                   .answers = ae_arena_alloc(arena, n, sizeof *q.answers),
                   .likeliest = ae_arena_alloc(arena, n, sizeof *q.likeliest)};
    bool *correct = ae_arena_alloc(arena, n, sizeof *correct);
    if (!q.ids || !q.lengths || !q.answers || !q.likeliest || !correct) return ae_no_memory();
    for (int l = 0; l < N_LISTS; l++)
        AE_TRY(add_questions(m, &lists[l].prompts, lists[l].target, lists[l].n_target, arena, &q));
    AE_TRY(ae_likeliest_next(m, q.ids, q.lengths, (int32_t)n, q.likeliest));
    for (size_t i = 0; i < n; i++)
        correct[i] = q.likeliest[i] == q.answers[i];
    for (int l = 0; l < N_LISTS; l++) {
        const size_t count = lists[l].prompts.count * lists[l].n_target;
        *lists[l].correct = (ae_bools){correct, count};
        correct += count;
    }
    return AE_OK;
}

ae_status ae_measure_case(ae_model *m, const ae_dataset *dataset, size_t index, const ae_snippets *snippets,
                          bool generate, uint64_t seed, ae_arena *arena, ae_case_measure *out) {
    const ae_record *record = &dataset->records[index];
    ae_case_measure measure = {.kind = dataset->kind};
    ae_status status = dataset->kind == AE_DATASET_ZSRE ? measure_tokens(m, record, arena, &measure)
                                                        : measure_pairs(m, record, arena, &measure);
    if (status == AE_OK && generate && snippets)
        status = ae_generation_test(m, dataset, index, snippets, seed, arena, &measure.generation);
    if (status != AE_OK) return ae_fail_context(status, "case %lld", (long long)record->case_id);
    *out = measure;
    return AE_OK;
}

// ---- means -----------------------------------------------------------------------------------------

// Share of the pairs in which the first is strictly likelier.
static double share_likelier(const ae_pairs *pairs, bool new_first) {
    size_t n = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const ae_pair *p = &pairs->items[i];
        n += new_first ? p->target_new < p->target_true : p->target_true < p->target_new;
    }
    return pairs->count > 0 ? (double)n / (double)pairs->count : NAN;
}

static double share_correct(const ae_bools *list) {
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++)
        n += list->items[i];
    return list->count > 0 ? (double)n / (double)list->count : NAN;
}

ae_case_means ae_case_measure_means(const ae_case_measure *measure) {
    if (measure->kind == AE_DATASET_ZSRE)
        return (ae_case_means){.efficacy = share_correct(&measure->rewrite_correct),
                               .paraphrase = share_correct(&measure->paraphrases_correct),
                               .neighborhood = share_correct(&measure->neighborhood_correct)};
    return (ae_case_means){.efficacy = share_likelier(&measure->rewrite, true),
                           .paraphrase = share_likelier(&measure->paraphrases, true),
                           .neighborhood = share_likelier(&measure->neighborhood, false)};
}
