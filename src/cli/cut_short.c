#include "cli/cut_short.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "cli/console.h"
#include "cli/visible.h"

// Whatever a signal's handler calls must be able to interrupt itself: neither stdio nor memory, only system
// calls.
enum { LINE = 4608, SENTENCE = 2 * LINE };
static volatile sig_atomic_t wants_json;

// A hexadecimal number at *at, which then is behind it.
static uintptr_t read_hex(const char **at) {
    static const char digits[] = "0123456789abcdef";
    uintptr_t value = 0;
    for (const char *digit; **at && (digit = strchr(digits, **at)); (*at)++)
        value = 16 * value + (uintptr_t)(digit - digits);
    return value;
}

// The file in a line of /proc/self/maps ("from-to rights offset device inode   /path") that holds the
// address; or NULL.
static const char *file_of(const char *line, uintptr_t address) {
    const char *at = line;
    const uintptr_t from = read_hex(&at);
    if (*at++ != '-') return NULL;
    const uintptr_t to = read_hex(&at);
    return address >= from && address < to ? strchr(line, '/') : NULL;
}

// The mapped file at the address; false: there is none.
static bool find_file(uintptr_t address, char path[LINE]) {
    static char line[LINE];
    const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    char c;
    while (maps >= 0 && read(maps, &c, 1) == 1) {
        if (c != '\n') {
            if (n + 1 < sizeof line) line[n++] = c;
            continue;
        }
        line[n] = '\0';
        n = 0;
        const char *found = file_of(line, address);
        if (!found) continue;
        memcpy(path, found, strlen(found) + 1);
        close(maps);
        return true;
    }
    if (maps >= 0) close(maps);
    return false;
}

// As much of the sentence as there is room for; as the inside of a JSON string, where that is wanted.
static size_t add(char out[SENTENCE], size_t n, const char *text, bool json) {
    char escape[AE_ESCAPE];
    for (const char *end = text + strlen(text); text < end && n + AE_ESCAPE < SENTENCE;) {
        const size_t length = ae_escape(text, (size_t)(end - text), escape);
        if (json && escape[0] && escape[1] == 'x') memcpy(escape, "?", 2); // JSON has no such escape
        if (json && (*text == '"' || *text == '\\')) out[n++] = '\\';
        const size_t added = *escape ? strlen(escape) : length;
        memcpy(out + n, *escape ? escape : text, added);
        n += added;
        text += length;
    }
    return n;
}

static size_t add_sentence(char out[SENTENCE], size_t n, const char *path, bool json) {
    n = add(out, n, "'", json);
    n = add(out, n, path, json);
    return add(
        out, n,
        "' was cut short while it was in use, or its disk failed: nothing was kept of what was under way",
        json);
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    static char path[LINE], text[SENTENCE];
    static atomic_flag taken = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&taken)) // another thread came upon it first, and ends the process
        pause();
    if (!find_file((uintptr_t)info->si_addr, path)) {
        signal(number, SIG_DFL); // then it is a defect, and happens again when this returns
        atomic_flag_clear(&taken);
        return;
    }
    size_t n = add_sentence(text, add(text, 0, "aedile: ", false), path, false);
    text[n++] = '\n';
    (void)!write(STDERR_FILENO, text, n);
    if (wants_json) {
        n = add(text, 0, "{\"error\": {\"status\": \"AE_ERR_IO\", \"message\": \"", false);
        n = add_sentence(text, n, path, true);
        n = add(text, n, "\"}, \"warnings\": []}", false);
        text[n++] = '\n';
        (void)!write(STDOUT_FILENO, text, n);
    }
    _exit(AE_EXIT_FAILURE);
}

void ae_tell_of_cut_files(bool json) {
    wants_json = json;
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
}
