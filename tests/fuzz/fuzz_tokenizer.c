// A model folder's tokenizer files (text/tokenizer.h); file 6 is a text to encode.
#include "fuzz.h"

#include "base/memory.h"
#include "text/tokenizer.h"

static const char *const names[] = {
    "tokenizer.json",          "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json",
    "special_tokens_map.json", "text",
};
enum { N_NAMES = sizeof names / sizeof *names, N_VOCAB = 1024 };

static void encode(const ae_tokenizer *tokenizer, const char *text, size_t length) {
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    FUZZ_CHECK(ae_tokenizer_encode(tokenizer, text, length, &ids, &n, &capacity) == AE_OK, "%s",
               ae_last_error());
    FUZZ_CHECK(n <= length, "%zu ids for %zu bytes", n, length);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        FUZZ_CHECK(ids[i] >= 0 && ids[i] < N_VOCAB, "id %d", ids[i]);
        fuzz_touch(ae_tokenizer_bytes(tokenizer, ids[i], &bytes), 1);
        FUZZ_CHECK(bytes > 0, "id %d has no bytes", ids[i]);
    }
    char *decoded = NULL;
    size_t decoded_length = 0;
    FUZZ_CHECK(ae_tokenizer_decode(tokenizer, ids, n, &decoded, &decoded_length) == AE_OK, "%s",
               ae_last_error());
    FUZZ_CHECK(strlen(decoded) <= decoded_length && (n == 0 || decoded_length > 0), "decoded");
    ae_free(decoded);
    ae_free(ids);
}

static void check_all_ids(const ae_tokenizer *tokenizer) {
    int32_t ids[N_VOCAB];
    for (int32_t i = 0; i < N_VOCAB; i++)
        ids[i] = i;
    char *text = NULL;
    size_t length = 0;
    FUZZ_CHECK(ae_tokenizer_decode(tokenizer, ids, N_VOCAB, &text, &length) == AE_OK, "%s", ae_last_error());
    ae_free(text);
    const int32_t end = ae_tokenizer_end_of_text(tokenizer);
    FUZZ_CHECK(end >= -1 && end < N_VOCAB, "end of text %d", end);
}

// The last file of the input that is the text.
static const char *find_text(const uint8_t *data, size_t size, size_t *length) {
    const char *text = "In the end<|endoftext|> the theatre\n isn't on!";
    *length = strlen(text);
    size_t begin, end;
    for (size_t i = 1; fuzz_find_file(data, size, i, &begin, &end); i++)
        if (data[begin - 1] % N_NAMES == N_NAMES - 1) {
            text = (const char *)data + begin;
            *length = end - begin;
        }
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, N_NAMES, data, size);
    ae_tokenizer *tokenizer = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_tokenizer_open(folder, N_VOCAB, &tokenizer));
    fuzz_end(size, 2 * FUZZ_PER_JSON_BYTE, 3 << 20); // classes of characters: 1.1 MB
    if (!good) return 0;
    size_t length = 0;
    const char *text = find_text(data, size, &length);
    encode(tokenizer, text, length);
    check_all_ids(tokenizer);
    ae_tokenizer_free(tokenizer);
    return 0;
}
