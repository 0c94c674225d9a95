/* text/treebank.h: the words of a sentence as the Penn Treebank cuts them (Robert MacIntyre's rules of 1995,
 * with what NLTK's word_tokenize added to them up to its version 3.9: typographic quotes, dots in runs).
 *
 * Every rule only puts space between characters. So a sentence keeps its characters, and the rules mark where
 * it is cut; later rules see the cuts of earlier ones as spaces. */
#ifndef AE_TEXT_TREEBANK_H
#define AE_TEXT_TREEBANK_H

#include "base/error.h"

/* Words of s[0..n), code points of one sentence without white space at its end: a word ends where cut[i] is
 * set, or where there is white space. open_quote[i]: the " or '' that begins at i opens a quotation, and is
 * written ``; any other " is written ''. Both arrays, [n + 1], come zeroed. */
void ae_treebank_cut(const uint32_t *s, size_t n, bool *cut, bool *open_quote);

#endif
