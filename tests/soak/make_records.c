/* make_records RECORDS N OUTPUT: N records in CounterFact's form out of those in RECORDS, for a run longer
 * than the file. The first come as they are. Then the file's subjects come again, and again, each time with
 * another answer: that of a later record with the same prompt, whose answer the subject neither had nor has
 * been given; a record that finds none is passed over. The same arguments make the same bytes. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static const json_t *rewrite_of(const json_t *record) {
    return json_object_get(record, "requested_rewrite");
}

static const char *text_of(const json_t *record, const char *field) {
    const char *text = json_string_value(json_object_get(rewrite_of(record), field));
    return text ? text : "";
}

static const char *answer_of(const json_t *record, const char *which) {
    const char *text = json_string_value(json_object_get(json_object_get(rewrite_of(record), which), "str"));
    return text ? text : "";
}

/* Is the record's `round`-th answer, counted over the records behind it (cyclically), that of `other`, and
 * new to it? Gives the record that it is taken from; NULL: there are not so many. */
static const json_t *find_other(const json_t *records, size_t index, size_t round) {
    const size_t n = json_array_size(records);
    const json_t *record = json_array_get(records, index), *taken[64];
    size_t n_taken = 0;
    for (size_t step = 1; step < n; step++) {
        const json_t *other = json_array_get(records, (index + step) % n);
        const char *answer = answer_of(other, "target_new");
        bool old = strcmp(text_of(record, "prompt"), text_of(other, "prompt")) != 0 ||
                   strcmp(answer, answer_of(record, "target_new")) == 0 ||
                   strcmp(answer, answer_of(record, "target_true")) == 0;
        for (size_t i = 0; i < n_taken && !old; i++)
            old = strcmp(answer, answer_of(taken[i], "target_new")) == 0;
        if (old) continue;
        taken[n_taken++] = other;
        if (n_taken == round || n_taken == sizeof taken / sizeof *taken)
            return n_taken == round ? other : NULL;
    }
    return NULL;
}

/* The record with the answer of `other`, and with its attribute prompts, which ask about that answer. */
static json_t *with_answer(const json_t *record, const json_t *other) {
    json_t *made = json_deep_copy(record);
    json_object_set(json_object_get(made, "requested_rewrite"), "target_new",
                    json_object_get(rewrite_of(other), "target_new"));
    json_object_set(made, "attribute_prompts", json_object_get(other, "attribute_prompts"));
    return made;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "Usage: make_records RECORDS N OUTPUT\n");
        return 2;
    }
    json_error_t error;
    json_t *records = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error), *made = json_array();
    if (!json_is_array(records) || json_array_size(records) == 0) {
        fprintf(stderr, "make_records: '%s' is no array of records: %s\n", argv[1], error.text);
        return 1;
    }
    const size_t wanted = strtoul(argv[2], NULL, 10), n = json_array_size(records);
    for (size_t round = 0, before = 0; json_array_size(made) < wanted;
         round++, before = json_array_size(made)) {
        for (size_t i = 0; i < n && json_array_size(made) < wanted; i++) {
            const json_t *record = json_array_get(records, i);
            const json_t *other = round > 0 ? find_other(records, i, round) : record;
            if (!other) continue;
            json_t *one = with_answer(record, other);
            json_object_set_new(one, "case_id", json_integer((json_int_t)json_array_size(made)));
            json_array_append_new(made, one);
        }
        if (json_array_size(made) > before || wanted == 0) continue;
        fprintf(stderr, "make_records: '%s' gives %zu records, not %zu\n", argv[1], before, wanted);
        return 1;
    }
    const int code = json_dump_file(made, argv[3], JSON_INDENT(0) | JSON_ENSURE_ASCII) == 0 ? 0 : 1;
    if (code) fprintf(stderr, "make_records: cannot write '%s'\n", argv[3]);
    json_decref(records);
    json_decref(made);
    return code;
}
