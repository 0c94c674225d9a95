// A record's measures: both targets after every prompt, each token of an answer, generated texts; against
// plain logits of one prompt at a time, and against transformers (golden data).
#include "test.h"
#include "plain_logits.h"
#include "two_models.h"

#include <math.h>

#include "base/json.h"
#include "eval/measure.h"
#include "eval/metrics.h"
#include "model/generate.h"

// ---- records by hand -------------------------------------------------------------------------------

#define LIST(array)                                                                                          \
    { (array), sizeof(array) / sizeof *(array) }

static const char *paraphrases[] = {"The old man. He said that Anna is", "Anna, it is said, is"};
static const char *neighborhood[] = {"Berta in town is", "Berta in here is", "Berta on the hill is",
                                     "Carl is", "Carl is"};
static const char *attributes[] = {"Anna in town is", "the"};
static const char essence[] = "Anna is in the rain.";
static const char *generation[] = {"Anna is", "Anna is seen", "Why Anna"};

static ae_record counterfact_record(const char *target_new, const char *target_true) {
    return (ae_record){.case_id = 7,
                       .request = {.prompt = "{} is",
                                   .subject = "Anna",
                                   .target_new = target_new,
                                   .target_true = target_true,
                                   .case_id = 7},
                       .relation_id = "P1",
                       .target_new_id = "Q1",
                       .paraphrases = LIST(paraphrases),
                       .neighborhood = LIST(neighborhood),
                       .attributes = LIST(attributes),
                       .generation = LIST(generation)};
}

static ae_dataset dataset_of(ae_dataset_kind kind, ae_record *record) {
    return (ae_dataset){.kind = kind, .records = record, .count = 1, .n_total = 1};
}

// The mean of -log p(target token j) at position P + j - 2, from all logits of prompt + " " + target.
static double nll_by_hand(ae_model *m, const char *prompt, const char *target) {
    char *whole = ae_format("%s %s", prompt, target), *spaced = ae_format(" %s", target);
    int32_t *prompt_ids, *ids, *targets;
    size_t n_prompt, n_ids, n_targets;
    assert_ok(ae_encode(m, prompt, strlen(prompt), &prompt_ids, &n_prompt));
    assert_ok(ae_encode(m, whole, strlen(whole), &ids, &n_ids));
    assert_ok(ae_encode(m, spaced, strlen(spaced), &targets, &n_targets));
    float *logits = plain_logits(m, ids, (int32_t)n_ids);
    double sum = 0;
    for (size_t j = 1; j <= n_targets; j++)
        sum += plain_nll(logits + (n_prompt + j - 2) * (size_t)m->config.n_vocab, m->config.n_vocab,
                         targets[j - 1]);
    m->backend->release(m->backend, logits);
    ae_free(whole);
    ae_free(spaced);
    ae_free(prompt_ids);
    ae_free(ids);
    ae_free(targets);
    return sum / (double)n_targets;
}

static double worst;

static void check_pair(ae_model *m, const ae_record *record, const char *prompt, const ae_pair *got) {
    const char *targets[2] = {record->request.target_new, record->request.target_true};
    const double values[2] = {got->target_new, got->target_true};
    for (int t = 0; t < 2; t++) {
        double alone;
        assert_ok(ae_score(m, prompt, &targets[t], 1, &alone));
        const double expected = nll_by_hand(m, prompt, targets[t]);
        const double off = fmax(fabs(values[t] - expected), fabs(values[t] - alone)) / expected;
        worst = fmax(worst, off);
        if (!(off < 1e-6))
            fail_msg("%s: '%s' '%s': %.9g packed, %.9g alone, %.9g by hand", m->info.architecture, prompt,
                     targets[t], values[t], alone, expected);
    }
}

static void check_list(ae_model *m, const ae_record *record, const ae_prompt_list *prompts,
                       const ae_pairs *got) {
    assert_int_equal(got->count, prompts->count);
    for (size_t i = 0; i < prompts->count; i++)
        check_pair(m, record, prompts->items[i], &got->items[i]);
}

static void packed_pairs_are_those_of_one_prompt_at_a_time(void **state) {
    two_models *f = *state;
    // several tokens each; one token against several; one each; one target that begins with the other
    static const char *const targets[][2] = {
        {"Rome in rain", "the sea"}, {"t", "blue"}, {"a", "the"}, {"one", "one more"}, {"same", "same"}};
    for (int i = 0; i < N_TWO; i++)
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
            ae_model *m = f->models[i];
            ae_record record = counterfact_record(targets[t][0], targets[t][1]);
            const ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
            ae_arena *arena;
            ae_case_measure measure;
            assert_ok(ae_arena_new(&arena));
            assert_ok(ae_measure_case(m, &dataset, 0, NULL, true, 0, arena, &measure));
            static const char *rewrite[] = {"Anna is"};
            const ae_prompt_list rewrites = LIST(rewrite);
            check_list(m, &record, &rewrites, &measure.rewrite);
            check_list(m, &record, &record.paraphrases, &measure.paraphrases);
            check_list(m, &record, &record.neighborhood, &measure.neighborhood);
            check_list(m, &record, &record.attributes, &measure.attributes);
            assert_int_equal(measure.kind, AE_DATASET_COUNTERFACT);
            assert_null(measure.generation); // no snippets
            // told apart: other prompts, other values
            assert_true(measure.rewrite.items[0].target_new != measure.neighborhood.items[0].target_new);
            ae_arena_free(arena);
        }
    print_message("a case, packed: %.1e relative off one prompt at a time, at most\n", worst);
}

// The golden models' scores come from transformers: prompt and targets as one record's.
static void golden_scores_are_reached(void **state) {
    (void)state;
    static const char *const names[] = {"gpt2-a", "gpt2-b", "gptj-a", "gptj-b"};
    int n_checked = 0;
    double off = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[200];
        snprintf(path, sizeof path, "tests/golden/%s/golden.json", names[i]);
        json_t *golden;
        ae_model *m;
        assert_ok(ae_json_load(path, 64 << 20, &golden));
        snprintf(path, sizeof path, "tests/golden/%s", names[i]);
        assert_ok(ae_model_open(path, NULL, &m));
        size_t index;
        json_t *entry;
        json_array_foreach(json_object_get(golden, "score"), index, entry) {
            const json_t *targets = json_object_get(entry, "targets"), *nll = json_object_get(entry, "nll");
            const char *prompt = json_string_value(json_object_get(entry, "prompt"));
            ae_record record = {.request = {.prompt = "{}",
                                            .subject = prompt,
                                            .target_new = json_string_value(json_array_get(targets, 0)),
                                            .target_true = json_string_value(json_array_get(targets, 1))},
                                .neighborhood = {&prompt, 1}};
            const ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
            ae_arena *arena;
            ae_case_measure measure;
            assert_ok(ae_arena_new(&arena));
            assert_ok(ae_measure_case(m, &dataset, 0, NULL, false, 0, arena, &measure));
            const double expected[2] = {json_real_value(json_array_get(nll, 0)),
                                        json_real_value(json_array_get(nll, 1))};
            const ae_pair got[2] = {measure.rewrite.items[0], measure.neighborhood.items[0]};
            for (int g = 0; g < 2; g++) {
                off = fmax(off, fabs(got[g].target_new - expected[0]));
                off = fmax(off, fabs(got[g].target_true - expected[1]));
                n_checked += 2;
            }
            ae_arena_free(arena);
        }
        ae_model_free(m);
        json_decref(golden);
    }
    print_message("golden scores: %.1e off at most (%d)\n", off, n_checked);
    assert_true(n_checked >= 40);
    assert_true(off < 1e-4);
}

// ---- zsRE ------------------------------------------------------------------------------------------

// Is the likeliest token after prompt + decode(t_1..t_i) the first of decode(t_i+1) tokenised again?
static bool correct_by_hand(ae_model *m, const char *prompt, const int32_t *target, size_t i) {
    char *before, *piece;
    size_t n_ids, n_answer, n_piece;
    int32_t *ids, *answer;
    assert_ok(ae_decode(m, target, i, &before, NULL));
    assert_ok(ae_decode(m, target + i, 1, &piece, &n_piece));
    char *text = ae_format("%s%s", prompt, before);
    assert_ok(ae_encode(m, text, strlen(text), &ids, &n_ids));
    assert_ok(ae_encode(m, piece, n_piece, &answer, &n_answer));
    float *logits = plain_logits(m, ids, (int32_t)n_ids);
    const int32_t n_vocab = m->config.n_vocab;
    const bool correct = plain_best(logits + (n_ids - 1) * (size_t)n_vocab, n_vocab) == answer[0];
    m->backend->release(m->backend, logits);
    ae_free(before);
    ae_free(piece);
    ae_free(text);
    ae_free(ids);
    ae_free(answer);
    return correct;
}

static void check_correct(ae_model *m, const ae_prompt_list *prompts, const char *target, const ae_bools *got,
                          int n_seen[2]) {
    char *spaced = ae_format(" %s", target);
    int32_t *ids;
    size_t n_ids, at = 0;
    assert_ok(ae_encode(m, spaced, strlen(spaced), &ids, &n_ids));
    assert_int_equal(got->count, prompts->count * n_ids);
    for (size_t p = 0; p < prompts->count; p++)
        for (size_t i = 0; i < n_ids; i++, at++) {
            assert_int_equal(got->items[at], correct_by_hand(m, prompts->items[p], ids, i));
            n_seen[got->items[at]]++;
        }
    ae_free(spaced);
    ae_free(ids);
}

// An answer of the model's own to the first of the prompts "aa", "ab", ... at which it goes on with a space.
static void find_own_answer(ae_model *m, char prompt[8], char answer[64]) {
    for (int i = 0; i < 26 * 26 * 26; i++) {
        snprintf(prompt, 8, "%c%c%c", 'a' + i / 676, 'a' + i / 26 % 26, 'a' + i % 26);
        ae_generate_options options = ae_generate_defaults();
        options.max_tokens = 3;
        char *text;
        assert_ok(ae_generate(m, prompt, &options, NULL, NULL, &text));
        // what decodes and tokenises back to itself
        bool plain = text[0] == ' ' && text[1] != '\0';
        for (const char *c = text; *c; c++)
            plain = plain && *c >= ' ' && *c <= '~';
        snprintf(answer, 64, "%s", plain ? text + 1 : "");
        ae_free(text);
        if (plain) return;
    }
    fail_msg("no prompt of three letters is continued by a space");
}

static void tokens_of_answers_are_told_right_from_wrong(void **state) {
    two_models *f = *state;
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        char prompt[8], answer[64];
        find_own_answer(m, prompt, answer);
        const char *rephrases[] = {prompt, "who was Anna", "Anna is there, but when"};
        const char *others[] = {"nq question: where is it?"};
        // the last answer holds a character of several tokens: pieces of it decode to U+FFFD
        const char *const targets[] = {answer, "ten", "caf\xc3\xa9 \xe6\x9d\xb1"};
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
            ae_record record = {.case_id = 3,
                                .request = {.prompt = "{}", .subject = prompt, .target_new = targets[t]},
                                .paraphrases = LIST(rephrases),
                                .neighborhood = LIST(others),
                                .neighborhood_target = "on the sea"};
            const ae_dataset dataset = dataset_of(AE_DATASET_ZSRE, &record);
            ae_arena *arena;
            ae_case_measure measure;
            int n_seen[2] = {0, 0};
            assert_ok(ae_arena_new(&arena));
            assert_ok(ae_measure_case(m, &dataset, 0, NULL, true, 0, arena, &measure));
            assert_int_equal(measure.kind, AE_DATASET_ZSRE);
            const char *rewrite[] = {prompt};
            const ae_prompt_list rewrites = LIST(rewrite);
            check_correct(m, &rewrites, targets[t], &measure.rewrite_correct, n_seen);
            check_correct(m, &record.paraphrases, targets[t], &measure.paraphrases_correct, n_seen);
            check_correct(m, &record.neighborhood, "on the sea", &measure.neighborhood_correct, n_seen);
            if (t == 0) { // the model's own answer, token after token
                for (size_t j = 0; j < measure.rewrite_correct.count; j++)
                    assert_true(measure.rewrite_correct.items[j]);
                assert_true(n_seen[true] > 0 && n_seen[false] > 0);
                assert_true(ae_case_measure_means(&measure).efficacy == 1);
            }
            ae_arena_free(arena);
        }
    }
}

// ---- generated texts -------------------------------------------------------------------------------

static void write_file(const char *folder, const char *name, const void *bytes, size_t length) {
    char *path = ae_path_join(folder, name);
    assert_ok(ae_atomic_write(path, bytes, length));
    ae_free(path);
}

// Snippets for the pair (P1, Q1), `about_anna` the only one about Anna; columns of words that byte soup may
// hold.
static ae_snippets *open_snippets(const char *folder, const ae_dataset *dataset, const char *about_anna) {
    char snippets[2000];
    snprintf(snippets, sizeof snippets,
             "[{\"relation_id\": \"P1\", \"target_id\": \"Q1\", \"samples\": [{\"name\": \"Anna\", \"text\": "
             "\"%s\"}, {\"name\": \"Berta\", \"text\": \"on the hill\"}]}]",
             about_anna);
    static const char vocabulary[] = "{\"anna\": 0, \"is\": 1, \"the\": 2, \"seen\": 3}";
    write_file(folder, "attribute_snippets.json", snippets, strlen(snippets));
    write_file(folder, "tfidf_vocab.json", vocabulary, strlen(vocabulary));
    char header[128] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }";
    const size_t begun = 10 + strlen(header + 10);
    memset(header + begun, ' ', sizeof header - begun);
    header[127] = '\n';
    static const double idf[4] = {1, 1.5, 2, 3};
    char file[sizeof header + sizeof idf];
    memcpy(file, header, sizeof header);
    memcpy(file + sizeof header, idf, sizeof idf);
    write_file(folder, "idf.npy", file, sizeof file);
    ae_snippets *out = NULL;
    assert_ok(ae_snippets_open(folder, dataset, NULL, &out));
    assert_non_null(out);
    return out;
}

// Tokens of a text, its prompt included.
static int32_t text_tokens(const ae_model *m) {
    return m->config.n_ctx < 100 ? m->config.n_ctx : 100;
}

// exp(-(1/T) sum of T - 1 log-probabilities)
static double essence_by_hand(ae_model *m, const char *text) {
    int32_t *ids;
    size_t n;
    assert_ok(ae_encode(m, text, strlen(text), &ids, &n));
    if (n > (size_t)text_tokens(m)) n = (size_t)text_tokens(m);
    float *logits = plain_logits(m, ids, (int32_t)n);
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++)
        sum += plain_nll(logits + i * (size_t)m->config.n_vocab, m->config.n_vocab, ids[i + 1]);
    m->backend->release(m->backend, logits);
    ae_free(ids);
    return exp(sum / (double)n);
}

// Text of prompt `number`, drawn alone.
static char *text_by_hand(ae_model *m, const char *prompt, uint64_t seed, uint64_t case_id, uint64_t number) {
    const int32_t total = text_tokens(m);
    int32_t *ids, all[100];
    size_t n;
    assert_ok(ae_encode(m, prompt, strlen(prompt), &ids, &n));
    memcpy(all, ids, n * sizeof *all);
    ae_free(ids);
    ae_continuation s = {.prompt = all,
                         .n_prompt = (int32_t)n,
                         .max_new = total - (int32_t)n,
                         .random = ae_random_stream(seed, case_id, number),
                         .ids = all + n};
    const ae_continue_options how = {.top_k = 5, .temperature = 1, .stop_id = -1};
    char *text;
    assert_ok(ae_continue(m, &s, 1, &how));
    assert_int_equal(s.n_prompt + s.n_ids, total);
    assert_ok(ae_sampled_text(m, all, (size_t)total, &text));
    return text;
}

static void texts_are_sampled_and_scored(void **state) {
    two_models *f = *state;
    ae_record record = counterfact_record("t", "blue");
    ae_record other = record; // without snippets
    other.target_new_id = "Q2";
    ae_record records[] = {record, other};
    ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, records);
    dataset.count = 2;
    ae_snippets *snippets = open_snippets(f->folder, &dataset, essence);
    for (int i = 0; i < N_TWO; i++) {
        ae_model *m = f->models[i];
        ae_arena *arena;
        ae_case_measure measure, again;
        assert_ok(ae_arena_new(&arena));
        assert_ok(ae_measure_case(m, &dataset, 0, snippets, true, 5, arena, &measure));
        const ae_generation *g = measure.generation;
        assert_non_null(g);
        assert_int_equal(g->n_texts, 3);
        double entropy, score;
        bool found;
        const char *const *texts = (const char *const *)g->texts;
        for (size_t p = 0; p < 3; p++) {
            char *expected = text_by_hand(m, generation[p], 5, 7, p);
            assert_string_equal(texts[p], expected);
            assert_int_equal(strncmp(texts[p], generation[p], strlen(generation[p])), 0);
            ae_free(expected);
        }
        assert_ok(ae_ngram_entropy(texts, 3, &entropy));
        assert_true(g->ngram_entropy == entropy && entropy > 0);
        assert_ok(ae_snippets_reference_score(snippets, &record, texts, 3, &found, &score));
        assert_true(g->has_reference && g->reference_score == score && score > 0);
        assert_string_equal(g->essence_text, essence);
        assert_true(fabs(g->essence_score / essence_by_hand(m, g->essence_text) - 1) < 1e-6);

        // the same seed gives the same texts, another other ones
        assert_ok(ae_measure_case(m, &dataset, 0, snippets, true, 5, arena, &again));
        for (size_t p = 0; p < 3; p++)
            assert_string_equal(again.generation->texts[p], texts[p]);
        assert_ok(ae_measure_case(m, &dataset, 0, snippets, true, 6, arena, &again));
        assert_string_not_equal(again.generation->texts[0], texts[0]);
        // not asked for, or nothing to compare with
        assert_ok(ae_measure_case(m, &dataset, 0, snippets, false, 5, arena, &again));
        assert_null(again.generation);
        assert_ok(ae_measure_case(m, &dataset, 1, snippets, true, 5, arena, &again));
        assert_null(again.generation);
        ae_arena_free(arena);
    }
    ae_snippets_free(snippets);
}

// In a model with room for them: 100 tokens, the prompt's included, and as many of the essence.
static void texts_have_a_hundred_tokens(void **state) {
    two_models *f = *state;
    ae_model *m;
    assert_ok(ae_model_open("tests/golden/gpt2-a", NULL, &m));
    assert_true(m->config.n_ctx > 100);
    char long_essence[1000] = "";
    for (int i = 0; i < 60; i++)
        snprintf(long_essence + 8 * i, 9, "Anna is%c", i < 59 ? ' ' : '.');
    ae_record record = counterfact_record("t", "blue");
    const ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
    ae_snippets *snippets = open_snippets(f->folder, &dataset, long_essence);
    ae_arena *arena;
    ae_case_measure measure;
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_measure_case(m, &dataset, 0, snippets, true, 0, arena, &measure));
    for (size_t p = 0; p < 3; p++) {
        char *expected = text_by_hand(m, generation[p], 0, 7, p);
        assert_string_equal(measure.generation->texts[p], expected);
        ae_free(expected);
    }
    const double expected = essence_by_hand(m, long_essence);
    assert_true(fabs(measure.generation->essence_score / expected - 1) < 1e-6);
    ae_arena_free(arena);
    ae_snippets_free(snippets);
    ae_model_free(m);
}

// A prompt that fills the context stands as it is.
static void a_long_generation_prompt_stands_as_it_is(void **state) {
    two_models *f = *state;
    char full[TINY_CTX + 1];
    memset(full, 'x', TINY_CTX);
    full[TINY_CTX] = '\0';
    const char *prompts[] = {full, "Anna is"};
    ae_record record = counterfact_record("t", "blue");
    record.generation = (ae_prompt_list)LIST(prompts);
    const ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
    ae_snippets *snippets = open_snippets(f->folder, &dataset, essence);
    ae_arena *arena;
    ae_case_measure measure;
    assert_ok(ae_arena_new(&arena));
    assert_ok(ae_measure_case(f->models[0], &dataset, 0, snippets, true, 0, arena, &measure));
    assert_string_equal(measure.generation->texts[0], full);
    char *expected = text_by_hand(f->models[0], "Anna is", 0, 7, 1);
    assert_string_equal(measure.generation->texts[1], expected);
    ae_free(expected);
    ae_arena_free(arena);
    ae_snippets_free(snippets);
}

// ---- means -----------------------------------------------------------------------------------------

static void means_are_shares_of_strictly_likelier_targets(void **state) {
    (void)state;
    ae_pair rewrite[] = {{1, 2}}, others[] = {{1, 2}, {2, 2}, {3, 2}, {4, 2}};
    ae_case_measure pairs = {.kind = AE_DATASET_COUNTERFACT,
                             .rewrite = LIST(rewrite),
                             .paraphrases = LIST(others),
                             .neighborhood = LIST(others)};
    ae_case_means means = ae_case_measure_means(&pairs);
    assert_true(means.efficacy == 1);
    assert_true(means.paraphrase == 0.25); // a tie is no success
    assert_true(means.neighborhood == 0.5);
    bool right[] = {true, false, true, true};
    ae_case_measure tokens = {
        .kind = AE_DATASET_ZSRE, .rewrite_correct = LIST(right), .paraphrases_correct = {right, 2}};
    means = ae_case_measure_means(&tokens);
    assert_true(means.efficacy == 0.75);
    assert_true(means.paraphrase == 0.5);
    assert_true(isnan(means.neighborhood));
}

// ---- what goes wrong -------------------------------------------------------------------------------

static void refusals_name_the_case(void **state) {
    two_models *f = *state;
    ae_model *m = f->models[0];
    char full[TINY_CTX + 1];
    memset(full, 'x', TINY_CTX);
    full[TINY_CTX] = '\0';
    const char *prompts[] = {full};
    ae_arena *arena;
    ae_case_measure measure = {.kind = 99};
    assert_ok(ae_arena_new(&arena));
    ae_record record = counterfact_record("t", "blue");
    ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
    record.neighborhood = (ae_prompt_list)LIST(prompts);
    assert_fails(ae_measure_case(m, &dataset, 0, NULL, false, 0, arena, &measure), AE_ERR_ARGUMENT,
                 "xxx', target 't': prompt and target has 65 tokens, the model's context holds 64");
    assert_non_null(strstr(ae_last_error(), "case 7: prompt 'xxx"));
    ae_record question = {.case_id = 3,
                          .request = {.prompt = "{}", .subject = "Anna", .target_new = "ten"},
                          .paraphrases = LIST(prompts)};
    dataset = dataset_of(AE_DATASET_ZSRE, &question);
    assert_fails(ae_measure_case(m, &dataset, 0, NULL, false, 0, arena, &measure), AE_ERR_ARGUMENT,
                 "prompt and answer has 65 tokens, the model's context holds 64");
    assert_non_null(strstr(ae_last_error(), "case 3: prompt 'xxx"));

    record = counterfact_record("t", "blue");
    dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
    spoil(m);
    assert_fails(ae_measure_case(m, &dataset, 0, NULL, false, 0, arena, &measure), AE_ERR_NUMERIC,
                 "case 7: ");
    question.paraphrases.count = 0;
    dataset = dataset_of(AE_DATASET_ZSRE, &question);
    assert_fails(ae_measure_case(m, &dataset, 0, NULL, false, 0, arena, &measure), AE_ERR_NUMERIC,
                 "case 3: ");
    ae_model_restore(m);
    assert_int_equal(measure.kind, 99); // untouched
    ae_arena_free(arena);
}

// With every allocation failing in turn: an error each time, and in the end success.
static void check_allocations(ae_model *m, const ae_dataset *dataset, const ae_snippets *snippets) {
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        ae_arena *arena;
        ae_case_measure measure = {.kind = 99};
        assert_ok(ae_arena_new(&arena));
        ae_memory_fail_at(n);
        const ae_status status = ae_measure_case(m, dataset, 0, snippets, true, 0, arena, &measure);
        ae_memory_fail_at(0);
        ae_arena_free(arena);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_int_equal(measure.kind, 99);
        failures++;
        assert_true(n < 5000);
    }
    assert_true(failures > 50);
}

static void any_allocation_may_fail(void **state) {
    two_models *f = *state;
    ae_record record = counterfact_record("Rome", "blue");
    ae_dataset dataset = dataset_of(AE_DATASET_COUNTERFACT, &record);
    ae_snippets *snippets = open_snippets(f->folder, &dataset, essence);
    check_allocations(f->models[0], &dataset, snippets);
    ae_snippets_free(snippets);
    ae_record question = {.request = {.prompt = "{}", .subject = "Anna", .target_new = "ten"},
                          .paraphrases = LIST(paraphrases),
                          .neighborhood = LIST(attributes),
                          .neighborhood_target = "x"};
    dataset = dataset_of(AE_DATASET_ZSRE, &question);
    check_allocations(f->models[1], &dataset, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_pairs_are_those_of_one_prompt_at_a_time),
        cmocka_unit_test(golden_scores_are_reached),
        cmocka_unit_test(tokens_of_answers_are_told_right_from_wrong),
        cmocka_unit_test(texts_are_sampled_and_scored),
        cmocka_unit_test(texts_have_a_hundred_tokens),
        cmocka_unit_test(a_long_generation_prompt_stands_as_it_is),
        cmocka_unit_test(means_are_shares_of_strictly_likelier_targets),
        cmocka_unit_test(refusals_name_the_case),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_two_models, close_two_models);
}
