/* npz_text.h: the strings in what is written for numpy, which the library itself never reads. */
#ifndef AE_NPZ_TEXT_H
#define AE_NPZ_TEXT_H

#include "test.h"

#include "base/memory.h"
#include "format/zip.h"

/* The array `name` of the archive is one string of ASCII: '<U', and four bytes a character. */
static inline void assert_npz_text(const char *path, const char *name, const char *text) {
    ae_zip *zip = NULL;
    assert_ok(ae_zip_open(path, &zip));
    char *full = ae_format("%s.npy", name);
    const ae_zip_member *member = ae_zip_find(zip, full);
    assert_non_null(member);
    const unsigned char *bytes = NULL;
    assert_ok(ae_zip_stored(zip, member, &bytes, NULL));
    const size_t header = 10 + (size_t)bytes[8] + 256 * (size_t)bytes[9], length = strlen(text);
    const char *descr = "{'descr': '<U", *rest = "', 'fortran_order': False, 'shape': (), }";
    char *behind = NULL;
    assert_true(header < member->size);
    assert_memory_equal(bytes + 10, descr, strlen(descr));
    const size_t points = strtoul((const char *)bytes + 10 + strlen(descr), &behind, 10);
    assert_memory_equal(behind, rest, strlen(rest));
    assert_true(points >= length);
    assert_int_equal(member->size, header + 4 * points);
    for (size_t i = 0; i < points; i++) {
        const unsigned char *at = bytes + header + 4 * i;
        assert_int_equal(at[0], i < length ? (unsigned char)text[i] : 0);
        assert_int_equal(at[1] | at[2] | at[3], 0);
    }
    ae_free(full);
    ae_zip_close(zip);
}

#endif
