/* model/score.h: log-probabilities of given continuations. */
#ifndef AE_MODEL_SCORE_H
#define AE_MODEL_SCORE_H

#include "model/pass.h"

/* A sequence of which the last tokens are scored: the logits at position first + j predict targets[j], j < n.
 */
typedef struct ae_scored {
    const int32_t *ids;
    int32_t n_ids; // at least first + n
    int32_t first, n;
    const int32_t *targets; // [n]
} ae_scored;

/* nll[i]: mean negative log-probability (nats) of sequence i's targets. What all sequences begin with is
 * computed once, logits only at scored positions. */
ae_status ae_score_sequences(ae_model *m, const ae_scored *scored, int32_t n_scored, double *nll);

#endif
