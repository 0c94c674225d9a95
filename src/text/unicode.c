#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "text/utf8.h"

static const char REPLACEMENT[] = "\xEF\xBF\xBD"; // U+FFFD

ae_status ae_unicode_nfkd(const char *text, size_t length, char **out) {
    if (length > PTRDIFF_MAX) return ae_fail(AE_ERR_ARGUMENT, "a text of %zu bytes is too long", length);
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t result = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &mapped,
                                           UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
    if (result < 0) {
        if (result == UTF8PROC_ERROR_INVALIDUTF8)
            return ae_fail(AE_ERR_FORMAT, "the text is not valid UTF-8");
        return ae_fail(result == UTF8PROC_ERROR_NOMEM ? AE_ERR_MEMORY : AE_ERR_INTERNAL,
                       "cannot normalise a text of %zu bytes: %s", length, utf8proc_errmsg(result));
    }
    char *copy = ae_strndup((const char *)mapped, (size_t)result);
    free(mapped);
    if (!copy) return ae_no_memory();
    *out = copy;
    return AE_OK;
}

ae_status ae_utf8_replace(const char *bytes, size_t length, char **out, size_t *out_length) {
    const unsigned char *s = (const unsigned char *)bytes;
    ae_text text = {0};
    ae_status status = ae_text_append(&text, "", 0); // an empty result is a string, too
    size_t valid = 0;                                // where the valid run that is not copied yet begins
    for (size_t at = 0; status == AE_OK && at < length;) {
        uint32_t code;
        int step = ae_utf8_decode(s + at, length - at, &code);
        if (step > 0) {
            at += (size_t)step;
            continue;
        }
        status = ae_text_append(&text, bytes + valid, at - valid);
        if (status == AE_OK) status = ae_text_append(&text, REPLACEMENT, 3);
        at += (size_t)-step;
        valid = at;
    }
    if (status == AE_OK) status = ae_text_append(&text, bytes + valid, length - valid);
    if (status != AE_OK) {
        ae_free(text.data);
        return status;
    }
    *out = text.data;
    if (out_length) *out_length = text.length;
    return AE_OK;
}

size_t ae_utf8_unfinished(const char *bytes, size_t length) {
    const unsigned char *s = (const unsigned char *)bytes;
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        const unsigned char *start = s + length - back;
        if ((*start & 0xC0) == 0x80) continue; // inside a character: look further back
        uint32_t code;
        // Unfinished where every byte that is there fits: the invalid part reaches to the end. A byte that
        // can begin nothing is an invalid part of one byte as well, but no byte that follows can finish it.
        bool begins = *start >= 0xC2 && *start <= 0xF4;
        return begins && ae_utf8_decode(start, back, &code) == -(int)back ? back : 0;
    }
    return 0;
}

size_t ae_text_drop_nul(char *text, size_t length) {
    size_t kept = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\0') text[kept++] = text[i];
    text[kept] = '\0';
    return kept;
}

void ae_text_replace(char *text, const char *from, const char *to) {
    size_t from_length = strlen(from), to_length = strlen(to);
    char *write = text;
    for (const char *read = text, *hit;; read = hit + from_length) {
        hit = strstr(read, from);
        size_t kept = hit ? (size_t)(hit - read) : strlen(read);
        memmove(write, read, kept);
        write += kept;
        if (!hit) break;
        memcpy(write, to, to_length);
        write += to_length;
    }
    *write = '\0';
}

void ae_text_cleanup_compat(char *text) {
    static const char *const pairs[][2] = {{" .", "."},     {" ?", "?"},     {" !", "!"},   {" ,", ","},
                                           {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        ae_text_replace(text, pairs[i][0], pairs[i][1]);
}
