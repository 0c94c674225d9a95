// Second moments: finding and opening statistics files, and solving with their factor.
#include "edit/moment.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "format/npz.h"
#include "model/hub.h"

static char *replaced(const char *text, const char *what, const char *with) {
    const char *at = strstr(text, what);
    if (!at) return ae_strdup(text);
    return ae_format("%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
}

char *ae_moment_module(const ae_model *model, int layer) {
    char number[16];
    snprintf(number, sizeof number, "%d", layer);
    return replaced(model->info.mlp_out_module, "%d", number);
}

// <root>/<name with / as _>. A model's name may come from a file: "." and ".." must not lead elsewhere.
static char *model_folder(const char *root, const char *name) {
    char *folder = ae_strdup(name), *path = NULL;
    const bool leads_up = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    for (char *at = folder; at && *at; at++)
        if (*at == '/' || leads_up) *at = '_';
    if (folder) path = ae_path_join(root, folder);
    ae_free(folder);
    return path;
}

char *ae_moment_path(const char *root, const char *name, const char *dataset, const ae_model *model,
                     int layer, const char *dtype, int64_t n_samples) {
    char *folder = model_folder(root, name), *module = ae_moment_module(model, layer), *path = NULL;
    char samples[32] = "";
    if (n_samples > 0) snprintf(samples, sizeof samples, "_%lld", (long long)n_samples);
    if (folder && module)
        path = ae_format("%s/%s_stats/%s_%s_mom2%s.npz", folder, dataset, module, dtype, samples);
    ae_free(folder);
    ae_free(module);
    return path;
}

// What a search looked for and met.
typedef struct search {
    const ae_model *model;
    const ae_hparams *hparams;
    const ae_hooks *hooks;
    int layer;
    ae_text tried; // for the message
    ae_text near;  // statistics of the same module that are there under another name
    char *last_near;
    size_t n_near;
    bool ignored; // a file of the right name did not hold what its name says
} search;

static ae_status read_count(const ae_npz *npz, const char *path, const char *name, double low, double *out) {
    double *value = NULL;
    int n_dim = 0;
    int64_t shape[AE_MAX_DIM];
    ae_status status = ae_npz_read_double(npz, name, &value, &n_dim, shape);
    if (status != AE_OK) return status;
    if (n_dim != 0)
        status = ae_fail(AE_ERR_FORMAT, "'%s': array '%s' has %d dimensions, expected a single number", path,
                         name, n_dim);
    else
        *out = value[0];
    ae_free(value);
    // "All documents" is a NaN in the reference's files.
    if (status == AE_OK && !isnan(*out) && !(*out >= low && *out <= 0x1p53 && *out == floor(*out)))
        status = ae_fail(AE_ERR_FORMAT, "'%s': array '%s' is %g, expected a whole number of %g or more", path,
                         name, *out, low);
    return status;
}

// The numbers of a statistics file, not yet the matrix.
static ae_status read_head(const char *path, int64_t *n_tokens, int64_t *n_samples) {
    ae_npz *npz = NULL;
    AE_TRY(ae_npz_open(path, &npz));
    double tokens = 0, samples = 0;
    ae_status status = read_count(npz, path, "mom2.count", 1, &tokens);
    if (status == AE_ERR_NOT_FOUND)
        status =
            ae_fail(AE_ERR_FORMAT, "'%s' has no array 'mom2.count': it does not hold second moments", path);
    else if (status == AE_OK && isnan(tokens))
        status = ae_fail(AE_ERR_FORMAT, "'%s': array 'mom2.count' is not a number", path);
    if (status == AE_OK) {
        status = read_count(npz, path, "sample_size", 0, &samples);
        if (status == AE_ERR_NOT_FOUND) status = AE_OK; // files of others may lack it
    }
    ae_npz_close(npz);
    if (status != AE_OK) return status;
    *n_tokens = (int64_t)tokens;
    *n_samples = isnan(samples) ? 0 : (int64_t)samples;
    return AE_OK;
}

// Other statistics of the module below <root>/<name>: what a user who collected over other text is looking
// for.
static ae_status list_near(search *s, const char *root) {
    char *folder = model_folder(root, s->model->info.name), *module = ae_moment_module(s->model, s->layer);
    ae_status status = folder && module ? AE_OK : AE_ERR_MEMORY;
    char **datasets = NULL;
    size_t n_datasets = 0;
    // A folder that is not there has nothing to list.
    if (status == AE_OK && ae_path_is_folder(folder)) status = ae_folder_list(folder, &datasets, &n_datasets);
    for (size_t i = 0; status == AE_OK && i < n_datasets; i++) {
        char *sub = ae_path_join(folder, datasets[i]), **files = NULL;
        size_t n_files = 0;
        if (!sub) status = ae_no_memory();
        if (sub && ae_path_is_folder(sub)) status = ae_folder_list(sub, &files, &n_files);
        for (size_t k = 0; status == AE_OK && k < n_files; k++) {
            size_t length = strlen(files[k]), start = strlen(module);
            if (strncmp(files[k], module, start) != 0 || files[k][start] != '_' || length <= 4 ||
                strcmp(files[k] + length - 4, ".npz") != 0)
                continue;
            ae_free(s->last_near);
            s->last_near = ae_path_join(sub, files[k]);
            s->n_near++;
            status = s->last_near
                         ? ae_text_printf(&s->near, "%s'%s'", s->near.length ? ", " : "", s->last_near)
                         : ae_no_memory();
        }
        ae_folder_list_free(files, n_files);
        ae_free(sub);
    }
    ae_folder_list_free(datasets, n_datasets);
    ae_free(folder);
    ae_free(module);
    return status;
}

// Looks below one root; *path is set where the statistics asked for are there.
static ae_status look(search *s, const char *root, char **path) {
    const ae_hparams *h = s->hparams;
    char *candidate = ae_moment_path(root, s->model->info.name, h->mom2_dataset, s->model, s->layer,
                                     h->mom2_dtype, h->mom2_n_samples);
    if (!candidate) return ae_no_memory();
    ae_status status = ae_text_printf(&s->tried, "%s'%s'", s->tried.length ? ", " : "", candidate);
    if (status == AE_OK && ae_path_exists(candidate)) {
        int64_t n_tokens, n_samples = 0;
        status = read_head(candidate, &n_tokens, &n_samples);
        if (status == AE_OK && n_samples == h->mom2_n_samples) {
            *path = candidate;
            return AE_OK;
        }
        if (status == AE_OK) {
            s->ignored = true;
            ae_warn(s->hooks,
                    "'%s' is ignored: its 'sample_size' is %lld, not the %lld of its name and of "
                    "'mom2_n_samples'",
                    candidate, (long long)n_samples, (long long)h->mom2_n_samples);
            status = ae_text_printf(&s->tried, " (ignored: sample_size is %lld)", (long long)n_samples);
        }
    }
    ae_free(candidate);
    return status == AE_OK ? list_near(s, root) : status;
}

static ae_status not_found(search *s) {
    const ae_model_info *info = &s->model->info;
    ae_hub_place place; // whose models are found by their names
    const bool in_hub = ae_hub_find(info->folder, &place), named = s->model->is_named;
    if (s->near.length > 0) AE_TRY(ae_text_printf(&s->near, ": if that is meant, give it with --stats. "));
    return ae_fail(
        AE_ERR_NOT_FOUND,
        "no second moments for layer %d of '%s'; tried %s. %s%sTo collect them: 'aedile stats %s%s%s --layer "
        "%d --text FILE... --samples %lld --dataset %s --output DIR'",
        s->layer, info->name, s->tried.data, s->near.length > 0 ? "There is " : "",
        s->near.length > 0 ? s->near.data : "", named || !in_hub ? info->folder : info->name,
        named ? " --name " : "", named ? info->name : "", s->layer, (long long)s->hparams->mom2_n_samples,
        s->hparams->mom2_dataset);
}

static ae_status find_below_defaults(search *s, char **path) {
    const char *extra = getenv("AEDILE_STATS");
    AE_TRY(look(s, "./data/stats", path));
    if (!*path && extra && *extra) AE_TRY(look(s, extra, path));
    if (!*path && s->model->info.folder) {
        char *own = ae_path_join(s->model->info.folder, "stats");
        ae_status status = own ? look(s, own, path) : ae_no_memory();
        ae_free(own);
        return status;
    }
    return AE_OK;
}

static bool ends_in_npz(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".npz") == 0;
}

static ae_status find(search *s, const char *given, char **path) {
    *path = NULL;
    ae_status status = AE_OK;
    if (given && !ae_path_is_folder(given)) {
        if (!ae_path_exists(given))
            return ae_fail(AE_ERR_NOT_FOUND,
                           "statistics '%s' are not there: neither a folder nor an .npz file", given);
        if (!ends_in_npz(given))
            return ae_fail(AE_ERR_ARGUMENT, "statistics '%s' are neither a folder nor an .npz file", given);
        *path = ae_strdup(given);
        status = *path ? AE_OK : ae_no_memory();
    } else {
        status = given ? look(s, given, path) : find_below_defaults(s, path);
        if (status == AE_OK && !*path && given && s->n_near == 1 && !s->ignored) {
            // A folder that somebody names and that holds one answer: theirs, collected over other text.
            ae_warn(s->hooks, "using '%s': '%s' holds no statistics over '%s' with %lld samples",
                    s->last_near, given, s->hparams->mom2_dataset, (long long)s->hparams->mom2_n_samples);
            *path = s->last_near;
            s->last_near = NULL;
        }
        if (status == AE_OK && !*path) status = not_found(s);
    }
    ae_free(s->last_near);
    ae_free(s->tried.data);
    ae_free(s->near.data);
    return status;
}

ae_status ae_moment_open(const ae_model *model, int layer, const ae_hparams *hparams, const char *path,
                         double ridge, const ae_hooks *hooks, ae_moment **out) {
    if (layer < 0 || layer >= model->info.n_layer)
        return ae_fail(AE_ERR_ARGUMENT, "layer %d does not exist: '%s' has layers 0 to %d", layer,
                       model->info.name, model->info.n_layer - 1);
    if (!isfinite(ridge) || ridge < 0)
        return ae_fail(AE_ERR_ARGUMENT, "the ridge is %g, expected a number of 0 or more", ridge);
    ae_moment *moment = ae_alloc(1, sizeof *moment);
    if (!moment) return ae_no_memory();
    *moment = (ae_moment){.n = model->config.d_mlp, .ridge = ridge, .n_threads = model->info.n_threads};
    search s = {.model = model, .hparams = hparams, .hooks = hooks, .layer = layer};
    bool found = false;
    ae_status status = find(&s, path, &moment->path);
    if (status == AE_OK) status = read_head(moment->path, &moment->n_tokens, &moment->n_samples);
    if (status == AE_OK) status = ae_factor_read(moment, hooks, &found);
    if (status == AE_OK && !found) {
        status = ae_factor_compute(moment, layer, hooks);
        if (status == AE_OK) ae_factor_write(moment, hooks);
    }
    if (status != AE_OK) {
        ae_moment_free(moment);
        return status;
    }
    *out = moment;
    return AE_OK;
}

void ae_moment_free(ae_moment *moment) {
    if (!moment) return;
    ae_safetensors_close(moment->mapping);
    ae_free(moment->owned);
    ae_free(moment->path);
    ae_free(moment);
}

ae_moment_info ae_moment_get_info(const ae_moment *moment) {
    return (ae_moment_info){.path = moment->path,
                            .n = moment->n,
                            .n_tokens = moment->n_tokens,
                            .n_samples = moment->n_samples,
                            .ridge = moment->ridge};
}

static bool all_finite(const double *x, int n) {
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

ae_status ae_moment_solve(const ae_moment *moment, double *x) {
    int n = moment->n;
    if (!all_finite(x, n)) return ae_fail(AE_ERR_NUMERIC, "the vector to solve for is not finite");
    double *y = ae_alloc((size_t)n, sizeof *y);
    if (!y) return ae_no_memory();
    memcpy(y, x, (size_t)n * sizeof *y);
    int former = omp_get_max_threads();
    omp_set_num_threads(1); // for OpenBLAS: the result is to be the same with any number
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, moment->factor, n, y, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, n, moment->factor, n, y, 1);
    omp_set_num_threads(former);
    ae_status status = AE_OK;
    if (all_finite(y, n))
        memcpy(x, y, (size_t)n * sizeof *y);
    else
        status =
            ae_fail(AE_ERR_NUMERIC, "solving with the second moments '%s' gave a value that is not finite",
                    moment->path);
    ae_free(y);
    return status;
}
