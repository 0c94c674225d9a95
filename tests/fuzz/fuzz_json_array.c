// Large JSON arrays, element by element (base/json_array.h).
#include "fuzz.h"

#include "base/json_array.h"

// How many elements there are by skipping; -1 where one is malformed.
static int64_t count_by_skipping(ae_json_array *array) {
    bool found = true;
    for (int64_t n = 0;; n++) {
        if (!fuzz_ok(ae_json_array_skip(array, &found))) return -1;
        if (!found) return n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("array.json", data, size);
    ae_json_array array;
    fuzz_begin();
    if (fuzz_ok(ae_json_array_open(path, &array))) {
        const int64_t skipped = count_by_skipping(&array);
        ae_json_array_rewind(&array);
        json_t *element = NULL;
        int64_t n = 0;
        bool good = true;
        while ((good = fuzz_ok(ae_json_array_next(&array, &element))) && element) {
            json_decref(element);
            n++;
        }
        FUZZ_CHECK(!good || n == skipped, "%lld elements read, %lld skipped", (long long)n,
                   (long long)skipped);
        FUZZ_CHECK(array.at <= size && array.index == (size_t)n, "at byte %zu of %zu", array.at, size);
        ae_json_array_close(&array);
    }
    fuzz_end(size, FUZZ_PER_JSON_BYTE, 1 << 16);
    return 0;
}
