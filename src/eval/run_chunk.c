// One chunk of a run: edited, measured, written.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "eval/run.h"

// ---- what is there already -------------------------------------------------------------------------

static ae_status look(const ae_run *r, size_t first, ae_chunk *c) {
    c->slots = ae_arena_alloc(c->arena, c->count, sizeof *c->slots);
    c->distances = ae_arena_alloc(c->arena, (size_t)r->options->hparams.n_layers, sizeof *c->distances);
    if (!c->slots || !c->distances) return ae_no_memory();
    for (size_t i = 0; i < c->count; i++) {
        ae_slot *s = &c->slots[i];
        s->index = first + i;
        s->record = &r->in.dataset->records[s->index];
        const int64_t id = s->record->case_id;
        s->skipped = ae_run_folder_has(&r->folder, AE_SKIPPED_FILE, id);
        s->written = !s->skipped && ae_run_folder_has(&r->folder, AE_CASE_FILE, r->options->num_edits, id);
        c->decided = c->decided || s->written; // files come when all edits of the chunk are made
    }
    return AE_OK;
}

// The last slot that is, or will be, in the model; NULL: all are skipped.
static ae_slot *last_slot(const ae_chunk *c) {
    for (size_t i = c->count; i-- > 0;)
        if (!c->slots[i].skipped) return &c->slots[i];
    return NULL;
}

static size_t count_edits(const ae_chunk *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += !c->slots[i].skipped;
    return n;
}

// Are all case files there, and the tasks' where they are due?
static bool is_measured(const ae_chunk *c) {
    for (size_t i = 0; i < c->count; i++)
        if (!c->slots[i].skipped && !c->slots[i].written) return false;
    return true;
}

static bool is_complete(const ae_run *r, const ae_chunk *c) {
    const int64_t after = c->n_edits_before + (int64_t)count_edits(c);
    const ae_slot *last = last_slot(c);
    return is_measured(c) && (!last || !ae_run_is_due(c->n_edits_before, after, r->options->glue_interval) ||
                              ae_run_has_tasks(r, last->record->case_id));
}

// ---- measures --------------------------------------------------------------------------------------

static bool wants_generation(const ae_run *r, const ae_slot *s) {
    const int interval = r->options->generation_interval;
    return r->in.snippets && interval > 0 && s->record->case_id % interval == 0 &&
           s->record->generation.count > 0;
}

// *out stays NULL, with *error set, where a prompt does not fit the model, or the edited model says nothing
// to it that is a number: the rest of the run is none the worse.
static ae_status measure(ae_run *r, const ae_slot *s, ae_arena *arena, const ae_case_measure **out,
                         const char **error) {
    ae_case_measure *m = ae_arena_alloc(arena, 1, sizeof *m);
    if (!m) return ae_no_memory();
    const ae_status status = ae_measure_case(r->model, r->in.dataset, s->index, r->in.snippets,
                                             wants_generation(r, s), r->options->seed, arena, m);
    // Logits that are not finite are told of and recorded, too, unless it is the base that is damaged.
    const bool broken =
        status == AE_ERR_NUMERIC && ae_model_is_edited(r->model) && ae_model_check_finite(r->model) == AE_OK;
    if (status == AE_ERR_ARGUMENT || broken) {
        *error = ae_arena_strdup(arena, ae_last_error());
        if (!*error) return ae_no_memory();
        ae_warn(r->hooks, "cannot be measured: %s", *error); // which names the case
        return AE_OK;
    }
    if (status != AE_OK)
        return ae_fail_context(status, "case %" PRId64 " after %" PRId64 " edits", s->record->case_id,
                               r->result->n_edits);
    *out = m;
    return AE_OK;
}

static ae_status measure_before(ae_run *r, ae_chunk *c) {
    for (size_t i = 0; i < c->count; i++) {
        ae_slot *s = &c->slots[i];
        const char *error = NULL;
        if (!s->skipped && !s->written) AE_TRY(measure(r, s, c->arena, &s->pre, &error));
    }
    return AE_OK;
}

// Distances, and the perplexity where it is due, with what the guard says to it.
static ae_status measure_weights(ae_run *r, ae_chunk *c) {
    for (int i = 0; i < r->options->hparams.n_layers; i++)
        AE_TRY(ae_run_distance(r->model, r->options->hparams.layers[i], &c->distances[i]));
    ae_slot *last = last_slot(c);
    if (!last || last->written || !ae_run_perplexity_is_due(r, c->n_edits_before, r->result->n_edits))
        return AE_OK;
    if (isnan(c->perplexity)) AE_TRY(ae_run_perplexity(r, &c->perplexity));
    if (ae_guard_check_perplexity(r->guard, c->perplexity, last->flag))
        ae_warn(r->hooks, "case %" PRId64 ": %s", last->record->case_id, last->flag);
    return AE_OK;
}

// ---- edits -----------------------------------------------------------------------------------------

static ae_status make_edits(ae_run *r, ae_chunk *c) {
    for (size_t i = 0; i < c->count && !r->stopped; i++)
        if (!c->slots[i].skipped) AE_TRY(ae_run_edit(r, c, &c->slots[i]));
    return AE_OK;
}

// Case ids of the chunk's edits, and the seconds that they took.
static ae_status group(const ae_chunk *c, ae_case_result *result) {
    int64_t *ids = ae_arena_alloc(c->arena, c->count, sizeof *ids);
    if (!ids) return ae_no_memory();
    for (size_t i = 0; i < c->count; i++) {
        if (!c->slots[i].edited) continue;
        ids[result->n_grouped++] = c->slots[i].record->case_id;
        result->seconds += ae_edit_figures_seconds(&c->slots[i].figures);
    }
    result->grouped = ids;
    return AE_OK;
}

// ---- files -----------------------------------------------------------------------------------------

// `common` holds what is the same for all cases of the chunk.
static ae_status write_case(ae_run *r, const ae_chunk *c, const ae_slot *s, const ae_case_result *common,
                            ae_arena *arena) {
    ae_case_result result = *common;
    result.record = s->record;
    result.pre = s->pre;
    result.n_edits = s->n_edits;
    result.journal_id = s->journal_id;
    result.flag = *s->flag ? s->flag : NULL;
    result.figures = &s->figures;
    result.perplexity = s == last_slot(c) ? c->perplexity : NAN;
    const double began = ae_seconds();
    AE_TRY(measure(r, s, arena, &result.post, &result.error));
    result.seconds_measure = ae_seconds() - began;
    r->n_without_snippets += wants_generation(r, s) && result.post && !result.post->generation;
    char *text = NULL;
    AE_TRY(ae_case_file_text(&result, &text));
    const ae_status status =
        ae_run_folder_write(&r->folder, text, AE_CASE_FILE, r->options->num_edits, s->record->case_id);
    ae_free(text);
    return status;
}

// From the file to the log, the counts and the listener, whoever wrote the file.
static ae_status tell_case(ae_run *r, ae_chunk *c, const ae_slot *s, const ae_case_record *record,
                           bool fresh) {
    const ae_run_case told = {
        .case_id = record->case_id,
        .n_edits = record->n_edits,
        .n_total = r->result->n_cases,
        .seconds = record->seconds,
        .efficacy = record->efficacy,
        .paraphrase = record->paraphrase,
        .neighborhood = record->neighborhood,
        .k_dot_u = record->extremes.k_dot_u,
        .update_norm = record->extremes.update_norm,
        .delta_norm = record->extremes.delta_norm,
        .distance = record->distance,
        .perplexity = record->perplexity,
        .flag = record->flag,
    };
    if (s == last_slot(c)) c->perplexity = record->perplexity;
    r->result->n_flagged += record->flag != NULL;
    AE_TRY(ae_event_log_case(r->log, &told, record->time));
    if (fresh && r->listener.on_case) r->listener.on_case(r->listener.user, &told);
    return AE_OK;
}

static ae_status read_case(const ae_run *r, const ae_slot *s, ae_arena *arena, ae_case_record *record) {
    char *path = ae_run_folder_path(&r->folder, AE_CASE_FILE, r->options->num_edits, s->record->case_id);
    if (!path) return ae_no_memory();
    ae_status status = ae_case_file_read(path, arena, record);
    if (status == AE_OK && record->case_id != s->record->case_id)
        status = ae_fail(AE_ERR_MISMATCH, "'%s' is of case %" PRId64 ": its name does not agree", path,
                         record->case_id);
    ae_free(path);
    return status;
}

static ae_status tell_skipped(ae_run *r, const ae_slot *s, ae_arena *arena) {
    char *path = ae_run_folder_path(&r->folder, AE_SKIPPED_FILE, s->record->case_id);
    if (!path) return ae_no_memory();
    ae_skipped_case skipped;
    const ae_status status = ae_skipped_read(path, arena, &skipped);
    ae_free(path);
    AE_TRY(status);
    r->result->n_skipped++;
    return ae_event_log_skipped(r->log, &skipped);
}

// A slot's file, written if it is not there, and told of. `common` is NULL where nothing is to be written.
static ae_status finish_slot(ae_run *r, ae_chunk *c, ae_slot *s, const ae_case_result *common,
                             ae_arena *arena) {
    if (s->skipped) return tell_skipped(r, s, arena);
    const bool fresh = !s->written;
    ae_case_record record;
    if (fresh) AE_TRY(write_case(r, c, s, common, arena));
    AE_TRY(read_case(r, s, arena, &record));
    if (!s->edited) { // an independent chunk that was done before: its edits were not made again
        s->figures = record.figures;
        r->result->n_edits++;
        AE_TRY(ae_guard_add(r->guard, &s->figures));
    }
    return tell_case(r, c, s, &record, fresh);
}

static ae_status finish_slots(ae_run *r, ae_chunk *c, const ae_case_result *common, bool report) {
    for (size_t i = 0; i < c->count; i++) {
        ae_arena *arena = NULL; // texts and scores of one case
        AE_TRY(ae_arena_new(&arena));
        const ae_status status = finish_slot(r, c, &c->slots[i], common, arena);
        // An independent chunk's figures lie in the case's arena, and have been used.
        if (!c->slots[i].edited) c->slots[i].figures = (ae_edit_figures){0};
        ae_arena_free(arena);
        AE_TRY(status);
        r->result->n_done++;
        if (report)
            AE_TRY(ae_progress(r->hooks, "editing", (double)r->result->n_done, (double)r->result->n_cases,
                               "cases"));
    }
    return AE_OK;
}

// ---- the whole -------------------------------------------------------------------------------------

static ae_status tasks(ae_run *r, const ae_chunk *c) {
    if (!ae_run_is_due(c->n_edits_before, r->result->n_edits, r->options->glue_interval)) return AE_OK;
    int64_t *ids = ae_arena_alloc(c->arena, c->count, sizeof *ids);
    size_t n = 0;
    if (!ids) return ae_no_memory();
    for (size_t i = 0; i < c->count; i++)
        if (!c->slots[i].skipped) ids[n++] = c->slots[i].record->case_id;
    return ae_run_tasks_after(r, ids, n, c->perplexity);
}

static ae_status run_chunk(ae_run *r, size_t first, ae_chunk *c) {
    const ae_run_options *o = r->options;
    AE_TRY(look(r, first, c));
    const bool complete = is_complete(r, c);
    ae_case_result common = {.num_edits = o->num_edits,
                             .layers = o->hparams.layers,
                             .distances = c->distances,
                             .n_layers = o->hparams.n_layers};
    if (!complete) {
        AE_TRY(ae_event_log_go_on(r->log));
        AE_TRY(
            ae_progress(r->hooks, "editing", (double)r->result->n_done, (double)r->result->n_cases, "cases"));
        if (o->pre) AE_TRY(measure_before(r, c));
    }
    if (r->journal || !complete) AE_TRY(make_edits(r, c));
    if (r->stopped) return AE_OK;
    if (!is_measured(c)) {
        AE_TRY(measure_weights(r, c));
        AE_TRY(group(c, &common));
    }
    AE_TRY(finish_slots(r, c, &common, !complete));
    if (r->journal) ae_guard_note_perplexity(r->guard, c->perplexity);
    return tasks(r, c);
}

ae_status ae_run_chunk(ae_run *r, size_t first, size_t count) {
    ae_chunk c = {.count = count, .n_edits_before = r->result->n_edits, .perplexity = NAN};
    AE_TRY(ae_arena_new(&c.arena));
    const ae_status status = run_chunk(r, first, &c);
    ae_arena_free(c.arena);
    if (!r->journal) ae_model_restore(r->model);
    return status;
}
