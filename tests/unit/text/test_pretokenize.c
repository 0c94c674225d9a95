// text: where the pattern cuts, and the class of every character.
#include "test.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/pretokenize.h"

static unsigned char *classes;

static int make_classes(void **state) {
    (void)state;
    classes = ae_char_classes_new();
    return classes ? 0 : -1;
}

static int free_classes(void **state) {
    (void)state;
    ae_free(classes);
    return 0;
}

// The pieces of the text, each in brackets.
static void check_cuts(const char *text, size_t length, const char *bracketed) {
    ae_text got = {0};
    assert_ok(ae_text_append(&got, "", 0));
    for (size_t at = 0; at < length;) {
        size_t n = ae_piece_length(classes, (const unsigned char *)text + at, length - at);
        assert_true(n > 0 && n <= length - at);
        assert_ok(ae_text_append(&got, "[", 1));
        assert_ok(ae_text_append(&got, text + at, n));
        assert_ok(ae_text_append(&got, "]", 1));
        at += n;
    }
    assert_string_equal(got.data, bracketed);
    ae_free(got.data);
}

static void pieces_are_cut_as_the_pattern_says(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {" ", "[ ]"},
        {"   ", "[   ]"},
        {"Hello, world!", "[Hello][,][ world][!]"},
        {"a  b", "[a][ ][ b]"},
        {"a   b", "[a][  ][ b]"},
        {"a\n\nb", "[a][\n][\n][b]"},
        {"a \nb", "[a][ ][\n][b]"},
        {"a\n b", "[a][\n][ b]"},
        {"a\t b\t", "[a][\t][ b][\t]"},
        {"a  ", "[a][  ]"},
        {"x1 2y", "[x][1][ 2][y]"},
        {"I'm we'll they'd you've 're", "[I]['m][ we]['ll][ they]['d][ you]['ve][ '][re]"},
        {"'re's't'x", "['re]['s]['t]['][x]"},
        {"'S 'l ''s '", "['][S][ '][l][ ''][s][ ']"},
        {"!'s", "[!'][s]"},
        {"'", "[']"},
        {"'v", "['][v]"},
        {"caf\xC3\xA9\xC2\xA0x", "[caf\xC3\xA9][\xC2\xA0][x]"},
        {"e\xCC\x81s", "[e][\xCC\x81][s]"}, // a combining mark is no letter
        {" \xE3\x80\x80\xE6\x9D\xB1", "[ ][\xE3\x80\x80][\xE6\x9D\xB1]"},
        {"\xC2\xBD\xD9\xA1\xE2\x85\xA7", "[\xC2\xBD\xD9\xA1\xE2\x85\xA7]"},
        {"a\xFF\xFE!b", "[a][\xFF\xFE!][b]"}, // not UTF-8: a sign
        {"a\xE6\x9D", "[a][\xE6\x9D]"},
        {" \xED\xA0\x80", "[ \xED\xA0\x80]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_cuts(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static size_t put_utf8(uint32_t code, unsigned char *s) {
    if (code < 0x80) {
        s[0] = (unsigned char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        s[i] = (unsigned char)(0x80 | (code & 0x3F));
    s[0] = (unsigned char)((0xF00u >> length) | code);
    return length;
}

// L, N, O or S: with which of "a", "1" and "!" the character is one piece, and S where with none.
static char class_of(uint32_t code) {
    static const char befores[] = "a1!", names[] = "LNO";
    char class = 'S';
    for (int i = 0; i < 3; i++) {
        unsigned char s[5] = {(unsigned char)befores[i]};
        size_t length = 1 + put_utf8(code, s + 1);
        if (ae_piece_length(classes, s, length) != length) continue;
        assert_int_equal(class, 'S');
        class = names[i];
    }
    return class;
}

static void every_character_has_hugging_faces_class(void **state) {
    (void)state;
    json_t *expected;
    assert_ok(ae_json_load("tests/data/tokenizer/expected.json", 1 << 20, &expected));
    ae_digest *digest;
    assert_ok(ae_digest_new(&digest));
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000) continue;
        char class = class_of(code);
        assert_ok(ae_digest_add(digest, &class, 1));
    }
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_digest_hex(digest, hex));
    ae_digest_free(digest);
    assert_string_equal(hex, json_string_value(json_object_get(expected, "class_sha256")));
    json_decref(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_cut_as_the_pattern_says),
        cmocka_unit_test(every_character_has_hugging_faces_class),
    };
    return cmocka_run_group_tests(tests, make_classes, free_classes);
}
