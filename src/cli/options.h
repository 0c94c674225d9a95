/* cli/options.h: a command's options as a table: parsed from the command line by it, explained by it in
 * --help and in the man page. */
#ifndef AE_CLI_OPTIONS_H
#define AE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ae_option_kind {
    AE_OPTION_FLAG,   // bool
    AE_OPTION_TEXT,   // const char *
    AE_OPTION_CHOICE, // const char *: one of the words of `argument`, which are parted by '|'
    AE_OPTION_TEXTS,  // ae_texts: may be given more than once; takes further words, too, once MODEL is known
    AE_OPTION_INT,    // int64_t
    AE_OPTION_INTS,   // ae_ints: may be given more than once, each a list parted by commas
    AE_OPTION_SEED,   // uint64_t
    AE_OPTION_REAL,   // double
} ae_option_kind;

typedef struct ae_texts {
    const char **items;
    size_t count;
} ae_texts;

enum { AE_INTS_MAX = 64 };
typedef struct ae_ints {
    int64_t items[AE_INTS_MAX];
    size_t count;
} ae_ints;

/* A table of these ends with one whose name is NULL. */
typedef struct ae_option {
    const char *name; // without the dashes
    char letter;      // short form; 0: none
    ae_option_kind kind;
    const char *argument; // what --help calls the value
    const char *initial;  // the default, read like a value that was given; NULL: zero, NULL, an empty list
    double low, high;     // of numbers; both 0: any
    bool required;
    bool is_word;        // says what a word says otherwise: --model is MODEL
    size_t offset;       // of the value in the command's struct of values; a second name has the first one's
    const char *help;    // a sentence or two, without the default
    const char *section; // heading, where one begins here
} ae_option;

enum { AE_TABLES_MAX = 5 };

typedef struct ae_example {
    const char *text, *line;
} ae_example;

typedef struct ae_console ae_console;

/* A command: all that main, --help and the man page know of it. */
typedef struct ae_command {
    const char *name, *brief;
    const char *usage[3];                   // what follows the name, one line a form; NULL: no more
    const char *about;                      // paragraphs, parted by an empty line
    const ae_option *tables[AE_TABLES_MAX]; // NULL: no more
    ae_example examples[3];                 // NULL text: no more
    const char *word;                       // what the first word that is no option is called; NULL: MODEL
    int min_words, max_words;               // words that are not options; max_words -1: any number
    size_t size;                            // of the struct of values, which begins with ae_common
    int (*run)(ae_console *console, const void *values, const ae_texts *words); // the exit code
} ae_command;

enum { AE_OPTIONS_MAX = 64 };

/* What every command's struct of values begins with. */
typedef struct ae_common {
    bool json, quiet, help;
    int64_t threads;
    const char *journal;
    const char *decode; // NULL where the command has no such option
    const char
        *given[AE_OPTIONS_MAX]; // names of the options that were given; of two names the first in the tables
    size_t n_given;
} ae_common;

/* Was the option given, or is its value the default? */
bool ae_was_given(const ae_common *common, const char *name);

extern const ae_option ae_table_output[];  // --json, --quiet, --help: of every command
extern const ae_option ae_table_threads[]; // --threads: where a model is opened
extern const ae_option ae_table_decode[];  // --decode: where a model's text is made
extern const ae_option ae_table_reader[];  // --journal, --threads: where a model is only read

/* Sets `values` (command->size zeroed bytes) from the defaults and argv[1..], and `words` from what is not an
 * option. On a mistake: false, with a sentence in problem[size]; the values read so far are set. */
bool ae_options_parse(const ae_command *command, int argc, char **argv, void *values, ae_texts *words,
                      char *problem, size_t size);

/* Frees the lists that parsing made. */
void ae_options_release(const ae_command *command, void *values, ae_texts *words);

/* The candidate that `typed` is nearest to, or NULL if none is near enough for a slip of the finger. */
const char *ae_nearest(const char *typed, const char *const *candidates, size_t count);

#endif
