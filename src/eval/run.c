#include "eval/run.h"

#include <inttypes.h>

static bool is_done(const ae_run *r, const ae_record *record) {
    return ae_run_folder_has(&r->folder, AE_CASE_FILE, r->options->num_edits, record->case_id) ||
           ae_run_folder_has(&r->folder, AE_SKIPPED_FILE, record->case_id);
}

static void tell_start(const ae_run *r) {
    int64_t n_done = 0;
    if (!r->listener.on_start) return;
    for (size_t i = 0; i < r->in.dataset->count; i++)
        n_done += is_done(r, &r->in.dataset->records[i]);
    r->listener.on_start(r->listener.user, r->folder.path, r->result->n_cases, n_done);
}

// evals/summary.json, as the reference's script makes it; a run whose every record was left out has none.
static ae_status summarize(ae_run *r) {
    ae_summary *summary = NULL;
    if (r->result->n_skipped == r->result->n_cases) return AE_OK;
    ae_status status = ae_summarize(r->folder.path, 0, NULL, &summary);
    if (status == AE_OK) status = ae_summary_write(summary);
    ae_summary_free(summary);
    return status;
}

static ae_status run_chunks(ae_run *r) {
    const ae_run_options *o = r->options;
    const size_t n = r->in.dataset->count, size = (size_t)o->num_edits;
    for (size_t first = 0; first < n; first += size) {
        if (o->stop && o->stop(o->stop_user)) return AE_OK;
        AE_TRY(ae_run_chunk(r, first, n - first < size ? n - first : size));
        if (r->stopped) return AE_OK;
    }
    if (r->journal && r->n_entries < ae_journal_count(r->journal))
        return ae_fail(
            AE_ERR_MISMATCH,
            "the journal '%s' has %zu entries, the run made %zu: it was changed; put it back as it was",
            ae_journal_folder(r->journal), ae_journal_count(r->journal), r->n_entries);
    r->result->complete = true;
    AE_TRY(ae_event_log_end(r->log, r->result));
    AE_TRY(ae_event_log_go_on(r->log));
    return summarize(r);
}

static ae_status execute(ae_run *r) {
    AE_TRY(ae_run_set_up(r));
    r->result->n_cases = (int64_t)r->in.dataset->count;
    r->result->folder = ae_strdup(r->folder.path);
    if (!r->result->folder) return ae_no_memory();
    tell_start(r);
    if (r->options->dry_run) return AE_OK;
    AE_TRY(ae_run_base(r));
    AE_TRY(run_chunks(r));
    if (r->n_without_snippets > 0)
        ae_warn(r->hooks,
                "%zu cases have no generation test: there are no snippets for their relation and target",
                r->n_without_snippets);
    if (r->stopped) ae_warn(r->hooks, "the guard stopped the run at %s", r->result->reason);
    return AE_OK;
}

ae_status ae_run_execute(ae_model *model, const ae_run_options *options, const ae_hooks *hooks,
                         const ae_run_listener *listener, ae_run_result *result) {
    *result = (ae_run_result){0};
    ae_run r = {.model = model, .options = options, .hooks = hooks, .folder = {.lock = -1}, .result = result};
    if (hooks) r.quiet = (ae_hooks){.user = hooks->user, .warn = hooks->warn};
    if (listener) r.listener = *listener;
    const ae_status status = execute(&r);
    ae_run_tear_down(&r);
    return status;
}

void ae_run_result_free(ae_run_result *result) {
    ae_free(result->folder);
    ae_free(result->reason);
    *result = (ae_run_result){0};
}
