/* bench/scaling: how the value optimisation and its products grow with threads, rows, tokens and templates.
 *
 * Usage: scaling FOLDER [options]     (bench/make_shape makes a folder of random weights in a real shape)
 *
 *   --layer L        the edited layer; default: the one known for the model
 *   --name NAME      what to call the model; default: the folder's name
 *   --threads LIST   default 1,2,4; of these, those that the machine has. All but the first topic use the
 *                    last of them.
 *   --repeats N      of a time; default 3, after one that does not count
 *   --only LIST      of threads,rows,tokens,templates; default: all
 *   --json FILE      one JSON object a point is appended; bench/plot.py draws them
 *
 * Prints Markdown. A time is the median, the best behind the slash. Needs no statistics: C = I, since solving
 * with C is no part of what is measured here. The threads that wait spin unless OMP_WAIT_POLICY=passive. */
#include <getopt.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aedile/edit.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "edit/capture.h"
#include "edit/templates.h"
#include "edits.h"
#include "machine.h"
#include "model/generate.h"
#include "model/score.h"
#include "samples.h"

enum {
    EVALUATIONS = 4, // of the loss in a timed edit; all but the last with their gradient
    TEMPLATES = 21,
    MOST_TEMPLATES = 41,
    GENERATED = 20,
    MOST_ROWS = 2048,
    LEAST_SAMPLES = 5, // of a product at so many rows
    MAX_THREAD_COUNTS = 8,
};
static const double PRODUCT_SECONDS = 0.4; // at most, once there are LEAST_SAMPLES

typedef struct bench {
    const char *folder, *name, *only, *json;
    int layer, repeats;
    int threads[MAX_THREAD_COUNTS], n_threads;
    int used; // threads of the model that is open
    ae_model *model;
    const ae_model_info *info;
    ae_hparams hparams;
} bench;

/* One line of the JSON file: `point` (its reference is taken over) with the model and the topic. */
static void put_point(const bench *b, const char *topic, json_t *point) {
    json_t *line = json_pack("{s:s, s:s, s:s, s:i}", "model", b->name, "dtype", b->info->dtype, "topic",
                             topic, "threads", b->used);
    bench_stop_if(!line || !point || json_object_update(line, point) != 0, "a point: out of memory");
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(6));
    FILE *file = b->json ? fopen(b->json, "a") : NULL;
    if (b->json && (!file || !text || fprintf(file, "%s\n", text) < 0 || fclose(file) != 0)) {
        fprintf(stderr, "scaling: cannot write to %s\n", b->json);
        exit(1);
    }
    free(text);
    json_decref(line);
    json_decref(point);
}

/* The model on so many threads; each time it is mapped anew, so every weight is read once here. */
static void open_model(bench *b, int threads) {
    const ae_model_options options = {.n_threads = threads};
    ae_model_free(b->model);
    bench_must(ae_model_open(b->folder, &options, &b->model), "model");
    bench_must(ae_model_check_finite(b->model), "model");
    b->used = threads;
    b->info = ae_model_get_info(b->model);
    if (!b->name) b->name = ae_strdup(b->info->name); // the next model has its own
    bench_stop_if(!b->name, "name");
    if (b->layer < 0) b->layer = b->info->default_layer;
    bench_must(ae_hparams_builtin(b->model, b->layer, &b->hparams), "hyperparameters");
    b->hparams.mom2_adjustment = false;
    b->hparams.v_num_grad_steps = EVALUATIONS;
}

// ---- an edit ---------------------------------------------------------------------------------------

static void time_edit(const bench *b, const ae_templates *templates, bench_samples *step,
                      bench_samples *keys) {
    const ae_edit_options options = {.hparams = &b->hparams, .templates = templates};
    *step = *keys = (bench_samples){.n = 0};
    for (int r = -1; r < b->repeats; r++) {
        bench_steps times = {.seconds = r < 0 ? NULL : step};
        const ae_hooks hooks = {.user = &times, .progress = bench_note_step};
        ae_edit *edit = NULL;
        bench_must(ae_edit_compute(b->model, &bench_request, 1, &options, &hooks, &edit), "edit");
        if (r >= 0) bench_add(keys, edit->seconds_keys);
        ae_edit_free(edit);
    }
}

// ---- texts -----------------------------------------------------------------------------------------

static void some_tokens(const bench *b, int32_t *ids, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        ids[i] = (int32_t)((uint32_t)i * 7919u % (uint32_t)(b->info->n_vocab - 1));
}

/* One pass over n_ids tokens; logits at the last alone, or at all. */
static void time_score(const bench *b, const int32_t *ids, int32_t n_ids, bool all, bench_samples *out) {
    const ae_scored scored = {.ids = ids,
                              .n_ids = n_ids,
                              .first = all ? 0 : n_ids - 1,
                              .n = all ? n_ids : 1,
                              .targets = ids}; // any will do
    *out = (bench_samples){.n = 0};
    for (int r = -1; r < b->repeats; r++) {
        double nll;
        const double start = ae_seconds();
        bench_must(ae_score_sequences(b->model, &scored, 1, &nll), "scoring");
        if (r >= 0) bench_add(out, ae_seconds() - start);
    }
}

static void time_generation(const bench *b, bench_samples *out) {
    int32_t prompt[8], ids[GENERATED];
    some_tokens(b, prompt, 8);
    *out = (bench_samples){.n = 0};
    for (int r = -1; r < b->repeats; r++) {
        ae_continuation sequence = {.prompt = prompt, .n_prompt = 8, .max_new = GENERATED, .ids = ids};
        const ae_continue_options greedy = {.top_k = 1, .temperature = 1, .stop_id = -1};
        const double start = ae_seconds();
        bench_must(ae_continue(b->model, &sequence, 1, &greedy), "generation");
        if (r >= 0) bench_add(out, ae_seconds() - start);
    }
}

// ---- threads ---------------------------------------------------------------------------------------

static void measure_threads(bench *b) {
    static bench_samples seconds[4];
    static const char *const names[4] = {"step", "keys", "score", "generate"};
    ae_templates templates;
    bench_make_templates(TEMPLATES, &templates);
    int32_t *ids = malloc((size_t)b->info->n_ctx * sizeof *ids);
    bench_stop_if(!ids, "tokens");
    some_tokens(b, ids, b->info->n_ctx);
    const bench_rows rows = bench_count_rows(b->model, &b->hparams, &templates, &bench_request);
    printf(
        "\n## Threads\n\nA step: %d rows, %d of logits; scoring: every token of a text of %d; generating: %d "
        "tokens.\n\n| threads | a step | keys of an edit | scoring | generating | faster than on one |\n"
        "|---|---|---|---|---|---|\n",
        rows.changing, rows.logits, b->info->n_ctx, GENERATED);
    double one[4] = {NAN, NAN, NAN, NAN};
    for (int t = 0; t < b->n_threads; t++) {
        if (b->used != b->threads[t]) open_model(b, b->threads[t]);
        time_edit(b, &templates, &seconds[0], &seconds[1]);
        time_score(b, ids, b->info->n_ctx, true, &seconds[2]);
        time_generation(b, &seconds[3]);
        printf("| %d |", b->used);
        for (int i = 0; i < 4; i++) {
            const double median = bench_median(&seconds[i]);
            if (b->used == 1) one[i] = median;
            bench_print_time(&seconds[i]);
            put_point(b, "threads",
                      json_pack("{s:s, s:f, s:f, s:i}", "what", names[i], "seconds", median, "least",
                                bench_least(&seconds[i]), "n", seconds[i].n));
        }
        for (int i = 0; i < 4; i++)
            printf("%s%.2f", i ? ", " : " ", one[i] / bench_median(&seconds[i]));
        printf(" |\n");
    }
    free(ids);
    ae_templates_free(&templates);
}

// ---- rows ------------------------------------------------------------------------------------------

enum { MATRICES = 4 };
static const char *const matrix_names[MATRICES] = {"attn_in", "attn_out", "mlp_in", "mlp_out"};

static const ae_weight *matrix_of(const bench *b, int layer, int matrix) {
    const ae_layer_weights *w = &b->model->layers[layer];
    const ae_weight *all[MATRICES] = {&w->attn_in[0], &w->attn_out, &w->mlp_in, &w->mlp_out};
    return all[matrix];
}

/* Seconds of each matrix's products at so many rows. Layer after layer, in each all four: when a matrix comes
 * round again, all the others have been read since. */
static void time_products(const bench *b, bool backward, int rows, float *in, float *out,
                          bench_samples seconds[MATRICES]) {
    static int layer; // goes on where the last cell stopped
    ae_backend *be = b->model->backend;
    for (int m = 0; m < MATRICES; m++)
        seconds[m].n = 0;
    const double begun = ae_seconds();
    for (int n = -1; n < BENCH_SAMPLES && (n < LEAST_SAMPLES || ae_seconds() - begun < PRODUCT_SECONDS);
         n++, layer = (layer + 1) % b->info->n_layer)
        for (int m = 0; m < MATRICES; m++) {
            const ae_weight *w = matrix_of(b, layer, m);
            const double start = ae_seconds();
            bench_must(backward ? be->linear_backward(be, out, w->n_in, in, w->n_out, w, rows, false)
                                : be->linear(be, out, w->n_out, in, w->n_in, w, NULL, rows, false),
                       "a product");
            if (n >= 0) bench_add(&seconds[m], ae_seconds() - start); // the first one makes scratch memory
        }
}

static void measure_rows(bench *b) {
    static bench_samples seconds[MATRICES];
    const double flops = bench_peak_flops(b->used), bytes = bench_peak_bytes(b->used);
    const double element = strcmp(b->info->dtype, "F32") == 0 ? 4 : 2;
    ae_backend *be = b->model->backend;
    size_t widest = 0;
    for (int m = 0; m < MATRICES; m++) {
        const ae_weight *w = matrix_of(b, 0, m);
        if ((size_t)w->n_in > widest) widest = (size_t)w->n_in;
        if ((size_t)w->n_out > widest) widest = (size_t)w->n_out;
    }
    float *in, *out;
    bench_must(be->alloc(be, widest * MOST_ROWS, &in), "rows");
    bench_must(be->alloc(be, widest * MOST_ROWS, &out), "rows");
    for (size_t i = 0; i < widest * MOST_ROWS; i++)
        in[i] = (float)(i % 97) * 0.01f - 0.5f;
    printf("\n## Rows of a product\n\nGFLOP/s, median; %d threads; peaks measured just before: %.0f GFLOP/s, "
           "%.0f "
           "GB/s. Weights cold, in `%s`. The roofline is the lesser of the first peak and of 2 operations a "
           "weight and row at the second.\n\n| | rows |",
           b->used, flops * 1e-9, bytes * 1e-9, b->info->dtype);
    for (int m = 0; m < MATRICES; m++)
        printf(" %s, %d x %d |", matrix_names[m], matrix_of(b, 0, m)->n_in, matrix_of(b, 0, m)->n_out);
    printf(" roofline |\n|---|---|---|---|---|---|---|\n");
    for (int backward = 0; backward < 2; backward++)
        for (int rows = 1; rows <= MOST_ROWS; rows *= 2) {
            const double roof = fmin(flops, bytes * 2 * rows / element);
            time_products(b, backward, rows, in, out, seconds);
            printf("| `%s` | %d |", backward ? "linear_backward" : "linear", rows);
            for (int m = 0; m < MATRICES; m++) {
                const ae_weight *w = matrix_of(b, 0, m);
                const double work = 2.0 * rows * w->n_in * w->n_out, rate = work / bench_median(&seconds[m]);
                printf(" %.0f |", rate * 1e-9);
                put_point(b, "rows",
                          json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:i}", "what",
                                    backward ? "linear_backward" : "linear", "matrix", matrix_names[m],
                                    "n_in", w->n_in, "n_out", w->n_out, "rows", rows, "gflops", rate * 1e-9,
                                    "roof_gflops", roof * 1e-9, "seconds", bench_median(&seconds[m]), "n",
                                    seconds[m].n));
            }
            printf(" %.0f |\n", roof * 1e-9);
            fflush(stdout);
        }
    be->release(be, in);
    be->release(be, out);
}

// ---- tokens ----------------------------------------------------------------------------------------

static void measure_tokens(bench *b) {
    static bench_samples seconds[2];
    static const char *const names[2] = {"pass", "score"};
    const int n_ctx = b->info->n_ctx;
    int32_t *ids = malloc((size_t)n_ctx * sizeof *ids);
    bench_stop_if(!ids, "tokens");
    some_tokens(b, ids, n_ctx);
    printf("\n## Tokens of a text\n\nOne text at once, %d threads.\n\n| tokens | one pass, logits at its end "
           "| a "
           "token | every token scored | a token |\n|---|---|---|---|---|\n",
           b->used);
    for (int n = 16; n <= n_ctx && n <= 1024; n *= 2) {
        printf("| %d |", n);
        for (int i = 0; i < 2; i++) {
            time_score(b, ids, n, i == 1, &seconds[i]);
            const double median = bench_median(&seconds[i]);
            bench_print_time(&seconds[i]);
            printf(" %.3f ms |", 1e3 * median / n);
            put_point(b, "tokens",
                      json_pack("{s:s, s:i, s:f, s:f, s:i}", "what", names[i], "tokens", n, "seconds", median,
                                "least", bench_least(&seconds[i]), "n", seconds[i].n));
        }
        printf("\n");
    }
    free(ids);
}

// ---- templates -------------------------------------------------------------------------------------

static void measure_templates(bench *b) {
    static const int counts[] = {1, 2, 5, 11, 21, MOST_TEMPLATES};
    static bench_samples step, keys;
    printf("\n## Context templates\n\n%d threads.\n\n| templates | rows that change | of logits | a step | "
           "keys of "
           "an edit | a step, by row |\n|---|---|---|---|---|---|\n",
           b->used);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ae_templates templates;
        bench_make_templates(counts[i], &templates);
        const bench_rows rows = bench_count_rows(b->model, &b->hparams, &templates, &bench_request);
        time_edit(b, &templates, &step, &keys);
        printf("| %d | %d | %d |", counts[i], rows.changing, rows.logits);
        bench_print_time(&step);
        bench_print_time(&keys);
        printf(" %.2f ms |\n", 1e3 * bench_median(&step) / rows.changing);
        const struct {
            const char *what;
            const bench_samples *seconds;
        } both[2] = {{"step", &step}, {"keys", &keys}};
        for (int w = 0; w < 2; w++)
            put_point(b, "templates",
                      json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:i}", "what", both[w].what, "templates",
                                counts[i], "rows", rows.changing, "logit_rows", rows.logits, "seconds",
                                bench_median(both[w].seconds), "least", bench_least(both[w].seconds), "n",
                                both[w].seconds->n));
        ae_templates_free(&templates);
    }
}

// ---- all of it -------------------------------------------------------------------------------------

/* Ascending counts, those that the machine has; false: no such list. */
static bool read_threads(const char *list, bench *b) {
    b->n_threads = 0;
    for (const char *at = list; *at;) {
        char *end;
        const long n = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || n < 1 || n > 4096 || b->n_threads == MAX_THREAD_COUNTS)
            return false;
        if (n <= omp_get_num_procs()) b->threads[b->n_threads++] = (int)n;
        at = *end ? end + 1 : end;
    }
    return b->n_threads > 0;
}

static int usage(void) {
    fprintf(stderr, "Usage: scaling FOLDER [options]; they are told at the top of bench/scaling.c\n");
    return 2;
}

int main(int argc, char **argv) {
    enum { LAYER = 1, NAME, THREADS, REPEATS, ONLY, JSON };
    static const struct option options[] = {{"layer", 1, NULL, LAYER},
                                            {"name", 1, NULL, NAME},
                                            {"threads", 1, NULL, THREADS},
                                            {"repeats", 1, NULL, REPEATS},
                                            {"only", 1, NULL, ONLY},
                                            {"json", 1, NULL, JSON},
                                            {NULL, 0, NULL, 0}};
    bench b = {.layer = -1, .repeats = 3};
    const char *threads = "1,2,4";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case LAYER:
            b.layer = atoi(optarg);
            break;
        case NAME:
            b.name = optarg;
            break;
        case THREADS:
            threads = optarg;
            break;
        case REPEATS:
            b.repeats = atoi(optarg);
            break;
        case ONLY:
            b.only = optarg;
            break;
        case JSON:
            b.json = optarg;
            break;
        default:
            return usage();
        }
    if (optind + 1 != argc || b.repeats < 1 || !read_threads(threads, &b)) return usage();
    b.folder = argv[optind];
    char machine[256];
    bench_describe(machine, sizeof machine);
    open_model(&b, b.threads[0]);
    printf("# %s, %s, %.2f GB of weights, layer %d\n\n%s\n", b.name, b.info->dtype,
           (double)b.info->n_bytes * 1e-9, b.layer, machine);
    if (bench_wanted(b.only, "threads")) measure_threads(&b);
    if (b.used != b.threads[b.n_threads - 1]) open_model(&b, b.threads[b.n_threads - 1]);
    if (bench_wanted(b.only, "rows")) measure_rows(&b);
    if (bench_wanted(b.only, "tokens")) measure_tokens(&b);
    if (bench_wanted(b.only, "templates")) measure_templates(&b);
    ae_model_free(b.model);
    return 0;
}
