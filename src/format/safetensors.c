#include "format/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100 * 1000 * 1000 };

struct ae_safetensors {
    ae_map map; // empty where the bytes are the caller's
    char *path;
    json_t *header; // owns the metadata; names are copies in `arena`
    ae_arena *arena;
    ae_tensor *tensors; // by offset
    const ae_tensor **by_name;
    size_t count;
};

// ---- reading ---------------------------------------------------------------------------------------

static ae_status read_shape(const char *path, const json_t *entry, ae_tensor *tensor) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': shape is %s, expected an array of integers", path,
                       tensor->name, ae_json_type_name(shape));
    if (json_array_size(shape) > AE_MAX_DIM)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': tensor '%s' has %zu dimensions, at most %d are supported",
                       path, tensor->name, json_array_size(shape), AE_MAX_DIM);
    tensor->n_dim = (int)json_array_size(shape);
    for (int i = 0; i < tensor->n_dim; i++) {
        const json_t *extent = json_array_get(shape, (size_t)i);
        if (!json_is_integer(extent))
            return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': shape[%d] is %s, expected an integer", path,
                           tensor->name, i, ae_json_type_name(extent));
        tensor->shape[i] = json_integer_value(extent);
        if (tensor->shape[i] < 0)
            return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': shape[%d] is %lld, expected 0 or more", path,
                           tensor->name, i, (long long)tensor->shape[i]);
    }
    return AE_OK;
}

static ae_status read_offsets(const char *path, const json_t *entry, ae_tensor *tensor, size_t data_size) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': data_offsets must be two integers [begin, end]",
                       path, tensor->name);
    int64_t from = json_integer_value(begin), to = json_integer_value(end);
    if (from < 0 || to < from)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s': data_offsets [%" PRId64 ", %" PRId64 "] are not a range", path,
                       tensor->name, from, to);
    if ((uint64_t)to > data_size)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s' ends at byte %" PRId64
                       " of the data, but the file holds only %zu bytes of "
                       "data: it is cut short; get it again",
                       path, tensor->name, to, data_size);
    tensor->offset = (uint64_t)from;
    tensor->n_bytes = (size_t)(to - from);
    return AE_OK;
}

static ae_status read_tensor(const char *path, const json_t *entry, ae_tensor *tensor, size_t data_size) {
    if (!json_is_object(entry))
        return ae_fail(AE_ERR_FORMAT, "'%s': the entry of tensor '%s' is %s, expected an object", path,
                       tensor->name, ae_json_type_name(entry));
    const json_t *type = json_object_get(entry, "dtype");
    if (!json_is_string(type))
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': dtype is %s, expected a string", path, tensor->name,
                       ae_json_type_name(type));
    if (!ae_dtype_parse(json_string_value(type), &tensor->dtype))
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': tensor '%s' has dtype '%s', supported are %s", path,
                       tensor->name, json_string_value(type), ae_dtype_list());
    AE_TRY(read_shape(path, entry, tensor));
    AE_TRY(read_offsets(path, entry, tensor, data_size));

    char text[AE_SHAPE_TEXT];
    int64_t elements = ae_tensor_elements(tensor);
    size_t expected;
    if (elements < 0 || __builtin_mul_overflow((size_t)elements, ae_dtype_size(tensor->dtype), &expected))
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': shape %s has more elements than can be addressed",
                       path, tensor->name, ae_shape_text(tensor->n_dim, tensor->shape, text));
    if (expected != tensor->n_bytes)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s': %s of shape %s takes %zu bytes, data_offsets give %zu", path,
                       tensor->name, ae_dtype_name(tensor->dtype),
                       ae_shape_text(tensor->n_dim, tensor->shape, text), expected, tensor->n_bytes);
    return AE_OK;
}

static int compare_offsets(const void *a, const void *b) {
    const ae_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes < y->n_bytes ? -1 : 1; // empty tensors before what follows them
    return strcmp(x->name, y->name);
}

// The tensors, by offset, must cover the data exactly: no byte twice, no byte unused.
static ae_status check_cover(const ae_safetensors *file, size_t data_size) {
    uint64_t covered = 0;
    for (size_t i = 0; i < file->count; i++) {
        const ae_tensor *tensor = &file->tensors[i];
        if (tensor->offset < covered)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s': tensors '%s' and '%s' overlap at byte %" PRIu64 " of the data", file->path,
                           file->tensors[i - 1].name, tensor->name, tensor->offset);
        if (tensor->offset > covered)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s': bytes %" PRIu64 " to %" PRIu64
                           " of the data, before tensor '%s', belong to no tensor",
                           file->path, covered, tensor->offset, tensor->name);
        covered = tensor->offset + tensor->n_bytes;
    }
    if (covered != data_size)
        return ae_fail(AE_ERR_FORMAT, "'%s': the last %" PRIu64 " bytes belong to no tensor", file->path,
                       data_size - covered);
    return AE_OK;
}

static ae_status check_metadata(const char *path, const json_t *metadata) {
    if (!metadata) return AE_OK;
    if (!json_is_object(metadata))
        return ae_fail(AE_ERR_FORMAT, "'%s': __metadata__ is %s, expected an object of strings", path,
                       ae_json_type_name(metadata));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value))
            return ae_fail(AE_ERR_FORMAT, "'%s': __metadata__ field '%s' is %s, expected a string", path, key,
                           ae_json_type_name(value));
    }
    return AE_OK;
}

static ae_status read_header(ae_safetensors *file, const unsigned char *bytes, size_t size) {
    const char *path = file->path;
    if (size < LENGTH_BYTES)
        return ae_fail(AE_ERR_FORMAT, "'%s' has %zu bytes: too short for a safetensors file; get it again",
                       path, size);
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > size - LENGTH_BYTES)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': its first 8 bytes announce a header of %" PRIu64
                       " bytes, but the file has only %zu: it is "
                       "cut short, or not a safetensors file",
                       path, length, size);
    if (length > MAX_HEADER)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': a header of %" PRIu64 " bytes is larger than the %d that the format allows",
                       path, length, MAX_HEADER);
    const char *text = (const char *)bytes + LENGTH_BYTES;
    if (length == 0 || text[0] != '{')
        return ae_fail(AE_ERR_FORMAT, "'%s': the header does not begin with '{': not a safetensors file",
                       path);
    AE_TRY(ae_json_parse(path, text, (size_t)length, &file->header));

    size_t data_size = size - LENGTH_BYTES - (size_t)length;
    const unsigned char *data = bytes + LENGTH_BYTES + length;
    const json_t *metadata = json_object_get(file->header, "__metadata__");
    AE_TRY(check_metadata(path, metadata));
    file->tensors = ae_alloc(json_object_size(file->header), sizeof *file->tensors);
    if (!file->tensors) return ae_no_memory();
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry) {
        if (entry == metadata) continue;
        ae_tensor *tensor = &file->tensors[file->count++];
        tensor->name = ae_arena_strdup(file->arena, name);
        if (!tensor->name) return ae_no_memory();
        AE_TRY(read_tensor(path, entry, tensor, data_size));
        tensor->data = data + tensor->offset;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_offsets);
    AE_TRY(check_cover(file, data_size));
    for (size_t i = 0; i < file->count; i++)
        file->tensors[i].offset +=
            LENGTH_BYTES + length; // from the start of the data to the start of the file
    file->by_name = ae_tensor_sort(file->tensors, file->count);
    return file->by_name ? AE_OK : ae_no_memory();
}

// Takes `map`, which is empty where `bytes` are the caller's.
static ae_status open_bytes(const char *path, ae_map map, const unsigned char *bytes, size_t size,
                            ae_safetensors **out) {
    ae_safetensors *file = ae_alloc(1, sizeof *file);
    if (!file) {
        ae_map_close(&map);
        return ae_no_memory();
    }
    file->map = map;
    ae_status status;
    AE_TRY_GOTO(fail, ae_arena_new(&file->arena));
    file->path = ae_arena_strdup(file->arena, path);
    AE_TRY_GOTO(fail, file->path ? AE_OK : ae_no_memory());
    AE_TRY_GOTO(fail, read_header(file, bytes, size));
    *out = file;
    return AE_OK;
fail:
    ae_safetensors_close(file);
    return status;
}

ae_status ae_safetensors_open(const char *path, ae_safetensors **out) {
    ae_map map;
    AE_TRY(ae_map_open(path, &map));
    return open_bytes(path, map, map.data, map.size, out);
}

ae_status ae_safetensors_open_memory(const char *name, const void *bytes, size_t size, ae_safetensors **out) {
    return open_bytes(name, (ae_map){0}, bytes, size, out);
}

void ae_safetensors_close(ae_safetensors *file) {
    if (!file) return;
    ae_free(file->by_name);
    ae_free(file->tensors);
    json_decref(file->header);
    ae_arena_free(file->arena);
    ae_map_close(&file->map);
    ae_free(file);
}

size_t ae_safetensors_count(const ae_safetensors *file) {
    return file->count;
}

const ae_tensor *ae_safetensors_at(const ae_safetensors *file, size_t index) {
    return &file->tensors[index];
}

const ae_tensor *ae_safetensors_find(const ae_safetensors *file, const char *name) {
    return ae_tensor_lookup(file->by_name, file->count, name);
}

const json_t *ae_safetensors_metadata(const ae_safetensors *file) {
    return json_object_get(file->header, "__metadata__");
}

// ---- writing ---------------------------------------------------------------------------------------

// The header's entry of `tensor`, whose data begins at *offset; moves *offset behind it.
static ae_status add_entry(json_t *header, const ae_tensor *tensor, int64_t *offset) {
    const char *name = tensor->name;
    int64_t elements = ae_tensor_elements(tensor);
    size_t expected;
    if (elements < 0 || __builtin_mul_overflow((size_t)elements, ae_dtype_size(tensor->dtype), &expected) ||
        expected != tensor->n_bytes) {
        char text[AE_SHAPE_TEXT];
        return ae_fail(AE_ERR_ARGUMENT, "tensor '%s': %zu bytes do not fit %s of shape %s", name,
                       tensor->n_bytes, ae_dtype_name(tensor->dtype),
                       ae_shape_text(tensor->n_dim, tensor->shape, text));
    }
    if (json_object_get(header, name) || strcmp(name, "__metadata__") == 0)
        return ae_fail(AE_ERR_ARGUMENT, "tensor '%s': the name is already taken", name);
    int64_t end;
    if (__builtin_add_overflow(*offset, (int64_t)tensor->n_bytes, &end))
        return ae_fail(AE_ERR_ARGUMENT, "tensor '%s': the file would be too large", name);
    json_t *shape = json_array();
    bool stored = shape != NULL;
    for (int i = 0; i < tensor->n_dim; i++)
        stored = stored && json_array_append_new(shape, json_integer(tensor->shape[i])) == 0;
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", ae_dtype_name(tensor->dtype), "shape", shape,
                              "data_offsets", (json_int_t)*offset, (json_int_t)end);
    if (!stored || !entry) {
        json_decref(entry);
        return ae_fail(AE_ERR_MEMORY, "out of memory while writing the header of tensor '%s'", name);
    }
    if (json_object_set_new(header, name, entry) != 0)
        return ae_fail(AE_ERR_ARGUMENT, "tensor '%s': the name is not valid UTF-8", name);
    *offset = end;
    return AE_OK;
}

ae_status ae_safetensors_header(const ae_tensor *tensors, size_t count, const json_t *metadata, char **bytes,
                                size_t *length) {
    AE_TRY(check_metadata("the header to be written", metadata));
    json_t *header = json_object();
    char *text = NULL, *result = NULL;
    ae_status status = AE_OK;
    if (!header ||
        (metadata && json_object_set(header, "__metadata__", (json_t *)(uintptr_t)metadata) != 0)) {
        status = ae_fail(AE_ERR_MEMORY, "out of memory while writing a safetensors header");
        goto done;
    }
    int64_t offset = 0;
    for (size_t i = 0; i < count; i++)
        AE_TRY_GOTO(done, add_entry(header, &tensors[i], &offset));
    text = ae_json_dump(header, 0);
    AE_TRY_GOTO(done, text ? AE_OK : ae_no_memory());
    size_t used = strlen(text), padded = (used + 7) / 8 * 8;
    if (padded > MAX_HEADER) {
        status =
            ae_fail(AE_ERR_ARGUMENT, "a header of %zu bytes is larger than the %d that safetensors allows",
                    padded, MAX_HEADER);
        goto done;
    }
    result = ae_alloc(LENGTH_BYTES + padded, 1);
    AE_TRY_GOTO(done, result ? AE_OK : ae_no_memory());
    for (int i = 0; i < LENGTH_BYTES; i++)
        result[i] = (char)(padded >> (8 * i) & 0xff);
    memcpy(result + LENGTH_BYTES, text, used);
    memset(result + LENGTH_BYTES + used, ' ', padded - used);
    *bytes = result;
    *length = LENGTH_BYTES + padded;
done:
    ae_free(text);
    json_decref(header);
    return status;
}

ae_status ae_safetensors_write(const char *path, const ae_tensor *tensors, size_t count,
                               const json_t *metadata) {
    for (size_t i = 0; i < count; i++)
        if (!tensors[i].data && tensors[i].n_bytes > 0)
            return ae_fail(AE_ERR_ARGUMENT, "'%s': tensor '%s' has no data", path, tensors[i].name);
    char *header = NULL;
    size_t length;
    ae_status status = ae_safetensors_header(tensors, count, metadata, &header, &length);
    if (status != AE_OK) return ae_fail_context(status, "'%s'", path);
    ae_atomic_file file = {0};
    AE_TRY_GOTO(done, ae_atomic_open(path, &file));
    bool written = fwrite(header, 1, length, file.stream) == length;
    for (size_t i = 0; written && i < count; i++)
        written = tensors[i].n_bytes == 0 ||
                  fwrite(tensors[i].data, 1, tensors[i].n_bytes, file.stream) == tensors[i].n_bytes;
    if (!written) {
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
        ae_atomic_abandon(&file);
        goto done;
    }
    status = ae_atomic_commit(&file);
done:
    ae_free(header);
    return status;
}
