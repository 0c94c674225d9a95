// One case file of a run: <n>_edits-case_<id>.json.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "eval/run_read_parts.h"

// ---- measures --------------------------------------------------------------------------------------

// A member that is an array, NULL where it is absent or null.
static ae_status get_array(const char *path, const json_t *object, const char *field, const json_t **out) {
    const json_t *value = json_object_get(object, field);
    *out = NULL;
    if (!value || json_is_null(value)) return AE_OK;
    if (!json_is_array(value))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an array", path, field,
                       ae_json_type_name(value));
    *out = value;
    return AE_OK;
}

static ae_status wrong_element(const char *path, const char *field, size_t index, const json_t *element,
                               const char *expected) {
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' holds %s in place %zu, expected %s", path, field,
                   ae_json_type_name(element), index + 1, expected);
}

// Means over the prompts of a list of {target_new, target_true}: how often the wanted target is the likelier
// one, strictly, and by how much. `sign` is 1 where the new target is wanted, -1 where the true one is. A
// value that is not finite counts as not likelier, and leaves no mean difference.
static ae_status read_pairs(const char *path, const json_t *measured, const char *field, double sign,
                            double *success, double *difference) {
    const json_t *list, *pair;
    size_t i;
    *success = *difference = NAN;
    AE_TRY(get_array(path, measured, field, &list));
    const size_t n = json_array_size(list);
    if (n == 0) return AE_OK;
    double wins = 0, sum = 0;
    json_array_foreach(list, i, pair) {
        double value_new, value_true;
        if (!json_is_object(pair))
            return wrong_element(path, field, i, pair, "an object {target_new, target_true}");
        static const char *const targets[] = {"target_new", "target_true"};
        for (int t = 0; t < 2; t++)
            if (!json_object_get(pair, targets[t]))
                return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' lacks '%s' in place %zu", path, field,
                               targets[t], i + 1);
        AE_TRY(ae_run_number(path, pair, targets[0], &value_new));
        AE_TRY(ae_run_number(path, pair, targets[1], &value_true));
        wins += sign * (value_true - value_new) > 0;
        sum += sign * (exp(-value_new) - exp(-value_true));
    }
    *success = wins / (double)n;
    *difference = sum / (double)n;
    return AE_OK;
}

// The share of true ones in a list of booleans.
static ae_status read_correct(const char *path, const json_t *measured, const char *field, double *share) {
    const json_t *list, *element;
    size_t i, right = 0;
    *share = NAN;
    AE_TRY(get_array(path, measured, field, &list));
    if (json_array_size(list) == 0) return AE_OK;
    json_array_foreach(list, i, element) {
        if (!json_is_boolean(element)) return wrong_element(path, field, i, element, "true or false");
        right += json_is_true(element);
    }
    *share = (double)right / (double)json_array_size(list);
    return AE_OK;
}

// Readers of the document rely on what was checked here.
static ae_status check_texts(const char *path, const json_t *measured, const char *field) {
    const json_t *list, *element;
    size_t i;
    if (json_is_string(json_object_get(measured, field))) return AE_OK;
    AE_TRY(get_array(path, measured, field, &list));
    json_array_foreach(list, i, element) if (!json_is_string(element)) return wrong_element(
        path, field, i, element, "a string");
    return AE_OK;
}

static ae_status read_numbers(const char *path, const json_t *document, const char *when,
                              ae_case_numbers *n) {
    const json_t *m;
    double unused;
    AE_TRY(ae_run_object(path, document, when, &m));
    AE_TRY(read_pairs(path, m, "rewrite_prompts_probs", 1, &n->rewrite_success, &n->rewrite_diff));
    AE_TRY(read_pairs(path, m, "paraphrase_prompts_probs", 1, &n->paraphrase_success, &n->paraphrase_diff));
    AE_TRY(read_pairs(path, m, "neighborhood_prompts_probs", -1, &n->neighborhood_success,
                      &n->neighborhood_diff));
    AE_TRY(read_pairs(path, m, "attribute_prompts_probs", 1, &unused, &unused));
    AE_TRY(read_correct(path, m, "rewrite_prompts_correct", &n->rewrite_acc));
    AE_TRY(read_correct(path, m, "paraphrase_prompts_correct", &n->paraphrase_acc));
    AE_TRY(read_correct(path, m, "neighborhood_prompts_correct", &n->neighborhood_acc));
    AE_TRY(ae_run_number(path, m, "ngram_entropy", &n->ngram_entropy));
    AE_TRY(ae_run_number(path, m, "reference_score", &n->reference_score));
    AE_TRY(ae_run_number(path, m, "essence_score", &n->essence_score));
    AE_TRY(check_texts(path, m, "text"));
    return check_texts(path, m, "essence_text");
}

// ---- request and edit ------------------------------------------------------------------------------

// A target is {"str": ..., "id": ...}.
static ae_status read_target(const char *path, const json_t *rewrite, const char *field, const char **out) {
    const json_t *target;
    AE_TRY(ae_run_object(path, rewrite, field, &target));
    *out = "";
    return ae_json_string(path, target, "str", false, out);
}

static ae_status read_request(const char *path, ae_run_case_data *c) {
    const json_t *rewrite;
    AE_TRY(ae_run_object(path, c->document, "requested_rewrite", &rewrite));
    c->subject = c->prompt = c->relation_id = "";
    AE_TRY(ae_json_string(path, rewrite, "subject", false, &c->subject));
    AE_TRY(ae_json_string(path, rewrite, "prompt", false, &c->prompt));
    AE_TRY(ae_json_string(path, rewrite, "relation_id", false, &c->relation_id));
    AE_TRY(read_target(path, rewrite, "target_new", &c->target_new));
    return read_target(path, rewrite, "target_true", &c->target_true);
}

// {"17": x}: one number a layer, of which the largest counts, as it does for the other figures of an edit.
static ae_status read_distance(const char *path, ae_run_case_data *c) {
    static const char field[] = "distance_from_original";
    const json_t *layers;
    AE_TRY(ae_run_object(path, c->document, field, &layers));
    c->distance = NAN;
    void *at = json_object_iter((json_t *)(uintptr_t)layers);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)layers, at)) {
        double distance;
        AE_TRY(ae_run_number(path, layers, json_object_iter_key(at), &distance));
        if (isnan(c->distance) || distance > c->distance) c->distance = distance;
    }
    return AE_OK;
}

static ae_status check_loss(const char *path, const json_t *layer) {
    const json_t *loss, *element;
    size_t i;
    AE_TRY(get_array(path, layer, "loss", &loss));
    json_array_foreach(loss, i, element) {
        if (!json_is_number(element) && !json_is_null(element))
            return wrong_element(path, "loss", i, element, "a number");
    }
    return AE_OK;
}

// What the reference's files lack (eval/case_file.h).
static ae_status read_ours(const char *path, ae_run_case_data *c) {
    const json_t *ours, *layers, *layer;
    AE_TRY(ae_run_object(path, c->document, "aedile", &ours));
    AE_TRY(ae_json_int(path, ours, "n_edits", false, 1, INT64_MAX, &c->n_edits));
    AE_TRY(ae_run_number(path, ours, "update_norm", &c->update_norm));
    AE_TRY(ae_run_number(path, ours, "update_distance", &c->update_distance));
    AE_TRY(ae_run_number(path, ours, "delta_norm", &c->delta_norm));
    AE_TRY(ae_run_number(path, ours, "k_dot_u", &c->k_dot_u));
    AE_TRY(ae_run_number(path, ours, "perplexity", &c->perplexity));
    AE_TRY(ae_json_string(path, ours, "flag", false, &c->flag));
    AE_TRY(ae_json_string(path, ours, "error", false, &c->error));
    AE_TRY(ae_run_object(path, ours, "layers", &layers));
    void *at = json_object_iter((json_t *)(uintptr_t)layers);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)layers, at)) {
        AE_TRY(ae_run_object(path, layers, json_object_iter_key(at), &layer));
        AE_TRY(check_loss(path, layer));
    }
    return AE_OK;
}

ae_status ae_run_read_case(ae_run_data *data, const char *path, ae_run_case_data *c) {
    AE_TRY(ae_run_document(data, path, &c->document));
    AE_TRY(ae_json_int(path, c->document, "case_id", true, 0, INT64_MAX, &c->case_id));
    AE_TRY(ae_run_number(path, c->document, "time", &c->time));
    AE_TRY(read_request(path, c));
    AE_TRY(read_distance(path, c));
    AE_TRY(read_ours(path, c));
    AE_TRY(read_numbers(path, c->document, "pre", &c->pre));
    AE_TRY(read_numbers(path, c->document, "post", &c->post));
    // Of a single edit on the original weights both distances are the same one.
    const bool alone = json_array_size(json_object_get(c->document, "grouped_case_ids")) <= 1;
    if (isnan(c->update_distance) && !data->sequential && alone) c->update_distance = c->distance;
    return AE_OK;
}
