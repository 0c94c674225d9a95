// Which figures a report has, and what is in them.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/average.h"
#include "report/figure.h"

// A figure before it is known which of its series hold anything: one series for each run and measure.
typedef struct plan {
    const char *id, *title, *text;
    ae_axis x, y;
    ae_log_rule x_rule, y_rule;
    bool over_edits, percent;  // the axes that are not fitted
    const char *const *names;  // [n_measures] "efficacy"
    const char *const *titles; // [n_measures] "Efficacy"
    size_t n_measures;
    ae_series *series; // [n_runs][n_measures]
} plan;

// ---- laying out ------------------------------------------------------------------------------------

static bool holds_anything(const ae_series *s) {
    for (size_t i = 0; i < s->n; i++)
        if (isfinite(s->x[i]) && isfinite(s->y[i])) return true;
    return false;
}

// The x or y of all series, for fitting an axis.
static ae_status all_values(const ae_report *report, const plan *p, bool of_x, double **values, size_t *n) {
    const size_t n_series = report->n_runs * p->n_measures;
    size_t room = 0, count = 0;
    for (size_t s = 0; s < n_series; s++)
        room += p->series[s].n;
    double *list = ae_alloc(room, sizeof *list);
    if (!list) return ae_no_memory();
    for (size_t s = 0; s < n_series; s++)
        for (size_t i = 0; i < p->series[s].n; i++)
            list[count++] = of_x ? p->series[s].x[i] : p->series[s].y[i];
    *values = list;
    *n = count;
    return AE_OK;
}

static ae_status fit_axes(const ae_report *report, plan *p) {
    for (int of_x = 0; of_x < 2; of_x++) {
        ae_axis *axis = of_x ? &p->x : &p->y;
        double *values = NULL;
        size_t n = 0;
        AE_TRY(all_values(report, p, of_x, &values, &n));
        if (!of_x && p->percent) {
            axis->low = 0;
            axis->high = 100;
        } else if (of_x && p->over_edits) {
            n = ae_sort_finite(values, n);
            axis->high = n > 0 && values[n - 1] > 0 ? values[n - 1] : 1;
        } else {
            ae_axis_fit(axis, values, n, of_x ? p->x_rule : p->y_rule);
        }
        ae_free(values);
    }
    return AE_OK;
}

// One run: its measures together in one panel. Several: a panel a measure, in which the runs are compared.
static ae_status lay_out(const ae_report *report, const plan *p, ae_figure *figure) {
    const bool together = report->n_runs == 1;
    const size_t n_panels = together ? 1 : p->n_measures,
                 n_series = together ? p->n_measures : report->n_runs;
    figure->panels = ae_arena_alloc(report->arena, n_panels, sizeof *figure->panels);
    if (!figure->panels) return ae_no_memory();
    for (size_t i = 0; i < n_panels; i++) {
        ae_panel panel = {.title = n_panels > 1 ? p->titles[i] : NULL, .x = p->x, .y = p->y};
        panel.series = ae_arena_alloc(report->arena, n_series, sizeof *panel.series);
        if (!panel.series) return ae_no_memory();
        for (size_t j = 0; j < n_series; j++) {
            const size_t run = together ? 0 : j, measure = together ? j : i;
            ae_series s = p->series[run * p->n_measures + measure];
            s.measure = p->names[measure];
            s.name = together && p->n_measures > 1 ? p->titles[measure] : report->runs[run].label;
            s.style = (int)j;
            if (holds_anything(&s)) panel.series[panel.n_series++] = s;
        }
        if (panel.n_series > 0) figure->panels[figure->n_panels++] = panel;
    }
    return AE_OK;
}

static ae_status add_figure(ae_report *report, plan *p, ae_text *missing) {
    AE_TRY(fit_axes(report, p));
    ae_figure figure = {.id = p->id, .title = p->title, .text = p->text};
    AE_TRY(lay_out(report, p, &figure));
    if (figure.n_panels == 0) return ae_text_printf(missing, "%s%s", missing->length ? "; " : "", p->title);
    report->figures[report->n_figures++] = figure;
    return AE_OK;
}

static ae_status make_series(const ae_report *report, plan *p) {
    p->series = ae_arena_alloc(report->arena, report->n_runs * p->n_measures, sizeof *p->series);
    if (!p->series) return ae_no_memory();
    for (size_t i = 0; i < report->n_runs * p->n_measures; i++)
        p->series[i].run = i / p->n_measures;
    return AE_OK;
}

// ---- figures of cases ------------------------------------------------------------------------------

typedef double (*case_number)(const ae_run_case_data *c);

// Counterfactual data are judged by which target is likelier, zsRE by the tokens that are right.
static double known_percent(double success, double accuracy) {
    return 100 * (isnan(success) ? accuracy : success);
}
static double efficacy(const ae_run_case_data *c) {
    return known_percent(c->post.rewrite_success, c->post.rewrite_acc);
}
static double paraphrase(const ae_run_case_data *c) {
    return known_percent(c->post.paraphrase_success, c->post.paraphrase_acc);
}
static double neighborhood(const ae_run_case_data *c) {
    return known_percent(c->post.neighborhood_success, c->post.neighborhood_acc);
}
static double distance(const ae_run_case_data *c) {
    return c->distance;
}
static double update_distance(const ae_run_case_data *c) {
    return c->update_distance;
}
static double k_dot_u(const ae_run_case_data *c) {
    return c->k_dot_u;
}
static double ngram_entropy(const ae_run_case_data *c) {
    return c->post.ngram_entropy;
}

static double *case_numbers(const ae_report *report, const ae_run_data *data, case_number number) {
    double *values = ae_arena_alloc(report->arena, data->n_cases, sizeof *values);
    for (size_t i = 0; values && i < data->n_cases; i++)
        values[i] = number(&data->cases[i]);
    return values;
}

// x NULL: the edits.
static ae_status fill_from_cases(const ae_report *report, ae_series *s, case_number x, case_number y,
                                 ae_series_form form, bool averaged) {
    const ae_report_run *run = &report->runs[s->run];
    s->n = run->data->n_cases;
    s->form = form;
    s->of_edits = true;
    s->x = x ? case_numbers(report, run->data, x) : run->edit;
    s->y = case_numbers(report, run->data, y);
    if (!s->x || !s->y) return ae_no_memory();
    if (!averaged) return AE_OK;
    double *average = ae_arena_alloc(report->arena, s->n, sizeof *average);
    if (!average) return ae_no_memory();
    ae_moving_average(s->y, s->n, (size_t)report->window, average);
    s->raw = s->y;
    s->y = average;
    return AE_OK;
}

static const ae_axis edits_axis = {.label = "Edits", .column = "edit"};

static ae_status add_case_figure(ae_report *report, plan *p, case_number x, case_number y,
                                 ae_series_form form, ae_text *missing) {
    static const char *const no_titles[] = {""};
    p->names = &p->y.column;
    p->titles = no_titles;
    p->n_measures = 1;
    if (!x) {
        p->x = edits_axis;
        p->over_edits = true;
    }
    AE_TRY(make_series(report, p));
    for (size_t r = 0; r < report->n_runs; r++)
        AE_TRY(fill_from_cases(report, &p->series[r], x, y, form, false));
    return add_figure(report, p, missing);
}

static ae_status add_scores(ae_report *report, ae_text *missing) {
    static const char *const names[] = {"efficacy", "paraphrase", "neighborhood"};
    static const char *const titles[] = {"Efficacy", "Paraphrase", "Neighbourhood"};
    static const case_number numbers[] = {efficacy, paraphrase, neighborhood};
    plan p = {.id = "scores",
              .title = "Scores over edits",
              .x = edits_axis,
              .y = {.column = "percent"},
              .over_edits = true,
              .percent = true,
              .names = names,
              .titles = titles,
              .n_measures = 3};
    char *label = ae_format("%%, mean of the last %d edits", report->window);
    char *text =
        ae_format("Share of a case's prompts that come out as wanted right after its edit: the request "
                  "itself (efficacy), its paraphrases, and prompts about neighbouring subjects, which "
                  "must not change. Each point is the mean of the last %d edits up to it.",
                  report->window);
    p.y.label = label ? ae_arena_strdup(report->arena, label) : NULL;
    p.text = text ? ae_arena_strdup(report->arena, text) : NULL;
    ae_free(label);
    ae_free(text);
    if (!p.y.label || !p.text) return ae_no_memory();
    AE_TRY(make_series(report, &p));
    for (size_t i = 0; i < report->n_runs * 3; i++)
        AE_TRY(fill_from_cases(report, &p.series[i], NULL, numbers[i % 3], AE_SERIES_LINE, true));
    return add_figure(report, &p, missing);
}

// ---- downstream tasks and perplexity ---------------------------------------------------------------

static double place_of(const ae_run_data *data, const ae_run_tasks_data *t) {
    return data->sequential ? (double)t->n_edits : (double)t->n_cases;
}

// The tasks of all runs in the order in which they are first met.
static ae_status list_tasks(const ae_report *report, const char ***names, size_t *count) {
    size_t capacity = 0, n = 0;
    const char **list = NULL;
    ae_status status = AE_OK;
    for (size_t r = 0; r < report->n_runs; r++)
        for (size_t t = 0; t < report->runs[r].data->n_tasks; t++) {
            const ae_run_tasks_data *tasks = &report->runs[r].data->tasks[t];
            for (size_t k = 0; k < tasks->n_tasks && status == AE_OK; k++) {
                size_t i = 0;
                while (i < n && strcmp(list[i], tasks->tasks[k].name) != 0)
                    i++;
                if (i < n) continue;
                status = ae_grow((void **)&list, &capacity, n + 1, sizeof *list);
                if (status == AE_OK) list[n++] = tasks->tasks[k].name;
            }
        }
    *names = list;
    *count = n;
    return status;
}

static const char *task_title(const char *name) {
    static const char *const known[][2] = {{"sst", "SST-2"},
                                           {"mrpc", "MRPC"},
                                           {"cola", "CoLA"},
                                           {"rte", "RTE"},
                                           {"rte (corrected labels)", "RTE (corrected labels)"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], name) == 0) return known[i][1];
    return name;
}

static ae_status fill_from_tasks(const ae_report *report, ae_series *s, const char *task, bool f1) {
    const ae_run_data *data = report->runs[s->run].data;
    double *x = ae_arena_alloc(report->arena, data->n_tasks, sizeof *x);
    double *y = ae_arena_alloc(report->arena, data->n_tasks, sizeof *y);
    if (!x || !y) return ae_no_memory();
    for (size_t t = 0; t < data->n_tasks; t++) {
        const ae_run_tasks_data *tasks = &data->tasks[t];
        x[t] = place_of(data, tasks);
        y[t] = NAN;
        for (size_t k = 0; k < tasks->n_tasks; k++)
            if (strcmp(tasks->tasks[k].name, task) == 0)
                y[t] = 100 * (f1 ? tasks->tasks[k].f1 : tasks->tasks[k].accuracy);
    }
    s->n = data->n_tasks;
    s->form = AE_SERIES_LINE_AND_DOTS;
    s->x = x;
    s->y = y;
    return AE_OK;
}

static ae_status add_tasks(ae_report *report, bool f1, ae_text *missing) {
    plan p = {
        .id = f1 ? "downstream_f1" : "downstream_accuracy",
        .title = f1 ? "Downstream tasks: F1" : "Downstream tasks: accuracy",
        .text =
            f1 ? "Few-shot tasks that have nothing to do with the edits: F1, weighted over the classes. It "
                 "falls where editing damages the model."
               : "The same tasks: the share of examples answered right; an answer that cannot be read "
                 "is not right.",
        .x = edits_axis,
        .y = {.label = f1 ? "F1, %" : "Accuracy, %", .column = f1 ? "f1_percent" : "accuracy_percent"},
        .over_edits = true,
        .percent = true};
    const char **names = NULL, **titles = NULL;
    ae_status status = list_tasks(report, &names, &p.n_measures);
    if (status == AE_OK) {
        titles = ae_arena_alloc(report->arena, p.n_measures, sizeof *titles);
        status = titles ? make_series(report, &p) : ae_no_memory();
    }
    for (size_t m = 0; m < p.n_measures && status == AE_OK; m++) {
        titles[m] = ae_report_clean(report->arena, task_title(names[m]));
        if (!titles[m]) status = ae_no_memory();
        for (size_t r = 0; r < report->n_runs && status == AE_OK; r++)
            status = fill_from_tasks(report, &p.series[r * p.n_measures + m], names[m], f1);
    }
    p.names = names;
    p.titles = titles;
    if (status == AE_OK) status = add_figure(report, &p, missing);
    ae_free(names); // the names themselves are the run's
    return status;
}

typedef struct point {
    double x, y;
} point;

static int compare_points(const void *a, const void *b) {
    const point *p = a, *q = b;
    return (p->x > q->x) - (p->x < q->x);
}

// Perplexity is measured with the tasks, and besides after some of the edits.
static ae_status fill_perplexity(const ae_report *report, ae_series *s) {
    const ae_report_run *run = &report->runs[s->run];
    const ae_run_data *data = run->data;
    const size_t room = data->n_tasks + data->n_cases;
    point *points = ae_arena_alloc(report->arena, room, sizeof *points);
    double *x = ae_arena_alloc(report->arena, room, sizeof *x);
    double *y = ae_arena_alloc(report->arena, room, sizeof *y);
    if (!points || !x || !y) return ae_no_memory();
    size_t n = 0;
    for (size_t t = 0; t < data->n_tasks; t++)
        points[n++] = (point){place_of(data, &data->tasks[t]), data->tasks[t].perplexity};
    for (size_t i = 0; i < data->n_cases; i++)
        points[n++] = (point){run->edit[i], data->cases[i].perplexity};
    if (n > 0) qsort(points, n, sizeof *points, compare_points);
    for (size_t i = 0; i < n; i++) {
        if (isnan(points[i].y) || (s->n > 0 && x[s->n - 1] == points[i].x)) continue; // once for each place
        x[s->n] = points[i].x;
        y[s->n++] = points[i].y;
    }
    s->form = AE_SERIES_LINE_AND_DOTS;
    s->x = x;
    s->y = y;
    return AE_OK;
}

static ae_status add_perplexity(ae_report *report, ae_text *missing) {
    static const char *const names[] = {"perplexity"}, *const titles[] = {""};
    plan p = {.id = "perplexity",
              .title = "Perplexity",
              .text =
                  "How well the model still predicts running text that no edit is about. Lower is better.",
              .x = edits_axis,
              .y = {.label = "Perplexity", .column = "perplexity"},
              .y_rule = AE_LOG_IF_LARGE,
              .over_edits = true,
              .names = names,
              .titles = titles,
              .n_measures = 1};
    AE_TRY(make_series(report, &p));
    for (size_t r = 0; r < report->n_runs; r++)
        AE_TRY(fill_perplexity(report, &p.series[r]));
    return add_figure(report, &p, missing);
}

// ---- all of them -----------------------------------------------------------------------------------

static ae_status add_all(ae_report *report, ae_text *missing) {
    plan from_original = {
        .id = "distance",
        .title = "Distance from the original weights",
        .text = "The Frobenius norm of the difference between the edited matrix and the original "
                "one, divided by the number of its elements; with several edited layers the sum.",
        .y = {.label = "‖W − W₀‖ / elements", .column = "distance"},
        .y_rule = AE_LOG_IF_LARGE};
    plan of_edit = {.id = "update",
                    .title = "Size of each edit's update",
                    .text =
                        "The same measure of what each edit alone changed. An edit that disables the model "
                        "stands far above the others.",
                    .y = {.label = "‖ΔW‖ / elements", .column = "update_distance"},
                    .y_rule = AE_LOG_IF_LARGE};
    plan entropy = {.id = "entropy",
                    .title = "Generations against the size of the update",
                    .text =
                        "Each point is an edit with a generation test: the entropy of the word n-grams "
                        "generated after it. Large updates with low entropy are disabling edits: the model "
                        "repeats itself.",
                    .x = {.label = "‖ΔW‖ / elements of the edit", .column = "update_distance"},
                    .y = {.label = "n-gram entropy, bits", .column = "ngram_entropy"},
                    .x_rule = AE_LOG_IF_LARGE};
    plan divisor = {
        .id = "k_dot_u",
        .title = "Divisor of each update, k·u",
        .text = "An update is divided by the product of the key k and the direction u. Where it is close "
                "to zero the update becomes huge; keys of two kinds, as in ROME's original code, make "
                "that possible.",
        .y = {.label = "k·u", .column = "k_dot_u"},
        .y_rule = AE_LOG_IF_FAR};
    AE_TRY(add_scores(report, missing));
    AE_TRY(add_tasks(report, true, missing));
    AE_TRY(add_tasks(report, false, missing));
    AE_TRY(add_case_figure(report, &from_original, NULL, distance, AE_SERIES_LINE, missing));
    AE_TRY(add_case_figure(report, &of_edit, NULL, update_distance, AE_SERIES_DOTS, missing));
    AE_TRY(add_case_figure(report, &entropy, update_distance, ngram_entropy, AE_SERIES_DOTS, missing));
    AE_TRY(add_perplexity(report, missing));
    return add_case_figure(report, &divisor, NULL, k_dot_u, AE_SERIES_DOTS, missing);
}

ae_status ae_report_make_figures(ae_report *report) {
    enum { MOST = 8 };
    report->figures = ae_arena_alloc(report->arena, MOST, sizeof *report->figures);
    if (!report->figures) return ae_no_memory();
    ae_text missing = {0};
    ae_status status = add_all(report, &missing);
    if (status == AE_OK && missing.length > 0) {
        report->missing = ae_arena_strdup(report->arena, missing.data);
        if (!report->missing) status = ae_no_memory();
    }
    ae_free(missing.data);
    return status;
}
