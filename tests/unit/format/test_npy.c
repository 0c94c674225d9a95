// format/npy: an array in a file of its own; what is refused, damage. (Its header in all forms: test_npz.c.)
#include "fixture.h"
#include "npy_writer.h"

#include "format/npy.h"

#define HEADER(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }\n"

static ae_status read_at(const char *path, double *first, int *n_dim, int64_t *shape) {
    double *values = NULL;
    AE_TRY(ae_npy_read_double(path, &values, n_dim, shape));
    *first = *values;
    ae_free(values);
    return AE_OK;
}

static void arrays_are_read(void **state) {
    char path[512];
    scratch_path(state, "a.npy", path);
    const float floats[6] = {1.5f, -2, 3, 4, 5, 6};
    double *values;
    int n_dim = 0;
    int64_t shape[AE_MAX_DIM] = {0};
    for (int version = 1; version <= 3; version++) {
        write_npy(path, version, HEADER("<f4", "(2, 3)"), floats, sizeof floats);
        assert_ok(ae_npy_read_double(path, &values, &n_dim, shape));
        assert_int_equal(n_dim, 2);
        assert_int_equal(shape[0], 2);
        assert_int_equal(shape[1], 3);
        for (int i = 0; i < 6; i++)
            assert_true(values[i] == floats[i]);
        ae_free(values);
    }
    const double doubles[2] = {1.0 / 3.0, -1e300};
    write_doubles(path, doubles, 2);
    assert_ok(ae_npy_read_double(path, &values, &n_dim, shape));
    assert_int_equal(n_dim, 1);
    assert_int_equal(shape[0], 2);
    assert_memory_equal(values, doubles, sizeof doubles);
    ae_free(values);
    write_npy(path, 1, HEADER("<i8", "()"), &(int64_t){-7}, 8);
    double first = 0;
    assert_ok(read_at(path, &first, &n_dim, shape));
    assert_int_equal(n_dim, 0);
    assert_true(first == -7);
    double *large = calloc(20000, sizeof *large); // more than is converted at once
    large[19999] = 3;
    write_doubles(path, large, 20000);
    assert_ok(ae_npy_read_double(path, &values, &n_dim, shape));
    assert_memory_equal(values, large, 20000 * sizeof *large);
    ae_free(values);
    free(large);
}

static void what_is_no_array_of_numbers_is_refused(void **state) {
    static const struct {
        const char *header;
        size_t size;
        ae_status status;
        const char *text;
    } cases[] = {
        {HEADER("<f8", "(3,)"), 16, AE_ERR_FORMAT,
         "a.npy': array 'a.npy': <f8 of shape [3] does not take the 16 bytes it has"},
        {HEADER("<f8", "(1,)"), 16, AE_ERR_FORMAT, "does not take the 16 bytes"},
        {HEADER("<U4", "(1,)"), 16, AE_ERR_UNSUPPORTED,
         "array 'a.npy' has type '<U4', expected plain numbers such as '<f4'"},
        {HEADER(">f8", "(2,)"), 16, AE_ERR_UNSUPPORTED, "array 'a.npy' is big-endian"},
        {"['<f8']", 16, AE_ERR_FORMAT, "the header of array 'a.npy' is damaged: it is not a dict"},
    };
    char path[512];
    scratch_path(state, "a.npy", path);
    double first = 77;
    int n_dim = 77;
    int64_t shape[AE_MAX_DIM];
    const char zeros[16] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_npy(path, 1, cases[i].header, zeros, cases[i].size);
        assert_fails(read_at(path, &first, &n_dim, shape), cases[i].status, cases[i].text);
    }
    write_npy(path, 4, HEADER("<f8", "(2,)"), zeros, 16);
    assert_fails(read_at(path, &first, &n_dim, shape), AE_ERR_UNSUPPORTED,
                 "array 'a.npy' has format version 4.0, read are 1.0, 2.0 and 3.0");
    write_whole(path, "\x93NUMPY\x01\x00\xff\xff{}", 12);
    assert_fails(read_at(path, &first, &n_dim, shape), AE_ERR_FORMAT, "its length is out of range");
    write_whole(path, "{\"the\": 0, \"of\": 1}", 19);
    assert_fails(read_at(path, &first, &n_dim, shape), AE_ERR_FORMAT, "it does not begin with '\\x93NUMPY'");
    write_whole(path, "", 0);
    assert_fails(read_at(path, &first, &n_dim, shape), AE_ERR_FORMAT, "it is too short");
    scratch_path(state, "none.npy", path);
    assert_fails(read_at(path, &first, &n_dim, shape), AE_ERR_NOT_FOUND, "none.npy");
    assert_true(first == 77 && n_dim == 77);
}

static void damaged_files_never_crash(void **state) {
    char path[512], *bytes;
    size_t length;
    scratch_path(state, "a.npy", path);
    write_doubles(path, (const double[]){1, 2, 3}, 3);
    read_whole(path, &bytes, &length);
    double first;
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    for (size_t cut = 0; cut < length; cut++) {
        write_whole(path, bytes, cut);
        assert_fails(read_at(path, &first, &n_dim, shape), AE_ERR_FORMAT, "a.npy");
    }
    ae_random random = ae_random_stream(6, 0, 0);
    char *flipped = malloc(length);
    for (int i = 0; i < 2000; i++) {
        memcpy(flipped, bytes, length);
        flip_bits(flipped, length, &random);
        write_whole(path, flipped, length);
        double *values = NULL;
        assert_answers(ae_npy_read_double(path, &values, &n_dim, shape));
        ae_free(values);
    }
    free(flipped);
    ae_free(bytes);
}

static void any_allocation_may_fail(void **state) {
    char path[512];
    scratch_path(state, "a.npy", path);
    write_doubles(path, (const double[]){1, 2, 3}, 3);
    int failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        double first = 77;
        int n_dim = 77;
        int64_t shape[AE_MAX_DIM];
        ae_memory_fail_at(n);
        ae_status status = read_at(path, &first, &n_dim, shape);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_fails(status, AE_ERR_MEMORY, "out of memory");
        assert_int_equal(n_dim, 77);
    }
    assert_int_equal(failures, 3); // the path, the header, the values
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrays_are_read, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(what_is_no_array_of_numbers_is_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(damaged_files_never_crash, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(any_allocation_may_fail, make_scratch_folder, remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
