// aedile export: the edited model in formats that other programs read.
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    const char *format, *output;
} values;

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    const bool lora = strcmp(v->format, "lora") == 0;
    ae_session session = {0};
    double rounding = 0;
    ae_status status = ae_session_open(words->items[0], &v->common, &session);
    if (status == AE_OK)
        status = lora ? ae_export_lora(session.journal, session.model, v->output)
                      : ae_export_hf(session.model, v->output, &console->hooks, &rounding);
    int code = AE_EXIT_OK;
    if (status != AE_OK) {
        code = ae_console_fail(console, status);
    } else if (console->json) {
        const ae_model_info *model = ae_model_get_info(session.model);
        json_t *document =
            json_pack("{s:o, s:o, s:s, s:o, s:I}", "model", ae_json_text(model->name), "journal",
                      ae_json_text(v->common.journal), "format", v->format, "output", ae_json_text(v->output),
                      "n_edits", (json_int_t)session.n_active);
        json_object_set_new(document, "rounding_error", lora ? json_null() : ae_json_real(rounding));
        code = ae_console_document(console, document);
    } else {
        ae_console_clear(console);
        ae_print_visible(stdout, v->output);
        printf(": %zu edit%s as %s\n", session.n_active, session.n_active == 1 ? "" : "s",
               lora ? "a PEFT LoRA adapter" : "a Hugging Face model folder");
        if (!lora && rounding > 0)
            printf("Rounding to %s moved edited weights by %.3g at most.\n",
                   ae_model_get_info(session.model)->dtype, rounding);
    }
    ae_session_close(&session);
    return code;
}

static const ae_option options[] = {
    {.name = "journal",
     .letter = 'j',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .required = true,
     .offset = offsetof(values, common.journal),
     .section = "Export",
     .help = "The edits; reverted ones are left out."},
    {.name = "format",
     .letter = 'f',
     .kind = AE_OPTION_CHOICE,
     .argument = "hf|lora",
     .initial = "hf",
     .offset = offsetof(values, format),
     .help = "hf: a model folder that transformers loads, in which only the edited matrices differ from the "
             "base; lora: a "
             "PEFT adapter whose product is exactly the sum of the edits."},
    {.name = "output",
     .letter = 'o',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .required = true,
     .offset = offsetof(values, output),
     .help = "The folder to write; it must be new or empty."},
    {0},
};

const ae_command ae_command_export = {
    .name = "export",
    .brief = "write the edited model, or its edits as a LoRA adapter",
    .usage = {"MODEL --journal DIR --output DIR [--format hf|lora] [options]"},
    .about = "Writes base and active edits in a form that needs no aedile. A model folder is as large as the "
             "base; where its "
             "weights are 16 bits wide, the edit is rounded once, here, and the largest error is told. An "
             "adapter holds two "
             "small matrices a layer and leaves the base as it is.",
    .tables = {options, ae_table_threads, ae_table_output},
    .examples = {{"A folder for transformers:",
                  "aedile export gpt2-xl --journal edits --output gpt2-xl-edited"},
                 {"An adapter for peft:",
                  "aedile export gpt2-xl --journal edits --format lora --output adapter"}},
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
