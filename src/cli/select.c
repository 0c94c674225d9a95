// aedile select: which records of a data set a run takes, as a file.
#include <stdio.h>

#include "aedile/eval.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    int64_t total;
    const char *output;
} values;

// How many records the file that was just written selects; -1 if it cannot be read back.
static json_int_t count_selected(const char *path) {
    json_t *selection = json_load_file(path, 0, NULL), *chosen;
    const char *case_id;
    json_int_t count = selection ? 0 : -1;
    json_object_foreach(selection, case_id, chosen) count += json_is_true(chosen);
    json_decref(selection);
    return count;
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    const char *rule = words->items[0];
    const ae_status status = ae_select_write(rule, v->total, v->output);
    if (status != AE_OK) return ae_console_fail(console, status);
    const json_int_t selected = count_selected(v->output);
    if (selected < 0)
        return ae_console_fail_text(console, AE_ERR_IO, "'%s' was written but cannot be read back",
                                    v->output);
    if (console->json)
        return ae_console_document(console, json_pack("{s:o, s:I, s:I, s:o}", "rule", ae_json_text(rule),
                                                      "total", (json_int_t)v->total, "selected", selected,
                                                      "output", ae_json_text(v->output)));
    ae_print_visible(stdout, v->output);
    printf(": %lld of %lld records\n", (long long)selected, (long long)v->total);
    return AE_EXIT_OK;
}

static const ae_option options[] = {
    {.name = "total",
     .letter = 'n',
     .kind = AE_OPTION_INT,
     .argument = "N",
     .low = 1,
     .high = 1e9,
     .required = true,
     .offset = offsetof(values, total),
     .section = "Selection",
     .help = "Records in the data set; CounterFact has 21919."},
    {.name = "output",
     .letter = 'o',
     .kind = AE_OPTION_TEXT,
     .argument = "FILE",
     .required = true,
     .offset = offsetof(values, output),
     .help = "Where to write it; a file that is there is replaced."},
    {0},
};

const ae_command ae_command_select = {
    .name = "select",
    .brief = "write down which records of a data set a run takes",
    .usage = {"RULE --total N --output FILE [options]"},
    .about =
        "RULE is sample:SEED:COUNT, the first COUNT of the record numbers 0 to N - 1 as Python's random, "
        "seeded with SEED, shuffles them, or a file of this kind. The file is a JSON object that says of "
        "each of the N records whether it is taken, and is what 'run --select' reads. sample:37:5000 of "
        "CounterFact's 21919 is the list of \"Rebuilding ROME\".",
    .tables = {options, ae_table_output},
    .examples = {{"The 5000 records of \"Rebuilding ROME\":",
                  "aedile select sample:37:5000 --total 21919 --output selection.json"},
                 {"A hundred other ones:", "aedile select sample:1:100 --total 21919 --output hundred.json"}},
    .word = "RULE",
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
