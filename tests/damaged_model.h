/* damaged_model.h: a tiny model whose file is written to, one value at a time. */
#ifndef AE_DAMAGED_MODEL_H
#define AE_DAMAGED_MODEL_H

#include <fcntl.h>
#include <unistd.h>

#include "model/model.h"
#include "test.h"
#include "tiny_model.h"

typedef struct damaged {
    char *folder, *file;
    ae_model *model; // as it was made; its mapping sees what is written
} damaged;

static inline ae_model *damaged_open(const damaged *p) {
    const ae_model_options options = {.n_threads = 1};
    ae_model *model = NULL;
    assert_ok(ae_model_open(p->folder, &options, &model));
    return model;
}

/* In <root>/<architecture>-<dtype>. 0: done. */
static inline int damaged_make(damaged *p, const char *root, const char *architecture, ae_dtype dtype) {
    char name[32];
    snprintf(name, sizeof name, "%s-%s", architecture, ae_dtype_name(dtype));
    *p = (damaged){.folder = ae_path_join(root, name)};
    p->file = ae_path_join(p->folder, "model.safetensors");
    if (make_tiny_model(p->folder, architecture, dtype, 3) != 0) return -1;
    p->model = damaged_open(p);
    return 0;
}

static inline void damaged_free(damaged *p) {
    ae_model_free(p->model);
    ae_free(p->folder);
    ae_free(p->file);
    *p = (damaged){0};
}

/* Writes a value where the tensor's element is stored; *was: what stood there, NULL where nobody asks. */
static inline void damaged_poke(const damaged *p, const ae_tensor *t, int64_t element, float value,
                                float *was) {
    const size_t size = ae_dtype_size(t->dtype);
    unsigned char bytes[4];
    const int file = open(p->file, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    if (was) ae_tensor_to_float(t, element, 1, was);
    ae_float_to_dtype(&value, 1, t->dtype, bytes);
    assert_int_equal(pwrite(file, bytes, size, (off_t)(t->offset + (size_t)element * size)), (ssize_t)size);
    close(file);
}

static inline const ae_tensor *damaged_tensor(const damaged *p, const char *name) {
    const ae_tensor *t = ae_checkpoint_find(p->model->checkpoint, name);
    assert_non_null(t);
    return t;
}

/* Sets all elements of a tensor. */
static inline void damaged_fill(const damaged *p, const char *name, float value) {
    const ae_tensor *t = damaged_tensor(p, name);
    for (int64_t i = 0; i < ae_tensor_elements(t); i++)
        damaged_poke(p, t, i, value, NULL);
}

/* Multiplies all elements of a tensor. */
static inline void damaged_scale(const damaged *p, const char *name, float factor) {
    const ae_tensor *t = damaged_tensor(p, name);
    for (int64_t i = 0; i < ae_tensor_elements(t); i++) {
        float value;
        ae_tensor_to_float(t, i, 1, &value);
        damaged_poke(p, t, i, factor * value, NULL);
    }
}

#endif
