// One edit of a run: replayed from the journal, or computed, judged and kept.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "eval/run.h"

// ---- into the model, and out of it -----------------------------------------------------------------

// Without a journal the vectors are kept with the chunk, in case that a later edit of it must be undone.
static ae_status remember_updates(const ae_run *r, ae_chunk *c, ae_slot *s, const ae_edit *edit) {
    if (r->journal) return AE_OK;
    s->updates = ae_arena_alloc(c->arena, (size_t)edit->n_layers, sizeof *s->updates);
    if (!s->updates) return ae_no_memory();
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *l = &edit->layers[i];
        ae_rank_one *update = &s->updates[i];
        update->layer = l->layer;
        update->u = ae_arena_alloc(c->arena, (size_t)l->d_mlp, sizeof *update->u);
        update->right = ae_arena_alloc(c->arena, (size_t)l->d_model, sizeof *update->right);
        if (!update->u || !update->right) return ae_no_memory();
        memcpy(update->u, l->u, (size_t)l->d_mlp * sizeof *update->u);
        memcpy(update->right, l->right, (size_t)l->d_model * sizeof *update->right);
    }
    return AE_OK;
}

// The weights as they were before the newest edit, to the bit: base and kept edits in order, not a
// subtraction.
static ae_status undo(ae_run *r, const ae_chunk *c) {
    if (r->journal) return ae_journal_apply(r->journal, r->model);
    ae_model_restore(r->model);
    for (size_t i = 0; i < c->count; i++)
        for (int k = 0; c->slots[i].edited && k < c->slots[i].figures.n_layers; k++) {
            const ae_rank_one *u = &c->slots[i].updates[k];
            AE_TRY(ae_model_add_rank_one(r->model, u->layer, u->u, u->right));
        }
    return AE_OK;
}

static ae_status count_edit(ae_run *r, ae_slot *s) {
    s->edited = true;
    s->n_edits = ++r->result->n_edits;
    return ae_guard_add(r->guard, &s->figures);
}

// ---- from the journal ------------------------------------------------------------------------------

static ae_status check_entry(const ae_run *r, const ae_slot *s, const ae_journal_entry *entry) {
    if (entry->id == (int)r->n_entries + 1 && !entry->reverted &&
        entry->edit->request.case_id == s->record->case_id)
        return AE_OK;
    return ae_fail(AE_ERR_MISMATCH,
                   "'%s/%s' is %s edit %d, of case %" PRId64 ", where edit %zu, of case %" PRId64
                   ", belongs: the run's journal was changed; put it back as it was, or begin a new run",
                   ae_journal_folder(r->journal), entry->file, entry->reverted ? "the reverted" : "the",
                   entry->id, entry->edit->request.case_id, r->n_entries + 1, s->record->case_id);
}

static ae_status take_entry(ae_run *r, ae_chunk *c, ae_slot *s, const ae_journal_entry *entry) {
    AE_TRY(check_entry(r, s, entry));
    AE_TRY(ae_edit_figures_take(entry->edit, c->arena, &s->figures));
    ae_guard_check_edit(r->guard, &s->figures, s->flag);
    AE_TRY(ae_edit_apply(r->model, entry->edit));
    s->journal_id = entry->id;
    r->n_entries++;
    return count_edit(r, s);
}

static ae_status replay(ae_run *r, ae_chunk *c, ae_slot *s) {
    ae_journal_entry entry;
    ae_edit *edit = NULL;
    AE_TRY(ae_journal_read(r->journal, r->n_entries, &entry, &edit));
    const ae_status status = take_entry(r, c, s, &entry);
    ae_edit_free(edit);
    return status;
}

// ---- anew ------------------------------------------------------------------------------------------

// What is wrong with this record alone, so that the run can do without it.
static bool is_refusal(ae_status status) {
    return status == AE_ERR_ARGUMENT || status == AE_ERR_NUMERIC;
}

// The record stays unedited; `reason` may be the last error's text.
static ae_status leave_out(ae_run *r, ae_chunk *c, ae_slot *s, const char *reason, bool refused) {
    const int64_t id = s->record->case_id;
    reason = ae_arena_strdup(c->arena, reason);
    if (!reason) return ae_no_memory();
    if (r->options->guard == AE_GUARD_STOP) {
        r->stopped = true;
        r->result->reason =
            ae_format("case %" PRId64 ", edit %" PRId64 ": %s", id, r->result->n_edits + 1, reason);
        return r->result->reason ? AE_OK : ae_no_memory();
    }
    const ae_skipped_case skipped = {
        .case_id = id, .n_edits = r->result->n_edits, .reason = reason, .refused = refused};
    char *text = NULL;
    AE_TRY(ae_skipped_text(s->record, &skipped, s->figures.n_layers > 0 ? &s->figures : NULL, &text));
    const ae_status status = ae_run_folder_write(&r->folder, text, AE_SKIPPED_FILE, id);
    ae_free(text);
    AE_TRY(status);
    s->skipped = true;
    ae_warn(r->hooks, "case %" PRId64 " is left out: %s", id, reason);
    return AE_OK;
}

// Does the edited model still answer, and predict running text? *out: why not, in the chunk's arena; NULL: it
// does. The chunk's perplexity is measured here already where it will be due, so that the edit can still be
// refused.
static ae_status find_damage(ae_run *r, ae_chunk *c, const ae_slot *s, ae_edit *edit, const char **out) {
    ae_measure after = {0};
    char flag[AE_FLAG_TEXT] = "";
    *out = NULL;
    const ae_status status = ae_measure_request(r->model, &s->record->request, 0, &after);
    if (is_refusal(status)) {
        *out = ae_arena_strdup(c->arena, ae_last_error());
        return *out ? AE_OK : ae_no_memory();
    }
    AE_TRY(status);
    edit->after = after;
    const bool last = s == &c->slots[c->count - 1];
    if (r->options->guard == AE_GUARD_WARN || c->decided || !last ||
        !ae_run_perplexity_is_due(r, c->n_edits_before, r->result->n_edits + 1))
        return AE_OK;
    AE_TRY(ae_run_perplexity(r, &c->perplexity));
    if (!ae_guard_check_perplexity(r->guard, c->perplexity, flag)) return AE_OK;
    c->perplexity = NAN;
    *out = ae_arena_strdup(c->arena, flag);
    return *out ? AE_OK : ae_no_memory();
}

static ae_status keep(ae_run *r, ae_chunk *c, ae_slot *s, const ae_edit *edit) {
    AE_TRY(remember_updates(r, c, s, edit));
    if (r->journal) {
        AE_TRY(ae_journal_append(r->journal, r->model, edit, &s->journal_id));
        r->n_entries++;
    }
    if (*s->flag) ae_warn(r->hooks, "case %" PRId64 ": %s", s->record->case_id, s->flag);
    return count_edit(r, s);
}

// What was kept once stays, whatever the guard is told to do now.
static ae_status judge(ae_run *r, ae_chunk *c, ae_slot *s, ae_edit *edit) {
    const char *damage = NULL;
    AE_TRY(ae_edit_figures_take(edit, c->arena, &s->figures));
    if (ae_guard_check_edit(r->guard, &s->figures, s->flag) && r->options->guard != AE_GUARD_WARN &&
        !c->decided)
        return leave_out(r, c, s, s->flag, false);
    const double began = ae_seconds();
    AE_TRY(ae_edit_apply(r->model, edit));
    edit->seconds_update += ae_seconds() - began;
    s->figures.seconds_update = edit->seconds_update;
    ae_status status = find_damage(r, c, s, edit, &damage);
    if (status == AE_OK && (!damage || c->decided)) return keep(r, c, s, edit);
    const ae_status undone = undo(r, c);
    if (status == AE_OK) status = undone;
    return status == AE_OK ? leave_out(r, c, s, damage, false) : status;
}

static ae_status make(ae_run *r, ae_chunk *c, ae_slot *s) {
    const ae_run_options *o = r->options;
    const ae_edit_options how = {
        .hparams = &o->hparams,
        .templates = &r->templates,
        .moments = o->hparams.mom2_adjustment ? (const ae_moment *const *)r->in.moments : NULL,
        .seed = o->seed,
    };
    ae_edit *edit = NULL;
    ae_status status = ae_edit_compute(r->model, &s->record->request, 1, &how, &r->quiet, &edit);
    // Stored weights that are not finite are no single record's fault.
    if (status == AE_ERR_NUMERIC) AE_TRY(ae_model_check_finite(r->model));
    if (is_refusal(status) && !c->decided) return leave_out(r, c, s, ae_last_error(), true);
    if (status == AE_OK) status = judge(r, c, s, edit);
    ae_edit_free(edit);
    return status;
}

ae_status ae_run_edit(ae_run *r, ae_chunk *c, ae_slot *s) {
    if (r->journal && r->n_entries < ae_journal_count(r->journal)) return replay(r, c, s);
    if (r->journal && s->written)
        return ae_fail(
            AE_ERR_MISMATCH,
            "the run '%s' has a file of case %" PRId64
            ", but its journal ends with entry %zu, before that edit: put the journal back as it was",
            r->folder.path, s->record->case_id, r->n_entries);
    return make(r, c, s);
}
