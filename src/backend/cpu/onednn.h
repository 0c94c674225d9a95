/* backend/cpu/onednn.h: oneDNN's products, compiled for a shape and kept for its next call. A bounded number:
 * the least recently used makes room. A new shape costs half a millisecond, one that was seen before next to
 * nothing. */
#ifndef AE_BACKEND_CPU_ONEDNN_H
#define AE_BACKEND_CPU_ONEDNN_H

typedef struct ae_cpu_onednn ae_cpu_onednn;
void ae_cpu_onednn_free(ae_cpu_onednn *products); // NULL is fine

#endif
