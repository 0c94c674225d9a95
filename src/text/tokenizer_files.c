// The files that a tokenizer is read from, as one digest.
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "text/tokenizer.h"

static ae_status add_file(ae_digest *digest, const char *folder, const char *name, bool *there) {
    char *path = ae_path_join(folder, name), hex[AE_DIGEST_HEX];
    if (!path) return ae_no_memory();
    *there = ae_path_is_taken(path);
    ae_status status = *there ? ae_sha256_file(path, hex) : AE_OK;
    ae_free(path);
    if (status == AE_OK && *there) status = ae_digest_add(digest, name, strlen(name) + 1);
    if (status == AE_OK && *there) status = ae_digest_add(digest, hex, sizeof hex);
    return status;
}

ae_status ae_tokenizer_sha256(const char *folder, char hex[AE_DIGEST_HEX]) {
    static const char *const names[] = {
        "tokenizer.json",          "vocab.json",           "merges.txt", "added_tokens.json",
        "special_tokens_map.json", "tokenizer_config.json"};
    enum { MAIN, VOCAB, MERGES, COUNT = sizeof names / sizeof *names };
    ae_digest *digest = NULL;
    bool has_main = false, there;
    AE_TRY(ae_digest_new(&digest));
    ae_status status = add_file(digest, folder, names[MAIN], &has_main);
    for (int i = VOCAB; i < COUNT && status == AE_OK; i++)
        if (!has_main || i > MERGES) status = add_file(digest, folder, names[i], &there);
    if (status == AE_OK) status = ae_digest_hex(digest, hex);
    ae_digest_free(digest);
    return status;
}
