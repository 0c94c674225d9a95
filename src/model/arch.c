#include "model/arch.h"

#include <string.h>

static const ae_arch arches[] = {
    {
        .model_type = "gpt2",
        .positions = AE_POSITIONS_LEARNED,
        .parallel = false,
        .in_out = true,
        .tied_head = true,
        .key = {.n_layer = "n_layer",
                .n_head = "n_head",
                .d_model = "n_embd",
                .d_mlp = "n_inner",
                .n_ctx = "n_positions",
                .n_vocab = "vocab_size",
                .epsilon = "layer_norm_epsilon",
                .activation = "activation_function",
                .scale_weights = "scale_attn_weights",
                .scale_by_layer = "scale_attn_by_inverse_layer_idx"},
        .prefix = "transformer.",
        .tensor = {.wte = "wte.weight",
                   .wpe = "wpe.weight",
                   .ln_f_weight = "ln_f.weight",
                   .ln_f_bias = "ln_f.bias",
                   .head_weight = "lm_head.weight",
                   .ln_1_weight = "h.%d.ln_1.weight",
                   .ln_1_bias = "h.%d.ln_1.bias",
                   .ln_2_weight = "h.%d.ln_2.weight",
                   .ln_2_bias = "h.%d.ln_2.bias",
                   .attn_in = {"h.%d.attn.c_attn.weight"},
                   .attn_in_bias = {"h.%d.attn.c_attn.bias"},
                   .attn_out = "h.%d.attn.c_proj.weight",
                   .attn_out_bias = "h.%d.attn.c_proj.bias",
                   .mlp_in = "h.%d.mlp.c_fc.weight",
                   .mlp_in_bias = "h.%d.mlp.c_fc.bias",
                   .mlp_out = "h.%d.mlp.c_proj.weight",
                   .mlp_out_bias = "h.%d.mlp.c_proj.bias"},
    },
    {
        .model_type = "gptj",
        .positions = AE_POSITIONS_ROTARY,
        .parallel = true,
        .in_out = false,
        .tied_head = false,
        .key = {.n_layer = "n_layer",
                .n_head = "n_head",
                .d_model = "n_embd",
                .d_mlp = "n_inner",
                .n_ctx = "n_positions",
                .n_vocab = "vocab_size",
                .epsilon = "layer_norm_epsilon",
                .n_rot = "rotary_dim",
                .activation = "activation_function"},
        .n_rot_default = 64,
        .prefix = "transformer.",
        .tensor = {.wte = "wte.weight",
                   .ln_f_weight = "ln_f.weight",
                   .ln_f_bias = "ln_f.bias",
                   .head_weight = "lm_head.weight",
                   .head_bias = "lm_head.bias",
                   .ln_1_weight = "h.%d.ln_1.weight",
                   .ln_1_bias = "h.%d.ln_1.bias",
                   .attn_in = {"h.%d.attn.q_proj.weight", "h.%d.attn.k_proj.weight",
                               "h.%d.attn.v_proj.weight"},
                   .attn_out = "h.%d.attn.out_proj.weight",
                   .mlp_in = "h.%d.mlp.fc_in.weight",
                   .mlp_in_bias = "h.%d.mlp.fc_in.bias",
                   .mlp_out = "h.%d.mlp.fc_out.weight",
                   .mlp_out_bias = "h.%d.mlp.fc_out.bias"},
    },
};

enum { N_ARCHES = sizeof arches / sizeof *arches };

const ae_arch *ae_arch_find(const char *model_type) {
    for (int i = 0; i < N_ARCHES; i++)
        if (strcmp(arches[i].model_type, model_type) == 0) return &arches[i];
    return NULL;
}

const char *ae_arch_names(void) {
    return "gpt2, gptj";
}
