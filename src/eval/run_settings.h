/* eval/run_settings.h: aedile/settings.json: what a run is, written once when it begins.
 *
 *   format, version, aedile, created
 *   model       {name, folder, n_threads, arithmetic}
 *   inputs      where things lie: {dataset, data, select, hparams_name, stats, tasks, ppl_text, guard}
 *   identity    what decides results: hashes, numbers
 *
 * A resumed run must have the same identity, member by member. */
#ifndef AE_EVAL_RUN_SETTINGS_H
#define AE_EVAL_RUN_SETTINGS_H

#include "eval/run_folder.h"
#include "eval/run_inputs.h"

#define AE_RUN_SETTINGS "aedile/settings.json"

/* Reads every weight, to tell the model from others. *out: json_decref. */
ae_status ae_run_settings_make(const ae_model *model, const ae_run_options *options,
                               const ae_run_inputs *inputs, const ae_templates *templates,
                               const ae_hooks *hooks, json_t **out);

ae_status ae_run_settings_write(const ae_run_folder *folder, const json_t *settings);

/* From <folder>/aedile/settings.json; AE_ERR_NOT_FOUND where there is none. *out: json_decref. */
ae_status ae_run_settings_load(const char *folder, json_t **out);

/* AE_ERR_MISMATCH names the first member of `identity` that differs, and both values. Warns where the version
 * or the arithmetic does: later figures may then differ. The number of threads changes none. */
ae_status ae_run_settings_check(const char *folder, const json_t *recorded, const json_t *now,
                                const ae_hooks *hooks);

/* params.json, the reference's: hyperparameters, then the run's, then ours. *text: ae_free. */
ae_status ae_run_params_text(ae_model *model, const ae_run_options *options, const json_t *settings,
                             char **text);

#endif
