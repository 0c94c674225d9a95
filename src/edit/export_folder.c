// A folder that appears complete or not at all.
#include "edit/export_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static const char lock_name[] = "aedile.lock", temporary_end[] = ".tmp-XXXXXX";

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

static void remove_folder(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static ae_status check_free(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? AE_OK : ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    if (!S_ISDIR(info.st_mode))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' exists and is not a folder: give a new name for the output",
                       path);
    char **names = NULL;
    size_t count = 0;
    AE_TRY(ae_folder_list(path, &names, &count));
    ae_status status = AE_OK;
    if (count > 0)
        status =
            ae_fail(AE_ERR_ARGUMENT,
                    "the folder '%s' exists and is not empty (it holds '%s'): give a new name for the output",
                    path, names[0]);
    ae_folder_list_free(names, count);
    return status;
}

// Takes the lock of a temporary folder: one that we made (`flags` O_CREAT), or one that we found. -1: it has
// no lock's file, or another process holds it.
static int take_lock(const char *temporary, int flags) {
    char *path = ae_path_join(temporary, lock_name);
    const int file = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0666) : -1;
    ae_free(path);
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB) == 0) return file;
    close(file);
    return -1;
}

static bool is_temporary(const char *name, const char *base) {
    const size_t length = strlen(base);
    return strncmp(name, base, length) == 0 && strlen(name + length) == sizeof temporary_end - 1 &&
           strncmp(name + length, temporary_end, strlen(".tmp-")) == 0;
}

// Ours to remove: in a folder that others may write into, one could lay links where we remove.
static bool is_own(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// Removes what exports to this name left that were killed: a folder called like a temporary one is such only
// if it is the user's own and holds a lock's file that nobody has locked.
static ae_status remove_killed(const char *parent, const char *path) {
    const char *slash = strrchr(path, '/');
    char **names = NULL;
    size_t count = 0;
    // A folder that may be written but not read is no reason to stop.
    if (ae_folder_list(parent, &names, &count) != AE_OK) return AE_OK;
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++) {
        if (!is_temporary(names[i], slash ? slash + 1 : path)) continue;
        char *temporary = ae_path_join(parent, names[i]);
        const bool own = temporary && is_own(temporary);
        const int lock = own ? take_lock(temporary, 0) : -1;
        if (!temporary) status = ae_no_memory();
        if (lock >= 0) {
            remove_folder(temporary);
            close(lock);
        } else if (own)
            (void)rmdir(temporary); // one that is empty as yet; of others nothing is taken
        ae_free(temporary);
    }
    ae_folder_list_free(names, count);
    return status;
}

static ae_status make_temporary(ae_export_folder *folder) {
    char *parent = ae_path_parent(folder->path), *temporary = ae_format("%s%s", folder->path, temporary_end);
    ae_status status = parent && temporary ? ae_folder_make(parent) : ae_no_memory();
    if (status == AE_OK) status = remove_killed(parent, folder->path);
    if (status == AE_OK && !mkdtemp(temporary))
        status = ae_fail_errno(AE_ERR_IO, "cannot make a folder beside '%s'", folder->path);
    else if (status == AE_OK) {
        folder->temporary = temporary;
        temporary = NULL;
        // Where files cannot be locked, nobody removes what he cannot lock: only a killed export's folder
        // stays.
        folder->lock = take_lock(folder->temporary, O_CREAT);
    }
    ae_free(temporary);
    ae_free(parent);
    return status;
}

ae_status ae_export_folder_begin(const char *path, ae_export_folder *out) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0) return ae_fail(AE_ERR_ARGUMENT, "the output's name is empty");
    ae_export_folder folder = {.path = ae_strndup(path, length), .lock = -1};
    ae_status status = folder.path ? check_free(folder.path) : ae_no_memory();
    if (status == AE_OK) status = make_temporary(&folder);
    if (status == AE_OK)
        *out = folder;
    else
        ae_export_folder_abandon(&folder);
    return status;
}

void ae_export_folder_abandon(ae_export_folder *folder) {
    if (!folder->path) return;
    if (folder->temporary) remove_folder(folder->temporary);
    if (folder->lock >= 0) close(folder->lock);
    ae_free(folder->temporary);
    ae_free(folder->path);
    *folder = (ae_export_folder){0};
}

// The finished folder holds no lock's file.
static ae_status remove_lock(const ae_export_folder *folder) {
    char *path = ae_path_join(folder->temporary, lock_name);
    ae_status status = path ? AE_OK : ae_no_memory();
    if (path && unlink(path) != 0 && errno != ENOENT)
        status = ae_fail_errno(AE_ERR_IO, "cannot finish the folder '%s'", folder->path);
    ae_free(path);
    return status;
}

ae_status ae_export_folder_commit(ae_export_folder *folder) {
    (void)chmod(folder->temporary, ae_finished_mode(0777)); // mkdtemp makes 0700
    char *parent = ae_path_parent(folder->path);
    ae_status status = parent ? ae_folder_sync(folder->temporary) : ae_no_memory();
    if (status == AE_OK) status = remove_lock(folder);
    if (status == AE_OK && rename(folder->temporary, folder->path) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot rename the finished folder to '%s'", folder->path);
    else if (status == AE_OK) {
        status = ae_folder_sync(parent);
        if (status == AE_OK || rename(folder->path, folder->temporary) != 0) {
            ae_free(folder->temporary);
            folder->temporary = NULL;
        }
    }
    ae_free(parent);
    ae_export_folder_abandon(folder);
    return status;
}

ae_status ae_export_file_open(const ae_export_folder *folder, const char *name, FILE **stream, char **path) {
    char *now = ae_path_join(folder->temporary, name), *later = ae_path_join(folder->path, name);
    ae_status status = now && later ? AE_OK : ae_no_memory();
    FILE *opened = status == AE_OK ? fopen(now, "wbe") : NULL;
    if (status == AE_OK && !opened) status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", later);
    ae_free(now);
    if (status != AE_OK) {
        ae_free(later);
        return status;
    }
    *stream = opened;
    *path = later;
    return AE_OK;
}

ae_status ae_export_file_close(FILE *stream, const char *path) {
    ae_status status = AE_OK;
    if (ferror(stream) || fflush(stream) != 0 || fsync(fileno(stream)) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    if (fclose(stream) != 0 && status == AE_OK) status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
    return status;
}

ae_status ae_export_write(FILE *stream, const char *path, const void *bytes, size_t length) {
    if (length == 0 || fwrite(bytes, 1, length, stream) == length) return AE_OK;
    return ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
}
