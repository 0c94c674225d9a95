#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "text/words.h"

// ---- n-gram entropy --------------------------------------------------------------------------------

static int compare_words(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_keys(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Words become numbers, equal ones the same: their rank among the text's words. sorted: room for the words.
 */
static void number_words(const ae_words *words, char **sorted, uint64_t *numbers) {
    memcpy(sorted, words->items, words->count * sizeof *sorted);
    qsort(sorted, words->count, sizeof *sorted, compare_words);
    size_t n = 0;
    for (size_t i = 0; i < words->count; i++)
        if (i == 0 || strcmp(sorted[i], sorted[n - 1]) != 0) sorted[n++] = sorted[i];
    for (size_t i = 0; i < words->count; i++) {
        char **found = bsearch(&words->items[i], sorted, n, sizeof *sorted, compare_words);
        numbers[i] = (uint64_t)(found - sorted);
    }
}

// Entropy in bits of the distribution of the keys, which are sorted by this.
static double entropy(uint64_t *keys, size_t n) {
    qsort(keys, n, sizeof *keys, compare_keys);
    double sum = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && keys[end] == keys[i];)
            end++;
        double p = (double)(end - i) / (double)n;
        sum -= p * log2(p);
    }
    return sum;
}

/* Both entropies from the numbers of two or more words. A pair is two numbers in one key; with its own rank
 * for a number, a triple is a pair and a word. keys, sorted: room for the words. */
static double entropy_of_numbers(const uint64_t *numbers, size_t n, uint64_t *keys, uint64_t *sorted) {
    size_t pairs = n - 1, triples = n - 2;
    for (size_t i = 0; i < pairs; i++)
        sorted[i] = keys[i] = numbers[i] << 32 | numbers[i + 1];
    double of_pairs = entropy(sorted, pairs);
    size_t distinct = 0;
    for (size_t i = 0; i < pairs; i++)
        if (i == 0 || sorted[i] != sorted[distinct - 1]) sorted[distinct++] = sorted[i];
    for (size_t i = 0; i < triples; i++) {
        uint64_t *found = bsearch(&keys[i], sorted, distinct, sizeof *sorted, compare_keys);
        keys[i] = (uint64_t)(found - sorted) << 32 | numbers[i + 2];
    }
    return (2.0 / 3 * of_pairs + 4.0 / 3 * entropy(keys, triples)) / 2;
}

static ae_status text_entropy(const char *text, double *out) {
    ae_words words;
    AE_TRY(ae_words_split(text, strlen(text), &words));
    *out = 0;
    if (words.count < 2) { // no n-gram
        ae_words_free(&words);
        return AE_OK;
    }
    uint64_t *room = ae_alloc(words.count, 3 * sizeof *room);
    char **sorted = room ? ae_alloc(words.count, sizeof *sorted) : NULL;
    if (sorted) {
        number_words(&words, sorted, room);
        *out = entropy_of_numbers(room, words.count, room + words.count, room + 2 * words.count);
    }
    ae_status status = sorted ? AE_OK : ae_no_memory();
    ae_free(sorted);
    ae_free(room);
    ae_words_free(&words);
    return status;
}

ae_status ae_ngram_entropy(const char *const *texts, size_t n_texts, double *out) {
    double sum = 0;
    for (size_t i = 0; i < n_texts; i++) {
        double one = 0;
        AE_TRY(text_entropy(texts[i], &one));
        sum += one;
    }
    *out = sum / (double)n_texts; // 0 / 0 is NaN
    return AE_OK;
}

// ---- classes ---------------------------------------------------------------------------------------

static int64_t count(const int *values, size_t n, int value) {
    int64_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += values[i] == value;
    return found;
}

static bool is_first(const int *values, size_t i) {
    return count(values, i, values[i]) == 0;
}

void ae_score_classes(const int *labels, const int *predictions, size_t n, ae_class_scores *out) {
    ae_class_scores scores = {.total = (int64_t)n};
    for (size_t i = 0; i < n; i++) {
        scores.invalid += predictions[i] == -1;
        scores.correct += predictions[i] != -1 && predictions[i] == labels[i];
    }
    scores.incorrect = scores.total - scores.correct - scores.invalid;
    // Sums over classes: of the true, of both, of the predicted ones. Counts are whole numbers: exact.
    double weighted = 0, true_square = 0, product = 0, predicted_square = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_first(labels, i)) {
            int64_t in_class = count(labels, n, labels[i]), predicted = count(predictions, n, labels[i]),
                    hits = 0;
            for (size_t k = 0; k < n; k++)
                hits += labels[k] == labels[i] && predictions[k] == labels[i];
            weighted += (double)in_class * 2 * (double)hits / (double)(in_class + predicted);
            true_square += (double)in_class * (double)in_class;
            product += (double)in_class * (double)predicted;
        }
        if (is_first(predictions, i)) {
            double predicted = (double)count(predictions, n, predictions[i]);
            predicted_square += predicted * predicted;
        }
    }
    double all = (double)n;
    scores.f1 = n > 0 ? weighted / all : 0;
    double spread = (all * all - true_square) * (all * all - predicted_square);
    scores.mcc = spread > 0 ? ((double)scores.correct * all - product) / sqrt(spread) : 0;
    *out = scores;
}

// ---- means -----------------------------------------------------------------------------------------

// With what each addition rounds off carried along (Neumaier): the sum does not depend on the order, so that
// a mean in the middle between two rounded ones is rounded the same way in every run.
static double sum_of(const double *values, size_t n) {
    double sum = 0, lost = 0;
    for (size_t i = 0; i < n; i++) {
        const double next = sum + values[i];
        lost += fabs(sum) >= fabs(values[i]) ? (sum - next) + values[i] : (values[i] - next) + sum;
        sum = next;
    }
    return isfinite(lost) ? sum + lost : sum;
}

void ae_mean_std(const double *values, size_t n, double *mean, double *std) {
    double square = 0;
    *mean = sum_of(values, n) / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (values[i] - *mean) * (values[i] - *mean);
    *std = sqrt(square / (double)n);
}

double ae_harmonic_mean(const double *values, size_t n) {
    double sum = 0;
    bool zero = false;
    for (size_t i = 0; i < n; i++) {
        if (!(values[i] >= 0)) return NAN;
        zero = zero || values[i] == 0;
        sum += 1 / values[i];
    }
    if (n == 0) return NAN;
    return zero ? 0 : 1 / (sum / (double)n); // in scipy's order, for the same last digit
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double share) {
    double at = share * (double)(n - 1);
    size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

void ae_interval(double *draws, size_t n, double *low, double *high) {
    qsort(draws, n, sizeof *draws, compare_doubles);
    *low = percentile(draws, n, 0.025);
    *high = percentile(draws, n, 0.975);
}

ae_status ae_bootstrap_mean(const double *values, size_t n, size_t n_draws, uint64_t seed, double *low,
                            double *high) {
    if (n_draws == 0) return ae_fail(AE_ERR_ARGUMENT, "a bootstrap needs 1 draw or more, not 0");
    if (n == 0) {
        *low = *high = NAN;
        return AE_OK;
    }
    double *means = ae_alloc(n_draws, sizeof *means);
    if (!means) return ae_no_memory();
    ae_random random = ae_random_stream(seed, 0, 0);
    for (size_t i = 0; i < n_draws; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += values[(size_t)(ae_random_uniform(&random) * (double)n)];
        means[i] = sum / (double)n;
    }
    ae_interval(means, n_draws, low, high);
    ae_free(means);
    return AE_OK;
}
