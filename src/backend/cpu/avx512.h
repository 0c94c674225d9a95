/* backend/cpu/avx512.h: our own product for x86-64 with AVX-512: weights of any type as they are stored, converted on the
 * way into the cache, never packed as a whole. */
#ifndef AE_BACKEND_CPU_AVX512_H
#define AE_BACKEND_CPU_AVX512_H

#include "backend/cpu/matmul.h"

/* False on machines that cannot run it. */
bool ae_cpu_has_avx512(void);

ae_status ae_cpu_avx512_matmul(ae_cpu_backend *cpu, const ae_cpu_product *p);

#endif
