/* text/bpe.h: a vocabulary of byte strings and the merges that build them; encodes one piece at a time.
 *
 * Knows nothing of files, patterns or added tokens (tokenizer_load.c, pretokenize.h, tokenizer.c). */
#ifndef AE_TEXT_BPE_H
#define AE_TEXT_BPE_H

#include "base/error.h"

typedef struct ae_bpe ae_bpe;

/* For ids 0..n_ids-1, all of them nameless. */
ae_status ae_bpe_new(int32_t n_ids, ae_bpe **out);
void ae_bpe_free(ae_bpe *bpe); // NULL is fine

/* Names an id, which must be in range and nameless. `merged`: text can be merged into this token; false for
 * one that only stands for itself (an added token). The merged tokens must all differ. */
ae_status ae_bpe_add_token(ae_bpe *bpe, int32_t id, const char *bytes, size_t length, bool merged);

/* The id of a merged token, -1: there is none. */
int32_t ae_bpe_find(const ae_bpe *bpe, const char *bytes, size_t length);

/* The next merge, a later one being weaker: left, right -> result, which must be their bytes put together.
 * *fresh is false, and nothing added, if the pair is merged already. */
ae_status ae_bpe_add_merge(ae_bpe *bpe, int32_t left, int32_t right, int32_t result, bool *fresh);

/* -1, or a byte that has no token of its own; the encoder needs all 256. Call it once all tokens are added.
 */
int ae_bpe_missing_byte(ae_bpe *bpe);

/* The token's bytes, NULL for a nameless id or one out of range. Borrowed. */
const char *ae_bpe_bytes(const ae_bpe *bpe, int32_t id, size_t *length);

/* Appends the ids of one piece (length > 0) to *ids as ae_tokenizer_encode does. Takes O(length log length)
 * time. Safe to call from several threads. */
ae_status ae_bpe_encode(const ae_bpe *bpe, const unsigned char *piece, size_t length, int32_t **ids,
                        size_t *n_ids, size_t *capacity);

#endif
