#include "format/zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

// Sizes of the fixed parts of an archive's records (PKWARE's APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16).
enum {
    LOCAL_HEADER = 30,
    DIRECTORY_ENTRY = 46,
    END_RECORD = 22,
    END_RECORD_64 = 56,
    LOCATOR_64 = 20,
    MAX_COMMENT = 65535,
    EXTRA_64 = 1, // id of the extra field with the sizes that take more than 32 bits
};

struct ae_zip {
    ae_map map;
    ae_arena *arena; // names
    ae_zip_member *members;
    const ae_zip_member **by_name;
    size_t count;
    uint64_t directory; // where it begins: members lie before it
};

static uint64_t number(const unsigned char *bytes, int width) {
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static bool is_record(const unsigned char *bytes, const char *signature) {
    return memcmp(bytes, signature, 4) == 0;
}

// ---- the directory ---------------------------------------------------------------------------------

static ae_status damaged(const ae_zip *zip, const char *what) {
    ae_fail(AE_ERR_FORMAT, "'%s': %s; the file is damaged: get it again", zip->map.path, what);
    return AE_ERR_FORMAT;
}

// An archive ends in this record and a comment of the length that the record states.
static const unsigned char *find_end_record(const ae_map *map) {
    for (size_t comment = 0; comment <= MAX_COMMENT && comment + END_RECORD <= map->size; comment++) {
        const unsigned char *record = map->data + map->size - comment - END_RECORD;
        if (is_record(record, "PK\5\6") && number(record + 20, 2) == comment) return record;
    }
    return NULL;
}

typedef struct directory {
    const unsigned char *next, *end;
    uint64_t entries;
} directory;

static ae_status find_directory(ae_zip *zip, directory *out) {
    const unsigned char *data = zip->map.data, *end = find_end_record(&zip->map);
    if (!end)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' is not a zip archive, or is cut short: it has no zip directory at its end",
                       zip->map.path);
    uint64_t entries = number(end + 10, 2), size = number(end + 12, 4), begin = number(end + 16, 4);
    uint64_t limit = (uint64_t)(end - data);
    if (limit >= LOCATOR_64 && is_record(end - LOCATOR_64, "PK\6\7")) {
        uint64_t at = number(end - LOCATOR_64 + 8, 8);
        limit -= LOCATOR_64;
        if (at > limit || limit - at < END_RECORD_64 || !is_record(data + at, "PK\6\6"))
            return damaged(zip, "the zip64 end record is not where the archive says");
        entries = number(data + at + 32, 8);
        size = number(data + at + 40, 8);
        begin = number(data + at + 48, 8);
        limit = at;
    }
    if (begin > limit || size > limit - begin || entries > size / DIRECTORY_ENTRY)
        return damaged(zip, "the zip directory is not where the archive says");
    zip->directory = begin;
    *out = (directory){.next = data + begin, .end = data + begin + size, .entries = entries};
    return AE_OK;
}

// Puts the 64-bit values in place of those that did not fit the entry itself.
static bool read_extra(const unsigned char *extra, size_t length, ae_zip_member *member) {
    uint64_t *const values[] = {&member->size, &member->packed, &member->header};
    bool missing = false;
    for (size_t i = 0; i < 3; i++)
        missing = missing || *values[i] == UINT32_MAX;
    while (missing && length >= 4) {
        size_t id = (size_t)number(extra, 2), bytes = (size_t)number(extra + 2, 2);
        if (bytes > length - 4) return false;
        const unsigned char *value = extra + 4;
        extra += 4 + bytes;
        length -= 4 + bytes;
        if (id != EXTRA_64) continue;
        for (size_t i = 0; i < 3; i++) {
            if (*values[i] != UINT32_MAX) continue;
            if (extra - value < 8) return false;
            *values[i] = number(value, 8);
            value += 8;
        }
        return true;
    }
    return true; // all ones can be a true size
}

static ae_status read_entry(ae_zip *zip, directory *from, ae_zip_member *out) {
    const unsigned char *entry = from->next;
    if (from->end - entry < DIRECTORY_ENTRY || !is_record(entry, "PK\1\2"))
        return damaged(zip, "an entry of the zip directory is not valid");
    size_t name = (size_t)number(entry + 28, 2), extra = (size_t)number(entry + 30, 2);
    size_t length = DIRECTORY_ENTRY + name + extra + (size_t)number(entry + 32, 2);
    if ((size_t)(from->end - entry) < length || memchr(entry + DIRECTORY_ENTRY, '\0', name))
        return damaged(zip, "an entry of the zip directory is not valid");
    from->next += length;
    ae_zip_member member = {
        .name = ae_arena_strndup(zip->arena, (const char *)entry + DIRECTORY_ENTRY, name),
        .encrypted = entry[8] & 1,
        .method = (int)number(entry + 10, 2),
        .crc = (uint32_t)number(entry + 16, 4),
        .packed = number(entry + 20, 4),
        .size = number(entry + 24, 4),
        .header = number(entry + 42, 4),
    };
    if (!member.name) return AE_ERR_MEMORY;
    if (!read_extra(entry + DIRECTORY_ENTRY + name, extra, &member) || member.header > zip->directory ||
        member.packed > zip->directory - member.header ||
        (member.method == 0 && member.packed != member.size)) {
        ae_fail(AE_ERR_FORMAT,
                "'%s': member '%s' claims %llu bytes of a file of %zu: it is damaged; get it again",
                zip->map.path, member.name, (unsigned long long)member.packed, zip->map.size);
        return AE_ERR_FORMAT;
    }
    *out = member;
    return AE_OK;
}

static int compare_members(const void *a, const void *b) {
    const ae_zip_member *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static ae_status read_directory(ae_zip *zip) {
    directory from = {0};
    AE_TRY(find_directory(zip, &from));
    zip->members = ae_alloc((size_t)from.entries, sizeof *zip->members);
    zip->by_name = ae_alloc((size_t)from.entries, sizeof *zip->by_name);
    if (!zip->members || !zip->by_name) return ae_no_memory();
    for (; zip->count < from.entries; zip->count++) {
        AE_TRY(read_entry(zip, &from, &zip->members[zip->count]));
        zip->by_name[zip->count] = &zip->members[zip->count];
    }
    if (from.next != from.end)
        return damaged(zip, "the zip directory has more entries than the archive says");
    qsort(zip->by_name, zip->count, sizeof *zip->by_name, compare_members);
    for (size_t i = 1; i < zip->count; i++)
        if (strcmp(zip->by_name[i - 1]->name, zip->by_name[i]->name) == 0)
            return ae_fail(AE_ERR_FORMAT, "'%s': member '%s' is there twice", zip->map.path,
                           zip->by_name[i]->name);
    return AE_OK;
}

ae_status ae_zip_open(const char *path, ae_zip **out) {
    ae_zip *zip = ae_alloc(1, sizeof *zip);
    if (!zip) return ae_no_memory();
    ae_status status;
    AE_TRY_GOTO(fail, ae_map_open(path, &zip->map));
    AE_TRY_GOTO(fail, ae_arena_new(&zip->arena));
    AE_TRY_GOTO(fail, read_directory(zip));
    *out = zip;
    return AE_OK;
fail:
    ae_zip_close(zip);
    return status;
}

void ae_zip_close(ae_zip *zip) {
    if (!zip) return;
    ae_free(zip->by_name);
    ae_free(zip->members);
    ae_arena_free(zip->arena);
    ae_map_close(&zip->map);
    ae_free(zip);
}

const char *ae_zip_path(const ae_zip *zip) {
    return zip->map.path;
}

size_t ae_zip_count(const ae_zip *zip) {
    return zip->count;
}

const ae_zip_member *ae_zip_at(const ae_zip *zip, size_t index) {
    return &zip->members[index];
}

const ae_zip_member *ae_zip_find(const ae_zip *zip, const char *name) {
    ae_zip_member key = {.name = name};
    const ae_zip_member *wanted = &key;
    const ae_zip_member **found =
        bsearch(&wanted, zip->by_name, zip->count, sizeof *zip->by_name, compare_members);
    return found ? *found : NULL;
}

// ---- contents --------------------------------------------------------------------------------------

static ae_status member_damaged(const ae_zip *zip, const ae_zip_member *member) {
    return ae_fail(AE_ERR_FORMAT, "'%s': member '%s' is damaged; get the file again", zip->map.path,
                   member->name);
}

// The content as it lies in the archive, behind a header of its own that repeats the directory's entry.
static ae_status find_content(const ae_zip *zip, const ae_zip_member *member, const unsigned char **data,
                              uint64_t *offset) {
    if (member->encrypted)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': member '%s' is encrypted", zip->map.path, member->name);
    uint64_t room = zip->directory - member->header;
    const unsigned char *header = zip->map.data + member->header;
    if (room < LOCAL_HEADER || !is_record(header, "PK\3\4")) return member_damaged(zip, member);
    size_t name = (size_t)number(header + 26, 2),
           length = LOCAL_HEADER + name + (size_t)number(header + 28, 2);
    if (room < length || member->packed > room - length || name != strlen(member->name) ||
        memcmp(header + LOCAL_HEADER, member->name, name) != 0 ||
        (int)number(header + 8, 2) != member->method)
        return member_damaged(zip, member);
    *data = header + length;
    *offset = member->header + length;
    return AE_OK;
}

ae_status ae_zip_stored(const ae_zip *zip, const ae_zip_member *member, const unsigned char **data,
                        uint64_t *offset) {
    if (member->method != 0)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': member '%s' is compressed, so it cannot be mapped; store it instead",
                       zip->map.path, member->name);
    uint64_t begin;
    AE_TRY(find_content(zip, member, data, &begin));
    if (offset) *offset = begin;
    return AE_OK;
}

ae_status ae_zip_reader_open(const ae_zip *zip, const ae_zip_member *member, ae_zip_reader *reader) {
    if (member->method != 0 && member->method != Z_DEFLATED)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': member '%s' is compressed by method %d; stored and deflated ones are read",
                       zip->map.path, member->name, member->method);
    ae_zip_reader opened = {.member = member, .packed_left = member->packed, .left = member->size};
    uint64_t offset;
    AE_TRY(find_content(zip, member, &opened.packed, &offset));
    *reader = opened;
    if (member->method == Z_DEFLATED &&
        inflateInit2(&reader->inflater, -MAX_WBITS) != Z_OK) // raw: no zlib header
        return ae_fail(AE_ERR_MEMORY, "'%s': out of memory while reading member '%s'", zip->map.path,
                       member->name);
    reader->zip = zip; // from here on _close has something to release
    return AE_OK;
}

// At most `length` bytes of content to `out`; how many, 0 if there is no more or the data is damaged.
static size_t read_some(ae_zip_reader *reader, unsigned char *out, size_t length) {
    enum { MOST = 1 << 30 }; // zlib counts in 32 bits
    size_t take = reader->packed_left < MOST ? (size_t)reader->packed_left : MOST;
    if (length > MOST) length = MOST;
    if (reader->member->method == 0) {
        if (length > take) length = take;
        memcpy(out, reader->packed, length);
        take = length;
    } else {
        reader->inflater.next_in = (unsigned char *)(uintptr_t)reader->packed;
        reader->inflater.avail_in = (uInt)take;
        reader->inflater.next_out = out;
        reader->inflater.avail_out = (uInt)length;
        int code = inflate(&reader->inflater, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END) return 0;
        take -= reader->inflater.avail_in;
        length -= reader->inflater.avail_out;
    }
    reader->packed += take;
    reader->packed_left -= take;
    reader->left -= length;
    reader->crc = (uint32_t)crc32(reader->crc, out, (uInt)length);
    return length;
}

ae_status ae_zip_reader_read(ae_zip_reader *reader, void *bytes, size_t length) {
    if (length > reader->left) return member_damaged(reader->zip, reader->member);
    for (unsigned char *out = bytes; length > 0;) {
        size_t got = read_some(reader, out, length);
        if (got == 0) return member_damaged(reader->zip, reader->member);
        out += got;
        length -= got;
    }
    return AE_OK;
}

ae_status ae_zip_reader_close(ae_zip_reader *reader) {
    if (!reader->zip) return AE_OK;
    if (reader->member->method == Z_DEFLATED) inflateEnd(&reader->inflater);
    ae_status status = AE_OK;
    if (reader->left == 0 && reader->crc != reader->member->crc)
        status = ae_fail(AE_ERR_FORMAT,
                         "'%s': the checksum of member '%s' is wrong: the file is damaged; get it again",
                         reader->zip->map.path, reader->member->name);
    *reader = (ae_zip_reader){0};
    return status;
}
