/* base/lock.h: one process at a time. */
#ifndef AE_BASE_LOCK_H
#define AE_BASE_LOCK_H

#include "base/error.h"

/* Opens a lock's file for reading and writing, and makes it if it is not there. What is no file of its own,
 * but a link, a second name of some file, a pipe, is refused: it would be somebody else's that we make or
 * empty. */
ae_status ae_lock_open(const char *path, int *file);

/* Takes the lock whose file is `path` (made if it is not there), which holds the process's number.
 * AE_ERR_BUSY where another process has it: "'<what>' is being worked on by process 123 ...". A process that
 * dies gives it up. *file: for ae_lock_release. */
ae_status ae_lock_take(const char *path, const char *what, int *file);

/* That AE_ERR_BUSY, for whoever locks a file that is to stay: `file` is open, and holds the number. */
ae_status ae_lock_is_taken(int file, const char *what);

/* Gives it up and removes its file. */
void ae_lock_release(const char *path, int file);

#endif
