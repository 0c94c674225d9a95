/* text/sentences.h: where the sentences of an English text end.
 *
 * The decisions are those of Punkt (Kiss & Strunk 2006, "Unsupervised multilingual sentence boundary
 * detection"), as NLTK's sent_tokenize takes them for English; of its trained model the abbreviations are
 * kept, and a list of words that commonly begin a sentence stands for the table of how 20,000 words are
 * written. */
#ifndef AE_TEXT_SENTENCES_H
#define AE_TEXT_SENTENCES_H

#include "text/chars.h"

typedef struct ae_sentence {
    size_t begin, end; // code points of the text; no white space at the end
} ae_sentence;

/* The sentences in order, white space between them left out (before the first one it is kept). Free with
 * ae_free. */
ae_status ae_sentences_split(const ae_chars *text, ae_sentence **out, size_t *count);

#endif
