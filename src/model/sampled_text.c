// Sampled tokens as text, cleaned as the field's code does it.
#include <string.h>

#include "model/generate.h"
#include "text/unicode.h"

// text with every `what` replaced by `with` (not longer than what), in place.
static void replace_all(char *text, const char *what, const char *with) {
    const size_t n_what = strlen(what), n_with = strlen(with);
    char *to = text;
    for (const char *from = text; *from;) {
        if (strncmp(from, what, n_what) == 0) {
            memcpy(to, with, n_with);
            to += n_with;
            from += n_what;
        } else
            *to++ = *from++;
    }
    *to = '\0';
}

// text[0..length) without NUL characters, in place.
static size_t drop_nul(char *text, size_t length) {
    size_t kept = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\0') text[kept++] = text[i];
    return kept;
}

ae_status ae_sampled_text(const ae_model *m, const int32_t *ids, size_t n_ids, char **text) {
    char *decoded = NULL, *normal = NULL;
    size_t length = 0;
    AE_TRY(ae_model_decode(m, ids, n_ids, &decoded, &length));
    ae_status status = ae_unicode_nfkd(decoded, drop_nul(decoded, length), &normal);
    ae_free(decoded);
    if (status != AE_OK) return status;
    replace_all(normal, "\n\n", " ");
    replace_all(normal, "<|endoftext|>", "");
    *text = normal;
    return AE_OK;
}
