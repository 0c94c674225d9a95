/* mutate_parts.h: what the files of mutate share. */
#ifndef AE_TEST_MUTATE_PARTS_H
#define AE_TEST_MUTATE_PARTS_H

#include "base/json.h"
#include "mutation.h"
#include "tree.h"

/* ---- commands (mutate_commands.c) ---- */

enum { MODEL = 1, HPARAMS = 2, STATS = 4, JOURNAL = 8, RUN = 16 }; // what a file belongs to
enum { MAX_WORDS = 40 };

typedef struct command {
    const char *name;
    int reads;           // only files of these
    const char *creates; // new files lie there, and nowhere else; NULL: there are none
    bool all_or_nothing; // where it fails, there are no new files
    const char *words[MAX_WORDS];
} command;

extern const command commands[];
extern const size_t n_commands;

int area_of(const char *path); // 0: of none of them

/* ---- what is known and found (mutate.c) ---- */

enum { MAX_NULLS = 256 };

extern struct watch {
    const char *aedile;     // the program
    char *nulls[MAX_NULLS]; // where the documents of undamaged folders have null
    size_t n_nulls;
    bool learning;      // the folders are undamaged
    long kilobytes;     // that commands take then, at most
    long runs;          // of commands
    char problem[1024]; // of the mutation in hand; "": none
} watch;

void wrong(const char *format, ...) __attribute__((format(printf, 1, 2))); // the first one counts

bool starts_with(const char *text, const char *start);
bool ends_with(const char *text, const char *end);
bool has_below(const tree *t, const char *folder, const char *end); // a file whose path begins and ends so

/* ---- running one (mutate_run.c) ---- */

#define PLACE "mutated" // the folder in which commands run

typedef struct run_result {
    int code; // -1: did not end, or not of itself
    int signal;
    bool late;
    long kilobytes; // of memory, at most
    char *out, *err;
    size_t out_size;
    json_t *document; // what stdout holds; NULL: no JSON
} run_result;

bool is_sanitized(void);
void execute(const char *const *words, run_result *r); // words end with NULL
void release(run_result *r);
const char *status_of(const run_result *r);  // "AE_OK", "AE_ERR_...", "none"
const char *message_of(const run_result *r); // "" where there is none

/* ---- looking at it (mutate_check.c): each calls wrong() ---- */

void check_end(const char *name, const run_result *r);
void check_files(const command *c, const run_result *r, const tree *before, const tree *after);
void check_use(const command *c, const run_result *r, int area, const tree *before, const tree *after);
void check_named(const char *path, const command *c, const run_result *r);
void check_found(const tree_file *file, const mutation *m, const command *c, const run_result *r);

#endif
