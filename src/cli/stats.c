// aedile stats: collects the second moments that editing needs.
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    ae_ints layers;
    ae_texts texts;
    int64_t samples;
    const char *output, *name, *dataset;
    bool restart;
    double checkpoint;
} values;

// All layers, before the first one is collected: each exists, and is named once.
static ae_status check_layers(const ae_ints *layers, const ae_model_info *model) {
    for (size_t i = 0; i < layers->count; i++) {
        if (layers->items[i] >= model->n_layer)
            return ae_fail(AE_ERR_ARGUMENT, "layer %d does not exist: '%s' has layers 0 to %d",
                           (int)layers->items[i], model->name, model->n_layer - 1);
        for (size_t k = 0; k < i; k++)
            if (layers->items[k] == layers->items[i])
                return ae_fail(AE_ERR_ARGUMENT, "--layer names layer %d twice", (int)layers->items[i]);
    }
    return AE_OK;
}

static json_t *document(const ae_model_info *model, json_t *files) {
    return json_pack("{s:o, s:O}", "model", ae_json_text(model->name), "files", files);
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    ae_session session = {0};
    ae_status status = ae_session_open(words->items[0], &v->common, &session);
    if (status != AE_OK) return ae_console_fail(console, status);
    const ae_model_info *model = ae_model_get_info(session.model);
    ae_ints layers = v->layers;
    if (layers.count == 0) layers = (ae_ints){.items = {model->default_layer}, .count = 1};
    json_t *files = json_array();
    int code = AE_EXIT_OK;
    if (layers.items[0] < 0) {
        status = AE_ERR_ARGUMENT;
        code = ae_console_misuse(console, "--layer is missing: where to edit '%s' is not known", model->name);
    } else {
        status = check_layers(&layers, model);
        if (status != AE_OK) code = ae_console_fail(console, status);
    }
    for (size_t i = 0; i < layers.count && status == AE_OK; i++) {
        const int layer = (int)layers.items[i];
        const ae_collect_options how = {
            .layer = layer,
            .texts = v->texts.items,
            .n_texts = v->texts.count,
            .n_samples = v->samples,
            .output = v->output,
            .name = v->name,
            .dataset = v->dataset,
            .restart = v->restart,
            .keep_finished = layers.count > 1, // the same command goes on behind the layers that are done
            .checkpoint_seconds = v->checkpoint,
        };
        const double began = ae_clock();
        char *path = NULL;
        status = ae_moment_collect(session.model, &how, &console->hooks, &path);
        if (status != AE_OK) {
            if (i > 0) console->partial = document(model, files);
            if (v->restart && i + 1 < layers.count)
                ae_console_warn(console,
                                "the layers behind %d are not collected anew yet: name them with --layer, "
                                "and --restart, when this one is done",
                                layer);
            code = ae_console_fail(console, status);
        } else if (console->json) {
            json_array_append_new(files, json_pack("{s:i, s:o, s:f}", "layer", layer, "path",
                                                   ae_json_text(path), "seconds", ae_clock() - began));
        } else {
            char seconds[AE_SHORT_TEXT];
            ae_console_clear(console);
            printf("layer %d: ", layer);
            ae_print_visible(stdout, path);
            printf(" (%s)\n", ae_text_seconds(ae_clock() - began, seconds));
        }
        ae_free(path);
    }
    if (status == AE_OK && console->json) code = ae_console_document(console, document(model, files));
    json_decref(files);
    ae_session_close(&session);
    return code;
}

static const ae_option options[] = {
    {.name = "layer",
     .letter = 'l',
     .kind = AE_OPTION_INTS,
     .argument = "L",
     .high = 10000,
     .offset = offsetof(values, layers),
     .section = "What to collect",
     .help = "The layer, or several parted by commas; where it is left out, the one at which the model is "
             "edited."},
    {.name = "text",
     .letter = 't',
     .kind = AE_OPTION_TEXTS,
     .argument = "FILE...",
     .required = true,
     .offset = offsetof(values, texts),
     .help = "Text: one document a line, or .jsonl with {\"text\": ...} a line; each also .gz or .zst."},
    {.name = "samples",
     .letter = 'n',
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "0",
     .high = 1e12,
     .offset = offsetof(values, samples),
     .help = "Documents to draw from the files; 0: all."},
    {.name = "restart",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, restart),
     .help = "Begin anew where an interrupted collection could go on."},
    {.name = "checkpoint",
     .kind = AE_OPTION_REAL,
     .argument = "SECONDS",
     .initial = "180",
     .low = 0.001,
     .high = 1e6,
     .offset = offsetof(values, checkpoint),
     .help = "How often the state is kept, so that a killed collection can go on."},
    {.name = "output",
     .letter = 'o',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .initial = "data/stats",
     .offset = offsetof(values, output),
     .section = "Where to",
     .help = "The statistics folder."},
    {.name = "name",
     .kind = AE_OPTION_TEXT,
     .argument = "NAME",
     .offset = offsetof(values, name),
     .help = "The model's name in the file's path, where it is not the folder's."},
    {.name = "dataset",
     .kind = AE_OPTION_TEXT,
     .argument = "NAME",
     .initial = "text",
     .offset = offsetof(values, dataset),
     .help = "The text's name in the file's path."},
    {0},
};

const ae_command ae_command_stats = {
    .name = "stats",
    .brief = "collect the second moments of a layer's keys over text",
    .usage = {"MODEL --text FILE... [--layer L] [options]"},
    .about = "An edit spreads over as few other keys as possible if it is known how keys are distributed: "
             "the matrix of second "
             "moments, the mean of k k^T over the tokens of a body of text. This collects it, once for a "
             "model and layer, "
             "into a file that edit finds. More tokens than the layer has keys (d_mlp) are the least; "
             "Wikipedia articles by "
             "the ten thousand are usual. A collection that was stopped goes on where it was when the same "
             "command is given; of several layers, those whose file is there stay as they are.",
    .tables = {options, ae_table_reader, ae_table_output},
    .examples = {{"From 100,000 documents:",
                  "aedile stats gpt2-xl --text wikipedia.jsonl.zst --samples 100000"},
                 {"From some text files, for another layer:",
                  "aedile stats gpt2-xl --layer 13 --text a.txt b.txt.gz --output my-stats --dataset mine"}},
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
