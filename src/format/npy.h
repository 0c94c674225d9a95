/* format/npy.h: one numpy array as .npy holds it: a member of an .npz archive, or a file of its own. */
#ifndef AE_FORMAT_NPY_H
#define AE_FORMAT_NPY_H

#include "format/tensor.h"

enum { AE_NPY_MAGIC_BYTES = 6, AE_NPY_DESCR_BYTES = 32 };
#define AE_NPY_MAGIC "\x93NUMPY"

/* A numeric array ('<f4', '<f8', '<i4', '|b1', ...; C order) as doubles, whatever its type; free *values with
 * ae_free. shape: room for AE_MAX_DIM; a 0-d array has n_dim 0 and one value. */
ae_status ae_npy_read_double(const char *path, double **values, int *n_dim, int64_t *shape);

/* ---- for readers of archives ---- */

/* Where an array's bytes come from: header, then data. No more than `size` bytes are asked for. */
typedef struct ae_npy_source {
    const char *path, *name;                                   // of the file and of the array, for messages
    uint64_t size;                                             // of both together
    ae_status (*read)(void *from, void *bytes, size_t length); // exactly `length`, or an error
    void *from;
} ae_npy_source;

typedef struct ae_npy_header {
    char descr[AE_NPY_DESCR_BYTES]; // "<f4"
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    int64_t elements;
    uint64_t data_bytes; // of the source, behind the header
} ae_npy_header;

/* Leaves the source at the data. */
ae_status ae_npy_read_header(const ae_npy_source *source, ae_npy_header *out);

/* The data as doubles; free with ae_free. */
ae_status ae_npy_read_values(const ae_npy_source *source, const ae_npy_header *header, double **values);

#endif
