// edit: numbers that are no numbers, wherever they come in or arise: found there, named, and nothing is kept.
#include "support.h"

#include <float.h>
#include <math.h>

#include "aedile/journal.h"
#include "base/random.h"
#include "damaged_model.h"
#include "edit/moment.h"
#include "edit/templates.h"
#include "format/half.h"
#include "format/npz.h"

static const ae_request request = {.prompt = "{} is in the town of",
                                   .subject = "The tall tower",
                                   .target_new = "Rome",
                                   .target_true = "Paris",
                                   .case_id = 1};
enum { LAYER = 1 }; // with one below it and one above

typedef struct bench {
    char *root;
    ae_templates templates;
} bench;

static int set_up(void **state) {
    static bench b;
    memset(&b, 0, sizeof b);
    static const char *const texts[3] = {"{}", "Then he said. {}", "A {} and more. {}"};
    b.templates.count = 3;
    b.templates.text = ae_alloc(3, sizeof(char *));
    for (int i = 0; i < 3; i++)
        b.templates.text[i] = ae_strdup(texts[i]);
    *state = &b;
    if (ae_templates_finish(&b.templates) != AE_OK) return -1;
    return make_scratch_folder((void **)&b.root);
}

static int tear_down(void **state) {
    bench *b = *state;
    ae_templates_free(&b->templates);
    return remove_scratch_folder((void **)&b->root);
}

static void make_in(damaged *p, const bench *b, const char *name, const char *architecture, ae_dtype dtype) {
    assert_int_equal(damaged_make(p, in_folder(b->root, name), architecture, dtype), 0);
}

// Without statistics: those have tests of their own below.
static ae_hparams plain_hparams(const ae_model *m, int layer) {
    ae_hparams hp;
    assert_ok(ae_hparams_builtin(m, layer, &hp));
    hp.mom2_adjustment = false;
    hp.v_num_grad_steps = 4;
    hp.v_weight_decay = 0.01;
    return hp;
}

static ae_status compute(const bench *b, ae_model *m, const ae_hparams *hp, ae_edit **edit) {
    const ae_edit_options options = {.hparams = hp, .templates = &b->templates};
    *edit = NULL;
    return ae_edit_compute(m, &request, 1, &options, NULL, edit);
}

static void all_weights(const ae_model *m, float *out) {
    for (int layer = 0; layer < TINY_LAYERS; layer++)
        assert_ok(ae_model_get_mlp_out(m, layer, out + layer * TINY_D * TINY_MLP));
}

// ---- weights ---------------------------------------------------------------------------------------

static bool is_among(const char *name, const char *const *parts) {
    for (; *parts; parts++)
        if (strstr(name, *parts)) return true;
    return false;
}

// A damaged tensor, and what comes of it.
static void check_edit(const bench *b, const damaged *p, const char *named) {
    ae_model *m = damaged_open(p);
    const ae_hparams hp = plain_hparams(m, LAYER);
    ae_edit *edit;
    const ae_status status = compute(b, m, &hp, &edit);
    if (status != AE_ERR_NUMERIC || edit || !strstr(ae_last_error(), named))
        fail_msg("edit: %s, '%s' does not say '%s'", ae_status_name(status), ae_last_error(), named);
    assert_false(ae_model_is_edited(m));
    ae_model_free(m);
}

static void check_collect(const bench *b, const damaged *p, const char *text, const char *named) {
    ae_model *m = damaged_open(p);
    const char *output = in_folder(b->root, "statistics");
    const ae_collect_options options = {
        .layer = LAYER, .texts = &text, .n_texts = 1, .output = output, .checkpoint_seconds = 1e-9};
    char *path = NULL;
    const ae_status status = ae_moment_collect(m, &options, NULL, &path);
    if (!named) {
        assert_ok(status);
        assert_int_equal(remove(path), 0);
        ae_free(path);
    } else if (status != AE_ERR_NUMERIC || path || !strstr(ae_last_error(), named)) {
        fail_msg("stats: %s, '%s' does not say '%s'", ae_status_name(status), ae_last_error(), named);
    }
    // Neither statistics nor a checkpoint of them: only the folder that they would have come to.
    char **names, *folder = ae_format("%s/gpt2-F32/text_stats", output);
    size_t n_names;
    assert_ok(ae_folder_list(folder, &names, &n_names));
    for (size_t i = 0; i < n_names; i++)
        if (!strstr(names[i], ".lock")) fail_msg("'%s' was written", names[i]);
    ae_folder_list_free(names, n_names);
    ae_free(folder);
    ae_model_free(m);
}

static void a_weight_that_is_no_number_is_named_and_nothing_kept(void **state) {
    const bench *b = *state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    // What keys of layer 1 do not depend on.
    static const char *const above[] = {"h.2.", "ln_f", "h.1.mlp.c_proj", NULL};
    char *text = ae_strdup(write_text(b->root, "text.txt", "the re\nA text.\nthing and on\n"));
    damaged p;
    make_in(&p, b, "weights", "gpt2", AE_F32);
    for (size_t i = 0; i < ae_checkpoint_count(p.model->checkpoint); i++) {
        const ae_tensor *t = ae_checkpoint_at(p.model->checkpoint, i);
        for (int v = 0; v < 3; v++) {
            // Of embeddings the 'e', which stands in every text; else any element.
            const bool tokens = strstr(t->name, "wte") != NULL;
            const int64_t element = tokens ? 'e' * TINY_D + v : ae_tensor_elements(t) - 1;
            if (strstr(t->name, "wpe"))
                continue; // its last row is beyond every text; the first follows below
            char named[120];
            float was;
            snprintf(named, sizeof named, "tensor '%s' holds %g at element %lld", t->name, (double)values[v],
                     (long long)element);
            damaged_poke(&p, t, element, values[v], &was);
            check_edit(b, &p, named);
            check_collect(b, &p, text, is_among(t->name, above) ? NULL : named);
            damaged_poke(&p, t, element, was, NULL);
        }
    }
    // A token that does not occur has a logit all the same: -inf there is no less wrong than NaN.
    for (int v = 0; v < 3; v++) {
        const ae_tensor *t = damaged_tensor(&p, "transformer.wte.weight");
        char named[120];
        float was;
        snprintf(named, sizeof named, "tensor '%s' holds %g at element 2", t->name, (double)values[v]);
        damaged_poke(&p, t, 2, values[v], &was);
        check_edit(b, &p, named);
        check_collect(b, &p, text, NULL);
        damaged_poke(&p, t, 2, was, NULL);
    }
    static const char first[] = "tensor 'transformer.wpe.weight' holds nan at element 3";
    damaged_poke(&p, damaged_tensor(&p, "transformer.wpe.weight"), 3, NAN, NULL);
    check_edit(b, &p, first);
    check_collect(b, &p, text, first);
    ae_free(text);
    damaged_free(&p);
}

// The message says where: of which subject, in which layer, after which.
static void activations_that_are_no_numbers_are_placed(void **state) {
    const bench *b = *state;
    static const struct {
        const char *tensor;
        float factor;
        const char *what, *where;
    } cases[] = {
        {"transformer.h.0.mlp.c_fc.weight", 1e38f, "the key of subject 'The tall tower' at layer 1, element ",
         "(first in the activations after layer 0, at token "},
        {"transformer.h.1.mlp.c_fc.weight", 1e38f, "the key of subject 'The tall tower' at layer 1, element ",
         "(first in the activations after layer 1, at token "},
        {"transformer.h.1.mlp.c_proj.weight", 3e38f,
         "the value of subject 'The tall tower' at layer 1, element ",
         "(first in the activations after layer 1, at token "},
        {"transformer.h.2.attn.c_attn.weight", 1e30f,
         "the loss of the value optimisation of subject 'The tall tower' at layer 1, step 1, is not finite",
         "although all weights of '"},
        {"transformer.ln_f.weight", 1e38f,
         "the loss of the value optimisation of subject 'The tall tower' at layer 1, step 1, is not finite",
         "although all weights of '"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "over-%zu", i);
        damaged p;
        make_in(&p, b, name, "gpt2", AE_F32);
        damaged_scale(&p, cases[i].tensor, cases[i].factor);
        ae_model *m = damaged_open(&p);
        if (ae_model_check_finite(m) != AE_OK) fail_msg("%zu: %s", i, ae_last_error());
        const ae_hparams hp = plain_hparams(m, LAYER);
        ae_edit *edit;
        assert_fails(compute(b, m, &hp, &edit), AE_ERR_NUMERIC, cases[i].what);
        if (!strstr(ae_last_error(), cases[i].where))
            fail_msg("'%s' does not say '%s'", ae_last_error(), cases[i].where);
        assert_null(edit);
        ae_model_free(m);
        damaged_free(&p);
    }
}

// ---- the optimisation ------------------------------------------------------------------------------

// A step so long that delta, which is double, is no float any more; and one whose square is no double.
static void a_step_out_of_range_is_placed(void **state) {
    const bench *b = *state;
    damaged p;
    make_in(&p, b, "steps", "gpt2", AE_F32);
    ae_hparams hp = plain_hparams(p.model, LAYER);
    float before[TINY_LAYERS * TINY_D * TINY_MLP], after[TINY_LAYERS * TINY_D * TINY_MLP];
    all_weights(p.model, before);
    hp.clamp_norm_factor = 1e305;
    static const struct {
        double lr;
        const char *reason;
    } cases[] = {
        {1e60, "the loss of the value optimisation of subject 'The tall tower' at layer 1, step 2, is not"},
        {1e300, "the step of the value optimisation of subject 'The tall tower' at layer 1, step 1, is not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_edit *edit;
        hp.v_lr = cases[i].lr;
        assert_fails(compute(b, p.model, &hp, &edit), AE_ERR_NUMERIC, cases[i].reason);
        assert_null(edit);
    }
    all_weights(p.model, after);
    assert_memory_equal(before, after, sizeof before);
    damaged_free(&p);
}

// Layer 2's norm gives two numbers near the least that a float can be, and its MLP multiplies them by numbers
// near the largest: forward they cancel to something small, backward they come first.
static void a_gradient_that_is_no_number_is_placed_at_its_step(void **state) {
    const bench *b = *state;
    damaged p;
    make_in(&p, b, "gradient", "gpt2", AE_F32);
    damaged_scale(&p, "transformer.h.2.ln_2.weight", 0);
    damaged_scale(&p, "transformer.h.2.ln_2.bias", 0);
    damaged_scale(&p, "transformer.h.2.mlp.c_fc.bias", 0);
    for (int i = 0; i < 2; i++) {
        damaged_poke(&p, damaged_tensor(&p, "transformer.h.2.ln_2.bias"), i, 1.2e-38f, NULL);
        for (int j = 0; j < TINY_MLP; j++)
            damaged_poke(&p, damaged_tensor(&p, "transformer.h.2.mlp.c_fc.weight"), i * TINY_MLP + j,
                         i ? -2.475e38f : 2.5e38f, NULL);
    }
    for (int j = 0; j < TINY_MLP * TINY_D; j++)
        damaged_poke(&p, damaged_tensor(&p, "transformer.h.2.mlp.c_proj.weight"), j, j % TINY_D < 5 ? 1 : -1,
                     NULL);
    ae_model *m = damaged_open(&p);
    assert_ok(ae_model_check_finite(m));
    ae_hparams hp = plain_hparams(m, LAYER);
    ae_edit *edit;
    assert_fails(compute(b, m, &hp, &edit), AE_ERR_NUMERIC,
                 "the gradient of the value optimisation of subject 'The tall tower' at layer 1, step 1, is "
                 "not finite although all weights of '");
    assert_null(edit);
    hp.v_num_grad_steps = 1; // one evaluation, no step: nothing is wrong with the loss
    assert_ok(compute(b, m, &hp, &edit));
    assert_true(isfinite(edit->layers[0].loss[0]));
    ae_edit_free(edit);
    ae_model_free(m);
    damaged_free(&p);
}

// ---- applying --------------------------------------------------------------------------------------

// Edits whose updates reach 1e38: the journal takes them, one by one, the model one of them.
static void edits_that_are_too_large_together_are_refused(void **state) {
    const bench *b = *state;
    damaged p;
    make_in(&p, b, "together", "gpt2", AE_F32);
    ae_model *m = p.model;
    float before[TINY_LAYERS * TINY_D * TINY_MLP], after[TINY_LAYERS * TINY_D * TINY_MLP];
    ae_hparams hp = plain_hparams(m, LAYER);
    hp.n_layers = 2;
    hp.layers[0] = 0;
    hp.layers[1] = 1;
    ae_edit *edit;
    assert_ok(compute(b, m, &hp, &edit));
    for (int l = 0; l < 2; l++) {
        float *u = edit->layers[l].u, *right = edit->layers[l].right;
        memset(u, 0, TINY_MLP * sizeof *u);
        u[3] = 1;
        right[2] = l ? 1e38f : 1;
    }
    ae_journal *journal = NULL;
    int id;
    assert_ok(ae_journal_open(in_folder(b->root, "together-journal"), m, true, false, &journal));
    assert_ok(ae_journal_append(journal, m, edit, &id));
    assert_ok(ae_edit_apply(m, edit));
    all_weights(m, before);
    // Layer 0 would take it, layer 1 does not: neither is changed.
    assert_fails(
        ae_edit_apply(m, edit), AE_ERR_NUMERIC,
        "the edit adds up to 1e+38 to 'transformer.h.1.mlp.c_proj.weight', whose values reach 1e+38");
    all_weights(m, after);
    assert_memory_equal(before, after, sizeof before);
    assert_ok(ae_journal_apply(journal, m));
    assert_ok(ae_journal_append(journal, m, edit, &id));
    assert_fails(ae_journal_apply(journal, m), AE_ERR_NUMERIC,
                 "0002.safetensors' cannot be applied, the model is back at its base: the edit adds up to");
    assert_false(ae_model_is_edited(m));
    assert_ok(ae_journal_revert(journal, 2));
    assert_ok(ae_journal_apply(journal, m));
    all_weights(m, after);
    assert_memory_equal(before, after, sizeof before);
    ae_journal_close(journal);
    ae_edit_free(edit);
    damaged_free(&p);
}

// ---- second moments while they are collected -------------------------------------------------------

// Keys of 1e15 are numbers, and so is the sum of their squares, as a double; the file holds floats.
static void sums_that_leave_the_range_of_the_file_are_found_at_once(void **state) {
    const bench *b = *state;
    ae_text corpus = {0};
    for (int i = 0; i < 300; i++) // a few batches
        assert_ok(ae_text_printf(&corpus, "the re is text %d, and on it goes, and on and on and on\n", i));
    const char *text = write_text(b->root, "long.txt", corpus.data);
    static const struct {
        float factor;
        const char *reason;
    } cases[] = {
        {1e20f, "layer 1: the sum of squares of the keys' entry "}, // of one batch already
        {2e17f, "layer 1: the sum of squares of the keys' entry "}, // of several
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "sums-%zu", i);
        damaged p;
        make_in(&p, b, name, "gpt2", AE_F32);
        damaged_scale(&p, "transformer.h.1.mlp.c_fc.weight", cases[i].factor);
        ae_model *m = damaged_open(&p);
        assert_ok(ae_model_check_finite(m));
        const char *output = in_folder(b->root, name);
        const ae_collect_options options = {
            .layer = LAYER, .texts = &text, .n_texts = 1, .output = output, .checkpoint_seconds = 1e-9};
        char *path = NULL, *checkpoint;
        assert_fails(ae_moment_collect(m, &options, NULL, &path), AE_ERR_NUMERIC, cases[i].reason);
        assert_non_null(strstr(ae_last_error(), "too large for float32"));
        assert_null(path);
        checkpoint = ae_moment_path(output, "gpt2-F32", "text", m, LAYER, "float32", 0);
        assert_false(ae_path_exists(checkpoint));
        ae_free(checkpoint);
        ae_model_free(m);
        damaged_free(&p);
    }
    ae_free(corpus.data);
}

// ---- second moments as they are read ---------------------------------------------------------------

enum { N = 8 };

typedef struct statistics {
    ae_model model;
    ae_hparams hparams;
    kept_warnings kept;
    ae_hooks hooks;
    double sum[N * N], count;
    const char *path;
} statistics;

// Sums of products of keys of `rank` independent entries; the others are sums of these, plus `own` of their
// own.
static void make_statistics(statistics *s, const bench *b, int rank, double own) {
    *s = (statistics){.model = sized_model("gpt2", "owner/tiny", 4, N / 4, 2), .count = 400};
    s->model.info.folder = b->root;
    s->model.info.n_threads = 1;
    assert_ok(ae_hparams_builtin(&s->model, -1, &s->hparams));
    s->path = in_folder(b->root, "own.npz");
    ae_random random = ae_random_stream(5, 0, 0);
    for (int t = 0; t < 400; t++) {
        double key[N];
        for (int i = 0; i < N; i++) {
            key[i] = ae_random_normal(&random);
            for (int j = 0; i >= rank && j < rank; j++)
                key[i] = (j ? key[i] : own * key[i]) + (j + 1) * key[j];
        }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                s->sum[i * N + j] += key[i] * key[j];
    }
    for (int i = 0; i < N * N; i++) // as a file of float32 would hold them, or not
        s->sum[i] = own == 0 ? s->sum[i] : (double)(float)s->sum[i];
}

static ae_status open_statistics(statistics *s, double ridge, ae_moment **out) {
    s->hooks = (ae_hooks){.user = &s->kept, .warn = keep_warning};
    const int64_t samples = 50;
    const ae_npz_array arrays[] = {
        {.name = "mom2.constructor", .text = "util.runningstats.SecondMoment()"},
        {.name = "mom2.count", .dtype = AE_F64, .data = &s->count},
        {.name = "mom2.mom2", .dtype = AE_F64, .n_dim = 2, .shape = {N, N}, .data = s->sum},
        {.name = "sample_size", .dtype = AE_I64, .data = &samples},
    };
    assert_ok(ae_npz_write(s->path, arrays, 4));
    return ae_moment_open(&s->model, 2, &s->hparams, s->path, ridge, &s->hooks, out);
}

static void statistics_that_are_no_numbers_are_named(void **state) {
    const bench *b = *state;
    static const struct {
        int at[2]; // {-1}: the count
        double value;
        ae_status status;
        const char *reason;
    } cases[] = {
        {{0, 0}, NAN, AE_ERR_NUMERIC, "entry [0, 0] of 'mom2.mom2' is nan"},
        {{7, 7}, INFINITY, AE_ERR_NUMERIC, "entry [7, 7] of 'mom2.mom2' is inf"},
        {{3, 3}, -1e-300, AE_ERR_FORMAT, "entry [3, 3] of 'mom2.mom2' is -1e-300"},
        {{3, 3}, 1e200, AE_ERR_NUMERIC, "entry [3, 3] of 'mom2.mom2' is 1e+200"},
        {{0, 7}, NAN, AE_ERR_NUMERIC, "entry [0, 7] of 'mom2.mom2' is nan"},
        {{7, 0}, -INFINITY, AE_ERR_NUMERIC, "entry [7, 0] of 'mom2.mom2' is -inf"},
        {{6, 5}, 1e300, AE_ERR_FORMAT, "is not symmetric: entry [6, 5] is 1e+300"},
        {{2, 1}, 1e4, AE_ERR_FORMAT, "is not symmetric: entry [2, 1] is 10000"},
        {{-1, 0}, NAN, AE_ERR_FORMAT, "array 'mom2.count' is not a number"},
        {{-1, 0}, 0, AE_ERR_FORMAT, "array 'mom2.count' is 0, expected a whole number of 1"},
        {{-1, 0}, -0.0, AE_ERR_FORMAT, "array 'mom2.count' is -0, expected a whole number of 1"},
        {{-1, 0}, -400, AE_ERR_FORMAT, "array 'mom2.count' is -400, expected"},
        {{-1, 0}, 0.5, AE_ERR_FORMAT, "array 'mom2.count' is 0.5, expected"},
        {{-1, 0}, 400.5, AE_ERR_FORMAT, "array 'mom2.count' is 400.5, expected"},
        {{-1, 0}, INFINITY, AE_ERR_FORMAT, "array 'mom2.count' is inf, expected"},
        {{-1, 0}, 1e300, AE_ERR_FORMAT, "array 'mom2.count' is 1e+300, expected"},
        {{-1, 0}, N - 1, AE_ERR_NUMERIC, "fewer tokens than the keys have entries"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        statistics s;
        make_statistics(&s, b, N, 1);
        if (cases[i].at[0] < 0)
            s.count = cases[i].value;
        else
            s.sum[cases[i].at[0] * N + cases[i].at[1]] = cases[i].value;
        ae_moment *moment = NULL;
        assert_fails(open_statistics(&s, 0, &moment), cases[i].status, cases[i].reason);
        assert_non_null(strstr(ae_last_error(), s.path));
        assert_null(moment);
        char *factor = ae_factor_path(s.path, 0);
        assert_false(ae_path_exists(factor));
        ae_free(factor);
    }
    statistics s;
    ae_moment *moment = NULL;
    make_statistics(&s, b, N, 1);
    memset(s.sum, 0, sizeof s.sum);
    for (int ridge = 0; ridge < 2; ridge++) // and a ridge of nothing is nothing
        assert_fails(open_statistics(&s, ridge, &moment), AE_ERR_NUMERIC, "holds nothing but zeros");
}

// Singular though there are tokens enough: the same few over and over.
static void singular_statistics_are_refused_and_doubtful_ones_told_of(void **state) {
    const bench *b = *state;
    static const struct {
        int rank;
        double own;
        ae_status status;
        bool doubtful;
    } cases[] = {
        {N, 1, AE_OK, false},          // sound
        {N - 1, 0, AE_ERR_NUMERIC, 0}, // exactly singular, by one
        {3, 0, AE_ERR_NUMERIC, 0},     // by five
        {1, 0, AE_ERR_NUMERIC, 0},
        {N - 1, 1e-2, AE_OK, false}, // 1e-4 of its square is its own, over what the others are in it
        {N - 1, 2e-3, AE_OK, true},  // less than float32 tells
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        statistics s;
        ae_moment *moment = NULL;
        make_statistics(&s, b, cases[i].rank, cases[i].own);
        const ae_status status = open_statistics(&s, 0, &moment);
        if (status != cases[i].status) fail_msg("%zu: %s, %s", i, ae_status_name(status), ae_last_error());
        if (status != AE_OK) {
            assert_null(moment);
            assert_non_null(strstr(ae_last_error(), "of layer 2 are not positive definite (leading minor"));
            assert_int_equal(s.kept.count, 0);
            assert_ok(open_statistics(&s, 1e-3, &moment)); // a ridge mends it
            assert_int_equal(s.kept.count, 0);
        }
        if (cases[i].doubtful)
            assert_warned(s.kept, 1, "are all but singular");
        else
            assert_int_equal(s.kept.count, 0);
        ae_moment_free(moment);
        for (int ridge = 0; ridge < 2; ridge++) { // one that was refused is not kept
            char *factor = ae_factor_path(s.path, ridge ? 1e-3 : 0);
            assert_int_equal(ae_path_exists(factor), (cases[i].status == AE_OK) != ridge);
            (void)remove(factor);
            ae_free(factor);
        }
    }
}

// A kept factor with a flipped bit is no factor of these statistics: it is made anew, and solves as before.
static void a_damaged_factor_is_made_anew(void **state) {
    const bench *b = *state;
    statistics s;
    ae_moment *moment = NULL;
    make_statistics(&s, b, N, 1);
    assert_ok(open_statistics(&s, 0, &moment));
    double expected[N], x[N];
    for (int i = 0; i < N; i++)
        expected[i] = 1.0 / (i + 1);
    assert_ok(ae_moment_solve(moment, expected));
    ae_moment_free(moment);
    char *path = ae_factor_path(s.path, 0), *bytes;
    size_t length;
    assert_ok(ae_file_read(path, 1 << 20, &bytes, &length));
    const size_t data = length - N * N * sizeof(double);
    const bool all = getenv("AE_TEST_FAULTS") && strcmp(getenv("AE_TEST_FAULTS"), "all") == 0;
    int n = 0;
    for (size_t bit = 8 * data; bit < 8 * length; bit += all ? 1 : 37, n++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_ok(ae_atomic_write(path, bytes, length));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        s.kept = (kept_warnings){0};
        assert_ok(ae_moment_open(&s.model, 2, &s.hparams, s.path, 0, &s.hooks, &moment));
        assert_warned(s.kept, 1, "is not a factor of these statistics, or damaged, and is made anew");
        for (int i = 0; i < N; i++)
            x[i] = 1.0 / (i + 1);
        assert_ok(ae_moment_solve(moment, x));
        assert_memory_equal(x, expected, sizeof x);
        ae_moment_free(moment);
    }
    print_message("%d of %zu bits of a factor flipped, all found\n", n, 8 * (length - data));
    ae_free(bytes);
    ae_free(path);
}

// ---- hyperparameters -------------------------------------------------------------------------------

static void hyperparameters_that_are_no_numbers_are_refused(void **state) {
    const bench *b = *state;
    const ae_model model = sized_model("gpt2", "gpt2-xl", 48, 1600, 17);
    static const struct {
        const char *text;
        ae_status status; // AE_OK: it is fine
        const char *reason;
    } cases[] = {
        {"{\"v_lr\": NaN}", AE_ERR_FORMAT, "is not valid JSON: line 1"},
        {"{\"v_lr\": Infinity}", AE_ERR_FORMAT, "is not valid JSON: line 1"},
        {"{\"v_lr\": -Infinity}", AE_ERR_FORMAT, "is not valid JSON: line 1"},
        {"{\"v_lr\": 1e999}", AE_ERR_FORMAT, "real number overflow"},
        {"{\"kl_factor\": -1e999}", AE_ERR_FORMAT, "real number overflow"},
        {"{\"v_lr\": 1e300}", AE_ERR_FORMAT, "field 'v_lr' is 1e+300, expected 0 to 1e+06"},
        {"{\"v_lr\": -0.0}", AE_ERR_ARGUMENT, "'v_lr' is -0, expected a number above 0"},
        {"{\"clamp_norm_factor\": -0.0}", AE_ERR_ARGUMENT, "'clamp_norm_factor' is -0, expected"},
        {"{\"clamp_norm_factor\": 0}", AE_ERR_ARGUMENT, "'clamp_norm_factor' is 0, expected"},
        {"{\"v_weight_decay\": -1e-320}", AE_ERR_FORMAT, "field 'v_weight_decay' is -9.99989e-321"},
        {"{\"v_num_grad_steps\": 1e999}", AE_ERR_FORMAT, "real number overflow"},
        {"{\"v_num_grad_steps\": 20.0}", AE_ERR_FORMAT, "field 'v_num_grad_steps' is a number"},
        {"{\"v_num_grad_steps\": 99999999999999999999}", AE_ERR_FORMAT, "too big integer"},
        {"{\"mom2_n_samples\": NaN}", AE_ERR_FORMAT, "is not valid JSON"},
        {"{\"v_lr\": 1e-320}", AE_OK, NULL}, // as good a number as any
        {"{\"v_lr\": 1e-999}", AE_ERR_ARGUMENT, "'v_lr' is 0, expected a number above 0"},
        {"{\"v_weight_decay\": -0.0, \"kl_factor\": -0.0}", AE_OK, NULL}, // no different from 0
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_text(b->root, "hparams.json", cases[i].text);
        ae_hparams h;
        const ae_status status = ae_hparams_load(path, &model, NULL, &h);
        if (status != cases[i].status) fail_msg("%s: %s", cases[i].text, status ? ae_last_error() : "taken");
        if (status != AE_OK && (!strstr(ae_last_error(), cases[i].reason) || !strstr(ae_last_error(), path)))
            fail_msg("'%s' does not say '%s'", ae_last_error(), cases[i].reason);
    }
}

static void hyperparameters_are_checked_before_anything_is_computed(void **state) {
    const bench *b = *state;
    damaged p;
    make_in(&p, b, "hparams", "gpt2", AE_F32);
    static const double bad[] = {NAN, INFINITY, -INFINITY, -1};
    static const struct {
        const char *name;
        size_t at;
    } fields[] = {{"v_lr", offsetof(ae_hparams, v_lr)},
                  {"v_weight_decay", offsetof(ae_hparams, v_weight_decay)},
                  {"clamp_norm_factor", offsetof(ae_hparams, clamp_norm_factor)},
                  {"kl_factor", offsetof(ae_hparams, kl_factor)}};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t v = 0; v < sizeof bad / sizeof *bad; v++) {
            ae_hparams hp = plain_hparams(p.model, LAYER);
            char reason[64];
            ae_edit *edit;
            memcpy((char *)&hp + fields[f].at, &bad[v], sizeof(double));
            snprintf(reason, sizeof reason, "'%s' is %g, expected a number", fields[f].name, bad[v]);
            assert_fails(compute(b, p.model, &hp, &edit), AE_ERR_ARGUMENT, reason);
            assert_null(edit);
        }
    damaged_free(&p);
}

// ---- the journal's figures -------------------------------------------------------------------------

// Each vector and figure of an edit, made no number: named, no file, the journal as it was.
static void no_entry_holds_what_is_no_number(void **state) {
    const bench *b = *state;
    damaged p;
    make_in(&p, b, "entry", "gpt2", AE_F32);
    const ae_hparams hp = plain_hparams(p.model, LAYER);
    const char *folder = in_folder(b->root, "entry-journal");
    ae_edit *edit;
    ae_journal *journal = NULL;
    assert_ok(compute(b, p.model, &hp, &edit));
    assert_ok(ae_journal_open(folder, p.model, true, false, &journal));
    ae_layer_edit *l = &edit->layers[0];
    const struct {
        const char *name;
        float *narrow; // either a float
        double *wide;  // or a double
    } fields[] = {
        {"'u' holds", &l->u[1], NULL},
        {"'right' holds", &l->right[1], NULL},
        {"'delta' holds", &l->delta[1], NULL},
        {"'key_u' holds", &l->key_u[1], NULL},
        {"'key' holds", &l->key[1], NULL},
        {"'value' holds", &l->value[1], NULL},
        {"'target_init' holds", &l->target_init[1], NULL},
        {"'loss' holds", NULL, &l->loss[1]},
        {"'nll' holds", NULL, &l->nll[1]},
        {"'kl' holds", NULL, &l->kl[1]},
        {"'decay' holds", NULL, &l->decay[1]},
        {"'k_dot_u' is", NULL, &l->k_dot_u},
        {"'update_norm' is", NULL, &l->update_norm},
        {"'weight_norm' is", NULL, &l->weight_norm},
        {"'delta_norm' is", NULL, &l->delta_norm},
        {"'target_init_norm' is", NULL, &l->target_init_norm},
        {"'v_lr' is", NULL, &edit->hparams.v_lr},
        {"'v_weight_decay' is", NULL, &edit->hparams.v_weight_decay},
        {"'clamp_norm_factor' is", NULL, &edit->hparams.clamp_norm_factor},
        {"'kl_factor' is", NULL, &edit->hparams.kl_factor},
        {"'keys' is", NULL, &edit->seconds_keys},
        {"'solve' is", NULL, &edit->seconds_solve},
        {"'optimise' is", NULL, &edit->seconds_optimise},
        {"'update' is", NULL, &edit->seconds_update},
        {"'target_new' is", NULL, &edit->before.target_new}, // of measures, NaN says "not measured"
        {"'target_true' is", NULL, &edit->after.target_true},
    };
    static const double values[] = {INFINITY, -INFINITY, NAN};
    int id = 77;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (int v = 0;
             v < (strstr(fields[i].name, "target_new") || strstr(fields[i].name, "target_true") ? 2 : 3);
             v++) {
            const float narrow = fields[i].narrow ? *fields[i].narrow : 0;
            const double wide = fields[i].wide ? *fields[i].wide : 0;
            if (fields[i].narrow) *fields[i].narrow = (float)values[v];
            if (fields[i].wide) *fields[i].wide = values[v];
            assert_fails(ae_journal_append(journal, p.model, edit, &id), AE_ERR_NUMERIC, fields[i].name);
            if (fields[i].narrow) *fields[i].narrow = narrow;
            if (fields[i].wide) *fields[i].wide = wide;
        }
    assert_int_equal(id, 77);
    assert_int_equal(ae_journal_count(journal), 0);
    char **names;
    size_t n_names;
    assert_ok(ae_folder_list(folder, &names, &n_names));
    assert_int_equal(n_names, 2); // journal.json, lock
    ae_folder_list_free(names, n_names);
    // Numbers of any size come back as they were.
    static const double fine[] = {-0.0, 5e-324, DBL_MAX, -DBL_MIN};
    for (size_t v = 0; v < sizeof fine / sizeof *fine; v++) {
        ae_journal_entry entry;
        l->k_dot_u = edit->after.target_new = fine[v];
        l->key[2] = (float)ldexp(v % 2 ? -1 : 1, -149); // the least float
        assert_ok(ae_journal_append(journal, p.model, edit, &id));
        assert_ok(ae_journal_get(journal, v, &entry));
        assert_memory_equal(&entry.edit->layers[0].k_dot_u, &fine[v], sizeof fine[v]);
        assert_memory_equal(&entry.edit->after.target_new, &fine[v], sizeof fine[v]);
        assert_true(entry.edit->layers[0].key[2] == l->key[2]);
    }
    ae_journal_close(journal);
    ae_edit_free(edit);
    damaged_free(&p);
}

// ---- export ----------------------------------------------------------------------------------------

// u picks entry 3 of the key, right changes element 2 of the output: of GPT-2's matrix element 3 * 16 + 2.
static void change_one(ae_model *m, float by) {
    const float u[TINY_MLP] = {[3] = 1}, right[TINY_D] = {[2] = by};
    assert_ok(ae_model_add_rank_one(m, LAYER, u, right));
}

static void values_that_16_bits_cannot_hold_are_not_exported(void **state) {
    const bench *b = *state;
    static const struct {
        ae_dtype dtype;
        float by;
        const char *reason; // NULL: it can be exported
    } cases[] = {
        {AE_F16, 65000, NULL},
        {AE_F16, 65521, "at element 50 is too large for F16"},
        {AE_F16, -1e30f, "at element 50 is too large for F16"},
        {AE_BF16, 1e38f, NULL},
        {AE_BF16, 3.4e38f, "at element 50 is too large for BF16"}, // it is below FLT_MAX
        {AE_BF16, -3.4e38f, "at element 50 is too large for BF16"},
        {AE_F32, 3.4e38f, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32], output[40];
        snprintf(name, sizeof name, "export-%zu", i);
        snprintf(output, sizeof output, "export-%zu-out", i);
        damaged p;
        make_in(&p, b, name, "gpt2", cases[i].dtype);
        change_one(p.model, cases[i].by);
        double error = 77;
        const char *path = in_folder(b->root, output);
        const ae_status status = ae_export_hf(p.model, path, NULL, &error);
        if (!cases[i].reason) {
            assert_ok(status);
            assert_true(error < 1e36);
        } else {
            assert_fails(status, AE_ERR_NUMERIC, cases[i].reason);
            assert_non_null(strstr(ae_last_error(), "tensor 'transformer.h.1.mlp.c_proj.weight'"));
            assert_non_null(strstr(ae_last_error(), "nothing was written"));
            assert_true(error == 77);
            assert_false(ae_path_exists(path));
        }
        damaged_free(&p);
    }
}

// What is no number in memory is not exported; in a tensor that no edit touches it is copied as it stands, as
// every byte of the base is: the export adds no damage, and hides none.
static void an_export_copies_what_it_does_not_change(void **state) {
    const bench *b = *state;
    damaged p;
    make_in(&p, b, "copy", "gpt2", AE_F16);
    damaged_poke(&p, damaged_tensor(&p, "transformer.h.0.attn.c_proj.weight"), 9, NAN, NULL);
    ae_model *m = damaged_open(&p), *exported = NULL;
    change_one(m, 0.5f);
    const char *output = in_folder(b->root, "copy-out");
    assert_ok(ae_export_hf(m, output, NULL, NULL));
    assert_ok(ae_model_open(output, NULL, &exported));
    assert_fails(ae_model_check_finite(exported), AE_ERR_NUMERIC,
                 "tensor 'transformer.h.0.attn.c_proj.weight' holds nan at element 9");
    ae_model_free(exported);
    m->layers[LAYER].edited[50] = NAN;
    output = in_folder(b->root, "copy-out-2");
    assert_fails(ae_export_hf(m, output, NULL, NULL), AE_ERR_NUMERIC,
                 "tensor 'transformer.h.1.mlp.c_proj.weight' holds nan at element 50");
    assert_false(ae_path_exists(output));
    ae_model_free(m);
    damaged_free(&p);
}

// An update that is small beside the steps of 16-bit numbers is rounded away: somebody should know.
static void an_update_that_rounding_takes_away_is_told_of(void **state) {
    const bench *b = *state;
    static const struct {
        ae_dtype dtype;
        float by;
        const char *warning; // NULL: none
    } cases[] = {
        {AE_BF16, 1e-6f, "only 0% of the edits' effect on it remains"},
        {AE_F16, 1e-7f, "only 0% of the edits' effect on it remains"},
        {AE_BF16, 1, NULL},
        {AE_F16, 0.01f, NULL},
        {AE_F32, 1e-7f, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32], output[40];
        snprintf(name, sizeof name, "small-%zu", i);
        snprintf(output, sizeof output, "small-%zu-out", i);
        damaged p;
        kept_warnings kept = {0};
        const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
        make_in(&p, b, name, "gpt2", cases[i].dtype);
        change_one(p.model, cases[i].by);
        assert_ok(ae_export_hf(p.model, in_folder(b->root, output), &hooks, NULL));
        if (cases[i].warning) {
            assert_warned(kept, 1, cases[i].warning);
            assert_non_null(strstr(kept.text, "tensor 'transformer.h.1.mlp.c_proj.weight': rounded to "));
            assert_non_null(strstr(kept.text, ae_dtype_name(cases[i].dtype)));
        } else {
            assert_int_equal(kept.count, 0);
        }
        damaged_free(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_that_is_no_number_is_named_and_nothing_kept),
        cmocka_unit_test(activations_that_are_no_numbers_are_placed),
        cmocka_unit_test(a_step_out_of_range_is_placed),
        cmocka_unit_test(a_gradient_that_is_no_number_is_placed_at_its_step),
        cmocka_unit_test(edits_that_are_too_large_together_are_refused),
        cmocka_unit_test(sums_that_leave_the_range_of_the_file_are_found_at_once),
        cmocka_unit_test(statistics_that_are_no_numbers_are_named),
        cmocka_unit_test(singular_statistics_are_refused_and_doubtful_ones_told_of),
        cmocka_unit_test(a_damaged_factor_is_made_anew),
        cmocka_unit_test(hyperparameters_that_are_no_numbers_are_refused),
        cmocka_unit_test(hyperparameters_are_checked_before_anything_is_computed),
        cmocka_unit_test(no_entry_holds_what_is_no_number),
        cmocka_unit_test(values_that_16_bits_cannot_hold_are_not_exported),
        cmocka_unit_test(an_export_copies_what_it_does_not_change),
        cmocka_unit_test(an_update_that_rounding_takes_away_is_told_of),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
