#include "eval/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json_array.h"
#include "eval/dataset_record.h"
#include "eval/select.h"

enum { REFUSALS_NAMED = 5 };

typedef struct case_row {
    int64_t case_id, row;
} case_row;

typedef struct reader {
    const ae_dataset_options *options;
    const ae_hooks *hooks;
    ae_dataset *dataset;
    size_t capacity; // of dataset->records
    ae_json_array array;
    ae_case_selection *selection;
    case_row *cases; // of the rows that were read
    size_t n_cases;
    size_t n_foreign;
    size_t n_spaced;      // records with a target that begins with a space
    int64_t first_spaced; // row of the first
} reader;

// ---- the file --------------------------------------------------------------------------------------

static ae_status open_file(const char *name, const char *folder, reader *r) {
    static const struct {
        const char *name, *file, *what;
    } known[] = {{"cf", "counterfact.json", "CounterFact"}, {"zsre", "zsre_mend_eval.json", "zsRE"}};
    ae_dataset *d = r->dataset;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0) continue;
        d->path = ae_path_join(folder ? folder : "data", known[i].file);
        if (!d->path) return ae_no_memory();
        if (!ae_path_exists(d->path))
            return ae_fail(AE_ERR_NOT_FOUND,
                           "'%s' is not there: the records of %s, published as "
                           "https://rome.baulab.info/data/dsets/%s; put them there or name another folder",
                           d->path, known[i].what, known[i].file);
    }
    if (!d->path) d->path = ae_strdup(name);
    if (!d->path) return ae_no_memory();
    ae_status status = ae_json_array_open(d->path, &r->array);
    if (status == AE_ERR_NOT_FOUND)
        return ae_fail_context(status, "data set '%s' is neither 'cf', 'zsre' nor a file", name);
    if (status == AE_OK) status = ae_sha256(r->array.map.data, r->array.map.size, d->sha256);
    return status;
}

static ae_status count_records(reader *r) {
    bool found = true;
    while (found)
        AE_TRY(ae_json_array_skip(&r->array, &found));
    r->dataset->n_total = (int64_t)r->array.index;
    ae_json_array_rewind(&r->array);
    if (r->dataset->n_total == 0) return ae_fail(AE_ERR_FORMAT, "'%s' holds no records", r->dataset->path);
    return AE_OK;
}

static ae_status tell_kind(const char *name, reader *r) {
    ae_dataset *d = r->dataset;
    json_t *first = NULL;
    AE_TRY(ae_json_array_next(&r->array, &first));
    ae_json_array_rewind(&r->array);
    bool is_counterfact = ae_is_counterfact(first), is_zsre = ae_is_zsre(first);
    json_decref(first);
    if (!is_counterfact && !is_zsre)
        return ae_fail(
            AE_ERR_FORMAT,
            "'%s, record 1': expected CounterFact's requested_rewrite, or a prompt with its subject, "
            "or zsRE's src and answers",
            d->path);
    d->kind = is_zsre ? AE_DATASET_ZSRE : AE_DATASET_COUNTERFACT;
    const char *expected = is_zsre ? "zsre" : "cf", *other = is_zsre ? "cf" : "zsre";
    if (strcmp(name, other) == 0)
        return ae_fail(AE_ERR_FORMAT, "'%s' holds records of the data set '%s', not of '%s'", d->path,
                       expected, other);
    return AE_OK;
}

// ---- records ---------------------------------------------------------------------------------------

// Measures put a space before every target, editing only where there is none (spec/editing.md §9).
static bool has_spaced_target(const ae_dataset *d, const ae_record *record) {
    const ae_request *request = &record->request;
    if (request->target_new[0] == ' ') return true;
    return d->kind == AE_DATASET_ZSRE ? record->neighborhood_target[0] == ' '
                                      : request->target_true[0] == ' ';
}

static ae_status keep_record(reader *r, ae_record_source *source) {
    ae_dataset *d = r->dataset;
    AE_TRY(ae_grow((void **)&d->records, &r->capacity, d->count + 1, sizeof *d->records));
    ae_record *record = &d->records[d->count];
    *record = (ae_record){0};
    ae_status status =
        d->kind == AE_DATASET_ZSRE ? ae_zsre_read(source, record) : ae_counterfact_read(source, record);
    if (status == AE_ERR_ARGUMENT) {
        if (d->n_refused++ < REFUSALS_NAMED) ae_warn(r->hooks, "%s: left out", ae_last_error());
        return AE_OK;
    }
    AE_TRY(status);
    if (has_spaced_target(d, record) && r->n_spaced++ == 0) r->first_spaced = record->row;
    d->count++;
    return AE_OK;
}

static ae_status read_record(reader *r, const json_t *json, int64_t row, bool in_limit) {
    ae_dataset *d = r->dataset;
    char *name = ae_format("%s, record %" PRId64, d->path, row + 1);
    if (!name) return ae_no_memory();
    ae_record_source source = {.name = name, .json = json, .row = row, .arena = d->arena};
    int64_t case_id = row;
    ae_status status = AE_OK;
    if (!json_is_object(json))
        status = ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object", name, ae_json_type_name(json));
    else if (d->kind == AE_DATASET_COUNTERFACT)
        status = ae_counterfact_case_id(&source, &case_id);
    r->cases[r->n_cases++] = (case_row){case_id, row};
    int64_t max_edits = r->options->max_edits;
    if (status == AE_OK && in_limit && ae_selection_has(r->selection, row, case_id) &&
        (max_edits == 0 || d->count < (size_t)max_edits))
        status = keep_record(r, &source);
    r->n_foreign += source.n_foreign;
    ae_free(name);
    return status;
}

// Rows beyond the limit are looked at only for the case ids that a selection may name.
static ae_status read_records(reader *r) {
    size_t n_selected;
    int64_t n_total = r->dataset->n_total, limit = r->options->limit;
    if (limit == 0 || limit > n_total) limit = n_total;
    int64_t n_read = ae_selection_cases(r->selection, &n_selected) ? n_total : limit;
    r->cases = ae_alloc((size_t)n_read, sizeof *r->cases);
    if (!r->cases) return ae_no_memory();
    for (int64_t row = 0; row < n_read; row++) {
        json_t *json = NULL;
        AE_TRY(ae_json_array_next(&r->array, &json));
        ae_status status = read_record(r, json, row, row < limit);
        json_decref(json);
        AE_TRY(status);
    }
    return AE_OK;
}

// ---- checks over all records -----------------------------------------------------------------------

static int compare_cases(const void *a, const void *b) {
    const case_row *x = a, *y = b;
    if (x->case_id != y->case_id) return x->case_id < y->case_id ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static ae_status check_case_ids(reader *r) {
    qsort(r->cases, r->n_cases, sizeof *r->cases, compare_cases);
    for (size_t i = 1; i < r->n_cases; i++)
        if (r->cases[i].case_id == r->cases[i - 1].case_id)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s': records %" PRId64 " and %" PRId64 " both have case_id %" PRId64
                           "; case ids name result files, so each can be there once only",
                           r->dataset->path, r->cases[i - 1].row + 1, r->cases[i].row + 1,
                           r->cases[i].case_id);
    size_t n_selected, at = 0;
    const int64_t *selected = ae_selection_cases(r->selection, &n_selected);
    for (size_t i = 0; i < n_selected; i++) {
        while (at < r->n_cases && r->cases[at].case_id < selected[i])
            at++;
        if (at == r->n_cases || r->cases[at].case_id != selected[i])
            return ae_fail(AE_ERR_ARGUMENT, "selection '%s' selects case %" PRId64 ", which is not in '%s'",
                           r->options->select, selected[i], r->dataset->path);
    }
    return AE_OK;
}

static ae_status check_count(const reader *r) {
    const ae_dataset *d = r->dataset;
    if (d->count > 0) return AE_OK;
    if (d->n_refused > 0)
        return ae_fail_context(AE_ERR_FORMAT,
                               "none of the %zu selected records of '%s' can be used; the last", d->n_refused,
                               d->path);
    return ae_fail(AE_ERR_ARGUMENT, "selection '%s' selects none of the records of '%s'%s",
                   r->options->select, d->path, r->options->limit > 0 ? " within the limit" : "");
}

static void warn_of_the_rest(const reader *r) {
    const ae_dataset *d = r->dataset;
    if (d->n_refused > REFUSALS_NAMED)
        ae_warn(r->hooks, "'%s': %zu more records were left out for such reasons", d->path,
                d->n_refused - REFUSALS_NAMED);
    if (r->n_foreign > 0)
        ae_warn(r->hooks,
                "'%s': %zu locality prompts were left out: their ground truth is not their record's, so its "
                "targets say nothing about them",
                d->path, r->n_foreign);
    if (r->n_spaced > 0)
        ae_warn(r->hooks,
                "'%s': %zu records, the first of them record %" PRId64
                ", have a target that begins with a space and is measured with two: one is put before every "
                "target",
                d->path, r->n_spaced, r->first_spaced + 1);
}

// ---- all together ----------------------------------------------------------------------------------

static ae_status read_dataset(const char *name, const char *folder, reader *r) {
    const ae_dataset_options *o = r->options;
    if (o->limit < 0 || o->max_edits < 0)
        return ae_fail(AE_ERR_ARGUMENT, "%s is %" PRId64 ", expected 0 (all) or more",
                       o->limit < 0 ? "limit" : "max_edits", o->limit < 0 ? o->limit : o->max_edits);
    AE_TRY(ae_arena_new(&r->dataset->arena));
    AE_TRY(open_file(name, folder, r));
    AE_TRY(count_records(r));
    AE_TRY(tell_kind(name, r));
    AE_TRY(ae_selection_open(o->select, r->dataset->n_total, &r->selection));
    memcpy(r->dataset->select_sha256, ae_selection_sha256(r->selection), sizeof r->dataset->select_sha256);
    AE_TRY(read_records(r));
    AE_TRY(check_case_ids(r));
    AE_TRY(check_count(r));
    warn_of_the_rest(r);
    return AE_OK;
}

ae_status ae_dataset_open(const char *name, const char *folder, const ae_dataset_options *options,
                          const ae_hooks *hooks, ae_dataset **out) {
    ae_dataset *dataset = ae_alloc(1, sizeof *dataset);
    if (!dataset) return ae_no_memory();
    reader r = {.options = options, .hooks = hooks, .dataset = dataset};
    ae_status status = read_dataset(name, folder, &r);
    ae_json_array_close(&r.array);
    ae_selection_free(r.selection);
    ae_free(r.cases);
    if (status != AE_OK) {
        ae_dataset_free(dataset);
        return status;
    }
    *out = dataset;
    return AE_OK;
}

void ae_dataset_free(ae_dataset *dataset) {
    if (!dataset) return;
    ae_arena_free(dataset->arena);
    ae_free(dataset->records);
    ae_free(dataset->path);
    ae_free(dataset);
}

// ---- for the kinds ---------------------------------------------------------------------------------

ae_status ae_record_keep(const ae_record_source *source, const char *text, const char **out) {
    *out = ae_arena_strdup(source->arena, text);
    return *out ? AE_OK : ae_no_memory();
}

ae_status ae_record_keep_prompt(const ae_record_source *source, const char *prompt, ae_prompt_list *out) {
    const char **items = ae_arena_alloc(source->arena, 1, sizeof *items);
    if (!items) return ae_no_memory();
    AE_TRY(ae_record_keep(source, prompt, &items[0]));
    *out = (ae_prompt_list){items, 1};
    return AE_OK;
}

ae_status ae_record_keep_json(const ae_record_source *source, json_t *object, bool complete,
                              const char **out) {
    ae_status status = complete ? AE_OK : ae_fail(AE_ERR_MEMORY, "'%s': out of memory", source->name);
    char *text = complete ? ae_json_dump(object, 0) : NULL;
    if (complete) status = text ? ae_record_keep(source, text, out) : ae_no_memory();
    ae_free(text);
    json_decref(object);
    return status;
}
