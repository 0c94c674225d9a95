#include "base/json_array.h"

#include <stdarg.h>
#include <string.h>

#include "base/memory.h"

// Data sets nest four deep. 64 brackets are remembered in the bits of one number.
enum { MAX_DEPTH = 64 };

static bool is_space(unsigned char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The first byte from `at` on that is no white space; the file's size if there is none.
static size_t skip_space(const ae_json_array *array, size_t at) {
    while (at < array->map.size && is_space(array->map.data[at]))
        at++;
    return at;
}

__attribute__((format(printf, 3, 4))) static ae_status malformed(const ae_json_array *array, size_t at,
                                                                 const char *format, ...) {
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    ae_fail(AE_ERR_FORMAT, "'%s, element %zu at byte %zu': %s", array->map.path, array->index + 1, at, what);
    return AE_ERR_FORMAT; // spelled out: the compiler sees that outputs are set where this is not returned
}

ae_status ae_json_array_open(const char *path, ae_json_array *out) {
    ae_json_array array = {.at_start = true};
    AE_TRY(ae_map_open(path, &array.map));
    ae_status status = AE_OK;
    size_t at = skip_space(&array, 0);
    if (at == array.map.size)
        status = ae_fail(AE_ERR_FORMAT, "'%s' is empty, expected a JSON array", path);
    else if (array.map.data[at] != '[')
        status = ae_fail(AE_ERR_FORMAT, "'%s' does not begin with '[' at byte %zu: expected a JSON array",
                         path, at);
    if (status != AE_OK) {
        ae_map_close(&array.map);
        return status;
    }
    array.begin = array.at = at + 1;
    *out = array;
    return AE_OK;
}

// The byte behind the string whose opening quote is at `at`; 0 if the file ends within it.
static size_t end_of_string(const ae_json_array *array, size_t at) {
    const unsigned char *data = array->map.data;
    for (at++; at < array->map.size && data[at] != '"'; at++)
        if (data[at] == '\\') at++; // whatever it escapes does not end the string
    return at < array->map.size ? at + 1 : 0;
}

// The byte behind the object or array that begins at `begin`.
static ae_status end_of_brackets(const ae_json_array *array, size_t begin, size_t *end) {
    const unsigned char *data = array->map.data;
    uint64_t is_object = 0; // the innermost bracket in the lowest bit
    int depth = 0;
    size_t at = begin;
    while (at < array->map.size) {
        unsigned char c = data[at];
        if (c == '"') {
            at = end_of_string(array, at);
            if (at == 0) break;
            continue;
        }
        at++;
        if (c == '{' || c == '[') {
            if (depth == MAX_DEPTH)
                return malformed(array, begin, "brackets nest deeper than %d at byte %zu", MAX_DEPTH, at - 1);
            is_object = is_object << 1 | (c == '{');
            depth++;
        } else if (c == '}' || c == ']') {
            if ((is_object & 1) != (c == '}'))
                return malformed(array, begin, "the '%c' at byte %zu closes a '%c'", c, at - 1,
                                 is_object & 1 ? '{' : '[');
            is_object >>= 1;
            if (--depth == 0) {
                *end = at;
                return AE_OK;
            }
        }
    }
    return malformed(array, begin, "the file ends within it");
}

// Where the next element lies, and where to go on behind it; *found is false at the array's end.
static ae_status find_element(const ae_json_array *array, bool *found, size_t *begin, size_t *end) {
    const unsigned char *data = array->map.data;
    size_t size = array->map.size, at = skip_space(array, array->at);
    if (at == size) return malformed(array, at, "the file ends before the array's ']'");
    if (data[at] == ']') {
        at = skip_space(array, at + 1);
        if (at < size) return malformed(array, at, "there is more behind the array's ']'");
        *found = false;
        return AE_OK;
    }
    if (!array->at_start) {
        if (data[at] != ',') return malformed(array, at, "expected ',' or ']' before it");
        at = skip_space(array, at + 1);
        if (at == size) return malformed(array, at, "the file ends before the array's ']'");
        if (data[at] == ']') return malformed(array, at, "expected an element behind the ','");
    }
    *found = true;
    *begin = at;
    if (data[at] == '{' || data[at] == '[') return end_of_brackets(array, at, end);
    if (data[at] == '"') {
        *end = end_of_string(array, at);
        return *end > 0 ? AE_OK : malformed(array, at, "the file ends within it");
    }
    while (at < size && data[at] != ',' && data[at] != ']' && !is_space(data[at]))
        at++;
    if (at == *begin) return malformed(array, at, "expected an element before the ','");
    *end = at;
    return AE_OK;
}

static void step_behind(ae_json_array *array, size_t end) {
    array->at = end;
    array->index++;
    array->at_start = false;
}

ae_status ae_json_array_next(ae_json_array *array, json_t **element) {
    bool found;
    size_t begin, end;
    AE_TRY(find_element(array, &found, &begin, &end));
    if (!found) {
        *element = NULL;
        return AE_OK;
    }
    const unsigned char *text = array->map.data + begin, *nul = memchr(text, '\0', end - begin);
    if (nul) // jansson does not see one behind a number
        return malformed(array, begin, "a NUL character at byte %zu", (size_t)(nul - array->map.data));
    char *name = ae_format("%s, element %zu at byte %zu", array->map.path, array->index + 1, begin);
    if (!name) return ae_no_memory();
    ae_status status = ae_json_parse(name, (const char *)text, end - begin, element);
    ae_free(name);
    if (status == AE_OK) step_behind(array, end);
    return status;
}

ae_status ae_json_array_skip(ae_json_array *array, bool *found) {
    size_t begin, end;
    AE_TRY(find_element(array, found, &begin, &end));
    if (*found) step_behind(array, end);
    return AE_OK;
}

void ae_json_array_rewind(ae_json_array *array) {
    array->at = array->begin;
    array->index = 0;
    array->at_start = true;
}

void ae_json_array_close(ae_json_array *array) {
    ae_map_close(&array->map);
    *array = (ae_json_array){0};
}
