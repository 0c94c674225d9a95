// zsRE's records as MEND's evaluation set has them (dataset.h, spec/evaluation.md §3).
#include <string.h>

#include "edit/request_json.h"
#include "eval/dataset_record.h"

// The reference's target_true; nothing is measured with it.
static const char no_target[] = "<|endoftext|>";

bool ae_is_zsre(const json_t *record) {
    return json_object_get(record, "src") && json_object_get(record, "answers") &&
           !json_object_get(record, "requested_rewrite");
}

static ae_status read_answer(const ae_record_source *source, const char **out) {
    const json_t *answers = json_object_get(source->json, "answers"), *first = json_array_get(answers, 0);
    if (!json_is_array(answers))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'answers' is %s, expected an array of strings",
                       source->name, ae_json_type_name(answers));
    if (!first) return ae_fail(AE_ERR_ARGUMENT, "'%s': field 'answers' is an empty array", source->name);
    *out = json_string_value(first);
    if (!*out || strlen(*out) != json_string_length(first))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'answers', entry 1 is %s, expected a string without NUL",
                       source->name, ae_json_type_name(first));
    return AE_OK;
}

// src with "{}" in the subject's place, in the arena.
static ae_status read_prompt(const ae_record_source *source, const char *src, const char *subject,
                             const char **out) {
    int n_found;
    char *blanked = NULL;
    AE_TRY(ae_request_blank(src, subject, &n_found, &blanked));
    if (n_found != 1)
        return ae_fail(AE_ERR_ARGUMENT,
                       "'%s': the subject '%s' occurs %s in src '%s', exactly once is needed", source->name,
                       subject, n_found == 0 ? "nowhere" : "more than once", src);
    ae_status status = ae_record_keep(source, blanked, out);
    ae_free(blanked);
    return status;
}

static ae_status keep_rewrite(const ae_record_source *source, ae_record *out) {
    const ae_request *r = &out->request;
    json_t *rewrite = json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "prompt", r->prompt, "subject", r->subject,
                                "target_new", "str", r->target_new, "target_true", "str", r->target_true);
    return ae_record_keep_json(source, rewrite, rewrite != NULL, &out->rewrite_json);
}

// The neighbourhood's question keeps its "nq question: " and gets the question mark that it lacks.
static ae_status keep_neighborhood(const ae_record_source *source, const char *loc, ae_record *out) {
    static const char prefix[] = "nq question: ";
    if (strncmp(loc, prefix, strlen(prefix)) != 0)
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'loc' is '%s', expected a text that begins with '%s'",
                       source->name, loc, prefix);
    char *question = ae_format("%s?", loc);
    if (!question) return ae_no_memory();
    ae_status status = ae_record_keep_prompt(source, question, &out->neighborhood);
    ae_free(question);
    return status;
}

ae_status ae_zsre_read(ae_record_source *source, ae_record *out) {
    const char *name = source->name, *subject = NULL, *src = NULL, *rephrase = NULL, *loc = NULL,
               *loc_ans = NULL, *answer = NULL;
    ae_request *r = &out->request;
    AE_TRY(ae_json_string(name, source->json, "subject", true, &subject));
    AE_TRY(ae_json_string(name, source->json, "src", true, &src));
    AE_TRY(ae_json_string(name, source->json, "rephrase", true, &rephrase));
    AE_TRY(ae_json_string(name, source->json, "loc", true, &loc));
    AE_TRY(ae_json_string(name, source->json, "loc_ans", true, &loc_ans));
    AE_TRY(read_answer(source, &answer));
    out->case_id = r->case_id = out->row = source->row;
    out->relation_id = out->target_new_id = "";
    r->target_true = no_target;
    AE_TRY(read_prompt(source, src, subject, &r->prompt));
    AE_TRY(ae_record_keep(source, subject, &r->subject));
    AE_TRY(ae_record_keep(source, answer, &r->target_new));
    ae_status status = ae_request_check(r);
    if (status != AE_OK) return ae_fail_context(status, "'%s'", name);
    if (!*rephrase) return ae_fail(AE_ERR_ARGUMENT, "'%s': field 'rephrase' is empty", name);
    AE_TRY(ae_record_keep_prompt(source, rephrase, &out->paraphrases));
    AE_TRY(keep_neighborhood(source, loc, out));
    AE_TRY(ae_record_keep(source, loc_ans, &out->neighborhood_target));
    return keep_rewrite(source, out);
}
