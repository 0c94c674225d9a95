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
    const void *data; // row-major; mapped, may be unaligned for its type
    int file;         // index of the file within its checkpoint; 0 for a single file
    uint64_t offset;  // of data in that file
} ae_tensor;

const char *ae_dtype_list(void); // "F64, F32, ...": for messages

/* Elements, or -1 on overflow or a negative extent. */
int64_t ae_tensor_elements(const ae_tensor *tensor);

/* The type called `name`; false where there is none. */
bool ae_dtype_parse(const char *name, ae_dtype *out);

/* n elements of an F32, F16 or BF16 (or F64) tensor from element `first` on, as float. A tensor of another
 * type gives NaN: whoever needs numbers checks the type first. The data may be unaligned. */
void ae_tensor_to_float(const ae_tensor *tensor, int64_t first, int64_t n, float *out);

/* float to `dtype` (F32, F16, BF16, F64), round to nearest even, too large becomes infinity; out: n elements.
 */
void ae_float_to_dtype(const float *values, int64_t n, ae_dtype dtype, void *out);

/* Pointers to the tensors, sorted by name, for ae_tensor_lookup; free with ae_free. NULL on lack of memory.
 */
const ae_tensor **ae_tensor_sort(const ae_tensor *tensors, size_t count);
const ae_tensor *ae_tensor_lookup(const ae_tensor *const *sorted, size_t count,
                                  const char *name); // NULL: not there

/* "[2, 3]", "[]": for messages. Returns `text`. */
enum { AE_SHAPE_TEXT = 8 * 22 + 3 };
const char *ae_shape_text(int n_dim, const int64_t *shape, char text[AE_SHAPE_TEXT]);

#endif
