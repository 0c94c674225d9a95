#include "report/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

// ---- fields ----------------------------------------------------------------------------------------

static ae_status add_text(ae_text *out, const char *text) {
    if (!text[strcspn(text, ",\"\r\n")]) return ae_text_printf(out, "%s", text);
    AE_TRY(ae_text_append(out, "\"", 1));
    for (; *text; text++)
        AE_TRY(*text == '"' ? ae_text_append(out, "\"\"", 2) : ae_text_append(out, text, 1));
    return ae_text_append(out, "\"", 1);
}

// The fewest digits that read back as the same number; nothing where there is none.
static ae_status add_number(ae_text *out, double value) {
    if (!isfinite(value)) return ae_text_append(out, "", 0);
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        ae_print(text, sizeof text, "%.*g", digits, value);
        if (ae_number(text, NULL) == value) break;
    }
    return ae_text_printf(out, "%s", text);
}

static ae_status comma(ae_text *out) {
    return ae_text_append(out, ",", 1);
}

static ae_status end_line(ae_text *out) {
    return ae_text_append(out, "\r\n", 2);
}

// ",value"
static ae_status next_text(ae_text *out, const char *text) {
    AE_TRY(comma(out));
    return add_text(out, text ? text : "");
}

static ae_status next_number(ae_text *out, double value) {
    AE_TRY(comma(out));
    return add_number(out, value);
}

// ---- figures ---------------------------------------------------------------------------------------

static ae_status add_point(ae_text *out, const ae_report *report, const ae_series *s, size_t i) {
    const ae_report_run *run = &report->runs[s->run];
    AE_TRY(add_text(out, run->label));
    AE_TRY(next_text(out, s->measure));
    if (s->of_edits) {
        AE_TRY(next_number(out, run->edit[i]));
        AE_TRY(ae_text_printf(out, ",%" PRId64, run->data->cases[i].case_id));
        if (s->x != run->edit) AE_TRY(next_number(out, s->x[i]));
    } else {
        AE_TRY(next_number(out, s->x[i]));
    }
    AE_TRY(next_number(out, s->raw ? s->raw[i] : s->y[i]));
    if (s->raw) AE_TRY(next_number(out, s->y[i]));
    if (s->of_edits) AE_TRY(ae_text_printf(out, ",%d", run->flagged[i]));
    return end_line(out);
}

ae_status ae_csv_figure(ae_text *out, const ae_report *report, const ae_figure *figure) {
    const ae_panel *first = &figure->panels[0];
    const ae_series *sample = &first->series[0];
    AE_TRY(ae_text_printf(out, "run,measure,edit%s", sample->of_edits ? ",case_id" : ""));
    if (strcmp(first->x.column, "edit") != 0) AE_TRY(ae_text_printf(out, ",%s", first->x.column));
    AE_TRY(ae_text_printf(out, ",%s%s%s", first->y.column, sample->raw ? ",moving_average" : "",
                          sample->of_edits ? ",flagged" : ""));
    AE_TRY(end_line(out));
    for (size_t p = 0; p < figure->n_panels; p++)
        for (size_t k = 0; k < figure->panels[p].n_series; k++) {
            const ae_series *s = &figure->panels[p].series[k];
            for (size_t i = 0; i < s->n; i++)
                if (isfinite(s->x[i]) && isfinite(s->raw ? s->raw[i] : s->y[i]))
                    AE_TRY(add_point(out, report, s, i));
        }
    return AE_OK;
}

// ---- tables ----------------------------------------------------------------------------------------

// Every number that any of the runs has, in the order of the first that has it.
static bool seen_before(const ae_report *report, size_t run, size_t value) {
    const char *name = report->runs[run].summary->values[value].name;
    for (size_t r = 0; r < run; r++)
        if (ae_summary_get(report->runs[r].summary, name)) return true;
    return false;
}

static ae_status each_value(ae_text *out, const ae_report *report, const ae_summary *of) {
    for (size_t r = 0; r < report->n_runs; r++)
        for (size_t v = 0; v < report->runs[r].summary->n_values; v++) {
            if (seen_before(report, r, v)) continue;
            const char *name = report->runs[r].summary->values[v].name;
            if (!of) {
                AE_TRY(ae_text_printf(out, ",%s,%s_std,%s_low,%s_high", name, name, name, name));
                continue;
            }
            const ae_summary_value *value = ae_summary_get(of, name);
            AE_TRY(next_number(out, value ? value->mean : NAN));
            AE_TRY(next_number(out, value ? value->std : NAN));
            AE_TRY(next_number(out, value ? value->low : NAN));
            AE_TRY(next_number(out, value ? value->high : NAN));
        }
    return end_line(out);
}

ae_status ae_csv_runs(ae_text *out, const ae_report *report) {
    AE_TRY(ae_text_printf(out, "run,folder,variant,model,dataset,cases,edits,flagged,skipped"));
    AE_TRY(each_value(out, report, NULL));
    for (size_t r = 0; r < report->n_runs; r++) {
        const ae_report_run *run = &report->runs[r];
        AE_TRY(add_text(out, run->label));
        AE_TRY(next_text(out, run->data->folder));
        AE_TRY(next_text(out, run->data->variant));
        AE_TRY(next_text(out, run->data->model));
        AE_TRY(next_text(out, run->data->dataset));
        AE_TRY(ae_text_printf(out, ",%zu,%" PRId64 ",%zu,%" PRId64, run->data->n_cases, run->summary->n_edits,
                              run->n_flagged, run->data->n_skipped));
        AE_TRY(each_value(out, report, run->summary));
    }
    return AE_OK;
}

// A number of an edit that is a column.
typedef struct column {
    const char *name;
    size_t offset; // in ae_run_case_data
} column;

#define OF_CASE(field)                                                                                       \
    { #field, offsetof(ae_run_case_data, field) }
#define OF_NUMBERS(when, field)                                                                              \
    { #when "_" #field, offsetof(ae_run_case_data, when.field) }
#define ALL_NUMBERS(when)                                                                                    \
    OF_NUMBERS(when, rewrite_success), OF_NUMBERS(when, rewrite_diff), OF_NUMBERS(when, paraphrase_success), \
        OF_NUMBERS(when, paraphrase_diff), OF_NUMBERS(when, neighborhood_success),                           \
        OF_NUMBERS(when, neighborhood_diff), OF_NUMBERS(when, rewrite_acc),                                  \
        OF_NUMBERS(when, paraphrase_acc), OF_NUMBERS(when, neighborhood_acc),                                \
        OF_NUMBERS(when, ngram_entropy), OF_NUMBERS(when, reference_score), OF_NUMBERS(when, essence_score)

static const column columns[] = {
    OF_CASE(time),        OF_CASE(distance),   OF_CASE(update_distance),
    OF_CASE(update_norm), OF_CASE(delta_norm), OF_CASE(k_dot_u),
    OF_CASE(perplexity),  ALL_NUMBERS(pre),    ALL_NUMBERS(post),
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

ae_status ae_csv_edits(ae_text *out, const ae_report *report) {
    AE_TRY(ae_text_printf(out, "run,edit,case_id,prompt,subject,target_new,target_true,relation_id"));
    for (size_t c = 0; c < N_COLUMNS; c++)
        AE_TRY(next_text(out, columns[c].name));
    AE_TRY(ae_text_printf(out, ",flag,error,file"));
    AE_TRY(end_line(out));
    for (size_t r = 0; r < report->n_runs; r++)
        for (size_t i = 0; i < report->runs[r].data->n_cases; i++) {
            const ae_run_case_data *e = &report->runs[r].data->cases[i];
            AE_TRY(add_text(out, report->runs[r].label));
            AE_TRY(next_number(out, report->runs[r].edit[i]));
            AE_TRY(ae_text_printf(out, ",%" PRId64, e->case_id));
            const char *const texts[] = {e->prompt, e->subject, e->target_new, e->target_true,
                                         e->relation_id};
            for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
                AE_TRY(next_text(out, texts[t]));
            for (size_t c = 0; c < N_COLUMNS; c++)
                AE_TRY(next_number(out, *(const double *)((const char *)e + columns[c].offset)));
            AE_TRY(next_text(out, e->flag));
            AE_TRY(next_text(out, e->error));
            AE_TRY(next_text(out, e->file));
            AE_TRY(end_line(out));
        }
    return AE_OK;
}
