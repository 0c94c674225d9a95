// eval: JSON as Python writes it, the files of a case and of the tasks, to the byte and back, the log's
// lines.
#include "unit/edit/support.h"

#include <math.h>

#include "base/random.h"
#include "compare_runs.h"
#include "eval/case_file.h"
#include "eval/event_log.h"
#include "eval/python_json.h"
#include "eval/task_file.h"

// ---- JSON as Python writes it ----------------------------------------------------------------------

static const char document[] =
    "{\"a\\u007fb\\u00e9\\ud83d\\ude00\\u0001\\n\\t\\r\\b\\f/\\\\\\\"\": [1e-05, 1.0, 1e+16, "
    "1.2345678901234568e+17, "
    "0.1, 1e+22, -0.0, 5e-324, 0.0001, 0.3333333333333333, 9007199254740992.0, 1000000000000000.0, "
    "1.7976931348623157e+308, 3e-310, 100.5, 9.5367431640625e-07], \"empty\": {}, \"none\": [], \"n\": null, "
    "\"t\": true, \"f\": false, \"i\": -7, \"deep\": {\"x\": [{\"y\": [1, 2]}, []]}}";

static void assert_dumped(const json_t *value, int indent, const char *expected) {
    char *text = ae_python_json(value, indent);
    assert_string_equal(text, expected);
    ae_free(text);
}

// Expected texts are what Python 3.11's json.dumps gives.
static void json_is_as_python_writes_it(void **state) {
    (void)state;
    json_t *value = NULL;
    assert_ok(ae_json_parse("the test", document, strlen(document), &value));
    assert_dumped(value, -1, document);
    assert_dumped(json_object_get(value, "deep"), 1,
                  "{\n \"x\": [\n  {\n   \"y\": [\n    1,\n    2\n   ]\n  },\n  []\n ]\n}");
    assert_dumped(json_object_get(value, "deep"), 4,
                  "{\n    \"x\": [\n        {\n            \"y\": [\n                1,\n                2\n"
                  "            ]\n        },\n        []\n    ]\n}");
    assert_dumped(json_object_get(value, "empty"), 1, "{}");
    assert_dumped(json_object_get(value, "none"), 1, "[]");
    json_decref(value);
}

static void numbers_come_back_exactly(void **state) {
    (void)state;
    ae_random random = ae_random_stream(3, 1, 4);
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } number = {ae_random_next(&random)};
        if (!isfinite(number.value)) continue;
        json_t *value = json_real(number.value);
        char *text = ae_python_json(value, -1);
        assert_true(strtod(text, NULL) == number.value);
        assert_true(strlen(text) <= 24);
        ae_free(text);
        json_decref(value);
    }
}

static void values_that_json_has_not(void **state) {
    (void)state;
    json_t *object = json_object();
    assert_ok(ae_json_put(object, "nan", ae_json_figure(NAN)));
    assert_ok(ae_json_put(object, "infinite", ae_json_figure(-INFINITY)));
    assert_ok(ae_json_put(object, "bytes", ae_json_any_text("a\xff\xe2\x82z")));
    assert_ok(ae_json_put(object, "nothing", ae_json_any_text(NULL)));
    assert_dumped(object, -1,
                  "{\"nan\": null, \"infinite\": null, \"bytes\": \"a\\ufffd\\ufffdz\", \"nothing\": null}");
    assert_fails(ae_json_put(object, "x", NULL), AE_ERR_MEMORY, "out of memory");
    assert_fails(ae_json_put(NULL, "x", json_true()), AE_ERR_MEMORY, "out of memory");
    json_decref(object);
}

// ---- a case ----------------------------------------------------------------------------------------

static double loss[] = {3.5, 1.25}, nll[] = {3, 1}, kl[] = {0.5, 0.125}, decay[] = {0, 0.125};
static ae_layer_figures layers[] = {{.layer = 5,
                                     .n_elements = 200,
                                     .k_dot_u = 2.5,
                                     .update_norm = 4,
                                     .weight_norm = 80,
                                     .delta_norm = 1.5,
                                     .target_init_norm = 6,
                                     .n_steps = 2,
                                     .loss = loss,
                                     .nll = nll,
                                     .kl = kl,
                                     .decay = decay},
                                    {.layer = 17,
                                     .n_elements = 200,
                                     .k_dot_u = -0.5,
                                     .update_norm = 3,
                                     .weight_norm = 90,
                                     .delta_norm = 2,
                                     .target_init_norm = NAN}};
static const ae_edit_figures figures = {.layers = layers,
                                        .n_layers = 2,
                                        .seconds_keys = 1,
                                        .seconds_solve = 2,
                                        .seconds_optimise = 4,
                                        .seconds_update = 0.5};
#define LAYERS                                                                                               \
    "  \"layers\": {\n   \"5\": {\n    \"k_dot_u\": 2.5,\n    \"update_norm\": 4.0,\n    \"weight_norm\": "  \
    "80.0,\n    \"update_distance\": 0.02,\n    \"delta_norm\": 1.5,\n    \"target_init_norm\": 6.0,\n    "  \
    "\"n_elements\": 200,\n    \"n_steps\": 2,\n    \"loss\": [\n     3.5,\n     1.25\n    ],\n    "         \
    "\"nll\": "                                                                                              \
    "[\n     3.0,\n     1.0\n    ],\n    \"kl\": [\n     0.5,\n     0.125\n    ],\n    \"decay\": [\n     "  \
    "0.0,\n     0.125\n    ]\n   },\n   \"17\": {\n    \"k_dot_u\": -0.5,\n    \"update_norm\": 3.0,\n    "  \
    "\"weight_norm\": 90.0,\n    \"update_distance\": 0.015,\n    \"delta_norm\": 2.0,\n    "                \
    "\"target_init_norm\": null,\n    \"n_elements\": 200,\n    \"n_steps\": 0,\n    \"loss\": [],\n    "    \
    "\"nll\": [],\n    \"kl\": [],\n    \"decay\": []\n   }\n  }\n"
#define EXTREMES                                                                                             \
    "  \"k_dot_u\": -0.5,\n  \"update_norm\": 4.0,\n  \"weight_norm\": 90.0,\n  \"update_distance\": "       \
    "0.02,\n"                                                                                                \
    "  \"delta_norm\": 2.0,\n  \"target_init_norm\": 6.0,\n  \"n_steps\": 2,\n"
#define SECONDS                                                                                              \
    "  \"seconds_keys\": 0,\n  \"seconds_solve\": 0,\n  \"seconds_optimise\": 0,\n  \"seconds_update\": "    \
    "0,\n  "                                                                                                 \
    "\"seconds_measure\": 0,\n  \"time\": 0,\n"

static const ae_record record = {
    .case_id = 12,
    .rewrite_json =
        "{\"prompt\": \"{} is\", \"relation_id\": \"P1\", \"target_new\": {\"str\": \"Z\\u00fcrich\", "
        "\"id\": \"Q1\"}, \"target_true\": {\"str\": \"b\", \"id\": \"Q2\"}, \"subject\": \"s\"}"};
#define REWRITE                                                                                              \
    "{\n  \"prompt\": \"{} is\",\n  \"relation_id\": \"P1\",\n  \"target_new\": {\n   \"str\": "             \
    "\"Z\\u00fcrich\",\n   \"id\": \"Q1\"\n  },\n  \"target_true\": {\n   \"str\": \"b\",\n   \"id\": "      \
    "\"Q2\"\n  },\n  \"subject\": \"s\"\n }"

static ae_case_result made_up_result(void) {
    static const int64_t grouped[] = {9, 12};
    static const int edited[] = {5, 17};
    static const double distances[] = {0.25, 0.5};
    return (ae_case_result){.record = &record,
                            .grouped = grouped,
                            .n_grouped = 2,
                            .num_edits = 2,
                            .seconds = 15,
                            .layers = edited,
                            .distances = distances,
                            .n_layers = 2,
                            .n_edits = 4,
                            .journal_id = 3,
                            .figures = &figures,
                            .perplexity = NAN,
                            .seconds_measure = 8};
}

static void assert_case_text(const ae_case_result *result, const char *expected) {
    ae_text text = {0};
    assert_ok(ae_case_file_text(result, &text.data));
    text.length = strlen(text.data);
    compare_drop_times(&text);
    assert_string_equal(text.data, expected);
    ae_free(text.data);
}

#define PAIRS(...)                                                                                           \
    { (ae_pair[]){__VA_ARGS__}, sizeof((ae_pair[]){__VA_ARGS__}) / sizeof(ae_pair) }
#define BOOLS(...)                                                                                           \
    { (bool[]){__VA_ARGS__}, sizeof((bool[]){__VA_ARGS__}) / sizeof(bool) }

static void a_counterfact_case(void **state) {
    (void)state;
    char *texts[] = {"s is \xe2\x98\x83", "s\nwas"};
    const ae_generation generation = {.texts = texts,
                                      .n_texts = 2,
                                      .ngram_entropy = 4.5,
                                      .has_reference = true,
                                      .reference_score = NAN,
                                      .essence_text = "About s.",
                                      .essence_score = 12.5};
    const ae_case_measure pre = {.kind = AE_DATASET_COUNTERFACT, .rewrite = PAIRS({8, 1})};
    const ae_case_measure post = {.kind = AE_DATASET_COUNTERFACT,
                                  .rewrite = PAIRS({1.5, 2}),
                                  .paraphrases = PAIRS({1, 2}, {3, 2}),
                                  .neighborhood = PAIRS({4, 4}),
                                  .generation = &generation};
    ae_case_result result = made_up_result();
    result.pre = &pre;
    result.post = &post;
    result.flag = "k\xc2\xb7u is odd";
    result.perplexity = 33.25;
    assert_case_text(
        &result,
        "{\n \"case_id\": 12,\n \"grouped_case_ids\": [\n  9,\n  12\n ],\n \"num_edits\": 2,\n "
        "\"requested_rewrite\": " REWRITE
        ",\n \"time\": 0,\n \"pre\": {\n  \"rewrite_prompts_probs\": [\n   {\n    \"target_new\": 8.0,\n    "
        "\"target_true\": 1.0\n   }\n  ],\n  \"paraphrase_prompts_probs\": [],\n  "
        "\"neighborhood_prompts_probs\": [],\n  "
        "\"attribute_prompts_probs\": []\n },\n \"post\": {\n  \"rewrite_prompts_probs\": [\n   {\n    "
        "\"target_new\": 1.5,\n    \"target_true\": 2.0\n   }\n  ],\n  \"paraphrase_prompts_probs\": [\n   "
        "{\n    "
        "\"target_new\": 1.0,\n    \"target_true\": 2.0\n   },\n   {\n    \"target_new\": 3.0,\n    "
        "\"target_true\": 2.0\n   }\n  ],\n  \"neighborhood_prompts_probs\": [\n   {\n    \"target_new\": "
        "4.0,\n    "
        "\"target_true\": 4.0\n   }\n  ],\n  \"attribute_prompts_probs\": [],\n  \"ngram_entropy\": 4.5,\n  "
        "\"reference_score\": null,\n  \"text\": [\n   \"s is \\u2603\",\n   \"s\\nwas\"\n  ],\n  "
        "\"essence_score\": 12.5,\n  \"essence_text\": [\n   \"About s.\"\n  ]\n },\n "
        "\"distance_from_original\": {\n  "
        "\"5\": 0.25,\n  \"17\": 0.5\n },\n \"aedile\": {\n  \"n_edits\": 4,\n  \"journal\": 3,\n  \"flag\": "
        "\"k\\u00b7u is odd\",\n  \"error\": null,\n" EXTREMES
        "  \"efficacy\": 1.0,\n  \"paraphrase\": 0.5,\n  \"neighborhood\": 0.0,\n  \"perplexity\": "
        "33.25,\n" SECONDS LAYERS " }\n}");
}

static void a_zsre_case(void **state) {
    (void)state;
    const ae_case_measure post = {.kind = AE_DATASET_ZSRE,
                                  .rewrite_correct = BOOLS(true, false),
                                  .paraphrases_correct = BOOLS(false),
                                  .neighborhood_correct = BOOLS(true)};
    ae_case_result result = made_up_result();
    result.post = &post;
    result.journal_id = 0;
    assert_case_text(
        &result,
        "{\n \"case_id\": 12,\n \"grouped_case_ids\": [\n  9,\n  12\n ],\n \"num_edits\": 2,\n "
        "\"requested_rewrite\": " REWRITE
        ",\n \"time\": 0,\n \"post\": {\n  \"rewrite_prompts_correct\": [\n   true,\n   false\n  ],\n  "
        "\"paraphrase_prompts_correct\": [\n   false\n  ],\n  \"neighborhood_prompts_correct\": [\n   true\n "
        " ]\n },\n "
        "\"distance_from_original\": {\n  \"5\": 0.25,\n  \"17\": 0.5\n },\n \"aedile\": {\n  \"n_edits\": "
        "4,\n  "
        "\"journal\": null,\n  \"flag\": null,\n  \"error\": null,\n" EXTREMES
        "  \"efficacy\": 0.5,\n  \"paraphrase\": 0.0,\n  \"neighborhood\": 1.0,\n  \"perplexity\": "
        "null,\n" SECONDS LAYERS " }\n}");
}

static void a_case_that_cannot_be_measured(void **state) {
    (void)state;
    ae_case_result result = made_up_result();
    result.error = "too long";
    assert_case_text(&result, "{\n \"case_id\": 12,\n \"grouped_case_ids\": [\n  9,\n  12\n ],\n "
                              "\"num_edits\": 2,\n \"requested_rewrite\": " REWRITE
                              ",\n \"time\": 0,\n \"post\": {},\n \"distance_from_original\": {\n  \"5\": "
                              "0.25,\n  \"17\": 0.5\n },\n "
                              "\"aedile\": {\n  \"n_edits\": 4,\n  \"journal\": 3,\n  \"flag\": null,\n  "
                              "\"error\": \"too long\",\n" EXTREMES
                              "  \"efficacy\": null,\n  \"paraphrase\": null,\n  \"neighborhood\": null,\n  "
                              "\"perplexity\": null,\n" SECONDS LAYERS " }\n}");
}

static void a_case_is_read_back(void **state) {
    const ae_case_measure post = {.kind = AE_DATASET_COUNTERFACT,
                                  .rewrite = PAIRS({1, 2}, {1, 2}, {3, 2}),
                                  .paraphrases = PAIRS({3, 2})};
    ae_case_result result = made_up_result();
    result.post = &post;
    result.flag = "odd";
    result.perplexity = 0.1 + 0.2;
    char *text = NULL;
    assert_ok(ae_case_file_text(&result, &text));
    const char *path = write_text(*state, "case.json", text);
    ae_arena *arena = NULL;
    ae_case_record read;
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_case_file_read(path, arena, &read));
    assert_int_equal(read.case_id, 12);
    assert_int_equal(read.n_edits, 4);
    assert_true(read.seconds == 7.5);
    assert_true(read.efficacy == 2.0 / 3.0);
    assert_true(read.paraphrase == 0);
    assert_true(isnan(read.neighborhood));
    assert_true(read.distance == 0.5);
    assert_true(read.perplexity == 0.1 + 0.2);
    assert_string_equal(read.flag, "odd");
    assert_int_equal(strlen(read.time), strlen("2025-01-31T12:00:00Z"));
    assert_int_equal(read.figures.n_layers, 2);
    assert_int_equal(read.figures.layers[1].layer, 17);
    assert_true(read.figures.layers[1].update_norm == 3 && isnan(read.figures.layers[1].target_init_norm));
    assert_true(read.extremes.k_dot_u == -0.5 && read.extremes.update_norm == 4);
    assert_true(read.extremes.update_distance == 0.02);
    ae_arena_free(arena);
    ae_free(text);
}

static void what_is_no_case_is_refused(void **state) {
    static const struct {
        const char *text, *reason;
    } files[] = {
        {"[]", "holds an array, expected an object"},
        {"{\"case_id\": 1}", "field 'distance_from_original' is nothing, expected an object"},
        {"{\"case_id\": \"1\", \"distance_from_original\": {}}", "field 'case_id' is a string"},
        {"{\"case_id\": 1, \"distance_from_original\": {}}", "field 'aedile' is nothing, expected an object"},
        {"{\"case_id\": 1, \"distance_from_original\": {\"5\": []}}", "field '5' is an array"},
        {"{\"case_id\": 1, \"distance_from_original\": {}, \"aedile\": {\"n_edits\": 0}}",
         "field 'n_edits' is 0"},
        {"{\"case_id\": 1, \"distance_from_original\": {}, \"aedile\": {\"n_edits\": 1}}",
         "field 'layers' is nothing, expected an object of at most 16 layers"},
        {"{\"case_id\": 1, \"distance_from_original\": {}, \"aedile\": {\"n_edits\": 1, \"layers\": {\"x\": "
         "{}}}}",
         "'x' is not the number of a layer"},
        {"{\"case_id\": 1, \"distance_from_original\": {}, \"aedile\": {\"n_edits\": 1, \"layers\": {\"1\": "
         "2}}}",
         "layer '1' is an integer, expected an object"},
        {"{\"case_id\": 1, ", "is not valid JSON"},
    };
    ae_arena *arena = NULL;
    ae_case_record read;
    assert_ok(ae_arena_new(&arena));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = write_text(*state, "bad.json", files[i].text);
        assert_fails(ae_case_file_read(path, arena, &read), AE_ERR_FORMAT, files[i].reason);
        assert_non_null(strstr(ae_last_error(), path));
    }
    assert_fails(ae_case_file_read(in_folder(*state, "none.json"), arena, &read), AE_ERR_NOT_FOUND,
                 "none.json");
    ae_arena_free(arena);
}

static void a_record_that_was_not_edited(void **state) {
    const ae_skipped_case skipped = {.case_id = 12, .n_edits = 0, .reason = "too long", .refused = true};
    ae_text text = {0};
    assert_ok(ae_skipped_text(&record, &skipped, NULL, &text.data));
    const char *path = write_text(*state, "skipped.json", text.data);
    ae_arena *arena = NULL;
    ae_skipped_case read;
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_skipped_read(path, arena, &read));
    assert_int_equal(read.case_id, 12);
    assert_int_equal(read.n_edits, 0);
    assert_string_equal(read.reason, "too long");
    assert_true(read.refused);
    assert_int_equal(strlen(read.time), 20);
    text.length = strlen(text.data);
    compare_drop_times(&text);
    assert_string_equal(text.data, "{\n \"case_id\": 12,\n \"requested_rewrite\": " REWRITE
                                   ",\n \"reason\": \"too long\",\n \"refused\": true,\n \"n_edits\": 0,\n "
                                   "\"time\": 0,\n \"layers\": {}\n}");
    ae_free(text.data);
    path = write_text(*state, "bad.json", "{\"case_id\": 12, \"n_edits\": 0, \"refused\": 1}");
    assert_fails(ae_skipped_read(path, arena, &read), AE_ERR_FORMAT, "field 'refused' is an integer");
    ae_arena_free(arena);
}

// ---- tasks -----------------------------------------------------------------------------------------

static ae_example examples[] = {{.sentence1 = "fine", .label = 1}, {.sentence1 = "dull \"x\"", .label = 0}};
static ae_example pairs[] = {{.sentence1 = "one", .sentence2 = "two", .label = 0}};
static const ae_task sst = {.name = "sst",
                            .header = "H\n",
                            .prompt_template = "{sentence}:",
                            .answer_marker = ":",
                            .examples = examples,
                            .n_examples = 2};
static const ae_task rte = {.name = "rte",
                            .header = "",
                            .prompt_template = "{sentence1}/{sentence2}:",
                            .answer_marker = ":",
                            .corrected = true,
                            .examples = pairs,
                            .n_examples = 1};

static void generations_have_the_reference_s_keys(void **state) {
    (void)state;
    ae_task_result result = {.generated = (char *[]){" good", " \xc3\xa9"}, .answers = (int[]){1, -1}};
    char *text = NULL;
    assert_ok(ae_task_generations_text(&sst, &result, &text));
    assert_string_equal(
        text, "[\n    {\n        \"sentence\": \"fine\",\n        \"label\": 1,\n        \"input_prompt\": "
              "\"H\\nfine:\",\n        \"generated_text\": \" good\",\n        \"answer\": 1,\n        "
              "\"correct\": true,\n        \"invalid\": false\n    },\n    {\n        \"sentence\": "
              "\"dull \\\"x\\\"\",\n        \"label\": 0,\n        \"input_prompt\": \"H\\ndull "
              "\\\"x\\\":\",\n        \"generated_text\": \" \\u00e9\",\n        \"answer\": -1,\n        "
              "\"correct\": false,\n        \"invalid\": true\n    }\n]");
    ae_free(text);
    assert_ok(ae_task_generations_text(&rte, &result, &text));
    assert_string_equal(
        text, "[\n    {\n        \"sentence1\": \"one\",\n        \"sentence2\": \"two\",\n        "
              "\"label\": 0,\n        \"input_prompt\": \"one/two:\",\n        \"generated_text\": "
              "\" good\",\n        \"answer\": 1,\n        \"correct\": false,\n        \"invalid\": "
              "false\n    }\n]");
    ae_free(text);
}

static void tasks_come_back(void **state) {
    static const int64_t ids[] = {4, 8};
    static const ae_task *const tasks[] = {&sst, &rte};
    const ae_task_result results[] = {
        {.scores = {.correct = 1, .incorrect = 2, .invalid = 1, .total = 4, .f1 = 1.0 / 3, .mcc = -0.5},
         .seconds = 3},
        {.scores = {.f1 = NAN}, .seconds = 1}};
    ae_task_point point = {.n_edits = 2,
                           .case_ids = ids,
                           .n_case_ids = 2,
                           .tasks = tasks,
                           .results = results,
                           .n_tasks = 2,
                           .perplexity = 20.5};
    ae_text text = {0};
    assert_ok(ae_task_point_text(&point, &text.data));
    const char *path = write_text(*state, "glue.json", text.data);
    ae_arena *arena = NULL;
    ae_task_record read;
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_task_point_read(path, arena, &read));
    assert_int_equal(read.tasks.n_edits, 2);
    assert_true(read.tasks.perplexity == 20.5);
    assert_int_equal(read.tasks.n_tasks, 2);
    assert_string_equal(read.tasks.tasks[0].name, "sst");
    assert_true(read.tasks.tasks[0].f1 == 1.0 / 3 && read.tasks.tasks[0].mcc == -0.5);
    assert_true(read.tasks.tasks[0].accuracy == 0.25);
    assert_true(isnan(read.tasks.tasks[1].f1) && isnan(read.tasks.tasks[1].accuracy));
    assert_int_equal(strlen(read.time), 20);
    text.length = strlen(text.data);
    compare_drop_times(&text);
    assert_string_equal(
        text.data,
        "{\n    \"edit_num\": 2,\n    \"case_id\": [\n        4,\n        8\n    ],\n    \"sst\": {\n        "
        "\"correct\": 1,\n        \"incorrect\": 2,\n        \"invalid\": 1,\n        \"total\": 4,\n        "
        "\"f1\": "
        "0.3333333333333333,\n        \"mcc\": -0.5,\n        \"time\": 0\n    },\n    \"rte\": {\n        "
        "\"correct\": 0,\n        \"incorrect\": 0,\n        \"invalid\": 0,\n        \"total\": 0,\n        "
        "\"f1\": "
        "null,\n        \"mcc\": 0.0,\n        \"time\": 0,\n        \"labels\": \"corrected\"\n    },\n    "
        "\"aedile\": {\n        \"n_edits\": 2,\n        \"perplexity\": 20.5,\n        \"time\": 0\n    "
        "}\n}");
    ae_free(text.data);

    point = (ae_task_point){.perplexity = NAN}; // the unedited model, no tasks
    text = (ae_text){0};
    assert_ok(ae_task_point_text(&point, &text.data));
    assert_ok(ae_task_point_read(write_text(*state, "base.json", text.data), arena, &read));
    assert_int_equal(read.tasks.n_tasks, 0);
    assert_true(isnan(read.tasks.perplexity));
    text.length = strlen(text.data);
    compare_drop_times(&text);
    assert_string_equal(
        text.data, "{\n    \"aedile\": {\n        \"n_edits\": 0,\n        \"perplexity\": null,\n        "
                   "\"time\": 0\n    }\n}");
    ae_free(text.data);

    path = write_text(*state, "theirs.json", "{\"sst\": {\"f1\": 1}}");
    assert_fails(ae_task_point_read(path, arena, &read), AE_ERR_FORMAT, "was not written by aedile");
    path = write_text(*state, "theirs.json", "[1]");
    assert_fails(ae_task_point_read(path, arena, &read), AE_ERR_FORMAT, "was not written by aedile");
    ae_arena_free(arena);
}

// ---- the log ---------------------------------------------------------------------------------------

static void assert_log(void *const *state, const char *expected) {
    char *text = NULL;
    assert_ok(ae_file_read(in_folder(*state, "run/aedile/events.jsonl"), 1 << 20, &text, NULL));
    assert_string_equal(text, expected);
    ae_free(text);
}

#define CASE_LINE                                                                                            \
    "{\"event\": \"case\", \"time\": \"T\", \"case_id\": 5, \"n_edits\": 2, \"n_total\": 9, \"seconds\": "   \
    "0.5, "                                                                                                  \
    "\"efficacy\": 1.0, \"paraphrase\": 0.5, \"neighborhood\": null, \"k_dot_u\": 2.0, \"update_norm\": "    \
    "3.0, "                                                                                                  \
    "\"delta_norm\": 4.0, \"distance\": 1e-05, \"perplexity\": null, \"flag\": null}\n"

static void lines_are_gathered_and_then_appended(void **state) {
    assert_ok(ae_folder_make(in_folder(*state, "run")));
    ae_run_folder folder;
    ae_event_log *log = NULL;
    assert_ok(ae_run_folder_open(in_folder(*state, "run"), &folder));
    write_text(*state, "run/aedile/events.jsonl", "{\"event\": \"case\", \"time\": \"torn");
    const ae_run_case one = {.case_id = 5,
                             .n_edits = 2,
                             .n_total = 9,
                             .seconds = 0.5,
                             .efficacy = 1,
                             .paraphrase = 0.5,
                             .neighborhood = NAN,
                             .k_dot_u = 2,
                             .update_norm = 3,
                             .delta_norm = 4,
                             .distance = 1e-5,
                             .perplexity = NAN};
    const ae_run_task task = {.name = "sst", .f1 = 0.5, .mcc = NAN, .accuracy = 1};
    const ae_task_record tasks = {.tasks = {.n_edits = 2, .perplexity = 7, .tasks = &task, .n_tasks = 1},
                                  .time = "U"};
    assert_ok(ae_event_log_new(&folder, &log));
    assert_ok(ae_event_log_case(log, &one, "T"));
    assert_log(state, "{\"event\": \"case\", \"time\": \"torn"); // nothing is written yet
    assert_ok(ae_event_log_go_on(log));
    assert_log(state, CASE_LINE);
    assert_ok(ae_event_log_skipped(
        log, &(ae_skipped_case){.case_id = 6, .n_edits = 2, .reason = "no", .refused = false, .time = "V"}));
    assert_ok(ae_event_log_go_on(log)); // once is enough
    assert_ok(ae_event_log_tasks(log, &tasks));
    assert_ok(
        ae_event_log_end(log, &(ae_run_result){.n_cases = 9, .n_edits = 2, .n_flagged = 1, .n_skipped = 1}));
    assert_log(
        state, CASE_LINE
        "{\"event\": \"skipped\", \"time\": \"V\", \"case_id\": 6, \"n_edits\": 2, \"reason\": \"no\", "
        "\"refused\": false}\n"
        "{\"event\": \"tasks\", \"time\": \"U\", \"n_edits\": 2, \"perplexity\": 7.0, \"tasks\": "
        "{\"sst\": {\"f1\": 0.5, \"mcc\": null, \"accuracy\": 1.0}}}\n"
        "{\"event\": \"end\", \"n_cases\": 9, \"n_edits\": 2, \"n_flagged\": 1, \"n_skipped\": 1}\n");
    ae_event_log_free(log);
    ae_event_log_free(NULL);
    ae_run_folder_close(&folder);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_scratch_folder, remove_scratch_folder)
    const struct CMUnitTest tests[] = {
        TEST(json_is_as_python_writes_it),
        TEST(numbers_come_back_exactly),
        TEST(values_that_json_has_not),
        TEST(a_counterfact_case),
        TEST(a_zsre_case),
        TEST(a_case_that_cannot_be_measured),
        TEST(a_case_is_read_back),
        TEST(what_is_no_case_is_refused),
        TEST(a_record_that_was_not_edited),
        TEST(generations_have_the_reference_s_keys),
        TEST(tasks_come_back),
        TEST(lines_are_gathered_and_then_appended),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
