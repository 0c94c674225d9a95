#include "edit/text.h"

#include <string.h>

#include "edit/templates.h"

// Bytes of the white-space character at text[0..length), as Python's str.strip takes it; 0: it is something
// else.
static size_t space_at(const char *text, size_t length) {
    const unsigned char *s = (const unsigned char *)text;
    if (length >= 1 && ((s[0] >= 0x09 && s[0] <= 0x0d) || (s[0] >= 0x1c && s[0] <= 0x20))) return 1;
    if (length >= 2 && s[0] == 0xc2 && (s[1] == 0x85 || s[1] == 0xa0)) return 2;
    if (length < 3) return 0;
    bool wide = (s[0] == 0xe1 && s[1] == 0x9a && s[2] == 0x80) ||                 // U+1680
                (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0x80 && s[2] <= 0x8a) || // U+2000 to U+200A
                (s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9 || s[2] == 0xaf)) ||
                (s[0] == 0xe2 && s[1] == 0x81 && s[2] == 0x9f) || // U+205F
                (s[0] == 0xe3 && s[1] == 0x80 && s[2] == 0x80);   // U+3000
    return wide ? 3 : 0;
}

// text[*begin..*end) is text without the white space around it.
static void strip(const char *text, size_t *begin, size_t *end) {
    *begin = 0;
    *end = strlen(text);
    for (size_t n; (n = space_at(text + *begin, *end - *begin)) > 0;)
        *begin += n;
    for (bool more = true; more;) {
        more = false;
        for (size_t n = 1; n <= 3 && n <= *end - *begin; n++)
            if (space_at(text + *end - n, n) == n) {
                *end -= n;
                more = true;
                break;
            }
    }
}

static ae_status encode(const ae_tokenizer *tokenizer, const char *text, size_t length, int32_t **ids,
                        size_t *n) {
    size_t capacity = 0;
    *ids = NULL;
    *n = 0;
    ae_status status = ae_tokenizer_encode(tokenizer, text, length, ids, n, &capacity);
    if (status != AE_OK) {
        ae_free(*ids);
        *ids = NULL;
    }
    return status;
}

static ae_status encode_into(const ae_tokenizer *tokenizer, const char *text, size_t length, ae_arena *arena,
                             int32_t **out, int32_t *n_out) {
    int32_t *ids;
    size_t n;
    AE_TRY(encode(tokenizer, text, length, &ids, &n));
    ae_status status = AE_OK;
    if (n > INT32_MAX)
        status = ae_fail(AE_ERR_ARGUMENT, "a text of %zu tokens is too long", n);
    else if (!(*out = ae_arena_alloc(arena, n, sizeof **out)))
        status = ae_no_memory();
    if (status == AE_OK) {
        if (n > 0) memcpy(*out, ids, n * sizeof **out);
        *n_out = (int32_t)n;
    }
    ae_free(ids);
    return status;
}

static ae_status count_tokens(const ae_tokenizer *tokenizer, const char *text, size_t length, size_t *n) {
    int32_t *ids;
    AE_TRY(encode(tokenizer, text, length, &ids, n));
    ae_free(ids);
    return AE_OK;
}

// The text as it is put together, and where in it the subject stands.
typedef struct pieces {
    char *text;
    size_t length;
    size_t prefix;      // bytes before the subject
    size_t subject_end; // where the subject, as it is counted in tokens, ends
    char *counted;      // the subject as it is counted in tokens
    bool has_suffix;
} pieces;

static ae_status assemble(const char *template_text, const ae_request *request, ae_arena *arena,
                          pieces *out) {
    const char *slot = ae_template_placeholder(template_text);
    if (!slot)
        return ae_fail(AE_ERR_ARGUMENT, "context template '%s' has no '{}' for the prompt", template_text);
    const char *fill = strstr(request->prompt, "{}");
    if (!fill) return ae_fail(AE_ERR_ARGUMENT, "prompt '%s' has no '{}' for the subject", request->prompt);
    const char *parts[] = {template_text, request->prompt, request->subject, fill + 2, slot + 2};
    size_t lengths[] = {(size_t)(slot - template_text), (size_t)(fill - request->prompt),
                        strlen(request->subject), strlen(fill + 2), strlen(slot + 2)};
    out->length = lengths[0] + lengths[1] + lengths[2] + lengths[3] + lengths[4];
    out->text = ae_arena_alloc(arena, out->length + 1, 1);
    if (!out->text) return ae_no_memory();
    char *end = out->text;
    for (int i = 0; i < 5; i++) {
        memcpy(end, parts[i], lengths[i]);
        end += lengths[i];
    }
    out->prefix = lengths[0] + lengths[1];
    out->has_suffix = lengths[3] + lengths[4] > 0;
    if (out->prefix == 0) {
        out->counted = ae_arena_strdup(arena, request->subject);
        out->subject_end = lengths[2];
        return out->counted ? AE_OK : ae_no_memory();
    }
    if (out->text[out->prefix - 1] != ' ')
        return ae_fail(AE_ERR_ARGUMENT,
                       "in '%s' the subject '%s' follows '%.*s', which does not end in a space", out->text,
                       request->subject, (int)out->prefix, out->text);
    size_t first, last;
    strip(request->subject, &first, &last);
    out->counted = ae_arena_alloc(arena, last - first + 2, 1);
    if (!out->counted) return ae_no_memory();
    out->counted[0] = ' ';
    memcpy(out->counted + 1, request->subject + first, last - first);
    out->subject_end = out->prefix + last;
    return AE_OK;
}

static ae_status find_lookup(const ae_tokenizer *tokenizer, const pieces *p, ae_fact_token fact_token,
                             int32_t n_ids, int32_t *out) {
    size_t index = (size_t)n_ids - 1;
    if (fact_token != AE_LAST) {
        size_t n_prefix = 0, n_subject;
        if (p->prefix > 0)
            AE_TRY(count_tokens(tokenizer, p->text, p->prefix - 1, &n_prefix)); // without its space
        AE_TRY(count_tokens(tokenizer, p->counted, strlen(p->counted), &n_subject));
        index = n_prefix;
        if (fact_token == AE_SUBJECT_LAST || (fact_token == AE_SUBJECT_FIRST_AFTER_LAST && !p->has_suffix))
            index = n_prefix + n_subject - 1;
        else if (fact_token == AE_SUBJECT_FIRST_AFTER_LAST)
            index = n_prefix + n_subject;
    }
    if (index >= (size_t)n_ids)
        return ae_fail(
            AE_ERR_ARGUMENT,
            "the lookup index %zu lies behind the %d tokens of '%s': taken alone, prefix and subject have "
            "more tokens than within the text; reword the prompt",
            index, n_ids, p->text);
    *out = (int32_t)index;
    return AE_OK;
}

// The token at the lookup index must end at the byte where the subject ends (spec: "check, on every
// request").
static ae_status check_boundary(const ae_tokenizer *tokenizer, const pieces *p, const ae_edit_text *text,
                                bool strict, const char *subject, const ae_hooks *hooks) {
    size_t end = 0, length;
    for (int32_t i = 0; i <= text->lookup; i++) {
        ae_tokenizer_bytes(tokenizer, text->ids[i], &length);
        end += length;
    }
    if (end == p->subject_end) return AE_OK;
    char *token = NULL;
    AE_TRY(ae_tokenizer_decode(tokenizer, &text->ids[text->lookup], 1, &token, &length));
    static const char format[] =
        "the token '%s' at the lookup index %d does not end where the subject '%s' ends in "
        "'%s' (tokens merge across the subject's end)";
    ae_status status = AE_OK;
    if (strict)
        status = ae_fail(AE_ERR_ARGUMENT, format, token, text->lookup, subject, p->text);
    else
        ae_warn(hooks, format, token, text->lookup, subject, p->text);
    ae_free(token);
    return status;
}

ae_status ae_edit_text_build(const ae_tokenizer *tokenizer, const char *template_text,
                             const ae_request *request, ae_fact_token fact_token, bool strict,
                             const ae_hooks *hooks, ae_arena *arena, ae_edit_text *out) {
    pieces p = {0};
    AE_TRY(assemble(template_text, request, arena, &p));
    ae_edit_text text = {.text = p.text};
    AE_TRY(encode_into(tokenizer, p.text, p.length, arena, &text.ids, &text.n_ids));
    if (text.n_ids == 0)
        return ae_fail(AE_ERR_ARGUMENT, "prompt '%s' and subject are empty", request->prompt);
    AE_TRY(find_lookup(tokenizer, &p, fact_token, text.n_ids, &text.lookup));
    if (fact_token == AE_SUBJECT_LAST)
        AE_TRY(check_boundary(tokenizer, &p, &text, strict, request->subject, hooks));
    *out = text;
    return AE_OK;
}

ae_status ae_edit_target_ids(const ae_tokenizer *tokenizer, const char *target, ae_arena *arena,
                             int32_t **ids, int32_t *n_ids) {
    if (!target || !*target) return ae_fail(AE_ERR_ARGUMENT, "the new target is empty");
    size_t length = strlen(target);
    char *spaced = ae_arena_alloc(arena, length + 2, 1);
    if (!spaced) return ae_no_memory();
    size_t space = target[0] == ' ' ? 0 : 1;
    spaced[0] = ' ';
    memcpy(spaced + space, target, length);
    return encode_into(tokenizer, spaced, length + space, arena, ids, n_ids);
}

ae_status ae_edit_check_joint(const ae_tokenizer *tokenizer, const ae_edit_text *text,
                              const int32_t *target_ids, int32_t n_target, const ae_hooks *hooks) {
    // The last token is never an input, so that a target of one token has no joint.
    if (n_target < 2) return AE_OK;
    size_t n_input = (size_t)n_target - 1, target_length, n_whole;
    char *target = NULL, *whole = NULL;
    int32_t *ids = NULL;
    AE_TRY(ae_tokenizer_decode(tokenizer, target_ids, n_input, &target, &target_length));
    ae_status status = AE_OK;
    size_t length = strlen(text->text);
    whole = ae_alloc(length + target_length + 1, 1);
    if (!whole) {
        status = ae_no_memory();
        goto done;
    }
    memcpy(whole, text->text, length);
    memcpy(whole + length, target, target_length);
    AE_TRY_GOTO(done, encode(tokenizer, whole, length + target_length, &ids, &n_whole));
    size_t n_text = (size_t)text->n_ids;
    bool same = n_whole == n_text + n_input && memcmp(ids, text->ids, n_text * sizeof *ids) == 0 &&
                memcmp(ids + n_text, target_ids, n_input * sizeof *ids) == 0;
    if (!same)
        ae_warn(hooks,
                "the target's beginning '%s' behind '%s' gives other tokens when both are tokenised as one "
                "text; the "
                "target's own tokens are used",
                target, text->text);
done:
    ae_free(ids);
    ae_free(whole);
    ae_free(target);
    return status;
}
