// format/text_stream: documents from plain and JSON lines, compressed or not; bad lines and damaged files.
#include "fixture.h"

#include <zlib.h>
#include <zstd.h>

#include "format/text_stream.h"

static void write_plain(void *const *state, const char *name, const char *bytes, size_t length) {
    char path[512];
    write_whole(scratch_path(state, name, path), bytes, length);
}

static void write_gzip(void *const *state, const char *name, const char *bytes, size_t length,
                       const char *mode) {
    char path[512];
    gzFile file = gzopen(scratch_path(state, name, path), mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
    assert_int_equal(gzclose(file), Z_OK);
}

static size_t compress_zstd(const char *bytes, size_t length, char **out) {
    size_t bound = ZSTD_compressBound(length);
    *out = malloc(bound);
    size_t size = ZSTD_compress(*out, bound, bytes, length, 3);
    assert_false(ZSTD_isError(size));
    return size;
}

static void write_zstd(void *const *state, const char *name, const char *bytes, size_t length) {
    char *packed;
    size_t size = compress_zstd(bytes, length, &packed);
    write_plain(state, name, packed, size);
    free(packed);
}

static void open_one(void *const *state, const char *name, ae_text_stream **stream) {
    char path[512];
    const char *paths[1] = {scratch_path(state, name, path)};
    assert_ok(ae_text_stream_open(paths, 1, stream));
}

static void expect(ae_text_stream *stream, const char *document) {
    const char *text = "";
    size_t length = 0;
    assert_ok(ae_text_stream_next(stream, &text, &length));
    if (!document) {
        assert_null(text);
        assert_int_equal(length, 0);
        return;
    }
    assert_non_null(text);
    if (length != strlen(document) || memcmp(text, document, length) != 0)
        fail_msg("'%.*s' is not '%s'", (int)length, text, document);
}

static void check_documents(void *const *state, const char *name, const char *const *documents) {
    ae_text_stream *stream;
    open_one(state, name, &stream);
    for (; *documents; documents++)
        expect(stream, *documents);
    expect(stream, NULL);
    expect(stream, NULL); // the end stays the end
    ae_text_stream_close(stream);
}

static void plain_text_is_a_document_a_line(void **state) {
    static const struct {
        const char *bytes;
        const char *documents[5];
    } cases[] = {
        {"", {NULL}},
        {"\n", {"", NULL}},
        {"one", {"one", NULL}},
        {"one\n", {"one", NULL}},
        {"one\n\ntwo", {"one", "", "two", NULL}},
        {"one\r\n\r\ntwo\r\n", {"one", "", "two", NULL}},
        {"a\rb\r\r\n", {"a\rb\r", NULL}},
        {"\r", {"", NULL}},
        {"\xef\xbb\xbf"
         "first\n\xef\xbb\xbfsecond",
         {"first", "\xef\xbb\xbfsecond", NULL}},
        {"{\"text\": 1}\n", {"{\"text\": 1}", NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].bytes);
        write_plain(state, "a.txt", cases[i].bytes, length);
        check_documents(state, "a.txt", cases[i].documents);
        write_gzip(state, "a.txt.gz", cases[i].bytes, length, "wb");
        check_documents(state, "a.txt.gz", cases[i].documents);
        write_zstd(state, "a.zst", cases[i].bytes, length);
        check_documents(state, "a.zst", cases[i].documents);
    }
}

static void json_lines_give_their_text(void **state) {
    const char *text = "{\"text\": \"one\\ntwo\", \"id\": 3}\r\n\n{\"id\": 4, \"text\": \"\"}\n  "
                       "\n{\"text\":\"gr\\u00f6\\u00dfe\"}";
    static const char *const documents[] = {"one\ntwo", "", "größe", NULL};
    write_plain(state, "a.jsonl", text, strlen(text));
    check_documents(state, "a.jsonl", documents);
    write_gzip(state, "a.jsonl.gz", text, strlen(text), "wb");
    check_documents(state, "a.jsonl.gz", documents);
    write_zstd(state, "a.ndjson.zst", text, strlen(text));
    check_documents(state, "a.ndjson.zst", documents);
    // A NUL is a character like any other.
    text = "{\"text\": \"a\\u0000b\"}\n";
    write_plain(state, "a.jsonl", text, strlen(text));
    ae_text_stream *stream;
    open_one(state, "a.jsonl", &stream);
    const char *got;
    size_t length;
    assert_ok(ae_text_stream_next(stream, &got, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(got, "a\0b", 3);
    ae_text_stream_close(stream);
}

static void bad_lines_are_named(void **state) {
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"not json", "bad.jsonl: line 2' is not valid JSON"},
        {"[1]", "bad.jsonl: line 2' is an array, expected an object with a field 'text'"},
        {"{\"txt\": \"a\"}", "bad.jsonl: line 2': field 'text' is missing, expected a string"},
        {"{\"text\": 3}", "bad.jsonl: line 2': field 'text' is an integer, expected a string"},
        {"{\"text\": null}", "bad.jsonl: line 2': field 'text' is missing"},
        {"{\"text\": \"a\"} {\"text\": \"b\"}", "bad.jsonl: line 2' is not valid JSON"},
        {"{\"text\": \"\xff\"}", "bad.jsonl: line 2' is not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[200];
        int n =
            snprintf(bytes, sizeof bytes, "{\"text\": \"good\"}\n%s\n{\"text\": \"after\"}\n", cases[i].line);
        write_plain(state, "bad.jsonl", bytes, (size_t)n);
        ae_text_stream *stream;
        open_one(state, "bad.jsonl", &stream);
        expect(stream, "good");
        const char *text;
        size_t length;
        assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT, cases[i].text);
        expect(stream, "after"); // a caller may go on behind a bad line
        ae_text_stream_close(stream);
    }
}

static void files_follow_each_other(void **state) {
    write_plain(state, "1.txt", "a\nb", 3);
    write_gzip(state, "2.gz", "c\n", 2, "wb");
    write_gzip(state, "2.gz", "d\n", 2, "ab"); // a second gzip member
    write_plain(state, "3.txt", "", 0);
    char *first, *second;
    size_t n = compress_zstd("e\nf", 3, &first), m = compress_zstd("g\n", 2, &second);
    char *frames = malloc(n + m);
    memcpy(frames, first, n);
    memcpy(frames + n, second, m);
    write_plain(state, "4.zst", frames, n + m); // two frames, a line across both
    free(first);
    free(second);
    free(frames);
    write_zstd(state, "5.jsonl.zst", "{\"text\":\"h\"}", 12);
    char path[5][512];
    const char *const paths[5] = {
        scratch_path(state, "1.txt", path[0]),       scratch_path(state, "2.gz", path[1]),
        scratch_path(state, "3.txt", path[2]),       scratch_path(state, "4.zst", path[3]),
        scratch_path(state, "5.jsonl.zst", path[4]),
    };
    ae_text_stream *stream;
    assert_ok(ae_text_stream_open(paths, 5, &stream));
    static const char *const documents[] = {"a", "b", "c", "d", "e", "fg", "h", NULL};
    for (size_t i = 0; documents[i]; i++)
        expect(stream, documents[i]);
    expect(stream, NULL);
    ae_text_stream_close(stream);
    assert_ok(ae_text_stream_open(NULL, 0, &stream));
    expect(stream, NULL);
    ae_text_stream_close(stream);
}

static void names_and_contents_must_agree(void **state) {
    const char *text;
    size_t length;
    char path[512];
    ae_text_stream *stream = NULL;
    const char *paths[1] = {scratch_path(state, "absent.txt", path)};
    assert_fails(ae_text_stream_open(paths, 1, &stream), AE_ERR_NOT_FOUND, "absent.txt");
    assert_null(stream);
    write_gzip(state, "a.txt", "text\n", 5, "wb");
    open_one(state, "a.txt", &stream);
    assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT,
                 "a.txt' is compressed by gzip: give it a name that ends in .gz");
    ae_text_stream_close(stream);
    write_zstd(state, "a.jsonl", "{\"text\":\"h\"}", 12);
    open_one(state, "a.jsonl", &stream);
    assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT, "compressed by zstd");
    ae_text_stream_close(stream);
    write_plain(state, "a.gz", "text\n", 5);
    open_one(state, "a.gz", &stream);
    assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT, "a.gz' is named .gz, but");
    ae_text_stream_close(stream);
    write_plain(state, "a.zst", "text\n", 5);
    open_one(state, "a.zst", &stream);
    assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT, "a.zst' is named .zst, but");
    ae_text_stream_close(stream);
}

// Lines of every length up to beyond a chunk of 256 KB, so that line ends fall on every side of a chunk's
// end.
static void long_lines_are_joined(void **state) {
    static const size_t lengths[] = {0, 1, 262143, 262144, 262145, 3, 1000000, 0, 131072, 131071, 5, 5000000};
    enum { N = sizeof lengths / sizeof *lengths };
    size_t total = 0, at = 0;
    for (size_t i = 0; i < N; i++)
        total += lengths[i] + 2;
    char *bytes = malloc(total);
    for (size_t i = 0; i < N; i++) {
        memset(bytes + at, 'a' + (int)i, lengths[i]);
        at += lengths[i];
        if (i % 2) bytes[at++] = '\r';
        bytes[at++] = '\n';
    }
    write_plain(state, "long.txt", bytes, at);
    write_gzip(state, "long.gz", bytes, at, "wb");
    write_zstd(state, "long.zst", bytes, at);
    free(bytes);
    static const char *const names[] = {"long.txt", "long.gz", "long.zst"};
    for (size_t k = 0; k < 3; k++) {
        ae_text_stream *stream;
        open_one(state, names[k], &stream);
        for (size_t i = 0; i < N; i++) {
            const char *text = NULL;
            size_t length;
            assert_ok(ae_text_stream_next(stream, &text, &length));
            assert_int_equal(length, lengths[i]);
            for (size_t c = 0; c < length; c++)
                assert_true(text[c] == 'a' + (int)i);
        }
        expect(stream, NULL);
        ae_text_stream_close(stream);
    }
}

static void a_line_without_end_is_refused(void **state) {
    char path[512];
    FILE *file = fopen(scratch_path(state, "endless.txt", path), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite("short\n", 1, 6, file), 6);
    assert_int_equal(fseek(file, 65 * 1024 * 1024, SEEK_CUR), 0); // a hole: 65 MB of NUL without a line end
    fputc('x', file);
    assert_int_equal(fclose(file), 0);
    ae_text_stream *stream;
    open_one(state, "endless.txt", &stream);
    expect(stream, "short");
    const char *text;
    size_t length;
    assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT,
                 "endless.txt': line 2 is longer than the 64 MB");
    ae_text_stream_close(stream);
}

// Two documents: one of as many values as may be, among text that only looks like more, and one of a value
// more.
static void a_line_of_too_many_values_is_refused(void **state) {
    enum { MOST = 1000000 };
    static const char start[] = "{\"text\": \",[{\\\",\", \"x\": [1"; // the object, x, its array and the 1: 4
    char *lines = malloc(2 * (sizeof start + 2 * MOST + 8)), *at = lines;
    assert_non_null(lines);
    for (size_t extra = 0; extra < 2; extra++) {
        memcpy(at, start, sizeof start - 1);
        at += sizeof start - 1;
        for (size_t n = 4; n < MOST + extra; n++, at += 2)
            memcpy(at, ",1", 2);
        memcpy(at, "]}\n", 3);
        at += 3;
    }
    write_gzip(state, "many.jsonl.gz", lines, (size_t)(at - lines), "wb");
    free(lines);
    ae_text_stream *stream;
    open_one(state, "many.jsonl.gz", &stream);
    expect(stream, ",[{\",");
    const char *text;
    size_t length;
    assert_fails(ae_text_stream_next(stream, &text, &length), AE_ERR_FORMAT,
                 "many.jsonl.gz: line 2' holds more than the 1000000 values that a document may have");
    ae_text_stream_close(stream);
}

// Reads to the end or to the first error.
static ae_status read_all(void *const *state, const char *name) {
    char path[512];
    const char *paths[1] = {scratch_path(state, name, path)}, *text = "";
    ae_text_stream *stream;
    AE_TRY(ae_text_stream_open(paths, 1, &stream));
    ae_status status = AE_OK;
    size_t length;
    while (status == AE_OK && text)
        status = ae_text_stream_next(stream, &text, &length);
    ae_text_stream_close(stream);
    return status;
}

static void what_follows_a_gzip_member_is_read_or_refused(void **state) {
    char path[512], *bytes;
    size_t size;
    write_gzip(state, "a.gz", "one\n", 4, "wb");
    read_whole(scratch_path(state, "a.gz", path), &bytes, &size);
    char *both = calloc(2 * size + 1000, 1);
    assert_non_null(both);
    memcpy(both, bytes, size);
    memcpy(both + size, bytes, size);
    for (size_t at = 0; at < 3; at++) // its first bytes say that it is one
        for (int bit = 0; bit < 8; bit++) {
            both[size + at] ^= (char)(1 << bit);
            write_plain(state, "a.gz", both, 2 * size);
            assert_fails(read_all(state, "a.gz"), AE_ERR_FORMAT,
                         "a.gz': after line 1 the compressed data is damaged or cut short: ");
            both[size + at] ^= (char)(1 << bit);
        }
    for (size_t cut = 1; cut < size; cut++) {
        write_plain(state, "a.gz", both, size + cut);
        assert_fails(read_all(state, "a.gz"), AE_ERR_FORMAT, "it ends too early");
    }
    write_plain(state, "a.gz", both, 2 * size + 1000); // zeros, as tapes have them
    check_documents(state, "a.gz", (const char *const[]){"one", "one", NULL});
    both[2 * size + 500] = 'x';
    write_plain(state, "a.gz", both, 2 * size + 1000);
    assert_fails(read_all(state, "a.gz"), AE_ERR_FORMAT, "incorrect header check");
    free(both);
    ae_free(bytes);
}

static void frames_to_be_skipped_are_skipped(void **state) {
    char *packed, bytes[300] = "\x5a\x2a\x4d\x18\x04\0\0\0skip"; // of pzstd: the size of what follows
    size_t n = compress_zstd("one\n", 4, &packed);
    memcpy(bytes + 12, packed, n);
    memcpy(bytes + 12 + n, bytes, 12);
    bytes[12 + n] = '\x50';
    memcpy(bytes + 24 + n, packed, n);
    free(packed);
    write_plain(state, "a.zst", bytes, 24 + 2 * n);
    check_documents(state, "a.zst", (const char *const[]){"one", "one", NULL});
    for (size_t cut = 5; cut < 12; cut++) {
        write_plain(state, "a.zst", bytes, 12 + n + cut);
        assert_fails(read_all(state, "a.zst"), AE_ERR_FORMAT, "it ends too early");
    }
    write_plain(state, "a.txt", bytes, 24 + 2 * n);
    assert_fails(read_all(state, "a.txt"), AE_ERR_FORMAT, "a.txt' is compressed by zstd");
}

// A frame of one block, "a\n", as it stands; only the size of its window differs.
static void a_window_that_is_too_large_is_named(void **state) {
    char frame[] = "\x28\xb5\x2f\xfd\0\x88\x11\0\0a\n"; // 0x88: 2 to the power of 10 + 0x11
    write_plain(state, "a.zst", frame, sizeof frame - 1);
    check_documents(state, "a.zst", (const char *const[]){"a", NULL});
    frame[5] = '\x90';
    write_plain(state, "a.zst", frame, sizeof frame - 1);
    assert_fails(read_all(state, "a.zst"), AE_ERR_UNSUPPORTED,
                 "a.zst' needs a window of more than 128 MB; compress it without --long");
}

static void damaged_files_never_crash(void **state) {
    const char *text = "{\"text\": \"the quick brown fox\"}\n{\"text\": \"jumps over the lazy dog\"}\n";
    char path[512];
    write_gzip(state, "a.jsonl.gz", text, strlen(text), "wb");
    write_zstd(state, "a.jsonl.zst", text, strlen(text));
    static const char *const names[] = {"a.jsonl.gz", "a.jsonl.zst"};
    ae_random random = ae_random_stream(6, 0, 0);
    for (size_t k = 0; k < 2; k++) {
        char *bytes;
        size_t size;
        read_whole(scratch_path(state, names[k], path), &bytes, &size);
        for (size_t cut = 0; cut < size; cut++) {
            write_plain(state, names[k], bytes, cut);
            ae_status status = read_all(state, names[k]);
            if (status != AE_ERR_FORMAT)
                fail_msg("%s: %zu of %zu bytes gave %s", names[k], cut, size, ae_status_name(status));
            assert_non_null(strstr(ae_last_error(), names[k]));
        }
        char *flipped = malloc(size);
        for (int i = 0; i < 2000; i++) {
            memcpy(flipped, bytes, size);
            flip_bits(flipped, size, &random);
            write_plain(state, names[k], flipped, size);
            ae_status status = read_all(state, names[k]);
            assert_answers(status);
        }
        free(flipped);
        ae_free(bytes);
    }
}

static void lack_of_memory_is_an_error(void **state) {
    write_zstd(state, "a.jsonl.zst", "{\"text\":\"h\"}\n{\"text\":\"i\"}", 25);
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        ae_memory_fail_at(n);
        status = read_all(state, "a.jsonl.zst");
        ae_memory_fail_at(0);
    }
    assert_ok(status);
    assert_true(failures > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_text_is_a_document_a_line, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(json_lines_give_their_text, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(bad_lines_are_named, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(files_follow_each_other, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(names_and_contents_must_agree, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(long_lines_are_joined, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(a_line_without_end_is_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(a_line_of_too_many_values_is_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(what_follows_a_gzip_member_is_read_or_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(frames_to_be_skipped_are_skipped, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(a_window_that_is_too_large_is_named, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(damaged_files_never_crash, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_an_error, make_scratch_folder,
                                        remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
