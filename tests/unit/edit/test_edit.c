// Edits on tiny models: batches, variants, several layers, refusals. Values against an independent
// computation are in test_golden.c.
#include "test.h"
#include "tiny_model.h"

#include <math.h>
#include <pthread.h>

#include "aedile/edit.h"
#include "edit/templates.h"
#include "model/model.h"

typedef struct fixture {
    char *folder;
    ae_model *models[2]; // gpt2, gptj
    ae_templates templates;
} fixture;

static const ae_request requests[3] = {
    {.prompt = "{} is in the town of",
     .subject = "The tall tower",
     .target_new = "Rome",
     .target_true = "Paris",
     .case_id = 1},
    {.prompt = "The mother tongue of {} is", .subject = "Ana B", .target_new = " Czech", .case_id = 2},
    {.prompt = "We all know {}", .subject = "Zo\xc3\xab", .target_new = "sings", .case_id = 3},
};

static void model_path(const fixture *f, const char *name, char path[600]) {
    snprintf(path, 600, "%s/%s", f->folder, name);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    void *folder = NULL;
    if (!f || make_scratch_folder(&folder) != 0) return -1;
    f->folder = folder;
    static const char *const names[2] = {"gpt2", "gptj"};
    for (int i = 0; i < 2; i++) {
        char path[600];
        model_path(f, names[i], path);
        if (make_tiny_model(path, names[i], i == 0 ? AE_F32 : AE_F16, 11) != 0) return -1;
        const ae_model_options options = {.n_threads = 2};
        if (ae_model_open(path, &options, &f->models[i]) != AE_OK) return -1;
    }
    static const char *const texts[4] = {"{}", "Then he said. {}", "A {} and more. {}", "In 1990. {}"};
    f->templates.count = 4;
    f->templates.text = ae_alloc(4, sizeof(char *));
    for (int i = 0; i < 4; i++)
        f->templates.text[i] = ae_strdup(texts[i]);
    *state = f;
    return ae_templates_finish(&f->templates) == AE_OK ? 0 : -1;
}

static int tear_down(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 2; i++)
        ae_model_free(f->models[i]);
    ae_templates_free(&f->templates);
    void *folder = f->folder;
    free(f);
    return remove_scratch_folder(&folder);
}

static ae_hparams without_statistics(const ae_model *m, int layer) {
    ae_hparams hp;
    assert_ok(ae_hparams_builtin(m, layer, &hp));
    hp.mom2_adjustment = false;
    return hp;
}

static float *weights(const ae_model *m, int layer) {
    float *copy = malloc((size_t)(TINY_D * TINY_MLP) * sizeof *copy);
    assert_ok(ae_model_get_mlp_out(m, layer, copy));
    return copy;
}

static double difference(const float *a, const float *b, int n) {
    double sum = 0, scale = 0;
    for (int i = 0; i < n; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        scale += (double)b[i] * (double)b[i];
    }
    return sqrt(sum / scale);
}

static void an_edit_maps_its_key_to_its_value_and_restore_takes_it_back(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        ae_model *m = f->models[i];
        for (int layer = 0; layer < TINY_LAYERS; layer++)
            for (ae_variant variant = AE_R_ROME; variant <= AE_P_ROME; variant++) {
                ae_hparams hp = without_statistics(m, layer);
                hp.variant = variant;
                // nothing attends to the last layer's output: there only a subject at the prompt's end can be
                // edited
                const ae_request *request = &requests[layer == TINY_LAYERS - 1 ? 2 : 0];
                hp.v_weight_decay = 0.01; // the tiny model's values are short: 0.5 would outweigh everything
                const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
                ae_edit *edit = NULL;
                ae_measure before, after, restored;
                float *base = weights(m, layer);
                assert_ok(ae_measure_request(m, request, 3, &before));
                assert_ok(ae_edit_compute(m, request, 1, &options, NULL, &edit));
                const ae_layer_edit *e = &edit->layers[0];
                assert_true(e->n_steps == 20 || e->loss[e->n_steps - 1] < 0.05);
                if (!(e->loss[e->n_steps - 1] < e->loss[0] - 0.3))
                    fail_msg("%s layer %d %s: loss from %g to %g", m->info.architecture, layer,
                             ae_variant_name(variant), e->loss[0], e->loss[e->n_steps - 1]);
                assert_true(fabs(e->kl[0]) < 1e-6);
                assert_true(e->decay[0] == 0);
                assert_true(e->delta_norm <= hp.clamp_norm_factor * e->target_init_norm * (1 + 1e-6));
                // the update maps the key to v*: value + right (k·u) = target_init + delta
                for (int j = 0; j < TINY_D; j++)
                    assert_true(fabs(((double)e->value[j] + (double)e->right[j] * e->k_dot_u) -
                                     ((double)e->target_init[j] + (double)e->delta[j])) < 1e-4);
                assert_ok(ae_edit_apply(m, edit));
                assert_ok(ae_measure_request(m, request, 3, &after));
                assert_true(after.target_new != before.target_new);
                ae_model_restore(m);
                float *back = weights(m, layer);
                assert_memory_equal(base, back, (size_t)(TINY_D * TINY_MLP) * sizeof *base);
                assert_ok(ae_measure_request(m, request, 3, &restored));
                assert_true(restored.target_new == before.target_new);
                free(base);
                free(back);
                ae_edit_free(edit);
                ae_free(before.continuation);
                ae_free(after.continuation);
                ae_free(restored.continuation);
            }
    }
}

static void a_batch_gives_what_one_at_a_time_gives(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        ae_model *m = f->models[i];
        ae_hparams hp = without_statistics(m, 1);
        const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
        ae_edit *batch[3] = {NULL}, *single = NULL;
        assert_ok(ae_edit_compute(m, requests, 3, &options, NULL, batch));
        for (int r = 0; r < 3; r++) {
            assert_ok(ae_edit_compute(m, &requests[r], 1, &options, NULL, &single));
            const ae_layer_edit *a = &batch[r]->layers[0], *b = &single->layers[0];
            assert_int_equal(a->n_steps, b->n_steps);
            for (int s = 0; s < a->n_steps; s++)
                assert_true(fabs(a->loss[s] - b->loss[s]) < 1e-4);
            assert_true(difference(a->u, b->u, TINY_MLP) < 1e-5);
            assert_true(difference(a->right, b->right, TINY_D) < 1e-3);
            assert_string_equal(batch[r]->request.subject, requests[r].subject);
            assert_int_equal(batch[r]->request.case_id, r + 1);
            ae_edit_free(single);
            ae_edit_free(batch[r]);
        }
    }
}

static void several_layers_are_edited_in_turn_and_the_model_stays_as_it_was(void **state) {
    fixture *f = *state;
    ae_model *m = f->models[0];
    ae_hparams hp = without_statistics(m, 0);
    const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
    ae_edit *earlier = NULL, *both = NULL, *second = NULL, *first = NULL;
    assert_ok(ae_edit_compute(m, &requests[1], 1, &options, NULL, &earlier));
    assert_ok(ae_edit_apply(m, earlier));
    float *before_0 = weights(m, 0), *before_2 = weights(m, 2);
    hp.n_layers = 2;
    hp.layers[1] = 2;
    assert_ok(ae_edit_compute(m, requests, 1, &options, NULL, &both));
    assert_int_equal(both->n_layers, 2);
    float *after_0 = weights(m, 0), *after_2 = weights(m, 2);
    assert_memory_equal(before_0, after_0, (size_t)(TINY_D * TINY_MLP) * sizeof(float));
    assert_memory_equal(before_2, after_2, (size_t)(TINY_D * TINY_MLP) * sizeof(float));
    // the second layer saw the first one's update: the same as two single edits in sequence
    hp.n_layers = 1;
    assert_ok(ae_edit_compute(m, requests, 1, &options, NULL, &first));
    assert_ok(ae_edit_apply(m, first));
    hp.layers[0] = 2;
    assert_ok(ae_edit_compute(m, requests, 1, &options, NULL, &second));
    assert_memory_equal(both->layers[0].right, first->layers[0].right, TINY_D * sizeof(float));
    assert_memory_equal(both->layers[1].right, second->layers[0].right, TINY_D * sizeof(float));
    ae_model_restore(m);
    free(before_0);
    free(before_2);
    free(after_0);
    free(after_2);
    ae_edit_free(earlier);
    ae_edit_free(both);
    ae_edit_free(first);
    ae_edit_free(second);
}

static void keep_warning(void *user, const char *text) {
    snprintf(user, 512, "%s", text);
}

static void a_fact_already_known_is_said(void **state) {
    fixture *f = *state;
    ae_model *m = f->models[1];
    ae_hparams hp = without_statistics(m, 1);
    const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
    char warning[512] = "";
    const ae_hooks hooks = {.user = warning, .warn = keep_warning};
    const ae_request request = {.prompt = "{} likes", .subject = "Ana", .target_new = "t"};
    int32_t *ids = NULL;
    size_t n_ids = 0;
    assert_ok(ae_encode(m, " t", 2, &ids, &n_ids));
    assert_int_equal(n_ids, 1);
    m->head_bias[ids[0]] += 200; // the model says " t" to everything
    ae_edit *edit = NULL;
    assert_ok(ae_edit_compute(m, &request, 1, &options, &hooks, &edit));
    assert_int_equal(edit->layers[0].n_steps, 1);
    assert_true(edit->layers[0].loss[0] < 0.05);
    assert_true(edit->layers[0].delta_norm == 0);
    assert_true(edit->layers[0].update_norm > 0); // r-rome still corrects the mean value
    assert_non_null(strstr(warning, "already says the target of subject 'Ana'"));
    assert_non_null(strstr(warning, "only the mean value is corrected"));
    ae_edit_free(edit);
    for (ae_variant variant = AE_ROME; variant <= AE_P_ROME; variant++) {
        hp.variant = variant;
        assert_ok(ae_edit_compute(m, &request, 1, &options, &hooks, &edit));
        assert_true(edit->layers[0].update_norm == 0);
        assert_non_null(strstr(warning, "nothing is changed"));
        ae_edit_free(edit);
    }
    m->head_bias[ids[0]] -= 200;
    ae_free(ids);
}

static bool never(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)stage, (void)total, (void)unit;
    return done < 3;
}

static void refusals_name_what_is_wrong(void **state) {
    fixture *f = *state;
    ae_model *m = f->models[0];
    ae_hparams hp = without_statistics(m, 1);
    const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
    ae_edit *edit = NULL;
    ae_request bad = requests[0];
    char subject[400];
    memset(subject, 'q', sizeof subject - 1);
    subject[sizeof subject - 1] = '\0';
    bad.subject = subject;
    assert_fails(ae_edit_compute(m, &bad, 1, &options, NULL, &edit), AE_ERR_ARGUMENT,
                 "the model's context holds 64");
    bad = requests[0];
    bad.target_new = "";
    assert_fails(ae_edit_compute(m, &bad, 1, &options, NULL, &edit), AE_ERR_ARGUMENT, "target");
    hp.mom2_adjustment = true;
    assert_fails(ae_edit_compute(m, requests, 1, &options, NULL, &edit), AE_ERR_ARGUMENT,
                 "no second moments");
    hp.mom2_adjustment = false;
    const ae_hooks stop = {.progress = never};
    assert_fails(ae_edit_compute(m, requests, 1, &options, &stop, &edit), AE_ERR_CANCELLED,
                 "stopped after 3 steps");
    hp.layers[0] = TINY_LAYERS;
    assert_fails(ae_edit_compute(m, requests, 1, &options, NULL, &edit), AE_ERR_MISMATCH, "names layer 3");
    assert_null(edit);
}

// Overwrites one element of a tensor in the model's file.
static void damage(const char *folder, const char *tensor, float value) {
    char path[700];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ae_safetensors *file;
    assert_ok(ae_safetensors_open(path, &file));
    const ae_tensor *t = ae_safetensors_find(file, tensor);
    assert_non_null(t);
    const long offset = (long)t->offset + 5 * 4;
    ae_safetensors_close(file);
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, stream), 1);
    fclose(stream);
}

static void weights_that_are_not_finite_are_named(void **state) {
    fixture *f = *state;
    char path[600];
    model_path(f, "damaged", path);
    assert_int_equal(make_tiny_model(path, "gpt2", AE_F32, 11), 0);
    damage(path, "transformer.h.1.mlp.c_fc.weight", NAN);
    ae_model *m;
    assert_ok(ae_model_open(path, NULL, &m));
    ae_hparams hp = without_statistics(m, 1);
    const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
    ae_edit *edit = NULL;
    static const char expected[] = "tensor 'transformer.h.1.mlp.c_fc.weight' holds nan at element 5";
    assert_fails(ae_edit_compute(m, requests, 1, &options, NULL, &edit), AE_ERR_NUMERIC, expected);
    const char *target = "x";
    double nll = 7;
    assert_fails(ae_score(m, "a b", &target, 1, &nll), AE_ERR_NUMERIC, expected);
    assert_true(nll == 7);
    char *text = NULL;
    assert_fails(ae_generate(m, "a b", NULL, NULL, NULL, &text), AE_ERR_NUMERIC, expected);
    assert_fails(ae_model_check_finite(m), AE_ERR_NUMERIC, expected);
    ae_model_free(m);
}

typedef struct worker {
    ae_model *model;
    const ae_templates *templates;
    float right[TINY_D];
    char error[200]; // of this thread
} worker;

static void *edit_and_fail(void *argument) {
    worker *w = argument;
    const ae_hparams hp = without_statistics(w->model, 1);
    const ae_edit_options options = {.hparams = &hp, .templates = w->templates};
    for (int round = 0; round < 5; round++) {
        ae_edit *edit = NULL;
        if (ae_edit_compute(w->model, requests, 1, &options, NULL, &edit) != AE_OK) return NULL;
        memcpy(w->right, edit->layers[0].right, sizeof w->right);
        ae_edit_free(edit);
        char name[40], *folder = NULL;
        snprintf(name, sizeof name, "nowhere/%s", w->model->info.architecture);
        (void)ae_model_find(name, &folder); // fails, and says so to this thread alone
    }
    snprintf(w->error, sizeof w->error, "%s", ae_last_error());
    return w;
}

// Two models, two threads at once: each gets what it gets alone, and its own error text.
static void models_in_several_threads_do_not_meet(void **state) {
    fixture *f = *state;
    worker alone[2], together[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        alone[i] = together[i] = (worker){.model = f->models[i], .templates = &f->templates};
        assert_non_null(edit_and_fail(&alone[i]));
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, edit_and_fail, &together[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
        assert_memory_equal(alone[i].right, together[i].right, sizeof alone[i].right);
        char expected[40];
        snprintf(expected, sizeof expected, "model 'nowhere/%s'", f->models[i]->info.architecture);
        assert_non_null(strstr(together[i].error, expected));
    }
}

static void any_allocation_may_fail(void **state) {
    fixture *f = *state;
    ae_model *m = f->models[0];
    ae_hparams hp = without_statistics(m, 1);
    hp.v_num_grad_steps = 2;
    const ae_edit_options options = {.hparams = &hp, .templates = &f->templates};
    ae_edit *edit = NULL;
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        ae_edit *both[2] = {NULL, NULL};
        ae_memory_fail_at(n);
        const ae_status status = ae_edit_compute(m, requests, 2, &options, NULL, both);
        ae_memory_fail_at(0);
        ae_edit_free(both[0]);
        ae_edit_free(both[1]);
        if (status == AE_OK) break;
        assert_null(both[0]);
        assert_int_equal(status, AE_ERR_MEMORY);
        failures++;
        assert_true(n < 5000);
    }
    assert_true(failures > 50);
    assert_ok(ae_edit_compute(m, requests, 1, &options, NULL, &edit));
    for (uint64_t n = 1;; n++) {
        ae_memory_fail_at(n);
        const ae_status status = ae_edit_apply(m, edit);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_null(m->layers[1].edited);
    }
    ae_model_restore(m);
    ae_edit_free(edit);
}

static void sampled_templates_repeat_and_have_their_form(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        ae_model *m = f->models[i];
        ae_hparams hp = without_statistics(m, 1);
        ae_templates a, b, c;
        assert_ok(ae_templates_sample(m, &hp, 0, NULL, &a));
        assert_ok(ae_templates_sample(m, &hp, 0, NULL, &b));
        assert_ok(ae_templates_sample(m, &hp, 1, NULL, &c));
        assert_int_equal(a.count, 21);
        assert_string_equal(a.text[0], "{}");
        for (size_t j = 1; j < a.count; j++) {
            const size_t length = strlen(a.text[j]);
            assert_true(length >= 4 && strcmp(a.text[j] + length - 4, ". {}") == 0);
            assert_null(strstr(a.text[j], "<|endoftext|>"));
            assert_null(strstr(a.text[j], "\n\n"));
        }
        assert_string_equal(a.sha256, b.sha256);
        assert_string_not_equal(a.sha256, c.sha256);
        ae_templates_free(&a);
        ae_templates_free(&b);
        ae_templates_free(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_maps_its_key_to_its_value_and_restore_takes_it_back),
        cmocka_unit_test(a_batch_gives_what_one_at_a_time_gives),
        cmocka_unit_test(several_layers_are_edited_in_turn_and_the_model_stays_as_it_was),
        cmocka_unit_test(a_fact_already_known_is_said),
        cmocka_unit_test(refusals_name_what_is_wrong),
        cmocka_unit_test(weights_that_are_not_finite_are_named),
        cmocka_unit_test(models_in_several_threads_do_not_meet),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(sampled_templates_repeat_and_have_their_form),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
