// Downstream tasks: files and what is wrong with them, prompts, answers, and that a batch answers as one
// prompt at a time does.
#include "test.h"
#include "two_models.h"

#include <math.h>

#include "base/digest.h"
#include "eval/task_file.h"
#include "format/pickle.h"

static const char *in_scratch(const two_models *f, const char *name) {
    static char paths[8][700];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", f->folder, name);
    return path;
}

static const char *write_file(const two_models *f, const char *name, const char *text) {
    const char *path = in_scratch(f, name);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    return path;
}

// A task file with one field replaced (NULL: none, "": left out).
static const char *write_task(const two_models *f, const char *field, const char *value) {
    static const char *const fields[][2] = {
        {"task", "\"sst\""},
        {"header", "\"R: dull\\nS: bad\\n\\n\""},
        {"prompt_template", "\"R: {sentence}\\nS:\""},
        {"answer_marker", "\"S:\""},
        {"answers", "[[\"good\", 1], [\"bad\", 0]]"},
        {"gen_len", "3"},
        {"examples", "[{\"sentence\": \"fine {sentence}\", \"label\": 1, \"idx\": 4}, {\"sentence\": \"no\", "
                     "\"label\": 0}]"}};
    ae_text text = {0};
    assert_ok(ae_text_printf(&text, "{\"source\": \"made up\""));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *written = field && strcmp(field, fields[i][0]) == 0 ? value : fields[i][1];
        if (*written) assert_ok(ae_text_printf(&text, ", \"%s\": %s", fields[i][0], written));
    }
    assert_ok(ae_text_printf(&text, "}"));
    const char *path = write_file(f, "task.json", text.data);
    ae_free(text.data);
    return path;
}

// ---- files -----------------------------------------------------------------------------------------

static void a_file_is_read(void **state) {
    two_models *f = *state;
    ae_task *t;
    const char *path = write_task(f, NULL, NULL);
    assert_ok(ae_task_load(path, AE_GLUE_COMPAT, NULL, &t));
    assert_string_equal(t->name, "sst");
    assert_string_equal(t->path, path);
    assert_string_equal(t->header, "R: dull\nS: bad\n\n");
    assert_string_equal(t->prompt_template, "R: {sentence}\nS:");
    assert_string_equal(t->answer_marker, "S:");
    assert_int_equal(t->n_answers, 2);
    assert_string_equal(t->answers[0].keyword, "good");
    assert_int_equal(t->answers[0].label, 1);
    assert_string_equal(t->answers[1].keyword, "bad");
    assert_int_equal(t->answers[1].label, 0);
    assert_int_equal(t->gen_len, 3);
    assert_false(t->corrected);
    assert_int_equal(t->n_examples, 2);
    assert_string_equal(t->examples[0].sentence1, "fine {sentence}");
    assert_null(t->examples[0].sentence2);
    assert_int_equal(t->examples[0].label, 1);
    assert_int_equal(t->examples[0].idx, 4);
    assert_int_equal(t->examples[1].idx, -1);
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_sha256_file(path, hex));
    assert_string_equal(t->sha256, hex);
    // what looks like a hole in a sentence is none
    char *prompt = ae_task_prompt(t, &t->examples[0]);
    assert_string_equal(prompt, "R: dull\nS: bad\n\nR: fine {sentence}\nS:");
    ae_free(prompt);
    ae_task_free(t);
    ae_task_free(NULL);

    static const char two[] =
        "{\"task\": \"rte\", \"header\": \"\", \"prompt_template\": \"{sentence1}{x}\\nq: "
        "{sentence2} {sentence1}\\na:\", \"answer_marker\": \"a:\", \"answers\": [[\"False\", 0], "
        "[\"True\", 1]], \"gen_len\": 2, \"examples\": [{\"sentence1\": \"one {sentence2}\", "
        "\"sentence2\": \"two\", \"label\": 0}]}";
    assert_ok(ae_task_load(write_file(f, "two.json", two), AE_GLUE_COMPAT, NULL, &t));
    prompt = ae_task_prompt(t, &t->examples[0]);
    assert_string_equal(prompt, "one {sentence2}{x}\nq: two one {sentence2}\na:");
    ae_free(prompt);
    ae_task_free(t);
}

static void what_is_wrong_is_named(void **state) {
    two_models *f = *state;
    static const struct {
        const char *field, *value, *message;
    } cases[] = {
        {"task", "", "task.json': field 'task'"},
        {"task", "\"a/b\"", "field 'task' is 'a/b', expected a name"},
        {"task", "\"aedile\"", "field 'task' is 'aedile'"},
        {"header", "", "field 'header'"},
        {"header", "7", "field 'header' is"},
        {"prompt_template", "\"R: \\nS:\"",
         "expected a text with {sentence}, or with {sentence1} and {sentence2}"},
        {"prompt_template", "\"{sentence1} S:\"", "expected a text with {sentence}"},
        {"prompt_template", "\"{sentence} {sentence1} {sentence2} S:\"", "expected a text with {sentence}"},
        {"prompt_template", "\"{sentence} T:\"", "lacks the answer_marker 'S:'"},
        {"prompt_template", "\"{sentence1} {sentence2} S:\"", "task.json, example 1': field 'sentence1'"},
        {"answer_marker", "\"\"", "field 'answer_marker' is empty"},
        {"answer_marker", "\"S\\u0000:\"", "NUL"},
        {"answers", "{\"good\": 1}", "field 'answers' must be an array of 1 to 8 pairs"},
        {"answers", "[]", "field 'answers' must be an array"},
        {"answers", "[[\"good\", 1], [\"bad\"]]", "field 'answers', entry 2: expected [keyword, label]"},
        {"answers", "[[\"\", 1]]", "field 'answers', entry 1"},
        {"answers", "[[\"good\", -1]]", "field 'answers', entry 1"},
        {"answers", "[[\"good\", true]]", "field 'answers', entry 1"},
        {"answers", "[[\"good\", 1], [\"good\", 0]]", "the keyword 'good' twice"},
        {"gen_len", "0", "field 'gen_len' is 0"},
        {"gen_len", "2.5", "field 'gen_len'"},
        {"examples", "", "holds no examples"},
        {"examples", "[]", "holds no examples"},
        {"examples", "[{\"sentence\": \"a\", \"label\": 0}, 7]", "task.json, example 2' is"},
        {"examples", "[{\"sentence\": \"\", \"label\": 0}]", "example 1': field 'sentence' is empty"},
        {"examples", "[{\"sentence\": \"a\"}]", "example 1': field 'label'"},
        {"examples", "[{\"sentence\": \"a\", \"label\": 2}]",
         "example 1': field 'label' is 2, which no keyword"},
        {"examples", "[{\"sentence\": \"a\", \"label\": 4294967296}]",
         "field 'label' is 4294967296, which no"},
        {"examples", "[{\"sentence\": \"a\", \"label\": 0, \"idx\": -2}]", "example 1': field 'idx'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_task *t = NULL;
        assert_fails(ae_task_load(write_task(f, cases[i].field, cases[i].value), AE_GLUE_COMPAT, NULL, &t),
                     AE_ERR_FORMAT, cases[i].message);
        assert_null(t);
    }
    ae_task *t = NULL;
    assert_fails(ae_task_load(write_file(f, "list.json", "[1]"), AE_GLUE_COMPAT, NULL, &t), AE_ERR_FORMAT,
                 "list.json' is");
    assert_fails(ae_task_load("/nowhere/sst2.json", AE_GLUE_COMPAT, NULL, &t), AE_ERR_NOT_FOUND,
                 "/nowhere/sst2.json");
    assert_null(t);
}

// ---- pickles ---------------------------------------------------------------------------------------

// pickle.dumps([{"sentence": "fine", "label": 1, "idx": 4}, {"sentence": "bad", "label": 0, "idx": 9}],
// protocol=4)
static const char pickled[] =
    "\x80\x04\x95\x41\x00\x00\x00\x00\x00\x00\x00\x5d\x94\x28\x7d\x94\x28\x8c\x08sentence\x94\x8c\x04"
    "fine\x94\x8c\x05label\x94\x4b\x01\x8c\x03idx\x94\x4b\x04\x75\x7d\x94\x28\x68\x02\x8c\x03"
    "bad\x94\x68\x04\x4b\x00\x68\x05\x4b\x09\x75\x65\x2e";

static int n_warned;
static char warning[500];

static void keep_warning(void *user, const char *text) {
    (void)user;
    n_warned++;
    snprintf(warning, sizeof warning, "%s", text);
}

static void pickles_get_their_form_from_elsewhere(void **state) {
    two_models *f = *state;
    const ae_hooks hooks = {.warn = keep_warning};
    ae_task *t = NULL;
    n_warned = 0;
    const char *path = in_scratch(f, "sst2.pkl");
    assert_ok(ae_atomic_write(path, pickled, sizeof pickled - 1));
    assert_ok(ae_task_load(path, AE_GLUE_COMPAT, &hooks, &t));
    assert_int_equal(n_warned, 1);
    assert_non_null(
        strstr(warning, "sst2.pkl' holds examples alone: they follow aedile's own few-shot examples"));
    assert_string_equal(t->name, "sst");
    assert_string_equal(t->prompt_template, "Review : {sentence}\nSentiment :");
    assert_int_equal(t->gen_len, 3);
    assert_int_equal(t->n_examples, 2);
    assert_string_equal(t->examples[0].sentence1, "fine");
    assert_int_equal(t->examples[0].label, 1);
    assert_int_equal(t->examples[0].idx, 4);
    assert_string_equal(t->examples[1].sentence1, "bad");
    assert_int_equal(t->examples[1].label, 0);
    // the header teaches both answers in the form of the prompt
    assert_non_null(strstr(t->header, "Sentiment : negative\n\n"));
    assert_non_null(strstr(t->header, "Sentiment : positive\n\n"));
    char own_form[AE_DIGEST_HEX], other_form[AE_DIGEST_HEX];
    strcpy(own_form, t->sha256);
    ae_task_free(t);

    // a JSON file of the same name beside it
    const char *json = write_task(f, "gen_len", "5");
    assert_int_equal(rename(json, in_scratch(f, "sst2.json")), 0);
    assert_ok(ae_task_load(path, AE_GLUE_COMPAT, &hooks, &t));
    assert_int_equal(n_warned, 1);
    assert_string_equal(t->header, "R: dull\nS: bad\n\n");
    assert_int_equal(t->gen_len, 5);
    assert_string_equal(t->examples[0].sentence1, "fine");
    strcpy(other_form, t->sha256); // with which runs are compared: the form counts
    assert_string_not_equal(other_form, own_form);
    ae_task_free(t);
    json = write_task(f, "gen_len", "6");
    assert_int_equal(rename(json, in_scratch(f, "sst2.json")), 0);
    assert_ok(ae_task_load(path, AE_GLUE_COMPAT, &hooks, &t));
    assert_string_not_equal(t->sha256, other_form);
    ae_task_free(t);
    t = NULL;
    write_file(f, "sst2.json", "{}");
    assert_fails(ae_task_load(path, AE_GLUE_COMPAT, &hooks, &t), AE_ERR_FORMAT, "sst2.json': field 'task'");
    assert_int_equal(remove(in_scratch(f, "sst2.json")), 0);

    path = in_scratch(f, "mine.pkl");
    assert_ok(ae_atomic_write(path, pickled, sizeof pickled - 1));
    assert_fails(ae_task_load(path, AE_GLUE_COMPAT, &hooks, &t), AE_ERR_ARGUMENT,
                 "'mine' is none of sst2, mrpc, cola, rte");
    path = in_scratch(f, "mrpc.pkl"); // examples of one sentence under a task on two
    assert_ok(ae_atomic_write(path, pickled, sizeof pickled - 1));
    assert_fails(ae_task_load(path, AE_GLUE_COMPAT, NULL, &t), AE_ERR_FORMAT,
                 "example 1': field 'sentence1'");
    assert_null(t);
}

// aedile's own headers are in the form that they are completed in: every answer is one of the keywords, all
// occur.
static void own_headers_teach_every_answer(void **state) {
    two_models *f = *state;
    static const struct {
        const char *name, *file, *example;
    } tasks[] = {{"sst", "sst2", "(dp1\nVsentence\nVa\n"},
                 {"mrpc", "mrpc", "(dp1\nVsentence1\nVa\nsVsentence2\nVb\n"},
                 {"cola", "cola", "(dp1\nVsentence\nVa\n"},
                 {"rte", "rte", "(dp1\nVsentence1\nVa\nsVsentence2\nVb\n"}};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        char name[20], pickle[200];
        snprintf(name, sizeof name, "%s.pkl", tasks[i].file);
        snprintf(pickle, sizeof pickle, "(lp0\n%ssVlabel\nI1\nsa.", tasks[i].example); // protocol 0
        ae_task *t;
        assert_ok(ae_task_load(write_file(f, name, pickle), AE_GLUE_COMPAT, NULL, &t));
        assert_string_equal(t->name, tasks[i].name);
        int n_taught[2] = {0, 0};
        for (const char *at = t->header; (at = strstr(at, t->answer_marker));) {
            at += strlen(t->answer_marker);
            char answer[40];
            snprintf(answer, sizeof answer, "%.*s", (int)strcspn(at, "\n"), at);
            const int label = ae_task_answer(t, answer);
            assert_true(label == 0 || label == 1);
            assert_int_equal(strncmp(at + strcspn(at, "\n"), "\n\n", 2), 0);
            n_taught[label]++;
        }
        assert_true(n_taught[0] >= 1 && n_taught[1] >= 1);
        ae_task_free(t);
    }
}

// ---- labels of rte ---------------------------------------------------------------------------------

static void corrected_labels_swap_header_and_keywords(void **state) {
    two_models *f = *state;
    static const char form[] =
        "{\"task\": \"%s\", \"header\": \"%s\", \"prompt_template\": \"{sentence1}\\nquestion: {sentence2} "
        "True or "
        "False?\\nanswer:\", \"answer_marker\": \"answer:\", \"answers\": %s, \"gen_len\": 3, \"examples\": "
        "[{\"sentence1\": \"a\", \"sentence2\": \"b\", \"label\": 0}]}";
    static const char header[] =
        "x\\nquestion: y. True or False?\\nanswer: False\\n\\nu\\nquestion: v. True or "
        "False?\\nanswer: True\\n\\n";
    static const char answers[] = "[[\"False\", 0], [\"True\", 1]]";
    char text[1500];
    ae_task *t = NULL;
    snprintf(text, sizeof text, form, "rte", header, answers);
    const char *path = write_file(f, "rte.json", text);
    assert_ok(ae_task_load(path, AE_GLUE_CORRECTED, NULL, &t));
    assert_true(t->corrected);
    assert_string_equal(t->header, "x\nquestion: y. True or False?\nanswer: True\n\nu\nquestion: v. True or "
                                   "False?\nanswer: False\n\n");
    assert_string_equal(t->answers[0].keyword, "False"); // still looked for first
    assert_int_equal(t->answers[0].label, 1);
    assert_string_equal(t->answers[1].keyword, "True");
    assert_int_equal(t->answers[1].label, 0);
    assert_int_equal(t->examples[0].label, 0);
    ae_task_free(t);
    assert_ok(ae_task_load(path, AE_GLUE_COMPAT, NULL, &t));
    assert_false(t->corrected);
    assert_int_equal(t->answers[0].label, 0);
    assert_non_null(strstr(t->header, "answer: False\n\nu"));
    ae_task_free(t);
    snprintf(text, sizeof text, form, "other", header, answers); // another task is left alone
    assert_ok(ae_task_load(write_file(f, "other.json", text), AE_GLUE_CORRECTED, NULL, &t));
    assert_false(t->corrected);
    assert_int_equal(t->answers[0].label, 0);
    ae_task_free(t);
    t = NULL;

    static const struct {
        const char *header, *answers, *message;
    } cases[] = {
        {"x\\nanswer: No\\n", answers, "behind 'answer:' it says 'No"},
        {"x\\nanswer: True\\nanswer: maybe", answers, "behind 'answer:' it says 'maybe"},
        {"x\\n", answers, "'answer:' is not in the header"},
        {"", answers, "'answer:' is not in the header"},
        {header, "[[\"False\", 1], [\"True\", 0]]",
         "need a task whose keywords are True for 1 and False for 0"},
        {header, "[[\"False\", 0], [\"True\", 1], [\"Maybe\", 2]]",
         "need a task whose keywords are True for 1"},
        {header, "[[\"No\", 0], [\"True\", 1]]", "need a task whose keywords are True for 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, form, "rte", cases[i].header, cases[i].answers);
        assert_fails(ae_task_load(write_file(f, "rte.json", text), AE_GLUE_CORRECTED, NULL, &t),
                     AE_ERR_ARGUMENT, cases[i].message);
        assert_null(t);
    }
    assert_int_equal(remove(in_scratch(f, "rte.json")), 0); // or other tests' rte.pkl would take it
}

// ---- answers ---------------------------------------------------------------------------------------

static void the_first_keyword_behind_the_last_marker_answers(void **state) {
    (void)state;
    const ae_task task = {.answer_marker = "Answer :", .answers = {{"Yes", 1}, {"No", 0}}, .n_answers = 2};
    static const struct {
        const char *text;
        int label;
    } cases[] = {
        {"Answer : Yes\n\nAnswer : No", 0},
        {"Answer : No\n\nAnswer : Yes\n\nBy", 1},
        {"Answer : No, Yes", 1},       // in the order of the keywords, not of the text
        {"Answer : Not sure", 0},      // "Not" contains "No"
        {"Answer : no", -1},           // case counts
        {"Yes No Answer : ", -1},      // before the marker
        {"Answer : Yes Answer :", -1}, // a marker that the model wrote itself
        {"No marker, Yes", 1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ae_task_answer(&task, cases[i].text) != cases[i].label)
            fail_msg("'%s' answers %d, expected %d", cases[i].text, ae_task_answer(&task, cases[i].text),
                     cases[i].label);
}

// ---- evaluation ------------------------------------------------------------------------------------

enum { N_EXAMPLES = 90 };

// Prompts of every length that share a header. Where header and template meet, " " + "the" merges to one
// token.
static void made_up_task(ae_task *task, ae_example *examples, char (*sentences)[24]) {
    *task = (ae_task){.name = "made_up",
                      .path = "made_up.json",
                      .header = "R: one\nS: in\nR: two\nS: ",
                      .prompt_template = "the {sentence} S:",
                      .answer_marker = "S:",
                      .gen_len = 3,
                      .examples = examples,
                      .n_examples = N_EXAMPLES};
    // What the two models say often enough: the answers are hit by some, missed by others.
    static const char *const keywords[] = {"T", "8", "z", "ing", "\x03", "\x04"};
    for (int i = 0; i < 6; i++)
        task->answers[task->n_answers++] = (ae_answer){keywords[i], i % 3};
    for (int i = 0; i < N_EXAMPLES; i++) {
        snprintf(sentences[i], sizeof sentences[i], "%d%.*s", i * 37 % 100, i % 18, "abcdefghijklmnopqrs");
        examples[i] = (ae_example){.sentence1 = sentences[i], .label = i % 3};
    }
}

// Scores from counts, as the formulas say it.
static void check_scores(const ae_task *task, const ae_task_result *r) {
    int64_t correct = 0, invalid = 0, n = (int64_t)task->n_examples;
    double f1 = 0;
    for (size_t i = 0; i < task->n_examples; i++) {
        correct += r->answers[i] == task->examples[i].label;
        invalid += r->answers[i] == -1;
    }
    for (int c = 0; c < 3; c++) {
        double both = 0, labelled = 0, answered = 0;
        for (size_t i = 0; i < task->n_examples; i++) {
            labelled += task->examples[i].label == c;
            answered += r->answers[i] == c;
            both += task->examples[i].label == c && r->answers[i] == c;
        }
        if (labelled + answered > 0) f1 += labelled / (double)n * 2 * both / (labelled + answered);
    }
    assert_int_equal(r->scores.total, n);
    assert_int_equal(r->scores.correct, correct);
    assert_int_equal(r->scores.invalid, invalid);
    assert_int_equal(r->scores.incorrect, n - correct - invalid);
    assert_true(fabs(r->scores.f1 - f1) < 1e-12);
    assert_true(correct > 0 && invalid > 0 && correct + invalid < n); // a task that shows something
}

typedef struct watcher {
    int n_calls, stop_after;
    double last, total;
} watcher;

static bool watch(void *user, const char *stage, double done, double total, const char *unit) {
    watcher *w = user;
    assert_string_equal(stage, "downstream tasks");
    assert_string_equal(unit, "examples");
    assert_true(done == (w->n_calls == 0 ? 0 : w->last + 1));
    w->last = done;
    w->total = total;
    return ++w->n_calls != w->stop_after;
}

static void a_batch_answers_as_one_prompt_at_a_time(void **state) {
    two_models *f = *state;
    static ae_example examples[N_EXAMPLES];
    static char sentences[N_EXAMPLES][24];
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        ae_task task;
        made_up_task(&task, examples, sentences);
        ae_arena *arena;
        ae_task_result result;
        watcher w = {0};
        const ae_hooks hooks = {.user = &w, .progress = watch};
        assert_ok(ae_arena_new(&arena));
        assert_ok(ae_task_evaluate(m, &task, &hooks, arena, &result));
        assert_int_equal(w.n_calls, N_EXAMPLES + 1);
        assert_true(w.last == N_EXAMPLES && w.total == N_EXAMPLES);
        assert_true(result.seconds > 0 && result.seconds < 300);
        int n_different = 0;
        for (size_t e = 0; e < N_EXAMPLES; e++) {
            char *prompt = ae_task_prompt(&task, &examples[e]), *alone;
            ae_generate_options options = ae_generate_defaults();
            options.max_tokens = task.gen_len;
            assert_ok(ae_generate(m, prompt, &options, NULL, NULL, &alone));
            assert_string_equal(result.generated[e], alone);
            char *whole = ae_format("%s%s", prompt, alone);
            assert_int_equal(result.answers[e], ae_task_answer(&task, whole));
            n_different += strcmp(alone, result.generated[0]) != 0;
            ae_free(whole);
            ae_free(prompt);
            ae_free(alone);
        }
        assert_true(n_different > 10);
        check_scores(&task, &result);
        ae_arena_free(arena);
    }
    // the border of header and prompt lies within a token
    int32_t *ids;
    size_t n_whole, n_header, n_rest;
    assert_ok(ae_encode(f->models[0], "S: the", 6, &ids, &n_whole));
    ae_free(ids);
    assert_ok(ae_encode(f->models[0], "S: ", 3, &ids, &n_header));
    ae_free(ids);
    assert_ok(ae_encode(f->models[0], "the", 3, &ids, &n_rest));
    ae_free(ids);
    assert_true(n_whole < n_header + n_rest);
}

// <|endoftext|> ends a continuation and is no part of its text.
static void end_of_text_ends_an_answer(void **state) {
    two_models *f = *state;
    ae_model *m = f->models[1]; // the one whose head has a bias
    static ae_example examples[N_EXAMPLES];
    static char sentences[N_EXAMPLES][24];
    ae_task task;
    made_up_task(&task, examples, sentences);
    ae_arena *arena;
    ae_task_result result;
    const float kept = m->head_bias[TINY_VOCAB - 1];
    m->head_bias[TINY_VOCAB - 1] = kept + 5; // says it now and then
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_task_evaluate(m, &task, NULL, arena, &result));
    int n_short = 0, n_full = 0;
    for (size_t e = 0; e < N_EXAMPLES; e++) {
        char *prompt = ae_task_prompt(&task, &examples[e]), *alone;
        ae_generate_options options = ae_generate_defaults();
        options.max_tokens = task.gen_len;
        assert_ok(ae_generate(m, prompt, &options, NULL, NULL, &alone));
        assert_string_equal(result.generated[e], alone);
        assert_null(strstr(result.generated[e], "<|endoftext|>"));
        options.ignore_end = true;
        ae_free(alone);
        assert_ok(ae_generate(m, prompt, &options, NULL, NULL, &alone));
        strcmp(result.generated[e], alone) == 0 ? n_full++ : n_short++;
        ae_free(prompt);
        ae_free(alone);
    }
    m->head_bias[TINY_VOCAB - 1] = kept;
    assert_true(n_short > 0 && n_full > 0);
    ae_arena_free(arena);
}

static void refusals_leave_nothing_behind(void **state) {
    two_models *f = *state;
    ae_model *m = f->models[0];
    static ae_example examples[N_EXAMPLES];
    static char sentences[N_EXAMPLES][24];
    ae_task task;
    made_up_task(&task, examples, sentences);
    ae_arena *arena;
    ae_task_result result = {.seconds = 77};
    assert_ok(ae_arena_new(&arena));
    examples[4].sentence1 = "a sentence that is too long for a context of sixty-four";
    assert_fails(ae_task_evaluate(m, &task, NULL, arena, &result), AE_ERR_ARGUMENT,
                 "'made_up.json', example 5: its prompt's ");
    assert_non_null(
        strstr(ae_last_error(), "(header included) and 3 new ones exceed the model's context of 64"));
    examples[4].sentence1 = "a";
    watcher w = {.stop_after = 7};
    const ae_hooks hooks = {.user = &w, .progress = watch};
    assert_fails(ae_task_evaluate(m, &task, &hooks, arena, &result), AE_ERR_CANCELLED, "6");
    assert_int_equal(w.n_calls, 7);
    assert_true(result.seconds == 77);
    ae_arena_free(arena);
}

// What an edit broke is no answer, whatever the first of many NaN would be taken for.
static void logits_that_are_no_numbers_are_invalid_answers(void **state) {
    two_models *f = *state;
    ae_model *m = f->models[0];
    char sentences[N_EXAMPLES][24];
    ae_example examples[N_EXAMPLES];
    ae_task task;
    made_up_task(&task, examples, sentences);
    ae_arena *arena;
    ae_task_result result;
    char *text = NULL;
    const ae_hooks hooks = {.warn = keep_warning};
    warning[0] = '\0';
    assert_ok(ae_arena_new(&arena));
    spoil(m);
    assert_ok(ae_task_evaluate(m, &task, &hooks, arena, &result));
    ae_model_restore(m);
    assert_int_equal(result.n_failed, N_EXAMPLES);
    assert_int_equal(result.scores.invalid, N_EXAMPLES);
    assert_int_equal(result.scores.correct + result.scores.incorrect, 0);
    assert_true(result.scores.f1 == 0);
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        assert_int_equal(result.answers[i], -1);
        assert_string_equal(result.generated[i], "");
    }
    char expected[200], count[80];
    snprintf(expected, sizeof expected, "task '%s': at %d of %d examples the edited model's logits are not",
             task.name, N_EXAMPLES, N_EXAMPLES);
    assert_non_null(strstr(warning, expected));
    const ae_task *tasks[1] = {&task};
    const ae_task_point point = {
        .tasks = tasks, .results = &result, .n_tasks = 1, .n_edits = 1, .perplexity = INFINITY};
    assert_ok(ae_task_point_text(&point, &text));
    snprintf(count, sizeof count, "\"%s\": %d", task.name, N_EXAMPLES);
    assert_non_null(strstr(text, "\"not_finite\": {"));
    assert_non_null(strstr(strstr(text, "\"not_finite\": {"), count));
    ae_free(text);
    ae_arena_free(arena);
}

static void any_allocation_may_fail(void **state) {
    two_models *f = *state;
    const char *path = in_scratch(f, "rte.pkl");
    static const char pickle[] = "(lp0\n(dp1\nVsentence1\nVa\nsVsentence2\nVb\nsVlabel\nI1\nsa.";
    assert_ok(ae_atomic_write(path, pickle, strlen(pickle)));
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        ae_task *t = NULL;
        ae_memory_fail_at(n);
        const ae_status status = ae_task_load(path, AE_GLUE_CORRECTED, NULL, &t);
        ae_memory_fail_at(0);
        ae_task_free(t);
        if (status == AE_OK) break;
        assert_null(t);
        assert_int_equal(status, AE_ERR_MEMORY);
        failures++;
        assert_true(n < 1000);
    }
    assert_true(failures > 5);

    static ae_example examples[N_EXAMPLES];
    static char sentences[N_EXAMPLES][24];
    ae_task task;
    made_up_task(&task, examples, sentences);
    task.n_examples = 4;
    failures = 0;
    for (uint64_t n = 1;; n++) {
        ae_arena *arena;
        ae_task_result result = {.seconds = 77};
        assert_ok(ae_arena_new(&arena));
        ae_memory_fail_at(n);
        const ae_status status = ae_task_evaluate(f->models[0], &task, NULL, arena, &result);
        ae_memory_fail_at(0);
        ae_arena_free(arena);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_true(result.seconds == 77);
        failures++;
        assert_true(n < 1000);
    }
    assert_true(failures > 30);
    char *prompt = NULL;
    for (uint64_t n = 1; !prompt; n++) { // NULL until there is memory
        assert_true(n < 20);
        ae_memory_fail_at(n);
        prompt = ae_task_prompt(&task, &examples[0]);
        ae_memory_fail_at(0);
    }
    ae_free(prompt);
}

// ---- the reference's own tasks, where they are at hand ---------------------------------------------

static void the_reference_s_tasks_are_read(void **state) {
    (void)state;
    static const char folder[] = "../shared/data/glue";
    if (!ae_path_is_folder(folder)) {
        print_message("skipped: no %s\n", folder);
        skip();
    }
    static const struct {
        const char *file, *name, *end; // of the first prompt
    } tasks[] = {{"sst2", "sst", "\nSentiment :"},
                 {"mrpc", "mrpc", "\nAnswer:"},
                 {"cola", "cola", "\nAnswer :"},
                 {"rte", "rte", " True or False?\nanswer:"}};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        char path[100];
        ae_task *json, *pickle;
        snprintf(path, sizeof path, "%s/%s.json", folder, tasks[i].file);
        assert_ok(ae_task_load(path, AE_GLUE_CORRECTED, NULL, &json));
        snprintf(path, sizeof path, "%s/%s.pkl", folder, tasks[i].file);
        assert_ok(ae_task_load(path, AE_GLUE_CORRECTED, NULL, &pickle));
        assert_string_equal(json->name, tasks[i].name);
        assert_int_equal(json->corrected, strcmp(tasks[i].name, "rte") == 0);
        assert_int_equal(json->n_examples, 200);
        assert_int_equal(pickle->n_examples, 200);
        int n_positive = 0;
        for (size_t e = 0; e < 200; e++) {
            char *a = ae_task_prompt(json, &json->examples[e]),
                 *b = ae_task_prompt(pickle, &pickle->examples[e]);
            assert_string_equal(a, b); // the pickle takes its header from the JSON beside it
            assert_int_equal(json->examples[e].label, pickle->examples[e].label);
            assert_int_equal(json->examples[e].idx, pickle->examples[e].idx);
            assert_int_equal(strncmp(a, json->header, strlen(json->header)), 0);
            assert_string_equal(a + strlen(a) - strlen(tasks[i].end), tasks[i].end);
            n_positive += json->examples[e].label;
            ae_free(a);
            ae_free(b);
        }
        assert_int_equal(n_positive, 100);
        ae_task_free(json);
        ae_task_free(pickle);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(pickles_get_their_form_from_elsewhere),
        cmocka_unit_test(own_headers_teach_every_answer),
        cmocka_unit_test(corrected_labels_swap_header_and_keywords),
        cmocka_unit_test(the_first_keyword_behind_the_last_marker_answers),
        cmocka_unit_test(a_batch_answers_as_one_prompt_at_a_time),
        cmocka_unit_test(end_of_text_ends_an_answer),
        cmocka_unit_test(refusals_leave_nothing_behind),
        cmocka_unit_test(logits_that_are_no_numbers_are_invalid_answers),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(the_reference_s_tasks_are_read),
    };
    return cmocka_run_group_tests(tests, open_two_models, close_two_models);
}
