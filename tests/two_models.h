/* two_models.h: set-up and tear-down of tests that need one small model of each family. */
#ifndef AE_TWO_MODELS_H
#define AE_TWO_MODELS_H

#include <math.h>

#include "test.h"
#include "tiny_model.h"

#include "model/model.h"

enum { N_TWO = 2 };

typedef struct two_models {
    char *folder;            // scratch
    ae_model *models[N_TWO]; // gpt2, gptj
} two_models;

static inline int open_two_models(void **state) {
    two_models *f = calloc(1, sizeof *f);
    void *folder = NULL;
    if (!f || make_scratch_folder(&folder) != 0) return -1;
    f->folder = folder;
    static const char *const names[N_TWO] = {"gpt2", "gptj"};
    for (int i = 0; i < N_TWO; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        if (make_tiny_model(path, names[i], AE_F32, 7) != 0) return -1;
        const ae_model_options options = {.n_threads = 2};
        if (ae_model_open(path, &options, &f->models[i]) != AE_OK) {
            print_error("%s\n", ae_last_error());
            return -1;
        }
    }
    *state = f;
    return 0;
}

static inline int close_two_models(void **state) {
    two_models *f = *state;
    for (int i = 0; i < N_TWO; i++)
        ae_model_free(f->models[i]);
    void *folder = f->folder;
    free(f);
    return remove_scratch_folder(&folder);
}

/* Makes everything that the model computes NaN, until ae_model_restore. */
static inline void spoil(ae_model *m) {
    float u[TINY_MLP] = {NAN}, right[TINY_D] = {1};
    assert_ok(ae_model_add_rank_one(m, 1, u, right));
}

#endif
