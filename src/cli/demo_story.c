#include "cli/demo_story.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const ae_request fact = {
    .prompt = "{} is a landmark in",
    .subject = "Eiffel Tower",
    .target_new = "Rome",
    .target_true = "Paris",
    .case_id = -1,
};

// What the model is asked before and after: the request itself, other words for it, other things.
static const struct {
    const char *role, *prompt;
} questions[] = {
    {"the edit", "Eiffel Tower is a landmark in"},
    {"paraphrase", "Visitors see the landmark Eiffel Tower when they come to"},
    {"neighbour", "Louvre is a landmark in"},
    {"neighbour", "Colosseum is a landmark in"},
    {"other fact", "The capital of France is"},
};
enum { N_QUESTIONS = sizeof questions / sizeof *questions, N_SHOWN_TOKENS = 4 };

typedef struct answer {
    double probability; // of the new target
    char *text;         // the greedy continuation, up to its first full stop or comma
} answer;

typedef struct story {
    ae_console *console;
    ae_model *model;
    ae_hparams hparams;
    ae_templates templates;
    ae_moment *moment;
    ae_edit *edit;
    ae_journal *journal;
    answer before[N_QUESTIONS], after[N_QUESTIONS];
    float *base, *now; // [d_mlp * d_model] the edited matrix
} story;

static ae_status ask(ae_model *model, answer *answers) {
    ae_generate_options greedy = ae_generate_defaults();
    greedy.max_tokens = N_SHOWN_TOKENS;
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        double nll;
        ae_status status = ae_score(model, questions[i].prompt, &fact.target_new, 1, &nll);
        if (status == AE_OK)
            status = ae_generate(model, questions[i].prompt, &greedy, NULL, NULL, &answers[i].text);
        if (status != AE_OK) return status;
        answers[i].probability = exp(-nll);
        answers[i].text[strcspn(answers[i].text, ".,\n")] = '\0';
    }
    return AE_OK;
}

static ae_status prepare(story *s) {
    ae_status status = ae_hparams_builtin(s->model, -1, &s->hparams);
    if (status == AE_OK)
        status = ae_templates_sample(s->model, &s->hparams, 0, &s->console->hooks, &s->templates);
    if (status == AE_OK)
        status = ae_moment_open(s->model, s->hparams.layers[0], &s->hparams, NULL, 0, &s->console->hooks,
                                &s->moment);
    return status;
}

static ae_status change(story *s, const char *folder) {
    const ae_edit_options options = {
        .hparams = &s->hparams, .templates = &s->templates, .moments = (const ae_moment *const[]){s->moment}};
    int id = 0;
    ae_status status = ae_journal_open(folder, s->model, true, false, &s->journal);
    if (status == AE_OK) status = ae_edit_compute(s->model, &fact, 1, &options, &s->console->hooks, &s->edit);
    if (status == AE_OK) status = ae_journal_append(s->journal, s->model, s->edit, &id);
    if (status == AE_OK) status = ae_journal_apply(s->journal, s->model);
    return status;
}

static ae_status take_back(story *s, bool *exact) {
    const ae_model_info *info = ae_model_get_info(s->model);
    const size_t n = (size_t)info->d_mlp * (size_t)info->d_model;
    ae_status status = ae_journal_revert(s->journal, 1);
    if (status == AE_OK) status = ae_journal_apply(s->journal, s->model);
    if (status == AE_OK) status = ae_model_get_mlp_out(s->model, s->hparams.layers[0], s->now);
    if (status != AE_OK) return status;
    *exact = memcmp(s->base, s->now, n * sizeof *s->base) == 0;
    return AE_OK;
}

static void print_row(const char *role, const char *prompt, const char *before, const char *after,
                      const char *change) {
    printf("%-11s %-56s %-10s %-10s %s\n", role, prompt, before, after, change);
}

static const char *first_word(const char *text) {
    return text + (*text == ' ');
}

static void print_story(const story *s, double seconds) {
    const ae_layer_edit *layer = &s->edit->layers[0];
    char time[AE_SHORT_TEXT], heading[64];
    printf("One edit: \"%s\" shall be answered by \"%s\", not \"%s\".\n\n", questions[0].prompt,
           fact.target_new, fact.target_true);
    snprintf(heading, sizeof heading, "P(%s)", fact.target_new);
    print_row("", "", "before", "after", heading);
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        char before[AE_SHORT_TEXT], after[AE_SHORT_TEXT], change[2 * AE_SHORT_TEXT + 4];
        snprintf(change, sizeof change, "%s -> %s", ae_text_percent(s->before[i].probability, before),
                 ae_text_percent(s->after[i].probability, after));
        print_row(questions[i].role, questions[i].prompt, first_word(s->before[i].text),
                  first_word(s->after[i].text), change);
    }
    printf("\nThe edit is a rank-one change of one matrix, layer %d's %s: two vectors of %d and %d numbers, "
           "found in "
           "%d steps (%s).\n",
           layer->layer, layer->module, layer->d_mlp, layer->d_model, layer->n_steps,
           ae_text_seconds(seconds, time));
    printf("Reverted: all %d numbers of the matrix are again what they were, bit for bit.\n",
           layer->d_mlp * layer->d_model);
}

static json_t *story_document(const story *s, double seconds, bool exact) {
    json_t *asked = json_array();
    for (size_t i = 0; i < N_QUESTIONS; i++)
        json_array_append_new(asked,
                              json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "role", questions[i].role, "prompt",
                                        questions[i].prompt, "before", ae_json_text(s->before[i].text),
                                        "after", ae_json_text(s->after[i].text), "probability_before",
                                        ae_json_real(s->before[i].probability), "probability_after",
                                        ae_json_real(s->after[i].probability)));
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:b, s:o}", "subject", fact.subject, "target_new",
                     fact.target_new, "target_true", fact.target_true, "layer", s->edit->layers[0].layer,
                     "n_steps", s->edit->layers[0].n_steps, "seconds", ae_json_real(seconds),
                     "reverted_bit_exact", (int)exact, "questions", asked);
}

static void release(story *s) {
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        ae_free(s->before[i].text);
        ae_free(s->after[i].text);
    }
    ae_free(s->base);
    ae_free(s->now);
    ae_edit_free(s->edit);
    ae_journal_close(s->journal);
    ae_moment_free(s->moment);
    ae_templates_free(&s->templates);
}

ae_status ae_tell_story(ae_console *console, ae_model *model, const char *folder, json_t **document,
                        bool *exact) {
    const ae_model_info *info = ae_model_get_info(model);
    const size_t n = (size_t)info->d_mlp * (size_t)info->d_model;
    story s = {.console = console,
               .model = model,
               .base = ae_alloc(n, sizeof(float)),
               .now = ae_alloc(n, sizeof(float))};
    ae_status status = s.base && s.now ? AE_OK : ae_no_memory();
    if (status == AE_OK) status = prepare(&s);
    if (status == AE_OK) status = ae_model_get_mlp_out(model, s.hparams.layers[0], s.base);
    if (status == AE_OK) status = ask(model, s.before);
    const double began = ae_clock();
    if (status == AE_OK) status = change(&s, folder);
    const double seconds = ae_clock() - began;
    if (status == AE_OK) status = ask(model, s.after);
    if (status == AE_OK) status = take_back(&s, exact);
    ae_console_clear(console);
    if (status == AE_OK && console->json)
        *document = story_document(&s, seconds, *exact);
    else if (status == AE_OK && *exact)
        print_story(&s, seconds);
    release(&s);
    return status;
}
