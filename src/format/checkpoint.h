/* format/checkpoint.h: the weights of a model folder, whatever their container.
 *
 * Looks, in this order, for model.safetensors, model.safetensors.index.json (shards), pytorch_model.bin and
 * pytorch_model.bin.index.json. File names in an index must stay inside the folder. */
#ifndef AE_FORMAT_CHECKPOINT_H
#define AE_FORMAT_CHECKPOINT_H

#include "format/tensor.h"

typedef struct ae_checkpoint ae_checkpoint;

ae_status ae_checkpoint_open(const char *folder, ae_checkpoint **out);
void ae_checkpoint_close(ae_checkpoint *checkpoint); // NULL is fine

/* AE_ERR_IO if somebody has written into a weight file since it was opened: its tensors are then another
 * model's, or a mixture of two. For whoever is about to keep what was computed from them. */
ae_status ae_checkpoint_check(const ae_checkpoint *checkpoint);

size_t ae_checkpoint_count(const ae_checkpoint *checkpoint);
const ae_tensor *ae_checkpoint_at(const ae_checkpoint *checkpoint, size_t index); // by file, then by offset
const ae_tensor *ae_checkpoint_find(const ae_checkpoint *checkpoint, const char *name); // NULL: not there

size_t ae_checkpoint_file_count(const ae_checkpoint *checkpoint);
const char *ae_checkpoint_file(const ae_checkpoint *checkpoint, size_t index); // name within the folder
bool ae_checkpoint_is_safetensors(const ae_checkpoint *checkpoint);            // false: torch .bin
int64_t ae_checkpoint_bytes(const ae_checkpoint *checkpoint);                  // of all weight files

#endif
