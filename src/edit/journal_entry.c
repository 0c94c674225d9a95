// What writing and reading an entry share.
#include "edit/journal_entry_parts.h"

#include <math.h>
#include <string.h>

#define DOUBLES(name_)                                                                                       \
    { .name = #name_, .field = offsetof(ae_layer_edit, name_), .dtype = AE_F64 }
#define FLOATS(name_, wide_)                                                                                 \
    { .name = #name_, .field = offsetof(ae_layer_edit, name_), .dtype = AE_F32, .wide = (wide_) }
#define FIGURE(name_)                                                                                        \
    { .name = #name_, .field = offsetof(ae_layer_edit, name_) }

const ae_entry_vector ae_entry_vectors[AE_ENTRY_VECTORS] = {
    DOUBLES(loss),
    DOUBLES(nll),
    DOUBLES(kl),
    DOUBLES(decay),
    FLOATS(u, true),
    FLOATS(right, false),
    FLOATS(delta, false),
    FLOATS(key_u, true),
    FLOATS(key, true),
    FLOATS(value, false),
    FLOATS(target_init, false),
};

const ae_entry_figure ae_entry_figures[AE_ENTRY_FIGURES] = {
    FIGURE(k_dot_u), FIGURE(update_norm), FIGURE(weight_norm), FIGURE(delta_norm), FIGURE(target_init_norm),
};

#undef DOUBLES
#undef FLOATS
#undef FIGURE

int64_t ae_entry_vector_length(const ae_entry_vector *vector, const ae_layer_edit *layer) {
    if (vector->dtype == AE_F64) return layer->n_steps;
    return vector->wide ? layer->d_mlp : layer->d_model;
}

const void *ae_entry_vector_get(const ae_entry_vector *vector, const ae_layer_edit *layer) {
    const char *field = (const char *)layer + vector->field;
    if (vector->dtype == AE_F64) return *(double *const *)(const void *)field;
    return *(float *const *)(const void *)field;
}

void ae_entry_vector_set(const ae_entry_vector *vector, ae_layer_edit *layer, void *data) {
    char *field = (char *)layer + vector->field;
    if (vector->dtype == AE_F64)
        *(double **)(void *)field = data;
    else
        *(float **)(void *)field = data;
}

int64_t ae_entry_find_bad(const void *data, ae_dtype dtype, int64_t n, double *value) {
    for (int64_t i = 0; i < n; i++) {
        *value = dtype == AE_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
        if (!isfinite(*value)) return i;
    }
    return -1;
}

bool ae_is_sha256(const char *text) {
    return strlen(text) == AE_ENTRY_DIGITS && strspn(text, "0123456789abcdef") == AE_ENTRY_DIGITS;
}

// In JSON no string can hold an unescaped quote, so the first match is the key itself.
const char *ae_find_digits(const char *text, size_t length, const char *key) {
    const char *at = memmem(text, length, key, strlen(key)), *end = text + length;
    if (!at) return NULL;
    at += strlen(key);
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    return end - at > AE_ENTRY_DIGITS + 1 && at[0] == '"' && at[AE_ENTRY_DIGITS + 1] == '"' ? at + 1 : NULL;
}

const char *ae_entry_find_digits(const char *bytes, size_t length) {
    if (length < 8) return NULL;
    uint64_t n_header = 0;
    for (int i = 7; i >= 0; i--)
        n_header = n_header << 8 | (unsigned char)bytes[i];
    if (n_header > length - 8) return NULL;
    return ae_find_digits(bytes + 8, (size_t)n_header, "\"aedile.digest\"");
}

ae_status ae_entry_digest(const char *bytes, size_t length, const char *digits, char hex[AE_DIGEST_HEX]) {
    ae_digest *digest = NULL;
    AE_TRY(ae_digest_new(&digest));
    ae_status status = ae_digest_add(digest, bytes, (size_t)(digits - bytes));
    if (status == AE_OK) status = ae_digest_add(digest, AE_ENTRY_ZEROS, AE_ENTRY_DIGITS);
    if (status == AE_OK)
        status = ae_digest_add(digest, digits + AE_ENTRY_DIGITS,
                               length - (size_t)(digits - bytes) - AE_ENTRY_DIGITS);
    if (status == AE_OK) status = ae_digest_hex(digest, hex);
    ae_digest_free(digest);
    return status;
}
