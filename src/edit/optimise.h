/* edit/optimise.h: the value optimisation (docs/model.md, "The value"): delta for a batch of requests,
 * computing only the rows that delta can change. */
#ifndef AE_EDIT_OPTIMISE_H
#define AE_EDIT_OPTIMISE_H

#include "edit/capture.h"

/* One request's result; memory from the arena given to ae_optimise. */
typedef struct ae_solution {
    double *delta;                   // [d_model]
    int32_t n_steps;                 // evaluations of the loss
    double *loss, *nll, *kl, *decay; // [n_steps]; loss = nll + kl + decay, kl and decay weighted
    bool at_start;                   // the very first evaluation passed the stopping test: delta is 0
} ae_solution;

/* Optimises all facts of the capture together; they do not influence each other. solutions:
 * [capture->n_facts]. */
ae_status ae_optimise(ae_capture *capture, const ae_hparams *hparams, const ae_hooks *hooks, ae_arena *arena,
                      ae_solution *solutions);

#endif
