// Zip archives (format/zip.h).
#include "fuzz.h"

#include "format/zip.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    return fuzz_mutate_zip(data, size, max_size, seed);
}

static void read_member(const ae_zip *zip, const ae_zip_member *member) {
    ae_zip_reader reader = {0};
    if (!fuzz_ok(ae_zip_reader_open(zip, member, &reader))) return;
    char bytes[4096];
    uint64_t left = member->size;
    bool good = true;
    while (good && left > 0) {
        const size_t now = left < sizeof bytes ? (size_t)left : sizeof bytes;
        good = fuzz_ok(ae_zip_reader_read(&reader, bytes, now));
        left -= now;
    }
    if (good) FUZZ_CHECK(!fuzz_ok(ae_zip_reader_read(&reader, bytes, 1)), "read beyond '%s'", member->name);
    ae_status status = ae_zip_reader_close(&reader);
    if (status != AE_OK) fuzz_ok(status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("archive.zip", data, size);
    ae_zip *zip = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_zip_open(path, &zip))) {
        for (size_t i = 0; i < ae_zip_count(zip); i++) {
            const ae_zip_member *member = ae_zip_at(zip, i);
            const unsigned char *content = NULL;
            uint64_t offset = 0;
            FUZZ_CHECK(ae_zip_find(zip, member->name) == member, "'%s'", member->name);
            if (fuzz_ok(ae_zip_stored(zip, member, &content, &offset))) {
                FUZZ_CHECK(member->size <= size && offset <= size - member->size, "'%s'", member->name);
                FUZZ_CHECK(memcmp(content, data + offset, (size_t)member->size) == 0, "'%s'", member->name);
            }
            // A member of a megabyte takes a thousand bytes at least; its first part says enough.
            if (member->size < 1 << 20) read_member(zip, member);
        }
        ae_zip_close(zip);
    }
    fuzz_end(size, 16, 1 << 18);
    return 0;
}
