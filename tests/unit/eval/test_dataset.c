// eval/dataset: CounterFact, EasyEdit's flat form, zsRE; what is left out, refused or malformed, by message.
#include "unit/edit/support.h"

#include "base/digest.h"
#include "base/json_array.h"
#include "eval/dataset.h"

#define COUNTERFACT(case_, prompt, subject)                                                                  \
    "{\"case_id\": " case_ ", \"pararel_idx\": 1, \"requested_rewrite\": {\"prompt\": \"" prompt             \
    "\", \"relation_id\": \"P176\", \"target_new\": {\"str\": \"Honda\", \"id\": \"Q9584\"}, "               \
    "\"target_true\": {\"str\": \"Porsche\", \"id\": \"Q40993\"}, \"subject\": \"" subject "\"}, "           \
    "\"paraphrase_prompts\": [\"So. Porsche 911 is developed by\", \"Porsche 911, by\"], "                   \
    "\"neighborhood_prompts\": [\"Porsche 550, by\", \"Zo\\u00eb is\", \"c\"], "                             \
    "\"attribute_prompts\": [\"Honda Bali is produced by\"], "                                               \
    "\"generation_prompts\": [\"Porsche 911 is sold by\", \"Porsche 911 is sold by\"]}"

#define FLAT(prompt, subject, more)                                                                          \
    "{\"prompt\": \"" prompt "\", \"subject\": \"" subject "\", \"target_new\": \"English\", "               \
    "\"ground_truth\": \"French\"" more "}"

#define ZSRE(src, subject, answers)                                                                          \
    "{\"subject\": \"" subject "\", \"src\": \"" src "\", \"pred\": \"2011\", "                              \
    "\"rephrase\": \"When was it?\", \"alt\": \"2006\", \"answers\": " answers ", "                          \
    "\"loc\": \"nq question: who sang it\", \"loc_ans\": \"Billy Idol\", \"cond\": \"\"}"

static ae_status open_with(const char *name, const char *folder, ae_dataset_options options,
                           kept_warnings *kept, ae_dataset **out) {
    kept_warnings own = {0};
    const ae_hooks hooks = {.user = kept ? kept : &own, .warn = keep_warning};
    return ae_dataset_open(name, folder, &options, &hooks, out);
}

static ae_dataset *open_all(const char *name, const char *folder) {
    ae_dataset *dataset = NULL;
    assert_ok(open_with(name, folder, (ae_dataset_options){0}, NULL, &dataset));
    return dataset;
}

static void assert_prompts(const ae_prompt_list *list, size_t count, const char *const *items) {
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(list->items[i], items[i]);
}

static void assert_request(const ae_request *r, const char *prompt, const char *subject,
                           const char *target_new, const char *target_true, int64_t case_id) {
    assert_string_equal(r->prompt, prompt);
    assert_string_equal(r->subject, subject);
    assert_string_equal(r->target_new, target_new);
    assert_string_equal(r->target_true, target_true);
    assert_int_equal(r->case_id, case_id);
}

// ---- the three forms -------------------------------------------------------------------------------

static void counterfact_records_are_read(void **state) {
    static const char text[] = "[" COUNTERFACT("18", "{}, created by", "Porsche 911") ",\n" COUNTERFACT(
        "0", "The maker of Porsche 911 is",
        "Porsche 911") ", "
                       "{\"requested_rewrite\": {\"subject\": \"Zo\\u00eb\", \"prompt\": \"{} is\", "
                       "\"target_true\": \"a\", "
                       "\"note\": {\"x\": [1]}, \"target_new\": {\"str\": \"b\"}}, \"case_id\": null, "
                       "\"attribute_prompts\": null}]";
    write_text(*state, "counterfact.json", text);
    ae_dataset *d = open_all("cf", *state);
    assert_int_equal(d->kind, AE_DATASET_COUNTERFACT);
    assert_string_equal(d->path, in_folder(*state, "counterfact.json"));
    char hex[AE_DIGEST_HEX];
    assert_ok(ae_sha256(text, sizeof text - 1, hex));
    assert_string_equal(d->sha256, hex);
    assert_int_equal(d->n_total, 3);
    assert_int_equal(d->count, 3);
    assert_int_equal(d->n_refused, 0);

    const ae_record *r = &d->records[0];
    assert_int_equal(r->case_id, 18);
    assert_int_equal(r->row, 0);
    assert_request(&r->request, "{}, created by", "Porsche 911", "Honda", "Porsche", 18);
    assert_string_equal(r->relation_id, "P176");
    assert_string_equal(r->target_new_id, "Q9584");
    assert_prompts(&r->paraphrases, 2,
                   (const char *[]){"So. Porsche 911 is developed by", "Porsche 911, by"});
    assert_prompts(&r->neighborhood, 3, (const char *[]){"Porsche 550, by", "Zoë is", "c"});
    assert_prompts(&r->attributes, 1, (const char *[]){"Honda Bali is produced by"});
    assert_prompts(&r->generation, 2, (const char *[]){"Porsche 911 is sold by", "Porsche 911 is sold by"});
    assert_null(r->neighborhood_target);
    assert_string_equal(r->rewrite_json, "{\"prompt\": \"{}, created by\", \"relation_id\": \"P176\", "
                                         "\"target_new\": {\"str\": \"Honda\", \"id\": \"Q9584\"}, "
                                         "\"target_true\": {\"str\": \"Porsche\", \"id\": \"Q40993\"}, "
                                         "\"subject\": \"Porsche 911\"}");

    // A filled-in prompt gets its placeholder in the request and in what is written.
    assert_request(&d->records[1].request, "The maker of {} is", "Porsche 911", "Honda", "Porsche", 0);
    assert_non_null(
        strstr(d->records[1].rewrite_json, "{\"prompt\": \"The maker of {} is\", \"relation_id\""));

    // Without case id, ids and lists; keys stay in their order, a bare target becomes an object.
    r = &d->records[2];
    assert_request(&r->request, "{} is", "Zoë", "b", "a", 2);
    assert_int_equal(r->case_id, 2);
    assert_string_equal(r->relation_id, "");
    assert_string_equal(r->target_new_id, "");
    assert_int_equal(r->paraphrases.count + r->neighborhood.count + r->attributes.count + r->generation.count,
                     0);
    assert_string_equal(r->rewrite_json,
                        "{\"subject\": \"Zoë\", \"prompt\": \"{} is\", \"target_true\": {\"str\": \"a\"}, "
                        "\"note\": {\"x\": [1]}, \"target_new\": {\"str\": \"b\"}}");
    ae_dataset_free(d);
    ae_dataset_free(NULL);
}

static void the_flat_form_is_read_as_counterfact(void **state) {
    const char *path = write_text(
        *state, "edit.json",
        "[" FLAT(
            "The mother tongue of Ann is", "Ann",
            ", \"case_id\": 7, \"rephrase_prompt\": \"Ann speaks\", "
            "\"locality_prompt\": \"Bob speaks\", \"locality_ground_truth\": "
            "\"French\"") ", " FLAT("{} is", "Eve",
                                    ", \"rephrase_prompt\": \"\", \"locality_prompt\": "
                                    "\"Rome is in\", "
                                    "\"locality_ground_truth\": \"Italy\"") ", " FLAT("Eve is", "Eve",
                                                                                      ", "
                                                                                      "\"locality_"
                                                                                      "prompt\": \"Bob "
                                                                                      "is\"") ", " FLAT("Eve "
                                                                                                        "is",
                                                                                                        "Eve",
                                                                                                        ", "
                                                                                                        "\"re"
                                                                                                        "phra"
                                                                                                        "se_"
                                                                                                        "prom"
                                                                                                        "pt\""
                                                                                                        ": "
                                                                                                        "null"
                                                                                                        ", "
                                                                                                        "\"lo"
                                                                                                        "cali"
                                                                                                        "ty_"
                                                                                                        "prom"
                                                                                                        "pt\""
                                                                                                        ": "
                                                                                                        "\""
                                                                                                        "\"") "]");
    kept_warnings kept = {0};
    ae_dataset *d;
    assert_ok(open_with(path, NULL, (ae_dataset_options){0}, &kept, &d));
    assert_int_equal(d->kind, AE_DATASET_COUNTERFACT);
    assert_int_equal(d->count, 4);
    const ae_record *r = d->records;
    assert_request(&r[0].request, "The mother tongue of {} is", "Ann", "English", "French", 7);
    assert_int_equal(r[0].case_id, 7);
    assert_prompts(&r[0].paraphrases, 1, (const char *[]){"Ann speaks"});
    assert_prompts(&r[0].neighborhood, 1, (const char *[]){"Bob speaks"});
    assert_int_equal(r[0].attributes.count + r[0].generation.count, 0);
    assert_string_equal(r[0].relation_id, "");
    assert_string_equal(r[0].target_new_id, "");
    assert_null(r[0].neighborhood_target);
    assert_string_equal(
        r[0].rewrite_json,
        "{\"prompt\": \"The mother tongue of {} is\", \"target_new\": {\"str\": \"English\"}, "
        "\"target_true\": {\"str\": \"French\"}, \"subject\": \"Ann\"}");
    assert_int_equal(r[1].case_id, 1);
    assert_int_equal(r[1].paraphrases.count + r[1].neighborhood.count, 0);
    assert_prompts(&r[2].neighborhood, 1, (const char *[]){"Bob is"});
    assert_int_equal(r[3].paraphrases.count + r[3].neighborhood.count, 0);
    assert_warned(kept, 1, "edit.json': 1 locality prompts were left out: their ground truth is not");
    ae_dataset_free(d);
}

static void zsre_records_are_read(void **state) {
    write_text(*state, "zsre_mend_eval.json",
               "[" ZSRE("When was the inception of Zo\\u00eb?", "Zo\\u00eb",
                        "[\"1998\", \"99\"]") ", " ZSRE("Ann is what?", "Ann", "[\" x\"]") "]");
    ae_dataset *d = open_all("zsre", *state);
    assert_int_equal(d->kind, AE_DATASET_ZSRE);
    assert_int_equal(d->n_total, 2);
    assert_int_equal(d->count, 2);
    const ae_record *r = &d->records[0];
    assert_request(&r->request, "When was the inception of {}?", "Zoë", "1998", "<|endoftext|>", 0);
    assert_int_equal(r->case_id, 0);
    assert_prompts(&r->paraphrases, 1, (const char *[]){"When was it?"});
    assert_prompts(&r->neighborhood, 1, (const char *[]){"nq question: who sang it?"});
    assert_string_equal(r->neighborhood_target, "Billy Idol");
    assert_int_equal(r->attributes.count + r->generation.count, 0);
    assert_string_equal(r->relation_id, "");
    assert_string_equal(r->target_new_id, "");
    assert_string_equal(
        r->rewrite_json,
        "{\"prompt\": \"When was the inception of {}?\", \"subject\": \"Zoë\", "
        "\"target_new\": {\"str\": \"1998\"}, \"target_true\": {\"str\": \"<|endoftext|>\"}}");
    assert_request(&d->records[1].request, "{} is what?", "Ann", " x", "<|endoftext|>", 1);
    assert_int_equal(d->records[1].case_id, 1);
    assert_int_equal(d->records[1].row, 1);
    ae_dataset_free(d);
}

static void zsre_records_without_one_subject_are_refused_and_counted(void **state) {
    const char *path =
        write_text(*state, "z.json",
                   "[" ZSRE("Who made Ann?", "Ann", "[\"a\"]") ", "     // 1: fine
                   ZSRE("Who made it?", "Ann", "[\"a\"]") ", "          // 2: nowhere
                   ZSRE("Is Ann an Ann?", "Ann", "[\"a\"]") ", "        // 3: twice
                   ZSRE("Who made \\\"Ann\\\"?", "Ann", "[\"a\"]") ", " // 4: no space before it
                   ZSRE("Who made Ann?", "Ann", "[]") ", "              // 5: no answer
                   ZSRE("Who made Ann?", "Ann", "[\" \"]") ", "         // 6: an empty one
                   ZSRE("Who made {} Ann?", "Ann", "[\"a\"]") ", "      // 7: a placeholder already
                   ZSRE("Who made Ann?", "", "[\"a\"]") ", "            // 8: no subject
                   ZSRE("Where is Ann?", "Ann", "[\"a\"]") "]");        // 9: fine
    kept_warnings kept = {0};
    ae_dataset *d;
    assert_ok(open_with(path, NULL, (ae_dataset_options){0}, &kept, &d));
    assert_int_equal(d->n_total, 9);
    assert_int_equal(d->count, 2);
    assert_int_equal(d->n_refused, 7);
    assert_int_equal(d->records[0].case_id, 0);
    assert_int_equal(d->records[1].case_id, 8);
    assert_string_equal(d->records[1].request.prompt, "Where is {}?");
    ae_dataset_free(d);
    static const char *const parts[] = {
        "record 2': the subject 'Ann' occurs nowhere in src 'Who made it?', exactly once is needed: left "
        "out\n",
        "z.json, record 3': the subject 'Ann' occurs more than once in src 'Is Ann an Ann?'",
        "z.json, record 4': prompt 'Who made \"{}\"?': its '{}' must come first or follow a space: left "
        "out\n",
        "z.json, record 5': field 'answers' is an empty array: left out\n",
        "z.json, record 6': prompt 'Who made {}?', subject 'Ann': the new target is empty: left out\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(kept.text, parts[i])) fail_msg("'%s' lacks '%s'", kept.text, parts[i]);
    assert_warned(kept, 6, "z.json': 2 more records were left out for such reasons\n");

    // Refused records do not count as edits; those that were not asked for are not counted at all.
    kept = (kept_warnings){0};
    assert_ok(open_with(path, NULL, (ae_dataset_options){.max_edits = 2}, &kept, &d));
    assert_int_equal(d->count, 2);
    assert_int_equal(d->n_refused, 7);
    ae_dataset_free(d);
    kept = (kept_warnings){0};
    assert_ok(open_with(path, NULL, (ae_dataset_options){.max_edits = 1}, &kept, &d));
    assert_int_equal(d->count, 1);
    assert_int_equal(d->n_refused, 0);
    assert_int_equal(kept.count, 0);
    ae_dataset_free(d);
    // None that can be used: an error with the last reason.
    const char *select = write_text(*state, "s.json", "{\"1\": true, \"4\": true}");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = select}, NULL, &d), AE_ERR_FORMAT,
                 "none of the 2 selected records of '");
    assert_non_null(strstr(ae_last_error(), "z.json' can be used; the last: '"));
    assert_non_null(strstr(ae_last_error(), "record 5': field 'answers' is an empty array"));
    path = write_text(*state, "z.json",
                      "[{\"src\": \"Is A?\", \"answers\": [\"x\"], \"subject\": \"A\", \"rephrase\": \"\", "
                      "\"loc\": \"nq question: q\", \"loc_ans\": \"x\"}]");
    assert_fails(open_with(path, NULL, (ae_dataset_options){0}, NULL, &d), AE_ERR_FORMAT,
                 "record 1': field 'rephrase' is empty");
    assert_non_null(strstr(ae_last_error(), "none of the 1 selected records"));
}

// ---- which records ---------------------------------------------------------------------------------

// Twelve records with case ids 100, 101, ...
static const char *write_twelve(const char *folder) {
    ae_text text = {0};
    for (int i = 0; i < 12; i++)
        assert_ok(ae_text_printf(&text,
                                 "%s{\"case_id\": %d, \"prompt\": \"{} is %d\", \"subject\": \"S\", "
                                 "\"target_new\": \"n\", \"target_true\": \"t\"}",
                                 i == 0 ? "[" : ", ", 100 + i, i));
    assert_ok(ae_text_printf(&text, "]"));
    const char *path = write_text(folder, "twelve.json", text.data);
    ae_free(text.data);
    return path;
}

// Rows of the records, as "1 7 8 "; every record must be what its row says.
static const char *rows(const char *path, ae_dataset_options options) {
    static char text[200];
    ae_dataset *d = NULL;
    assert_ok(open_with(path, NULL, options, NULL, &d));
    assert_int_equal(d->n_total, 12);
    text[0] = '\0';
    for (size_t i = 0; i < d->count; i++) {
        char prompt[32];
        snprintf(prompt, sizeof prompt, "{} is %d", (int)d->records[i].row);
        assert_string_equal(d->records[i].request.prompt, prompt);
        assert_int_equal(d->records[i].case_id, 100 + d->records[i].row);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", (int)d->records[i].row);
    }
    ae_dataset_free(d);
    return text;
}

static void limit_selection_and_number_of_edits_cut_in_this_order(void **state) {
    const char *path = write_twelve(*state);
    assert_string_equal(rows(path, (ae_dataset_options){0}), "0 1 2 3 4 5 6 7 8 9 10 11 ");
    assert_string_equal(rows(path, (ae_dataset_options){.limit = 3}), "0 1 2 ");
    assert_string_equal(rows(path, (ae_dataset_options){.limit = 99}), "0 1 2 3 4 5 6 7 8 9 10 11 ");
    assert_string_equal(rows(path, (ae_dataset_options){.max_edits = 2}), "0 1 ");
    // python3: random.seed(2**64 - 1); l = list(range(12)); random.shuffle(l); sorted(l[:5]): of the uncut
    // file
    const char *sample = "sample:18446744073709551615:5";
    assert_string_equal(rows(path, (ae_dataset_options){.select = sample}), "1 2 6 8 9 ");
    assert_string_equal(rows(path, (ae_dataset_options){.select = sample, .limit = 7}), "1 2 6 ");
    assert_string_equal(rows(path, (ae_dataset_options){.select = sample, .max_edits = 4}), "1 2 6 8 ");
    assert_string_equal(rows(path, (ae_dataset_options){.select = sample, .limit = 7, .max_edits = 2}),
                        "1 2 ");
    // A file goes by case id, and may name cases beyond the limit.
    const char *file = write_text(*state, "s.json", "{\"108\": true, \"101\": true, \"102\": false}");
    assert_string_equal(rows(path, (ae_dataset_options){.select = file}), "1 8 ");
    assert_string_equal(rows(path, (ae_dataset_options){.select = file, .limit = 4}), "1 ");
}

static void a_selection_must_select_what_is_there(void **state) {
    const char *path = write_twelve(*state);
    ae_dataset *d = (ae_dataset *)1;
    const char *file = write_text(*state, "s.json", "{\"101\": true, \"112\": true, \"5\": true}");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = file}, NULL, &d), AE_ERR_ARGUMENT,
                 "s.json' selects case 5, which is not in '");
    assert_non_null(strstr(ae_last_error(), "twelve.json'"));
    file = write_text(*state, "s.json", "{\"101\": true, \"112\": true}");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = file}, NULL, &d), AE_ERR_ARGUMENT,
                 "selects case 112, which is not in '");
    file = write_text(*state, "s.json", "{\"112\": false}");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = file}, NULL, &d), AE_ERR_ARGUMENT,
                 "s.json' selects none of the records of '");
    file = write_text(*state, "s.json", "{\"111\": true}");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = file, .limit = 11}, NULL, &d),
                 AE_ERR_ARGUMENT, "twelve.json' within the limit");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = "sample:1:13"}, NULL, &d),
                 AE_ERR_ARGUMENT, "expected to draw 1 to 12 records");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = "sample:1"}, NULL, &d), AE_ERR_ARGUMENT,
                 "expected sample:SEED:N");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.select = "none.json"}, NULL, &d),
                 AE_ERR_NOT_FOUND, "selection 'none.json' is neither");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.limit = -3}, NULL, &d), AE_ERR_ARGUMENT,
                 "limit is -3, expected 0 (all) or more");
    assert_fails(open_with(path, NULL, (ae_dataset_options){.max_edits = -4}, NULL, &d), AE_ERR_ARGUMENT,
                 "max_edits is -4, expected 0 (all) or more");
    assert_ptr_equal(d, (ae_dataset *)1);
}

static void case_ids_are_unique(void **state) {
    ae_dataset *d = (ae_dataset *)1;
    const char *path = write_text(*state, "d.json",
                                  "[" FLAT("{} is", "A", ", \"case_id\": 8") ", " FLAT(
                                      "{} is", "A", "") ", " FLAT("{} is", "A", ", \"case_id\": 8") "]");
    assert_fails(open_with(path, NULL, (ae_dataset_options){0}, NULL, &d), AE_ERR_FORMAT,
                 "d.json': records 1 and 3 both have case_id 8; case ids name result files");
    // A record without one has its row's number, which another may have taken.
    path = write_text(*state, "d.json",
                      "[" FLAT("{} is", "A", ", \"case_id\": 1") ", " FLAT("{} is", "A", "") "]");
    assert_fails(open_with(path, NULL, (ae_dataset_options){0}, NULL, &d), AE_ERR_FORMAT,
                 "records 1 and 2 both have case_id 1");
    // Those that are not selected count, too: whether a run works must not hang on the sample.
    assert_fails(open_with(path, NULL, (ae_dataset_options){.max_edits = 1}, NULL, &d), AE_ERR_FORMAT,
                 "records 1 and 2 both have case_id 1");
    assert_ptr_equal(d, (ae_dataset *)1);
    assert_ok(open_with(path, NULL, (ae_dataset_options){.limit = 1}, NULL, &d));
    ae_dataset_free(d);
    // More digits than the names of result files have room for.
    path = write_text(*state, "d.json", "[" FLAT("{} is", "A", ", \"case_id\": 1000000000000000000") "]");
    assert_fails(open_with(path, NULL, (ae_dataset_options){0}, NULL, &d), AE_ERR_FORMAT,
                 "field 'case_id' is 1000000000000000000, expected 0 to 999999999999999999");
}

static void targets_with_a_space_are_warned_of(void **state) {
#define SPACED(new, true)                                                                                    \
    "{\"prompt\": \"{} is\", \"subject\": \"A\", \"target_new\": \"" new "\", \"ground_truth\": \"" true "\"}"
    const char *path = write_text(*state, "spaced.json",
                                  "[" SPACED("b", "a") ", " SPACED("b", " a") ", " SPACED(" b", "a") "]");
#undef SPACED
    kept_warnings kept = {0};
    ae_dataset *d = NULL;
    assert_ok(open_with(path, NULL, (ae_dataset_options){0}, &kept, &d));
    assert_warned(kept, 1,
                  "spaced.json': 2 records, the first of them record 2, have a target that begins with a "
                  "space and is measured with two");
    ae_dataset_free(d);
}

// ---- what is wrong with a file ---------------------------------------------------------------------

static void what_is_not_there_is_named(void **state) {
    ae_dataset *d = (ae_dataset *)1;
    assert_fails(
        open_with("cf", *state, (ae_dataset_options){0}, NULL, &d), AE_ERR_NOT_FOUND,
        "/counterfact.json' is not there: the records of CounterFact, published as "
        "https://rome.baulab.info/data/dsets/counterfact.json; put them there or name another folder");
    assert_fails(open_with("zsre", "nowhere", (ae_dataset_options){0}, NULL, &d), AE_ERR_NOT_FOUND,
                 "'nowhere/zsre_mend_eval.json' is not there: the records of zsRE");
    assert_fails(open_with("mcf", *state, (ae_dataset_options){0}, NULL, &d), AE_ERR_NOT_FOUND,
                 "data set 'mcf' is neither 'cf', 'zsre' nor a file: cannot open 'mcf'");
    assert_fails(open_with(*state, NULL, (ae_dataset_options){0}, NULL, &d), AE_ERR_IO,
                 "is a folder, a file was expected");
    write_text(*state, "counterfact.json", "[" ZSRE("Who made Ann?", "Ann", "[\"a\"]") "]");
    assert_fails(open_with("cf", *state, (ae_dataset_options){0}, NULL, &d), AE_ERR_FORMAT,
                 "counterfact.json' holds records of the data set 'zsre', not of 'cf'");
    write_text(*state, "zsre_mend_eval.json", "[" FLAT("{} is", "A", "") "]");
    assert_fails(open_with("zsre", *state, (ae_dataset_options){0}, NULL, &d), AE_ERR_FORMAT,
                 "holds records of the data set 'cf', not of 'zsre'");
    assert_ptr_equal(d, (ae_dataset *)1);
}

static void malformed_files_are_named(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "bad.json' is empty, expected a JSON array"},
        {"{}", "bad.json' does not begin with '['"},
        {"[]", "bad.json' holds no records"},
        {"[3]",
         "bad.json, record 1': expected CounterFact's requested_rewrite, or a prompt with its subject, or "
         "zsRE's src and answers"},
        {"[{\"known_id\": 0, \"prompt\": \"x\"}]", "bad.json, record 1': expected CounterFact's"},
        {"version https://git-lfs.github.com/spec/v1\n", "bad.json' is a Git LFS pointer"},
        {"[" FLAT("{} is", "A", "") ", {]",
         "bad.json, element 2 at byte 89': the ']' at byte 90 closes a '{'"},
        {"[" FLAT("{} is", "A", ""), "element 2 at byte 87': the file ends before the array's ']'"},
        {"[" FLAT("{} is", "A", "") ", 7]", "bad.json, record 2' is an integer, expected an object"},
        {"[" FLAT("{} is", "A", "") ", {\"a\": x}]", "bad.json, element 2 at byte 89' is not valid JSON"},
        {"[{\"requested_rewrite\": []}]",
         "record 1': field 'requested_rewrite' is an array, expected an object"},
        {"[{\"requested_rewrite\": {\"subject\": \"A\"}}]",
         "record 1': field 'prompt' is missing, expected a"},
        {"[{\"requested_rewrite\": {\"prompt\": \"{} is\", \"subject\": \"A\", \"target_new\": {\"id\": "
         "\"Q\"}}}]",
         "field 'target_new': '"},
        {"[{\"requested_rewrite\": {\"prompt\": \"{} is\", \"subject\": \"A\", \"target_new\": \"x\"}}]",
         "record 1': field 'target_true' is missing or empty: each prompt is measured with both targets"},
        {"[{\"prompt\": \"{} is\", \"subject\": \"A\", \"target_new\": \"x\", \"ground_truth\": \"\"}]",
         "record 1': field 'ground_truth' is missing or empty"},
        {"[" FLAT("{} is", "A", "") ", " FLAT("{} or {}", "A", "") "]",
         "/bad.json, record 2': prompt '{} or {}' has more than one '{}'"},
        {"[" FLAT("It is", "A", "") "]", "record 1': prompt 'It is' has neither '{}' nor the subject 'A'"},
        {"[" FLAT("A or A", "A", "") "]", "record 1': subject 'A' occurs more than once in prompt 'A or A'"},
        {"[" FLAT("{} is", "A", ", \"case_id\": \"3\"") "]",
         "field 'case_id' is a string, expected an integer"},
        {"[" FLAT("{} is", "A", ", \"case_id\": -1") "]", "field 'case_id' is -1, expected 0 to"},
        {"[" FLAT("{} is", "A", ", \"rephrase_prompt\": [\"x\"]") "]",
         "field 'rephrase_prompt' is an array, expected a string"},
        {"[" FLAT("{} is", "A", ", \"locality_prompt\": {\"a\": 1}") "]",
         "field 'locality_prompt' is an object, expected a string"},
        {"[" FLAT("{} is", "A", ", \"locality_prompt\": \"a\\u0000b\"") "]",
         "field 'locality_prompt' holds a NUL character after 'a'"},
    };
    ae_dataset *d = (ae_dataset *)1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(
            open_with(write_text(*state, "bad.json", cases[i].text), NULL, (ae_dataset_options){0}, NULL, &d),
            AE_ERR_FORMAT, cases[i].message);

    // CounterFact's lists, each field with the same faults.
    static const char *const fields[] = {"paraphrase_prompts", "neighborhood_prompts", "attribute_prompts",
                                         "generation_prompts"};
    static const char *const lists[][2] = {
        {"\"a\"", "is a string, expected an array of strings"},
        {"[\"a\", {\"prompt\": \"b\"}]", ", entry 2 is an object, expected a string"},
        {"[\"a\", \"b\", \"\"]", ", entry 3 is empty or holds a NUL character"},
        {"[\"a\\u0000b\"]", ", entry 1 is empty or holds a NUL character"},
    };
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            char text[400], message[200];
            snprintf(
                text, sizeof text,
                "[{\"requested_rewrite\": {\"prompt\": \"{} is\", \"subject\": \"A\", \"target_new\": \"x\", "
                "\"target_true\": \"y\"}, \"%s\": %s}]",
                fields[i], lists[k][0]);
            snprintf(message, sizeof message, "bad.json, record 1': field '%s'%s%s", fields[i],
                     lists[k][1][0] == ',' ? "" : " ", lists[k][1]);
            assert_fails(
                open_with(write_text(*state, "bad.json", text), NULL, (ae_dataset_options){0}, NULL, &d),
                AE_ERR_FORMAT, message);
        }
    }

    // zsRE's fields.
    static const char *const zsre[][2] = {
        {"\"subject\": \"A\"", "field 'rephrase' is missing"},
        {"\"rephrase\": \"r\"", "field 'subject' is missing"},
        {"\"subject\": \"A\", \"rephrase\": \"r\"", "field 'loc' is missing"},
        {"\"subject\": \"A\", \"rephrase\": \"r\", \"loc\": \"nq question: q\"",
         "field 'loc_ans' is missing"},
        {"\"subject\": \"A\", \"rephrase\": \"r\", \"loc\": \"nq question: q\", \"loc_ans\": [\"x\"]",
         "field 'loc_ans' is an array, expected a string"},
        {"\"subject\": \"A\", \"rephrase\": \"r\", \"loc\": \"who\", \"loc_ans\": \"x\"",
         "field 'loc' is 'who', expected a text that begins with 'nq question: '"},
        {"\"subject\": 3, \"rephrase\": \"r\", \"loc\": \"nq question: q\", \"loc_ans\": \"x\"",
         "field 'subject' is an integer, expected a string"},
    };
    for (size_t i = 0; i < sizeof zsre / sizeof *zsre; i++) {
        char text[400];
        snprintf(text, sizeof text, "[{\"src\": \"Is A?\", \"answers\": [\"x\"], %s}]", zsre[i][0]);
        assert_fails(open_with(write_text(*state, "bad.json", text), NULL, (ae_dataset_options){0}, NULL, &d),
                     AE_ERR_FORMAT, zsre[i][1]);
        assert_non_null(strstr(ae_last_error(), "bad.json, record 1'"));
    }
    static const char *const answers[][2] = {
        {"\"x\"", "field 'answers' is a string, expected an array of strings"},
        {"[3]", "field 'answers', entry 1 is an integer, expected a string without NUL"},
        {"[\"a\\u0000\"]", "field 'answers', entry 1 is a string, expected a string without NUL"},
    };
    for (size_t i = 0; i < 3; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "[{\"src\": \"Is A?\", \"answers\": %s, \"subject\": \"A\", \"rephrase\": \"r\", "
                 "\"loc\": \"nq question: q\", \"loc_ans\": \"x\"}]",
                 answers[i][0]);
        assert_fails(open_with(write_text(*state, "bad.json", text), NULL, (ae_dataset_options){0}, NULL, &d),
                     AE_ERR_FORMAT, answers[i][1]);
    }
    assert_ptr_equal(d, (ae_dataset *)1);
}

// No allocation that fails may leak or go unnoticed.
static void lack_of_memory_is_reported(void **state) {
    const char *paths[] = {
        write_text(*state, "cf.json",
                   "[" COUNTERFACT("3", "{} is", "A") ", " COUNTERFACT("4", "A is", "A") "]"),
        write_text(*state, "flat.json",
                   "[" FLAT("A is", "A", ", \"rephrase_prompt\": \"r\", \"locality_prompt\": \"l\"") "]"),
        write_text(*state, "zsre.json",
                   "[" ZSRE("Is Ann?", "Ann", "[\"a\"]") ", " ZSRE("Is?", "Ann", "[\"a\"]") "]"),
    };
    static const char *const samples[] = {"sample:1:2", "sample:1:1", "sample:1:2"};
    for (int i = 0; i < 3; i++) {
        ae_status status = AE_ERR_MEMORY;
        int failures = 0;
        for (uint64_t n = 1; status == AE_ERR_MEMORY; n++, failures++) {
            ae_dataset *d = NULL;
            ae_memory_fail_at(n);
            status = open_with(paths[i], NULL, (ae_dataset_options){.select = samples[i]}, NULL, &d);
            ae_memory_fail_at(0);
            ae_dataset_free(d);
        }
        assert_int_equal(status, AE_OK);
        assert_true(failures > 10);
    }
}

// ---- ../shared/data, where it is -------------------------------------------------------------------

#define SHARED "../shared/data/"

static bool is_shared(const char *folder) {
    if (ae_path_is_folder(folder)) return true;
    print_message("%s is not there: skipped\n", folder);
    return false;
}

static void counterfact_s_own_records_are_read(void **state) {
    (void)state;
    if (!is_shared(SHARED "counterfact")) skip();
    ae_dataset *d = open_all("cf", SHARED "counterfact");
    assert_int_equal(d->n_total, 1099);
    assert_int_equal(d->count, 1099);
    assert_int_equal(d->n_refused, 0);
    ae_json_array array;
    assert_ok(ae_json_array_open(SHARED "counterfact/counterfact.json", &array));
    for (size_t i = 0; i < d->count; i++) {
        const ae_record *r = &d->records[i];
        assert_int_equal(r->paraphrases.count, 2);
        assert_int_equal(r->neighborhood.count, 10);
        assert_int_equal(r->attributes.count, 10);
        assert_int_equal(r->generation.count, 10);
        // What goes into the case file is the file's own object, its keys in their order.
        json_t *element;
        assert_ok(ae_json_array_next(&array, &element));
        assert_int_equal(r->case_id, json_integer_value(json_object_get(element, "case_id")));
        char *text = ae_json_dump(json_object_get(element, "requested_rewrite"), 0);
        assert_string_equal(r->rewrite_json, text);
        ae_free(text);
        json_decref(element);
    }
    ae_json_array_close(&array);
    assert_int_equal(d->records[0].case_id, 18);
    assert_string_equal(d->records[0].relation_id, "P176");
    assert_string_equal(d->records[0].target_new_id, "Q9584");
    ae_dataset_free(d);
}

static void every_flat_fact_is_read(void **state) {
    (void)state;
    if (!is_shared(SHARED "counterfact")) skip();
    static const char *const names[] = {"edit", "train", "val"};
    static const size_t counts[] = {10000, 10000, 1919};
    static bool seen[21919];
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, SHARED "counterfact/counterfact-%s.json", names[i]);
        kept_warnings kept = {0};
        ae_dataset *d;
        assert_ok(open_with(path, NULL, (ae_dataset_options){0}, &kept, &d));
        assert_int_equal(kept.count, 0); // no locality prompt with another answer
        assert_int_equal(d->count, counts[i]);
        for (size_t k = 0; k < d->count; k++) {
            const ae_record *r = &d->records[k];
            assert_int_equal(r->paraphrases.count, 1);
            assert_int_equal(r->neighborhood.count, 1);
            assert_in_range(r->case_id, 0, 21918);
            assert_false(seen[r->case_id]);
            seen[r->case_id] = true;
        }
        ae_dataset_free(d);
    }
    ae_dataset *d;
    assert_ok(open_with(SHARED "counterfact/counterfact-edit.json", NULL,
                        (ae_dataset_options){.select = "sample:37:500", .max_edits = 400}, NULL, &d));
    assert_int_equal(d->count, 400);
    for (size_t k = 1; k < d->count; k++)
        assert_true(d->records[k - 1].row < d->records[k].row);
    ae_dataset_free(d);
}

static void zsre_s_own_records_are_read(void **state) {
    (void)state;
    if (!is_shared(SHARED "zsre")) skip();
    ae_dataset *d = open_all("zsre", SHARED "zsre");
    assert_int_equal(d->n_total, 700);
    assert_int_equal(d->count + d->n_refused, 700);
    const ae_record *r = &d->records[0];
    assert_request(&r->request, "When was the inception of {}?", "IAAF Combined Events Challenge", "1998",
                   "<|endoftext|>", 0);
    assert_prompts(&r->neighborhood, 1,
                   (const char *[]){"nq question: what is the name of the last episode of spongebob?"});
    assert_string_equal(r->neighborhood_target, "The String");
    for (size_t i = 0; i < d->count; i++)
        assert_int_equal(d->records[i].case_id, d->records[i].row);
    ae_dataset_free(d);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(counterfact_records_are_read),
        WITH_FOLDER(the_flat_form_is_read_as_counterfact),
        WITH_FOLDER(zsre_records_are_read),
        WITH_FOLDER(zsre_records_without_one_subject_are_refused_and_counted),
        WITH_FOLDER(limit_selection_and_number_of_edits_cut_in_this_order),
        WITH_FOLDER(a_selection_must_select_what_is_there),
        WITH_FOLDER(case_ids_are_unique),
        WITH_FOLDER(targets_with_a_space_are_warned_of),
        WITH_FOLDER(what_is_not_there_is_named),
        WITH_FOLDER(malformed_files_are_named),
        WITH_FOLDER(lack_of_memory_is_reported),
        cmocka_unit_test(counterfact_s_own_records_are_read),
        cmocka_unit_test(every_flat_fact_is_read),
        cmocka_unit_test(zsre_s_own_records_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
