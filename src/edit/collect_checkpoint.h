/* edit/collect_checkpoint.h: where an interrupted collection of second moments stands. */
#ifndef AE_EDIT_COLLECT_CHECKPOINT_H
#define AE_EDIT_COLLECT_CHECKPOINT_H

#include "base/digest.h"

/* Always the state between two batches, so that a resumed collection forms the same batches. */
typedef struct ae_collected {
    double *sum;         // [n, n]; upper triangle
    int n;               // d_mlp
    int64_t position;    // documents of the stream that are behind us, chosen or not
    int64_t n_documents; // chosen ones among them
    int64_t n_tokens;
    char identity[AE_DIGEST_HEX]; // of model, layer, texts and options
} ae_collected;

ae_status ae_collected_write(const ae_collected *collected, const char *path);

/* Fills sum and the numbers; collected->n and identity are set. AE_ERR_MISMATCH: of another collection;
 * AE_ERR_FORMAT: damaged. */
ae_status ae_collected_read(ae_collected *collected, const char *path);

#endif
