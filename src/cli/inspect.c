// aedile inspect: what a model is, and where it would be edited.
#include <stdio.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
    bool tensors, check;
} values;

static json_t *tensor_list(const ae_model *model) {
    json_t *list = json_array();
    for (size_t i = 0; i < ae_model_tensor_count(model); i++) {
        const ae_tensor_info t = ae_model_tensor(model, i);
        json_t *shape = json_array();
        for (int d = 0; d < t.n_dim; d++)
            json_array_append_new(shape, json_integer(t.shape[d]));
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o, s:I}", "name", ae_json_text(t.name),
                                              "dtype", t.dtype, "shape", shape, "file", ae_json_text(t.file),
                                              "n_bytes", (json_int_t)t.n_bytes));
    }
    return list;
}

static json_t *model_document(const ae_session *session, const values *v) {
    const ae_model_info *m = ae_model_get_info(session->model);
    json_t *document =
        json_pack("{s:o, s:o, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:b, s:s, s:i}",
                  "folder", ae_json_text(m->folder), "name", ae_json_text(m->name), "architecture",
                  m->architecture, "dtype", m->dtype, "n_layer", m->n_layer, "n_head", m->n_head, "d_head",
                  m->d_head, "d_model", m->d_model, "d_mlp", m->d_mlp, "n_vocab", m->n_vocab, "n_ctx",
                  m->n_ctx, "n_parameters", (json_int_t)m->n_parameters, "n_bytes", (json_int_t)m->n_bytes,
                  "tied_head", m->tied_head, "mlp_out_module", m->mlp_out_module, "n_threads", m->n_threads);
    json_object_set_new(document, "default_layer",
                        m->default_layer < 0 ? json_null() : json_integer(m->default_layer));
    json_object_set_new(document, "journal", ae_json_text(v->common.journal));
    json_object_set_new(document, "n_edits", json_integer((json_int_t)session->n_active));
    json_object_set_new(document, "finite", v->check ? json_true() : json_null());
    if (v->tensors) json_object_set_new(document, "tensors", tensor_list(session->model));
    return document;
}

// The module's name with its layer in place of "%d".
static void print_module(const char *pattern, int layer) {
    for (; *pattern; pattern++)
        if (pattern[0] == '%' && pattern[1] == 'd') {
            printf("%d", layer);
            pattern++;
        } else {
            putchar(*pattern);
        }
}

static void print_model(const ae_session *session, const values *v) {
    const ae_model_info *m = ae_model_get_info(session->model);
    char bytes[AE_SHORT_TEXT];
    ae_print_visible(stdout, m->name);
    printf("\n  folder        ");
    ae_print_visible(stdout, m->folder);
    printf("\n  architecture  %s: %d layers, d_model %d, d_mlp %d, %d heads of %d\n", m->architecture,
           m->n_layer, m->d_model, m->d_mlp, m->n_head, m->d_head);
    printf("  weights       %lld parameters, %s, %s\n", (long long)m->n_parameters, m->dtype,
           ae_text_bytes((double)m->n_bytes, bytes));
    printf("  vocabulary    %d tokens; context %d tokens; output matrix %s\n", m->n_vocab, m->n_ctx,
           m->tied_head ? "tied to the embedding" : "of its own");
    printf("  edited at     ");
    if (m->default_layer < 0) {
        printf("not known for this model: say --layer\n");
    } else {
        printf("layer %d (", m->default_layer);
        print_module(m->mlp_out_module, m->default_layer);
        printf(")\n");
    }
    if (session->journal) {
        printf("  journal       ");
        ae_print_visible(stdout, v->common.journal);
        printf(": %zu edit%s applied\n", session->n_active, session->n_active == 1 ? "" : "s");
    }
    if (v->check) printf("  values        all finite\n");
    for (size_t i = 0; v->tensors && i < ae_model_tensor_count(session->model); i++) {
        const ae_tensor_info t = ae_model_tensor(session->model, i);
        printf("  ");
        ae_print_column(stdout, t.name, 48);
        printf(" %-5s [", t.dtype);
        for (int d = 0; d < t.n_dim; d++)
            printf("%s%lld", d ? ", " : "", (long long)t.shape[d]);
        printf("]\n");
    }
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    const values *v = options;
    ae_session session = {0};
    ae_status status = ae_session_open(words->items[0], &v->common, &session);
    if (status == AE_OK && v->check) status = ae_model_check_finite(session.model);
    int code = AE_EXIT_OK;
    if (status != AE_OK)
        code = ae_console_fail(console, status);
    else if (console->json)
        code = ae_console_document(console, model_document(&session, v));
    else
        print_model(&session, v);
    ae_session_close(&session);
    return code;
}

static const ae_option options[] = {
    {.name = "tensors",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, tensors),
     .section = "What to tell",
     .help = "List the tensors of the checkpoint: name, type, shape."},
    {.name = "check",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(values, check),
     .help = "Read every weight; one that is not finite is an error that names it."},
    {0},
};

const ae_command ae_command_inspect = {
    .name = "inspect",
    .brief = "say what a model is: sizes, types, where it would be edited",
    .usage = {"MODEL [options]"},
    .about =
        "Opens the model and prints its architecture, its size, and the layer at which edits are made unless "
        "told "
        "otherwise. Opening checks the files' structure against config.json; --check reads the weights, too.",
    .tables = {options, ae_table_reader, ae_table_output},
    .examples = {{"What is this model?", "aedile inspect gpt2-xl"},
                 {"Is the downloaded checkpoint sound?", "aedile inspect ./my-model --check --tensors"}},
    .min_words = 1,
    .max_words = 1,
    .size = sizeof(values),
    .run = run,
};
