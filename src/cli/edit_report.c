#include "cli/edit_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *ae_request_text(const ae_request *request) {
    const char *place = strstr(request->prompt, "{}");
    const size_t before = place ? (size_t)(place - request->prompt) : strlen(request->prompt);
    const size_t size = strlen(request->prompt) + strlen(request->subject) + 1;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "%.*s%s%s", (int)before, request->prompt, request->subject,
                 place ? place + 2 : "");
    return text;
}

void ae_edit_layers_text(const ae_edit *edit, char *out, size_t size) {
    size_t length = 0;
    *out = '\0';
    for (int i = 0; i < edit->n_layers && length < size; i++)
        length += (size_t)snprintf(out + length, size - length, "%s%d", i ? ", " : "", edit->layers[i].layer);
}

// ---- JSON ------------------------------------------------------------------------------------------

static json_t *measure_document(const ae_measure *m) {
    return json_pack("{s:o, s:o, s:o}", "target_new", ae_json_real(m->target_new), "target_true",
                     ae_json_real(m->target_true), "continuation", ae_json_text(m->continuation));
}

static json_t *reals(const double *values, int n) {
    json_t *list = json_array();
    for (int i = 0; values && i < n; i++)
        json_array_append_new(list, ae_json_real(values[i]));
    return list;
}

static json_t *layer_document(const ae_layer_edit *l, bool steps) {
    json_t *document = json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:s}", "layer", l->layer, "module", l->module, "k_dot_u",
        ae_json_real(l->k_dot_u), "update_norm", ae_json_real(l->update_norm), "weight_norm",
        ae_json_real(l->weight_norm), "delta_norm", ae_json_real(l->delta_norm), "target_init_norm",
        ae_json_real(l->target_init_norm), "n_steps", l->n_steps, "base_sha256", l->base_sha256);
    const int last = l->n_steps - 1;
    json_object_set_new(document, "loss_first", last < 0 ? json_null() : ae_json_real(l->loss[0]));
    json_object_set_new(document, "loss_last", last < 0 ? json_null() : ae_json_real(l->loss[last]));
    if (steps) {
        json_object_set_new(document, "loss", reals(l->loss, l->n_steps));
        json_object_set_new(document, "nll", reals(l->nll, l->n_steps));
        json_object_set_new(document, "kl", reals(l->kl, l->n_steps));
        json_object_set_new(document, "decay", reals(l->decay, l->n_steps));
    }
    return document;
}

static json_t *hparams_document(const ae_hparams *h) {
    json_t *layers = json_array(), *lengths = json_array();
    for (int i = 0; i < h->n_layers; i++)
        json_array_append_new(layers, json_integer(h->layers[i]));
    for (int i = 0; i < h->n_template_lengths; i++)
        json_array_append_new(lengths,
                              json_pack("[i, i]", h->template_lengths[i][0], h->template_lengths[i][1]));
    return json_pack("{s:s, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:I, s:s}", "variant",
                     ae_variant_name(h->variant), "layers", layers, "fact_token",
                     ae_fact_token_name(h->fact_token), "v_num_grad_steps", h->v_num_grad_steps, "v_lr",
                     ae_json_real(h->v_lr), "v_weight_decay", ae_json_real(h->v_weight_decay),
                     "clamp_norm_factor", ae_json_real(h->clamp_norm_factor), "kl_factor",
                     ae_json_real(h->kl_factor), "mom2_adjustment", h->mom2_adjustment,
                     "context_template_length_params", lengths, "mom2_dataset", ae_json_text(h->mom2_dataset),
                     "mom2_n_samples", (json_int_t)h->mom2_n_samples, "mom2_dtype", h->mom2_dtype);
}

json_t *ae_edit_document(const ae_edit *edit, bool steps) {
    const ae_request *r = &edit->request;
    json_t *request = json_pack("{s:o, s:o, s:o, s:o}", "prompt", ae_json_text(r->prompt), "subject",
                                ae_json_text(r->subject), "target_new", ae_json_text(r->target_new),
                                "target_true", ae_json_text(r->target_true));
    json_object_set_new(request, "case_id", r->case_id < 0 ? json_null() : json_integer(r->case_id));
    json_t *layers = json_array();
    for (int i = 0; i < edit->n_layers; i++)
        json_array_append_new(layers, layer_document(&edit->layers[i], steps));
    json_t *seconds =
        json_pack("{s:o, s:o, s:o, s:o}", "keys", ae_json_real(edit->seconds_keys), "solve",
                  ae_json_real(edit->seconds_solve), "optimise", ae_json_real(edit->seconds_optimise),
                  "update", ae_json_real(edit->seconds_update));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:s}, s:o}", "request", request, "hparams",
                     hparams_document(&edit->hparams), "before", measure_document(&edit->before), "after",
                     measure_document(&edit->after), "layers", layers, "seed", ae_json_seed(edit->seed),
                     "templates", "count", (json_int_t)edit->n_templates, "sha256", edit->templates_sha256,
                     "seconds", seconds);
}

// ---- for people ------------------------------------------------------------------------------------

static void print_probability(const char *label, const char *target, double before, double after) {
    char first[AE_SHORT_TEXT], second[AE_SHORT_TEXT];
    printf("  %-11s %12s %12s  ", label, ae_text_percent(before, first), ae_text_percent(after, second));
    ae_print_quoted(target);
    putchar('\n');
}

static void print_layer(const ae_layer_edit *l, bool steps) {
    printf("  layer %d     k.u %.4g; |delta| %.4g, %.2f of |target_init|; |dW| %.4g, %.2g of |W|\n", l->layer,
           l->k_dot_u, l->delta_norm, l->delta_norm / l->target_init_norm, l->update_norm,
           l->update_norm / l->weight_norm);
    if (l->n_steps < 1) return;
    printf("              loss %.4f -> %.4f in %d step%s\n", l->loss[0], l->loss[l->n_steps - 1], l->n_steps,
           l->n_steps == 1 ? "" : "s");
    if (!steps) return;
    printf("              %4s %10s %10s %10s %10s\n", "step", "loss", "nll", "kl", "decay");
    for (int i = 0; i < l->n_steps; i++)
        printf("              %4d %10.5f %10.5f %10.5f %10.5f\n", i, l->loss[i], l->nll[i], l->kl[i],
               l->decay[i]);
}

void ae_print_edit(const ae_edit *edit, bool steps) {
    const ae_request *r = &edit->request;
    char *text = ae_request_text(r);
    char layers[128];
    ae_edit_layers_text(edit, layers, sizeof layers);
    ae_print_quoted(text ? text : r->prompt);
    printf(" -> ");
    ae_print_quoted(r->target_new);
    printf("   (%s, layer %s)\n", ae_variant_name(edit->hparams.variant), layers);
    free(text);

    printf("  %-11s %12s %12s\n", "", "before", "after");
    print_probability("new answer", r->target_new, edit->before.target_new, edit->after.target_new);
    if (r->target_true)
        print_probability("old answer", r->target_true, edit->before.target_true, edit->after.target_true);
    if (edit->before.continuation && edit->after.continuation) {
        printf("  says before ");
        ae_print_quoted(edit->before.continuation);
        printf("\n  says after  ");
        ae_print_quoted(edit->after.continuation);
        putchar('\n');
    }
    for (int i = 0; i < edit->n_layers; i++)
        print_layer(&edit->layers[i], steps);
}
