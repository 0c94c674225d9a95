#include "tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"

void broken(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "mutate: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(3);
}

static void add_files(const char *root, const char *below, tree *out) {
    char *folder = *below ? ae_path_join(root, below) : ae_strdup(root), **names = NULL;
    size_t count = 0;
    if (ae_folder_list(folder, &names, &count) != AE_OK) broken("%s", ae_last_error());
    for (size_t i = 0; i < count; i++) {
        char *path = *below ? ae_path_join(below, names[i]) : ae_strdup(names[i]);
        char *full = ae_path_join(root, path), *bytes = NULL;
        if (ae_path_is_folder(full)) {
            add_files(root, path, out);
            ae_free(path);
        } else {
            tree_file file = {.path = path};
            if (ae_file_read(full, SIZE_MAX, &bytes, &file.size) != AE_OK ||
                ae_grow((void **)&out->files, &out->capacity, out->count + 1, sizeof file) != AE_OK)
                broken("%s", ae_last_error());
            file.bytes = (unsigned char *)bytes;
            out->files[out->count++] = file;
        }
        ae_free(full);
    }
    ae_folder_list_free(names, count);
    ae_free(folder);
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(((const tree_file *)a)->path, ((const tree_file *)b)->path);
}

void tree_read(const char *root, tree *out) {
    *out = (tree){0};
    add_files(root, "", out);
    if (out->count > 1) qsort(out->files, out->count, sizeof *out->files, compare_paths);
}

void tree_free(tree *t) {
    for (size_t i = 0; i < t->count; i++) {
        ae_free(t->files[i].path);
        ae_free(t->files[i].bytes);
    }
    ae_free(t->files);
    *t = (tree){0};
}

// No ae_atomic_write: nobody needs these files on a disk, and flushing them takes longer than the commands.
void write_bytes(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "we");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        broken("cannot write '%s': %s", path, strerror(errno));
}

void tree_write(const char *root, const tree *t) {
    for (size_t i = 0; i < t->count; i++) {
        char *path = ae_path_join(root, t->files[i].path), *folder = ae_path_parent(path);
        if (ae_folder_make(folder) != AE_OK) broken("%s", ae_last_error());
        write_bytes(path, t->files[i].bytes, t->files[i].size);
        ae_free(folder);
        ae_free(path);
    }
}

const tree_file *tree_find(const tree *t, const char *path) {
    const tree_file wanted = {.path = (char *)(uintptr_t)path};
    return t->count ? bsearch(&wanted, t->files, t->count, sizeof wanted, compare_paths) : NULL;
}

bool tree_same(const tree_file *a, const tree_file *b) {
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path);
}

void tree_remove(const char *root) {
    if (nftw(root, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        broken("cannot remove '%s': %s", root, strerror(errno));
}
