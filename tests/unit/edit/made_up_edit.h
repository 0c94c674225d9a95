/* made_up_edit.h: edits that no optimisation found, every field filled from a seed: the journal's and
 * exports' tests need edits by the dozen, not good ones. Also small folders' helpers that both tests share.
 */
#ifndef AE_MADE_UP_EDIT_H
#define AE_MADE_UP_EDIT_H

#include <math.h>

#include "aedile/journal.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"
#include "tiny_model.h"

static inline float *made_up_floats(ae_arena *arena, ae_random *random, int n, double scale) {
    float *values = ae_arena_alloc(arena, (size_t)n, sizeof *values);
    for (int i = 0; values && i < n; i++)
        values[i] = (float)(scale * ae_random_normal(random));
    return values;
}

static inline double *made_up_doubles(ae_arena *arena, ae_random *random, int n) {
    double *values = ae_arena_alloc(arena, (size_t)n, sizeof *values);
    for (int i = 0; values && i < n; i++)
        values[i] = ae_random_normal(random) * 1e-3;
    return values;
}

static inline void made_up_layer(ae_arena *arena, ae_random *random, ae_model *model, int layer,
                                 ae_layer_edit *out) {
    const int d_mlp = model->info.d_mlp, d_model = model->info.d_model;
    out->layer = layer;
    out->d_mlp = d_mlp;
    out->d_model = d_model;
    snprintf(out->module, sizeof out->module, model->info.mlp_out_module, layer);
    out->u = made_up_floats(arena, random, d_mlp, 0.125);
    out->right = made_up_floats(arena, random, d_model, 0.3);
    out->delta = made_up_floats(arena, random, d_model, 1);
    out->key_u = made_up_floats(arena, random, d_mlp, 1);
    out->key = made_up_floats(arena, random, d_mlp, 1);
    out->value = made_up_floats(arena, random, d_model, 1);
    out->target_init = made_up_floats(arena, random, d_model, 1);
    out->k_dot_u = ae_random_normal(random);
    out->update_norm = 1.0 / 3.0;
    out->weight_norm = ae_random_normal(random) * 1e30;
    out->delta_norm = ae_random_normal(random) * 1e-310; // a subnormal
    out->target_init_norm = 0.1;
    out->n_steps = 5 + layer;
    out->loss = made_up_doubles(arena, random, out->n_steps);
    out->nll = made_up_doubles(arena, random, out->n_steps);
    out->kl = made_up_doubles(arena, random, out->n_steps);
    out->decay = made_up_doubles(arena, random, out->n_steps);
    ae_model_base_sha256(model, layer, out->base_sha256);
}

/* Freed with ae_edit_free. `layers` is ascending. */
static inline ae_edit *made_up_edit(ae_model *model, const int *layers, int n_layers, uint64_t seed) {
    ae_arena *arena = NULL;
    if (ae_arena_new(&arena) != AE_OK) return NULL;
    ae_edit *edit = ae_arena_alloc(arena, 1, sizeof *edit);
    ae_random random = ae_random_stream(seed, 1, 2);
    edit->arena = arena;
    // The last text imitates what the file's reader looks for: it must not be fooled.
    edit->request = (ae_request){.prompt = "{} \"quoted\" \\ plays\n\ttab",
                                 .subject = "Zo\xc3\xab \xe2\x98\x83 {braces}",
                                 .target_new = "\"aedile.digest\":\"0000",
                                 .target_true = seed % 2 ? "tennis" : NULL,
                                 .case_id = seed % 2 ? (int64_t)seed : -1};
    edit->hparams = (ae_hparams){.variant = (ae_variant)(seed % 3),
                                 .n_layers = n_layers,
                                 .fact_token = (ae_fact_token)(seed % 4),
                                 .v_num_grad_steps = 20,
                                 .v_lr = 0.5,
                                 .v_weight_decay = 0.1 + 0.2,
                                 .clamp_norm_factor = 4,
                                 .kl_factor = 0.0625,
                                 .mom2_adjustment = seed % 2 == 0,
                                 .template_lengths = {{5, 10}, {10, 10}},
                                 .n_template_lengths = 2,
                                 .mom2_dataset = "wikipedia",
                                 .mom2_n_samples = 100000,
                                 .mom2_dtype = "float32"};
    for (int i = 0; i < n_layers; i++)
        edit->hparams.layers[i] = layers[i];
    edit->seed = UINT64_MAX - seed;
    memset(edit->templates_sha256, 'a', 64);
    edit->n_templates = 21;
    edit->layers = ae_arena_alloc(arena, (size_t)n_layers, sizeof *edit->layers);
    edit->n_layers = n_layers;
    for (int i = 0; i < n_layers; i++)
        made_up_layer(arena, &random, model, layers[i], &edit->layers[i]);
    edit->before = (ae_measure){.target_new = NAN, .target_true = NAN};
    edit->after = (ae_measure){.target_new = 1.0 / 7.0,
                               .target_true = seed % 2 ? 1e-300 : NAN,
                               .continuation = ae_arena_strdup(arena, " basket\xc3\xa9\n")};
    edit->seconds_keys = 0.1;
    edit->seconds_solve = ae_random_uniform(&random);
    edit->seconds_optimise = 12.5;
    edit->seconds_update = 0;
    return edit;
}

/* A tiny model in folder/name, opened. */
static inline ae_model *open_tiny(const char *folder, const char *name, const char *architecture,
                                  ae_dtype dtype, uint64_t seed) {
    char *path = ae_path_join(folder, name);
    ae_model *model = NULL;
    if (make_tiny_model(path, architecture, dtype, seed) != 0 ||
        ae_model_open(path, &(ae_model_options){.n_threads = 1}, &model) != AE_OK)
        print_error("open_tiny: %s\n", ae_last_error());
    ae_free(path);
    return model;
}

static inline void append_made_up(ae_journal *journal, ae_model *model, const int *layers, int n_layers,
                                  uint64_t seed) {
    ae_edit *edit = made_up_edit(model, layers, n_layers, seed);
    int id = 0;
    assert_ok(ae_journal_append(journal, model, edit, &id));
    assert_true(id > 0);
    ae_edit_free(edit);
}

/* Must be the same to the last bit. */
static inline void assert_same_weights(ae_model *a, ae_model *b) {
    const size_t n = (size_t)a->info.d_mlp * (size_t)a->info.d_model;
    float *x = ae_alloc(n, sizeof *x), *y = ae_alloc(n, sizeof *y);
    for (int layer = 0; layer < a->info.n_layer; layer++) {
        assert_ok(ae_model_get_mlp_out(a, layer, x));
        assert_ok(ae_model_get_mlp_out(b, layer, y));
        assert_memory_equal(x, y, n * sizeof *x);
    }
    ae_free(x);
    ae_free(y);
}

static inline bool same_weights(ae_model *a, ae_model *b, int layer) {
    const size_t n = (size_t)a->info.d_mlp * (size_t)a->info.d_model;
    float *x = ae_alloc(n, sizeof *x), *y = ae_alloc(n, sizeof *y);
    assert_ok(ae_model_get_mlp_out(a, layer, x));
    assert_ok(ae_model_get_mlp_out(b, layer, y));
    const bool same = memcmp(x, y, n * sizeof *x) == 0;
    ae_free(x);
    ae_free(y);
    return same;
}

/* Names in a folder, joined by spaces; free with ae_free. */
static inline char *folder_text(const char *folder) {
    char **names = NULL;
    size_t count = 0;
    assert_ok(ae_folder_list(folder, &names, &count));
    ae_text text = {0};
    assert_ok(ae_text_append(&text, "", 0));
    for (size_t i = 0; i < count; i++)
        assert_ok(ae_text_printf(&text, "%s%s", i ? " " : "", names[i]));
    ae_folder_list_free(names, count);
    return text.data;
}

static inline void assert_folder(const char *folder, const char *expected) {
    char *text = folder_text(folder);
    assert_string_equal(text, expected);
    ae_free(text);
}

/* A warning hook that keeps what it hears. */
static inline void keep_warning(void *user, const char *text) {
    ae_text *kept = user;
    assert_ok(ae_text_printf(kept, "%s\n", text));
}

#endif
