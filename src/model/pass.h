/* model/pass.h: the packed forward and backward pass, a layer at a time.
 *
 * A batch is a matrix of rows, packed over sequences of any length; keys and values of attention lie in a
 * store that outlives the batch, so that a later batch can go on where an earlier one stopped (generation),
 * attend to a shared prefix (evaluation), or recompute only the rows that change (the value optimisation).
 * Callers write the loop over layers themselves: what a caller does not ask for is not computed.
 *
 *     ae_store_new(m, 0, n_layer, capacity, true, &store);
 *     ae_work_new(m, n_rows, &work);
 *     ae_embed(m, &batch, ids, x);
 *     for (layer = 0; layer < n_layer; layer++) ae_layer_forward(m, layer, &batch, x, store, work, NULL,
 * NULL);
 */
#ifndef AE_MODEL_PASS_H
#define AE_MODEL_PASS_H

#include "model/model.h"

/* ---- the store of attention keys and values ---- */

typedef struct ae_store {
    int32_t first, n_layer; // layers [first, first + n_layer)
    int32_t capacity;       // rows a layer
    float **k, **v;         // [n_layer] of [capacity, d_model]; all the same where the store is passing
} ae_store;

/* passing: one layer's room serves all in turn; for passes that never look back at a layer. */
ae_status ae_store_new(ae_model *m, int32_t first, int32_t n_layer, int32_t capacity, bool passing,
                       ae_store **out);
void ae_store_free(ae_model *m, ae_store *store); // NULL is fine

/* ---- a batch ---- */

typedef struct ae_batch {
    int32_t n_rows, n_seqs;
    ae_seq *seqs;
    int32_t *positions;  // [n_rows], in the sequence
    int32_t *store_rows; // [n_rows], where each row's key and value go
} ae_batch;

/* Lays out sequences: fills seqs[i].row (packed in order), positions and store_rows from n_rows, ctx_*,
 * own_row, past. A shared prefix may be rows that this very batch stores (of another sequence): in a layer
 * all keys and values are stored before attention reads any; only ae_layer_backward takes it for constant.
 * Copies `seqs`; memory from `arena`. */
ae_status ae_batch_new(ae_arena *arena, const ae_seq *seqs, int32_t n_seqs, ae_batch *out);

/* ---- scratch and saved activations ---- */

typedef struct ae_work {
    int32_t n_rows; // at most
    float *norm;    // [n_rows, d_model]
    float *qkv;     // [n_rows, 3 d_model]
    float *mixed;   // [n_rows, d_model], attention's output
    float *hidden;  // [n_rows, d_mlp]
    float *out;     // [n_rows, d_model]
} ae_work;

ae_status ae_work_new(ae_model *m, int32_t n_rows, ae_work **out);
void ae_work_free(ae_model *m, ae_work *work); // NULL is fine

/* What the backward pass of one layer needs of the forward pass. n_out rows are those that went on past
 * attention (all, or the selected ones). */
typedef struct ae_saved {
    float *x_in;            // [n_rows, d_model] residual before the layer
    float *mean_1, *rstd_1; // [n_rows]
    float *qkv;             // [n_rows, 3 d_model], q and k rotated
    float *x_mid;           // [n_out, d_model] residual between attention and MLP; sequential residual only
    float *mean_2, *rstd_2; // [n_out]; sequential residual only
    float *pre;             // [n_out, d_mlp] before the nonlinearity
} ae_saved;

typedef struct ae_tape {
    int32_t first, n_layer, n_rows;
    ae_saved *layers; // [n_layer]
} ae_tape;

ae_status ae_tape_new(ae_model *m, int32_t first, int32_t n_layer, int32_t n_rows, ae_tape **out);
void ae_tape_free(ae_model *m, ae_tape *tape); // NULL is fine

/* ---- forward ---- */

/* What to take from a layer's MLP, and where to stop. Buffers in backend memory; each may be NULL. */
typedef struct ae_tap {
    const int32_t *rows; // [n]; NULL: rows 0..n-1
    int32_t n;
    float *key;       // [n, d_mlp]: input of the second MLP matrix
    float *value;     // [n, d_model]: its output, bias included
    bool stop_at_key; // compute nothing beyond
} ae_tap;

/* Which rows go on past a layer's attention; n = 0 stores keys and values and stops there. */
typedef struct ae_selection {
    const int32_t *rows; // [n], ascending
    int32_t n;
} ae_selection;

/* x[n_rows, d_model] = token embedding (+ position embedding). */
ae_status ae_embed(ae_model *m, const ae_batch *batch, const int32_t *ids, float *x);

/* x goes through one layer, in place. With `select`, x shrinks to [select->n, d_model], its first rows.
 * saved, tap, select: NULL where not wanted. A tap's rows count before selection; tap and select exclude each
 * other. */
ae_status ae_layer_forward(ae_model *m, int32_t layer, const ae_batch *batch, float *x, ae_store *store,
                           ae_work *work, ae_saved *saved, const ae_selection *select, const ae_tap *tap);

/* A batch from its tokens through every layer: x[n_rows, d_model], or its first select->n rows where the last
 * layer selects. */
ae_status ae_run_layers(ae_model *m, const ae_batch *batch, const int32_t *ids, float *x, ae_store *store,
                        ae_work *work, const ae_selection *select);

/* logits[n_rows, n_vocab] of final residuals; normed: scratch [n_rows, d_model] that keeps the normed rows;
 * mean, rstd: [n_rows] or NULL together. */
ae_status ae_head_forward(ae_model *m, const float *x, int32_t n_rows, float *normed, float *mean,
                          float *rstd, float *logits);

/* ---- backward, to activations only ---- */

/* dx[n_rows, d_model] = gradient at the final residuals x, from that of the logits. dnormed: scratch [n_rows,
 * d_model]. */
ae_status ae_head_backward(ae_model *m, float *dx, float *dnormed, const float *dlogits, const float *x,
                           const float *mean, const float *rstd, int32_t n_rows);

/* dx goes back through one layer, in place: in [select ? select->n : n_rows, d_model], out [n_rows, d_model].
 * The layer was run with `saved` on the same batch, select and store. */
ae_status ae_layer_backward(ae_model *m, int32_t layer, const ae_batch *batch, float *dx,
                            const ae_store *store, ae_work *work, const ae_saved *saved,
                            const ae_selection *select);

#endif
