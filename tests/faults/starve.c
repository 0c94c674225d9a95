/* A library to be loaded before all others (LD_PRELOAD): the allocation number STARVE_AT of the process
 * fails, whoever makes it. Into the file STARVE_REPORT goes the library that made it, or where STARVE_AT is
 * not given, how many there were. Allocations of libraries that do not outlive a shortage,
 * whatever we do, are spared, and reported as such. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The C library's own, under the names that it keeps for such as us.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_long count;
static long wanted;

static void report(const char *text, const char *more) {
    const char *path = getenv("STARVE_REPORT");
    const int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (file < 0) return;
    (void)!write(file, text, strlen(text));
    (void)!write(file, more, strlen(more));
    (void)!write(file, "\n", 1);
    close(file);
}

static const char *library_of(void *caller) {
    Dl_info info;
    const char *path = dladdr(caller, &info) && info.dli_fname ? info.dli_fname : "";
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// libgomp and OpenBLAS print that memory is short and exit; so does the loader; oneDNN does not look, nor
// does OpenSSL while it sets itself up (later it does: test_memory.c).
static int is_spared(const char *library) {
    static const char *const spared[] = {"libgomp.",   "libopenblas", "libdnnl.",
                                         "libstdc++.", "libcrypto.",  "ld-linux"};
    for (size_t i = 0; i < sizeof spared / sizeof *spared; i++)
        if (strncmp(library, spared[i], strlen(spared[i])) == 0) return 1;
    return 0;
}

static int is_the_one(void *caller) {
    const long n = atomic_fetch_add(&count, 1) + 1;
    if (wanted == 0 || n != wanted) return 0;
    const char *library = library_of(caller);
    const int spared = is_spared(library);
    report(spared ? "spared " : "refused ", library);
    errno = ENOMEM;
    return !spared;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("STARVE_AT");
    wanted = text ? strtol(text, NULL, 10) : 0;
    atomic_store(&count, 0);
}

__attribute__((destructor)) static void end(void) {
    char text[32];
    snprintf(text, sizeof text, "%ld", atomic_load(&count));
    if (wanted == 0) report(text, "");
}

void *malloc(size_t size) {
    return is_the_one(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    return is_the_one(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size) {
    return is_the_one(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return is_the_one(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *made = is_the_one(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    if (!made) return ENOMEM;
    *memory = made;
    return 0;
}
