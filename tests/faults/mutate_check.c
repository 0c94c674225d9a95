// What a command said, what it left, and whether that can be used.
#include "mutate_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "format/npz.h"
#include "format/safetensors.h"

// ---- what a command says ---------------------------------------------------------------------------

static bool may_be_null(const char *path) {
    for (size_t i = 0; i < watch.n_nulls; i++)
        if (strcmp(watch.nulls[i], path) == 0) return true;
    if (!watch.learning) return false;
    if (watch.n_nulls == MAX_NULLS) broken("more than %d nulls", MAX_NULLS);
    watch.nulls[watch.n_nulls++] = ae_strdup(path);
    return true;
}

// What docs/cli-json.md has null for: a perplexity beyond all numbers, of which the user is warned; means
// over no cases; a text that a journal does not hold.
static bool is_explained(const run_result *r, const char *path) {
    const json_t *cases = json_object_get(json_object_get(r->document, "measured"), "cases");
    return ends_with(path, ".continuation") ||
           (ends_with(path, ".perplexity") && strstr(r->err, "perplexity is not finite")) ||
           (strstr(path, ".measured.") && json_is_integer(cases) && json_integer_value(cases) == 0);
}

static bool is_probability(const char *key) {
    return strncmp(key, "probability", 11) == 0 || strcmp(key, "efficacy") == 0 ||
           strcmp(key, "paraphrase") == 0 || strcmp(key, "neighborhood") == 0;
}

// What is null where it is a number in an undamaged folder was not finite.
static void check_values(const run_result *r, const json_t *value, const char *path, const char *key) {
    char below[512];
    const char *name;
    json_t *member;
    size_t i;
    if (json_is_null(value) && !may_be_null(path) && !is_explained(r, path))
        wrong("the document's %s is null", path);
    const bool target = strcmp(key, "target_new") == 0 || strcmp(key, "target_true") == 0;
    if (json_is_number(value) && (is_probability(key) || target) &&
        !(json_number_value(value) >= 0 && json_number_value(value) <= 1))
        wrong("the document's %s is %g: no probability", path, json_number_value(value));
    json_object_foreach((json_t *)(uintptr_t)value, name, member) {
        snprintf(below, sizeof below, "%s.%s", path, name);
        check_values(r, member, below, name);
    }
    json_array_foreach(value, i, member) {
        snprintf(below, sizeof below, "%s.#", path);
        check_values(r, member, below, key);
    }
}

static bool is_plain(const char *text) {
    while (*text >= ' ' && *text <= '~')
        text++;
    return !*text;
}

void check_end(const char *name, const run_result *r) {
    static const char *const never[] = {"Sanitizer",          "runtime error:", "AE_ERR_INTERNAL",
                                        "a defect in aedile", "out of memory",  "terminate called"};
    if (r->late) wrong("%s did not end in time", name);
    if (r->signal) wrong("%s was ended by signal %d (%s)", name, r->signal, strsignal(r->signal));
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strstr(r->err, never[i])) wrong("%s: stderr has '%s'", name, never[i]);
    if (r->code != 0 && r->code != 1) wrong("%s: exit code %d", name, r->code);
    if (!json_is_object(r->document)) wrong("%s: stdout is not one JSON document", name);
    if (!json_is_array(json_object_get(r->document, "warnings"))) wrong("%s: no array of warnings", name);
    if (r->code == 0) {
        if (json_object_get(r->document, "error")) wrong("%s: exit code 0 with an error", name);
        check_values(r, r->document, name, "");
    } else {
        char *line = ae_format("aedile: %s\n", message_of(r));
        if (!*message_of(r)) wrong("%s fails without a message", name);
        // What a terminal might obey, and bytes that are not UTF-8, become escapes on stderr.
        if (!strstr(r->err, line) && is_plain(message_of(r)))
            wrong("%s: stderr lacks the document's message '%.200s'", name, message_of(r));
        ae_free(line);
    }
    if (watch.learning) {
        if (r->code != 0) wrong("%s fails on an undamaged folder: %.300s", name, r->err);
        if (r->kilobytes > watch.kilobytes) watch.kilobytes = r->kilobytes;
    } else if (!is_sanitized() && r->kilobytes > 2 * watch.kilobytes + (64 << 10))
        wrong("%s takes %ld KiB of memory", name, r->kilobytes);
}

// ---- what a command leaves -------------------------------------------------------------------------

static bool is_lock(const char *path) {
    return ends_with(path, "/lock") || ends_with(path, ".lock");
}

static bool is_factor(const char *path) {
    return strstr(path, ".npz.factor") != NULL;
}

// What a command may write over: a factor that does not fit, and what a run keeps at hand.
static bool may_change(const command *c, const char *path) {
    if (is_lock(path)) return true;
    if (is_factor(path)) return c->reads & STATS;
    return strcmp(c->name, "resume") == 0 &&
           (ends_with(path, "/events.jsonl") || ends_with(path, "/summary.json") ||
            ends_with(path, "/aedile/part"));
}

static void check_tensors(const char *path) {
    ae_safetensors *file = NULL;
    if (ae_safetensors_open(path, &file) != AE_OK) {
        wrong("a malformed file was written: %s", ae_last_error());
        return;
    }
    for (size_t i = 0; i < ae_safetensors_count(file); i++) {
        const ae_tensor *tensor = ae_safetensors_at(file, i);
        const size_t size = ae_dtype_size(tensor->dtype);
        for (size_t k = 0; k < tensor->n_bytes / size; k++) {
            const char *at =
                (const char *)tensor->data + k * size; // of other writers' files, it lies anywhere
            double value = 0;
            float narrow = 0;
            if (tensor->dtype == AE_F64) memcpy(&value, at, sizeof value);
            if (tensor->dtype == AE_F32) memcpy(&narrow, at, sizeof narrow);
            if (!isfinite(value) || !isfinite(narrow))
                wrong("'%s': tensor '%s' holds a value that is not finite", path, tensor->name);
        }
    }
    ae_safetensors_close(file);
}

static void check_moments(const char *path) {
    ae_npz *file = NULL;
    double *values = NULL;
    int n_dim = 0;
    int64_t shape[AE_MAX_DIM] = {0};
    if (ae_npz_open(path, &file) != AE_OK ||
        ae_npz_read_double(file, "mom2.mom2", &values, &n_dim, shape) != AE_OK || n_dim != 2)
        wrong("malformed statistics were written: %s", ae_last_error());
    for (int64_t i = 0; values && i < shape[0] * shape[1]; i++)
        if (!isfinite(values[i])) wrong("'%s' holds %g", path, values[i]);
    ae_free(values);
    ae_npz_close(file);
}

static void check_json_lines(const tree_file *file) {
    if (file->size > 0 && file->bytes[file->size - 1] != '\n') wrong("'%s' ends within a line", file->path);
}

// A copy of a damaged file may be as damaged.
static void check_new_file(const char *root, const tree_file *file, bool of_model) {
    char *path = ae_path_join(root, file->path);
    json_t *json = NULL;
    if (strstr(file->path, ".tmp-") || ends_with(file->path, ".partial"))
        wrong("'%s' was left behind", file->path);
    if (ends_with(file->path, ".safetensors") && !of_model) check_tensors(path);
    if (ends_with(file->path, ".npz")) check_moments(path);
    if (ends_with(file->path, ".json") && !of_model &&
        ae_json_parse(file->path, (const char *)file->bytes, file->size, &json) != AE_OK)
        wrong("a malformed file was written: %s", ae_last_error());
    if (ends_with(file->path, ".jsonl")) check_json_lines(file);
    if (ends_with(file->path, ".html") && !memmem(file->bytes, file->size, "</html>", 7))
        wrong("'%s' is not whole", file->path);
    if (ends_with(file->path, ".csv"))
        for (size_t i = 0; i + 3 < file->size; i++)
            if (memcmp(file->bytes + i, ",nan", 4) == 0 || memcmp(file->bytes + i, ",inf", 4) == 0)
                wrong("'%s' holds a number that is not finite", file->path);
    json_decref(json);
    ae_free(path);
}

void check_files(const command *c, const run_result *r, const tree *before, const tree *after) {
    const bool reverted = strcmp(c->name, "revert") == 0 && r->code == 0;
    static const char entry[] = "edits/0001.safetensors", old_entry[] = "edits/0001.reverted.safetensors";
    for (size_t i = 0; i < before->count; i++) {
        const tree_file *was = &before->files[i];
        const tree_file *is =
            tree_find(after, reverted && strcmp(was->path, entry) == 0 ? old_entry : was->path);
        if (!is)
            wrong("%s removed '%s'", c->name, was->path);
        else if (!tree_same(was, is)) {
            if (!may_change(c, was->path)) wrong("%s changed '%s'", c->name, was->path);
            if (is_factor(was->path)) check_new_file(PLACE, is, false);
        }
    }
    size_t n_new = 0;
    for (size_t i = 0; i < after->count; i++) {
        const tree_file *is = &after->files[i];
        if (tree_find(before, is->path) || is_lock(is->path)) continue;
        check_new_file(PLACE, is, strcmp(c->name, "export") == 0);
        if (is_factor(is->path) && (c->reads & STATS)) continue;
        n_new++;
        if (!c->creates || !starts_with(is->path, c->creates)) wrong("%s wrote '%s'", c->name, is->path);
        if (c->all_or_nothing && r->code != 0) wrong("%s failed and left '%s'", c->name, is->path);
    }
    if (c->creates && r->code == 0 && n_new == 0 && strcmp(c->name, "resume") != 0)
        wrong("%s says that it is done and wrote nothing", c->name);
}

// ---- what comes after ------------------------------------------------------------------------------

// A further command, which must succeed.
static void must_work(const char *what, const char *const *words) {
    run_result r;
    execute(words, &r);
    check_end(what, &r);
    if (r.code != 0) wrong("%s is refused: %.400s", what, message_of(&r));
    release(&r);
}

// What was made can be used: exported models are opened, journals that were written to verify.
void check_use(const command *c, const run_result *r, int area, const tree *before, const tree *after) {
    const char *journal = starts_with(c->name, "edit")  ? c->creates
                          : strcmp(c->name, "run") == 0 ? "new/ROME/run_000/aedile/journal/"
                                                        : NULL;
    if (journal && has_below(after, journal, ".json") && (area != JOURNAL || r->code == 0) &&
        (after->count > before->count))
        must_work("verifying", (const char *[]){"edits", "verify", "model", "--journal", journal, NULL});
    if (r->code != 0) return;
    if (strcmp(c->name, "export") == 0) {
        must_work("opening what was exported", (const char *[]){"inspect", "new", NULL});
        run_result base, exported;
        execute((const char *[]){"inspect", "model", "--check", NULL}, &base);
        execute((const char *[]){"inspect", "new", "--check", NULL}, &exported);
        if (base.code == 0 && exported.code != 0) wrong("the export is damaged: %s", message_of(&exported));
        release(&base);
        release(&exported);
    }
    if (strcmp(c->name, "revert") == 0)
        must_work("verifying", (const char *[]){"edits", "verify", "--journal", "edits", NULL});
    const json_t *cases = json_object_get(json_object_get(r->document, "measured"), "cases");
    if (strcmp(c->name, "run") == 0 && json_integer_value(cases) > 0)
        must_work("summarizing", (const char *[]){"summarize", "new/ROME/run_000", NULL});
}

// ---- whether it noticed -----------------------------------------------------------------------------

// A refusal names the damaged file, or the folder or tensor in which the damage shows, or a file that the
// damaged one names and that is not there.
void check_named(const char *path, const command *c, const run_result *r) {
    static const char *const others[] = {"'model'",   "'model/",   "'edits'",  "'edits/",
                                         "'run_000'", "'results/", "tensor '", "an earlier edit broke"};
    const char *slash = strrchr(path, '/'), *text = message_of(r);
    if (r->code != 1 || strstr(text, slash + 1)) return;
    if (strcmp(status_of(r), "AE_ERR_NOT_FOUND") == 0 && strchr(text, '\'')) return;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(text, others[i])) return;
    wrong("%s does not say which file: %.300s", c->name, text);
}

// A damaged file of a journal is found by whoever reads it, unless somebody has written a new digest, and so
// are damaged values of a factor, which is made anew with a warning.
void check_found(const tree_file *file, const mutation *m, const command *c, const run_result *r) {
    if (area_of(file->path) == JOURNAL && !m->mended && r->code == 0) wrong("%s does not notice", c->name);
    uint64_t header = 0;
    if (!is_factor(file->path)) return;
    memcpy(&header, file->bytes, sizeof header);
    if (m->offset >= 8 + header && !strstr(r->err, "is made anew")) wrong("%s does not notice", c->name);
}
