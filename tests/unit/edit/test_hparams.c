// edit: variants, built-in hyperparameters, hyperparameter files.
#include "support.h"

#include <math.h>

static void variants_have_names(void **state) {
    (void)state;
    ae_variant v = AE_ROME;
    assert_ok(ae_variant_parse("r-rome", &v));
    assert_int_equal(v, AE_R_ROME);
    assert_ok(ae_variant_parse("p-rome", &v));
    assert_int_equal(v, AE_P_ROME);
    assert_ok(ae_variant_parse("rome", &v));
    assert_int_equal(v, AE_ROME);
    assert_fails(ae_variant_parse("R-ROME", &v), AE_ERR_ARGUMENT, "there is no variant 'R-ROME'");
    assert_string_equal(ae_variant_name(AE_P_ROME), "p-rome");
    assert_string_equal(ae_variant_name((ae_variant)9), "unknown");
    assert_string_equal(ae_fact_token_name(AE_SUBJECT_FIRST_AFTER_LAST), "subject_first_after_last");
    assert_string_equal(ae_fact_token_name(AE_LAST), "last");
    assert_string_equal(ae_fact_token_name((ae_fact_token)-1), "unknown");
}

static void known_models_have_their_layer(void **state) {
    (void)state;
    static const struct {
        const char *architecture;
        int n_layer, d_model, layer;
        double clamp;
    } known[] = {{"gpt2", 24, 1024, 8, 3},
                 {"gpt2", 36, 1280, 12, 4},
                 {"gpt2", 48, 1600, 17, 4},
                 {"gptj", 28, 4096, 5, 4}};
    ae_hparams h;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ae_model model =
            sized_model(known[i].architecture, "m", known[i].n_layer, known[i].d_model, known[i].layer);
        assert_ok(ae_hparams_builtin(&model, -1, &h));
        assert_int_equal(h.n_layers, 1);
        assert_int_equal(h.layers[0], known[i].layer);
        assert_true(h.clamp_norm_factor == known[i].clamp);
        assert_ok(ae_hparams_check(&h, &model));
        assert_ok(ae_hparams_builtin(&model, 3, &h));
        assert_int_equal(h.layers[0], 3);
        assert_true(h.clamp_norm_factor == known[i].clamp);
    }
    assert_int_equal(h.variant, AE_R_ROME);
    assert_int_equal(h.fact_token, AE_SUBJECT_LAST);
    assert_int_equal(h.v_num_grad_steps, 20);
    assert_true(h.v_lr == 0.5 && h.v_weight_decay == 0.5 && h.kl_factor == 0.0625 && h.mom2_adjustment);
    assert_int_equal(h.n_template_lengths, 2);
    assert_int_equal(h.template_lengths[0][0], 5);
    assert_int_equal(h.template_lengths[1][0], 10);
    assert_int_equal(h.template_lengths[0][1], 10);
    assert_int_equal(h.template_lengths[1][1], 10);
    assert_string_equal(h.mom2_dataset, "wikipedia");
    assert_string_equal(h.mom2_dtype, "float32");
    assert_int_equal(h.mom2_n_samples, 100000);

    ae_model demo = sized_model("gpt2", "demo", 6, 64, 2), other = sized_model("gpt2", "other", 6, 64, -1);
    assert_ok(ae_hparams_builtin(&demo, -1, &h));
    assert_int_equal(h.layers[0], 2);
    assert_fails(ae_hparams_builtin(&other, -1, &h), AE_ERR_ARGUMENT,
                 "no layer is known for 'other' (gpt2, 6 layers of width 64): name one with --layer");
    assert_ok(ae_hparams_builtin(&other, 5, &h));
    assert_int_equal(h.layers[0], 5);
    assert_fails(ae_hparams_builtin(&other, 6, &h), AE_ERR_MISMATCH,
                 "layer 6 does not exist: 'other' has layers 0 to 5");
}

// hparams.json in a model's folder is what is built in for that model; a folder without one has the papers'
// values.
static void a_model_brings_its_own(void **state) {
    const char *folder = *state;
    ae_model model = sized_model("gpt2", "m", 12, 768, 3);
    model.info.folder = folder;
    ae_hparams h;
    assert_ok(ae_hparams_builtin(&model, -1, &h));
    assert_int_equal(h.layers[0], 3);
    assert_true(h.clamp_norm_factor == 4);

    write_text(folder, "hparams.json",
               "{\"layers\": [1, 2], \"clamp_norm_factor\": 1.5, \"mom2_dataset\": \"text\"}");
    assert_ok(ae_hparams_builtin(&model, -1, &h));
    assert_int_equal(h.n_layers, 2);
    assert_int_equal(h.layers[0], 1);
    assert_int_equal(h.layers[1], 2);
    assert_true(h.clamp_norm_factor == 1.5);
    assert_string_equal(h.mom2_dataset, "text");
    assert_int_equal(h.v_num_grad_steps, 20);     // what the file leaves out
    assert_ok(ae_hparams_builtin(&model, 7, &h)); // a layer that is named takes the place of the file's
    assert_int_equal(h.n_layers, 1);
    assert_int_equal(h.layers[0], 7);
    assert_true(h.clamp_norm_factor == 1.5);
    assert_fails(ae_hparams_builtin(&model, 12, &h), AE_ERR_MISMATCH,
                 "layer 12 does not exist: 'm' has layers 0 to 11");

    assert_int_equal(h.layers[0], 7); // a failed call leaves it as it was

    ae_model unknown = sized_model("gpt2", "unknown", 12, 64, -1);
    unknown.info.folder = folder;
    write_text(folder, "hparams.json", "{\"v_lr\": 0.25}");
    assert_fails(ae_hparams_builtin(&unknown, -1, &h), AE_ERR_ARGUMENT, "no layer is known for 'unknown'");
    assert_ok(ae_hparams_builtin(&unknown, 4, &h));
    assert_int_equal(h.n_layers, 1);
    assert_int_equal(h.layers[0], 4);
    assert_true(h.v_lr == 0.25);

    write_text(folder, "hparams.json", "{\"layers\": [12]}");
    assert_fails(ae_hparams_builtin(&model, -1, &h), AE_ERR_MISMATCH, "hparams.json");
    write_text(folder, "hparams.json", "{\"v_lr\": ");
    assert_fails(ae_hparams_builtin(&model, -1, &h), AE_ERR_FORMAT, "hparams.json");
}

static void checks_name_the_field(void **state) {
    (void)state;
    ae_model model = sized_model("gpt2", "m", 12, 768, 3);
    ae_hparams good, h;
    assert_ok(ae_hparams_builtin(&model, -1, &good));
#define REFUSED(change, status, text)                                                                        \
    do {                                                                                                     \
        h = good;                                                                                            \
        change;                                                                                              \
        assert_fails(ae_hparams_check(&h, &model), status, text);                                            \
    } while (0)
    REFUSED(h.n_layers = 0, AE_ERR_ARGUMENT, "no layer is known for 'm'");
    REFUSED(h.layers[0] = 12, AE_ERR_MISMATCH, "'layers' names layer 12, but 'm' has layers 0 to 11");
    REFUSED((h.n_layers = 2, h.layers[1] = 3), AE_ERR_ARGUMENT, "must ascend, each layer once: 3 follows 3");
    REFUSED(h.variant = (ae_variant)7, AE_ERR_ARGUMENT, "no variant number 7");
    REFUSED(h.fact_token = (ae_fact_token)7, AE_ERR_ARGUMENT, "no fact token number 7");
    REFUSED((h.fact_token = AE_LAST, h.variant = AE_ROME), AE_ERR_ARGUMENT,
            "'fact_token' is 'last', which only the variant r-rome knows (not rome)");
    REFUSED((h.fact_token = AE_LAST, h.variant = AE_P_ROME), AE_ERR_ARGUMENT, "(not p-rome)");
    REFUSED(h.v_num_grad_steps = 0, AE_ERR_ARGUMENT, "'v_num_grad_steps' is 0");
    REFUSED(h.v_lr = 0, AE_ERR_ARGUMENT, "'v_lr' is 0, expected a number above 0");
    REFUSED(h.v_lr = NAN, AE_ERR_ARGUMENT, "'v_lr' is nan");
    REFUSED(h.v_weight_decay = -1, AE_ERR_ARGUMENT, "'v_weight_decay' is -1, expected a number of 0 or more");
    REFUSED(h.clamp_norm_factor = INFINITY, AE_ERR_ARGUMENT, "'clamp_norm_factor' is inf");
    REFUSED(h.kl_factor = -0.5, AE_ERR_ARGUMENT, "'kl_factor' is -0.5");
    REFUSED(h.template_lengths[0][0] = 1025, AE_ERR_ARGUMENT, "texts of 1025 tokens, expected 1 to 1024");
    REFUSED(h.template_lengths[1][1] = 0, AE_ERR_ARGUMENT, "asks for 0 texts of one length");
    REFUSED(h.n_template_lengths = 17, AE_ERR_ARGUMENT, "has 17 entries, expected 0 to 16");
    REFUSED(strcpy(h.mom2_dataset, "a/b"), AE_ERR_ARGUMENT,
            "'mom2_dataset' is 'a/b', expected a name without '/'");
    REFUSED(memset(h.mom2_dtype, 'x', sizeof h.mom2_dtype), AE_ERR_ARGUMENT,
            "'mom2_dtype' is longer than 15 bytes");
    REFUSED(h.mom2_n_samples = -1, AE_ERR_ARGUMENT, "'mom2_n_samples' is -1");
#undef REFUSED
    h = good;
    h.fact_token = AE_LAST;
    h.v_weight_decay = h.kl_factor = 0;
    h.n_template_lengths = 0;
    h.n_layers = 3;
    h.layers[1] = 7;
    h.layers[2] = 11;
    assert_ok(ae_hparams_check(&h, &model));
}

// Every field that the reference's files have, in a file of our own.
#define ALL_FIELDS(layers, loss_layer, clamp, module, head)                                                  \
    "{\"layers\": " layers ", \"fact_token\": \"subject_last\", \"v_num_grad_steps\": 20, \"v_lr\": 5e-1,"   \
    " \"v_loss_layer\": " loss_layer ", \"v_weight_decay\": 0.5, \"clamp_norm_factor\": " clamp ","          \
    " \"kl_factor\": 0.0625, \"mom2_adjustment\": true,"                                                     \
    " \"context_template_length_params\": [[5, 10], [10, 10]],"                                              \
    " \"rewrite_module_tmp\": \"transformer.h.{}.mlp." module                                                \
    "\", \"layer_module_tmp\": \"transformer.h.{}\","                                                        \
    " \"mlp_module_tmp\": \"transformer.h.{}.mlp\", \"attn_module_tmp\": \"transformer.h.{}.attn\","         \
    " \"ln_f_module\": \"transformer.ln_f\", \"lm_head_module\": \"" head "\","                              \
    " \"mom2_dataset\": \"wikipedia\", \"mom2_n_samples\": 100000, \"mom2_dtype\": \"float32\"}"

static void assert_same(const ae_hparams *a, const ae_hparams *b) {
    assert_int_equal(a->variant, b->variant);
    assert_int_equal(a->n_layers, b->n_layers);
    assert_memory_equal(a->layers, b->layers, (size_t)b->n_layers * sizeof *b->layers);
    assert_int_equal(a->fact_token, b->fact_token);
    assert_int_equal(a->v_num_grad_steps, b->v_num_grad_steps);
    assert_true(a->v_lr == b->v_lr && a->v_weight_decay == b->v_weight_decay);
    assert_true(a->clamp_norm_factor == b->clamp_norm_factor && a->kl_factor == b->kl_factor);
    assert_int_equal(a->mom2_adjustment, b->mom2_adjustment);
    assert_int_equal(a->n_template_lengths, b->n_template_lengths);
    assert_memory_equal(a->template_lengths, b->template_lengths,
                        (size_t)b->n_template_lengths * sizeof *b->template_lengths);
    assert_string_equal(a->mom2_dataset, b->mom2_dataset);
    assert_int_equal(a->mom2_n_samples, b->mom2_n_samples);
    assert_string_equal(a->mom2_dtype, b->mom2_dtype);
}

static void files_with_every_field_load(void **state) {
    kept_warnings kept = {0};
    const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
    ae_model xl = sized_model("gpt2", "gpt2-xl", 48, 1600, 17), j = sized_model("gptj", "gpt-j", 28, 4096, 5);
    const char *xl_file =
        write_text(*state, "xl.json", ALL_FIELDS("[17]", "47", "4", "c_proj", "transformer.wte"));
    const char *j_file = write_text(*state, "j.json", ALL_FIELDS("[5]", "27", "4", "fc_out", "lm_head"));
    ae_hparams h, builtin;
    assert_ok(ae_hparams_load(xl_file, &xl, &hooks, &h));
    assert_ok(ae_hparams_builtin(&xl, -1, &builtin));
    assert_same(&h, &builtin);
    assert_ok(ae_hparams_load(j_file, &j, &hooks, &h));
    assert_ok(ae_hparams_builtin(&j, -1, &builtin));
    assert_same(&h, &builtin);
    assert_int_equal(kept.count, 0);
    assert_fails(
        ae_hparams_load(j_file, &xl, &hooks, &h), AE_ERR_MISMATCH,
        "does not fit the model: field 'rewrite_module_tmp' is 'transformer.h.{}.mlp.fc_out', the model's is "
        "'transformer.h.{}.mlp.c_proj'");
    assert_fails(ae_hparams_load(xl_file, &j, &hooks, &h), AE_ERR_MISMATCH,
                 "the model's is 'transformer.h.{}.mlp.fc_out'");
    ae_model small = sized_model("gpt2", "gpt2", 12, 768, -1);
    assert_fails(ae_hparams_load(xl_file, &small, NULL, &h), AE_ERR_MISMATCH,
                 "'layers' names layer 17, but 'gpt2' has layers 0 to 11");
}

typedef struct file_case {
    const char *json;
    ae_status status;
    const char *text;
} file_case;

static void wrong_files_are_named(void **state) {
    static const file_case cases[] = {
        {"[]", AE_ERR_FORMAT, "holds an array, expected an object of hyperparameters"},
        {"{\"layers\": 17}", AE_ERR_FORMAT, "field 'layers' is or holds an integer, expected an array"},
        {"{\"layers\": [\"17\"]}", AE_ERR_FORMAT, "field 'layers' is or holds a string, expected integers"},
        {"{\"layers\": [-1]}", AE_ERR_FORMAT, "field 'layers' holds -1"},
        {"{\"layers\": []}", AE_ERR_ARGUMENT, "h.json': 'layers' has 0 entries, expected 1 to 16"},
        {"{\"layers\": [3, 3]}", AE_ERR_ARGUMENT, "each layer once: 3 follows 3"},
        {"{\"layers\": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}", AE_ERR_FORMAT,
         "field 'layers' has 17 entries, expected at most 16"},
        {"{\"fact_token\": \"subject_middle\"}", AE_ERR_FORMAT,
         "field 'fact_token' is 'subject_middle', expected"},
        {"{\"v_num_grad_steps\": 20.0}", AE_ERR_FORMAT,
         "field 'v_num_grad_steps' is a number, expected an integer"},
        {"{\"v_num_grad_steps\": 0}", AE_ERR_FORMAT, "field 'v_num_grad_steps' is 0"},
        {"{\"v_lr\": \"0.5\"}", AE_ERR_FORMAT, "field 'v_lr' is a string, expected a number"},
        {"{\"v_lr\": 0}", AE_ERR_ARGUMENT, "h.json': 'v_lr' is 0"},
        {"{\"clamp_norm_factor\": -4}", AE_ERR_FORMAT, "field 'clamp_norm_factor' is -4"},
        {"{\"mom2_adjustment\": 1}", AE_ERR_FORMAT,
         "field 'mom2_adjustment' is an integer, expected true or false"},
        {"{\"context_template_length_params\": [[5]]}", AE_ERR_FORMAT,
         "field 'context_template_length_params' is or holds an array, expected pairs"},
        {"{\"context_template_length_params\": [[5, 1.5]]}", AE_ERR_FORMAT,
         "is or holds a number, expected integers"},
        {"{\"rewrite_module_tmp\": 5}", AE_ERR_FORMAT,
         "field 'rewrite_module_tmp' is an integer, expected a string"},
        {"{\"attn_module_tmp\": \"model.layers.{}.self_attn\"}", AE_ERR_MISMATCH,
         "field 'attn_module_tmp' is 'model.layers.{}.self_attn', the model's is 'transformer.h.{}.attn'"},
        {"{\"ln_f_module\": \"model.norm\"}", AE_ERR_MISMATCH, "the model's is 'transformer.ln_f'"},
        {"{\"lm_head_module\": \"embed_out\"}", AE_ERR_MISMATCH, "the model's is 'transformer.wte'"},
        {"{\"layer_module_tmp\": \"transformer.h\"}", AE_ERR_MISMATCH, "the model's is 'transformer.h.{}'"},
        {"{\"mom2_dtype\": \"a-very-long-type-name\"}", AE_ERR_FORMAT,
         "field 'mom2_dtype' is longer than 15 bytes"},
        {"{\"mom2_dataset\": \"../x\"}", AE_ERR_ARGUMENT, "'mom2_dataset' is '../x'"},
        {"{\"v_loss_layer\": \"last\"}", AE_ERR_FORMAT, "field 'v_loss_layer' is a string"},
        {"{\"fact_token\": \"last\", \"variant\": \"rome\"}", AE_ERR_ARGUMENT,
         "h.json': 'fact_token' is 'last'"},
        {"{\"variant\": \"rrome\"}", AE_ERR_FORMAT,
         "field 'variant' is 'rrome', expected r-rome, rome or p-rome"},
        {"{\"variant\": 1}", AE_ERR_FORMAT, "field 'variant' is an integer"},
    };
    ae_model model = sized_model("gpt2", "m", 24, 1024, 8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_hparams h = {.n_layers = -5};
        assert_fails(ae_hparams_load(write_text(*state, "h.json", cases[i].json), &model, NULL, &h),
                     cases[i].status, cases[i].text);
        assert_int_equal(h.n_layers, -5);
    }
    ae_hparams h;
    assert_fails(ae_hparams_load(in_folder(*state, "none.json"), &model, NULL, &h), AE_ERR_NOT_FOUND,
                 "none.json");
}

static void flags_name_the_variant(void **state) {
#define FLAGS(original, prompt, random)                                                                      \
    "{\"original_implementation\": " original ", \"enable_prompt_keys\": " prompt                            \
    ", \"enable_random_prefix_keys\": " random "}"
    static const struct {
        const char *json;
        ae_variant variant;
    } good[] = {
        {"{}", AE_R_ROME},
        {FLAGS("true", "false", "true"), AE_R_ROME},
        {FLAGS("false", "false", "true"), AE_R_ROME},
        {FLAGS("true", "true", "false"), AE_ROME},
        {FLAGS("false", "true", "false"), AE_P_ROME},
        {"{\"original_implementation\": false}", AE_R_ROME},
        {"{\"enable_prompt_keys\": true, \"enable_random_prefix_keys\": false}", AE_ROME},
        {"{\"variant\": \"p-rome\"}", AE_P_ROME},
        {"{\"variant\": \"rome\", \"original_implementation\": true}", AE_ROME},
        {"{\"variant\": \"r-rome\", \"original_implementation\": false}", AE_R_ROME},
        {"{\"variant\": \"rome\", \"enable_prompt_keys\": true, \"enable_random_prefix_keys\": false}",
         AE_ROME},
    };
    static const file_case bad[] = {
        {FLAGS("true", "true", "true"), AE_ERR_FORMAT,
         "'enable_prompt_keys' and 'enable_random_prefix_keys' are both true"},
        {FLAGS("true", "false", "false"), AE_ERR_FORMAT,
         "'enable_prompt_keys' and 'enable_random_prefix_keys' are both false"},
        {"{\"enable_prompt_keys\": true}", AE_ERR_FORMAT,
         "'enable_random_prefix_keys' (by default) are both true"},
        {"{\"enable_random_prefix_keys\": false}", AE_ERR_FORMAT, "'enable_prompt_keys' (by default) and"},
        {"{\"enable_prompt_keys\": 1}", AE_ERR_FORMAT, "field 'enable_prompt_keys' is an integer"},
        {"{\"variant\": \"rome\", \"enable_prompt_keys\": false}", AE_ERR_FORMAT,
         "contradicts itself: 'variant' is 'rome', but 'enable_prompt_keys' is false"},
        {"{\"variant\": \"rome\", \"original_implementation\": false}", AE_ERR_FORMAT,
         "'variant' is 'rome', but 'original_implementation' is false"},
        {"{\"variant\": \"p-rome\", \"original_implementation\": true}", AE_ERR_FORMAT,
         "'variant' is 'p-rome', but 'original_implementation' is true"},
        {"{\"variant\": \"p-rome\", \"enable_random_prefix_keys\": true}", AE_ERR_FORMAT,
         "'variant' is 'p-rome', but 'enable_random_prefix_keys' is true"},
        {"{\"variant\": \"r-rome\", \"enable_random_prefix_keys\": false}", AE_ERR_FORMAT,
         "'variant' is 'r-rome', but"},
        {"{\"variant\": \"r-rome\", \"enable_prompt_keys\": true}", AE_ERR_FORMAT,
         "'variant' is 'r-rome', but"},
    };
    ae_model model = sized_model("gpt2", "m", 24, 1024, 8);
    ae_hparams h;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(ae_hparams_load(write_text(*state, "h.json", good[i].json), &model, NULL, &h));
        if (h.variant != good[i].variant) fail_msg("%s gave %s", good[i].json, ae_variant_name(h.variant));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(ae_hparams_load(write_text(*state, "h.json", bad[i].json), &model, NULL, &h),
                     bad[i].status, bad[i].text);
}

static void odd_but_fine_files_load(void **state) {
    ae_model model = sized_model("gpt2", "m", 24, 1000, -1);
    kept_warnings kept = {0};
    const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
    ae_hparams h;
    assert_ok(ae_hparams_load(
        write_text(*state, "h.json",
                   "{\"layers\": [9, 7, 8], \"v_lr\": 1, \"kl_factor\": 0, \"alg_name\": \"ROME\","
                   " \"v_loss_layer\": 20, \"context_template_length_params\": [],"
                   " \"mom2_n_samples\": null, \"fact_token\": \"last\","
                   " \"lm_head_module\": \"lm_head\", \"mom2_adjustment\": false}"),
        &model, &hooks, &h));
    assert_int_equal(h.n_layers, 3);
    assert_int_equal(h.layers[0], 7);
    assert_int_equal(h.layers[1], 8);
    assert_int_equal(h.layers[2], 9);
    assert_true(h.v_lr == 1.0 && h.kl_factor == 0.0 && !h.mom2_adjustment);
    assert_int_equal(h.n_template_lengths, 0);
    assert_int_equal(h.mom2_n_samples, 0);
    assert_int_equal(h.fact_token, AE_LAST);
    assert_warned(kept, 2, "h.json': field 'alg_name' is not known");
    assert_warned(kept, 2, "'v_loss_layer' is 20, but the loss is read at the model's output");
    kept = (kept_warnings){0};
    assert_ok(ae_hparams_load(write_text(*state, "h.json", "{\"layers\": [1], \"v_loss_layer\": -1}"), &model,
                              &hooks, &h));
    assert_ok(ae_hparams_load(write_text(*state, "h.json", "{\"layers\": [1], \"v_loss_layer\": 23}"), &model,
                              &hooks, &h));
    assert_int_equal(kept.count, 0);
    assert_ok(ae_hparams_load(write_text(*state, "h.json", "{\"v_lr\": 0.25}"), &model, NULL, &h));
    assert_true(h.v_lr == 0.25);
    assert_int_equal(h.n_layers, 0);
    assert_fails(ae_hparams_check(&h, &model), AE_ERR_ARGUMENT, "no layer is known for 'm'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_have_names),
        cmocka_unit_test(known_models_have_their_layer),
        cmocka_unit_test_setup_teardown(a_model_brings_its_own, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test(checks_name_the_field),
        cmocka_unit_test_setup_teardown(files_with_every_field_load, make_scratch_folder,
                                        remove_scratch_folder),
        cmocka_unit_test_setup_teardown(wrong_files_are_named, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(flags_name_the_variant, make_scratch_folder, remove_scratch_folder),
        cmocka_unit_test_setup_teardown(odd_but_fine_files_load, make_scratch_folder, remove_scratch_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
