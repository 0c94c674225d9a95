#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { MAX_NAMES = 1000 }; // that are tried for a temporary file

// What was redirected into the process ("/dev/stdin", or a shell's "<(command)") is its caller's, and may be
// a pipe.
static bool is_own_descriptor(const char *path) {
    static const char *const places[] = {"/dev/fd/", "/proc/self/fd/", "/dev/std"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strncmp(path, places[i], strlen(places[i])) == 0) return true;
    return false;
}

// What stands in the place of a file that was not downloaded.
static bool is_lfs_pointer(int file) {
    static const char pointer[] = "version https://git-lfs.github.com/spec/";
    char start[sizeof pointer - 1];
    return pread(file, start, sizeof start, 0) == (ssize_t)sizeof start &&
           memcmp(start, pointer, sizeof start) == 0;
}

// A pipe or a device that lies where a file is expected would keep us waiting, the former already when it is
// opened.
static ae_status open_file(const char *path, bool or_own, int *out) {
    const bool own = or_own && is_own_descriptor(path);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (own ? 0 : O_NONBLOCK));
    if (file < 0 && errno == EWOULDBLOCK) // somebody has a lease on the file, and gives it up when asked
        file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0 && errno == ENOENT && ae_path_is_taken(path))
        return ae_fail(AE_ERR_NOT_FOUND, "'%s' is a link to what is not there", path);
    if (file < 0) return ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
    struct stat info;
    ae_status status = AE_OK;
    if (fstat(file, &info) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
    else if (S_ISDIR(info.st_mode))
        status = ae_fail(AE_ERR_IO, "'%s' is a folder, a file was expected", path);
    else if (!S_ISREG(info.st_mode) && !own)
        status = ae_fail(AE_ERR_IO, "'%s' is not a regular file", path);
    else if (S_ISREG(info.st_mode) && is_lfs_pointer(file))
        status = ae_fail(
            AE_ERR_FORMAT,
            "'%s' is a Git LFS pointer, not the data themselves: run 'git lfs pull' in its folder", path);
    if (status == AE_OK)
        *out = file;
    else
        close(file);
    return status;
}

ae_status ae_file_open(const char *path, int *file) {
    return open_file(path, false, file);
}

ae_status ae_map_open(const char *path, ae_map *out) {
    int fd = -1;
    AE_TRY(ae_file_open(path, &fd));
    struct stat info;
    ae_status status = AE_OK;
    ae_map map = {.data = (const unsigned char *)""};
    if (fstat(fd, &info) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot read '%s'", path);
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
    int file = -1;
    AE_TRY(open_file(path, true, &file));
    FILE *stream = fdopen(file, "rb");
    if (!stream) {
        ae_status status = ae_fail_errno(AE_ERR_IO, "cannot open '%s'", path);
        close(file);
        return status;
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

// A file without a name, so that nothing stays of it when the process is killed; -1 where the file system has
// no such files, or none could be given a name later.
static int open_unnamed(const char *folder) {
    if (access("/proc/self/fd", X_OK) != 0) return -1;
    return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
}

// Where Linux tells it; umask(2) cannot be asked without being set.
static bool read_umask(unsigned *mask) {
    char text[512] = ""; // it is the second line
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    const char *line = n > 0 ? strstr(text, "\nUmask:\t") : NULL;
    return line && sscanf(line, " Umask: %o", mask) == 1;
}

unsigned ae_finished_mode(unsigned mode) {
    static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
    unsigned mask = 0;
    if (!read_umask(&mask)) {
        pthread_mutex_lock(&asking);
        mask = umask(0077); // strictly, for what other threads may create meanwhile
        umask((mode_t)mask);
        pthread_mutex_unlock(&asking);
    }
    return mode & ~mask;
}

ae_status ae_atomic_open(const char *path, ae_atomic_file *out) {
    struct stat info;
    if (is_own_descriptor(path) || (stat(path, &info) == 0 && !S_ISREG(info.st_mode)))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is a device, a pipe or a folder: name a file", path);
    ae_atomic_file file = {.path = ae_strdup(path)};
    char *folder = ae_path_parent(path), *name = ae_format("%s.tmp-XXXXXX", path);
    ae_status status = file.path && folder && name ? AE_OK : ae_no_memory();
    int fd = status == AE_OK ? open_unnamed(folder) : -1;
    if (status == AE_OK && fd < 0) {
        fd = mkostemp(name, O_CLOEXEC); // which nobody else can read
        if (fd < 0)
            status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
        else {
            file.temporary = name;
            name = NULL;
        }
    }
    if (status == AE_OK && !(file.stream = fdopen(fd, "w+b"))) {
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", path);
        close(fd);
    }
    ae_free(folder);
    ae_free(name);
    if (status == AE_OK)
        *out = file;
    else
        ae_atomic_abandon(&file);
    return status;
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

// Gives an unnamed file its name at once where that is free, else a temporary one for the moment until it is
// renamed: a link does not replace a file.
static ae_status give_name(ae_atomic_file *file) {
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", fileno(file->stream));
    if (linkat(AT_FDCWD, source, AT_FDCWD, file->path, AT_SYMLINK_FOLLOW) == 0) return AE_OK;
    for (unsigned tries = 0; errno == EEXIST && tries < MAX_NAMES; tries++) {
        char *name = ae_format("%s.tmp-%06x", file->path, ((unsigned)getpid() + tries) & 0xffffffu);
        if (!name) return ae_no_memory();
        if (linkat(AT_FDCWD, source, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            file->temporary = name;
            return AE_OK;
        }
        ae_free(name);
    }
    return ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
}

ae_status ae_atomic_commit(ae_atomic_file *file) {
    ae_status status = AE_OK;
    if (ferror(file->stream) || fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
    const bool is_new = !ae_path_exists(file->path);
    if (file->temporary)
        (void)fchmod(fileno(file->stream), ae_finished_mode(0666));
    else if (status == AE_OK)
        status = give_name(file);
    if (fclose(file->stream) != 0 && status == AE_OK)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
    file->stream = NULL;
    if (status == AE_OK && file->temporary && rename(file->temporary, file->path) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write '%s'", file->path);
    if (status == AE_OK) {
        ae_free(file->temporary);
        file->temporary = NULL;
        status = sync_parent(file->path);
        if (status != AE_OK && is_new) unlink(file->path); // what it replaced cannot be had back
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

bool ae_write_all(int file, const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        const ssize_t n = write(file, at, length);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

bool ae_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool ae_path_is_taken(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

bool ae_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

ae_status ae_folder_check_own(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? AE_OK : ae_fail_errno(AE_ERR_IO, "cannot write into '%s'", path);
    if (S_ISDIR(info.st_mode)) return AE_OK;
    return ae_fail(AE_ERR_IO, "'%s' is a %s, not a folder: nothing is written there", path,
                   S_ISLNK(info.st_mode) ? "link" : "file");
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
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry && errno != 0) status = ae_fail_errno(AE_ERR_IO, "cannot list folder '%s'", path);
        if (!entry) break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = ae_grow((void **)&list, &capacity, n + 1, sizeof *list);
        if (status != AE_OK) break;
        list[n] = ae_strdup(entry->d_name);
        if (!list[n]) status = ae_no_memory();
        if (status != AE_OK) break;
        n++;
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

bool ae_path_is_half_written(const char *path) {
    static const char *const ends[] = {".json", ".safetensors"};
    static const char mark[] = ".tmp-XXXXXX";
    size_t length = strlen(path), n = sizeof mark - 1;
    struct stat info;
    if (length < n || strncmp(path + length - n, mark, strlen(".tmp-")) != 0) return false;
    length -= n;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        n = strlen(ends[i]);
        if (length >= n && memcmp(path + length - n, ends[i], n) == 0)
            return lstat(path, &info) == 0 && S_ISREG(info.st_mode);
    }
    return false;
}

ae_status ae_folder_clear(const char *path) {
    char **names = NULL;
    size_t count = 0;
    AE_TRY(ae_folder_list(path, &names, &count));
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++) {
        char *file = ae_path_join(path, names[i]);
        if (!file)
            status = ae_no_memory();
        else if (ae_path_is_half_written(file) && unlink(file) != 0)
            status = ae_fail_errno(AE_ERR_IO, "cannot remove the half-written '%s'", file);
        ae_free(file);
    }
    ae_folder_list_free(names, count);
    return status;
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
