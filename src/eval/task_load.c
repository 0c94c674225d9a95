// Task files: JSON with everything in it, or a pickle of examples alone (docs/formats.md).
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/task.h"
#include "eval/task_defaults.h"
#include "format/pickle.h"

enum {
    TASK_LIMIT = 256 << 20,
    MAX_ANSWERS = sizeof((ae_task *)0)->answers / sizeof(ae_answer),
    MAX_GEN_LEN = 256
};

typedef struct loader {
    ae_task *task;
    const char *path; // of what is being read, for messages
} loader;

// ---- fields ----------------------------------------------------------------------------------------

static ae_status keep(const loader *l, const char *text, const char **out) {
    *out = ae_arena_strdup(l->task->arena, text);
    return *out ? AE_OK : ae_no_memory();
}

// A string field without NUL, of which something must be there.
static ae_status read_text(const loader *l, const char *name, const json_t *object, const char *field,
                           const char **out) {
    const char *text = NULL;
    AE_TRY(ae_json_string(name, object, field, true, &text));
    if (!*text) return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is empty", name, field);
    return keep(l, text, out);
}

// The name becomes part of file names and a key beside others.
static ae_status check_name(const loader *l) {
    static const char *const taken[] = {"edit_num", "case_id", "aedile"};
    const char *name = l->task->name;
    const size_t length = strlen(name);
    bool fine = length <= 64 &&
                strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0) fine = false;
    if (fine) return AE_OK;
    return ae_fail(
        AE_ERR_FORMAT,
        "'%s': field 'task' is '%.80s', expected a name of letters, digits, '_' and '-' other than "
        "edit_num, case_id and aedile",
        l->path, name);
}

static ae_status read_answer(const loader *l, const json_t *pair, int number) {
    ae_task *t = l->task;
    const json_t *keyword = json_array_get(pair, 0), *label = json_array_get(pair, 1);
    if (!json_is_array(pair) || json_array_size(pair) != 2 || !json_is_string(keyword) ||
        json_string_length(keyword) == 0 ||
        strlen(json_string_value(keyword)) != json_string_length(keyword) || !json_is_integer(label) ||
        json_integer_value(label) < 0 || json_integer_value(label) > 1000)
        return ae_fail(
            AE_ERR_FORMAT,
            "'%s': field 'answers', entry %d: expected [keyword, label], a text and an integer from 0 "
            "to 1000",
            l->path, number);
    for (int i = 0; i < t->n_answers; i++)
        if (strcmp(t->answers[i].keyword, json_string_value(keyword)) == 0)
            return ae_fail(AE_ERR_FORMAT, "'%s': field 'answers' has the keyword '%s' twice", l->path,
                           json_string_value(keyword));
    ae_answer *answer = &t->answers[t->n_answers];
    AE_TRY(keep(l, json_string_value(keyword), &answer->keyword));
    answer->label = (int)json_integer_value(label);
    t->n_answers++;
    return AE_OK;
}

static ae_status read_answers(const loader *l, const json_t *answers) {
    const size_t n = json_array_size(answers); // 0 for what is no array
    if (n < 1 || n > MAX_ANSWERS)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': field 'answers' must be an array of 1 to %d pairs [keyword, label]", l->path,
                       (int)MAX_ANSWERS);
    for (size_t i = 0; i < n; i++)
        AE_TRY(read_answer(l, json_array_get(answers, i), (int)i + 1));
    return AE_OK;
}

// Everything but the examples.
static ae_status read_form(const loader *l, const json_t *root) {
    ae_task *t = l->task;
    if (!json_is_object(root))
        return ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object: a downstream task (docs/formats.md)",
                       l->path, ae_json_type_name(root));
    const char *header = NULL;
    int64_t gen_len = 0;
    AE_TRY(read_text(l, l->path, root, "task", &t->name));
    AE_TRY(check_name(l));
    AE_TRY(ae_json_string(l->path, root, "header", true, &header)); // "" is zero-shot
    AE_TRY(keep(l, header, &t->header));
    AE_TRY(read_text(l, l->path, root, "prompt_template", &t->prompt_template));
    AE_TRY(read_text(l, l->path, root, "answer_marker", &t->answer_marker));
    AE_TRY(read_answers(l, json_object_get(root, "answers")));
    AE_TRY(ae_json_int(l->path, root, "gen_len", true, 1, MAX_GEN_LEN, &gen_len));
    t->gen_len = (int)gen_len;
    return AE_OK;
}

static bool on_two_sentences(const ae_task *t) {
    return strstr(t->prompt_template, "{sentence1}") || strstr(t->prompt_template, "{sentence2}");
}

static ae_status check_template(const loader *l) {
    const ae_task *t = l->task;
    const bool one = strstr(t->prompt_template, "{sentence}") != NULL;
    const bool both = strstr(t->prompt_template, "{sentence1}") && strstr(t->prompt_template, "{sentence2}");
    if (one ? on_two_sentences(t) : !both)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': field 'prompt_template' is '%.200s', expected a text with {sentence}, or with "
                       "{sentence1} and {sentence2}",
                       l->path, t->prompt_template);
    if (!strstr(t->prompt_template, t->answer_marker))
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': field 'prompt_template' lacks the answer_marker '%s': the answer is looked for "
                       "behind it",
                       l->path, t->answer_marker);
    return AE_OK;
}

// ---- examples --------------------------------------------------------------------------------------

static ae_status read_example(const loader *l, const json_t *value, size_t number, ae_example *out) {
    const ae_task *t = l->task;
    char name[300];
    snprintf(name, sizeof name, "%.250s, example %zu", l->path, number);
    if (!json_is_object(value))
        return ae_fail(AE_ERR_FORMAT, "'%s' is %s, expected an object", name, ae_json_type_name(value));
    const bool two = on_two_sentences(t);
    AE_TRY(read_text(l, name, value, two ? "sentence1" : "sentence", &out->sentence1));
    if (two) AE_TRY(read_text(l, name, value, "sentence2", &out->sentence2));
    int64_t label = 0;
    AE_TRY(ae_json_int(name, value, "label", true, INT64_MIN, INT64_MAX, &label));
    out->idx = -1;
    AE_TRY(ae_json_int(name, value, "idx", false, 0, INT64_MAX, &out->idx));
    for (int i = 0; i < t->n_answers; i++)
        if (t->answers[i].label == label) {
            out->label = (int)label;
            return AE_OK;
        }
    return ae_fail(AE_ERR_FORMAT, "'%s': field 'label' is %lld, which no keyword of the task stands for",
                   name, (long long)label);
}

static ae_status read_examples(const loader *l, const json_t *examples) {
    ae_task *t = l->task;
    t->n_examples = json_array_size(examples);
    if (t->n_examples == 0)
        return ae_fail(AE_ERR_FORMAT, "'%s' holds no examples: expected an array of at least one", l->path);
    t->examples = ae_arena_alloc(t->arena, t->n_examples, sizeof *t->examples);
    if (!t->examples) return ae_no_memory();
    for (size_t i = 0; i < t->n_examples; i++)
        AE_TRY(read_example(l, json_array_get(examples, i), i + 1, &t->examples[i]));
    return AE_OK;
}

// ---- a pickle: examples alone ----------------------------------------------------------------------

static bool is_pickle(const char *path) {
    const size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".pkl") == 0;
}

static ae_status take_default(const loader *l, const char *stem) {
    ae_task *t = l->task;
    const ae_task_default *d = ae_task_default_find(stem);
    if (!d)
        return ae_fail(
            AE_ERR_ARGUMENT,
            "'%s' holds examples alone, and '%s' is none of sst2, mrpc, cola, rte: put the task's header "
            "and keywords into a JSON file of the same name beside it (docs/formats.md)",
            l->path, stem);
    t->name = d->name;
    t->header = d->header;
    t->prompt_template = d->prompt_template;
    t->answer_marker = d->answer_marker;
    t->n_answers = sizeof d->answers / sizeof *d->answers;
    memcpy(t->answers, d->answers, sizeof d->answers);
    t->gen_len = AE_DEFAULT_GEN_LEN;
    return AE_OK;
}

// What a pickle lacks: from the JSON file beside it, else aedile's own.
static ae_status find_form(const loader *l, const ae_hooks *hooks) {
    const size_t stem_length = strlen(l->path) - strlen(".pkl");
    char *beside = ae_format("%.*s.json", (int)stem_length, l->path);
    if (!beside) return ae_no_memory();
    json_t *root = NULL;
    ae_status status = AE_OK;
    if (ae_path_exists(beside)) {
        const loader json = {.task = l->task, .path = beside};
        status = ae_json_load(beside, TASK_LIMIT, &root);
        if (status == AE_OK) status = read_form(&json, root);
        if (status == AE_OK) status = check_template(&json);
    } else {
        beside[stem_length] = '\0';
        const char *slash = strrchr(beside, '/');
        status = take_default(l, slash ? slash + 1 : beside);
        if (status == AE_OK)
            ae_warn(
                hooks,
                "'%s' holds examples alone: they follow aedile's own few-shot examples, so figures do not "
                "compare with others digit for digit",
                l->path);
    }
    json_decref(root);
    ae_free(beside);
    return status;
}

// ---- --glue-labels corrected -----------------------------------------------------------------------

static const char *const keywords[2] = {"False", "True"}; // by the reference's label; each becomes the other

// Swaps the answer behind every marker of the header.
static ae_status swap_header(const loader *l) {
    ae_task *t = l->task;
    ae_text header = {0};
    ae_status status = AE_OK;
    int n_swapped = 0;
    const char *from = t->header;
    for (const char *at; status == AE_OK && (at = strstr(from, t->answer_marker)); n_swapped++) {
        at += strlen(t->answer_marker);
        at += strspn(at, " ");
        const int which = strncmp(at, keywords[0], strlen(keywords[0])) == 0 ? 0 : 1;
        if (strncmp(at, keywords[which], strlen(keywords[which])) != 0)
            status = ae_fail(AE_ERR_ARGUMENT,
                             "'%s': corrected labels swap True and False in the header's answers, but behind "
                             "'%s' it says '%.20s': use compat labels, or correct the file",
                             l->path, t->answer_marker, at);
        if (status == AE_OK) status = ae_text_append(&header, from, (size_t)(at - from));
        if (status == AE_OK) status = ae_text_printf(&header, "%s", keywords[1 - which]);
        from = at + strlen(keywords[which]);
    }
    if (status == AE_OK && n_swapped == 0)
        status =
            ae_fail(AE_ERR_ARGUMENT,
                    "'%s': corrected labels swap True and False in the header's answers, but '%s' is not in "
                    "the header: use compat labels, or correct the file",
                    l->path, t->answer_marker);
    if (status == AE_OK) status = ae_text_append(&header, from, strlen(from));
    if (status == AE_OK) status = keep(l, header.data, &t->header);
    ae_free(header.data);
    return status;
}

// The reference teaches rte with True and False exchanged (spec/evaluation.md §4).
static ae_status correct_labels(const loader *l) {
    ae_task *t = l->task;
    bool fits = t->n_answers == 2;
    for (int i = 0; i < t->n_answers; i++)
        fits = fits && t->answers[i].label < 2 &&
               strcmp(t->answers[i].keyword, keywords[t->answers[i].label]) == 0;
    if (!fits)
        return ae_fail(AE_ERR_ARGUMENT,
                       "'%s': corrected labels need a task whose keywords are True for 1 and False for 0, as "
                       "they are in the reference: use compat labels for this file",
                       l->path);
    AE_TRY(swap_header(l));
    for (int i = 0; i < t->n_answers; i++)
        t->answers[i].label = 1 - t->answers[i].label;
    t->corrected = true;
    return AE_OK;
}

// ---- a file ----------------------------------------------------------------------------------------

// What decides a pickle's results lies in two places: its own bytes, and the form that came from elsewhere.
static ae_status hash_with_form(const loader *l) {
    ae_task *t = l->task;
    const char *const texts[] = {t->sha256, t->name, t->header, t->prompt_template, t->answer_marker};
    ae_text all = {0};
    ae_status status = AE_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == AE_OK; i++)
        status = ae_text_append(&all, texts[i], strlen(texts[i]) + 1);
    for (int i = 0; i < t->n_answers && status == AE_OK; i++)
        status = ae_text_printf(&all, "%s %d\n", t->answers[i].keyword, t->answers[i].label);
    if (status == AE_OK) status = ae_text_printf(&all, "%d\n", t->gen_len);
    if (status == AE_OK) status = ae_sha256(all.data, all.length, t->sha256);
    ae_free(all.data);
    return status;
}

static ae_status load(const loader *l, ae_glue_labels labels, const ae_hooks *hooks) {
    json_t *root = NULL;
    AE_TRY(ae_sha256_file(l->path, l->task->sha256));
    AE_TRY(is_pickle(l->path) ? ae_pickle_load(l->path, TASK_LIMIT, &root)
                              : ae_json_load(l->path, TASK_LIMIT, &root));
    ae_status status = AE_OK;
    if (is_pickle(l->path)) {
        status = find_form(l, hooks);
        if (status == AE_OK) status = hash_with_form(l);
        if (status == AE_OK) status = read_examples(l, root);
    } else {
        status = read_form(l, root);
        if (status == AE_OK) status = check_template(l);
        if (status == AE_OK) status = read_examples(l, json_object_get(root, "examples"));
    }
    json_decref(root);
    if (status == AE_OK && labels == AE_GLUE_CORRECTED && strcmp(l->task->name, "rte") == 0)
        status = correct_labels(l);
    return status;
}

ae_status ae_task_load(const char *path, ae_glue_labels labels, const ae_hooks *hooks, ae_task **out) {
    ae_arena *arena = NULL;
    AE_TRY(ae_arena_new(&arena));
    ae_task *task = ae_arena_alloc(arena, 1, sizeof *task);
    ae_status status = task ? AE_OK : ae_no_memory();
    if (status == AE_OK) {
        task->arena = arena;
        const loader l = {.task = task, .path = path};
        status = keep(&l, path, &task->path);
        if (status == AE_OK) status = load(&l, labels, hooks);
    }
    if (status != AE_OK) {
        ae_arena_free(arena);
        return status;
    }
    *out = task;
    return AE_OK;
}

void ae_task_free(ae_task *task) {
    if (task) ae_arena_free(task->arena);
}
