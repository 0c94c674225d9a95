#include "format/torch_bin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "format/torch_pickle.h"
#include "format/zip.h"

// A state dict's pickle takes about 200 bytes a tensor; values made from it take up to 64 times its size.
enum { MAX_PICKLE = 16 * 1024 * 1024 };

struct ae_torch_bin {
    ae_zip *zip;
    ae_arena *arena; // names
    ae_tensor *tensors;
    size_t count;
};

// torch before 1.6 wrote pickles one after the other: first its magic number, as protocol 2's LONG1.
static ae_status refuse_old_format(const char *path) {
    static const unsigned char magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20};
    ae_map map;
    AE_TRY(ae_map_open(path, &map));
    bool old = map.size >= sizeof magic && memcmp(map.data, magic, sizeof magic) == 0;
    ae_map_close(&map);
    if (!old) return AE_OK;
    return ae_fail(
        AE_ERR_UNSUPPORTED,
        "'%s' is in torch's format of before version 1.6, which is not read; convert it once: python -c "
        "\"import sys, torch; f = sys.argv[1]; torch.save(torch.load(f, map_location='cpu'), f)\" FILE",
        path);
}

// "archive" of "archive/data.pkl"; the folder is named after the file that was written.
static ae_status find_root(const ae_torch_bin *file, const char **root, size_t *length) {
    static const char tail[] = "/data.pkl";
    const char *found = NULL;
    for (size_t i = 0; i < ae_zip_count(file->zip); i++) {
        const char *name = ae_zip_at(file->zip, i)->name, *slash = strchr(name, '/');
        if (!slash || strcmp(slash, tail) != 0) continue;
        if (found)
            return ae_fail(AE_ERR_FORMAT, "'%s' holds both '%s' and '%s'", ae_zip_path(file->zip), found,
                           name);
        found = name;
    }
    if (!found)
        return ae_fail(AE_ERR_FORMAT, "'%s' is a zip archive without data.pkl: not a torch checkpoint",
                       ae_zip_path(file->zip));
    *root = found;
    *length = strlen(found) - strlen(tail);
    return AE_OK;
}

// The member root/name; NULL where it is not there. *status tells of lack of memory.
static const ae_zip_member *find_member(const ae_torch_bin *file, const char *root, size_t length,
                                        const char *name, ae_status *status) {
    char *full = ae_format("%.*s/%s", (int)length, root, name);
    *status = full ? AE_OK : ae_no_memory();
    const ae_zip_member *member = full ? ae_zip_find(file->zip, full) : NULL;
    ae_free(full);
    return member;
}

// Refuses what is a torch archive but no little-endian state dict.
static ae_status check_kind(const ae_torch_bin *file, const char *root, size_t length) {
    ae_status status;
    const ae_zip_member *member = find_member(file, root, length, "constants.pkl", &status);
    if (status != AE_OK) return status;
    if (member)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s' is a TorchScript program, not a state dict: it is not run",
                       ae_zip_path(file->zip));
    member = find_member(file, root, length, "byteorder", &status);
    if (!member) return status; // archives of before torch 2.1 are little-endian
    const unsigned char *order;
    AE_TRY(ae_zip_stored(file->zip, member, &order, NULL));
    if (member->size != 6 || memcmp(order, "little", 6) != 0)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s' is of byte order '%.*s', only 'little' is read",
                       ae_zip_path(file->zip), member->size < 20 ? (int)member->size : 20,
                       (const char *)order);
    return AE_OK;
}

static ae_status check_pickle(const ae_torch_bin *file, const ae_zip_member *member,
                              const unsigned char *bytes) {
    const char *path = ae_zip_path(file->zip);
    if (member->size > MAX_PICKLE)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': a data.pkl of %" PRIu64 " bytes, at most %d are read", path,
                       member->size, MAX_PICKLE);
    // torch.serialization.set_crc32_options(False) leaves the checksums out: zero.
    if (member->crc != 0 && crc32(0, bytes, (uInt)member->size) != member->crc)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': the checksum of member '%s' is wrong: the file is damaged; get it again", path,
                       member->name);
    return AE_OK;
}

// An extent of 1 is never stepped over, so its stride says nothing; nor do those of a tensor without
// elements.
static bool is_contiguous(const ae_torch_entry *entry) {
    int64_t stride = 1;
    for (int i = entry->n_dim - 1; i >= 0; i--) {
        if (entry->shape[i] != 1 && entry->stride[i] != stride) return false;
        stride *= entry->shape[i];
    }
    return true;
}

static ae_status place_tensor(const ae_torch_bin *file, const char *root, size_t length,
                              const ae_torch_entry *entry, ae_tensor *tensor) {
    const char *path = ae_zip_path(file->zip), *name = entry->name;
    char shape[AE_SHAPE_TEXT], strides[AE_SHAPE_TEXT];
    tensor->name = name;
    tensor->dtype = entry->dtype;
    tensor->n_dim = entry->n_dim;
    memcpy(tensor->shape, entry->shape, sizeof tensor->shape);
    ae_shape_text(entry->n_dim, entry->shape, shape);
    int64_t elements = ae_tensor_elements(tensor), end;
    if (elements < 0)
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': shape %s is not valid", path, name, shape);
    if (elements > 0 && !is_contiguous(entry))
        return ae_fail(
            AE_ERR_UNSUPPORTED,
            "'%s': tensor '%s' of shape %s has strides %s: it is transposed or a view, which is not read; "
            "make it contiguous and save again",
            path, name, shape, ae_shape_text(entry->n_dim, entry->stride, strides));
    if (entry->offset < 0 || __builtin_add_overflow(entry->offset, elements, &end) ||
        end > entry->storage_elements)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s': shape %s from element %" PRId64
                       " on does not fit its storage of %" PRId64 " elements",
                       path, name, shape, entry->offset, entry->storage_elements);

    ae_text member_name = {0};
    ae_status status = ae_text_printf(&member_name, "data/%s", entry->storage);
    const ae_zip_member *member = NULL;
    if (status == AE_OK) member = find_member(file, root, length, member_name.data, &status);
    ae_free(member_name.data);
    if (status != AE_OK) return status;
    if (!member)
        return ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s': its storage 'data/%s' is not in the archive", path,
                       name, entry->storage);
    size_t item = ae_dtype_size(entry->dtype), needed;
    if (__builtin_mul_overflow((size_t)entry->storage_elements, item, &needed) || needed > member->size)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': tensor '%s': its storage should have %" PRId64
                       " elements of %s, but '%s' has %" PRIu64 " bytes",
                       path, name, entry->storage_elements, ae_dtype_name(entry->dtype), member->name,
                       member->size);
    const unsigned char *data;
    uint64_t offset;
    AE_TRY(ae_zip_stored(file->zip, member, &data, &offset));
    tensor->data = data + (size_t)entry->offset * item;
    tensor->offset = offset + (uint64_t)entry->offset * item;
    tensor->n_bytes = (size_t)elements * item;
    return AE_OK;
}

// Tensors that share a storage from the same byte on stay in name order.
static int compare_offsets(const void *a, const void *b) {
    const ae_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return strcmp(x->name, y->name);
}

static ae_status check_names(const ae_torch_bin *file) {
    const ae_tensor **sorted = ae_tensor_sort(file->tensors, file->count);
    if (!sorted) return ae_no_memory();
    ae_status status = AE_OK;
    for (size_t i = 1; status == AE_OK && i < file->count; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = ae_fail(AE_ERR_FORMAT, "'%s': tensor '%s' is there twice", ae_zip_path(file->zip),
                             sorted[i]->name);
    ae_free(sorted);
    return status;
}

static ae_status read_archive(ae_torch_bin *file) {
    const char *root = NULL;
    size_t length = 0, count = 0;
    ae_torch_entry *entries = NULL;
    AE_TRY(find_root(file, &root, &length));
    AE_TRY(check_kind(file, root, length));
    const ae_zip_member *member = ae_zip_find(file->zip, root);
    const unsigned char *pickle;
    AE_TRY(ae_zip_stored(file->zip, member, &pickle, NULL));
    AE_TRY(check_pickle(file, member, pickle));
    AE_TRY(ae_torch_unpickle(ae_zip_path(file->zip), pickle, (size_t)member->size, file->arena, &entries,
                             &count));
    file->tensors = ae_alloc(count, sizeof *file->tensors);
    if (!file->tensors) return ae_no_memory();
    for (size_t i = 0; i < count; i++)
        AE_TRY(place_tensor(file, root, length, &entries[i], &file->tensors[i]));
    file->count = count;
    qsort(file->tensors, count, sizeof *file->tensors, compare_offsets);
    return check_names(file);
}

ae_status ae_torch_bin_open(const char *path, ae_torch_bin **out) {
    AE_TRY(refuse_old_format(path));
    ae_torch_bin *file = ae_alloc(1, sizeof *file);
    if (!file) return ae_no_memory();
    ae_status status;
    AE_TRY_GOTO(fail, ae_zip_open(path, &file->zip));
    AE_TRY_GOTO(fail, ae_arena_new(&file->arena));
    AE_TRY_GOTO(fail, read_archive(file));
    *out = file;
    return AE_OK;
fail:
    ae_torch_bin_close(file);
    return status;
}

void ae_torch_bin_close(ae_torch_bin *file) {
    if (!file) return;
    ae_free(file->tensors);
    ae_arena_free(file->arena);
    ae_zip_close(file->zip);
    ae_free(file);
}

size_t ae_torch_bin_count(const ae_torch_bin *file) {
    return file->count;
}

const ae_tensor *ae_torch_bin_at(const ae_torch_bin *file, size_t index) {
    return &file->tensors[index];
}
