#include "edit/request_json.h"

#include <string.h>

#include "base/memory.h"

ae_status ae_request_fields(const char *name, const json_t *record, const json_t **fields) {
    if (!json_is_object(record))
        return ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object", name, ae_json_type_name(record));
    const json_t *rewrite = json_object_get(record, "requested_rewrite");
    if (rewrite && !json_is_object(rewrite))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'requested_rewrite' is %s, expected an object", name,
                       ae_json_type_name(rewrite));
    *fields = rewrite ? rewrite : record;
    return AE_OK;
}

// A target is a string or {"str": ...}.
static ae_status read_target(const char *name, const json_t *object, const char *field, bool required,
                             const char **out) {
    const json_t *value = json_object_get(object, field);
    if (!json_is_object(value)) return ae_json_string(name, object, field, required, out);
    ae_status status = ae_json_string(name, value, "str", true, out);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "field '%s'", field);
}

ae_status ae_request_blank(const char *prompt, const char *subject, int *n_found, char **out) {
    const char *at = *subject ? strstr(prompt, subject) : NULL;
    *n_found = !at ? 0 : strstr(at + 1, subject) ? 2 : 1;
    if (*n_found != 1) return AE_OK;
    *out = ae_format("%.*s{}%s", (int)(at - prompt), prompt, at + strlen(subject));
    return *out ? AE_OK : ae_no_memory();
}

static ae_status blank_subject(const char *name, const char *prompt, const char *subject, char **out) {
    int n_found;
    AE_TRY(ae_request_blank(prompt, subject, &n_found, out));
    if (n_found == 0)
        return ae_fail(AE_ERR_FORMAT, "'%s': prompt '%s' has neither '{}' nor the subject '%s'", name, prompt,
                       subject);
    if (n_found > 1)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': subject '%s' occurs more than once in prompt '%s'; put '{}' where it is meant",
                       name, subject, prompt);
    return AE_OK;
}

ae_status ae_request_read(const char *name, const json_t *record, ae_request *out, char **filled) {
    const json_t *fields = NULL;
    ae_request request = {.case_id = -1};
    AE_TRY(ae_request_fields(name, record, &fields));
    AE_TRY(ae_json_int(name, record, "case_id", false, 0, INT64_MAX, &request.case_id));
    AE_TRY(ae_json_string(name, fields, "prompt", true, &request.prompt));
    AE_TRY(ae_json_string(name, fields, "subject", true, &request.subject));
    AE_TRY(read_target(name, fields, "target_new", true, &request.target_new));
    AE_TRY(read_target(name, fields, "target_true", false, &request.target_true));
    if (!request.target_true) AE_TRY(read_target(name, fields, "ground_truth", false, &request.target_true));
    if (request.target_true && !*request.target_true) request.target_true = NULL;

    // A filled-in prompt has no placeholder, unless its subject is one that looks like it ("the operator
    // {}").
    const char *prompt = request.prompt, *subject = request.subject;
    char *blanked = NULL;
    if (!strstr(prompt, "{}") || (strstr(subject, "{}") && strstr(prompt, subject))) {
        AE_TRY(blank_subject(name, prompt, subject, &blanked));
        request.prompt = blanked;
    }
    ae_status status = ae_request_check(&request);
    if (status != AE_OK) {
        ae_free(blanked);
        return ae_fail_context(status, "'%s'", name);
    }
    *out = request;
    *filled = blanked;
    return AE_OK;
}
