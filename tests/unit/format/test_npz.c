// format/npz: arrays as numpy writes them, what is refused by name, what is written, damaged files.
#include "fixture.h"

#include <math.h>

#include "format/npz.h"
#include "npz_text.h"

static void check_array(const ae_npz *file, const char *name, int n_dim, const int64_t *shape, size_t n,
                        const double *values) {
    double *got = NULL;
    int got_dim = -1;
    int64_t got_shape[AE_MAX_DIM];
    assert_ok(ae_npz_read_double(file, name, &got, &got_dim, got_shape));
    assert_int_equal(got_dim, n_dim);
    for (int i = 0; i < n_dim; i++)
        assert_int_equal(got_shape[i], shape[i]);
    for (size_t i = 0; i < n; i++)
        if (got[i] != values[i]) fail_msg("%s[%zu] is %g, not %g", name, i, got[i], values[i]);
    ae_free(got);
}

static void check_value(const ae_npz *file, const char *name, double value) {
    check_array(file, name, 1, (const int64_t[]){1}, 1, &value);
}

static void check_fixture(const char *path) {
    ae_npz *file;
    assert_ok(ae_npz_open(path, &file));
    check_array(file, "mom2.count", 0, NULL, 1, (const double[]){12345});
    check_array(file, "sample_size", 0, NULL, 1, (const double[]){100000});
    const double nine[9] = {0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1};
    check_array(file, "mom2.mom2", 2, (const int64_t[]){3, 3}, 9, nine);
    check_array(file, "f8", 1, (const int64_t[]){2}, 2, (const double[]){1.0 / 3.0, -INFINITY});
    check_array(file, "f2", 1, (const int64_t[]){2}, 2, (const double[]){0.5, -65504});
    check_value(file, "i4", -4);
    check_value(file, "i2", -2);
    check_value(file, "i1", -1);
    check_value(file, "u8", 1099511627776.0);
    check_value(file, "u4", 4294967295.0);
    check_value(file, "u2", 65535);
    check_value(file, "u1", 255);
    check_array(file, "b1", 2, (const int64_t[]){1, 2}, 2, (const double[]){1, 0});
    check_array(file, "empty", 2, (const int64_t[]){0, 3}, 0, NULL);
    double *values = NULL;
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    assert_fails(ae_npz_read_double(file, "absent", &values, &n_dim, shape), AE_ERR_NOT_FOUND,
                 "has no array 'absent'");
    assert_fails(ae_npz_read_double(file, "mom2", &values, &n_dim, shape), AE_ERR_NOT_FOUND,
                 "has no array 'mom2'");
    assert_fails(ae_npz_read_double(file, "text", &values, &n_dim, shape), AE_ERR_UNSUPPORTED,
                 "array 'text' has type '<U7', expected plain numbers");
    assert_null(values);
    ae_npz_close(file);
}

static void what_numpy_writes_is_read(void **state) {
    (void)state;
    check_fixture(FIXTURES "stored.npz");
    check_fixture(FIXTURES "deflated.npz");
    ae_npz *file;
    assert_ok(ae_npz_open(FIXTURES "versions.npz", &file));
    check_value(file, "one", 1);
    check_value(file, "two", 2);
    check_value(file, "three", 3);
    ae_npz_close(file);
    assert_ok(ae_npz_open(FIXTURES "zip64.npz", &file));
    check_array(file, "a", 1, (const int64_t[]){4}, 4, (const double[]){0, 1, 2, 3});
    ae_npz_close(file);
}

static void other_arrays_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"fortran", "array 'fortran' is in Fortran order"},
        {"big", "array 'big' is big-endian ('>f8')"},
        {"objects", "array 'objects' has type '|O', expected plain numbers"},
        {"structured", "array 'structured' has a structured type"},
        {"complex", "array 'complex' has type '<c16'"},
        {"bytes", "array 'bytes' has type '|S5'"},
        {"strings", "array 'strings' has type '<U1'"},
    };
    ae_npz *file;
    assert_ok(ae_npz_open(FIXTURES "refused.npz", &file));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double *values;
        int n_dim;
        int64_t shape[AE_MAX_DIM];
        assert_fails(ae_npz_read_double(file, cases[i].name, &values, &n_dim, shape), AE_ERR_UNSUPPORTED,
                     cases[i].text);
    }
    ae_npz_close(file);
    assert_fails(ae_npz_open("CMakeLists.txt", &file), AE_ERR_FORMAT,
                 "'CMakeLists.txt' is not a zip archive");
}

// ---- headers written by hand -----------------------------------------------------------------------

// small.npz holds 'a', four doubles; its header is 118 characters from byte 10 of the member on. The checksum
// is put right.
static void replace_header(char *bytes, size_t length, const char *header) {
    size_t at = 0;
    while (at + 6 < length && memcmp(bytes + at, "\x93NUMPY", 6) != 0)
        at++;
    assert_true(at + 160 < length);
    memset(bytes + at + 10, ' ', 117);
    memcpy(bytes + at + 10, header, strlen(header));
    uint32_t crc = 0xffffffffu;
    for (size_t i = at; i < at + 128 + 32; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    size_t directory = at;
    while (memcmp(bytes + directory, "PK\x01\x02", 4) != 0)
        directory++;
    memcpy(bytes + directory + 16, &crc, 4);
    memcpy(bytes + 14, &crc, 4);
}

static void malformed_headers_are_refused(void **state) {
    static const struct {
        const char *header;
        ae_status status;
        const char *text;
    } cases[] = {
        {"{\"shape\":(4,),'fortran_order':False,'descr':\"<f8\"}", AE_OK, ""},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 2), }", AE_OK, ""},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }", AE_ERR_FORMAT,
         "array 'a': <f8 of shape [5] does not take the 32 bytes it has"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", AE_ERR_FORMAT,
         "of shape [] does not take the 32"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 1), }", AE_ERR_FORMAT,
         "of shape [4611686018427387904, 1] does not take"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", AE_ERR_FORMAT,
         "shape has more elements than can be addressed"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", AE_ERR_FORMAT,
         "shape has a number that is too large"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,), }", AE_ERR_UNSUPPORTED,
         "array 'a' has more than 8 dimensions"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-4,), }", AE_ERR_FORMAT,
         "shape holds what is no number"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': 4, }", AE_ERR_FORMAT, "shape is not a tuple"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4", AE_ERR_FORMAT, "shape does not end"},
        {"{'descr': '<f8', 'fortran_order': Maybe, 'shape': (4,), }", AE_ERR_FORMAT,
         "neither True nor False"},
        {"{'descr': '<f8', 'fortran_order': False, }", AE_ERR_FORMAT,
         "descr, fortran_order or shape is missing"},
        {"{'descr': '<f8', 'descr': '<f8', }", AE_ERR_FORMAT, "a key is unknown, or there twice"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), 'x': 1, }", AE_ERR_FORMAT,
         "a key is unknown"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), } 1", AE_ERR_FORMAT,
         "something follows it"},
        {"{'descr' '<f8'}", AE_ERR_FORMAT, "a key has no value"},
        {"{descr: '<f8'}", AE_ERR_FORMAT, "a string is missing"},
        {"{'descr", AE_ERR_FORMAT, "a string does not end, or is too long"},
        {"{'descr': '<f8' 'shape': (4,)}", AE_ERR_FORMAT, "it does not end"},
        {"['<f8']", AE_ERR_FORMAT, "the header of array 'a' is damaged: it is not a dict"},
        {"{'descr': '|f8', 'fortran_order': False, 'shape': (4,), }", AE_ERR_UNSUPPORTED, "has type '|f8'"},
        {"{'descr': '', 'fortran_order': False, 'shape': (4,), }", AE_ERR_UNSUPPORTED, "has type ''"},
    };
    char path[512];
    scratch_path(state, "a.npz", path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *bytes;
        size_t length;
        read_whole(FIXTURES "small.npz", &bytes, &length);
        replace_header(bytes, length, cases[i].header);
        write_whole(path, bytes, length);
        ae_free(bytes);
        ae_npz *file;
        assert_ok(ae_npz_open(path, &file));
        double *values = NULL;
        int n_dim;
        int64_t shape[AE_MAX_DIM];
        ae_status status = ae_npz_read_double(file, "a", &values, &n_dim, shape);
        if (status != cases[i].status) fail_msg("%s gave %s", cases[i].header, ae_status_name(status));
        if (status != AE_OK && !strstr(ae_last_error(), cases[i].text))
            fail_msg("%s gave '%s'", cases[i].header, ae_last_error());
        ae_free(values);
        ae_npz_close(file);
    }
}

// ---- writing ---------------------------------------------------------------------------------------

static const float floats[6] = {1.5f, -2.0f, 0.0f, 1e-40f, 3e38f, INFINITY};
static const double doubles[2] = {1.0 / 3.0, -1e300};
static const int64_t integer = 100000;

static const ae_npz_array arrays[] = {
    {.name = "mom2.constructor", .text = "util.runningstats.SecondMoment()"},
    {.name = "mom2.mom2", .dtype = AE_F32, .n_dim = 2, .shape = {2, 3}, .data = floats},
    {.name = "doubles", .dtype = AE_F64, .n_dim = 1, .shape = {2}, .data = doubles},
    {.name = "sample_size", .dtype = AE_I64, .n_dim = 0, .data = &integer},
    {.name = "none", .dtype = AE_F64, .n_dim = 3, .shape = {2, 0, 5}},
    {.name = "blank", .text = ""},
};
enum { N_ARRAYS = sizeof arrays / sizeof *arrays };

static void what_is_written_reads_back(void **state) {
    char path[512];
    kept_path(state, "written.npz", path);
    assert_ok(ae_npz_write(path, arrays, N_ARRAYS));
    ae_npz *file;
    assert_ok(ae_npz_open(path, &file));
    assert_npz_text(path, "mom2.constructor", "util.runningstats.SecondMoment()");
    assert_npz_text(path, "blank", "");
    double wide[6];
    for (int i = 0; i < 6; i++)
        wide[i] = floats[i];
    check_array(file, "mom2.mom2", 2, (const int64_t[]){2, 3}, 6, wide);
    check_array(file, "doubles", 1, (const int64_t[]){2}, 2, doubles);
    check_array(file, "sample_size", 0, NULL, 1, (const double[]){100000});
    check_array(file, "none", 3, (const int64_t[]){2, 0, 5}, 0, NULL);
    ae_npz_close(file);
    // The same arrays give the same bytes.
    char *first, *second, again[512];
    size_t first_length, second_length;
    scratch_path(state, "again.npz", again);
    assert_ok(ae_npz_write(again, arrays, N_ARRAYS));
    read_whole(path, &first, &first_length);
    read_whole(again, &second, &second_length);
    assert_int_equal(first_length, second_length);
    assert_memory_equal(first, second, first_length);
    ae_free(first);
    ae_free(second);
}

static void what_cannot_be_written_is_refused(void **state) {
    char path[512];
    scratch_path(state, "refused.npz", path);
    ae_npz_array array = {.name = "x", .dtype = AE_BF16, .n_dim = 1, .shape = {1}, .data = floats};
    assert_fails(ae_npz_write(path, &array, 1), AE_ERR_ARGUMENT, "array 'x': type BF16 is not written");
    array.dtype = AE_F32;
    array.shape[0] = -1;
    assert_fails(ae_npz_write(path, &array, 1), AE_ERR_ARGUMENT, "array 'x': the shape is not valid");
    array.shape[0] = 1;
    array.data = NULL;
    assert_fails(ae_npz_write(path, &array, 1), AE_ERR_ARGUMENT, "array 'x' has no data");
    array.text = "größe";
    assert_fails(ae_npz_write(path, &array, 1), AE_ERR_ARGUMENT, "is not ASCII");
    assert_false(ae_path_exists(path));
    assert_fails(ae_npz_write("/dev/null/x", arrays, N_ARRAYS), AE_ERR_IO, "/dev/null/x");
    limit_file_size(300);
    ae_status status = ae_npz_write(path, arrays, N_ARRAYS);
    limit_file_size(0);
    assert_fails(status, AE_ERR_IO, "refused.npz': File too large");
    assert_folder_is_empty(state);
}

// ---- damage ----------------------------------------------------------------------------------------

static ae_status read_all(const char *path, const char *bytes, size_t length, const char *name) {
    write_whole(path, bytes, length);
    ae_npz *file = NULL;
    ae_status status = ae_npz_open(path, &file);
    if (status != AE_OK) return status;
    double *values = NULL;
    int n_dim = 0;
    int64_t shape[AE_MAX_DIM] = {0};
    status = ae_npz_read_double(file, name, &values, &n_dim, shape);
    ae_free(values);
    ae_npz_close(file);
    return status;
}

static void damaged_files_never_crash(void **state) {
    char path[512], *bytes;
    size_t length;
    scratch_path(state, "damaged.npz", path);
    read_whole(FIXTURES "small.npz", &bytes, &length);
    for (size_t cut = 0; cut < length; cut++) {
        ae_status status = read_all(path, bytes, cut, "a");
        if (status != AE_ERR_FORMAT)
            fail_msg("%zu of %zu bytes gave %s", cut, length, ae_status_name(status));
        assert_non_null(strstr(ae_last_error(), "damaged.npz"));
    }
    assert_ok(read_all(path, bytes, length, "a"));
    ae_free(bytes);
    static const char *const names[][2] = {
        {FIXTURES "small.npz", "a"},
        {FIXTURES "stored.npz", "mom2.mom2"},
        {FIXTURES "deflated.npz", "mom2.mom2"},
    };
    ae_random random = ae_random_stream(5, 0, 0);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        read_whole(names[k][0], &bytes, &length);
        char *flipped = malloc(length);
        for (int i = 0; i < 2000; i++) {
            memcpy(flipped, bytes, length);
            flip_bits(flipped, length, &random);
            assert_answers(read_all(path, flipped, length, names[k][1]));
        }
        free(flipped);
        ae_free(bytes);
    }
    // Damage to an array's own bytes is found by its checksum.
    read_whole(FIXTURES "small.npz", &bytes, &length);
    size_t at = 0;
    while (memcmp(bytes + at, "\x93NUMPY", 6) != 0)
        at++;
    bytes[at + 140] ^= 1;
    assert_fails(read_all(path, bytes, length, "a"), AE_ERR_FORMAT,
                 "the checksum of member 'a.npy' is wrong");
    ae_free(bytes);
}

static void lack_of_memory_is_an_error(void **state) {
    char path[512];
    scratch_path(state, "out.npz", path);
    ae_status status = AE_ERR_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
        ae_npz *file = NULL;
        double *values = NULL;
        int n_dim;
        int64_t shape[AE_MAX_DIM];
        ae_memory_fail_at(n);
        status = ae_npz_open(FIXTURES "small.npz", &file);
        if (status == AE_OK) status = ae_npz_read_double(file, "a", &values, &n_dim, shape);
        if (status == AE_OK) status = ae_npz_write(path, arrays, N_ARRAYS);
        ae_memory_fail_at(0);
        ae_free(values);
        ae_npz_close(file);
    }
    assert_ok(status);
    assert_true(failures > 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_numpy_writes_is_read),
        cmocka_unit_test(other_arrays_are_refused_by_name),
        cmocka_unit_test_setup_teardown(malformed_headers_are_refused, make_scratch_folder,
                                        remove_scratch_folder),
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
