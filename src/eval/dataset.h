/* eval/dataset.h: the records that a run edits: CounterFact, EasyEdit's flat form, zsRE (spec/evaluation.md
 * §2, §3).
 *
 * EasyEdit's flat form is read as CounterFact: `prompt` with the subject filled in becomes the prompt with
 * "{}", `ground_truth` is target_true, `rephrase_prompt` the one paraphrase, `locality_prompt` the one
 * neighbourhood prompt. CounterFact's neighbourhood measure asks whether target_true stays likelier than
 * target_new there, which means something only where target_true is the right answer to that prompt, too. So
 * `locality_ground_truth`, where it is given, must be the record's ground_truth (as in all 21,919 facts that
 * are published in this form); a locality prompt with another answer is left out of the neighbourhood
 * prompts, and a warning counts these. There are no attribute and generation prompts in this form, and no
 * ids. */
#ifndef AE_EVAL_DATASET_H
#define AE_EVAL_DATASET_H

#include "aedile/edit.h"
#include "base/json.h"
#include "base/memory.h"

/* Case ids name files: 18 digits at most. */
#define AE_MAX_CASE_ID INT64_C(999999999999999999)

typedef enum ae_dataset_kind { AE_DATASET_COUNTERFACT, AE_DATASET_ZSRE } ae_dataset_kind;

typedef struct ae_prompt_list {
    const char **items;
    size_t count;
} ae_prompt_list;

/* One record. Strings live as long as the data set. */
typedef struct ae_record {
    int64_t case_id;    // CounterFact: the record's own, or its row where it has none; zsRE: its row
    int64_t row;        // in the uncut file, from 0
    ae_request request; // target_true is never NULL; zsRE: "<|endoftext|>"
    const char *relation_id, *target_new_id; // "" where the file has none
    ae_prompt_list paraphrases, neighborhood, attributes, generation;
    const char *neighborhood_target; // zsRE: loc_ans; NULL for CounterFact
    const char *rewrite_json; // requested_rewrite as it goes into the case file: a JSON object as text, on
                              // one line. CounterFact: all keys of the record's own, in their order; flat
                              // form: {prompt, target_new {str}, target_true {str}, subject}; zsRE: {prompt,
                              // subject, target_new {str}, target_true {str}}, as the reference makes it
} ae_record;

typedef struct ae_dataset {
    ae_dataset_kind kind;
    char *path;
    char sha256[65];        // of the file
    char select_sha256[65]; // of the file that selects; "": none does
    int64_t n_total;        // records of the uncut file
    ae_record *records;     // those that a run edits, in ascending order of row
    size_t count;
    size_t n_refused; // records that were selected and cannot be used (zsRE: the subject not exactly once in
                      // src, or a prompt or target that ae_request_check refuses)
    struct ae_arena *arena;
} ae_dataset;

typedef struct ae_dataset_options {
    int64_t limit;      // --limit: only the first `limit` rows of the file count; 0: all
    const char *select; // --select: NULL, "sample:SEED:N", or a JSON file of case_id -> bool
    int64_t max_edits;  // --max-edits: at most so many records, after selection; 0: all
} ae_dataset_options;

/* `name` is "cf" (counterfact.json in `folder`), "zsre" (zsre_mend_eval.json in `folder`), or a file, whose
 * kind is told by its first record. Only the selected records are kept in memory. Refused records are warned
 * of through `hooks` (the first few one by one, then a count) and do not count as edits.
 *
 * AE_ERR_NOT_FOUND says where the file was expected and what it is. AE_ERR_FORMAT names file, record (counted
 * from 1) and field; two records with one case id are such an error, because case ids name result files:
 * among the rows that `limit` leaves or, where the selection is a file, among all. AE_ERR_ARGUMENT: a
 * negative number, a selection that selects nothing, or one that names a case that is not in the file. */
ae_status ae_dataset_open(const char *name, const char *folder, const ae_dataset_options *options,
                          const ae_hooks *hooks, ae_dataset **out);
void ae_dataset_free(ae_dataset *dataset); // NULL is fine

#endif
