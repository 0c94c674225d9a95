/* edit/hparams.h: hyperparameters as JSON, and module names as their files write them. */
#ifndef AE_EDIT_HPARAMS_H
#define AE_EDIT_HPARAMS_H

#include "aedile/edit.h"
#include "base/json.h"

/* The papers' values for the model, without a look into its folder. AE_ERR_ARGUMENT as ae_hparams_builtin. */
ae_status ae_hparams_standard(const ae_model *model, int layer, ae_hparams *out);

/* The member "hparams" of a document (a journal's entry, a run's settings): the reference's names, and
 * "variant". Numbers must be finite. */
ae_status ae_hparams_put(json_t *document, const ae_hparams *hparams);

/* Reads it back; every field must be there. `name` is the document's, for messages. */
ae_status ae_hparams_get(const char *name, const json_t *document, ae_hparams *out);

/* A tensor's name up to and without its n-th last dot, behind `prefix`, "{}" for "%d": the module
 * "transformer.h.{}.mlp" of "h.%d.mlp.c_proj.weight" with n_parts 2. Free with ae_free; NULL on lack of
 * memory. */
char *ae_module_name(const char *prefix, const char *tensor, int n_parts);

#endif
