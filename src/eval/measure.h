/* eval/measure.h: what the model says to one record's prompts (spec/evaluation.md §2, §3). */
#ifndef AE_EVAL_MEASURE_H
#define AE_EVAL_MEASURE_H

#include "eval/dataset.h"
#include "eval/snippets.h"
#include "model/model.h"

/* Mean negative log-probability of each target, nats a token. */
typedef struct ae_pair {
    double target_new, target_true;
} ae_pair;

typedef struct ae_pairs {
    ae_pair *items;
    size_t count;
} ae_pairs;

typedef struct ae_bools {
    bool *items;
    size_t count;
} ae_bools;

/* Texts of the generation test and their scores. */
typedef struct ae_generation {
    char **texts; // prompt + continuation
    size_t n_texts;
    double ngram_entropy;
    bool has_reference;       // the pair has snippets
    double reference_score;   // NaN: a zero vector
    const char *essence_text; // NULL: none
    double essence_score;     // infinite where it is beyond a double's range
} ae_generation;

/* Everything lives in the arena it was made in. */
typedef struct ae_case_measure {
    ae_dataset_kind kind;
    ae_pairs rewrite, paraphrases, neighborhood, attributes;             // CounterFact
    ae_bools rewrite_correct, paraphrases_correct, neighborhood_correct; // zsRE: one a target token
    const ae_generation *generation; // NULL: not asked for, or not possible
} ae_case_measure;

/* Measures record `index` on the model as it is now. Prompts go packed, what they begin with is computed
 * once, logits only at positions that are read; the result is that of one prompt at a time. `generate` asks
 * for the generation test (eval/generation_test.h), which needs snippets (NULL: none) and is left out, with
 * AE_OK, where the pair has none; its draws come from streams (seed, case_id, prompt number). An error names
 * the case: AE_ERR_ARGUMENT if a prompt does not fit the context, AE_ERR_NUMERIC if the model's output is not
 * finite. */
ae_status ae_measure_case(ae_model *model, const ae_dataset *dataset, size_t index,
                          const ae_snippets *snippets, bool generate, uint64_t seed, struct ae_arena *arena,
                          ae_case_measure *out);

/* Means over the case's prompts, NaN where there are none: share of successes (the new target likelier;
 * neighbourhood: the true one; strictly), for zsRE the share of tokens right. */
typedef struct ae_case_means {
    double efficacy, paraphrase, neighborhood;
} ae_case_means;
ae_case_means ae_case_measure_means(const ae_case_measure *measure);

#endif
