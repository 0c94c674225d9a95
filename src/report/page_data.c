// The JSON block of the page: what page.js needs to answer questions about the figures and the edits. Numbers
// have four digits that matter; a case file has all of them.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/page.h"

// Generated texts are nine tenths of a long run. All texts of a report together may take about TEXTS_MOST
// bytes; where they would take more each is cut, though not below TEXT_LEAST.
enum { TEXTS_MOST = 8 << 20, TEXT_LEAST = 120, DIGITS = 4 };

// ---- building --------------------------------------------------------------------------------------

// jansson's setters take NULL for what could not be made, and then fail; so does everything that holds them.
static json_t *real(double value) {
    if (!isfinite(value)) return json_null();
    // A count keeps all its digits.
    if (value == floor(value) && fabs(value) < 1e15) return json_integer((json_int_t)value);
    return json_real(value);
}

static json_t *clean_text(const ae_report *report, const char *text) {
    const char *clean = ae_report_clean(report->arena, text);
    return clean ? json_string(clean) : NULL;
}

static json_t *text_or_null(const ae_report *report, const char *text) {
    return text ? clean_text(report, text) : json_null();
}

// Takes `value` over in any case.
static bool put(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}

static bool push(json_t *array, json_t *value) {
    return json_array_append_new(array, value) == 0;
}

static json_t *kept_if(bool whole, json_t *value) {
    if (whole) return value;
    json_decref(value);
    return NULL;
}

// ---- edits -----------------------------------------------------------------------------------------

// The columns of the table of edits, in the order in which edit_row() fills them.
static const char *const columns[] = {"edit",        "case",   "prompt",   "subject",    "target_new",
                                      "target_true", "flag",   "efficacy", "paraphrase", "neighborhood",
                                      "entropy",     "update", "k_dot_u"};

static double known(double first, double second) {
    return 100 * (isnan(first) ? second : first);
}

static json_t *edit_row(const ae_report *report, const ae_report_run *run, size_t i) {
    const ae_run_case_data *c = &run->data->cases[i];
    const ae_case_numbers *n = &c->post;
    json_t *row = json_array();
    const bool whole =
        row && push(row, json_integer((json_int_t)run->edit[i])) && push(row, json_integer(c->case_id)) &&
        push(row, clean_text(report, c->prompt)) && push(row, clean_text(report, c->subject)) &&
        push(row, clean_text(report, c->target_new)) && push(row, clean_text(report, c->target_true)) &&
        push(row, text_or_null(report, c->flag)) &&
        push(row, real(known(n->rewrite_success, n->rewrite_acc))) &&
        push(row, real(known(n->paraphrase_success, n->paraphrase_acc))) &&
        push(row, real(known(n->neighborhood_success, n->neighborhood_acc))) &&
        push(row, real(n->ngram_entropy)) && push(row, real(c->update_distance)) &&
        push(row, real(c->k_dot_u));
    return kept_if(whole, row);
}

// [{target_new, target_true}] as [[new, true]].
static json_t *pairs(const json_t *list) {
    json_t *out = json_array();
    const json_t *pair;
    size_t i;
    bool whole = out != NULL;
    json_array_foreach(list, i, pair) {
        whole = whole && push(out, json_pack("[O, O]", json_object_get(pair, "target_new"),
                                             json_object_get(pair, "target_true")));
    }
    return kept_if(whole, out);
}

// The text up to `most` bytes, cut between characters.
static json_t *cut_text(const char *text, size_t length, size_t most) {
    if (length <= most) return json_stringn(text, length);
    while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80)
        most--;
    return json_stringn(text, most);
}

static json_t *cut_texts(const json_t *texts, size_t most) {
    json_t *out = json_array();
    const json_t *text;
    size_t i;
    bool whole = out != NULL;
    if (json_is_string(texts)) // the reference's older scripts wrote one
        whole = whole && push(out, cut_text(json_string_value(texts), json_string_length(texts), most));
    json_array_foreach(texts, i, text) {
        whole = whole && push(out, cut_text(json_string_value(text), json_string_length(text), most));
    }
    return kept_if(whole, out);
}

// What was measured before or after the edit; reading has checked the types.
static json_t *measures(const json_t *measured, size_t text_most) {
    static const char *const kinds[] = {"rewrite", "paraphrase", "neighborhood", "attribute"};
    static const char *const numbers[] = {"ngram_entropy", "reference_score", "essence_score"};
    json_t *out = json_object();
    bool whole = out != NULL;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char field[60], correct[60];
        snprintf(field, sizeof field, "%s_prompts_probs", kinds[k]);
        snprintf(correct, sizeof correct, "%s_prompts_correct", kinds[k]);
        json_t *list = json_object_get(measured, field);
        if (json_array_size(list) > 0) whole = whole && put(out, kinds[k], pairs(list));
        list = json_object_get(measured, correct);
        snprintf(correct, sizeof correct, "%s_correct", kinds[k]);
        if (json_array_size(list) > 0) whole = whole && json_object_set(out, correct, list) == 0;
    }
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        json_t *number = json_object_get(measured, numbers[n]);
        if (json_is_number(number)) whole = whole && json_object_set(out, numbers[n], number) == 0;
    }
    const json_t *texts = json_object_get(measured, "text");
    if (texts && !json_is_null(texts)) whole = whole && put(out, "text", cut_texts(texts, text_most));
    return kept_if(whole, out);
}

// {"17": [loss, ...]}
static json_t *losses(const json_t *layers) {
    json_t *out = json_object();
    bool whole = out != NULL;
    void *at = json_object_iter((json_t *)(uintptr_t)layers);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)layers, at)) {
        json_t *loss = json_object_get(json_object_iter_value(at), "loss");
        if (json_array_size(loss) > 0)
            whole = whole && json_object_set(out, json_object_iter_key(at), loss) == 0;
    }
    return kept_if(whole, out);
}

static bool put_number(json_t *object, const char *key, double value) {
    return !isfinite(value) || put(object, key, json_real(value));
}

static json_t *edit_details(const ae_report *report, const ae_run_case_data *c, size_t text_most) {
    const json_t *ours = json_object_get(c->document, "aedile"), *pre = json_object_get(c->document, "pre");
    json_t *out = json_object(), *n_steps = json_object_get(ours, "n_steps");
    bool whole = out && put(out, "file", json_string(c->file)) && put_number(out, "time", c->time) &&
                 put_number(out, "distance", c->distance) && put_number(out, "update_norm", c->update_norm) &&
                 put_number(out, "delta_norm", c->delta_norm) &&
                 put_number(out, "perplexity", c->perplexity) &&
                 put(out, "post", measures(json_object_get(c->document, "post"), text_most)) &&
                 put(out, "loss", losses(json_object_get(ours, "layers")));
    if (json_is_object(pre)) whole = whole && put(out, "pre", measures(pre, text_most));
    if (json_is_number(n_steps)) whole = whole && json_object_set(out, "n_steps", n_steps) == 0;
    if (c->error) whole = whole && put(out, "error", clean_text(report, c->error));
    return kept_if(whole, out);
}

static json_t *run_object(const ae_report *report, const ae_report_run *run, size_t text_most) {
    json_t *rows = json_array(), *details = json_array();
    bool whole = rows && details;
    for (size_t i = 0; i < run->data->n_cases && whole; i++)
        whole = push(rows, edit_row(report, run, i)) &&
                push(details, edit_details(report, &run->data->cases[i], text_most));
    rows = kept_if(whole, rows);
    details = kept_if(whole, details);
    return whole ? json_pack("{s:s, s:o, s:o}", "label", run->label, "rows", rows, "details", details) : NULL;
}

// ---- figures ---------------------------------------------------------------------------------------

static json_t *numbers(const double *values, size_t n) {
    json_t *out = json_array();
    bool whole = out != NULL;
    for (size_t i = 0; i < n && whole; i++)
        whole = push(out, real(values[i]));
    return kept_if(whole, out);
}

static json_t *axis(const ae_axis *a) {
    return json_pack("[f, f, b, s]", a->low, a->high, a->log, a->label);
}

static json_t *series_object(const ae_report *report, const ae_series *s) {
    json_t *out = json_pack("{s:I, s:s, s:b, s:b, s:o}", "run", (json_int_t)s->run, "name", s->name, "line",
                            s->form != AE_SERIES_DOTS, "edits", s->of_edits, "y", numbers(s->y, s->n));
    bool whole = out != NULL;
    // The edits' own numbers are in the rows already.
    if (s->x != report->runs[s->run].edit) whole = whole && put(out, "x", numbers(s->x, s->n));
    if (s->raw) whole = whole && put(out, "raw", numbers(s->raw, s->n));
    return kept_if(whole, out);
}

static json_t *panel_object(const ae_report *report, const ae_page_panel *p) {
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t s = 0; s < p->panel->n_series && whole; s++)
        whole = push(list, series_object(report, &p->panel->series[s]));
    list = kept_if(whole, list);
    if (!whole) return NULL;
    return json_pack("{s:[f, f, f, f], s:o, s:o, s:o}", "plot", p->plot.x, p->plot.y, p->plot.width,
                     p->plot.height, "x", axis(&p->panel->x), "y", axis(&p->panel->y), "series", list);
}

static json_t *figure_list(const ae_report *report, const ae_page_panel *panels) {
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t f = 0; f < report->n_figures && whole; f++) {
        json_t *of_figure = json_array();
        whole = of_figure != NULL;
        for (size_t p = 0; p < report->figures[f].n_panels && whole; p++)
            whole = push(of_figure, panel_object(report, panels++));
        of_figure = kept_if(whole, of_figure);
        whole =
            whole && push(list, json_pack("{s:s, s:o}", "id", report->figures[f].id, "panels", of_figure));
    }
    return kept_if(whole, list);
}

// ---- the block -------------------------------------------------------------------------------------

// How long a generated text may be, so that all of them together keep to TEXTS_MOST; SIZE_MAX: they do as
// they are.
static size_t text_limit(const ae_report *report) {
    size_t bytes = 0, n = 0;
    for (size_t r = 0; r < report->n_runs; r++)
        for (size_t i = 0; i < report->runs[r].data->n_cases; i++) {
            static const char *const when[] = {"pre", "post"};
            for (int w = 0; w < 2; w++) {
                const json_t *texts = json_object_get(
                                 json_object_get(report->runs[r].data->cases[i].document, when[w]), "text"),
                             *text;
                size_t t;
                json_array_foreach(texts, t, text) {
                    bytes += json_string_length(text);
                    n++;
                }
            }
        }
    if (bytes <= TEXTS_MOST) return SIZE_MAX;
    return TEXTS_MOST / n > TEXT_LEAST ? TEXTS_MOST / n : TEXT_LEAST;
}

static json_t *document(const ae_report *report, const ae_page_panel *panels) {
    const size_t text_most = text_limit(report);
    json_t *names = json_array(), *runs = json_array(), *figures = figure_list(report, panels);
    bool whole = names && runs && figures;
    for (size_t c = 0; c < sizeof columns / sizeof *columns && whole; c++)
        whole = push(names, json_string(columns[c]));
    for (size_t r = 0; r < report->n_runs && whole; r++)
        whole = push(runs, run_object(report, &report->runs[r], text_most));
    names = kept_if(whole, names);
    runs = kept_if(whole, runs);
    figures = kept_if(whole, figures);
    if (!whole) return NULL;
    json_t *cut = text_most == SIZE_MAX ? json_null() : json_integer((json_int_t)text_most);
    return json_pack("{s:o, s:o, s:o, s:o}", "columns", names, "cut", cut, "runs", runs, "figures", figures);
}

// Within <script> nothing but "<" could end the block or begin a comment; in JSON it only occurs in strings.
static int append_escaped(const char *bytes, size_t length, void *user) {
    ae_text *out = user;
    for (const char *less; (less = memchr(bytes, '<', length)); bytes = less + 1) {
        if (ae_text_append(out, bytes, (size_t)(less - bytes)) != AE_OK) return -1;
        if (ae_text_append(out, "\\u003c", 6) != AE_OK) return -1;
        length -= (size_t)(less - bytes) + 1;
    }
    return ae_text_append(out, bytes, length) == AE_OK ? 0 : -1;
}

ae_status ae_page_data(ae_text *out, const ae_report *report, const ae_page_panel *panels) {
    json_t *data = document(report, panels);
    const int failed =
        !data || json_dump_callback(data, append_escaped, out, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    json_decref(data);
    return failed ? ae_fail(AE_ERR_MEMORY, "out of memory while writing the report's data") : AE_OK;
}
