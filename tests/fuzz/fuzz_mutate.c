// Mutators that keep what a byte-wise mutation would break at once: lengths and checksums.
#include "fuzz.h"

#include <zlib.h>

size_t fuzz_mutate_part(uint8_t *data, size_t size, size_t max_size, size_t begin, size_t end,
                        size_t *new_end) {
    const size_t tail = size - end, room = max_size - begin - tail;
    uint8_t *part = malloc(room > 0 ? room : 1);
    FUZZ_CHECK(part, "no memory");
    memcpy(part, data + begin, end - begin);
    const size_t length = LLVMFuzzerMutate(part, end - begin, room);
    memmove(data + begin + length, data + end, tail);
    memcpy(data + begin, part, length);
    free(part);
    *new_end = begin + length;
    return begin + length + tail;
}

// ---- numbers as they lie in files ------------------------------------------------------------------

static uint64_t get(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static void put(uint8_t *at, int bytes, uint64_t value) {
    for (int i = 0; i < bytes; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

size_t fuzz_mutate_safetensors(uint8_t *data, size_t size, size_t max_size) {
    const uint64_t length = size >= 8 ? get(data, 8) : 0;
    if (size < 8 || length > size - 8) return LLVMFuzzerMutate(data, size, max_size);
    size_t end;
    size = fuzz_mutate_part(data, size, max_size, 8, 8 + (size_t)length, &end);
    put(data, 8, end - 8);
    return size;
}

// ---- zip -------------------------------------------------------------------------------------------

enum { LOCAL = 30, CENTRAL = 46, END = 22, MAX_MEMBERS = 16 };

typedef struct member {
    size_t central, data; // where its entry of the directory and its content lie
    size_t name_length, size;
    int method;
} member;

// The members of a plain archive: no zip64, no comment; 0: it is none.
static int read_members(const uint8_t *data, size_t size, member *out) {
    if (size < END) return 0;
    const uint8_t *end = data + size - END;
    if (get(end, 4) != 0x06054b50) return 0;
    const int n = (int)get(end + 10, 2);
    size_t at = (size_t)get(end + 16, 4);
    if (n < 1 || n > MAX_MEMBERS) return 0;
    for (int i = 0; i < n; i++) {
        if (at > size - END || size - END - at < CENTRAL || get(data + at, 4) != 0x02014b50) return 0;
        const size_t local = (size_t)get(data + at + 42, 4);
        out[i] = (member){.central = at,
                          .method = (int)get(data + at + 10, 2),
                          .size = (size_t)get(data + at + 20, 4),
                          .name_length = (size_t)get(data + at + 28, 2)};
        if (local > size - LOCAL) return 0;
        out[i].data = local + LOCAL + (size_t)(get(data + local + 26, 2) + get(data + local + 28, 2));
        if (out[i].size > size || out[i].data > size - out[i].size ||
            out[i].name_length > size - at - CENTRAL)
            return 0;
        at += CENTRAL + (size_t)(get(data + at + 28, 2) + get(data + at + 30, 2) + get(data + at + 32, 2));
    }
    return n;
}

typedef struct output {
    uint8_t *bytes;
    size_t size, room;
} output;

static uint8_t *extend(output *out, size_t size) {
    if (out->room - out->size < size) return NULL;
    uint8_t *at = out->bytes + out->size;
    out->size += size;
    return at;
}

// Header (of the directory too, which is as long and 16 more) up to and with the name.
static bool put_header(output *out, bool central, const uint8_t *name, const member *m, uint32_t crc,
                       size_t full, size_t local) {
    uint8_t *at = extend(out, (central ? CENTRAL : LOCAL) + m->name_length);
    if (!at) return false;
    memset(at, 0, central ? CENTRAL : LOCAL);
    put(at, 4, central ? 0x02014b50 : 0x04034b50);
    uint8_t *shared = at + (central ? 6 : 4);
    put(shared, 2, 20);
    put(shared + 4, 2, (uint64_t)m->method);
    put(shared + 10, 4, crc);
    put(shared + 14, 4, m->size);
    put(shared + 18, 4, full);
    put(shared + 22, 2, m->name_length);
    if (central) put(at + 42, 4, local);
    memcpy(at + (central ? CENTRAL : LOCAL), name, m->name_length);
    return true;
}

size_t fuzz_mutate_zip(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    member members[MAX_MEMBERS];
    const int n = read_members(data, size, members);
    if (n == 0 || seed % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
    const int chosen = (int)(seed / 4 % (unsigned)n);
    output out = {.bytes = malloc(max_size), .room = max_size};
    uint8_t *content = malloc(max_size);
    FUZZ_CHECK(out.bytes && content, "no memory");
    size_t locals[MAX_MEMBERS], full[MAX_MEMBERS];
    uint32_t sums[MAX_MEMBERS];
    bool fits = true;
    for (int i = 0; i < n && fits; i++) {
        member *m = &members[i];
        const uint8_t *entry = data + m->central;
        memcpy(content, data + m->data, m->size);
        sums[i] = (uint32_t)get(entry + 16, 4);
        full[i] = (size_t)get(entry + 24, 4);
        if (i == chosen) m->size = LLVMFuzzerMutate(content, m->size, max_size);
        if (m->method == 0) {
            sums[i] = (uint32_t)crc32(0, content, (uInt)m->size);
            full[i] = m->size;
        }
        locals[i] = out.size;
        fits = put_header(&out, false, entry + CENTRAL, m, sums[i], full[i], 0);
        uint8_t *at = fits ? extend(&out, m->size) : NULL;
        fits = at != NULL;
        if (fits) memcpy(at, content, m->size);
    }
    const size_t directory = out.size;
    for (int i = 0; i < n && fits; i++)
        fits = put_header(&out, true, data + members[i].central + CENTRAL, &members[i], sums[i], full[i],
                          locals[i]);
    uint8_t *end = fits ? extend(&out, END) : NULL;
    if (end) {
        memset(end, 0, END);
        put(end, 4, 0x06054b50);
        put(end + 8, 2, (uint64_t)n);
        put(end + 10, 2, (uint64_t)n);
        put(end + 12, 4, out.size - END - directory);
        put(end + 16, 4, directory);
        memcpy(data, out.bytes, out.size);
        size = out.size;
    }
    free(out.bytes);
    free(content);
    return end ? size : LLVMFuzzerMutate(data, size, max_size);
}

// ---- several files ---------------------------------------------------------------------------------

size_t fuzz_mutate_files(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    size_t begin, end;
    if (seed % 4 == 0 || !fuzz_find_file(data, size, seed / 4 % 8, &begin, &end))
        return LLVMFuzzerMutate(data, size, max_size);
    const size_t length = end - begin, room = max_size - (size - length);
    const bool zip = length > 2 && memcmp(data + begin, "PK", 2) == 0;
    const bool text = length > 0 && (data[begin] == '{' || data[begin] == '[' || data[begin] == '#');
    uint8_t *part = malloc(room + 1);
    FUZZ_CHECK(part, "no memory");
    memcpy(part, data + begin, length);
    const size_t now = zip    ? fuzz_mutate_zip(part, length, room, seed / 32)
                       : text ? LLVMFuzzerMutate(part, length, room)
                              : fuzz_mutate_safetensors(part, length, room);
    memmove(data + begin + now, data + end, size - end);
    memcpy(data + begin, part, now);
    free(part);
    return size - length + now;
}
