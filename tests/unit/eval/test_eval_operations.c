// How much work evaluation is, counted, not timed: what prompts begin with is computed once, logits only
// where they are read. A change that makes the engine do more fails here.
#include "test.h"
#include "counted_work.h"
#include "two_models.h"

#include "base/memory.h"
#include "eval/measure.h"
#include "eval/task.h"
#include "model/score.h"

enum { LAST = TINY_LAYERS - 1, MOST_SEQUENCES = 64 };

#define LIST(array)                                                                                          \
    { (array), sizeof(array) / sizeof *(array) }

// As CounterFact has them: two paraphrases behind other text, ten neighbourhood prompts of one form.
static const char *rewrite[] = {"The mother tongue of Anna B is"};
static const char *paraphrases[] = {"It rained. Anna B spoke the language",
                                    "Shops open. Anna B is a native of"};
static const char *neighborhood[] = {"The mother tongue of Carl is",
                                     "The mother tongue of Berta is",
                                     "The mother tongue of Doris is",
                                     "The mother tongue of Emil is",
                                     "Fritz, a native of",
                                     "Gerda, a native of",
                                     "The mother tongue of Hans is",
                                     "Ida spoke the language",
                                     "The mother tongue of Joseph is",
                                     "Karla spoke the language"};

// Every row of every layer below the top, rows of the top: those that are read.
static void check_rows(const ae_model *m, const counted_work *c, int64_t rows, int64_t read, int64_t passes) {
    for (int l = 0; l <= LAST; l++)
        for (int i = 0; i < N_MATRICES; i++) {
            const bool there = counted_matrix(&m->layers[l], i)->data != NULL;
            const counted_product *p = &c->forward[l][i];
            assert_count(p->rows,
                         !there                       ? 0
                         : l == LAST && i >= ATTN_OUT ? read
                                                      : rows,
                         "layer %d, %s", l, matrix_names[i]);
            assert_count(p->calls, there * passes, "layer %d, %s, calls", l, matrix_names[i]);
            assert_count(c->backward[l][i].calls, 0, "layer %d, %s, backwards", l, matrix_names[i]);
        }
    assert_count(c->embed.rows, rows, "rows of tokens");
    assert_count(c->embed.calls, passes, "passes");
    assert_count(c->head.rows, read, "rows of logits");
    assert_count(c->head_backward.calls + c->moments + c->rank_ones + c->expands, 0, "work that is none");
    assert_count(c->live, 0, "floats that are still there");
}

static void a_case_is_one_pass_over_what_its_prompts_do_not_share(void **state) {
    two_models *f = *state;
    static const char *const targets[2] = {"Czech", "Cornish"}; // alike up to the second letter
    ae_record record = {.case_id = 7,
                        .request = {.prompt = "The mother tongue of {} is",
                                    .subject = "Anna B",
                                    .target_new = targets[0],
                                    .target_true = targets[1],
                                    .case_id = 7},
                        .paraphrases = LIST(paraphrases),
                        .neighborhood = LIST(neighborhood)};
    const ae_dataset dataset = {.kind = AE_DATASET_COUNTERFACT, .records = &record, .count = 1, .n_total = 1};
    const ae_prompt_list lists[3] = {LIST(rewrite), LIST(paraphrases), LIST(neighborhood)};
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        ae_arena *arena;
        assert_ok(ae_arena_new(&arena));
        // What is read: row p predicts token p + 1, so a sequence's last token is no row.
        const int32_t *ids[MOST_SEQUENCES];
        int32_t lengths[MOST_SEQUENCES], prompts[MOST_SEQUENCES];
        int64_t all = 0;
        int n = 0;
        for (int l = 0; l < 3; l++)
            for (size_t p = 0; p < lists[l].count; p++)
                for (int t = 0; t < 2; t++, n++) {
                    ae_scored s;
                    assert_ok(ae_scored_target(m, lists[l].items[p], targets[t], arena, &s));
                    ids[n] = s.ids;
                    lengths[n] = s.first + s.n;
                    prompts[n] = s.first;
                    all += lengths[n];
                }
        const int64_t different = different_rows(ids, lengths, n),
                      read = different - different_rows(ids, prompts, n);
        ae_case_measure measure;
        start_counting(m);
        const ae_status status = ae_measure_case(m, &dataset, 0, NULL, false, 0, arena, &measure);
        const counted_work c = counting.now;
        stop_counting();
        assert_ok(status);
        print_message("%s: %lld rows of %lld, %lld different; %lld of logits, %lld different\n",
                      m->info.architecture, (long long)c.embed.rows, (long long)all, (long long)different,
                      (long long)c.head.rows, (long long)read);
        // A sequence attends to one other's rows (model/packing.h): some are there twice, no more than a
        // fifth; and among these are some that are read.
        const int64_t twice = c.embed.rows - different;
        assert_between(twice, 0, different / 5, "rows that are there twice");
        assert_between(c.head.rows, read, read + twice, "rows of logits");
        check_rows(m, &c, c.embed.rows, c.head.rows, 1);
        ae_arena_free(arena);
    }
}

static void a_tasks_header_is_computed_once(void **state) {
    two_models *f = *state;
    enum { N = 8, NEW = 3 };
    ae_answer yes = {"yes", 1}, no = {"no", 0};
    ae_example examples[N] = {{"rain", NULL, 1, 0},  {"sun", NULL, 0, 1},  {"it is late", NULL, 0, 2},
                              {"we go", NULL, 1, 3}, {"blue", NULL, 1, 4}, {"no, never", NULL, 0, 5},
                              {"old", NULL, 1, 6},   {"a b c", NULL, 0, 7}};
    const ae_task task = {.name = "sst",
                          .path = "made up",
                          .header = "R: dull\nS: no\n\nR: fine\nS: yes\n\n",
                          .prompt_template = "R: {sentence}\nS:",
                          .answer_marker = "S:",
                          .answers = {yes, no},
                          .n_answers = 2,
                          .gen_len = NEW,
                          .examples = examples,
                          .n_examples = N};
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        ae_arena *arena;
        const int32_t *ids[N];
        int32_t lengths[N];
        assert_ok(ae_arena_new(&arena));
        for (int e = 0; e < N; e++) {
            char *prompt = ae_task_prompt(&task, &examples[e]);
            assert_ok(ae_encode_prompt(m, "the prompt", prompt, strlen(prompt), arena, (int32_t **)&ids[e],
                                       &lengths[e]));
            ae_free(prompt);
        }
        int64_t header = 0, alone = 0; // tokens: what all begin with; all prompts
        for (int e = 0; e < N; e++)
            alone += lengths[e];
        for (int alike = N; alike == N; header += alike == N)
            for (alike = 0; alike < N && ids[alike][header] == ids[0][header];)
                alike++;
        assert_true(header > 24);
        ae_task_result result;
        start_counting(m);
        const ae_status status = ae_task_evaluate(m, &task, NULL, arena, &result);
        const counted_work c = counting.now;
        stop_counting();
        assert_ok(status);
        // The prompts' own tokens, then every new one but the last; less where the model ends a text itself.
        const int64_t prompts = header + alone - N * header;
        print_message("%s: %lld rows, %lld with a header a prompt\n", m->info.architecture,
                      (long long)c.embed.rows, (long long)(c.embed.rows + (N - 1) * header));
        assert_between(c.embed.rows, prompts + 1, prompts + N * (NEW - 1), "rows of a task");
        assert_between(c.head.rows, c.embed.rows - prompts + 1, N * NEW, "rows of logits");
        check_rows(m, &c, c.embed.rows, c.head.rows, NEW);
        ae_arena_free(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_case_is_one_pass_over_what_its_prompts_do_not_share,
                                        open_two_models, close_two_models),
        cmocka_unit_test_setup_teardown(a_tasks_header_is_computed_once, open_two_models, close_two_models),
    };
    return cmocka_run_group_tests_name("operations of an evaluation", tests, NULL, NULL);
}
