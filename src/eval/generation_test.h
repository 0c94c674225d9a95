/* eval/generation_test.h: what the model writes about the subject, and how that compares with real texts
 * (spec/evaluation.md §2). */
#ifndef AE_EVAL_GENERATION_TEST_H
#define AE_EVAL_GENERATION_TEST_H

#include "eval/measure.h"

/* Record `index`'s generation prompts, each continued by top-k 5 sampling to 100 tokens in all (or to the
 * context's end), on past <|endoftext|>; prompt number i draws from stream (seed, case_id, i). A prompt that
 * is that long already stands as it is. *out is NULL where the record has no generation prompts or its pair
 * no snippets. */
ae_status ae_generation_test(ae_model *model, const ae_dataset *dataset, size_t index,
                             const ae_snippets *snippets, uint64_t seed, ae_arena *arena,
                             const ae_generation **out);

#endif
