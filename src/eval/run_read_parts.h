/* eval/run_read_parts.h: what the files of run_read.h share: one for the folder, one for case files, one for
 * downstream tasks. */
#ifndef AE_EVAL_RUN_READ_PARTS_H
#define AE_EVAL_RUN_READ_PARTS_H

#include "base/memory.h"
#include "eval/run_read.h"

/* One JSON object of a run, kept by data->documents. NaN and Infinity, which Python writes although JSON does
 * not have them, count as null. */
ae_status ae_run_document(ae_run_data *data, const char *path, const json_t **out);

/* A number of `object` where it is there, NaN where it is absent or null. */
ae_status ae_run_number(const char *path, const json_t *object, const char *field, double *out);

/* A member that is an object, NULL where it is absent or null. */
ae_status ae_run_object(const char *path, const json_t *object, const char *field, const json_t **out);

/* Sets everything of *out but `file` from the case file at `path`; n_edits stays 0 where it does not say. */
ae_status ae_run_read_case(ae_run_data *data, const char *path, ae_run_case_data *out);

/* Reads glue_eval/, where there is one, into data->tasks. The cases must be there. */
ae_status ae_run_read_tasks(ae_run_data *data, const ae_hooks *hooks);

#endif
