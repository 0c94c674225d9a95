/* edit/request_json.h: one request as the data sets of this field write it: a CounterFact record
 * (requested_rewrite), EasyEdit's flat form, our own (docs/formats.md). For the reader of request files and
 * for that of data sets. */
#ifndef AE_EDIT_REQUEST_JSON_H
#define AE_EDIT_REQUEST_JSON_H

#include "aedile/edit.h"
#include "base/json.h"

/* The object that holds prompt, subject and targets: the record's requested_rewrite, or the record itself. */
ae_status ae_request_fields(const char *name, const json_t *record, const json_t **fields);

/* One record to a request, checked (ae_request_check). Its strings are borrowed from `record`, but for the
 * prompt where the subject is filled in: that one is then *filled (ae_free), NULL otherwise. case_id is -1
 * where there is none, target_true NULL where it is absent or empty. */
ae_status ae_request_read(const char *name, const json_t *record, ae_request *out, char **filled);

/* Looks for `subject` in `prompt`: *n_found is 0, 1, or 2 for more; where it is 1, *out is the prompt with
 * "{}" in its place (ae_free). */
ae_status ae_request_blank(const char *prompt, const char *subject, int *n_found, char **out);

#endif
