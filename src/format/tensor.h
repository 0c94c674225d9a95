/* format/tensor.h: a tensor as a file holds it: a name, a type, a shape, and bytes that are not ours. */
#ifndef AE_FORMAT_TENSOR_H
#define AE_FORMAT_TENSOR_H

#include "base/error.h"

/* name as safetensors writes it, bytes an element */
#define AE_DTYPE_TABLE(X)                                                                                    \
    X(AE_F64, "F64", 8)                                                                                      \
    X(AE_F32, "F32", 4)                                                                                      \
    X(AE_F16, "F16", 2)                                                                                      \
    X(AE_BF16, "BF16", 2)                                                                                    \
    X(AE_I64, "I64", 8)                                                                                      \
    X(AE_I32, "I32", 4)                                                                                      \
    X(AE_I16, "I16", 2)                                                                                      \
    X(AE_I8, "I8", 1)                                                                                        \
    X(AE_U8, "U8", 1)                                                                                        \
    X(AE_BOOL, "BOOL", 1)

typedef enum ae_dtype {
#define AE_DTYPE_ENUM(code, name, size) code,
    AE_DTYPE_TABLE(AE_DTYPE_ENUM)
#undef AE_DTYPE_ENUM
        AE_DTYPE_COUNT
} ae_dtype;

const char *ae_dtype_name(ae_dtype dtype);
size_t ae_dtype_size(ae_dtype dtype);

enum { AE_MAX_DIM = 8 };

typedef struct ae_tensor {
    const char *name;
    ae_dtype dtype;
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    size_t n_bytes;
    const void *data; // row-major; mapped, may be unaligned for its type in torch archives of odd make
    int file;         // index of the file within its checkpoint; 0 for a single file
    uint64_t offset;  // of data in that file
} ae_tensor;

/* Elements, or -1 on overflow or a negative extent. */
int64_t ae_tensor_elements(const ae_tensor *tensor);

/* n elements of an F32, F16 or BF16 (or F64) tensor from element `first` on, as float. */
void ae_tensor_to_float(const ae_tensor *tensor, int64_t first, int64_t n, float *out);

/* float to `dtype` (F32, F16, BF16), round to nearest even; out: n elements. */
void ae_float_to_dtype(const float *values, int64_t n, ae_dtype dtype, void *out);

#endif
