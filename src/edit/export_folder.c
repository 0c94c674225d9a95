// A folder that appears complete or not at all.
#include "edit/export_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

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

static ae_status make_parent(const char *path) {
    char *parent = ae_path_parent(path);
    if (!parent) return ae_no_memory();
    ae_status status = ae_folder_make(parent);
    ae_free(parent);
    return status;
}

ae_status ae_export_folder_begin(const char *path, ae_export_folder *out) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0) return ae_fail(AE_ERR_ARGUMENT, "the output's name is empty");
    ae_export_folder folder = {.path = ae_strndup(path, length)};
    ae_status status = folder.path ? check_free(folder.path) : ae_no_memory();
    if (status == AE_OK) status = make_parent(folder.path);
    if (status == AE_OK) {
        char *temporary = ae_format("%s.tmp-XXXXXX", folder.path);
        if (!temporary)
            status = ae_no_memory();
        else if (!mkdtemp(temporary)) {
            status = ae_fail_errno(AE_ERR_IO, "cannot make a folder beside '%s'", folder.path);
            ae_free(temporary);
        } else
            folder.temporary = temporary;
    }
    if (status == AE_OK)
        *out = folder;
    else
        ae_export_folder_abandon(&folder);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

void ae_export_folder_abandon(ae_export_folder *folder) {
    if (folder->temporary) (void)nftw(folder->temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    ae_free(folder->temporary);
    ae_free(folder->path);
    *folder = (ae_export_folder){0};
}

ae_status ae_export_folder_commit(ae_export_folder *folder) {
    const mode_t mask = umask(0); // mkdtemp makes 0700; a finished folder gets what the user's umask says
    umask(mask);
    (void)chmod(folder->temporary, 0777 & ~mask);
    char *parent = ae_path_parent(folder->path);
    ae_status status = parent ? ae_folder_sync(folder->temporary) : ae_no_memory();
    if (status == AE_OK && rename(folder->temporary, folder->path) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot rename the finished folder to '%s'", folder->path);
    else if (status == AE_OK) {
        ae_free(folder->temporary);
        folder->temporary = NULL;
        status = ae_folder_sync(parent);
    }
    ae_free(parent);
    ae_export_folder_abandon(folder);
    return status;
}

ae_status ae_export_file_open(const ae_export_folder *folder, const char *name, FILE **stream, char **path) {
    char *full = ae_path_join(folder->temporary, name);
    if (!full) return ae_no_memory();
    FILE *opened = fopen(full, "wbe");
    if (!opened) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", full);
        ae_free(full);
        return status;
    }
    *stream = opened;
    *path = full;
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
