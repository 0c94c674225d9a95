/* format/torch_bin.h: torch's zip checkpoints (pytorch_model.bin), by a restricted unpickler that runs
 * nothing.
 *
 * Only what a state dict needs is understood: dict, OrderedDict, torch._utils._rebuild_tensor_v2, the typed
 * storages and persistent ids; every other global is refused by name. Tensors are mapped: members must be
 * stored, not deflated. */
#ifndef AE_FORMAT_TORCH_BIN_H
#define AE_FORMAT_TORCH_BIN_H

#include "format/tensor.h"

typedef struct ae_torch_bin ae_torch_bin;

ae_status ae_torch_bin_open(const char *path, ae_torch_bin **out);
void ae_torch_bin_close(ae_torch_bin *file); // NULL is fine
size_t ae_torch_bin_count(const ae_torch_bin *file);
/* In order of data offset; several names may share their bytes (tied embeddings). All are contiguous: _open
 * refuses others. */
const ae_tensor *ae_torch_bin_at(const ae_torch_bin *file, size_t index);

#endif
