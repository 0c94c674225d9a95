#include "eval/python_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "text/utf8.h"

// ---- scalars ---------------------------------------------------------------------------------------

static ae_status append_real(ae_text *text, double value) {
    char digits[40];
    int precision = 0; // decimals of d.ddde+xx
    do
        ae_print(digits, sizeof digits, "%.*e", precision, value);
    while (ae_number(digits, NULL) != value && precision++ < 17);
    const int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) return ae_text_append(text, digits, strlen(digits));
    const int decimals = precision - exponent;
    return ae_text_printf(text, "%.*f", decimals < 1 ? 1 : decimals, value);
}

static ae_status append_character(ae_text *text, uint32_t code) {
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *name = code ? strchr(named, code < 0x80 ? (int)code : 0x80) : NULL;
    if (name) return ae_text_printf(text, "\\%c", letters[name - named]);
    if (code >= 0x20 && code < 0x7F) return ae_text_printf(text, "%c", (char)code);
    if (code < 0x10000) return ae_text_printf(text, "\\u%04x", code);
    return ae_text_printf(text, "\\u%04x\\u%04x", 0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF));
}

// bytes are UTF-8: jansson keeps no others.
static ae_status append_string(ae_text *text, const char *bytes, size_t length) {
    AE_TRY(ae_text_append(text, "\"", 1));
    while (length > 0) {
        uint32_t code = 0xFFFD;
        const int n = abs(ae_utf8_decode((const unsigned char *)bytes, length, &code));
        AE_TRY(append_character(text, code));
        bytes += n;
        length -= (size_t)n;
    }
    return ae_text_append(text, "\"", 1);
}

// ---- documents -------------------------------------------------------------------------------------

// Before an element, or (last) before the closing bracket.
static ae_status append_break(ae_text *text, int indent, int depth, bool first, bool last) {
    if (!first && !last) AE_TRY(ae_text_append(text, indent < 0 ? ", " : ",", indent < 0 ? 2 : 1));
    return indent < 0 ? AE_OK : ae_text_printf(text, "\n%*s", indent * depth, "");
}

static ae_status append_value(ae_text *text, const json_t *value, int indent, int depth);

static ae_status append_array(ae_text *text, const json_t *array, int indent, int depth) {
    const size_t n = json_array_size(array);
    AE_TRY(ae_text_append(text, "[", 1));
    for (size_t i = 0; i < n; i++) {
        AE_TRY(append_break(text, indent, depth + 1, i == 0, false));
        AE_TRY(append_value(text, json_array_get(array, i), indent, depth + 1));
    }
    if (n > 0) AE_TRY(append_break(text, indent, depth, false, true));
    return ae_text_append(text, "]", 1);
}

static ae_status append_object(ae_text *text, json_t *object, int indent, int depth) {
    bool first = true;
    AE_TRY(ae_text_append(text, "{", 1));
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at), first = false) {
        AE_TRY(append_break(text, indent, depth + 1, first, false));
        const char *key = json_object_iter_key(at);
        AE_TRY(append_string(text, key, strlen(key)));
        AE_TRY(ae_text_append(text, ": ", 2));
        AE_TRY(append_value(text, json_object_iter_value(at), indent, depth + 1));
    }
    if (!first) AE_TRY(append_break(text, indent, depth, false, true));
    return ae_text_append(text, "}", 1);
}

static ae_status append_value(ae_text *text, const json_t *value, int indent, int depth) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return append_object(text, (json_t *)(uintptr_t)value, indent, depth);
    case JSON_ARRAY:
        return append_array(text, value, indent, depth);
    case JSON_STRING:
        return append_string(text, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return ae_text_printf(text, "%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        return append_real(text, json_real_value(value));
    case JSON_TRUE:
        return ae_text_append(text, "true", 4);
    case JSON_FALSE:
        return ae_text_append(text, "false", 5);
    default:
        return ae_text_append(text, "null", 4);
    }
}

char *ae_python_json(const json_t *value, int indent) {
    ae_text text = {0};
    if (append_value(&text, value, indent, 0) == AE_OK) return text.data;
    ae_free(text.data);
    return NULL;
}

ae_status ae_python_json_finish(ae_status status, json_t *document, int indent, char **text) {
    char *made = status == AE_OK ? ae_python_json(document, indent) : NULL;
    json_decref(document);
    if (status != AE_OK) return status;
    if (!made) return ae_no_memory();
    *text = made;
    return AE_OK;
}

// ---- making values ---------------------------------------------------------------------------------

json_t *ae_json_figure(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *ae_json_any_text(const char *text) {
    if (!text) return json_null();
    json_t *string = json_string(text);
    if (string) return string;
    ae_text clean = {0};
    ae_status status = AE_OK;
    for (size_t left = strlen(text); left > 0 && status == AE_OK;) {
        uint32_t code;
        const int length = ae_utf8_decode((const unsigned char *)text, left, &code);
        status = length > 0 ? ae_text_append(&clean, text, (size_t)length)
                            : ae_text_append(&clean, "\xEF\xBF\xBD", 3);
        text += abs(length);
        left -= (size_t)abs(length);
    }
    if (status == AE_OK) string = json_stringn(clean.data, clean.length);
    ae_free(clean.data);
    return string;
}

json_t *ae_json_whole(json_t *array, size_t n) {
    if (json_array_size(array) == n) return array;
    json_decref(array);
    return NULL;
}

ae_status ae_json_put(json_t *object, const char *key, json_t *value) {
    if (object && value && json_object_set_new(object, key, value) == 0) return AE_OK;
    if (!object) json_decref(value); // jansson takes it over in every other case
    return ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
}
