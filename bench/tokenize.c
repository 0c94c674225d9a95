/* Encodes and decodes what it is given, for comparison with another implementation
 * (tools/parity_tokenizer.py).
 *
 *     tokenize FOLDER N_VOCAB < requests > answers
 *
 * Numbers are 32-bit, little-endian. A request is 'e', a length and that many bytes of text, or 'd', a count
 * and that many ids. The answer to 'e' is a count and the ids, after which the ids' own bytes have been
 * compared with the text; the answer to 'd' is a length and the text. A failure ends the program with its
 * message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/tokenizer.h"

static bool read_u32(uint32_t *out) {
    return fread(out, sizeof *out, 1, stdin) == 1;
}

static bool write_block(const void *items, size_t n, size_t size) {
    uint32_t count = (uint32_t)n;
    return fwrite(&count, sizeof count, 1, stdout) == 1 && fwrite(items, size, n, stdout) == n;
}

// Whether the tokens' bytes, one after the other, are the text again.
static bool same_bytes(const ae_tokenizer *tokenizer, const int32_t *ids, size_t n, const char *text,
                       size_t length) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t part;
        const char *bytes = ae_tokenizer_bytes(tokenizer, ids[i], &part);
        if (part > length - at || memcmp(bytes, text + at, part) != 0) return false;
        at += part;
    }
    return at == length;
}

static ae_status answer(const ae_tokenizer *tokenizer, int kind, const void *body, uint32_t n) {
    int32_t *ids = NULL;
    char *text = NULL;
    size_t n_ids = 0, capacity = 0, length = 0;
    ae_status status;
    bool written = true;
    if (kind == 'e') {
        status = ae_tokenizer_encode(tokenizer, body, n, &ids, &n_ids, &capacity);
        if (status == AE_OK && !same_bytes(tokenizer, ids, n_ids, body, n))
            status = ae_fail(AE_ERR_INTERNAL, "the tokens of a text of %u bytes are not its bytes again", n);
        if (status == AE_OK) written = write_block(ids, n_ids, sizeof *ids);
    } else {
        status = ae_tokenizer_decode(tokenizer, body, n, &text, &length);
        if (status == AE_OK) written = write_block(text, length, 1);
    }
    ae_free(ids);
    ae_free(text);
    return written ? status : ae_fail(AE_ERR_IO, "cannot write the answer");
}

static ae_status answer_all(const ae_tokenizer *tokenizer) {
    for (int kind; (kind = getchar()) != EOF;) {
        uint32_t n;
        if ((kind != 'e' && kind != 'd') || !read_u32(&n))
            return ae_fail(AE_ERR_FORMAT, "a malformed request");
        size_t size = kind == 'e' ? 1 : sizeof(int32_t);
        void *body = ae_alloc(n, size);
        if (!body) return ae_no_memory();
        ae_status status = fread(body, size, n, stdin) == n
                               ? answer(tokenizer, kind, body, n)
                               : ae_fail(AE_ERR_FORMAT, "a request that is cut off");
        ae_free(body);
        AE_TRY(status);
    }
    return AE_OK;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: tokenize FOLDER N_VOCAB < requests > answers\n");
        return 2;
    }
    ae_tokenizer *tokenizer = NULL;
    ae_status status = ae_tokenizer_open(argv[1], (int32_t)strtol(argv[2], NULL, 10), &tokenizer);
    if (status == AE_OK) status = answer_all(tokenizer);
    if (status != AE_OK) fprintf(stderr, "tokenize: %s\n", ae_last_error());
    ae_tokenizer_free(tokenizer);
    return status == AE_OK && fflush(stdout) == 0 ? 0 : 1;
}
