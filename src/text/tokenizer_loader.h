/* text/tokenizer_loader.h: the state while a tokenizer's files are read; between tokenizer_load.c, which
 * reads vocabulary and merges, tokenizer_json.c and tokenizer_added.c. */
#ifndef AE_TEXT_TOKENIZER_LOADER_H
#define AE_TEXT_TOKENIZER_LOADER_H

#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer_parts.h"

enum { AE_TOKENIZER_FILE_LIMIT = 256 << 20, AE_TOKENIZER_MAX_IDS = 1 << 24 };

typedef struct ae_tokenizer_loader {
    const char *folder;
    int32_t n_vocab;
    int32_t max_id;
    char *main_path;         // tokenizer.json or vocab.json
    char *merges_path;       // merges.txt, NULL with tokenizer.json
    json_t *main;            // the document of main_path
    const json_t *vocab;     // token -> id, within `main`
    ae_added_tokens added;   // in the order found
    json_t *by_text, *by_id; // where in `added` a text stands, and an id (as digits); NULL: nowhere yet
    ae_bpe *bpe;
    int16_t byte_of[324]; // by character, -1: stands for no byte
    ae_text key;          // a token's bytes, reused
} ae_tokenizer_loader;

/* A token's id: an integer that the model has; raises load->max_id. */
ae_status ae_loader_check_id(ae_tokenizer_loader *load, const char *path, const char *token,
                             const json_t *value, int32_t *id);

/* {"content": ..., "lstrip": ...} with an id of its own. */
ae_status ae_loader_add_described(ae_tokenizer_loader *load, const char *path, const json_t *entry,
                                  const json_t *id_value);

/* Added tokens of the files beside the main one; load->vocab is known. */
ae_status ae_loader_read_added(ae_tokenizer_loader *load);

/* Checks tokenizer.json and finds load->vocab; *merges and *added (may be NULL) are borrowed from it. */
ae_status ae_loader_read_json(ae_tokenizer_loader *load, const json_t **merges, const json_t **added);

#endif
