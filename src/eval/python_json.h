/* eval/python_json.h: JSON as Python's json.dump writes it, for files that the reference's scripts read.
 *
 * Keys in the order in which they were set, characters beyond ASCII as \uXXXX, numbers in the fewest digits
 * that read back as the same (as Python's repr: 1e-05, 1.0, 1e+16): what is written comes back exactly, and
 * the same values give the same bytes. */
#ifndef AE_EVAL_PYTHON_JSON_H
#define AE_EVAL_PYTHON_JSON_H

#include "base/json.h"
#include "base/memory.h"

/* json.dumps(value, indent=indent); indent < 0: one line, as without the argument. Free with ae_free; NULL on
 * lack of memory. */
char *ae_python_json(const json_t *value, int indent);

/* The text of a document that was made for it: `document` is released in any case. `status` is that of making
 * it, and is handed on. Free with ae_free. */
ae_status ae_python_json_finish(ae_status status, json_t *document, int indent, char **text);

/* A number; null where it is not finite (Python's NaN is not JSON). */
json_t *ae_json_figure(double value);

/* A string that may hold any bytes: what is not UTF-8 becomes U+FFFD. NULL text gives null. */
json_t *ae_json_any_text(const char *text);

/* The array, if it holds n elements; else (appending failed) it is released: NULL. */
json_t *ae_json_whole(json_t *array, size_t n);

/* Sets a member and takes `value` over in any case; AE_ERR_MEMORY if either failed to be made. */
ae_status ae_json_put(json_t *object, const char *key, json_t *value);

#endif
