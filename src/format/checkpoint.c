#include "format/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "format/safetensors.h"
#include "format/torch_bin.h"

enum { MAX_INDEX = 64 * 1024 * 1024 };

typedef struct weight_file {
    char *name;
    ae_safetensors *safetensors; // one of the two
    ae_torch_bin *torch_bin;
    struct stat opened; // as it was when it was opened
} weight_file;

struct ae_checkpoint {
    char *folder;
    weight_file *files;
    size_t n_files, files_capacity;
    ae_tensor *tensors; // names and data are the files'
    const ae_tensor **by_name;
    size_t count;
    int64_t bytes;
};

static size_t file_count(const weight_file *file) {
    return file->safetensors ? ae_safetensors_count(file->safetensors) : ae_torch_bin_count(file->torch_bin);
}

static const ae_tensor *file_tensor(const weight_file *file, size_t index) {
    return file->safetensors ? ae_safetensors_at(file->safetensors, index)
                             : ae_torch_bin_at(file->torch_bin, index);
}

static ae_status add_file(ae_checkpoint *checkpoint, const char *name, bool safetensors) {
    AE_TRY(ae_grow((void **)&checkpoint->files, &checkpoint->files_capacity, checkpoint->n_files + 1,
                   sizeof *checkpoint->files));
    weight_file *file = &checkpoint->files[checkpoint->n_files];
    *file = (weight_file){.name = ae_strdup(name)};
    if (!file->name) return ae_no_memory();
    checkpoint->n_files++;
    char *path = ae_path_join(checkpoint->folder, name);
    if (!path) return ae_no_memory();
    int opened = -1;
    ae_status status = ae_file_open(path, &opened);
    if (status == AE_OK && fstat(opened, &file->opened) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
    if (opened >= 0) close(opened);
    checkpoint->bytes += (int64_t)file->opened.st_size;
    if (status == AE_OK)
        status = safetensors ? ae_safetensors_open(path, &file->safetensors)
                             : ae_torch_bin_open(path, &file->torch_bin);
    ae_free(path);
    return status;
}

// ---- the index of a sharded checkpoint -------------------------------------------------------------

static ae_status check_shard_name(const char *path, const char *tensor, const json_t *shard) {
    if (!json_is_string(shard))
        return ae_fail(AE_ERR_FORMAT, "'%s': weight_map['%s'] is %s, expected a file name", path, tensor,
                       ae_json_type_name(shard));
    const char *name = json_string_value(shard);
    if (!*name || *name == '.' || strpbrk(name, "/\\") || strlen(name) != json_string_length(shard))
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': weight_map['%s'] is '%s', expected the plain name of a file in the same folder",
                       path, tensor, name);
    return AE_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Opens each shard that the map names, once, in order of name.
static ae_status add_shards(ae_checkpoint *checkpoint, const char *path, json_t *map, bool safetensors) {
    const char **names = ae_alloc(json_object_size(map), sizeof *names);
    if (!names) return ae_no_memory();
    size_t n = 0;
    const char *tensor;
    json_t *shard;
    ae_status status = AE_OK;
    json_object_foreach(map, tensor, shard) {
        status = check_shard_name(path, tensor, shard);
        if (status != AE_OK) break;
        names[n++] = json_string_value(shard);
    }
    if (status == AE_OK) qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; status == AE_OK && i < n; i++)
        if (i == 0 || strcmp(names[i - 1], names[i]) != 0) {
            status = add_file(checkpoint, names[i], safetensors);
            if (status == AE_ERR_NOT_FOUND)
                status = ae_fail(status, "'%s' names the shard '%s', which is not there: get the model again",
                                 path, names[i]);
        }
    ae_free(names);
    return status;
}

// Index and shards must say the same, in both directions.
static ae_status compare_with_index(const ae_checkpoint *checkpoint, const char *path, json_t *map) {
    for (size_t i = 0; i < checkpoint->count; i++) {
        const ae_tensor *tensor = &checkpoint->tensors[i];
        const char *file = checkpoint->files[tensor->file].name;
        const json_t *shard = json_object_get(map, tensor->name);
        if (!shard)
            return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' of '%s' is not in the index", path, tensor->name,
                           file);
        if (strcmp(json_string_value(shard), file) != 0)
            return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is in '%s', the index says '%s'", path,
                           tensor->name, file, json_string_value(shard));
    }
    const char *name;
    json_t *shard;
    json_object_foreach(map, name, shard) {
        if (!ae_checkpoint_find(checkpoint, name))
            return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is not in '%s', where the index has it", path,
                           name, json_string_value(shard));
    }
    return AE_OK;
}

// ---- all of it -------------------------------------------------------------------------------------

static ae_status gather_tensors(ae_checkpoint *checkpoint) {
    size_t count = 0;
    for (size_t i = 0; i < checkpoint->n_files; i++)
        count += file_count(&checkpoint->files[i]);
    checkpoint->tensors = ae_alloc(count, sizeof *checkpoint->tensors);
    if (!checkpoint->tensors) return ae_no_memory();
    for (size_t i = 0; i < checkpoint->n_files; i++)
        for (size_t k = 0; k < file_count(&checkpoint->files[i]); k++) {
            ae_tensor *tensor = &checkpoint->tensors[checkpoint->count++];
            *tensor = *file_tensor(&checkpoint->files[i], k);
            tensor->file = (int)i;
        }
    checkpoint->by_name = ae_tensor_sort(checkpoint->tensors, checkpoint->count);
    if (!checkpoint->by_name) return ae_no_memory();
    for (size_t i = 1; i < checkpoint->count; i++) {
        const ae_tensor *a = checkpoint->by_name[i - 1], *b = checkpoint->by_name[i];
        if (strcmp(a->name, b->name) == 0)
            return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is both in '%s' and in '%s'", checkpoint->folder,
                           a->name, checkpoint->files[a->file].name, checkpoint->files[b->file].name);
    }
    return AE_OK;
}

static ae_status open_single(ae_checkpoint *checkpoint, const char *name, bool safetensors) {
    AE_TRY(add_file(checkpoint, name, safetensors));
    return gather_tensors(checkpoint);
}

static ae_status open_sharded(ae_checkpoint *checkpoint, const char *path, bool safetensors) {
    json_t *index = NULL;
    AE_TRY(ae_json_load(path, MAX_INDEX, &index));
    json_t *map = json_object_get(index, "weight_map");
    ae_status status = AE_OK;
    if (!json_is_object(map))
        status = ae_fail(AE_ERR_FORMAT, "'%s': field 'weight_map' is %s, expected an object", path,
                         ae_json_type_name(map));
    else if (json_object_size(map) == 0)
        status = ae_fail(AE_ERR_FORMAT, "'%s': field 'weight_map' is empty", path);
    if (status == AE_OK) status = add_shards(checkpoint, path, map, safetensors);
    if (status == AE_OK) status = gather_tensors(checkpoint);
    if (status == AE_OK) status = compare_with_index(checkpoint, path, map);
    json_decref(index);
    return status;
}

static ae_status open_folder(ae_checkpoint *checkpoint) {
    static const struct {
        const char *name;
        bool safetensors, index;
    } places[] = {
        {"model.safetensors", true, false},
        {"model.safetensors.index.json", true, true},
        {"pytorch_model.bin", false, false},
        {"pytorch_model.bin.index.json", false, true},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = ae_path_join(checkpoint->folder, places[i].name);
        if (!path) return ae_no_memory();
        bool there = ae_path_is_taken(path); // a link to nothing is not passed over
        ae_status status = AE_OK;
        if (there)
            status = places[i].index ? open_sharded(checkpoint, path, places[i].safetensors)
                                     : open_single(checkpoint, places[i].name, places[i].safetensors);
        ae_free(path);
        if (there) return status;
    }
    if (!ae_path_is_folder(checkpoint->folder))
        return ae_fail(AE_ERR_NOT_FOUND, "'%s' is not a folder", checkpoint->folder);
    return ae_fail(AE_ERR_NOT_FOUND,
                   "'%s' holds no weights: looked for model.safetensors, model.safetensors.index.json, "
                   "pytorch_model.bin and pytorch_model.bin.index.json",
                   checkpoint->folder);
}

ae_status ae_checkpoint_open(const char *folder, ae_checkpoint **out) {
    ae_checkpoint *checkpoint = ae_alloc(1, sizeof *checkpoint);
    if (!checkpoint) return ae_no_memory();
    checkpoint->folder = ae_strdup(folder);
    ae_status status = checkpoint->folder ? open_folder(checkpoint) : ae_no_memory();
    if (status != AE_OK) {
        ae_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return AE_OK;
}

void ae_checkpoint_close(ae_checkpoint *checkpoint) {
    if (!checkpoint) return;
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        ae_safetensors_close(checkpoint->files[i].safetensors);
        ae_torch_bin_close(checkpoint->files[i].torch_bin);
        ae_free(checkpoint->files[i].name);
    }
    ae_free(checkpoint->files);
    ae_free(checkpoint->by_name);
    ae_free(checkpoint->tensors);
    ae_free(checkpoint->folder);
    ae_free(checkpoint);
}

// A file that was removed, or replaced by another of its name, is still mapped as it was.
static bool was_written(const struct stat *then, const struct stat *now) {
    return then->st_dev == now->st_dev && then->st_ino == now->st_ino &&
           (then->st_size != now->st_size || then->st_mtim.tv_sec != now->st_mtim.tv_sec ||
            then->st_mtim.tv_nsec != now->st_mtim.tv_nsec);
}

ae_status ae_checkpoint_check(const ae_checkpoint *checkpoint) {
    ae_status status = AE_OK;
    for (size_t i = 0; i < checkpoint->n_files && status == AE_OK; i++) {
        char *path = ae_path_join(checkpoint->folder, checkpoint->files[i].name);
        struct stat now;
        if (!path)
            status = ae_no_memory();
        else if (stat(path, &now) == 0 && was_written(&checkpoint->files[i].opened, &now))
            status = ae_fail(
                AE_ERR_IO,
                "'%s' was changed while it was in use: what was computed from it is not kept; run this again",
                path);
        ae_free(path);
    }
    return status;
}

size_t ae_checkpoint_count(const ae_checkpoint *checkpoint) {
    return checkpoint->count;
}

const ae_tensor *ae_checkpoint_at(const ae_checkpoint *checkpoint, size_t index) {
    return &checkpoint->tensors[index];
}

const ae_tensor *ae_checkpoint_find(const ae_checkpoint *checkpoint, const char *name) {
    return ae_tensor_lookup(checkpoint->by_name, checkpoint->count, name);
}

size_t ae_checkpoint_file_count(const ae_checkpoint *checkpoint) {
    return checkpoint->n_files;
}

const char *ae_checkpoint_file(const ae_checkpoint *checkpoint, size_t index) {
    return checkpoint->files[index].name;
}

bool ae_checkpoint_is_safetensors(const ae_checkpoint *checkpoint) {
    return checkpoint->n_files > 0 && checkpoint->files[0].safetensors != NULL;
}

int64_t ae_checkpoint_bytes(const ae_checkpoint *checkpoint) {
    return checkpoint->bytes;
}
