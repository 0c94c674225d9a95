/* watch SAMPLES FOLDER SECONDS COMMAND...: runs the command and looks at its process every so many seconds
 * and at its end: a line of SAMPLES each, numbers parted by tabs, under a heading:
 *
 *     seconds   since it began
 *     entries   files of FOLDER that end in .safetensors: a journal's
 *     anon      resident memory that lies in no file, KiB (RssAnon)
 *     file      resident pages of files, KiB (RssFile)
 *     peak      the most that was resident, KiB (VmHWM)
 *     maps      mappings
 *     fds       open file descriptors
 *     threads
 *     written   bytes handed to write() and its like (wchar)
 *     cpu       seconds of processors
 *     heap      bytes that it holds by malloc, where heap.so counts them into the file SOAK_HEAP; else 0
 *
 * Exit code: the command's; 128 and the signal's number where one ended it. Linux. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Names in a folder that end so ("": all, but for "." and ".."); -1: it cannot be read. */
static long count_names(const char *folder, const char *end) {
    DIR *dir = opendir(folder);
    if (!dir) return -1;
    long n = 0;
    for (const struct dirent *d; (d = readdir(dir));) {
        const size_t length = strlen(d->d_name), tail = strlen(end);
        n += d->d_name[0] != '.' && length >= tail && strcmp(d->d_name + length - tail, end) == 0;
    }
    closedir(dir);
    return n;
}

static FILE *open_proc(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return fopen(path, "r");
}

/* The number behind each of `fields` in a file of lines "field: number"; -1 where it is missing. */
static void read_fields(pid_t pid, const char *name, const char *const *fields, long *values, int n) {
    char line[256];
    FILE *file = open_proc(pid, name);
    for (int i = 0; i < n; i++)
        values[i] = -1;
    while (file && fgets(line, sizeof line, file))
        for (int i = 0; i < n; i++)
            if (strncmp(line, fields[i], strlen(fields[i])) == 0)
                values[i] = strtol(line + strlen(fields[i]), NULL, 10);
    if (file) fclose(file);
}

static long count_lines(pid_t pid, const char *name) {
    FILE *file = open_proc(pid, name);
    long n = file ? 0 : -1;
    for (int c; file && (c = getc(file)) != EOF;)
        n += c == '\n';
    if (file) fclose(file);
    return n;
}

static double processor_seconds(pid_t pid) {
    char line[1024] = "";
    FILE *file = open_proc(pid, "stat");
    if (file) line[fread(line, 1, sizeof line - 1, file)] = '\0';
    if (file) fclose(file);
    const char *at = strrchr(line, ')'); /* behind the name, which may hold anything */
    unsigned long user = 0, system = 0;
    if (at) sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long heap_bytes(void) {
    const char *path = getenv("SOAK_HEAP");
    FILE *file = path ? fopen(path, "rb") : NULL;
    long bytes = 0;
    if (file && fread(&bytes, sizeof bytes, 1, file) != 1) bytes = 0;
    if (file) fclose(file);
    return bytes;
}

static void sample(FILE *out, pid_t pid, const char *folder, double seconds) {
    static const char *const memory[] = {"RssAnon:", "RssFile:", "VmHWM:", "Threads:"};
    static const char *const written[] = {"wchar:"};
    char fds[64];
    snprintf(fds, sizeof fds, "/proc/%ld/fd", (long)pid);
    long m[4], w[1];
    read_fields(pid, "status", memory, m, 4);
    read_fields(pid, "io", written, w, 1);
    const long entries = count_names(folder, ".safetensors");
    const long heap = heap_bytes();
    const long n_maps = count_lines(pid, "maps"), n_fds = count_names(fds, "");
    if (m[0] < 0 || n_maps <= 0 || n_fds < 0) return; /* it has ended, before or meanwhile */
    fprintf(out, "%.2f\t%ld\t%ld\t%ld\t%ld\t%ld\t%ld\t%ld\t%ld\t%.2f\t%ld\n", seconds,
            entries < 0 ? 0 : entries, m[0], m[1], m[2], n_maps, n_fds, m[3], w[0], processor_seconds(pid),
            heap);
    fflush(out);
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "Usage: watch SAMPLES FOLDER SECONDS COMMAND...\n");
        return 2;
    }
    const double interval = strtod(argv[3], NULL), began = now();
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        fprintf(stderr, "watch: cannot write '%s': %s\n", argv[1], strerror(errno));
        return 2;
    }
    fprintf(out, "seconds\tentries\tanon\tfile\tpeak\tmaps\tfds\tthreads\twritten\tcpu\theap\n");
    fflush(out);
    const pid_t pid = fork();
    if (pid == 0) {
        fclose(out);
        execvp(argv[4], argv + 4);
        fprintf(stderr, "watch: cannot run '%s': %s\n", argv[4], strerror(errno));
        _exit(127);
    }
    /* The child stays a zombie until it is waited for, so that its number is nobody else's meanwhile. */
    siginfo_t ended = {0};
    for (double next = interval < 0.1 ? interval : 0.1; pid > 0 && ended.si_pid == 0;) {
        if (now() - began >= next) {
            sample(out, pid, argv[2], now() - began);
            next += interval;
        }
        usleep(interval < 0.02 ? 1000 : 10000);
        ended.si_pid = 0;
        if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0) break;
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        fprintf(stderr, "watch: %s\n", strerror(errno));
        return 2;
    }
    fclose(out);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
