#include "eval/edit_figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/python_json.h"

// ---- from an edit ----------------------------------------------------------------------------------

static ae_status take_trace(ae_arena *arena, const double *from, int n, double **to) {
    *to = ae_arena_alloc(arena, (size_t)n, sizeof **to);
    if (!*to) return ae_no_memory();
    if (n > 0) memcpy(*to, from, (size_t)n * sizeof **to);
    return AE_OK;
}

static ae_status take_layer(const ae_layer_edit *layer, ae_arena *arena, ae_layer_figures *out) {
    *out = (ae_layer_figures){.layer = layer->layer,
                              .n_elements = (double)layer->d_mlp * (double)layer->d_model,
                              .k_dot_u = layer->k_dot_u,
                              .update_norm = layer->update_norm,
                              .weight_norm = layer->weight_norm,
                              .delta_norm = layer->delta_norm,
                              .target_init_norm = layer->target_init_norm,
                              .n_steps = layer->n_steps};
    AE_TRY(take_trace(arena, layer->loss, layer->n_steps, &out->loss));
    AE_TRY(take_trace(arena, layer->nll, layer->n_steps, &out->nll));
    AE_TRY(take_trace(arena, layer->kl, layer->n_steps, &out->kl));
    return take_trace(arena, layer->decay, layer->n_steps, &out->decay);
}

ae_status ae_edit_figures_take(const ae_edit *edit, ae_arena *arena, ae_edit_figures *out) {
    ae_edit_figures figures = {.n_layers = edit->n_layers,
                               .seconds_keys = edit->seconds_keys,
                               .seconds_solve = edit->seconds_solve,
                               .seconds_optimise = edit->seconds_optimise,
                               .seconds_update = edit->seconds_update};
    figures.layers = ae_arena_alloc(arena, (size_t)edit->n_layers, sizeof *figures.layers);
    if (!figures.layers) return ae_no_memory();
    for (int i = 0; i < edit->n_layers; i++)
        AE_TRY(take_layer(&edit->layers[i], arena, &figures.layers[i]));
    *out = figures;
    return AE_OK;
}

// ---- all layers in one -----------------------------------------------------------------------------

static double larger(double a, double b) {
    return b > a ? b : a;
}

ae_edit_extremes ae_edit_figures_extremes(const ae_edit_figures *figures) {
    ae_edit_extremes e = {.k_dot_u = INFINITY};
    for (int i = 0; i < figures->n_layers; i++) {
        const ae_layer_figures *l = &figures->layers[i];
        if (l->k_dot_u < e.k_dot_u) e.k_dot_u = l->k_dot_u;
        e.update_norm = larger(e.update_norm, l->update_norm);
        e.weight_norm = larger(e.weight_norm, l->weight_norm);
        e.update_distance = larger(e.update_distance, l->update_norm / l->n_elements);
        e.delta_norm = larger(e.delta_norm, l->delta_norm);
        e.target_init_norm = larger(e.target_init_norm, l->target_init_norm);
        if (l->n_steps > e.n_steps) e.n_steps = l->n_steps;
    }
    return e;
}

double ae_edit_figures_seconds(const ae_edit_figures *f) {
    return f->seconds_keys + f->seconds_solve + f->seconds_optimise + f->seconds_update;
}

// ---- as JSON ---------------------------------------------------------------------------------------

static json_t *trace_document(const double *values, int n) {
    json_t *array = json_array();
    for (int i = 0; array && i < n; i++)
        json_array_append_new(array, ae_json_figure(values[i]));
    return ae_json_whole(array, (size_t)n);
}

static ae_status put_layer(json_t *document, const ae_layer_figures *l) {
    char key[16];
    snprintf(key, sizeof key, "%d", l->layer);
    json_t *object = json_object();
    AE_TRY(ae_json_put(document, key, object));
    AE_TRY(ae_json_put(object, "k_dot_u", ae_json_figure(l->k_dot_u)));
    AE_TRY(ae_json_put(object, "update_norm", ae_json_figure(l->update_norm)));
    AE_TRY(ae_json_put(object, "weight_norm", ae_json_figure(l->weight_norm)));
    AE_TRY(ae_json_put(object, "update_distance", ae_json_figure(l->update_norm / l->n_elements)));
    AE_TRY(ae_json_put(object, "delta_norm", ae_json_figure(l->delta_norm)));
    AE_TRY(ae_json_put(object, "target_init_norm", ae_json_figure(l->target_init_norm)));
    AE_TRY(ae_json_put(object, "n_elements", json_integer((json_int_t)l->n_elements)));
    AE_TRY(ae_json_put(object, "n_steps", json_integer(l->n_steps)));
    AE_TRY(ae_json_put(object, "loss", trace_document(l->loss, l->n_steps)));
    AE_TRY(ae_json_put(object, "nll", trace_document(l->nll, l->n_steps)));
    AE_TRY(ae_json_put(object, "kl", trace_document(l->kl, l->n_steps)));
    return ae_json_put(object, "decay", trace_document(l->decay, l->n_steps));
}

json_t *ae_edit_figures_document(const ae_edit_figures *figures) {
    json_t *document = json_object();
    for (int i = 0; document && i < figures->n_layers; i++)
        if (put_layer(document, &figures->layers[i]) != AE_OK) {
            json_decref(document);
            return NULL;
        }
    return document;
}

// ---- read back -------------------------------------------------------------------------------------

// null stands for what was not finite.
static ae_status read_figure(const char *name, const json_t *object, const char *field, double *out) {
    *out = NAN;
    return ae_json_number(name, object, field, false, -INFINITY, INFINITY, out);
}

static ae_status read_layer(const char *name, const char *key, const json_t *object, ae_layer_figures *out) {
    if (!json_is_object(object))
        return ae_fail(AE_ERR_FORMAT, "'%s': layer '%s' is %s, expected an object", name, key,
                       ae_json_type_name(object));
    char *end = NULL;
    const long layer = strtol(key, &end, 10);
    if (!*key || *end || layer < 0 || layer > 1000000)
        return ae_fail(AE_ERR_FORMAT, "'%s': '%s' is not the number of a layer", name, key);
    int64_t n_elements = 0;
    out->layer = (int)layer;
    AE_TRY(read_figure(name, object, "k_dot_u", &out->k_dot_u));
    AE_TRY(read_figure(name, object, "update_norm", &out->update_norm));
    AE_TRY(read_figure(name, object, "weight_norm", &out->weight_norm));
    AE_TRY(read_figure(name, object, "delta_norm", &out->delta_norm));
    AE_TRY(read_figure(name, object, "target_init_norm", &out->target_init_norm));
    AE_TRY(ae_json_int(name, object, "n_elements", true, 1, INT64_MAX, &n_elements));
    out->n_elements = (double)n_elements;
    return AE_OK;
}

ae_status ae_edit_figures_read(const char *name, const json_t *document, ae_arena *arena,
                               ae_edit_figures *out) {
    if (!json_is_object(document) || json_object_size(document) > AE_MAX_EDIT_LAYERS)
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'layers' is %s, expected an object of at most %d layers",
                       name, ae_json_type_name(document), AE_MAX_EDIT_LAYERS);
    ae_edit_figures figures = {0};
    figures.layers = ae_arena_alloc(arena, json_object_size(document), sizeof *figures.layers);
    if (!figures.layers) return ae_no_memory();
    json_t *object = (json_t *)(uintptr_t)document;
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
        AE_TRY(read_layer(name, json_object_iter_key(at), json_object_iter_value(at),
                          &figures.layers[figures.n_layers++]));
    *out = figures;
    return AE_OK;
}
