#include "format/npz.h"

#include <inttypes.h>
#include <string.h>
#include <utf8proc.h>
#include <zip.h>

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

// ---- the header of one array ------------------------------------------------------------------------------------

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
    if (!close || (size_t)(close - begin) >= size) return malformed(p, "a string does not end, or is too long");
    memcpy(out, begin, (size_t)(close - begin));
    out[close - begin] = '\0';
    p->text = close + 1;
    return AE_OK;
}

static ae_status parse_shape(parser *p, array_header *out) {
    if (!accept(p, "(")) return malformed(p, "shape is not a tuple");
    for (out->n_dim = 0; !accept(p, ")"); out->n_dim++) {
        if (out->n_dim == AE_MAX_DIM)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' has more than %d dimensions", p->path, p->member,
                           AE_MAX_DIM);
        skip_space(p);
        int64_t extent = 0;
        const char *begin = p->text;
        for (; p->text < p->end && *p->text >= '0' && *p->text <= '9'; p->text++)
            if (__builtin_mul_overflow(extent, 10, &extent) || __builtin_add_overflow(extent, *p->text - '0', &extent))
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
                return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' has a structured type; plain numbers are read",
                               p->path, p->member);
            AE_TRY(parse_string(p, out->descr, sizeof out->descr));
        } else if (strcmp(key, "fortran_order") == 0 && !have_order) {
            have_order = true;
            if (accept(p, "True"))
                return ae_fail(AE_ERR_UNSUPPORTED,
                               "'%s': array '%s' is in Fortran order; save it with numpy.ascontiguousarray", p->path,
                               p->member);
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
    if (!have_descr || !have_order || !have_shape) return malformed(p, "descr, fortran_order or shape is missing");
    if (out->descr[0] == '>')
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' is big-endian ('%s'); save it little-endian", p->path,
                       p->member, out->descr);
    return AE_OK;
}

static const ae_zip_member *find(const ae_npz *file, const char *name, ae_status *status) {
    char *full = ae_format("%s.npy", name);
    *status = full ? AE_OK : ae_no_memory();
    const ae_zip_member *member = full ? ae_zip_find(file->zip, full) : NULL;
    ae_free(full);
    return member;
}

// Reads the header; the reader stands at the data, of which there are `elements` times *item bytes, no more and no less.
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
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' has format version %u.%u, read are 1.0, 2.0 and 3.0", path,
                       name, version, start[MAGIC_BYTES + 1]);
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
        return ae_fail(AE_ERR_FORMAT, "'%s': array '%s': %s of shape %s does not take the %" PRIu64 " bytes it has", path,
                       name, header->descr, ae_shape_text(header->n_dim, header->shape, shape), data_bytes);
    return AE_OK;
}

// ---- reading ------------------------------------------------------------------------------------------------------

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
                       "'%s': array '%s' claims %" PRIu64 " bytes out of %" PRIu64 " compressed ones: it is damaged", path,
                       name, member->size, member->packed);
    AE_TRY(ae_zip_reader_open(file->zip, member, reader));
    return read_header(path, name, reader, header, data_bytes);
}

#define ELEMENTS(type, from)                                                                                 \
    for (size_t i = 0; i < n; i++) {                                                                         \
        type element;                                                                                        \
        memcpy(&element, bytes + i * sizeof element, sizeof element);                                        \
        out[i] = (double)(from);                                                                             \
    }

/* descr without the byte order, C type, how it becomes a double */
#define NUMBERS(X)                                                                                           \
    X("f8", double, element)                                                                                 \
    X("f4", float, element)                                                                                  \
    X("f2", uint16_t, ae_f16_to_float(element))                                                              \
    X("i8", int64_t, element)                                                                                \
    X("i4", int32_t, element)                                                                                \
    X("i2", int16_t, element)                                                                                \
    X("i1", int8_t, element)                                                                                 \
    X("u8", uint64_t, element)                                                                               \
    X("u4", uint32_t, element)                                                                               \
    X("u2", uint16_t, element)                                                                               \
    X("u1", uint8_t, element)                                                                                \
    X("b1", uint8_t, element != 0)

#define NUMBER_CONVERSION(name, type, from)                                                                  \
    static void convert_##type##_##name(const unsigned char *bytes, size_t n, double *out) {                 \
        ELEMENTS(type, from)                                                                                 \
    }

typedef void (*conversion)(const unsigned char *bytes, size_t n, double *out);
