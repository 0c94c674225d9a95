#include "text/pretokenize.h"

#include <string.h>

#include "base/memory.h"
#include "text/utf8.h"

enum { OTHER, LETTER, NUMBER, SPACE };

static const struct {
    uint32_t first, last;
    unsigned char class;
} ranges[] = {
#include "text/char_class_ranges.inc"
};

enum { N_RANGES = sizeof ranges / sizeof ranges[0] };

/* Characters behind the last range, nearly all of them unassigned, are OTHER and not in the table. A flat
 * table costs 200 KB of which a text touches only the lines of its own script. */
static uint32_t table_size(void) {
    return ranges[N_RANGES - 1].last + 1;
}

unsigned char *ae_char_classes_new(void) {
    unsigned char *classes = ae_alloc(table_size(), 1);
    if (!classes) return NULL;
    for (size_t i = 0; i < N_RANGES; i++)
        memset(classes + ranges[i].first, ranges[i].class, ranges[i].last - ranges[i].first + 1);
    return classes;
}

// The class of the character at s, and its length.
static inline unsigned char class_at(const unsigned char *classes, const unsigned char *s,
                                     const unsigned char *end, size_t *length) {
    uint32_t code = UINT32_MAX;
    int step = ae_utf8_decode(s, (size_t)(end - s), &code);
    *length = (size_t)(step < 0 ? -step : step);
    return code < table_size() ? classes[code] : OTHER;
}

// The end of the run of characters of one class that begins at s.
static const unsigned char *run_end(const unsigned char *classes, unsigned char class, const unsigned char *s,
                                    const unsigned char *end) {
    while (s < end) {
        if (*s < 0x80) {
            if (classes[*s] != class) break;
            s++;
        } else {
            size_t length;
            if (class_at(classes, s, end, &length) != class) break;
            s += length;
        }
    }
    return s;
}

// Length of the contraction at s ('s, 't, 're, 've, 'm, 'll, 'd); 0: none.
static size_t contraction(const unsigned char *s, size_t n) {
    if (s[0] != '\'' || n < 2) return 0;
    switch (s[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd':
        return 2;
    case 'r':
    case 'v':
        return n > 2 && s[2] == 'e' ? 3 : 0;
    case 'l':
        return n > 2 && s[2] == 'l' ? 3 : 0;
    default:
        return 0;
    }
}

size_t ae_piece_length(const unsigned char *classes, const unsigned char *s, size_t n) {
    const unsigned char *end = s + n;
    size_t length = contraction(s, n);
    if (length > 0) return length;
    const unsigned char *p = s[0] == ' ' && n > 1 ? s + 1 : s;
    unsigned char class = class_at(classes, p, end, &length);
    if (class != SPACE) return (size_t)(run_end(classes, class, p + length, end) - s);
    const unsigned char *last = s; // the last white space of the run
    for (p = s; p < end && class_at(classes, p, end, &length) == SPACE; p += length)
        last = p;
    return (size_t)((p < end && last > s ? last : p) - s);
}
