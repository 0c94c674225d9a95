/* npy_writer.h: .npy files for tests, header by hand. */
#ifndef AE_TEST_NPY_WRITER_H
#define AE_TEST_NPY_WRITER_H

#include "test.h"

#include "base/file.h"
#include "base/memory.h"

/* A file of format `version` with this header and data. */
static inline void write_npy(const char *path, int version, const char *header, const void *data,
                             size_t size) {
    ae_text file = {0};
    size_t length = strlen(header);
    const char start[] = {
        '\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0, (char)(length & 0xff), (char)(length >> 8), 0, 0};
    assert_ok(ae_text_append(&file, start, version == 1 ? 10 : 12));
    assert_ok(ae_text_append(&file, header, length));
    assert_ok(ae_text_append(&file, data, size));
    assert_ok(ae_atomic_write(path, file.data, file.length));
    ae_free(file.data);
}

/* One dimension of float64. */
static inline void write_doubles(const char *path, const double *values, size_t n) {
    char header[100];
    snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu,), }\n", n);
    write_npy(path, 1, header, values, n * sizeof *values);
}

#endif
