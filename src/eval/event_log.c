#include "eval/event_log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "eval/python_json.h"

struct ae_event_log {
    const ae_run_folder *folder;
    ae_text gathered; // before it goes on
    int file;         // -1 before it goes on
};

static const char name[] = "aedile/events.jsonl";

ae_status ae_event_log_new(const ae_run_folder *folder, ae_event_log **out) {
    ae_event_log *log = ae_alloc(1, sizeof *log);
    if (!log) return ae_no_memory();
    *log = (ae_event_log){.folder = folder, .file = -1};
    *out = log;
    return AE_OK;
}

void ae_event_log_free(ae_event_log *log) {
    if (!log) return;
    if (log->file >= 0) close(log->file);
    ae_free(log->gathered.data);
    ae_free(log);
}

// ---- lines -----------------------------------------------------------------------------------------

static ae_status write_line(const ae_event_log *log, const char *line, size_t length) {
    if (ae_write_all(log->file, line, length)) return AE_OK;
    return ae_fail_errno(AE_ERR_IO, "cannot write '%s/%s'", log->folder->path, name);
}

// Releases the document; `status` is that of making it.
static ae_status add_line(ae_event_log *log, ae_status status, json_t *document) {
    char *line = NULL;
    AE_TRY(ae_python_json_finish(status, document, -1, &line));
    const size_t length = strlen(line);
    line[length] = '\n'; // in place of its NUL: the line goes out in one piece
    status =
        log->file >= 0 ? write_line(log, line, length + 1) : ae_text_append(&log->gathered, line, length + 1);
    ae_free(line);
    return status;
}

static ae_status put_case(json_t *o, const ae_run_case *r, const char *time) {
    AE_TRY(ae_json_put(o, "event", json_string("case")));
    AE_TRY(ae_json_put(o, "time", ae_json_any_text(time)));
    AE_TRY(ae_json_put(o, "case_id", json_integer(r->case_id)));
    AE_TRY(ae_json_put(o, "n_edits", json_integer(r->n_edits)));
    AE_TRY(ae_json_put(o, "n_total", json_integer(r->n_total)));
    AE_TRY(ae_json_put(o, "seconds", ae_json_figure(r->seconds)));
    AE_TRY(ae_json_put(o, "efficacy", ae_json_figure(r->efficacy)));
    AE_TRY(ae_json_put(o, "paraphrase", ae_json_figure(r->paraphrase)));
    AE_TRY(ae_json_put(o, "neighborhood", ae_json_figure(r->neighborhood)));
    AE_TRY(ae_json_put(o, "k_dot_u", ae_json_figure(r->k_dot_u)));
    AE_TRY(ae_json_put(o, "update_norm", ae_json_figure(r->update_norm)));
    AE_TRY(ae_json_put(o, "delta_norm", ae_json_figure(r->delta_norm)));
    AE_TRY(ae_json_put(o, "distance", ae_json_figure(r->distance)));
    AE_TRY(ae_json_put(o, "perplexity", ae_json_figure(r->perplexity)));
    return ae_json_put(o, "flag", ae_json_any_text(r->flag));
}

ae_status ae_event_log_case(ae_event_log *log, const ae_run_case *result, const char *time) {
    json_t *document = json_object();
    return add_line(log, put_case(document, result, time), document);
}

static ae_status put_skipped(json_t *o, const ae_skipped_case *s) {
    AE_TRY(ae_json_put(o, "event", json_string("skipped")));
    AE_TRY(ae_json_put(o, "time", ae_json_any_text(s->time)));
    AE_TRY(ae_json_put(o, "case_id", json_integer(s->case_id)));
    AE_TRY(ae_json_put(o, "n_edits", json_integer(s->n_edits)));
    AE_TRY(ae_json_put(o, "reason", ae_json_any_text(s->reason)));
    return ae_json_put(o, "refused", json_boolean(s->refused));
}

ae_status ae_event_log_skipped(ae_event_log *log, const ae_skipped_case *skipped) {
    json_t *document = json_object();
    return add_line(log, put_skipped(document, skipped), document);
}

static ae_status put_tasks(json_t *o, const ae_task_record *record) {
    const ae_run_tasks *t = &record->tasks;
    json_t *tasks = json_object();
    AE_TRY(ae_json_put(o, "event", json_string("tasks")));
    AE_TRY(ae_json_put(o, "time", ae_json_any_text(record->time)));
    AE_TRY(ae_json_put(o, "n_edits", json_integer(t->n_edits)));
    AE_TRY(ae_json_put(o, "perplexity", ae_json_figure(t->perplexity)));
    AE_TRY(ae_json_put(o, "tasks", tasks));
    for (int i = 0; i < t->n_tasks; i++) {
        json_t *task = json_object();
        AE_TRY(ae_json_put(tasks, t->tasks[i].name, task));
        AE_TRY(ae_json_put(task, "f1", ae_json_figure(t->tasks[i].f1)));
        AE_TRY(ae_json_put(task, "mcc", ae_json_figure(t->tasks[i].mcc)));
        AE_TRY(ae_json_put(task, "accuracy", ae_json_figure(t->tasks[i].accuracy)));
    }
    return AE_OK;
}

ae_status ae_event_log_tasks(ae_event_log *log, const ae_task_record *record) {
    json_t *document = json_object();
    return add_line(log, put_tasks(document, record), document);
}

static ae_status put_end(json_t *o, const ae_run_result *r) {
    AE_TRY(ae_json_put(o, "event", json_string("end")));
    AE_TRY(ae_json_put(o, "n_cases", json_integer(r->n_cases)));
    AE_TRY(ae_json_put(o, "n_edits", json_integer(r->n_edits)));
    AE_TRY(ae_json_put(o, "n_flagged", json_integer(r->n_flagged)));
    return ae_json_put(o, "n_skipped", json_integer(r->n_skipped));
}

ae_status ae_event_log_end(ae_event_log *log, const ae_run_result *result) {
    json_t *document = json_object();
    return add_line(log, put_end(document, result), document);
}

// ---- going on --------------------------------------------------------------------------------------

ae_status ae_event_log_go_on(ae_event_log *log) {
    if (log->file >= 0) return AE_OK;
    AE_TRY(ae_run_folder_write(log->folder, log->gathered.data ? log->gathered.data : "", "%s", name));
    char *path = ae_run_folder_path(log->folder, "%s", name);
    if (!path) return ae_no_memory();
    const int file = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    ae_status status = AE_OK;
    if (file < 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    else
        log->file = file;
    ae_free(path);
    ae_free(log->gathered.data);
    log->gathered = (ae_text){0};
    return status;
}
