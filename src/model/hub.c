#include "model/hub.h"

#include <string.h>

bool ae_hub_find(const char *folder, ae_hub_place *out) {
    static const char mark[] = "models--", below[] = "/snapshots/";
    bool found = false;
    for (const char *at = folder; (at = strstr(at, below)); at++) { // the last one counts
        const char *name = at;
        while (name > folder && name[-1] != '/')
            name--;
        if (strncmp(name, mark, sizeof mark - 1) != 0) continue;
        name += sizeof mark - 1;
        *out = (ae_hub_place){name, (size_t)(at - name)};
        found = true;
    }
    return found;
}
