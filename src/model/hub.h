/* model/hub.h: the Hugging Face cache: <cache>/models--<owner>--<name>/{blobs,snapshots/<revision>}. */
#ifndef AE_MODEL_HUB_H
#define AE_MODEL_HUB_H

#include <stdbool.h>
#include <stddef.h>

/* Where in a folder's path the parts lie. */
typedef struct ae_hub_place {
    const char *name; // "EleutherAI--gpt-j-6B/snapshots/...": [name_length]
    size_t name_length;
} ae_hub_place;

/* Is `folder` a snapshot, or in one? */
bool ae_hub_find(const char *folder, ae_hub_place *out);

#endif
