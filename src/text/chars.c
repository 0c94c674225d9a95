#include "text/chars.h"

#include <utf8proc.h>

#include "text/utf8.h"

enum {
    REPLACEMENT = 0xFFFD,
    CAPITAL_SIGMA = 0x3A3,
    FINAL_SIGMA = 0x3C2,
    I_WITH_DOT = 0x130,
    DOT_ABOVE = 0x307
};

static utf8proc_category_t category(uint32_t code) {
    return utf8proc_category((utf8proc_int32_t)code);
}

// ---- classes ---------------------------------------------------------------------------------------

bool ae_char_is_word(uint32_t code) {
    if (code < 0x80) {
        uint32_t letter = code | 0x20;
        return (letter >= 'a' && letter <= 'z') || (code >= '0' && code <= '9') || code == '_';
    }
    switch (category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return false;
    }
}

// Category Zs and the controls that separate words, lines, paragraphs and (0x1C to 0x1F) records.
bool ae_char_is_space(uint32_t code) {
    if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F);
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool ae_char_is_decimal(uint32_t code) {
    if (code < 0x80) return code >= '0' && code <= '9';
    return category(code) == UTF8PROC_CATEGORY_ND;
}

bool ae_char_is_upper(uint32_t code) {
    return category(code) == UTF8PROC_CATEGORY_LU;
}

bool ae_char_is_lower(uint32_t code) {
    return category(code) == UTF8PROC_CATEGORY_LL;
}

// ---- code points -----------------------------------------------------------------------------------

ae_status ae_chars_decode(const char *text, size_t length, ae_chars *out) {
    ae_chars chars = {.code = ae_alloc(length, sizeof *chars.code), .at = NULL, .n = 0};
    if (chars.code) chars.at = ae_alloc(length + 1, sizeof *chars.at);
    if (!chars.at) {
        ae_chars_free(&chars);
        return ae_no_memory();
    }
    const unsigned char *s = (const unsigned char *)text;
    for (size_t at = 0; at < length; chars.n++) {
        chars.at[chars.n] = at;
        chars.code[chars.n] = REPLACEMENT;
        int step = ae_utf8_decode(s + at, length - at, &chars.code[chars.n]);
        at += (size_t)(step < 0 ? -step : step);
    }
    chars.at[chars.n] = length;
    *out = chars;
    return AE_OK;
}

void ae_chars_free(ae_chars *chars) {
    ae_free(chars->code);
    ae_free(chars->at);
    *chars = (ae_chars){0};
}

// ---- lower case ------------------------------------------------------------------------------------

static bool is_cased(uint32_t code) {
    utf8proc_category_t kind = category(code);
    return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT ||
           code == 0xAA || code == 0xBA || (code >= 0x2160 && code <= 0x217F) || // ordinals, roman numerals
           (code >= 0x24B6 && code <= 0x24E9) ||                                 // circled letters
           (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
           (code >= 0x1F170 && code <= 0x1F189);
}

// Unicode's Case_Ignorable: what may stand between the letters of a word without ending it.
static bool is_case_ignorable(uint32_t code) {
    switch (code) {
    case '\'':
    case '.':
    case ':':
    case 0xB7:
    case 0x387:
    case 0x55F:
    case 0x5F4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xFE13:
    case 0xFE52:
    case 0xFE55:
    case 0xFF07:
    case 0xFF0E:
    case 0xFF1A:
        return true;
    default:
        break;
    }
    switch (category(code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return false;
    }
}

// Whether the sigma at bytes [begin, end) of the text is the last letter of a word of more than one letter.
static bool sigma_is_final(const unsigned char *s, size_t length, size_t begin, size_t end) {
    uint32_t code = 0;
    size_t at = begin;
    do {
        if (at == 0) return false;
        size_t next = at;
        while (at > 0 && next - at < 4 && (at == next || (s[at] & 0xC0) == 0x80))
            at--;
        if (ae_utf8_decode(s + at, next - at, &code) != (int)(next - at)) return false; // no UTF-8
    } while (is_case_ignorable(code));
    if (!is_cased(code)) return false;
    for (at = end; at < length;) {
        int step = ae_utf8_decode(s + at, length - at, &code);
        if (step < 0) return true;
        if (!is_case_ignorable(code)) return !is_cased(code);
        at += (size_t)step;
    }
    return true;
}

static ae_status append_code(ae_text *out, uint32_t code) {
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t length = utf8proc_encode_char((utf8proc_int32_t)code, bytes);
    return ae_text_append(out, (const char *)bytes, (size_t)length);
}

ae_status ae_text_append_lower(ae_text *out, const char *text, size_t length) {
    const unsigned char *s = (const unsigned char *)text;
    // As long as the text, but for the few characters whose small letter has more bytes, or bad bytes.
    AE_TRY(ae_grow((void **)&out->data, &out->capacity, out->length + length + 1, 1));
    AE_TRY(ae_text_append(out, "", 0));
    for (size_t at = 0; at < length;) {
        size_t begin = at, written = out->length;
        while (at < length && s[at] < 0x80)
            at++;
        AE_TRY(ae_text_append(out, text + begin, at - begin));
        for (size_t i = written; i < out->length; i++)
            if (out->data[i] >= 'A' && out->data[i] <= 'Z') out->data[i] = (char)(out->data[i] + ('a' - 'A'));
        if (at == length) break;
        uint32_t code = REPLACEMENT;
        int step = ae_utf8_decode(s + at, length - at, &code);
        size_t next = at + (size_t)(step < 0 ? -step : step);
        if (code == I_WITH_DOT) { // the one character that becomes two
            AE_TRY(append_code(out, 'i'));
            AE_TRY(append_code(out, DOT_ABOVE));
        } else if (code == CAPITAL_SIGMA && sigma_is_final(s, length, at, next)) {
            AE_TRY(append_code(out, FINAL_SIGMA));
        } else {
            AE_TRY(append_code(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code)));
        }
        at = next;
    }
    return AE_OK;
}
