// aedile summarize: runs as rows of numbers, and what sets them apart.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aedile/eval.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_folder.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    const char *results;
    int64_t first;
    bool std, csv, write;
} values;

typedef struct runs {
    ae_summary **items;
    size_t count;
} runs;

// What the table shows, by the numbers' names; a zsRE run has accuracies in place of the successes.
typedef struct measure {
    const char *title, *name, *instead;
} measure;

static const measure measures[] = {
    {"ES", "post_rewrite_success", "post_rewrite_acc"},
    {"PS", "post_paraphrase_success", "post_paraphrase_acc"},
    {"NS", "post_neighborhood_success", "post_neighborhood_acc"},
    {"GE", "post_ngram_entropy", NULL},
    {"RS", "post_reference_score", NULL},
    {"S", "post_score", NULL},
    {"time", "time", NULL},
};
enum { N_MEASURES = sizeof measures / sizeof *measures, TIME = N_MEASURES - 1 };

static const ae_summary_value *find_measure(const ae_summary *run, const measure *m) {
    const ae_summary_value *value = ae_summary_get(run, m->name);
    return value || !m->instead ? value : ae_summary_get(run, m->instead);
}

// The number as any reader takes it back exactly, in as few digits as that takes.
static void exact_text(double value, char out[AE_SHORT_TEXT]) {
    *out = '\0';
    for (int digits = 15; digits <= 17 && isfinite(value); digits++) {
        snprintf(out, AE_SHORT_TEXT, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}

// ---- reading ---------------------------------------------------------------------------------------

// The exit code.
static int read_runs(ae_console *console, const values *v, const ae_texts *words, runs *out) {
    for (size_t i = 0; i < words->count; i++) {
        char *folder = ae_run_folder(words->items[i], v->results);
        if (!folder) return ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory");
        const ae_status status = ae_summarize(folder, v->first, &console->hooks, &out->items[i]);
        free(folder);
        if (status != AE_OK) return ae_console_fail(console, status);
        out->count++;
    }
    return AE_EXIT_OK;
}

static void warn_of_differences(ae_console *console, const runs *r) {
    const ae_summary *base = r->items[0];
    for (size_t i = 1; i < r->count; i++) {
        const ae_summary *run = r->items[i];
        if (strcmp(run->dataset, base->dataset) != 0)
            ae_console_warn(console,
                            "'%s' is over the data set '%s', '%s' over '%s': only cases with the same "
                            "request are compared",
                            run->folder, run->dataset, base->folder, base->dataset);
        if (strcmp(run->model, base->model) != 0)
            ae_console_warn(console, "'%s' edits the model '%s', '%s' the model '%s'", run->folder,
                            run->model, base->folder, base->model);
    }
}

// ---- tables ----------------------------------------------------------------------------------------

enum { RUN, VARIANT, CASES, FIRST_MEASURE, N_COLUMNS = FIRST_MEASURE + N_MEASURES };
typedef char row[N_COLUMNS][AE_SHORT_TEXT];

// The run's name, or its folder where another run of the table has that name, too.
static const char *call(const runs *r, const ae_summary *run) {
    for (size_t i = 0; i < r->count; i++)
        if (r->items[i] != run && strcmp(r->items[i]->name, run->name) == 0) return run->folder;
    return run->name;
}

static void measure_text(const ae_summary_value *value, bool time, bool std, char out[AE_SHORT_TEXT]) {
    if (!value)
        snprintf(out, AE_SHORT_TEXT, "-");
    else if (time)
        ae_text_seconds(value->mean, out);
    else if (!std)
        snprintf(out, AE_SHORT_TEXT, "%.2f", value->mean);
    else if (isnan(value->std))
        snprintf(out, AE_SHORT_TEXT, "%.1f", value->mean);
    else
        snprintf(out, AE_SHORT_TEXT, "%.1f (%.1f)", value->mean, value->std);
}

static int widest(row *rows, size_t n_rows, int column) {
    int width = 0;
    for (size_t i = 0; i < n_rows; i++) {
        const int length = (int)strlen(rows[i][column]);
        if (length > width) width = length;
    }
    return width;
}

// The rows hold all but the runs' names, which may be long.
static int print_table(const runs *r, bool std) {
    row *rows = calloc(r->count + 1, sizeof *rows);
    if (!rows) return AE_EXIT_FAILURE;
    snprintf(rows[0][VARIANT], AE_SHORT_TEXT, "variant");
    snprintf(rows[0][CASES], AE_SHORT_TEXT, "cases");
    for (int m = 0; m < N_MEASURES; m++)
        snprintf(rows[0][FIRST_MEASURE + m], AE_SHORT_TEXT, "%s", measures[m].title);
    int widths[N_COLUMNS] = {(int)strlen("run")};
    for (size_t i = 0; i < r->count; i++) {
        const ae_summary *run = r->items[i];
        const int length = (int)strlen(call(r, run));
        if (length > widths[RUN]) widths[RUN] = length;
        snprintf(rows[i + 1][VARIANT], AE_SHORT_TEXT, "%s", *run->variant ? run->variant : "-");
        snprintf(rows[i + 1][CASES], AE_SHORT_TEXT, "%lld", (long long)run->n_cases);
        for (int m = 0; m < N_MEASURES; m++)
            measure_text(find_measure(run, &measures[m]), m == TIME, std, rows[i + 1][FIRST_MEASURE + m]);
    }
    for (int c = VARIANT; c < N_COLUMNS; c++)
        widths[c] = widest(rows, r->count + 1, c);
    for (size_t i = 0; i <= r->count; i++) {
        ae_print_column(stdout, i ? call(r, r->items[i - 1]) : "run", widths[RUN] + 2);
        ae_print_column(stdout, rows[i][VARIANT], widths[VARIANT]);
        for (int c = CASES; c < N_COLUMNS; c++)
            printf("%s%*s", std ? " " : "  ", widths[c], rows[i][c]); // deviations need the room
        putchar('\n');
    }
    free(rows);
    return AE_EXIT_OK;
}

// The difference in a measure that both runs have; AE_ERR_NOT_FOUND where there is none.
static ae_status compare_measure(const ae_summary *base, const ae_summary *run, const measure *m,
                                 ae_difference *out) {
    const ae_summary_value *value = find_measure(run, m);
    if (!value || !ae_summary_get(base, value->name)) return AE_ERR_NOT_FOUND;
    return ae_summary_compare(base, run, value->name, out);
}

static ae_status print_differences(ae_console *console, const runs *r, const ae_summary *run) {
    const ae_summary *base = r->items[0];
    bool begun = false;
    for (int m = 0; m < N_MEASURES; m++) {
        ae_difference d;
        const ae_status status = compare_measure(base, run, &measures[m], &d);
        if (status == AE_ERR_NOT_FOUND) continue;
        if (status != AE_OK) return status;
        if (!begun) {
            putchar('\n');
            ae_print_visible(stdout, call(r, run));
            fputs(" less ", stdout);
            ae_print_visible(stdout, call(r, base));
            printf(", over the cases of both\n  %-6s %10s   %-20s %7s\n", "", "difference", "95 % interval",
                   "cases");
        }
        begun = true;
        const char *format = m == TIME ? "%+.3g" : "%+.2f"; // seconds may be small
        char mean[AE_SHORT_TEXT], low[AE_SHORT_TEXT], high[AE_SHORT_TEXT], interval[3 * AE_SHORT_TEXT];
        snprintf(mean, sizeof mean, format, d.mean);
        snprintf(low, sizeof low, format, d.low);
        snprintf(high, sizeof high, format, d.high);
        snprintf(interval, sizeof interval, "%8s to %s", low, high);
        printf("  %-6s %10s   %-20s %7zu\n", m == TIME ? "time/s" : measures[m].title, mean, interval, d.n);
    }
    if (!begun)
        ae_console_warn(console, "'%s' and '%s' have no measured case in common; they are not compared",
                        run->folder, base->folder);
    return AE_OK;
}

static int print_text(ae_console *console, const values *v, const runs *r) {
    if (print_table(r, v->std) != AE_EXIT_OK)
        return ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory");
    for (size_t i = 1; i < r->count; i++) {
        const ae_status status = print_differences(console, r, r->items[i]);
        if (status != AE_OK) return ae_console_fail(console, status);
    }
    return AE_EXIT_OK;
}

// ---- CSV -------------------------------------------------------------------------------------------

static void print_field(const char *text) {
    if (!text[strcspn(text, ",\"\r\n")]) {
        printf("%s,", text);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    fputs("\",", stdout);
}

static void print_number(double value) {
    char text[AE_SHORT_TEXT];
    exact_text(value, text);
    printf("%s,", text);
}

static int print_csv(const runs *r) {
    puts("folder,run,variant,model,dataset,measure,mean,std,low,high,cases");
    for (size_t i = 0; i < r->count; i++) {
        const ae_summary *run = r->items[i];
        for (size_t j = 0; j < run->n_values; j++) {
            const ae_summary_value *value = &run->values[j];
            const char *const names[] = {run->folder, run->name,    run->variant,
                                         run->model,  run->dataset, value->name};
            for (size_t k = 0; k < sizeof names / sizeof *names; k++)
                print_field(names[k]);
            print_number(value->mean);
            print_number(value->std);
            print_number(value->low);
            print_number(value->high);
            printf("%zu\n", value->n);
        }
    }
    return AE_EXIT_OK;
}

// ---- JSON ------------------------------------------------------------------------------------------

static json_t *run_document(const ae_summary *run) {
    json_t *numbers = json_object();
    for (size_t i = 0; i < run->n_values; i++) {
        const ae_summary_value *value = &run->values[i];
        json_object_set_new(numbers, value->name,
                            json_pack("{s:o, s:o, s:o, s:o, s:I}", "mean", ae_json_real(value->mean), "std",
                                      ae_json_real(value->std), "low", ae_json_real(value->low), "high",
                                      ae_json_real(value->high), "n", (json_int_t)value->n));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "folder",
                     ae_json_text(run->folder), "name", ae_json_text(run->name), "variant",
                     ae_json_text(run->variant), "model", ae_json_text(run->model), "dataset",
                     ae_json_text(run->dataset), "n_cases", (json_int_t)run->n_cases, "n_edits",
                     (json_int_t)run->n_edits, "n_flagged", (json_int_t)run->n_flagged, "n_skipped",
                     (json_int_t)run->n_skipped, "values", numbers);
}

static ae_status add_differences(const ae_summary *base, const ae_summary *run, json_t *list) {
    json_t *numbers = json_object();
    for (size_t i = 0; i < run->n_values; i++) {
        const char *name = run->values[i].name;
        ae_difference d;
        if (!ae_summary_get(base, name)) continue;
        const ae_status status = ae_summary_compare(base, run, name, &d);
        if (status == AE_ERR_NOT_FOUND) continue;
        if (status != AE_OK) {
            json_decref(numbers);
            return status;
        }
        json_object_set_new(numbers, name,
                            json_pack("{s:o, s:o, s:o, s:I}", "mean", ae_json_real(d.mean), "low",
                                      ae_json_real(d.low), "high", ae_json_real(d.high), "n",
                                      (json_int_t)d.n));
    }
    json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "folder", ae_json_text(run->folder), "base",
                                          ae_json_text(base->folder), "values", numbers));
    return AE_OK;
}

static int print_json(ae_console *console, const runs *r, json_t *written) {
    json_t *list = json_array(), *differences = json_array();
    ae_status status = AE_OK;
    for (size_t i = 0; i < r->count && status == AE_OK; i++) {
        json_array_append_new(list, run_document(r->items[i]));
        if (i > 0) status = add_differences(r->items[0], r->items[i], differences);
    }
    json_t *document =
        json_pack("{s:o, s:o, s:O}", "runs", list, "differences", differences, "written", written);
    if (status == AE_OK) return ae_console_document(console, document);
    json_decref(document);
    return ae_console_fail(console, status);
}

// ---- the command -----------------------------------------------------------------------------------

static ae_status write_all(ae_console *console, const runs *r, json_t *written) {
    for (size_t i = 0; i < r->count; i++) {
        const ae_status status = ae_summary_write(r->items[i]);
        if (status != AE_OK) return status;
        char path[4096];
        snprintf(path, sizeof path, "%s/evals/summary.json", r->items[i]->folder);
        json_array_append_new(written, ae_json_text(path));
        ae_console_note(console, "aedile: wrote %s", path);
    }
    return AE_OK;
}

static int show(ae_console *console, const values *v, const ae_texts *words, runs *r, json_t *written) {
    const int code = read_runs(console, v, words, r);
    if (code != AE_EXIT_OK) return code;
    warn_of_differences(console, r);
    const ae_status status = v->write ? write_all(console, r, written) : AE_OK;
    if (status != AE_OK) return ae_console_fail(console, status);
    if (console->json) return print_json(console, r, written);
    ae_console_clear(console);
    return v->csv ? print_csv(r) : print_text(console, v, r);
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    if (v->csv && console->json) return ae_console_misuse(console, "--csv contradicts --json");
    if (v->csv && v->std) return ae_console_misuse(console, "--csv has deviations anyway; leave out --std");
    if (v->write && v->first)
        return ae_console_misuse(console, "--write writes the summary of all cases; leave out --first");
    runs r = {.items = calloc(words->count, sizeof(ae_summary *))};
    json_t *written = json_array();
    const int code = r.items && written ? show(console, v, words, &r, written)
                                        : ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < r.count; i++)
        ae_summary_free(r.items[i]);
    free(r.items);
    json_decref(written);
    return code;
}

static const ae_option options[] = {
    {.name = "first",
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "0",
     .high = 1e9,
     .offset = offsetof(values, first),
     .section = "Summary",
     .help = "Only the first N cases, in the order of editing; 0: all."},
    {.name = "std",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, std),
     .help = "Show standard deviations: mean (deviation)."},
    {.name = "write",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, write),
     .help = "Write RUN/evals/summary.json, as the reference does."},
    {.name = "results",
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .initial = "results",
     .offset = offsetof(values, results),
     .help = "Where a RUN that is a mere name (run_003) is looked for: DIR/ROME/RUN."},
    {.name = "csv",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, csv),
     .help = "Print comma-separated values, one line for each run and number, in full precision."},
    {0},
};

const ae_command ae_command_summarize = {
    .name = "summarize",
    .brief = "what runs measured, as a table, and how they differ",
    .usage = {"RUN... [options]"},
    .about = "RUN is a run's folder, or its name; a run of the Python code of \"Rebuilding ROME\" is read, "
             "too. For "
             "each, the means over its cases: ES, PS, NS, how often the new answer is the likelier one to "
             "the prompt "
             "and its paraphrases, and the old one to the neighbourhood (for zsRE: how many tokens are "
             "right); GE, "
             "n-gram entropy of generated text; RS, its likeness to reference texts; S, the harmonic mean of "
             "ES, PS "
             "and NS; the time of an edit. All but the time are times 100.\n\n"
             "Of several runs, each is compared with the first, over the cases that both have: the "
             "difference, and "
             "its 95 % interval by bootstrap over cases.",
    .tables = {options, ae_table_output},
    .examples = {{"One run, with standard deviations:", "aedile summarize results/ROME/run_003 --std"},
                 {"ROME against r-ROME over the first 500 edits:",
                  "aedile summarize run_003 run_004 --first 500"},
                 {"All numbers of all runs, for a spreadsheet:",
                  "aedile summarize results/ROME/run_* --csv > runs.csv"}},
    .word = "RUN",
    .min_words = 1,
    .max_words = -1,
    .size = sizeof(values),
    .run = run,
};
