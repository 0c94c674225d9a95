/* backend/cpu/convert.h: stored numbers to float. */
#ifndef AE_BACKEND_CPU_CONVERT_H
#define AE_BACKEND_CPU_CONVERT_H

#include "format/tensor.h"

/* n elements of F32, F16 or BF16 from element `first` of `data` on (which need not be aligned), as float;
 * exact. */
void ae_cpu_to_float(const void *data, ae_dtype dtype, size_t first, size_t n, float *out);

/* AE_ERR_INTERNAL unless ae_cpu_to_float knows the type. */
ae_status ae_cpu_check_dtype(ae_dtype dtype);

#endif
