/* text/unicode.h: what the field's text handling needs of Unicode. */
#ifndef AE_TEXT_UNICODE_H
#define AE_TEXT_UNICODE_H

#include "base/error.h"

/* Compatibility decomposition (NFKD); *out: NUL-terminated, free with ae_free. Invalid UTF-8 is
 * AE_ERR_FORMAT. */
ae_status ae_unicode_nfkd(const char *text, size_t length, char **out);

/* `bytes` with every maximal invalid part replaced by U+FFFD, as Python's bytes.decode("utf-8", "replace")
 * does. *out: NUL-terminated, free with ae_free; out_length may be NULL. */
ae_status ae_utf8_replace(const char *bytes, size_t length, char **out, size_t *out_length);

/* Bytes at the end that are the beginning of an unfinished character (0 to 3): hold them back when streaming.
 */
size_t ae_utf8_unfinished(const char *bytes, size_t length);

/* text[0..length) without NUL characters, which models write now and then and C strings cannot hold; in
 * place, with a NUL at its end. The new length. */
size_t ae_text_drop_nul(char *text, size_t length);

/* Every `from` becomes `to`, which is not longer; in place, a string without NUL. */
void ae_text_replace(char *text, const char *from, const char *to);

/* The old decoder's clean-up of spaces (before . ? ! , and n't 'm 's 've 're), in place; spec/editing.md §9.
 * A string without NUL. */
void ae_text_cleanup_compat(char *text);

#endif
