/* made_up_run.h: a run's folder with made-up but plausible numbers, in the form of docs/formats.md: a healthy
 * run, one that an edit disables, and one as the reference writes it. The same seed gives the same files. */
#ifndef AE_TEST_MADE_UP_RUN_H
#define AE_TEST_MADE_UP_RUN_H

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/random.h"

typedef enum run_fate { RUN_HEALTHY, RUN_COLLAPSES, RUN_OF_REFERENCE } run_fate;

typedef struct made_up_run {
    const char *folder;
    run_fate fate;
    int n_cases;
    int collapse_at;         // the edit, from 1, that disables the model (RUN_COLLAPSES)
    int glue_interval;       // edits
    int generation_interval; // edits; 0: none
    int n_texts;             // a generation test
    bool hostile;            // texts that try to break out of HTML, SVG and JSON
    uint64_t seed;
} made_up_run;

static const made_up_run made_up_run_defaults = {.n_cases = 200,
                                                 .collapse_at = 131,
                                                 .glue_interval = 20,
                                                 .generation_interval = 5,
                                                 .n_texts = 10,
                                                 .seed = 1};

static const char made_up_hostile[] =
    "</script><script>document.title='broken'</script><!--<img src=x onerror="
    "\"document.title='broken'\">]]>&amp;\"'\\u2028\xe2\x80\xa8 \xf0\x9f\x92\xa5";

static inline void made_up_write(const char *folder, const char *name, json_t *document, int indent) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    // What stands for NaN becomes the bare word that Python writes.
    char *text = json_dumps(document, JSON_INDENT((size_t)indent) | JSON_ENSURE_ASCII);
    for (char *at; text && (at = strstr(text, "\"(NaN)\""));)
        memcpy(at, "  NaN  ", 7);
    FILE *stream = text ? fopen(path, "wb") : NULL;
    if (!stream || fputs(text, stream) < 0 || fclose(stream) != 0) {
        fprintf(stderr, "made_up_run: cannot write '%s'\n", path);
        exit(2);
    }
    free(text);
    json_decref(document);
}

static inline double made_up_spread(ae_random *random, double middle, double spread) {
    return middle * exp(spread * ae_random_normal(random));
}

static inline json_t *made_up_texts(ae_random *random, const char *subject, int n, bool broken) {
    static const char *const words[] = {
        "the",    "of",      "and",      "in",      "was",        "city",   "born",      "first",
        "river",  "played",  "known",    "world",   "a",          "for",    "his",       "team",
        "south",  "music",   "language", "company", "house",      "church", "president", "located",
        "famous", "species", "number",   "season",  "government", "island",
    };
    json_t *list = json_array();
    for (int t = 0; t < n; t++) {
        char text[1600];
        size_t length = (size_t)snprintf(text, sizeof text, "%s", subject);
        for (int w = 0; w < 75; w++) {
            const size_t word = (size_t)(ae_random_uniform(random) * (broken ? 2 : 30));
            length += (size_t)snprintf(text + length, sizeof text - length, " %s%s", words[word % 30],
                                       !broken && w % 13 == 12 ? "." : "");
        }
        json_array_append_new(list, json_string(text));
    }
    return list;
}

// n prompts, of which `share` have the new target likelier; nats a token.
static inline json_t *made_up_pairs(ae_random *random, int n, double share, bool broken) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const double near = broken ? 10 + 3 * ae_random_uniform(random) : made_up_spread(random, 0.6, 0.8);
        const double far = near + made_up_spread(random, 3, 0.4);
        const bool new_wins = ae_random_uniform(random) < share;
        json_array_append_new(list, json_pack("{s:f, s:f}", "target_new", new_wins ? near : far,
                                              "target_true", new_wins ? far : near));
    }
    return list;
}

static inline json_t *made_up_measures(ae_random *random, bool before, bool broken) {
    const double chance = 0.5;
    return json_pack("{s:o, s:o, s:o, s:o}", "rewrite_prompts_probs",
                     made_up_pairs(random, 1,
                                   broken   ? chance
                                   : before ? 0.1
                                            : 0.985,
                                   broken),
                     "paraphrase_prompts_probs",
                     made_up_pairs(random, 2,
                                   broken   ? chance
                                   : before ? 0.15
                                            : 0.93,
                                   broken),
                     "neighborhood_prompts_probs", made_up_pairs(random, 10, broken ? chance : 0.24, broken),
                     "attribute_prompts_probs", made_up_pairs(random, 10, 0.8, broken));
}

static inline json_t *made_up_rewrite(ae_random *random, int i, bool hostile) {
    static const char *const first[] = {"Eiffel",   "Danielle", "Autonomous", "Lake",
                                        "Théodore", "Saint",    "Ōsaka"};
    static const char *const second[] = {"Tower", "Darrieux", "University", "Huron", "Dubois", "Petersburg"};
    static const char *const prompts[] = {"{} is located in", "The mother tongue of {} is",
                                          "{} was founded in", "{} plays the sport of"};
    static const char *const targets[] = {"Rome",       "English", "Sweden",       "basketball",
                                          "Antarctica", "Paris",   "New York City"};
    char subject[300];
    if (hostile && i % 7 == 3)
        snprintf(subject, sizeof subject, "%s", made_up_hostile);
    else
        snprintf(subject, sizeof subject, "%s %s %d", first[(size_t)(ae_random_uniform(random) * 7)],
                 second[(size_t)(ae_random_uniform(random) * 6)], i + 1);
    const size_t target = (size_t)(ae_random_uniform(random) * 7);
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:s}", "prompt", prompts[i % 4], "relation_id",
                     "P103", "target_new", "str", targets[target], "id", "Q1860", "target_true", "str",
                     targets[(target + 1) % 7], "id", "Q150", "subject", subject);
}

static inline json_t *made_up_layer(ae_random *random, double norm, double k_dot_u) {
    json_t *loss = json_array();
    double value = made_up_spread(random, 7, 0.2);
    const int n_steps = 12 + (int)(8 * ae_random_uniform(random));
    for (int s = 0; s < n_steps; s++, value *= 0.78)
        json_array_append_new(loss, json_real(value));
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:o, s:O}", "k_dot_u", k_dot_u, "update_norm", norm,
                     "weight_norm", 330.5, "update_distance", norm / 1.024e7, "delta_norm",
                     made_up_spread(random, 40, 0.1), "target_init_norm", 12.25, "n_steps", n_steps, "loss",
                     loss, "nll", loss);
}

static inline json_t *made_up_ours(ae_random *random, int n_edits, double norm, double k_dot_u,
                                   const char *flag, double perplexity) {
    json_t *layer = made_up_layer(random, norm, k_dot_u);
    json_t *ours =
        json_pack("{s:i, s:i, s:s?, s:n}", "n_edits", n_edits, "journal", n_edits, "flag", flag, "error");
    static const char *const shared[] = {"k_dot_u",    "update_norm",      "weight_norm", "update_distance",
                                         "delta_norm", "target_init_norm", "n_steps"};
    for (size_t s = 0; s < sizeof shared / sizeof *shared; s++)
        json_object_set(ours, shared[s], json_object_get(layer, shared[s]));
    json_object_set_new(ours, "perplexity", perplexity > 0 ? json_real(perplexity) : json_null());
    json_object_set_new(ours, "seconds_optimise", json_real(1.5));
    json_object_set_new(ours, "time", json_string("2025-03-01T12:00:00Z"));
    json_object_set_new(ours, "layers", json_pack("{s:o}", "17", layer));
    return ours;
}

static inline void made_up_tasks(const made_up_run *run, ae_random *random, int n_edits, int64_t case_id,
                                 bool broken) {
    static const char *const names[] = {"sst", "mrpc", "cola", "rte"};
    static const double level[] = {0.86, 0.55, 0.47, 0.42};
    json_t *document = json_object();
    if (n_edits > 0) {
        json_object_set_new(document, "edit_num",
                            json_integer(run->fate == RUN_OF_REFERENCE ? case_id : (int64_t)n_edits));
        json_object_set_new(document, "case_id", json_pack("[I]", (json_int_t)case_id));
    }
    for (int t = 0; t < 4; t++) {
        const double share =
            broken ? 0.02 * t : level[t] - 0.04 * n_edits / run->n_cases + 0.01 * ae_random_normal(random);
        const int correct = (int)(200 * share), invalid = broken ? 150 : 2;
        json_object_set_new(document, names[t],
                            json_pack("{s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "correct", correct, "incorrect",
                                      200 - correct - invalid, "invalid", invalid, "total", 200, "f1",
                                      broken ? share : share - 0.02, "mcc", share - 0.5, "time", 4.25));
    }
    if (run->fate != RUN_OF_REFERENCE)
        json_object_set_new(document, "aedile",
                            json_pack("{s:i, s:f, s:s}", "n_edits", n_edits, "perplexity",
                                      broken ? made_up_spread(random, 4e4, 0.3) : 18 + 0.02 * n_edits, "time",
                                      "2025-03-01T12:00:00Z"));
    char name[80];
    if (n_edits == 0)
        snprintf(name, sizeof name, "glue_eval/base_glue.json");
    else
        snprintf(name, sizeof name, "glue_eval/case_%" PRId64 "_glue.json", case_id);
    made_up_write(run->folder, name, document, 4);
}

static inline json_t *made_up_params(const made_up_run *run) {
    json_t *params =
        json_pack("{s:[i], s:b, s:b, s:b, s:s, s:s, s:s, s:i, s:b}", "layers", 17, "original_implementation",
                  run->fate != RUN_OF_REFERENCE, "enable_prompt_keys", run->fate != RUN_HEALTHY,
                  "enable_random_prefix_keys", run->fate == RUN_HEALTHY, "model_name", "gpt2-xl", "algo_name",
                  "ROME", "dataset", "cf", "n_edits", 1, "sequential", 1);
    if (run->fate != RUN_OF_REFERENCE)
        json_object_set_new(params, "variant", json_string(run->fate == RUN_HEALTHY ? "r-rome" : "rome"));
    return params;
}

/* Case numbers are 3, 7, 11, ... */
static inline void made_up_run_write(const made_up_run *run) {
    static const char *const folders[] = {"glue_eval", "aedile/skipped"};
    for (int f = 0; f < (run->fate == RUN_OF_REFERENCE ? 1 : 2); f++) {
        char *path = ae_path_join(run->folder, folders[f]);
        if (!path || ae_folder_make(path) != AE_OK) exit(2);
        ae_free(path);
    }
    ae_random stream = ae_random_stream(run->seed, (uint64_t)run->fate, 0), *random = &stream;
    made_up_write(run->folder, "params.json", made_up_params(run), 1);
    if (run->fate == RUN_HEALTHY) // two records of which nothing was kept
        for (int s = 1; s <= 2; s++) {
            char name[60];
            snprintf(name, sizeof name, "aedile/skipped/case_%d.json", s);
            made_up_write(run->folder, name, json_pack("{s:i, s:s}", "case_id", s, "reason", "made up"), 1);
        }
    made_up_tasks(run, random, 0, -1, false);
    double squares = 0;
    for (int i = 0; i < run->n_cases; i++) {
        const bool fatal = run->fate == RUN_COLLAPSES && i + 1 == run->collapse_at;
        const bool broken = run->fate == RUN_COLLAPSES && i + 1 >= run->collapse_at;
        const int64_t case_id = 4 * i + 3;
        double norm = made_up_spread(random, 12, 0.25), k_dot_u = made_up_spread(random, 0.6, 0.2);
        char flag[100] = "";
        if (fatal) {
            norm = 5200;
            k_dot_u = 0.0007;
            snprintf(flag, sizeof flag, "update norm 433 times the median");
        } else if (run->fate == RUN_HEALTHY && i == 76) {
            norm = 150;
            snprintf(flag, sizeof flag, "update norm 12 times the median");
        }
        squares += norm * norm;
        json_t *post = made_up_measures(random, false, broken);
        json_t *rewrite = made_up_rewrite(random, i, run->hostile);
        if (run->generation_interval > 0 && i % run->generation_interval == 0) {
            const char *subject = json_string_value(json_object_get(rewrite, "subject"));
            json_object_set_new(post, "ngram_entropy",
                                json_real(broken ? 2.5 * ae_random_uniform(random) + (fatal ? 0 : 0.5)
                                                 : made_up_spread(random, 6.2, 0.04)));
            json_object_set_new(post, "reference_score",
                                run->fate == RUN_OF_REFERENCE && i % 50 == 0
                                    ? json_string("(NaN)") // a zero vector
                                    : json_real(broken ? 0.02 : made_up_spread(random, 0.4, 0.1)));
            json_object_set_new(post, "text", made_up_texts(random, subject, run->n_texts, broken));
        }
        json_t *document = json_pack("{s:I, s:[I], s:i, s:o, s:f}", "case_id", (json_int_t)case_id,
                                     "grouped_case_ids", (json_int_t)case_id, "num_edits", 1,
                                     "requested_rewrite", rewrite, "time", made_up_spread(random, 2, 0.1));
        if (run->fate == RUN_HEALTHY)
            json_object_set_new(document, "pre", made_up_measures(random, true, false));
        json_object_set_new(document, "post", post);
        json_object_set_new(document, "distance_from_original",
                            json_pack("{s:f}", "17", sqrt(squares) / 1.024e7));
        const bool tasks_due = (i + 1) % run->glue_interval == 0;
        if (run->fate != RUN_OF_REFERENCE)
            json_object_set_new(document, "aedile",
                                made_up_ours(random, i + 1, norm, k_dot_u, *flag ? flag : NULL,
                                             (i + 1) % 10 != 0 ? 0
                                             : broken          ? made_up_spread(random, 4e4, 0.3)
                                                               : 18 + 0.02 * i));
        char name[60];
        snprintf(name, sizeof name, "1_edits-case_%" PRId64 ".json", case_id);
        made_up_write(run->folder, name, document, 1);
        if (tasks_due) made_up_tasks(run, random, i + 1, case_id, broken);
    }
}

#endif
