// eval/guard: which edits are out of line, and what is said of them.
#include "test.h"

#include <math.h>

#include "eval/guard.h"

static double falling[] = {3, 2, 1}, rising[] = {1, 2, 1.5}, broken[] = {3, NAN, 1};

static ae_layer_figures sound(void) {
    return (ae_layer_figures){.layer = 7,
                              .n_elements = 100,
                              .k_dot_u = 2,
                              .update_norm = 1,
                              .weight_norm = 50,
                              .delta_norm = 3,
                              .target_init_norm = 4,
                              .n_steps = 3,
                              .loss = falling};
}

static void add(ae_guard_history *history, ae_layer_figures layer) {
    assert_ok(ae_guard_add(history, &(ae_edit_figures){.layers = &layer, .n_layers = 1}));
}

/* The flag of an edit of one layer; "": none. */
static const char *flag_of(const ae_guard_history *history, ae_layer_figures layer) {
    static char flag[AE_FLAG_TEXT];
    strcpy(flag, "left from before");
    const bool flagged =
        ae_guard_check_edit(history, &(ae_edit_figures){.layers = &layer, .n_layers = 1}, flag);
    assert_int_equal(flagged, flag[0] != '\0');
    return flag;
}

#define FLAG(history, expected, ...)                                                                         \
    do {                                                                                                     \
        ae_layer_figures layer_ = sound();                                                                   \
        __VA_ARGS__;                                                                                         \
        assert_string_equal(flag_of(history, layer_), expected);                                             \
    } while (0)

/* Norms 0.8, 1.2, 0.9, 1.1, 1.0 and k·u twice that, in an order that is not sorted: medians 1 and 2. */
static ae_guard_history *five_edits(void) {
    static const double norms[] = {0.8, 1.2, 0.9, 1.1, 1.0};
    ae_guard_history *history = NULL;
    assert_ok(ae_guard_new(&history));
    for (int i = 0; i < 5; i++) {
        ae_layer_figures layer = sound();
        layer.update_norm = norms[i];
        layer.k_dot_u = 2 * norms[i];
        add(history, layer);
    }
    return history;
}

static void sound_edits_are_not_flagged(void **state) {
    (void)state;
    ae_guard_history *empty = NULL, *history = five_edits();
    assert_ok(ae_guard_new(&empty));
    FLAG(empty, "", (void)layer_);
    FLAG(history, "", (void)layer_);
    FLAG(history, "", layer_.n_steps = 0); // no optimisation at all
    FLAG(history, "", layer_.n_steps = 1); // it stopped where it began
    ae_guard_free(empty);
    ae_guard_free(history);
    ae_guard_free(NULL);
}

static void norms_are_held_against_the_median(void **state) {
    (void)state;
    ae_guard_history *history = five_edits();
    FLAG(history, "", layer_.update_norm = 10); // ten times is not more than ten times
    FLAG(history,
         "update norm 10.01 is 10.0 times the median of the 5 edits before, 1 (bound 10), at layer 7",
         layer_.update_norm = 10.01);
    FLAG(history, "", layer_.update_norm = 0);
    // Another layer has a history of its own, and it is empty.
    FLAG(history, "", layer_.update_norm = 10.01; layer_.layer = 8);
    // An even number of edits: the mean of the two in the middle, 1 and 1.1.
    ae_layer_figures seventh = sound();
    seventh.update_norm = 1.15;
    add(history, seventh);
    FLAG(history, "", layer_.update_norm = 10.5);
    FLAG(history,
         "update norm 10.51 is 10.0 times the median of the 6 edits before, 1.05 (bound 10), at layer 7",
         layer_.update_norm = 10.51);
    ae_guard_free(history);
}

static void there_must_be_enough_edits_for_a_median(void **state) {
    (void)state;
    ae_guard_history *history = NULL;
    assert_ok(ae_guard_new(&history));
    for (int i = 0; i < AE_GUARD_ENOUGH; i++) {
        FLAG(history, "", layer_.update_norm = 49; layer_.k_dot_u = 0.001);
        add(history, sound());
    }
    FLAG(history,
         "update norm 49 is 49.0 times the median of the 5 edits before, 1 (bound 10), at layer 7; k·u 0.001 "
         "is 0.001 "
         "of the median of the 5 edits before, 2 (bound 0.1), at layer 7",
         layer_.update_norm = 49;
         layer_.k_dot_u = 0.001);
    ae_guard_free(history);
}

static void an_update_must_not_outweigh_the_matrix(void **state) {
    (void)state;
    ae_guard_history *empty = NULL;
    assert_ok(ae_guard_new(&empty));
    FLAG(empty, "", layer_.update_norm = 50);
    FLAG(empty, "update norm 50.5 is larger than the matrix's own, 50, at layer 7",
         layer_.update_norm = 50.5);
    ae_guard_free(empty);
}

static void k_dot_u_must_be_positive_and_not_tiny(void **state) {
    (void)state;
    ae_guard_history *history = five_edits();
    FLAG(history, "", layer_.k_dot_u = 0.2);
    FLAG(history, "k·u 0.19 is 0.095 of the median of the 5 edits before, 2 (bound 0.1), at layer 7",
         layer_.k_dot_u = 0.19);
    FLAG(history, "k·u is 0, not positive, at layer 7", layer_.k_dot_u = 0);
    FLAG(history, "k·u is -3, not positive, at layer 7", layer_.k_dot_u = -3);
    ae_guard_free(history);
}

static void the_loss_must_not_rise(void **state) {
    (void)state;
    ae_guard_history *history = five_edits();
    FLAG(history, "the loss rose from 1 to 1.5 at layer 7", layer_.loss = rising);
    FLAG(history, "", layer_.loss = rising; layer_.n_steps = 1);
    ae_guard_free(history);
}

static void figures_must_be_finite(void **state) {
    (void)state;
    ae_guard_history *history = five_edits();
    FLAG(history, "k·u is not finite at layer 7", layer_.k_dot_u = NAN);
    FLAG(history, "the update's norm is not finite at layer 7", layer_.update_norm = INFINITY);
    FLAG(history, "the matrix's norm is not finite at layer 7", layer_.weight_norm = NAN);
    FLAG(history, "the norm of delta is not finite at layer 7", layer_.delta_norm = NAN);
    FLAG(history, "the norm of target_init is not finite at layer 7", layer_.target_init_norm = NAN);
    FLAG(history, "the loss is not finite at layer 7", layer_.loss = broken);
    // One that is kept all the same does not spoil the median.
    ae_layer_figures unfit = sound();
    unfit.update_norm = NAN;
    for (int i = 0; i < 20; i++)
        add(history, unfit);
    FLAG(history, "", layer_.update_norm = 10);
    ae_guard_free(history);
}

static void every_layer_is_looked_at(void **state) {
    (void)state;
    ae_guard_history *empty = NULL;
    assert_ok(ae_guard_new(&empty));
    ae_layer_figures layers[3] = {sound(), sound(), sound()};
    layers[0].layer = 3;
    layers[0].k_dot_u = -1;
    layers[2].layer = 9;
    layers[2].loss = rising;
    char flag[AE_FLAG_TEXT];
    assert_true(ae_guard_check_edit(empty, &(ae_edit_figures){.layers = layers, .n_layers = 3}, flag));
    assert_string_equal(flag, "k·u is -1, not positive, at layer 3; the loss rose from 1 to 1.5 at layer 9");
    ae_guard_free(empty);
}

static void many_flags_fit_as_far_as_they_go(void **state) {
    (void)state;
    ae_guard_history *empty = NULL;
    assert_ok(ae_guard_new(&empty));
    ae_layer_figures layers[AE_MAX_EDIT_LAYERS];
    for (int i = 0; i < AE_MAX_EDIT_LAYERS; i++) {
        layers[i] = sound();
        layers[i].layer = i;
        layers[i].k_dot_u = -1;
    }
    char flag[AE_FLAG_TEXT];
    const ae_edit_figures figures = {.layers = layers, .n_layers = AE_MAX_EDIT_LAYERS};
    assert_true(ae_guard_check_edit(empty, &figures, flag));
    assert_true(strlen(flag) > 400 && strlen(flag) < AE_FLAG_TEXT);
    assert_ok(ae_guard_add(empty, &figures));
    ae_layer_figures one_more = sound();
    one_more.layer = AE_MAX_EDIT_LAYERS;
    assert_fails(ae_guard_add(empty, &(ae_edit_figures){.layers = &one_more, .n_layers = 1}), AE_ERR_INTERNAL,
                 "more than 16 layers");
    ae_guard_free(empty);
}

static void perplexity_must_not_double(void **state) {
    (void)state;
    ae_guard_history *history = NULL;
    char flag[AE_FLAG_TEXT] = "";
    assert_ok(ae_guard_new(&history));
    assert_false(ae_guard_check_perplexity(history, 1e9, flag)); // nothing to hold it against
    assert_true(ae_guard_check_perplexity(history, INFINITY, flag));
    assert_string_equal(flag, "perplexity is not finite");
    ae_guard_note_base_perplexity(history, 20);
    ae_guard_note_base_perplexity(history, NAN); // is not noted
    flag[0] = '\0';
    assert_false(ae_guard_check_perplexity(history, 40, flag));
    assert_string_equal(flag, "");
    assert_true(ae_guard_check_perplexity(history, 41, flag));
    assert_string_equal(flag, "perplexity 41 is 2.0 times the unedited model's, 20 (bound 2)");
    ae_guard_note_perplexity(history, 15);
    ae_guard_note_perplexity(history, INFINITY);
    strcpy(flag, "before");
    assert_true(ae_guard_check_perplexity(history, 31, flag));
    assert_string_equal(flag, "before; perplexity 31 is 2.1 times the last one, 15 (bound 2)");
    ae_guard_note_perplexity(history, 30);
    flag[0] = '\0';
    assert_true(ae_guard_check_perplexity(history, 50, flag)); // it creeps up, and is too high all the same
    assert_string_equal(flag, "perplexity 50 is 2.5 times the unedited model's, 20 (bound 2)");
    ae_guard_free(history);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_edits_are_not_flagged),
        cmocka_unit_test(norms_are_held_against_the_median),
        cmocka_unit_test(there_must_be_enough_edits_for_a_median),
        cmocka_unit_test(an_update_must_not_outweigh_the_matrix),
        cmocka_unit_test(k_dot_u_must_be_positive_and_not_tiny),
        cmocka_unit_test(the_loss_must_not_rise),
        cmocka_unit_test(figures_must_be_finite),
        cmocka_unit_test(every_layer_is_looked_at),
        cmocka_unit_test(many_flags_fit_as_far_as_they_go),
        cmocka_unit_test(perplexity_must_not_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
