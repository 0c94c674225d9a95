/* text/pretokenize.h: where GPT-2's pattern cuts a text into pieces, within which byte pairs are merged.
 *
 * The pattern, alternatives tried in order, leftmost first:
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Every character is in exactly one of the four classes, so that it needs no backtracking but one step: white
 * space in front of something visible leaves its last character to what follows. */
#ifndef AE_TEXT_PRETOKENIZE_H
#define AE_TEXT_PRETOKENIZE_H

#include "base/error.h"

/* The classes of all characters, one byte each; free with ae_free. NULL on lack of memory. */
unsigned char *ae_char_classes_new(void);

/* Bytes in the piece at the beginning of s[0..n), n > 0: 1 to n. Invalid UTF-8 counts as visible, neither
 * letter nor number, as U+FFFD does. */
size_t ae_piece_length(const unsigned char *classes, const unsigned char *s, size_t n);

#endif
