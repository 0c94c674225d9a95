#include "format/zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct ae_zip {
    ae_map map;
    ae_arena *arena;
    ae_zip_member *members;
    const ae_zip_member **by_name;
    size_t count;
};

// ---- minizip's file functions over a mapping ------------------------------------------------------------------

typedef struct cursor {
    const ae_map *map;
    uint64_t position;
} cursor;

static voidpf memory_open(voidpf opaque, const void *name, int mode) {
    (void)name;
    (void)mode;
    return opaque;
}

static uLong memory_read(voidpf opaque, voidpf stream, void *buffer, uLong size) {
    (void)opaque;
    cursor *place = stream;
    uint64_t left = place->position < place->map->size ? place->map->size - place->position : 0;
    if (size > left) size = (uLong)left;
    if (size > 0) memcpy(buffer, place->map->data + place->position, size);
    place->position += size;
    return size;
}

static uLong memory_write(voidpf opaque, voidpf stream, const void *buffer, uLong size) {
    (void)opaque;
    (void)stream;
    (void)buffer;
    (void)size;
    return 0;
}

static ZPOS64_T memory_tell(voidpf opaque, voidpf stream) {
    (void)opaque;
    return ((const cursor *)stream)->position;
}

static long memory_seek(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin) {
    (void)opaque;
    cursor *place = stream;
    uint64_t base = origin == ZLIB_FILEFUNC_SEEK_SET ? 0
                    : origin == ZLIB_FILEFUNC_SEEK_CUR ? place->position
                                                       : place->map->size;
    // Offsets come from the file: what leads outside the mapping is refused, wrapped round or not.
    uint64_t target = base + offset;
    if (target > place->map->size) return -1;
    place->position = target;
    return 0;
}

static int memory_close(voidpf opaque, voidpf stream) {
    (void)opaque;
    ae_free(stream);
    return 0;
}

static int memory_error(voidpf opaque, voidpf stream) {
    (void)opaque;
    (void)stream;
    return 0;
}

static ae_status no_archive(const ae_zip *zip) {
    ae_fail(AE_ERR_FORMAT, "'%s' is not a zip archive, or is cut short: it has no zip directory at its end",
            zip->map.path);
    return AE_ERR_FORMAT;
}

static ae_status open_handle(const ae_zip *zip, unzFile *out) {
    cursor *place = ae_alloc(1, sizeof *place); // freed by memory_close, which minizip calls on failure too
    if (!place) return AE_ERR_MEMORY;
    place->map = &zip->map;
    zlib_filefunc64_def functions = {
        .zopen64_file = memory_open,
        .zread_file = memory_read,
        .zwrite_file = memory_write,
        .ztell64_file = memory_tell,
        .zseek64_file = memory_seek,
        .zclose_file = memory_close,
        .zerror_file = memory_error,
        .opaque = place,
    };
    *out = unzOpen2_64(zip->map.path, &functions);
    return *out ? AE_OK : no_archive(zip);
}

// ---- the directory ----------------------------------------------------------------------------------------------

static int compare_members(const void *a, const void *b) {
    const ae_zip_member *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static ae_status read_member(ae_zip *zip, unzFile handle, ae_zip_member *out) {
    unz_file_info64 info;
    ae_zip_member member = {0};
    if (unzGetCurrentFileInfo64(handle, &info, NULL, 0, NULL, 0, NULL, 0) != UNZ_OK) goto damaged;
    member.name = ae_arena_alloc(zip->arena, info.size_filename + 1, 1);
    if (!member.name) return ae_no_memory();
    if (unzGetCurrentFileInfo64(handle, &info, member.name, info.size_filename + 1, NULL, 0, NULL, 0) != UNZ_OK ||
        strlen(member.name) != info.size_filename || unzGetFilePos64(handle, &member.place) != UNZ_OK)
        goto damaged;
    member.size = info.uncompressed_size;
    member.packed = info.compressed_size;
    member.method = (int)info.compression_method;
    member.encrypted = info.flag & 1;
    member.crc = (uint32_t)info.crc;
    if (member.packed > zip->map.size || (member.method == 0 && member.packed != member.size))
        return ae_fail(AE_ERR_FORMAT, "'%s': member '%s' claims %llu bytes of a file of %zu: it is damaged; get it again",
                       zip->map.path, member.name, (unsigned long long)member.packed, zip->map.size);
    *out = member;
    return AE_OK;
damaged:
    return ae_fail(AE_ERR_FORMAT, "'%s': entry %zu of the zip directory is damaged; get the file again", zip->map.path,
                   zip->count);
}

// An archive ends in a record of 22 bytes and a comment of the length that it states. minizip makes do with less: a zip64
// archive that lost this record is still read, but has been cut short.
static bool has_end_record(const ae_map *map) {
    enum { RECORD = 22, MAX_COMMENT = 65535 };
    for (size_t comment = 0; comment <= MAX_COMMENT && comment + RECORD <= map->size; comment++) {
        const unsigned char *record = map->data + map->size - comment - RECORD;
        if (memcmp(record, "PK\5\6", 4) == 0 && (size_t)(record[20] | record[21] << 8) == comment) return true;
    }
    return false;
}

static ae_status read_directory(ae_zip *zip) {
    if (!has_end_record(&zip->map)) return no_archive(zip);
    unzFile handle = NULL;
    AE_TRY(open_handle(zip, &handle));
    size_t capacity = 0;
    ae_status status = AE_OK;
    unz_global_info64 global;
    int code = unzGetGlobalInfo64(handle, &global);
    if (code == UNZ_OK) code = global.number_entry == 0 ? UNZ_END_OF_LIST_OF_FILE : unzGoToFirstFile(handle);
    while (code == UNZ_OK) {
        AE_TRY_GOTO(done, ae_grow((void **)&zip->members, &capacity, zip->count + 1, sizeof *zip->members));
        AE_TRY_GOTO(done, read_member(zip, handle, &zip->members[zip->count]));
        zip->count++;
        code = unzGoToNextFile(handle);
    }
    if (code != UNZ_END_OF_LIST_OF_FILE || zip->count != global.number_entry) {
        status = ae_fail(AE_ERR_FORMAT, "'%s': the zip directory is damaged after %zu entries; get the file again",
                         zip->map.path, zip->count);
        goto done;
    }
    zip->by_name = ae_alloc(zip->count, sizeof *zip->by_name);
    AE_TRY_GOTO(done, zip->by_name ? AE_OK : ae_no_memory());
    for (size_t i = 0; i < zip->count; i++)
        zip->by_name[i] = &zip->members[i];
    qsort(zip->by_name, zip->count, sizeof *zip->by_name, compare_members);
    for (size_t i = 1; i < zip->count; i++)
        if (strcmp(zip->by_name[i - 1]->name, zip->by_name[i]->name) == 0) {
            status = ae_fail(AE_ERR_FORMAT, "'%s': member '%s' is there twice", zip->map.path, zip->by_name[i]->name);
            goto done;
        }
done:
    unzClose(handle);
    return status;
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
    ae_zip_member key = {.name = (char *)(uintptr_t)name};
    const ae_zip_member *wanted = &key;
    const ae_zip_member **found = bsearch(&wanted, zip->by_name, zip->count, sizeof *zip->by_name, compare_members);
    return found ? *found : NULL;
}

// ---- contents ---------------------------------------------------------------------------------------------------

static ae_status member_damaged(const ae_zip *zip, const ae_zip_member *member) {
    return ae_fail(AE_ERR_FORMAT, "'%s': member '%s' is damaged; get the file again", zip->map.path, member->name);
}

// Opens the member for reading: as it lies in the archive where `raw`, else its content.
static ae_status open_member(const ae_zip *zip, const ae_zip_member *member, bool raw, unzFile *out) {
    if (member->encrypted)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': member '%s' is encrypted", zip->map.path, member->name);
    if (member->method != 0 && member->method != Z_DEFLATED)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': member '%s' is compressed by method %d; stored and deflated are read",
                       zip->map.path, member->name, member->method);
    unzFile handle = NULL;
    AE_TRY(open_handle(zip, &handle));
    int method;
    if (unzGoToFilePos64(handle, &member->place) != UNZ_OK ||
        unzOpenCurrentFile2(handle, &method, NULL, raw) != UNZ_OK) {
        unzClose(handle);
        return member_damaged(zip, member);
    }
    *out = handle;
    return AE_OK;
}

ae_status ae_zip_stored(const ae_zip *zip, const ae_zip_member *member, const unsigned char **data, uint64_t *offset) {
    if (member->method != 0)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': member '%s' is compressed, so it cannot be mapped; store it instead",
                       zip->map.path, member->name);
    unzFile handle = NULL;
    AE_TRY(open_member(zip, member, true, &handle));
    uint64_t begin = unzGetCurrentFileZStreamPos64(handle);
    unzCloseCurrentFile(handle);
    unzClose(handle);
    if (begin == 0 || begin > zip->map.size || member->size > zip->map.size - begin) return member_damaged(zip, member);
    *data = zip->map.data + begin;
    if (offset) *offset = begin;
    return AE_OK;
}

ae_status ae_zip_reader_open(const ae_zip *zip, const ae_zip_member *member, ae_zip_reader *out) {
    unzFile handle = NULL;
    AE_TRY(open_member(zip, member, false, &handle));
    *out = (ae_zip_reader){.zip = zip, .member = member, .handle = handle};
    return AE_OK;
}

ae_status ae_zip_reader_read(ae_zip_reader *reader, void *bytes, size_t length) {
    unsigned char *out = bytes;
    while (length > 0) {
        unsigned chunk = length > 1u << 30 ? 1u << 30 : (unsigned)length;
        int got = unzReadCurrentFile(reader->handle, out, chunk);
        if (got <= 0) return member_damaged(reader->zip, reader->member);
        out += got;
        length -= (size_t)got;
    }
    return AE_OK;
}

ae_status ae_zip_reader_close(ae_zip_reader *reader) {
    if (!reader->handle) return AE_OK;
    int code = unzCloseCurrentFile(reader->handle);
    unzClose(reader->handle);
    ae_status status = AE_OK;
    if (code == UNZ_CRCERROR)
        status = ae_fail(AE_ERR_FORMAT, "'%s': the checksum of member '%s' is wrong: the file is damaged; get it again",
                         reader->zip->map.path, reader->member->name);
    *reader = (ae_zip_reader){0};
    return status;
}
