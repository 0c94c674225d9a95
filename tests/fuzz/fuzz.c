#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tiny_model.h"

#if defined(__SANITIZE_ADDRESS__)
#define COUNT_ALLOCATIONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNT_ALLOCATIONS 1
#endif
#endif

// ---- what is allocated -----------------------------------------------------------------------------

#ifdef COUNT_ALLOCATIONS
// Of sanitizer/allocator_interface.h, which gcc does not install with its runtime.
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *memory);

static _Thread_local bool counting;
static _Thread_local int64_t allocated, most;

static void on_malloc(const volatile void *memory, size_t size) {
    (void)memory;
    if (!counting) return;
    allocated += (int64_t)size;
    if (allocated > most) most = allocated;
}

static void on_free(const volatile void *memory) {
    if (counting && memory) allocated -= (int64_t)__sanitizer_get_allocated_size(memory);
}

static void count_from_now(void) {
    static bool installed;
    if (!installed) FUZZ_CHECK(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0, "no hook");
    installed = true;
    allocated = most = 0;
    counting = true;
}

static size_t stop_counting(void) {
    counting = false;
    return (size_t)most;
}
#else
static void count_from_now(void) {}

static size_t stop_counting(void) {
    return 0;
}
#endif

// ---- refusals --------------------------------------------------------------------------------------

static const char no_text[] = "no reader said this";

void fuzz_begin(void) {
    ae_fail(AE_ERR_INTERNAL, "%s", no_text);
    count_from_now();
}

bool fuzz_ok(ae_status status) {
    if (status == AE_OK) return true;
    const char *text = ae_last_error();
    FUZZ_CHECK(*text && strcmp(text, no_text) != 0, "%s without a text", ae_status_name(status));
    if (getenv("FUZZ_SHOW")) fprintf(stderr, "%s: %s\n", ae_status_name(status), text);
    FUZZ_CHECK(status != AE_ERR_MEMORY && status != AE_ERR_INTERNAL, "%s: %s", ae_status_name(status), text);
    ae_fail(AE_ERR_INTERNAL, "%s", no_text); // the next refusal needs a text of its own
    return false;
}

void fuzz_end(size_t size, size_t factor, size_t fixed) {
    const size_t n = stop_counting();
    if (getenv("FUZZ_SHOW")) fprintf(stderr, "%zu bytes allocated for %zu\n", n, size);
    FUZZ_CHECK(n <= size * factor + fixed, "%zu bytes were allocated for an input of %zu", n, size);
}

static void warn(void *user, const char *text) {
    (void)user;
    FUZZ_CHECK(text && *text, "an empty warning");
}

const ae_hooks fuzz_hooks = {.warn = warn};

// ---- files -----------------------------------------------------------------------------------------

static char folder[512], path[1200];

static int remove_one(const char *name, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(name);
}

static void remove_tree(const char *name) {
    nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_folder(void) {
    remove_tree(folder);
}

const char *fuzz_folder(void) {
    if (*folder) return folder;
    const char *base = getenv("TMPDIR");
    if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/aedile-fuzz-XXXXXX", base);
    FUZZ_CHECK(mkdtemp(folder), "cannot make '%s'", folder);
    atexit(remove_folder);
    return folder;
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
    const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(file >= 0, "cannot write '%s': %s", name, strerror(errno));
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(file, data + done, size - done);
        FUZZ_CHECK(n > 0, "cannot write '%s': %s", name, strerror(errno));
        done += (size_t)n;
    }
    close(file);
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size) {
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    write_file(path, data, size);
    return path;
}

static const uint8_t mark[3] = {0xff, 'f', 'z'};
enum { MARK_BYTES = 4 };

static const uint8_t *find_mark(const uint8_t *data, size_t size) {
    const uint8_t *at = size >= MARK_BYTES ? memmem(data, size - 1, mark, sizeof mark) : NULL;
    return at;
}

bool fuzz_find_file(const uint8_t *data, size_t size, size_t index, size_t *begin, size_t *end) {
    size_t at = 0;
    for (size_t i = 0;; i++) {
        const uint8_t *next = find_mark(data + at, size - at);
        if (i == index) {
            *begin = at;
            *end = next ? (size_t)(next - data) : size;
            return true;
        }
        if (!next) return false;
        at = (size_t)(next - data) + MARK_BYTES;
    }
}

static void make_parents(char *name, size_t from) {
    for (char *slash = name + from; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        FUZZ_CHECK(mkdir(name, 0700) == 0 || errno == EEXIST, "cannot make '%s'", name);
        *slash = '/';
    }
}

const char *fuzz_files(const char *const *names, size_t n_names, const uint8_t *data, size_t size) {
    static char root[600];
    snprintf(root, sizeof root, "%s/in", fuzz_folder());
    remove_tree(root);
    FUZZ_CHECK(mkdir(root, 0700) == 0, "cannot make '%s'", root);
    size_t begin, end;
    for (size_t i = 0; fuzz_find_file(data, size, i, &begin, &end); i++) {
        if (i == 0 && begin == end) continue; // nothing before the first mark
        const char *name = names[i == 0 ? 0 : data[begin - 1] % n_names];
        snprintf(path, sizeof path, "%s/%s", root, name);
        make_parents(path, strlen(root) + 1);
        write_file(path, data + begin, end - begin);
    }
    return root;
}

static volatile unsigned touched;

void fuzz_touch(const void *bytes, size_t size) {
    unsigned sum = touched;
    for (size_t i = 0; i < size; i++)
        sum += ((const unsigned char *)bytes)[i];
    touched = sum;
}

// ---- a model ---------------------------------------------------------------------------------------

const char *fuzz_model_folder(void) {
    static char name[600];
    if (!*name) {
        char made[600];
        snprintf(made, sizeof made, "%s/model", fuzz_folder());
        FUZZ_CHECK(make_wide_tiny_model(made, "gpt2", AE_F32, 1, FUZZ_D_MLP) == 0, "cannot make a model");
        memcpy(name, made, sizeof name);
    }
    return name;
}

static ae_model *model;

static void free_model(void) {
    ae_model_free(model);
}

ae_model *fuzz_model(void) {
    if (model) return model;
    const ae_model_options options = {.n_threads = 1};
    const ae_status status = ae_model_open(fuzz_model_folder(), &options, &model);
    FUZZ_CHECK(status == AE_OK, "%s", ae_last_error());
    atexit(free_model);
    return model;
}
