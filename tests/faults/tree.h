/* tree.h: the files of a folder, in memory: to lay out the same folder again and again, and to see what a
 * command has done to it. Whatever fails here ends the program. */
#ifndef AE_TEST_TREE_H
#define AE_TEST_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct tree_file {
    char *path; // below the tree's root
    unsigned char *bytes;
    size_t size;
} tree_file;

typedef struct tree {
    tree_file *files; // by path
    size_t count, capacity;
} tree;

/* All regular files below `root`, in whatever folder. */
void tree_read(const char *root, tree *out);
void tree_free(tree *t);

/* Writes them below `root`, with the folders that they need. */
void tree_write(const char *root, const tree *t);

const tree_file *tree_find(const tree *t, const char *path); // NULL: not there
bool tree_same(const tree_file *a, const tree_file *b);      // their bytes

/* Removes the folder and all that is in it; one that is not there is fine. */
void tree_remove(const char *root);

void write_bytes(const char *path, const void *bytes, size_t size);

_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
