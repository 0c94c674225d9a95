/* eval/select.h: which records a run takes (spec/evaluation.md §1). */
#ifndef AE_EVAL_SELECT_H
#define AE_EVAL_SELECT_H

#include "base/error.h"

typedef struct ae_case_selection ae_case_selection;

/* NULL or "" selects everything; "sample:SEED:N" the first N of Python's shuffle of 0..total-1 (SEED: 0 to
 * 2^64 - 1, N: 1 to total); else a JSON file, an object of case_id -> bool. `total` is the number of rows of
 * the uncut file. AE_ERR_ARGUMENT quotes a rule that is not well formed and says what is expected;
 * AE_ERR_NOT_FOUND, AE_ERR_FORMAT name the file. */
ae_status ae_selection_open(const char *rule, int64_t total, ae_case_selection **out);

/* Sampling goes by row, a file by case id; a case that the file does not name is not selected. */
bool ae_selection_has(const ae_case_selection *selection, int64_t row, int64_t case_id);

/* SHA-256 of the file, in hex; "" where the selection goes by row. */
const char *ae_selection_sha256(const ae_case_selection *selection);

/* The case ids that a file selects, ascending; NULL and 0 where the selection goes by row. */
const int64_t *ae_selection_cases(const ae_case_selection *selection, size_t *count);

void ae_selection_free(ae_case_selection *selection); // NULL is fine

#endif
