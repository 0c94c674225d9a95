/* model/arch.h: architectures as data. A new GPT-style family is one more table in arch.c, not a code path.
 */
#ifndef AE_MODEL_ARCH_H
#define AE_MODEL_ARCH_H

#include "base/error.h"

typedef enum ae_positions {
    AE_POSITIONS_LEARNED, // a table added to the embedding
    AE_POSITIONS_ROTARY,  // rotation of q and k, interleaved pairs
} ae_positions;

/* Names are those of config.json and of the checkpoint; "%d" in a tensor name is the layer. A NULL name:
 * there is none. */
typedef struct ae_arch {
    const char *model_type; // config.json's "model_type"
    ae_positions positions;
    bool parallel;  // attention and MLP both read one norm of the residual and are added together
    bool in_out;    // matrices stored [n_in, n_out] (Conv1D)
    bool tied_head; // the output matrix is the embedding, unless config.json says otherwise

    struct {
        const char *n_layer, *n_head, *d_model, *d_mlp, *n_ctx, *n_vocab, *epsilon, *n_rot, *activation;
        const char *scale_weights;  // false: attention scores are not divided by sqrt(d_head)
        const char *scale_by_layer; // true: ... but by the layer's number, too
    } key;

    int n_rot_default; // where config.json lacks it; where it is null, all of the head is rotated

    const char *prefix; // of every tensor but head; checkpoints saved from the bare model lack it
    struct {
        const char *wte, *wpe, *ln_f_weight, *ln_f_bias, *head_weight, *head_bias; // head: without prefix
        const char *ln_1_weight, *ln_1_bias, *ln_2_weight, *ln_2_bias;
        const char *attn_in[3]; // one fused q|k|v matrix (then [1] and [2] are NULL), or q, k, v
        const char *attn_in_bias[3];
        const char *attn_out, *attn_out_bias, *mlp_in, *mlp_in_bias, *mlp_out, *mlp_out_bias;
    } tensor;
} ae_arch;

/* The table for config.json's "model_type", or NULL. */
const ae_arch *ae_arch_find(const char *model_type);

/* All names, "gpt2, gptj": for messages. */
const char *ae_arch_names(void);

#endif
