// aedile edits: what is in a journal, and taking it back.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/edit_report.h"
#include "cli/session.h"
#include "cli/visible.h"

typedef struct values {
    ae_common common;
} values;

static json_t *entry_document(const ae_journal_entry *entry, bool whole) {
    json_t *document = json_pack("{s:i, s:b, s:o, s:o}", "id", entry->id, "reverted", entry->reverted, "file",
                                 ae_json_text(entry->file), "time", ae_json_text(entry->time));
    json_t *edit = ae_edit_document(entry->edit, whole);
    json_object_update(document, edit);
    json_decref(edit);
    return document;
}

// A whole number from 1 on, as the journal counts; 0 if it is none.
static int parse_id(const char *text) {
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && value <= 1000000000 ? (int)value : 0;
}

// Without its edit. `index` may be NULL.
static bool find_entry(const ae_journal *journal, int id, ae_journal_entry *out, size_t *index) {
    for (size_t i = 0; i < ae_journal_count(journal); i++)
        if (ae_journal_read(journal, i, out, NULL) == AE_OK && out->id == id) {
            if (index) *index = i;
            return true;
        }
    return false;
}

// ---- actions ---------------------------------------------------------------------------------------

static void print_row(const ae_journal_entry *entry) {
    const ae_edit *edit = entry->edit;
    double norm = 0;
    for (int l = 0; l < edit->n_layers; l++)
        norm += edit->layers[l].update_norm;
    char layers[128], *text = ae_request_text(&edit->request);
    ae_edit_layers_text(edit, layers, sizeof layers);
    printf("%4d  %-8s  ", entry->id, entry->reverted ? "reverted" : "active");
    ae_print_column(stdout, entry->time, 20);
    printf("  %-7s %-6s %9.4g  ", ae_variant_name(edit->hparams.variant), layers, norm);
    ae_print_quoted(text ? text : edit->request.prompt);
    printf(" -> ");
    ae_print_quoted(edit->request.target_new);
    putchar('\n');
    free(text);
}

static int list(ae_console *console, const values *v, ae_journal *journal) {
    json_t *entries = json_array();
    const size_t count = ae_journal_count(journal);
    if (!console->json && count)
        printf("%4s  %-8s  %-20s  %-7s %-6s %9s  %s\n", "id", "state", "written (UTC)", "variant", "layer",
               "|dW|", "request");
    for (size_t i = 0; i < count; i++) {
        ae_journal_entry entry;
        ae_edit *edit = NULL;
        const ae_status status = ae_journal_read(journal, i, &entry, &edit);
        if (status != AE_OK) {
            json_decref(entries);
            return ae_console_fail(console, status);
        }
        if (console->json)
            json_array_append_new(entries, entry_document(&entry, false));
        else
            print_row(&entry);
        ae_edit_free(edit);
    }
    const size_t active = ae_count_active(journal);
    if (console->json)
        return ae_console_document(console,
                                   json_pack("{s:o, s:I, s:o}", "journal", ae_json_text(v->common.journal),
                                             "n_active", (json_int_t)active, "edits", entries));
    json_decref(entries);
    if (count) {
        printf("%zu active, %zu reverted\n", active, count - active);
    } else {
        ae_print_visible(stdout, v->common.journal);
        puts(" holds no edits.");
    }
    return AE_EXIT_OK;
}

static int show(ae_console *console, const values *v, ae_journal *journal, int id) {
    ae_journal_entry entry;
    size_t index;
    if (!find_entry(journal, id, &entry, &index))
        return ae_console_fail_text(console, AE_ERR_NOT_FOUND,
                                    "'%s' has no edit %d; 'aedile edits list' shows them", v->common.journal,
                                    id);
    const ae_status status = ae_journal_get(journal, index, &entry);
    if (status != AE_OK) return ae_console_fail(console, status);
    if (console->json) return ae_console_document(console, entry_document(&entry, true));
    const ae_edit *edit = entry.edit;
    const ae_hparams *h = &edit->hparams;
    printf("edit %d, %s, written ", entry.id, entry.reverted ? "reverted" : "active");
    ae_print_visible(stdout, entry.time);
    printf(", %s\n", entry.file);
    ae_print_edit(edit, true);
    printf("  request     prompt ");
    ae_print_quoted(edit->request.prompt);
    printf(", subject ");
    ae_print_quoted(edit->request.subject);
    if (edit->request.case_id >= 0) printf(", case %lld", (long long)edit->request.case_id);
    printf("\n  hparams     fact_token %s, steps %d, lr %g, weight decay %g, clamp %g, kl %g\n",
           ae_fact_token_name(h->fact_token), h->v_num_grad_steps, h->v_lr, h->v_weight_decay,
           h->clamp_norm_factor, h->kl_factor);
    printf("  moments     ");
    if (h->mom2_adjustment) {
        ae_print_visible(stdout, h->mom2_dataset);
        if (h->mom2_n_samples)
            printf(", %lld samples, ", (long long)h->mom2_n_samples);
        else
            printf(", all documents, ");
        ae_print_visible(stdout, h->mom2_dtype);
    } else {
        printf("none (mom2_adjustment is off)");
    }
    putchar('\n');
    printf("  templates   %zu, sha256 %s, seed %llu\n", edit->n_templates, edit->templates_sha256,
           (unsigned long long)edit->seed);
    for (int i = 0; i < edit->n_layers; i++) {
        printf("  base        ");
        ae_print_visible(stdout, edit->layers[i].module);
        printf(", sha256 %s\n", edit->layers[i].base_sha256);
    }
    return AE_EXIT_OK;
}

// Every id is checked before the first is reverted.
static int revert(ae_console *console, const values *v, ae_journal *journal, const int *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ae_journal_entry entry;
        if (!find_entry(journal, ids[i], &entry, NULL))
            return ae_console_fail_text(console, AE_ERR_NOT_FOUND,
                                        "'%s' has no edit %d; nothing was reverted", v->common.journal,
                                        ids[i]);
        if (entry.reverted)
            return ae_console_fail_text(console, AE_ERR_ARGUMENT,
                                        "edit %d is reverted already; nothing was reverted", ids[i]);
        for (size_t j = 0; j < i; j++)
            if (ids[j] == ids[i]) return ae_console_misuse(console, "edit %d is named twice", ids[i]);
    }
    json_t *reverted = json_array();
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++) {
        status = ae_journal_revert(journal, ids[i]);
        if (status != AE_OK) break;
        json_array_append_new(reverted, json_integer(ids[i]));
        if (!console->json) printf("edit %d is reverted\n", ids[i]);
    }
    int code = AE_EXIT_OK;
    const size_t active = ae_count_active(journal);
    if (status != AE_OK) {
        console->partial = json_pack("{s:O}", "reverted", reverted);
        code = ae_console_fail(console, status);
    } else if (console->json) {
        code = ae_console_document(console,
                                   json_pack("{s:o, s:O, s:I}", "journal", ae_json_text(v->common.journal),
                                             "reverted", reverted, "n_active", (json_int_t)active));
    } else {
        printf("%zu active\n", active);
    }
    json_decref(reverted);
    return code;
}

static int verify(ae_console *console, const values *v, ae_journal *journal, ae_model *model) {
    ae_status status = ae_journal_verify(journal, model, &console->hooks);
    if (status != AE_OK) return ae_console_fail(console, status);
    const size_t count = ae_journal_count(journal), active = ae_count_active(journal);
    if (console->json)
        return ae_console_document(console,
                                   json_pack("{s:o, s:b, s:o, s:I, s:I}", "journal",
                                             ae_json_text(v->common.journal), "sound", true, "model",
                                             ae_json_text(model ? ae_model_get_info(model)->name : NULL),
                                             "n_edits", (json_int_t)count, "n_active", (json_int_t)active));
    ae_console_clear(console);
    ae_print_visible(stdout, v->common.journal);
    printf(" is sound: %zu edit%s, %zu active%s\n", count, count == 1 ? "" : "s", active,
           model ? "; the model is their base" : "");
    return AE_EXIT_OK;
}

// ---- the command -----------------------------------------------------------------------------------

static int run_action(ae_console *console, const values *v, const char *action, const char *const *rest,
                      size_t n) {
    const bool reverts = strcmp(action, "revert") == 0, shows = strcmp(action, "show") == 0;
    const bool verifies = strcmp(action, "verify") == 0;
    if (!reverts && !shows && !verifies && strcmp(action, "list") != 0) {
        static const char *const actions[] = {"list", "show", "revert", "verify"};
        const char *nearest = ae_nearest(action, actions, 4);
        return ae_console_misuse(console, "'%s' is not list, show, revert or verify%s%s%s", action,
                                 nearest ? "; did you mean " : "", nearest ? nearest : "",
                                 nearest ? "?" : "");
    }
    if ((reverts || shows) && n == 0)
        return ae_console_misuse(console, "which edit? Give its number, as in 'edits list'");
    const size_t most = reverts ? SIZE_MAX : shows || verifies ? 1 : 0;
    if (n > most) return ae_console_misuse(console, "'%s' is one argument too many", rest[most]);

    int *ids = calloc(n + 1, sizeof *ids);
    if (!ids) return ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n && (reverts || shows); i++) {
        ids[i] = parse_id(rest[i]);
        if (ids[i] > 0) continue;
        free(ids);
        return ae_console_misuse(console, "'%s' is not an edit's number", rest[i]);
    }
    ae_session session = {0};
    ae_status status = AE_OK;
    if (verifies && n) status = ae_session_open_model(rest[0], &v->common, &session);
    if (status == AE_OK) status = ae_journal_open(v->common.journal, NULL, false, !reverts, &session.journal);
    int code;
    if (status != AE_OK)
        code = ae_console_fail(console, status);
    else if (reverts)
        code = revert(console, v, session.journal, ids, n);
    else if (shows)
        code = show(console, v, session.journal, ids[0]);
    else if (verifies)
        code = verify(console, v, session.journal, session.model);
    else
        code = list(console, v, session.journal);
    ae_session_close(&session);
    free(ids);
    return code;
}

static int run(ae_console *console, const void *options, const ae_texts *words) {
    return run_action(console, options, words->items[0], words->items + 1, words->count - 1);
}

static const ae_option options[] = {
    {.name = "journal",
     .letter = 'j',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .required = true,
     .offset = offsetof(values, common.journal),
     .section = "Journal",
     .help = "The folder of edits."},
    {0},
};

const ae_command ae_command_edits = {
    .name = "edits",
    .brief = "list, show, revert and verify the edits of a journal",
    .usage = {"list --journal DIR", "show|revert N... --journal DIR", "verify [MODEL] --journal DIR"},
    .about = "list: a line for each edit, in the order in which they are applied. show N: all that is known "
             "of edit N, with the "
             "loss of every step. revert N...: takes edits out; since the edited model is always the base "
             "and the active "
             "edits in order, it is then exactly what it would be without them. verify: reads every file "
             "anew and checks it "
             "against its hash, and, where MODEL is given, that the journal belongs to it.",
    .tables = {options, ae_table_threads, ae_table_output},
    .examples = {{"What is in the journal?", "aedile edits list --journal edits"},
                 {"Take back the second and the fifth edit:", "aedile edits revert 2 5 --journal edits"}},
    .word = "list, show, revert or verify",
    .min_words = 1,
    .max_words = -1,
    .size = sizeof(values),
    .run = run,
};
