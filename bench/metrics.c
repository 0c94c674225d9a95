/* Splits, counts and scores what it is given, for comparison with another implementation
 * (tools/parity_metrics.py).
 *
 *     metrics VOCABULARY IDF < requests > answers
 *
 * Numbers are little-endian, counts 32-bit. A request is a letter, a count and that many elements; an answer
 * is a count and that many elements, or several of them. For each letter, what is sent -> what comes back:
 *
 * - k: bytes of text -> bytes, one a character: 1 of a word, 2 white space, 4 decimal digit, 8 unassigned
 * - l: bytes of text -> bytes of it in lower case
 * - w: bytes of text -> bytes of its words, a NUL behind each
 * - e: bytes of text -> float64: n-gram entropy
 * - t: bytes of text -> int32 columns; float64 values: TF-IDF
 * - j: bytes of text, twice -> float64: the cosine of their TF-IDF; int32 and float64: that of both joined
 * - c: int32 labels, then as many predictions -> float64: correct, incorrect, invalid, total, F1, MCC
 * - m: float64 -> float64: mean, deviation, harmonic mean, ends of the bootstrap (10,000 draws, seed 7)
 *
 * VOCABULARY may be "-": then no t and j. A failure ends the program with its message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "eval/metrics.h"
#include "text/chars.h"
#include "text/tfidf.h"
#include "text/words.h"

static ae_status read_block(size_t size, void **out, uint32_t *n) {
    if (fread(n, sizeof *n, 1, stdin) != 1) return ae_fail(AE_ERR_FORMAT, "a request that is cut off");
    char *block = ae_alloc((size_t)*n + 1, size); // so that a text ends with a NUL
    if (!block) return ae_no_memory();
    if (fread(block, size, *n, stdin) != *n) {
        ae_free(block);
        return ae_fail(AE_ERR_FORMAT, "a request that is cut off");
    }
    *out = block;
    return AE_OK;
}

static ae_status write_block(const void *items, size_t n, size_t size) {
    uint32_t count = (uint32_t)n;
    bool written = fwrite(&count, sizeof count, 1, stdout) == 1 && fwrite(items, size, n, stdout) == n;
    return written ? AE_OK : ae_fail(AE_ERR_IO, "cannot write the answer");
}

static bool is_unassigned(uint32_t code) {
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_CN;
}

static ae_status answer_classes(const char *text, size_t length) {
    ae_chars chars;
    AE_TRY(ae_chars_decode(text, length, &chars));
    unsigned char *kinds = ae_alloc(chars.n, 1);
    for (size_t i = 0; kinds && i < chars.n; i++)
        kinds[i] =
            (unsigned char)(ae_char_is_word(chars.code[i]) | ae_char_is_space(chars.code[i]) << 1 |
                            ae_char_is_decimal(chars.code[i]) << 2 | is_unassigned(chars.code[i]) << 3);
    ae_status status = kinds ? write_block(kinds, chars.n, 1) : ae_no_memory();
    ae_free(kinds);
    ae_chars_free(&chars);
    return status;
}

static ae_status answer_lower(const char *text, size_t length) {
    ae_text lower = {0};
    ae_status status = ae_text_append_lower(&lower, text, length);
    if (status == AE_OK) status = write_block(lower.data, lower.length, 1);
    ae_free(lower.data);
    return status;
}

static ae_status answer_words(const char *text, size_t length) {
    ae_words words;
    AE_TRY(ae_words_split(text, length, &words));
    const char *end = words.count > 0 ? strchr(words.items[words.count - 1], '\0') + 1 : words.block;
    ae_status status = write_block(words.block, (size_t)(end - words.block), 1);
    ae_words_free(&words);
    return status;
}

static ae_status answer_entropy(const char *text) {
    double entropy = 0;
    AE_TRY(ae_ngram_entropy(&text, 1, &entropy));
    return write_block(&entropy, 1, sizeof entropy);
}

static ae_status write_vector(const ae_tfidf_vector *vector) {
    AE_TRY(write_block(vector->columns, vector->n, sizeof *vector->columns));
    return write_block(vector->values, vector->n, sizeof *vector->values);
}

static ae_status answer_tfidf(const ae_tfidf *tfidf, const char *text, size_t length) {
    ae_tfidf_vector vector;
    AE_TRY(ae_tfidf_transform(tfidf, text, length, &vector));
    ae_status status = write_vector(&vector);
    ae_tfidf_vector_free(&vector);
    return status;
}

static ae_status answer_joined(const ae_tfidf *tfidf, const char *text, size_t length) {
    ae_tfidf_vector first = {0}, second = {0}, both = {0};
    void *other = NULL;
    uint32_t n = 0;
    ae_status status = read_block(1, &other, &n);
    if (status == AE_OK) status = ae_tfidf_transform(tfidf, text, length, &first);
    if (status == AE_OK) status = ae_tfidf_transform(tfidf, other, n, &second);
    if (status == AE_OK) status = ae_tfidf_join(&first, &second, &both);
    double cosine = ae_tfidf_cosine(&first, &second);
    if (status == AE_OK) status = write_block(&cosine, 1, sizeof cosine);
    if (status == AE_OK) status = write_vector(&both);
    ae_free(other);
    ae_tfidf_vector_free(&first);
    ae_tfidf_vector_free(&second);
    ae_tfidf_vector_free(&both);
    return status;
}

static ae_status answer_scores(const int *labels, size_t n) {
    void *predictions;
    uint32_t m;
    AE_TRY(read_block(sizeof(int), &predictions, &m));
    ae_class_scores s = {0};
    if (m == n) ae_score_classes(labels, predictions, n, &s);
    ae_free(predictions);
    if (m != n) return ae_fail(AE_ERR_FORMAT, "%zu labels and %u predictions", n, m);
    const double numbers[] = {
        (double)s.correct, (double)s.incorrect, (double)s.invalid, (double)s.total, s.f1, s.mcc};
    return write_block(numbers, sizeof numbers / sizeof *numbers, sizeof *numbers);
}

static ae_status answer_means(const double *values, size_t n) {
    double numbers[5] = {0};
    ae_mean_std(values, n, &numbers[0], &numbers[1]);
    numbers[2] = ae_harmonic_mean(values, n);
    AE_TRY(ae_bootstrap_mean(values, n, 10000, 7, &numbers[3], &numbers[4]));
    return write_block(numbers, 5, sizeof *numbers);
}

static ae_status answer(const ae_tfidf *tfidf, int kind, const void *body, size_t n) {
    if (!tfidf && (kind == 't' || kind == 'j')) return ae_fail(AE_ERR_ARGUMENT, "no vocabulary was given");
    switch (kind) {
    case 'k':
        return answer_classes(body, n);
    case 'l':
        return answer_lower(body, n);
    case 'w':
        return answer_words(body, n);
    case 'e':
        return answer_entropy(body);
    case 't':
        return answer_tfidf(tfidf, body, n);
    case 'j':
        return answer_joined(tfidf, body, n);
    case 'c':
        return answer_scores(body, n);
    case 'm':
        return answer_means(body, n);
    default:
        return ae_fail(AE_ERR_FORMAT, "no request begins with '%c'", kind);
    }
}

static ae_status answer_all(const ae_tfidf *tfidf) {
    for (int kind; (kind = getchar()) != EOF;) {
        void *body;
        uint32_t n;
        AE_TRY(read_block(kind == 'c' ? sizeof(int) : kind == 'm' ? sizeof(double) : 1, &body, &n));
        ae_status status = answer(tfidf, kind, body, n);
        ae_free(body);
        AE_TRY(status);
    }
    return AE_OK;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: metrics VOCABULARY IDF < requests > answers\n");
        return 2;
    }
    ae_tfidf *tfidf = NULL;
    ae_status status = strcmp(argv[1], "-") == 0 ? AE_OK : ae_tfidf_open(argv[1], argv[2], &tfidf);
    if (status == AE_OK) status = answer_all(tfidf);
    if (status != AE_OK) fprintf(stderr, "metrics: %s\n", ae_last_error());
    ae_tfidf_free(tfidf);
    return status == AE_OK && fflush(stdout) == 0 ? 0 : 1;
}
