// text: encoding and decoding against ids from Hugging Face (tests/data/tokenizer, made by
// tools/parity_tokenizer.py).
#include "test.h"

#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
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
            fail_msg("'%s': id %zu is %d, not %d", text, i, got[i],
                     (int)json_integer_value(json_array_get(ids, i)));
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
    assert_int_equal(ae_tokenizer_end_of_text(tokenizer), 600);
    size_t length;
    const char *named = ae_tokenizer_bytes(tokenizer, 601, &length);
    assert_int_equal(length, strlen("<|extratoken_1|>"));
    assert_memory_equal(named, "<|extratoken_1|>", length);
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

static void any_bytes_come_back(void **state) {
    (void)state;
    ae_random random = ae_random_stream(1, 0, 0);
    static const unsigned char cut[] = "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
    char text[200];
    for (int i = 0; i < 20000; i++) {
        size_t length = ae_random_next(&random) % sizeof text;
        uint64_t kind =
            ae_random_next(&random) % 3; // any bytes; those of characters in any order; mostly ASCII
        for (size_t k = 0; k < length; k++) {
            uint64_t draw = ae_random_next(&random), byte = draw & 0xFF;
            if (kind == 1) byte = cut[draw % 9];
            if (kind == 2 && draw >> 60 != 0) byte = ' ' + draw % 95;
            text[k] = (char)byte;
        }
        check_round_trip(tokenizer, text, length);
    }
}

static void ids_are_appended(void **state) {
    (void)state;
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    assert_ok(ae_tokenizer_encode(tokenizer, "a<|endoftext|>", 14, &ids, &n, &capacity));
    assert_ok(ae_tokenizer_encode(tokenizer, "", 0, &ids, &n, &capacity));
    assert_ok(ae_tokenizer_encode(tokenizer, "b", 1, &ids, &n, &capacity));
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 64);
    assert_int_equal(ids[1], 600);
    assert_int_equal(ids[2], 65);
    assert_true(capacity >= 3);
    ae_free(ids);
}

// A piece of a megabyte: a search of all pairs for each merge would take hours here, the time is that of a
// sort.
static void long_runs_take_no_quadratic_time(void **state) {
    (void)state;
    enum { LENGTH = 1 << 20 };
    static const char *const runs[] = {"a", "aedile", " ", ".", "\xE6\x9D\xB1", "1"};
    char *text = ae_alloc(LENGTH, 1);
    assert_non_null(text);
    clock_t start = clock();
    for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
        size_t period = strlen(runs[r]);
        for (size_t i = 0; i < LENGTH; i++)
            text[i] = runs[r][i % period];
        check_round_trip(tokenizer, text, LENGTH);
    }
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 30) fail_msg("six runs of a megabyte took %.1f s", seconds);
    ae_free(text);
}

static void a_tokenizer_serves_many_threads(void **state) {
    (void)state;
    ae_tokenizer *fresh; // one whose tokens have not been met
    assert_ok(ae_tokenizer_open("tests/data/tokenizer", N_VOCAB, &fresh));
    const json_t *pairs = json_object_get(expected, "encode");
    int wrong = 0;
#pragma omp parallel for num_threads(4) schedule(static, 1) reduction(+ : wrong)
    for (int job = 0; job < 8; job++) {
        for (size_t i = 0; i < json_array_size(pairs); i++) {
            const json_t *text = json_array_get(json_array_get(pairs, i), 0),
                         *ids = json_array_get(json_array_get(pairs, i), 1);
            int32_t *got = NULL;
            size_t n = 0, capacity = 0;
            bool same = ae_tokenizer_encode(fresh, json_string_value(text), json_string_length(text), &got,
                                            &n, &capacity) == AE_OK &&
                        n == json_array_size(ids);
            for (size_t k = 0; same && k < n; k++)
                same = got[k] == json_integer_value(json_array_get(ids, k));
            wrong += !same;
            ae_free(got);
        }
    }
    assert_int_equal(wrong, 0);
    ae_tokenizer_free(fresh);
}

// Makes the first, second, ... allocation fail until none is left to fail, and counts them.
static int count_failures(ae_status (*work)(void)) {
    for (int n = 1;; n++) {
        ae_memory_fail_at((uint64_t)n);
        ae_status status = work();
        ae_memory_fail_at(0);
        if (status == AE_OK) return n - 1;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_non_null(strstr(ae_last_error(), "out of memory"));
    }
}

static ae_status open_and_free(void) {
    ae_tokenizer *opened = NULL;
    ae_status status = ae_tokenizer_open("tests/data/tokenizer/split", N_VOCAB, &opened);
    ae_tokenizer_free(opened);
    return status;
}

static ae_status encode_and_decode(void) {
    char text[400], *back = NULL;
    memset(text, 'a', sizeof text);
    memcpy(text, "the roads <|endoftext|>", 23);
    int32_t *ids = NULL;
    size_t n = 0, capacity = 0;
    ae_status status = ae_tokenizer_encode(tokenizer, text, sizeof text, &ids, &n, &capacity);
    if (status == AE_OK) status = ae_tokenizer_decode(tokenizer, ids, n, &back, NULL);
    if (status != AE_OK) assert_null(back);
    ae_free(ids);
    ae_free(back);
    return status;
}

static void lack_of_memory_is_survived(void **state) {
    (void)state;
    assert_true(count_failures(open_and_free) >= 20);
    assert_true(count_failures(encode_and_decode) >= 5);
}

/* ---- ../shared/data, where it is -------------------------------------------------------------------- */

static const char *const data_files[] = {
    "counterfact/counterfact.json",
    "counterfact/counterfact-edit.json",
    "counterfact/counterfact-train.json",
    "counterfact/counterfact-val.json",
    "glue/cola.json",
    "glue/mrpc.json",
    "glue/rte.json",
    "glue/sst2.json",
    "known/known_1000.json",
    "zsre/zsre_mend_eval.json",
    "text/me-ppl-1k.json",
    "text/wikipedia.jsonl",
    "text/wikitext2.test.txt",
    "text/wikitext2.valid.txt",
    "text/wikitext2.train.txt",
};

static size_t check_strings_within(const ae_tokenizer *gpt2, const json_t *value) {
    size_t count = 0, i;
    const char *key;
    json_t *item;
    if (json_is_string(value)) {
        check_round_trip(gpt2, json_string_value(value), json_string_length(value));
        return 1;
    }
    if (json_is_array(value)) json_array_foreach(value, i, item) count += check_strings_within(gpt2, item);
    if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, key, item) count += check_strings_within(gpt2, item);
    return count;
}

static void strings_of_the_data_come_back(void **state) {
    (void)state;
    if (!ae_path_is_folder("../shared/data/gpt2")) {
        printf("../shared/data is not there: skipped\n");
        skip();
    }
    ae_tokenizer *gpt2;
    assert_ok(ae_tokenizer_open("../shared/data/gpt2", 50257, &gpt2));
    assert_int_equal(ae_tokenizer_end_of_text(gpt2), 50256);
    json_t *ids = json_pack("[i,i,i,i]", 15496, 995, 50256, 18435); // as transformers' documentation has them
    check_ids(gpt2, "Hello world<|endoftext|> Hello", 30, ids);
    json_decref(ids);
    size_t count = 0;
    for (size_t i = 0; i < sizeof data_files / sizeof data_files[0]; i++) {
        char *path = ae_path_join("../shared/data", data_files[i]), *text;
        size_t length;
        assert_non_null(path);
        assert_ok(ae_file_read(path, 1 << 28, &text, &length));
        if (strcmp(path + strlen(path) - 5, ".json") == 0) {
            json_t *document;
            assert_ok(ae_json_parse(path, text, length, &document));
            count += check_strings_within(gpt2, document);
            json_decref(document);
        } else {
            check_round_trip(gpt2, text, length);
            count++;
        }
        ae_free(text);
        ae_free(path);
    }
    assert_true(count > 150000);
    ae_tokenizer_free(gpt2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_equal_hugging_face),
        cmocka_unit_test(vocab_and_merges_give_the_same_ids),
        cmocka_unit_test(text_equals_hugging_face),
        cmocka_unit_test(nameless_and_foreign_ids),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(ids_are_appended),
        cmocka_unit_test(long_runs_take_no_quadratic_time),
        cmocka_unit_test(a_tokenizer_serves_many_threads),
        cmocka_unit_test(lack_of_memory_is_survived),
        cmocka_unit_test(strings_of_the_data_come_back),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
