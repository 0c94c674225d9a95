#include "aedile/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/summary.h"
#include "report/average.h"
#include "report/csv.h"
#include "report/draw.h"
#include "report/page.h"
#include "text/utf8.h"

enum { MOST_RUNS = 64, MOST_WINDOW = 1000000 };

// ---- runs ------------------------------------------------------------------------------------------

const char *ae_report_clean(ae_arena *arena, const char *text) {
    ae_text clean = {0};
    ae_status status = ae_text_append(&clean, "", 0);
    for (size_t left = strlen(text); left > 0 && status == AE_OK;) {
        uint32_t code = 0;
        int length = ae_utf8_decode((const unsigned char *)text, left, &code);
        const bool shown = length > 0 && code >= 0x20 && code != 0x7F && !(code >= 0x80 && code < 0xA0) &&
                           code != 0xFFFE && code != 0xFFFF;
        if (length < 0) length = -length;
        status =
            shown ? ae_text_append(&clean, text, (size_t)length) : ae_text_append(&clean, "\xEF\xBF\xBD", 3);
        text += length;
        left -= (size_t)length;
    }
    char *copy = status == AE_OK ? ae_arena_strdup(arena, clean.data) : NULL;
    ae_free(clean.data);
    return copy;
}

// Cases of a chunk have the number of its last edit: the first of three that were measured after the sixth is
// the fourth. Where edits do not accumulate, the place in the order takes the number's part.
static ae_status number_edits(ae_arena *arena, ae_report_run *run) {
    const ae_run_data *data = run->data;
    double *edit = ae_arena_alloc(arena, data->n_cases, sizeof *edit);
    bool *flagged = ae_arena_alloc(arena, data->n_cases, sizeof *flagged);
    if (!edit || !flagged) return ae_no_memory();
    for (size_t i = 0, end; i < data->n_cases; i = end) {
        end = i + 1;
        while (data->sequential && end < data->n_cases && data->cases[end].n_edits == data->cases[i].n_edits)
            end++;
        for (size_t k = i; k < end; k++) {
            edit[k] =
                data->sequential ? (double)data->cases[i].n_edits - (double)(end - 1 - k) : (double)(k + 1);
            flagged[k] = data->cases[k].flag != NULL;
            run->n_flagged += flagged[k];
        }
    }
    run->edit = edit;
    run->flagged = flagged;
    return AE_OK;
}

static const char *make_label(ae_arena *arena, const char *name, const char *variant, int number) {
    char *text = number > 1 ? ae_format("%s%s%s (%d)", name, *variant ? " " : "", variant, number)
                            : ae_format("%s%s%s", name, *variant ? " " : "", variant);
    const char *label = text ? ae_report_clean(arena, text) : NULL;
    ae_free(text);
    return label;
}

// The run's name and variant; where another run has the same, its folder and variant; else with a number
// besides.
static ae_status label_runs(ae_report *report) {
    for (size_t r = 0; r < report->n_runs; r++) {
        const ae_run_data *data = report->runs[r].data;
        bool shared = false;
        for (size_t other = 0; other < report->n_runs; other++)
            shared = shared || (other != r && strcmp(report->runs[other].data->name, data->name) == 0 &&
                                strcmp(report->runs[other].data->variant, data->variant) == 0);
        const char *name = shared ? data->folder : data->name,
                   *label = make_label(report->arena, name, data->variant, 1);
        for (size_t other = 0, number = 1; label && other < r; other++)
            if (strcmp(report->runs[other].label, label) == 0) {
                label = make_label(report->arena, name, data->variant, (int)++number);
                other = SIZE_MAX; // look at all of them again
            }
        if (!label) return ae_no_memory();
        report->runs[r].label = label;
    }
    return AE_OK;
}

static ae_status read_runs(ae_report *report, const char *const *folders, bool with_summary,
                           const ae_hooks *hooks) {
    for (size_t r = 0; r < report->n_runs; r++) {
        ae_run_data *data = NULL;
        ae_summary *summary = NULL;
        AE_TRY(ae_run_read(folders[r], hooks, &data));
        report->runs[r].data = data;
        if (data->n_cases == 0)
            return ae_fail(AE_ERR_NOT_FOUND,
                           "'%s' has no case files (<n>_edits-case_<id>.json) to report on yet",
                           data->folder);
        if (with_summary) AE_TRY(ae_summary_of_run(data, 0, NULL, &summary));
        report->runs[r].summary = summary;
        AE_TRY(number_edits(report->arena, &report->runs[r]));
    }
    return label_runs(report);
}

static void free_runs(ae_report *report) {
    for (size_t r = 0; report->runs && r < report->n_runs; r++) {
        ae_run_data_free((ae_run_data *)(uintptr_t)report->runs[r].data);
        ae_summary_free((ae_summary *)(uintptr_t)report->runs[r].summary);
    }
}

// ---- the report ------------------------------------------------------------------------------------

static ae_status make_title(ae_report *report, const char *title) {
    ae_text text = {0};
    ae_status status = AE_OK;
    if (title) {
        status = ae_text_printf(&text, "%s", title);
    } else if (report->n_runs > 4) {
        status = ae_text_printf(&text, "%zu runs of edits", report->n_runs);
    } else {
        for (size_t r = 0; r < report->n_runs && status == AE_OK; r++)
            status = ae_text_printf(&text, "%s%s",
                                    r == 0                   ? ""
                                    : r + 1 < report->n_runs ? ", "
                                                             : " and ",
                                    report->runs[r].label);
    }
    if (status == AE_OK) {
        report->title = ae_report_clean(report->arena, text.data);
        if (!report->title) status = ae_no_memory();
    }
    ae_free(text.data);
    return status;
}

static int window_of(const ae_report *report, int asked) {
    size_t longest = 0;
    for (size_t r = 0; r < report->n_runs; r++)
        if (report->runs[r].data->n_cases > longest) longest = report->runs[r].data->n_cases;
    return asked > 0 ? asked : ae_default_window(longest);
}

// ---- output ----------------------------------------------------------------------------------------

// A file of the report, made in memory: nothing is written before everything is there.
typedef struct output {
    char *name;
    ae_text bytes;
} output;

static ae_status draw_svg(const ae_report *report, const ae_figure *figure, ae_text *out) {
    const ae_figure_size size = ae_measure_figure(report, figure);
    ae_svg svg;
    ae_svg_begin(&svg, out, size.width, size.height, "", false);
    AE_TRY(ae_draw_figure(&svg.canvas, report, figure));
    return ae_svg_finish(&svg);
}

static ae_status draw_png(const ae_report *report, const ae_figure *figure, double scale, ae_text *out) {
    const ae_figure_size size = ae_measure_figure(report, figure);
    ae_png png;
    AE_TRY(ae_png_begin(&png, size.width, size.height, scale));
    const ae_status drawn = ae_draw_figure(&png.canvas, report, figure);
    const ae_status finished = ae_png_finish(&png, out);
    return drawn != AE_OK ? drawn : finished;
}

static ae_status make_figure(const ae_report *report, const ae_figure *figure,
                             const ae_report_options *options, output *out) {
    static const char *const endings[] = {
        [AE_REPORT_SVG] = "svg", [AE_REPORT_PNG] = "png", [AE_REPORT_CSV] = "csv"};
    out->name = ae_format("%s.%s", figure->id, endings[options->format]);
    if (!out->name) return ae_no_memory();
    if (options->format == AE_REPORT_SVG) return draw_svg(report, figure, &out->bytes);
    if (options->format == AE_REPORT_CSV) return ae_csv_figure(&out->bytes, report, figure);
    return draw_png(report, figure, options->scale > 0 ? options->scale : 2, &out->bytes);
}

static ae_status write_all(const char *folder, const output *files, size_t n) {
    AE_TRY(ae_folder_make(folder));
    for (size_t i = 0; i < n; i++) {
        char *path = ae_path_join(folder, files[i].name);
        if (!path) return ae_no_memory();
        const ae_status status = ae_atomic_write(path, files[i].bytes.data, files[i].bytes.length);
        ae_free(path);
        AE_TRY(status);
    }
    return AE_OK;
}

static ae_status write_folder(const ae_report *report, const ae_report_options *options,
                              const ae_hooks *hooks) {
    const size_t tables = options->format == AE_REPORT_CSV ? 2 : 0, n = report->n_figures + tables;
    output *files = ae_arena_alloc(report->arena, n, sizeof *files);
    if (!files) return ae_no_memory();
    ae_status status = AE_OK;
    for (size_t f = 0; f < report->n_figures && status == AE_OK; f++) {
        status = make_figure(report, &report->figures[f], options, &files[f]);
        if (status == AE_OK)
            status = ae_progress(hooks, "drawing", (double)(f + 1), (double)report->n_figures, "figures");
    }
    for (size_t t = 0; t < tables && status == AE_OK; t++) {
        output *table = &files[report->n_figures + t];
        table->name = ae_strdup(t == 0 ? "runs.csv" : "edits.csv");
        status = !table->name ? ae_no_memory()
                 : t == 0     ? ae_csv_runs(&table->bytes, report)
                              : ae_csv_edits(&table->bytes, report);
    }
    if (status == AE_OK) status = write_all(options->output, files, n);
    for (size_t i = 0; i < n; i++) {
        ae_free(files[i].name);
        ae_free(files[i].bytes.data);
    }
    return status;
}

static ae_status write_page(const ae_report *report, const char *path) {
    ae_text page = {0};
    ae_status status = ae_page_write(&page, report);
    if (status == AE_OK) status = ae_atomic_write(path, page.data, page.length);
    ae_free(page.data);
    return status;
}

static ae_status check_options(size_t n_runs, const ae_report_options *options) {
    if (n_runs < 1 || n_runs > MOST_RUNS)
        return ae_fail(AE_ERR_ARGUMENT, "a report shows 1 to %d runs, not %zu", MOST_RUNS, n_runs);
    if ((unsigned)options->format > AE_REPORT_CSV)
        return ae_fail(AE_ERR_ARGUMENT, "format is %d, which is none of a report's", (int)options->format);
    if (!options->output || !*options->output)
        return ae_fail(AE_ERR_ARGUMENT, "a report needs a name for its output");
    if (options->window < 0 || options->window > MOST_WINDOW)
        return ae_fail(AE_ERR_ARGUMENT, "the window of a moving average is %d, expected 1 to %d edits, or 0",
                       options->window, MOST_WINDOW);
    if (options->scale != 0 && !(options->scale >= 0.1 && options->scale <= 20))
        return ae_fail(AE_ERR_ARGUMENT, "%g pixels a point: expected 0.1 to 20, or 0", options->scale);
    if (options->format == AE_REPORT_HTML && ae_path_is_folder(options->output))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is a folder; the report is one file: name it", options->output);
    if (options->format != AE_REPORT_HTML && ae_path_exists(options->output) &&
        !ae_path_is_folder(options->output))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is a file; figures go into a folder: name one",
                       options->output);
    return AE_OK;
}

static ae_status write_report(ae_report *report, const char *const *runs, const ae_report_options *options,
                              const ae_hooks *hooks) {
    report->runs = ae_arena_alloc(report->arena, report->n_runs, sizeof *report->runs);
    if (!report->runs) return ae_no_memory();
    const bool tables = options->format == AE_REPORT_HTML || options->format == AE_REPORT_CSV;
    AE_TRY(read_runs(report, runs, tables, hooks));
    AE_TRY(make_title(report, options->title));
    report->window = window_of(report, options->window);
    AE_TRY(ae_report_make_figures(report));
    return options->format == AE_REPORT_HTML ? write_page(report, options->output)
                                             : write_folder(report, options, hooks);
}

ae_status ae_report_write(const char *const *runs, size_t n_runs, const ae_report_options *options,
                          const ae_hooks *hooks) {
    AE_TRY(check_options(n_runs, options));
    ae_report report = {.n_runs = n_runs};
    AE_TRY(ae_arena_new(&report.arena));
    const ae_status status = write_report(&report, runs, options, hooks);
    free_runs(&report);
    ae_arena_free(report.arena);
    return status;
}
