#include "text/tfidf.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "format/npy.h"
#include "text/chars.h"
#include "text/utf8.h"

enum { MAX_VOCABULARY = 1 << 30 }; // bytes of the file; the field's has 32 million

struct ae_tfidf {
    json_t *vocabulary; // {term: column}: jansson's hash table is as good as another
    double *idf;        // [n_columns]
    int32_t n_columns;
};

// ---- the files -------------------------------------------------------------------------------------

static ae_status read_idf(const char *path, ae_tfidf *out) {
    int n_dim;
    int64_t shape[AE_MAX_DIM];
    AE_TRY(ae_npy_read_double(path, &out->idf, &n_dim, shape));
    if (n_dim != 1 || shape[0] < 1 || shape[0] > INT32_MAX) {
        char text[AE_SHAPE_TEXT];
        return ae_fail(AE_ERR_FORMAT, "'%s' has shape %s, expected one dimension, a value a term", path,
                       ae_shape_text(n_dim, shape, text));
    }
    out->n_columns = (int32_t)shape[0];
    for (int32_t i = 0; i < out->n_columns; i++)
        if (!isfinite(out->idf[i]))
            return ae_fail(AE_ERR_FORMAT, "'%s': value %" PRId32 " (from 0) is %g, expected a finite number",
                           path, i, out->idf[i]);
    return AE_OK;
}

static ae_status read_vocabulary(const char *path, const char *idf, ae_tfidf *out) {
    AE_TRY(ae_json_load(path, MAX_VOCABULARY, &out->vocabulary));
    if (!json_is_object(out->vocabulary))
        return ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object of term: column", path,
                       ae_json_type_name(out->vocabulary));
    size_t terms = json_object_size(out->vocabulary);
    if (terms != (size_t)out->n_columns)
        return ae_fail(AE_ERR_MISMATCH,
                       "'%s' has %zu terms, '%s' has %" PRId32 " values: they do not belong together", path,
                       terms, idf, out->n_columns);
    const char *term;
    json_t *column;
    json_object_foreach(out->vocabulary, term, column) {
        if (!json_is_integer(column))
            return ae_fail(AE_ERR_FORMAT, "'%s': the column of '%s' is %s, expected an integer", path, term,
                           ae_json_type_name(column));
        json_int_t value = json_integer_value(column);
        if (value < 0 || value >= out->n_columns)
            return ae_fail(AE_ERR_MISMATCH,
                           "'%s': the column of '%s' is %" JSON_INTEGER_FORMAT ", '%s' has 0 to %" PRId32
                           ": they do not belong together",
                           path, term, value, idf, out->n_columns - 1);
    }
    return AE_OK;
}

ae_status ae_tfidf_open(const char *vocabulary, const char *idf, ae_tfidf **out) {
    ae_tfidf *tfidf = ae_alloc(1, sizeof *tfidf);
    if (!tfidf) return ae_no_memory();
    ae_status status = read_idf(idf, tfidf);
    if (status == AE_OK) status = read_vocabulary(vocabulary, idf, tfidf);
    if (status != AE_OK) {
        ae_tfidf_free(tfidf);
        return status;
    }
    *out = tfidf;
    return AE_OK;
}

void ae_tfidf_free(ae_tfidf *tfidf) {
    if (!tfidf) return;
    json_decref(tfidf->vocabulary);
    ae_free(tfidf->idf);
    ae_free(tfidf);
}

// ---- vectors ---------------------------------------------------------------------------------------

static ae_status new_vector(size_t n, ae_tfidf_vector *out) {
    ae_tfidf_vector vector = {.columns = ae_alloc(n, sizeof *vector.columns)};
    if (vector.columns) vector.values = ae_alloc(n, sizeof *vector.values);
    if (!vector.values) {
        ae_tfidf_vector_free(&vector);
        return ae_no_memory();
    }
    *out = vector;
    return AE_OK;
}

static void scale_to_unit(ae_tfidf_vector *vector) {
    double square = 0;
    for (size_t i = 0; i < vector->n; i++)
        square += vector->values[i] * vector->values[i];
    vector->norm = sqrt(square);
    for (size_t i = 0; vector->norm > 0 && i < vector->n; i++)
        vector->values[i] /= vector->norm;
}

// Adds 1 to the count of each token that is in the vocabulary; text is in lower case and UTF-8.
static void count_terms(const ae_tfidf *tfidf, const char *text, size_t length, uint32_t *counts) {
    const unsigned char *s = (const unsigned char *)text;
    size_t begin = 0, characters = 0; // of the run of word characters that ends at `at`
    for (size_t at = 0; at <= length;) {
        uint32_t code = ' '; // behind the end
        int step = at < length ? ae_utf8_decode(s + at, length - at, &code) : 1;
        if (ae_char_is_word(code)) {
            characters++;
        } else {
            const json_t *column =
                characters >= 2 ? json_object_getn(tfidf->vocabulary, text + begin, at - begin) : NULL;
            if (column) counts[json_integer_value(column)]++;
            begin = at + (size_t)step;
            characters = 0;
        }
        at += (size_t)step;
    }
}

ae_status ae_tfidf_transform(const ae_tfidf *tfidf, const char *text, size_t length, ae_tfidf_vector *out) {
    ae_text lower = {0};
    ae_tfidf_vector vector = {0};
    // Dense: clearing and reading a few megabytes costs less than sorting a long text's terms.
    uint32_t *counts = ae_alloc((size_t)tfidf->n_columns, sizeof *counts);
    ae_status status = counts ? ae_text_append_lower(&lower, text, length) : ae_no_memory();
    if (status == AE_OK) {
        count_terms(tfidf, lower.data, lower.length, counts);
        size_t n = 0;
        for (int32_t i = 0; i < tfidf->n_columns; i++)
            n += counts[i] > 0;
        status = new_vector(n, &vector);
    }
    ae_free(lower.data);
    if (status == AE_OK) {
        for (int32_t i = 0; i < tfidf->n_columns; i++)
            if (counts[i] > 0) {
                vector.columns[vector.n] = i;
                vector.values[vector.n++] = counts[i] * tfidf->idf[i];
            }
        scale_to_unit(&vector);
        *out = vector;
    }
    ae_free(counts);
    return status;
}

void ae_tfidf_vector_free(ae_tfidf_vector *vector) {
    ae_free(vector->columns);
    ae_free(vector->values);
    *vector = (ae_tfidf_vector){0};
}

ae_status ae_tfidf_join(const ae_tfidf_vector *a, const ae_tfidf_vector *b, ae_tfidf_vector *out) {
    ae_tfidf_vector both;
    AE_TRY(new_vector(a->n + b->n, &both));
    for (size_t i = 0, k = 0; i < a->n || k < b->n; both.n++) {
        bool from_a = k == b->n || (i < a->n && a->columns[i] <= b->columns[k]);
        bool from_b = i == a->n || (k < b->n && b->columns[k] <= a->columns[i]);
        both.columns[both.n] = from_a ? a->columns[i] : b->columns[k];
        both.values[both.n] = (from_a ? a->values[i] * a->norm : 0) + (from_b ? b->values[k] * b->norm : 0);
        i += from_a;
        k += from_b;
    }
    scale_to_unit(&both);
    *out = both;
    return AE_OK;
}

double ae_tfidf_cosine(const ae_tfidf_vector *a, const ae_tfidf_vector *b) {
    if (a->norm == 0 || b->norm == 0) return NAN;
    double dot = 0;
    for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
        if (a->columns[i] == b->columns[k])
            dot += a->values[i++] * b->values[k++];
        else if (a->columns[i] < b->columns[k])
            i++;
        else
            k++;
    }
    return dot;
}
