// The model as it is now, as a Hugging Face folder: the base's bytes but for the edited tensors.
#include "aedile/journal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "edit/export_folder.h"
#include "format/safetensors.h"
#include "model/hub.h"
#include "model/model.h"

enum { CHUNK_BYTES = 4 << 20, CHUNK_VALUES = 64 << 10 };

typedef struct exporter {
    ae_model *model;
    const ae_hooks *hooks;
    ae_export_folder folder;
    float *values;          // [d_mlp * d_model], the edited matrix at hand
    unsigned char *rounded; // room for CHUNK_VALUES stored values
    float *back;            // [CHUNK_VALUES], those read again
    float *base;            // [CHUNK_VALUES], the unedited ones
    int64_t written, total; // bytes of weights, for progress
} exporter;

// ---- edited matrices -------------------------------------------------------------------------------

// The layer whose edited matrix is stored as `tensor`, or -1.
static int edited_layer(const ae_model *model, const ae_tensor *tensor) {
    for (int layer = 0; layer < model->config.n_layer; layer++)
        if (model->layers[layer].edited &&
            strcmp(model->layers[layer].mlp_out_tensor->name, tensor->name) == 0)
            return layer;
    return -1;
}

// Below this share of the edits' effect on a matrix, somebody should know what rounding takes.
static const double SURVIVING = 0.9;

// Before anything is written: every edited value must remain finite as stored. *error: the largest change by
// rounding. Edits that are small beside the stored type's steps vanish in it, which is warned of.
static ae_status check_rounding(exporter *x, int layer, double *error) {
    const ae_tensor *t = x->model->layers[layer].mlp_out_tensor;
    const int64_t n = ae_tensor_elements(t);
    const ae_tensor chunk = {.name = t->name, .dtype = t->dtype, .data = x->rounded};
    AE_TRY(ae_model_get_mlp_out(x->model, layer, x->values));
    double wanted = 0, kept = 0; // of the edits' sum: its square, and its product with what is stored of it
    for (int64_t first = 0; first < n; first += CHUNK_VALUES) {
        const int64_t m = n - first < CHUNK_VALUES ? n - first : CHUNK_VALUES;
        ae_float_to_dtype(x->values + first, m, t->dtype, x->rounded);
        ae_tensor_to_float(&chunk, 0, m, x->back);
        ae_tensor_to_float(t, first, m, x->base);
        for (int64_t i = 0; i < m; i++) {
            const double value = (double)x->values[first + i];
            if (!isfinite(value))
                return ae_fail(AE_ERR_NUMERIC,
                               "tensor '%s' holds %g at element %lld: revert the edit that broke it; nothing "
                               "was written",
                               t->name, value, (long long)(first + i));
            if (!isfinite(x->back[i]))
                return ae_fail(AE_ERR_NUMERIC,
                               "tensor '%s': the edited value %.9g at element %lld is too large for %s, as "
                               "which the base is stored; nothing was written",
                               t->name, value, (long long)(first + i), ae_dtype_name(t->dtype));
            *error = fmax(*error, fabs((double)x->back[i] - value));
            const double edit = value - (double)x->base[i];
            wanted += edit * edit;
            kept += edit * ((double)x->back[i] - (double)x->base[i]);
        }
    }
    if (kept < SURVIVING * wanted)
        ae_warn(
            x->hooks,
            "tensor '%s': rounded to %s, as which the base is stored, only %.3g%% of the edits' effect on "
            "it remains; an adapter (--format lora) keeps all of it",
            t->name, ae_dtype_name(t->dtype), 100 * kept / wanted);
    return AE_OK;
}

// ---- weights ---------------------------------------------------------------------------------------

static ae_status count_bytes(exporter *x, size_t n) {
    x->written += (int64_t)n;
    return ae_progress(x->hooks, "writing weights", (double)x->written, (double)x->total, "bytes");
}

static ae_status write_stored(exporter *x, FILE *stream, const char *path, const unsigned char *bytes,
                              size_t n) {
    for (size_t at = 0; at < n; at += CHUNK_BYTES) {
        const size_t m = n - at < CHUNK_BYTES ? n - at : CHUNK_BYTES;
        AE_TRY(ae_export_write(stream, path, bytes + at, m));
        AE_TRY(count_bytes(x, m));
    }
    return AE_OK;
}

static ae_status write_edited(exporter *x, FILE *stream, const char *path, int layer) {
    const ae_tensor *t = x->model->layers[layer].mlp_out_tensor;
    const int64_t n = ae_tensor_elements(t);
    AE_TRY(ae_model_get_mlp_out(x->model, layer, x->values));
    for (int64_t first = 0; first < n; first += CHUNK_VALUES) {
        const int64_t m = n - first < CHUNK_VALUES ? n - first : CHUNK_VALUES;
        ae_float_to_dtype(x->values + first, m, t->dtype, x->rounded);
        AE_TRY(ae_export_write(stream, path, x->rounded, (size_t)m * ae_dtype_size(t->dtype)));
        AE_TRY(count_bytes(x, (size_t)m * ae_dtype_size(t->dtype)));
    }
    return AE_OK;
}

static ae_status write_tensor(exporter *x, FILE *stream, const char *path, const ae_tensor *tensor) {
    const int layer = edited_layer(x->model, tensor);
    if (layer >= 0) return write_edited(x, stream, path, layer);
    return write_stored(x, stream, path, tensor->data, tensor->n_bytes);
}

// A safetensors file of the base, byte for byte, with the edited tensors' bytes in their places.
static ae_status write_file_copy(exporter *x, int file, const ae_map *map, FILE *stream, const char *path) {
    const ae_checkpoint *checkpoint = x->model->checkpoint;
    size_t at = 0;
    for (size_t i = 0; i < ae_checkpoint_count(checkpoint); i++) { // by file, then by offset
        const ae_tensor *t = ae_checkpoint_at(checkpoint, i);
        if (t->file != file || edited_layer(x->model, t) < 0) continue;
        if (t->offset < at || t->offset > map->size || t->n_bytes > map->size - t->offset)
            return ae_fail(AE_ERR_IO, "'%s' has changed since the model was opened: open the model again",
                           map->path);
        AE_TRY(write_stored(x, stream, path, map->data + at, (size_t)t->offset - at));
        AE_TRY(write_tensor(x, stream, path, t));
        at = (size_t)t->offset + t->n_bytes;
    }
    return write_stored(x, stream, path, map->data + at, map->size - at);
}

static ae_status copy_weight_file(exporter *x, int file) {
    const char *name = ae_checkpoint_file(x->model->checkpoint, (size_t)file);
    char *source = ae_path_join(x->model->info.folder, name), *path = NULL;
    if (!source) return ae_no_memory();
    ae_map map = {0};
    FILE *stream = NULL;
    ae_status status = ae_map_open(source, &map);
    if (status == AE_OK) status = ae_export_file_open(&x->folder, name, &stream, &path);
    if (status == AE_OK) {
        status = write_file_copy(x, file, &map, stream, path);
        const ae_status closed = ae_export_file_close(stream, path);
        if (status == AE_OK) status = closed;
    }
    ae_map_close(&map);
    ae_free(path);
    ae_free(source);
    return status;
}

// ---- torch checkpoints become safetensors ----------------------------------------------------------

// torch stores a tied output matrix as a second name for the embedding's bytes; safetensors has no such
// thing, and loaders tie the two again by themselves.
static bool is_tied_alias(const ae_model *model, const ae_tensor *tensor) {
    const char *head = model->config.arch->tensor.head_weight;
    if (!model->config.tied_head || !head || strcmp(tensor->name, head) != 0) return false;
    for (size_t i = 0; i < ae_checkpoint_count(model->checkpoint); i++) {
        const ae_tensor *other = ae_checkpoint_at(model->checkpoint, i);
        if (other != tensor && other->data == tensor->data && other->n_bytes == tensor->n_bytes) return true;
    }
    return false;
}

// Wide elements first, so that every tensor lies at a multiple of its element size; else as in the file.
static int compare_width(const void *a, const void *b) {
    const ae_tensor *x = a, *y = b;
    const size_t width_x = ae_dtype_size(x->dtype), width_y = ae_dtype_size(y->dtype);
    if (width_x != width_y) return width_x > width_y ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void shard_name(size_t file, size_t n_files, char *out, size_t size) {
    if (n_files == 1)
        snprintf(out, size, "model.safetensors");
    else
        snprintf(out, size, "model-%05zu-of-%05zu.safetensors", file + 1, n_files);
}

static ae_status write_shard(exporter *x, const char *name, const ae_tensor *tensors, size_t count) {
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    if (!metadata) return ae_fail(AE_ERR_MEMORY, "out of memory while writing '%s'", name);
    char *header = NULL, *path = NULL;
    size_t length = 0;
    FILE *stream = NULL;
    ae_status status = ae_safetensors_header(tensors, count, metadata, &header, &length);
    json_decref(metadata);
    if (status == AE_OK) status = ae_export_file_open(&x->folder, name, &stream, &path);
    if (status == AE_OK) {
        status = ae_export_write(stream, path, header, length);
        for (size_t i = 0; i < count && status == AE_OK; i++)
            status = write_tensor(x, stream, path, &tensors[i]);
        const ae_status closed = ae_export_file_close(stream, path);
        if (status == AE_OK) status = closed;
    }
    ae_free(path);
    ae_free(header);
    return status;
}

// One torch file as one safetensors file; `weight_map` gets its tensors, *total_size their bytes.
static ae_status convert_file(exporter *x, size_t file, json_t *weight_map, int64_t *total_size) {
    const ae_checkpoint *checkpoint = x->model->checkpoint;
    ae_tensor *tensors = ae_alloc(ae_checkpoint_count(checkpoint), sizeof *tensors);
    if (!tensors) return ae_no_memory();
    char name[64];
    shard_name(file, ae_checkpoint_file_count(checkpoint), name, sizeof name);
    size_t count = 0;
    ae_status status = AE_OK;
    for (size_t i = 0; i < ae_checkpoint_count(checkpoint) && status == AE_OK; i++) {
        const ae_tensor *t = ae_checkpoint_at(checkpoint, i);
        if ((size_t)t->file != file || is_tied_alias(x->model, t)) continue;
        tensors[count++] = *t;
        *total_size += (int64_t)t->n_bytes;
        if (json_object_set_new(weight_map, t->name, json_string(name)) != 0)
            status = ae_fail(AE_ERR_MEMORY, "out of memory while listing tensor '%s'", t->name);
    }
    if (count > 1) qsort(tensors, count, sizeof *tensors, compare_width);
    if (status == AE_OK) status = write_shard(x, name, tensors, count);
    ae_free(tensors);
    return status;
}

static ae_status write_json(exporter *x, const char *name, const json_t *json) {
    char *text = ae_json_dump(json, 2), *path = NULL;
    if (!text) return ae_no_memory();
    FILE *stream = NULL;
    ae_status status = ae_export_file_open(&x->folder, name, &stream, &path);
    if (status == AE_OK) {
        status = ae_export_write(stream, path, text, strlen(text));
        const ae_status closed = ae_export_file_close(stream, path);
        if (status == AE_OK) status = closed;
    }
    ae_free(path);
    ae_free(text);
    return status;
}

static ae_status convert_checkpoint(exporter *x) {
    json_t *weight_map = json_object(), *index = NULL;
    if (!weight_map) return ae_fail(AE_ERR_MEMORY, "out of memory while writing the index of the weights");
    const size_t n_files = ae_checkpoint_file_count(x->model->checkpoint);
    int64_t total_size = 0;
    ae_status status = AE_OK;
    for (size_t file = 0; file < n_files && status == AE_OK; file++)
        status = convert_file(x, file, weight_map, &total_size);
    if (status == AE_OK && n_files > 1) {
        index = json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)total_size, "weight_map",
                          weight_map);
        status = index ? write_json(x, "model.safetensors.index.json", index)
                       : ae_fail(AE_ERR_MEMORY, "out of memory while writing the index of the weights");
    }
    json_decref(index);
    json_decref(weight_map);
    return status;
}

// ---- the other files -------------------------------------------------------------------------------

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcasecmp(name + n - m, end) == 0;
}

// Containers of weights. A copy of the unedited weights must not travel along: some loaders would prefer it.
static bool may_hold_weights(const char *name) {
    static const char *const ends[] = {".safetensors", ".bin",       ".index.json", ".h5",      ".msgpack",
                                       ".onnx",        ".onnx_data", ".ot",         ".gguf",    ".ggml",
                                       ".pt",          ".pth",       ".tflite",     ".mlmodel", ".npz",
                                       ".npy",         ".pkl",       ".pickle"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i])) return true;
    return strstr(name, ".ckpt") != NULL;
}

static bool is_checkpoint_file(const ae_checkpoint *checkpoint, const char *name) {
    for (size_t i = 0; i < ae_checkpoint_file_count(checkpoint); i++)
        if (strcmp(ae_checkpoint_file(checkpoint, i), name) == 0) return true;
    return false;
}

// The index of a sharded safetensors base holds no weights and stays true.
static bool is_index_in_use(const ae_checkpoint *checkpoint, const char *name) {
    return strcmp(name, "model.safetensors.index.json") == 0 && ae_checkpoint_is_safetensors(checkpoint) &&
           !is_checkpoint_file(checkpoint, "model.safetensors");
}

static ae_status copy_file(exporter *x, const char *name) {
    char *source = ae_path_join(x->model->info.folder, name), *path = NULL;
    if (!source) return ae_no_memory();
    ae_map map = {0};
    FILE *stream = NULL;
    struct stat info; // of what a link points to: the hub's cache is made of links
    ae_status status = AE_OK;
    if (stat(source, &info) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot copy '%s'", source);
    else if (S_ISREG(info.st_mode)) {
        status = ae_map_open(source, &map);
        if (status == AE_OK) status = ae_export_file_open(&x->folder, name, &stream, &path);
        if (status == AE_OK) {
            status = ae_export_write(stream, path, map.data, map.size);
            const ae_status closed = ae_export_file_close(stream, path);
            if (status == AE_OK) status = closed;
        }
    }
    ae_map_close(&map);
    ae_free(path);
    ae_free(source);
    return status;
}

// How much of the folder's path a link must keep to: all of it, or in the hub's cache, where snapshots are
// links into "models--owner--name/blobs", up to that model's own part.
static size_t home_length(const char *folder) {
    ae_hub_place place;
    return ae_hub_find(folder, &place) ? (size_t)(place.name - folder) + place.name_length : strlen(folder);
}

// A link that leads out of the model's folder would carry some other file of this machine along.
static ae_status check_link(exporter *x, const char *name) {
    char *source = ae_path_join(x->model->info.folder, name);
    char *folder = realpath(x->model->info.folder, NULL), *full = source ? realpath(source, NULL) : NULL;
    struct stat info;
    ae_status status = AE_OK;
    if (!source)
        status = ae_no_memory();
    else if (!folder || !full || stat(source, &info) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot copy '%s'", source);
    else if (S_ISREG(info.st_mode)) { // folders are not copied
        const size_t home = home_length(folder);
        if (strncmp(full, folder, home) != 0 || full[home] != '/')
            status = ae_fail(AE_ERR_ARGUMENT,
                             "'%s' is a link out of the model's folder, to '%s', which an export would carry "
                             "along: put the file itself there if it is the model's",
                             source, full);
    }
    free(full);
    free(folder);
    ae_free(source);
    return status;
}

// What lies in the folder besides the weights.
static ae_status each_other(exporter *x, ae_status (*act)(exporter *x, const char *name), bool warn) {
    const ae_checkpoint *checkpoint = x->model->checkpoint;
    char **names = NULL;
    size_t count = 0;
    AE_TRY(ae_folder_list(x->model->info.folder, &names, &count));
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++) {
        const bool torch_index = strcmp(names[i], "pytorch_model.bin.index.json") == 0;
        if (is_checkpoint_file(checkpoint, names[i]) ||
            (torch_index && !ae_checkpoint_is_safetensors(checkpoint)))
            continue;
        if (!may_hold_weights(names[i]) || is_index_in_use(checkpoint, names[i]))
            status = act(x, names[i]);
        else if (warn)
            ae_warn(x->hooks,
                    "'%s' is left out of the export: a file of its kind may hold the unedited weights",
                    names[i]);
    }
    ae_folder_list_free(names, count);
    return status;
}

// ---- the whole -------------------------------------------------------------------------------------

static ae_status write_weights(exporter *x) {
    const ae_checkpoint *checkpoint = x->model->checkpoint;
    if (!ae_checkpoint_is_safetensors(checkpoint)) return convert_checkpoint(x);
    for (size_t file = 0; file < ae_checkpoint_file_count(checkpoint); file++)
        AE_TRY(copy_weight_file(x, (int)file));
    return AE_OK;
}

static ae_status export_model(exporter *x, const char *output, double *error) {
    const ae_config *c = &x->model->config;
    x->values = ae_alloc((size_t)c->d_mlp * (size_t)c->d_model, sizeof *x->values);
    x->rounded = ae_alloc(CHUNK_VALUES, sizeof(float)); // no stored type is wider
    x->back = ae_alloc(CHUNK_VALUES, sizeof *x->back);
    x->base = ae_alloc(CHUNK_VALUES, sizeof *x->base);
    if (!x->values || !x->rounded || !x->back || !x->base) return ae_no_memory();
    for (int layer = 0; layer < c->n_layer; layer++)
        if (x->model->layers[layer].edited) AE_TRY(check_rounding(x, layer, error));
    AE_TRY(each_other(x, check_link, false));
    AE_TRY(ae_export_folder_begin(output, &x->folder));
    const ae_status status = write_weights(x);
    // Writing from a base that was cut short meanwhile fails, too, but says "bad address".
    if (status == AE_ERR_IO) AE_TRY(ae_checkpoint_check(x->model->checkpoint));
    AE_TRY(status);
    AE_TRY(each_other(x, copy_file, true));
    AE_TRY(ae_checkpoint_check(x->model->checkpoint));
    return ae_export_folder_commit(&x->folder);
}

ae_status ae_export_hf(ae_model *model, const char *output, const ae_hooks *hooks, double *rounding_error) {
    exporter x = {.model = model, .hooks = hooks, .total = model->info.n_bytes};
    double error = 0;
    ae_status status = export_model(&x, output, &error);
    ae_export_folder_abandon(&x.folder);
    ae_free(x.values);
    ae_free(x.rounded);
    ae_free(x.back);
    ae_free(x.base);
    if (status == AE_OK && rounding_error) *rounding_error = error;
    return status;
}
