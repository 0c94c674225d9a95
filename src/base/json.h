/* base/json.h: jansson with our errors. Values are jansson's own (json_t); a message names file and field. */
#ifndef AE_BASE_JSON_H
#define AE_BASE_JSON_H

#include <jansson.h>

#include "base/error.h"

/* Parses one JSON document; refuses duplicate keys, and what follows the document. `name` is for messages.
 * The caller owns *out (json_decref). */
ae_status ae_json_parse(const char *name, const char *text, size_t length, json_t **out);

/* The same from a file of at most `limit` bytes. */
ae_status ae_json_load(const char *path, size_t limit, json_t **out);

/* Typed fields of an object. A missing field leaves *out as it was and gives AE_OK where `required` is false;
 * JSON null counts as missing. A wrong type or a value out of [low, high] is AE_ERR_FORMAT naming `name`,
 * field and value. An integer is taken where a float is meant; a float with an integral value where an
 * integer is meant is not. Strings are borrowed from `object`; one that holds a NUL character is
 * AE_ERR_FORMAT, but for _bytes, which gives the length. */
ae_status ae_json_int(const char *name, const json_t *object, const char *field, bool required, int64_t low,
                      int64_t high, int64_t *out);
ae_status ae_json_number(const char *name, const json_t *object, const char *field, bool required, double low,
                         double high, double *out);
ae_status ae_json_bool(const char *name, const json_t *object, const char *field, bool required, bool *out);
ae_status ae_json_string(const char *name, const json_t *object, const char *field, bool required,
                         const char **out);
ae_status ae_json_bytes(const char *name, const json_t *object, const char *field, bool required,
                        const char **out, size_t *length);

/* Sets a member that is a string, or a number written as one (safetensors' metadata holds strings alone). 0,
 * or -1 on lack of memory, as jansson's own setters. */
int ae_json_note(json_t *object, const char *key, const char *value);
int ae_json_note_int(json_t *object, const char *key, int64_t value);

/* "an object", "a string": for messages. */
const char *ae_json_type_name(const json_t *value);

/* The document as text (indented by `indent`, 0: one line), keys in the order they were set, floats with 17
 * digits; free with ae_free. NULL on lack of memory. */
char *ae_json_dump(const json_t *value, int indent);

#endif
