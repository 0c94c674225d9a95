#include "format/npy.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "format/half.h"

enum {
    MAX_HEADER = 64 * 1024, // the header of a plain array has about 100 bytes
    CHUNK = 64 * 1024,
};

// ---- the header of one array -----------------------------------------------------------------------

// A reader of the little part of Python that a header is written in: {'descr': '<f4', 'shape': (2, 3), }
typedef struct parser {
    const char *path, *name, *text, *end;
} parser;

static ae_status malformed(const parser *p, const char *what) {
    ae_fail(AE_ERR_FORMAT, "'%s': the header of array '%s' is damaged: %s", p->path, p->name, what);
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

static ae_status parse_shape(parser *p, ae_npy_header *out) {
    if (!accept(p, "(")) return malformed(p, "shape is not a tuple");
    for (out->n_dim = 0; !accept(p, ")"); out->n_dim++) {
        if (out->n_dim == AE_MAX_DIM)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': array '%s' has more than %d dimensions", p->path,
                           p->name, AE_MAX_DIM);
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

static ae_status parse_header(parser *p, ae_npy_header *out) {
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
                               p->name);
            AE_TRY(parse_string(p, out->descr, sizeof out->descr));
        } else if (strcmp(key, "fortran_order") == 0 && !have_order) {
            have_order = true;
            if (accept(p, "True"))
                return ae_fail(AE_ERR_UNSUPPORTED,
                               "'%s': array '%s' is in Fortran order; save it with numpy.ascontiguousarray",
                               p->path, p->name);
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
                       p->path, p->name, out->descr);
    return AE_OK;
}

ae_status ae_npy_read_header(const ae_npy_source *source, ae_npy_header *out) {
    parser p = {.path = source->path, .name = source->name};
    unsigned char start[AE_NPY_MAGIC_BYTES + 2 + 4] = {0};
    if (source->size < sizeof start) return malformed(&p, "it is too short");
    AE_TRY(source->read(source->from, start, AE_NPY_MAGIC_BYTES + 2 + 2));
    if (memcmp(start, AE_NPY_MAGIC, AE_NPY_MAGIC_BYTES) != 0)
        return malformed(&p, "it does not begin with '\\x93NUMPY'");
    unsigned version = start[AE_NPY_MAGIC_BYTES];
    if (version < 1 || version > 3 || start[AE_NPY_MAGIC_BYTES + 1] != 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': array '%s' has format version %u.%u, read are 1.0, 2.0 and 3.0", p.path, p.name,
                       version, start[AE_NPY_MAGIC_BYTES + 1]);
    size_t prefix = AE_NPY_MAGIC_BYTES + 2 + 2;
    if (version >= 2) {
        AE_TRY(source->read(source->from, start + prefix, 2));
        prefix += 2;
    }
    size_t length = 0;
    for (size_t i = prefix; i > AE_NPY_MAGIC_BYTES + 2; i--)
        length = length << 8 | start[i - 1];
    if (length > source->size - prefix || length > MAX_HEADER)
        return malformed(&p, "its length is out of range");
    char *text = ae_alloc(length + 1, 1);
    if (!text) return ae_no_memory();
    ae_status status = source->read(source->from, text, length);
    if (status == AE_OK) {
        p.text = text;
        p.end = text + length;
        status = parse_header(&p, out);
    }
    ae_free(text);
    out->data_bytes = source->size - prefix - length;
    return status;
}

// The data are the header's elements of `item` bytes, no more and no less.
static ae_status check_size(const ae_npy_source *source, const ae_npy_header *header, size_t item) {
    uint64_t expected;
    char shape[AE_SHAPE_TEXT];
    if (__builtin_mul_overflow((uint64_t)header->elements, item, &expected) || expected != header->data_bytes)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': array '%s': %s of shape %s does not take the %" PRIu64 " bytes it has",
                       source->path, source->name, header->descr,
                       ae_shape_text(header->n_dim, header->shape, shape), header->data_bytes);
    return AE_OK;
}

// ---- the data --------------------------------------------------------------------------------------

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

ae_status ae_npy_read_values(const ae_npy_source *source, const ae_npy_header *header, double **values) {
    const number *type = find_number(header->descr);
    if (!type)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': array '%s' has type '%s', expected plain numbers such as '<f4'", source->path,
                       source->name, header->descr);
    AE_TRY(check_size(source, header, type->size));
    size_t n = (size_t)header->elements;
    double *result = ae_alloc(n, sizeof *result);
    if (!result) return ae_no_memory();
    unsigned char chunk[CHUNK];
    for (size_t done = 0; done < n;) {
        size_t now = n - done < CHUNK / type->size ? n - done : CHUNK / type->size;
        ae_status status = source->read(source->from, chunk, now * type->size);
        if (status != AE_OK) {
            ae_free(result);
            return status;
        }
        type->convert(chunk, now, result + done);
        done += now;
    }
    *values = result;
    return AE_OK;
}

// ---- a file of its own -----------------------------------------------------------------------------

typedef struct mapped {
    const ae_map *map;
    size_t at;
} mapped;

static ae_status read_mapped(void *from, void *bytes, size_t length) {
    mapped *source = from;
    memcpy(bytes, source->map->data + source->at, length);
    source->at += length;
    return AE_OK;
}

ae_status ae_npy_read_double(const char *path, double **values, int *n_dim, int64_t *shape) {
    ae_map map = {0};
    AE_TRY(ae_map_open(path, &map));
    const char *slash = strrchr(path, '/');
    mapped from = {.map = &map};
    ae_npy_source source = {
        .path = path, .name = slash ? slash + 1 : path, .size = map.size, .read = read_mapped, .from = &from};
    ae_npy_header header = {0};
    ae_status status = ae_npy_read_header(&source, &header);
    if (status == AE_OK) status = ae_npy_read_values(&source, &header, values);
    ae_map_close(&map);
    if (status != AE_OK) return status;
    *n_dim = header.n_dim;
    memcpy(shape, header.shape, (size_t)header.n_dim * sizeof *shape);
    return AE_OK;
}
