#include "cli/console.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/visible.h"

// Progress is worth a line only where somebody waits; in a log, where lines stay, far less often.
static const double silent_seconds = 2, redraw_seconds = 0.2, log_seconds = 30;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

void ae_console_catch_interrupt(void) {
    struct sigaction action;
    if (interrupted || sigaction(SIGINT, NULL, &action) != 0 || action.sa_handler != SIG_DFL) return;
    action = (struct sigaction){.sa_handler = on_interrupt, .sa_flags = SA_RESTART | SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
}

bool ae_console_interrupted(void) {
    return interrupted;
}

double ae_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// ---- short texts -----------------------------------------------------------------------------------

const char *ae_text_seconds(double seconds, char out[AE_SHORT_TEXT]) {
    if (seconds < 0.0995)
        snprintf(out, AE_SHORT_TEXT, "%.0f ms", seconds * 1e3);
    else if (seconds < 99.5)
        snprintf(out, AE_SHORT_TEXT, "%.1f s", seconds);
    else if (seconds < 99.5 * 60)
        snprintf(out, AE_SHORT_TEXT, "%.0f min", seconds / 60);
    else
        snprintf(out, AE_SHORT_TEXT, "%.1f h", seconds / 3600);
    return out;
}

const char *ae_text_percent(double probability, char out[AE_SHORT_TEXT]) {
    const double percent = 100 * probability;
    if (isnan(percent))
        snprintf(out, AE_SHORT_TEXT, "-");
    else
        snprintf(out, AE_SHORT_TEXT, percent >= 0.01 || percent == 0 ? "%.2f %%" : "%.0e %%", percent);
    return out;
}

const char *ae_text_bytes(double bytes, char out[AE_SHORT_TEXT]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, AE_SHORT_TEXT, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

void ae_print_quoted(const char *text) {
    putchar('"');
    for (const char *end = text + strlen(text); text < end;) {
        if (*text == '"' || *text == '\\') putchar('\\');
        text += ae_print_character(stdout, text, (size_t)(end - text));
    }
    putchar('"');
}

// ---- JSON ------------------------------------------------------------------------------------------

// Bytes of the UTF-8 character at `text`; 0 if there is none. Jansson, which refuses bad UTF-8, is the judge.
static size_t character_length(const char *text) {
    for (size_t n = 1; n <= strnlen(text, 4); n++) {
        json_t *character = json_stringn(text, n);
        json_decref(character);
        if (character) return n;
    }
    return 0;
}

json_t *ae_json_text(const char *text) {
    if (!text) return json_null();
    json_t *string = json_string(text);
    if (string) return string;
    char *clean = malloc(3 * strlen(text) + 1), *end = clean;
    if (!clean) return json_null();
    while (*text) {
        const size_t n = character_length(text);
        memcpy(end, n ? text : "\xEF\xBF\xBD", n ? n : 3);
        end += n ? n : 3;
        text += n ? n : 1;
    }
    *end = '\0';
    string = json_string(clean);
    free(clean);
    return string;
}

json_t *ae_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *ae_json_seed(uint64_t seed) {
    if (seed <= INT64_MAX) return json_integer((json_int_t)seed);
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)seed);
    return json_string(digits);
}

static void print_document(const json_t *document) {
    char *text = json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    if (text) ae_print_json(stdout, text);
    free(text);
    putchar('\n');
}

// ---- stderr ----------------------------------------------------------------------------------------

void ae_console_clear(ae_console *console) {
    if (!console->progress.standing) return;
    fputs("\r\033[K", stderr);
    console->progress.standing = false;
}

static void warn(void *user, const char *text) {
    ae_console *console = user;
    ae_console_clear(console);
    fputs("aedile: warning: ", stderr);
    ae_print_visible(stderr, text);
    fputc('\n', stderr);
    json_array_append_new(console->warnings, ae_json_text(text));
}

void ae_console_warn(ae_console *console, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    warn(console, text);
}

void ae_console_note(ae_console *console, const char *format, ...) {
    if (console->quiet) return;
    ae_console_clear(console);
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ae_print_visible(stderr, text);
    fputc('\n', stderr);
}

// "editing: 3 of 200 cases, 1.50/s, 131 s left, efficacy 100.0 %"; free with free(), NULL on lack of memory.
static char *progress_text(const ae_console *console, double now, double done, double total,
                           const char *unit) {
    char *text = NULL, left[AE_SHORT_TEXT];
    size_t length = 0;
    FILE *line = open_memstream(&text, &length);
    if (!line) return NULL;
    const double rate = (done - console->progress.first) / (now - console->progress.began);
    ae_print_visible(line, console->progress.stage);
    fprintf(line, ": %.0f", done);
    if (total > 0) fprintf(line, " of %.0f", total);
    fprintf(line, " %s", unit);
    if (rate > 0) fprintf(line, rate < 10 ? ", %.2f/s" : ", %.0f/s", rate);
    if (rate > 0 && total > done) fprintf(line, ", %s left", ae_text_seconds((total - done) / rate, left));
    if (*console->progress.note) fprintf(line, ", %s", console->progress.note);
    return fclose(line) == 0 ? text : NULL;
}

// What does not fit on the terminal's line would go on in the next, which the next line of progress does not
// overwrite. The last column stays free: some terminals go on behind it.
static void cut_to_terminal(char *text) {
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
    for (int column = 0; *text; text++) {
        const bool begins = ((unsigned char)*text & 0xC0) != 0x80; // a character, of several bytes in UTF-8
        if (begins && ++column == size.ws_col) *text = '\0';
    }
}

static bool progress(void *user, const char *stage, double done, double total, const char *unit) {
    ae_console *console = user;
    const double now = ae_clock();
    ae_console_catch_interrupt();
    // The same stage may come again: of the next request, the next layer.
    if (strncmp(console->progress.stage, stage, sizeof console->progress.stage - 1) != 0 ||
        done < console->progress.last) {
        ae_console_clear(console);
        snprintf(console->progress.stage, sizeof console->progress.stage, "%s", stage);
        console->progress.began = now;
        console->progress.shown = now;
        console->progress.first = done; // work that is resumed does not count into the rate
    }
    console->progress.last = done;
    if (interrupted) return false;
    const bool terminal = console->progress.terminal;
    const double spent = now - console->progress.began, since = now - console->progress.shown;
    if (console->quiet || spent < silent_seconds || since < (terminal ? redraw_seconds : log_seconds))
        return true;
    console->progress.shown = now;
    char *text = progress_text(console, now, done, total, unit);
    if (!text) return true;
    if (terminal) cut_to_terminal(text);
    fprintf(stderr, terminal ? "\r\033[K%s" : "aedile: %s\n", text);
    free(text);
    fflush(stderr);
    console->progress.standing = terminal;
    return true;
}

// ---- begin, end, failure ---------------------------------------------------------------------------

void ae_console_open(ae_console *console, const char *command, bool json, bool quiet) {
    *console = (ae_console){.json = json, .quiet = quiet, .command = command};
    console->hooks = (ae_hooks){console, warn, progress};
    console->warnings = json_array();
    console->progress.terminal = isatty(STDERR_FILENO);
}

void ae_console_close(ae_console *console) {
    ae_console_clear(console);
    json_decref(console->warnings);
    json_decref(console->partial);
    console->warnings = console->partial = NULL;
}

static void tell_error(ae_console *console, ae_status status, const char *text) {
    ae_console_clear(console);
    fflush(stdout); // what was printed before comes before
    fputs("aedile: ", stderr);
    ae_print_visible(stderr, text);
    fputc('\n', stderr);
    if (!console->json) return;
    json_t *document = json_pack("{s:{s:s, s:o}, s:O}", "error", "status", ae_status_name(status), "message",
                                 ae_json_text(text), "warnings", console->warnings);
    if (console->partial) json_object_update_missing(document, console->partial);
    print_document(document);
    json_decref(document);
}

int ae_console_fail(ae_console *console, ae_status status) {
    tell_error(console, status, ae_last_error());
    return AE_EXIT_FAILURE;
}

int ae_console_fail_text(ae_console *console, ae_status status, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tell_error(console, status, text);
    return AE_EXIT_FAILURE;
}

int ae_console_misuse(ae_console *console, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tell_error(console, AE_ERR_ARGUMENT, text);
    fprintf(stderr, "Try 'aedile help %s'.\n", console->command);
    return AE_EXIT_USAGE;
}

int ae_console_document(ae_console *console, json_t *document) {
    ae_console_clear(console);
    if (!document) return ae_console_fail_text(console, AE_ERR_MEMORY, "out of memory for the JSON document");
    json_object_set(document, "warnings", console->warnings);
    print_document(document);
    json_decref(document);
    return AE_EXIT_OK;
}
