#include "eval/run_folder.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"

static const char part[] = "aedile/part";

// ---- names -----------------------------------------------------------------------------------------

static char *join(const char *folder, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    const size_t before = strlen(folder) + 1;
    char *path = length < 0 ? NULL : ae_alloc(before + (size_t)length + 1, 1);
    if (!path) return NULL;
    memcpy(path, folder, before - 1);
    path[before - 1] = '/';
    vsnprintf(path + before, (size_t)length + 1, format, arguments);
    return path;
}

char *ae_run_folder_path(const ae_run_folder *folder, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *path = join(folder->path, format, arguments);
    va_end(arguments);
    return path;
}

bool ae_run_folder_has(const ae_run_folder *folder, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *path = join(folder->path, format, arguments);
    va_end(arguments);
    const bool there = path && ae_path_exists(path);
    ae_free(path);
    return there;
}

ae_status ae_run_folder_find(const char *results, const char *run, char **path) {
    char *family = ae_path_join(results, "ROME");
    char *below = family ? ae_path_join(family, run) : NULL;
    ae_free(family);
    if (!below) return ae_no_memory();
    if (!strchr(run, '/') && ae_path_is_folder(below)) {
        *path = below;
        return AE_OK;
    }
    ae_status status = AE_OK;
    if (!ae_path_is_folder(run))
        status =
            ae_fail(AE_ERR_NOT_FOUND,
                    "there is no run '%s' to go on with: neither '%s' nor '%s' is a folder; leave it out to "
                    "begin a new run",
                    run, run, below);
    ae_free(below);
    if (status == AE_OK && !(*path = ae_strdup(run))) status = ae_no_memory();
    return status;
}

// The number of "run_<digits>"; -1: another name.
static long run_number(const char *name) {
    if (strncmp(name, "run_", 4) != 0 || !isdigit((unsigned char)name[4])) return -1;
    char *end = NULL;
    const long number = strtol(name + 4, &end, 10);
    return *end || number >= INT_MAX ? -1 : number;
}

// One above the highest number that is taken below `family`.
static ae_status next_number(const char *family, long *number) {
    char **names = NULL;
    size_t count = 0;
    *number = 0;
    if (!ae_path_is_folder(family)) return AE_OK;
    AE_TRY(ae_folder_list(family, &names, &count));
    for (size_t i = 0; i < count; i++)
        if (run_number(names[i]) >= *number) *number = run_number(names[i]) + 1;
    ae_folder_list_free(names, count);
    return AE_OK;
}

ae_status ae_run_folder_next(const char *results, char **path) {
    char *family = ae_path_join(results, "ROME");
    if (!family) return ae_no_memory();
    long number = 0;
    ae_status status = next_number(family, &number);
    if (status == AE_OK && !(*path = ae_format("%s/run_%03ld", family, number))) status = ae_no_memory();
    ae_free(family);
    return status;
}

// ---- the lock --------------------------------------------------------------------------------------

// The lock's file says who has it; it is empty again when the run is given up in good order.
static ae_status take_lock(ae_run_folder *folder) {
    char *path = ae_run_folder_path(folder, "aedile/lock");
    if (!path) return ae_no_memory();
    int file = -1;
    ae_status status = ae_lock_open(path, &file);
    if (status != AE_OK)
        status = ae_fail_context(status, "the run '%s' cannot be written", folder->path);
    else if (flock(file, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? ae_lock_is_taken(file, folder->path)
                                      : ae_fail_errno(AE_ERR_IO, "'%s' cannot be locked", path);
    ae_free(path);
    char who[32];
    const int length = snprintf(who, sizeof who, "%ld\n", (long)getpid());
    if (status == AE_OK && (ftruncate(file, 0) != 0 || !ae_write_all(file, who, (size_t)length)))
        status = ae_fail_errno(AE_ERR_IO, "the run '%s' cannot be written", folder->path);
    if (status == AE_OK)
        folder->lock = file;
    else if (file >= 0)
        close(file);
    return status;
}

// ---- making and opening ----------------------------------------------------------------------------

static ae_status make_subfolder(const ae_run_folder *folder, const char *name) {
    char *path = ae_run_folder_path(folder, "%s", name);
    if (!path) return ae_no_memory();
    ae_status status = ae_folder_check_own(path);
    if (status == AE_OK) status = ae_folder_make(path);
    ae_free(path);
    return status;
}

static ae_status clear(const ae_run_folder *folder, const char *name) {
    char *path = ae_run_folder_path(folder, "%s", name);
    if (!path) return ae_no_memory();
    ae_status status = ae_folder_check_own(path);
    if (status == AE_OK && ae_path_is_folder(path)) status = ae_folder_clear(path);
    ae_free(path);
    return status;
}

static ae_status clear_part(const ae_run_folder *folder) {
    char *path = ae_run_folder_path(folder, "%s", part);
    if (!path) return ae_no_memory();
    ae_status status = AE_OK;
    if (unlink(path) != 0 && errno != ENOENT)
        status = ae_fail_errno(AE_ERR_IO, "cannot remove the half-written '%s'", path);
    ae_free(path);
    return status;
}

static ae_status prepare(ae_run_folder *folder) {
    AE_TRY(make_subfolder(folder, "aedile"));
    AE_TRY(take_lock(folder));
    AE_TRY(make_subfolder(folder, "aedile/skipped"));
    AE_TRY(make_subfolder(folder, "glue_eval"));
    AE_TRY(clear_part(folder));
    AE_TRY(clear(folder, "aedile"));
    AE_TRY(clear(folder, "evals"));
    return clear(folder, "aedile/journal");
}

ae_status ae_run_folder_open(const char *path, ae_run_folder *out) {
    ae_run_folder folder = {.path = ae_strdup(path), .lock = -1};
    if (!folder.path) return ae_no_memory();
    const ae_status status = prepare(&folder);
    if (status == AE_OK)
        *out = folder;
    else
        ae_run_folder_close(&folder);
    return status;
}

// Making a folder tells who was first: the other tries the next number.
ae_status ae_run_folder_create(const char *results, ae_run_folder *out) {
    char *family = ae_path_join(results, "ROME"), *path = NULL;
    if (!family) return ae_no_memory();
    long number = 0;
    ae_status status = ae_folder_make(family);
    if (status == AE_OK) status = next_number(family, &number);
    while (status == AE_OK) {
        path = ae_format("%s/run_%03ld", family, number++);
        if (!path || mkdir(path, 0777) == 0) break;
        if (errno != EEXIST) status = ae_fail_errno(AE_ERR_IO, "cannot make folder '%s'", path);
        ae_free(path);
        path = NULL;
    }
    if (status == AE_OK) status = path ? ae_run_folder_open(path, out) : ae_no_memory();
    if (status == AE_OK) status = ae_folder_sync(family);
    ae_free(path);
    ae_free(family);
    return status;
}

void ae_run_folder_close(ae_run_folder *folder) {
    if (!folder->path) return;
    if (folder->lock >= 0) {
        (void)!ftruncate(folder->lock, 0);
        close(folder->lock);
    }
    ae_free(folder->path);
    *folder = (ae_run_folder){.lock = -1};
}

// ---- writing ---------------------------------------------------------------------------------------

static ae_status write_file(const char *temporary, const char *path, const char *text) {
    const int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return ae_fail_errno(AE_ERR_IO, "cannot write '%s'", temporary);
    ae_status status = AE_OK;
    if (!ae_write_all(file, text, strlen(text)) || fchmod(file, ae_finished_mode(0666)) != 0 ||
        fsync(file) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    if (close(file) != 0 && status == AE_OK) status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    if (status == AE_OK && rename(temporary, path) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    if (status != AE_OK) unlink(temporary);
    return status;
}

static ae_status sync_parent(const char *path) {
    char *parent = ae_path_parent(path);
    if (!parent) return ae_no_memory();
    const ae_status status = ae_folder_sync(parent);
    ae_free(parent);
    return status;
}

ae_status ae_run_folder_write(const ae_run_folder *folder, const char *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *path = join(folder->path, format, arguments);
    va_end(arguments);
    char *temporary = ae_run_folder_path(folder, "%s", part);
    ae_status status = path && temporary ? write_file(temporary, path, text) : ae_no_memory();
    if (status == AE_OK) status = sync_parent(path);
    ae_free(path);
    ae_free(temporary);
    return status;
}
