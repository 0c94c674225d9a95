#include "eval/task_file.h"

#include <math.h>

#include "edit/journal_base.h"
#include "eval/python_json.h"

enum { FILE_LIMIT = 16 << 20, INDENT = 4 };

// ---- generations -----------------------------------------------------------------------------------

static ae_status put_example(json_t *object, const ae_task *task, const ae_task_result *result,
                             size_t index) {
    const ae_example *example = &task->examples[index];
    const int answer = result->answers[index];
    if (example->sentence2) {
        AE_TRY(ae_json_put(object, "sentence1", ae_json_any_text(example->sentence1)));
        AE_TRY(ae_json_put(object, "sentence2", ae_json_any_text(example->sentence2)));
    } else {
        AE_TRY(ae_json_put(object, "sentence", ae_json_any_text(example->sentence1)));
    }
    AE_TRY(ae_json_put(object, "label", json_integer(example->label)));
    char *prompt = ae_task_prompt(task, example);
    if (!prompt) return ae_no_memory();
    const ae_status status = ae_json_put(object, "input_prompt", ae_json_any_text(prompt));
    ae_free(prompt);
    AE_TRY(status);
    AE_TRY(ae_json_put(object, "generated_text", ae_json_any_text(result->generated[index])));
    AE_TRY(ae_json_put(object, "answer", json_integer(answer)));
    AE_TRY(ae_json_put(object, "correct", json_boolean(answer == example->label)));
    return ae_json_put(object, "invalid", json_boolean(answer == -1));
}

ae_status ae_task_generations_text(const ae_task *task, const ae_task_result *result, char **text) {
    json_t *array = json_array();
    ae_status status = array ? AE_OK : ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
    for (size_t i = 0; status == AE_OK && i < task->n_examples; i++) {
        json_t *object = json_object();
        if (json_array_append_new(array, object) != 0)
            status = ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
        else
            status = put_example(object, task, result, i);
    }
    return ae_python_json_finish(status, array, INDENT, text);
}

// ---- results ---------------------------------------------------------------------------------------

static ae_status put_task(json_t *document, const ae_task *task, const ae_task_result *result) {
    const ae_class_scores *s = &result->scores;
    json_t *object = json_object();
    AE_TRY(ae_json_put(document, task->name, object));
    AE_TRY(ae_json_put(object, "correct", json_integer(s->correct)));
    AE_TRY(ae_json_put(object, "incorrect", json_integer(s->incorrect)));
    AE_TRY(ae_json_put(object, "invalid", json_integer(s->invalid)));
    AE_TRY(ae_json_put(object, "total", json_integer(s->total)));
    AE_TRY(ae_json_put(object, "f1", ae_json_figure(s->f1)));
    AE_TRY(ae_json_put(object, "mcc", ae_json_figure(s->mcc)));
    AE_TRY(ae_json_put(object, "time", ae_json_figure(result->seconds)));
    return task->corrected ? ae_json_put(object, "labels", json_string("corrected")) : AE_OK;
}

static ae_status put_place(json_t *document, const ae_task_point *p) {
    if (p->n_edits == 0) return AE_OK;
    json_t *ids = json_array();
    AE_TRY(ae_json_put(document, "edit_num", json_integer(p->n_edits)));
    AE_TRY(ae_json_put(document, "case_id", ids));
    for (size_t i = 0; i < p->n_case_ids; i++)
        if (json_array_append_new(ids, json_integer(p->case_ids[i])) != 0)
            return ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON");
    return AE_OK;
}

// By task, where there are any: the examples at which logits were not finite.
static ae_status put_failed(json_t *ours, const ae_task_point *p) {
    json_t *counts = NULL;
    for (int i = 0; i < p->n_tasks; i++) {
        if (p->results[i].n_failed == 0) continue;
        if (!counts) AE_TRY(ae_json_put(ours, "not_finite", counts = json_object()));
        AE_TRY(ae_json_put(counts, p->tasks[i]->name, json_integer((json_int_t)p->results[i].n_failed)));
    }
    return AE_OK;
}

static ae_status put_point(json_t *document, const ae_task_point *p) {
    char time[AE_ENTRY_TIME];
    ae_time_text(time);
    AE_TRY(put_place(document, p));
    for (int i = 0; i < p->n_tasks; i++)
        AE_TRY(put_task(document, p->tasks[i], &p->results[i]));
    json_t *ours = json_object();
    AE_TRY(ae_json_put(document, "aedile", ours));
    AE_TRY(ae_json_put(ours, "n_edits", json_integer(p->n_edits)));
    AE_TRY(ae_json_put(ours, "perplexity", ae_json_figure(p->perplexity)));
    AE_TRY(put_failed(ours, p));
    return ae_json_put(ours, "time", json_string(time));
}

ae_status ae_task_point_text(const ae_task_point *point, char **text) {
    json_t *document = json_object();
    return ae_python_json_finish(put_point(document, point), document, INDENT, text);
}

// ---- read back -------------------------------------------------------------------------------------

static ae_status read_task(const char *path, const char *name, const json_t *object, ae_arena *arena,
                           ae_run_task *out) {
    int64_t correct = 0, total = 0;
    *out = (ae_run_task){.name = ae_arena_strdup(arena, name), .f1 = NAN, .mcc = NAN};
    if (!out->name) return ae_no_memory();
    AE_TRY(ae_json_number(path, object, "f1", false, -INFINITY, INFINITY, &out->f1));
    AE_TRY(ae_json_number(path, object, "mcc", false, -INFINITY, INFINITY, &out->mcc));
    AE_TRY(ae_json_int(path, object, "correct", true, 0, INT64_MAX, &correct));
    AE_TRY(ae_json_int(path, object, "total", true, 0, INT64_MAX, &total));
    out->accuracy = total > 0 ? (double)correct / (double)total : NAN;
    return AE_OK;
}

static ae_status read_point(const char *path, json_t *document, ae_arena *arena, ae_task_record *out) {
    const json_t *ours = json_object_get(document, "aedile");
    if (!json_is_object(document) || !json_is_object(ours))
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' was not written by aedile: field 'aedile' is %s, expected an object", path,
                       ae_json_type_name(ours));
    const char *time = NULL;
    out->tasks.perplexity = NAN;
    AE_TRY(ae_json_int(path, ours, "n_edits", true, 0, INT64_MAX, &out->tasks.n_edits));
    AE_TRY(ae_json_number(path, ours, "perplexity", false, -INFINITY, INFINITY, &out->tasks.perplexity));
    AE_TRY(ae_json_string(path, ours, "time", true, &time));
    out->time = ae_arena_strdup(arena, time);
    ae_run_task *tasks = ae_arena_alloc(arena, json_object_size(document), sizeof *tasks);
    if (!out->time || !tasks) return ae_no_memory();
    for (void *at = json_object_iter(document); at; at = json_object_iter_next(document, at)) {
        const json_t *task = json_object_iter_value(at);
        if (json_is_object(task) && task != ours)
            AE_TRY(read_task(path, json_object_iter_key(at), task, arena, &tasks[out->tasks.n_tasks++]));
    }
    out->tasks.tasks = tasks;
    return AE_OK;
}

ae_status ae_task_point_read(const char *path, ae_arena *arena, ae_task_record *out) {
    json_t *document = NULL;
    ae_task_record record = {0};
    AE_TRY(ae_json_load(path, FILE_LIMIT, &document));
    const ae_status status = read_point(path, document, arena, &record);
    json_decref(document);
    if (status != AE_OK) return status;
    *out = record;
    return AE_OK;
}
