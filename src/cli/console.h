/* cli/console.h: what a command says: results on stdout; warnings, notes, progress and errors on stderr. */
#ifndef AE_CLI_CONSOLE_H
#define AE_CLI_CONSOLE_H

#include <jansson.h>

#include "aedile/aedile.h"
#include "cli/options.h"

enum { AE_EXIT_OK = 0, AE_EXIT_FAILURE = 1, AE_EXIT_USAGE = 2 };

struct ae_console {
    bool json, quiet;
    const char *command; // its name, for "try aedile help ..."
    ae_hooks hooks;      // to hand to the library: warnings and progress arrive here
    json_t *warnings;    // texts, for the document of --json
    json_t *partial;     // what was done before a failure, for the document that tells of it; NULL: nothing
    struct {
        char stage[80];
        double began, first;     // time, `done` at that time
        double shown, last;      // time of the last line; the last `done`
        bool terminal, standing; // stderr is one; a line stands on it without its newline
        char note[64];           // what the command adds to the line; "": nothing
    } progress;
};

void ae_console_open(ae_console *console, const char *command, bool json, bool quiet);
void ae_console_close(ae_console *console);

/* From now on Ctrl-C asks the library's call to stop at its next report of progress, and a second one ends
 * the process. The first report to the console's hooks has this done; until then, nobody being there to ask,
 * Ctrl-C ends the process at once. Where it is ignored, it stays so. */
void ae_console_catch_interrupt(void);

/* Was Ctrl-C pressed since? */
bool ae_console_interrupted(void);

/* `aedile: <text>` on stderr, with --json also {"error": ...} on stdout. Return the exit code. */
int ae_console_fail(ae_console *console, ae_status status); // the library's last error
int ae_console_fail_text(ae_console *console, ae_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int ae_console_misuse(ae_console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A warning of the command's own; one sentence. */
void ae_console_warn(ae_console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line on stderr that --quiet silences. */
void ae_console_note(ae_console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes the progress line off the terminal, before other output. */
void ae_console_clear(ae_console *console);

/* Prints the document of --json with the warnings so far, and releases it. The exit code. */
int ae_console_document(ae_console *console, json_t *document);

/* Seconds from some fixed moment. */
double ae_clock(void);

/* A JSON string of any bytes (what is not UTF-8 becomes U+FFFD; NULL becomes null), a JSON number of any
 * double (what is not finite becomes null), and one of any seed (beyond what JSON's integers hold: its digits
 * as a string). */
json_t *ae_json_text(const char *text);
json_t *ae_json_real(double value);
json_t *ae_json_seed(uint64_t seed);

/* Prints the text in double quotes, on one line, escaped (cli/visible.h). */
void ae_print_quoted(const char *text);

/* "1.4 s", "12 min"; "98.31 %", "2e-05 %"; "5.8 GiB". Into out, which is also what they return. */
enum { AE_SHORT_TEXT = 32 };
const char *ae_text_seconds(double seconds, char out[AE_SHORT_TEXT]);
const char *ae_text_percent(double probability, char out[AE_SHORT_TEXT]);
const char *ae_text_bytes(double bytes, char out[AE_SHORT_TEXT]);

#endif
