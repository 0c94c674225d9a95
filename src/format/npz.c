#include "format/npz.h"

#include <inttypes.h>
#include <string.h>
#include <utf8proc.h>
#include <zip.h> // minizip's

#include "base/file.h"
#include "base/memory.h"
#include "format/half.h"
#include "format/zip.h"

enum {
    MAGIC_BYTES = 6,
    MAX_NPY_HEADER = 64 * 1024, // the header of a plain array has about 100 bytes
    DESCR_BYTES = 32,
    CHUNK = 64 * 1024,
    DEFLATE_MOST = 1032, // deflate packs at most this many bytes into one
};

static const char magic[MAGIC_BYTES] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

struct ae_npz {
    ae_zip *zip;
};

// ---- the header of one array -----------------------------------------------------------------------

typedef struct array_header {
    char descr[DESCR_BYTES]; // "<f4"
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    int64_t elements;
} array_header;

// A reader of the little part of Python that a header is written in: {'descr': '<f4', 'shape': (2, 3), }
typedef struct parser {
    const char *path, *member, *text, *end;
} parser;

static ae_status malformed(const parser *p, const char *what) {
    ae_fail(AE_ERR_FORMAT, "'%s': the header of array '%s' is damaged: %s", p->path, p->member, what);
    return AE_ERR_FORMAT;
}

static void skip_space(parser *p) {
    while (p->text < p->end && (*p->text == ' ' || *p->text == '\n'))
        p->text++;
}

static bool accept(parser *p, const char *token) {
    skip_space(p);
    size_t length = strlen(token);
    if ((size_t)(p->end - p->text) < length || memcmp(p->text, token, length) != 0) return false;
    p->text += length;
    return true;
}

static ae_status parse_string(parser *p, char *out, size_t size) {
    skip_space(p);
    char quote = p->text < p->end ? *p->text : '\0';
    if (quote != '\'' && quote != '"') return malformed(p, "a string is missing");
    const char *begin = ++p->text, *close = memchr(begin, quote, (size_t)(p->end - begin));
    if (!close || (size_t)(close - begin) >= size)
        return malformed(p, "a string does not end, or is too long");
    memcpy(out, begin, (size_t)(close - begin));
    out[close - begin] = '\0';
    p->text = close + 1;
    return AE_OK;
}

static ae_status parse_shape(parser *p, array_header *out) {
    if (!accept(p, "(")) return malformed(p, "shape is not a tuple");
    for (out->n_dim = 0; !accept(p, ")"); out->n_dim++) {
        if (out->n_dim == AE_MAX_DIM)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' has more than %d dimensions", p->path,
                           p->member, AE_MAX_DIM);
        skip_space(p);
        int64_t extent = 0;
        const char *begin = p->text;
        for (; p->text < p->end && *p->text >= '0' && *p->text <= '9'; p->text++)
            if (__builtin_mul_overflow(extent, 10, &extent) ||
                __builtin_add_overflow(extent, *p->text - '0', &extent))
                return malformed(p, "shape has a number that is too large");
        if (p->text == begin) return malformed(p, "shape holds what is no number");
        out->shape[out->n_dim] = extent;
        if (accept(p, ",")) continue;
        if (!accept(p, ")")) return malformed(p, "shape does not end");
        out->n_dim++;
        break;
    }
    ae_tensor tensor = {.n_dim = out->n_dim};
    memcpy(tensor.shape, out->shape, sizeof tensor.shape);
    out->elements = ae_tensor_elements(&tensor);
    return out->elements < 0 ? malformed(p, "shape has more elements than can be addressed") : AE_OK;
}

static ae_status parse_header(parser *p, array_header *out) {
    bool have_descr = false, have_order = false, have_shape = false;
    if (!accept(p, "{")) return malformed(p, "it is not a dict");
    while (!accept(p, "}")) {
        char key[16];
        AE_TRY(parse_string(p, key, sizeof key));
        if (!accept(p, ":")) return malformed(p, "a key has no value");
        if (strcmp(key, "descr") == 0 && !have_descr) {
            have_descr = true;
            if (accept(p, "["))
                return ae_fail(AE_ERR_UNSUPPORTED,
                               "'%s': array '%s' has a structured type; plain numbers are read", p->path,
                               p->member);
            AE_TRY(parse_string(p, out->descr, sizeof out->descr));
        } else if (strcmp(key, "fortran_order") == 0 && !have_order) {
            have_order = true;
            if (accept(p, "True"))
                return ae_fail(AE_ERR_UNSUPPORTED,
                               "'%s': array '%s' is in Fortran order; save it with numpy.ascontiguousarray",
                               p->path, p->member);
            if (!accept(p, "False")) return malformed(p, "fortran_order is neither True nor False");
        } else if (strcmp(key, "shape") == 0 && !have_shape) {
            have_shape = true;
            AE_TRY(parse_shape(p, out));
        } else {
            return malformed(p, "a key is unknown, or there twice");
        }
        if (accept(p, ",")) continue;
        if (!accept(p, "}")) return malformed(p, "it does not end");
        break;
    }
    skip_space(p);
    if (p->text != p->end) return malformed(p, "something follows it");
    if (!have_descr || !have_order || !have_shape)
        return malformed(p, "descr, fortran_order or shape is missing");
    if (out->descr[0] == '>')
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' is big-endian ('%s'); save it little-endian",
                       p->path, p->member, out->descr);
    return AE_OK;
}

static const ae_zip_member *find(const ae_npz *file, const char *name, ae_status *status) {
    char *full = ae_format("%s.npy", name);
    *status = full ? AE_OK : ae_no_memory();
    const ae_zip_member *member = full ? ae_zip_find(file->zip, full) : NULL;
    ae_free(full);
    return member;
}

// Reads the header; the reader stands at the data, of which there are `elements` times *item bytes, no more
// and no less.
static ae_status read_header(const char *path, const char *name, ae_zip_reader *reader, array_header *out,
                             uint64_t *data_bytes) {
    parser p = {.path = path, .member = name};
    unsigned char start[MAGIC_BYTES + 2 + 4] = {0};
    uint64_t size = reader->member->size;
    if (size < sizeof start) return malformed(&p, "it is too short");
    AE_TRY(ae_zip_reader_read(reader, start, MAGIC_BYTES + 2 + 2));
    if (memcmp(start, magic, MAGIC_BYTES) != 0) return malformed(&p, "it does not begin with '\\x93NUMPY'");
    unsigned version = start[MAGIC_BYTES];
    if (version < 1 || version > 3 || start[MAGIC_BYTES + 1] != 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': array '%s' has format version %u.%u, read are 1.0, 2.0 and 3.0", path, name,
                       version, start[MAGIC_BYTES + 1]);
    size_t prefix = MAGIC_BYTES + 2 + 2;
    if (version >= 2) {
        AE_TRY(ae_zip_reader_read(reader, start + prefix, 2));
        prefix += 2;
    }
    size_t length = 0;
    for (size_t i = prefix; i > MAGIC_BYTES + 2; i--)
        length = length << 8 | start[i - 1];
    if (length > size - prefix || length > MAX_NPY_HEADER) return malformed(&p, "its length is out of range");
    char *text = ae_alloc(length + 1, 1);
    if (!text) return ae_no_memory();
    ae_status status = ae_zip_reader_read(reader, text, length);
    if (status == AE_OK) {
        p.text = text;
        p.end = text + length;
        status = parse_header(&p, out);
    }
    ae_free(text);
    *data_bytes = size - prefix - length;
    return status;
}

static ae_status check_data_size(const char *path, const char *name, const array_header *header, size_t item,
                                 uint64_t data_bytes) {
    uint64_t expected;
    char shape[AE_SHAPE_TEXT];
    if (__builtin_mul_overflow((uint64_t)header->elements, item, &expected) || expected != data_bytes)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': array '%s': %s of shape %s does not take the %" PRIu64 " bytes it has", path,
                       name, header->descr, ae_shape_text(header->n_dim, header->shape, shape), data_bytes);
    return AE_OK;
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

bool ae_npz_has(const ae_npz *file, const char *name) {
    ae_status status;
    return find(file, name, &status) != NULL;
}

static ae_status open_array(const ae_npz *file, const char *name, ae_zip_reader *reader, array_header *header,
                            uint64_t *data_bytes) {
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
    AE_TRY(ae_zip_reader_open(file->zip, member, reader));
    return read_header(path, name, reader, header, data_bytes);
}

/* descr without the byte order, C type, how an element becomes a double */
#define NUMBERS(X)                                                                                           \
    X(f8, double, element)                                                                                   \
    X(f4, float, element)                                                                                    \
    X(f2, uint16_t, ae_f16_to_float(element))                                                                \
    X(i8, int64_t, element)                                                                                  \
    X(i4, int32_t, element)                                                                                  \
    X(i2, int16_t, element)                                                                                  \
    X(i1, int8_t, element)                                                                                   \
    X(u8, uint64_t, element)                                                                                 \
    X(u4, uint32_t, element)                                                                                 \
    X(u2, uint16_t, element)                                                                                 \
    X(u1, uint8_t, element)                                                                                  \
    X(b1, uint8_t, element != 0)

#define NUMBER_CONVERSION(name, type, from)                                                                  \
    static void from_##name(const unsigned char *bytes, size_t n, double *out) {                             \
        for (size_t i = 0; i < n; i++) {                                                                     \
            type element;                                                                                    \
            memcpy(&element, bytes + i * sizeof element, sizeof element);                                    \
            out[i] = (double)(from);                                                                         \
        }                                                                                                    \
    }
NUMBERS(NUMBER_CONVERSION)
#undef NUMBER_CONVERSION

typedef struct number {
    const char *name;
    size_t size;
    void (*convert)(const unsigned char *bytes, size_t n, double *out);
} number;

static const number numbers[] = {
#define NUMBER_ROW(name, type, from) {#name, sizeof(type), from_##name},
    NUMBERS(NUMBER_ROW)
#undef NUMBER_ROW
};

static const number *find_number(const char *descr) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if ((descr[0] == '<' || (descr[0] == '|' && numbers[i].size == 1)) &&
            strcmp(descr + 1, numbers[i].name) == 0)
            return &numbers[i];
    return NULL;
}

static ae_status read_elements(ae_zip_reader *reader, const number *type, size_t n, double *out) {
    unsigned char chunk[CHUNK];
    for (size_t done = 0; done < n;) {
        size_t now = n - done < CHUNK / type->size ? n - done : CHUNK / type->size;
        AE_TRY(ae_zip_reader_read(reader, chunk, now * type->size));
        type->convert(chunk, now, out + done);
        done += now;
    }
    return AE_OK;
}

ae_status ae_npz_read_double(const ae_npz *file, const char *name, double **values, int *n_dim,
                             int64_t *shape) {
    const char *path = ae_zip_path(file->zip);
    ae_zip_reader reader = {0};
    array_header header = {0};
    uint64_t data_bytes = 0;
    double *result = NULL;
    ae_status status = open_array(file, name, &reader, &header, &data_bytes);
    const number *type = find_number(header.descr);
    if (status == AE_OK && !type)
        status = ae_fail(AE_ERR_UNSUPPORTED,
                         "'%s': array '%s' has type '%s', expected plain numbers such as '<f4'", path, name,
                         header.descr);
    if (status == AE_OK) status = check_data_size(path, name, &header, type->size, data_bytes);
    if (status == AE_OK) {
        result = ae_alloc((size_t)header.elements, sizeof *result);
        status = result ? read_elements(&reader, type, (size_t)header.elements, result) : ae_no_memory();
    }
    ae_status closed = ae_zip_reader_close(&reader);
    if (status == AE_OK) status = closed;
    if (status != AE_OK) {
        ae_free(result);
        return status;
    }
    *values = result;
    *n_dim = header.n_dim;
    memcpy(shape, header.shape, (size_t)header.n_dim * sizeof *shape);
    return AE_OK;
}

// '<U12': 12 code points of 4 bytes, the last ones 0 where the text is shorter.
static ae_status read_text(ae_zip_reader *reader, const char *path, const char *name,
                           const array_header *header, uint64_t data_bytes, ae_text *out) {
    if (header->descr[0] != '<' || header->descr[1] != 'U' || header->n_dim != 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': array '%s' has type '%s' and %d dimensions, expected one string ('<U')", path,
                       name, header->descr, header->n_dim);
    uint64_t points = 0;
    for (const char *digit = header->descr + 2; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || points > UINT32_MAX)
            return ae_fail(AE_ERR_FORMAT, "'%s': array '%s' has type '%s', which is not valid", path, name,
                           header->descr);
        points = 10 * points + (uint64_t)(*digit - '0');
    }
    AE_TRY(check_data_size(path, name, header, (size_t)points * 4, data_bytes));
    AE_TRY(ae_text_append(out, "", 0));
    size_t zeros = 0; // only those before another code point are part of the text
    for (uint64_t i = 0; i < points; i++) {
        unsigned char bytes[4];
        AE_TRY(ae_zip_reader_read(reader, bytes, sizeof bytes));
        uint32_t point =
            bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
        if (point == 0) {
            zeros++;
            continue;
        }
        if (zeros > 0 || point > 0x10ffff || !utf8proc_codepoint_valid((utf8proc_int32_t)point))
            return ae_fail(AE_ERR_FORMAT, "'%s': the string '%s' holds what is no character", path, name);
        utf8proc_uint8_t encoded[4];
        AE_TRY(ae_text_append(out, (const char *)encoded,
                              (size_t)utf8proc_encode_char((utf8proc_int32_t)point, encoded)));
    }
    return AE_OK;
}

ae_status ae_npz_read_string(const ae_npz *file, const char *name, char **text) {
    const char *path = ae_zip_path(file->zip);
    ae_zip_reader reader = {0};
    array_header header = {0};
    uint64_t data_bytes = 0;
    ae_text result = {0};
    ae_status status = open_array(file, name, &reader, &header, &data_bytes);
    if (status == AE_OK) status = read_text(&reader, path, name, &header, data_bytes, &result);
    ae_status closed = ae_zip_reader_close(&reader);
    if (status == AE_OK) status = closed;
    if (status != AE_OK) {
        ae_free(result.data);
        return status;
    }
    *text = result.data;
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
    AE_TRY_GOTO(done, ae_text_append(&header, magic, MAGIC_BYTES));
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
    size_t length = header.length - (MAGIC_BYTES + 4);
    header.data[MAGIC_BYTES + 2] = (char)(length & 0xff);
    header.data[MAGIC_BYTES + 3] = (char)(length >> 8);
    status = write_bytes(zip, path, header.data, header.length);
done:
    ae_free(header.data);
    return status;
}

static ae_status write_text(zipFile zip, const char *path, const char *text) {
    char descr[DESCR_BYTES];
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
