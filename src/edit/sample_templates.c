// Context templates sampled from the model (spec: editing §3).
#include "aedile/edit.h"
#include "edit/templates.h"
#include "model/generate.h"

// What names the random stream of template i: (seed, TEMPLATES, i).
enum { TEMPLATES = 1, TOP_K = 5 };

// The sampled ids (behind the first, <|endoftext|>) as a template.
static ae_status make_template(const ae_model *m, const int32_t *ids, int32_t n_ids, char **out) {
    char *text = NULL;
    AE_TRY(ae_sampled_text(m, ids, (size_t)n_ids, &text));
    *out = ae_format("%s. {}", text);
    ae_free(text);
    return *out ? AE_OK : ae_no_memory();
}

static int32_t count_templates(const ae_hparams *hparams) {
    int32_t n = 0;
    for (int i = 0; i < hparams->n_template_lengths; i++)
        n += hparams->template_lengths[i][1];
    return n;
}

ae_status ae_templates_sample(ae_model *m, const ae_hparams *hparams, uint64_t seed, const ae_hooks *hooks,
                              ae_templates *out) {
    AE_TRY(ae_hparams_check(hparams, m));
    const int32_t end = ae_tokenizer_end_of_text(m->tokenizer), n = count_templates(hparams);
    if (n > 0 && end < 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "the tokenizer of '%s' has no <|endoftext|> to start templates from: give templates "
                       "in a file (--templates)",
                       m->info.folder);
    ae_templates t = {.count = (size_t)n + 1};
    ae_arena *arena = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&arena));
    ae_continuation *sequences = ae_arena_alloc(arena, (size_t)n, sizeof *sequences);
    t.text = ae_alloc((size_t)n + 1, sizeof *t.text);
    if (!sequences || !t.text || !(t.text[0] = ae_strdup("{}"))) AE_TRY_GOTO(done, ae_no_memory());
    for (int32_t i = 0, kind = 0, left = hparams->template_lengths[0][1]; i < n; i++, left--) {
        while (left == 0)
            left = hparams->template_lengths[++kind][1];
        const int32_t max_new = hparams->template_lengths[kind][0] - 1; // the length counts the first token
        sequences[i] = (ae_continuation){.prompt = &end,
                                         .n_prompt = 1,
                                         .max_new = max_new,
                                         .random = ae_random_stream(seed, TEMPLATES, (uint64_t)i),
                                         .ids = ae_arena_alloc(arena, (size_t)max_new, sizeof(int32_t))};
        if (!sequences[i].ids) AE_TRY_GOTO(done, ae_no_memory());
    }
    AE_TRY_GOTO(done, ae_progress(hooks, "sampling context templates", 0, n, "templates"));
    const ae_continue_options how = {.top_k = TOP_K, .temperature = 1.0, .stop_id = -1};
    if (n > 0) AE_TRY_GOTO(done, ae_continue(m, sequences, n, &how));
    for (int32_t i = 0; i < n; i++)
        AE_TRY_GOTO(done, make_template(m, sequences[i].ids, sequences[i].n_ids, &t.text[i + 1]));
    AE_TRY_GOTO(done, ae_templates_finish(&t));
done:
    ae_arena_free(arena);
    if (status != AE_OK) {
        ae_templates_free(&t);
        return status;
    }
    *out = t;
    return AE_OK;
}
