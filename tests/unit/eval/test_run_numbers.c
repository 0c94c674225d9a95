// eval/run: a model that says what is no number is told of and recorded, never taken for an answer; a base
// that is damaged ends the run.
#include "run_fixture.h"

#include <math.h>
#include <unistd.h>

#include "damaged_model.h"
#include "edit/journal_entry.h"

static int set_up(void **state) {
    if (make_scratch_folder(state) != 0) return -1;
    write_run_inputs(*state);
    ae_model *model = open_run_model(*state);
    collect_run_statistics(*state, model);
    ae_model_free(model);
    return 0;
}

static json_t *load(const char *folder, const char *name) {
    json_t *document = NULL;
    assert_ok(ae_json_load(in_folder(folder, name), 1 << 24, &document));
    return document;
}

static void remove_file(const char *folder, const char *name) {
    assert_int_equal(unlink(in_folder(folder, name)), 0);
}

static const char *text_of(const json_t *document, const char *object, const char *field) {
    return json_string_value(json_object_get(json_object_get(document, object), field));
}

// The run's second edit becomes one that takes what any key is multiplied with out of the range of float.
static void break_entry(const char *run) {
    const char *path = in_folder(run, "aedile/journal/0002.safetensors");
    char *bytes = NULL;
    size_t length;
    ae_entry_head head;
    ae_edit *edit = NULL;
    assert_ok(ae_file_read(path, 1 << 24, &bytes, &length));
    assert_ok(ae_entry_read(path, bytes, length, &head, &edit));
    ae_free(bytes);
    for (int j = 0; j < TINY_MLP; j++)
        edit->layers[0].u[j] = 1;
    for (int j = 0; j < TINY_D; j++)
        edit->layers[0].right[j] = 1.5e38f;
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_ok(ae_atomic_write(path, bytes, length));
    ae_free(bytes);
    ae_edit_free(edit);
}

static void what_is_no_number_is_told_of_and_recorded(void **state) {
    const char *folder = *state;
    char run[600];
    snprintf(run, sizeof run, "%s/broken/ROME/run_000", folder);
    ae_model *model = open_run_model(folder);
    ae_run_options o = small_run(folder, model, "broken");
    kept_warnings kept = {0};
    const ae_hooks hooks = {.user = &kept, .warn = keep_warning};
    ae_run_result result;
    o.sequential = true;
    o.limit = 2;
    assert_ok(ae_run_execute(model, &o, NULL, NULL, &result));
    assert_int_equal(result.n_edits, 2);
    ae_run_result_free(&result);

    // As if the second edit had been made but not measured yet, and were a very bad one.
    break_entry(run);
    static const char *const later[] = {"1_edits-case_6.json", "glue_eval/case_6_glue.json",
                                        "glue_eval/case_6_sst_gen.json", "glue_eval/case_6_rte_gen.json"};
    for (int i = 0; i < 4; i++)
        remove_file(run, later[i]);
    ae_model_restore(model);
    o.resume = "run_000";
    assert_ok(ae_run_execute(model, &o, &hooks, NULL, &result));
    assert_true(result.complete);
    assert_int_equal(result.n_edits, 2);
    ae_run_result_free(&result);
    if (!strstr(kept.text, "cannot be measured: case 6: a logit is not finite although the stored "
                           "weights are (first in the activations after layer 1, at token ") ||
        !strstr(kept.text, "task 'sst': at 3 of 3 examples the edited model's logits are not finite") ||
        !strstr(kept.text, "task 'rte': at 1 of 1 examples the edited model's logits are not finite") ||
        !strstr(kept.text, "case 6: perplexity is not finite"))
        fail_msg("%s", kept.text);

    json_t *document = load(run, "1_edits-case_6.json");
    assert_int_equal(json_object_size(json_object_get(document, "post")), 0);
    assert_non_null(strstr(text_of(document, "aedile", "error"), "an earlier edit broke the model"));
    assert_true(json_is_null(json_object_get(json_object_get(document, "aedile"), "efficacy")));
    assert_true(json_is_null(json_object_get(json_object_get(document, "aedile"), "perplexity")));
    json_decref(document);
    document = load(run, "glue_eval/case_6_glue.json");
    const json_t *sst = json_object_get(document, "sst"), *ours = json_object_get(document, "aedile");
    assert_int_equal(json_integer_value(json_object_get(sst, "invalid")), 3);
    assert_int_equal(json_integer_value(json_object_get(sst, "correct")), 0);
    const json_t *counts = json_object_get(ours, "not_finite");
    assert_int_equal(json_integer_value(json_object_get(counts, "sst")), 3);
    assert_int_equal(json_integer_value(json_object_get(counts, "rte")), 1);
    json_decref(document);
    ae_model_free(model);
}

// Templates come from a file, nothing is measured before the first edit: the damage is first met in an edit.
static void a_damaged_base_ends_the_run(void **state) {
    const char *folder = *state;
    char run[600];
    snprintf(run, sizeof run, "%s/damaged/ROME/run_000", folder);
    damaged p = {.folder = (char *)(uintptr_t)in_folder(folder, "tiny")};
    p.file = (char *)(uintptr_t)in_folder(folder, "tiny/model.safetensors");
    p.model = open_run_model(folder);
    ae_run_options o = small_run(folder, p.model, "damaged");
    o.sequential = true;
    o.n_tasks = 0;
    o.glue_interval = 0;
    o.ppl_text = NULL;
    float was;
    const ae_tensor *t = damaged_tensor(&p, "transformer.h.2.ln_1.bias");
    damaged_poke(&p, t, 4, NAN, &was);
    static const char named[] = "tensor 'transformer.h.2.ln_1.bias' holds nan at element 4";
    ae_model *model = damaged_open(&p);
    ae_run_result result;
    // Sampling templates finds it before there is a folder.
    assert_fails(ae_run_execute(model, &o, NULL, NULL, &result), AE_ERR_NUMERIC, named);
    ae_run_result_free(&result);
    assert_false(ae_path_exists(in_folder(folder, "damaged")));
    o.templates = write_text(folder, "templates.json", "[\"{}\", \"So. {}\"]");
    assert_fails(ae_run_execute(model, &o, NULL, NULL, &result), AE_ERR_NUMERIC, named);
    assert_int_equal(result.n_edits + result.n_skipped, 0);
    ae_run_result_free(&result);
    char **names;
    size_t n_names;
    assert_ok(ae_folder_list(in_folder(run, "aedile/journal"), &names, &n_names));
    assert_int_equal(n_names, 2); // journal.json, lock
    ae_folder_list_free(names, n_names);
    assert_false(ae_path_exists(in_folder(run, "aedile/skipped/case_3.json")));
    assert_false(ae_path_exists(in_folder(run, "1_edits-case_3.json")));
    ae_model_free(model);
    damaged_poke(&p, t, 4, was, NULL);
    ae_model_free(p.model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_number_is_told_of_and_recorded),
        cmocka_unit_test(a_damaged_base_ends_the_run),
    };
    return cmocka_run_group_tests(tests, set_up, remove_scratch_folder);
}
