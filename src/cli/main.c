// aedile COMMAND ...: finds the command, reads its options, runs it.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/cut_short.h"
#include "cli/help.h"

const ae_command *const ae_commands[] = {
    &ae_command_inspect,
    &ae_command_generate,
    &ae_command_score,
    &ae_command_edit,
    &ae_command_edits,
    &ae_command_export,
    &ae_command_stats,
    &ae_command_run,
    &ae_command_select,
    &ae_command_summarize,
    &ae_command_report,
    &ae_command_demo,
    NULL,
};

static const ae_command *find_command(const char *name) {
    for (size_t i = 0; ae_commands[i]; i++)
        if (strcmp(ae_commands[i]->name, name) == 0) return ae_commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    const char *names[32] = {"help"};
    size_t count = 1;
    for (size_t i = 0; ae_commands[i]; i++)
        names[count++] = ae_commands[i]->name;
    const char *nearest = ae_nearest(name, names, count);
    fprintf(stderr, "aedile: there is no command '%s'", name);
    if (nearest) fprintf(stderr, "; did you mean '%s'?", nearest);
    fprintf(stderr, "\nTry 'aedile help'.\n");
    return AE_EXIT_USAGE;
}

static int help(int argc, char **argv) {
    if (argc < 1 || strcmp(argv[0], "help") == 0) {
        ae_help_overview();
        return AE_EXIT_OK;
    }
    if (strcmp(argv[0], "--man") == 0) {
        ae_help_manual();
        return AE_EXIT_OK;
    }
    const ae_command *command = find_command(argv[0]);
    if (!command) return unknown_command(argv[0]);
    ae_help_command(command);
    return AE_EXIT_OK;
}

static int run(const ae_command *command, int argc, char **argv) {
    void *values = calloc(1, command->size);
    if (!values) {
        fprintf(stderr, "aedile: out of memory\n");
        return AE_EXIT_FAILURE;
    }
    ae_texts words = {0};
    char problem[1024];
    ae_console console;
    const bool right = ae_options_parse(command, argc, argv, values, &words, problem, sizeof problem);
    const ae_common *common = values;
    int code;
    if (common->help) {
        ae_help_command(command);
        code = AE_EXIT_OK;
    } else {
        ae_console_open(&console, command->name, common->json, common->quiet);
        ae_tell_of_cut_files(common->json);
        code = right ? command->run(&console, values, &words) : ae_console_misuse(&console, "%s", problem);
        ae_console_close(&console);
    }
    ae_options_release(command, values, &words);
    free(values);
    return code;
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        ae_help_overview();
        return AE_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("aedile %s\n", ae_version());
        return AE_EXIT_OK;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(argc - 2, argv + 2);
    const ae_command *command = find_command(argv[1]);
    return command ? run(command, argc - 1, argv + 1) : unknown_command(argv[1]);
}

// libgomp reads how its threads shall wait when it is loaded, before main. Its default, spinning for long,
// costs up to twenty times the work itself on a machine that is busy otherwise, and sleeping at once up to
// twice the work of a small model: so the program starts itself over, once, with threads that look a thousand
// times, some microseconds, and then give way (docs/performance.md). Whoever has set a policy keeps it.
static void give_way_when_waiting(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    char program[4096]; // by its own name, which is what `ps` then shows
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return; // where there is no /proc it only is slower
    program[length] = '\0';
    if (setenv("GOMP_SPINCOUNT", "1000", 0) == 0) execv(program, argv);
}

// Jansson (2.14), short of memory, drops characters of what it reads without a word, and may then write
// behind its own memory: so it is never told. Nothing is lost by ending: files are written whole or not at
// all, whenever that is.
static void *allocate_or_end(size_t size) {
    void *memory = malloc(size);
    if (memory || size == 0) return memory;
    static const char text[] = "aedile: out of memory\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(AE_EXIT_FAILURE);
}

// Who starts us may have closed these: the next file opened would get such a number, and be written to by
// whatever prints. /dev/null takes its place, opened the wrong way round, so that a result with nowhere to go
// still is an error.
static void hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(AE_EXIT_FAILURE);
}

int main(int argc, char **argv) {
    hold_standard_streams();
    give_way_when_waiting(argv);
    json_set_alloc_funcs(allocate_or_end, free);
    const int code = dispatch(argc, argv);
    // A result that did not reach its file is a failure, whatever went well before.
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "aedile: writing the result failed: %s\n", strerror(errno));
        return AE_EXIT_FAILURE;
    }
    return code;
}
