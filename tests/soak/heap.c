/* heap.so, to be preloaded: counts the bytes that the process holds by malloc and its like, whichever library
 * asks, into the file that SOAK_HEAP names: one number of 8 bytes, mapped, so that others read it while it
 * changes. What is resident jumps as the allocator keeps or returns pages; this does not. For glibc. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static _Atomic long before_the_file;
static _Atomic long *_Atomic live = &before_the_file;

__attribute__((constructor)) static void open_file(void) {
    const char *path = getenv("SOAK_HEAP");
    const int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (file < 0) return;
    void *page = ftruncate(file, sizeof *live) == 0
                     ? mmap(NULL, sizeof *live, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                     : MAP_FAILED;
    close(file);
    if (page == MAP_FAILED) return;
    _Atomic long *count = page;
    *count = before_the_file; /* there are no other threads yet */
    live = count;
}

static void *taken(void *memory) {
    if (memory) *live += (long)malloc_usable_size(memory);
    return memory;
}

void *malloc(size_t size) {
    return taken(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return taken(__libc_calloc(count, size));
}

void free(void *memory) {
    if (memory) *live -= (long)malloc_usable_size(memory);
    __libc_free(memory);
}

void *realloc(void *memory, size_t size) {
    const long had = memory ? (long)malloc_usable_size(memory) : 0;
    void *moved = __libc_realloc(memory, size);
    if (moved || size == 0) *live -= had;
    return taken(moved);
}

void *memalign(size_t alignment, size_t size) {
    return taken(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    const int kept = errno;
    void *got = memalign(alignment, size);
    errno = kept;
    if (!got) return ENOMEM;
    *memory = got;
    return 0;
}
