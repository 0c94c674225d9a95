#include "mutation.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/digest.h"
#include "base/memory.h"

const char *const mutation_names[MUTATION_KINDS] = {"bit",  "byte", "bytes",  "cut",  "insert", "remove",
                                                    "fill", "copy", "number", "sign", "float"};
enum { BIT, BYTE, BYTES, CUT, INSERT, REMOVE, FILL, COPY, NUMBER, SIGN, FLOAT };

enum { MAX_RANGES = 256, MAX_MEMBERS = 128 };

typedef struct range {
    size_t begin, end;
} range;

typedef struct member { // of an archive
    size_t local, central, data, size;
} member;

// What is known of a file's layout.
typedef struct layout {
    size_t header; // safetensors: where the data begins; else 0
    bool archive;
    member members[MAX_MEMBERS];
    size_t n_members;
    range vital[MAX_RANGES];
    size_t n_vital;
    size_t numbers; // values lie at multiples of their size from here on
} layout;

static uint64_t draw(ae_random *random, uint64_t n) {
    return n ? ae_random_next(random) % n : 0;
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static uint64_t get(const unsigned char *at, int n_bytes) {
    uint64_t value = 0;
    for (int i = n_bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static void put(unsigned char *at, int n_bytes, uint64_t value) {
    for (int i = 0; i < n_bytes; i++, value >>= 8)
        at[i] = (unsigned char)value;
}

// ---- layouts ---------------------------------------------------------------------------------------

static void add_vital(layout *l, size_t begin, size_t end, size_t size) {
    if (end > size) end = size;
    if (begin < end && l->n_vital < MAX_RANGES) l->vital[l->n_vital++] = (range){begin, end};
}

// An archive as torch and numpy write it: members stored, without zip64 sizes that matter, no comment.
static void read_archive(const tree_file *f, layout *l) {
    enum { LOCAL = 30, CENTRAL = 46, END = 22 };
    if (f->size < END || get(f->bytes + f->size - END, 4) != 0x06054b50) return;
    l->archive = true;
    const size_t n = (size_t)get(f->bytes + f->size - END + 10, 2);
    size_t at = (size_t)get(f->bytes + f->size - END + 16, 4);
    add_vital(l, at, f->size, f->size);
    for (size_t i = 0; i < n && i < MAX_MEMBERS; i++) {
        if (at + CENTRAL > f->size || get(f->bytes + at, 4) != 0x02014b50)
            broken("'%s' is no archive", f->path);
        const size_t name = (size_t)get(f->bytes + at + 28, 2), local = (size_t)get(f->bytes + at + 42, 4);
        const size_t data =
            local + LOCAL + (size_t)(get(f->bytes + local + 26, 2) + get(f->bytes + local + 28, 2));
        const member m = {local, at, data, (size_t)get(f->bytes + at + 24, 4)};
        if (m.data + m.size > f->size) broken("'%s' is no archive", f->path);
        const bool pickle = name >= 8 && memcmp(f->bytes + at + CENTRAL + name - 8, "data.pkl", 8) == 0;
        const bool npy = m.size > 10 && memcmp(f->bytes + m.data, "\x93NUMPY", 6) == 0;
        add_vital(l, m.local, m.local + LOCAL + name, f->size);
        if (pickle) add_vital(l, m.data, m.data + m.size, f->size);
        if (npy) {
            const size_t values = m.data + 10 + (size_t)get(f->bytes + m.data + 8, 2);
            add_vital(l, m.data, values, f->size);
            if (m.size > 1000) l->numbers = values;
        }
        l->members[l->n_members++] = m;
        at += CENTRAL + name + (size_t)(get(f->bytes + at + 30, 2) + get(f->bytes + at + 32, 2));
    }
}

static void read_layout(const tree_file *f, layout *l) {
    *l = (layout){0};
    if (ends_with(f->path, ".safetensors") && f->size > 8 && get(f->bytes, 8) <= f->size - 8) {
        l->header = l->numbers = 8 + (size_t)get(f->bytes, 8);
        add_vital(l, 0, l->header, f->size);
    }
    if (ends_with(f->path, ".bin") || ends_with(f->path, ".npz")) read_archive(f, l);
}

static bool is_text(const layout *l) {
    return l->header == 0 && !l->archive;
}

static size_t pick(const layout *l, size_t size, ae_random *random) {
    if (l->n_vital == 0 || draw(random, 2) == 0) return draw(random, size);
    const range *r = &l->vital[draw(random, l->n_vital)];
    return r->begin + draw(random, r->end - r->begin);
}

// Somewhere in the file's text: of a safetensors file, in its header.
static size_t pick_text(const layout *l, size_t size, ae_random *random) {
    return l->header > 8 ? 8 + draw(random, l->header - 8) : draw(random, size);
}

// ---- damage ----------------------------------------------------------------------------------------

// Takes `old_size` bytes at `offset` out and puts others in.
static void splice(mutation *m, size_t offset, size_t old_size, const void *bytes, size_t new_size) {
    unsigned char *result = ae_alloc(m->size - old_size + new_size + 1, 1);
    if (!result) broken("%s", ae_last_error());
    memcpy(result, m->bytes, offset);
    if (new_size > 0) memcpy(result + offset, bytes, new_size);
    memcpy(result + offset + new_size, m->bytes + offset + old_size, m->size - offset - old_size);
    ae_free(m->bytes);
    m->bytes = result;
    m->size = m->size - old_size + new_size;
}

static void say(mutation *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(mutation *m, const char *format, ...) {
    const size_t n = strlen(m->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(m->text + n, sizeof m->text - n, format, arguments);
    va_end(arguments);
}

static void change_byte(mutation *m, size_t at, unsigned char value) {
    say(m, " %zu: %02x -> %02x", at, m->bytes[at], value);
    m->bytes[at] = value;
}

static void insert(mutation *m, ae_random *random) {
    unsigned char bytes[64];
    const size_t n = 1 + draw(random, sizeof bytes);
    const bool same = draw(random, 2) == 0;
    for (size_t i = 0; i < n; i++)
        bytes[i] = same && i > 0 ? bytes[0] : (unsigned char)draw(random, 256);
    say(m, " %zu: %zu bytes %02x...", m->offset, n, bytes[0]);
    splice(m, m->offset, 0, bytes, n);
}

static size_t limited(const mutation *m, size_t n) {
    return n < m->size - m->offset ? n : m->size - m->offset;
}

// The number at or behind the offset, as text, becomes another. False: there is none.
static bool change_number(mutation *m, ae_random *random) {
    static const char *const others[] = {"0",
                                         "1",
                                         "-1",
                                         "7",
                                         "0.5",
                                         "1e-320",
                                         "1e308",
                                         "1e999",
                                         "2147483647",
                                         "2147483648",
                                         "4294967296",
                                         "9223372036854775807",
                                         "18446744073709551616",
                                         "null",
                                         "true",
                                         "\"x\"",
                                         "[]",
                                         "{}"};
    size_t begin = m->offset;
    while (begin < m->size && !isdigit(m->bytes[begin]))
        begin++;
    while (begin > m->offset && m->bytes[begin - 1] == '-')
        begin--;
    size_t end = begin;
    while (end < m->size && (isalnum(m->bytes[end]) || strchr("+-.", m->bytes[end])) && m->bytes[end])
        end++;
    if (begin == end) return false;
    const char *other = others[draw(random, sizeof others / sizeof *others)];
    m->offset = begin;
    say(m, " %zu: %.*s -> %s", begin, end - begin < 40 ? (int)(end - begin) : 40, m->bytes + begin, other);
    splice(m, begin, end - begin, other, strlen(other));
    return true;
}

// A sign of the JSON at or behind the offset becomes another, or goes.
static bool change_sign(mutation *m, ae_random *random) {
    static const char signs[] = "{}[]\",:\\0n \n";
    while (m->offset < m->size && (!m->bytes[m->offset] || !strchr("{}[]\",:\\", m->bytes[m->offset])))
        m->offset++;
    if (m->offset == m->size) return false;
    const char other = signs[draw(random, sizeof signs)]; // the NUL: none
    say(m, " %zu: %c -> %c", m->offset, m->bytes[m->offset], other ? other : '-');
    splice(m, m->offset, 1, &other, other != '\0');
    return true;
}

// A value becomes one that arithmetic does not survive, or nearly so.
static void change_float(mutation *m, const layout *l, ae_random *random) {
    static const struct {
        const char *name, *bytes;
        size_t size;
    } values[] = {
        {"F32 nan", "\x00\x00\xc0\x7f", 4},
        {"F32 -inf", "\x00\x00\x80\xff", 4},
        {"F32 largest", "\xff\xff\x7f\x7f", 4},
        {"F32 -1e30", "\xca\xf2\x49\xf1", 4},
        {"F32 smallest", "\x01\x00\x00\x00", 4},
        {"F16 nan", "\x00\x7e", 2},
        {"F16 largest", "\xff\x7b", 2},
        {"F16 inf", "\x00\x7c", 2},
        {"BF16 inf", "\x80\x7f", 2},
        {"BF16 nan", "\xc0\x7f", 2},
        {"F64 nan", "\x00\x00\x00\x00\x00\x00\xf8\x7f", 8},
        {"F64 1e300", "\x9c\x75\x00\x88\x3c\xe4\x37\x7e", 8},
        {"zeros", "\0\0\0\0\0\0\0\0", 8},
    };
    const size_t chosen = draw(random, sizeof values / sizeof *values), size = values[chosen].size;
    const size_t n = (m->size - l->numbers) / size;
    if (n == 0) return;
    m->offset = l->numbers + size * draw(random, n);
    say(m, " %zu: %s", m->offset, values[chosen].name);
    memcpy(m->bytes + m->offset, values[chosen].bytes, size);
}

static void damage(mutation *m, const layout *l, ae_random *random) {
    m->offset =
        m->kind == NUMBER || m->kind == SIGN ? pick_text(l, m->size, random) : pick(l, m->size, random);
    snprintf(m->text, sizeof m->text, "%s at", mutation_names[m->kind]);
    size_t n;
    switch (m->kind) {
    case BIT:
        change_byte(m, m->offset, (unsigned char)(m->bytes[m->offset] ^ 1u << draw(random, 8)));
        break;
    case BYTE:
        change_byte(m, m->offset, (unsigned char)draw(random, 256));
        break;
    case BYTES:
        n = 2 + draw(random, 15);
        for (size_t i = 0; i < n; i++) {
            const size_t at = pick(l, m->size, random);
            if (at < m->offset) m->offset = at;
            change_byte(m, at, (unsigned char)draw(random, 256));
        }
        break;
    case CUT:
        say(m, " %zu of %zu", m->offset, m->size);
        m->size = m->offset;
        break;
    case INSERT:
        insert(m, random);
        break;
    case REMOVE:
        n = limited(m, 1 + draw(random, 64));
        say(m, " %zu: %zu bytes", m->offset, n);
        splice(m, m->offset, n, NULL, 0);
        break;
    case FILL:
        n = limited(m, 4 + draw(random, 509));
        const int filling = draw(random, 2) ? 0xff : 0;
        say(m, " %zu: %zu bytes %02x", m->offset, n, (unsigned)filling);
        memset(m->bytes + m->offset, filling, n);
        break;
    case COPY:
        n = limited(m, 4 + draw(random, 253));
        const size_t from = draw(random, m->size - n + 1);
        say(m, " %zu: %zu bytes from %zu", m->offset, n, from);
        memmove(m->bytes + m->offset, m->bytes + from, n);
        break;
    case NUMBER:
        change_number(m, random);
        break;
    case SIGN:
        change_sign(m, random);
        break;
    case FLOAT:
        change_float(m, l, random);
        break;
    }
}

// ---- putting right what would give it away ---------------------------------------------------------

static void mend_length(const tree_file *f, const layout *l, mutation *m) {
    if (m->kind == CUT || m->size == f->size || m->offset < 8 || m->offset >= l->header) return;
    put(m->bytes, 8, l->header - 8 + m->size - f->size);
    m->mended = true;
}

// The digest over the whole file, in which its own digits are zeros (docs/formats.md).
static void mend_digest(mutation *m) {
    static const char key[] = "digest\": \""; // "aedile.digest" of an entry, "digest" of journal.json
    unsigned char *at = memmem(m->bytes, m->size, key, sizeof key - 1);
    char hex[AE_DIGEST_HEX];
    if (!at || (size_t)(at - m->bytes) + sizeof key - 1 + AE_DIGEST_HEX > m->size) return;
    at += sizeof key - 1;
    memset(at, '0', AE_DIGEST_HEX - 1);
    if (ae_sha256(m->bytes, m->size, hex) != AE_OK) broken("%s", ae_last_error());
    memcpy(at, hex, AE_DIGEST_HEX - 1);
    m->mended = true;
}

static void mend_archive(const tree_file *f, const layout *l, mutation *m) {
    if (m->size != f->size) return;
    for (size_t i = 0; i < l->n_members; i++) {
        const member *part = &l->members[i];
        if (memcmp(f->bytes + part->data, m->bytes + part->data, part->size) == 0) continue;
        const uint64_t sum = crc32(0, m->bytes + part->data, (uInt)part->size);
        put(m->bytes + part->local + 14, 4, sum);
        put(m->bytes + part->central + 16, 4, sum);
        m->mended = true;
    }
}

void mutate_file(const tree_file *file, ae_random *random, mutation *out) {
    if (file->size == 0) broken("'%s' is empty", file->path);
    layout *l = ae_alloc(1, sizeof *l);
    if (!l) broken("%s", ae_last_error());
    read_layout(file, l);
    *out = (mutation){0};
    do {
        ae_free(out->bytes);
        *out = (mutation){.size = file->size, .kind = (int)draw(random, MUTATION_KINDS)};
        out->bytes = (unsigned char *)ae_strndup((const char *)file->bytes, file->size);
        if (!out->bytes) broken("%s", ae_last_error());
        const bool of_text = out->kind == NUMBER || out->kind == SIGN;
        if (is_text(l) ? out->kind == FLOAT : of_text && l->archive) continue;
        damage(out, l, random);
        if (draw(random, 2) == 0) continue;
        if (l->header > 0) mend_length(file, l, out);
        mend_digest(out);
        if (l->archive) mend_archive(file, l, out);
        if (out->mended) say(out, ", mended");
    } while (out->size == file->size && memcmp(out->bytes, file->bytes, file->size) == 0);
    ae_free(l);
}
