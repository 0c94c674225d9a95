// text/words: sentences and words as NLTK 3.9's word_tokenize gives them; characters; damaged text.
#include "test.h"

#include "base/memory.h"
#include "text/sentences.h"
#include "text/words.h"

// The words parted by spaces; free with free.
static char *split(const char *text) {
    ae_words words;
    assert_ok(ae_words_split(text, strlen(text), &words));
    char *out = calloc(3 * strlen(text) + 2, 1), *end = out;
    for (size_t i = 0; i < words.count; i++)
        end += sprintf(end, "%s%s", i > 0 ? " " : "", words.items[i]);
    ae_words_free(&words);
    assert_null(words.items);
    return out;
}

// {text, its words}: each pair as NLTK 3.9.1 splits it.
static void check(const char *const (*cases)[2], size_t n) {
    for (size_t i = 0; i < n; i++) {
        char *got = split(cases[i][0]);
        if (strcmp(got, cases[i][1]) != 0)
            fail_msg("'%s' gave\n  %s, not\n  %s", cases[i][0], got, cases[i][1]);
        free(got);
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void punctuation_is_cut_off(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {" \n\t", ""},
        {"word", "word"},
        {"two  words ", "two words"},
        {"The end.", "The end ."},
        {".", "."},
        {"..", ".."},
        {"a..", "a .."},
        {"Wait... what?!", "Wait ... what ? !"},
        {"Wait....", "Wait ...."},
        {"one, two: three; four", "one , two : three ; four"},
        {"1,250.50 at 10:30, or 3:a", "1,250.50 at 10:30 , or 3 : a"},
        {"a,b,1", "a , b,1"},
        {"end,", "end ,"},
        {",,a", ", ,a"},
        {",,", ", ,"},
        {",,,", ", , ,"},
        {"$3 & 50% @home #1 *x*", "$ 3 & 50 % @ home # 1 * x *"},
        {"(a) [b] {c} <d>", "( a ) [ b ] { c } < d >"},
        {"a--b---c -- well-known", "a -- b -- -c -- well-known"},
        {"a\xE2\x80\x94"
         "b",
         "a\xE2\x80\x94"
         "b"}, // a dash of one character is no cut
        {"/path/to.txt a_b x=1", "/path/to.txt a_b x=1"},
    };
    CHECK(cases);
}

static void quotes_open_and_close(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"Go\"", "`` Go ''"},
        {"He said \"go\" (\"now\")", "He said `` go '' ( `` now '' )"},
        {"x\"y", "x '' y"},
        {"\n\"a", "'' a"}, // only a space opens
        {"\"\"a", "`` `` a"},
        {" \"\"", "`` ''"},
        {"''a''", "'' a ''"},
        {" ''a''", "`` a ''"},
        {"(''a", "( `` a"},
        {"```a`", "`` ` a `"},
        {"\xE2\x80\x9C"
         "a\xE2\x80\x9D \xE2\x80\x98"
         "b\xE2\x80\x99",
         "\xE2\x80\x9C a \xE2\x80\x9D \xE2\x80\x98 b \xE2\x80\x99"},
        {"\xC2\xAB"
         "a\xC2\xBB \xE2\x80\x9E"
         "b",
         "\xC2\xAB a \xC2\xBB \xE2\x80\x9E b"},
        {"'a b' 'word'", "' a b ' 'word '"},
        {"He left.\" She", "He left . '' She"},
        {"He left.')", "He left . ' )"},
        {"He left.\xE2\x80\x9D", "He left . \xE2\x80\x9D"},
        {"\"He left. \"", "`` He left. ``"}, // a quote behind a space opens
    };
    CHECK(cases);
}

static void contractions_are_cut(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"can't won't DON'T", "ca n't wo n't DO N'T"},
        {"I'm you're he's we'd they'll we've", "I 'm you 're he 's we 'd they 'll we 've"},
        {"I'LL HE'S They'Ve", "I 'LL HE 'S They'Ve"},
        {"John's\nbook, dogs' x", "John 's book , dogs ' x"},
        {"x's'", "x's '"},
        {"x's' ", "x's '"},
        {"x's' y", "x 's ' y"},
        {"(x's')", "( x's ' )"},
        {"can't've", "can't 've"},
        {"cannot CANNOT cannots Gonna gotta gimme lemme",
         "can not CAN NOT cannots Gon na got ta gim me lem me"},
        {"wanna wanna's d'ye more'n", "wan na wan na 's d 'ye more 'n"},
        {"'Tis so, 'twas", "'T is so , 't was"},
        {"'tis'tis", "'t is 'tis"},
        {"#'tis'tis", "# 't is 'tis"},
        {"it\xE2\x80\x99s", "it \xE2\x80\x99 s"},
        {"rock'n'roll o'clock 's 't", "rock'n'roll o'clock 's 't"},
        {"gonna\xC3\xA9 \xC3\xA9gonna", "gonna\xC3\xA9 \xC3\xA9gonna"},
    };
    CHECK(cases);
}

static void sentences_end_as_punkt_ends_them(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"It rains. She stays. he goes", "It rains . She stays . he goes"},
        {"Mr. Smith and Dr. No met.", "Mr. Smith and Dr. No met ."},
        {"In the U.S. Army. In the U.S. The army", "In the U.S. Army . In the U.S . The army"},
        {"in the U.S. However, a U.S. However.", "in the U.S . However , a U.S . However ."},
        {"e.g. this, i.e. that, etc. all", "e.g . this , i.e . that , etc . all"},
        {"J. Smith, A. A. Milne, X. The x", "J. Smith , A . A. Milne , X . The x"},
        {"vitamin B. \"It", "vitamin B . `` It"},
        {"Room 5. the 5. The -1,250.5. x", "Room 5. the 5 . The -1,250.5. x"},
        {"He came... But no. so", "He came ... But no . so"},
        {"Really?! Yes! \"No.\" He (left.) Then", "Really ? ! Yes ! `` No . '' He ( left . ) Then"},
        {"Stop.--Go. x", "Stop. -- Go . x"},
        {"a.b. c", "a.b . c"},
        {"at A.M. today, in Yr. two, at a.a. three", "at A.M. today , in Yr. two , at a.a. three"},
        {"so-called ex-gen. Smith. x", "so-called ex-gen. Smith . x"},
        {"Above. Inc. Above", "Above . Inc . Above"},
        {"Inc. Your, Inc. New", "Inc . Your , Inc. New"},
        {"Mr. \"Smith!\" x", "Mr . `` Smith ! '' x"},
        {". . . a", ". . . a"},
        {"what?yes. no!) x", "what ? yes . no ! ) x"},
        {"a,\"b.\", c.", "a , '' b . `` , c ."},
    };
    CHECK(cases);
}

static void sentences_are_spans_of_characters(void **state) {
    (void)state;
    const char *text = " One. \"Two.\" \xC3\x9C"
                       "ber? Four ";
    ae_chars chars;
    ae_sentence *sentences;
    size_t count;
    assert_ok(ae_chars_decode(text, strlen(text), &chars));
    assert_ok(ae_sentences_split(&chars, &sentences, &count));
    static const ae_sentence expected[] = {{0, 5}, {6, 12}, {13, 18}, {19, 23}};
    assert_int_equal(count, 4);
    assert_memory_equal(sentences, expected, sizeof expected);
    ae_free(sentences);
    ae_chars_free(&chars);
}

static void other_bytes_stay_in_their_words(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a\xFF"
         "b \xE2\x82 c.",
         "a\xFF"
         "b \xE2\x82 c ."},
        {"\xF0\x9F\x98\x80, \xE4\xB8\xAD\xE6\x96\x87. x", "\xF0\x9F\x98\x80 , \xE4\xB8\xAD\xE6\x96\x87 . x"},
        {"a\xC2\xA0"
         "b\xE3\x80\x80"
         "c",
         "a b c"},                    // white space of more than one byte
        {"a:\xD9\xA1", "a:\xD9\xA1"}, // an Arabic digit
    };
    CHECK(cases);
}

static void characters_are_python_s(void **state) {
    (void)state;
    static const uint32_t words[] = {'a',  'Z',   '0',   '_',    0xAA,   0xB2,   0xBD,
                                     0xE9, 0x5D0, 0x661, 0x2167, 0x4E2D, 0x1D49C};
    static const uint32_t others[] = {'-', ' ', 0x301, 0x93E, 0xB0, 0x2019, 0xFFFD, 0x1F600, 0x10FFFF};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!ae_char_is_word(words[i])) fail_msg("U+%X is a word character", words[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ae_char_is_word(others[i])) fail_msg("U+%X is no word character", others[i]);
    int spaces = 0;
    for (uint32_t code = 0; code < 0x110000; code++)
        spaces += ae_char_is_space(code);
    assert_int_equal(spaces, 29); // as many match re's \s
    assert_true(ae_char_is_space(0x1F) && ae_char_is_space(0x85) && ae_char_is_space(0x3000));
    assert_false(ae_char_is_space(0x200B) || ae_char_is_space(0x180E));
    assert_true(ae_char_is_decimal('7') && ae_char_is_decimal(0x661) && !ae_char_is_decimal(0xB2));
    assert_true(ae_char_is_upper(0xC9) && !ae_char_is_upper('a') && ae_char_is_lower(0xE9) &&
                !ae_char_is_lower('1'));
}

static void lower_case_is_python_s(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"Hello, WORLD 1", "hello, world 1"},
        {"\xC3\x89T\xC3\x89 STRASSE \xC3\x9F", "\xC3\xA9t\xC3\xA9 strasse \xC3\x9F"},
        {"\xC4\xB0x", "i\xCC\x87x"},                                              // two characters from one
        {"\xC8\xBA", "\xE2\xB1\xA5"},                                             // three bytes from two
        {"\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3", "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82"}, // a final sigma
        {"\xCE\x9F\xCE\xA3.\xCE\x9F", "\xCE\xBF\xCF\x83.\xCE\xBF"},               // not final: O.S.O
        {"\xCE\x9F\xCE\xA3. \xCE\xA3", "\xCE\xBF\xCF\x82. \xCF\x83"},             // the second stands alone
        {"\xCE\x91\xCC\x81\xCE\xA3", "\xCE\xB1\xCC\x81\xCF\x82"}, // an accent of its own between the letters
        {"\xCE\x9F'\xCE\xA3\xFF", "\xCE\xBF'\xCF\x82\xEF\xBF\xBD"},
        {"\xFF\xCE\xA3 \xA3\xCE\xA3", "\xEF\xBF\xBD\xCF\x83 \xEF\xBF\xBD\xCF\x83"},
        {"A\xE2\x82", "a\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_text lower = {0};
        assert_ok(ae_text_append(&lower, ">", 1));
        assert_ok(ae_text_append_lower(&lower, cases[i][0], strlen(cases[i][0])));
        assert_string_equal(lower.data + 1, cases[i][1]);
        assert_int_equal(lower.length, strlen(cases[i][1]) + 1);
        ae_free(lower.data);
    }
    ae_text lower = {0};
    assert_ok(ae_text_append_lower(&lower, "A\0B", 3));
    assert_int_equal(lower.length, 3);
    assert_memory_equal(lower.data, "a\0b", 4);
    ae_free(lower.data);
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    const char *text =
        "One \"two\" three. Four five six, seven eight nine ten! Eleven twelve, thirteen fourteen fifteen.";
    int failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        ae_words words = {.count = 77};
        ae_memory_fail_at(n);
        ae_status status = ae_words_split(text, strlen(text), &words);
        ae_memory_fail_at(0);
        if (status == AE_OK) {
            assert_int_equal(words.count, 22);
            ae_words_free(&words);
            break;
        }
        assert_fails(status, AE_ERR_MEMORY, "out of memory");
        assert_int_equal(words.count, 77);
    }
    assert_int_equal(failures, 7); // code points, where they begin, sentences, words' text, cuts, words twice
    for (uint64_t n = 1; n <= 2; n++) {
        ae_text lower = {0};
        ae_memory_fail_at(n);
        ae_status status =
            ae_text_append_lower(&lower, "\xC8\xBA\xC8\xBA\xC8\xBA\xC8\xBA\xC8\xBA\xC8\xBA\xC8\xBA", 14);
        ae_memory_fail_at(0);
        assert_fails(status, AE_ERR_MEMORY, "out of memory");
        ae_free(lower.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(punctuation_is_cut_off),
        cmocka_unit_test(quotes_open_and_close),
        cmocka_unit_test(contractions_are_cut),
        cmocka_unit_test(sentences_end_as_punkt_ends_them),
        cmocka_unit_test(sentences_are_spans_of_characters),
        cmocka_unit_test(other_bytes_stay_in_their_words),
        cmocka_unit_test(characters_are_python_s),
        cmocka_unit_test(lower_case_is_python_s),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
