#include "backend/cpu/onednn.h"
void ae_cpu_onednn_free(ae_cpu_onednn *products) {
    (void)products;
}
