// aedile score: how likely the model holds given continuations.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/session.h"

typedef struct values {
    ae_common common;
    const char *prompt;
    ae_texts targets;
} values;

static json_t *score_document(const ae_model *model, const values *v, const double *nll) {
    json_t *list = json_array();
    for (size_t i = 0; i < v->targets.count; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o}", "target", ae_json_text(v->targets.items[i]), "nll",
                                        ae_json_real(nll[i]), "probability", ae_json_real(exp(-nll[i]))));
    return json_pack("{s:o, s:o, s:o}", "model", ae_json_text(ae_model_get_info(model)->name), "prompt",
                     ae_json_text(v->prompt), "targets", list);
}

static void print_scores(const values *v, const double *nll) {
    char percent[AE_SHORT_TEXT];
    printf("%12s %12s  target\n", "nats/token", "probability");
    for (size_t i = 0; i < v->targets.count; i++) {
        printf("%12.4f %12s  ", nll[i], ae_text_percent(exp(-nll[i]), percent));
        ae_print_quoted(v->targets.items[i]);
        putchar('\n');
    }
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    for (size_t i = 0; i < v->targets.count; i++)
        if (v->targets.items[i][0] == ' ')
            ae_console_warn(
                console,
                "the target '%s' begins with a space and is scored with two: one is put before every target",
                v->targets.items[i]);
    double *nll = calloc(v->targets.count, sizeof *nll);
    if (!nll) return ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory");
    ae_session session = {0};
    ae_status status = ae_session_open(words->items[0], &v->common, &session);
    if (status == AE_OK) status = ae_score(session.model, v->prompt, v->targets.items, v->targets.count, nll);
    int code = AE_EXIT_OK;
    if (status != AE_OK)
        code = ae_console_fail(console, status);
    else if (console->json)
        code = ae_console_document(console, score_document(session.model, v, nll));
    else
        print_scores(v, nll);
    ae_session_close(&session);
    free(nll);
    return code;
}

static const ae_option options[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = AE_OPTION_TEXT,
     .argument = "TEXT",
     .required = true,
     .offset = offsetof(values, prompt),
     .section = "Text",
     .help = "The text that comes first."},
    {.name = "target",
     .letter = 't',
     .kind = AE_OPTION_TEXTS,
     .argument = "TEXT...",
     .required = true,
     .offset = offsetof(values, targets),
     .help = "A continuation, without its leading space. More than one may follow, and the option may be "
             "repeated."},
    {0},
};

const ae_command ae_command_score = {
    .name = "score",
    .brief = "compare how likely the model holds several continuations",
    .usage = {"MODEL --prompt TEXT --target TEXT... [options]"},
    .about = "For each target: the mean negative log-probability in nats a token of a space and the target "
             "after the prompt, "
             "and exp of its negative, the probability of a token on the (geometric) average. Lower nats are "
             "likelier.",
    .tables = {options, ae_table_reader, ae_table_output},
    .examples = {{"Paris or Rome?",
                  "aedile score gpt2-xl --prompt 'The Eiffel Tower is in' --target Paris Rome"},
                 {"The same, asked of the edited model:",
                  "aedile score gpt2-xl -p 'The Eiffel Tower is in' -t Paris -t Rome --journal edits"}},
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
