// CounterFact's records, and EasyEdit's flat form of them (dataset.h).
#include <string.h>

#include "edit/request_json.h"
#include "eval/dataset_record.h"

bool ae_is_counterfact(const json_t *record) {
    return json_object_get(record, "requested_rewrite") ||
           (json_object_get(record, "prompt") && json_object_get(record, "subject"));
}

ae_status ae_counterfact_case_id(const ae_record_source *source, int64_t *out) {
    *out = source->row;
    return ae_json_int(source->name, source->json, "case_id", false, 0, AE_MAX_CASE_ID, out);
}

// An array of prompts; absent: none. A prompt without a character has no last token to predict from.
static ae_status read_prompts(const ae_record_source *source, const char *field, ae_prompt_list *out) {
    const json_t *list = json_object_get(source->json, field);
    if (!list || json_is_null(list)) return AE_OK;
    if (!json_is_array(list))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an array of strings", source->name,
                       field, ae_json_type_name(list));
    size_t n = json_array_size(list);
    const char **items = ae_arena_alloc(source->arena, n, sizeof *items);
    if (!items) return ae_no_memory();
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = json_string_value(item);
        if (!text)
            return ae_fail(AE_ERR_FORMAT, "'%s': field '%s', entry %zu is %s, expected a string",
                           source->name, field, i + 1, ae_json_type_name(item));
        if (!*text || strlen(text) != json_string_length(item))
            return ae_fail(AE_ERR_FORMAT, "'%s': field '%s', entry %zu is empty or holds a NUL character",
                           source->name, field, i + 1);
        AE_TRY(ae_record_keep(source, text, &items[i]));
    }
    *out = (ae_prompt_list){items, n};
    return AE_OK;
}

static ae_status read_prompt_lists(const ae_record_source *source, ae_record *out) {
    AE_TRY(read_prompts(source, "paraphrase_prompts", &out->paraphrases));
    AE_TRY(read_prompts(source, "neighborhood_prompts", &out->neighborhood));
    AE_TRY(read_prompts(source, "attribute_prompts", &out->attributes));
    return read_prompts(source, "generation_prompts", &out->generation);
}

// The flat form's single prompts; an empty one is none.
static ae_status read_flat_prompts(ae_record_source *source, ae_record *out) {
    const char *rephrase = NULL, *locality = NULL, *answer = NULL;
    AE_TRY(ae_json_string(source->name, source->json, "rephrase_prompt", false, &rephrase));
    AE_TRY(ae_json_string(source->name, source->json, "locality_prompt", false, &locality));
    AE_TRY(ae_json_string(source->name, source->json, "locality_ground_truth", false, &answer));
    if (rephrase && *rephrase) AE_TRY(ae_record_keep_prompt(source, rephrase, &out->paraphrases));
    if (!locality || !*locality) return AE_OK;
    if (answer && strcmp(answer, out->request.target_true) != 0) {
        source->n_foreign++;
        return AE_OK;
    }
    return ae_record_keep_prompt(source, locality, &out->neighborhood);
}

static bool set_target(json_t *rewrite, const char *field, const char *text) {
    return json_is_object(json_object_get(rewrite, field)) ||
           json_object_set_new(rewrite, field, json_pack("{s:s}", "str", text)) == 0;
}

// requested_rewrite as it is in the file, with what the reference needs of it in the form it needs.
static ae_status keep_rewrite(const ae_record_source *source, const json_t *fields, ae_record *out) {
    const ae_request *r = &out->request;
    bool is_full = fields != source->json;
    json_t *rewrite = is_full ? json_copy((json_t *)(uintptr_t)fields) : json_object();
    bool complete = rewrite && json_object_set_new(rewrite, "prompt", json_string(r->prompt)) == 0 &&
                    set_target(rewrite, "target_new", r->target_new) &&
                    set_target(rewrite, "target_true", r->target_true) &&
                    json_object_set_new(rewrite, "subject", json_string(r->subject)) == 0;
    return ae_record_keep_json(source, rewrite, complete, &out->rewrite_json);
}

// Copies of what was borrowed from the element, and the ids that a request does without.
static ae_status keep_request(const ae_record_source *source, const json_t *fields,
                              const ae_request *borrowed, ae_record *out) {
    const char *relation = NULL, *target_id = NULL;
    AE_TRY(ae_json_string(source->name, fields, "relation_id", false, &relation));
    AE_TRY(ae_json_string(source->name, json_object_get(fields, "target_new"), "id", false, &target_id));
    AE_TRY(ae_record_keep(source, relation ? relation : "", &out->relation_id));
    AE_TRY(ae_record_keep(source, target_id ? target_id : "", &out->target_new_id));
    AE_TRY(ae_record_keep(source, borrowed->prompt, &out->request.prompt));
    AE_TRY(ae_record_keep(source, borrowed->subject, &out->request.subject));
    AE_TRY(ae_record_keep(source, borrowed->target_new, &out->request.target_new));
    return ae_record_keep(source, borrowed->target_true, &out->request.target_true);
}

ae_status ae_counterfact_read(ae_record_source *source, ae_record *out) {
    const json_t *fields = NULL;
    ae_request borrowed;
    char *filled = NULL;
    AE_TRY(ae_counterfact_case_id(source, &out->case_id));
    AE_TRY(ae_request_fields(source->name, source->json, &fields));
    ae_status status = ae_request_read(source->name, source->json, &borrowed, &filled);
    if (status == AE_ERR_ARGUMENT) status = AE_ERR_FORMAT; // as an argument it would be the caller's fault
    if (status == AE_OK && !borrowed.target_true)
        status = ae_fail(AE_ERR_FORMAT,
                         "'%s': field '%s' is missing or empty: each prompt is measured with both targets",
                         source->name, fields != source->json ? "target_true" : "ground_truth");
    if (status == AE_OK) status = keep_request(source, fields, &borrowed, out);
    ae_free(filled);
    if (status != AE_OK) return status;
    out->row = source->row;
    out->request.case_id = out->case_id;
    AE_TRY(keep_rewrite(source, fields, out));
    return fields != source->json ? read_prompt_lists(source, out) : read_flat_prompts(source, out);
}
