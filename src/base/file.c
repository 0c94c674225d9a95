#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

ae_status ae_map_open(const char *path, ae_map *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
    struct stat info;
    ae_status status = AE_OK;
    ae_map map = {.data = (const unsigned char *)""};
    if (fstat(fd, &info) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
    else if (!S_ISREG(info.st_mode))
        status = ae_fail(AE_ERR_IO, "'%s' is not a regular file", path);
    else if (info.st_size > 0) {
        map.size = (size_t)info.st_size;
        void *data = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = ae_fail_errno(AE_ERR_IO, "cannot map '%s'", path);
        else
            map.data = data;
    }
    close(fd);
    if (status != AE_OK) return status;
    map.path = ae_strdup(path);
    if (!map.path) {
        ae_map_close(&map);
        return ae_no_memory();
    }
    *out = map;
    return AE_OK;
}

void ae_map_close(ae_map *map) {
    if (map->size > 0) munmap((void *)(uintptr_t)map->data, map->size);
    ae_free(map->path);
    *map = (ae_map){0};
}

ae_status ae_file_read(const char *path, size_t limit, char **text, size_t *length) {
    FILE *stream = fopen(path, "rbe");
    if (!stream) return ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
    struct stat info;
    if (fstat(fileno(stream), &info) == 0 && S_ISDIR(info.st_mode)) {
        fclose(stream);
        return ae_fail(AE_ERR_IO, "'%s' is a folder, a file was expected", path);
    }
    ae_text bytes = {0};
    char chunk[65536];
    ae_status status = AE_OK;
    for (size_t n; status == AE_OK && (n = fread(chunk, 1, sizeof chunk, stream)) > 0;) {
        if (bytes.length + n > limit)
            status = ae_fail(AE_ERR_FORMAT, "'%s' is larger than the %zu bytes that such a file may have",
                             path, limit);
        else
            status = ae_text_append(&bytes, chunk, n);
    }
    if (status == AE_OK && ferror(stream)) status = ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
    fclose(stream);
    if (status == AE_OK && !bytes.data) status = ae_text_append(&bytes, "", 0);
    if (status != AE_OK) {
        ae_free(bytes.data);
        return status;
    }
    *text = bytes.data;
    if (length) *length = bytes.length;
    return AE_OK;
}

ae_status ae_atomic_open(const char *path, ae_atomic_file *out) {
    ae_atomic_file file = {.path = ae_strdup(path), .temporary = ae_format("%s.tmp-XXXXXX", path)};
    if (!file.path || !file.temporary) {
        ae_free(file.path);
        ae_free(file.temporary);
        return ae_no_memory();
    }
    int fd = mkostemp(file.temporary, O_CLOEXEC);
    if (fd < 0) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
        ae_free(file.path);
        ae_free(file.temporary);
        return status;
    }
    mode_t mask = umask(0); // mkostemp makes 0600; a finished file gets what the user's umask says
    umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
    file.stream = fdopen(fd, "w+b");
    if (!file.stream) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
        close(fd);
        unlink(file.temporary);
        ae_free(file.path);
        ae_free(file.temporary);
        return status;
    }
    *out = file;
    return AE_OK;
}

void ae_atomic_abandon(ae_atomic_file *file) {
    if (file->stream) fclose(file->stream);
    if (file->temporary) unlink(file->temporary);
    ae_free(file->path);
    ae_free(file->temporary);
    *file = (ae_atomic_file){0};
}

static ae_status sync_parent(const char *path) {
    char *folder = ae_path_parent(path);
    if (!folder) return ae_no_memory();
    ae_status status = ae_folder_sync(folder);
    ae_free(folder);
    return status;
}

ae_status ae_atomic_commit(ae_atomic_file *file) {
    ae_status status = AE_OK;
    if (ferror(file->stream) || fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
    if (fclose(file->stream) != 0 && status == AE_OK)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
    file->stream = NULL;
    if (status == AE_OK && rename(file->temporary, file->path) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
    if (status == AE_OK) {
        ae_free(file->temporary);
        file->temporary = NULL;
        status = sync_parent(file->path);
    }
    ae_atomic_abandon(file);
    return status;
}

ae_status ae_atomic_write(const char *path, const void *bytes, size_t length) {
    ae_atomic_file file;
    AE_TRY(ae_atomic_open(path, &file));
    if (length > 0 && fwrite(bytes, 1, length, file.stream) != length) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
        ae_atomic_abandon(&file);
        return status;
    }
    return ae_atomic_commit(&file);
}

bool ae_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool ae_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *ae_path_join(const char *folder, const char *name) {
    size_t length = strlen(folder);
    return ae_format("%s%s%s", folder, length > 0 && folder[length - 1] == '/' ? "" : "/", name);
}

char *ae_path_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? ae_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : ae_strdup(".");
}

ae_status ae_folder_make(const char *path) {
    char *partial = ae_strdup(path);
    if (!partial) return ae_no_memory();
    ae_status status = AE_OK;
    for (char *end = partial + 1; status == AE_OK && *partial; end++) {
        if (*end != '/' && *end != '\0') continue;
        char kept = *end;
        *end = '\0';
        if (mkdir(partial, 0777) != 0 && !(errno == EEXIST && ae_path_is_folder(partial)))
            status = ae_fail_errno(AE_ERR_IO, "cannot make folder '%s'", partial);
        *end = kept;
        if (kept == '\0') break;
    }
    ae_free(partial);
    return status;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

ae_status ae_folder_list(const char *path, char ***names, size_t *count) {
    DIR *folder = opendir(path);
    if (!folder) return ae_fail_errno(AE_ERR_IO, "cannot list folder '%s'", path);
    char **list = NULL;
    size_t n = 0, capacity = 0;
    ae_status status = AE_OK;
    for (struct dirent *entry; status == AE_OK && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = ae_grow((void **)&list, &capacity, n + 1, sizeof *list);
        if (status != AE_OK) break;
        list[n] = ae_strdup(entry->d_name);
        if (list[n])
            n++;
        else
            status = ae_no_memory();
    }
    closedir(folder);
    if (status != AE_OK) {
        ae_folder_list_free(list, n);
        return status;
    }
    if (n > 0) qsort(list, n, sizeof *list, compare_names);
    *names = list;
    *count = n;
    return AE_OK;
}

void ae_folder_list_free(char **names, size_t count) {
    for (size_t i = 0; i < count; i++)
        ae_free(names[i]);
    ae_free(names);
}

ae_status ae_folder_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ae_fail_errno(AE_ERR_IO, "cannot open folder '%s'", path);
    // Some file systems refuse to sync a folder (EINVAL); there is nothing more to do on those.
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot flush folder '%s'", path);
        close(fd);
        return status;
    }
    close(fd);
    return AE_OK;
}
