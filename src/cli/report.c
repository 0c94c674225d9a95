// aedile report: runs as figures, in one HTML file or as files for a paper.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aedile/report.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_folder.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    const char *output, *format, *title, *results;
    int64_t window;
    double scale;
} values;

static const char *const formats[] = {
    [AE_REPORT_HTML] = "html", [AE_REPORT_SVG] = "svg", [AE_REPORT_PNG] = "png", [AE_REPORT_CSV] = "csv"};

static ae_report_format format_of(const char *name) {
    for (int f = AE_REPORT_HTML; f < AE_REPORT_CSV; f++)
        if (strcmp(formats[f], name) == 0) return (ae_report_format)f;
    return AE_REPORT_CSV;
}

static json_t *report_document(const values *v, const char *const *folders, size_t n) {
    json_t *runs = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(runs, ae_json_text(folders[i]));
    return json_pack("{s:o, s:s, s:o}", "runs", runs, "format", v->format, "output", ae_json_text(v->output));
}

static void print_report(const values *v, size_t n) {
    static const char *const kinds[] = {[AE_REPORT_HTML] = "one page; open it in a browser",
                                        [AE_REPORT_SVG] = "SVG figures",
                                        [AE_REPORT_PNG] = "PNG figures",
                                        [AE_REPORT_CSV] = "CSV tables"};
    ae_print_visible(stdout, v->output);
    printf(": %zu run%s as %s\n", n, n == 1 ? "" : "s", kinds[format_of(v->format)]);
}

static int report_on(ae_console *console, const values *v, const char *const *folders, size_t n) {
    const ae_report_options report = {.format = format_of(v->format),
                                      .output = v->output,
                                      .title = v->title,
                                      .window = (int)v->window,
                                      .scale = v->scale};
    const ae_status status = ae_report_write(folders, n, &report, &console->hooks);
    if (status != AE_OK) return ae_console_fail(console, status);
    if (console->json) return ae_console_document(console, report_document(v, folders, n));
    ae_console_clear(console);
    print_report(v, n);
    return AE_EXIT_OK;
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    char **folders = calloc(words->count, sizeof *folders);
    bool found = folders != NULL;
    for (size_t i = 0; i < words->count && found; i++)
        found = (folders[i] = ae_run_folder(words->items[i], v->results)) != NULL;
    const int code = found ? report_on(console, v, (const char *const *)folders, words->count)
                           : ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < words->count && folders; i++)
        free(folders[i]);
    free(folders);
    return code;
}

static const ae_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = AE_OPTION_TEXT,
     .argument = "PATH",
     .required = true,
     .offset = offsetof(values, output),
     .section = "Report",
     .help = "The HTML file; of the other formats the folder, where files of the same names are replaced."},
    {.name = "format",
     .letter = 'f',
     .kind = AE_OPTION_CHOICE,
     .argument = "html|svg|png|csv",
     .initial = "html",
     .offset = offsetof(values, format),
     .help = "html: one file with figures, tables, and each edit's details, which needs no network; svg, "
             "png: a file "
             "a figure; csv: a table a figure, and runs.csv and edits.csv."},
    {.name = "title",
     .kind = AE_OPTION_TEXT,
     .argument = "TEXT",
     .offset = offsetof(values, title),
     .help = "Heading of the page. Left out: the runs' names."},
    {.name = "window",
     .letter = 'w',
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "0",
     .high = 1000000,
     .offset = offsetof(values, window),
     .help =
         "Scores are shown as the mean of the last N edits; 0: a twentieth of the longest run, at least 5."},
    {.name = "scale",
     .kind = AE_OPTION_REAL,
     .argument = "X",
     .initial = "2",
     .low = 0.1,
     .high = 20,
     .offset = offsetof(values, scale),
     .help = "Pixels a point of PNG figures."},
    {.name = "results",
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .initial = "results",
     .offset = offsetof(values, results),
     .help = "Where a RUN that is a mere name (run_003) is looked for: DIR/ROME/RUN."},
    {0},
};

const ae_command ae_command_report = {
    .name = "report",
    .brief = "show runs as figures: one HTML page, or files for a paper",
    .usage = {"RUN... --output FILE [--title TEXT] [options]",
              "RUN... --output DIR --format svg|png|csv [options]"},
    .about = "Draws what runs measured: scores, downstream tasks, distance from the original weights, size "
             "of each update, entropy of the generations against it, perplexity, and k.u. Several runs are "
             "overlaid. Edits that were flagged as out of line are marked.\n\n"
             "RUN is a run's folder, or its name, ours or one that the code of \"Rebuilding ROME\" wrote. It "
             "is only read, and may still be going on.",
    .tables = {options, ae_table_output},
    .examples = {{"Compare two runs, in a browser:",
                  "aedile report results/ROME/run_000 results/ROME/run_001 --output report.html"},
                 {"Figures for a paper:",
                  "aedile report results/ROME/run_000 --format svg --output figures"}},
    .word = "RUN",
    .min_words = 1,
    .max_words = -1,
    .size = sizeof(values),
    .run = run,
};
