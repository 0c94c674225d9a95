// text: the files of a tokenizer: what is refused, and that the message says which file, where, and which
// value.
#include "test.h"

#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer.h"

enum { N_VOCAB = 640 };

static const char SOURCE[] = "tests/data/tokenizer/tokenizer.json";

static json_t *fixture(void) {
    json_t *root;
    assert_ok(ae_json_load(SOURCE, 1 << 20, &root));
    return root;
}

static void write_text(const char *folder, const char *name, const char *text) {
    char *path = ae_path_join(folder, name);
    assert_non_null(path);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    ae_free(path);
}

// As in a copy of the hub's cache that lacks what its links lead to. A file that is written there takes its
// place.
static void lay_link_to_nothing(const char *folder, const char *name) {
    char *path = ae_path_join(folder, name);
    assert_int_equal(symlink("../../blobs/0123", path), 0);
    ae_free(path);
}

// Takes `root`.
static void write_json(const char *folder, const char *name, json_t *root) {
    char *text = ae_json_dump(root, 0);
    assert_non_null(text);
    write_text(folder, name, text);
    ae_free(text);
    json_decref(root);
}

static ae_status open_folder(const char *folder, int32_t n_vocab) {
    ae_tokenizer *tokenizer = NULL;
    ae_status status = ae_tokenizer_open(folder, n_vocab, &tokenizer);
    assert_true((status == AE_OK) == (tokenizer != NULL));
    ae_tokenizer_free(tokenizer);
    return status;
}

static void copy_split_fixture(const char *folder) {
    static const char *const names[] = {"vocab.json", "merges.txt"};
    for (int i = 0; i < 2; i++) {
        char *path = ae_path_join("tests/data/tokenizer/split", names[i]), *text;
        assert_ok(ae_file_read(path, 1 << 20, &text, NULL));
        write_text(folder, names[i], text);
        ae_free(text);
        ae_free(path);
    }
}

// The object or array that holds the value at "a.b.c" within root (numbers are array indices), and that
// value's own name.
static json_t *walk(json_t *root, const char *path, const char **last) {
    for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
        if (json_is_array(root))
            root = json_array_get(root, (size_t)atoi(path));
        else
            root = json_object_getn(root, path, (size_t)(dot - path));
        assert_non_null(root);
    }
    *last = path;
    return root;
}

// One change of the good tokenizer.json and what is said of it.
typedef struct change {
    const char *path, *value; // value: JSON; NULL removes the field
    ae_status status;
    const char *message;
} change;

static const change changes[] = {
    {"normalizer", "{\"type\":\"NFC\"}", AE_ERR_UNSUPPORTED,
     "field 'normalizer' is NFC, only null is supported"},
    {"normalizer", "[]", AE_ERR_FORMAT, "field 'normalizer' is an array, expected an object or null"},
    {"normalizer", "{}", AE_ERR_FORMAT, "field 'normalizer': "},
    {"pre_tokenizer", "{\"type\":\"Whitespace\"}", AE_ERR_UNSUPPORTED,
     "field 'pre_tokenizer' is Whitespace, only ByteLevel"},
    {"pre_tokenizer", "null", AE_ERR_UNSUPPORTED, "field 'pre_tokenizer' is null"},
    {"pre_tokenizer.add_prefix_space", "true", AE_ERR_UNSUPPORTED,
     "'pre_tokenizer.add_prefix_space' is true"},
    {"pre_tokenizer.add_prefix_space", "1", AE_ERR_FORMAT, "field 'add_prefix_space' is an integer"},
    {"pre_tokenizer.use_regex", "false", AE_ERR_UNSUPPORTED, "'pre_tokenizer.use_regex' is false"},
    {"post_processor", "{\"type\":\"TemplateProcessing\"}", AE_ERR_UNSUPPORTED,
     "field 'post_processor' is TemplateProcessing"},
    {"decoder", "{\"type\":\"WordPiece\"}", AE_ERR_UNSUPPORTED, "field 'decoder' is WordPiece"},
    {"decoder", "null", AE_ERR_UNSUPPORTED, "field 'decoder' is null"},
    {"model", "null", AE_ERR_FORMAT, "field 'model' is null, expected an object"},
    {"model", NULL, AE_ERR_FORMAT, "field 'model' is nothing, expected an object"},
    {"model.type", "\"Unigram\"", AE_ERR_UNSUPPORTED, "field 'model.type' is Unigram, only BPE is supported"},
    {"model.end_of_word_suffix", "\"</w>\"", AE_ERR_UNSUPPORTED,
     "field 'model.end_of_word_suffix' is \"</w>\""},
    {"model.continuing_subword_prefix", "\"##\"", AE_ERR_UNSUPPORTED,
     "field 'model.continuing_subword_prefix' is \"##\""},
    {"model.byte_fallback", "true", AE_ERR_UNSUPPORTED, "field 'model.byte_fallback' is true"},
    {"model.ignore_merges", "true", AE_ERR_UNSUPPORTED, "field 'model.ignore_merges' is true"},
    {"model.dropout", "0.1", AE_ERR_UNSUPPORTED, "field 'model.dropout' is 0.1"},
    {"model.vocab", "[]", AE_ERR_FORMAT, "field 'model.vocab' is an array, expected an object"},
    {"model.merges", NULL, AE_ERR_FORMAT, "field 'model.merges' is nothing, expected an array"},
    {"model.merges", "{}", AE_ERR_FORMAT, "field 'model.merges' is an object, expected an array"},
    {"model.vocab.A", NULL, AE_ERR_FORMAT, "the vocabulary has no token for byte 0x41"},
    {"model.vocab.\xC4\x80", NULL, AE_ERR_FORMAT, "the vocabulary has no token for byte 0x00"},
    {"model.vocab.A", "5", AE_ERR_FORMAT, "has id 5, which another token has already"},
    {"model.vocab.A", "-1", AE_ERR_FORMAT, "token \"A\" has id -1, the model's ids are 0 to 639"},
    {"model.vocab.A", "640", AE_ERR_FORMAT, "token \"A\" has id 640, the model's ids are 0 to 639"},
    {"model.vocab.A", "9000000000000000000", AE_ERR_FORMAT, "token \"A\" has id 9000000000000000000"},
    {"model.vocab.A", "32.0", AE_ERR_FORMAT, "the id of token \"A\" is a number, expected an integer"},
    {"model.vocab.A", "\"32\"", AE_ERR_FORMAT, "the id of token \"A\" is a string, expected an integer"},
    {"model.merges.2", "\"ab\"", AE_ERR_FORMAT, "merge 3: \"ab\" is not two tokens with one space between"},
    {"model.merges.2", "\"a b c\"", AE_ERR_FORMAT,
     "merge 3: \"a b c\" is not two tokens with one space between"},
    {"model.merges.2", "\" a\"", AE_ERR_FORMAT, "merge 3: \" a\" is not two tokens"},
    {"model.merges.2", "[\"a\"]", AE_ERR_FORMAT,
     "merge 3 is an array, expected a string or a pair of strings"},
    {"model.merges.2", "[\"a\",1]", AE_ERR_FORMAT, "merge 3 is an array"},
    {"model.merges.2", "7", AE_ERR_FORMAT, "merge 3 is an integer"},
    {"model.merges.2", "[\"zzz\",\"a\"]", AE_ERR_FORMAT,
     "merge 3: \"zzz\" and \"a\": the first is not in the vocabulary"},
    {"model.merges.2", "\"a zzz\"", AE_ERR_FORMAT,
     "merge 3: \"a\" and \"zzz\": the second is not in the vocabulary"},
    {"model.merges.2", "\"z !\"", AE_ERR_FORMAT,
     "merge 3: \"z\" and \"!\": what they are merged into is not in the vocabulary"},
    {"model.merges.2", "\"\xE6\x9D\xB1 a\"", AE_ERR_FORMAT, "the first is not in the vocabulary"},
    {"added_tokens", "{}", AE_ERR_FORMAT, "field 'added_tokens' is an object, expected an array"},
    {"added_tokens.0", "\"<|endoftext|>\"", AE_ERR_FORMAT, "an added token is a string, expected an object"},
    {"added_tokens.0.content", NULL, AE_ERR_FORMAT, "field 'content' is missing"},
    {"added_tokens.0.id", NULL, AE_ERR_FORMAT,
     "the id of token \"<|endoftext|>\" is nothing, expected an integer"},
    {"added_tokens.0.id", "640", AE_ERR_FORMAT,
     "token \"<|endoftext|>\" has id 640, the model's ids are 0 to 639"},
    {"added_tokens.0.id", "601", AE_ERR_FORMAT, "with id 601 contradicts \"<|endoftext|>\" with id 601"},
    {"added_tokens.0.id", "5", AE_ERR_FORMAT,
     "token \"<|endoftext|>\" has id 5, which another token has already"},
    {"added_tokens.0.content", "\"A\"", AE_ERR_FORMAT,
     "added token \"A\" has id 600, another than in the vocabulary"},
    {"added_tokens.0.lstrip", "true", AE_ERR_UNSUPPORTED, "added token \"<|endoftext|>\" has 'lstrip' set"},
    {"added_tokens.0.rstrip", "true", AE_ERR_UNSUPPORTED, "added token \"<|endoftext|>\" has 'rstrip' set"},
    {"added_tokens.0.single_word", "true", AE_ERR_UNSUPPORTED,
     "added token \"<|endoftext|>\" has 'single_word' set"},
    {"added_tokens.0.normalized", "3", AE_ERR_FORMAT, "field 'normalized' is an integer"},
    {"pre_tokenizer.use_regex", NULL, AE_OK, ""},
    {"post_processor", "null", AE_OK, ""},
    {"model.type", NULL, AE_OK, ""},
    {"model.end_of_word_suffix", "\"\"", AE_OK, ""},
    {"model.dropout", "0.0", AE_OK, ""},
    {"added_tokens", NULL, AE_OK, ""},
    {"added_tokens.0.content", "\"\"", AE_OK, ""},   // never found in a text
    {"truncation", "{\"max_length\":5}", AE_OK, ""}, // only ever applied on request
};

static void changed_files_are_named_and_refused(void **state) {
    const char *folder = *state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const change *c = &changes[i];
        json_t *root = fixture();
        const char *last;
        json_t *holder = walk(root, c->path, &last);
        json_t *value = c->value ? json_loads(c->value, JSON_DECODE_ANY, NULL) : NULL;
        assert_true((c->value != NULL) == (value != NULL));
        if (!value)
            assert_int_equal(json_object_del(holder, last), 0);
        else if (json_is_array(holder))
            assert_int_equal(json_array_set_new(holder, (size_t)atoi(last), value), 0);
        else
            assert_int_equal(json_object_set_new(holder, last, value), 0);
        write_json(folder, "tokenizer.json", root);
        ae_status status = open_folder(folder, N_VOCAB);
        if (status != c->status)
            fail_msg("%s = %s gives %s (%s)", c->path, c->value, ae_status_name(status), ae_last_error());
        if (status == AE_OK) continue;
        if (!strstr(ae_last_error(), c->message))
            fail_msg("'%s' does not contain '%s'", ae_last_error(), c->message);
        if (!strstr(ae_last_error(), "tokenizer.json'"))
            fail_msg("'%s' does not name the file", ae_last_error());
    }
}

static void repeated_merges_are_refused(void **state) {
    json_t *root = fixture();
    json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
    json_array_append(merges, json_array_get(merges, 0));
    write_json(*state, "tokenizer.json", root);
    assert_fails(open_folder(*state, N_VOCAB), AE_ERR_FORMAT, "merge 345: ");
    assert_fails(open_folder(*state, N_VOCAB), AE_ERR_FORMAT, "an earlier merge has the same pair");
}

// Files of today write a merge as a pair, older ones as a string.
static void merges_as_strings_are_the_same(void **state) {
    json_t *root = fixture();
    json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *pair = json_array_get(merges, i);
        assert_true(json_is_array(pair));
        json_array_set_new(merges, i,
                           json_sprintf("%s %s", json_string_value(json_array_get(pair, 0)),
                                        json_string_value(json_array_get(pair, 1))));
    }
    write_json(*state, "tokenizer.json", root);
    ae_tokenizer *pairs, *strings;
    assert_ok(ae_tokenizer_open("tests/data/tokenizer", N_VOCAB, &pairs));
    assert_ok(ae_tokenizer_open(*state, N_VOCAB, &strings));
    static const char text[] = "The aedile kept the city in repair, and the magistrates didn't.";
    int32_t *a = NULL, *b = NULL;
    size_t n_a = 0, n_b = 0, room_a = 0, room_b = 0;
    assert_ok(ae_tokenizer_encode(pairs, text, strlen(text), &a, &n_a, &room_a));
    assert_ok(ae_tokenizer_encode(strings, text, strlen(text), &b, &n_b, &room_b));
    assert_int_equal(n_a, n_b);
    assert_true(n_a < strlen(text) / 2);
    assert_memory_equal(a, b, n_a * sizeof *a);
    ae_free(a);
    ae_free(b);
    ae_tokenizer_free(pairs);
    ae_tokenizer_free(strings);
}

static void missing_and_broken_files(void **state) {
    const char *folder = *state;
    assert_fails(open_folder(folder, 0), AE_ERR_ARGUMENT, "0 tokens");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_NOT_FOUND, folder);
    assert_fails(
        open_folder(folder, N_VOCAB), AE_ERR_NOT_FOUND,
        "looked for tokenizer.json, or vocab.json and merges.txt; download these files with the model");
    write_text(folder, "vocab.json", "{}");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_NOT_FOUND, "looked for tokenizer.json");
    write_text(folder, "merges.txt", "");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_FORMAT,
                 "vocab.json': the vocabulary has no token for byte 0x00");
    write_text(folder, "vocab.json", "{\"a\": 0, \"b\": 1, \"a\": 2}");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_FORMAT, "vocab.json' is not valid JSON: line 1");
    write_text(folder, "vocab.json", "[]");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_FORMAT,
                 "vocab.json' holds an array, expected an object");
    lay_link_to_nothing(folder, "tokenizer.json");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_NOT_FOUND,
                 "tokenizer.json' is a link to what is not there");
    write_text(folder, "tokenizer.json", "{\"model\": {\"vocab\": {\"a\"");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_FORMAT, "tokenizer.json' is not valid JSON: line 1");
    write_text(folder, "tokenizer.json",
               "{\"model\": {\"vocab\": {\"a\": 1000000000}, \"merges\": []}, \"normalizer\": null,"
               "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, \"decoder\": "
               "{\"type\": \"ByteLevel\"}}");
    assert_fails(open_folder(folder, INT32_MAX), AE_ERR_FORMAT,
                 "token \"a\" has id 1000000000, the model's ids are 0 to 16777215");
}

static void bad_lines_of_merges_txt(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"#version: 0.2\nh e\nzzz a\n", "line 3: \"zzz\" and \"a\": the first is not in the vocabulary"},
        {"#version: 0.2\nh e\nh e\n", "line 3: \"h\" and \"e\": an earlier merge has the same pair"},
        {"h e\r\n", "line 1: \"h\" and \"e\r\": the second is not in the vocabulary"},
        {"h e\n\n", "line 2: \"\" is not two tokens with one space between"},
        {"h e\nhe", "line 2: \"he\" is not two tokens"},
        {"h e \n", "line 1: \"h e \" is not two tokens"},
        {"! \"\n", "line 1: \"!\" and \"\"\": what they are merged into is not in the vocabulary"},
    };
    copy_split_fixture(*state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_text(*state, "merges.txt", cases[i].text);
        assert_fails(open_folder(*state, N_VOCAB), AE_ERR_FORMAT, cases[i].message);
        assert_non_null(strstr(ae_last_error(), "merges.txt', line"));
    }
    write_text(*state, "merges.txt", "#version: 0.2\nh e");
    assert_ok(open_folder(*state, N_VOCAB));
}

static void check_only_id(const char *folder, const char *text, int32_t id) {
    ae_tokenizer *tokenizer;
    assert_ok(ae_tokenizer_open(folder, N_VOCAB, &tokenizer));
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    assert_ok(ae_tokenizer_encode(tokenizer, text, strlen(text), &ids, &n, &capacity));
    if (id >= 0) {
        assert_int_equal(n, 1);
        assert_int_equal(ids[0], id);
    } else {
        assert_true(n > 1);
    }
    ae_free(ids);
    ae_tokenizer_free(tokenizer);
}

static void the_files_beside_the_vocabulary(void **state) {
    const char *folder = *state;
    copy_split_fixture(folder);
    check_only_id(folder, "<x>", -1);
    write_text(folder, "tokenizer_config.json",
               "{\"tokenizer_class\": \"GPT2Tokenizer\", \"added_tokens_decoder\": {\"610\": "
               "{\"content\": \"<x>\", \"special\": true}}, \"bos_token\": \"<x>\", \"pad_token\": "
               "{\"content\": \"the\"}}");
    check_only_id(folder, "<x>", 610);
    lay_link_to_nothing(folder, "added_tokens.json");
    assert_fails(open_folder(folder, N_VOCAB), AE_ERR_NOT_FOUND,
                 "added_tokens.json' is a link to what is not there");
    write_text(folder, "added_tokens.json", "{\"<y>\": 611}");
    check_only_id(folder, "<y>", 611);
    write_text(folder, "special_tokens_map.json",
               "{\"additional_special_tokens\": [\"<nowhere>\", \"<y>\"]}");
    check_only_id(folder, "<y>", 611);
    check_only_id(folder, "<nowhere>", -1);
    static const struct {
        const char *name, *text;
        ae_status status;
        const char *message;
    } cases[] = {
        {"special_tokens_map.json", "{\"bos_token\": {\"content\": \"the\", \"lstrip\": true}}",
         AE_ERR_UNSUPPORTED, "special_tokens_map.json': added token \"the\" has 'lstrip' set"},
        {"special_tokens_map.json", "[]", AE_ERR_FORMAT, "special_tokens_map.json' holds an array"},
        {"added_tokens.json", "{\"<y>\": -1}", AE_ERR_FORMAT, "added_tokens.json': token \"<y>\" has id -1"},
        {"added_tokens.json", "{\"<y>\": 640}", AE_ERR_FORMAT,
         "added_tokens.json': token \"<y>\" has id 640"},
        {"added_tokens.json", "{\"<y>\": 610}", AE_ERR_FORMAT,
         "added token \"<y>\" with id 610 contradicts \"<x>\" with id 610"},
        {"added_tokens.json", "{\"<y>\": 3}", AE_ERR_FORMAT,
         "token \"<y>\" has id 3, which another token has already"},
        {"tokenizer_config.json", "{\"add_bos_token\": true}", AE_ERR_UNSUPPORTED,
         "field 'add_bos_token' is true"},
        {"tokenizer_config.json", "{\"add_prefix_space\": true}", AE_ERR_UNSUPPORTED,
         "field 'add_prefix_space' is true"},
        {"tokenizer_config.json", "{\"tokenizer_class\": \"Qwen2Tokenizer\"}", AE_ERR_UNSUPPORTED,
         "field 'tokenizer_class' is \"Qwen2Tokenizer\"; without a tokenizer.json only GPT2Tokenizer is "
         "supported"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\": []}", AE_ERR_FORMAT,
         "'added_tokens_decoder' is an array"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"<x>\"}}}",
         AE_ERR_FORMAT, "'added_tokens_decoder' has an id \"x\", expected digits"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"9999999999\": {\"content\": \"<x>\"}}}",
         AE_ERR_FORMAT, "token \"<x>\" has id 9999999999"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = ae_path_join(folder, cases[i].name), *good;
        assert_ok(ae_file_read(path, 1 << 20, &good, NULL));
        write_text(folder, cases[i].name, cases[i].text);
        assert_fails(open_folder(folder, N_VOCAB), cases[i].status, cases[i].message);
        write_text(folder, cases[i].name, good);
        assert_ok(open_folder(folder, N_VOCAB));
        ae_free(good);
        ae_free(path);
    }
}

// A token of characters that stand for no byte: it is decoded as written and merges that name it keep their
// place.
static void tokens_outside_the_alphabet(void **state) {
    json_t *root = fixture();
    json_t *model = json_object_get(root, "model");
    json_object_set_new(json_object_get(model, "vocab"), "\xE6\x9D\xB1", json_integer(620));
    json_array_insert_new(json_object_get(model, "merges"), 0, json_string("\xE6\x9D\xB1 a"));
    write_json(*state, "tokenizer.json", root);
    ae_tokenizer *tokenizer;
    assert_ok(ae_tokenizer_open(*state, N_VOCAB, &tokenizer));
    size_t length;
    const char *bytes = ae_tokenizer_bytes(tokenizer, 620, &length);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "\xE6\x9D\xB1", 3);
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    assert_ok(ae_tokenizer_encode(tokenizer, "\xE6\x9D\xB1", 3, &ids, &n, &capacity));
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(ids[i], 620);
    ae_free(ids);
    ae_tokenizer_free(tokenizer);
}

// Tens of thousands of added tokens, several lengths of one beginning: the longest that fits is found, and
// two that contradict each other are, too.
static void many_added_tokens(void **state) {
    enum { N_TOKENS = 30000 };
    const char *folder = *state;
    copy_split_fixture(folder);
    ae_text added = {0};
    for (int i = 0; i < N_TOKENS; i++)
        assert_ok(ae_text_printf(&added, "%s\"<t%d\": %d", i == 0 ? "{" : ", ", i, N_VOCAB + i));
    const size_t complete = added.length;
    assert_ok(ae_text_printf(&added, "}"));
    write_text(folder, "added_tokens.json", added.data);

    ae_tokenizer *tokenizer = NULL;
    assert_ok(ae_tokenizer_open(folder, N_VOCAB + N_TOKENS, &tokenizer));
    static const char text[] = "<t0<t29999<t123456<t1";
    static const int tokens[] = {0, 29999, 12345, -1, 1}; // -1: the "6", no added token
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    assert_ok(ae_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &n, &capacity));
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] >= 0)
            assert_int_equal(ids[i], N_VOCAB + tokens[i]);
        else
            assert_true(ids[i] < N_VOCAB);
    ae_free(ids);
    ae_tokenizer_free(tokenizer);

    added.length = complete;
    assert_ok(ae_text_printf(&added, ", \"<again\": %d}", N_VOCAB + 7));
    write_text(folder, "added_tokens.json", added.data);
    assert_fails(open_folder(folder, N_VOCAB + N_TOKENS), AE_ERR_FORMAT,
                 "added token \"<again\" with id 647 contradicts \"<t7\" with id 647");
    ae_free(added.data);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(changed_files_are_named_and_refused),
        IN_FOLDER(repeated_merges_are_refused),
        IN_FOLDER(merges_as_strings_are_the_same),
        IN_FOLDER(missing_and_broken_files),
        IN_FOLDER(bad_lines_of_merges_txt),
        IN_FOLDER(the_files_beside_the_vocabulary),
        IN_FOLDER(tokens_outside_the_alphabet),
        IN_FOLDER(many_added_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
