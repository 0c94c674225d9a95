// Request files (aedile/edit.h).
#include "fuzz.h"

#include "aedile/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("requests.json", data, size);
    ae_request *requests = NULL;
    size_t count = 0;
    fuzz_begin();
    if (fuzz_ok(ae_requests_load(path, &requests, &count))) {
        FUZZ_CHECK(count > 0 && count <= size, "%zu requests", count);
        for (size_t i = 0; i < count; i++)
            FUZZ_CHECK(ae_request_check(&requests[i]) == AE_OK, "request %zu: %s", i, ae_last_error());
        ae_requests_free(requests, count);
    }
    fuzz_end(size, 2 * FUZZ_PER_JSON_BYTE, 1 << 17);
    return 0;
}
