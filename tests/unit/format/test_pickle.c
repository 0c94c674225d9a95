// format/pickle: plain data of every protocol as JSON, what is refused by name, damaged and hostile files.
#include "fixture.h"

#include <math.h>

#include "format/pickle.h"

#define PICKLE(text) text, sizeof(text) - 1

// Loads bytes as a file of their own.
static ae_status load(void *const *state, const char *bytes, size_t size, json_t **out) {
    char path[512];
    scratch_path(state, "data.pkl", path);
    write_whole(path, bytes, size);
    return ae_pickle_load(path, 1 << 20, out);
}

static void assert_json(const json_t *value, const char *expected) {
    json_t *parsed;
    assert_ok(ae_json_parse("expected", expected, strlen(expected), &parsed));
    if (!json_equal(value, parsed)) fail_msg("%s is not %s", json_dumps(value, JSON_ENCODE_ANY), expected);
    json_decref(parsed);
}

// python3: pickle.dumps(v, p) for p from 0 to 5, with v = {"s": "Zoë \U0001f600\n\\u0041\\",
// "n": [0, 255, 65535, -1, 1 << 40, -(1 << 62)], "f": [1.5, -0.0, 1e-05, 1e+16], "b": [True, False, None],
// "t": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "e": [{}, []], "same": [l, l]} and l = [1].
static void data_of_every_protocol_are_read(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {PICKLE("(dp0\nVs\np1\nVZo\xeb \\U0001f600\\u000a\\u005cu0041\\u005c\np2\nsVn\np3\n(lp4\nI0\naI255"
                "\naI65535\naI-1\naL1099511627776L\naL-4611686018427387904L\nasVf\np5\n(lp6\nF1.5\naF-0.0\n"
                "aF1e-05\naF1e+16\nasVb\np7\n(lp8\nI01\naI00\naNasVt\np9\n((t(I1\ntp10\n(I1\nI2\ntp11\n(I1"
                "\nI2\nI3\ntp12\n(I1\nI2\nI3\nI4\ntp13\ntp14\nsVe\np15\n(lp16\n(dp17\na(lp18\nasVsame\np19"
                "\n(lp20\n(lp21\nI1\naag21\nas.")},
        {PICKLE("}q\x00(X\x01\x00\x00\x00sq\x01X\x11\x00\x00\x00Zo\xc3\xab \xf0\x9f\x98\x80\n\\u0041\\q\x02"
                "X\x01\x00\x00\x00nq\x03]q\x04(K\x00K\xffM\xff\xffJ\xff\xff\xff\xffL1099511627776L\nL-4611"
                "686018427387904L\neX\x01\x00\x00\x00"
                "fq\x05]q\x06(G?\xf8\x00\x00\x00\x00\x00\x00G\x80\x00"
                "\x00\x00\x00\x00\x00\x00G>\xe4\xf8\xb5\x88\xe3h\xf1GCA\xc3y7\xe0\x80\x00"
                "eX\x01\x00\x00"
                "\x00"
                "bq\x07]q\x08(I01\nI00\nNeX\x01\x00\x00\x00tq\x09()(K\x01tq\n(K\x01K\x02tq\x0b(K\x01"
                "K\x02K\x03tq\x0c(K\x01K\x02K\x03K\x04tq\x0dtq\x0eX\x01\x00\x00\x00"
                "eq\x0f]q\x10(}q\x11]"
                "q\x12"
                "eX\x04\x00\x00\x00sameq\x13]q\x14(]q\x15K\x01"
                "ah\x15"
                "eu.")},
        {PICKLE("\x80\x02}q\x00(X\x01\x00\x00\x00sq\x01X\x11\x00\x00\x00Zo\xc3\xab \xf0\x9f\x98\x80\n\\u00"
                "41\\q\x02X\x01\x00\x00\x00nq\x03]q\x04(K\x00K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x06\x00\x00"
                "\x00\x00\x00\x01\x8a\x08\x00\x00\x00\x00\x00\x00\x00\xc0"
                "eX\x01\x00\x00\x00"
                "fq\x05]q\x06"
                "(G?\xf8\x00\x00\x00\x00\x00\x00G\x80\x00\x00\x00\x00\x00\x00\x00G>\xe4\xf8\xb5\x88\xe3h\xf1"
                "GCA\xc3y7\xe0\x80\x00"
                "eX\x01\x00\x00\x00"
                "bq\x07]q\x08(\x88\x89NeX\x01\x00\x00\x00tq\x09"
                "()K\x01\x85q\nK\x01K\x02\x86q\x0bK\x01K\x02K\x03\x87q\x0c(K\x01K\x02K\x03K\x04tq\x0dtq\x0e"
                "X\x01\x00\x00\x00"
                "eq\x0f]q\x10(}q\x11]q\x12"
                "eX\x04\x00\x00\x00sameq\x13]q\x14(]q\x15K"
                "\x01"
                "ah\x15"
                "eu.")},
        {PICKLE("\x80\x03}q\x00(X\x01\x00\x00\x00sq\x01X\x11\x00\x00\x00Zo\xc3\xab \xf0\x9f\x98\x80\n\\u00"
                "41\\q\x02X\x01\x00\x00\x00nq\x03]q\x04(K\x00K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x06\x00\x00"
                "\x00\x00\x00\x01\x8a\x08\x00\x00\x00\x00\x00\x00\x00\xc0"
                "eX\x01\x00\x00\x00"
                "fq\x05]q\x06"
                "(G?\xf8\x00\x00\x00\x00\x00\x00G\x80\x00\x00\x00\x00\x00\x00\x00G>\xe4\xf8\xb5\x88\xe3h\xf1"
                "GCA\xc3y7\xe0\x80\x00"
                "eX\x01\x00\x00\x00"
                "bq\x07]q\x08(\x88\x89NeX\x01\x00\x00\x00tq\x09"
                "()K\x01\x85q\nK\x01K\x02\x86q\x0bK\x01K\x02K\x03\x87q\x0c(K\x01K\x02K\x03K\x04tq\x0dtq\x0e"
                "X\x01\x00\x00\x00"
                "eq\x0f]q\x10(}q\x11]q\x12"
                "eX\x04\x00\x00\x00sameq\x13]q\x14(]q\x15K"
                "\x01"
                "ah\x15"
                "eu.")},
        {PICKLE("\x80\x04\x95\xbd\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01s\x94\x8c\x11Zo\xc3\xab \xf0\x9f"
                "\x98\x80\n\\u0041\\\x94\x8c\x01n\x94]\x94(K\x00K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x06\x00"
                "\x00\x00\x00\x00\x01\x8a\x08\x00\x00\x00\x00\x00\x00\x00\xc0"
                "e\x8c\x01"
                "f\x94]\x94(G?\xf8"
                "\x00\x00\x00\x00\x00\x00G\x80\x00\x00\x00\x00\x00\x00\x00G>\xe4\xf8\xb5\x88\xe3h\xf1GCA\xc3"
                "y7\xe0\x80\x00"
                "e\x8c\x01"
                "b\x94]\x94(\x88\x89Ne\x8c\x01t\x94()K\x01\x85\x94K\x01K\x02\x86"
                "\x94K\x01K\x02K\x03\x87\x94(K\x01K\x02K\x03K\x04t\x94t\x94\x8c\x01"
                "e\x94]\x94(}\x94]\x94"
                "e\x8c\x04same\x94]\x94(]\x94K\x01"
                "ah\x15"
                "eu.")},
        {PICKLE("\x80\x05\x95\xbd\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01s\x94\x8c\x11Zo\xc3\xab \xf0\x9f"
                "\x98\x80\n\\u0041\\\x94\x8c\x01n\x94]\x94(K\x00K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x06\x00"
                "\x00\x00\x00\x00\x01\x8a\x08\x00\x00\x00\x00\x00\x00\x00\xc0"
                "e\x8c\x01"
                "f\x94]\x94(G?\xf8"
                "\x00\x00\x00\x00\x00\x00G\x80\x00\x00\x00\x00\x00\x00\x00G>\xe4\xf8\xb5\x88\xe3h\xf1GCA\xc3"
                "y7\xe0\x80\x00"
                "e\x8c\x01"
                "b\x94]\x94(\x88\x89Ne\x8c\x01t\x94()K\x01\x85\x94K\x01K\x02\x86"
                "\x94K\x01K\x02K\x03\x87\x94(K\x01K\x02K\x03K\x04t\x94t\x94\x8c\x01"
                "e\x94]\x94(}\x94]\x94"
                "e\x8c\x04same\x94]\x94(]\x94K\x01"
                "ah\x15"
                "eu.")},
    };
    for (size_t i = 0; i < 6; i++) {
        json_t *value = NULL;
        assert_ok(load(state, cases[i].bytes, cases[i].size, &value));
        assert_json(value, "{\"s\": \"Zoë \U0001f600\\n\\\\u0041\\\\\", "
                           "\"n\": [0, 255, 65535, -1, 1099511627776, -4611686018427387904], "
                           "\"f\": [1.5, -0.0, 1e-05, 1e16], "
                           "\"b\": [true, false, null], "
                           "\"t\": [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]], "
                           "\"e\": [{}, []], \"same\": [[1], [1]]}");
        assert_true(signbit(json_real_value(json_array_get(json_object_get(value, "f"), 1))));
        const json_t *same = json_object_get(value, "same");
        assert_ptr_equal(json_array_get(same, 0), json_array_get(same, 1));
        json_decref(value);
    }
}

static void other_spellings_are_read(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *json;
    } cases[] = {
        // Python 2's strings, protocols 0 and 2
        {PICKLE("(dp0\nS'a'\np1\nS'x\\n\\'\\xc3\\xa9\\\\'\np2\nsS\"b\"\np3\n(lp4\nI1\naI01\nas."),
         "{\"a\": \"x\\n'é\\\\\", \"b\": [1, true]}"},
        {PICKLE("\x80\x02](U\x02"
                "abT\x03\0\0\0cdee."),
         "[\"ab\", \"cde\"]"},
        // SHORT_BINBYTES, BINBYTES, BINBYTES8, BINUNICODE8
        {PICKLE("\x80\x04](C\x02\xc3\xa9"
                "B\1\0\0\0b\x8e\2\0\0\0\0\0\0\0a\0\x8d\1\0\0\0\0\0\0\0ce."),
         "[\"é\", \"b\", \"a\\u0000\", \"c\"]"},
        // LONG1 without bytes, LONG4, the extremes of 64 bits
        {PICKLE("\x80\x02](\x8a\0\x8b\2\0\0\0\xff\xff\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
                "\x8a\x08\0\0\0\0\0\0\0\x80"
                "e."),
         "[0, -1, 9223372036854775807, -9223372036854775808]"},
        {PICKLE("(lI-9223372036854775808\naL9223372036854775807L\naF3\naF-2.5e-3\na."),
         "[-9223372036854775808, 9223372036854775807, 3.0, -0.0025]"},
        // POP, POP_MARK, DUP, LIST, DICT
        {PICKLE("\x80\x02(K\x01"
                "0K\x02(K\x03K\x04"
                "1K\x05"
                "2(K\x06l(dt."),
         "[2, 5, 5, [6], {}]"},
        // a key twice: the last one counts, as in Python
        {PICKLE("\x80\x02}(V\xe9\nK\x01V\xe9\nK\x02u."), "{\"é\": 2}"},
        {PICKLE("N."), "null"},
        {PICKLE("\x80\x02X\0\0\0\0."), "\"\""},
        {PICKLE("Va\\b\\\\u0041\\u0041\n."), "\"a\\\\b\\\\\\\\u0041A\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = NULL;
        assert_ok(load(state, cases[i].bytes, cases[i].size, &value));
        assert_json(value, cases[i].json);
        json_decref(value);
    }
}

static void what_is_no_plain_data_is_refused(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } cases[] = {
        {PICKLE("\x80\x02"
                "cos\nsystem\nX\x02\0\0\0ls\x85R."),
         "the pickle asks for Python's 'os.system' at byte 2, which is refused: only lists, dicts, strings"},
        {PICKLE("\x80\x04\x8c\x05posix\x8c\x06system\x93)R."), "asks for Python's 'posix.system' at byte 17"},
        {PICKLE("(S'ls'\nios\nsystem\n."), "asks for Python's 'os.system' at byte 7"},
        {PICKLE("}}R."), "pickle opcode REDUCE at byte 2 is refused: only lists, dicts, strings and numbers"},
        {PICKLE("(}o."), "opcode OBJ at byte 2"},
        {PICKLE("}}b."), "opcode BUILD at byte 2"},
        {PICKLE("\x80\x02})\x81."), "opcode NEWOBJ at byte 4"},
        {PICKLE("\x80\x04})}\x92."), "opcode NEWOBJ_EX at byte 5"},
        {PICKLE("Pid\n."), "opcode PERSID at byte 0"},
        {PICKLE("NQ."), "opcode BINPERSID at byte 1"},
        {PICKLE("\x80\x02\x82\x01."), "opcode EXT1 at byte 2"},
        {PICKLE("\x80\x02\x83\x01\x02."), "opcode EXT2 at byte 2"},
        {PICKLE("\x80\x02\x84\x01\x02\x03\x04."), "opcode EXT4 at byte 2"},
        {PICKLE("\x80\x04\x8f."), "opcode EMPTY_SET at byte 2"},
        {PICKLE("\x80\x04(\x90."), "opcode ADDITEMS at byte 3"},
        {PICKLE("\x80\x04(\x91."), "opcode FROZENSET at byte 3"},
        {PICKLE("\x80\x05\x96\0\0\0\0\0\0\0\0."), "opcode BYTEARRAY8 at byte 2"},
        {PICKLE("\x80\x05\x97."), "opcode NEXT_BUFFER at byte 2"},
        {PICKLE("\x80\x05\x98."), "opcode READONLY_BUFFER at byte 2"},
        {PICKLE("\x80\x06N."), "pickle protocol 6, supported are 0 to 5"},
        {PICKLE("\x80\x02\x8a\x09\1\2\3\4\5\6\7\x08\x09."), "an integer of 9 bytes at byte 2"},
        {PICKLE("L9223372036854775808L\n."), "an integer of more than 64 bits at byte 0"},
        {PICKLE("]Finf\na."), "a float that is not finite at byte 1 of the pickle: JSON has no such thing"},
        {PICKLE("F-inf\n."), "a float that is not finite at byte 0"},
        {PICKLE("Fnan\n."), "a float that is not finite at byte 0"},
        {PICKLE("G\x7f\xf0\0\0\0\0\0\0."), "a float that is not finite at byte 0"},
        {PICKLE("\x80\x03]C\x01\xff"
                "a."),
         "bytes that are not UTF-8 at byte 3"},
        {PICKLE("\x80\x03}C\x01"
                "aNs."),
         "a key that is no string at byte 3"},
        {PICKLE("}K\x01Ns."), "a key that is no string at byte 1"},
        {PICKLE("}X\x03\0\0\0a\0bNs."), "a key with a NUL character at byte 1"},
        // values that contain themselves: a list, a dict, a list through a tuple
        {PICKLE("]q\0h\0a."), "a value that contains itself at byte 0 of the pickle"},
        {PICKLE("}q\0X\1\0\0\0ah\0s."), "a value that contains itself at byte 0"},
        {PICKLE("\x80\x02]q\0h\0\x85q\1a."), "a value that contains itself at byte 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = (json_t *)1;
        assert_fails(load(state, cases[i].bytes, cases[i].size, &value), AE_ERR_UNSUPPORTED, cases[i].text);
        assert_non_null(strstr(ae_last_error(), "data.pkl"));
        assert_ptr_equal(value, (json_t *)1);
    }
}

static void malformed_pickles_are_refused(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } cases[] = {
        {PICKLE(""), "the pickle is damaged at byte 0: it ends without a stop"},
        {PICKLE("\x80\x04]"), "damaged at byte 3: it ends without a stop"},
        {PICKLE("]]."), "damaged at byte 2: it stops too early"},
        {PICKLE("].]"), "damaged at byte 1: it stops too early"},
        {PICKLE("."), "the stack is empty"},
        {PICKLE("]a."), "the value on the stack is not what the opcode works on"},
        {PICKLE("}Na."), "the value on the stack is not what the opcode works on"},
        {PICKLE("]NNs."), "the value on the stack is not what the opcode works on"},
        {PICKLE("Nt."), "there is no mark on the stack"},
        {PICKLE("g7\n."), "a memo is used that was never set"},
        {PICKLE("Np-1\n."), "a memo number is too large"},
        {PICKLE("Np9\n."), "a memo number is too large"},
        {PICKLE("I\n."), "damaged at byte 0: an integer is not written in digits"},
        {PICKLE("I-\n."), "an integer is not written in digits"},
        {PICKLE("I1L\n."), "an integer is not written in digits"},
        {PICKLE("I 1\n."), "an integer is not written in digits"},
        {PICKLE("L1.5L\n."), "an integer is not written in digits"},
        {PICKLE("I12"), "it ends within a name or a line of text"},
        {PICKLE("F1.5x\n."), "a float is not written as one"},
        {PICKLE("Ftrue\n."), "a float is not written as one"},
        {PICKLE("F\n."), "a float is not written as one"},
        {PICKLE("Sa\n."), "a string has no quotes"},
        {PICKLE("S'\n."), "a string has no quotes"},
        {PICKLE("S'a\"\n."), "a string has no quotes"},
        {PICKLE("S'\\'\n."), "an escape in a string is not valid"},
        {PICKLE("S'\\q'\n."), "an escape in a string is not valid"},
        {PICKLE("S'\\x1'\n."), "an escape in a string is not valid"},
        {PICKLE("S'\\xff'\n."), "a string is not UTF-8"},
        {PICKLE("V\\u00g0\n."), "an escape in a string is not valid"},
        {PICKLE("V\\u004\n."), "an escape in a string is not valid"},
        {PICKLE("V\\U00110000\n."), "an escape in a string is not valid"},
        {PICKLE("V\\ud800\n."), "a string is not UTF-8"},
        {PICKLE("X\2\0\0\0\xc3(."), "a string is not UTF-8"},
        {PICKLE("X\xff\xff\xff\xff"), "it ends within an opcode's argument"},
        {PICKLE("\x80\x04\x95\xff\0\0\0\0\0\0\0N."), "a frame reaches beyond the end"},
        {PICKLE("}(Nu."), "a dict gets a key without a value"},
        {PICKLE("\xff."), "damaged at byte 0: 0xff is no opcode"},
        {PICKLE("\x80\x04\x8c\x02osK\x01\x93."), "a global's name is not a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = (json_t *)1;
        assert_fails(load(state, cases[i].bytes, cases[i].size, &value), AE_ERR_FORMAT, cases[i].text);
        assert_non_null(strstr(ae_last_error(), "data.pkl"));
        assert_ptr_equal(value, (json_t *)1);
    }
    json_t *value;
    char path[512];
    scratch_path(state, "data.pkl", path);
    write_whole(path, "\x80\x04N.", 4);
    assert_fails(ae_pickle_load(path, 3, &value), AE_ERR_FORMAT, "larger than the 3 bytes");
    assert_ok(ae_pickle_load(path, 4, &value));
    json_decref(value);
    assert_fails(ae_pickle_load("tests/absent.pkl", 100, &value), AE_ERR_NOT_FOUND, "tests/absent.pkl");
    assert_fails(ae_pickle_load("tests", 100, &value), AE_ERR_IO, "is a folder");
}

// A pickle of protocol 2: `before`, `n` times `repeated`, `after`.
static ae_status load_repeated(void *const *state, const char *before, int n, const char *repeated,
                               const char *after, json_t **out) {
    ae_text bytes = {0};
    assert_ok(ae_text_printf(&bytes, "\x80\x02%s", before));
    for (int i = 0; i < n; i++)
        assert_ok(ae_text_append(&bytes, repeated, strlen(repeated)));
    assert_ok(ae_text_append(&bytes, after, strlen(after)));
    ae_status status = load(state, bytes.data, bytes.length, out);
    ae_free(bytes.data);
    return status;
}

static void nesting_is_limited(void **state) {
    json_t *value;
    assert_ok(load_repeated(state, "]", 63, "\x85", ".", &value));
    int depth = 0;
    for (const json_t *v = value; v; v = json_array_get(v, 0))
        depth++;
    assert_int_equal(depth, 64);
    json_decref(value);
    assert_fails(load_repeated(state, "]", 64, "\x85", ".", &value), AE_ERR_UNSUPPORTED,
                 "a list at byte 2 of the pickle is nested deeper than 64");
    assert_fails(load_repeated(state, ")", 64, "\x85", ".", &value), AE_ERR_UNSUPPORTED,
                 "a tuple at byte 0 of the pickle is nested deeper than 64");
    assert_fails(load_repeated(state, "}", 100000, "\x85", ".", &value), AE_ERR_UNSUPPORTED,
                 "nested deeper than 64");
    // What was converted where it lies high must not be used too low: 40 brackets, and the same within more.
    char forty[42] = "]";
    memset(forty + 1, 0x85, 39);
    forty[40] = '2';
    assert_ok(load_repeated(state, forty, 23, "\x85", "\x86.", &value));
    assert_int_equal(json_array_size(value), 2);
    json_decref(value);
    assert_fails(load_repeated(state, forty, 24, "\x85", "\x86.", &value), AE_ERR_UNSUPPORTED,
                 "a tuple at byte 41 of the pickle is nested deeper than 64");
}

static void sharing_costs_no_memory_and_is_limited(void **state) {
    // Each pair holds the pair before it twice: 2 n bytes that unfold to 2^(n + 1) - 1 values.
    json_t *value;
    assert_ok(load_repeated(state, "]", 27, "2\x86", ".", &value));
    for (const json_t *v = value; json_array_size(v) > 0; v = json_array_get(v, 1)) {
        assert_int_equal(json_array_size(v), 2);
        assert_ptr_equal(json_array_get(v, 0), json_array_get(v, 1));
    }
    json_decref(value);
    assert_fails(load_repeated(state, "]", 28, "2\x86", ".", &value), AE_ERR_UNSUPPORTED,
                 "uses the same values over and over and unfolds to more than 268435456 of them");
    // One string of 100,000 bytes, two and four thousand times.
    ae_text bytes = {0};
    assert_ok(ae_text_append(&bytes, "]X\xa0\x86\x01\0", 6));
    for (int i = 0; i < 100000; i++)
        assert_ok(ae_text_append(&bytes, "x", 1));
    assert_ok(ae_text_append(&bytes, "q\0a", 3));
    for (int i = 0; i < 2000; i++)
        assert_ok(ae_text_append(&bytes, "h\0a", 3));
    assert_ok(ae_text_append(&bytes, ".", 1));
    assert_ok(load(state, bytes.data, bytes.length, &value));
    assert_int_equal(json_array_size(value), 2001);
    assert_ptr_equal(json_array_get(value, 0), json_array_get(value, 2000));
    json_decref(value);
    bytes.length--;
    for (int i = 0; i < 2000; i++)
        assert_ok(ae_text_append(&bytes, "h\0a", 3));
    assert_ok(ae_text_append(&bytes, ".", 1));
    assert_fails(load(state, bytes.data, bytes.length, &value), AE_ERR_UNSUPPORTED, "over and over");
    ae_free(bytes.data);
}

static const char example[] = "\x80\x04\x95\x2f\0\0\0\0\0\0\0]\x94(}\x94("
                              "\x8c\x08sentence\x94\x8c\x04Zo\xc3\xab\x94\x8c\x05label\x94K\x01"
                              "\x8c\x01"
                              "f\x94G?\xf8\0\0\0\0\0\0u}\x94h\2h\3se.";

static void damaged_pickles_never_crash(void **state) {
    char flipped[sizeof example];
    size_t size = sizeof example - 1, accepted = 0;
    json_t *value;
    assert_ok(load(state, example, size, &value));
    assert_json(value, "[{\"sentence\": \"Zoë\", \"label\": 1, \"f\": 1.5}, {\"sentence\": \"Zoë\"}]");
    json_decref(value);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(load(state, example, cut, &value), AE_ERR_FORMAT);
    ae_random random = ae_random_stream(6, 0, 0);
    for (int i = 0; i < 10000; i++) {
        memcpy(flipped, example, size);
        flip_bits(flipped + 11, size - 11, &random);
        ae_status status = load(state, flipped, size, &value);
        assert_answers(status);
        if (status != AE_OK) continue;
        char *text = ae_json_dump(value, 0);
        assert_non_null(text);
        ae_free(text);
        json_decref(value);
        accepted++;
    }
    assert_true(accepted > 100 && accepted < 10000);
}

static void lack_of_memory_is_an_error(void **state) {
    char path[512];
    scratch_path(state, "data.pkl", path);
    write_whole(path, example, sizeof example - 1);
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        json_t *value = NULL;
        ae_memory_fail_at(n);
        status = ae_pickle_load(path, 1000, &value);
        ae_memory_fail_at(0);
        json_decref(value);
    }
    assert_ok(status);
    assert_true(failures > 3);
}

static void the_reference_s_tasks_are_read(void **state) {
    (void)state;
    if (!ae_path_is_folder("../shared/data/glue")) {
        print_message("../shared/data/glue is not there: skipped\n");
        skip();
    }
    static const char *const names[] = {"sst2", "mrpc", "cola", "rte"};
    for (int i = 0; i < 4; i++) {
        char path[128];
        json_t *examples = NULL, *task = NULL;
        snprintf(path, sizeof path, "../shared/data/glue/%s.pkl", names[i]);
        assert_ok(ae_pickle_load(path, 1 << 20, &examples));
        assert_int_equal(json_array_size(examples), 200);
        snprintf(path, sizeof path, "../shared/data/glue/%s.json", names[i]);
        assert_ok(ae_json_load(path, 1 << 20, &task));
        assert_true(json_equal(examples, json_object_get(task, "examples")));
        json_decref(examples);
        json_decref(task);
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(data_of_every_protocol_are_read),
        WITH_FOLDER(other_spellings_are_read),
        WITH_FOLDER(what_is_no_plain_data_is_refused),
        WITH_FOLDER(malformed_pickles_are_refused),
        WITH_FOLDER(nesting_is_limited),
        WITH_FOLDER(sharing_costs_no_memory_and_is_limited),
        WITH_FOLDER(damaged_pickles_never_crash),
        WITH_FOLDER(lack_of_memory_is_an_error),
        cmocka_unit_test(the_reference_s_tasks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
