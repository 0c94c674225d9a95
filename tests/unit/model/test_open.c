// Opening models: names, the hub's cache, config.json, tensors that do not fit, the tokenizer. Every message
// asserted.
#include "test.h"
#include "tiny_model.h"

#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"

static char *in(const char *folder, const char *name) {
    char *path = ae_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void rewrite_config(const char *folder, const char *field, json_t *value) {
    char *path = in(folder, "config.json");
    json_t *config;
    assert_ok(ae_json_load(path, 1 << 20, &config));
    assert_int_equal(value ? json_object_set_new(config, field, value) : json_object_del(config, field), 0);
    char *text = ae_json_dump(config, 2);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    ae_free(text);
    json_decref(config);
    ae_free(path);
}

static void config_is_honoured_or_refused_by_name(void **state) {
    const char *scratch = *state;
    const struct {
        const char *field;
        json_t *value;
        ae_status status;
        const char *text;
    } cases[] = {
        {"model_type", json_string("llama"), AE_ERR_UNSUPPORTED,
         "model_type 'llama' is not supported; supported are: gpt2, gptj"},
        {"model_type", NULL, AE_ERR_FORMAT, "field 'model_type' is missing"},
        {"n_embd", json_integer(17), AE_ERR_FORMAT, "n_embd = 17 is not a multiple of n_head = 2"},
        {"n_embd", json_integer(32), AE_ERR_FORMAT, "has shape [265, 16], config.json makes it [265, 32]"},
        {"n_layer", json_integer(4), AE_ERR_FORMAT, "tensor 'transformer.h.3.ln_1.weight' is missing"},
        {"n_layer", json_integer(16777216), AE_ERR_FORMAT,
         "config.json says 16777216 layers, but the weight files hold only 40 tensors"},
        {"n_layer", json_integer(0), AE_ERR_FORMAT, "field 'n_layer' is 0, expected 1 to"},
        {"n_layer", json_string("3"), AE_ERR_FORMAT, "field 'n_layer' is a string, expected an integer"},
        {"vocab_size", json_integer(300), AE_ERR_FORMAT, "config.json makes it [300, 16]"},
        {"n_positions", json_integer(65), AE_ERR_FORMAT, "'transformer.wpe.weight' has shape [64, 16]"},
        {"n_inner", json_integer(60), AE_ERR_FORMAT, "'transformer.h.0.mlp.c_fc.weight' has shape [16, 64]"},
        {"activation_function", json_string("relu"), AE_ERR_UNSUPPORTED,
         "activation_function 'relu' is not supported"},
        {"add_cross_attention", json_true(), AE_ERR_UNSUPPORTED, "'add_cross_attention' is true"},
        {"layer_norm_epsilon", json_real(-1), AE_ERR_FORMAT, "field 'layer_norm_epsilon' is -1"},
        {"tie_word_embeddings", json_false(), AE_ERR_FORMAT, "tensor 'lm_head.weight' is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "model-%zu", i);
        char *folder = in(scratch, name);
        assert_int_equal(make_tiny_model(folder, "gpt2", AE_F32, 1), 0);
        rewrite_config(folder, cases[i].field, cases[i].value);
        ae_model *model = NULL;
        assert_fails(ae_model_open(folder, NULL, &model), cases[i].status, cases[i].text);
        assert_null(model);
        ae_free(folder);
    }
}

static void switches_of_another_family_are_refused(void **state) {
    char *folder = in(*state, "model");
    ae_model *model = NULL;
    assert_int_equal(make_tiny_model(folder, "gptj", AE_F32, 1), 0);
    rewrite_config(folder, "scale_attn_weights", json_true());
    assert_ok(ae_model_open(folder, NULL, &model));
    ae_model_free(model);
    model = NULL;
    rewrite_config(folder, "scale_attn_weights", json_false());
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_UNSUPPORTED, "'scale_attn_weights' is false");
    rewrite_config(folder, "scale_attn_weights", json_true());
    rewrite_config(folder, "rotary_dim", json_integer(7));
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_FORMAT, "rotary_dim = 7 must be even");
    // Without the field transformers rotates 64 dimensions; with null the whole head.
    rewrite_config(folder, "rotary_dim", NULL);
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_FORMAT,
                 "rotary_dim = 64 must be even and at most");
    rewrite_config(folder, "rotary_dim", json_null());
    assert_ok(ae_model_open(folder, NULL, &model));
    assert_int_equal(model->config.n_rot, model->config.d_head);
    ae_model_free(model);
    ae_free(folder);
}

static void attention_scale_by_layer_changes_the_model(void **state) {
    const char *scratch = *state;
    double nll[2];
    for (int i = 0; i < 2; i++) {
        char *folder = in(scratch, i ? "scaled" : "plain");
        assert_int_equal(make_tiny_model(folder, "gpt2", AE_F32, 1), 0);
        if (i) rewrite_config(folder, "scale_attn_by_inverse_layer_idx", json_true());
        ae_model *model;
        assert_ok(ae_model_open(folder, NULL, &model));
        const char *target = "there";
        assert_ok(ae_score(model, "Once upon a time", &target, 1, &nll[i]));
        ae_model_free(model);
        ae_free(folder);
    }
    assert_true(nll[0] - nll[1] > 1e-4 || nll[1] - nll[0] > 1e-4);
}

static void folders_that_are_not_models_say_so(void **state) {
    const char *scratch = *state;
    ae_model *model = NULL;
    assert_fails(ae_model_open("/no/such/folder", NULL, &model), AE_ERR_NOT_FOUND,
                 "'/no/such/folder' is not a folder");
    assert_fails(ae_model_open(scratch, NULL, &model), AE_ERR_NOT_FOUND, "has no config.json");
    const ae_model_options options = {.n_threads = -1};
    assert_fails(ae_model_open(scratch, &options, &model), AE_ERR_ARGUMENT, "-1 threads");

    char *folder = in(scratch, "model"), *path = in(folder, "tokenizer.json");
    assert_int_equal(make_tiny_model(folder, "gpt2", AE_F32, 1), 0);
    static const char *const names[] = {"tokenizer.json", "vocab.json", "merges.txt"};
    for (size_t i = 0; i < 3; i++) {
        char *file = in(folder, names[i]);
        unlink(file);
        ae_free(file);
    }
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_NOT_FOUND, "tokenizer.json");
    ae_free(path);
    path = in(folder, "model.safetensors");
    assert_int_equal(truncate(path, 1000), 0);
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_FORMAT, "model.safetensors");
    assert_int_equal(unlink(path), 0);
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_NOT_FOUND, "model.safetensors");
    ae_free(path);
    path = in(folder, "config.json");
    assert_ok(ae_atomic_write(path, "{\"model_type\": ", 15));
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_FORMAT, "not valid JSON: line 1");
    assert_ok(ae_atomic_write(path, "[]", 2));
    assert_fails(ae_model_open(folder, NULL, &model), AE_ERR_FORMAT, "holds an array, expected an object");
    ae_free(path);
    ae_free(folder);
    assert_null(model);
}

static void write_text(const char *path, const char *text) {
    assert_ok(ae_atomic_write(path, text, strlen(text)));
}

static void names_are_found_in_the_hub_s_cache(void **state) {
    const char *scratch = *state;
    char *hub = in(scratch, "home/hub"), *path, *folder = NULL;
    path = in(hub, "models--EleutherAI--gpt-j-6B/snapshots/abc123");
    assert_ok(ae_folder_make(path));
    char *refs = in(hub, "models--EleutherAI--gpt-j-6B/refs");
    assert_ok(ae_folder_make(refs));
    char *ref = in(refs, "main");
    write_text(ref, "abc123\n");

    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    char *home = in(scratch, "home");
    setenv("HF_HOME", home, 1);
    assert_ok(ae_model_find("EleutherAI/gpt-j-6B", &folder));
    assert_string_equal(folder, path);
    ae_free(folder);
    setenv("HF_HUB_CACHE", hub, 1); // wins over HF_HOME
    setenv("HF_HOME", "/nowhere", 1);
    folder = NULL;
    assert_ok(ae_model_find("EleutherAI/gpt-j-6B", &folder));
    assert_string_equal(folder, path);
    ae_free(folder);
    folder = NULL;
    // the hub renamed gpt2's owner: the short name finds the new place
    char *renamed = in(hub, "models--openai-community--gpt2-xl/snapshots/15ea");
    assert_ok(ae_folder_make(renamed));
    assert_ok(ae_model_find("gpt2-xl", &folder));
    assert_string_equal(folder, renamed);
    ae_free(folder);
    folder = NULL;

    assert_fails(ae_model_find("gpt2-large", &folder), AE_ERR_NOT_FOUND,
                 "hf download openai-community/gpt2-large");
    assert_fails(ae_model_find("some/model", &folder), AE_ERR_NOT_FOUND, "hf download some/model");
    assert_fails(ae_model_find("some/model", &folder), AE_ERR_NOT_FOUND, "models--some--model");
    assert_fails(ae_model_find("../no-such", &folder), AE_ERR_NOT_FOUND, "there is no folder '../no-such'");
    assert_fails(ae_model_find("a/b/c", &folder), AE_ERR_NOT_FOUND, "there is no folder 'a/b/c'");
    assert_fails(ae_model_find("", &folder), AE_ERR_ARGUMENT, "empty");
    assert_fails(ae_model_find(ref, &folder), AE_ERR_ARGUMENT, "is a file: give the model folder");
    write_text(ref, "../../../../etc");
    assert_fails(ae_model_find("EleutherAI/gpt-j-6B", &folder), AE_ERR_FORMAT, "does not hold a revision");

    setenv("AEDILE_DEMO", "/nowhere", 1);
    assert_fails(ae_model_find("demo", &folder), AE_ERR_NOT_FOUND, "AEDILE_DEMO is '/nowhere'");
    setenv("AEDILE_DEMO", home, 1);
    assert_ok(ae_model_find("demo", &folder));
    assert_string_equal(folder, home);
    unsetenv("AEDILE_DEMO");
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HOME");

    char *own_home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    setenv("HOME", scratch, 1);
    assert_fails(ae_model_find("gpt2", &folder), AE_ERR_NOT_FOUND,
                 "/.cache/huggingface/hub/models--openai-community--gpt2' was looked for");
    unsetenv("HOME");
    assert_fails(ae_model_find("gpt2", &folder), AE_ERR_NOT_FOUND,
                 "set HF_HUB_CACHE, or HOME, which is not set");
    if (own_home) setenv("HOME", own_home, 1);
    free(own_home);
    char *all[] = {hub, path, refs, ref, home, renamed, folder};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ae_free(all[i]);
}

static void info_tells_what_the_model_is(void **state) {
    const char *scratch = *state;
    static const char *const architectures[2] = {"gpt2", "gptj"};
    for (int i = 0; i < 2; i++) {
        char *folder = in(scratch, i ? "models--Some--gptj-tiny/snapshots/1" : "my-gpt2/");
        assert_int_equal(make_tiny_model(folder, architectures[i], AE_BF16, 1), 0);
        const ae_model_options options = {.n_threads = 3};
        ae_model *model;
        assert_ok(ae_model_open(folder, &options, &model));
        const ae_model_info *info = ae_model_get_info(model);
        assert_string_equal(info->architecture, architectures[i]);
        assert_string_equal(info->name, i ? "Some/gptj-tiny" : "my-gpt2");
        assert_string_equal(info->dtype, "BF16");
        assert_string_equal(info->mlp_out_module,
                            i ? "transformer.h.%d.mlp.fc_out" : "transformer.h.%d.mlp.c_proj");
        assert_int_equal(info->d_mlp, TINY_MLP);
        assert_int_equal(info->n_threads, 3);
        assert_int_equal(info->default_layer, -1);
        char *itself = ae_path_join(folder, ".");
        ae_model *again = NULL;
        assert_ok(ae_model_open(itself, &options, &again));
        assert_string_equal(ae_model_get_info(again)->name, info->name);
        ae_model_free(again);
        ae_free(itself);
        int64_t elements = 0;
        for (size_t t = 0; t < ae_model_tensor_count(model); t++) {
            const ae_tensor_info tensor = ae_model_tensor(model, t);
            int64_t n = 1;
            for (int d = 0; d < tensor.n_dim; d++)
                n *= tensor.shape[d];
            assert_int_equal(tensor.n_bytes, 2 * n);
            elements += n;
        }
        assert_int_equal(info->n_parameters, elements);
        ae_model_free(model);
        ae_free(folder);
    }
}

// Checkpoints saved from the bare model, as gpt2's on the hub, lack the prefix of every name.
static void names_may_lack_their_prefix(void **state) {
    static const char prefix[] = "transformer.", prompt[] = "Once upon";
    char *folder = in(*state, "model"), *path = in(folder, "model.safetensors");
    const char *target = "there";
    double nll[2];
    assert_int_equal(make_tiny_model(folder, "gpt2", AE_F32, 5), 0);
    for (int bare = 0; bare < 2; bare++) {
        if (bare) {
            ae_safetensors *file;
            assert_ok(ae_safetensors_open(path, &file));
            ae_tensor tensors[TINY_MAX_TENSORS];
            const size_t n = ae_safetensors_count(file);
            for (size_t i = 0; i < n; i++) {
                tensors[i] = *ae_safetensors_at(file, i);
                assert_int_equal(strncmp(tensors[i].name, prefix, strlen(prefix)), 0);
                tensors[i].name += strlen(prefix);
            }
            char *other = in(*state, "other");
            assert_ok(ae_safetensors_write(other, tensors, n, NULL));
            ae_safetensors_close(file);
            assert_int_equal(rename(other, path), 0);
            ae_free(other);
        }
        ae_model *model;
        assert_ok(ae_model_open(folder, NULL, &model));
        assert_ok(ae_score(model, prompt, &target, 1, &nll[bare]));
        assert_string_equal(ae_model_get_info(model)->mlp_out_module, "transformer.h.%d.mlp.c_proj");
        ae_model_free(model);
    }
    assert_true(nll[0] == nll[1]);
    ae_free(path);
    ae_free(folder);
}

// Writers of 2022 did not pad the header: the data may begin at any byte. Shifts it by `shift` spaces behind
// the header.
static void shift_data(const char *folder, size_t shift) {
    char *path = in(folder, "model.safetensors"), *bytes = NULL;
    size_t length = 0;
    assert_ok(ae_file_read(path, 1 << 24, &bytes, &length));
    uint64_t header = 0;
    memcpy(&header, bytes, 8); // the tests run on little-endian machines alone
    const uint64_t longer = header + shift;
    ae_text shifted = {0};
    assert_ok(ae_text_append(&shifted, (const char *)&longer, 8));
    assert_ok(ae_text_append(&shifted, bytes + 8, (size_t)header));
    assert_ok(ae_text_append(&shifted, "       ", shift));
    assert_ok(ae_text_append(&shifted, bytes + 8 + header, length - 8 - (size_t)header));
    assert_ok(ae_atomic_write(path, shifted.data, shifted.length));
    ae_free(shifted.data);
    ae_free(bytes);
    ae_free(path);
}

static void weights_may_lie_at_any_byte(void **state) {
    const char *scratch = *state;
    static const ae_dtype types[3] = {AE_F32, AE_F16, AE_BF16};
    for (int k = 0; k < 6; k++) {
        char name[16];
        snprintf(name, sizeof name, "model-%d", k);
        char *folder = in(scratch, name);
        assert_int_equal(make_tiny_model(folder, k % 2 ? "gptj" : "gpt2", types[k / 2], 5), 0);
        double nll[2][3];
        for (int shifted = 0; shifted < 2; shifted++) {
            if (shifted) shift_data(folder, 1);
            const ae_model_options options = {.n_threads = 2};
            ae_model *model;
            const char *const targets[3] = {"one", "two", "three and more"};
            assert_ok(ae_model_open(folder, &options, &model));
            // one row, then many: the ways of multiplying differ
            assert_ok(ae_score(model, "a", targets, 1, nll[shifted]));
            assert_ok(ae_score(model, "a b c d e f g h i j k l m n", targets + 1, 2, nll[shifted] + 1));
            float edited[TINY_D * TINY_MLP], u[TINY_MLP] = {1}, right[TINY_D] = {1};
            assert_ok(ae_model_add_rank_one(model, 1, u, right));
            assert_ok(ae_model_get_mlp_out(model, 1, edited));
            assert_ok(ae_model_check_finite(model));
            ae_model_free(model);
        }
        assert_memory_equal(nll[0], nll[1], sizeof nll[0]);
        ae_free(folder);
    }
}

static void old_decoding_takes_spaces_out(void **state) {
    const char *scratch = *state;
    char *folder = in(scratch, "model");
    assert_int_equal(make_tiny_model(folder, "gpt2", AE_F32, 1), 0);
    static const char text[] = "well , you 're here .";
    for (int i = 0; i < 2; i++) {
        const ae_model_options options = {.n_threads = 1, .decode_compat = i == 1};
        ae_model *model;
        int32_t *ids;
        size_t n_ids, length;
        char *back;
        assert_ok(ae_model_open(folder, &options, &model));
        assert_ok(ae_encode(model, text, strlen(text), &ids, &n_ids));
        assert_ok(ae_decode(model, ids, n_ids, &back, &length));
        assert_string_equal(back, i ? "well, you're here." : text);
        assert_int_equal(length, strlen(back));
        ae_free(back);
        ae_free(ids);
        // A C string has nothing behind a NUL, which a model may write all the same.
        assert_ok(ae_encode(model, "a\0 b .", 6, &ids, &n_ids));
        assert_ok(ae_decode(model, ids, n_ids, &back, &length));
        assert_int_equal(length, i ? 4 : 6);
        assert_memory_equal(back, i ? "a b." : "a\0 b .", length);
        ae_free(back);
        assert_ok(ae_model_decode_string(model, ids, n_ids, &back, NULL));
        assert_string_equal(back, i ? "a b." : "a b .");
        ae_free(back);
        ae_free(ids);
        ae_model_free(model);
    }
    ae_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(config_is_honoured_or_refused_by_name, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(switches_of_another_family_are_refused, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(attention_scale_by_layer_changes_the_model, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(folders_that_are_not_models_say_so, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(names_are_found_in_the_hub_s_cache, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(names_may_lack_their_prefix, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(weights_may_lie_at_any_byte, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(old_decoding_takes_spaces_out, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(info_tells_what_the_model_is, make_scratch_folder,
                                        remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
