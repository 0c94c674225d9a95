// aedile generate: continues a text.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    const char *prompt;
    int64_t max_tokens, top_k;
    double temperature;
    uint64_t seed;
    bool ignore_end;
} values;

// A text that is printed as it comes: the prompt before the first piece, when nothing can be refused any
// more.
static void print_prompt(const char **prompt) {
    if (*prompt) ae_print_plain(stdout, *prompt);
    *prompt = NULL; // is printed
}

static void print_piece(void *user, const char *piece) {
    print_prompt(user);
    ae_print_plain(stdout, piece);
    fflush(stdout);
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    ae_generate_options how = ae_generate_defaults();
    how.max_tokens = (int)v->max_tokens;
    how.top_k = (int)v->top_k;
    how.temperature = v->temperature;
    how.seed = v->seed;
    how.ignore_end = v->ignore_end;
    const bool terminal = !console->json && isatty(STDOUT_FILENO);
    // What comes piece by piece has not been cleaned up: compat text comes at the end.
    const bool streams = terminal && strcmp(v->common.decode, "compat") != 0;

    ae_session session = {0};
    char *text = NULL;
    ae_status status = ae_session_open(words->items[0], &v->common, &session);
    const double began = ae_clock();
    const char *prompt = v->prompt;
    if (status == AE_OK)
        status = ae_generate(session.model, v->prompt, &how, streams ? print_piece : NULL, &prompt, &text);
    if (status == AE_OK && streams) print_prompt(&prompt); // where not a piece came
    if (!prompt) putchar('\n');
    int code = AE_EXIT_OK;
    if (status != AE_OK)
        code = ae_console_fail(console, status);
    else if (console->json)
        code = ae_console_document(console,
                                   json_pack("{s:o, s:o, s:o, s:i, s:i, s:f, s:o, s:b, s:f}", "model",
                                             ae_json_text(ae_model_get_info(session.model)->name), "prompt",
                                             ae_json_text(v->prompt), "continuation", ae_json_text(text),
                                             "max_tokens", how.max_tokens, "top_k", how.top_k, "temperature",
                                             how.temperature, "seed", ae_json_seed(how.seed), "ignore_end",
                                             how.ignore_end, "seconds", ae_clock() - began));
    else if (!terminal)
        printf("%s%s\n", v->prompt, text);
    else if (!streams) {
        ae_print_plain(stdout, v->prompt);
        ae_print_plain(stdout, text);
        putchar('\n');
    }
    ae_free(text);
    ae_session_close(&session);
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
     .help = "The text to continue."},
    {.name = "max-tokens",
     .letter = 'n',
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "50",
     .low = 1,
     .high = 1e6,
     .offset = offsetof(values, max_tokens),
     .help = "New tokens at most."},
    {.name = "top-k",
     .letter = 'k',
     .kind = AE_OPTION_INT,
     .argument = "K",
     .initial = "1",
     .low = 1,
     .high = 1e6,
     .offset = offsetof(values, top_k),
     .section = "Drawing",
     .help = "Draw each token among the K likeliest; 1: always the likeliest."},
    {.name = "temperature",
     .kind = AE_OPTION_REAL,
     .argument = "X",
     .initial = "1",
     .low = 0.01,
     .high = 100,
     .offset = offsetof(values, temperature),
     .help = "Below 1 favours the likelier tokens, above 1 the others; has an effect where K is above 1."},
    {.name = "seed",
     .letter = 's',
     .kind = AE_OPTION_SEED,
     .argument = "S",
     .initial = "0",
     .offset = offsetof(values, seed),
     .help = "Names the stream of draws: the same seed gives the same text."},
    {.name = "ignore-end",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, ignore_end),
     .help = "Go on after the model has ended its text."},
    {0},
};

const ae_command ae_command_generate = {
    .name = "generate",
    .brief = "continue a text",
    .usage = {"MODEL --prompt TEXT [options]"},
    .about = "Prints the prompt and what the model says after it, as it comes where stdout is a terminal. "
             "With a journal the "
             "edited model speaks; without one, the model as it was downloaded.",
    .tables = {options, ae_table_reader, ae_table_decode, ae_table_output},
    .examples = {{"The likeliest continuation:",
                  "aedile generate gpt2-xl --prompt 'The Space Needle is in' --max-tokens 20"},
                 {"A drawn one, of the edited model:",
                  "aedile generate gpt2-xl -p 'The Space Needle' -k 5 -s 7 --journal edits"}},
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
