/* eval/metrics.h: the numbers that a run reports, each a pure function (spec/evaluation.md §2, §4, §5). */
#ifndef AE_EVAL_METRICS_H
#define AE_EVAL_METRICS_H

#include "base/error.h"

/* Mean over texts of (2/3 H2 + 4/3 H3) / 2, H_n the entropy in bits of the text's word n-grams, which do
 * cross sentence borders (spec §2); 0 for a text without n-grams, NaN without texts. */
ae_status ae_ngram_entropy(const char *const *texts, size_t n_texts, double *out);

/* Predictions against labels, which are 0 or more; -1 is an answer that could not be read. */
typedef struct ae_class_scores {
    int64_t correct, incorrect, invalid, total; // incorrect does not hold the invalid ones
    double f1;                                  // weighted over the true labels; 0 where there are none
    double mcc;                                 // Matthews, -1 a class of its own; 0 where undefined
} ae_class_scores;
void ae_score_classes(const int *labels, const int *predictions, size_t n, ae_class_scores *out);

/* Mean and population standard deviation; NaN of an empty list. */
void ae_mean_std(const double *values, size_t n, double *mean, double *std);

/* Harmonic mean; 0 if any is 0 (as scipy's hmean), NaN of an empty list or if any is negative or NaN. */
double ae_harmonic_mean(const double *values, size_t n);

/* The 2.5 % and 97.5 % points of n > 0 draws (between draws by straight lines, as numpy's percentile), which
 * are sorted by this. */
void ae_interval(double *draws, size_t n, double *low, double *high);

/* Percentile bootstrap of the mean: the interval of `n_draws` > 0 resampled means, drawn from stream (seed,
 * 0, 0); NaN of an empty list. */
ae_status ae_bootstrap_mean(const double *values, size_t n, size_t n_draws, uint64_t seed, double *low,
                            double *high);

#endif
