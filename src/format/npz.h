/* format/npz.h: numpy's .npz (a zip of .npy arrays): what the field's statistics files are. */
#ifndef AE_FORMAT_NPZ_H
#define AE_FORMAT_NPZ_H

#include "format/tensor.h"

typedef struct ae_npz ae_npz;

/* Arrays are read on demand; nothing larger than the file says it holds is ever allocated. */
ae_status ae_npz_open(const char *path, ae_npz **out);
void ae_npz_close(ae_npz *file); // NULL is fine

/* A numeric array ('<f4', '<f8', '<i4', '<i8', '|b1', ...; C order) as doubles, whatever its type; free
 * *values with ae_free. shape: room for AE_MAX_DIM; a 0-d array has n_dim 0 and one value. */
ae_status ae_npz_read_double(const ae_npz *file, const char *name, double **values, int *n_dim,
                             int64_t *shape);

/* Writing: stored members, zip64 sizes as numpy writes them; complete or not at all. */
typedef struct ae_npz_array {
    const char *name; // "mom2.mom2"; ".npy" is added
    ae_dtype dtype;   // F32, F64, I64; ignored where `text` is set
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    const void *data;
    const char *text; // ASCII: a 0-d '<U' array
} ae_npz_array;
ae_status ae_npz_write(const char *path, const ae_npz_array *arrays, size_t count);

#endif
