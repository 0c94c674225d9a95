#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

enum { ALIGNMENT = 64, FIRST_BLOCK = 4 * 1024, LARGEST_BLOCK = 64 * 1024 };

static _Thread_local uint64_t fail_countdown; // 0: off

void ae_memory_fail_at(uint64_t n) {
    fail_countdown = n;
}

ae_status ae_no_memory(void) {
    return AE_ERR_MEMORY;
}

static void *raw_alloc(size_t bytes) {
    if (fail_countdown > 0 && --fail_countdown == 0) {
        ae_fail(AE_ERR_MEMORY, "out of memory: %zu bytes were refused", bytes);
        return NULL;
    }
    void *memory = NULL;
    if (posix_memalign(&memory, ALIGNMENT, bytes ? bytes : 1) != 0) {
        ae_fail(AE_ERR_MEMORY, "out of memory: %zu bytes were refused", bytes);
        return NULL;
    }
    return memory;
}

void *ae_alloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        ae_fail(AE_ERR_MEMORY, "out of memory: %zu times %zu bytes cannot be addressed", count, size);
        return NULL;
    }
    void *memory = raw_alloc(bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}

void ae_free(void *memory) {
    free(memory);
}

ae_status ae_grow(void **memory, size_t *capacity, size_t needed, size_t size) {
    if (needed <= *capacity) return AE_OK;
    size_t grown = *capacity < 16 ? 16 : *capacity;
    while (grown < needed) {
        if (grown > SIZE_MAX / 2) return ae_fail(AE_ERR_MEMORY, "out of memory: %zu elements", needed);
        grown *= 2;
    }
    void *bigger = NULL;
    size_t bytes;
    if (!__builtin_mul_overflow(grown, size, &bytes) && bytes <= SIZE_MAX / 2) bigger = raw_alloc(bytes);
    if (!bigger) return ae_fail(AE_ERR_MEMORY, "out of memory: %zu elements of %zu bytes", grown, size);
    if (*memory) memcpy(bigger, *memory, *capacity * size);
    free(*memory);
    *memory = bigger;
    *capacity = grown;
    return AE_OK;
}

char *ae_strndup(const char *text, size_t length) {
    char *copy = ae_alloc(length + 1, 1);
    if (copy && length > 0) memcpy(copy, text, length);
    return copy;
}

char *ae_strdup(const char *text) {
    return ae_strndup(text, strlen(text));
}

char *ae_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = ae_vprint(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return NULL;
    char *text = ae_alloc((size_t)length + 1, 1);
    if (!text) return NULL;
    va_start(args, format);
    ae_vprint(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

// The address sanitizer sees where a block ends, not where what lies in it does: there every allocation has a
// block of its own.
#ifdef AE_SANITIZE
enum { BLOCK_EACH = 1 };
#else
enum { BLOCK_EACH = 0 };
#endif

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) unsigned char data[];
} block;

struct ae_arena {
    block *blocks; // the newest first
};

ae_status ae_arena_new(ae_arena **out) {
    ae_arena *arena = ae_alloc(1, sizeof *arena);
    if (!arena) return ae_no_memory();
    *out = arena;
    return AE_OK;
}

void ae_arena_free(ae_arena *arena) {
    if (!arena) return;
    for (block *next, *b = arena->blocks; b; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

void *ae_arena_alloc(ae_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4) {
        ae_fail(AE_ERR_MEMORY, "out of memory: %zu times %zu bytes cannot be addressed", count, size);
        return NULL;
    }
    if (!BLOCK_EACH) bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    block *b = arena->blocks;
    if (BLOCK_EACH || !b || b->size - b->used < bytes) {
        // An arena that holds little takes little: a journal has one an edit.
        size_t room = b ? 2 * b->size : FIRST_BLOCK;
        if (room > LARGEST_BLOCK) room = LARGEST_BLOCK;
        if (room < bytes || BLOCK_EACH) room = bytes;
        b = raw_alloc(sizeof *b + room);
        if (!b) return NULL;
        b->used = 0;
        b->size = room;
        b->next = arena->blocks;
        arena->blocks = b;
    }
    void *memory = b->data + b->used;
    b->used += bytes;
    return memset(memory, 0, bytes);
}

char *ae_arena_strndup(ae_arena *arena, const char *text, size_t length) {
    char *copy = ae_arena_alloc(arena, length + 1, 1);
    if (copy && length > 0) memcpy(copy, text, length);
    return copy;
}

char *ae_arena_strdup(ae_arena *arena, const char *text) {
    return ae_arena_strndup(arena, text, strlen(text));
}

ae_status ae_text_append(ae_text *text, const char *bytes, size_t length) {
    AE_TRY(ae_grow((void **)&text->data, &text->capacity, text->length + length + 1, 1));
    if (length > 0) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
    return AE_OK;
}

ae_status ae_text_printf(ae_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = ae_vprint(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return ae_fail(AE_ERR_INTERNAL, "cannot format text");
    AE_TRY(ae_grow((void **)&text->data, &text->capacity, text->length + (size_t)length + 1, 1));
    va_start(args, format);
    ae_vprint(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
    return AE_OK;
}
