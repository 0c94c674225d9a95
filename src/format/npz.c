#include "format/npz.h"

#include <inttypes.h>
#include <string.h>
#include <zip.h> // minizip's

#include "base/file.h"
#include "base/memory.h"
#include "format/npy.h"
#include "format/zip.h"

enum {
    DEFLATE_MOST = 1032, // deflate packs at most this many bytes into one
};

struct ae_npz {
    ae_zip *zip;
};

static const ae_zip_member *find(const ae_npz *file, const char *name, ae_status *status) {
    char *full = ae_format("%s.npy", name);
    *status = full ? AE_OK : ae_no_memory();
    const ae_zip_member *member = full ? ae_zip_find(file->zip, full) : NULL;
    ae_free(full);
    return member;
}

// ---- reading ---------------------------------------------------------------------------------------

ae_status ae_npz_open(const char *path, ae_npz **out) {
    ae_npz *file = ae_alloc(1, sizeof *file);
    if (!file) return ae_no_memory();
    ae_status status = ae_zip_open(path, &file->zip);
    if (status != AE_OK) {
        ae_free(file);
        return status;
    }
    *out = file;
    return AE_OK;
}

void ae_npz_close(ae_npz *file) {
    if (!file) return;
    ae_zip_close(file->zip);
    ae_free(file);
}

// An array of the archive whose header is read. Don't move it while it is open.
typedef struct opened {
    ae_zip_reader reader;
    ae_npy_source source;
    ae_npy_header header;
} opened;

static ae_status read_member(void *from, void *bytes, size_t length) {
    return ae_zip_reader_read(from, bytes, length);
}

static ae_status open_array(const ae_npz *file, const char *name, opened *out) {
    const char *path = ae_zip_path(file->zip);
    ae_status status;
    const ae_zip_member *member = find(file, name, &status);
    if (status != AE_OK) return status;
    if (!member) return ae_fail(AE_ERR_NOT_FOUND, "'%s' has no array '%s'", path, name);
    if (member->size / DEFLATE_MOST > member->packed)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': array '%s' claims %" PRIu64 " bytes out of %" PRIu64
                       " compressed ones: it is damaged",
                       path, name, member->size, member->packed);
    AE_TRY(ae_zip_reader_open(file->zip, member, &out->reader));
    out->source = (ae_npy_source){
        .path = path, .name = name, .size = member->size, .read = read_member, .from = &out->reader};
    return ae_npy_read_header(&out->source, &out->header);
}

ae_status ae_npz_read_double(const ae_npz *file, const char *name, double **values, int *n_dim,
                             int64_t *shape) {
    opened from = {0};
    double *result = NULL;
    ae_status status = open_array(file, name, &from);
    if (status == AE_OK) status = ae_npy_read_values(&from.source, &from.header, &result);
    ae_status closed = ae_zip_reader_close(&from.reader);
    if (status == AE_OK) status = closed;
    if (status != AE_OK) {
        ae_free(result);
        return status;
    }
    *values = result;
    *n_dim = from.header.n_dim;
    memcpy(shape, from.header.shape, (size_t)from.header.n_dim * sizeof *shape);
    return AE_OK;
}

// ---- writing ---------------------------------------------------------------------------------------

// minizip opens files by name; these let it write into the stream that is already open.
static voidpf borrow_stream(voidpf opaque, const void *name, int mode) {
    (void)name;
    (void)mode;
    return opaque;
}

static int leave_stream(voidpf opaque, voidpf stream) {
    (void)opaque;
    (void)stream;
    return 0;
}

static ae_status cannot_write(const char *path) {
    return ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
}

static ae_status write_bytes(zipFile zip, const char *path, const void *bytes, size_t length) {
    for (const unsigned char *next = bytes; length > 0;) {
        unsigned now = length > 1u << 30 ? 1u << 30 : (unsigned)length;
        if (zipWriteInFileInZip(zip, next, now) != ZIP_OK) return cannot_write(path);
        next += now;
        length -= now;
    }
    return AE_OK;
}

// Version 1.0, padded with spaces to a multiple of 64 bytes, as numpy does.
static ae_status write_array_header(zipFile zip, const char *path, const char *descr, int n_dim,
                                    const int64_t *shape) {
    ae_text header = {0};
    ae_status status;
    AE_TRY_GOTO(done, ae_text_append(&header, AE_NPY_MAGIC, AE_NPY_MAGIC_BYTES));
    AE_TRY_GOTO(done, ae_text_append(&header, "\x01\x00\x00\x00", 4)); // version, length to come
    AE_TRY_GOTO(done, ae_text_printf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr));
    for (int i = 0; i < n_dim; i++)
        AE_TRY_GOTO(done, ae_text_printf(&header, "%" PRId64 "%s", shape[i],
                                         i + 1 < n_dim ? ", "
                                         : n_dim == 1  ? ","
                                                       : ""));
    AE_TRY_GOTO(done, ae_text_printf(&header, "), }"));
    int spaces = (int)(63 - header.length % 64);
    AE_TRY_GOTO(done, ae_text_printf(&header, "%*s\n", spaces, ""));
    size_t length = header.length - (AE_NPY_MAGIC_BYTES + 4);
    header.data[AE_NPY_MAGIC_BYTES + 2] = (char)(length & 0xff);
    header.data[AE_NPY_MAGIC_BYTES + 3] = (char)(length >> 8);
    status = write_bytes(zip, path, header.data, header.length);
done:
    ae_free(header.data);
    return status;
}

static ae_status write_text(zipFile zip, const char *path, const char *text) {
    char descr[AE_NPY_DESCR_BYTES];
    size_t length = strlen(text), points = length > 0 ? length : 1; // numpy has no strings of width 0
    snprintf(descr, sizeof descr, "<U%zu", points);
    AE_TRY(write_array_header(zip, path, descr, 0, NULL));
    for (size_t i = 0; i < points; i++) {
        const char point[4] = {i < length ? text[i] : '\0'};
        AE_TRY(write_bytes(zip, path, point, sizeof point));
    }
    return AE_OK;
}

static const char *descr_of(ae_dtype dtype) {
    switch (dtype) {
    case AE_F32:
        return "<f4";
    case AE_F64:
        return "<f8";
    case AE_I64:
        return "<i8";
    default:
        return NULL;
    }
}

static ae_status write_array(zipFile zip, const char *path, const ae_npz_array *array) {
    char *name = ae_format("%s.npy", array->name);
    if (!name) return ae_no_memory();
    zip_fileinfo info = {.dosDate = (1u << 5 | 1u)
                                    << 16}; // 1980-01-01, as numpy: the same arrays, the same bytes
    int code = zipOpenNewFileInZip64(zip, name, &info, NULL, 0, NULL, 0, NULL, 0, 0, 1);
    ae_free(name);
    if (code != ZIP_OK) return cannot_write(path);
    if (array->text) {
        AE_TRY(write_text(zip, path, array->text));
    } else {
        ae_tensor tensor = {.n_dim = array->n_dim};
        memcpy(tensor.shape, array->shape, sizeof tensor.shape);
        AE_TRY(write_array_header(zip, path, descr_of(array->dtype), array->n_dim, array->shape));
        AE_TRY(write_bytes(zip, path, array->data,
                           (size_t)ae_tensor_elements(&tensor) * ae_dtype_size(array->dtype)));
    }
    return zipCloseFileInZip(zip) == ZIP_OK ? AE_OK : cannot_write(path);
}

static ae_status check_array(const char *path, const ae_npz_array *array) {
    if (array->text) {
        for (const char *c = array->text; *c; c++)
            if ((unsigned char)*c > 127)
                return ae_fail(AE_ERR_ARGUMENT, "'%s': array '%s': the text '%s' is not ASCII", path,
                               array->name, array->text);
        return AE_OK;
    }
    if (!descr_of(array->dtype))
        return ae_fail(AE_ERR_ARGUMENT, "'%s': array '%s': type %s is not written, F32, F64 and I64 are",
                       path, array->name, ae_dtype_name(array->dtype));
    ae_tensor tensor = {.n_dim = array->n_dim};
    memcpy(tensor.shape, array->shape, sizeof tensor.shape);
    int64_t elements = ae_tensor_elements(&tensor);
    size_t bytes;
    if (elements < 0 || __builtin_mul_overflow((size_t)elements, ae_dtype_size(array->dtype), &bytes))
        return ae_fail(AE_ERR_ARGUMENT, "'%s': array '%s': the shape is not valid", path, array->name);
    if (elements > 0 && !array->data)
        return ae_fail(AE_ERR_ARGUMENT, "'%s': array '%s' has no data", path, array->name);
    return AE_OK;
}

ae_status ae_npz_write(const char *path, const ae_npz_array *arrays, size_t count) {
    for (size_t i = 0; i < count; i++)
        AE_TRY(check_array(path, &arrays[i]));
    ae_atomic_file file = {0};
    AE_TRY(ae_atomic_open(path, &file));
    zlib_filefunc64_def functions;
    fill_fopen64_filefunc(&functions);
    functions.zopen64_file = borrow_stream;
    functions.zclose_file = leave_stream;
    functions.opaque = file.stream;
    zipFile zip = zipOpen2_64(path, APPEND_STATUS_CREATE, NULL, &functions);
    ae_status status = zip ? AE_OK : cannot_write(path);
    for (size_t i = 0; status == AE_OK && i < count; i++)
        status = write_array(zip, path, &arrays[i]);
    if (zip && zipClose(zip, NULL) != ZIP_OK && status == AE_OK) status = cannot_write(path);
    if (status == AE_OK) return ae_atomic_commit(&file);
    ae_atomic_abandon(&file);
    return status;
}
