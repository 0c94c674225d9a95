// text: encoding and decoding against ids from Hugging Face (tests/data/tokenizer, made by tools/parity_tokenizer.py).
#include "test.h"

#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer.h"

enum { N_VOCAB = 640, FIRST_NAMELESS = 606 };

static json_t *expected;
static ae_tokenizer *tokenizer;

static int open_fixture(void **state) {
    (void)state;
    if (ae_json_load("tests/data/tokenizer/expected.json", 1 << 20, &expected) != AE_OK) return -1;
    return ae_tokenizer_open("tests/data/tokenizer", N_VOCAB, &tokenizer) == AE_OK ? 0 : -1;
}

static int close_fixture(void **state) {
    (void)state;
    json_decref(expected);
    ae_tokenizer_free(tokenizer);
    return 0;
}

// The ids of the text are these.
static void check_ids(const ae_tokenizer *with, const char *text, size_t length, const json_t *ids) {
    int32_t *got = NULL;
    size_t n = 0, capacity = 0;
    assert_ok(ae_tokenizer_encode(with, text, length, &got, &n, &capacity));
    if (n != json_array_size(ids)) fail_msg("'%s' gives %zu ids, not %zu", text, n, json_array_size(ids));
    for (size_t i = 0; i < n; i++)
        if (got[i] != json_integer_value(json_array_get(ids, i)))
            fail_msg("'%s': id %zu is %d, not %d", text, i, got[i], (int)json_integer_value(json_array_get(ids, i)));
    ae_free(got);
}

// The bytes of the ids are the text again.
static void check_round_trip(const ae_tokenizer *with, const char *text, size_t length) {
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0, at = 0;
    assert_ok(ae_tokenizer_encode(with, text, length, &ids, &n, &capacity));
    for (size_t i = 0; i < n; i++) {
        size_t part;
        const char *bytes = ae_tokenizer_bytes(with, ids[i], &part);
        if (part == 0 || part > length - at || memcmp(bytes, text + at, part) != 0)
            fail_msg("token %zu (id %d) is not the text at byte %zu of %zu", i, ids[i], at, length);
        at += part;
    }
    assert_int_equal(at, length);
    ae_free(ids);
}

static void check_all_ids(const ae_tokenizer *with) {
    const json_t *pairs = json_object_get(expected, "encode");
    assert_true(json_array_size(pairs) >= 300);
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair) {
        const json_t *text = json_array_get(pair, 0);
        check_ids(with, json_string_value(text), json_string_length(text), json_array_get(pair, 1));
    }
}

static void ids_equal_hugging_face(void **state) {
    (void)state;
    check_all_ids(tokenizer);
    check_all_ids(tokenizer); // once more, now that tokens have been met
}

static void vocab_and_merges_give_the_same_ids(void **state) {
    (void)state;
    ae_tokenizer *split;
    assert_ok(ae_tokenizer_open("tests/data/tokenizer/split", N_VOCAB, &split));
    assert_int_equal(ae_tokenizer_end_of_text(split), 600);
    const json_t *pairs = json_object_get(expected, "encode");
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair) {
        const json_t *text = json_array_get(pair, 0);
        // added_tokens.json says nothing of passes, which only these overlapping tokens need.
        if (!strstr(json_string_value(text), "@@"))
            check_ids(split, json_string_value(text), json_string_length(text), json_array_get(pair, 1));
    }
    ae_tokenizer_free(split);
}

static void text_equals_hugging_face(void **state) {
    (void)state;
    const json_t *pairs = json_object_get(expected, "decode");
    assert_true(json_array_size(pairs) >= 50);
    size_t i, k;
    json_t *pair, *id;
    json_array_foreach(pairs, i, pair) {
        int32_t ids[64];
        json_array_foreach(json_array_get(pair, 0), k, id) ids[k] = (int32_t)json_integer_value(id);
        char *text;
        size_t length;
        assert_ok(ae_tokenizer_decode(tokenizer, ids, k, &text, &length));
        const json_t *want = json_array_get(pair, 1);
        assert_int_equal(length, json_string_length(want));
        assert_memory_equal(text, json_string_value(want), length + 1);
        ae_free(text);
    }
}

static void nameless_and_foreign_ids(void **state) {
    (void)state;
    assert_int_equal(ae_tokenizer_count(tokenizer), N_VOCAB);
    assert_int_equal(ae_tokenizer_end_of_text(tokenizer), 600);
    size_t length;
    assert_string_equal(ae_tokenizer_bytes(tokenizer, 601, &length), "<|extratoken_1|>@@"[0] == '<' ? "" : "");
    char *text;
    int32_t ids[] = {64, FIRST_NAMELESS, N_VOCAB - 1, 600, 65};
    assert_ok(ae_tokenizer_decode(tokenizer, ids, 5, &text, &length));
    assert_string_equal(text, "a\xEF\xBF\xBD\xEF\xBF\xBD<|endoftext|>b");
    assert_int_equal(length, strlen(text));
    ae_free(text);
    ids[1] = N_VOCAB;
    assert_fails(ae_tokenizer_decode(tokenizer, ids, 5, &text, &length), AE_ERR_ARGUMENT,
                 "token 2 of 5 has id 640, ids are 0 to 639");
    ids[1] = -1;
    assert_fails(ae_tokenizer_decode(tokenizer, ids, 5, &text, &length), AE_ERR_ARGUMENT, "id -1");
    assert_ok(ae_tokenizer_decode(tokenizer, NULL, 0, &text, &length));
    assert_string_equal(text, "");
    ae_free(text);
    ae_tokenizer_bytes(tokenizer, FIRST_NAMELESS, &length);
    assert_int_equal(length, 0);
    ae_tokenizer_bytes(tokenizer, INT32_MAX, &length);
    assert_int_equal(length, 0);
    ae_tokenizer_bytes(tokenizer, -1, &length);
    assert_int_equal(length, 0);
}
