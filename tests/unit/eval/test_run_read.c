// eval/run_read: runs of ours and of the reference as numbers; what is broken is named.
#include "test.h"

#include "base/memory.h"

#include "eval/run_read.h"
#include "made_up_run.h"

// ---- helpers ---------------------------------------------------------------------------------------

static const char *file_in(void *const *state, const char *name) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

static void write_text(void *const *state, const char *name, const char *text) {
    FILE *stream = fopen(file_in(state, name), "wb");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void make_folder(void *const *state, const char *name) {
    assert_ok(ae_folder_make(file_in(state, name)));
}

static ae_run_data *read_run(void *const *state) {
    ae_run_data *run = NULL;
    assert_ok(ae_run_read(*state, NULL, &run));
    assert_non_null(run);
    return run;
}

// A folder with one case file, of this text, is refused with these words.
static void refused(void *const *state, const char *text, const char *words) {
    write_text(state, "1_edits-case_7.json", text);
    ae_run_data *run = NULL;
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_FORMAT, "1_edits-case_7.json'");
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_FORMAT, words);
    assert_null(run);
}

#define near(a, b) assert_true(fabs((a) - (double)(b)) <= 1e-12 * fabs((double)(b)))

// ---- a case of each kind ---------------------------------------------------------------------------

static const char counterfact_case[] =
    "{\"case_id\": 7, \"grouped_case_ids\": [7], \"num_edits\": 1, \"requested_rewrite\": {\"prompt\": \"{} "
    "is in\","
    " \"relation_id\": \"P131\", \"target_new\": {\"str\": \"Rome\", \"id\": \"Q220\"}, \"target_true\":"
    " {\"str\": \"Paris\", \"id\": \"Q90\"}, \"subject\": \"The Eiffel Tower\"}, \"time\": 2.5,"
    " \"pre\": {\"rewrite_prompts_probs\": [{\"target_new\": 3, \"target_true\": 1}]},"
    " \"post\": {\"rewrite_prompts_probs\": [{\"target_new\": 0.5, \"target_true\": 4.0}],"
    " \"paraphrase_prompts_probs\": [{\"target_new\": 1.0, \"target_true\": 1.0}, {\"target_new\": 0.25,"
    " \"target_true\": 2.0}],"
    " \"neighborhood_prompts_probs\": [{\"target_new\": 3.0, \"target_true\": 0.5}, {\"target_new\": 0.5,"
    " \"target_true\": 3.0}, {\"target_new\": 2.0, \"target_true\": 1.0}, {\"target_new\": 2.0, "
    "\"target_true\":"
    " 2.0}],"
    " \"attribute_prompts_probs\": [], \"ngram_entropy\": 6.25, \"reference_score\": null, "
    "\"essence_score\": 30.5,"
    " \"text\": [\"The Eiffel Tower is\"], \"essence_text\": [\"a\"]},"
    " \"distance_from_original\": {\"17\": 1e-6, \"18\": 2e-6},"
    " \"aedile\": {\"n_edits\": 1, \"journal\": 1, \"flag\": \"k.u is small\", \"error\": null, \"k_dot_u\": "
    "0.5,"
    " \"update_norm\": 12, \"update_distance\": 1.5e-6, \"delta_norm\": 40.5, \"perplexity\": 18.25,"
    " \"layers\": {\"17\": {\"loss\": [3.0, 2.5, null]}}}}";

static void a_case_becomes_numbers(void **state) {
    write_text(state, "1_edits-case_7.json", counterfact_case);
    write_text(
        state, "params.json",
        "{\"model_name\": \"gpt2-xl\", \"dataset\": \"cf\", \"variant\": \"r-rome\", \"sequential\": true}");
    ae_run_data *run = read_run(state);
    assert_string_equal(run->folder, *state);
    assert_string_equal(run->name, strrchr(*state, '/') + 1);
    assert_string_equal(run->model, "gpt2-xl");
    assert_string_equal(run->dataset, "cf");
    assert_string_equal(run->variant, "r-rome");
    assert_true(run->sequential);
    assert_int_equal(run->n_cases, 1);
    const ae_run_case_data *c = &run->cases[0];
    assert_int_equal(c->case_id, 7);
    assert_int_equal(c->n_edits, 1);
    assert_string_equal(c->file, "1_edits-case_7.json");
    assert_string_equal(c->subject, "The Eiffel Tower");
    assert_string_equal(c->prompt, "{} is in");
    assert_string_equal(c->relation_id, "P131");
    assert_string_equal(c->target_new, "Rome");
    assert_string_equal(c->target_true, "Paris");
    assert_string_equal(c->flag, "k.u is small");
    assert_null(c->error);
    near(c->time, 2.5);
    near(c->distance, 2e-6); // the larger one
    near(c->update_norm, 12);
    near(c->update_distance, 1.5e-6);
    near(c->delta_norm, 40.5);
    near(c->k_dot_u, 0.5);
    near(c->perplexity, 18.25);
    near(c->pre.rewrite_success, 0);
    near(c->pre.rewrite_diff, exp(-3) - exp(-1));
    assert_true(isnan(c->pre.paraphrase_success));
    near(c->post.rewrite_success, 1);
    near(c->post.rewrite_diff, exp(-0.5) - exp(-4));
    near(c->post.paraphrase_success, 0.5); // equal is not likelier
    near(c->post.paraphrase_diff, (exp(-0.25) - exp(-2)) / 2);
    near(c->post.neighborhood_success, 0.5); // here the true target is the wanted one
    near(c->post.neighborhood_diff, (exp(-0.5) - exp(-3) + exp(-3) - exp(-0.5) + exp(-1) - exp(-2)) / 4);
    assert_true(isnan(c->post.rewrite_acc));
    near(c->post.ngram_entropy, 6.25);
    assert_true(isnan(c->post.reference_score));
    near(c->post.essence_score, 30.5);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json_object_get(c->document, "post"), "text"), 0)),
        "The Eiffel Tower is");
    ae_run_data_free(run);
}

static void a_zsre_case_has_shares_of_right_tokens(void **state) {
    write_text(state, "1_edits-case_7.json",
               "{\"case_id\": 7, \"requested_rewrite\": {\"prompt\": \"Who is {}?\", \"subject\": \"she\","
               " \"target_new\": {\"str\": \"x\"}, \"target_true\": {\"str\": \"<|endoftext|>\"}}, \"post\":"
               " {\"rewrite_prompts_correct\": [true, true], \"paraphrase_prompts_correct\": [true, false],"
               " \"neighborhood_prompts_correct\": [false, false, true, false]}}");
    ae_run_data *run = read_run(state);
    const ae_run_case_data *c = &run->cases[0];
    near(c->post.rewrite_acc, 1);
    near(c->post.paraphrase_acc, 0.5);
    near(c->post.neighborhood_acc, 0.25);
    assert_true(isnan(c->post.rewrite_success));
    assert_true(isnan(c->time));
    assert_true(isnan(c->distance));
    assert_true(isnan(c->k_dot_u));
    assert_string_equal(c->relation_id, "");
    assert_string_equal(run->model, ""); // there is no params.json
    assert_null(run->params);
    ae_run_data_free(run);
}

// After a collapse the reference writes bare words that JSON does not have.
static void what_is_not_finite_is_not_measured(void **state) {
    write_text(
        state, "1_edits-case_7.json",
        "{\"case_id\": 7, \"requested_rewrite\": {\"subject\": \"NaN \\\" Infinity\"}, \"time\": -Infinity,\n"
        " \"post\": {\"rewrite_prompts_probs\": [{\"target_new\": NaN, \"target_true\": 1.0}, "
        "{\"target_new\":"
        " 0.5, \"target_true\": Infinity}, {\"target_new\": 0.5, \"target_true\": 1.5}], "
        "\"ngram_entropy\":NaN},"
        " \"distance_from_original\": {\"17\": NaN}}");
    ae_run_data *run = read_run(state);
    const ae_run_case_data *c = &run->cases[0];
    assert_string_equal(c->subject, "NaN \" Infinity");
    assert_true(isnan(c->time));
    assert_true(isnan(c->distance));
    assert_true(isnan(c->post.ngram_entropy));
    near(c->post.rewrite_success, 1.0 / 3);
    assert_true(isnan(c->post.rewrite_diff));
    ae_run_data_free(run);
}

// ---- the order of editing --------------------------------------------------------------------------

static void write_case(void *const *state, int case_id, const char *chunk, const char *ours) {
    char name[60], text[200];
    snprintf(name, sizeof name, "2_edits-case_%d.json", case_id);
    snprintf(text, sizeof text,
             "{\"case_id\": %d, \"grouped_case_ids\": %s, \"distance_from_original\": {\"1\": 1e-6}%s}",
             case_id, chunk, ours);
    write_text(state, name, text);
}

static void assert_order(const ae_run_data *run, const int64_t *case_ids, const int64_t *n_edits, size_t n) {
    assert_int_equal(run->n_cases, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(run->cases[i].case_id, case_ids[i]);
        assert_int_equal(run->cases[i].n_edits, n_edits[i]);
    }
}

static void edits_are_counted_chunk_by_chunk(void **state) {
    write_case(state, 2, "[2, 10]", "");
    write_case(state, 10, "[2, 10]", "");
    write_case(state, 100, "[100, 101]", ""); // killed before the file of 101 was written
    write_case(state, 200, "[200]", "");
    ae_run_data *run = read_run(state);
    assert_order(run, (int64_t[]){2, 10, 100, 200}, (int64_t[]){2, 2, 4, 5}, 4);
    assert_true(isnan(run->cases[0].update_distance));
    ae_run_data_free(run);

    // Where edits do not accumulate a model never holds more than a chunk.
    write_text(state, "params.json", "{\"sequential\": false}");
    run = read_run(state);
    assert_order(run, (int64_t[]){2, 10, 100, 200}, (int64_t[]){2, 2, 2, 1}, 4);
    // ... and one edit alone is as far from the original as it is large.
    assert_true(isnan(run->cases[0].update_distance));
    near(run->cases[3].update_distance, 1e-6);
    ae_run_data_free(run);
}

static void our_own_files_tell_the_order(void **state) {
    write_case(state, 5, "[9, 5]", ", \"aedile\": {\"n_edits\": 2}");
    write_case(state, 9, "[9, 5]", ", \"aedile\": {\"n_edits\": 2}");
    write_case(state, 1, "[1]", ", \"aedile\": {\"n_edits\": 4}"); // the third edit was taken back
    ae_run_data *run = read_run(state);
    assert_order(run, (int64_t[]){9, 5, 1}, (int64_t[]){2, 2, 4}, 3);
    ae_run_data_free(run);
    write_text(state, "params.json", "{\"sequential\": false}"); // the same where edits do not accumulate
    run = read_run(state);
    assert_order(run, (int64_t[]){9, 5, 1}, (int64_t[]){2, 2, 4}, 3);
    ae_run_data_free(run);
}

// ---- whole runs ------------------------------------------------------------------------------------

static bool count_progress(void *user, const char *stage, double done, double total, const char *unit) {
    assert_non_null(strstr(stage, "reading "));
    assert_string_equal(unit, "cases");
    assert_true(total == 200);
    *(double *)user = done;
    return done < 150;
}

static void whole_runs_are_read(void **state) {
    made_up_run made = made_up_run_defaults;
    made.folder = *state;
    made_up_run_write(&made);
    ae_run_data *run = read_run(state);
    assert_string_equal(run->variant, "r-rome");
    assert_int_equal(run->n_cases, 200);
    assert_int_equal(run->n_skipped, 2);
    size_t flagged = 0, perplexities = 0, entropies = 0;
    for (size_t i = 0; i < 200; i++) {
        const ae_run_case_data *c = &run->cases[i];
        assert_int_equal(c->case_id, 4 * i + 3);
        assert_int_equal(c->n_edits, i + 1);
        assert_true(c->pre.rewrite_success < 2 && c->post.neighborhood_success <= 1);
        flagged += c->flag != NULL;
        perplexities += !isnan(c->perplexity);
        entropies += !isnan(c->post.ngram_entropy);
        if (i > 0) assert_true(c->distance > run->cases[i - 1].distance);
    }
    assert_int_equal(flagged, 1);
    assert_string_equal(run->cases[76].flag, "update norm 12 times the median");
    near(run->cases[76].update_distance, 150 / 1.024e7);
    assert_int_equal(perplexities, 20);
    assert_int_equal(entropies, 40);
    assert_int_equal(run->n_tasks, 11);
    for (size_t t = 0; t < 11; t++) {
        assert_int_equal(run->tasks[t].n_edits, 20 * t);
        assert_int_equal(run->tasks[t].n_cases, 20 * t);
        near(run->tasks[t].perplexity, 18 + 0.4 * (double)t);
        assert_int_equal(run->tasks[t].n_tasks, 4);
        const ae_run_task_data *sst = &run->tasks[t].tasks[0];
        assert_string_equal(sst->name, "sst");
        assert_int_equal(sst->total, 200);
        assert_int_equal(sst->correct + sst->incorrect + sst->invalid, 200);
        near(sst->accuracy, (double)sst->correct / 200);
        assert_true(sst->f1 > 0.5 && sst->mcc > 0);
    }
    ae_run_data_free(run);

    // A caller may stop the reading.
    double last = 0;
    const ae_hooks hooks = {.user = &last, .progress = count_progress};
    assert_int_equal(ae_run_read(*state, &hooks, &run), AE_ERR_CANCELLED);
    assert_true(last == 150);
}

static void runs_of_the_reference_are_read(void **state) {
    made_up_run made = made_up_run_defaults;
    made.folder = *state;
    made.fate = RUN_OF_REFERENCE;
    made.n_cases = 45;
    made_up_run_write(&made);
    ae_run_data *run = read_run(state);
    assert_string_equal(run->variant, "p-rome"); // by the three flags
    assert_int_equal(run->n_cases, 45);
    assert_true(isnan(run->cases[0].post.reference_score));
    assert_false(isnan(run->cases[5].post.reference_score));
    for (size_t i = 0; i < 45; i++) {
        assert_int_equal(run->cases[i].n_edits, i + 1);
        assert_null(run->cases[i].flag);
        assert_true(isnan(run->cases[i].update_norm));
        assert_false(isnan(run->cases[i].distance));
    }
    // Its base is measured after one edit; its edit_num is a row of the data set.
    assert_int_equal(run->n_tasks, 3);
    assert_int_equal(run->tasks[0].n_edits, 1);
    assert_int_equal(run->tasks[0].n_cases, 0);
    assert_int_equal(run->tasks[1].n_edits, 20);
    assert_int_equal(run->tasks[2].n_edits, 40);
    assert_true(isnan(run->tasks[2].perplexity));
    ae_run_data_free(run);
}

static void the_unedited_model_is_a_point_without_tasks(void **state) {
    write_text(state, "1_edits-case_7.json", counterfact_case);
    make_folder(state, "aedile");
    write_text(state, "aedile/base.json", "{\"aedile\": {\"n_edits\": 0, \"perplexity\": 17.5}}");
    ae_run_data *run = read_run(state);
    assert_int_equal(run->n_tasks, 1);
    assert_int_equal(run->tasks[0].n_edits, 0);
    assert_int_equal(run->tasks[0].n_cases, 0);
    assert_int_equal(run->tasks[0].n_tasks, 0);
    near(run->tasks[0].perplexity, 17.5);
    ae_run_data_free(run);

    // Where there are tasks, their own file says the same.
    make_folder(state, "glue_eval");
    write_text(state, "glue_eval/base_glue.json", "{\"aedile\": {\"n_edits\": 0, \"perplexity\": 17.25}}");
    run = read_run(state);
    assert_int_equal(run->n_tasks, 1);
    near(run->tasks[0].perplexity, 17.25);
    ae_run_data_free(run);
}

static void variants_are_told_by_flags(void **state) {
    static const struct {
        const char *params, *variant;
    } cases[] = {
        {"{\"original_implementation\": true, \"enable_prompt_keys\": false, \"enable_random_prefix_keys\": "
         "true}",
         "r-rome"},
        {"{\"original_implementation\": true, \"enable_prompt_keys\": true, \"enable_random_prefix_keys\": "
         "false}",
         "rome"},
        {"{\"original_implementation\": false, \"enable_prompt_keys\": true, \"enable_random_prefix_keys\": "
         "false}",
         "p-rome"},
        {"{\"algo_name\": \"FT\"}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(state, "params.json", cases[i].params);
        ae_run_data *run = read_run(state);
        assert_string_equal(run->variant, cases[i].variant);
        assert_int_equal(run->n_cases, 0); // it only began
        ae_run_data_free(run);
    }
}

static void other_files_are_left_alone(void **state) {
    write_text(state, "1_edits-case_7.json", counterfact_case);
    write_text(state, "notes.json", "not JSON");
    write_text(state, "1_edits-case_.json", "not JSON");
    write_text(state, "1_edits-case_7.json.tmp-a1b2c3", "{");
    write_text(state, "_edits-case_7.json", "not JSON");
    write_text(state, "1_edits-case_99999999999999999999.json", "not JSON");
    make_folder(state, "glue_eval");
    write_text(state, "glue_eval/base_sst_gen.json", "not JSON");
    write_text(state, "glue_eval/summary_glue.json", "not JSON");
    ae_run_data *run = read_run(state);
    assert_int_equal(run->n_cases, 1);
    assert_int_equal(run->n_tasks, 0);
    ae_run_data_free(run);
}

static void note_warning(void *user, const char *text) {
    snprintf(user, 500, "%s", text);
}

static void tasks_of_no_known_case_are_left_out(void **state) {
    char warning[500] = "";
    const ae_hooks hooks = {.user = warning, .warn = note_warning};
    write_text(state, "1_edits-case_7.json", counterfact_case);
    make_folder(state, "glue_eval");
    write_text(state, "glue_eval/case_8_glue.json", "{\"edit_num\": 20, \"case_id\": [8]}");
    write_text(state, "glue_eval/case_7_glue.json",
               "{\"edit_num\": 1, \"case_id\": [7], \"sst\": {\"correct\": 3, \"total\": 0}}");
    ae_run_data *run = NULL;
    assert_fails(ae_run_read(*state, &hooks, &run), AE_ERR_FORMAT,
                 "case_7_glue.json': field 'total' is 0, expected 3");
    write_text(state, "glue_eval/case_7_glue.json",
               "{\"case_id\": [6, 7], \"sst\": {\"correct\": 3, \"total\": 4}, \"rte\": {\"correct\": 1, "
               "\"total\": 4, \"labels\": \"corrected\"}}");
    assert_ok(ae_run_read(*state, &hooks, &run));
    assert_non_null(strstr(warning, "case_8_glue.json' names no case whose file is there"));
    assert_int_equal(run->n_tasks, 1);
    assert_string_equal(run->tasks[0].tasks[0].name, "sst");
    assert_string_equal(run->tasks[0].tasks[1].name, "rte (corrected labels)"); // another task
    near(run->tasks[0].tasks[0].accuracy, 0.75);
    assert_true(isnan(run->tasks[0].tasks[0].f1));
    ae_run_data_free(run);
    write_text(state, "glue_eval/case_7_glue.json",
               "{\"case_id\": 7, \"sst\": {\"correct\": 3, \"total\": 4, \"f1\": 1e308}}");
    assert_fails(ae_run_read(*state, &hooks, &run), AE_ERR_FORMAT, "field 'f1' is 1e+308, expected 0 to 1");
    ae_text many = {0};
    assert_ok(ae_text_printf(&many, "{\"case_id\": 7"));
    for (int i = 0; i < 65; i++)
        assert_ok(ae_text_printf(&many, ", \"t%d\": {\"correct\": 1, \"total\": 1}", i));
    assert_ok(ae_text_printf(&many, "}"));
    write_text(state, "glue_eval/case_7_glue.json", many.data);
    ae_free(many.data);
    assert_fails(ae_run_read(*state, &hooks, &run), AE_ERR_UNSUPPORTED,
                 "case_7_glue.json' has more than 64 tasks");
}

// ---- what is broken --------------------------------------------------------------------------------

static void folders_that_are_no_runs(void **state) {
    ae_run_data *run = NULL;
    assert_fails(ae_run_read(file_in(state, "nowhere"), NULL, &run), AE_ERR_NOT_FOUND,
                 "/nowhere': no such folder");
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_NOT_FOUND,
                 "is no run's folder: neither params.json nor");
    write_text(state, "file", "");
    assert_fails(ae_run_read(file_in(state, "file"), NULL, &run), AE_ERR_NOT_FOUND,
                 "it is a file, not a folder");
    write_text(state, "params.json", "[]");
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_FORMAT,
                 "params.json' holds an array, expected an object");
    write_text(state, "params.json", "{\"model_name\": 3}");
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_FORMAT,
                 "params.json': field 'model_name' is an integer, expected a string");
    write_text(state, "params.json", "{\"sequential\": \"yes\"}");
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_FORMAT, "field 'sequential' is a string");
    assert_null(run);
}

static void broken_case_files_are_named(void **state) {
    refused(state, "", "is not valid JSON");
    refused(state, "{\"case_id\": 7, \"post\": {\"rewrite_prompts_probs\": [{\"target_n",
            "is not valid JSON: line 1");
    refused(state, "{\"case_id\": 7} {}", "end of file expected");
    refused(state, "[7]", "holds an array, expected an object");
    refused(state, "{}", "field 'case_id' is missing");
    refused(state, "{\"case_id\": \"7\"}", "field 'case_id' is a string, expected an integer");
    refused(state, "{\"case_id\": 8}", "field 'case_id' is 8, the file's name says 7");
    refused(state, "{\"case_id\": 7, \"case_id\": 7}", "duplicate object key");
    refused(state, "{\"case_id\": 7, \"time\": 1e999}", "real number overflow");
    refused(state, "{\"case_id\": 7, \"time\": 99999999999999999999}", "too big integer");
    refused(state, "{\"case_id\": 7, \"time\": NaNa}", "is not valid JSON");
    refused(state, "{\"case_id\": 7, \"time\": \"2 s\"}", "field 'time' is a string, expected a number");
    refused(state, "{\"case_id\": 7, \"requested_rewrite\": []}", "field 'requested_rewrite' is an array");
    refused(state, "{\"case_id\": 7, \"requested_rewrite\": {\"subject\": 1}}",
            "field 'subject' is an integer");
    refused(state, "{\"case_id\": 7, \"requested_rewrite\": {\"target_new\": \"Rome\"}}",
            "field 'target_new' is a string, expected an object");
    refused(state, "{\"case_id\": 7, \"post\": 1}", "field 'post' is an integer");
    refused(state, "{\"case_id\": 7, \"post\": {\"rewrite_prompts_probs\": {}}}",
            "field 'rewrite_prompts_probs' is an object, expected an array");
    refused(state, "{\"case_id\": 7, \"post\": {\"attribute_prompts_probs\": [1]}}",
            "field 'attribute_prompts_probs' holds an integer in place 1");
    refused(state, "{\"case_id\": 7, \"post\": {\"rewrite_prompts_probs\": [{\"target_new\": 1}]}}",
            "field 'rewrite_prompts_probs' lacks 'target_true' in place 1");
    refused(state, "{\"case_id\": 7, \"post\": {\"rewrite_prompts_correct\": [true, 1]}}",
            "field 'rewrite_prompts_correct' holds an integer in place 2, expected true or false");
    refused(state, "{\"case_id\": 7, \"post\": {\"text\": [\"a\", null]}}",
            "field 'text' holds null in place 2");
    refused(state, "{\"case_id\": 7, \"distance_from_original\": {\"17\": \"far\"}}",
            "field '17' is a string");
    refused(state, "{\"case_id\": 7, \"aedile\": {\"n_edits\": 0}}", "field 'n_edits' is 0");
    refused(state, "{\"case_id\": 7, \"aedile\": {\"flag\": true}}", "field 'flag' is a boolean");
    refused(state, "{\"case_id\": 7, \"aedile\": {\"layers\": {\"17\": {\"loss\": [\"x\"]}}}}",
            "field 'loss' holds a string in place 1, expected a number");
}

static void a_case_is_there_once(void **state) {
    write_case(state, 3, "[3]", "");
    write_text(state, "1_edits-case_3.json", "{\"case_id\": 3}");
    ae_run_data *run = NULL;
    assert_fails(ae_run_read(*state, NULL, &run), AE_ERR_FORMAT,
                 "'1_edits-case_3.json' and '2_edits-case_3.json' are both of case 3");
}

static void deep_nesting_is_refused(void **state) {
    char *text = ae_alloc(100020, 1);
    assert_non_null(text);
    strcpy(text, "{\"case_id\": ");
    memset(text + strlen(text), '[', 100000);
    refused(state, text, "depth");
    ae_free(text);
}

static void lack_of_memory_is_told(void **state) {
    write_text(state, "1_edits-case_7.json", counterfact_case);
    ae_run_data *run = NULL;
    uint64_t n = 1;
    for (;; n++) {
        ae_memory_fail_at(n);
        const ae_status status = ae_run_read(*state, NULL, &run);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_null(run);
    }
    assert_true(n > 8);
    ae_run_data_free(run);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(a_case_becomes_numbers),
        in_folder(a_zsre_case_has_shares_of_right_tokens),
        in_folder(what_is_not_finite_is_not_measured),
        in_folder(edits_are_counted_chunk_by_chunk),
        in_folder(our_own_files_tell_the_order),
        in_folder(whole_runs_are_read),
        in_folder(runs_of_the_reference_are_read),
        in_folder(the_unedited_model_is_a_point_without_tasks),
        in_folder(variants_are_told_by_flags),
        in_folder(other_files_are_left_alone),
        in_folder(tasks_of_no_known_case_are_left_out),
        in_folder(folders_that_are_no_runs),
        in_folder(broken_case_files_are_named),
        in_folder(a_case_is_there_once),
        in_folder(deep_nesting_is_refused),
        in_folder(lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
