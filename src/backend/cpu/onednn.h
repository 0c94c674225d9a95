/* backend/cpu/onednn.h: oneDNN's matrix product, with the compiled products kept for the next call. */
#ifndef AE_BACKEND_CPU_ONEDNN_H
#define AE_BACKEND_CPU_ONEDNN_H

#include "backend/cpu/matmul.h"

/* The product, b in fp32. *products is made at the first call, and holds a bounded number of compiled
 * products: the least recently used one makes room. A new shape costs half a millisecond, one that was seen
 * before nothing. */
ae_status ae_cpu_onednn_matmul(ae_cpu_onednn **products, int n_threads, const ae_cpu_product *p);
void ae_cpu_onednn_free(ae_cpu_onednn *products); // NULL is fine

#endif
