/* format/text_stream.h: a corpus as a sequence of documents, from plain text (a document a line, empty ones
 * count) or JSON lines (.jsonl, .ndjson, .json: {"text": ...} a line, blank lines are skipped); each may be
 * compressed with gzip
 * (.gz) or zstd (.zst). The name decides, and contents that contradict it are an error. Lines end in LF or
 * CRLF. Reads with bounded memory. */
#ifndef AE_FORMAT_TEXT_STREAM_H
#define AE_FORMAT_TEXT_STREAM_H

#include "base/error.h"

typedef struct ae_text_stream ae_text_stream;

/* AE_ERR_NOT_FOUND, AE_ERR_IO if any of the files cannot be opened; `paths` is copied. */
ae_status ae_text_stream_open(const char *const *paths, size_t n_paths, ae_text_stream **out);
void ae_text_stream_close(ae_text_stream *stream); // NULL is fine

/* The next document's text (valid until the next call; not NUL-free: use length); *text is NULL at the end.
 * A line that is not valid is AE_ERR_FORMAT with file and line number. A document is at most 64 MB, one of
 * JSON at most a million values. */
ae_status ae_text_stream_next(ae_text_stream *stream, const char **text, size_t *length);

#endif
