// eval/run: what a run writes and what the figures are, resuming, the guard, stopping, who may work on it.
#include "run_fixture.h"

#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare_runs.h"
#include "edit/journal.h"
#include "eval/measure.h"
#include "eval/perplexity.h"
#include "eval/run_folder.h"
#include "eval/task.h"

typedef struct bench {
    char *folder;
    ae_model *model;
} bench;

static int set_up(void **state) {
    static bench b;
    if (make_scratch_folder((void **)&b.folder) != 0) return -1;
    write_run_inputs(b.folder);
    b.model = open_run_model(b.folder);
    collect_run_statistics(b.folder, b.model);
    *state = &b;
    return 0;
}

static int tear_down(void **state) {
    bench *b = *state;
    ae_model_free(b->model);
    return remove_scratch_folder((void **)&b->folder);
}

// ---- helpers ---------------------------------------------------------------------------------------

static const char *at(const bench *b, const char *results, const char *name) {
    char relative[400];
    snprintf(relative, sizeof relative, "%s/ROME/%s", results, name);
    return in_folder(b->folder, relative);
}

static json_t *load(const char *path) {
    json_t *document = NULL;
    assert_ok(ae_json_load(path, 1 << 24, &document));
    return document;
}

// Runs to the end; the result is thrown away but for its numbers.
static ae_run_result run_through(const bench *b, const ae_run_options *o) {
    ae_run_result result;
    ae_model_restore(b->model);
    assert_ok(ae_run_execute(b->model, o, NULL, NULL, &result));
    assert_true(result.complete);
    assert_null(result.reason);
    const ae_run_result numbers = result;
    ae_run_result_free(&result);
    assert_null(result.folder);
    return numbers;
}

static void assert_same_runs(const bench *b, const char *left, const char *right) {
    char *difference = compare_runs(in_folder(b->folder, left), in_folder(b->folder, right));
    if (difference) fail_msg("%s", difference);
}

static void assert_tree(const bench *b, const char *run, const char *expected) {
    ae_text list = {0};
    assert_ok(ae_text_append(&list, "", 0));
    compare_list(in_folder(b->folder, run), "", &list);
    assert_string_equal(list.data, expected);
    ae_free(list.data);
}

// What a listener hears.
typedef struct heard {
    int n_starts, n_cases, n_tasks, stop_after;
    int64_t n_total, n_done;
    ae_run_case last;
    int64_t last_tasks;
    kept_warnings warnings;
    int n_reports, cancel_at;
} heard;

static void on_start(void *user, const char *folder, int64_t n_cases, int64_t n_done) {
    heard *h = user;
    assert_non_null(strstr(folder, "/ROME/run_"));
    h->n_starts++;
    h->n_total = n_cases;
    h->n_done = n_done;
}

static void on_case(void *user, const ae_run_case *result) {
    heard *h = user;
    h->n_cases++;
    h->last = *result;
    h->last.flag = NULL;
}

static void on_tasks(void *user, const ae_run_tasks *result) {
    heard *h = user;
    h->n_tasks++;
    h->last_tasks = result->n_edits;
}

static bool stop(void *user) {
    const heard *h = user;
    return h->stop_after >= 0 && h->n_cases >= h->stop_after;
}

static void warn(void *user, const char *text) {
    keep_warning(&((heard *)user)->warnings, text);
}

static bool report(void *user, const char *stage, double done, double total, const char *unit) {
    heard *h = user;
    if (strcmp(stage, "editing") != 0) return true;
    assert_string_equal(unit, "cases");
    assert_true(total == RUN_RECORDS && done <= total);
    h->n_reports++;
    return h->n_reports != h->cancel_at;
}

static ae_status run_heard(const bench *b, const ae_run_options *o, heard *h, ae_run_result *result) {
    const ae_run_listener listener = {
        .user = h, .on_start = on_start, .on_case = on_case, .on_tasks = on_tasks};
    const ae_hooks hooks = {.user = h, .warn = warn, .progress = report};
    ae_model_restore(b->model);
    return ae_run_execute(b->model, o, &hooks, &listener, result);
}

// ---- what is written -------------------------------------------------------------------------------

static void the_tree_is_the_reference_s(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "tree");
    o.sequential = true;
    heard h = {.stop_after = -1};
    ae_run_result result;
    assert_ok(run_heard(b, &o, &h, &result));
    assert_true(result.complete);
    assert_string_equal(result.folder, at(b, "tree", "run_000"));
    assert_int_equal(result.n_cases, 6);
    assert_int_equal(result.n_done, 6);
    assert_int_equal(result.n_edits, 5); // one record is too long
    assert_int_equal(result.n_skipped, 1);
    ae_run_result_free(&result);
    assert_tree(
        b, "tree/ROME",
        "run_000/\nrun_000/1_edits-case_12.json\nrun_000/1_edits-case_15.json\nrun_000/1_edits-case_18.json\n"
        "run_000/1_edits-case_3.json\nrun_000/1_edits-case_6.json\nrun_000/aedile/\nrun_000/aedile/"
        "base.json\n"
        "run_000/aedile/events.jsonl\nrun_000/aedile/journal/\nrun_000/aedile/journal/0001.safetensors\n"
        "run_000/aedile/journal/0002.safetensors\nrun_000/aedile/journal/0003.safetensors\n"
        "run_000/aedile/journal/0004.safetensors\nrun_000/aedile/journal/0005.safetensors\n"
        "run_000/aedile/journal/journal.json\nrun_000/aedile/journal/lock\nrun_000/aedile/lock\n"
        "run_000/aedile/settings.json\nrun_000/aedile/skipped/\nrun_000/aedile/skipped/case_9.json\n"
        "run_000/aedile/templates.json\nrun_000/evals/\nrun_000/evals/summary.json\nrun_000/glue_eval/"
        "\nrun_000/glue_eval/base_glue.json\n"
        "run_000/glue_eval/base_rte_gen.json\nrun_000/glue_eval/base_sst_gen.json\n"
        "run_000/glue_eval/case_15_glue.json\nrun_000/glue_eval/case_15_rte_gen.json\n"
        "run_000/glue_eval/case_15_sst_gen.json\nrun_000/glue_eval/case_6_glue.json\n"
        "run_000/glue_eval/case_6_rte_gen.json\nrun_000/glue_eval/case_6_sst_gen.json\nrun_000/"
        "params.json\n");
    // Who listens: once for the start, the cases that were measured, the tasks at 0, 2 and 4 edits.
    assert_int_equal(h.n_starts, 1);
    assert_int_equal(h.n_total, 6);
    assert_int_equal(h.n_done, 0);
    assert_int_equal(h.n_cases, 5);
    assert_int_equal(h.last.case_id, 18);
    assert_int_equal(h.last.n_edits, 5);
    assert_int_equal(h.last.n_total, 6);
    assert_true(h.last.seconds > 0 && h.last.update_norm > 0 && h.last.k_dot_u > 0 && h.last.distance > 0);
    assert_int_equal(h.n_tasks, 3);
    assert_int_equal(h.last_tasks, 4);
    if (!strstr(h.warnings.text, " gives a text of 207 tokens, the model's context holds 64"))
        fail_msg("%s", h.warnings.text);
    assert_non_null(strstr(h.warnings.text, "2 cases have no generation test: there are no snippets"));

    json_t *skipped = load(at(b, "tree", "run_000/aedile/skipped/case_9.json"));
    assert_true(json_is_true(json_object_get(skipped, "refused")));
    assert_int_equal(json_integer_value(json_object_get(skipped, "n_edits")), 2);
    json_decref(skipped);
    json_t *glue = load(at(b, "tree", "run_000/glue_eval/case_15_glue.json"));
    assert_int_equal(json_integer_value(json_object_get(glue, "edit_num")), 4);
    assert_int_equal(json_array_size(json_object_get(glue, "case_id")), 1);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(glue, "case_id"), 0)), 15);
    json_decref(glue);
    // Generation tests where the pair has snippets: cases 6, 9, 15 and 18 have target Q1, 3 and 12 have not.
    json_t *with = load(at(b, "tree", "run_000/1_edits-case_6.json"));
    json_t *without = load(at(b, "tree", "run_000/1_edits-case_12.json"));
    assert_int_equal(json_array_size(json_object_get(json_object_get(with, "post"), "text")), 1);
    assert_null(json_object_get(json_object_get(without, "post"), "text"));
    json_decref(with);
    json_decref(without);
}

static void params_are_the_reference_s_and_ours(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "params");
    o.max_edits = 1;
    o.limit = 5;
    o.hparams.variant = AE_P_ROME;
    o.hparams_name = "tiny.json";
    o.seed = UINT64_MAX;
    o.generation_interval = -1;
    o.dataset = in_folder(b->folder, "counterfact.json");
    run_through(b, &o);
    json_t *params = load(at(b, "params", "run_000/params.json"));
    ae_text keys = {0};
    for (void *i = json_object_iter(params); i; i = json_object_iter_next(params, i))
        assert_ok(ae_text_printf(&keys, "%s ", json_object_iter_key(i)));
    assert_string_equal(
        keys.data,
        "enable_prompt_keys enable_random_prefix_keys original_implementation layers fact_token "
        "v_num_grad_steps v_lr "
        "v_loss_layer v_weight_decay clamp_norm_factor kl_factor mom2_adjustment "
        "context_template_length_params "
        "rewrite_module_tmp layer_module_tmp mlp_module_tmp attn_module_tmp ln_f_module lm_head_module "
        "mom2_dataset "
        "mom2_n_samples mom2_dtype model_name algo_name dataset n_edits use_cache continue_from_run "
        "skip_generation_tests generation_test_interval conserve_memory sequential hparams_fname "
        "dataset_size_limit "
        "variant seed hashes versions ");
    ae_free(keys.data);
    char *text = json_dumps(params, JSON_COMPACT);
    static const char *const parts[] = {
        "\"enable_prompt_keys\":true,\"enable_random_prefix_keys\":false,\"original_implementation\":false",
        "\"layers\":[1]",
        "\"v_loss_layer\":2",
        "\"rewrite_module_tmp\":\"transformer.h.{}.mlp.c_proj\",\"layer_module_tmp\":\"transformer.h.{}\"",
        "\"mlp_module_tmp\":\"transformer.h.{}.mlp\",\"attn_module_tmp\":\"transformer.h.{}.attn\"",
        "\"ln_f_module\":\"transformer.ln_f\",\"lm_head_module\":\"transformer.wte\"",
        "\"mom2_n_samples\":null",
        "\"model_name\":\"tiny\",\"algo_name\":\"ROME\"",
        "\"skip_generation_tests\":true,\"generation_test_interval\":-1",
        "\"sequential\":false,\"hparams_fname\":\"tiny.json\",\"dataset_size_limit\":5",
        "\"variant\":\"p-rome\",\"seed\":\"18446744073709551615\"",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) fail_msg("'%s' is not in %s", parts[i], text);
    free(text);
    json_decref(params);
    // Our own reader of hyperparameter files takes it as one.
    ae_hparams read;
    kept_warnings warnings = {0};
    const ae_hooks hooks = {.user = &warnings, .warn = keep_warning};
    assert_ok(ae_hparams_load(at(b, "params", "run_000/params.json"), b->model, &hooks, &read));
    assert_int_equal(read.variant, AE_P_ROME);
    assert_int_equal(read.v_num_grad_steps, 4);
}

// ---- what the figures are --------------------------------------------------------------------------

static void assert_pairs(const json_t *list, const ae_pairs *pairs) {
    assert_int_equal(json_array_size(list), pairs->count);
    for (size_t i = 0; i < pairs->count; i++) {
        const json_t *pair = json_array_get(list, i);
        assert_true(json_real_value(json_object_get(pair, "target_new")) == pairs->items[i].target_new);
        assert_true(json_real_value(json_object_get(pair, "target_true")) == pairs->items[i].target_true);
    }
}

static void assert_post(const json_t *document, const char *when, const ae_case_measure *m) {
    const json_t *post = json_object_get(document, when);
    assert_pairs(json_object_get(post, "rewrite_prompts_probs"), &m->rewrite);
    assert_pairs(json_object_get(post, "paraphrase_prompts_probs"), &m->paraphrases);
    assert_pairs(json_object_get(post, "neighborhood_prompts_probs"), &m->neighborhood);
    assert_pairs(json_object_get(post, "attribute_prompts_probs"), &m->attributes);
}

static double distance_by_hand(const bench *b) {
    const size_t n = (size_t)b->model->info.d_mlp * (size_t)b->model->info.d_model;
    float *now = ae_alloc(n, sizeof *now), *stored = ae_alloc(n, sizeof *stored);
    assert_ok(ae_model_get_mlp_out(b->model, RUN_LAYER, now));
    ae_tensor_to_float(b->model->layers[RUN_LAYER].mlp_out_tensor, 0, (int64_t)n, stored);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow((double)now[i] - (double)stored[i], 2);
    ae_free(now);
    ae_free(stored);
    return sqrt(sum) / (double)n;
}

// The journal applied entry by entry, each case measured by hand where its chunk ends.
static void cases_are_measured_when_their_chunk_is_edited(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "figures");
    o.sequential = true;
    o.pre = true;
    o.num_edits = 2;
    o.generation_interval = -1;
    o.ppl_interval = 1;
    run_through(b, &o);
    ae_dataset *dataset = NULL;
    ae_journal *journal = NULL;
    ae_arena *arena = NULL;
    ae_perplexity_text text;
    assert_ok(ae_dataset_open("cf", b->folder, &(ae_dataset_options){0}, NULL, &dataset));
    assert_ok(ae_journal_open(at(b, "figures", "run_000/aedile/journal"), b->model, false, true, &journal));
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_perplexity_open(b->model, o.ppl_text, o.ppl_tokens, &text));
    ae_model_restore(b->model);
    static const int chunks[3][2] = {{0, 1}, {-1, 3}, {4, 5}}; // record 2 is too long
    size_t entry = 0;
    for (int chunk = 0; chunk < 3; chunk++) {
        json_t *documents[2] = {NULL, NULL};
        for (int i = 0; i < 2; i++) {
            if (chunks[chunk][i] < 0) continue;
            const size_t index = (size_t)chunks[chunk][i];
            char name[80];
            snprintf(name, sizeof name, "run_000/2_edits-case_%d.json", 3 * (chunks[chunk][i] + 1));
            documents[i] = load(at(b, "figures", name));
            ae_case_measure m;
            assert_ok(ae_measure_case(b->model, dataset, index, NULL, false, 0, arena, &m));
            assert_post(documents[i], "pre", &m);
        }
        for (int i = 0; i < 2; i++) {
            if (!documents[i]) continue;
            ae_journal_entry e;
            assert_ok(ae_journal_get(journal, entry++, &e));
            assert_int_equal(e.edit->request.case_id, 3 * (chunks[chunk][i] + 1));
            assert_ok(ae_edit_apply(b->model, e.edit));
            const json_t *ours = json_object_get(documents[i], "aedile");
            assert_int_equal(json_integer_value(json_object_get(ours, "journal")), e.id);
            assert_int_equal(json_integer_value(json_object_get(ours, "n_edits")), entry);
            assert_true(json_real_value(json_object_get(ours, "k_dot_u")) == e.edit->layers[0].k_dot_u);
            assert_true(json_real_value(json_object_get(ours, "update_norm")) ==
                        e.edit->layers[0].update_norm);
            const json_t *trace =
                json_object_get(json_object_get(json_object_get(ours, "layers"), "1"), "loss");
            assert_int_equal(json_array_size(trace), e.edit->layers[0].n_steps);
            assert_true(json_real_value(json_array_get(trace, 0)) == e.edit->layers[0].loss[0]);
        }
        double perplexity;
        assert_ok(ae_perplexity(b->model, &text, &perplexity));
        for (int i = 0; i < 2; i++) {
            if (!documents[i]) continue;
            ae_case_measure m;
            assert_ok(
                ae_measure_case(b->model, dataset, (size_t)chunks[chunk][i], NULL, false, 0, arena, &m));
            assert_post(documents[i], "post", &m);
            const json_t *distances = json_object_get(documents[i], "distance_from_original");
            assert_int_equal(json_object_size(distances), 1);
            const double distance = json_real_value(json_object_get(distances, "1")),
                         expected = distance_by_hand(b);
            assert_true(fabs(distance - expected) < 1e-12 * expected);
            const json_t *measured = json_object_get(json_object_get(documents[i], "aedile"), "perplexity");
            if (i == 1)
                assert_true(json_real_value(measured) == perplexity); // the chunk's last case
            else
                assert_true(json_is_null(measured));
            const size_t grouped = json_array_size(json_object_get(documents[i], "grouped_case_ids"));
            assert_int_equal(grouped, chunk == 1 ? 1 : 2);
            json_decref(documents[i]);
        }
    }
    ae_perplexity_close(&text);
    ae_arena_free(arena);
    ae_journal_close(journal);
    ae_dataset_free(dataset);
}

static void the_base_is_the_unedited_model(void **state) {
    const bench *b = *state;
    const ae_run_options o = small_run(b->folder, b->model, "base");
    run_through(b, &o);
    ae_task *task = NULL;
    ae_arena *arena = NULL;
    ae_task_result result;
    ae_perplexity_text text;
    double perplexity;
    assert_ok(ae_task_load(o.tasks[0], AE_GLUE_COMPAT, NULL, &task));
    assert_ok(ae_arena_new(&arena));
    ae_model_restore(b->model);
    assert_ok(ae_task_evaluate(b->model, task, NULL, arena, &result));
    assert_ok(ae_perplexity_open(b->model, o.ppl_text, o.ppl_tokens, &text));
    assert_ok(ae_perplexity(b->model, &text, &perplexity));
    json_t *glue = load(at(b, "base", "run_000/glue_eval/base_glue.json"));
    json_t *generated = load(at(b, "base", "run_000/glue_eval/base_sst_gen.json"));
    assert_null(json_object_get(glue, "edit_num"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(glue, "sst"), "correct")),
                     result.scores.correct);
    assert_true(json_real_value(json_object_get(json_object_get(glue, "aedile"), "perplexity")) ==
                perplexity);
    for (size_t i = 0; i < task->n_examples; i++)
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(generated, i), "generated_text")),
            result.generated[i]);
    json_decref(glue);
    json_decref(generated);
    ae_perplexity_close(&text);
    ae_arena_free(arena);
    ae_task_free(task);
}

// Without accumulation each case's figures are those of a run of that record alone.
static void independent_edits_know_nothing_of_each_other(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "apart");
    o.generation_interval = -1;
    const ae_run_result all = run_through(b, &o);
    assert_int_equal(all.n_edits, 5);
    assert_null(b->model->layers[RUN_LAYER].edited); // the weights are restored
    write_text(b->folder, "only.json", "{\"12\": true}");
    o.results = in_folder(b->folder, "alone");
    o.select = in_folder(b->folder, "only.json");
    assert_int_equal(run_through(b, &o).n_edits, 1);
    json_t *one = load(at(b, "alone", "run_000/1_edits-case_12.json"));
    json_t *same = load(at(b, "apart", "run_000/1_edits-case_12.json"));
    assert_true(json_equal(json_object_get(one, "post"), json_object_get(same, "post")));
    assert_true(json_equal(json_object_get(one, "distance_from_original"),
                           json_object_get(same, "distance_from_original")));
    assert_true(json_is_null(json_object_get(json_object_get(one, "aedile"), "journal")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "aedile"), "n_edits")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(same, "aedile"), "n_edits")), 3);
    json_decref(one);
    json_decref(same);
    assert_false(ae_path_exists(at(b, "apart", "run_000/aedile/journal")));
}

static void zsre_is_run_as_well(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "zsre");
    o.dataset = "zsre";
    o.sequential = true;
    o.glue_interval = 0;
    o.ppl_text = NULL;
    const ae_run_result result = run_through(b, &o);
    assert_int_equal(result.n_cases, 3);
    assert_int_equal(result.n_edits, 3);
    json_t *document = load(at(b, "zsre", "run_000/1_edits-case_1.json"));
    const json_t *post = json_object_get(document, "post");
    assert_int_equal(json_object_size(post), 3);
    assert_true(json_is_boolean(json_array_get(json_object_get(post, "rewrite_prompts_correct"), 0)));
    assert_string_equal(
        json_string_value(json_object_get(
            json_object_get(json_object_get(document, "requested_rewrite"), "target_true"), "str")),
        "<|endoftext|>");
    json_decref(document);
    assert_tree(b, "zsre/ROME/run_000/glue_eval", "");
    assert_false(ae_path_exists(at(b, "zsre", "run_000/aedile/base.json")));
}

static void perplexity_needs_no_tasks(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "ppl");
    o.sequential = true;
    o.glue_interval = 0;
    o.ppl_interval = 2;
    heard h = {.stop_after = -1};
    ae_run_result result;
    assert_ok(run_heard(b, &o, &h, &result));
    ae_run_result_free(&result);
    assert_int_equal(h.n_tasks, 1); // the unedited model's perplexity alone
    static const struct {
        int case_id;
        bool measured;
    } cases[] = {{3, false}, {6, true}, {12, false}, {15, true}, {18, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[80];
        snprintf(name, sizeof name, "run_000/1_edits-case_%d.json", cases[i].case_id);
        json_t *document = load(at(b, "ppl", name));
        const json_t *perplexity = json_object_get(json_object_get(document, "aedile"), "perplexity");
        assert_int_equal(json_is_real(perplexity), cases[i].measured);
        json_decref(document);
    }
    json_t *base = load(at(b, "ppl", "run_000/aedile/base.json"));
    assert_true(json_real_value(json_object_get(json_object_get(base, "aedile"), "perplexity")) > 1);
    json_decref(base);
}

// ---- resuming --------------------------------------------------------------------------------------

static void a_stopped_run_goes_on(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "stopped");
    o.sequential = true;
    const ae_run_options whole = small_run(b->folder, b->model, "unbroken");
    ae_run_options reference = whole;
    reference.sequential = true;
    run_through(b, &reference);
    int n_rounds = 0;
    for (bool complete = false; !complete; n_rounds++) {
        heard h = {.stop_after = 1}; // behind the first case of this round
        o.stop = stop;
        o.stop_user = &h;
        o.resume = n_rounds > 0 ? "run_000" : NULL;
        ae_run_result result;
        assert_ok(run_heard(b, &o, &h, &result));
        complete = result.complete;
        assert_int_equal(h.n_done, n_rounds > 2 ? n_rounds + 1 : n_rounds); // the third record is no case
        assert_null(result.reason);
        if (!complete) assert_int_equal(h.n_cases, 1);
        ae_run_result_free(&result);
    }
    assert_int_equal(n_rounds, 5);
    assert_same_runs(b, "stopped", "unbroken");
}

static void what_is_missing_is_made_again(void **state) {
    const bench *b = *state;
    for (int sequential = 0; sequential < 2; sequential++) {
        const char *whole = sequential ? "whole-s" : "whole-i", *cut = sequential ? "cut-s" : "cut-i";
        ae_run_options o = small_run(b->folder, b->model, whole);
        o.sequential = sequential;
        o.num_edits = 2;
        run_through(b, &o);
        o.results = in_folder(b->folder, cut);
        run_through(b, &o);
        static const char *const lost[] = {
            "run_000/2_edits-case_6.json",        "run_000/2_edits-case_15.json",
            "run_000/glue_eval/case_6_glue.json", "run_000/glue_eval/base_rte_gen.json",
            "run_000/aedile/events.jsonl",        "run_000/params.json"};
        o.resume = "run_000";
        for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
            assert_int_equal(unlink(at(b, cut, lost[i])), 0);
            run_through(b, &o);
            assert_same_runs(b, cut, whole);
        }
        for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
            assert_int_equal(unlink(at(b, cut, lost[i])), 0);
        write_text(b->folder, "litter", "x");
        assert_int_equal(rename(in_folder(b->folder, "litter"), at(b, cut, "run_000/aedile/part")), 0);
        write_text(b->folder, "litter", "x");
        assert_int_equal(
            rename(in_folder(b->folder, "litter"), at(b, cut, "run_000/aedile/templates.json.tmp-a1B2c3")),
            0);
        run_through(b, &o);
        assert_same_runs(b, cut, whole);
    }
}

static void a_run_is_found_by_name_or_folder(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "named");
    o.max_edits = 1;
    run_through(b, &o);
    o.resume = at(b, "named", "run_000");
    assert_int_equal(run_through(b, &o).n_edits, 1);
    o.results = "nowhere";
    assert_int_equal(run_through(b, &o).n_edits, 1); // a folder needs no results
    ae_run_result result;
    o.resume = "run_007";
    assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_NOT_FOUND,
                 "neither 'run_007' nor 'nowhere/ROME/run_007' is a folder");
    assert_null(result.folder);
    o.resume = b->folder; // somebody's folder: nothing is written into it
    assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_NOT_FOUND,
                 "it is no run of aedile");
    assert_false(ae_path_exists(in_folder(b->folder, "aedile")));
    // A run that was ended before it had settings begins with the options given.
    assert_ok(ae_folder_make(at(b, "early", "run_000")));
    o = small_run(b->folder, b->model, "early");
    o.max_edits = 1;
    o.resume = "run_000";
    run_through(b, &o);
    assert_same_runs(b, "early", "named");
}

static void numbers_are_not_used_twice(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "numbers");
    o.max_edits = 1;
    o.glue_interval = 0;
    o.ppl_text = NULL;
    o.generation_interval = -1;
    run_through(b, &o);
    assert_true(ae_path_exists(at(b, "numbers", "run_000/params.json")));
    assert_ok(ae_folder_make(at(b, "numbers", "run_041")));
    assert_ok(ae_folder_make(at(b, "numbers", "run_99x")));
    write_text(b->folder, "numbers/ROME/notes_1000", "");
    run_through(b, &o);
    assert_true(ae_path_exists(at(b, "numbers", "run_042/params.json")));
    assert_ok(ae_folder_make(at(b, "numbers", "run_999")));
    run_through(b, &o);
    assert_true(ae_path_exists(at(b, "numbers", "run_1000/params.json")));
}

static void another_run_is_not_gone_on_with(void **state) {
    const bench *b = *state;
    ae_run_options first = small_run(b->folder, b->model, "settings");
    first.max_edits = 2;
    first.generation_interval = 2;
    first.ridge = 0.25;
    run_through(b, &first);
    first.resume = "run_000";
    run_through(b, &first);
    char *before = NULL, *after = NULL;
    const char *path = at(b, "settings", "run_000/aedile/settings.json");
    assert_ok(ae_file_read(path, 1 << 20, &before, NULL));
    write_text(b->folder, "templates.json", "[\"{}\", \"Well. {}\"]");
    write_text(b->folder, "select.json", "{\"3\": true, \"6\": true}");
    write_text(
        b->folder, "other-task.json",
        "{\"task\": \"sst\", \"header\": \"\", \"prompt_template\": \"{sentence}:\", \"answer_marker\": "
        "\":\", "
        "\"answers\": [[\"a\", 1]], \"gen_len\": 1, \"examples\": [{\"sentence\": \"he\", \"label\": 1}]}");
    ae_run_result result;
#define REFUSED(part, ...)                                                                                   \
    do {                                                                                                     \
        ae_run_options o = first;                                                                            \
        __VA_ARGS__;                                                                                         \
        assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_MISMATCH, part);              \
        assert_non_null(strstr(ae_last_error(), "/ROME/run_000' was begun with"));                           \
    } while (0)
    REFUSED("hparams.v_lr 0.05, and cannot go on with 0.25", o.hparams.v_lr = 0.25);
    REFUSED("hparams.variant \"r-rome\", and cannot go on with \"rome\"", o.hparams.variant = AE_ROME);
    REFUSED("seed \"0\", and cannot go on with \"1\"", o.seed = 1);
    REFUSED("ridge 0.25, and cannot go on with 0.5", o.ridge = 0.5);
    REFUSED("limit 0, and cannot go on with 3", o.limit = 3);
    REFUSED("max_edits 2, and cannot go on with 0", o.max_edits = 0);
    REFUSED("select null, and cannot go on with \"", o.select = in_folder(b->folder, "select.json"));
    REFUSED("dataset.kind \"counterfact\", and cannot go on with \"zsre\"", o.dataset = "zsre");
    REFUSED("templates.count 4, and cannot go on with 2",
            o.templates = in_folder(b->folder, "templates.json"));
    REFUSED("sequential false, and cannot go on with true", o.sequential = true);
    REFUSED("num_edits 1, and cannot go on with 2", o.num_edits = 2);
    REFUSED("pre false, and cannot go on with true", o.pre = true);
    REFUSED("generation_interval 2, and cannot go on with 1", o.generation_interval = 1);
    REFUSED("glue_interval 2, and cannot go on with 5", o.glue_interval = 5);
    REFUSED("glue_labels \"compat\", and cannot go on with \"corrected\"", o.glue_labels = AE_GLUE_CORRECTED);
    REFUSED("tasks.rte \"", o.n_tasks = 1);
    REFUSED("tasks.sst \"", o.tasks[0] = in_folder(b->folder, "other-task.json"));
    REFUSED("ppl_text \"", o.ppl_text = NULL);
    REFUSED("ppl_tokens 100, and cannot go on with 50", o.ppl_tokens = 50);
    REFUSED("hparams.mom2_adjustment true, and cannot go on with false", o.hparams.mom2_adjustment = false);
#undef REFUSED
    // Another model, of the same shape.
    assert_int_equal(make_tiny_model(in_folder(b->folder, "other"), "gpt2", AE_F32, 12), 0);
    ae_model *other = NULL;
    assert_ok(ae_model_open(in_folder(b->folder, "other"), &(ae_model_options){.n_threads = 1}, &other));
    assert_ok(ae_model_set_name(other, "tiny")); // its statistics
    assert_fails(ae_run_execute(other, &first, NULL, NULL, &result), AE_ERR_MISMATCH,
                 "model.weights_sha256 \"");
    ae_model_free(other);
    // The same one, with another tokenizer.
    const char *more = in_folder(b->folder, "tiny/special_tokens_map.json");
    assert_false(ae_path_exists(more));
    assert_ok(ae_atomic_write(more, "{}", 2));
    assert_fails(ae_run_execute(b->model, &first, NULL, NULL, &result), AE_ERR_MISMATCH,
                 "model.tokenizer_sha256 \"");
    assert_int_equal(unlink(more), 0);
    // What lies elsewhere but is the same, and how to deal with odd edits, are free.
    char *text = NULL;
    assert_ok(ae_file_read(first.tasks[1], 1 << 20, &text, NULL));
    ae_run_options same = first;
    same.tasks[1] = write_text(b->folder, "moved.json", text);
    same.guard = AE_GUARD_SKIP;
    same.dataset = in_folder(b->folder, "counterfact.json");
    run_through(b, &same);
    ae_free(text);
    assert_ok(ae_file_read(path, 1 << 20, &after, NULL));
    assert_string_equal(before, after);
    ae_free(before);
    ae_free(after);
    // Another processor's last digits may be others, of which one is told.
    heard here = {0}, elsewhere = {0};
    assert_ok(run_heard(b, &same, &here, &result));
    ae_run_result_free(&result);
    assert_null(strstr(here.warnings.text, "digits"));
    json_t *settings = load(path);
    assert_int_equal(
        json_object_set_new(json_object_get(settings, "model"), "arithmetic", json_string("abacus")), 0);
    assert_int_equal(json_dump_file(settings, path, 0), 0);
    json_decref(settings);
    assert_ok(run_heard(b, &same, &elsewhere, &result));
    ae_run_result_free(&result);
    assert_non_null(strstr(elsewhere.warnings.text, "was begun with abacus, and goes on with "));
}

static void a_run_tells_its_settings(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "record");
    o.sequential = o.pre = true;
    o.num_edits = 3;
    o.seed = UINT64_MAX - 1;
    o.limit = 4;
    o.select = "sample:1:5";
    o.glue_labels = AE_GLUE_CORRECTED;
    o.guard = AE_GUARD_SKIP;
    o.ppl_interval = 1;
    o.hparams.variant = AE_P_ROME;
    o.hparams_name = "a.json";
    const ae_run_result result = run_through(b, &o);
    ae_run_record *record = NULL;
    assert_ok(ae_run_record_open(o.results, "run_000", &record));
    assert_string_equal(record->folder, at(b, "record", "run_000"));
    assert_string_equal(record->model_name, "tiny");
    assert_string_equal(record->model_folder, in_folder(b->folder, "tiny"));
    assert_int_equal(record->model_options.n_threads, 1);
    assert_false(record->model_options.decode_compat);
    const ae_run_options *r = &record->options;
    assert_string_equal(r->dataset, "cf");
    assert_string_equal(r->data, b->folder);
    assert_string_equal(r->select, "sample:1:5");
    assert_string_equal(r->hparams_name, "a.json");
    assert_true(r->sequential && r->pre && r->seed == o.seed && r->num_edits == 3 && r->limit == 4);
    assert_true(r->glue_labels == AE_GLUE_CORRECTED && r->guard == AE_GUARD_SKIP && r->ppl_interval == 1);
    assert_int_equal(r->n_tasks, 2);
    assert_memory_equal(&r->hparams.layers, &o.hparams.layers, sizeof r->hparams.layers);
    assert_int_equal(r->hparams.variant, AE_P_ROME);
    // They are enough to go on with.
    ae_run_result again;
    ae_model_restore(b->model);
    assert_ok(ae_run_execute(b->model, r, NULL, NULL, &again));
    assert_int_equal(again.n_edits, result.n_edits);
    ae_run_result_free(&again);
    ae_run_record_free(record);
    ae_run_record_free(NULL);
    assert_fails(ae_run_record_open(o.results, "run_001", &record), AE_ERR_NOT_FOUND,
                 "there is no run 'run_001'");
    assert_fails(ae_run_record_open(o.results, b->folder, &record), AE_ERR_NOT_FOUND, "has no settings");
    write_text(b->folder, "record/ROME/run_000/aedile/settings.json", "{\"format\": \"other\"}");
    assert_fails(ae_run_record_open(o.results, "run_000", &record), AE_ERR_FORMAT,
                 "does not hold a run's settings");
}

static void a_changed_journal_is_found(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "journal");
    o.sequential = true;
    o.glue_interval = 0;
    o.generation_interval = -1;
    run_through(b, &o);
    o.resume = "run_000";
    ae_run_result result;
    const char *third = at(b, "journal", "run_000/aedile/journal/0003.safetensors"),
               *reverted = at(b, "journal", "run_000/aedile/journal/0003.reverted.safetensors"),
               *last = at(b, "journal", "run_000/aedile/journal/0005.safetensors"),
               *away = in_folder(b->folder, "away");
    assert_int_equal(rename(third, reverted), 0);
    ae_model_restore(b->model);
    assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_MISMATCH,
                 "is the reverted edit 3, of case 12, where edit 3, of case 12, belongs: the run's journal "
                 "was changed");
    ae_run_result_free(&result);
    assert_int_equal(rename(reverted, third), 0);
    assert_int_equal(rename(last, away), 0);
    ae_model_restore(b->model);
    assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_MISMATCH,
                 "has a file of case 18, but its journal ends with entry 4");
    ae_run_result_free(&result);
    assert_int_equal(rename(third, last), 0);
    ae_model_restore(b->model);
    assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_FORMAT, "holds entry 3: its name");
    ae_run_result_free(&result);
}

// ---- the guard -------------------------------------------------------------------------------------

// A learning rate at which every edit is out of line.
static ae_run_options wild_run(const bench *b, const char *results) {
    ae_run_options o = small_run(b->folder, b->model, results);
    o.sequential = true;
    o.hparams.v_lr = 1e4;
    o.hparams.clamp_norm_factor = 1e4;
    o.generation_interval = -1;
    return o;
}

static void the_guard_warns(void **state) {
    const bench *b = *state;
    const ae_run_options o = wild_run(b, "warn");
    heard h = {.stop_after = -1};
    ae_run_result result;
    assert_ok(run_heard(b, &o, &h, &result));
    assert_true(result.complete);
    assert_int_equal(result.n_flagged, 5);
    assert_int_equal(result.n_edits, 5);
    ae_run_result_free(&result);
    assert_non_null(strstr(h.warnings.text, "case 3: update norm "));
    json_t *document = load(at(b, "warn", "run_000/1_edits-case_3.json"));
    const char *flag = json_string_value(json_object_get(json_object_get(document, "aedile"), "flag"));
    assert_non_null(flag);
    assert_non_null(strstr(flag, " is larger than the matrix's own, "));
    char *log = NULL;
    assert_ok(ae_file_read(at(b, "warn", "run_000/aedile/events.jsonl"), 1 << 20, &log, NULL));
    assert_non_null(strstr(log, flag));
    ae_free(log);
    json_decref(document);
}

static void the_guard_leaves_out(void **state) {
    const bench *b = *state;
    ae_run_options o = wild_run(b, "skip");
    o.guard = AE_GUARD_SKIP;
    heard h = {.stop_after = -1};
    ae_run_result result;
    assert_ok(run_heard(b, &o, &h, &result));
    assert_true(result.complete);
    assert_int_equal(result.n_edits, 0);
    assert_int_equal(result.n_skipped, 6);
    assert_int_equal(result.n_done, 6);
    ae_run_result_free(&result);
    assert_null(b->model->layers[RUN_LAYER].edited); // back to what it was
    assert_tree(b, "skip/ROME/run_000/aedile/journal", "journal.json\nlock\n");
    assert_tree(b, "skip/ROME/run_000/aedile/skipped",
                "case_12.json\ncase_15.json\ncase_18.json\ncase_3.json\ncase_6.json\ncase_9.json\n");
    json_t *document = load(at(b, "skip", "run_000/aedile/skipped/case_3.json"));
    assert_true(json_is_false(json_object_get(document, "refused")));
    assert_non_null(
        strstr(json_string_value(json_object_get(document, "reason")), "larger than the matrix's own"));
    assert_int_equal(json_object_size(json_object_get(document, "layers")), 1);
    json_decref(document);
}

static void the_guard_stops(void **state) {
    const bench *b = *state;
    ae_run_options o = wild_run(b, "stop");
    o.guard = AE_GUARD_STOP;
    heard h = {.stop_after = -1};
    ae_run_result result;
    assert_ok(run_heard(b, &o, &h, &result));
    assert_false(result.complete);
    assert_int_equal(result.n_edits, 0);
    assert_int_equal(result.n_done, 0);
    assert_non_null(strstr(result.reason, "case 3, edit 1: update norm "));
    assert_non_null(strstr(h.warnings.text, "the guard stopped the run at case 3, edit 1: "));
    ae_run_result_free(&result);
    assert_tree(b, "stop/ROME/run_000/aedile/skipped", "");
    assert_tree(b, "stop/ROME/run_000/aedile/journal", "journal.json\nlock\n");
    // It would stop there again; told to warn, it goes on, and is the run that would have been.
    o.resume = "run_000";
    assert_ok(run_heard(b, &o, &h, &result));
    assert_false(result.complete);
    ae_run_result_free(&result);
    o.guard = AE_GUARD_WARN;
    assert_int_equal(run_through(b, &o).n_flagged, 5);
}

static void the_guard_does_not_take_back(void **state) {
    const bench *b = *state;
    ae_run_options o = wild_run(b, "kept");
    o.sequential = false;
    o.glue_interval = 1;
    assert_int_equal(run_through(b, &o).n_flagged, 5);
    assert_tree(b, "kept/ROME/run_000/aedile/skipped", "case_9.json\n"); // too long
    // Its tasks are to be measured once more, and so its edit is made again: it stays.
    o.resume = "run_000";
    for (ae_guard guard = AE_GUARD_SKIP; guard <= AE_GUARD_STOP; guard++) {
        assert_int_equal(unlink(at(b, "kept", "run_000/glue_eval/case_6_glue.json")), 0);
        o.guard = guard;
        const ae_run_result again = run_through(b, &o);
        assert_int_equal(again.n_edits, 5);
        assert_int_equal(again.n_skipped, 1);
        assert_tree(b, "kept/ROME/run_000/aedile/skipped", "case_9.json\n");
        assert_true(ae_path_exists(at(b, "kept", "run_000/glue_eval/case_6_glue.json")));
    }
}

// Begins a run and stops it before its first edit, then gives the unedited model another perplexity.
static void begin_with_base(const bench *b, ae_run_options *o, double perplexity) {
    heard h = {.stop_after = 0};
    ae_run_result result;
    o->stop = stop;
    o->stop_user = &h;
    assert_ok(run_heard(b, o, &h, &result));
    assert_int_equal(result.n_done, 0);
    ae_run_result_free(&result);
    char *path = ae_format("%s/ROME/run_000/aedile/base.json", o->results);
    json_t *base = load(path);
    json_object_set_new(json_object_get(base, "aedile"), "perplexity", json_real(perplexity));
    char *text = ae_json_dump(base, 4);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    ae_free(text);
    json_decref(base);
    ae_free(path);
    o->stop = NULL;
    o->resume = "run_000";
}

// The perplexity for which a case was left out; 0: it was not, or for another reason.
static double spoilt(const bench *b, const char *results, int case_id) {
    char name[80];
    snprintf(name, sizeof name, "run_000/aedile/skipped/case_%d.json", case_id);
    if (!ae_path_exists(at(b, results, name))) return 0;
    json_t *document = load(at(b, results, name));
    double perplexity = 0;
    (void)sscanf(json_string_value(json_object_get(document, "reason")), "perplexity %lf is", &perplexity);
    json_decref(document);
    return perplexity;
}

static ae_run_options watched_run(const bench *b, const char *results) {
    ae_run_options o = small_run(b->folder, b->model, results);
    o.sequential = true;
    o.generation_interval = -1;
    o.glue_interval = 0;
    o.ppl_interval = 1;
    return o;
}

static void the_guard_looks_at_perplexity(void **state) {
    const bench *b = *state;
    ae_run_options o = watched_run(b, "watched");
    begin_with_base(b, &o, 1);
    const ae_run_result result = run_through(b, &o);
    assert_int_equal(result.n_edits, 5);
    assert_int_equal(result.n_flagged, 5);
    json_t *document = load(at(b, "watched", "run_000/1_edits-case_12.json"));
    const char *flag = json_string_value(json_object_get(json_object_get(document, "aedile"), "flag"));
    assert_int_equal(strncmp(flag, "perplexity ", 11), 0);
    assert_non_null(strstr(flag, " times the unedited model's, 1 (bound 2)"));
    json_decref(document);
}

// It looks before the edit is kept: one that is not is undone to the bit.
static void what_is_not_kept_is_undone(void **state) {
    const bench *b = *state;
    ae_run_options o = watched_run(b, "undone-all");
    o.guard = AE_GUARD_SKIP;
    begin_with_base(b, &o, 1);
    assert_int_equal(run_through(b, &o).n_edits, 0);
    assert_true(distance_by_hand(b) == 0);
    // Each was tried on the model as it was, so that between these two the guard leaves out some and keeps
    // some.
    const double first = spoilt(b, "undone-all", 6), last = spoilt(b, "undone-all", 15);
    assert_true(first > 2 && last > 2 && first != last);

    o = watched_run(b, "undone-some");
    o.guard = AE_GUARD_SKIP;
    begin_with_base(b, &o, (first + last) / 4);
    const ae_run_result result = run_through(b, &o);
    assert_int_equal(result.n_flagged, 0);
    assert_int_equal(result.n_edits + result.n_skipped, 6);
    assert_true(result.n_edits > 0);
    int n_spoilt = 0;
    for (int id = 3; id <= 18; id += 3)
        n_spoilt += spoilt(b, "undone-some", id) > 0;
    assert_true(n_spoilt > 0);
    // The model is the journal's, whatever was tried in between.
    const double kept = distance_by_hand(b);
    ae_journal *journal = NULL;
    assert_ok(
        ae_journal_open(at(b, "undone-some", "run_000/aedile/journal"), b->model, false, true, &journal));
    assert_int_equal(ae_journal_count(journal), result.n_edits);
    assert_ok(ae_journal_apply(journal, b->model));
    assert_true(distance_by_hand(b) == kept);
    ae_journal_close(journal);
}

// Without a journal the edits of the chunk are applied anew, and the case is measured on these alone.
static void an_independent_chunk_is_undone_as_well(void **state) {
    const bench *b = *state;
    ae_run_options o = watched_run(b, "undone-apart");
    o.sequential = false;
    o.num_edits = 3; // cases 12, 15 and 18; perplexity is measured with the last
    o.ppl_interval = 3;
    o.guard = AE_GUARD_SKIP;
    write_text(b->folder, "three.json", "{\"12\": true, \"15\": true, \"18\": true}");
    write_text(b->folder, "two.json", "{\"12\": true, \"15\": true}");
    o.select = in_folder(b->folder, "three.json");
    begin_with_base(b, &o, 1);
    assert_int_equal(run_through(b, &o).n_edits, 2);
    assert_true(spoilt(b, "undone-apart", 18) > 2);
    o = watched_run(b, "two-apart");
    o.sequential = false;
    o.num_edits = 3;
    o.select = in_folder(b->folder, "two.json");
    o.ppl_text = NULL;
    o.ppl_interval = 0;
    run_through(b, &o);
    for (int id = 12; id <= 15; id += 3) {
        char name[80];
        snprintf(name, sizeof name, "run_000/3_edits-case_%d.json", id);
        json_t *tried = load(at(b, "undone-apart", name)), *never = load(at(b, "two-apart", name));
        static const char *const keys[] = {"post", "distance_from_original", "grouped_case_ids"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            assert_true(json_equal(json_object_get(tried, keys[i]), json_object_get(never, keys[i])));
        json_decref(tried);
        json_decref(never);
    }
}

// ---- stopping, cancelling, sharing -----------------------------------------------------------------

static void a_cancelled_run_goes_on(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "cancelled");
    o.sequential = true;
    run_through(b, &o);
    o.results = in_folder(b->folder, "cancelled-twice");
    for (int round = 0; round < 2; round++) {
        heard h = {.stop_after = -1, .cancel_at = 4};
        ae_run_result result;
        assert_int_equal(run_heard(b, &o, &h, &result), AE_ERR_CANCELLED);
        assert_non_null(result.folder); // told as far as it came
        assert_false(result.complete);
        ae_run_result_free(&result);
        o.resume = "run_000";
    }
    run_through(b, &o);
    assert_same_runs(b, "cancelled-twice", "cancelled");
}

static void a_run_belongs_to_one_process(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "shared");
    o.max_edits = 1;
    o.glue_interval = 0;
    o.ppl_text = NULL;
    run_through(b, &o);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    const char *path = at(b, "shared", "run_000");
    const pid_t child = fork();
    if (child == 0) {
        ae_run_folder folder;
        alarm(60); // should this test fail, nobody will kill it
        const char answer = ae_run_folder_open(path, &folder) == AE_OK ? 'y' : 'n';
        if (write(ready[1], &answer, 1) == 1) pause();
        _exit(0);
    }
    char answer = 0, who[64];
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    o.resume = "run_000";
    ae_run_result result;
    snprintf(who, sizeof who, "is being worked on by process %ld", (long)child);
    ae_model_restore(b->model);
    assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), AE_ERR_BUSY, who);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    run_through(b, &o); // one that died leaves no lock behind
    char *text = NULL;
    assert_ok(ae_file_read(at(b, "shared", "run_000/aedile/lock"), 100, &text, NULL));
    assert_string_equal(text, "");
    ae_free(text);
}

static void a_dry_run_writes_nothing(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "dry");
    o.dry_run = true;
    heard h = {.stop_after = -1};
    ae_run_result result;
    assert_ok(run_heard(b, &o, &h, &result));
    assert_string_equal(result.folder, at(b, "dry", "run_000"));
    assert_int_equal(result.n_cases, 6);
    assert_false(result.complete);
    assert_int_equal(h.n_starts, 1);
    ae_run_result_free(&result);
    assert_false(ae_path_exists(in_folder(b->folder, "dry")));
}

static void unfit_options_are_refused(void **state) {
    const bench *b = *state;
    const ae_run_options fine = small_run(b->folder, b->model, "unfit");
    ae_run_result result;
#define REFUSED(status, part, ...)                                                                           \
    do {                                                                                                     \
        ae_run_options o = fine;                                                                             \
        __VA_ARGS__;                                                                                         \
        assert_fails(ae_run_execute(b->model, &o, NULL, NULL, &result), status, part);                       \
        assert_null(result.folder);                                                                          \
    } while (0)
    REFUSED(AE_ERR_ARGUMENT, "num_edits is 0", o.num_edits = 0);
    REFUSED(AE_ERR_ARGUMENT, "generation_interval is 0", o.generation_interval = 0);
    REFUSED(AE_ERR_ARGUMENT, "generation_interval is -2", o.generation_interval = -2);
    REFUSED(AE_ERR_ARGUMENT, "glue_interval is -1", o.glue_interval = -1);
    REFUSED(AE_ERR_ARGUMENT, "no text is given", o.ppl_text = NULL; o.ppl_interval = 3);
    REFUSED(AE_ERR_ARGUMENT, "ppl_tokens is 1", o.ppl_tokens = 1);
    REFUSED(AE_ERR_ARGUMENT, "ridge is -1", o.ridge = -1);
    REFUSED(AE_ERR_ARGUMENT, "guard number 9", o.guard = (ae_guard)9);
    REFUSED(AE_ERR_ARGUMENT, "17 task files", o.n_tasks = 17);
    REFUSED(AE_ERR_ARGUMENT, "needs a results folder", o.results = "");
    REFUSED(AE_ERR_MISMATCH, "'layers' names layer 9", o.hparams.layers[0] = 9);
    REFUSED(AE_ERR_ARGUMENT, "are both the task 'sst'", o.tasks[1] = o.tasks[0]);
    REFUSED(AE_ERR_NOT_FOUND, "name task files (--glue), or do without (--glue-interval 0)", o.n_tasks = 0;
            o.data = in_folder(b->folder, "glue"); o.dataset = in_folder(b->folder, "counterfact.json"));
    REFUSED(AE_ERR_NOT_FOUND, "no second moments for layer 2", o.hparams.layers[0] = 2);
    REFUSED(AE_ERR_NOT_FOUND, "nowhere.txt", o.ppl_text = "nowhere.txt");
#undef REFUSED
    assert_false(ae_path_exists(in_folder(b->folder, "unfit"))); // not even the folder
    // The model must be as it was.
    assert_ok(ae_model_make_editable(b->model, 2));
    assert_fails(ae_run_execute(b->model, &fine, NULL, NULL, &result), AE_ERR_ARGUMENT,
                 "layer 2 of 'tiny' is edited");
    ae_model_restore(b->model);
}

static void the_default_tasks_are_in_the_data_folder(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "default-tasks");
    o.n_tasks = 0;
    o.max_edits = 1;
    static const char *const more[] = {"mrpc", "cola"};
    for (int i = 0; i < 2; i++) {
        char name[40], text[400];
        snprintf(name, sizeof name, "glue/%s.json", more[i]);
        snprintf(text, sizeof text,
                 "{\"task\": \"%s\", \"header\": \"\", \"prompt_template\": \"{sentence}:\", "
                 "\"answer_marker\": \":\", "
                 "\"answers\": [[\"a\", 1]], \"gen_len\": 1, \"examples\": [{\"sentence\": \"he\", "
                 "\"label\": 1}]}",
                 more[i]);
        write_text(b->folder, name, text);
    }
    run_through(b, &o);
    json_t *glue = load(at(b, "default-tasks", "run_000/glue_eval/base_glue.json"));
    static const char *const names[] = {"sst", "mrpc", "cola", "rte", "aedile"};
    void *i = json_object_iter(glue);
    for (int k = 0; k < 5; k++, i = json_object_iter_next(glue, i))
        assert_string_equal(json_object_iter_key(i), names[k]);
    assert_null(i);
    json_decref(glue);
}

// ---- memory ----------------------------------------------------------------------------------------

enum { N_METERED = 240, N_EARLY = 40 };

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AE_TEST_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define AE_TEST_SANITIZED 1
#endif

// What the process holds of the machine's memory; 0 where that is not known, or is the sanitizers'.
static size_t resident_bytes(void) {
    size_t pages = 0;
#ifndef AE_TEST_SANITIZED
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*u %zu", &pages) != 1) pages = 0;
    if (file) fclose(file);
#endif
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

typedef struct meter {
    int n;
    size_t early, late;                   // of the heap
    size_t early_resident, late_resident; // of the process
} meter;

static void take_memory(void *user, const ae_run_case *result) {
    meter *m = user;
    (void)result;
    m->n++;
    m->late = mallinfo2().uordblks;
    m->late_resident = resident_bytes();
    if (m->n == N_EARLY) m->early = m->late, m->early_resident = m->late_resident;
}

// An entry of the journal, and the guard's figures, are some hundred bytes an edit; its vectors would be
// kilobytes. What the allocator keeps for itself is little: in 200 further edits with generated text, tasks
// and perplexity the process grows by less than half a megabyte.
static void memory_does_not_grow_with_the_edits(void **state) {
    const bench *b = *state;
    json_t *records = json_array();
    for (int i = 0; i < N_METERED; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "Man %d", i);
        json_array_append_new(records,
                              json_pack("{s:i, s:{s:s, s:{s:s}, s:{s:s}, s:s}, s:[s], s:[s]}", "case_id", i,
                                        "requested_rewrite", "prompt", "{} is", "target_new", "str", "a hen",
                                        "target_true", "str", "he", "subject", subject, "paraphrase_prompts",
                                        "So he is", "generation_prompts", "The man was"));
    }
    assert_int_equal(tiny_write_json(b->folder, "many.json", records), 0);
    ae_run_options o = small_run(b->folder, b->model, "many");
    o.dataset = in_folder(b->folder, "many.json");
    o.sequential = true;
    o.generation_interval = 3;
    o.glue_interval = 20;
    meter m = {0};
    const ae_run_listener listener = {.user = &m, .on_case = take_memory};
    ae_run_result result;
    ae_model_restore(b->model);
    assert_ok(ae_run_execute(b->model, &o, NULL, &listener, &result));
    assert_int_equal(result.n_edits, N_METERED);
    ae_run_result_free(&result);
    assert_int_equal(m.n, N_METERED);
    if (m.late > m.early + (N_METERED - N_EARLY) * 600)
        fail_msg("%zu bytes after %d edits, %zu after %d", m.early, N_EARLY, m.late, N_METERED);
    if (m.late_resident > m.early_resident + (1 << 19))
        fail_msg("%zu bytes resident after %d edits, %zu after %d", m.early_resident, N_EARLY,
                 m.late_resident, N_METERED);
}

static void lack_of_memory_is_an_error_and_no_more(void **state) {
    const bench *b = *state;
    ae_run_options o = small_run(b->folder, b->model, "memory");
    o.sequential = true;
    o.max_edits = 3;
    const ae_run_options whole = small_run(b->folder, b->model, "memory-whole");
    ae_run_options reference = whole;
    reference.sequential = true;
    reference.max_edits = 3;
    run_through(b, &reference);
    int failures = 0;
    ae_status status = AE_ERR_MEMORY;
    for (uint64_t n = 1; status == AE_ERR_MEMORY; n += 1 + n / 7, failures++) {
        ae_run_result result;
        ae_model_restore(b->model);
        o.resume = ae_path_is_folder(at(b, "memory", "run_000")) ? "run_000" : NULL;
        ae_memory_fail_at(n);
        status = ae_run_execute(b->model, &o, NULL, NULL, &result);
        ae_memory_fail_at(0);
        if (status != AE_OK && status != AE_ERR_MEMORY)
            fail_msg("allocation %llu: %s: %s", (unsigned long long)n, ae_status_name(status),
                     ae_last_error());
        ae_run_result_free(&result);
    }
    assert_true(failures > 20);
    assert_same_runs(b, "memory", "memory-whole");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_is_the_reference_s),
        cmocka_unit_test(params_are_the_reference_s_and_ours),
        cmocka_unit_test(cases_are_measured_when_their_chunk_is_edited),
        cmocka_unit_test(the_base_is_the_unedited_model),
        cmocka_unit_test(independent_edits_know_nothing_of_each_other),
        cmocka_unit_test(zsre_is_run_as_well),
        cmocka_unit_test(perplexity_needs_no_tasks),
        cmocka_unit_test(a_stopped_run_goes_on),
        cmocka_unit_test(what_is_missing_is_made_again),
        cmocka_unit_test(a_run_is_found_by_name_or_folder),
        cmocka_unit_test(numbers_are_not_used_twice),
        cmocka_unit_test(another_run_is_not_gone_on_with),
        cmocka_unit_test(a_run_tells_its_settings),
        cmocka_unit_test(a_changed_journal_is_found),
        cmocka_unit_test(the_guard_warns),
        cmocka_unit_test(the_guard_does_not_take_back),
        cmocka_unit_test(the_guard_leaves_out),
        cmocka_unit_test(the_guard_stops),
        cmocka_unit_test(the_guard_looks_at_perplexity),
        cmocka_unit_test(what_is_not_kept_is_undone),
        cmocka_unit_test(an_independent_chunk_is_undone_as_well),
        cmocka_unit_test(a_cancelled_run_goes_on),
        cmocka_unit_test(a_run_belongs_to_one_process),
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(unfit_options_are_refused),
        cmocka_unit_test(the_default_tasks_are_in_the_data_folder),
        cmocka_unit_test(memory_does_not_grow_with_the_edits),
        cmocka_unit_test(lack_of_memory_is_an_error_and_no_more),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
