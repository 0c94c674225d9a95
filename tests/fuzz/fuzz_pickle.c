// Plain data in pickles (format/pickle.h).
#include "fuzz.h"

#include "format/pickle.h"

// Walks what JSON text would hold, as far as `budget` values go. Strings are UTF-8, nesting is bounded.
static void walk(const json_t *value, int depth, int *budget) {
    FUZZ_CHECK(value && depth <= 65, "nested %d deep", depth);
    if (--*budget < 0) return;
    size_t i;
    json_t *item;
    const char *key;
    if (json_is_array(value)) json_array_foreach(value, i, item) walk(item, depth + 1, budget);
    if (json_is_object(value)) json_object_foreach((json_t *)(uintptr_t)value, key, item) {
            FUZZ_CHECK(key, "no key");
            walk(item, depth + 1, budget);
        }
    if (json_is_string(value)) fuzz_touch(json_string_value(value), json_string_length(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("task.pkl", data, size);
    json_t *value = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_pickle_load(path, 1 << 24, &value))) {
        int budget = 100000;
        walk(value, 0, &budget);
        json_decref(value);
    }
    fuzz_end(size, 512, 1 << 18);
    return 0;
}
