/* text/tokenizer.h: GPT-2's byte-level byte-pair encoding, from Hugging Face files.
 *
 * Identical to Hugging Face's ids for any bytes (bytes that are not UTF-8 are encoded byte by byte, as they
 * stand). */
#ifndef AE_TEXT_TOKENIZER_H
#define AE_TEXT_TOKENIZER_H

#include "base/digest.h"

typedef struct ae_tokenizer ae_tokenizer;

/* From a model folder: tokenizer.json, or vocab.json + merges.txt (with added_tokens.json,
 * special_tokens_map.json or tokenizer_config.json where they name added tokens). tokenizer.json that is not
 * byte-level BPE with GPT-2's pattern is AE_ERR_UNSUPPORTED, saying which field. n_vocab: the model's; ids
 * beyond it in the files are an error, missing ones decode as U+FFFD. */
ae_status ae_tokenizer_open(const char *folder, int32_t n_vocab, ae_tokenizer **out);
void ae_tokenizer_free(ae_tokenizer *tokenizer); // NULL is fine

/* SHA-256 over the folder's files that a tokenizer is read from. */
ae_status ae_tokenizer_sha256(const char *folder, char hex[AE_DIGEST_HEX]);

/* Appends ids to *ids (grown with ae_grow, freed with ae_free; *n_ids counts, *capacity is its room). Added
 * tokens such as <|endoftext|> in the text become their ids, as in Hugging Face. Thread-safe on a const
 * tokenizer. */
ae_status ae_tokenizer_encode(const ae_tokenizer *tokenizer, const char *text, size_t length, int32_t **ids,
                              size_t *n_ids, size_t *capacity);

/* The raw bytes of one token, not NUL-terminated; length 0 for nameless ids. Borrowed. */
const char *ae_tokenizer_bytes(const ae_tokenizer *tokenizer, int32_t id, size_t *length);

/* Ids to UTF-8, invalid bytes replaced by U+FFFD as Python's errors="replace" does; nameless ids are one
 * U+FFFD each. No clean-up of spaces. *text: NUL-terminated, free with ae_free; `length` may be NULL. */
ae_status ae_tokenizer_decode(const ae_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, char **text,
                              size_t *length);

int32_t ae_tokenizer_end_of_text(const ae_tokenizer *tokenizer); // id of <|endoftext|>; -1: none

#endif
