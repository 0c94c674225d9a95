// Everything an edit computes, against golden data from transformers and a plain PyTorch computation in
// double (tools/golden/README.md). Tolerances: 1e-3 relative on vectors, 1e-4 on losses, 2e-4 absolute on
// logits.
#include "test.h"
#include "plain_logits.h"

#include <math.h>
#include <unistd.h>

#include "aedile/edit.h"
#include "base/file.h"
#include "base/json.h"
#include "edit/text.h"
#include "format/safetensors.h"
#include "model/generate.h"

// The last is a small one with few cases, for what the others do not show.
static const char *const names[] = {"gpt2-a", "gpt2-b", "gptj-a", "gptj-b", "gpt2-c"};
enum { N_MODELS = sizeof names / sizeof *names, N_FULL = N_MODELS - 1 };
static const double VECTOR_TOLERANCE = 1e-3, LOSS_TOLERANCE = 1e-4, LOGIT_TOLERANCE = 2e-4;

typedef struct golden {
    char folder[300], *stats;
    json_t *json;
    ae_safetensors *tensors;
    ae_model *model;
    ae_templates templates;
} golden;

typedef struct fixture {
    void *scratch;
    golden models[N_MODELS];
} fixture;

// Worst deviation of each quantity over all cases, for the closing table.
static const char *const quantities[] = {"key_u",   "u",      "key",   "value", "target_init", "right",
                                         "delta",   "dw",     "loss",  "nll",   "kl",          "decay",
                                         "k_dot_u", "logits", "score", "w"};
enum { N_QUANTITIES = sizeof quantities / sizeof *quantities };
static double worst[N_QUANTITIES];
static int count[N_QUANTITIES];

static void note(const char *quantity, double error, double tolerance, const char *where) {
    for (size_t i = 0; i < N_QUANTITIES; i++)
        if (strcmp(quantities[i], quantity) == 0) {
            worst[i] = fmax(worst[i], error);
            count[i]++;
        }
    if (!(error <= tolerance))
        fail_msg("%s: %s is off by %.2e, at most %.0e is allowed", where, quantity, error, tolerance);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (!f || make_scratch_folder(&f->scratch) != 0) return -1;
    for (int i = 0; i < N_MODELS; i++) {
        golden *g = &f->models[i];
        snprintf(g->folder, sizeof g->folder, "tests/golden/%s", names[i]);
        // The factor of C is kept beside the statistics: work on a copy.
        char command[900], path[400];
        snprintf(command, sizeof command, "cp -r '%s/stats' '%s/%s'", g->folder, (char *)f->scratch,
                 names[i]);
        if (system(command) != 0) return -1;
        g->stats = ae_path_join(f->scratch, names[i]);
        snprintf(path, sizeof path, "%s/golden.json", g->folder);
        const ae_model_options options = {.n_threads = 2};
        ae_status status = ae_json_load(path, 64 << 20, &g->json);
        snprintf(path, sizeof path, "%s/golden.safetensors", g->folder);
        if (status == AE_OK) status = ae_safetensors_open(path, &g->tensors);
        if (status == AE_OK) status = ae_model_open(g->folder, &options, &g->model);
        snprintf(path, sizeof path, "%s/templates.json", g->folder);
        if (status == AE_OK) status = ae_templates_load(path, &g->templates);
        if (status != AE_OK) {
            print_error("%s\n", ae_last_error());
            return -1;
        }
    }
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    print_message("golden: worst deviation (cases)\n");
    for (size_t i = 0; i < N_QUANTITIES; i++)
        print_message("  %-12s %.1e  (%d)\n", quantities[i], worst[i], count[i]);
    for (int i = 0; i < N_MODELS; i++) {
        golden *g = &f->models[i];
        ae_templates_free(&g->templates);
        ae_model_free(g->model);
        ae_safetensors_close(g->tensors);
        json_decref(g->json);
        ae_free(g->stats);
    }
    void *scratch = f->scratch;
    free(f);
    return remove_scratch_folder(&scratch);
}

// ---- reading the data ------------------------------------------------------------------------------

static const char *text_of(const json_t *object, const char *field) {
    const char *text = json_string_value(json_object_get(object, field));
    if (!text) fail_msg("golden.json lacks '%s'", field);
    return text;
}

static const ae_tensor *tensor(const golden *g, const char *prefix, const char *name, ae_dtype dtype,
                               int64_t n) {
    char full[200];
    snprintf(full, sizeof full, "%s/%s", prefix, name);
    const ae_tensor *t = ae_safetensors_find(g->tensors, full);
    if (!t || t->dtype != dtype || ae_tensor_elements(t) != n)
        fail_msg("'%s' of %s is not there, or not %lld elements of %s", full, g->folder, (long long)n,
                 ae_dtype_name(dtype));
    return t;
}

// ‖a - b‖ / ‖b‖, or ‖a‖ where b is zero
static double relative(const float *a, const float *b, int64_t n) {
    double off = 0, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        scale += (double)b[i] * (double)b[i];
    }
    return scale > 0 ? sqrt(off / scale) : sqrt(off);
}

static void check_vector(const golden *g, const char *prefix, const char *name, const float *ours,
                         int64_t n) {
    note(name, relative(ours, tensor(g, prefix, name, AE_F32, n)->data, n), VECTOR_TOLERANCE, prefix);
}

static void check_trace(const golden *g, const char *prefix, const char *name, const double *ours, int n) {
    const double *expected = tensor(g, prefix, name, AE_F64, n)->data;
    for (int i = 0; i < n; i++)
        note(name, fabs(ours[i] - expected[i]) / fmax(1, fabs(expected[i])), LOSS_TOLERANCE, prefix);
}

static void check_layer(const golden *g, const char *prefix, const json_t *scalars, const ae_layer_edit *e) {
    if (e->n_steps != json_integer_value(json_object_get(scalars, "n_steps")))
        fail_msg("%s: %d evaluations of the loss", prefix, e->n_steps);
    check_vector(g, prefix, "key_u", e->key_u, e->d_mlp);
    check_vector(g, prefix, "u", e->u, e->d_mlp);
    check_vector(g, prefix, "key", e->key, e->d_mlp);
    check_vector(g, prefix, "value", e->value, e->d_model);
    check_vector(g, prefix, "target_init", e->target_init, e->d_model);
    check_trace(g, prefix, "loss", e->loss, e->n_steps);
    check_trace(g, prefix, "nll", e->nll, e->n_steps);
    check_trace(g, prefix, "kl", e->kl, e->n_steps);
    check_trace(g, prefix, "decay", e->decay, e->n_steps);
    check_vector(g, prefix, "delta", e->delta, e->d_model);
    check_vector(g, prefix, "right", e->right, e->d_model);
    const double k_dot_u = json_number_value(json_object_get(scalars, "k_dot_u"));
    note("k_dot_u", fabs(e->k_dot_u - k_dot_u) / fabs(k_dot_u), VECTOR_TOLERANCE, prefix);
    const double update_norm = json_number_value(json_object_get(scalars, "update_norm"));
    assert_true(fabs(e->update_norm - update_norm) <= VECTOR_TOLERANCE * update_norm);
    const double delta_norm = json_number_value(json_object_get(scalars, "delta_norm"));
    assert_true(fabs(e->delta_norm - delta_norm) <= VECTOR_TOLERANCE * delta_norm);
}

// ---- the model -------------------------------------------------------------------------------------

static void logits_are_those_of_transformers(void **state) {
    fixture *f = *state;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        ae_model *m = g->model;
        const int32_t n_vocab = m->config.n_vocab;
        const ae_tensor *columns = ae_safetensors_find(g->tensors, "logits/columns");
        assert_non_null(columns);
        const int64_t n_columns = ae_tensor_elements(columns);
        assert_true(n_columns >= 32);
        const json_t *texts = json_object_get(g->json, "logits");
        assert_true(json_array_size(texts) >= 4);
        for (size_t t = 0; t < json_array_size(texts); t++) {
            const json_t *entry = json_array_get(texts, t);
            const char *text = text_of(entry, "text");
            const json_t *expected_ids = json_object_get(entry, "ids");
            const int32_t n = (int32_t)json_array_size(expected_ids);
            int32_t *ids;
            size_t n_ids;
            assert_ok(ae_encode(m, text, strlen(text), &ids, &n_ids));
            assert_true((int32_t)n_ids >= n); // the data is cut at the context's length
            for (int32_t j = 0; j < n; j++)
                assert_int_equal(ids[j], json_integer_value(json_array_get(expected_ids, (size_t)j)));
            float *logits = plain_logits(m, ids, n);
            char name[32];
            snprintf(name, sizeof name, "%zu", t);
            const float *expected = tensor(g, "logits", name, AE_F32, n * n_columns)->data;
            snprintf(name, sizeof name, "%zu/logsumexp", t);
            const double *expected_sum = tensor(g, "logits", name, AE_F64, n)->data;
            for (int32_t j = 0; j < n; j++) {
                const float *row = logits + (int64_t)j * n_vocab;
                for (int64_t c = 0; c < n_columns; c++) {
                    const float ours = row[((const int32_t *)columns->data)[c]];
                    note("logits", fabs((double)ours - (double)expected[j * n_columns + c]), LOGIT_TOLERANCE,
                         g->folder);
                }
                double sum = 0;
                for (int32_t v = 0; v < n_vocab; v++)
                    sum += exp((double)row[v]);
                note("logits", fabs(log(sum) - expected_sum[j]), LOGIT_TOLERANCE, g->folder);
            }
            m->backend->release(m->backend, logits);
            ae_free(ids);
        }
    }
}

static void greedy_continuations_are_the_same(void **state) {
    fixture *f = *state;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *list = json_object_get(g->json, "generate");
        assert_true(json_array_size(list) >= 3);
        for (size_t t = 0; t < json_array_size(list); t++) {
            const json_t *entry = json_array_get(list, t);
            ae_generate_options options = ae_generate_defaults();
            options.max_tokens = (int)json_array_size(json_object_get(entry, "ids"));
            options.ignore_end = true;
            // By ids: where transformers drops ids that the tokenizer has no name for, we write U+FFFD.
            int32_t ids[64];
            assert_in_range(options.max_tokens, 1, 64);
            for (int j = 0; j < options.max_tokens; j++)
                ids[j] =
                    (int32_t)json_integer_value(json_array_get(json_object_get(entry, "ids"), (size_t)j));
            char *text, *expected;
            assert_ok(ae_decode(g->model, ids, (size_t)options.max_tokens, &expected, NULL));
            assert_ok(ae_generate(g->model, text_of(entry, "prompt"), &options, NULL, NULL, &text));
            assert_string_equal(text, expected);
            ae_free(text);
            ae_free(expected);
        }
    }
}

static void scores_are_the_same(void **state) {
    fixture *f = *state;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *list = json_object_get(g->json, "score");
        assert_true(json_array_size(list) >= 1);
        for (size_t t = 0; t < json_array_size(list); t++) {
            const json_t *entry = json_array_get(list, t), *targets = json_object_get(entry, "targets");
            const size_t n = json_array_size(targets);
            const char *texts[16];
            double nll[16];
            assert_in_range(n, 1, 16);
            for (size_t j = 0; j < n; j++)
                texts[j] = json_string_value(json_array_get(targets, j));
            assert_ok(ae_score(g->model, text_of(entry, "prompt"), texts, n, nll));
            for (size_t j = 0; j < n; j++) {
                const double expected = json_number_value(json_array_get(json_object_get(entry, "nll"), j));
                note("score", fabs(nll[j] - expected), LOSS_TOLERANCE, g->folder);
            }
        }
    }
}

// ---- texts -----------------------------------------------------------------------------------------

static void check_text(const golden *g, const char *template_text, const ae_request *request,
                       ae_fact_token token, const json_t *expected) {
    ae_arena *arena;
    ae_edit_text text;
    assert_ok(ae_arena_new(&arena));
    assert_ok(
        ae_edit_text_build(g->model->tokenizer, template_text, request, token, false, NULL, arena, &text));
    assert_string_equal(text.text, text_of(expected, "text"));
    const json_t *ids = json_object_get(expected, "ids");
    assert_int_equal(text.n_ids, json_array_size(ids));
    for (int32_t i = 0; i < text.n_ids; i++)
        assert_int_equal(text.ids[i], json_integer_value(json_array_get(ids, (size_t)i)));
    assert_int_equal(text.lookup, json_integer_value(json_object_get(expected, "lookup")));
    ae_arena_free(arena);
}

static ae_fact_token token_of(const json_t *entry) {
    const char *name = text_of(entry, "fact_token");
    for (ae_fact_token token = AE_SUBJECT_LAST; token <= AE_LAST; token++)
        if (strcmp(ae_fact_token_name(token), name) == 0) return token;
    fail_msg("fact token '%s'", name);
    return AE_SUBJECT_LAST;
}

static ae_request request_of(const json_t *entry) {
    return (ae_request){.prompt = text_of(entry, "prompt"),
                        .subject = text_of(entry, "subject"),
                        .target_new = json_string_value(json_object_get(entry, "target_new")),
                        .case_id = -1};
}

static void texts_and_lookup_indices_are_the_same(void **state) {
    fixture *f = *state;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *cases = json_object_get(g->json, "cases");
        for (size_t c = 0; c < json_array_size(cases); c++) {
            const json_t *entry = json_array_get(cases, c), *texts = json_object_get(entry, "texts");
            const ae_request request = request_of(entry);
            assert_int_equal(json_array_size(texts), g->templates.count);
            for (size_t t = 0; t < g->templates.count; t++)
                check_text(g, g->templates.text[t], &request, token_of(entry), json_array_get(texts, t));
            const ae_request kl = {.prompt = "{} is a", .subject = request.subject};
            check_text(g, "{}", &kl, token_of(entry), json_object_get(entry, "kl_text"));
            ae_arena *arena;
            int32_t *ids, n_ids;
            assert_ok(ae_arena_new(&arena));
            assert_ok(ae_edit_target_ids(g->model->tokenizer, request.target_new, arena, &ids, &n_ids));
            const json_t *expected = json_object_get(entry, "target_ids");
            assert_int_equal(n_ids, json_array_size(expected));
            for (int32_t j = 0; j < n_ids; j++)
                assert_int_equal(ids[j], json_integer_value(json_array_get(expected, (size_t)j)));
            ae_arena_free(arena);
        }
        const json_t *lookups = json_object_get(g->json, "lookups");
        assert_true(json_array_size(lookups) >= (i < N_FULL ? 18 : 1));
        for (size_t l = 0; l < json_array_size(lookups); l++) {
            const json_t *entry = json_array_get(lookups, l), *list = json_object_get(entry, "lookup");
            const ae_request request = request_of(entry);
            for (size_t t = 0; t < json_array_size(list); t++) {
                ae_arena *arena;
                ae_edit_text text;
                assert_ok(ae_arena_new(&arena));
                assert_ok(ae_edit_text_build(g->model->tokenizer, g->templates.text[t], &request,
                                             token_of(entry), false, NULL, arena, &text));
                assert_int_equal(text.lookup, json_integer_value(json_array_get(list, t)));
                ae_arena_free(arena);
            }
        }
    }
}

// ---- edits -----------------------------------------------------------------------------------------

typedef struct moments {
    ae_moment *list[AE_MAX_EDIT_LAYERS];
} moments;

static ae_hparams load_hparams(const golden *g, const char *file, moments *m) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", g->folder, file);
    ae_hparams hp;
    assert_ok(ae_hparams_load(path, g->model, NULL, &hp));
    *m = (moments){{NULL}};
    for (int i = 0; hp.mom2_adjustment && i < hp.n_layers; i++)
        assert_ok(ae_moment_open(g->model, hp.layers[i], &hp, g->stats, 0, NULL, &m->list[i]));
    return hp;
}

static void free_moments(moments *m) {
    for (int i = 0; i < AE_MAX_EDIT_LAYERS; i++)
        ae_moment_free(m->list[i]);
}

// right uᵀ in the stored orientation, rounded as it is written into the weights
static void check_update(const golden *g, const char *prefix, const ae_layer_edit *e) {
    const bool in_out = g->model->layers[e->layer].mlp_out.in_out;
    const int64_t n = (int64_t)e->d_mlp * e->d_model;
    float *dw = malloc((size_t)n * sizeof *dw);
    for (int32_t i = 0; i < e->d_mlp; i++)
        for (int32_t j = 0; j < e->d_model; j++)
            dw[in_out ? (int64_t)i * e->d_model + j : (int64_t)j * e->d_mlp + i] = e->u[i] * e->right[j];
    check_vector(g, prefix, "dw", dw, n);
    free(dw);
}

static void edits_are_the_same(void **state) {
    fixture *f = *state;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *cases = json_object_get(g->json, "cases");
        assert_true(json_array_size(cases) >= (i < N_FULL ? 6 : 1));
        int n_updates = 0;
        for (size_t c = 0; c < json_array_size(cases); c++) {
            const json_t *entry = json_array_get(cases, c);
            const ae_request request = request_of(entry);
            moments m;
            ae_hparams hp = load_hparams(g, text_of(entry, "hparams"), &m);
            const ae_edit_options options = {
                .hparams = &hp, .templates = &g->templates, .moments = (const ae_moment *const *)m.list};
            const char *variant;
            json_t *scalars;
            json_object_foreach(json_object_get(entry, "results"), variant, scalars) {
                assert_ok(ae_variant_parse(variant, &hp.variant));
                ae_edit *edit;
                assert_ok(ae_edit_compute(g->model, &request, 1, &options, NULL, &edit));
                char prefix[64], name[96];
                snprintf(prefix, sizeof prefix, "%s/%zu", variant, c);
                check_layer(g, prefix, scalars, &edit->layers[0]);
                snprintf(name, sizeof name, "%s/dw", prefix);
                if (ae_safetensors_find(g->tensors, name)) {
                    check_update(g, prefix, &edit->layers[0]);
                    n_updates++;
                }
                // and the edited model says what it should
                assert_ok(ae_edit_apply(g->model, edit));
                ae_measure after;
                assert_ok(ae_measure_request(g->model, &request, 0, &after));
                const double expected = json_number_value(json_object_get(scalars, "nll_after"));
                note("score", fabs(-log(after.target_new) - expected) / fmax(1, expected), VECTOR_TOLERANCE,
                     prefix);
                ae_model_restore(g->model);
                ae_edit_free(edit);
            }
            free_moments(&m);
        }
        assert_true(n_updates >= (i < N_FULL));
    }
}

// Requests that share their hyperparameters, optimised in one batch.
static void a_batch_is_the_same(void **state) {
    fixture *f = *state;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *cases = json_object_get(g->json, "cases");
        ae_request requests[32];
        size_t index[32], n = 0;
        for (size_t c = 0; c < json_array_size(cases) && n < 32; c++)
            if (strcmp(text_of(json_array_get(cases, c), "hparams"), "hparams.json") == 0) {
                requests[n] = request_of(json_array_get(cases, c));
                index[n++] = c;
            }
        assert_true(n >= (i < N_FULL ? 5 : 1));
        moments m;
        ae_hparams hp = load_hparams(g, "hparams.json", &m);
        const ae_edit_options options = {
            .hparams = &hp, .templates = &g->templates, .moments = (const ae_moment *const *)m.list};
        ae_edit *edits[32];
        assert_ok(ae_edit_compute(g->model, requests, n, &options, NULL, edits));
        for (size_t r = 0; r < n; r++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "r-rome/%zu", index[r]);
            const json_t *results = json_object_get(json_array_get(cases, index[r]), "results");
            check_layer(g, prefix, json_object_get(results, "r-rome"), &edits[r]->layers[0]);
            ae_edit_free(edits[r]);
        }
        free_moments(&m);
    }
}

static void a_sequence_of_edits_is_the_same(void **state) {
    fixture *f = *state;
    int n_sequences = 0;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *sequence = json_object_get(g->json, "sequence");
        if (!json_is_object(sequence)) continue;
        n_sequences++;
        moments m;
        ae_hparams hp = load_hparams(g, text_of(sequence, "hparams"), &m);
        const ae_edit_options options = {
            .hparams = &hp, .templates = &g->templates, .moments = (const ae_moment *const *)m.list};
        const json_t *list = json_object_get(sequence, "edits");
        assert_true(json_array_size(list) >= 4);
        for (size_t s = 0; s < json_array_size(list); s++) {
            const ae_request request = request_of(json_array_get(list, s));
            ae_edit *edit;
            assert_ok(ae_edit_compute(g->model, &request, 1, &options, NULL, &edit));
            char prefix[64];
            snprintf(prefix, sizeof prefix, "sequence/%zu", s);
            check_layer(g, prefix, json_array_get(list, s), &edit->layers[0]);
            assert_ok(ae_edit_apply(g->model, edit));
            ae_edit_free(edit);
        }
        const int64_t n = (int64_t)g->model->config.d_mlp * g->model->config.d_model;
        float *weights = malloc((size_t)n * sizeof *weights);
        assert_ok(ae_model_get_mlp_out(g->model, hp.layers[0], weights));
        check_vector(g, "sequence", "w", weights, n);
        free(weights);
        ae_model_restore(g->model);
        free_moments(&m);
    }
    assert_true(n_sequences >= 2); // one a family
}

static void edits_of_two_layers_are_the_same(void **state) {
    fixture *f = *state;
    int n_done = 0;
    for (int i = 0; i < N_MODELS; i++) {
        const golden *g = &f->models[i];
        const json_t *layers = json_object_get(g->json, "layers");
        if (!json_is_object(layers)) continue;
        n_done++;
        moments m;
        ae_hparams hp = load_hparams(g, text_of(layers, "hparams"), &m);
        const ae_edit_options options = {
            .hparams = &hp, .templates = &g->templates, .moments = (const ae_moment *const *)m.list};
        const ae_request request = request_of(layers);
        ae_edit *edit;
        assert_ok(ae_edit_compute(g->model, &request, 1, &options, NULL, &edit));
        const json_t *list = json_object_get(layers, "edits");
        assert_int_equal(edit->n_layers, json_array_size(list));
        for (int l = 0; l < edit->n_layers; l++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "layers/%d", edit->layers[l].layer);
            check_layer(g, prefix, json_array_get(list, (size_t)l), &edit->layers[l]);
        }
        ae_edit_free(edit);
        free_moments(&m);
    }
    assert_true(n_done >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(greedy_continuations_are_the_same),
        cmocka_unit_test(scores_are_the_same),
        cmocka_unit_test(texts_and_lookup_indices_are_the_same),
        cmocka_unit_test(edits_are_the_same),
        cmocka_unit_test(a_batch_is_the_same),
        cmocka_unit_test(a_sequence_of_edits_is_the_same),
        cmocka_unit_test(edits_of_two_layers_are_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
