// Sampled tokens as text, cleaned as the field's code does it.
#include "model/generate.h"
#include "text/unicode.h"

ae_status ae_sampled_text(const ae_model *m, const int32_t *ids, size_t n_ids, char **text) {
    char *decoded = NULL, *normal = NULL;
    size_t length = 0;
    AE_TRY(ae_model_decode_string(m, ids, n_ids, &decoded, &length));
    ae_status status = ae_unicode_nfkd(decoded, length, &normal);
    ae_free(decoded);
    if (status != AE_OK) return status;
    ae_text_replace(normal, "\n\n", " ");
    ae_text_replace(normal, "<|endoftext|>", "");
    *text = normal;
    return AE_OK;
}
