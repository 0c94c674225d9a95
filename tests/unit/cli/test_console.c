// cli: the line of progress, and Ctrl-C. Time and the terminal's width are the test's own.
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

static double moment; // in seconds
static int columns;   // 0: stderr is no terminal

static int tell_time(clockid_t clock, struct timespec *out) {
    (void)clock;
    *out = (struct timespec){.tv_sec = (time_t)moment};
    return 0;
}

static int tell_width(int file, unsigned long request, struct winsize *out) {
    (void)file, (void)request;
    out->ws_col = (unsigned short)columns;
    return columns ? 0 : -1;
}

#define clock_gettime tell_time
#define ioctl         tell_width
#include "cli/console.c"
#include "cli/visible.c"
#undef clock_gettime
#undef ioctl

/* Reports at that time, and gives what is written for it, as of the last call. */
static const char *report(ae_console *console, double at, const char *stage, double done, double total) {
    static char said[512];
    char *text = NULL;
    size_t length = 0;
    FILE *real = stderr;
    stderr = open_memstream(&text, &length);
    assert_non_null(stderr);
    moment = at;
    const bool go_on = console->hooks.progress(console->hooks.user, stage, done, total, "steps");
    assert_int_equal(fclose(stderr), 0);
    stderr = real;
    assert_true(go_on);
    snprintf(said, sizeof said, "%s", text);
    free(text);
    return said;
}

static void open_console(ae_console *console, int width) {
    columns = width;
    ae_console_open(console, "test", false, false);
    console->progress.terminal = width > 0;
}

static void close_console(ae_console *console) {
    console->progress.standing = false; // no line was written to the true one
    ae_console_close(console);
}

static void a_stage_that_comes_again_has_a_rate_of_its_own(void **state) {
    (void)state;
    ae_console console;
    open_console(&console, 0);
    for (double begin = 100; begin < 3000; begin += 1000) {
        assert_string_equal(report(&console, begin, "editing", 0, 20), "");
        assert_string_equal(report(&console, begin + 40, "editing", 4, 20),
                            "aedile: editing: 4 of 20 steps, 0.10/s, 3 min left\n");
        assert_string_equal(report(&console, begin + 50, "editing", 5, 20), "");
        assert_string_equal(report(&console, begin + 80, "editing", 12, 20),
                            "aedile: editing: 12 of 20 steps, 0.15/s, 53.3 s left\n");
    }
    // What was done before it began does not count.
    assert_string_equal(report(&console, 5000, "collecting", 100, 200), "");
    snprintf(console.progress.note, sizeof console.progress.note, "layer 2 of 3");
    assert_string_equal(report(&console, 5050, "collecting", 150, 200),
                        "aedile: collecting: 150 of 200 steps, 1.00/s, 50.0 s left, layer 2 of 3\n");
    close_console(&console);
}

static void a_line_stays_on_its_line(void **state) {
    (void)state;
    static const char line[] = "gr\u00f6\u00dfer: 4 of 20 steps, 0.10/s, 3 min left"; // 41 columns
    char expected[100];
    for (int width = 1; width < 60; width++) {
        ae_console console;
        open_console(&console, width);
        assert_string_equal(report(&console, 100, "gr\u00f6\u00dfer", 0, 20), "");
        const char *said = report(&console, 140, "gr\u00f6\u00dfer", 4, 20);
        int n = width - 1 < 41 ? width - 1 : 41; // characters, of which two are of two bytes
        n += (n > 2) + (n > 3);
        snprintf(expected, sizeof expected, "\r\033[K%.*s", n, line);
        assert_string_equal(said, expected);
        close_console(&console);
    }
    // A terminal that does not know its width.
    ae_console console;
    open_console(&console, 0);
    console.progress.terminal = true;
    report(&console, 100, "gr\u00f6\u00dfer", 0, 20);
    snprintf(expected, sizeof expected, "\r\033[K%s", line);
    assert_string_equal(report(&console, 140, "gr\u00f6\u00dfer", 4, 20), expected);
    close_console(&console);
}

static void (*handler(void))(int) {
    struct sigaction action;
    assert_int_equal(sigaction(SIGINT, NULL, &action), 0);
    return action.sa_handler;
}

static void interrupts_are_caught_when_somebody_asks(void **state) {
    (void)state;
    // Who starts us in the background has them ignored.
    signal(SIGINT, SIG_IGN);
    ae_console console;
    open_console(&console, 0);
    report(&console, 100, "editing", 0, 20);
    assert_true(handler() == SIG_IGN);
    assert_int_equal(raise(SIGINT), 0);
    assert_false(ae_console_interrupted());
    // Until the first report there is nobody to ask, and they end the process.
    signal(SIGINT, SIG_DFL);
    close_console(&console);
    open_console(&console, 0);
    assert_true(handler() == SIG_DFL);
    report(&console, 100, "editing", 0, 20);
    assert_true(handler() != SIG_DFL);
    assert_int_equal(raise(SIGINT), 0);
    assert_true(ae_console_interrupted());
    assert_false(console.hooks.progress(&console, "editing", 1, 20, "steps"));
    assert_true(handler() == SIG_DFL); // the second one ends it
    interrupted = 0;
    close_console(&console);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_that_comes_again_has_a_rate_of_its_own),
        cmocka_unit_test(a_line_stays_on_its_line),
        cmocka_unit_test(interrupts_are_caught_when_somebody_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
