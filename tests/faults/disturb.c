/* disturb KIND N REPORT COMMAND...: runs the command and disturbs the N-th of its system calls that change
 * files.
 *
 *     count    nothing is disturbed
 *     meet     nothing is disturbed; other calls are reported: those that start a program or a process (no
 *              thread), or reach for another process or the network
 *     kill     the process is killed (SIGKILL) before the call
 *     half     the N-th write writes its first half, then the process is killed
 *     short    the N-th write writes its first half and says so
 *     ENOSPC   the disk is full from the N-th call on: what needs room fails, renaming and removing work
 *     EIO      the call fails, once
 *     EACCES   the call fails, once, where it names a file
 *     EROFS    the file system is read-only from the N-th call on
 *     cut      before the call the file $DISTURB_FILE loses its second half
 *     change   before the call the bytes in the middle of the file $DISTURB_FILE are inverted
 *     remove   before the call the file $DISTURB_FILE is removed
 *     hold     before the call the command waits until there is a file $DISTURB_FILE
 *
 * Calls that change files: opening for writing, writing (but to stdin, stdout and stderr), flushing,
 * truncating, renaming, linking, removing, making folders, changing modes. They are caught where the kernel
 * enters them (seccomp's user notification), whichever library makes them.
 *
 * With DISTURB_NAMED in the environment no file can be opened without a name (O_TMPFILE), as on file systems
 * that have no such files.
 *
 * REPORT gets a line "CALL PATH" for the disturbed call (the first one, where several are), with `count` and
 * `meet` one for every call. It is empty where the command makes fewer than N such calls. The exit code is
 * the command's, 137 where it was killed, 77 where the kernel offers no user notification, and 78 where this
 * program fails. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_SKIP = 77, EXIT_BROKEN = 78, EXIT_KILLED = 137 };
enum { PATH = 4097 }; // the longest, with its NUL

// What a kind of call can suffer.
enum { NEEDS_ROOM = 1, NAMES_FILE = 2, WRITES = 4 };

typedef struct call {
    int number;
    const char *name;
    int traits;
    int path;  // which argument is the path; -1: none
    int file;  // which argument is the descriptor (of the path's folder, where there is a path); -1: none
    int flags; // which argument holds open's flags; -1: none
} call;

static const call calls[] = {
#ifdef SYS_open
    {SYS_open, "open", NEEDS_ROOM | NAMES_FILE, 0, -1, 1},
    {SYS_creat, "creat", NEEDS_ROOM | NAMES_FILE, 0, -1, -1},
    {SYS_rename, "rename", NAMES_FILE, 1, -1, -1},
    {SYS_mkdir, "mkdir", NEEDS_ROOM | NAMES_FILE, 0, -1, -1},
    {SYS_rmdir, "rmdir", NAMES_FILE, 0, -1, -1},
    {SYS_unlink, "unlink", NAMES_FILE, 0, -1, -1},
    {SYS_link, "link", NEEDS_ROOM | NAMES_FILE, 1, -1, -1},
    {SYS_symlink, "symlink", NEEDS_ROOM | NAMES_FILE, 1, -1, -1},
    {SYS_chmod, "chmod", NAMES_FILE, 0, -1, -1},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "renameat", NAMES_FILE, 3, 2, -1},
#endif
    {SYS_openat, "openat", NEEDS_ROOM | NAMES_FILE, 1, 0, 2},
    {SYS_renameat2, "renameat2", NAMES_FILE, 3, 2, -1},
    {SYS_mkdirat, "mkdirat", NEEDS_ROOM | NAMES_FILE, 1, 0, -1},
    {SYS_unlinkat, "unlinkat", NAMES_FILE, 1, 0, -1},
    {SYS_linkat, "linkat", NEEDS_ROOM | NAMES_FILE, 3, 2, -1},
    {SYS_symlinkat, "symlinkat", NEEDS_ROOM | NAMES_FILE, 2, 1, -1},
    {SYS_fchmodat, "fchmodat", NAMES_FILE, 1, 0, -1},
    {SYS_fchmod, "fchmod", 0, -1, 0, -1},
    {SYS_write, "write", NEEDS_ROOM | WRITES, -1, 0, -1},
    {SYS_pwrite64, "pwrite64", NEEDS_ROOM | WRITES, -1, 0, -1},
    {SYS_writev, "writev", NEEDS_ROOM, -1, 0, -1},
    {SYS_pwritev, "pwritev", NEEDS_ROOM, -1, 0, -1},
    {SYS_copy_file_range, "copy_file_range", NEEDS_ROOM, -1, 2, -1},
    {SYS_sendfile, "sendfile", NEEDS_ROOM, -1, 0, -1},
    {SYS_fallocate, "fallocate", NEEDS_ROOM, -1, 0, -1},
    {SYS_truncate, "truncate", NAMES_FILE, 0, -1, -1},
    {SYS_ftruncate, "ftruncate", 0, -1, 0, -1},
    {SYS_fsync, "fsync", NEEDS_ROOM, -1, 0, -1}, // which is when some file systems find out
    {SYS_fdatasync, "fdatasync", NEEDS_ROOM, -1, 0, -1},
};
enum { N_CALLS = sizeof calls / sizeof *calls };

// Calls that start a program or a process, or reach for others.
static const call meetings[] = {
#ifdef SYS_fork
    {SYS_fork, "fork", 0, -1, -1, -1},
    {SYS_vfork, "vfork", 0, -1, -1, -1},
#endif
    {SYS_execve, "execve", 0, 0, -1, -1},
    {SYS_execveat, "execveat", 0, 1, -1, -1},
    {SYS_clone, "clone", 0, -1, -1, -1},
    {SYS_clone3, "clone3", 0, -1, -1, -1},
    {SYS_ptrace, "ptrace", 0, -1, -1, -1},
    {SYS_process_vm_writev, "process_vm_writev", 0, -1, -1, -1},
    {SYS_kill, "kill", 0, -1, -1, -1},
    {SYS_socket, "socket", 0, -1, -1, -1},
    {SYS_socketpair, "socketpair", 0, -1, -1, -1},
    {SYS_io_uring_setup, "io_uring_setup", 0, -1, -1, -1}, // which could do all of it unseen
};

static const call *table = calls;
static size_t n_table = N_CALLS;

static const struct {
    const char *name;
    int error, traits; // only calls with one of these traits; 0: all
    bool lasts, kills, halves;
} kinds[] = {
    {"count", 0, 0, false, false, false},
    {"kill", 0, 0, false, true, false},
    {"half", 0, WRITES, false, true, true},
    {"short", 0, WRITES, false, false, true},
    {"ENOSPC", ENOSPC, NEEDS_ROOM, true, false, false},
    {"EIO", EIO, 0, false, false, false},
    {"EACCES", EACCES, NAMES_FILE, false, false, false},
    {"EROFS", EROFS, 0, true, false, false},
    {"cut", 0, 0, false, false, false},
    {"change", 0, 0, false, false, false},
    {"remove", 0, 0, false, false, false},
    {"hold", 0, 0, false, false, false},
    {"meet", 0, 0, false, false, false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static _Noreturn void broken(const char *what) {
    fprintf(stderr, "disturb: %s: %s\n", what, strerror(errno));
    exit(EXIT_BROKEN);
}

// ---- the command's side ----------------------------------------------------------------------------

// The program that the kernel asks at each system call: the calls above go to the listener, all others go on.
static int install_filter(void) {
    static struct sock_filter code[8 * N_CALLS + 8];
    unsigned short n = 0;
    const struct sock_filter notify = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                             allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                             number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[n++] = number;
    for (size_t i = 0; i < n_table; i++) {
        const call *c = &table[i];
        const bool looks = c->flags >= 0 || (c->path < 0 && c->file == 0); // at an argument
        code[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)c->number, 0, looks ? 4 : 1);
        if (looks) {
            const int argument = c->flags >= 0 ? c->flags : c->file; // its lower half: little-endian machines
            const size_t at = offsetof(struct seccomp_data, args) + 8 * (size_t)argument;
            code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)at);
            code[n++] = c->flags >= 0
                            ? (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
                                                           O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1)
                            : (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, STDERR_FILENO, 0, 1);
            code[n++] = notify;
            code[n++] = allow;
        } else {
            code[n++] = notify;
        }
    }
    code[n++] = allow;
    const struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

// Hands a descriptor to the other process (or takes it), which is the socket interface's longest sentence.
static bool pass_descriptor(int channel, int *descriptor, bool send) {
    char byte = 0, room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (send) {
        *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(header), descriptor, sizeof(int));
        return sendmsg(channel, &message, 0) == 1;
    }
    if (recvmsg(channel, &message, 0) != 1 || !(header = CMSG_FIRSTHDR(&message))) return false;
    memcpy(descriptor, CMSG_DATA(header), sizeof(int));
    return true;
}

static _Noreturn void become_command(char **argv, int channel) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); // with us it ends, and we end with the test
    int listener = install_filter();
    if (listener < 0) _exit(EXIT_SKIP);
    if (!pass_descriptor(channel, &listener, true)) _exit(EXIT_BROKEN);
    close(listener);
    close(channel);
    execvp(argv[0], argv);
    _exit(EXIT_BROKEN);
}

// ---- our side --------------------------------------------------------------------------------------

static const call *find_call(int number) {
    for (size_t i = 0; i < n_table; i++)
        if (table[i].number == number) return &table[i];
    return NULL;
}

static size_t peek(pid_t process, uint64_t address, void *out, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)process);
    const int memory = open(path, O_RDONLY | O_CLOEXEC);
    if (memory < 0) broken(path);
    const ssize_t n = pread(memory, out, size, (off_t)address);
    close(memory);
    return n > 0 ? (size_t)n : 0;
}

static void note(FILE *report, const call *c, const char *path) {
    fprintf(report, "%s %s\n", c->name, path);
    fflush(report);
}

// The file that a call is about, where it is about one.
static void path_of(pid_t process, const call *c, const struct seccomp_data *data, char path[PATH]) {
    char link[64];
    size_t length = 0;
    if (c->path >= 0)
        length = peek(process, data->args[c->path], path, PATH - 1);
    else if (c->file >= 0) {
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)process, (int)data->args[c->file]);
        const ssize_t n = readlink(link, path, PATH - 1);
        length = n > 0 ? (size_t)n : 0;
    }
    path[length] = '\0';
}

// What a build for coverage writes when it ends is not the command's own.
static bool is_of_coverage(const char *path) {
    const char *end = strrchr(path, '.');
    return end && strcmp(end, ".gcda") == 0;
}

// A thread is no process. (The structure that clone3 takes begins with the flags.)
static bool starts_thread(pid_t process, const struct seccomp_data *data) {
    uint64_t flags = data->args[0];
    if (data->nr == SYS_clone3 && peek(process, data->args[0], &flags, sizeof flags) != sizeof flags)
        return false;
    return (data->nr == SYS_clone || data->nr == SYS_clone3) && (flags & CLONE_THREAD);
}

// The first half of a write, through the command's own descriptor.
static int64_t write_half(pid_t process, const struct seccomp_data *data) {
    const int pid_file = (int)syscall(SYS_pidfd_open, process, 0);
    const int file = pid_file < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pid_file, (int)data->args[0], 0);
    if (file < 0) broken("the command's descriptor");
    const size_t half = (size_t)data->args[2] / 2;
    char *bytes = malloc(half + 1);
    if (!bytes || peek(process, data->args[1], bytes, half) != half) broken("the command's memory");
    const ssize_t n =
        data->nr == SYS_write ? write(file, bytes, half) : pwrite(file, bytes, half, (off_t)data->args[3]);
    if (n != (ssize_t)half) broken("half a write");
    free(bytes);
    close(file);
    close(pid_file);
    return n;
}

// What somebody else does to a file that the command uses.
static void meddle(const char *kind, const char *path) {
    unsigned char bytes[4096];
    struct stat info;
    if (strcmp(kind, "hold") == 0) {
        while (path && access(path, F_OK) != 0)
            usleep(2000);
        return;
    }
    const int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0 || fstat(file, &info) != 0) broken("DISTURB_FILE");
    const off_t middle = info.st_size / 2;
    if (strcmp(kind, "cut") == 0) {
        if (ftruncate(file, middle) != 0) broken(path);
    } else if (strcmp(kind, "change") == 0) {
        const ssize_t n = pread(file, bytes, sizeof bytes, middle);
        for (ssize_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)~bytes[i];
        if (n <= 0 || pwrite(file, bytes, (size_t)n, middle) != n) broken(path);
    } else if (unlink(path) != 0)
        broken(path);
    close(file);
}

int main(int argc, char **argv) {
    size_t kind = 0;
    while (argc > 4 && kind < N_KINDS && strcmp(kinds[kind].name, argv[1]) != 0)
        kind++;
    if (argc <= 4 || kind == N_KINDS) {
        fprintf(stderr, "disturb KIND N REPORT COMMAND...\n");
        return EXIT_BROKEN;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool meets = strcmp(kinds[kind].name, "meet") == 0;
    if (meets) {
        table = meetings;
        n_table = sizeof meetings / sizeof *meetings;
    }
    const long wanted = kind == 0 || meets ? 0 : strtol(argv[2], NULL, 10);
    FILE *report = fopen(argv[3], "we");
    int channel[2];
    if (!report) broken(argv[3]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) broken("socketpair");
    const pid_t process = fork();
    if (process < 0) broken("fork");
    if (process == 0) become_command(argv + 4, channel[1]);
    close(channel[1]);

    const bool named = getenv("DISTURB_NAMED") != NULL;
    int listener = -1;
    bool killed = false;
    if (pass_descriptor(channel[0], &listener, false)) {
        long n = 0;
        for (;;) {
            struct pollfd ready = {listener, POLLIN, 0};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR) broken("poll");
            if (!(ready.revents & POLLIN)) {
                if (ready.revents & POLLHUP) break; // the command has ended
                continue;
            }
            struct seccomp_notif asked = {0};
            if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
                if (errno == ENOENT || errno == EINTR) continue; // it ended while it asked
                broken("SECCOMP_IOCTL_NOTIF_RECV");
            }
            const call *c = find_call(asked.data.nr);
            if (!c) broken("a call that is not in the table");
            char path[PATH];
            path_of((pid_t)asked.pid, c, &asked.data, path);
            struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
            const bool counts = !is_of_coverage(path) &&
                                (!kinds[kind].traits || (c->traits & kinds[kind].traits)) &&
                                (!kinds[kind].halves || asked.data.args[2] >= 2);
            if (named && c->flags >= 0 && (asked.data.args[c->flags] & O_TMPFILE) == O_TMPFILE) {
                answer.flags = 0;
                answer.error = -EOPNOTSUPP;
            } else if (kind == 0 || meets) {
                if (counts && (!meets || !starts_thread((pid_t)asked.pid, &asked.data)))
                    note(report, c, path);
            } else if (counts && (++n == wanted || (kinds[kind].lasts && n > wanted))) {
                if (n == wanted) note(report, c, path);
                const bool meddles = !kinds[kind].error && !kinds[kind].kills && !kinds[kind].halves;
                if (meddles) meddle(kinds[kind].name, getenv("DISTURB_FILE"));
                if (!meddles) answer.flags = 0;
                if (kinds[kind].halves) answer.val = write_half(process, &asked.data);
                answer.error = -kinds[kind].error;
                if (kinds[kind].kills) {
                    killed = true;
                    kill(process, SIGKILL);
                    break;
                }
            }
            if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT)
                broken("SECCOMP_IOCTL_NOTIF_SEND");
        }
    }
    int status = 0;
    if (waitpid(process, &status, 0) != process) broken("waitpid");
    fclose(report);
    if (killed) return EXIT_KILLED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
