/* aedile/edit.h: one edit, from request to rank-one update.
 *
 * request -> keys and values over the context templates -> u from C u = k -> delta by optimisation -> (u,
 * right). W := W + right uᵀ at the second MLP matrix of a layer. Terms as in the papers: ROME (Meng et al.
 * 2022, arXiv 2202.05262), Rebuilding ROME (Gupta & Anumanchipalli 2024, arXiv 2403.07175); the maths is in
 * docs/model.md. */
#ifndef AEDILE_EDIT_H
#define AEDILE_EDIT_H

#include "aedile/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- requests ---- */

typedef struct ae_request {
    const char *prompt; /* with exactly one "{}" where the subject stands */
    const char *subject;
    const char *target_new;  /* what the model shall say; a leading space is added where there is none */
    const char *target_true; /* the old answer, for measuring; may be NULL */
    int64_t case_id;         /* -1: none */
} ae_request;

/* AE_ERR_ARGUMENT quotes what is wrong: not exactly one "{}", an empty subject or target, a prompt whose "{}"
 * follows a character that is not a space. */
AE_API ae_status ae_request_check(const ae_request *request);

/* Requests from JSON: one object or an array of them; CounterFact records (requested_rewrite), EasyEdit's
 * flat form (the subject filled in; target_new, ground_truth), or {prompt, subject, target_new, target_true},
 * where a target is a string or {"str": ...}. The array and its strings: ae_requests_free. */
AE_API ae_status ae_requests_load(const char *path, ae_request **requests, size_t *count);
AE_API void ae_requests_free(ae_request *requests, size_t count);

/* ---- hyperparameters ---- */

typedef enum ae_variant { AE_R_ROME, AE_ROME, AE_P_ROME } ae_variant;
AE_API const char *ae_variant_name(ae_variant variant); /* "r-rome", "rome", "p-rome" */
AE_API ae_status ae_variant_parse(const char *name, ae_variant *out);

typedef enum ae_fact_token {
    AE_SUBJECT_LAST,
    AE_SUBJECT_FIRST,
    AE_SUBJECT_FIRST_AFTER_LAST,
    AE_LAST
} ae_fact_token;
AE_API const char *ae_fact_token_name(ae_fact_token token); /* "subject_last", ... */

enum { AE_MAX_EDIT_LAYERS = 16, AE_MAX_TEMPLATE_LENGTHS = 16 };

/* Field names are the reference's (hparams/ROME/<model>.json). */
typedef struct ae_hparams {
    ae_variant variant;
    int layers[AE_MAX_EDIT_LAYERS]; /* ascending */
    int n_layers;
    ae_fact_token fact_token;
    int v_num_grad_steps; /* evaluations of the loss at most */
    double v_lr;          /* Adam's learning rate */
    double v_weight_decay;
    double clamp_norm_factor; /* radius of delta's ball, in units of ‖target_init‖ */
    double kl_factor;
    bool mom2_adjustment;                             /* false: u = k/‖k‖ */
    int template_lengths[AE_MAX_TEMPLATE_LENGTHS][2]; /* context_template_length_params: (length, count) */
    int n_template_lengths;
    char mom2_dataset[64];  /* "wikipedia" */
    int64_t mom2_n_samples; /* 100000 */
    char mom2_dtype[16];    /* "float32" */
} ae_hparams;

/* The values that go with the model: those of hparams.json in its folder, where there is one, else the
 * papers'. `layer` >= 0 replaces the layer; AE_ERR_ARGUMENT where it is neither given nor known. */
AE_API ae_status ae_hparams_builtin(const ae_model *model, int layer, ae_hparams *out);

/* A hyperparameter file of the reference, or our own with "variant". Unknown fields are warned of; a wrong
 * type, a contradiction, or module names that do not fit the model are errors. n_layers is 0 where neither
 * the file nor the model says which layer: then name one. */
AE_API ae_status ae_hparams_load(const char *path, const ae_model *model, const ae_hooks *hooks,
                                 ae_hparams *out);

/* Layers in range and ascending, counts and factors sensible, "last" only with r-rome. */
AE_API ae_status ae_hparams_check(const ae_hparams *hparams, const ae_model *model);

/* ---- context templates ---- */

typedef struct ae_templates {
    char **text; /* each with one "{}" that stands for the prompt; text[0] is "{}" when sampled */
    size_t count;
    char sha256[65]; /* of the JSON array as saved */
} ae_templates;

/* Samples them, by hparams' template_lengths, from the model as it is now; for a sequence of edits do this
 * once, before the first. */
AE_API ae_status ae_templates_sample(ae_model *model, const ae_hparams *hparams, uint64_t seed,
                                     const ae_hooks *hooks, ae_templates *out);
/* One JSON array of strings, each with exactly one placeholder: its last "{}". */
AE_API ae_status ae_templates_load(const char *path, ae_templates *out);
AE_API ae_status ae_templates_save(const ae_templates *templates, const char *path);
AE_API void ae_templates_free(ae_templates *templates);

/* ---- second moments ---- */

/* C = E[k kᵀ] of one layer's keys, with its Cholesky factor once that is needed. */
typedef struct ae_moment ae_moment;

/* Finds and opens the statistics for `layer`: `path` is an .npz file, or a statistics folder in the
 * reference's layout <path>/<model name>/<dataset>_stats/<module>_<dtype>_mom2_<N>.npz; NULL looks in
 * ./data/stats, AEDILE_STATS and the model's own folder (stats/). ridge > 0 adds ridge times the mean of C's
 * diagonal to its diagonal. A folder that is named and holds other statistics of the layer, and only one file
 * of them, has that file used, with a warning. The factor is read from, or computed and kept in, a file
 * beside the statistics
 * (`<file>.factor...`). AE_ERR_NOT_FOUND names the paths tried and the command that collects; AE_ERR_NUMERIC:
 * not positive definite. */
AE_API ae_status ae_moment_open(const ae_model *model, int layer, const ae_hparams *hparams, const char *path,
                                double ridge, const ae_hooks *hooks, ae_moment **out);
AE_API void ae_moment_free(ae_moment *moment); /* NULL is fine */

typedef struct ae_moment_info {
    const char *path;
    int n;             /* rows of C: d_mlp */
    int64_t n_tokens;  /* mom2.count */
    int64_t n_samples; /* sample_size; 0: all documents */
    double ridge;
} ae_moment_info;
AE_API ae_moment_info ae_moment_get_info(const ae_moment *moment);

/* x := C⁻¹ x, by solving; x: [n], double. */
AE_API ae_status ae_moment_solve(const ae_moment *moment, double *x);

typedef struct ae_collect_options {
    int layer;
    const char *const
        *texts; /* text files: plain (a document a line) or .jsonl ({"text": ...}), each also .gz or .zst */
    size_t n_texts;
    int64_t n_samples;         /* documents; 0: all */
    const char *output;        /* the statistics folder */
    const char *name;          /* model's name in the path; NULL: the model's own */
    const char *dataset;       /* dataset's name in the path; NULL: "text" */
    bool restart;              /* ignore a checkpoint of an interrupted collection, and replace its output */
    bool keep_finished;        /* an output that is there already is no error, but a warning, and stays */
    double checkpoint_seconds; /* how often a checkpoint is written; 0: every 180 s */
} ae_collect_options;

/* Collects C over text, resuming where an interrupted collection of the same inputs stopped. *path:
 * the written file (ae_free). Warns where fewer tokens than d_mlp were seen: such a C is singular. */
AE_API ae_status ae_moment_collect(ae_model *model, const ae_collect_options *options, const ae_hooks *hooks,
                                   char **path);

/* ---- an edit ---- */

/* What the model says to a request: probabilities are exp(-mean NLL) as ae_score gives it. */
typedef struct ae_measure {
    double target_new;  /* probability of the new target; NaN: not measured */
    double target_true; /* probability of the old answer; NaN: none given, not measured */
    char *continuation; /* greedy, a few tokens; may be NULL */
} ae_measure;

typedef struct ae_layer_edit {
    int layer;
    int d_mlp, d_model;
    char module[128];   /* "transformer.h.17.mlp.c_proj" */
    float *u;           /* [d_mlp], unit length */
    float *right;       /* [d_model]; W += right uᵀ */
    float *delta;       /* [d_model], v* = target_init + delta */
    float *key_u;       /* [d_mlp], the key u was solved from */
    float *key;         /* [d_mlp], the key of the update (k̄ or the bare prompt's k) */
    float *value;       /* [d_model], the current value at that key (v̄, or the bare prompt's v) */
    float *target_init; /* [d_model] */
    double k_dot_u, update_norm /* ‖right uᵀ‖_F */, weight_norm /* ‖W‖_F before */, delta_norm,
        target_init_norm;
    int n_steps;                     /* evaluations of the loss */
    double *loss, *nll, *kl, *decay; /* [n_steps]; loss is their sum, each weighted as it enters */
    char base_sha256[65];            /* of the stored bytes of W, before any edit */
} ae_layer_edit;

/* Read it, don't write it (but for before, after and seconds_update). Free with ae_edit_free. */
typedef struct ae_edit {
    ae_request request; /* own copies */
    ae_hparams hparams;
    uint64_t seed;
    char templates_sha256[65];
    size_t n_templates;
    ae_layer_edit *layers;
    int n_layers;
    ae_measure before, after; /* filled by the caller through ae_measure_request; NaN and NULL until then */
    /* Seconds of this edit (of a batch's shared passes: its share). update: making right uᵀ; a caller that
     * applies the edit adds the time of that. */
    double seconds_keys, seconds_solve, seconds_optimise, seconds_update;
    struct ae_arena *arena;
} ae_edit;

typedef struct ae_edit_options {
    const ae_hparams *hparams;       /* required */
    const ae_templates *templates;   /* required */
    const ae_moment *const *moments; /* one a layer of hparams->layers; NULL where mom2_adjustment is false */
    uint64_t seed;                   /* recorded */
    bool strict; /* a subject token that straddles the subject's end is an error, not a warning */
} ae_edit_options;

/* Computes n edits, each on the model as it is now (one edit is a batch of one); the model is left as it was.
 * out: [n] pointers, each freed with ae_edit_free. A request that is refused fails the whole call, naming it.
 */
AE_API ae_status ae_edit_compute(ae_model *model, const ae_request *requests, size_t n_requests,
                                 const ae_edit_options *options, const ae_hooks *hooks, ae_edit **out);
AE_API void ae_edit_free(ae_edit *edit); /* NULL is fine */

/* W += right uᵀ in memory, for each layer of the edit; all or nothing. */
AE_API ae_status ae_edit_apply(ae_model *model, const ae_edit *edit);

/* Probabilities and a greedy continuation of n_tokens for the request on the model as it is now.
 * out->continuation: ae_free. */
AE_API ae_status ae_measure_request(ae_model *model, const ae_request *request, int n_tokens,
                                    ae_measure *out);

#ifdef __cplusplus
}
#endif
#endif
