/* edit/journal_entry_parts.h: what writing and reading an entry share: its vectors, its figures, its digest.
 */
#ifndef AE_EDIT_JOURNAL_ENTRY_PARTS_H
#define AE_EDIT_JOURNAL_ENTRY_PARTS_H

#include "edit/journal_entry.h"
#include "format/tensor.h"

#define AE_ENTRY_FORMAT "aedile-edit/1"
#define AE_ENTRY_ZEROS  "0000000000000000000000000000000000000000000000000000000000000000"

enum { AE_ENTRY_DIGITS = AE_DIGEST_HEX - 1 };

/* A vector of a layer, the tensor "layer.<n>.<name>": AE_F64 [n_steps], or AE_F32 [d_mlp] (wide) or
 * [d_model]. */
typedef struct ae_entry_vector {
    const char *name;
    size_t field; // where its pointer stands in ae_layer_edit
    ae_dtype dtype;
    bool wide;
} ae_entry_vector;

/* A double of a layer. */
typedef struct ae_entry_figure {
    const char *name;
    size_t field;
} ae_entry_figure;

enum { AE_ENTRY_VECTORS = 11, AE_ENTRY_FIGURES = 5 };
extern const ae_entry_vector ae_entry_vectors[AE_ENTRY_VECTORS]; // the F64 ones first
extern const ae_entry_figure ae_entry_figures[AE_ENTRY_FIGURES];

int64_t ae_entry_vector_length(const ae_entry_vector *vector, const ae_layer_edit *layer);
const void *ae_entry_vector_get(const ae_entry_vector *vector, const ae_layer_edit *layer);
void ae_entry_vector_set(const ae_entry_vector *vector, ae_layer_edit *layer, void *data);

/* The first of n elements that is not finite, which *value then is; -1: all are. */
int64_t ae_entry_find_bad(const void *data, ae_dtype dtype, int64_t n, double *value);

/* Where the 64 digits of a digest stand in JSON: behind `key`, which comes with its quotes; NULL: nowhere. */
const char *ae_find_digits(const char *text, size_t length, const char *key);

/* Where the digest's digits stand in a file; NULL if its header names none. */
const char *ae_entry_find_digits(const char *bytes, size_t length);

/* SHA-256 of the file with zeros for those digits. */
ae_status ae_entry_digest(const char *bytes, size_t length, const char *digits, char hex[AE_DIGEST_HEX]);

#endif
