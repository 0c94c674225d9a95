// format/safetensors: what is read, what is refused and with which words, what is written.
#include "fixture.h"

#include "format/safetensors.h"

// A file in memory: a header text and n_data bytes 0, 1, 2, ...; free with ae_free. `length` overrides the
// header length.
static unsigned char *make(const char *header, uint64_t length, size_t n_data, size_t *size) {
    size_t n = strlen(header);
    *size = 8 + n + n_data;
    unsigned char *bytes = ae_alloc(*size, 1);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        bytes[8 + n + i] = (unsigned char)i;
    return bytes;
}

static ae_status try_open(const char *header, size_t n_data) {
    size_t size;
    unsigned char *bytes = make(header, strlen(header), n_data, &size);
    ae_safetensors *file = NULL;
    ae_status status = ae_safetensors_open_memory("t.safetensors", bytes, size, &file);
    ae_safetensors_close(file);
    ae_free(bytes);
    return status;
}

static void tensors_come_in_order_of_offset(void **state) {
    (void)state;
    const char *header = "{\"late\":{\"dtype\":\"I16\",\"shape\":[2,2],\"data_offsets\":[8,16]},"
                         "\"__metadata__\":{\"format\":\"pt\"},"
                         "\"none\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[8,8]},"
                         "\"one\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}   ";
    size_t size;
    unsigned char *bytes = make(header, strlen(header), 16, &size);
    ae_safetensors *file;
    assert_ok(ae_safetensors_open_memory("t.safetensors", bytes, size, &file));
    assert_int_equal(ae_safetensors_count(file), 3);
    assert_string_equal(ae_safetensors_at(file, 0)->name, "one");
    assert_string_equal(ae_safetensors_at(file, 1)->name, "none");
    assert_string_equal(ae_safetensors_at(file, 2)->name, "late");
    const ae_tensor *late = ae_safetensors_find(file, "late");
    assert_ptr_equal(late, ae_safetensors_at(file, 2));
    assert_int_equal(late->dtype, AE_I16);
    assert_int_equal(late->n_dim, 2);
    assert_int_equal(late->n_bytes, 8);
    assert_int_equal(late->offset, 8 + strlen(header) + 8);
    assert_ptr_equal(late->data, bytes + late->offset);
    assert_int_equal(*(const unsigned char *)late->data, 8);
    assert_int_equal(ae_safetensors_find(file, "one")->n_dim, 0);
    assert_int_equal(ae_safetensors_find(file, "none")->n_bytes, 0);
    assert_null(ae_safetensors_find(file, "__metadata__"));
    assert_string_equal(json_string_value(json_object_get(ae_safetensors_metadata(file), "format")), "pt");
    ae_safetensors_close(file);
    ae_free(bytes);
    assert_ok(try_open("{}", 0));
}

static void header_lengths_are_checked_first(void **state) {
    (void)state;
    size_t size;
    ae_safetensors *file = NULL;
    unsigned char *bytes = make("{}", 10737418240ull, 4, &size);
    assert_fails(ae_safetensors_open_memory("t", bytes, size, &file), AE_ERR_FORMAT,
                 "a header of 10737418240 bytes, but the file has only 14");
    ae_free(bytes);
    bytes = make("{}", UINT64_MAX, 4, &size);
    assert_fails(ae_safetensors_open_memory("t", bytes, size, &file), AE_ERR_FORMAT,
                 "a header of 18446744073709551615 bytes, but the file has only 14");
    assert_fails(ae_safetensors_open_memory("t", bytes, 7, &file), AE_ERR_FORMAT,
                 "'t' has 7 bytes: too short");
    assert_fails(ae_safetensors_open_memory("t", bytes, 0, &file), AE_ERR_FORMAT,
                 "'t' has 0 bytes: too short");
    ae_free(bytes);
    bytes = make("{}", 0, 0, &size);
    assert_fails(ae_safetensors_open_memory("t", bytes, size, &file), AE_ERR_FORMAT,
                 "does not begin with '{'");
    ae_free(bytes);
    char *blank = ae_alloc(100000002, 1);
    memset(blank, ' ', 100000001);
    bytes = make(blank, 100000001, 0, &size);
    assert_fails(ae_safetensors_open_memory("t", bytes, size, &file), AE_ERR_FORMAT,
                 "a header of 100000001 bytes is larger than the 100000000");
    ae_free(bytes);
    ae_free(blank);
    assert_null(file);
}

static void malformed_entries_are_named(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        ae_status status;
        const char *text;
    } cases[] = {
        {"[]", 0, AE_ERR_FORMAT, "does not begin with '{'"},
        {" {}", 0, AE_ERR_FORMAT, "does not begin with '{'"},
        {"{\"a\":", 0, AE_ERR_FORMAT, "'t.safetensors' is not valid JSON"},
        {"{\"a\":3}", 0, AE_ERR_FORMAT, "the entry of tensor 'a' is an integer, expected an object"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, AE_ERR_FORMAT, "tensor 'a': dtype is nothing"},
        {"{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, AE_ERR_FORMAT,
         "dtype is an integer"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, AE_ERR_UNSUPPORTED,
         "tensor 'a' has dtype 'F8_E4M3', supported are F64, F32, F16"},
        {"{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, AE_ERR_UNSUPPORTED,
         "dtype 'f32'"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, AE_ERR_FORMAT,
         "shape is nothing, expected an array"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, AE_ERR_FORMAT,
         "tensor 'a': shape[0] is a number, expected an integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,-1],\"data_offsets\":[0,4]}}", 4, AE_ERR_FORMAT,
         "tensor 'a': shape[1] is -1, expected 0 or more"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         AE_ERR_UNSUPPORTED, "tensor 'a' has 9 dimensions, at most 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
         AE_ERR_FORMAT, "shape [4611686018427387904, 4] has more elements than can be addressed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
         AE_ERR_FORMAT, "shape [4611686018427387904] has more elements than can be addressed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}}", 0,
         AE_ERR_FORMAT, "not valid JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,12]}}", 12, AE_ERR_FORMAT,
         "tensor 'a': F32 of shape [2, 2] takes 16 bytes, data_offsets give 12"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, AE_ERR_FORMAT,
         "tensor 'a': data_offsets must be two integers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8, AE_ERR_FORMAT,
         "must be two integers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,\"4\"]}}", 4, AE_ERR_FORMAT,
         "two integers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, AE_ERR_FORMAT,
         "data_offsets [-4, 0] are not a range"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, AE_ERR_FORMAT,
         "data_offsets [4, 0] are not a range"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 15, AE_ERR_FORMAT,
         "tensor 'a' ends at byte 16 of the data, but the file holds only 15 bytes of data: it is cut short"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
         6, AE_ERR_FORMAT, "tensors 'a' and 'b' overlap at byte 2"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         4, AE_ERR_FORMAT, "tensors 'a' and 'b' overlap at byte 0"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
         4, AE_ERR_FORMAT, "tensors 'a' and 'b' overlap at byte 2"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[6,7]}}",
         7, AE_ERR_FORMAT, "bytes 4 to 6 of the data, before tensor 'b', belong to no tensor"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 7, AE_ERR_FORMAT,
         "the last 3 bytes belong to no tensor"},
        {"{}", 1, AE_ERR_FORMAT, "the last 1 bytes belong to no tensor"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, AE_ERR_FORMAT, "duplicate object key"},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, AE_ERR_FORMAT,
         "NUL byte in object key"},
        {"{\"__metadata__\":{\"n\":3}}", 0, AE_ERR_FORMAT,
         "__metadata__ field 'n' is an integer, expected a string"},
        {"{\"__metadata__\":[]}", 0, AE_ERR_FORMAT,
         "__metadata__ is an array, expected an object of strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(try_open(cases[i].header, cases[i].n_data), cases[i].status, cases[i].text);
}

// Two tensors and metadata, as the tests below write and damage them.
static const float weights[6] = {1.5f, -2.0f, 0.0f, 1e-40f, 3e38f, -0.0f};
static const uint16_t halves[3] = {0x3c00, 0x0001, 0x7c00};
static const ae_tensor written[3] = {
    {.name = "w", .dtype = AE_F32, .n_dim = 2, .shape = {2, 3}, .n_bytes = 24, .data = weights},
    {.name = "größe \"x\"", .dtype = AE_F16, .n_dim = 1, .shape = {3}, .n_bytes = 6, .data = halves},
    {.name = "none", .dtype = AE_I64, .n_dim = 2, .shape = {0, 4}, .n_bytes = 0},
};

static void what_is_written_reads_back(void **state) {
    char path[512];
    kept_path(state, "written.safetensors", path);
    json_t *metadata = json_pack("{s:s, s:s}", "format", "pt", "note", "ä\n\"");
    assert_ok(ae_safetensors_write(path, written, 3, metadata));
    ae_safetensors *file;
    assert_ok(ae_safetensors_open(path, &file));
    assert_int_equal(ae_safetensors_count(file), 3);
    assert_true(json_equal(ae_safetensors_metadata(file), metadata));
    const ae_tensor *w = ae_safetensors_find(file, "w"), *half = ae_safetensors_find(file, "größe \"x\"");
    assert_non_null(w);
    assert_non_null(half);
    assert_memory_equal(w->data, weights, sizeof weights);
    assert_memory_equal(half->data, halves, sizeof halves);
    assert_int_equal(w->shape[1], 3);
    assert_int_equal((w->offset - 8) % 8, 0); // the header is padded, so that the data is aligned
    assert_int_equal((uintptr_t)w->data % 8, 0);
    assert_int_equal(ae_safetensors_find(file, "none")->shape[1], 4);
    ae_safetensors_close(file);
    char *bytes, *header;
    size_t length, header_length;
    read_whole(path, &bytes, &length);
    assert_ok(ae_safetensors_header(written, 3, metadata, &header, &header_length));
    assert_int_equal(length, header_length + 30);
    assert_memory_equal(bytes, header, header_length);
    ae_free(bytes);
    ae_free(header);
    json_decref(metadata);
    // No tensors and no metadata.
    scratch_path(state, "empty", path);
    assert_ok(ae_safetensors_write(path, NULL, 0, NULL));
    assert_ok(ae_safetensors_open(path, &file));
    assert_int_equal(ae_safetensors_count(file), 0);
    assert_null(ae_safetensors_metadata(file));
    ae_safetensors_close(file);
}

static void what_cannot_be_written_is_refused(void **state) {
    char path[512];
    scratch_path(state, "refused", path);
    ae_tensor tensor = written[0];
    tensor.data = NULL;
    assert_fails(ae_safetensors_write(path, &tensor, 1, NULL), AE_ERR_ARGUMENT, "tensor 'w' has no data");
    tensor = written[0];
    tensor.n_bytes = 20;
    assert_fails(ae_safetensors_write(path, &tensor, 1, NULL), AE_ERR_ARGUMENT,
                 "tensor 'w': 20 bytes do not fit F32 of shape [2, 3]");
    tensor = written[0];
    tensor.name = "__metadata__";
    assert_fails(ae_safetensors_write(path, &tensor, 1, NULL), AE_ERR_ARGUMENT, "already taken");
    tensor.name = "\xff";
    assert_fails(ae_safetensors_write(path, &tensor, 1, NULL), AE_ERR_ARGUMENT, "not valid UTF-8");
    const ae_tensor twice[2] = {written[0], written[0]};
    assert_fails(ae_safetensors_write(path, twice, 2, NULL), AE_ERR_ARGUMENT,
                 "tensor 'w': the name is already taken");
    json_t *metadata = json_pack("{s:i}", "n", 3);
    assert_fails(ae_safetensors_write(path, written, 3, metadata), AE_ERR_FORMAT, "__metadata__ field 'n'");
    json_decref(metadata);
    assert_false(ae_path_exists(path));
    assert_fails(ae_safetensors_write("/dev/null/x", written, 3, NULL), AE_ERR_IO, "/dev/null/x");
    limit_file_size(100);
    ae_status status = ae_safetensors_write(path, written, 3, NULL);
    limit_file_size(0);
    assert_fails(status, AE_ERR_IO, "refused': File too large");
    assert_folder_is_empty(state);
    scratch_path(state, "absent", path);
    ae_safetensors *file;
    assert_fails(ae_safetensors_open(path, &file), AE_ERR_NOT_FOUND, "absent");
}

static void damaged_files_never_crash(void **state) {
    char path[512];
    scratch_path(state, "valid", path);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    assert_ok(ae_safetensors_write(path, written, 3, metadata));
    json_decref(metadata);
    char *bytes;
    size_t length;
    read_whole(path, &bytes, &length);
    for (size_t cut = 0; cut < length;
         cut++) { // in memory of exactly that size, so that sanitizers see any overrun
        char *part = malloc(cut ? cut : 1);
        memcpy(part, bytes, cut);
        ae_safetensors *file = NULL;
        ae_status status = ae_safetensors_open_memory("cut", part, cut, &file);
        if (status != AE_ERR_FORMAT)
            fail_msg("%zu of %zu bytes gave %s", cut, length, ae_status_name(status));
        assert_non_null(strstr(ae_last_error(), "'cut'"));
        free(part);
    }
    ae_random random = ae_random_stream(2, 0, 0);
    size_t accepted = 0;
    for (int i = 0; i < 6000; i++) {
        char *part = malloc(length);
        memcpy(part, bytes, length);
        flip_bits(part, length - 30, &random);
        ae_safetensors *file = NULL;
        ae_status status = ae_safetensors_open_memory("flipped", part, length, &file);
        assert_answers(status);
        if (status == AE_OK) {
            accepted++;
            for (size_t k = 0; k < ae_safetensors_count(file); k++) {
                const ae_tensor *tensor = ae_safetensors_at(file, k);
                assert_true(tensor->offset + tensor->n_bytes <= length);
                assert_true(tensor->n_bytes ==
                            (size_t)ae_tensor_elements(tensor) * ae_dtype_size(tensor->dtype));
            }
            ae_safetensors_close(file);
        }
        free(part);
    }
    assert_true(accepted > 0 && accepted < 3000); // a changed name is still a valid file
    ae_free(bytes);
}

static void lack_of_memory_is_an_error(void **state) {
    char path[512];
    scratch_path(state, "valid", path);
    assert_ok(ae_safetensors_write(path, written, 3, NULL));
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        ae_safetensors *file = NULL;
        ae_memory_fail_at(n);
        status = ae_safetensors_open(path, &file);
        ae_memory_fail_at(0);
        ae_safetensors_close(file);
    }
    assert_ok(status);
    assert_true(failures > 4);
    status = AE_ERR_MEMORY;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++) {
        ae_memory_fail_at(n);
        status = ae_safetensors_write(path, written, 3, NULL);
        ae_memory_fail_at(0);
    }
    assert_ok(status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_in_order_of_offset),
        cmocka_unit_test(header_lengths_are_checked_first),
        cmocka_unit_test(malformed_entries_are_named),
        cmocka_unit_test_setup_teardown(what_is_written_reads_back, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(damaged_files_never_crash, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_an_error, make_scratch_folder,
                                        remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
