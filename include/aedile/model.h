/* aedile/model.h: open a model, turn text into tokens and back, score and generate.
 *
 *     ae_model *model;
 *     char *folder;
 *     if (ae_model_find("gpt2-xl", &folder) != AE_OK || ae_model_open(folder, NULL, &model) != AE_OK)
 *         fprintf(stderr, "%s\n", ae_last_error());
 *
 * A model belongs to one thread at a time; several models may be open at once. Weights stay mapped as stored;
 * only an edited matrix has a copy in fp32. */
#ifndef AEDILE_MODEL_H
#define AEDILE_MODEL_H

#include "aedile/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_model ae_model;

typedef struct ae_model_options {
    int n_threads; /* threads for this model's work; 0: one for each core */
    /* Decode as transformers did up to 4.15: with spaces before . ? ! , and in n't 'm 's 've 're taken out.
     * Sampled templates and generated texts are then comparable with old results; the default keeps the bytes
     * as they are. */
    bool decode_compat;
} ae_model_options;

/* What a model is. Strings live as long as the model. */
typedef struct ae_model_info {
    const char *folder; /* where it was read from */
    const char
        *name; /* what people call it, for statistics' folder names: "gpt2-xl", "EleutherAI/gpt-j-6B" */
    const char *architecture; /* "gpt2", "gptj" */
    const char *dtype;        /* of the MLP matrices as stored: "F32", "F16", "BF16" */
    int n_layer, n_head, d_head, d_model, d_mlp, n_vocab, n_ctx;
    int64_t n_parameters;
    int64_t n_bytes;            /* of the weight files */
    bool tied_head;             /* the output matrix is the embedding */
    const char *mlp_out_module; /* printf pattern of the edited module, "transformer.h.%d.mlp.c_proj" */
    int default_layer; /* where this model is edited unless told otherwise; -1: not known, say --layer */
    int n_threads;
} ae_model_info;

/* Turns what a user typed into a model folder: a folder is itself; "demo" is the demo model; else a name in
 * the local Hugging Face cache (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub). *folder: free with
 * ae_free. AE_ERR_NOT_FOUND names the places looked at and the command that downloads the model. */
AE_API ae_status ae_model_find(const char *name, char **folder);

/* Opens a Hugging Face model folder (config.json; safetensors or torch .bin, sharded or not; tokenizer
 * files). `options` may be NULL. Free with ae_model_free. The weights stay in their files, mapped: who cuts
 * one short meanwhile (in place; to replace it by another is safe) makes the next read of it end the process
 * with SIGBUS, unless it has a handler, as the command `aedile` has. Who writes into one is found out before
 * anything is kept: AE_ERR_IO. */
AE_API ae_status ae_model_open(const char *folder, const ae_model_options *options, ae_model **out);
AE_API void ae_model_free(ae_model *model); /* NULL is fine */
AE_API const ae_model_info *ae_model_get_info(const ae_model *model);

/* Names what people should call the model (statistics folders are named after it); default: taken from the
 * folder. */
AE_API ae_status ae_model_set_name(ae_model *model, const char *name);

/* Reads every weight; AE_ERR_NUMERIC names the first tensor, index and value that is not finite. */
AE_API ae_status ae_model_check_finite(ae_model *model);

/* One tensor of the checkpoint, in file order. `name` and `shape` live as long as the model. */
typedef struct ae_tensor_info {
    const char *name, *dtype, *file;
    int n_dim;
    const int64_t *shape;
    int64_t n_bytes;
} ae_tensor_info;
AE_API size_t ae_model_tensor_count(const ae_model *model);
AE_API ae_tensor_info ae_model_tensor(const ae_model *model, size_t index);

/* Text (UTF-8 bytes, any bytes) to token ids; *ids: free with ae_free. */
AE_API ae_status ae_encode(const ae_model *model, const char *text, size_t length, int32_t **ids,
                           size_t *n_ids);

/* Ids to text, NUL-terminated; bytes that are not UTF-8 become U+FFFD. *text: free with ae_free. */
AE_API ae_status ae_decode(const ae_model *model, const int32_t *ids, size_t n_ids, char **text,
                           size_t *length);

/* Mean negative log-probability (nats a token) of " " + target after the prompt, for each target:
 * prompt + " " + target is tokenised as a whole, the target's n tokens (counted on " " + target alone) are
 * read from position tokens(prompt) - 1 on. nll: [n_targets], the caller's. */
AE_API ae_status ae_score(ae_model *model, const char *prompt, const char *const *targets, size_t n_targets,
                          double *nll);

typedef struct ae_generate_options {
    int max_tokens;     /* new tokens at most; default 50 */
    int top_k;          /* 1: greedy (default); k: draw among the k likeliest (ties: lower id first) */
    double temperature; /* default 1; only where top_k > 1 */
    uint64_t seed;      /* the stream of draws; default 0 */
    bool ignore_end;    /* go on after <|endoftext|> */
} ae_generate_options;
AE_API ae_generate_options ae_generate_defaults(void);

/* Continues `prompt`, or begins a document where it is ""; *text holds the continuation alone (free with
 * ae_free). on_token, where given, gets each piece of text as it comes (for streaming; whole UTF-8
 * characters), always as it is: decode_compat changes *text alone. NUL characters are left out.
 * AE_ERR_ARGUMENT if it does not fit the context. */
AE_API ae_status ae_generate(ae_model *model, const char *prompt, const ae_generate_options *options,
                             void (*on_token)(void *user, const char *piece), void *user, char **text);

/* Puts every edited matrix back to the stored weights. */
AE_API void ae_model_restore(ae_model *model);

/* The fp32 values of layer `layer`'s edited matrix as they are now, in the stored orientation ([d_mlp,
 * d_model] for GPT-2, [d_model, d_mlp] for GPT-J); out: [d_mlp * d_model], the caller's. */
AE_API ae_status ae_model_get_mlp_out(const ae_model *model, int layer, float *out);

/* Logits at the last token of `text`; out: [n_vocab], the caller's. */
AE_API ae_status ae_logits(ae_model *model, const char *text, float *out);

#ifdef __cplusplus
}
#endif
#endif
