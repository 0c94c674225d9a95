/* model/score.h: what the model says about given tokens: log-probabilities of continuations, likeliest next
 * tokens.
 *
 * Any number of sequences go together, packed, in passes of a bounded number of rows. What sequences begin
 * with is computed once (model/packing.h), and logits only at the positions read. */
#ifndef AE_MODEL_SCORE_H
#define AE_MODEL_SCORE_H

#include "model/pass.h"

/* A sequence of which the last tokens are scored: the logits at position first + j predict targets[j], j < n.
 */
typedef struct ae_scored {
    const int32_t *ids;
    int32_t n_ids;          // at least first + n: what follows is not looked at
    int32_t first, n;       // n at least 1
    const int32_t *targets; // [n]
} ae_scored;

/* nll[i]: mean negative log-probability (nats) of sequence i's targets. AE_ERR_NUMERIC if one is not finite.
 */
ae_status ae_score_sequences(ae_model *m, const ae_scored *scored, int32_t n_scored, double *nll);

/* likeliest[i]: the likeliest token after ids[i][0 .. lengths[i]); of equals the lowest id. No length may be
 * 0. AE_ERR_NUMERIC if a logit is not finite. */
ae_status ae_likeliest_next(ae_model *m, const int32_t *const *ids, const int32_t *lengths, int32_t n,
                            int32_t *likeliest);

/* `target` after `prompt` as ae_score reads it, in memory of `arena`. AE_ERR_ARGUMENT: one of them is empty,
 * they do not fit the context, or merge into too few tokens. */
ae_status ae_scored_target(const ae_model *m, const char *prompt, const char *target, ae_arena *arena,
                           ae_scored *out);

/* Tokens of a text, in memory of `arena`. AE_ERR_ARGUMENT, calling it `what`, if it has none or does not fit
 * the context. */
ae_status ae_encode_prompt(const ae_model *m, const char *what, const char *text, size_t length,
                           ae_arena *arena, int32_t **ids, int32_t *n_ids);

#endif
