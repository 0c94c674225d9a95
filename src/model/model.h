/* model/model.h: an open model, inside the library. */
#ifndef AE_MODEL_MODEL_H
#define AE_MODEL_MODEL_H

#include "aedile/model.h"
#include "backend/backend.h"
#include "base/digest.h"
#include "base/memory.h"
#include "format/checkpoint.h"
#include "model/arch.h"
#include "text/tokenizer.h"

typedef struct ae_config {
    const ae_arch *arch;
    int32_t n_layer, n_head, d_head, d_model, d_mlp, n_ctx, n_vocab, n_rot;
    float epsilon;       // of the layer norms
    float attn_scale;    // on q·k
    bool scale_by_layer; // GPT-2's scale_attn_by_inverse_layer_idx: attn_scale / (layer + 1)
    bool tied_head;
} ae_config;

typedef struct ae_layer_weights {
    float *ln_1_weight, *ln_1_bias;  // [d_model]
    float *ln_2_weight, *ln_2_bias;  // [d_model]; NULL where the residual is parallel
    ae_weight attn_in[3];            // fused: [0] is d_model -> 3 d_model; else q, k, v
    float *attn_in_bias[3];          // [n_out] each, or NULL
    ae_weight attn_out;              // d_model -> d_model
    float *attn_out_bias;            // [d_model] or NULL
    ae_weight mlp_in;                // d_model -> d_mlp
    float *mlp_in_bias;              // [d_mlp]
    ae_weight mlp_out;               // d_mlp -> d_model: as stored, or `edited`
    float *mlp_out_bias;             // [d_model]
    const ae_tensor *mlp_out_tensor; // the stored one
    double stored_max;               // no value of that is larger in size; 0: not looked at yet
    float *edited;                   // fp32 copy in stored order once the layer is edited; NULL before
    double edited_max;               // and none of that
} ae_layer_weights;

struct ae_model {
    ae_model_info info;
    ae_config config;
    ae_checkpoint *checkpoint;
    ae_tokenizer *tokenizer;
    ae_backend *backend;
    bool decode_compat;       // ae_model_options
    bool is_named;            // by ae_model_set_name
    ae_arena *arena;          // names, biases, norms
    ae_weight wte, wpe, head; // embeddings [n_vocab | n_ctx, d_model]; head d_model -> n_vocab
    float *ln_f_weight, *ln_f_bias, *head_bias;
    ae_layer_weights *layers;           // [n_layer]
    char (*base_sha256)[AE_DIGEST_HEX]; // [n_layer]; "" until asked for
};

/* SHA-256 of the stored bytes of the layer's second MLP matrix; computed once. */
ae_status ae_model_base_sha256(ae_model *model, int layer, char hex[AE_DIGEST_HEX]);

/* SHA-256 over architecture, sizes and every tensor's name, type and shape: what a journal belongs to besides
 * the bytes of the edited matrix. */
ae_status ae_model_shape_sha256(const ae_model *model, char hex[AE_DIGEST_HEX]);

/* SHA-256 of every stored weight, in file order: with the shapes, what decides all that the model computes.
 * Reads all weight files. */
ae_status ae_model_weights_sha256(const ae_model *model, const ae_hooks *hooks, char hex[AE_DIGEST_HEX]);

/* Makes the fp32 copy of `layer`'s second MLP matrix, if there is none. */
ae_status ae_model_make_editable(ae_model *model, int layer);

/* Whether right uᵀ can be added to W at `layer`: AE_ERR_NUMERIC names what is not finite (a value of u, of
 * right, of the stored matrix), or says that the sum may leave the range of float. Nothing is changed. */
ae_status ae_model_check_rank_one(ae_model *model, int layer, const float *u, const float *right);

/* W += right uᵀ at `layer`, in the fp32 copy (made at the first call); u: [d_mlp], right: [d_model], host. */
ae_status ae_model_add_rank_one(ae_model *model, int layer, const float *u, const float *right);

/* Back to the stored weights, one layer. */
void ae_model_restore_layer(ae_model *model, int layer);

/* Keys (input of the second MLP matrix) of a layer at every token, batch after batch in the same memory,
 * which grows to what the largest batch so far needs. Only what lies below the keys is computed. */
typedef struct ae_keys ae_keys;
ae_status ae_keys_new(ae_model *model, int layer, ae_keys **out);
void ae_keys_free(ae_keys *keys); // NULL is fine

/* Of sequences none longer than n_ctx. *out: [sum of lengths, d_mlp] in backend memory, valid until the next
 * call. */
ae_status ae_keys_of(ae_keys *keys, const int32_t *const *ids, const int32_t *lengths, int32_t n_seqs,
                     const float **out);

/* Ids to text as the model's options say: the bytes as they are, or with the old clean-up of spaces. */
ae_status ae_model_decode(const ae_model *model, const int32_t *ids, size_t n_ids, char **text,
                          size_t *length);

/* The same as a C string: without the NUL characters that a model may write. `length` may be NULL. */
ae_status ae_model_decode_string(const ae_model *model, const int32_t *ids, size_t n_ids, char **text,
                                 size_t *length);

/* After a result that is not finite: AE_ERR_NUMERIC that names the tensor at fault, or `what` where weights
 * are fine. */
ae_status ae_model_blame(ae_model *model, const char *what);

/* The same for what came of the tokens `ids`: where weights are fine, it also says after which layer, and at
 * which token, activations are no longer finite. */
ae_status ae_model_blame_at(ae_model *model, const char *what, const int32_t *ids, int32_t n_ids);

/* AE_ERR_NUMERIC names the first element of the tensor that is not finite. */
ae_status ae_model_check_tensor(const ae_model *model, const ae_tensor *tensor);

/* Whether any layer is edited. */
bool ae_model_is_edited(const ae_model *model);

#endif
