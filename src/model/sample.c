#include "model/sample.h"

#include <math.h>

void ae_top_k(const float *logits, int32_t n, int32_t k, int32_t *ids) {
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        // ">" and not ">=": among equals the one that came first, the lower id, stays in front.
        if (kept == k && !(logits[i] > logits[ids[k - 1]])) continue;
        int32_t at = kept < k ? kept++ : k - 1;
        for (; at > 0 && logits[i] > logits[ids[at - 1]]; at--)
            ids[at] = ids[at - 1];
        ids[at] = i;
    }
}

int32_t ae_sample(const float *logits, int32_t n, int32_t k, double temperature, ae_random *random) {
    int32_t ids[AE_MAX_TOP_K];
    double weight[AE_MAX_TOP_K], total = 0;
    ae_top_k(logits, n, k, ids);
    if (k == 1) return ids[0];
    for (int32_t i = 0; i < k; i++)
        total += weight[i] = exp(((double)logits[ids[i]] - (double)logits[ids[0]]) / temperature);
    double left = ae_random_uniform(random) * total;
    for (int32_t i = 0; i < k; i++) {
        left -= weight[i];
        if (left < 0) return ids[i];
    }
    return ids[k - 1]; // rounding ate the last of it
}
