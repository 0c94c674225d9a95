// One command as a process of its own, with an end in time and a bound on memory.
#include "mutate_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static const char out_file[] = "out", err_file[] = "err";

bool is_sanitized(void) {
    return getenv("AE_SANITIZED") != NULL;
}

static _Noreturn void become_command(const char *const *words, bool computes) {
    const char *arguments[MAX_WORDS + 5] = {watch.aedile};
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
    if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0 && chdir(PLACE) == 0)
        execv(watch.aedile, (char **)(uintptr_t)arguments);
    _exit(126);
}

void release(run_result *r) {
    json_decref(r->document);
    ae_free(r->out);
    ae_free(r->err);
    *r = (run_result){0};
}

void execute(const char *const *words, run_result *r) {
    enum { SECONDS = 60, SECONDS_SANITIZED = 300 };
    *r = (run_result){.code = -1};
    const bool computes = strcmp(words[0], "summarize") != 0 && strcmp(words[0], "report") != 0;
    const pid_t process = fork();
    if (process < 0) broken("fork: %s", strerror(errno));
    if (process == 0) become_command(words, computes);
    watch.runs++;
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

const char *status_of(const run_result *r) {
    const char *name = json_string_value(json_object_get(json_object_get(r->document, "error"), "status"));
    return r->code == 0 ? "AE_OK" : name ? name : "none";
}

const char *message_of(const run_result *r) {
    const char *text = json_string_value(json_object_get(json_object_get(r->document, "error"), "message"));
    return text ? text : "";
}
