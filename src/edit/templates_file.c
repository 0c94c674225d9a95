// Context templates as a file: one JSON array of strings, and the SHA-256 of the bytes that _save writes.
#include "edit/templates.h"

#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

enum { TEMPLATES_LIMIT = 16 << 20 };

const char *ae_template_placeholder(const char *text) {
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, "{}")); at++)
        last = at;
    return last;
}

// The file's bytes; free with ae_free.
static ae_status serialise(const ae_templates *templates, char **bytes) {
    if (templates->count == 0) return ae_fail(AE_ERR_ARGUMENT, "the list of context templates is empty");
    json_t *array = json_array();
    ae_status status =
        array ? AE_OK : ae_fail(AE_ERR_MEMORY, "out of memory for %zu templates", templates->count);
    for (size_t i = 0; status == AE_OK && i < templates->count; i++) {
        json_t *string = json_string(templates->text[i]);
        if (!ae_template_placeholder(templates->text[i]))
            status = ae_fail(AE_ERR_ARGUMENT, "context template %zu, '%s', has no '{}' for the prompt", i + 1,
                             templates->text[i]);
        else if (!string)
            status = ae_fail(AE_ERR_ARGUMENT, "context template %zu is not valid UTF-8", i + 1);
        if (status != AE_OK)
            json_decref(string);
        else if (json_array_append_new(array, string) != 0)
            status = ae_fail(AE_ERR_MEMORY, "out of memory for %zu templates", templates->count);
    }
    if (status == AE_OK) {
        char *text = ae_json_dump(array, 1);
        *bytes = text ? ae_format("%s\n", text) : NULL;
        ae_free(text);
        if (!*bytes) status = ae_no_memory();
    }
    json_decref(array);
    return status;
}

ae_status ae_templates_finish(ae_templates *templates) {
    char *bytes = NULL;
    AE_TRY(serialise(templates, &bytes));
    ae_status status = ae_sha256(bytes, strlen(bytes), templates->sha256);
    ae_free(bytes);
    return status;
}

static ae_status read_template(const char *path, const json_t *value, size_t number, char **out) {
    const char *text = json_string_value(value);
    if (!text)
        return ae_fail(AE_ERR_FORMAT, "'%s': entry %zu is %s, expected a string", path, number,
                       ae_json_type_name(value));
    if (strlen(text) != json_string_length(value))
        return ae_fail(AE_ERR_FORMAT, "'%s': entry %zu holds a NUL character after '%s'", path, number, text);
    if (!ae_template_placeholder(text))
        return ae_fail(AE_ERR_FORMAT, "'%s': entry %zu, '%s', has no '{}' for the prompt", path, number,
                       text);
    *out = ae_strdup(text);
    return *out ? AE_OK : ae_no_memory();
}

ae_status ae_templates_load(const char *path, ae_templates *out) {
    json_t *array = NULL;
    AE_TRY(ae_json_load(path, TEMPLATES_LIMIT, &array));
    ae_templates templates = {0};
    ae_status status = AE_OK;
    if (!json_is_array(array))
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an array of strings", path,
                         ae_json_type_name(array));
    else if (json_array_size(array) == 0)
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds no templates; the plain one is \"{}\"", path);
    else if (!(templates.text = ae_alloc(json_array_size(array), sizeof *templates.text)))
        status = ae_no_memory();
    for (size_t i = 0; status == AE_OK && i < json_array_size(array); i++) {
        status = read_template(path, json_array_get(array, i), i + 1, &templates.text[i]);
        if (status == AE_OK) templates.count = i + 1;
    }
    if (status == AE_OK) status = ae_templates_finish(&templates);
    json_decref(array);
    if (status != AE_OK) {
        ae_templates_free(&templates);
        return status;
    }
    *out = templates;
    return AE_OK;
}

ae_status ae_templates_save(const ae_templates *templates, const char *path) {
    char *bytes = NULL;
    AE_TRY(serialise(templates, &bytes));
    ae_status status = ae_atomic_write(path, bytes, strlen(bytes));
    ae_free(bytes);
    return status;
}

void ae_templates_free(ae_templates *templates) {
    if (!templates) return;
    for (size_t i = 0; templates->text && i < templates->count; i++)
        ae_free(templates->text[i]);
    ae_free(templates->text);
    *templates = (ae_templates){0};
}
