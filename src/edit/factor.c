// The Cholesky factor of C, in double: computed once, kept beside the statistics, mapped from then on.
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/number.h"
#include "edit/cholesky.h"
#include "edit/moment.h"
#include "format/npz.h"

enum {
    BLOCK = 64,   // rows and columns at a time where a matrix is walked across
    QUICK = 4096, // rows that are factored within a second or so
};

static const char format_name[] = "aedile.factor";
static const char format_version[] = "2"; // 1 noted no checksum

// Of a key's entry, what the entries before it do not tell: its pivot as a share of its second moment. Of
// shares below the rounding of float32, the type of a statistics file, the file itself says little; below
// that of the factorisation (PIVOT_ROUNDING d_mlp), nothing.
static const double PIVOT_DOUBT = FLT_EPSILON, PIVOT_ROUNDING = DBL_EPSILON;

// The shortest decimal that reads back as the same number: it is part of a file name.
static void shortest(double value, char text[32]) {
    for (int digits = 1; digits <= 17; digits++) {
        ae_print(text, 32, "%.*g", digits, value);
        if (ae_number(text, NULL) == value) return;
    }
}

char *ae_factor_path(const char *npz_path, double ridge) {
    char number[32];
    shortest(ridge, number);
    return ae_format("%s.factor%s%s.safetensors", npz_path, ridge > 0 ? "-ridge" : "",
                     ridge > 0 ? number : "");
}

static ae_status file_stamp(const char *path, char text[64]) {
    struct stat info;
    if (stat(path, &info) != 0) return ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
    snprintf(text, 64, "%jd-%jd.%09ld", (intmax_t)info.st_size, (intmax_t)info.st_mtim.tv_sec,
             info.st_mtim.tv_nsec);
    return AE_OK;
}

static bool says(const json_t *metadata, const char *key, const char *value) {
    const char *text = json_string_value(json_object_get(metadata, key));
    return text && strcmp(text, value) == 0;
}

static bool says_int(const json_t *metadata, const char *key, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return says(metadata, key, text);
}

// Sum of a factor's words modulo 2^64, each times an odd number that is its place's: a word that changes
// changes it, and so do words that change places. To hash a factor would take longer than to solve with it.
static void checksum(const ae_moment *moment, const double *factor, char text[32]) {
    const size_t count = (size_t)moment->n * (size_t)moment->n;
    const int n_threads = moment->n_threads > 0 ? moment->n_threads : omp_get_max_threads();
    uint64_t sum = 0;
#pragma omp parallel for num_threads(n_threads) schedule(static) reduction(+ : sum)
    for (size_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, factor + i, sizeof word);
        sum += word * (2 * (uint64_t)i + 1);
    }
    snprintf(text, 32, "%016" PRIx64, sum);
}

// Whether the mapped file is a factor of these statistics; the statistics are hashed only where size and time
// of change are not those noted.
static ae_status belongs(const ae_moment *moment, const ae_safetensors *file, const double **factor,
                         bool *yes) {
    const json_t *metadata = ae_safetensors_metadata(file);
    const ae_tensor *tensor = ae_safetensors_find(file, "factor");
    char ridge[32], stamp[64], sha256[AE_DIGEST_HEX];
    shortest(moment->ridge, ridge);
    *yes = false;
    if (!tensor || tensor->dtype != AE_F64 || tensor->n_dim != 2 || tensor->shape[0] != moment->n ||
        tensor->shape[1] != moment->n || (uintptr_t)tensor->data % sizeof(double) != 0)
        return AE_OK;
    if (!says(metadata, "format", format_name) || !says(metadata, "version", format_version) ||
        !says(metadata, "ridge", ridge) || !says_int(metadata, "n", moment->n) ||
        !says_int(metadata, "count", moment->n_tokens) ||
        !says_int(metadata, "sample_size", moment->n_samples))
        return AE_OK;
    AE_TRY(file_stamp(moment->path, stamp));
    if (!says(metadata, "statistics_stamp", stamp)) {
        AE_TRY(ae_sha256_file(moment->path, sha256));
        if (!says(metadata, "statistics_sha256", sha256)) return AE_OK;
    }
    const double *data = tensor->data;
    char sum[32];
    checksum(moment, data, sum);
    if (!says(metadata, "checksum", sum)) return AE_OK;
    for (int i = 0; i < moment->n; i++)
        if (!(data[(size_t)i * moment->n + i] > 0) || !isfinite(data[(size_t)i * moment->n + i]))
            return AE_OK;
    *factor = data;
    *yes = true;
    return AE_OK;
}

ae_status ae_factor_read(ae_moment *moment, const ae_hooks *hooks, bool *found) {
    *found = false;
    char *path = ae_factor_path(moment->path, moment->ridge);
    if (!path) return ae_no_memory();
    ae_safetensors *file = NULL;
    ae_status status = AE_OK;
    if (ae_path_exists(path)) {
        status = ae_safetensors_open(path, &file);
        if (status == AE_OK) status = belongs(moment, file, &moment->factor, found);
        if (status == AE_OK && !*found)
            ae_warn(hooks, "'%s' is not a factor of these statistics, or damaged, and is made anew", path);
        // What is wrong with a file that can be made again is no reason to stop.
        if (status != AE_OK && status != AE_ERR_MEMORY) {
            ae_warn(hooks, "the kept factor cannot be used and is made anew: %s", ae_last_error());
            status = AE_OK;
        }
    }
    if (status == AE_OK && *found)
        moment->mapping = file;
    else
        ae_safetensors_close(file);
    ae_free(path);
    return status;
}

static ae_status read_sum(const ae_moment *moment, double **out) {
    ae_npz *npz = NULL;
    AE_TRY(ae_npz_open(moment->path, &npz));
    double *sum = NULL;
    int n_dim = 0;
    int64_t shape[AE_MAX_DIM] = {0};
    ae_status status = ae_npz_read_double(npz, "mom2.mom2", &sum, &n_dim, shape);
    ae_npz_close(npz);
    if (status == AE_ERR_NOT_FOUND)
        return ae_fail(AE_ERR_FORMAT, "'%s' has no array 'mom2.mom2': it does not hold second moments",
                       moment->path);
    AE_TRY(status);
    if (n_dim != 2 || shape[0] != moment->n || shape[1] != moment->n) {
        ae_free(sum);
        return ae_fail(AE_ERR_MISMATCH,
                       "'%s' does not fit the model: 'mom2.mom2' has %d dimensions and %" PRId64 " x %" PRId64
                       " entries, the model's keys have %d",
                       moment->path, n_dim, n_dim > 0 ? shape[0] : 0, n_dim > 1 ? shape[1] : 0, moment->n);
    }
    *out = sum;
    return AE_OK;
}

static ae_status check_diagonal(const ae_moment *moment, const double *c) {
    const double most = 1e150; // whose square is still a double
    bool zeros = true;
    for (size_t i = 0, n = (size_t)moment->n; i < n; i++) {
        double value = c[i * n + i];
        if (!isfinite(value) || value < 0 || value > most)
            return ae_fail(
                value < 0 ? AE_ERR_FORMAT : AE_ERR_NUMERIC,
                "'%s': entry [%zu, %zu] of 'mom2.mom2' is %g: a sum of squares must be finite, not "
                "negative, and not above %g",
                moment->path, i, i, value, most);
        zeros = zeros && value == 0;
    }
    if (!zeros) return AE_OK;
    return ae_fail(AE_ERR_NUMERIC,
                   "'%s': 'mom2.mom2' holds nothing but zeros: collect second moments (aedile stats)",
                   moment->path);
}

// c := (c + cᵀ) / 2, scaled, as lower triangle with zeros above. What separates the two halves must be
// rounding: sums of float32 products in different orders agree far better than a thousandth of the entries'
// own scale.
static ae_status symmetrise(const ae_moment *moment, double *c, double scale) {
    AE_TRY(check_diagonal(moment, c));
    size_t n = (size_t)moment->n;
    for (size_t i0 = 0; i0 < n; i0 += BLOCK)
        for (size_t j0 = 0; j0 <= i0; j0 += BLOCK)
            for (size_t i = i0; i < i0 + BLOCK && i < n; i++)
                for (size_t j = j0; j < j0 + BLOCK && j < i; j++) {
                    double lower = c[i * n + j], upper = c[j * n + i];
                    if (!isfinite(lower) || !isfinite(upper))
                        return ae_fail(AE_ERR_NUMERIC, "'%s': entry [%zu, %zu] of 'mom2.mom2' is %g",
                                       moment->path, isfinite(lower) ? j : i, isfinite(lower) ? i : j,
                                       isfinite(lower) ? upper : lower);
                    double difference = lower - upper;
                    if (difference * difference > 1e-6 * c[i * n + i] * c[j * n + j])
                        return ae_fail(
                            AE_ERR_FORMAT,
                            "'%s': 'mom2.mom2' is not symmetric: entry [%zu, %zu] is %g, entry [%zu, %zu] is "
                            "%g",
                            moment->path, i, j, lower, j, i, upper);
                    c[i * n + j] = 0.5 * (lower + upper) * scale;
                    c[j * n + i] = 0;
                }
    for (size_t i = 0; i < n; i++)
        c[i * n + i] *= scale;
    return AE_OK;
}

static ae_status not_definite(const ae_moment *moment, int layer, int order) {
    char where[64] = "", samples[64] = "all documents";
    if (order > 0) snprintf(where, sizeof where, " (leading minor %d of %d)", order, moment->n);
    if (moment->n_samples > 0) snprintf(samples, sizeof samples, "%" PRId64 " documents", moment->n_samples);
    return ae_fail(AE_ERR_NUMERIC,
                   "the second moments '%s' of layer %d are not positive definite%s: %" PRId64
                   " tokens of %s were "
                   "collected%s. Collect more samples (aedile stats), or add to the diagonal with --ridge",
                   moment->path, layer, where, moment->n_tokens, samples,
                   moment->n_tokens < moment->n ? ", fewer tokens than the keys have entries" : "");
}

// A factorisation that ends well may still have divided by rounding: diagonal is that of what was factored
// into c.
static ae_status check_pivots(const ae_moment *moment, int layer, const double *c, const double *diagonal,
                              const ae_hooks *hooks) {
    double least = 1;
    for (size_t i = 0, n = (size_t)moment->n; i < n; i++) {
        const double pivot = c[i * n + i] * c[i * n + i], share = pivot / diagonal[i];
        if (!(share > PIVOT_ROUNDING * moment->n)) return not_definite(moment, layer, (int)i + 1);
        least = share < least ? share : least;
    }
    if (least < PIVOT_DOUBT)
        ae_warn(hooks,
                "the second moments '%s' are all but singular (of one entry only %.2g is its own): rounding "
                "decides what is solved with them; collect over more text, or add to the diagonal with "
                "--ridge",
                moment->path, least);
    return AE_OK;
}

ae_status ae_factor_compute(ae_moment *moment, int layer, const ae_hooks *hooks) {
    static const char stage[] = "factoring second moments";
    // The sum of n_tokens outer products has at most that rank; rounding could hide it from the
    // factorisation.
    if (moment->n_tokens < moment->n && moment->ridge == 0) return not_definite(moment, layer, 0);
    double *c = NULL;
    AE_TRY(ae_progress(hooks, stage, 0, 1, "matrix"));
    AE_TRY(file_stamp(moment->path, moment->stamp));
    AE_TRY(read_sum(moment, &c));
    size_t n = (size_t)moment->n;
    double *diagonal = ae_alloc(n, sizeof *diagonal);
    ae_status status = diagonal ? symmetrise(moment, c, 1.0 / (double)moment->n_tokens) : ae_no_memory();
    if (status == AE_OK) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += c[i * n + i] / (double)n;
        for (size_t i = 0; i < n; i++)
            diagonal[i] = c[i * n + i] += moment->ridge * mean;
        const int order = ae_cholesky(c, moment->n, moment->n_threads);
        if (order < 0)
            status = ae_fail(AE_ERR_INTERNAL, "dpotrf refused argument %d", -order);
        else if (order > 0)
            status = not_definite(moment, layer, order);
    }
    for (size_t i = 0; status == AE_OK && i < n; i++)
        if (!isfinite(c[i * n + i])) status = not_definite(moment, layer, (int)i + 1);
    if (status == AE_OK) status = check_pivots(moment, layer, c, diagonal, hooks);
    ae_free(diagonal);
    if (status == AE_OK) status = ae_progress(hooks, stage, 1, 1, "matrix");
    if (status != AE_OK) {
        ae_free(c);
        return status;
    }
    if (moment->n_tokens < moment->n)
        ae_warn(hooks,
                "the second moments '%s' come from %" PRId64
                " tokens, fewer than the %d entries of a key: only --ridge "
                "makes them invertible",
                moment->path, moment->n_tokens, moment->n);
    moment->owned = c;
    moment->factor = c;
    return AE_OK;
}

static ae_status write_factor(const ae_moment *moment, const char *path) {
    char ridge[32], stamp[64], sum[32], sha256[AE_DIGEST_HEX];
    shortest(moment->ridge, ridge);
    checksum(moment, moment->factor, sum);
    AE_TRY(ae_sha256_file(moment->path, sha256));
    AE_TRY(file_stamp(moment->path, stamp));
    if (strcmp(stamp, moment->stamp) != 0)
        return ae_fail(AE_ERR_IO, "'%s' has changed while it was factored", moment->path);
    json_t *metadata = json_object();
    ae_status status = AE_OK;
    if (ae_json_note(metadata, "format", format_name) || ae_json_note(metadata, "version", format_version) ||
        ae_json_note(metadata, "statistics_sha256", sha256) ||
        ae_json_note(metadata, "statistics_stamp", stamp) || ae_json_note(metadata, "ridge", ridge) ||
        ae_json_note(metadata, "checksum", sum) || ae_json_note_int(metadata, "n", moment->n) ||
        ae_json_note_int(metadata, "count", moment->n_tokens) ||
        ae_json_note_int(metadata, "sample_size", moment->n_samples))
        status = ae_fail(AE_ERR_MEMORY, "out of memory for the metadata of '%s'", path);
    size_t n = (size_t)moment->n;
    ae_tensor tensor = {.name = "factor",
                        .dtype = AE_F64,
                        .n_dim = 2,
                        .shape = {moment->n, moment->n},
                        .n_bytes = n * n * sizeof(double),
                        .data = moment->factor};
    if (status == AE_OK) status = ae_safetensors_write(path, &tensor, 1, metadata);
    json_decref(metadata);
    return status;
}

void ae_factor_write(const ae_moment *moment, const ae_hooks *hooks) {
    char *path = ae_factor_path(moment->path, moment->ridge), *folder = path ? ae_path_parent(path) : NULL;
    // Where the folder is somebody else's, as an installed model's is, that is worth a word only if it costs
    // time.
    const bool untold = folder && moment->n <= QUICK && access(folder, W_OK) != 0;
    ae_status status = untold ? AE_OK : folder ? write_factor(moment, path) : ae_no_memory();
    if (status != AE_OK)
        ae_warn(hooks, "the factor could not be kept and will be computed again next time: %s",
                ae_last_error());
    ae_free(folder);
    ae_free(path);
}
