/* model/generate.h: continuing many prompts at once, each with its own random stream. */
#ifndef AE_MODEL_GENERATE_H
#define AE_MODEL_GENERATE_H

#include "base/random.h"
#include "model/pass.h"

typedef struct ae_continuation {
    const int32_t *prompt;
    int32_t n_prompt; // at least 1; n_prompt + max_new - 1 <= n_ctx
    int32_t max_new;  // tokens to add at most
    ae_random random; // its own stream: what one prompt draws never shifts another's
    int32_t *ids;     // [max_new], the caller's: filled
    int32_t n_ids;    // how many were
    bool failed;      // it ended early, at logits that are not finite; only with go_on
} ae_continuation;

typedef struct ae_continue_options {
    int32_t top_k; // 1: greedy
    double temperature;
    int32_t stop_id; // ends a continuation (and is kept as its last id); -1: none
    bool go_on;      // logits that are not finite end their continuation, not the call
    /* After each token of any continuation; may be NULL. */
    ae_status (*on_token)(void *user, int32_t index, int32_t id);
    void *user;
} ae_continue_options;

/* Continues all, packed: one row a sequence and step. What all prompts begin with is computed once; so many
 * go together that memory stays bounded, the others after them. AE_ERR_NUMERIC if logits are not finite, but
 * with go_on only if stored weights are not. */
ae_status ae_continue(ae_model *m, ae_continuation *sequences, int32_t n, const ae_continue_options *options);

/* Sampled tokens as text (spec: editing §3): decoded, compatibility characters decomposed (NFKD), two
 * newlines made one space, every <|endoftext|> dropped, and NUL characters, which a C string cannot hold.
 * *text: free with ae_free. */
ae_status ae_sampled_text(const ae_model *m, const int32_t *ids, size_t n_ids, char **text);

#endif
