/* text/tfidf.h: TF-IDF vectors as scikit-learn's TfidfVectorizer makes them with its default settings and a
 * given vocabulary and idf: lower case, tokens of two or more word characters (Unicode), L2 norm. */
#ifndef AE_TEXT_TFIDF_H
#define AE_TEXT_TFIDF_H

#include "base/error.h"

typedef struct ae_tfidf ae_tfidf;

/* `vocabulary`: tfidf_vocab.json, {term: column}; `idf`: idf.npy (or .npy of float64 or float32), one
 * dimension. AE_ERR_MISMATCH if they differ in size or a column lies outside idf. */
ae_status ae_tfidf_open(const char *vocabulary, const char *idf, ae_tfidf **out);
void ae_tfidf_free(ae_tfidf *tfidf); // NULL is fine

/* A text's vector, sparse, columns ascending, unit length (n = 0: no known term). Bytes that are no UTF-8
 * part words. Free with ae_tfidf_vector_free. */
typedef struct ae_tfidf_vector {
    int32_t *columns;
    double *values;
    size_t n;
    double norm; // before it was scaled to unit length
} ae_tfidf_vector;
ae_status ae_tfidf_transform(const ae_tfidf *tfidf, const char *text, size_t length, ae_tfidf_vector *out);
void ae_tfidf_vector_free(ae_tfidf_vector *vector); // zeroed by this

/* The vector of two texts joined by a space, from their vectors. */
ae_status ae_tfidf_join(const ae_tfidf_vector *a, const ae_tfidf_vector *b, ae_tfidf_vector *out);

/* Cosine of two vectors: their dot product; NaN where one is zero. */
double ae_tfidf_cosine(const ae_tfidf_vector *a, const ae_tfidf_vector *b);

#endif
