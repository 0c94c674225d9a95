/* edit/capture.h: the texts of a batch of requests run once up to the edited layer: everything an edit needs
 * that delta does not change. The steps of the value optimisation start from here. */
#ifndef AE_EDIT_CAPTURE_H
#define AE_EDIT_CAPTURE_H

#include "edit/text.h"
#include "model/pass.h"

/* A text as the passes see it. */
typedef struct ae_sequence {
    const int32_t *ids;
    int32_t n_ids;
    int32_t lookup;
    // Where its rows are, in the capture's and in the store: position p before `shared` in shared_row + p,
    // another in row + p - shared. What is shared lies before the lookup index.
    int32_t shared, shared_row, row;
} ae_sequence;

/* One request as sequences. */
typedef struct ae_fact {
    const ae_request *request;
    ae_sequence *rewrites; // [n_rewrites]: one a template, the target's tokens but the last behind it
    int32_t n_rewrites;
    ae_sequence kl, bare; // the KL text and the bare prompt, cut behind their lookup index
    const int32_t *targets;
    int32_t n_targets;

    // Filled by ae_capture_run; host.
    double *key_mean, *value_mean;  // [d_mlp], [d_model]: over templates
    double *key_bare, *target_init; // [d_mlp], [d_model]: of the bare prompt
} ae_fact;

/* Texts, lookup indices and targets of one request; memory from `arena`. */
ae_status ae_fact_build(ae_model *m, const ae_request *request, const ae_templates *templates,
                        ae_fact_token fact_token, bool strict, const ae_hooks *hooks, ae_arena *arena,
                        ae_fact *out);

typedef struct ae_capture {
    ae_model *m;
    int32_t layer;
    ae_fact *facts;
    int32_t n_facts, n_rows;
    float *residual; // [n_rows, d_model] after `layer`, backend memory
    ae_store *store; // attention above `layer`: rows before each lookup index are there
    ae_arena *arena;
} ae_capture;

/* Runs all texts of all facts, packed, through `layer` (filling the facts' keys and values), and the rows
 * before the lookup indices through the layers above. What texts begin with alike before their lookup
 * indices, as those of one template do, is computed once. */
ae_status ae_capture_run(ae_model *m, int32_t layer, ae_fact *facts, int32_t n_facts, ae_capture **out);
void ae_capture_free(ae_capture *capture); // NULL is fine

#endif
