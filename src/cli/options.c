#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = AE_OPTIONS_MAX, FIRST_LONG = 256 };

const ae_option ae_table_output[] = {
    {.name = "json",
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(ae_common, json),
     .section = "Output",
     .help = "Print one JSON document on stdout; its keys are in docs/cli-json.md."},
    {.name = "quiet",
     .letter = 'q',
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(ae_common, quiet),
     .help = "No progress and no notes on stderr; warnings and errors stay."},
    {.name = "help",
     .letter = 'h',
     .kind = AE_OPTION_FLAG,
     .offset = offsetof(ae_common, help),
     .help = "This text."},
    {0},
};

#define THREADS                                                                                              \
    {                                                                                                        \
        .name = "threads", .kind = AE_OPTION_INT, .argument = "N", .initial = "0", .high = 1024,             \
        .offset = offsetof(ae_common, threads), .section = "Machine",                                        \
        .help = "Threads that compute; 0: one for each core."                                                \
    }

const ae_option ae_table_threads[] = {THREADS, {0}};

const ae_option ae_table_decode[] = {
    {.name = "decode",
     .kind = AE_OPTION_CHOICE,
     .argument = "bytes|compat",
     .initial = "bytes",
     .offset = offsetof(ae_common, decode),
     .section = "Comparing with old results",
     .help = "compat: take spaces out of generated text and templates as transformers did up to 4.15."},
    {0},
};

const ae_option ae_table_reader[] = {
    {.name = "journal",
     .letter = 'j',
     .kind = AE_OPTION_TEXT,
     .argument = "DIR",
     .offset = offsetof(ae_common, journal),
     .section = "Model",
     .help = "Read the model with this journal's edits applied."},
    THREADS,
    {0},
};

// ---- suggestions -----------------------------------------------------------------------------------

static int smallest(int a, int b, int c) {
    int least = a < b ? a : b;
    return least < c ? least : c;
}

// Insertions, deletions and replacements between the two words (Levenshtein), for words below 32 letters.
static int distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    const size_t n = strlen(a), m = strlen(b);
    if (n >= LONGEST || m >= LONGEST) return LONGEST;
    int row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            const int above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

const char *ae_nearest(const char *typed, const char *const *candidates, size_t count) {
    const size_t length = strlen(typed);
    int best = length < 5 ? 2 : 3; // one slip more than this is another word
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        // What was begun but not finished is near, however much is missing.
        const bool begun = length >= 3 && strncmp(candidates[i], typed, length) == 0;
        const int d = begun ? 1 : distance(typed, candidates[i]);
        if (d < best) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

// ---- values ----------------------------------------------------------------------------------------

static bool complain(char *problem, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The first problem is the one to tell; always false, so that `return complain(...)` reads naturally.
static bool complain(char *problem, size_t size, const char *format, ...) {
    if (*problem) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, size, format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_int(const ae_option *o, const char *text, int64_t *out, char *problem, size_t size) {
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    const bool bounded = o->low != 0 || o->high != 0;
    const bool whole = *text && !*end && !errno && (*text == '-' || (*text >= '0' && *text <= '9'));
    if (!whole || (bounded && ((double)value < o->low || (double)value > o->high))) {
        if (bounded)
            return complain(problem, size, "--%s: '%s' is not a whole number from %.0f to %.0f", o->name,
                            text, o->low, o->high);
        return complain(problem, size, "--%s: '%s' is not a whole number", o->name, text);
    }
    *out = value;
    return true;
}

static bool parse_ints(const ae_option *o, const char *text, ae_ints *list, char *problem, size_t size) {
    char part[32];
    for (;;) {
        const size_t length = strcspn(text, ",");
        if (length >= sizeof part)
            return complain(problem, size, "--%s: '%s' is not a list of whole numbers", o->name, text);
        memcpy(part, text, length);
        part[length] = '\0';
        if (list->count == AE_INTS_MAX)
            return complain(problem, size, "--%s: more than %d values", o->name, AE_INTS_MAX);
        if (!parse_int(o, part, &list->items[list->count], problem, size)) return false;
        list->count++;
        if (!text[length]) return true;
        text += length + 1;
    }
}

static bool parse_seed(const ae_option *o, const char *text, uint64_t *out, char *problem, size_t size) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return complain(problem, size, "--%s: '%s' is not a whole number from 0 to %llu", o->name, text,
                        (unsigned long long)UINT64_MAX);
    *out = value;
    return true;
}

static bool parse_real(const ae_option *o, const char *text, double *out, char *problem, size_t size) {
    char *end;
    errno = 0;
    const double value = strtod(text, &end);
    // strtod alone would take "inf", hexadecimal and leading spaces.
    const bool number = *text && !*end && isfinite(value) && strspn(text, "+-.eE0123456789") == strlen(text);
    if (!number || ((o->low != 0 || o->high != 0) && (value < o->low || value > o->high))) {
        if (o->low != 0 || o->high != 0)
            return complain(problem, size, "--%s: '%s' is not a number from %g to %g", o->name, text, o->low,
                            o->high);
        return complain(problem, size, "--%s: '%s' is not a number", o->name, text);
    }
    *out = value;
    return true;
}

static bool parse_choice(const ae_option *o, const char *text, const char **out, char *problem, size_t size) {
    const size_t length = strlen(text);
    for (const char *word = o->argument; *word; word += strcspn(word, "|"), word += *word == '|')
        if (length && strcspn(word, "|") == length && strncmp(word, text, length) == 0) {
            *out = text;
            return true;
        }
    return complain(problem, size, "--%s: '%s' is not one of %s", o->name, text, o->argument);
}

static bool add_text(ae_texts *list, const char *text, char *problem, size_t size) {
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items) return complain(problem, size, "out of memory");
    list->items = items;
    list->items[list->count++] = text;
    return true;
}

static bool set_value(const ae_option *o, const char *text, void *values, char *problem, size_t size) {
    void *at = (char *)values + o->offset;
    switch (o->kind) {
    case AE_OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case AE_OPTION_TEXT:
        *(const char **)at = text;
        return true;
    case AE_OPTION_CHOICE:
        return parse_choice(o, text, at, problem, size);
    case AE_OPTION_TEXTS:
        return add_text(at, text, problem, size);
    case AE_OPTION_INT:
        return parse_int(o, text, at, problem, size);
    case AE_OPTION_INTS:
        return parse_ints(o, text, at, problem, size);
    case AE_OPTION_SEED:
        return parse_seed(o, text, at, problem, size);
    case AE_OPTION_REAL:
        return parse_real(o, text, at, problem, size);
    }
    return true;
}

// ---- the command line ------------------------------------------------------------------------------

// All options of the command in one list, in the order of its tables.
static size_t collect(const ae_command *command, const ae_option **list) {
    size_t count = 0;
    for (size_t t = 0; t < AE_TABLES_MAX && command->tables[t]; t++)
        for (const ae_option *o = command->tables[t]; o->name && count < OPTIONS_MAX; o++)
            list[count++] = o;
    return count;
}

bool ae_was_given(const ae_common *common, const char *name) {
    for (size_t i = 0; i < common->n_given; i++)
        if (strcmp(common->given[i], name) == 0) return true;
    return false;
}

// Notes that option `index` was given; false if it was before, under this name or another one.
static bool note_given(const ae_option **list, size_t index, ae_common *common) {
    size_t first = 0;
    while (list[first]->offset != list[index]->offset)
        first++;
    if (ae_was_given(common, list[first]->name)) return false;
    common->given[common->n_given++] = list[first]->name;
    return true;
}

// What getopt_long stumbled over, as a sentence.
static void explain_stumble(int code, char **argv, const ae_option **list, size_t count, char *problem,
                            size_t size) {
    const char *word = argv[optind - 1]; // within a cluster of letters: the word before
    if (code == ':') {
        complain(problem, size, "%s needs a value", word);
        return;
    }
    if (optopt != 0 && optopt < FIRST_LONG) {
        complain(problem, size, "there is no option -%c", optopt);
        return;
    }
    char typed[64];
    snprintf(typed, sizeof typed, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    if (optopt >= FIRST_LONG) { // a flag with =VALUE
        complain(problem, size, "--%s takes no value", typed);
        return;
    }
    const char *names[OPTIONS_MAX];
    size_t begun = 0;
    for (size_t i = 0; i < count; i++) {
        names[i] = list[i]->name;
        begun += strncmp(names[i], typed, strlen(typed)) == 0;
    }
    const char *nearest = ae_nearest(typed, names, count);
    if (begun > 1)
        complain(problem, size, "--%s is short for more than one option; write it out", typed);
    else if (nearest)
        complain(problem, size, "there is no option --%s; did you mean --%s?", typed, nearest);
    else
        complain(problem, size, "there is no option --%s", typed);
}

// The option of getopt_long's code in the list; `count` where it is none.
static size_t find_option(int code, const ae_option **list, size_t count) {
    if (code >= FIRST_LONG) return (size_t)(code - FIRST_LONG);
    size_t i = 0;
    while (i < count && list[i]->letter != code)
        i++;
    return i;
}

// Words that are not options: as many as the command takes at most, or, where one of them is given as an
// option, at least.
static size_t count_words(const ae_command *command, int argc, char **argv, const char *letters,
                          const struct option *longs, const ae_option **list, size_t count) {
    size_t most = (size_t)command->max_words;
    optind = 0; // glibc: begin anew
    for (int code; (code = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        const size_t i = find_option(code, list, count);
        if (i < count && list[i]->is_word) most = (size_t)command->min_words;
    }
    return most;
}

bool ae_options_parse(const ae_command *command, int argc, char **argv, void *values, ae_texts *words,
                      char *problem, size_t size) {
    const ae_option *list[OPTIONS_MAX];
    const size_t count = collect(command, list);
    struct option longs[OPTIONS_MAX + 1] = {{0}};
    char letters[2 * OPTIONS_MAX + 3] =
        "-:"; // '-': words come in their place; ':': a missing value is told apart
    size_t n_letters = 2;
    *problem = '\0';
    for (size_t i = 0; i < count; i++) {
        const ae_option *o = list[i];
        const int has = o->kind == AE_OPTION_FLAG ? no_argument : required_argument;
        longs[i] = (struct option){o->name, has, NULL, FIRST_LONG + (int)i};
        if (o->letter) {
            letters[n_letters++] = o->letter;
            if (has == required_argument) letters[n_letters++] = ':';
        }
        if (o->initial) set_value(o, o->initial, values, problem, size);
    }
    letters[n_letters] = '\0';

    const ae_option *open = NULL; // the list to which a word that follows may belong
    opterr = 0;
    const size_t n_words = count_words(command, argc, argv, letters, longs, list, count);
    optind = 0;
    for (int code; (code = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        if (code == 1) {
            if (open && words->count >= n_words)
                set_value(open, optarg, values, problem, size);
            else
                add_text(words, optarg, problem, size);
            continue;
        }
        open = NULL;
        if (code == '?' || code == ':') {
            explain_stumble(code, argv, list, count, problem, size);
            continue;
        }
        const size_t i = find_option(code, list, count);
        if (i == count) continue;
        const bool many = list[i]->kind == AE_OPTION_TEXTS || list[i]->kind == AE_OPTION_INTS;
        if (!note_given(list, i, values) && !many && list[i]->kind != AE_OPTION_FLAG)
            complain(problem, size, "--%s is given twice", list[i]->name);
        set_value(list[i], optarg, values, problem, size);
        if (list[i]->kind == AE_OPTION_TEXTS) open = list[i];
    }
    while (optind < argc)
        add_text(words, argv[optind++], problem, size);

    if (((const ae_common *)values)->help) return true;
    if (words->count < (size_t)command->min_words)
        complain(problem, size, "%s is missing",
                 command->word             ? command->word
                 : command->max_words == 1 ? "MODEL"
                                           : "an argument");
    if (command->max_words >= 0 && words->count > (size_t)command->max_words)
        complain(problem, size, "'%s' is one argument too many", words->items[command->max_words]);
    for (size_t i = 0; i < count; i++)
        if (list[i]->required && !ae_was_given(values, list[i]->name))
            complain(problem, size, "--%s is missing", list[i]->name);
    return !*problem;
}

void ae_options_release(const ae_command *command, void *values, ae_texts *words) {
    const ae_option *list[OPTIONS_MAX];
    const size_t count = collect(command, list);
    for (size_t i = 0; i < count; i++)
        if (list[i]->kind == AE_OPTION_TEXTS) free(((ae_texts *)((char *)values + list[i]->offset))->items);
    free(words->items);
}
