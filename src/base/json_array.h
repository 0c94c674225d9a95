/* base/json_array.h: the elements of a large JSON array, one at a time.
 *
 * Data sets of this field are single JSON arrays of up to a gigabyte. The file is mapped and only one element
 * is parsed at a time, so that memory stays small whatever the file's size.
 *
 *     ae_json_array array;
 *     AE_TRY(ae_json_array_open("counterfact.json", &array));
 *     json_t *element;
 *     while ((status = ae_json_array_next(&array, &element)) == AE_OK && element) { ...;
 * json_decref(element); } ae_json_array_close(&array);
 *
 * Where an element ends is found by its quotes and brackets alone, in one pass without recursion; what lies
 * between is then parsed as strictly as any other JSON here (ae_json_parse). Messages count elements from 1:
 * "'F, element 3 at byte 120': ...". */
#ifndef AE_BASE_JSON_ARRAY_H
#define AE_BASE_JSON_ARRAY_H

#include "base/file.h"
#include "base/json.h"

typedef struct ae_json_array {
    ae_map map;
    size_t begin;  // of the first element, behind the '['
    size_t at;     // where the next element (or the comma before it) begins
    size_t index;  // number of the next element, from 0
    bool at_start; // nothing was read yet
} ae_json_array;

/* AE_ERR_FORMAT if the file does not begin with '['. */
ae_status ae_json_array_open(const char *path, ae_json_array *out);

/* The next element, which the caller owns (json_decref); *element is NULL at the end, where nothing but white
 * space may follow the ']'. A malformed element, or one nested deeper than 64 brackets, is AE_ERR_FORMAT
 * naming file, element number and byte; the array stays where it was, at that element. */
ae_status ae_json_array_next(ae_json_array *array, json_t **element);

/* Skips one element without parsing what is in it; *found is false at the end. */
ae_status ae_json_array_skip(ae_json_array *array, bool *found);

/* Goes back to the first element. */
void ae_json_array_rewind(ae_json_array *array);

void ae_json_array_close(ae_json_array *array); // zeroed by this; a zeroed one is fine

#endif
