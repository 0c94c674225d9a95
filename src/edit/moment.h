/* edit/moment.h: statistics files and their Cholesky factors, inside the editing room. */
#ifndef AE_EDIT_MOMENT_H
#define AE_EDIT_MOMENT_H

#include "aedile/edit.h"
#include "base/memory.h"
#include "format/safetensors.h"
#include "model/model.h"

struct ae_moment {
    char *path;        // of the .npz
    int n;             // d_mlp
    int64_t n_tokens;  // mom2.count
    int64_t n_samples; // sample_size; 0: all documents
    double ridge;
    int n_threads;           // the model's; 0: as OpenMP has it
    const double *factor;    // [n, n] row-major, lower triangle: C + ridge mean(diag C) I = factor factorᵀ
    double *owned;           // its memory, where it was computed
    char stamp[64];          // size and time of the file that it was computed from
    ae_safetensors *mapping; // its file, where it was read
};

/* "<dataset>_stats/<module>_<dtype>_mom2[_<N>].npz" below <root>/<name with / as _>; free with ae_free. */
char *ae_moment_path(const char *root, const char *name, const char *dataset, const ae_model *model,
                     int layer, const char *dtype, int64_t n_samples);

/* AE_OK where `name` can be a data set's, in a path of statistics and in hyperparameters. */
ae_status ae_dataset_check(const char *name);

/* Writes statistics: the sum's upper triangle [n, n], which is used up; n_samples 0: all documents. */
ae_status ae_moment_write(const char *path, double *sum, int n, int64_t n_tokens, int64_t n_samples);

/* "transformer.h.17.mlp.c_proj"; free with ae_free. */
char *ae_moment_module(const ae_model *model, int layer);

/* The factor's file: the statistics' path and ".factor[-ridge<X>].safetensors"; free with ae_free. */
char *ae_factor_path(const char *npz_path, double ridge);

/* moment->path, n, n_tokens, n_samples and ridge are set. Maps the factor's file where it is there and was
 * made from these very statistics; *found says so. A file that does not fit is passed over with a warning,
 * not an error. */
ae_status ae_factor_read(ae_moment *moment, const ae_hooks *hooks, bool *found);

/* Reads mom2.mom2 and factors it in place. */
ae_status ae_factor_compute(ae_moment *moment, int layer, const ae_hooks *hooks);

/* Keeps the factor beside the statistics; where that is not possible, a warning. */
void ae_factor_write(const ae_moment *moment, const ae_hooks *hooks);

#endif
