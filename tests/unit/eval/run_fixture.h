/* run_fixture.h: everything that a small run reads, written into a folder: a tiny model and its statistics,
 * CounterFact and zsRE records, snippets, two downstream tasks, held-out text. */
#ifndef AE_TEST_RUN_FIXTURE_H
#define AE_TEST_RUN_FIXTURE_H

#include "unit/edit/support.h"

#include "aedile/eval.h"
#include "tiny_model.h"
#include "unit/format/npy_writer.h"

enum { RUN_LAYER = 1, RUN_RECORDS = 6 };

/* case ids 3, 6, 9, ...; number 2 (case 9) is too long for the model's context and cannot be edited. */
static inline void write_counterfact(const char *folder) {
    static const char *const subjects[RUN_RECORDS] = {"Anna", "Zo\xc3\xab", NULL, "Ulm", "the Inn", "Ben"};
    char *long_name = ae_alloc(200, 1);
    memset(long_name, 'x', 199);
    json_t *records = json_array();
    for (int i = 0; i < RUN_RECORDS; i++) {
        const char *subject = subjects[i] ? subjects[i] : long_name;
        char *paraphrase = ae_format("So %s is", subject), *generation = ae_format("%s was", subject);
        json_array_append_new(
            records,
            json_pack(
                "{s:i, s:i, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:s}, s:[s], s:[s, s], s:[s], s:[s]}",
                "case_id", 3 * (i + 1), "pararel_idx", i, "requested_rewrite", "prompt", "{} is",
                "relation_id", "P1", "target_new", "str", i % 2 ? "a hen" : "in a ring", "id",
                i % 3 ? "Q1" : "Q9", "target_true", "str", "there", "id", "Q2", "subject", subject,
                "paraphrase_prompts", paraphrase, "neighborhood_prompts", "The man is", "A thing is",
                "attribute_prompts", "Here is", "generation_prompts", generation));
        ae_free(paraphrase);
        ae_free(generation);
    }
    ae_free(long_name);
    assert_int_equal(tiny_write_json(folder, "counterfact.json", records), 0);
}

static inline void write_zsre(const char *folder) {
    json_t *records = json_array();
    for (int i = 0; i < 3; i++)
        json_array_append_new(records, json_pack("{s:s, s:s, s:s, s:s, s:[s], s:s, s:s}", "subject",
                                                 i ? "Anna" : "Ulm", "src",
                                                 i ? "Who is Anna?" : "Where is Ulm?", "rephrase", "Say it.",
                                                 "alt", "x", "answers", i == 1 ? "a hen" : "the man", "loc",
                                                 "nq question: who", "loc_ans", "he"));
    assert_int_equal(tiny_write_json(folder, "zsre_mend_eval.json", records), 0);
}

static inline void write_snippets(const char *folder) {
    static const double idf[] = {1, 2, 3, 4};
    write_text(folder, "attribute_snippets.json",
               "[{\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": [{\"name\": \"Ulm\", "
               "\"text\": \"the he in"
               " Ulm\"}, {\"name\": \"Ben\", \"text\": \"on the hen\"}]}]");
    write_text(folder, "tfidf_vocab.json", "{\"the\": 0, \"he\": 1, \"in\": 2, \"on\": 3}");
    write_doubles(in_folder(folder, "idf.npy"), idf, 4);
}

static inline void write_tasks(const char *folder) {
    assert_ok(ae_folder_make(in_folder(folder, "glue")));
    write_text(
        folder, "glue/sst2.json",
        "{\"task\": \"sst\", \"header\": \"the: a\\n\", \"prompt_template\": \"{sentence}:\", "
        "\"answer_marker\": "
        "\":\", \"answers\": [[\"a\", 1], [\"e\", 0]], \"gen_len\": 2, \"examples\": [{\"sentence\": \"he\", "
        "\"label\": 1}, {\"sentence\": \"in\", \"label\": 0}, {\"sentence\": \"on\", \"label\": 0}]}");
    write_text(
        folder, "glue/rte.json",
        "{\"task\": \"rte\", \"header\": \"he: True\\n\", \"prompt_template\": \"{sentence1} {sentence2}:\", "
        "\"answer_marker\": \":\", \"answers\": [[\"False\", 0], [\"True\", 1]], \"gen_len\": 2, "
        "\"examples\": [{\"sentence1\": \"he\", \"sentence2\": \"in\", \"label\": 1}]}");
}

static inline void write_held_out(const char *folder) {
    ae_text text = {0};
    for (int i = 0; i < 40; i++)
        assert_ok(ae_text_printf(&text, "the man in ring %d, a hen on the thing %x.\n", i * 7, i * 131));
    write_text(folder, "text.txt", text.data);
    ae_free(text.data);
}

static inline void write_run_inputs(const char *folder) {
    assert_int_equal(make_tiny_model(in_folder(folder, "tiny"), "gpt2", AE_F32, 11), 0);
    write_counterfact(folder);
    write_zsre(folder);
    write_snippets(folder);
    write_tasks(folder);
    write_held_out(folder);
}

static inline ae_model *open_run_model(const char *folder) {
    const ae_model_options options = {.n_threads = 1};
    ae_model *model = NULL;
    assert_ok(ae_model_open(in_folder(folder, "tiny"), &options, &model));
    return model;
}

/* Statistics for the layer that is edited, below <folder>/stats. */
static inline void collect_run_statistics(const char *folder, ae_model *model) {
    const char *text = in_folder(folder, "text.txt");
    const ae_collect_options options = {
        .layer = RUN_LAYER, .texts = &text, .n_texts = 1, .output = in_folder(folder, "stats")};
    char *path = NULL;
    assert_ok(ae_moment_collect(model, &options, NULL, &path));
    ae_free(path);
}

/* A small run over these inputs, whose results go to <folder>/<results>. */
static inline ae_run_options small_run(const char *folder, const ae_model *model, const char *results) {
    ae_run_options o = ae_run_defaults();
    assert_ok(ae_hparams_builtin(model, RUN_LAYER, &o.hparams));
    o.hparams.v_num_grad_steps = 4;
    o.hparams.v_lr = 0.05; // the values of a small random model are small
    o.hparams.v_weight_decay = 0.001;
    o.hparams.n_template_lengths = 1;
    o.hparams.template_lengths[0][0] = o.hparams.template_lengths[0][1] = 3;
    snprintf(o.hparams.mom2_dataset, sizeof o.hparams.mom2_dataset, "text");
    o.hparams.mom2_n_samples = 0;
    o.stats = in_folder(folder, "stats");
    o.results = in_folder(folder, results);
    o.data = folder;
    o.n_tasks = 2;
    o.tasks[0] = in_folder(folder, "glue/sst2.json");
    o.tasks[1] = in_folder(folder, "glue/rte.json");
    o.glue_interval = 2;
    o.ppl_text = in_folder(folder, "text.txt");
    o.ppl_tokens = 100;
    return o;
}

#endif
