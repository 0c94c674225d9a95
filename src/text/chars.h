/* text/chars.h: characters as Python's str and re see them. The measures of this field were defined by Python
 * programs; what counts as a word character, or as lower case, decides their numbers. */
#ifndef AE_TEXT_CHARS_H
#define AE_TEXT_CHARS_H

#include "base/memory.h"

bool ae_char_is_word(uint32_t code);    // re's \w: str.isalnum(), or '_'
bool ae_char_is_space(uint32_t code);   // re's \s
bool ae_char_is_decimal(uint32_t code); // re's \d
bool ae_char_is_upper(uint32_t code);   // a capital letter
bool ae_char_is_lower(uint32_t code);   // a small letter

/* A text as code points; bytes that are no UTF-8 are U+FFFD, one for each part that Python's decoding with
 * "replace" would replace. */
typedef struct ae_chars {
    uint32_t *code; // [n]
    size_t *at;     // [n + 1], where each begins in the text; the last is the text's length
    size_t n;
} ae_chars;
ae_status ae_chars_decode(const char *text, size_t length, ae_chars *out);
void ae_chars_free(ae_chars *chars); // zeroed by this; a zeroed one is fine

/* Appends str.lower() of the text, bytes that are no UTF-8 as U+FFFD. */
ae_status ae_text_append_lower(ae_text *out, const char *text, size_t length);

#endif
