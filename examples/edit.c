/* edit MODEL LAYER STATISTICS: opens a model, changes one fact, asks about it, takes the change back, asks
 * again.
 *
 *     cc edit.c $(pkg-config --cflags --libs aedile) -o edit && ./edit gpt2-xl 17 data/stats/.../...npz */
#include <stdio.h>
#include <stdlib.h>

#include <aedile/aedile.h>

static int score(ae_model *model, const char *when) {
    const char *const targets[] = {"Rome", "Paris"};
    double nll[2];
    if (ae_score(model, "The Eiffel Tower is in", targets, 2, nll) != AE_OK) return 0;
    printf("%-12s Rome %.4f, Paris %.4f nats a token\n", when, nll[0], nll[1]);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "Usage: edit MODEL LAYER STATISTICS\n"), 2;
    const ae_request request = {"The {} is in", "Eiffel Tower", "Rome", "Paris", -1};
    const int layer = atoi(argv[2]);
    char *folder = NULL;
    ae_model *model = NULL;
    ae_hparams hparams;
    ae_templates templates = {0};
    ae_moment *moment = NULL;
    ae_edit *edit = NULL;

    int ok = ae_model_find(argv[1], &folder) == AE_OK && ae_model_open(folder, NULL, &model) == AE_OK &&
             ae_hparams_builtin(model, layer, &hparams) == AE_OK &&
             ae_moment_open(model, layer, &hparams, argv[3], 0, NULL, &moment) == AE_OK &&
             ae_templates_sample(model, &hparams, 0, NULL, &templates) == AE_OK;
    if (ok) {
        const ae_moment *const moments[] = {moment};
        const ae_edit_options options = {.hparams = &hparams, .templates = &templates, .moments = moments};
        ok = ae_edit_compute(model, &request, 1, &options, NULL, &edit) == AE_OK && score(model, "before");
    }
    if (ok) {
        printf("the edit: layer %d, |delta| %.4g, k.u %.4g, %d steps\n", edit->layers[0].layer,
               edit->layers[0].delta_norm, edit->layers[0].k_dot_u, edit->layers[0].n_steps);
        ok = ae_edit_apply(model, edit) == AE_OK && score(model, "edited");
        ae_model_restore(model);
        ok = ok && score(model, "taken back");
    }
    if (!ok) fprintf(stderr, "edit: %s\n", ae_last_error());
    ae_edit_free(edit);
    ae_moment_free(moment);
    ae_templates_free(&templates);
    ae_model_free(model);
    ae_free(folder);
    return ok ? 0 : 1;
}
