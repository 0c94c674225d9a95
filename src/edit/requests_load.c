// Requests from JSON: CounterFact records, EasyEdit's flat and list forms, and our own flat form
// (docs/formats.md).
#include "aedile/edit.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"

enum { REQUESTS_LIMIT = 512 << 20 }; // bytes; CounterFact as published is 45 MB

// A string field in `*out`, borrowed from `record`; NULL where it is absent and not required.
static ae_status read_text(const char *name, const json_t *record, const char *field, bool required,
                           const char **out) {
    *out = NULL;
    AE_TRY(ae_json_string(name, record, field, required, out));
    if (*out && strlen(*out) != json_string_length(json_object_get(record, field)))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' holds a NUL character after '%s'", name, field, *out);
    return AE_OK;
}

// A target is a string or {"str": ...}.
static ae_status read_target(const char *name, const json_t *record, const char *field, bool required,
                             const char **out) {
    const json_t *value = json_object_get(record, field);
    if (!json_is_object(value)) return read_text(name, record, field, required, out);
    ae_status status = read_text(name, value, "str", true, out);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "field '%s'", field);
}

// The prompt with "{}" for the one place where `subject` occurs in it; free with ae_free.
static ae_status blank_subject(const char *name, const char *prompt, const char *subject, char **out) {
    const char *at = *subject ? strstr(prompt, subject) : NULL;
    if (!at)
        return ae_fail(AE_ERR_FORMAT, "'%s': prompt '%s' has neither '{}' nor the subject '%s'", name, prompt,
                       subject);
    if (strstr(at + 1, subject))
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': subject '%s' occurs more than once in prompt '%s'; put '{}' where it is meant",
                       name, subject, prompt);
    *out = ae_format("%.*s{}%s", (int)(at - prompt), prompt, at + strlen(subject));
    return *out ? AE_OK : ae_no_memory();
}

static ae_status copy_text(const char *text, const char **out) {
    *out = ae_strdup(text);
    return *out ? AE_OK : ae_no_memory();
}

// One record to a request with its own strings; what it holds after a failure is freed by the caller.
static ae_status read_record(const char *name, const json_t *record, ae_request *out) {
    if (!json_is_object(record))
        return ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object", name, ae_json_type_name(record));
    out->case_id = -1;
    AE_TRY(ae_json_int(name, record, "case_id", false, 0, INT64_MAX, &out->case_id));
    const json_t *rewrite = json_object_get(record, "requested_rewrite");
    if (rewrite && !json_is_object(rewrite))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'requested_rewrite' is %s, expected an object", name,
                       ae_json_type_name(rewrite));
    const json_t *fields = rewrite ? rewrite : record;
    const char *prompt, *subject, *target_new, *target_true;
    AE_TRY(read_text(name, fields, "prompt", true, &prompt));
    AE_TRY(read_text(name, fields, "subject", true, &subject));
    AE_TRY(read_target(name, fields, "target_new", true, &target_new));
    AE_TRY(read_target(name, fields, "target_true", false, &target_true));
    if (!target_true) AE_TRY(read_target(name, fields, "ground_truth", false, &target_true));

    // A filled-in prompt has no placeholder, unless its subject is one that looks like it ("the operator
    // {}").
    bool filled = !strstr(prompt, "{}") || (strstr(subject, "{}") && strstr(prompt, subject));
    if (filled) {
        char *blanked = NULL;
        AE_TRY(blank_subject(name, prompt, subject, &blanked));
        out->prompt = blanked;
    } else {
        AE_TRY(copy_text(prompt, &out->prompt));
    }
    AE_TRY(copy_text(subject, &out->subject));
    AE_TRY(copy_text(target_new, &out->target_new));
    if (target_true && *target_true) AE_TRY(copy_text(target_true, &out->target_true));
    ae_status status = ae_request_check(out);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "'%s'", name);
}

// {"prompts": [...], "subject": [...], "target_new": [...], "ground_truth": [...]}, as EasyEdit's editor
// takes them, to an array of flat records.
static ae_status transpose(const char *path, const json_t *lists, json_t **out) {
    static const char *const names[][2] = {{"prompts", "prompt"},
                                           {"subject", "subject"},
                                           {"target_new", "target_new"},
                                           {"ground_truth", "ground_truth"}};
    size_t count = json_array_size(json_object_get(lists, "prompts"));
    json_t *records = json_array();
    bool complete = records != NULL;
    for (size_t i = 0; complete && i < count; i++)
        complete = json_array_append_new(records, json_object()) == 0;
    ae_status status = complete ? AE_OK : ae_fail(AE_ERR_MEMORY, "out of memory while reading '%s'", path);
    for (size_t k = 0; status == AE_OK && k < sizeof names / sizeof *names; k++) {
        json_t *list = json_object_get(lists, names[k][0]);
        if (!list || json_is_null(list)) continue; // the record says what it lacks
        if (!json_is_array(list) || json_array_size(list) != count) {
            status = ae_fail(AE_ERR_FORMAT,
                             "'%s': field '%s' is %s of %zu entries, but 'prompts' is an array of %zu", path,
                             names[k][0], ae_json_type_name(list), json_array_size(list), count);
            break;
        }
        for (size_t i = 0; i < count; i++)
            if (json_object_set(json_array_get(records, i), names[k][1], json_array_get(list, i)) != 0)
                status = ae_fail(AE_ERR_MEMORY, "out of memory while reading '%s'", path);
    }
    if (status != AE_OK) {
        json_decref(records);
        return status;
    }
    *out = records;
    return AE_OK;
}

static ae_status read_records(const char *path, const json_t *records, ae_request **requests, size_t *count) {
    size_t n = json_array_size(records);
    if (n == 0) return ae_fail(AE_ERR_FORMAT, "'%s' holds no requests", path);
    ae_request *list = ae_alloc(n, sizeof *list);
    if (!list) return ae_no_memory();
    ae_status status = AE_OK;
    for (size_t i = 0; status == AE_OK && i < n; i++) {
        char *name = ae_format("%s, record %zu", path, i + 1);
        status = name ? read_record(name, json_array_get(records, i), &list[i]) : ae_no_memory();
        ae_free(name);
    }
    if (status != AE_OK) {
        ae_requests_free(list, n);
        return status;
    }
    *requests = list;
    *count = n;
    return AE_OK;
}

ae_status ae_requests_load(const char *path, ae_request **requests, size_t *count) {
    json_t *document = NULL, *records = NULL;
    AE_TRY(ae_json_load(path, REQUESTS_LIMIT, &document));
    ae_status status = AE_OK;
    if (json_is_array(document)) {
        records = json_incref(document);
    } else if (json_is_array(json_object_get(document, "prompts"))) {
        status = transpose(path, document, &records);
    } else if (json_is_object(document)) {
        records = json_array();
        if (!records || json_array_append(records, document) != 0)
            status = ae_fail(AE_ERR_MEMORY, "out of memory while reading '%s'", path);
    } else {
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected a request or an array of requests", path,
                         ae_json_type_name(document));
    }
    if (status == AE_OK) status = read_records(path, records, requests, count);
    json_decref(records);
    json_decref(document);
    return status;
}

void ae_requests_free(ae_request *requests, size_t count) {
    for (size_t i = 0; requests && i < count; i++) {
        ae_free((char *)(uintptr_t)requests[i].prompt);
        ae_free((char *)(uintptr_t)requests[i].subject);
        ae_free((char *)(uintptr_t)requests[i].target_new);
        ae_free((char *)(uintptr_t)requests[i].target_true);
    }
    ae_free(requests);
}
