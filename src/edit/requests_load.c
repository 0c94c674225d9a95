// Request files: one request, an array of them, or EasyEdit's lists (docs/formats.md).
#include "aedile/edit.h"

#include "base/json.h"
#include "base/memory.h"
#include "edit/request_json.h"

enum { REQUESTS_LIMIT = 512 << 20 }; // bytes; CounterFact as published is 45 MB

static ae_status copy_text(const char *text, const char **out) {
    if (text && !(*out = ae_strdup(text))) return ae_no_memory();
    return AE_OK;
}

// One record to a request with its own strings; what it holds after a failure is freed by the caller.
static ae_status read_record(const char *name, const json_t *record, ae_request *out) {
    ae_request borrowed;
    char *filled = NULL;
    AE_TRY(ae_request_read(name, record, &borrowed, &filled));
    out->case_id = borrowed.case_id;
    ae_status status = copy_text(borrowed.prompt, &out->prompt);
    if (status == AE_OK) status = copy_text(borrowed.subject, &out->subject);
    if (status == AE_OK) status = copy_text(borrowed.target_new, &out->target_new);
    if (status == AE_OK) status = copy_text(borrowed.target_true, &out->target_true);
    ae_free(filled);
    return status;
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
