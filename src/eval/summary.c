#include "eval/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

// ---- what is summarised ----------------------------------------------------------------------------

#define COLUMN(when, number, scale)                                                                          \
    { #when "_" #number, offsetof(ae_run_case_data, when.number), scale }
#define COLUMNS(when)                                                                                        \
    COLUMN(when, rewrite_success, 100), COLUMN(when, rewrite_diff, 100),                                     \
        COLUMN(when, paraphrase_success, 100), COLUMN(when, paraphrase_diff, 100),                           \
        COLUMN(when, neighborhood_success, 100), COLUMN(when, neighborhood_diff, 100),                       \
        COLUMN(when, rewrite_acc, 100), COLUMN(when, paraphrase_acc, 100),                                   \
        COLUMN(when, neighborhood_acc, 100), COLUMN(when, ngram_entropy, 100),                               \
        COLUMN(when, reference_score, 100), COLUMN(when, essence_score, 1)

const ae_summary_column ae_summary_columns[AE_SUMMARY_COLUMNS] = {
    {"time", offsetof(ae_run_case_data, time), 1},
    COLUMNS(pre),
    COLUMNS(post),
};

const ae_summary_score ae_summary_scores[AE_SUMMARY_SCORES] = {
    {"pre_score", {1, 3, 5}},
    {"post_score", {13, 15, 17}},
};

double ae_summary_round(double value) {
    return rint(value * 100) / 100;
}

// ---- cases -----------------------------------------------------------------------------------------

static int compare_cases(const void *a, const void *b) {
    const ae_summary_case *left = a, *right = b;
    if (left->case_id != right->case_id) return left->case_id < right->case_id ? -1 : 1;
    const int order = strcmp(left->request, right->request);
    if (order) return order;
    return left->index < right->index ? -1 : left->index > right->index;
}

static const char *known(const char *text) {
    return text ? text : "";
}

static ae_status keep_cases(ae_summary_cases *summary, const ae_run_data *run, size_t count) {
    struct ae_arena *arena = summary->shown.arena;
    summary->cases = ae_arena_alloc(arena, count, sizeof *summary->cases);
    if (!summary->cases) return ae_no_memory();
    for (size_t i = 0; i < count; i++) {
        const ae_run_case_data *c = &run->cases[i];
        char *request = ae_format("%s\n%s\n%s", known(c->prompt), known(c->subject), known(c->target_new));
        if (!request) return ae_no_memory();
        summary->cases[i] = (ae_summary_case){c->case_id, ae_arena_strdup(arena, request), i};
        ae_free(request);
        if (!summary->cases[i].request) return ae_no_memory();
    }
    qsort(summary->cases, count, sizeof *summary->cases, compare_cases);

    for (int column = 0; column < AE_SUMMARY_COLUMNS; column++) {
        double *cells = ae_arena_alloc(arena, count, sizeof *cells);
        if (!cells) return ae_no_memory();
        for (size_t i = 0; i < count; i++)
            memcpy(&cells[i], (const char *)&run->cases[i] + ae_summary_columns[column].offset,
                   sizeof *cells);
        summary->cells[column] = cells;
    }
    return AE_OK;
}

// ---- numbers over all cases ------------------------------------------------------------------------

static ae_status add_column(ae_summary *summary, int column, const double *cells, double *measured) {
    size_t n = 0;
    for (int64_t i = 0; i < summary->n_cases; i++)
        if (!isnan(cells[i])) measured[n++] = cells[i];
    if (n == 0) return AE_OK;
    const double scale = ae_summary_columns[column].scale;
    ae_summary_value value = {.name = ae_summary_columns[column].name, .n = n};
    ae_mean_std(measured, n, &value.mean, &value.std);
    AE_TRY(ae_bootstrap_mean(measured, n, AE_SUMMARY_DRAWS, AE_SUMMARY_SEED, &value.low, &value.high));
    value.mean *= scale;
    value.std *= scale;
    value.low *= scale;
    value.high *= scale;
    summary->values[summary->n_values++] = value;
    return AE_OK;
}

static void add_score(ae_summary *summary, const ae_summary_score *score) {
    double means[3];
    size_t n = SIZE_MAX;
    for (int i = 0; i < 3; i++) {
        const ae_summary_value *part = ae_summary_get(summary, ae_summary_columns[score->parts[i]].name);
        if (!part) return;
        means[i] = ae_summary_round(part->mean);
        if (part->n < n) n = part->n;
    }
    summary->values[summary->n_values++] =
        (ae_summary_value){score->name, ae_harmonic_mean(means, 3), NAN, NAN, NAN, n};
}

static ae_status add_values(ae_summary_cases *summary) {
    ae_summary *shown = &summary->shown;
    const size_t most = AE_SUMMARY_COLUMNS + AE_SUMMARY_SCORES;
    shown->values = ae_arena_alloc(shown->arena, most, sizeof *shown->values);
    double *measured = ae_alloc((size_t)shown->n_cases, sizeof *measured);
    ae_status status = shown->values && measured ? AE_OK : ae_no_memory();
    for (int column = 0; column < AE_SUMMARY_COLUMNS && status == AE_OK; column++)
        status = add_column(shown, column, summary->cells[column], measured);
    for (int i = 0; i < AE_SUMMARY_SCORES && status == AE_OK; i++)
        add_score(shown, &ae_summary_scores[i]);
    ae_free(measured);
    return status;
}

// ---- the whole -------------------------------------------------------------------------------------

static ae_status keep_names(ae_summary *summary, const ae_run_data *run) {
    size_t length = strlen(run->folder);
    while (length > 1 && run->folder[length - 1] == '/')
        length--;
    summary->folder = ae_arena_strndup(summary->arena, run->folder, length);
    summary->name = ae_arena_strdup(summary->arena, known(run->name));
    summary->variant = ae_arena_strdup(summary->arena, known(run->variant));
    summary->model = ae_arena_strdup(summary->arena, known(run->model));
    summary->dataset = ae_arena_strdup(summary->arena, known(run->dataset));
    return summary->folder && summary->name && summary->variant && summary->model && summary->dataset
               ? AE_OK
               : ae_no_memory();
}

// Our runs close their log with a line that says so (eval/event_log.h); of another's nothing is known.
static ae_status check_end(const ae_run_data *run, const ae_hooks *hooks) {
    static const char last[] = "{\"event\": \"end\"";
    char *path = ae_path_join(run->folder, "aedile/events.jsonl");
    if (!path) return ae_no_memory();
    ae_map map = {0};
    ae_status status = ae_path_exists(path) ? ae_map_open(path, &map) : AE_OK;
    if (status == AE_OK && map.path) {
        size_t begin = map.size > 0 ? map.size - 1 : 0; // where the last line begins
        while (begin > 0 && map.data[begin - 1] != '\n')
            begin--;
        if (map.size - begin < sizeof last || memcmp(map.data + begin, last, sizeof last - 1) != 0)
            ae_warn(hooks, "'%s': the run has not ended; it has %zu cases so far", run->folder, run->n_cases);
    }
    ae_map_close(&map);
    ae_free(path);
    return status;
}

// What the means do not show: edits that stand out, and cases that are in no mean.
static void count_edits(ae_summary *summary, const ae_run_data *run, const ae_hooks *hooks) {
    const ae_run_case_data *flagged = NULL, *failed = NULL;
    long long n_failed = 0;
    for (int64_t i = summary->n_cases - 1; i >= 0; i--) { // backwards: the first one found stays
        const ae_run_case_data *c = &run->cases[i];
        if (c->n_edits > summary->n_edits) summary->n_edits = c->n_edits;
        summary->n_flagged += c->flag != NULL;
        n_failed += c->error != NULL;
        if (c->flag) flagged = c;
        if (c->error) failed = c;
    }
    summary->n_skipped = run->n_skipped;
    const char *folder = summary->folder;
    const long long n_cases = summary->n_cases;
    if (flagged)
        ae_warn(hooks, "'%s': edits out of line: %lld of %lld cases; the first is case %lld: %s", folder,
                (long long)summary->n_flagged, n_cases, (long long)flagged->case_id, flagged->flag);
    if (failed)
        ae_warn(hooks, "'%s': not measured, and in no mean: %lld of %lld cases; the first is case %lld: %s",
                folder, n_failed, n_cases, (long long)failed->case_id, failed->error);
    if (run->n_skipped > 0)
        ae_warn(hooks, "'%s': records that were skipped, and are in no mean: %lld", folder,
                (long long)run->n_skipped);
}

static ae_status summarize(const ae_run_data *run, int64_t first, const ae_hooks *hooks,
                           struct ae_arena *arena, ae_summary **out) {
    ae_summary_cases *summary = ae_arena_alloc(arena, 1, sizeof *summary);
    if (!summary) return ae_no_memory();
    summary->shown.arena = arena;
    AE_TRY(keep_names(&summary->shown, run));
    const size_t count = first > 0 && (uint64_t)first < run->n_cases ? (size_t)first : run->n_cases;
    if (count == 0)
        return ae_fail(AE_ERR_NOT_FOUND, "'%s' holds no case files (<n>_edits-case_<id>.json) yet",
                       run->folder);
    summary->shown.n_cases = (int64_t)count;
    count_edits(&summary->shown, run, hooks);
    AE_TRY(check_end(run, hooks));
    AE_TRY(keep_cases(summary, run, count));
    AE_TRY(add_values(summary));
    *out = &summary->shown;
    return AE_OK;
}

ae_status ae_summary_of_run(const ae_run_data *run, int64_t first, const ae_hooks *hooks, ae_summary **out) {
    struct ae_arena *arena = NULL;
    AE_TRY(ae_arena_new(&arena));
    const ae_status status = summarize(run, first, hooks, arena, out);
    if (status != AE_OK) ae_arena_free(arena);
    return status;
}

ae_status ae_summarize(const char *folder, int64_t first, const ae_hooks *hooks, ae_summary **out) {
    if (first < 0)
        return ae_fail(AE_ERR_ARGUMENT, "the first %lld cases: expected 0 (all) or more", (long long)first);
    ae_run_data *run = NULL;
    AE_TRY(ae_run_read(folder, hooks, &run));
    const ae_status status = ae_summary_of_run(run, first, hooks, out);
    ae_run_data_free(run);
    return status;
}

void ae_summary_free(ae_summary *summary) {
    if (summary) ae_arena_free(summary->arena);
}

const ae_summary_value *ae_summary_get(const ae_summary *summary, const char *name) {
    for (size_t i = 0; i < summary->n_values; i++)
        if (strcmp(summary->values[i].name, name) == 0) return &summary->values[i];
    return NULL;
}
