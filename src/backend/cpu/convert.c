#include "backend/cpu/convert.h"

void ae_cpu_to_float(const void *data, ae_dtype dtype, size_t first, size_t n, float *out) {
    const ae_tensor stored = {.dtype = dtype, .data = data};
    ae_tensor_to_float(&stored, (int64_t)first, (int64_t)n, out);
}

ae_status ae_cpu_check_dtype(ae_dtype dtype) {
    if (dtype == AE_F32 || dtype == AE_F16 || dtype == AE_BF16) return AE_OK;
    return ae_fail(AE_ERR_INTERNAL, "a weight of data type %d reached the backend, expected F32, F16 or BF16",
                   (int)dtype);
}
