/* eval/edit_figures.h: what is kept of an edit once it is applied: its figures and loss traces, not its
 * vectors.
 *
 * An edit's vectors are some hundred kilobytes; a run keeps them in the journal's files and nowhere else. */
#ifndef AE_EVAL_EDIT_FIGURES_H
#define AE_EVAL_EDIT_FIGURES_H

#include "aedile/edit.h"
#include "base/json.h"
#include "base/memory.h"

typedef struct ae_layer_figures {
    int layer;
    double n_elements; // of the matrix: d_mlp times d_model
    double k_dot_u, update_norm, weight_norm, delta_norm, target_init_norm;
    int n_steps;
    double *loss, *nll, *kl, *decay; // [n_steps]
} ae_layer_figures;

typedef struct ae_edit_figures {
    ae_layer_figures *layers;
    int n_layers;
    double seconds_keys, seconds_solve, seconds_optimise, seconds_update;
} ae_edit_figures; // lives in the arena that it was made in

ae_status ae_edit_figures_take(const ae_edit *edit, ae_arena *arena, ae_edit_figures *out);

/* One figure for all layers, so that one edit is one line of a log: the smallest k·u, the largest of the
 * others. distance: ‖ΔW‖_F / elements. */
typedef struct ae_edit_extremes {
    double k_dot_u, update_norm, weight_norm, update_distance, delta_norm, target_init_norm;
    int n_steps;
} ae_edit_extremes;
ae_edit_extremes ae_edit_figures_extremes(const ae_edit_figures *figures);

/* Seconds of the edit, all its stages. */
double ae_edit_figures_seconds(const ae_edit_figures *figures);

/* {"17": {"k_dot_u", "update_norm", ..., "n_steps", "loss": [...], "nll", "kl", "decay"}}; NULL on lack of
 * memory. */
json_t *ae_edit_figures_document(const ae_edit_figures *figures);

/* The same read back, without the traces (n_steps 0) and the seconds. `name` is the file's, for messages. */
ae_status ae_edit_figures_read(const char *name, const json_t *document, ae_arena *arena,
                               ae_edit_figures *out);

#endif
