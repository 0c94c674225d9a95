// aedile run: edits over a data set, measured; the command around ae_run_execute.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aedile/eval.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/hparams_words.h"
#include "cli/run_values.h"
#include "cli/session.h"
#include "cli/visible.h"
#include "eval/guard.h"

// Sum and number of what was measured.
typedef struct mean {
    double sum;
    int64_t n;
} mean;

// All that one run of the command holds.
typedef struct work {
    const ae_run_values *v;
    ae_console *console;
    const char *model; // as it was typed; NULL: the run's own
    ae_session session;
    ae_run_record *record; // of the run that is resumed; NULL: a new one
    ae_run_options options;
    char *hparams_path; // of --hparams_fname
    char *own_data;     // the data folder that the model brings along
    bool editing;       // the first case has begun
    ae_run_result result;
    int64_t n_done_before;
    mean efficacy, paraphrase, neighborhood; // of the cases measured now
    json_t *tasks;                           // the last ones, or NULL
    double seconds;
} work;

// ---- what is to be done ----------------------------------------------------------------------------

static bool given(const work *w, const char *name) {
    return ae_was_given(&w->v->common, name);
}

// The sentence that is wrong with the options taken together, or NULL.
static const char *find_misuse(const work *w, const ae_texts *words) {
    const ae_run_values *v = w->v;
    if (v->model && words->count) return "MODEL and --model name the model twice";
    if (v->hparams && v->hparams_fname) return "--hparams and --hparams_fname name the file twice";
    if (v->skip_generation_tests && given(w, "generation-interval"))
        return "--skip_generation_tests contradicts --generation-interval";
    if (v->no_stats && (v->stats || v->ridge > 0)) return "--no-stats contradicts --stats and --ridge";
    if (v->layers.count > AE_MAX_EDIT_LAYERS) return "--layer: too many layers for one edit";
    if (v->glue.count > AE_MAX_TASK_FILES) return "--glue: too many task files";
    if (!w->model && !v->resume) return "MODEL is missing";
    return NULL;
}

// The settings of the run that is resumed. One that was ended before it had any begins with the options
// given.
static ae_status read_record(work *w) {
    const ae_run_values *v = w->v;
    if (!v->resume) return AE_OK;
    const ae_status status = ae_run_record_open(v->results, v->resume, &w->record);
    return status == AE_ERR_NOT_FOUND && w->model ? AE_OK : status;
}

static ae_status open_model(work *w) {
    ae_common common = w->v->common;
    const ae_run_record *record = w->record;
    if (record && !given(w, "threads")) common.threads = record->model_options.n_threads;
    if (record && !given(w, "decode"))
        common.decode = record->model_options.decode_compat ? "compat" : "bytes";
    ae_status status =
        ae_session_open_model(w->model ? w->model : record->model_folder, &common, &w->session);
    const char *name = w->v->name ? w->v->name : record ? record->model_name : NULL;
    return status == AE_OK && name ? ae_model_set_name(w->session.model, name) : status;
}

static ae_status load_hparams(work *w) {
    const ae_run_values *v = w->v;
    ae_run_options *o = &w->options;
    const char *path = v->hparams;
    if (v->hparams_fname) {
        path = w->hparams_path = ae_format("hparams/ROME/%s", v->hparams_fname);
        if (!path) return ae_no_memory();
    }
    if (path) {
        o->hparams_name = v->hparams_fname ? v->hparams_fname : path;
        return ae_hparams_load(path, w->session.model, &w->console->hooks, &o->hparams);
    }
    if (w->record) return AE_OK; // they are in the options already
    return ae_hparams_builtin(w->session.model, v->layers.count ? (int)v->layers.items[0] : -1, &o->hparams);
}

// The command line has the last word, then the file, then the run that is resumed, then what is built in.
static ae_status choose_hparams(work *w) {
    const ae_run_values *v = w->v;
    const ae_hparams_words words = {.variant = v->variant,
                                    .layers = &v->layers,
                                    .no_stats = v->no_stats,
                                    .dataset = v->stats_dataset,
                                    .n_samples = given(w, "stats-samples") ? &v->stats_samples : NULL};
    const ae_status status = load_hparams(w);
    return status == AE_OK ? ae_hparams_take(&words, w->session.model, &w->options.hparams) : status;
}

static bool stop(void *user) {
    (void)user;
    return ae_console_interrupted();
}

static ae_guard parse_guard(const char *word) {
    return strcmp(word, "skip") == 0   ? AE_GUARD_SKIP
           : strcmp(word, "stop") == 0 ? AE_GUARD_STOP
                                       : AE_GUARD_WARN;
}

// The demo model brings its data along, in its folder: that is the data folder where the usual one is not
// there. NULL: the usual one is, or it brings none. Free with free().
static char *find_own_data(const ae_model *model) {
    char *path = NULL;
    if (access(ae_run_defaults().data, F_OK) == 0) return NULL;
    if (asprintf(&path, "%s/data", ae_model_get_info(model)->folder) < 0) return NULL;
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

// What was given replaces what the run that is resumed says, or the defaults.
static ae_status choose_options(work *w) {
    const ae_run_values *v = w->v;
    ae_run_options *o = &w->options;
    *o = w->record ? w->record->options : ae_run_defaults();
    o->results = v->results;
    if (v->resume) o->resume = v->resume;
    if (given(w, "ds")) o->dataset = v->ds;
    if (given(w, "data"))
        o->data = v->data;
    else if (!w->record && (w->own_data = find_own_data(w->session.model)))
        o->data = w->own_data;
    if (given(w, "limit")) o->limit = v->limit;
    if (given(w, "max-edits")) o->max_edits = v->max_edits;
    if (v->select) o->select = v->select;
    if (v->stats) o->stats = v->stats;
    if (given(w, "ridge")) o->ridge = v->ridge;
    if (v->templates) o->templates = v->templates;
    if (given(w, "seed")) o->seed = v->seed;
    if (v->sequential) o->sequential = true;
    if (given(w, "num-edits")) o->num_edits = (int)v->num_edits;
    if (given(w, "generation-interval")) o->generation_interval = (int)v->generation_interval;
    if (v->skip_generation_tests) o->generation_interval = -1;
    if (v->pre) o->pre = true;
    if (given(w, "glue-interval")) o->glue_interval = (int)v->glue_interval;
    if (v->glue.count) {
        o->n_tasks = (int)v->glue.count;
        for (int i = 0; i < o->n_tasks; i++)
            o->tasks[i] = v->glue.items[i];
    }
    if (given(w, "glue-labels"))
        o->glue_labels = strcmp(v->glue_labels, "corrected") == 0 ? AE_GLUE_CORRECTED : AE_GLUE_COMPAT;
    if (v->ppl_text) o->ppl_text = v->ppl_text;
    if (given(w, "ppl-interval")) o->ppl_interval = (int)v->ppl_interval;
    if (given(w, "ppl-tokens")) o->ppl_tokens = v->ppl_tokens;
    if (given(w, "guard")) o->guard = parse_guard(v->guard);
    o->stop = stop;
    o->dry_run = v->dry_run;
    return choose_hparams(w);
}

// ---- while it runs ---------------------------------------------------------------------------------

static void warn(void *user, const char *text) {
    const work *w = user;
    w->console->hooks.warn(w->console->hooks.user, text);
}

// One line for the cases, whatever is measured between them; none where nobody looks. Ctrl-C ends the run
// behind the case that is being edited, and anything else at once: that is done again when the run is
// resumed.
static bool progress(void *user, const char *stage, double done, double total, const char *unit) {
    work *w = user;
    ae_console *console = w->console;
    const bool cases = strcmp(stage, "editing") == 0;
    w->editing = w->editing || cases;
    if (console->progress.terminal && (cases || !w->editing))
        (void)console->hooks.progress(console->hooks.user, stage, done, total, unit);
    return cases || !ae_console_interrupted();
}

static void add(mean *m, double value) {
    if (isnan(value)) return;
    m->sum += value;
    m->n++;
}

static void on_start(void *user, const char *folder, int64_t n_cases, int64_t n_done) {
    work *w = user;
    w->n_done_before = n_done;
    if (!w->v->dry_run)
        ae_console_note(w->console, "aedile: %s: %lld cases, %lld done", folder, (long long)n_cases,
                        (long long)n_done);
}

static void on_case(void *user, const ae_run_case *result) {
    work *w = user;
    add(&w->efficacy, result->efficacy);
    add(&w->paraphrase, result->paraphrase);
    add(&w->neighborhood, result->neighborhood);
    if (w->efficacy.n)
        snprintf(w->console->progress.note, sizeof w->console->progress.note, "efficacy %.1f %%",
                 100 * w->efficacy.sum / (double)w->efficacy.n);
}

static void on_tasks(void *user, const ae_run_tasks *t) {
    work *w = user;
    char line[512];
    int length = snprintf(line, sizeof line, "aedile: after %lld edits:", (long long)t->n_edits);
    json_t *scores = json_object();
    for (int i = 0; i < t->n_tasks; i++) {
        const ae_run_task *task = &t->tasks[i];
        json_object_set_new(scores, task->name,
                            json_pack("{s:o, s:o, s:o}", "f1", ae_json_real(task->f1), "mcc",
                                      ae_json_real(task->mcc), "accuracy", ae_json_real(task->accuracy)));
        if (length < (int)sizeof line)
            length +=
                snprintf(line + length, sizeof line - (size_t)length, " %s F1 %.3f,", task->name, task->f1);
    }
    if (!isnan(t->perplexity) && length < (int)sizeof line)
        length += snprintf(line + length, sizeof line - (size_t)length, " perplexity %.2f,", t->perplexity);
    if (length < (int)sizeof line && line[length - 1] == ',') line[length - 1] = '\0';
    ae_console_note(w->console, "%s", line);
    json_decref(w->tasks);
    w->tasks = json_pack("{s:I, s:o, s:o}", "n_edits", (json_int_t)t->n_edits, "perplexity",
                         ae_json_real(t->perplexity), "tasks", scores);
}

// ---- what came of it -------------------------------------------------------------------------------

static json_t *mean_document(const mean *m) {
    return ae_json_real(m->n ? m->sum / (double)m->n : NAN);
}

static json_t *settings_document(const work *w) {
    const ae_run_options *o = &w->options;
    json_t *layers = json_array();
    for (int i = 0; i < o->hparams.n_layers; i++)
        json_array_append_new(layers, json_integer(o->hparams.layers[i]));
    return json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:I, s:b, s:i, s:i, s:b, s:i, s:s, s:o, s:i, s:o, s:s}",
                     "variant", ae_variant_name(o->hparams.variant), "layers", layers, "dataset",
                     ae_json_text(o->dataset), "data", ae_json_text(o->data), "limit", (json_int_t)o->limit,
                     "select", ae_json_text(o->select), "max_edits", (json_int_t)o->max_edits, "sequential",
                     o->sequential, "num_edits", o->num_edits, "generation_interval", o->generation_interval,
                     "pre", o->pre, "glue_interval", o->glue_interval, "glue_labels",
                     o->glue_labels == AE_GLUE_CORRECTED ? "corrected" : "compat", "ppl_text",
                     ae_json_text(o->ppl_text), "ppl_interval", o->ppl_interval, "seed",
                     ae_json_seed(o->seed), "guard", ae_guard_names[o->guard]);
}

static json_t *document(const work *w) {
    const ae_model_info *model = ae_model_get_info(w->session.model);
    const ae_run_result *r = &w->result;
    return json_pack(
        "{s:o, s:b, s:b, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:{s:o, s:o, s:o, s:I}, s:O?, "
        "s:{s:f, s:f}}",
        "run", ae_json_text(r->folder), "resumed", w->v->resume != NULL, "dry_run", w->v->dry_run, "complete",
        r->complete, "reason", ae_json_text(r->reason), "model", ae_json_text(model->name), "n_cases",
        (json_int_t)r->n_cases, "n_done", (json_int_t)(w->v->dry_run ? w->n_done_before : r->n_done),
        "n_edits", (json_int_t)r->n_edits, "n_flagged", (json_int_t)r->n_flagged, "n_skipped",
        (json_int_t)r->n_skipped, "folder", ae_json_text(model->folder), "settings", settings_document(w),
        "measured", "efficacy", mean_document(&w->efficacy), "paraphrase", mean_document(&w->paraphrase),
        "neighborhood", mean_document(&w->neighborhood), "cases", (json_int_t)w->efficacy.n, "tasks",
        w->tasks, "seconds", "load", w->session.seconds_load, "run", w->seconds);
}

// The path as one word of a shell's; what a terminal would obey as $'\033', which not every shell reads.
static void print_shell_word(FILE *stream, const char *path) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+:@,";
    if (strspn(path, plain) == strlen(path)) {
        fputs(path, stream);
        return;
    }
    fputc('\'', stream);
    for (const char *end = path + strlen(path), *next; path < end; path = next) {
        char escape[AE_ESCAPE];
        next = path + ae_escape(path, (size_t)(end - path), escape);
        if (*escape) fputs("'$'", stream);
        for (; path < next; path++)
            if (*escape)
                fprintf(stream, "\\%03o", (unsigned char)*path);
            else if (*path == '\'')
                fputs("'\\''", stream);
            else
                fputc(*path, stream);
        if (*escape) fputs("''", stream);
    }
    fputc('\'', stream);
}

static void tell_how_to_resume(const work *w) {
    fputs("aedile: go on with: aedile run --resume ", stderr);
    print_shell_word(stderr, w->result.folder);
    fputc('\n', stderr);
}

static int fail(work *w, ae_status status) {
    const ae_run_result *r = &w->result;
    int code;
    if (w->session.model && r->folder) w->console->partial = document(w);
    if (status == AE_ERR_CANCELLED || status == AE_OK)
        code = r->reason
                   ? ae_console_fail_text(w->console, AE_ERR_CANCELLED,
                                          "the guard stopped the run: %s; --guard "
                                          "skip leaves such an edit out, --guard warn keeps it",
                                          r->reason)
                   : ae_console_fail_text(w->console, AE_ERR_CANCELLED, "stopped after %lld of %lld cases",
                                          (long long)r->n_done, (long long)r->n_cases);
    else
        code = ae_console_fail(w->console, status);
    if (r->folder) tell_how_to_resume(w);
    return code;
}

static void print_mean(const char *name, const mean *m) {
    char text[AE_SHORT_TEXT];
    if (m->n) printf(", %s %s", name, ae_text_percent(m->sum / (double)m->n, text));
}

static void print_plan(const work *w) {
    const ae_run_options *o = &w->options;
    printf("%s ", w->v->resume ? "would go on with" : "would begin");
    ae_print_visible(stdout, w->result.folder);
    printf(": %lld cases, %lld done\n  model       ", (long long)w->result.n_cases,
           (long long)w->n_done_before);
    ae_print_visible(stdout, ae_model_get_info(w->session.model)->folder);
    printf("\n  variant     %s, layer", ae_variant_name(o->hparams.variant));
    for (int i = 0; i < o->hparams.n_layers; i++)
        printf("%s%d", i ? ", " : " ", o->hparams.layers[i]);
    printf("\n  records     ");
    ae_print_visible(stdout, o->dataset);
    printf(", data in ");
    ae_print_visible(stdout, o->data);
    if (o->select) printf(", selected by ");
    if (o->select) ae_print_visible(stdout, o->select);
    printf("\n  edits       %s, %d a chunk, seed %llu\n",
           o->sequential ? "accumulate" : "restored after each chunk", o->num_edits,
           (unsigned long long)o->seed);
    if (o->generation_interval > 0)
        printf("  generation  where the case's id is a multiple of %d\n", o->generation_interval);
    if (o->glue_interval > 0)
        printf("  tasks       before the first and after every %d edits\n", o->glue_interval);
    if (o->ppl_text) {
        printf("  perplexity  of ");
        ae_print_visible(stdout, o->ppl_text);
        putchar('\n');
    }
}

static int finish(work *w) {
    if (w->console->json) return ae_console_document(w->console, document(w));
    const ae_run_result *r = &w->result;
    ae_console_clear(w->console);
    if (w->v->dry_run) {
        print_plan(w);
        return AE_EXIT_OK;
    }
    char seconds[AE_SHORT_TEXT];
    ae_print_visible(stdout, r->folder);
    printf(": %lld cases, %lld edits, %lld flagged, %lld skipped (%s)\n", (long long)r->n_cases,
           (long long)r->n_edits, (long long)r->n_flagged, (long long)r->n_skipped,
           ae_text_seconds(w->seconds, seconds));
    if (w->efficacy.n == 0) return AE_EXIT_OK;
    printf("%lld measured now", (long long)w->efficacy.n);
    print_mean("efficacy", &w->efficacy);
    print_mean("paraphrase", &w->paraphrase);
    print_mean("neighborhood", &w->neighborhood);
    putchar('\n');
    return AE_EXIT_OK;
}

static int execute(work *w) {
    const ae_hooks hooks = {.user = w, .warn = warn, .progress = progress};
    const ae_run_listener listener = {
        .user = w, .on_start = on_start, .on_case = on_case, .on_tasks = on_tasks};
    ae_status status = read_record(w);
    if (status == AE_OK) status = open_model(w);
    if (status == AE_OK) status = choose_options(w);
    const double began = ae_clock();
    ae_console_catch_interrupt(); // not every stage of a run is told to the console
    if (status == AE_OK)
        status = ae_run_execute(w->session.model, &w->options, &hooks, &listener, &w->result);
    w->seconds = ae_clock() - began;
    return status == AE_OK && (w->result.complete || w->v->dry_run) ? finish(w) : fail(w, status);
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    work w = {.v = options, .console = console};
    w.model = words->count ? words->items[0] : w.v->model;
    const char *misuse = find_misuse(&w, words);
    const int code = misuse ? ae_console_misuse(console, "%s", misuse) : execute(&w);
    json_decref(w.tasks);
    ae_run_result_free(&w.result);
    ae_run_record_free(w.record);
    ae_free(w.hparams_path);
    free(w.own_data);
    ae_session_close(&w.session);
    return code;
}

const ae_command ae_command_run = {
    .name = "run",
    .brief = "edit a data set record by record, and measure what it does to the model",
    .usage = {"MODEL [options]", "--resume RUN"},
    .about =
        "Edits record after record of CounterFact, zsRE or a file of one's own and measures each: whether "
        "the "
        "new answer comes, in other words, too, and whether neighbouring facts stay; every so many edits the "
        "model's downstream tasks and its perplexity. The results are the files that the code of "
        "\"Rebuilding "
        "ROME\" writes, in results/ROME/run_NNN; its scripts read them. A run that was stopped or killed at "
        "any moment goes on with --resume and ends with the files of one that was not. Ctrl-C ends it behind "
        "the case in hand; twice, at once.",
    .tables = {ae_table_run, ae_table_run_names, ae_table_decode, ae_table_threads, ae_table_output},
    .examples = {{"A thousand edits that accumulate:",
                  "aedile run gpt2-xl --hparams hparams/ROME/gpt2-xl.json --sequential --max-edits 1000"},
                 {"Go on with it:", "aedile run --resume run_000"},
                 {"As the reference is called:",
                  "aedile run --model_name=gpt2-xl --hparams_fname=gpt2-xl.json --ds_name=cf --sequential"}},
    .min_words = 0,
    .max_words = 1,
    .size = sizeof(ae_run_values),
    .run = run,
};
