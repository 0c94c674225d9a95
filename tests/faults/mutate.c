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
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "mutate_parts.h"
#include "mutation.h"

struct watch watch;

void wrong(const char *format, ...) {
    if (*watch.problem) return; // the first one
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(watch.problem, sizeof watch.problem, format, arguments);
    va_end(arguments);
}

bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

bool has_below(const tree *t, const char *folder, const char *end) {
    for (size_t i = 0; i < t->count; i++)
        if (starts_with(t->files[i].path, folder) && ends_with(t->files[i].path, end)) return true;
    return false;
}

// ---- what is counted -------------------------------------------------------------------------------

enum { MAX_ROWS = 256, MAX_KINDS = 16 };

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

static struct {
    const char *keep;
    FILE *log;
    kind kinds[MAX_KINDS];
    size_t n_kinds;
    long number; // of the mutation in hand
} all;

static row *find_row(table *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].name, name) == 0) return &t->rows[i];
    if (t->count == MAX_ROWS) broken("more than %d rows", MAX_ROWS);
    row *r = &t->rows[t->count++];
    snprintf(r->name, sizeof r->name, "%s", name);
    return r;
}

// ---- one mutation ----------------------------------------------------------------------------------

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
    for (size_t i = 0; i < n_commands; i++)
        n += (commands[i].reads & area) != 0;
    n = ae_random_next(random) % n;
    for (size_t i = 0;; i++)
        if ((commands[i].reads & area) && n-- == 0) return &commands[i];
}

static void count(table *t, const char *name, const run_result *r) {
    row *c = find_row(t, name);
    c->n++;
    c->done += !*watch.problem && r->code == 0;
    c->refused += !*watch.problem && r->code == 1;
    c->wrong += *watch.problem != '\0';
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
    fprintf(all.log, "\t%s\n", watch.problem);
}

static void keep(const tree *before, const command *c) {
    char *folder = ae_format("%s/%ld", all.keep, all.number);
    tree_remove(folder);
    tree_write(folder, before);
    fprintf(stderr, "    cd '%s' && OMP_WAIT_POLICY=passive '%s'", folder, watch.aedile);
    for (size_t i = 0; c->words[i]; i++)
        fprintf(stderr, strchr(c->words[i], ' ') ? " '%s'" : " %s", c->words[i]);
    fprintf(stderr, " --json\n");
    ae_free(folder);
}

// Lays the folder out, runs the command in it and looks at what comes of it.
static void observe(const tree *before, int area, const command *c, run_result *r) {
    tree after;
    tree_remove(PLACE);
    tree_write(PLACE, before);
    execute(c->words, r);
    check_end(c->name, r);
    tree_read(PLACE, &after);
    check_files(c, r, before, &after);
    check_use(c, r, area, before, &after);
    tree_free(&after);
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
    *watch.problem = '\0';

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
    if (*watch.problem) {
        fprintf(stderr, "mutation %ld: %s: %s: %s\n    %s\n", number, name, m.text, c->name, watch.problem);
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
    watch.learning = true;
    for (size_t i = 0; i < all.n_kinds; i++)
        for (size_t k = 0; k < n_commands; k++) {
            const bool has_run = has_below(&all.kinds[i].files, "results/", "params.json");
            if (has_run != ((commands[k].reads & RUN) != 0)) continue;
            run_result r;
            *watch.problem = '\0';
            observe(&all.kinds[i].files, 0, &commands[k], &r);
            release(&r);
            if (*watch.problem) broken("%s, undamaged: %s", all.kinds[i].name, watch.problem);
        }
    watch.learning = false;
    watch.runs = 0;
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
    watch.aedile = argv[2];
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
    tree_remove(PLACE);
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
           watch.runs, n_wrong, watch.kilobytes);
    for (size_t i = 0; i < all.n_kinds; i++) {
        ae_free(all.kinds[i].name);
        tree_free(&all.kinds[i].files);
    }
    for (size_t i = 0; i < watch.n_nulls; i++)
        ae_free(watch.nulls[i]);
    if (all.log) fclose(all.log);
    return n_wrong > 0;
}
