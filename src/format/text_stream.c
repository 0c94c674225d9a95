#include "format/text_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

enum { CHUNK = 256 * 1024, MAX_DOCUMENT = 64 * 1024 * 1024, MAX_VALUES = 1000000 };

typedef enum compression { PLAIN, GZIP, ZSTD } compression;

struct ae_text_stream {
    char **paths;
    size_t n_paths, next_path;

    // The file that is open: one of the three.
    compression compression;
    FILE *plain; // PLAIN, ZSTD
    gzFile gzip;
    ZSTD_DStream *zstd; // made once, reset for each file
    bool is_json, is_open, at_end;
    size_t zstd_need;      // 0: between frames
    unsigned char *packed; // [CHUNK], for zstd
    ZSTD_inBuffer packed_left;
    uint64_t line; // of the document handed out last, from 1

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
    if (s->plain) fclose(s->plain);
    if (s->gzip) gzclose(s->gzip);
    s->plain = NULL;
    s->gzip = NULL;
    s->is_open = false;
}

// The name says what a file is; a compressed file under another name would pass for text, so its first bytes
// are looked at.
static ae_status check_magic(FILE *stream, const char *path, compression expected) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    unsigned char start[4];
    size_t n = fread(start, 1, sizeof start, stream);
    if (n < sizeof start && ferror(stream)) return ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
    rewind(stream);
    bool is_gzip = n >= sizeof gzip && memcmp(start, gzip, sizeof gzip) == 0;
    bool is_zstd = n >= sizeof zstd && memcmp(start, zstd, sizeof zstd) == 0;
    if (expected == GZIP && !is_gzip)
        return ae_fail(AE_ERR_FORMAT, "'%s' is named .gz, but is not compressed by gzip", path);
    if (expected == ZSTD && !is_zstd)
        return ae_fail(AE_ERR_FORMAT, "'%s' is named .zst, but is not compressed by zstd", path);
    if (expected == PLAIN && (is_gzip || is_zstd))
        return ae_fail(AE_ERR_FORMAT, "'%s' is compressed by %s: give it a name that ends in %s", path,
                       is_gzip ? "gzip" : "zstd", is_gzip ? ".gz" : ".zst");
    return AE_OK;
}

static ae_status open_zstd(ae_text_stream *s) {
    if (!s->zstd) s->zstd = ZSTD_createDStream();
    if (!s->packed) s->packed = ae_alloc(CHUNK, 1);
    if (!s->zstd || !s->packed)
        return ae_fail(AE_ERR_MEMORY, "out of memory while opening '%s'", current_path(s));
    ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
    s->packed_left = (ZSTD_inBuffer){.src = s->packed};
    s->zstd_need = 0;
    return AE_OK;
}

static ae_status open_stream(const char *path, FILE **stream) {
    int file = -1;
    AE_TRY(ae_file_open(path, &file));
    *stream = fdopen(file, "rb");
    if (*stream) return AE_OK;
    close(file);
    return ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
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
    AE_TRY(open_stream(path, &s->plain));
    s->is_open = true;
    AE_TRY(check_magic(s->plain, path, s->compression));
    if (s->compression == ZSTD) return open_zstd(s);
    if (s->compression == PLAIN) return AE_OK;
    fclose(s->plain);
    s->plain = NULL;
    int file = -1;
    AE_TRY(ae_file_open(path, &file));
    s->gzip = gzdopen(file, "rb");
    if (!s->gzip) {
        close(file);
        return ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
    }
    gzbuffer(s->gzip, CHUNK);
    return AE_OK;
}

static ae_status damaged(const ae_text_stream *s, const char *why) {
    return ae_fail(AE_ERR_FORMAT, "'%s': after line %llu the compressed data is damaged or cut short: %s",
                   current_path(s), (unsigned long long)s->line, why);
}

static ae_status read_gzip(ae_text_stream *s, size_t *length) {
    int n = gzread(s->gzip, s->chunk, CHUNK);
    int code;
    const char *why = gzerror(s->gzip, &code);
    // A file that is cut short gives what it has and Z_BUF_ERROR behind it.
    if (n < 0 || (n == 0 && code == Z_BUF_ERROR))
        return damaged(s, code == Z_BUF_ERROR ? "it ends too early" : why);
    *length = (size_t)n;
    return AE_OK;
}

static ae_status read_zstd(ae_text_stream *s, size_t *length) {
    ZSTD_outBuffer out = {.dst = s->chunk, .size = CHUNK};
    while (out.pos == 0) {
        if (s->packed_left.pos == s->packed_left.size) {
            s->packed_left.size = fread(s->packed, 1, CHUNK, s->plain);
            s->packed_left.pos = 0;
            if (s->packed_left.size == 0 && ferror(s->plain))
                return ae_fail_errno(AE_ERR_IO, "cannot read '%s'", current_path(s));
            if (s->packed_left.size == 0 && s->zstd_need == 0) break; // the end, between frames
        }
        bool no_more = s->packed_left.size == 0;
        size_t code = ZSTD_decompressStream(s->zstd, &out, &s->packed_left);
        if (ZSTD_isError(code)) return damaged(s, ZSTD_getErrorName(code));
        s->zstd_need = code;
        if (no_more && out.pos == 0 && code != 0) return damaged(s, "it ends too early");
    }
    *length = out.pos;
    return AE_OK;
}

// The next chunk of text; at_end where there is none.
static ae_status fill(ae_text_stream *s) {
    size_t length = 0;
    if (s->compression == GZIP) {
        AE_TRY(read_gzip(s, &length));
    } else if (s->compression == ZSTD) {
        AE_TRY(read_zstd(s, &length));
    } else {
        length = fread(s->chunk, 1, CHUNK, s->plain);
        if (length == 0 && ferror(s->plain))
            return ae_fail_errno(AE_ERR_IO, "cannot read '%s'", current_path(s));
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
    const char *found = NULL;
    ae_status status = AE_OK;
    if (count_values(line, length) > MAX_VALUES)
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds more than the %d values that a document may have", place,
                         MAX_VALUES);
    if (status == AE_OK) status = ae_json_parse(place, line, length, &s->document);
    if (status == AE_OK && !json_is_object(s->document))
        status = ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object with a field 'text'", place,
                         ae_json_type_name(s->document));
    if (status == AE_OK) status = ae_json_string(place, s->document, "text", true, &found);
    ae_free(place);
    if (status != AE_OK) return status;
    *text = found;
    *text_length = json_string_length(json_object_get(s->document, "text"));
    return AE_OK;
}

ae_status ae_text_stream_next(ae_text_stream *stream, const char **text, size_t *length) {
    for (;;) {
        if (!stream->is_open) {
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
