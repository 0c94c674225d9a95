/* text/tokenizer_parts.h: what a tokenizer is made of; shared by tokenizer.c and tokenizer_load.c only. */
#ifndef AE_TEXT_TOKENIZER_PARTS_H
#define AE_TEXT_TOKENIZER_PARTS_H

#include "text/bpe.h"

/* A token that is looked for in the text itself before the rest is cut into pieces. */
typedef struct ae_added_token {
    char *text;
    size_t length;
    int32_t id;
    bool normalized; // looked for in a second pass, in what the first pass left
    size_t shorter;  // tokenizer.c: place of the next that differs in length, first byte or `normalized`
} ae_added_token;

typedef struct ae_added_tokens {
    ae_added_token *items;
    size_t n, capacity;
} ae_added_tokens;

/* The vocabulary, merges and added tokens that a model folder's files give. */
ae_status ae_tokenizer_load(const char *folder, int32_t n_vocab, ae_bpe **bpe, ae_added_tokens *added);
void ae_added_tokens_free(ae_added_tokens *added); // zeroed by this

#endif
