// Any bytes through a fixed tokenizer and back, and through the other readers of text: sentences, words,
// normal forms.
#include "fuzz.h"

#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include "text/words.h"

// The ids' bytes are the text's, whatever it is.
static void check_round_trip(const ae_tokenizer *tokenizer, const char *text, size_t length) {
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0, at = 0;
    FUZZ_CHECK(ae_tokenizer_encode(tokenizer, text, length, &ids, &n, &capacity) == AE_OK, "%s",
               ae_last_error());
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        const char *token = ae_tokenizer_bytes(tokenizer, ids[i], &bytes);
        FUZZ_CHECK(bytes > 0 && bytes <= length - at && memcmp(token, text + at, bytes) == 0, "id %d at %zu",
                   ids[i], at);
        at += bytes;
    }
    FUZZ_CHECK(at == length, "%zu of %zu bytes", at, length);
    char *decoded = NULL, *replaced = NULL;
    size_t decoded_length = 0, replaced_length = 0;
    FUZZ_CHECK(ae_tokenizer_decode(tokenizer, ids, n, &decoded, &decoded_length) == AE_OK &&
                   ae_utf8_replace(text, length, &replaced, &replaced_length) == AE_OK,
               "%s", ae_last_error());
    FUZZ_CHECK(decoded_length == replaced_length && memcmp(decoded, replaced, replaced_length) == 0,
               "decoded otherwise");
    ae_free(decoded);
    ae_free(replaced);
    ae_free(ids);
}

static void check_words(const char *text, size_t length) {
    ae_words words = {0};
    if (memchr(text, '\0', length)) return; // words are NUL-terminated
    FUZZ_CHECK(ae_words_split(text, length, &words) == AE_OK, "%s", ae_last_error());
    for (size_t i = 0; i < words.count; i++)
        FUZZ_CHECK(*words.items[i], "an empty word");
    ae_words_free(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const ae_tokenizer *tokenizer = fuzz_model()->tokenizer;
    fuzz_begin();
    check_round_trip(tokenizer, text, size);
    check_words(text, size);
    char *normal = NULL;
    if (fuzz_ok(ae_unicode_nfkd(text, size, &normal))) ae_text_cleanup_compat(normal);
    ae_free(normal);
    FUZZ_CHECK(ae_utf8_unfinished(text, size) <= (size < 3 ? size : 3), "unfinished");
    fuzz_end(size, 256, 1 << 20);
    return 0;
}
