#include "cli/visible.h"

#include <stdbool.h>
#include <string.h>

#include "text/utf8.h"

static bool is_harmful(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || // control characters
           (code >= 0x2028 && code <= 0x202E) ||            // ends of lines and paragraphs, directions
           (code >= 0x2066 && code <= 0x2069);              // directions
}

static void write_hex(uint32_t value, int digits, char *out) {
    out[digits] = '\0';
    for (int i = digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}

size_t ae_escape(const char *text, size_t n, char escape[AE_ESCAPE]) {
    uint32_t code = 0;
    const int length = ae_utf8_decode((const unsigned char *)text, n, &code);
    escape[0] = '\0';
    if (length > 0 && !is_harmful(code)) return (size_t)length;
    escape[0] = '\\';
    escape[1] = length > 0 ? 'u' : 'x';
    write_hex(length > 0 ? code : (unsigned char)*text, length > 0 ? 4 : 2, escape + 2);
    return length > 0 ? (size_t)length : 1;
}

size_t ae_print_character(FILE *stream, const char *text, size_t n) {
    char escape[AE_ESCAPE];
    const size_t length = ae_escape(text, n, escape);
    if (!*escape)
        fwrite(text, 1, length, stream);
    else
        fputs(*text == '\n' ? "\\n" : *text == '\t' ? "\\t" : escape, stream);
    return length;
}

void ae_print_visible(FILE *stream, const char *text) {
    for (const char *end = text + strlen(text); text < end;)
        text += ae_print_character(stream, text, (size_t)(end - text));
}

void ae_print_column(FILE *stream, const char *text, int width) {
    const int length = (int)strlen(text);
    ae_print_visible(stream, text);
    fprintf(stream, "%*s", width > length ? width - length : 0, "");
}

// `stands_for` takes the place of every escape, NULL: the escape itself; but not of these characters.
static void print(FILE *stream, const char *text, const char *kept, const char *stands_for) {
    char escape[AE_ESCAPE];
    for (const char *end = text + strlen(text); text < end;) {
        size_t length = 0; // most of a text is harmless, and goes out in one piece
        while (text[length] >= ' ' && text[length] <= '~')
            length++;
        fwrite(text, 1, length, stream);
        text += length;
        if (text == end) break;
        length = ae_escape(text, (size_t)(end - text), escape);
        if (!*escape || strchr(kept, *text))
            fwrite(text, 1, length, stream);
        else
            fputs(stands_for ? stands_for : escape, stream);
        text += length;
    }
}

void ae_print_plain(FILE *stream, const char *text) {
    print(stream, text, "\n\t", "?");
}

void ae_print_json(FILE *stream, const char *text) {
    print(stream, text, "\n", NULL);
}
