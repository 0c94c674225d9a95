/* text/utf8.h: one character of UTF-8 at a time, invalid bytes included. */
#ifndef AE_TEXT_UTF8_H
#define AE_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at s[0..n), n > 0: its length (1 to 4), *code set. For bytes that begin no character the
 * negative length of the longest invalid part (Unicode's "maximal subpart": what one U+FFFD stands for),
 * *code untouched. Surrogates, over-long forms and codes above U+10FFFF are invalid. */
static inline int ae_utf8_decode(const unsigned char *s, size_t n, uint32_t *code) {
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    // The second byte's range is what excludes over-long forms, surrogates and codes that are too large.
    unsigned char low = 0x80, high = 0xBF;
    int length;
    uint32_t value;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        length = 2;
        value = s[0] & 0x1Fu;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        length = 3;
        value = s[0] & 0x0Fu;
        if (s[0] == 0xE0) low = 0xA0;
        if (s[0] == 0xED) high = 0x9F;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        length = 4;
        value = s[0] & 0x07u;
        if (s[0] == 0xF0) low = 0x90;
        if (s[0] == 0xF4) high = 0x8F;
    } else {
        return -1;
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= n || s[i] < low || s[i] > high) return -i;
        value = value << 6 | (s[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *code = value;
    return length;
}

#endif
