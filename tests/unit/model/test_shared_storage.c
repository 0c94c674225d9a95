// Tensors of a torch archive that share one storage: a small file with many names must not make the model ask
// for more than a few times the file's size.
#include "test.h"
#include "tiny_model.h"

#include <minizip/zip.h>

#include "model/model.h"

enum { WIDE = 40000, STORAGE = TINY_D * WIDE };

static void put_text(ae_text *out, const char *text) {
    const uint32_t length = (uint32_t)strlen(text);
    const unsigned char head[5] = {'X', length & 255, length >> 8 & 255, length >> 16 & 255, length >> 24};
    assert_ok(ae_text_append(out, (const char *)head, sizeof head));
    assert_ok(ae_text_append(out, text, length));
}

static void put_number(ae_text *out, int64_t number) {
    const unsigned char bytes[5] = {'J', number & 255, number >> 8 & 255, number >> 16 & 255,
                                    number >> 24 & 255};
    assert_ok(ae_text_append(out, (const char *)bytes, sizeof bytes));
}

#define PUT(out, bytes) assert_ok(ae_text_append((out), (bytes), sizeof(bytes) - 1))

// name: _rebuild_tensor_v2(storage 0, 0, shape, strides, False, OrderedDict())
static void put_tensor(ae_text *out, const char *name, int rows, int columns) {
    put_text(out, name);
    PUT(out, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(out, "storage");
    PUT(out, "ctorch\nFloatStorage\n");
    put_text(out, "0");
    put_text(out, "cpu");
    put_number(out, STORAGE);
    PUT(out, "tQ");
    put_number(out, 0);
    PUT(out, "(");
    if (rows > 0) put_number(out, rows);
    put_number(out, columns);
    PUT(out, "t(");
    if (rows > 0) put_number(out, columns);
    put_number(out, 1);
    PUT(out, "t\x89"
             "ccollections\nOrderedDict\n)RtR");
}

static void put_layer(ae_text *out, int layer) {
    static const struct {
        const char *name;
        int rows, columns;
    } tensors[] = {
        {"ln_1.weight", 0, TINY_D},
        {"ln_1.bias", 0, TINY_D},
        {"ln_2.weight", 0, TINY_D},
        {"ln_2.bias", 0, TINY_D},
        {"attn.c_attn.weight", TINY_D, 3 * TINY_D},
        {"attn.c_attn.bias", 0, 3 * TINY_D},
        {"attn.c_proj.weight", TINY_D, TINY_D},
        {"attn.c_proj.bias", 0, TINY_D},
        {"mlp.c_fc.weight", TINY_D, WIDE},
        {"mlp.c_fc.bias", 0, WIDE},
        {"mlp.c_proj.weight", WIDE, TINY_D},
        {"mlp.c_proj.bias", 0, TINY_D},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        char name[64];
        snprintf(name, sizeof name, "transformer.h.%d.%s", layer, tensors[i].name);
        put_tensor(out, name, tensors[i].rows, tensors[i].columns);
    }
}

static void add_member(zipFile zip, const char *name, const void *bytes, size_t size) {
    assert_int_equal(zipOpenNewFileInZip(zip, name, NULL, NULL, 0, NULL, 0, NULL, 0, 0), ZIP_OK);
    assert_int_equal(zipWriteInFileInZip(zip, bytes, (unsigned)size), ZIP_OK);
    assert_int_equal(zipCloseFileInZip(zip), ZIP_OK);
}

// A model of n_layer layers all of whose tensors begin at the one storage's first byte.
static void make_model(const char *folder, int n_layer) {
    assert_ok(ae_folder_make(folder));
    assert_int_equal(tiny_write_wide_rest(folder, "gpt2", AE_F32, WIDE), 0);
    char *path = ae_path_join(folder, "config.json");
    json_t *config;
    assert_ok(ae_json_load(path, 1 << 20, &config));
    json_object_set_new(config, "n_layer", json_integer(n_layer));
    assert_int_equal(tiny_write_json(folder, "config.json", config), 0);
    ae_free(path);

    ae_text pickle = {0};
    PUT(&pickle, "\x80\x02}(");
    put_tensor(&pickle, "transformer.wte.weight", TINY_VOCAB, TINY_D);
    put_tensor(&pickle, "transformer.wpe.weight", TINY_CTX, TINY_D);
    put_tensor(&pickle, "transformer.ln_f.weight", 0, TINY_D);
    put_tensor(&pickle, "transformer.ln_f.bias", 0, TINY_D);
    for (int layer = 0; layer < n_layer; layer++)
        put_layer(&pickle, layer);
    PUT(&pickle, "u.");

    float *storage = ae_alloc(STORAGE, sizeof *storage);
    assert_non_null(storage);
    path = ae_path_join(folder, "pytorch_model.bin");
    zipFile zip = zipOpen(path, APPEND_STATUS_CREATE);
    assert_non_null(zip);
    add_member(zip, "archive/data.pkl", pickle.data, pickle.length);
    add_member(zip, "archive/data/0", storage, STORAGE * sizeof *storage);
    assert_int_equal(zipClose(zip, NULL), ZIP_OK);
    ae_free(path);
    ae_free(storage);
    ae_free(pickle.data);
}

static void sharing_is_read(void **state) {
    char *folder = ae_path_join(*state, "few");
    make_model(folder, 3);
    ae_model *model = NULL;
    assert_ok(ae_model_open(folder, NULL, &model));
    assert_int_equal(ae_model_get_info(model)->n_layer, 3);
    ae_model_free(model);
    ae_free(folder);
}

static void sharing_does_not_multiply_memory(void **state) {
    char *folder = ae_path_join(*state, "many");
    make_model(folder, 100);
    ae_model *model = NULL;
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_FORMAT,
                 "tensors share their storage; save each tensor as its own");
    assert_null(model);
    ae_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sharing_is_read, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(sharing_does_not_multiply_memory, make_scratch_folder,
                                        remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
