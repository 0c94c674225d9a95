// Text files, plain or compressed, as documents (format/text_stream.h).
#include "fuzz.h"

#include "base/file.h"
#include "base/memory.h"
#include "format/text_stream.h"

static const char *const names[] = {"a.txt", "b.jsonl", "c.txt.gz", "d.jsonl.gz", "e.txt.zst", "f.jsonl.zst"};
enum { N_NAMES = sizeof names / sizeof *names };

// Whatever the file's size: the readers' buffers and windows (zstd: 128 MB), a line of 64 MB as it grows and
// again as jansson's string, or a million values.
enum { FIXED = 640 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, N_NAMES, data, size);
    char *paths[N_NAMES];
    size_t n = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        paths[n] = ae_path_join(folder, names[i]);
        if (ae_path_exists(paths[n]))
            n++;
        else
            ae_free(paths[n]);
    }
    ae_text_stream *stream = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_text_stream_open((const char *const *)paths, n, &stream))) {
        const char *text = NULL;
        size_t length = 0;
        while (fuzz_ok(ae_text_stream_next(stream, &text, &length)) && text)
            fuzz_touch(text, length);
        ae_text_stream_close(stream);
    }
    fuzz_end(size, FUZZ_PER_JSON_BYTE, FIXED);
    for (size_t i = 0; i < n; i++)
        ae_free(paths[i]);
    return 0;
}
