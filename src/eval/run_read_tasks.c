// The downstream tasks of a run, glue_eval/base_glue.json and glue_eval/case_<id>_glue.json, and what is
// measured with them: a run without tasks has aedile/base.json alone.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/run_read_parts.h"

enum { MAX_TASKS = 64 }; // of a file; a run has at most AE_MAX_TASK_FILES

static const char ending[] = "_glue.json", base_name[] = "base.json";

static bool is_tasks_file(const char *name) {
    const size_t length = strlen(name), end = sizeof ending - 1;
    return length > end && strcmp(name + length - end, ending) == 0 &&
           (strncmp(name, "base_", 5) == 0 || strncmp(name, "case_", 5) == 0);
}

// A task whose labels were corrected is another one: its numbers do not compare with those of the reference's
// labels.
static ae_status name_task(ae_run_data *data, const char *path, const char *key, const json_t *task,
                           const char **name) {
    const char *labels = NULL;
    AE_TRY(ae_json_string(path, task, "labels", false, &labels));
    *name = key;
    if (!labels) return AE_OK;
    char *text = ae_format("%s (%s labels)", key, labels);
    *name = text ? ae_arena_strdup(data->arena, text) : NULL;
    ae_free(text);
    return *name ? AE_OK : ae_no_memory();
}

static ae_status read_task(ae_run_data *data, const char *path, const char *key, const json_t *task,
                           ae_run_task_data *out) {
    *out = (ae_run_task_data){0};
    AE_TRY(name_task(data, path, key, task, &out->name));
    out->f1 = out->mcc = NAN;
    AE_TRY(ae_json_number(path, task, "f1", false, 0, 1, &out->f1));
    AE_TRY(ae_json_number(path, task, "mcc", false, -1, 1, &out->mcc));
    AE_TRY(ae_json_int(path, task, "correct", true, 0, INT64_MAX, &out->correct));
    AE_TRY(ae_json_int(path, task, "incorrect", false, 0, INT64_MAX, &out->incorrect));
    AE_TRY(ae_json_int(path, task, "invalid", false, 0, INT64_MAX, &out->invalid));
    AE_TRY(ae_json_int(path, task, "total", true, out->correct, INT64_MAX, &out->total));
    out->accuracy = out->total > 0 ? (double)out->correct / (double)out->total : NAN;
    return AE_OK;
}

// The last case that the file names: the tasks were measured after it. NULL: none, or its own file is not
// there.
static const ae_run_case_data *last_case(const ae_run_data *data, const json_t *document) {
    const json_t *cases = json_object_get(document, "case_id");
    const json_t *last = json_is_array(cases) ? json_array_get(cases, json_array_size(cases) - 1) : cases;
    for (size_t i = 0; i < data->n_cases && json_is_integer(last); i++)
        if (data->cases[i].case_id == json_integer_value(last)) return &data->cases[i];
    return NULL;
}

// Sets n_edits and n_cases; *known is false where they cannot be told. A file of the reference has an
// edit_num, too, but it is a row of the data set; and what it calls the base is measured after its first
// edit.
static ae_status read_place(const ae_run_data *data, const char *path, const char *name,
                            const json_t *document, const json_t *ours, ae_run_tasks_data *out, bool *known) {
    *known = true;
    if (strncmp(name, "base", 4) == 0) {
        out->n_edits = ours ? 0 : 1;
        return ae_json_int(path, ours, "n_edits", false, 0, INT64_MAX, &out->n_edits);
    }
    const ae_run_case_data *last = last_case(data, document);
    if (!last) {
        *known = false;
        return AE_OK;
    }
    out->n_edits = last->n_edits;
    out->n_cases = (size_t)(last - data->cases) + 1;
    return AE_OK;
}

static ae_status read_file(ae_run_data *data, const char *path, const char *name, const ae_hooks *hooks) {
    const json_t *document, *ours;
    bool known;
    AE_TRY(ae_run_document(data, path, &document));
    AE_TRY(ae_run_object(path, document, "aedile", &ours));
    ae_run_tasks_data found = {.file = ae_arena_strdup(data->arena, name)};
    found.tasks = ae_arena_alloc(data->arena, MAX_TASKS, sizeof *found.tasks);
    if (!found.file || !found.tasks) return ae_no_memory();
    AE_TRY(read_place(data, path, name, document, ours, &found, &known));
    if (!known) {
        ae_warn(hooks, "'%s' names no case whose file is there, and is left out", path);
        return AE_OK;
    }
    AE_TRY(ae_run_number(path, ours, "perplexity", &found.perplexity));
    void *at = json_object_iter((json_t *)(uintptr_t)document);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)document, at)) {
        const json_t *task = json_object_iter_value(at);
        if (!json_is_object(task) || task == ours) continue;
        if (found.n_tasks == MAX_TASKS)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s' has more than %d tasks", path, MAX_TASKS);
        AE_TRY(read_task(data, path, json_object_iter_key(at), task, &found.tasks[found.n_tasks++]));
    }
    data->tasks[data->n_tasks++] = found;
    return AE_OK;
}

static int compare_tasks(const void *a, const void *b) {
    const ae_run_tasks_data *x = a, *y = b;
    return (x->n_cases > y->n_cases) - (x->n_cases < y->n_cases);
}

static ae_status read_folder(ae_run_data *data, const char *folder, const ae_hooks *hooks) {
    char **names = NULL;
    size_t n_names = 0;
    if (ae_path_is_folder(folder)) AE_TRY(ae_folder_list(folder, &names, &n_names));
    ae_status status = AE_OK;
    data->tasks = ae_arena_alloc(data->arena, n_names + 1, sizeof *data->tasks);
    if (!data->tasks) status = ae_no_memory();
    for (size_t i = 0; i < n_names && status == AE_OK; i++) {
        if (!is_tasks_file(names[i])) continue;
        char *path = ae_path_join(folder, names[i]);
        status = path ? read_file(data, path, names[i], hooks) : ae_no_memory();
        ae_free(path);
    }
    ae_folder_list_free(names, n_names);
    return status;
}

// The unedited model's perplexity. base_glue.json holds it, too, where the run has tasks.
static ae_status read_base(ae_run_data *data, const char *path, const ae_hooks *hooks) {
    for (size_t i = 0; i < data->n_tasks; i++)
        if (data->tasks[i].n_cases == 0) return AE_OK;
    return ae_path_exists(path) ? read_file(data, path, base_name, hooks) : AE_OK;
}

ae_status ae_run_read_tasks(ae_run_data *data, const ae_hooks *hooks) {
    char *folder = ae_path_join(data->folder, "glue_eval");
    char *base = ae_format("%s/aedile/%s", data->folder, base_name);
    ae_status status = folder && base ? AE_OK : ae_no_memory();
    if (status == AE_OK) status = read_folder(data, folder, hooks);
    if (status == AE_OK) status = read_base(data, base, hooks);
    if (status == AE_OK && data->n_tasks > 0)
        qsort(data->tasks, data->n_tasks, sizeof *data->tasks, compare_tasks);
    ae_free(base);
    ae_free(folder);
    return status;
}
