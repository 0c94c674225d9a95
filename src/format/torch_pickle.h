/* format/torch_pickle.h: the state dict that a torch checkpoint's pickle describes, found without running the
 * pickle.
 *
 * A pickle is a program for a stack machine (pickle_machine.h). Beyond plain data of protocols 2 to 5, a
 * state dict has four callables of its own (OrderedDict, _rebuild_tensor_v2, _rebuild_parameter, the typed
 * storages of persistent ids); whatever else is asked for is refused by name, so nothing of the file's
 * choosing ever runs. */
#ifndef AE_FORMAT_TORCH_PICKLE_H
#define AE_FORMAT_TORCH_PICKLE_H

#include "base/memory.h"
#include "format/tensor.h"

typedef struct ae_torch_entry {
    const char *name;
    const char *storage; // its key: the archive's member data/<key>
    ae_dtype dtype;
    int64_t storage_elements;
    int64_t offset; // of the first element, in elements
    int n_dim;
    int64_t shape[AE_MAX_DIM], stride[AE_MAX_DIM];
} ae_torch_entry;

/* The entries in the dict's order, allocated with their strings in `arena`. `path` is for messages. Numbers
 * are as the file states them: nothing is checked against storages here. */
ae_status ae_torch_unpickle(const char *path, const unsigned char *bytes, size_t size, ae_arena *arena,
                            ae_torch_entry **entries, size_t *count);

#endif
