#include "format/text_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

enum { CHUNK = 256 * 1024, MAX_DOCUMENT = 64 * 1024 * 1024, MAX_VALUES = 1000000 };

typedef enum compression { PLAIN, GZIP, ZSTD } compression;

struct ae_text_stream {
    char **paths;
    size_t n_paths, next_path;

    FILE *file; // NULL: none is open
    compression compression;
    bool is_json, at_end;
    uint64_t line; // of the document handed out last, from 1

    // Of a compressed file.
    z_stream gzip;
    ZSTD_DStream *zstd;    // made once, reset for each file
    bool in_frame;         // or in a member, as gzip calls them; a file may end between them
    unsigned char *packed; // [CHUNK]
    size_t packed_begin, packed_end;

    char *chunk; // [CHUNK] of text
    size_t chunk_begin, chunk_end;
    ae_text joined; // a line that lies in several chunks
    json_t *document;
};

// ---- a file ----------------------------------------------------------------------------------------

static const char *current_path(const ae_text_stream *s) {
    return s->paths[s->next_path - 1];
}

static bool ends_with(const char *text, size_t length, const char *tail) {
    size_t n = strlen(tail);
    return length >= n && memcmp(text + length - n, tail, n) == 0;
}

static void close_file(ae_text_stream *s) {
    if (s->file) fclose(s->file);
    s->file = NULL;
    inflateEnd(&s->gzip); // does nothing where there is nothing
}

static ae_status cannot_read(const ae_text_stream *s) {
    return ae_fail_errno(AE_ERR_IO, "cannot read '%s'", current_path(s));
}

// The name says what a file is; a compressed file under another name would pass for text, so its first bytes
// are looked at.
static ae_status check_magic(const ae_text_stream *s) {
    // A frame to be skipped (behind a byte from 0x50 to 0x5f) is what pzstd begins with.
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd},
                               skipped[] = {0x2a, 0x4d, 0x18};
    const char *path = current_path(s);
    const compression expected = s->compression;
    unsigned char start[4] = {0};
    size_t n = fread(start, 1, sizeof start, s->file);
    if (n < sizeof start && ferror(s->file)) return cannot_read(s);
    rewind(s->file);
    bool is_gzip = memcmp(start, gzip, sizeof gzip) == 0;
    bool is_zstd = memcmp(start, zstd, sizeof zstd) == 0 ||
                   ((start[0] & 0xf0) == 0x50 && memcmp(start + 1, skipped, sizeof skipped) == 0);
    if (expected == GZIP && !is_gzip)
        return ae_fail(AE_ERR_FORMAT, "'%s' is named .gz, but is not compressed by gzip", path);
    if (expected == ZSTD && !is_zstd)
        return ae_fail(AE_ERR_FORMAT, "'%s' is named .zst, but is not compressed by zstd", path);
    if (expected == PLAIN && (is_gzip || is_zstd))
        return ae_fail(AE_ERR_FORMAT, "'%s' is compressed by %s: give it a name that ends in %s", path,
                       is_gzip ? "gzip" : "zstd", is_gzip ? ".gz" : ".zst");
    return AE_OK;
}

static ae_status start_unpacking(ae_text_stream *s) {
    if (!s->packed) s->packed = ae_alloc(CHUNK, 1);
    if (s->compression == ZSTD && !s->zstd) s->zstd = ZSTD_createDStream();
    s->gzip = (z_stream){0};
    bool ready = s->packed;
    if (s->compression == ZSTD)
        ready = ready && s->zstd && !ZSTD_isError(ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only));
    else
        ready = ready && inflateInit2(&s->gzip, 16 + MAX_WBITS) == Z_OK; // 16: gzip's own header, no other
    s->packed_begin = s->packed_end = 0;
    s->in_frame = false;
    return ready ? AE_OK : ae_fail(AE_ERR_MEMORY, "out of memory while opening '%s'", current_path(s));
}

static ae_status open_file(ae_text_stream *s, const char *path) {
    size_t length = strlen(path);
    s->compression = ends_with(path, length, ".gz") ? GZIP : ends_with(path, length, ".zst") ? ZSTD : PLAIN;
    length -= s->compression == GZIP ? 3 : s->compression == ZSTD ? 4 : 0;
    s->is_json = ends_with(path, length, ".jsonl") || ends_with(path, length, ".ndjson") ||
                 ends_with(path, length, ".json");
    s->at_end = false;
    s->line = 0;
    s->chunk_begin = s->chunk_end = 0;
    int file = -1;
    AE_TRY(ae_file_open(path, &file));
    s->file = fdopen(file, "rb");
    if (!s->file) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
        close(file);
        return status;
    }
    AE_TRY(check_magic(s));
    return s->compression == PLAIN ? AE_OK : start_unpacking(s);
}

static ae_status damaged(const ae_text_stream *s, const char *why) {
    return ae_fail(AE_ERR_FORMAT, "'%s': after line %llu the compressed data is damaged or cut short: %s",
                   current_path(s), (unsigned long long)s->line, why);
}

static ae_status no_memory_to_unpack(const ae_text_stream *s) {
    return ae_fail(AE_ERR_MEMORY, "out of memory while reading '%s'", current_path(s));
}

// More of what is compressed where none is left; still none at the file's end.
static ae_status refill(ae_text_stream *s) {
    if (s->packed_begin < s->packed_end) return AE_OK;
    s->packed_begin = 0;
    s->packed_end = fread(s->packed, 1, CHUNK, s->file);
    return s->packed_end == 0 && ferror(s->file) ? cannot_read(s) : AE_OK;
}

static ae_status inflate_some(ae_text_stream *s, size_t *length) {
    z_stream *z = &s->gzip;
    z->next_out = (unsigned char *)s->chunk;
    z->avail_out = CHUNK;
    while (z->avail_out == CHUNK) {
        AE_TRY(refill(s));
        if (s->packed_begin == s->packed_end && !s->in_frame) break;
        if (!s->in_frame && s->packed[s->packed_begin] == 0) { // tapes are filled up with zeros
            s->packed_begin++;
            continue;
        }
        z->next_in = s->packed + s->packed_begin;
        z->avail_in = (unsigned)(s->packed_end - s->packed_begin);
        const int code = inflate(z, Z_NO_FLUSH);
        s->packed_begin = s->packed_end - z->avail_in;
        s->in_frame = code != Z_STREAM_END;
        if (code == Z_STREAM_END) inflateReset(z);
        if (code == Z_BUF_ERROR) return damaged(s, "it ends too early");
        if (code == Z_MEM_ERROR) return no_memory_to_unpack(s);
        if (code != Z_OK && code != Z_STREAM_END) return damaged(s, z->msg ? z->msg : "no gzip data");
    }
    *length = CHUNK - z->avail_out;
    return AE_OK;
}

static ae_status fail_zstd(const ae_text_stream *s, size_t code) {
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s' needs a window of more than 128 MB; compress it without --long",
                       current_path(s));
    case ZSTD_error_memory_allocation:
        return no_memory_to_unpack(s);
    default:
        return damaged(s, ZSTD_getErrorName(code));
    }
}

static ae_status decompress_some(ae_text_stream *s, size_t *length) {
    ZSTD_outBuffer out = {.dst = s->chunk, .size = CHUNK};
    while (out.pos == 0) {
        AE_TRY(refill(s));
        const bool no_more = s->packed_begin == s->packed_end;
        if (no_more && !s->in_frame) break;
        ZSTD_inBuffer in = {s->packed, s->packed_end, s->packed_begin};
        const size_t code = ZSTD_decompressStream(s->zstd, &out, &in);
        if (ZSTD_isError(code)) return fail_zstd(s, code);
        s->packed_begin = in.pos;
        s->in_frame = code != 0;
        if (no_more && out.pos == 0 && s->in_frame) return damaged(s, "it ends too early");
    }
    *length = out.pos;
    return AE_OK;
}

// The next chunk of text; at_end where there is none.
static ae_status fill(ae_text_stream *s) {
    size_t length = 0;
    if (s->compression == GZIP) {
        AE_TRY(inflate_some(s, &length));
    } else if (s->compression == ZSTD) {
        AE_TRY(decompress_some(s, &length));
    } else {
        length = fread(s->chunk, 1, CHUNK, s->file);
        if (length == 0 && ferror(s->file)) return cannot_read(s);
    }
    s->chunk_begin = 0;
    s->chunk_end = length;
    s->at_end = length == 0;
    return AE_OK;
}

// ---- lines and documents ---------------------------------------------------------------------------

// The next line of the file, without its end; *line is NULL at the end of the file.
static ae_status next_line(ae_text_stream *s, const char **line, size_t *length) {
    s->joined.length = 0;
    bool any = false;
    for (;;) {
        if (s->chunk_begin == s->chunk_end) {
            if (!s->at_end) AE_TRY(fill(s));
            if (s->at_end) break;
        }
        const char *begin = s->chunk + s->chunk_begin;
        size_t left = s->chunk_end - s->chunk_begin;
        const char *end = memchr(begin, '\n', left);
        size_t piece = end ? (size_t)(end - begin) : left;
        s->chunk_begin += end ? piece + 1 : piece;
        if (s->joined.length + piece > MAX_DOCUMENT)
            return ae_fail(AE_ERR_FORMAT, "'%s': line %llu is longer than the %d MB that a document may have",
                           current_path(s), (unsigned long long)s->line + 1, MAX_DOCUMENT / (1024 * 1024));
        if (end && !any) { // the usual case: no copy
            *line = begin;
            *length = piece;
            goto found;
        }
        any = true;
        AE_TRY(ae_text_append(&s->joined, begin, piece));
        if (end) break;
    }
    if (!any) {
        *line = NULL;
        return AE_OK;
    }
    *line = s->joined.data;
    *length = s->joined.length;
found:
    s->line++;
    if (*length > 0 && (*line)[*length - 1] == '\r') --*length;
    static const char mark[] = "\xef\xbb\xbf"; // some editors put it before the first line
    if (s->line == 1 && *length >= 3 && memcmp(*line, mark, 3) == 0) {
        *line += 3;
        *length -= 3;
    }
    return AE_OK;
}

static bool is_blank(const char *line, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (line[i] != ' ' && line[i] != '\t') return false;
    return true;
}

// How many values the line may hold, by the commas and brackets outside of its strings. An empty object takes
// a hundred times the memory of its text, and compression makes a small file of very many: without a look at
// this first, a line of 64 MB took gigabytes.
static size_t count_values(const char *line, size_t length) {
    size_t n = 1;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        const char c = line[i];
        if (c == '"')
            in_string = !in_string;
        else if (in_string)
            i += c == '\\'; // whatever it escapes does not end the string
        else
            n += c == ',' || c == '{' || c == '[';
    }
    return n;
}

static ae_status read_document(ae_text_stream *s, const char *line, size_t length, const char **text,
                               size_t *text_length) {
    char *place = ae_format("%s: line %llu", current_path(s), (unsigned long long)s->line);
    if (!place) return ae_no_memory();
    json_decref(s->document);
    s->document = NULL;
    ae_status status = AE_OK;
    if (count_values(line, length) > MAX_VALUES)
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds more than the %d values that a document may have", place,
                         MAX_VALUES);
    if (status == AE_OK) status = ae_json_parse(place, line, length, &s->document);
    if (status == AE_OK && !json_is_object(s->document))
        status = ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object with a field 'text'", place,
                         ae_json_type_name(s->document));
    if (status == AE_OK) status = ae_json_bytes(place, s->document, "text", true, text, text_length);
    ae_free(place);
    return status;
}

ae_status ae_text_stream_next(ae_text_stream *stream, const char **text, size_t *length) {
    for (;;) {
        if (!stream->file) {
            if (stream->next_path == stream->n_paths) {
                *text = NULL;
                *length = 0;
                return AE_OK;
            }
            ae_status status = open_file(stream, stream->paths[stream->next_path++]);
            if (status != AE_OK) {
                close_file(stream);
                return status;
            }
        }
        const char *line = NULL;
        size_t line_length = 0;
        AE_TRY(next_line(stream, &line, &line_length));
        if (!line) {
            close_file(stream);
            continue;
        }
        if (stream->is_json) {
            if (is_blank(line, line_length)) continue;
            return read_document(stream, line, line_length, text, length);
        }
        *text = line;
        *length = line_length;
        return AE_OK;
    }
}

ae_status ae_text_stream_open(const char *const *paths, size_t n_paths, ae_text_stream **out) {
    ae_text_stream *s = ae_alloc(1, sizeof *s);
    if (!s) return ae_no_memory();
    s->chunk = ae_alloc(CHUNK, 1);
    s->paths = ae_alloc(n_paths, sizeof *s->paths);
    ae_status status = s->chunk && s->paths ? AE_OK : ae_no_memory();
    for (; status == AE_OK && s->n_paths < n_paths; s->n_paths++) {
        s->paths[s->n_paths] = ae_strdup(paths[s->n_paths]);
        if (!s->paths[s->n_paths]) status = ae_no_memory();
        if (status != AE_OK) break;
        int probe = -1;
        status = ae_file_open(paths[s->n_paths], &probe); // a missing file shows now, not hours into a run
        if (status != AE_OK) {
            ae_free(s->paths[s->n_paths]);
            break;
        }
        close(probe);
    }
    if (status != AE_OK) {
        ae_text_stream_close(s);
        return status;
    }
    *out = s;
    return AE_OK;
}

void ae_text_stream_close(ae_text_stream *stream) {
    if (!stream) return;
    close_file(stream);
    ZSTD_freeDStream(stream->zstd);
    json_decref(stream->document);
    for (size_t i = 0; i < stream->n_paths; i++)
        ae_free(stream->paths[i]);
    ae_free(stream->paths);
    ae_free(stream->packed);
    ae_free(stream->chunk);
    ae_free(stream->joined.data);
    ae_free(stream);
}
