/* eval/dataset_record.h: one element of a data set's file to a record (for dataset.c): counterfact.c, zsre.c.
 */
#ifndef AE_EVAL_DATASET_RECORD_H
#define AE_EVAL_DATASET_RECORD_H

#include "eval/dataset.h"

typedef struct ae_record_source {
    const char *name; // "FILE, record 3": for messages
    const json_t *json;
    int64_t row;
    ae_arena *arena;  // for the record's strings
    size_t n_foreign; // locality prompts left out so far: their answer is not the record's
} ae_record_source;

/* Whether the record is of this kind, by its fields. */
bool ae_is_counterfact(const json_t *record);
bool ae_is_zsre(const json_t *record);

/* The case id alone, of a record that need not be kept. */
ae_status ae_counterfact_case_id(const ae_record_source *source, int64_t *out);

/* Fill the record (zeroed by the caller). AE_ERR_FORMAT: malformed; zsRE besides AE_ERR_ARGUMENT: sound, but
 * no edit can be made of it. */
ae_status ae_counterfact_read(ae_record_source *source, ae_record *out);
ae_status ae_zsre_read(ae_record_source *source, ae_record *out);

/* ---- shared by both ---- */

/* A copy in the arena. */
ae_status ae_record_keep(const ae_record_source *source, const char *text, const char **out);

/* A list of one prompt, copied. */
ae_status ae_record_keep_prompt(const ae_record_source *source, const char *prompt, ae_prompt_list *out);

/* The object as text in the arena; takes it over. NULL, or `complete` false: jansson ran out of memory. */
ae_status ae_record_keep_json(const ae_record_source *source, json_t *object, bool complete,
                              const char **out);

#endif
