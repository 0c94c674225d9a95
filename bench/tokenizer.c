/* How fast the tokenizer opens, encodes and decodes, on one thread, by processor time.
 *
 *     tokenizer FOLDER FILE...
 *
 * Each FILE is encoded whole, and once more line by line; the best of several rounds counts, in MB (10^6
 * bytes) a second. */
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "text/tokenizer.h"

enum { ROUNDS = 7, N_VOCAB = 1 << 20 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ae_status encode_lines(const ae_tokenizer *tokenizer, const char *text, size_t length, int32_t **ids,
                              size_t *n, size_t *capacity) {
    for (size_t start = 0, at = 0; at < length; at++) {
        if (text[at] != '\n' && at + 1 < length) continue;
        AE_TRY(ae_tokenizer_encode(tokenizer, text + start, at + 1 - start, ids, n, capacity));
        start = at + 1;
    }
    return AE_OK;
}

static ae_status time_file(const ae_tokenizer *tokenizer, const char *path) {
    char *text = NULL, *decoded = NULL;
    size_t length, n = 0, capacity = 0, decoded_length = 0;
    int32_t *ids = NULL;
    double whole = 1e9, lines = 1e9, back = 1e9;
    ae_status status;
    AE_TRY_GOTO(done, ae_file_read(path, (size_t)1 << 30, &text, &length));
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        n = 0;
        AE_TRY_GOTO(done, encode_lines(tokenizer, text, length, &ids, &n, &capacity));
        double middle = now();
        n = 0;
        AE_TRY_GOTO(done, ae_tokenizer_encode(tokenizer, text, length, &ids, &n, &capacity));
        double encoded = now();
        ae_free(decoded);
        decoded = NULL;
        AE_TRY_GOTO(done, ae_tokenizer_decode(tokenizer, ids, n, &decoded, &decoded_length));
        double end = now();
        if (middle - start < lines) lines = middle - start;
        if (encoded - middle < whole) whole = encoded - middle;
        if (end - encoded < back) back = end - encoded;
    }
    double mb = (double)length / 1e6;
    printf("%s: %.2f MB, %zu tokens; encode %.1f MB/s (by lines %.1f), decode %.1f MB/s\n", path, mb, n,
           mb / whole, mb / lines, mb / back);
done:
    ae_free(text);
    ae_free(decoded);
    ae_free(ids);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: tokenizer FOLDER FILE...\n");
        return 2;
    }
    ae_tokenizer *tokenizer = NULL;
    ae_status status = AE_OK;
    double best = 1e9;
    for (int round = 0; status == AE_OK && round < ROUNDS; round++) {
        ae_tokenizer_free(tokenizer);
        tokenizer = NULL;
        double start = now();
        status = ae_tokenizer_open(argv[1], N_VOCAB, &tokenizer);
        if (now() - start < best) best = now() - start;
    }
    if (status == AE_OK) printf("%s: opened in %.1f ms\n", argv[1], best * 1e3);
    for (int i = 2; status == AE_OK && i < argc; i++)
        status = time_file(tokenizer, argv[i]);
    if (status != AE_OK) fprintf(stderr, "tokenizer: %s\n", ae_last_error());
    ae_tokenizer_free(tokenizer);
    return status == AE_OK ? 0 : 1;
}
