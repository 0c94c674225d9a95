// eval/metrics: entropies, class scores and means computed by hand.
#include "test.h"

#include <math.h>

#include "base/memory.h"
#include "eval/metrics.h"

#define assert_near(value, expected)                                                                         \
    do {                                                                                                     \
        double got_ = (value), wanted_ = (expected);                                                         \
        if (!(fabs(got_ - wanted_) < 1e-14 * fmax(1, fabs(wanted_))))                                        \
            fail_msg("%s is %.17g, expected %.17g", #value, got_, wanted_);                                  \
    } while (0)

static double entropy_of(const char *text) {
    double entropy = -1;
    assert_ok(ae_ngram_entropy(&text, 1, &entropy));
    return entropy;
}

static void entropy_counts_pairs_and_triples(void **state) {
    (void)state;
    assert_near(entropy_of(""), 0);
    assert_near(entropy_of("word"), 0);
    assert_near(entropy_of("two words"), 0);      // one pair, no triple
    assert_near(entropy_of("so it is"), 1.0 / 3); // two pairs: 1 bit; one triple
    assert_near(entropy_of("so it is."), (2.0 / 3 * log2(3) + 4.0 / 3 * 1) / 2); // the period is a word
    assert_near(entropy_of("a b c d e f g h i"), (2.0 / 3 * 3 + 4.0 / 3 * log2(7)) / 2);
    // a b a b a b: pairs ab 3/5, ba 2/5; triples aba 2/4, bab 2/4
    double pairs = -(0.6 * log2(0.6) + 0.4 * log2(0.4));
    assert_near(entropy_of("a b a b a b"), (2.0 / 3 * pairs + 4.0 / 3) / 2);
    assert_near(entropy_of("the the the the the the"), 0);
    // a a a b: pairs aa 2/3, ab 1/3; triples aaa, aab
    pairs = -(2.0 / 3 * log2(2.0 / 3) + 1.0 / 3 * log2(1.0 / 3));
    assert_near(entropy_of("a a a b"), (2.0 / 3 * pairs + 4.0 / 3) / 2);
    // Across the sentences' border: ox . ax . has three pairs and two triples, all different.
    assert_near(entropy_of("ox. ax."), (2.0 / 3 * log2(3) + 4.0 / 3) / 2);
    // `` a '' `` a '': pairs `` a and a '' 2/5 each, one other; triples `` a '' 2/4, two others
    pairs = -(0.8 * log2(0.4) + 0.2 * log2(0.2));
    assert_near(entropy_of("\"a\" \"a\""), (2.0 / 3 * pairs + 4.0 / 3 * 1.5) / 2);
}

static void entropy_is_the_mean_of_the_texts(void **state) {
    (void)state;
    static const char *const texts[] = {"so it is", "word", "a b a b a b"};
    double entropy;
    assert_ok(ae_ngram_entropy(texts, 3, &entropy));
    assert_near(entropy, (entropy_of(texts[0]) + entropy_of(texts[2])) / 3);
    assert_ok(ae_ngram_entropy(texts, 0, &entropy));
    assert_true(isnan(entropy));
}

static void entropy_needs_memory(void **state) {
    (void)state;
    static const char *const texts[] = {"a b a", "one two three four"};
    int failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        double entropy = 77;
        ae_memory_fail_at(n);
        ae_status status = ae_ngram_entropy(texts, 2, &entropy);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_fails(status, AE_ERR_MEMORY, "out of memory");
        assert_true(entropy == 77);
    }
    assert_int_equal(failures, 16); // each text: 6 for its words, 2 for their numbers
}

// ---- classes ---------------------------------------------------------------------------------------

static ae_class_scores scores_of(const char *labels, const char *predictions) { // '-': invalid
    int l[32], p[32];
    size_t n = strlen(labels);
    assert_int_equal(n, strlen(predictions));
    for (size_t i = 0; i < n; i++) {
        l[i] = labels[i] - '0';
        p[i] = predictions[i] == '-' ? -1 : predictions[i] - '0';
    }
    ae_class_scores scores;
    ae_score_classes(l, p, n, &scores);
    return scores;
}

static void check_counts(const ae_class_scores *s, int correct, int incorrect, int invalid) {
    assert_int_equal(s->correct, correct);
    assert_int_equal(s->incorrect, incorrect);
    assert_int_equal(s->invalid, invalid);
    assert_int_equal(s->total, correct + incorrect + invalid);
}

static void two_classes_are_scored(void **state) {
    (void)state;
    ae_class_scores s = scores_of("0011", "0011");
    check_counts(&s, 4, 0, 0);
    assert_near(s.f1, 1);
    assert_near(s.mcc, 1);
    s = scores_of("0011", "1100");
    check_counts(&s, 0, 4, 0);
    assert_near(s.f1, 0);
    assert_near(s.mcc, -1);
    // Hits 3 of 4 ones and 1 of 2 zeros; 4 ones and 2 zeros predicted.
    s = scores_of("111100", "111001");
    check_counts(&s, 4, 2, 0);
    assert_near(s.f1, (4 * (2 * 3.0 / 8) + 2 * (2 * 1.0 / 4)) / 6);
    assert_near(s.mcc, (3.0 * 1 - 1.0 * 1) / sqrt(4.0 * 4 * 2 * 2)); // the binary formula
}

static void invalid_answers_only_cost_recall(void **state) {
    (void)state;
    ae_class_scores s = scores_of("0011", "0-1-");
    check_counts(&s, 2, 0, 2);
    assert_near(s.f1, 2.0 / 3); // both: precision 1, recall 1/2
    // s = 4, c = 2, true (2, 2, 0), predicted (1, 1, 2): (8 - 4) / sqrt((16 - 8)(16 - 6))
    assert_near(s.mcc, 4 / sqrt(80));
    s = scores_of("0101", "----");
    check_counts(&s, 0, 0, 4);
    assert_near(s.f1, 0);
    assert_near(s.mcc, 0); // all answers alike: undefined
}

static void odd_lists_are_scored(void **state) {
    (void)state;
    ae_class_scores s = scores_of("", "");
    check_counts(&s, 0, 0, 0);
    assert_near(s.f1, 0);
    assert_near(s.mcc, 0);
    s = scores_of("1", "1");
    assert_near(s.f1, 1);
    assert_near(s.mcc, 0); // one class: undefined
    s = scores_of("111", "101");
    assert_near(s.f1, 0.8);
    assert_near(s.mcc, 0);
    s = scores_of("0000", "7777"); // a class that is no label
    check_counts(&s, 0, 4, 0);
    assert_near(s.f1, 0);
    // Three classes: true (2, 2, 2), predicted (3, 1, 2), 5 hits of 6
    s = scores_of("001122", "001022");
    check_counts(&s, 5, 1, 0);
    assert_near(s.mcc, (5.0 * 6 - (2 * 3 + 2 * 1 + 2 * 2)) / sqrt((36 - 12.0) * (36 - 14.0)));
    assert_near(s.f1, (2 * (4.0 / 5) + 2 * (2.0 / 3) + 2 * 1.0) / 6);
}

// ---- means -----------------------------------------------------------------------------------------

static void mean_and_deviation(void **state) {
    (void)state;
    double mean, std;
    ae_mean_std((const double[]){1, 2, 3, 4}, 4, &mean, &std);
    assert_near(mean, 2.5);
    assert_near(std, sqrt(1.25)); // of the population
    ae_mean_std((const double[]){-7.5}, 1, &mean, &std);
    assert_near(mean, -7.5);
    assert_near(std, 0);
    // Differences that vanish where squares are summed first.
    ae_mean_std((const double[]){1e9 + 1, 1e9 + 2, 1e9 + 3}, 3, &mean, &std);
    assert_near(mean, 1e9 + 2);
    assert_near(std, sqrt(2.0 / 3));
    ae_mean_std(NULL, 0, &mean, &std);
    assert_true(isnan(mean) && isnan(std));
}

static void harmonic_means(void **state) {
    (void)state;
    assert_near(ae_harmonic_mean((const double[]){1, 2, 4}, 3), 12.0 / 7);
    assert_near(ae_harmonic_mean((const double[]){97.5, 81.25, 60}, 3),
                3 / (1 / 97.5 + 1 / 81.25 + 1.0 / 60));
    assert_near(ae_harmonic_mean((const double[]){5}, 1), 5);
    assert_near(ae_harmonic_mean((const double[]){100, 0, 100}, 3), 0);
    assert_true(isnan(ae_harmonic_mean(NULL, 0)));
    assert_true(isnan(ae_harmonic_mean((const double[]){0, -1}, 2)));
    assert_true(isnan(ae_harmonic_mean((const double[]){0, NAN}, 2)));
}

static void bootstrap_brackets_the_mean(void **state) {
    (void)state;
    double low, high, again[2];
    assert_ok(ae_bootstrap_mean((const double[]){3, 3, 3}, 3, 100, 1, &low, &high));
    assert_true(low == 3 && high == 3);
    // Means of two draws from {0, 1} are 0, 1/2 or 1, a quarter of them 0 and a quarter 1.
    assert_ok(ae_bootstrap_mean((const double[]){0, 1}, 2, 1000, 1, &low, &high));
    assert_true(low == 0 && high == 1);
    double values[400];
    for (int i = 0; i < 400; i++)
        values[i] = i % 4 == 0;
    assert_ok(ae_bootstrap_mean(values, 400, 4000, 1, &low, &high));
    // 0.25, of standard error sqrt(0.25 * 0.75 / 400) = 0.02165: 1.96 of them to either side
    assert_true(fabs(low - (0.25 - 0.04243)) < 0.004 && fabs(high - (0.25 + 0.04243)) < 0.004);
    assert_ok(ae_bootstrap_mean(values, 400, 4000, 1, &again[0], &again[1]));
    assert_true(again[0] == low && again[1] == high);
    // One draw: both ends are that draw. Two: 2.5 % and 97.5 % of the way between them.
    assert_ok(ae_bootstrap_mean(values, 7, 1, 5, &low, &high));
    assert_true(low == high);
    double first = low;
    assert_ok(ae_bootstrap_mean(values, 7, 2, 5, &low, &high));
    double second = low + high - first;
    assert_near(high - low, 0.95 * fabs(second - first));
    assert_true(second != first);
    assert_ok(ae_bootstrap_mean(NULL, 0, 10, 1, &low, &high));
    assert_true(isnan(low) && isnan(high));
    low = high = 77;
    assert_fails(ae_bootstrap_mean(values, 4, 0, 1, &low, &high), AE_ERR_ARGUMENT,
                 "a bootstrap needs 1 draw or more, not 0");
    ae_memory_fail_at(1);
    ae_status status = ae_bootstrap_mean(values, 4, 10, 1, &low, &high);
    ae_memory_fail_at(0);
    assert_fails(status, AE_ERR_MEMORY, "out of memory");
    assert_true(low == 77 && high == 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropy_counts_pairs_and_triples),
        cmocka_unit_test(entropy_is_the_mean_of_the_texts),
        cmocka_unit_test(entropy_needs_memory),
        cmocka_unit_test(two_classes_are_scored),
        cmocka_unit_test(invalid_answers_only_cost_recall),
        cmocka_unit_test(odd_lists_are_scored),
        cmocka_unit_test(mean_and_deviation),
        cmocka_unit_test(harmonic_means),
        cmocka_unit_test(bootstrap_brackets_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
