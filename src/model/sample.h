/* model/sample.h: one token from a row of logits. */
#ifndef AE_MODEL_SAMPLE_H
#define AE_MODEL_SAMPLE_H

#include "base/random.h"

enum { AE_MAX_TOP_K = 1024 };

/* The k likeliest ids (ties: the lower id first), likeliest first; k <= AE_MAX_TOP_K and <= n. */
void ae_top_k(const float *logits, int32_t n, int32_t k, int32_t *ids);

/* A draw among the k likeliest, probabilities softmax(logits / temperature) renormalised over them, by
 * inverse CDF from one uniform number of `random`. k = 1 is the likeliest and draws no number. */
int32_t ae_sample(const float *logits, int32_t n, int32_t k, double temperature, ae_random *random);

#endif
