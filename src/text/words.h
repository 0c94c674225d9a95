/* text/words.h: words as the Penn Treebank cuts them, after a split into sentences: what NLTK's word_tokenize
 * gives for English, for n-gram measures of generated text.
 *
 * Followed is NLTK up to 3.9, with which the field's numbers were made; 3.10 cuts at dashes and behind every
 * leading apostrophe, which changes the entropy of some texts by up to 10 %. The rules for words are the
 * same. Sentences differ in about 4 of 1,000 texts of 100 tokens of prose: behind "U.S.", "Mr.", initials and
 * numbers Punkt consults a table of how 20,000 words are written, sentences.c two lists of 200 ("the U.S.
 * Naval Academy", "Edward A. Rice", "5 July 2021. International"); a period is then cut off here and not
 * there, or the other way round. Not followed either are two oddities of NLTK's search for ends: a run of
 * signs that begins with . ? or ! may end two sentences, and white space beyond ASCII does not part words
 * there. tools/parity_metrics.py measures all this. */
#ifndef AE_TEXT_WORDS_H
#define AE_TEXT_WORDS_H

#include "base/error.h"

typedef struct ae_words {
    char **items; // NUL-terminated; in one block
    size_t count;
    char *block;
} ae_words;

/* `text`: UTF-8 of `length` bytes, with no NUL among them; bytes that are no UTF-8 stay as they are and part
 * no words. */
ae_status ae_words_split(const char *text, size_t length, ae_words *out);
void ae_words_free(ae_words *words); // zeroed by this

#endif
