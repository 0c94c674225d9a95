// text: UTF-8 with invalid bytes, NFKD, the old clean-up of spaces. Expected values are Python's
// (tools/parity_tokenizer.py).
#include "test.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/unicode.h"
#include "text/utf8.h"

static json_t *expected; // tests/data/tokenizer/expected.json

static int load_expected(void **state) {
    (void)state;
    return ae_json_load("tests/data/tokenizer/expected.json", 1 << 20, &expected) == AE_OK ? 0 : -1;
}

static int free_expected(void **state) {
    (void)state;
    json_decref(expected);
    return 0;
}

static void check_replace(const char *bytes, size_t length, const char *text) {
    char *out;
    size_t out_length;
    assert_ok(ae_utf8_replace(bytes, length, &out, &out_length));
    assert_int_equal(out_length, strlen(text));
    assert_string_equal(out, text);
    ae_free(out);
}

#define FFFD "\xEF\xBF\xBD"

static void replacement_follows_maximal_parts(void **state) {
    (void)state;
    check_replace("", 0, "");
    check_replace("plain", 5, "plain");
    check_replace("\xC3\xA9t\xC3\xA9", 5, "\xC3\xA9t\xC3\xA9");
    check_replace("a\xC3", 2, "a" FFFD);
    check_replace("\xE2\x82 x", 4, FFFD " x"); // one for both bytes of a cut character
    check_replace("\xF0\x9F\x98", 3, FFFD);
    check_replace("\xED\xA0\x80", 3, FFFD FFFD FFFD); // a surrogate: no part of it begins a character
    check_replace("\xC0\xAF", 2, FFFD FFFD);          // over-long
    check_replace("\xF4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD); // above U+10FFFF
    check_replace("\xE2\x82\xE2\x82\xAC", 5, FFFD "\xE2\x82\xAC");
    char *out;
    size_t length;
    assert_ok(ae_utf8_replace("a\0b", 3, &out, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(out, "a\0b", 4);
    ae_free(out);
}

static void add_replaced(ae_digest *digest, const unsigned char *bytes, size_t length) {
    char *out;
    size_t out_length;
    assert_ok(ae_utf8_replace((const char *)bytes, length, &out, &out_length));
    assert_ok(ae_digest_add(digest, out, out_length));
    assert_ok(ae_digest_add(digest, "\n", 1));
    ae_free(out);
}

// The same sequences in the same order as replace_digest() of tools/parity_tokenizer.py.
static void replacement_equals_python_on_short_sequences(void **state) {
    (void)state;
    static const unsigned char edge[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                         0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                         0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    enum { N = sizeof edge };
    ae_digest *digest;
    assert_ok(ae_digest_new(&digest));
    unsigned char s[5];
    for (int i = 0; i < 256; i++) {
        s[0] = (unsigned char)i;
        add_replaced(digest, s, 1);
    }
    for (int i = 0; i < 65536; i++) {
        s[0] = (unsigned char)(i >> 8);
        s[1] = (unsigned char)i;
        add_replaced(digest, s, 2);
    }
    for (int length = 3; length <= 5; length++) {
        int last = length == 5 ? 2 : 1, total = length == 3 ? N * N * N : N * N * N * N * last;
        for (int i = 0; i < total; i++) {
            int rest = i / last;
            if (length == 5) s[4] = i % 2 ? 0x41 : 0x80;
            for (int at = length == 5 ? 3 : length - 1; at >= 0; at--, rest /= N)
                s[at] = edge[rest % N];
            add_replaced(digest, s, (size_t)length);
        }
    }
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_digest_hex(digest, hex));
    ae_digest_free(digest);
    assert_string_equal(hex, json_string_value(json_object_get(expected, "replace_sha256")));
}

static size_t encode_utf8(uint32_t code, char *s) {
    if (code < 0x80) {
        s[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        s[i] = (char)(0x80 | (code & 0x3F));
    s[0] = (char)((0xF00 >> length) | code);
    return length;
}

static void an_unfinished_character_is_held_back(void **state) {
    (void)state;
    char s[8] = "ab";
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000) continue;
        size_t length = encode_utf8(code, s + 2);
        uint32_t decoded = 0;
        assert_int_equal(ae_utf8_decode((unsigned char *)s + 2, length, &decoded), length);
        assert_int_equal(decoded, code);
        for (size_t cut = 0; cut <= length; cut++)
            if (ae_utf8_unfinished(s, 2 + cut) != (cut < length ? cut : 0))
                fail_msg("U+%X cut after %zu", code, cut);
        assert_int_equal(ae_utf8_unfinished(s + 2, length - 1), length - 1);
    }
    assert_int_equal(ae_utf8_unfinished("", 0), 0);
    assert_int_equal(ae_utf8_unfinished("\xED\xA0", 2), 0); // a surrogate will never be finished
    assert_int_equal(ae_utf8_unfinished("\xC0", 1), 0);
    assert_int_equal(ae_utf8_unfinished("\xFF", 1), 0);
    assert_int_equal(ae_utf8_unfinished("\x80\x80\x80", 3), 0);
    assert_int_equal(ae_utf8_unfinished("\xE2\x82\xE2", 3), 1);
}

static void add_nfkd(ae_digest *digest, uint32_t code) {
    char s[4], *out;
    assert_ok(ae_unicode_nfkd(s, encode_utf8(code, s), &out));
    assert_ok(ae_digest_add(digest, out, strlen(out)));
    assert_ok(ae_digest_add(digest, "\n", 1));
    ae_free(out);
}

static void nfkd_equals_python(void **state) {
    (void)state;
    const json_t *pairs = json_object_get(expected, "nfkd");
    assert_true(json_array_size(pairs) >= 10);
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair) {
        const json_t *text = json_array_get(pair, 0);
        char *out;
        assert_ok(ae_unicode_nfkd(json_string_value(text), json_string_length(text), &out));
        assert_string_equal(out, json_string_value(json_array_get(pair, 1)));
        ae_free(out);
    }
    ae_digest *digest;
    assert_ok(ae_digest_new(&digest));
    const json_t *ranges = json_object_get(expected, "nfkd_ranges");
    assert_true(json_array_size(ranges) >= 100);
    json_array_foreach(ranges, i, pair) {
        json_int_t last = json_integer_value(json_array_get(pair, 1));
        for (json_int_t code = json_integer_value(json_array_get(pair, 0)); code <= last; code++)
            add_nfkd(digest, (uint32_t)code);
    }
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_digest_hex(digest, hex));
    ae_digest_free(digest);
    assert_string_equal(hex, json_string_value(json_object_get(expected, "nfkd_sha256")));
}

static void nfkd_refuses_what_is_not_utf8(void **state) {
    (void)state;
    char *out;
    assert_fails(ae_unicode_nfkd("a\xFF", 2, &out), AE_ERR_FORMAT, "not valid UTF-8");
    assert_fails(ae_unicode_nfkd("\xED\xA0\x80", 3, &out), AE_ERR_FORMAT, "not valid UTF-8");
    assert_ok(ae_unicode_nfkd("", 0, &out));
    assert_string_equal(out, "");
    ae_free(out);
    ae_memory_fail_at(1);
    assert_fails(ae_unicode_nfkd("a", 1, &out), AE_ERR_MEMORY, "out of memory");
}

static void cleanup_equals_the_old_decoder(void **state) {
    (void)state;
    const json_t *pairs = json_object_get(expected, "cleanup");
    assert_true(json_array_size(pairs) >= 10);
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair) {
        char *text = ae_strdup(json_string_value(json_array_get(pair, 0)));
        assert_non_null(text);
        ae_text_cleanup_compat(text);
        assert_string_equal(text, json_string_value(json_array_get(pair, 1)));
        ae_free(text);
    }
}

static void nul_characters_are_dropped(void **state) {
    (void)state;
    char text[] = "\0a\0\0b\0";
    assert_int_equal(ae_text_drop_nul(text, sizeof text - 1), 2);
    assert_string_equal(text, "ab");
    assert_int_equal(ae_text_drop_nul(text, 0), 0);
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacement_follows_maximal_parts),
        cmocka_unit_test(replacement_equals_python_on_short_sequences),
        cmocka_unit_test(an_unfinished_character_is_held_back),
        cmocka_unit_test(nfkd_equals_python),
        cmocka_unit_test(nfkd_refuses_what_is_not_utf8),
        cmocka_unit_test(cleanup_equals_the_old_decoder),
        cmocka_unit_test(nul_characters_are_dropped),
    };
    return cmocka_run_group_tests(tests, load_expected, free_expected);
}
