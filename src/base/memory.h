/* base/memory.h: fallible allocation. Everything the library allocates itself goes through here, so that
 * sizes are checked for overflow, failures carry a text, and a test can make any allocation fail. */
#ifndef AE_BASE_MEMORY_H
#define AE_BASE_MEMORY_H

#include "base/error.h"

/* count * size zeroed bytes, aligned to 64; NULL and an error text on overflow or lack of memory.
 * A zero product gives a valid pointer. Free with ae_free. */
void *ae_alloc(size_t count, size_t size);

/* Grows *memory (NULL at first) to hold at least `needed` elements, doubling *capacity; contents stay, new
 * bytes are not zeroed. On failure *memory is untouched and still owned by the caller. */
ae_status ae_grow(void **memory, size_t *capacity, size_t needed, size_t size);

/* A copy of text[0..length), with a NUL behind it. NULL on lack of memory. */
char *ae_strndup(const char *text, size_t length);
char *ae_strdup(const char *text);

/* printf into a new string. NULL on lack of memory. */
char *ae_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For tests: the n-th allocation from now on (1 = the next) fails, once; 0 switches this off. Per thread. */
void ae_memory_fail_at(uint64_t n);

/* AE_ERR_MEMORY with the text of the failed allocation; for `if (!p) return ae_no_memory();` */
ae_status ae_no_memory(void);

/* A region that is freed at once. Allocations are zeroed and aligned to 64 bytes. */
typedef struct ae_arena ae_arena;
ae_status ae_arena_new(ae_arena **out);
void ae_arena_free(ae_arena *arena); // NULL is fine
void *ae_arena_alloc(ae_arena *arena, size_t count, size_t size);
char *ae_arena_strndup(ae_arena *arena, const char *text, size_t length);
char *ae_arena_strdup(ae_arena *arena, const char *text);

/* A growing byte string; zero-initialise it, free with ae_free(text.data). Always NUL-terminated once used.
 */
typedef struct ae_text {
    char *data;
    size_t length, capacity;
} ae_text;
ae_status ae_text_append(ae_text *text, const char *bytes, size_t length);
ae_status ae_text_printf(ae_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
