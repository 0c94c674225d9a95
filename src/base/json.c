#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

ae_status ae_json_parse(const char *name, const char *text, size_t length, json_t **out) {
    json_error_t error;
    json_t *value =
        json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) {
        // Short of memory, jansson mostly fails without a word: what is wrong with a text it would say.
        if (json_error_code(&error) == json_error_out_of_memory || !*error.text)
            return ae_fail(AE_ERR_MEMORY, "'%s': out of memory while reading JSON", name);
        return ae_fail(AE_ERR_FORMAT, "'%s' is not valid JSON: line %d, column %d: %s", name, error.line,
                       error.column, error.text);
    }
    *out = value;
    return AE_OK;
}

ae_status ae_json_load(const char *path, size_t limit, json_t **out) {
    char *text = NULL;
    size_t length;
    AE_TRY(ae_file_read(path, limit, &text, &length));
    ae_status status = ae_json_parse(path, text, length, out);
    ae_free(text);
    return status;
}

const char *ae_json_type_name(const json_t *value) {
    if (!value) return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

// The field, or NULL with *status set to AE_OK (absent and not required) or an error.
static const json_t *find(const char *name, const json_t *object, const char *field, bool required,
                          const char *expected, ae_status *status) {
    const json_t *value = json_object_get(object, field);
    *status = AE_OK;
    if (value && !json_is_null(value)) return value;
    if (required)
        *status = ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is missing, expected %s", name, field, expected);
    return NULL;
}

static ae_status wrong_type(const char *name, const char *field, const json_t *value, const char *expected) {
    return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected %s", name, field,
                   ae_json_type_name(value), expected);
}

ae_status ae_json_int(const char *name, const json_t *object, const char *field, bool required, int64_t low,
                      int64_t high, int64_t *out) {
    ae_status status;
    const json_t *value = find(name, object, field, required, "an integer", &status);
    if (!value) return status;
    if (!json_is_integer(value)) return wrong_type(name, field, value, "an integer");
    int64_t number = json_integer_value(value);
    if (number < low || number > high)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %lld, expected %lld to %lld", name, field,
                       (long long)number, (long long)low, (long long)high);
    *out = number;
    return AE_OK;
}

ae_status ae_json_number(const char *name, const json_t *object, const char *field, bool required, double low,
                         double high, double *out) {
    ae_status status;
    const json_t *value = find(name, object, field, required, "a number", &status);
    if (!value) return status;
    if (!json_is_number(value)) return wrong_type(name, field, value, "a number");
    double number = json_number_value(value);
    if (!(number >= low && number <= high))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %g, expected %g to %g", name, field, number, low,
                       high);
    *out = number;
    return AE_OK;
}

ae_status ae_json_bool(const char *name, const json_t *object, const char *field, bool required, bool *out) {
    ae_status status;
    const json_t *value = find(name, object, field, required, "true or false", &status);
    if (!value) return status;
    if (!json_is_boolean(value)) return wrong_type(name, field, value, "true or false");
    *out = json_is_true(value);
    return AE_OK;
}

ae_status ae_json_bytes(const char *name, const json_t *object, const char *field, bool required,
                        const char **out, size_t *length) {
    ae_status status;
    const json_t *value = find(name, object, field, required, "a string", &status);
    if (!value) return status;
    if (!json_is_string(value)) return wrong_type(name, field, value, "a string");
    *out = json_string_value(value);
    *length = json_string_length(value);
    return AE_OK;
}

ae_status ae_json_string(const char *name, const json_t *object, const char *field, bool required,
                         const char **out) {
    const char *text = NULL;
    size_t length = 0;
    AE_TRY(ae_json_bytes(name, object, field, required, &text, &length));
    if (!text) return AE_OK;
    if (strlen(text) != length)
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' holds a NUL character after '%.80s'", name, field,
                       text);
    *out = text;
    return AE_OK;
}

int ae_json_note(json_t *object, const char *key, const char *value) {
    return json_object_set_new(object, key, json_string(value));
}

int ae_json_note_int(json_t *object, const char *key, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return ae_json_note(object, key, text);
}

char *ae_json_dump(const json_t *value, int indent) {
    char *text = json_dumps(value, JSON_INDENT((size_t)indent) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (!text) {
        ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
        return NULL;
    }
    char *copy = ae_strdup(text);
    free(text);
    return copy;
}
