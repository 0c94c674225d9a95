#include "eval/case_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "edit/journal_base.h"
#include "eval/python_json.h"

enum { FILE_LIMIT = 64 << 20, INDENT = 1 };

// ---- measures --------------------------------------------------------------------------------------

static json_t *pairs_document(const ae_pairs *pairs) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < pairs->count; i++)
        json_array_append_new(array, json_pack("{s:o, s:o}", "target_new",
                                               ae_json_figure(pairs->items[i].target_new), "target_true",
                                               ae_json_figure(pairs->items[i].target_true)));
    return ae_json_whole(array, pairs->count);
}

static json_t *bools_document(const ae_bools *bools) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < bools->count; i++)
        json_array_append_new(array, json_boolean(bools->items[i]));
    return ae_json_whole(array, bools->count);
}

static json_t *texts_document(const char *const *texts, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < n; i++)
        json_array_append_new(array, ae_json_any_text(texts[i]));
    return ae_json_whole(array, n);
}

static ae_status put_generation(json_t *object, const ae_generation *g) {
    AE_TRY(ae_json_put(object, "ngram_entropy", ae_json_figure(g->ngram_entropy)));
    if (g->has_reference) AE_TRY(ae_json_put(object, "reference_score", ae_json_figure(g->reference_score)));
    AE_TRY(ae_json_put(object, "text", texts_document((const char *const *)g->texts, g->n_texts)));
    if (!g->essence_text) return AE_OK;
    AE_TRY(ae_json_put(object, "essence_score", ae_json_figure(g->essence_score)));
    return ae_json_put(object, "essence_text", texts_document(&g->essence_text, 1));
}

static ae_status put_measure(json_t *document, const char *key, const ae_case_measure *m) {
    json_t *object = json_object();
    AE_TRY(ae_json_put(document, key, object));
    if (!m) return AE_OK;
    if (m->kind == AE_DATASET_ZSRE) {
        AE_TRY(ae_json_put(object, "rewrite_prompts_correct", bools_document(&m->rewrite_correct)));
        AE_TRY(ae_json_put(object, "paraphrase_prompts_correct", bools_document(&m->paraphrases_correct)));
        AE_TRY(ae_json_put(object, "neighborhood_prompts_correct", bools_document(&m->neighborhood_correct)));
    } else {
        AE_TRY(ae_json_put(object, "rewrite_prompts_probs", pairs_document(&m->rewrite)));
        AE_TRY(ae_json_put(object, "paraphrase_prompts_probs", pairs_document(&m->paraphrases)));
        AE_TRY(ae_json_put(object, "neighborhood_prompts_probs", pairs_document(&m->neighborhood)));
        AE_TRY(ae_json_put(object, "attribute_prompts_probs", pairs_document(&m->attributes)));
    }
    return m->generation ? put_generation(object, m->generation) : AE_OK;
}

// ---- the whole -------------------------------------------------------------------------------------

static ae_status put_rewrite(json_t *document, const ae_record *record) {
    json_t *rewrite = NULL;
    AE_TRY(ae_json_parse("requested_rewrite", record->rewrite_json, strlen(record->rewrite_json), &rewrite));
    return ae_json_put(document, "requested_rewrite", rewrite);
}

static ae_status put_time(json_t *object) {
    char time[AE_ENTRY_TIME];
    ae_time_text(time);
    return ae_json_put(object, "time", json_string(time));
}

static ae_status put_distances(json_t *document, const ae_case_result *r) {
    json_t *object = json_object();
    AE_TRY(ae_json_put(document, "distance_from_original", object));
    for (int i = 0; i < r->n_layers; i++) {
        char layer[16];
        snprintf(layer, sizeof layer, "%d", r->layers[i]);
        AE_TRY(ae_json_put(object, layer, ae_json_figure(r->distances[i])));
    }
    return AE_OK;
}

static ae_status put_ours(json_t *document, const ae_case_result *r) {
    const ae_edit_figures *f = r->figures;
    const ae_edit_extremes e = ae_edit_figures_extremes(f);
    const ae_case_means means = r->post ? ae_case_measure_means(r->post) : (ae_case_means){NAN, NAN, NAN};
    json_t *o = json_object();
    AE_TRY(ae_json_put(document, "aedile", o));
    AE_TRY(ae_json_put(o, "n_edits", json_integer(r->n_edits)));
    AE_TRY(ae_json_put(o, "journal", r->journal_id > 0 ? json_integer(r->journal_id) : json_null()));
    AE_TRY(ae_json_put(o, "flag", ae_json_any_text(r->flag)));
    AE_TRY(ae_json_put(o, "error", ae_json_any_text(r->error)));
    AE_TRY(ae_json_put(o, "k_dot_u", ae_json_figure(e.k_dot_u)));
    AE_TRY(ae_json_put(o, "update_norm", ae_json_figure(e.update_norm)));
    AE_TRY(ae_json_put(o, "weight_norm", ae_json_figure(e.weight_norm)));
    AE_TRY(ae_json_put(o, "update_distance", ae_json_figure(e.update_distance)));
    AE_TRY(ae_json_put(o, "delta_norm", ae_json_figure(e.delta_norm)));
    AE_TRY(ae_json_put(o, "target_init_norm", ae_json_figure(e.target_init_norm)));
    AE_TRY(ae_json_put(o, "n_steps", json_integer(e.n_steps)));
    AE_TRY(ae_json_put(o, "efficacy", ae_json_figure(means.efficacy)));
    AE_TRY(ae_json_put(o, "paraphrase", ae_json_figure(means.paraphrase)));
    AE_TRY(ae_json_put(o, "neighborhood", ae_json_figure(means.neighborhood)));
    AE_TRY(ae_json_put(o, "perplexity", ae_json_figure(r->perplexity)));
    AE_TRY(ae_json_put(o, "seconds_keys", ae_json_figure(f->seconds_keys)));
    AE_TRY(ae_json_put(o, "seconds_solve", ae_json_figure(f->seconds_solve)));
    AE_TRY(ae_json_put(o, "seconds_optimise", ae_json_figure(f->seconds_optimise)));
    AE_TRY(ae_json_put(o, "seconds_update", ae_json_figure(f->seconds_update)));
    AE_TRY(ae_json_put(o, "seconds_measure", ae_json_figure(r->seconds_measure)));
    AE_TRY(put_time(o));
    return ae_json_put(o, "layers", ae_edit_figures_document(f));
}

static ae_status put_case(json_t *document, const ae_case_result *r) {
    json_t *grouped = json_array();
    AE_TRY(ae_json_put(document, "case_id", json_integer(r->record->case_id)));
    AE_TRY(ae_json_put(document, "grouped_case_ids", grouped));
    for (size_t i = 0; i < r->n_grouped; i++)
        if (json_array_append_new(grouped, json_integer(r->grouped[i])) != 0)
            return ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
    AE_TRY(ae_json_put(document, "num_edits", json_integer(r->num_edits)));
    AE_TRY(put_rewrite(document, r->record));
    AE_TRY(ae_json_put(document, "time", ae_json_figure(r->seconds)));
    if (r->pre) AE_TRY(put_measure(document, "pre", r->pre));
    AE_TRY(put_measure(document, "post", r->post));
    AE_TRY(put_distances(document, r));
    return put_ours(document, r);
}

ae_status ae_case_file_text(const ae_case_result *result, char **text) {
    json_t *document = json_object();
    return ae_python_json_finish(put_case(document, result), document, INDENT, text);
}

// ---- read back -------------------------------------------------------------------------------------

static ae_status get_object(const char *path, const json_t *object, const char *field, const json_t **out) {
    *out = json_object_get(object, field);
    if (json_is_object(*out)) return AE_OK;
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an object", path, field,
                   ae_json_type_name(*out));
}

static ae_status get_figure(const char *path, const json_t *object, const char *field, double *out) {
    *out = NAN;
    return ae_json_number(path, object, field, false, -INFINITY, INFINITY, out);
}

// A text of the arena's; NULL where it is null.
static ae_status get_text(const char *path, const json_t *object, const char *field, ae_arena *arena,
                          const char **out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(path, object, field, false, &text));
    *out = text ? ae_arena_strdup(arena, text) : NULL;
    return *out || !text ? AE_OK : ae_no_memory();
}

// As in ae_edit_extremes: the largest over the layers.
static ae_status read_distance(const char *path, const json_t *document, double *out) {
    const json_t *object;
    AE_TRY(get_object(path, document, "distance_from_original", &object));
    *out = NAN;
    for (void *at = json_object_iter((json_t *)(uintptr_t)object); at;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        double distance;
        AE_TRY(get_figure(path, object, json_object_iter_key(at), &distance));
        if (isnan(*out) || distance > *out) *out = distance;
    }
    return AE_OK;
}

static ae_status read_case(const char *path, const json_t *document, ae_arena *arena, ae_case_record *out) {
    const json_t *ours;
    AE_TRY(ae_json_int(path, document, "case_id", true, INT64_MIN, INT64_MAX, &out->case_id));
    AE_TRY(read_distance(path, document, &out->distance));
    AE_TRY(get_object(path, document, "aedile", &ours));
    AE_TRY(ae_json_int(path, ours, "n_edits", true, 1, INT64_MAX, &out->n_edits));
    AE_TRY(get_text(path, ours, "flag", arena, &out->flag));
    AE_TRY(get_text(path, ours, "time", arena, &out->time));
    AE_TRY(get_figure(path, ours, "efficacy", &out->efficacy));
    AE_TRY(get_figure(path, ours, "paraphrase", &out->paraphrase));
    AE_TRY(get_figure(path, ours, "neighborhood", &out->neighborhood));
    AE_TRY(get_figure(path, ours, "perplexity", &out->perplexity));
    AE_TRY(ae_edit_figures_read(path, json_object_get(ours, "layers"), arena, &out->figures));
    AE_TRY(get_figure(path, ours, "seconds_keys", &out->figures.seconds_keys));
    AE_TRY(get_figure(path, ours, "seconds_solve", &out->figures.seconds_solve));
    AE_TRY(get_figure(path, ours, "seconds_optimise", &out->figures.seconds_optimise));
    AE_TRY(get_figure(path, ours, "seconds_update", &out->figures.seconds_update));
    out->seconds = ae_edit_figures_seconds(&out->figures);
    out->extremes = ae_edit_figures_extremes(&out->figures);
    return AE_OK;
}

static ae_status load(const char *path, json_t **out) {
    json_t *document = NULL;
    AE_TRY(ae_json_load(path, FILE_LIMIT, &document));
    if (json_is_object(document)) {
        *out = document;
        return AE_OK;
    }
    ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", path, ae_json_type_name(document));
    json_decref(document);
    return AE_ERR_FORMAT;
}

ae_status ae_case_file_read(const char *path, ae_arena *arena, ae_case_record *out) {
    json_t *document = NULL;
    ae_case_record record = {0};
    AE_TRY(load(path, &document));
    const ae_status status = read_case(path, document, arena, &record);
    json_decref(document);
    if (status != AE_OK) return status;
    *out = record;
    return AE_OK;
}

// ---- records that were not edited ------------------------------------------------------------------

static ae_status put_skipped(json_t *document, const ae_record *record, const ae_skipped_case *skipped,
                             const ae_edit_figures *figures) {
    AE_TRY(ae_json_put(document, "case_id", json_integer(record->case_id)));
    AE_TRY(put_rewrite(document, record));
    AE_TRY(ae_json_put(document, "reason", ae_json_any_text(skipped->reason)));
    AE_TRY(ae_json_put(document, "refused", json_boolean(skipped->refused)));
    AE_TRY(ae_json_put(document, "n_edits", json_integer(skipped->n_edits)));
    AE_TRY(put_time(document));
    return ae_json_put(document, "layers", figures ? ae_edit_figures_document(figures) : json_object());
}

ae_status ae_skipped_text(const ae_record *record, const ae_skipped_case *skipped,
                          const ae_edit_figures *figures, char **text) {
    json_t *document = json_object();
    return ae_python_json_finish(put_skipped(document, record, skipped, figures), document, INDENT, text);
}

static ae_status read_skipped(const char *path, const json_t *document, ae_arena *arena,
                              ae_skipped_case *out) {
    AE_TRY(ae_json_int(path, document, "case_id", true, INT64_MIN, INT64_MAX, &out->case_id));
    AE_TRY(ae_json_int(path, document, "n_edits", true, 0, INT64_MAX, &out->n_edits));
    AE_TRY(ae_json_bool(path, document, "refused", true, &out->refused));
    AE_TRY(get_text(path, document, "reason", arena, &out->reason));
    return get_text(path, document, "time", arena, &out->time);
}

ae_status ae_skipped_read(const char *path, ae_arena *arena, ae_skipped_case *out) {
    json_t *document = NULL;
    ae_skipped_case skipped = {0};
    AE_TRY(load(path, &document));
    const ae_status status = read_skipped(path, document, arena, &skipped);
    json_decref(document);
    if (status != AE_OK) return status;
    *out = skipped;
    return AE_OK;
}
