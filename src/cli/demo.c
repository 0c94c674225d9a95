// aedile demo: what editing is, what goes wrong with it and what repairs it, on a small model that comes
// along.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aedile/report.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/demo_story.h"
#include "cli/session.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    const char *output;
    int64_t edits, interval;
    bool story_only;
} values;

static const ae_variant variants[] = {AE_ROME, AE_P_ROME, AE_R_ROME};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

// The model counts as collapsed where the tasks lose more than half of what they had over chance, or
// perplexity grows more than tenfold.
static const double CHANCE = 0.5, COLLAPSED_TASKS = 0.5, COLLAPSED_PERPLEXITY = 10;

typedef struct edited {
    int64_t case_id;
    double k_dot_u, norm;
} edited;

// One run as it goes on.
typedef struct course {
    ae_console *console;
    ae_variant variant;
    edited *edits; // [values.edits]
    size_t n_edits, capacity;
    struct { // since the last row of the table
        double efficacy, paraphrase, neighborhood;
        int n;
    } window;
    double distance, efficacy, paraphrase, neighborhood; // the last distance; sums over all cases
    double first_tasks, last_tasks, first_perplexity, last_perplexity;
    int64_t n_measured; // edits before the last of these; -1: nothing is measured yet, 0: only the first
    double seconds;
    ae_run_result result;
} course;

static void show_case(void *user, const ae_run_case *c) {
    course *run = user;
    if (run->n_edits < run->capacity)
        run->edits[run->n_edits++] = (edited){c->case_id, c->k_dot_u, c->update_norm};
    run->window.efficacy += c->efficacy;
    run->window.paraphrase += c->paraphrase;
    run->window.neighborhood += c->neighborhood;
    run->window.n++;
    run->efficacy += c->efficacy;
    run->paraphrase += c->paraphrase;
    run->neighborhood += c->neighborhood;
    run->distance = c->distance;
}

static void show_tasks(void *user, const ae_run_tasks *t) {
    course *run = user;
    double accuracy = 0;
    for (int i = 0; i < t->n_tasks; i++)
        accuracy += t->tasks[i].accuracy / t->n_tasks;
    if (run->n_measured < 0) {
        run->first_tasks = accuracy;
        run->first_perplexity = t->perplexity;
    }
    run->n_measured = t->n_edits;
    run->last_tasks = accuracy;
    run->last_perplexity = t->perplexity;
    if (!run->console->json) {
        ae_console_clear(run->console);
        printf("%7lld", (long long)t->n_edits);
        if (run->window.n)
            printf(" %9.1f %11.1f %11.1f", 100 * run->window.efficacy / run->window.n,
                   100 * run->window.paraphrase / run->window.n,
                   100 * run->window.neighborhood / run->window.n);
        else
            printf(" %9s %11s %11s", "-", "-", "-");
        printf(" %7.1f %11.2f %10.2e\n", 100 * accuracy, t->perplexity, run->distance);
        fflush(stdout);
    }
    memset(&run->window, 0, sizeof run->window);
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The median of what `of` takes from each edit.
static double median(const course *run, double (*of)(const edited *)) {
    double *sorted = calloc(run->n_edits + 1, sizeof *sorted);
    if (!sorted) return NAN;
    for (size_t i = 0; i < run->n_edits; i++)
        sorted[i] = of(&run->edits[i]);
    qsort(sorted, run->n_edits, sizeof *sorted, compare_doubles);
    const double middle = run->n_edits ? sorted[run->n_edits / 2] : NAN;
    free(sorted);
    return middle;
}

static double norm_of(const edited *e) {
    return e->norm;
}
static double k_dot_u_of(const edited *e) {
    return fabs(e->k_dot_u);
}

static bool has_collapsed(const course *run) {
    return run->last_tasks - CHANCE < COLLAPSED_TASKS * (run->first_tasks - CHANCE) ||
           !(run->last_perplexity <= COLLAPSED_PERPLEXITY * run->first_perplexity);
}

// The edit with the largest update against the median, and the one with the smallest k·u.
static const edited *largest_norm(const course *run) {
    const edited *found = NULL;
    for (size_t i = 0; i < run->n_edits; i++)
        if (!found || run->edits[i].norm > found->norm) found = &run->edits[i];
    return found;
}
static const edited *smallest_k_dot_u(const course *run) {
    const edited *found = NULL;
    for (size_t i = 0; i < run->n_edits; i++)
        if (!found || fabs(run->edits[i].k_dot_u) < fabs(found->k_dot_u)) found = &run->edits[i];
    return found;
}

// Is there a figure of the edited model?
static bool is_measured(const course *run) {
    return run->n_measured > 0;
}

static void print_outcome(const course *run) {
    char time[AE_SHORT_TEXT];
    const edited *large = largest_norm(run), *small = smallest_k_dot_u(run);
    printf("%s: ", ae_variant_name(run->variant));
    if (!is_measured(run))
        printf("not measured after its %zu edits", run->n_edits);
    else if ((size_t)run->n_measured == run->n_edits)
        printf("%s after %zu edits", has_collapsed(run) ? "collapsed" : "still works", run->n_edits);
    else
        printf("%s after %lld of %zu edits", has_collapsed(run) ? "collapsed" : "still works",
               (long long)run->n_measured, run->n_edits);
    printf(" (%s). ", ae_text_seconds(run->seconds, time));
    if (is_measured(run))
        printf("Tasks %.1f -> %.1f, perplexity %.2f -> %.2f, ", 100 * run->first_tasks, 100 * run->last_tasks,
               run->first_perplexity, run->last_perplexity);
    printf("%lld edit%s flagged.\n", (long long)run->result.n_flagged, run->result.n_flagged == 1 ? "" : "s");
    if (large && small)
        printf("        largest update: case %lld, %.1f times the median norm; smallest |k.u|: case %lld, "
               "%.2g times "
               "the median\n",
               (long long)large->case_id, large->norm / median(run, norm_of), (long long)small->case_id,
               fabs(small->k_dot_u) / median(run, k_dot_u_of));
}

static json_t *outcome_document(const course *run) {
    const edited *large = largest_norm(run), *small = smallest_k_dot_u(run);
    const double n = (double)run->n_edits;
    const bool measured = is_measured(run);
    json_t *document = json_pack(
        "{s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "variant",
        ae_variant_name(run->variant), "run", ae_json_text(run->result.folder), "n_edits",
        (json_int_t)run->n_edits, "n_measured", (json_int_t)run->n_measured, "n_flagged",
        (json_int_t)run->result.n_flagged, "collapsed",
        measured ? json_boolean(has_collapsed(run)) : json_null(), "efficacy",
        ae_json_real(run->efficacy / n), "paraphrase", ae_json_real(run->paraphrase / n), "neighborhood",
        ae_json_real(run->neighborhood / n), "tasks_before", ae_json_real(run->first_tasks), "tasks_after",
        ae_json_real(measured ? run->last_tasks : NAN), "perplexity_before",
        ae_json_real(run->first_perplexity), "perplexity_after",
        ae_json_real(measured ? run->last_perplexity : NAN), "distance", ae_json_real(run->distance),
        "seconds", ae_json_real(run->seconds));
    if (large && small)
        json_object_update_new(
            document,
            json_pack("{s:I, s:o, s:I, s:o}", "largest_update_case", (json_int_t)large->case_id,
                      "largest_update_over_median", ae_json_real(large->norm / median(run, norm_of)),
                      "smallest_k_dot_u_case", (json_int_t)small->case_id, "smallest_k_dot_u_over_median",
                      ae_json_real(fabs(small->k_dot_u) / median(run, k_dot_u_of))));
    return document;
}

// ---- the parts -------------------------------------------------------------------------------------

static ae_status edit_in_sequence(ae_console *console, const values *v, ae_model *model, const char *results,
                                  course *run) {
    char *data = ae_path_join(ae_model_get_info(model)->folder, "data");
    char *text = data ? ae_path_join(data, "held_out.txt") : NULL;
    run->edits = ae_alloc((size_t)v->edits, sizeof *run->edits);
    run->capacity = (size_t)v->edits;
    ae_run_options options = ae_run_defaults();
    options.results = results;
    options.data = data;
    options.max_edits = v->edits;
    options.sequential = true;
    const int interval = (int)(v->interval < v->edits ? v->interval : v->edits); // at the end at the latest
    options.generation_interval = interval;
    options.glue_interval = interval;
    options.ppl_text = text;
    const ae_run_listener listener = {.user = run, .on_case = show_case, .on_tasks = show_tasks};
    ae_status status = text && run->edits ? AE_OK : ae_no_memory();
    if (status == AE_OK) status = ae_hparams_builtin(model, -1, &options.hparams);
    options.hparams.variant = run->variant;
    if (!console->json)
        printf("\n%s, %lld edits one after another\n%7s %9s %11s %11s %7s %11s %10s\n",
               ae_variant_name(run->variant), (long long)v->edits, "edits", "efficacy", "paraphrase",
               "neighbours", "tasks", "perplexity", "distance");
    const double began = ae_clock();
    if (status == AE_OK) status = ae_run_execute(model, &options, &console->hooks, &listener, &run->result);
    run->seconds = ae_clock() - began;
    ae_model_restore(model);
    ae_free(data);
    ae_free(text);
    return status;
}

static ae_status write_report(ae_console *console, const course *runs, const char *path) {
    const char *folders[N_VARIANTS];
    for (int i = 0; i < N_VARIANTS; i++)
        folders[i] = runs[i].result.folder;
    const ae_report_options options = {
        .format = AE_REPORT_HTML, .output = path, .title = "aedile demo: ROME, p-ROME and r-ROME"};
    return ae_report_write(folders, N_VARIANTS, &options, &console->hooks);
}

// What one call of the command makes.
typedef struct work {
    ae_session session;
    course runs[N_VARIANTS];
    json_t *story; // with --json
    bool exact;    // the story's edit was reverted to the bit
    char *journal, *report;
    double began;
} work;

static ae_status play(ae_console *console, const values *v, work *w) {
    w->journal = ae_path_join(v->output, "journal");
    w->report = ae_path_join(v->output, "report.html");
    if (!w->journal || !w->report) return ae_no_memory();
    ae_status status = ae_session_open_model("demo", &v->common, &w->session);
    if (status == AE_OK) status = ae_tell_story(console, w->session.model, w->journal, &w->story, &w->exact);
    if (status != AE_OK || !w->exact || v->story_only) return status;
    for (int i = 0; status == AE_OK && i < N_VARIANTS; i++) {
        w->runs[i] = (course){.console = console, .variant = variants[i], .n_measured = -1};
        status = edit_in_sequence(console, v, w->session.model, v->output, &w->runs[i]);
    }
    return status == AE_OK ? write_report(console, w->runs, w->report) : status;
}

static json_t *work_document(const values *v, const work *w) {
    json_t *list = json_array();
    for (int i = 0; !v->story_only && i < N_VARIANTS; i++)
        json_array_append_new(list, outcome_document(&w->runs[i]));
    return json_pack("{s:O, s:o, s:o, s:o}", "story", w->story, "runs", list, "report",
                     ae_json_text(v->story_only ? NULL : w->report), "seconds",
                     ae_json_real(ae_clock() - w->began));
}

static void print_outcomes(const work *w) {
    char time[AE_SHORT_TEXT];
    putchar('\n');
    for (int i = 0; i < N_VARIANTS; i++)
        print_outcome(&w->runs[i]);
    printf("\nAll figures and every edit: ");
    ae_print_visible(stdout, w->report);
    printf(" (%s in all)\n", ae_text_seconds(ae_clock() - w->began, time));
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    (void)words;
    const values *v = options;
    if (access(v->output, F_OK) == 0)
        return ae_console_fail_text(console, AE_ERR_ARGUMENT,
                                    "'%s' is there already: remove it, or name another folder with --output",
                                    v->output);
    work w = {.began = ae_clock()};
    const ae_status status = play(console, v, &w);
    int code = AE_EXIT_OK;
    if (status != AE_OK)
        code = ae_console_fail(console, status);
    else if (!w.exact)
        code = ae_console_fail_text(console, AE_ERR_INTERNAL,
                                    "the reverted weights are not those of before the edit");
    else if (console->json)
        code = ae_console_document(console, work_document(v, &w));
    else if (!v->story_only)
        print_outcomes(&w);
    for (int i = 0; i < N_VARIANTS; i++) {
        ae_free(w.runs[i].edits);
        ae_run_result_free(&w.runs[i].result);
    }
    json_decref(w.story);
    ae_free(w.journal);
    ae_free(w.report);
    ae_session_close(&w.session);
    return code;
}

static const ae_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .initial = "aedile-demo",
     .offset = offsetof(values, output),
     .section = "The demo",
     .help = "Where the runs, the journal and report.html go. It must be new."},
    {.name = "edits",
     .letter = 'n',
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "200",
     .low = 1,
     .high = 100000,
     .offset = offsetof(values, edits),
     .help = "Length of each of the three sequences."},
    {.name = "interval",
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "40",
     .low = 1,
     .high = 100000,
     .offset = offsetof(values, interval),
     .help =
         "Measure the downstream tasks and perplexity after every N edits; of fewer edits, after the last."},
    {.name = "story",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, story_only),
     .help = "Only the first part, one edit and its revert; seconds instead of minutes."},
    {0},
};

const ae_command ae_command_demo = {
    .name = "demo",
    .brief = "see an edit, its revert, and what hundreds of edits do to a model, in two minutes",
    .usage = {"[options]"},
    .about =
        "Works on the demo model: a small GPT-2 trained on a few thousand facts about real things. First one "
        "fact "
        "is edited: what the model says before and after, to the request, to other words for it and to its "
        "neighbours; then the edit is taken back, and the weights are compared bit for bit. Then the same "
        "sequence of edits is made three times, by the original ROME, by p-ROME and by r-ROME, while "
        "efficacy, "
        "downstream tasks and perplexity are measured; report.html shows the three beside each other.",
    .tables = {options, ae_table_threads, ae_table_output},
    .examples = {{"All of it:", "aedile demo"}, {"Just one edit and its revert:", "aedile demo --story"}},
    .size = sizeof(values),
    .run = run,
};
