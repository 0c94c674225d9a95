// An edit's numbers: the same bytes each time and with any number of threads; with other instruction sets
// within the bounds of docs/reliability.md.
#include "support.h"
#include "tiny_model.h"

#include <math.h>
#include <unistd.h>

#include "backend/cpu/simd.h"
#include "edit/templates.h"

#define DEMO "data/demo"

enum { N_REQUESTS = 3, MAX_THREADS = 5 };

static const ae_request requests[N_REQUESTS] = {
    {.prompt = "The capital of {} is", .subject = "France", .target_new = "Rome", .target_true = "Paris"},
    {.prompt = "{} is in the town of",
     .subject = "The tall tower",
     .target_new = "Oslo",
     .target_true = "Kyiv"},
    {.prompt = "The mother tongue of {} is",
     .subject = "Ana B",
     .target_new = "Czech",
     .target_true = "Greek"},
};

/* What is computed, by name, for one model. */
typedef struct setting {
    const char *folder;
    const char *moments; // an .npz; NULL: without second moments
    ae_variant variant;
    int n_requests, n_threads;
} setting;

enum { KEY, VALUE, U, RIGHT, DELTA, LOSS, PROBABILITY, N_KINDS };
static const char *const kinds[N_KINDS] = {"key", "value", "u", "right", "delta", "loss", "probability"};

typedef struct outcome {
    double *numbers[N_KINDS * N_REQUESTS]; // [kind of the request]
    size_t n[N_KINDS * N_REQUESTS];
    ae_text said; // greedy continuations, before and after
} outcome;

static void keep_doubles(outcome *o, int kind, const double *x, size_t n) {
    o->numbers[kind] = ae_alloc(n, sizeof *x);
    assert_non_null(o->numbers[kind]);
    memcpy(o->numbers[kind], x, n * sizeof *x);
    o->n[kind] = n;
}

static void keep_floats(outcome *o, int kind, const float *x, int n) {
    double *wide = ae_alloc((size_t)n, sizeof *wide);
    assert_non_null(wide);
    for (int i = 0; i < n; i++)
        wide[i] = (double)x[i];
    o->numbers[kind] = wide;
    o->n[kind] = (size_t)n;
}

static void free_outcome(outcome *o) {
    for (int i = 0; i < N_KINDS * N_REQUESTS; i++)
        ae_free(o->numbers[i]);
    ae_free(o->said.data);
}

static void look(ae_model *m, const ae_request *request, double *probabilities, ae_text *said) {
    ae_measure measure = {0};
    assert_ok(ae_measure_request(m, request, 12, &measure));
    probabilities[0] = measure.target_new;
    probabilities[1] = measure.target_true;
    assert_ok(ae_text_printf(said, "%s|", measure.continuation));
    ae_free(measure.continuation);
}

static outcome compute(const setting *s) {
    static const char *const texts[4] = {"{}", "Then he said. {}", "A {} and more. {}", "In 1990. {}"};
    outcome o = {0};
    ae_model *m = NULL;
    ae_moment *moment = NULL;
    ae_hparams hp;
    ae_edit *edits[N_REQUESTS] = {NULL};
    ae_templates templates = {.count = 4, .text = ae_alloc(4, sizeof(char *))};
    for (int i = 0; i < 4; i++)
        templates.text[i] = ae_strdup(texts[i]);
    assert_ok(ae_templates_finish(&templates));
    assert_ok(ae_model_open(s->folder, &(ae_model_options){.n_threads = s->n_threads}, &m));
    assert_ok(ae_hparams_builtin(m, 0, &hp));
    hp.variant = s->variant;
    hp.mom2_adjustment = s->moments;
    if (s->moments) assert_ok(ae_moment_open(m, 0, &hp, s->moments, 0.01, NULL, &moment));
    const ae_moment *moments[1] = {moment};
    const ae_edit_options options = {
        .hparams = &hp, .templates = &templates, .moments = moment ? moments : NULL};
    assert_ok(ae_edit_compute(m, requests, (size_t)s->n_requests, &options, NULL, edits));
    for (int r = 0; r < s->n_requests; r++) {
        const ae_layer_edit *e = &edits[r]->layers[0];
        double probabilities[4];
        keep_floats(&o, r * N_KINDS + KEY, e->key, e->d_mlp);
        keep_floats(&o, r * N_KINDS + VALUE, e->value, e->d_model);
        keep_floats(&o, r * N_KINDS + U, e->u, e->d_mlp);
        keep_floats(&o, r * N_KINDS + RIGHT, e->right, e->d_model);
        keep_floats(&o, r * N_KINDS + DELTA, e->delta, e->d_model);
        keep_doubles(&o, r * N_KINDS + LOSS, e->loss, (size_t)e->n_steps);
        look(m, &requests[r], probabilities, &o.said);
        assert_ok(ae_edit_apply(m, edits[r]));
        look(m, &requests[r], probabilities + 2, &o.said);
        ae_model_restore(m);
        keep_doubles(&o, r * N_KINDS + PROBABILITY, probabilities, 4);
        ae_edit_free(edits[r]);
    }
    ae_moment_free(moment);
    ae_templates_free(&templates);
    ae_model_free(m);
    return o;
}

/* The largest difference of a kind, relative to the length of what it is a part of; infinite where the
 * numbers of steps differ. */
static double difference(const outcome *a, const outcome *b, int kind) {
    double worst = 0;
    for (int r = 0; r < N_REQUESTS; r++) {
        const int at = r * N_KINDS + kind;
        if (a->n[at] != b->n[at]) return (double)INFINITY;
        double sum = 0, size = 0;
        for (size_t i = 0; i < a->n[at]; i++) {
            const double x = a->numbers[at][i], y = b->numbers[at][i];
            const double d = kind == PROBABILITY && x != y ? (x - y) / fmax(fabs(x), fabs(y)) : x - y;
            sum = kind == PROBABILITY || kind == LOSS ? fmax(sum, d * d) : sum + d * d;
            size = kind == PROBABILITY ? 1 : kind == LOSS ? fmax(size, x * x) : size + x * x;
        }
        if (sum > 0) worst = fmax(worst, sqrt(sum / size));
    }
    return worst;
}

static void assert_same(const outcome *a, const outcome *b, const char *what) {
    for (int i = 0; i < N_KINDS * N_REQUESTS; i++)
        if (a->n[i] != b->n[i] ||
            (a->n[i] > 0 && memcmp(a->numbers[i], b->numbers[i], a->n[i] * sizeof(double)) != 0))
            fail_msg("%s: %s of request %d: not the same bytes (%.2g)", what, kinds[i % N_KINDS], i / N_KINDS,
                     difference(a, b, i % N_KINDS));
    assert_string_equal(a->said.data, b->said.data);
}

// ---- fixtures --------------------------------------------------------------------------------------

/* A copy of the demo model's statistics, since a factor is kept beside them. */
static const char *demo_moments(const char *folder) {
    static const char name[] = "transformer.h.0.mlp.c_proj_float32_mom2.npz";
    char *bytes = NULL;
    size_t length = 0;
    char from[300];
    snprintf(from, sizeof from, DEMO "/stats/demo/text_stats/%s", name);
    assert_ok(ae_file_read(from, (size_t)1 << 28, &bytes, &length));
    const char *path = in_folder(folder, name);
    assert_ok(ae_atomic_write(path, bytes, length));
    ae_free(bytes);
    return path;
}

static void forget_factor(const char *moments) {
    char *path = ae_format("%s.factor-ridge0.01.safetensors", moments);
    assert_int_equal(unlink(path), 0);
    ae_free(path);
}

/* Second moments of a tiny model's keys, collected with so many threads. */
static char *collect(const char *model, const char *folder, int n_threads) {
    ae_model *m = NULL;
    char *path = NULL;
    const char *text = in_folder(folder, "text.txt");
    ae_text lines = {0};
    for (int i = 0; i < 60; i++)
        assert_ok(ae_text_printf(&lines, "The %dth of the tall towers is in the town of Rome.\n", i * 7919));
    assert_ok(ae_folder_make(folder));
    assert_ok(ae_atomic_write(text, lines.data, lines.length));
    ae_free(lines.data);
    assert_ok(ae_model_open(model, &(ae_model_options){.n_threads = n_threads}, &m));
    const ae_collect_options options = {.texts = &text, .n_texts = 1, .output = folder, .restart = true};
    assert_ok(ae_moment_collect(m, &options, NULL, &path));
    ae_model_free(m);
    return path;
}

// ---- tests -----------------------------------------------------------------------------------------

static void tiny_edits_are_the_same_with_any_number_of_threads(void **state) {
    static const ae_dtype dtypes[3] = {AE_F32, AE_F16, AE_BF16};
    for (int model = 0; model < 6; model++) {
        const char *folder = in_folder(*state, "tiny"), *stats = in_folder(*state, "stats");
        assert_int_equal(make_tiny_model(folder, model / 3 ? "gptj" : "gpt2", dtypes[model % 3], 5), 0);
        char *moments = collect(folder, stats, 1), *one = NULL, *again = NULL;
        size_t n = 0, n_again = 0;
        assert_ok(ae_file_read(moments, (size_t)1 << 28, &one, &n));
        for (ae_variant variant = AE_R_ROME; variant <= AE_P_ROME; variant++) {
            setting s = {.folder = folder, .variant = variant, .n_requests = 1, .n_threads = 1};
            if (variant != AE_ROME) s.moments = moments, s.n_requests = N_REQUESTS;
            outcome first = compute(&s);
            for (int t = 2; t < MAX_THREADS; t += 2) {
                s.n_threads = t;
                if (s.moments && t == 2) forget_factor(moments); // 4 threads read what 2 made
                outcome other = compute(&s);
                assert_same(&first, &other, folder);
                free_outcome(&other);
            }
            if (s.moments) forget_factor(moments);
            free_outcome(&first);
        }
        ae_free(moments);
        moments = collect(folder, stats, 3);
        assert_ok(ae_file_read(moments, (size_t)1 << 28, &again, &n_again));
        assert_true(n == n_again && memcmp(one, again, n) == 0);
        ae_free(again);
        ae_free(one);
        ae_free(moments);
        char command[700];
        snprintf(command, sizeof command, "rm -r '%s' '%s'", folder, stats);
        assert_int_equal(system(command), 0);
    }
}

static void the_demo_models_edits_are_the_same_with_any_number_of_threads(void **state) {
    setting s = {.folder = DEMO, .moments = demo_moments(*state), .n_requests = 2, .n_threads = 1};
    outcome first = compute(&s);
    for (int t = 2; t < MAX_THREADS; t++) {
        s.n_threads = t;
        forget_factor(s.moments);
        outcome other = compute(&s);
        assert_same(&first, &other, "demo");
        free_outcome(&other);
        if (getenv("AE_SANITIZED")) break;
    }
    free_outcome(&first);
}

#ifdef AE_SIMD_X86
/* Largest differences measured on the demo model and how much is allowed: rounding of sums in another order
 * is some 1e-7 of a key; twenty steps of Adam, whose first ones divide gradients by their own size, and the
 * division by k·u make more of it. */
static void other_instruction_sets_stay_within_bounds(void **state) {
    static const double bound[N_KINDS] = {[KEY] = 1e-5,   [VALUE] = 1e-5, [U] = 1e-4,          [RIGHT] = 1e-4,
                                          [DELTA] = 1e-4, [LOSS] = 1e-4,  [PROBABILITY] = 1e-3};
    double worst[N_KINDS] = {0};
    setting s = {.folder = DEMO, .moments = demo_moments(*state), .n_requests = 1, .n_threads = 2};
    if (getenv("AE_SANITIZED")) skip();
    for (int variant = 0; variant < 3; variant++) {
        s.variant = (ae_variant)variant;
        outcome first = compute(&s);
        for (int level = AE_SIMD_BASE; level < AE_SIMD_AVX512; level++) {
            ae_simd_most = (ae_simd_level)level;
            outcome other = compute(&s);
            ae_simd_most = AE_SIMD_AVX512;
            for (int kind = 0; kind < N_KINDS; kind++)
                worst[kind] = fmax(worst[kind], difference(&first, &other, kind));
            assert_string_equal(first.said.data, other.said.data);
            free_outcome(&other);
        }
        free_outcome(&first);
    }
    for (int kind = 0; kind < N_KINDS; kind++) {
        printf("%-12s differs by %.1e (bound %.0e)\n", kinds[kind], worst[kind], bound[kind]);
        if (!(worst[kind] <= bound[kind])) fail_msg("%s differs by %g", kinds[kind], worst[kind]);
    }
}
#endif

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_scratch(tiny_edits_are_the_same_with_any_number_of_threads),
        in_scratch(the_demo_models_edits_are_the_same_with_any_number_of_threads),
#ifdef AE_SIMD_X86
        in_scratch(other_instruction_sets_stay_within_bounds),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
