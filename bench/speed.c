/* bench/speed: how long everything takes at a model's real size, beside the reference's way of doing it.
 *
 * Usage: speed FOLDER [options]     (bench/run.sh makes the folders, and calls this for each of them)
 *
 *   --layer L             the edited layer; default: the one known for the model
 *   --threads N           of both sides; default: one a processor
 *   --repeats N           pairs of a measurement; default 3
 *   --only LIST           of fresh,edit,batch,moments,case,generate,tasks; default: all
 *   --python PROGRAM      an interpreter with torch and transformers; default: none, our side alone
 *   --reference FILE      bench/reference.py
 *   --aedile PROGRAM      the command, for what is measured in fresh processes
 *   --text FILE           for second moments (one document a line, or .jsonl)
 *   --counterfact FILE    records; --glue FOLDER: sst2.json, mrpc.json, cola.json, rte.json
 *   --task-examples N     of each task; default: all. Of these the reference answers one in twenty.
 *   --batch N             requests optimised together; default 16
 *   --json FILE           one JSON object a measurement is appended
 *
 * Both sides do the same work on the same weights in turn, in one run; that their results agree is checked
 * and shown. Prints Markdown. A time is the median, the best behind the slash; a ratio the median over the
 * pairs. */
#include <getopt.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aedile/edit.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "edit/capture.h"
#include "eval/measure.h"
#include "eval/task.h"
#include "format/text_stream.h"
#include "edits.h"
#include "machine.h"
#include "model/generate.h"
#include "peer.h"
#include "samples.h"

enum { STEPS = 20, MAX_BATCH = 64, N_CASES = 3, TASK_SHARE = 20, GENERATED = 100, PROMPTS = 23 };

typedef struct bench {
    const char *folder, *only, *python, *reference, *aedile, *text, *counterfact, *glue, *json;
    int layer, threads, repeats, n_batch;
    size_t task_examples;
    double flops, bytes; // the machine's peaks
    ae_model *model;
    const ae_model_info *info;
    ae_hparams hparams;
    ae_templates templates;
    ae_moment *moment;
    char *stats, *documents; // paths: statistics folder, the text they are collected over
    bench_peer peer;
    bool has_peer;
} bench;

// ---- what comes out --------------------------------------------------------------------------------

/* One line of the table, and of the JSON file. `note`: what else there is to say. */
static void row(const bench *b, const char *what, const bench_samples *ours, const bench_samples *theirs,
                const char *note) {
    static const bench_samples none = {.n = 0};
    if (!theirs) theirs = &none;
    const double ratio = bench_median_ratio(ours, theirs);
    printf("| %s |", what);
    bench_print_time(ours);
    bench_print_time(theirs);
    if (isnan(ratio))
        printf(" | %s |\n", note);
    else
        printf(" **%.1f** | %s |\n", ratio, note);
    fflush(stdout);
    if (!b->json) return;
    FILE *file = fopen(b->json, "a");
    json_t *line =
        json_pack("{s:s, s:s, s:i, s:f, s:i, s:s}", "model", b->info->name, "what", what, "threads",
                  b->threads, "seconds", bench_median(ours), "n", ours->n, "note", note);
    if (line && theirs->n > 0) {
        json_object_set_new(line, "reference_seconds", json_real(bench_median(theirs)));
        json_object_set_new(line, "ratio", json_real(ratio));
    }
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (file && text) fprintf(file, "%s\n", text);
    free(text);
    json_decref(line);
    if (file) fclose(file);
}

// ---- what goes in ----------------------------------------------------------------------------------

static void make_templates(bench *b) {
    char *path = ae_path_join(b->folder, "bench-templates.json");
    bench_make_templates(21, &b->templates);
    bench_must(ae_templates_save(&b->templates, path), "templates");
    ae_free(path);
}

/* Enough text that the second moments are not singular: documents of --text with 1.2 d_mlp tokens in all. */
static void choose_documents(bench *b) {
    char name[64];
    snprintf(name, sizeof name, "bench-text-%d.jsonl", b->info->d_mlp);
    b->documents = ae_path_join(b->folder, name);
    b->stats = ae_path_join(b->folder, "bench-stats");
    if (ae_path_exists(b->documents)) return;
    ae_text_stream *stream = NULL;
    ae_text out = {0};
    size_t n_tokens = 0;
    bench_must(ae_text_stream_open(&b->text, 1, &stream), "text");
    while (n_tokens < (size_t)b->info->d_mlp * 12 / 10) {
        const char *text;
        size_t length, n_ids;
        int32_t *ids = NULL;
        bench_must(ae_text_stream_next(stream, &text, &length), "text");
        bench_stop_if(!text, "the text is too short");
        bench_must(ae_encode(b->model, text, length, &ids, &n_ids), "text");
        ae_free(ids);
        if (n_ids == 0) continue;
        n_tokens += n_ids < (size_t)b->info->n_ctx ? n_ids : (size_t)b->info->n_ctx;
        json_t *document = json_pack("{s:s%}", "text", text, length);
        char *line = json_dumps(document, JSON_COMPACT);
        bench_must(line ? ae_text_printf(&out, "%s\n", line) : AE_ERR_MEMORY, "text");
        free(line);
        json_decref(document);
    }
    bench_must(ae_atomic_write(b->documents, out.data, out.length), "text");
    ae_text_stream_close(stream);
    ae_free(out.data);
}

static char *collect(bench *b, const char *output) {
    const ae_collect_options o = {.layer = b->layer,
                                  .texts = (const char *const *)&b->documents,
                                  .n_texts = 1,
                                  .output = output,
                                  .name = b->info->name,
                                  .restart = true};
    char *path = NULL;
    bench_must(ae_moment_collect(b->model, &o, NULL, &path), "second moments");
    return path;
}

/* Where there are none they are collected, and the program starts over: it would be too large by then to tell
 * how much memory its children take. */
static void open_moment(bench *b, char **argv) {
    if (ae_moment_open(b->model, b->layer, &b->hparams, b->stats, 0, NULL, &b->moment) == AE_OK) return;
    fprintf(stderr, "speed: collecting second moments for %s, once\n", b->info->name);
    ae_free(collect(b, b->stats));
    bench_must(ae_moment_open(b->model, b->layer, &b->hparams, b->stats, 0, NULL, &b->moment),
               "second moments");
    execv("/proc/self/exe", argv);
    bench_stop_if(true, "cannot start over");
}

// ---- in fresh processes ----------------------------------------------------------------------------

/* Seconds from the program's start to the end of the first step, as it tells them; NaN where it does not. */
static double first_step(const bench *b, bench_child *child) {
    char layer[16], threads[16], start[32], self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return NAN;
    self[n] = '\0';
    snprintf(layer, sizeof layer, "%d", b->layer);
    snprintf(threads, sizeof threads, "%d", b->threads);
    char *path = ae_path_join(b->folder, "bench-first-step.txt");
    snprintf(start, sizeof start, "%.6f", ae_seconds());
    char *const argv[] = {self,    (char *)b->folder, "--layer", layer, "--threads",
                          threads, "--first-step",    start,     NULL};
    double seconds = NAN;
    if (bench_run(argv, child) == 0) {
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%lf", &seconds) != 1) seconds = NAN;
        if (file) fclose(file);
    }
    ae_free(path);
    return seconds;
}

static void in_fresh_processes(bench *b, double weights) {
    char layer[16], threads[16];
    snprintf(layer, sizeof layer, "%d", b->layer);
    snprintf(threads, sizeof threads, "%d", b->threads);
    char journal[] = "/tmp/aedile-bench-XXXXXX";
    bench_stop_if(!mkdtemp(journal), journal);
    char *templates = ae_path_join(b->folder, "bench-templates.json");
    char *p = (char *)b->aedile, *f = (char *)b->folder;
    char *edit[] = {p,
                    "edit",
                    f,
                    "--layer",
                    layer,
                    "--threads",
                    threads,
                    "--prompt",
                    (char *)bench_request.prompt,
                    "--subject",
                    (char *)bench_request.subject,
                    "--target",
                    (char *)bench_request.target_new,
                    "--templates",
                    templates,
                    "--stats",
                    b->stats,
                    "--dataset",
                    "text",
                    "--journal",
                    journal,
                    "--quiet",
                    NULL};
    char *list[] = {p, "edits", "list", "--journal", journal, NULL};
    char *generate[] = {
        p,    "generate", f,   "--threads", threads, "--prompt", "The Louvre is located in", "--max-tokens",
        "20", "--quiet",  NULL};
    char *score[] = {
        p,          "score", f,         "--threads", threads, "--prompt", "The Louvre is located in",
        "--target", "Rome",  "--quiet", NULL};
    const struct {
        const char *what;
        char **argv;
    } commands[] = {{"`aedile edit`, journal", edit},
                    {"`aedile edits list`", list},
                    {"`aedile generate`, 20 tokens", generate},
                    {"`aedile score`", score}};
    char note[128];
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        bench_samples seconds = {.n = 0};
        bench_child child;
        const int code = bench_run(commands[i].argv, &child);
        if (code != 0) {
            fprintf(stderr, "speed: %s ended with %d\n", commands[i].what, code);
            exit(1);
        }
        bench_add(&seconds, child.seconds);
        snprintf(note, sizeof note, "peak memory %.2f GB, %.2f of the weights (%.2f GB)",
                 child.resident * 1e-9, child.resident / weights, weights * 1e-9);
        row(b, commands[i].what, &seconds, NULL, note);
    }
    bench_samples seconds = {.n = 0};
    bench_child child = {0};
    for (int r = 0; r < b->repeats; r++)
        bench_add(&seconds, first_step(b, &child));
    row(b, "program's start to the first step", &seconds, NULL, "page cache warm, factor of C cached");
    char *remove[] = {"/bin/rm", "-rf", journal, NULL};
    bench_run(remove, &child);
    ae_free(templates);
}

typedef struct first_progress {
    double start;
    const char *path;
} first_progress;

static bool at_first_step(void *user, const char *stage, double done, double total, const char *unit) {
    const first_progress *first = user;
    (void)total, (void)unit;
    if (strcmp(stage, "optimising the value") != 0 || done < 1) return true;
    char text[32];
    const int n = snprintf(text, sizeof text, "%.6f", ae_seconds() - first->start);
    bench_must(ae_atomic_write(first->path, text, (size_t)n), "first step");
    return false;
}

/* The child of first_step. */
static int run_first_step(bench *b, double start) {
    first_progress first = {start, ae_path_join(b->folder, "bench-first-step.txt")};
    const ae_hooks hooks = {.user = &first, .progress = at_first_step};
    const ae_model_options options = {.n_threads = b->threads};
    char *templates = ae_path_join(b->folder, "bench-templates.json");
    bench_must(ae_model_open(b->folder, &options, &b->model), "model");
    bench_must(ae_hparams_builtin(b->model, b->layer, &b->hparams), "hyperparameters");
    snprintf(b->hparams.mom2_dataset, sizeof b->hparams.mom2_dataset, "text");
    b->hparams.mom2_n_samples = 0;
    b->stats = ae_path_join(b->folder, "bench-stats");
    bench_must(ae_moment_open(b->model, b->layer, &b->hparams, b->stats, 0, NULL, &b->moment),
               "second moments");
    bench_must(ae_templates_load(templates, &b->templates), "templates");
    const ae_edit_options edit = {
        .hparams = &b->hparams, .templates = &b->templates, .moments = (const ae_moment *const *)&b->moment};
    ae_edit *out = NULL;
    return ae_edit_compute(b->model, &bench_request, 1, &edit, &hooks, &out) == AE_ERR_CANCELLED ? 0 : 1;
}

// ---- an edit ---------------------------------------------------------------------------------------

static ae_edit_options edit_options(const bench *b) {
    return (ae_edit_options){
        .hparams = &b->hparams, .templates = &b->templates, .moments = (const ae_moment *const *)&b->moment};
}

typedef struct step_work {
    int rows, out_rows;     // that change; of which have logits
    double flops, bytes;    // of one evaluation with its gradient
    double reference_flops; // the reference's way: every row of every text, padded
} step_work;

/* Operations of one step, matrix products only (all else is under 2 %), and the bytes of weights they read.
 */
static step_work work_of_step(const bench *b, const ae_request *request) {
    const ae_config *c = &b->model->config;
    const bench_rows rows = bench_count_rows(b->model, &b->hparams, &b->templates, request);
    step_work w = {.rows = rows.changing, .out_rows = rows.logits};
    const double d = c->d_model, d_mlp = c->d_mlp, qkv = 3 * d * d, rest = d * d + 2 * d * d_mlp,
                 head = d * c->n_vocab;
    const int above = c->n_layer - 1 - b->layer;
    const double element = strcmp(b->info->dtype, "F32") == 0 ? 4 : 2;
    w.flops = 4 * (w.rows * (above * qkv + (above - 1) * rest) + w.out_rows * (rest + head));
    w.bytes = 2 * element * (above * (qkv + rest) + head);
    const double padded = (double)rows.n_texts * rows.longest;
    w.reference_flops =
        2 * padded * (c->n_layer * (qkv + rest) + head) + 2 * padded * (above * (qkv + rest) + head);
    return w;
}

static double largest_difference(const json_t *theirs, const double *ours, int n) {
    double largest = 0;
    if ((int)json_array_size(theirs) != n) return NAN;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, fabs(json_number_value(json_array_get(theirs, (size_t)i)) - ours[i]));
    return largest;
}

static json_t *edit_question(const bench *b, const ae_request *r) {
    json_t *templates = json_array();
    for (size_t i = 0; i < b->templates.count; i++)
        json_array_append_new(templates, json_string(b->templates.text[i]));
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o, s:i, s:f, s:f, s:f, s:f}", "do", "edit", "layer",
                     b->layer, "prompt", r->prompt, "subject", r->subject, "target_new", r->target_new,
                     "templates", templates, "steps", b->hparams.v_num_grad_steps, "lr", b->hparams.v_lr,
                     "weight_decay", b->hparams.v_weight_decay, "clamp", b->hparams.clamp_norm_factor, "kl",
                     b->hparams.kl_factor);
}

static void add_from(bench_samples *s, const json_t *seconds, const char *name) {
    bench_add(s, json_number_value(json_object_get(seconds, name)));
}

static void measure_edit(bench *b) {
    static bench_samples ours[6], theirs[6]; // keys, solve, optimise, update, total, one step
    static const char *const names[] = {"keys", "solve", "optimise", "update", "total"};
    static const char *const labels[] = {"edit: keys", "edit: solve with C", "edit: optimisation",
                                         "edit: the update", "**edit, in all**"};
    memset(ours, 0, sizeof ours);
    memset(theirs, 0, sizeof theirs);
    double difference = 0;
    int n_steps = 0;
    if (b->has_peer) {
        char *npz = ae_strdup(ae_moment_get_info(b->moment).path);
        json_t *answer = bench_peer_ask(&b->peer, json_pack("{s:s, s:s}", "do", "prepare", "stats", npz));
        if (!answer) b->has_peer = false;
        json_decref(answer);
        ae_free(npz);
    }
    for (int r = 0; r < b->repeats; r++) {
        bench_samples each_step = {.n = 0};
        bench_steps times = {.seconds = &each_step};
        const ae_hooks hooks = {.user = &times, .progress = bench_note_step};
        const ae_edit_options options = edit_options(b);
        ae_edit *e = NULL;
        const double start = ae_seconds();
        bench_must(ae_edit_compute(b->model, &bench_request, 1, &options, &hooks, &e), "edit");
        bench_add(&ours[4], ae_seconds() - start);
        bench_add(&ours[0], e->seconds_keys);
        bench_add(&ours[1], e->seconds_solve);
        bench_add(&ours[2], e->seconds_optimise);
        bench_add(&ours[3], e->seconds_update);
        bench_add(&ours[5], bench_median(&each_step));
        n_steps = e->layers[0].n_steps;
        json_t *answer = b->has_peer ? bench_peer_ask(&b->peer, edit_question(b, &bench_request)) : NULL;
        if (answer) {
            const json_t *seconds = json_object_get(answer, "seconds"),
                         *steps = json_object_get(answer, "step_seconds");
            bench_samples each = {.n = 0};
            for (size_t i = 0; i + 1 < json_array_size(steps); i++) // the last one only evaluates
                bench_add(&each, json_number_value(json_array_get(steps, i)));
            for (int i = 0; i < 5; i++)
                add_from(&theirs[i], seconds, names[i]);
            bench_add(&theirs[5], bench_median(&each));
            difference = fmax(difference, largest_difference(json_object_get(answer, "losses"),
                                                             e->layers[0].loss, n_steps));
        }
        json_decref(answer);
        ae_edit_free(e);
    }
    char note[256];
    const step_work w = work_of_step(b, &bench_request);
    const double roof = fmin(b->flops, b->bytes * w.flops / w.bytes), rate = w.flops / bench_median(&ours[5]);
    for (int i = 0; i < 5; i++) {
        snprintf(note, sizeof note, "%s", "");
        if (i == 2) snprintf(note, sizeof note, "%d evaluations, 19 with gradients", n_steps);
        if (i == 4 && b->has_peer) snprintf(note, sizeof note, "losses agree within %.1e", difference);
        row(b, labels[i], &ours[i], &theirs[i], note);
    }
    snprintf(note, sizeof note,
             "%d rows, %d of logits; %.0f GFLOP, %.1f GB of weights; %.0f GFLOP/s, **%.0f %%** of the "
             "roofline %.0f; operations %.1f times fewer",
             w.rows, w.out_rows, w.flops * 1e-9, w.bytes * 1e-9, rate * 1e-9, 100 * rate / roof, roof * 1e-9,
             w.reference_flops / w.flops);
    row(b, "one step of the optimisation", &ours[5], &theirs[5], note);
}

// ---- many edits together ---------------------------------------------------------------------------

static void measure_batch(bench *b) {
    static const char *const subjects[] = {
        "The Louvre", "Mount Etna",      "The Prado",    "Lake Geneva",   "The Kremlin",    "Chichen Itza",
        "Big Ben",    "The Alhambra",    "Wembley Park", "Niagara Falls", "Table Mountain", "The Colosseum",
        "Angkor Wat", "The Golden Gate", "Machu Picchu", "Loch Ness"};
    static const char *const targets[] = {" Rome", " Paris", " Japan", " Spain"};
    enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };
    ae_request requests[MAX_BATCH];
    ae_edit *alone[MAX_BATCH] = {NULL}, *together[MAX_BATCH] = {NULL};
    for (int i = 0; i < b->n_batch; i++)
        requests[i] = (ae_request){.prompt = bench_request.prompt,
                                   .subject = subjects[i % N_SUBJECTS],
                                   .target_new = targets[i / 4 % 4],
                                   .case_id = -1};
    const ae_edit_options options = edit_options(b);
    bench_samples one = {.n = 0}, all = {.n = 0};
    double difference = 0;
    const int repeats = b->repeats > 2 ? 2 : b->repeats;
    for (int r = 0; r < repeats; r++) {
        double start = ae_seconds();
        bench_must(ae_edit_compute(b->model, requests, (size_t)b->n_batch, &options, NULL, together),
                   "edits together");
        bench_add(&all, ae_seconds() - start);
        start = ae_seconds();
        for (int i = 0; i < b->n_batch; i++)
            bench_must(ae_edit_compute(b->model, &requests[i], 1, &options, NULL, &alone[i]),
                       "edits one at a time");
        bench_add(&one, ae_seconds() - start);
        for (int i = 0; i < b->n_batch; i++) {
            const ae_layer_edit *x = &alone[i]->layers[0], *y = &together[i]->layers[0];
            double gap = 0, size = 0;
            for (int j = 0; j < x->d_model; j++) {
                gap += pow((double)x->right[j] - (double)y->right[j], 2);
                size += pow((double)x->right[j], 2);
            }
            difference = fmax(difference, sqrt(gap / size));
            ae_edit_free(alone[i]);
            ae_edit_free(together[i]);
        }
    }
    char what[96], note[160];
    snprintf(what, sizeof what, "%d edits together; second column: one at a time", b->n_batch);
    snprintf(note, sizeof note, "%.2f s an edit; the updates agree within %.1e of their length",
             bench_median(&all) / b->n_batch, difference);
    row(b, what, &all, &one, note);
}

// ---- second moments --------------------------------------------------------------------------------

static json_t *documents_of(const bench *b) {
    ae_text_stream *stream = NULL;
    json_t *list = json_array();
    bench_must(ae_text_stream_open((const char *const *)&b->documents, 1, &stream), "text");
    for (;;) {
        const char *text;
        size_t length;
        bench_must(ae_text_stream_next(stream, &text, &length), "text");
        if (!text) break;
        json_array_append_new(list, json_stringn(text, length));
    }
    ae_text_stream_close(stream);
    return list;
}

static void measure_moments(bench *b) {
    const ae_config *c = &b->model->config;
    char *output = ae_path_join(b->folder, "bench-stats-again");
    bench_samples ours = {.n = 0}, theirs = {.n = 0};
    double tokens = 0, difference = NAN, ceiling = 0;
    const int repeats = b->repeats > 2 ? 2 : b->repeats;
    for (int r = 0; r < repeats; r++) {
        const double start = ae_seconds();
        char *path = collect(b, output);
        bench_add(&ours, ae_seconds() - start);
        ae_free(path);
        json_t *answer = b->has_peer
                             ? bench_peer_ask(&b->peer, json_pack("{s:s, s:i, s:o}", "do", "moments", "layer",
                                                                  b->layer, "documents", documents_of(b)))
                             : NULL;
        if (answer) {
            add_from(&theirs, answer, "seconds");
            difference = json_number_value(json_object_get(answer, "tokens"));
        }
        json_decref(answer);
    }
    tokens = (double)ae_moment_get_info(b->moment).n_tokens;
    // The ceiling: what `linear` itself reaches at as many rows as a batch has, on this layer's widest
    // matrix.
    enum { ROWS = 4096 };
    ae_backend *be = b->model->backend;
    float *x, *y;
    bench_must(be->alloc(be, (size_t)ROWS * (size_t)c->d_model, &x), "rows");
    bench_must(be->alloc(be, (size_t)ROWS * (size_t)c->d_mlp, &y), "rows");
    for (int r = 0; r < 5; r++) {
        const double start = ae_seconds();
        bench_must(be->linear(be, y, c->d_mlp, x, c->d_model, &b->model->layers[r % (b->layer + 1)].mlp_in,
                              NULL, ROWS, false),
                   "linear");
        ceiling = fmax(ceiling, 2.0 * ROWS * c->d_model * c->d_mlp / (ae_seconds() - start));
    }
    be->release(be, x);
    be->release(be, y);
    const double d = c->d_model, d_mlp = c->d_mlp,
                 layers = b->layer * (4 * d * d + 2 * d * d_mlp) + 4 * d * d + d * d_mlp;
    const double flops = tokens * (2 * layers + d_mlp * d_mlp), rate = flops / bench_median(&ours);
    char note[256], count[64] = "";
    if (theirs.n > 0) snprintf(count, sizeof count, "; the reference's side: %.0f tokens", difference);
    snprintf(note, sizeof note,
             "%.0f tokens, %.0f a second; %.0f GFLOP/s, **%.0f %%** of `linear`'s %.0f at 4,096 rows, "
             "reading and writing included%s",
             tokens, tokens / bench_median(&ours), rate * 1e-9, 100 * rate / ceiling, ceiling * 1e-9, count);
    row(b, "second moments", &ours, &theirs, note);
    ae_free(output);
}

// ---- evaluation ------------------------------------------------------------------------------------

static void append(json_t *list, const ae_prompt_list *prompts) {
    for (size_t i = 0; i < prompts->count; i++)
        json_array_append_new(list, json_string(prompts->items[i]));
}

static char *filled(const ae_request *r) {
    const char *hole = strstr(r->prompt, "{}");
    return ae_format("%.*s%s%s", (int)(hole - r->prompt), r->prompt, r->subject, hole + 2);
}

static void compare_pairs(const json_t *nll, size_t *at, const ae_pairs *ours, double *difference) {
    for (size_t i = 0; i < ours->count; i++, (*at)++) {
        const json_t *pair = json_array_get(nll, *at);
        *difference =
            fmax(*difference, fabs(json_number_value(json_array_get(pair, 0)) - ours->items[i].target_new));
        *difference =
            fmax(*difference, fabs(json_number_value(json_array_get(pair, 1)) - ours->items[i].target_true));
    }
}

static ae_dataset *open_cases(const bench *b) {
    const ae_dataset_options options = {.max_edits = N_CASES};
    ae_dataset *cases = NULL;
    bench_must(ae_dataset_open(b->counterfact, NULL, &options, NULL, &cases), "records");
    return cases;
}

static void measure_case(bench *b) {
    ae_dataset *cases = open_cases(b);
    bench_samples ours = {.n = 0}, theirs = {.n = 0};
    double difference = 0;
    size_t n_prompts = 0;
    for (int r = 0; r < b->repeats; r++)
        for (size_t i = 0; i < cases->count; i++) {
            const ae_record *record = &cases->records[i];
            ae_arena *arena = NULL;
            ae_case_measure m;
            bench_must(ae_arena_new(&arena), "arena");
            const double start = ae_seconds();
            bench_must(ae_measure_case(b->model, cases, i, NULL, false, 0, arena, &m), "case");
            bench_add(&ours, ae_seconds() - start);
            json_t *prompts = json_array();
            char *prompt = filled(&record->request);
            json_array_append_new(prompts, json_string(prompt));
            ae_free(prompt);
            append(prompts, &record->paraphrases);
            append(prompts, &record->neighborhood);
            append(prompts, &record->attributes);
            n_prompts = json_array_size(prompts);
            json_t *answer = NULL;
            if (b->has_peer)
                answer =
                    bench_peer_ask(&b->peer, json_pack("{s:s, s:O, s:s, s:s}", "do", "counterfact", "prompts",
                                                       prompts, "target_new", record->request.target_new,
                                                       "target_true", record->request.target_true));
            if (answer) {
                const json_t *nll = json_object_get(answer, "nll");
                size_t at = 0;
                add_from(&theirs, answer, "seconds");
                compare_pairs(nll, &at, &m.rewrite, &difference);
                compare_pairs(nll, &at, &m.paraphrases, &difference);
                compare_pairs(nll, &at, &m.neighborhood, &difference);
                compare_pairs(nll, &at, &m.attributes, &difference);
            }
            json_decref(answer);
            json_decref(prompts);
            ae_arena_free(arena);
        }
    char note[128];
    snprintf(note, sizeof note, "%zu prompts, 2 targets; %zu records", n_prompts, cases->count);
    if (b->has_peer)
        snprintf(note + strlen(note), sizeof note - strlen(note), "; log-probabilities agree within %.1e",
                 difference);
    row(b, "one CounterFact case", &ours, &theirs, note);
    ae_dataset_free(cases);
}

static void measure_generation(bench *b) {
    ae_dataset *cases = open_cases(b);
    const ae_prompt_list *prompts = &cases->records[0].generation;
    bench_samples ours = {.n = 0}, theirs = {.n = 0};
    double n_tokens = 0;
    ae_continuation *all = calloc(prompts->count, sizeof *all);
    const int repeats = b->repeats > 2 ? 2 : b->repeats;
    for (int r = 0; r < repeats && prompts->count > 0; r++) {
        const ae_continue_options options = {.top_k = 5, .temperature = 1, .stop_id = -1};
        const double start = ae_seconds();
        n_tokens = 0;
        for (size_t i = 0; i < prompts->count; i++) {
            int32_t *ids = NULL;
            size_t n_ids;
            bench_must(ae_encode(b->model, prompts->items[i], strlen(prompts->items[i]), &ids, &n_ids),
                       "prompt");
            all[i] = (ae_continuation){.prompt = ids,
                                       .n_prompt = (int32_t)n_ids,
                                       .max_new = GENERATED - (int32_t)n_ids,
                                       .random = ae_random_stream(0, i, 0)};
            all[i].ids = calloc(GENERATED, sizeof(int32_t));
            n_tokens += all[i].max_new;
        }
        bench_must(ae_continue(b->model, all, (int32_t)prompts->count, &options), "generation");
        bench_add(&ours, ae_seconds() - start);
        json_t *texts = json_array();
        append(texts, prompts);
        json_t *answer =
            b->has_peer
                ? bench_peer_ask(&b->peer, json_pack("{s:s, s:O, s:i, s:i, s:i}", "do", "generate", "prompts",
                                                     texts, "max_length", GENERATED, "top_k", 5, "seed", 0))
                : NULL;
        if (answer) add_from(&theirs, answer, "seconds");
        json_decref(answer);
        json_decref(texts);
        for (size_t i = 0; i < prompts->count; i++) {
            ae_free((void *)(uintptr_t)all[i].prompt);
            free(all[i].ids);
        }
    }
    char note[128];
    snprintf(note, sizeof note, "%zu prompts to 100 tokens, top-k 5: %.0f tokens, %.0f a second",
             prompts->count, n_tokens, n_tokens / bench_median(&ours));
    if (ours.n > 0) row(b, "the generation test of a case", &ours, &theirs, note);
    free(all);
    ae_dataset_free(cases);
}

/* Seconds of ours are those of all examples by their number; the reference answers one in TASK_SHARE. */
static void measure_tasks(bench *b) {
    static const char *const names[] = {"sst2", "mrpc", "cola", "rte"};
    for (int t = 0; t < 4; t++) {
        char file[16];
        snprintf(file, sizeof file, "%s.json", names[t]);
        char *path = ae_path_join(b->glue, file);
        ae_task *task = NULL;
        ae_arena *arena = NULL;
        ae_task_result result;
        bench_samples ours = {.n = 0}, theirs = {.n = 0};
        bench_must(ae_task_load(path, AE_GLUE_COMPAT, NULL, &task), "task");
        bench_must(ae_arena_new(&arena), "arena");
        if (b->task_examples > 0 && b->task_examples < task->n_examples) task->n_examples = b->task_examples;
        json_t *prompts = json_array();
        size_t step = task->n_examples / (task->n_examples < 4 * TASK_SHARE ? 4 : TASK_SHARE / 2);
        if (step == 0) step = 1;
        for (size_t i = 0; i < task->n_examples; i += step) {
            char *prompt = ae_task_prompt(task, &task->examples[i]);
            json_array_append_new(prompts, json_string(prompt));
            ae_free(prompt);
        }
        const double start = ae_seconds();
        bench_must(ae_task_evaluate(b->model, task, NULL, arena, &result), "task");
        bench_add(&ours, (ae_seconds() - start) / (double)task->n_examples);
        json_t *answer = b->has_peer
                             ? bench_peer_ask(&b->peer, json_pack("{s:s, s:O, s:i}", "do", "glue", "prompts",
                                                                  prompts, "max_new_tokens", task->gen_len))
                             : NULL;
        size_t equal = 0, i = 0;
        const json_t *seconds;
        if (answer) {
            double sum = 0;
            json_array_foreach(json_object_get(answer, "seconds"), i, seconds) sum +=
                json_number_value(seconds);
            bench_add(&theirs, sum / (double)json_array_size(prompts));
            for (i = 0; i < json_array_size(prompts); i++)
                equal += strcmp(json_string_value(json_array_get(json_object_get(answer, "answers"), i)),
                                result.generated[i * step]) == 0;
        }
        char what[64], note[160];
        snprintf(what, sizeof what, "%s, a prompt", names[t]);
        snprintf(note, sizeof note, "%zu examples, %d tokens each", task->n_examples, task->gen_len);
        if (answer)
            snprintf(note + strlen(note), sizeof note - strlen(note), "; %zu of %zu answers equal", equal,
                     json_array_size(prompts));
        row(b, what, &ours, &theirs, note);
        json_decref(answer);
        json_decref(prompts);
        ae_arena_free(arena);
        ae_task_free(task);
        ae_free(path);
    }
}

// ---- all of it -------------------------------------------------------------------------------------

static void open_all(bench *b, char **argv) {
    const ae_model_options options = {.n_threads = b->threads};
    bench_samples load = {.n = 0};
    for (int r = 0; r < b->repeats; r++) {
        ae_model_free(b->model);
        const double start = ae_seconds();
        bench_must(ae_model_open(b->folder, &options, &b->model), "model");
        bench_add(&load, ae_seconds() - start);
    }
    b->info = ae_model_get_info(b->model);
    if (b->layer < 0) b->layer = b->info->default_layer;
    bench_must(ae_hparams_builtin(b->model, b->layer, &b->hparams), "hyperparameters");
    b->hparams.v_num_grad_steps = STEPS;
    b->hparams.mom2_n_samples = 0;
    snprintf(b->hparams.mom2_dataset, sizeof b->hparams.mom2_dataset, "text");
    make_templates(b);
    choose_documents(b);
    open_moment(b, argv);
    printf("\n%s, %s, %.2f GB of weights, layer %d, %d threads; peaks measured just before: %.0f GFLOP/s, "
           "%.0f GB/s.\n\n",
           b->info->name, b->info->dtype, (double)b->info->n_bytes * 1e-9, b->layer, b->threads,
           b->flops * 1e-9, b->bytes * 1e-9);
    printf("| what | ours | the reference's way | ratio | |\n|---|---|---|---|---|\n");
    row(b, "opening the model", &load, NULL, "weights are mapped, not read");
}

static void start_peer(bench *b) {
    json_t *hello = NULL, *answer;
    if (!b->python) return;
    b->has_peer = bench_peer_start(&b->peer, b->python, b->reference, b->folder, b->threads, &hello);
    if (b->has_peer) { // every weight is read once before anything is timed
        answer = bench_peer_ask(
            &b->peer, json_pack("{s:s, s:s}", "do", "logits", "prompt", "The Louvre is located in"));
        float *logits = malloc((size_t)b->info->n_vocab * sizeof *logits);
        bench_must(ae_logits(b->model, "The Louvre is located in", logits), "logits");
        const json_int_t best = json_integer_value(json_object_get(answer, "argmax"));
        const double theirs = json_number_value(json_object_get(answer, "max"));
        if (!answer || fabs(theirs - (double)logits[best]) > 1e-2 * fabs(theirs)) {
            fprintf(stderr,
                    "speed: the reference's side has another model: logit %g of token %lld, ours %g\n",
                    theirs, (long long)best, (double)logits[best]);
            exit(1);
        }
        free(logits);
        json_decref(answer);
    }
    json_decref(hello);
}

static int usage(void) {
    fprintf(stderr, "Usage: speed FOLDER [options]; they are told at the top of bench/speed.c\n");
    return 2;
}

int main(int argc, char **argv) {
    enum {
        LAYER = 1,
        THREADS,
        REPEATS,
        ONLY,
        PYTHON,
        REFERENCE,
        AEDILE,
        TEXT,
        COUNTERFACT,
        GLUE,
        EXAMPLES,
        BATCH,
        JSON,
        FIRST
    };
    static const struct option options[] = {{"layer", 1, NULL, LAYER},
                                            {"threads", 1, NULL, THREADS},
                                            {"repeats", 1, NULL, REPEATS},
                                            {"only", 1, NULL, ONLY},
                                            {"python", 1, NULL, PYTHON},
                                            {"reference", 1, NULL, REFERENCE},
                                            {"aedile", 1, NULL, AEDILE},
                                            {"text", 1, NULL, TEXT},
                                            {"counterfact", 1, NULL, COUNTERFACT},
                                            {"glue", 1, NULL, GLUE},
                                            {"task-examples", 1, NULL, EXAMPLES},
                                            {"batch", 1, NULL, BATCH},
                                            {"json", 1, NULL, JSON},
                                            {"first-step", 1, NULL, FIRST},
                                            {NULL, 0, NULL, 0}};
    bench b = {.layer = -1,
               .repeats = 3,
               .n_batch = 16,
               .threads = omp_get_num_procs(),
               .reference = "bench/reference.py"};
    double start = NAN;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case LAYER:
            b.layer = atoi(optarg);
            break;
        case THREADS:
            b.threads = atoi(optarg);
            break;
        case REPEATS:
            b.repeats = atoi(optarg);
            break;
        case ONLY:
            b.only = optarg;
            break;
        case PYTHON:
            b.python = *optarg ? optarg : NULL;
            break;
        case REFERENCE:
            b.reference = optarg;
            break;
        case AEDILE:
            b.aedile = optarg;
            break;
        case TEXT:
            b.text = optarg;
            break;
        case COUNTERFACT:
            b.counterfact = optarg;
            break;
        case GLUE:
            b.glue = optarg;
            break;
        case EXAMPLES:
            b.task_examples = (size_t)atoi(optarg);
            break;
        case BATCH:
            b.n_batch = atoi(optarg);
            break;
        case JSON:
            b.json = optarg;
            break;
        case FIRST:
            start = atof(optarg);
            break;
        default:
            return usage();
        }
    if (optind + 1 != argc || b.repeats < 1 || b.threads < 1 || b.n_batch < 1 || b.n_batch > MAX_BATCH)
        return usage();
    b.folder = argv[optind];
    if (!isnan(start)) return run_first_step(&b, start);
    if (!b.text || !b.counterfact || !b.glue) return usage();
    b.flops = bench_peak_flops(b.threads);
    b.bytes = bench_peak_bytes(b.threads);
    open_all(&b, argv);
    if (bench_wanted(b.only, "fresh") && b.aedile) in_fresh_processes(&b, (double)b.info->n_bytes);
    start_peer(&b);
    if (bench_wanted(b.only, "edit")) measure_edit(&b);
    if (bench_wanted(b.only, "case")) measure_case(&b);
    if (bench_wanted(b.only, "generate")) measure_generation(&b);
    if (bench_wanted(b.only, "moments")) measure_moments(&b);
    if (bench_wanted(b.only, "tasks")) measure_tasks(&b);
    if (b.has_peer) bench_peer_stop(&b.peer);
    if (bench_wanted(b.only, "batch")) measure_batch(&b);
    ae_moment_free(b.moment);
    ae_templates_free(&b.templates);
    ae_model_free(b.model);
    return 0;
}
