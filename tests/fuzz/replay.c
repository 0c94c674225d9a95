// The main function of a fuzz target without libFuzzer: reads the files that are given, and those in folders
// that are given, once each. A name that is not there is passed over: not every reader has regressions.
#include "fuzz.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"

static int n_inputs;

// Not by the library, which refuses some files whatever they are read for.
static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        perror(path);
        return 1;
    }
    // A block of exactly this size, so that a sanitizer sees what reads beyond it.
    const size_t size = (size_t)info.st_size;
    uint8_t *input = malloc(size > 0 ? size : 1);
    const bool complete = input && fread(input, 1, size, file) == size;
    fclose(file);
    if (!complete) fprintf(stderr, "%s: cannot be read\n", path);
    if (getenv("FUZZ_SHOW")) fprintf(stderr, "%s\n", path);
    if (complete) LLVMFuzzerTestOneInput(input, size);
    free(input);
    n_inputs += complete;
    return !complete;
}

static int replay(const char *path) {
    if (!ae_path_is_folder(path)) return replay_file(path);
    char **names = NULL;
    size_t count = 0;
    int failed = ae_folder_list(path, &names, &count) != AE_OK;
    for (size_t i = 0; i < count; i++) {
        char *name = ae_path_join(path, names[i]);
        failed |= name ? replay_file(name) : 1;
        ae_free(name);
    }
    ae_folder_list_free(names, count);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    for (int i = 1; i < argc; i++)
        if (ae_path_exists(argv[i])) failed |= replay(argv[i]);
    printf("%d inputs\n", n_inputs);
    return failed || n_inputs == 0;
}
