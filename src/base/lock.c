#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

ae_status ae_lock_is_taken(int file, const char *what) {
    char who[32] = "";
    const ssize_t length = pread(file, who, sizeof who - 1, 0);
    who[length > 0 ? length : 0] = '\0';
    who[strcspn(who, "\n")] = '\0';
    return ae_fail(AE_ERR_BUSY, "'%s' is being worked on by %s%s: wait for it to end, or stop it", what,
                   *who ? "process " : "another process", who);
}

// Whether the file that was locked still has the name: who gives a lock up removes its file.
static bool has_name(int file, const char *path) {
    struct stat locked, named;
    return fstat(file, &locked) == 0 && stat(path, &named) == 0 && locked.st_dev == named.st_dev &&
           locked.st_ino == named.st_ino;
}

ae_status ae_lock_open(const char *path, int *file) {
    struct stat info;
    const int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0666);
    if (opened < 0 && errno != ELOOP) return ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    if (opened >= 0 && fstat(opened, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink <= 1) {
        *file = opened;
        return AE_OK;
    }
    if (opened >= 0) close(opened);
    return ae_fail(AE_ERR_IO,
                   "'%s' is no file of its own (a link, or the like), which a lock must be: remove it", path);
}

ae_status ae_lock_take(const char *path, const char *what, int *file) {
    for (;;) {
        int opened = -1;
        AE_TRY(ae_lock_open(path, &opened));
        ae_status status = AE_OK;
        if (flock(opened, LOCK_EX | LOCK_NB) != 0)
            status = errno == EWOULDBLOCK ? ae_lock_is_taken(opened, what)
                                          : ae_fail_errno(AE_ERR_IO, "'%s' cannot be locked", path);
        else if (has_name(opened, path)) {
            char who[32];
            const int length = snprintf(who, sizeof who, "%ld\n", (long)getpid());
            if (ftruncate(opened, 0) == 0 && ae_write_all(opened, who, (size_t)length)) {
                *file = opened;
                return AE_OK;
            }
            status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
            unlink(path);
        }
        close(opened);
        AE_TRY(status);
    }
}

void ae_lock_release(const char *path, int file) {
    unlink(path);
    close(file);
}
