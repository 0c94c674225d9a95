// aedile edit: one or more facts, from the request to the journal.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/edit_report.h"
#include "cli/hparams_words.h"
#include "cli/session.h"
#include "cli/visible.h"
#include "edit/journal.h"
#include "edit/journal_base.h"

typedef struct values {
    ae_common common;
    const char *prompt, *subject, *target, *target_true, *requests;
    const char *hparams, *variant;
    ae_ints layers;
    const char *stats, *name, *dataset;
    ae_ints samples;
    double ridge;
    bool no_stats;
    const char *templates, *save_templates;
    uint64_t seed;
    bool strict, resume;
    int64_t show;
} values;

// Of an active edit of the journal at one layer.
typedef struct past_update {
    int layer;
    double norm;
} past_update;

// All that one run of the command holds.
typedef struct work {
    const values *v;
    ae_console *console;
    ae_session session;
    bool new_journal; // to be made with the first edit: nothing is written before there is something to keep
    ae_request single, *loaded;
    size_t n_loaded;
    const ae_request *requests; // those to do
    size_t n_requests, n_done;
    ae_request *rest; // with --resume: what the journal has not
    size_t n_skipped;
    ae_hparams hparams;
    ae_templates templates;
    bool templates_saved;
    ae_moment *moments[AE_MAX_EDIT_LAYERS];
    double seconds_templates, seconds_statistics;
    past_update *past; // of the journal's active edits
    size_t n_past;
    json_t *edits; // documents of the edits that are done
} work;

// ---- before the first edit -------------------------------------------------------------------------

// The sentence that is wrong with the options taken together, or NULL.
static const char *find_misuse(const values *v) {
    if (v->requests && (v->prompt || v->subject || v->target || v->target_true))
        return "--requests comes alone, without --prompt, --subject, --target and --target-true";
    if (!v->requests && !v->prompt) return "--prompt is missing (or --requests FILE)";
    if (!v->requests && !v->subject) return "--subject is missing";
    if (!v->requests && !v->target) return "--target is missing";
    if (v->resume && !v->common.journal) return "--resume goes on with a journal: --journal DIR is missing";
    if (v->no_stats && (v->stats || v->ridge > 0)) return "--no-stats contradicts --stats and --ridge";
    if (v->samples.count > 1) return "--samples takes one number";
    if (v->layers.count > AE_MAX_EDIT_LAYERS) return "--layer: too many layers for one edit";
    return NULL;
}

// A journal's entry holds the request as JSON. (A file of requests is JSON already.)
static ae_status check_recordable(const ae_request *r) {
    const char *const texts[] = {r->prompt, r->subject, r->target_new, r->target_true};
    static const char *const options[] = {"prompt", "subject", "target", "target-true"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *text = json_string(texts[i] ? texts[i] : "");
        json_decref(text);
        if (!text)
            return ae_fail(AE_ERR_ARGUMENT, "--%s: '%s' is not valid UTF-8: the journal cannot record it",
                           options[i], texts[i]);
    }
    return AE_OK;
}

static ae_status load_requests(work *w) {
    const values *v = w->v;
    if (!v->requests) {
        w->single = (ae_request){v->prompt, v->subject, v->target, v->target_true, -1};
        w->requests = &w->single;
        w->n_requests = 1;
        const ae_status status = ae_request_check(&w->single);
        return status == AE_OK && v->common.journal ? check_recordable(&w->single) : status;
    }
    ae_status status = ae_requests_load(v->requests, &w->loaded, &w->n_loaded);
    w->requests = w->loaded;
    w->n_requests = w->n_loaded;
    for (size_t i = 0; i < w->n_requests && status == AE_OK; i++)
        status = ae_request_check(&w->requests[i]);
    return status;
}

// The command line has the last word, then the file, then what is built in.
static ae_status choose_hparams(work *w) {
    const values *v = w->v;
    const int first = v->layers.count ? (int)v->layers.items[0] : -1;
    ae_hparams *h = &w->hparams;
    const ae_hparams_words words = {.variant = v->variant,
                                    .layers = &v->layers,
                                    .no_stats = v->no_stats,
                                    .dataset = v->dataset,
                                    .n_samples = v->samples.count ? v->samples.items : NULL};
    const ae_status status = v->hparams ? ae_hparams_load(v->hparams, w->session.model, &w->console->hooks, h)
                                        : ae_hparams_builtin(w->session.model, first, h);
    return status == AE_OK ? ae_hparams_take(&words, w->session.model, h) : status;
}

static ae_status get_templates(work *w) {
    const double began = ae_clock();
    ae_status status = w->v->templates ? ae_templates_load(w->v->templates, &w->templates)
                                       : ae_templates_sample(w->session.model, &w->hparams, w->v->seed,
                                                             &w->console->hooks, &w->templates);
    w->seconds_templates = ae_clock() - began;
    return status;
}

static ae_status open_moments(work *w) {
    const double began = ae_clock();
    ae_status status = AE_OK;
    for (int i = 0; i < w->hparams.n_layers && w->hparams.mom2_adjustment && status == AE_OK; i++)
        status = ae_moment_open(w->session.model, w->hparams.layers[i], &w->hparams, w->v->stats, w->v->ridge,
                                &w->console->hooks, &w->moments[i]);
    w->seconds_statistics = ae_clock() - began;
    return status;
}

// Opens the journal where there is one; one that is not there yet is made with the first edit, but that it
// can be is looked at now: an edit of a large model takes a minute.
static ae_status open_journal(work *w) {
    const char *folder = w->v->common.journal;
    if (!folder) return AE_OK;
    char *path = ae_path_join(folder, AE_JOURNAL_FILE);
    if (!path) return ae_no_memory();
    w->new_journal = !ae_path_is_taken(path);
    ae_free(path);
    return w->new_journal ? ae_journal_check_place(folder)
                          : ae_journal_open(folder, w->session.model, false, false, &w->session.journal);
}

static bool same_request(const ae_request *a, const ae_request *b) {
    return strcmp(a->prompt, b->prompt) == 0 && strcmp(a->subject, b->subject) == 0 &&
           strcmp(a->target_new, b->target_new) == 0;
}

// Leaves out the requests that the journal has, reverted ones among them: each entry answers for one request,
// so that what was asked for twice is done twice.
static ae_status leave_out_done(work *w) {
    ae_journal *journal = w->session.journal;
    bool *answered = ae_alloc(w->n_requests, sizeof *answered);
    w->rest = ae_alloc(w->n_requests, sizeof *w->rest);
    ae_status status = answered && w->rest ? AE_OK : ae_no_memory();
    for (size_t k = 0; journal && k < ae_journal_count(journal) && status == AE_OK; k++) {
        ae_journal_entry entry;
        ae_edit *edit = NULL;
        status = ae_journal_read(journal, k, &entry, &edit);
        for (size_t i = 0; i < w->n_requests && status == AE_OK; i++) {
            if (answered[i] || !same_request(&edit->request, &w->requests[i])) continue;
            answered[i] = true;
            break;
        }
        ae_edit_free(edit);
    }
    size_t n = 0;
    for (size_t i = 0; i < w->n_requests && status == AE_OK; i++)
        if (!answered[i]) w->rest[n++] = w->requests[i];
    ae_free(answered);
    w->n_skipped = w->n_requests - n;
    w->requests = w->rest;
    w->n_requests = n;
    return status;
}

// Norms alone are kept of the journal's edits: there may be thousands, and their vectors are large. Short of
// memory, an outlier is not told.
static void remember_update(work *w, const ae_edit *edit) {
    past_update *more = realloc(w->past, (w->n_past + (size_t)edit->n_layers) * sizeof *more);
    if (!more) return;
    w->past = more;
    for (int i = 0; i < edit->n_layers; i++)
        w->past[w->n_past++] = (past_update){edit->layers[i].layer, edit->layers[i].update_norm};
}

static ae_status read_updates(work *w) {
    ae_status status = AE_OK;
    for (size_t i = 0; i < ae_journal_count(w->session.journal) && status == AE_OK; i++) {
        ae_journal_entry entry;
        ae_edit *edit = NULL;
        status = ae_journal_read(w->session.journal, i, &entry, &edit);
        if (status == AE_OK && !entry.reverted) remember_update(w, edit);
        ae_edit_free(edit);
    }
    return status;
}

static ae_status prepare(work *w, const char *model) {
    ae_status status = load_requests(w);
    if (status == AE_OK) status = ae_session_open_model(model, &w->v->common, &w->session);
    if (status == AE_OK && w->v->name) status = ae_model_set_name(w->session.model, w->v->name);
    if (status == AE_OK) status = open_journal(w);
    if (status == AE_OK && w->v->resume) status = leave_out_done(w);
    if (status == AE_OK && w->n_requests == 0) return AE_OK;
    if (status == AE_OK) status = choose_hparams(w);
    if (status == AE_OK) status = open_moments(w);
    // Templates are those of the unedited model, so they come before the journal's edits.
    if (status == AE_OK) status = get_templates(w);
    if (status == AE_OK && w->session.journal)
        status = ae_journal_apply(w->session.journal, w->session.model);
    if (status == AE_OK && w->session.journal) status = read_updates(w);
    if (status == AE_OK && w->session.journal) w->session.n_active = ae_count_active(w->session.journal);
    return status;
}

// ---- one edit --------------------------------------------------------------------------------------

// Keeps the edit: the templates where they are wanted, the journal's entry. *id stays -1 without a journal.
static ae_status keep(work *w, const ae_edit *edit, int *id) {
    ae_status status = AE_OK;
    if (w->v->save_templates && !w->templates_saved) {
        status = ae_templates_save(&w->templates, w->v->save_templates);
        w->templates_saved = status == AE_OK;
    }
    if (status == AE_OK && w->new_journal) {
        status = ae_journal_open(w->v->common.journal, w->session.model, true, false, &w->session.journal);
        w->new_journal = status != AE_OK;
    }
    if (status == AE_OK && w->session.journal)
        status = ae_journal_append(w->session.journal, w->session.model, edit, id);
    if (status == AE_OK && w->session.journal) remember_update(w, edit);
    return status;
}

static void report(work *w, const ae_edit *edit, int id, double seconds_measure) {
    if (w->console->json) {
        json_t *document = ae_edit_document(edit, true);
        json_object_set_new(document, "id", id < 0 ? json_null() : json_integer(id));
        json_object_set_new(json_object_get(document, "seconds"), "measure", json_real(seconds_measure));
        json_array_append_new(w->edits, document);
        return;
    }
    char keys[AE_SHORT_TEXT], solve[AE_SHORT_TEXT], optimise[AE_SHORT_TEXT], update[AE_SHORT_TEXT];
    ae_console_clear(w->console);
    ae_print_edit(edit, false);
    printf("  time        keys %s, solve %s, optimise %s, update %s\n",
           ae_text_seconds(edit->seconds_keys, keys), ae_text_seconds(edit->seconds_solve, solve),
           ae_text_seconds(edit->seconds_optimise, optimise), ae_text_seconds(edit->seconds_update, update));
    if (id >= 0) {
        printf("  journal     edit %d in ", id);
        ae_print_visible(stdout, w->v->common.journal);
        putchar('\n');
    }
    putchar('\n');
    fflush(stdout);
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Says so where an update is out of line with the journal's: that is what a disabling edit looks like.
static void flag_outlier(const work *w, const ae_layer_edit *layer) {
    enum { ENOUGH = 5, FAR = 10 };
    double *norms = w->n_past >= ENOUGH ? malloc(w->n_past * sizeof *norms) : NULL;
    size_t n = 0;
    for (size_t i = 0; norms && i < w->n_past; i++)
        if (w->past[i].layer == layer->layer) norms[n++] = w->past[i].norm;
    if (n >= ENOUGH) {
        qsort(norms, n, sizeof *norms, compare_doubles);
        if (layer->update_norm > FAR * norms[n / 2])
            ae_console_warn(
                w->console,
                "the update at layer %d has norm %.3g, %.0f times the median of the %zu before it (%.3g): "
                "look at what the model says now, and revert the edit if that is nonsense",
                layer->layer, layer->update_norm, layer->update_norm / norms[n / 2], n, norms[n / 2]);
    }
    free(norms);
}

static ae_status edit_one(work *w, const ae_request *request) {
    const ae_edit_options how = {
        .hparams = &w->hparams,
        .templates = &w->templates,
        .moments = w->hparams.mom2_adjustment ? (const ae_moment *const *)w->moments : NULL,
        .seed = w->v->seed,
        .strict = w->v->strict,
    };
    ae_model *model = w->session.model;
    if (w->n_requests > 1)
        snprintf(w->console->progress.note, sizeof w->console->progress.note, "request %zu of %zu",
                 w->n_done + 1, w->n_requests);
    ae_edit *edit = NULL;
    ae_measure before = {0}, after = {0};
    int id = -1;
    const double began = ae_clock();
    ae_status status = ae_measure_request(model, request, (int)w->v->show, &before);
    double measuring = ae_clock() - began;
    if (status == AE_OK) status = ae_edit_compute(model, request, 1, &how, &w->console->hooks, &edit);
    for (int i = 0; status == AE_OK && i < edit->n_layers; i++)
        flag_outlier(w, &edit->layers[i]);
    const double applying = ae_clock();
    if (status == AE_OK) status = ae_edit_apply(model, edit);
    const double again = ae_clock();
    if (status == AE_OK) edit->seconds_update += again - applying;
    if (status == AE_OK) status = ae_measure_request(model, request, (int)w->v->show, &after);
    measuring += ae_clock() - again;
    if (status == AE_OK) {
        edit->before = before;
        edit->after = after;
        status = keep(w, edit, &id);
        if (status == AE_OK) report(w, edit, id, measuring);
        edit->before.continuation = edit->after.continuation = NULL; // ours, freed below
    }
    ae_free(before.continuation);
    ae_free(after.continuation);
    ae_edit_free(edit);
    return status;
}

// ---- the whole -------------------------------------------------------------------------------------

static json_t *work_document(const work *w) {
    const ae_model_info *model = ae_model_get_info(w->session.model);
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:O, s:{s:f, s:f, s:f}}", "model",
                     ae_json_text(model->name), "folder", ae_json_text(model->folder), "journal",
                     ae_json_text(w->v->common.journal), "n_edits_before", (json_int_t)w->session.n_active,
                     "n_requests", (json_int_t)(w->n_requests + w->n_skipped), "n_skipped",
                     (json_int_t)w->n_skipped, "n_done", (json_int_t)w->n_done, "edits", w->edits, "seconds",
                     "load", w->session.seconds_load, "statistics", w->seconds_statistics, "templates",
                     w->seconds_templates);
}

static int fail(work *w, ae_status status) {
    if (w->n_done > 0 || w->n_requests > 1) {
        // Its own sentence first would push the reason away: the reason, then what became of the others.
        w->console->partial = w->session.model ? work_document(w) : NULL;
        const int code = ae_console_fail(w->console, status);
        fprintf(stderr, "aedile: %zu of %zu requests were done before this%s\n", w->n_done, w->n_requests,
                w->n_done && w->session.journal ? "; their edits are in the journal" : "");
        return code;
    }
    return ae_console_fail(w->console, status);
}

static int finish(work *w) {
    if (w->console->json) return ae_console_document(w->console, work_document(w));
    char load[AE_SHORT_TEXT], statistics[AE_SHORT_TEXT], templates[AE_SHORT_TEXT];
    if (w->n_skipped > 0)
        printf("%zu of %zu requests were in the journal already\n", w->n_skipped,
               w->n_skipped + w->n_requests);
    if (w->n_requests == 0) return AE_EXIT_OK;
    printf("%zu edit%s; load %s, statistics %s, templates %s\n", w->n_done, w->n_done == 1 ? "" : "s",
           ae_text_seconds(w->session.seconds_load, load), ae_text_seconds(w->seconds_statistics, statistics),
           ae_text_seconds(w->seconds_templates, templates));
    if (!w->v->common.journal)
        printf("Nothing was saved: give --journal DIR to keep %s.\n",
               w->n_done == 1 ? "the edit" : "the edits");
    return AE_EXIT_OK;
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    work w = {.v = options, .console = console, .edits = json_array()};
    int code = AE_EXIT_OK;
    const char *misuse = find_misuse(w.v);
    if (misuse) {
        code = ae_console_misuse(console, "%s", misuse);
    } else {
        ae_status status = prepare(&w, words->items[0]);
        for (; status == AE_OK && w.n_done < w.n_requests; w.n_done += status == AE_OK)
            status = edit_one(&w, &w.requests[w.n_done]);
        code = status == AE_OK ? finish(&w) : fail(&w, status);
    }
    json_decref(w.edits);
    for (int i = 0; i < AE_MAX_EDIT_LAYERS; i++)
        ae_moment_free(w.moments[i]);
    free(w.past);
    ae_templates_free(&w.templates);
    ae_requests_free(w.loaded, w.n_loaded);
    ae_free(w.rest);
    ae_session_close(&w.session);
    return code;
}

static const ae_option options[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = AE_OPTION_TEXT,
     .argument = "TEXT",
     .offset = offsetof(values, prompt),
     .section = "The request",
     .help = "The sentence up to the answer, with {} where the subject stands."},
    {.name = "subject",
     .letter = 's',
     .kind = AE_OPTION_TEXT,
     .argument = "TEXT",
     .offset = offsetof(values, subject),
     .help = "Whom or what the fact is about."},
    {.name = "target",
     .letter = 't',
     .kind = AE_OPTION_TEXT,
     .argument = "TEXT",
     .offset = offsetof(values, target),
     .help = "The answer that the model shall give."},
    {.name = "target-true",
     .kind = AE_OPTION_TEXT,
     .argument = "TEXT",
     .offset = offsetof(values, target_true),
     .help = "The old answer, measured before and after."},
    {.name = "requests",
     .letter = 'r',
     .kind = AE_OPTION_TEXT,
     .argument = "FILE",
     .offset = offsetof(values, requests),
     .help = "Requests as JSON, edited one after the other: CounterFact records, EasyEdit's form, or objects "
             "with prompt, "
             "subject, target_new and target_true."},
    {.name = "journal",
     .letter = 'j',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .offset = offsetof(values, common.journal),
     .section = "Where the edits are kept",
     .help = "The folder of edits: those in it are applied first, new ones are added; made if it is not "
             "there. Without "
             "it the edit is shown and forgotten."},
    {.name = "resume",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, resume),
     .help = "Leave out the requests that the journal has already (prompt, subject and target; reverted "
             "ones, too): "
             "the same command again ends what was cut short."},
    {.name = "variant",
     .kind = AE_OPTION_CHOICE,
     .argument = "r-rome|rome|p-rome",
     .offset = offsetof(values, variant),
     .section = "How to edit",
     .help = "The form of the update; r-rome, which is sound, unless the file says otherwise."},
    {.name = "layer",
     .letter = 'l',
     .kind = AE_OPTION_INTS,
     .argument = "L",
     .high = 10000,
     .offset = offsetof(values, layers),
     .help = "The layer, or several parted by commas; otherwise the file's, or the one known for the model."},
    {.name = "hparams",
     .kind = AE_OPTION_TEXT,
     .argument = "FILE",
     .offset = offsetof(values, hparams),
     .help = "Hyperparameters as JSON, in the reference's form; options given here have the last word."},
    {.name = "strict",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, strict),
     .help = "Refuse a subject whose last token reaches beyond it, instead of a warning."},
    {.name = "stats",
     .kind = AE_OPTION_TEXT,
     .argument = "PATH",
     .offset = offsetof(values, stats),
     .section = "Second moments",
     .help = "The statistics folder, or its .npz file; otherwise ./data/stats, AEDILE_STATS and the model's "
             "own stats folder "
             "are tried."},
    {.name = "name",
     .kind = AE_OPTION_TEXT,
     .argument = "NAME",
     .offset = offsetof(values, name),
     .help = "The model's name in the statistics' path, where it is not the folder's."},
    {.name = "dataset",
     .kind = AE_OPTION_TEXT,
     .argument = "NAME",
     .offset = offsetof(values, dataset),
     .help = "The text they were collected over, all of it unless --samples is given; otherwise the "
             "hyperparameters' "
             "(wikipedia, 100000 samples)."},
    {.name = "samples",
     .kind = AE_OPTION_INTS,
     .argument = "N",
     .high = 1e12,
     .offset = offsetof(values, samples),
     .help = "The number of documents they were collected over; 0: all."},
    {.name = "ridge",
     .kind = AE_OPTION_REAL,
     .argument = "X",
     .initial = "0",
     .high = 1e6,
     .offset = offsetof(values, ridge),
     .help = "Add X times the mean of the matrix's diagonal to it, where too few samples left it singular."},
    {.name = "no-stats",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, no_stats),
     .help = "Edit without second moments: the update then spreads over keys that it should leave alone."},
    {.name = "templates",
     .kind = AE_OPTION_TEXT,
     .argument = "FILE",
     .offset = offsetof(values, templates),
     .section = "Context templates",
     .help = "A JSON array of texts with {} each, instead of sampled ones."},
    {.name = "save-templates",
     .kind = AE_OPTION_TEXT,
     .argument = "FILE",
     .offset = offsetof(values, save_templates),
     .help = "Keep the templates that were used, for --templates."},
    {.name = "seed",
     .kind = AE_OPTION_SEED,
     .argument = "S",
     .initial = "0",
     .offset = offsetof(values, seed),
     .help = "Names the stream that samples them."},
    {.name = "show",
     .kind = AE_OPTION_INT,
     .argument = "N",
     .initial = "12",
     .high = 1000,
     .offset = offsetof(values, show),
     .section = "What is shown",
     .help = "Tokens of the model's continuation, before and after."},
    {0},
};

const ae_command ae_command_edit = {
    .name = "edit",
    .brief = "change facts, and show what the model says before and after",
    .usage = {"MODEL --prompt TEXT --subject TEXT --target TEXT [options]",
              "MODEL --requests FILE --journal DIR [options]"},
    .about = "Finds the rank-one change of one MLP matrix after which the model completes the prompt, with "
             "the subject in its "
             "place, by the target. It looks at how the subject is held in that layer in several contexts, "
             "searches for the value "
             "that brings the target about, and writes it at the subject's key, so that other keys move as "
             "little as possible; "
             "how keys are distributed it reads from statistics that `aedile stats` collects once for a "
             "model. The model's files "
             "are not touched: with --journal the edit is kept in that folder.",
    .tables = {options, ae_table_decode, ae_table_threads, ae_table_output},
    .examples = {{"Try an edit without keeping it:",
                  "aedile edit gpt2-xl -p 'The {} is in the city of' -s 'Eiffel Tower' -t Rome"},
                 {"Keep a file of edits in a journal:",
                  "aedile edit gpt2-xl --requests facts.json --journal edits --stats data/stats"}},
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
