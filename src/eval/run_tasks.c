// What is measured between chunks: downstream tasks, perplexity, the distance from the original weights.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "eval/run.h"

typedef char file_stem[40]; // "base", "case_12"
typedef char file_name[80]; // in the run's folder

static const char base_file[] = "aedile/base.json";

// ---- when ------------------------------------------------------------------------------------------

bool ae_run_is_due(int64_t before, int64_t after, int interval) {
    return interval > 0 && before / interval != after / interval;
}

bool ae_run_perplexity_is_due(const ae_run *r, int64_t before, int64_t after) {
    const ae_run_options *o = r->options;
    return r->in.has_text &&
           (ae_run_is_due(before, after, o->glue_interval) || ae_run_is_due(before, after, o->ppl_interval));
}

// ---- figures ---------------------------------------------------------------------------------------

ae_status ae_run_perplexity(ae_run *r, double *perplexity) {
    const ae_status status = ae_perplexity(r->model, &r->in.text, perplexity);
    if (status != AE_ERR_NUMERIC) return status;
    *perplexity = INFINITY;
    return AE_OK;
}

ae_status ae_run_distance(const ae_model *m, int layer, double *distance) {
    enum { TILE = 4096 };
    const ae_layer_weights *w = &m->layers[layer];
    const int64_t n = (int64_t)m->config.d_mlp * m->config.d_model;
    float stored[TILE], now[TILE];
    double sum = 0;
    for (int64_t i = 0; w->edited && i < n; i += TILE) {
        const int64_t length = n - i < TILE ? n - i : TILE;
        ae_tensor_to_float(w->mlp_out_tensor, i, length, stored);
        AE_TRY(m->backend->get(m->backend, now, w->edited + i, (size_t)length));
        double part = 0;
        for (int64_t k = 0; k < length; k++) {
            const double difference = (double)stored[k] - (double)now[k];
            part += difference * difference;
        }
        sum += part;
    }
    *distance = sqrt(sum) / (double)n;
    return AE_OK;
}

// ---- files -----------------------------------------------------------------------------------------

static bool has_files(const ae_run *r, const char *stem) {
    bool there = ae_run_folder_has(&r->folder, "glue_eval/%s_glue.json", stem);
    for (int i = 0; i < r->in.n_tasks && there; i++)
        there = ae_run_folder_has(&r->folder, "glue_eval/%s_%s_gen.json", stem, r->in.tasks[i]->name);
    return there;
}

static void name_results(const char *stem, file_name name) {
    snprintf(name, sizeof(file_name), "glue_eval/%s_glue.json", stem);
}

static ae_status write_point(const ae_run *r, const ae_task_point *point, const char *name) {
    char *text = NULL;
    AE_TRY(ae_task_point_text(point, &text));
    const ae_status status = ae_run_folder_write(&r->folder, text, "%s", name);
    ae_free(text);
    return status;
}

static ae_status evaluate_task(ae_run *r, const ae_task *task, const char *stem, ae_arena *arena,
                               ae_task_result *result) {
    char *text = NULL;
    const ae_status status = ae_task_evaluate(r->model, task, r->hooks, arena, result);
    if (status != AE_OK)
        return ae_fail_context(status, "task '%s' after %" PRId64 " edits", task->name, r->result->n_edits);
    AE_TRY(ae_task_generations_text(task, result, &text));
    const ae_status written =
        ae_run_folder_write(&r->folder, text, "glue_eval/%s_%s_gen.json", stem, task->name);
    ae_free(text);
    return written;
}

// The results' file comes last: where it is, those of the single tasks are there.
static ae_status evaluate(ae_run *r, const char *stem, ae_task_point *point, ae_arena *arena) {
    file_name name;
    name_results(stem, name);
    ae_task_result *results = ae_arena_alloc(arena, (size_t)r->in.n_tasks, sizeof *results);
    if (!results) return ae_no_memory();
    for (int i = 0; i < r->in.n_tasks; i++)
        AE_TRY(evaluate_task(r, r->in.tasks[i], stem, arena, &results[i]));
    point->tasks = (const ae_task *const *)r->in.tasks;
    point->results = results;
    point->n_tasks = r->in.n_tasks;
    return write_point(r, point, name);
}

// The log's line, and the listener's where the file is new.
static ae_status tell(ae_run *r, const char *name, bool fresh, ae_arena *arena) {
    char *path = ae_run_folder_path(&r->folder, "%s", name);
    if (!path) return ae_no_memory();
    ae_task_record record;
    const ae_status status = ae_task_point_read(path, arena, &record);
    ae_free(path);
    AE_TRY(status);
    AE_TRY(ae_event_log_tasks(r->log, &record));
    if (fresh && r->listener.on_tasks) r->listener.on_tasks(r->listener.user, &record.tasks);
    return AE_OK;
}

// ---- the unedited model ----------------------------------------------------------------------------

static ae_status read_base_perplexity(const ae_run *r, ae_arena *arena, double *perplexity) {
    char *path = ae_run_folder_path(&r->folder, "%s", base_file);
    if (!path) return ae_no_memory();
    ae_task_record record;
    const ae_status status = ae_task_point_read(path, arena, &record);
    ae_free(path);
    if (status == AE_OK) *perplexity = record.tasks.perplexity;
    return status;
}

static ae_status base_perplexity(ae_run *r, ae_arena *arena, ae_task_point *point, bool *fresh) {
    *fresh = !ae_run_folder_has(&r->folder, "%s", base_file);
    if (*fresh) {
        AE_TRY(ae_event_log_go_on(r->log));
        const ae_status status = ae_perplexity(r->model, &r->in.text, &point->perplexity);
        if (status != AE_OK) return ae_fail_context(status, "perplexity of the unedited model");
        AE_TRY(write_point(r, point, base_file));
    }
    AE_TRY(read_base_perplexity(r, arena, &point->perplexity));
    ae_guard_note_base_perplexity(r->guard, point->perplexity);
    return AE_OK;
}

static ae_status measure_base(ae_run *r, ae_arena *arena) {
    ae_task_point point = {.perplexity = NAN};
    bool fresh = false;
    file_name name;
    name_results("base", name);
    if (r->in.has_text) AE_TRY(base_perplexity(r, arena, &point, &fresh));
    if (r->in.n_tasks == 0) return r->in.has_text ? tell(r, base_file, fresh, arena) : AE_OK;
    fresh = !has_files(r, "base");
    if (fresh) AE_TRY(ae_event_log_go_on(r->log));
    if (fresh) AE_TRY(evaluate(r, "base", &point, arena));
    return tell(r, name, fresh, arena);
}

ae_status ae_run_base(ae_run *r) {
    ae_arena *arena = NULL;
    AE_TRY(ae_arena_new(&arena));
    const ae_status status = measure_base(r, arena);
    ae_arena_free(arena);
    return status;
}

// ---- after a chunk ---------------------------------------------------------------------------------

static void name_case(int64_t case_id, file_stem stem) {
    snprintf(stem, sizeof(file_stem), "case_%" PRId64, case_id);
}

bool ae_run_has_tasks(const ae_run *r, int64_t case_id) {
    file_stem stem;
    name_case(case_id, stem);
    return has_files(r, stem);
}

ae_status ae_run_tasks_after(ae_run *r, const int64_t *case_ids, size_t n, double perplexity) {
    ae_task_point point = {
        .n_edits = r->result->n_edits, .case_ids = case_ids, .n_case_ids = n, .perplexity = perplexity};
    ae_arena *arena = NULL;
    file_stem stem;
    file_name name;
    name_case(case_ids[n - 1], stem);
    name_results(stem, name);
    const bool fresh = !has_files(r, stem);
    AE_TRY(ae_arena_new(&arena));
    ae_status status = AE_OK;
    if (fresh) status = ae_event_log_go_on(r->log);
    if (fresh && status == AE_OK) status = evaluate(r, stem, &point, arena);
    if (status == AE_OK) status = tell(r, name, fresh, arena);
    ae_arena_free(arena);
    return status;
}
