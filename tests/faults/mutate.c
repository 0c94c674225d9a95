/* mutate GIVEN AEDILE FIRST COUNT KEEP: damages files, one at a time, and sees what aedile makes of them.
 *
 * GIVEN holds folders as a user has them: a model, a journal, a run, and so on (test_mutation.sh makes them).
 * Mutation number N, from FIRST on, is drawn from the stream (1, N): one of the folders, one of its files, a
 * damage, and a command that reads the file. The folder is laid out anew in ./mutated with the damaged file,
 * and the command runs in it, as a process of its own. It must end in time, with a result that is sane or a
 * sentence that says what is wrong, and must leave all other files as they were and its own files whole.
 *
 * A line for each mutation goes to the file $MUTATE_LOG, where that is set: number, folder, file, damage,
 * command, exit code, status, message, what is wrong; parted by tabs. What is wrong is told on stderr, too;
 * then KEEP/N holds the folder as the command found it. At the end stdout has counts. The exit code is 0, 1
 * where something was wrong, 3 where this program fails. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "format/npz.h"
#include "format/safetensors.h"
#include "mutation.h"
#include "tree.h"

static const char place[] = "mutated", out_file[] = "out", err_file[] = "err";

// ---- commands --------------------------------------------------------------------------------------

enum { MODEL = 1, HPARAMS = 2, STATS = 4, JOURNAL = 8, RUN = 16 }; // what a file belongs to

enum { MAX_WORDS = 40 };

typedef struct command {
    const char *name;
    int reads;           // only files of these
    const char *creates; // new files lie there, and nowhere else; NULL: there are none
    bool all_or_nothing; // where it fails, there are no new files
    const char *words[MAX_WORDS];
} command;

#define PROMPT   "-p", "The Moon is in"
#define REQUESTS "-r", "requests.json", "--show", "4"
#define RUN_OPTIONS                                                                                          \
    "--ds", "records.json", "--sequential", "--glue-interval", "0", "--ppl-text", "text.txt",                \
        "--ppl-tokens", "100", "--ppl-interval", "2", "--pre"

static const command commands[] = {
    {"inspect", MODEL, NULL, true, {"inspect", "model", "--check", "--tensors"}},
    {"inspect edited", JOURNAL, NULL, true, {"inspect", "model", "--journal", "edits"}},
    {"generate", MODEL, NULL, true, {"generate", "model", PROMPT, "-n", "8", "-k", "5"}},
    {"generate edited",
     MODEL | JOURNAL,
     NULL,
     true,
     {"generate", "model", PROMPT, "-n", "8", "--journal", "edits"}},
    {"score", MODEL, NULL, true, {"score", "model", PROMPT, "-t", "Rome", "Paris"}},
    {"score edited", MODEL | JOURNAL, NULL, true, {"score", "model", PROMPT, "-t", "Rome", "-j", "edits"}},
    {"edit more",
     MODEL | HPARAMS | STATS | JOURNAL,
     "edits/",
     false,
     {"edit", "model", REQUESTS, "--journal", "edits", "--templates", "templates.json"}},
    {"edit", MODEL | HPARAMS | STATS, "new/", false, {"edit", "model", REQUESTS, "--journal", "new"}},
    {"edit two layers",
     MODEL | JOURNAL,
     "edits/",
     false,
     {"edit", "model", REQUESTS, "--journal", "edits", "--layer", "0,2", "--no-stats"}},
    {"stats",
     MODEL,
     "new/",
     true,
     {"stats", "model", "--text", "text.txt", "--layer", "1", "--output", "new"}},
    {"stats edited",
     JOURNAL,
     "new/",
     true,
     {"stats", "model", "--text", "text.txt", "--layer", "0", "--output", "new", "--journal", "edits"}},
    {"export", MODEL | JOURNAL, "new/", true, {"export", "model", "--journal", "edits", "--output", "new"}},
    {"export as LoRA",
     MODEL | JOURNAL,
     "new/",
     true,
     {"export", "model", "--journal", "edits", "--format", "lora", "--output", "new"}},
    {"list", JOURNAL, NULL, true, {"edits", "list", "--journal", "edits"}},
    {"show", JOURNAL, NULL, true, {"edits", "show", "3", "--journal", "edits"}},
    {"verify", JOURNAL, NULL, true, {"edits", "verify", "--journal", "edits"}},
    {"verify with model", MODEL | JOURNAL, NULL, true, {"edits", "verify", "model", "--journal", "edits"}},
    {"revert", JOURNAL, "edits/", true, {"edits", "revert", "1", "--journal", "edits"}},
    {"run", MODEL | HPARAMS | STATS, "new/", false, {"run", "model", RUN_OPTIONS, "--results", "new"}},
    {"resume", RUN, "results/", false, {"run", "--resume", "run_000"}},
    {"summarize", RUN, NULL, true, {"summarize", "run_000", "--std"}},
    {"report html", RUN, "new.html", true, {"report", "run_000", "--output", "new.html"}},
    {"report csv", RUN, "new/", true, {"report", "run_000", "--format", "csv", "--output", "new"}},
    {"report svg", RUN, "new/", true, {"report", "run_000", "--format", "svg", "--output", "new"}},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

// ---- what is counted and known ---------------------------------------------------------------------

enum { MAX_ROWS = 256, MAX_STATUSES = 16, MAX_NULLS = 256, MAX_KINDS = 16 };

typedef struct row { // of a table at the end
    char name[160];
    long n, done, refused, wrong;
} row;

typedef struct table {
    const char *title;
    row rows[MAX_ROWS];
    size_t count;
} table;

static table by_file = {.title = "file"}, by_damage = {.title = "damage"}, by_command = {.title = "command"},
             by_status = {.title = "status"};

typedef struct kind { // a folder of GIVEN
    char *name;
    tree files;
} kind;

typedef struct run_result {
    int code; // -1: did not end, or not of itself
    int signal;
    bool late;
    long kilobytes; // of memory, at most
    char *out, *err;
    size_t out_size;
    json_t *document; // what stdout holds; NULL: no JSON
} run_result;

static struct {
    const char *aedile, *keep;
    FILE *log;
    kind kinds[MAX_KINDS];
    size_t n_kinds;
    char *nulls[MAX_NULLS]; // where the documents of undamaged folders have null
    size_t n_nulls;
    bool learning;  // the folders are undamaged
    long kilobytes; // that commands take then, at most
    long runs;
    // of the mutation in hand
    long number;
    char problem[1024]; // "": none
} all;

static row *find_row(table *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].name, name) == 0) return &t->rows[i];
    if (t->count == MAX_ROWS) broken("more than %d rows", MAX_ROWS);
    row *r = &t->rows[t->count++];
    snprintf(r->name, sizeof r->name, "%s", name);
    return r;
}

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *format, ...) {
    if (*all.problem) return; // the first one
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(all.problem, sizeof all.problem, format, arguments);
    va_end(arguments);
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

// ---- running a command -----------------------------------------------------------------------------

static bool is_sanitized(void) {
    return getenv("AE_SANITIZED") != NULL;
}

static _Noreturn void become_command(const char *const *words, bool computes) {
    const char *arguments[MAX_WORDS + 5] = {all.aedile};
    size_t n = 1;
    while (words[n - 1]) {
        arguments[n] = words[n - 1];
        n++;
    }
    arguments[n++] = "--json";
    if (computes) {
        arguments[n++] = "--threads";
        arguments[n++] = "1";
    }
    arguments[n] = NULL;
    const int out = open(out_file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int err = open(err_file, O_WRONLY | O_CREAT | O_TRUNC, 0666), in = open("/dev/null", O_RDONLY);
    const struct rlimit core = {0, 0}, memory = {(rlim_t)8 << 30, (rlim_t)8 << 30};
    setrlimit(RLIMIT_CORE, &core);
    if (!is_sanitized()) setrlimit(RLIMIT_AS, &memory);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0 && chdir(place) == 0)
        execv(all.aedile, (char **)(uintptr_t)arguments);
    _exit(126);
}

static void release(run_result *r) {
    json_decref(r->document);
    ae_free(r->out);
    ae_free(r->err);
    *r = (run_result){0};
}

static void execute(const char *const *words, run_result *r) {
    enum { SECONDS = 60, SECONDS_SANITIZED = 300 };
    *r = (run_result){.code = -1};
    const bool computes = strcmp(words[0], "summarize") != 0 && strcmp(words[0], "report") != 0;
    const pid_t process = fork();
    if (process < 0) broken("fork: %s", strerror(errno));
    if (process == 0) become_command(words, computes);
    all.runs++;
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    struct rusage usage;
    int status = 0;
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += is_sanitized() ? SECONDS_SANITIZED : SECONDS;
    while (wait4(process, &status, WNOHANG, &usage) == 0) { // SIGCHLD is blocked: it waits for us
        const struct timespec second = {1, 0};
        sigtimedwait(&ended, NULL, &second);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec < end.tv_sec) continue;
        r->late = true;
        kill(process, SIGKILL);
        wait4(process, &status, 0, &usage);
        break;
    }
    if (WIFSIGNALED(status)) r->signal = WTERMSIG(status);
    if (WIFEXITED(status)) r->code = WEXITSTATUS(status);
    r->kilobytes = usage.ru_maxrss;
    size_t length = 0;
    if (ae_file_read(out_file, SIZE_MAX, &r->out, &r->out_size) != AE_OK ||
        ae_file_read(err_file, SIZE_MAX, &r->err, &length) != AE_OK)
        broken("%s", ae_last_error());
    if (ae_json_parse("stdout", r->out, r->out_size, &r->document) != AE_OK) r->document = NULL;
}

// ---- what a command says ---------------------------------------------------------------------------

static bool may_be_null(const char *path) {
    for (size_t i = 0; i < all.n_nulls; i++)
        if (strcmp(all.nulls[i], path) == 0) return true;
    if (!all.learning) return false;
    if (all.n_nulls == MAX_NULLS) broken("more than %d nulls", MAX_NULLS);
    all.nulls[all.n_nulls++] = ae_strdup(path);
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

static const char *status_of(const run_result *r) {
    const char *name = json_string_value(json_object_get(json_object_get(r->document, "error"), "status"));
    return r->code == 0 ? "AE_OK" : name ? name : "none";
}

static const char *message_of(const run_result *r) {
    const char *text = json_string_value(json_object_get(json_object_get(r->document, "error"), "message"));
    return text ? text : "";
}

static bool is_plain(const char *text) {
    while (*text >= ' ' && *text <= '~')
        text++;
    return !*text;
}

static void check_end(const char *name, const run_result *r) {
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
    if (all.learning) {
        if (r->code != 0) wrong("%s fails on an undamaged folder: %.300s", name, r->err);
        if (r->kilobytes > all.kilobytes) all.kilobytes = r->kilobytes;
    } else if (!is_sanitized() && r->kilobytes > 2 * all.kilobytes + (64 << 10))
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

static void check_files(const command *c, const run_result *r, const tree *before, const tree *after) {
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
            if (is_factor(was->path)) check_new_file(place, is, false);
        }
    }
    size_t n_new = 0;
    for (size_t i = 0; i < after->count; i++) {
        const tree_file *is = &after->files[i];
        if (tree_find(before, is->path) || is_lock(is->path)) continue;
        check_new_file(place, is, strcmp(c->name, "export") == 0);
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

static bool has_below(const tree *t, const char *folder, const char *end) {
    for (size_t i = 0; i < t->count; i++)
        if (starts_with(t->files[i].path, folder) && ends_with(t->files[i].path, end)) return true;
    return false;
}

// What was made can be used: exported models are opened, journals that were written to verify.
static void check_use(const command *c, const run_result *r, int area, const tree *before,
                      const tree *after) {
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

// ---- one mutation ----------------------------------------------------------------------------------

static int area_of(const char *path) {
    if (strcmp(path, "model/hparams.json") == 0) return HPARAMS;
    if (starts_with(path, "model/stats/")) return STATS;
    if (starts_with(path, "model/")) return MODEL;
    if (starts_with(path, "edits/")) return JOURNAL;
    return starts_with(path, "results/") ? RUN : 0;
}

// How often a file is chosen: what holds the numbers more often than the small files around it. A folder
// with a run is there for the run alone.
static uint64_t weight_of(const kind *k, const tree_file *file) {
    const int area = area_of(file->path);
    const bool has_run = has_below(&k->files, "results/", "params.json");
    if (area == 0 || file->size == 0 || has_run != (area == RUN)) return 0;
    if (area == MODEL) return ends_with(file->path, ".safetensors") || ends_with(file->path, ".bin") ? 4 : 1;
    return area == JOURNAL && ends_with(file->path, ".safetensors") ? 2 : 1;
}

static const tree_file *choose_file(const kind **chosen, ae_random *random) {
    uint64_t total = 0, at;
    for (int choosing = 0; choosing < 2; choosing++) {
        at = choosing ? ae_random_next(random) % total : 0;
        for (size_t i = 0; i < all.n_kinds; i++)
            for (size_t k = 0; k < all.kinds[i].files.count; k++) {
                const tree_file *file = &all.kinds[i].files.files[k];
                const uint64_t weight = weight_of(&all.kinds[i], file);
                *chosen = &all.kinds[i];
                if (choosing && at < weight) return file;
                if (choosing)
                    at -= weight;
                else
                    total += weight;
            }
        if (total == 0) break;
    }
    broken("there is nothing to damage");
}

static const command *choose_command(int area, ae_random *random) {
    size_t n = 0;
    for (size_t i = 0; i < N_COMMANDS; i++)
        n += (commands[i].reads & area) != 0;
    n = ae_random_next(random) % n;
    for (size_t i = 0;; i++)
        if ((commands[i].reads & area) && n-- == 0) return &commands[i];
}

static void count(table *t, const char *name, const run_result *r) {
    row *c = find_row(t, name);
    c->n++;
    c->done += !*all.problem && r->code == 0;
    c->refused += !*all.problem && r->code == 1;
    c->wrong += *all.problem != '\0';
}

static void print_line(const char *text) {
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' ? ' ' : *text, all.log);
}

static void log_line(const kind *k, const char *path, const mutation *m, const command *c,
                     const run_result *r) {
    if (!all.log) return;
    fprintf(all.log, "%ld\t%s\t%s\t", all.number, k->name, path);
    print_line(m->text);
    fprintf(all.log, "\t%s\t%d\t%s\t", c->name, r->code, status_of(r));
    print_line(r->code == 0 ? "" : message_of(r));
    fprintf(all.log, "\t%s\n", all.problem);
}

static void keep(const tree *before, const command *c) {
    char *folder = ae_format("%s/%ld", all.keep, all.number);
    tree_remove(folder);
    tree_write(folder, before);
    fprintf(stderr, "    cd '%s' && OMP_WAIT_POLICY=passive '%s'", folder, all.aedile);
    for (size_t i = 0; c->words[i]; i++)
        fprintf(stderr, strchr(c->words[i], ' ') ? " '%s'" : " %s", c->words[i]);
    fprintf(stderr, " --json\n");
    ae_free(folder);
}

// Lays the folder out, runs the command in it and looks at what comes of it.
static void observe(const tree *before, int area, const command *c, run_result *r) {
    tree after;
    tree_remove(place);
    tree_write(place, before);
    execute(c->words, r);
    check_end(c->name, r);
    tree_read(place, &after);
    check_files(c, r, before, &after);
    check_use(c, r, area, before, &after);
    tree_free(&after);
}

// A refusal names the damaged file, or the folder or tensor in which the damage shows, or a file that the
// damaged one names and that is not there.
static void check_named(const char *path, const command *c, const run_result *r) {
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
static void check_found(const tree_file *file, const mutation *m, const command *c, const run_result *r) {
    if (area_of(file->path) == JOURNAL && !m->mended && r->code == 0) wrong("%s does not notice", c->name);
    uint64_t header = 0;
    if (!is_factor(file->path)) return;
    memcpy(&header, file->bytes, sizeof header);
    if (m->offset >= 8 + header && !strstr(r->err, "is made anew")) wrong("%s does not notice", c->name);
}

static void try_one(long number) {
    ae_random random = ae_random_stream(1, (uint64_t)number, 0);
    const kind *k;
    const tree_file *file = choose_file(&k, &random);
    const int area = area_of(file->path);
    const command *c = choose_command(area, &random);
    mutation m;
    mutate_file(file, &random, &m);
    all.number = number;
    *all.problem = '\0';

    tree before = k->files; // but for one file
    before.files = ae_alloc(before.count, sizeof *before.files);
    if (!before.files) broken("%s", ae_last_error());
    memcpy(before.files, k->files.files, before.count * sizeof *before.files);
    before.files[file - k->files.files].bytes = m.bytes;
    before.files[file - k->files.files].size = m.size;
    run_result r;
    observe(&before, area, c, &r);
    check_found(file, &m, c, &r);
    check_named(file->path, c, &r);

    char *name = ae_format("%s/%s", k->name, file->path);
    if (*all.problem) {
        fprintf(stderr, "mutation %ld: %s: %s: %s\n    %s\n", number, name, m.text, c->name, all.problem);
        keep(&before, c);
    }
    count(&by_file, name, &r);
    count(&by_damage, m.mended ? "(mended)" : "(as it is)", &r);
    count(&by_damage, mutation_names[m.kind], &r);
    count(&by_command, c->name, &r);
    count(&by_status, status_of(&r), &r);
    log_line(k, file->path, &m, c, &r);
    ae_free(name);
    release(&r);
    ae_free(m.bytes);
    ae_free(before.files);
}

// All commands on undamaged folders: they must succeed, and show what is usual.
static void learn(void) {
    all.learning = true;
    for (size_t i = 0; i < all.n_kinds; i++)
        for (size_t k = 0; k < N_COMMANDS; k++) {
            const bool has_run = has_below(&all.kinds[i].files, "results/", "params.json");
            if (has_run != ((commands[k].reads & RUN) != 0)) continue;
            run_result r;
            *all.problem = '\0';
            observe(&all.kinds[i].files, 0, &commands[k], &r);
            release(&r);
            if (*all.problem) broken("%s, undamaged: %s", all.kinds[i].name, all.problem);
        }
    all.learning = false;
    all.runs = 0;
}

static int compare_rows(const void *a, const void *b) {
    return strcmp(((const row *)a)->name, ((const row *)b)->name);
}

static void print_table(table *t) {
    qsort(t->rows, t->count, sizeof *t->rows, compare_rows);
    printf("\n%-100s %7s %7s %7s %7s\n", t->title, "tried", "done", "refused", "wrong");
    for (size_t i = 0; i < t->count; i++)
        printf("%-100s %7ld %7ld %7ld %7ld\n", t->rows[i].name, t->rows[i].n, t->rows[i].done,
               t->rows[i].refused, t->rows[i].wrong);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "mutate GIVEN AEDILE FIRST COUNT KEEP\n");
        return 3;
    }
    const long first = strtol(argv[3], NULL, 10), number = strtol(argv[4], NULL, 10);
    all.aedile = argv[2];
    all.keep = argv[5];
    const char *log = getenv("MUTATE_LOG");
    all.log = log ? fopen(log, "ae") : NULL;
    if (log && !all.log) broken("cannot write '%s': %s", log, strerror(errno));
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);

    char **names = NULL;
    size_t count = 0;
    if (ae_folder_list(argv[1], &names, &count) != AE_OK) broken("%s", ae_last_error());
    for (size_t i = 0; i < count && i < MAX_KINDS; i++) {
        char *path = ae_path_join(argv[1], names[i]);
        kind *k = &all.kinds[all.n_kinds++];
        k->name = ae_strdup(names[i]);
        tree_read(path, &k->files);
        ae_free(path);
    }
    ae_folder_list_free(names, count);

    learn();
    for (long i = first; i < first + number; i++)
        try_one(i);
    tree_remove(place);
    long n = 0, n_wrong = 0;
    for (size_t i = 0; i < by_command.count; i++) {
        n += by_command.rows[i].n;
        n_wrong += by_command.rows[i].wrong;
    }
    print_table(&by_file);
    print_table(&by_damage);
    print_table(&by_command);
    print_table(&by_status);
    printf("\n%ld mutations, %ld processes, %ld wrong; undamaged, a command takes %ld KiB at most\n", n,
           all.runs, n_wrong, all.kilobytes);
    for (size_t i = 0; i < all.n_kinds; i++) {
        ae_free(all.kinds[i].name);
        tree_free(&all.kinds[i].files);
    }
    for (size_t i = 0; i < all.n_nulls; i++)
        ae_free(all.nulls[i]);
    if (all.log) fclose(all.log);
    return n_wrong > 0;
}
