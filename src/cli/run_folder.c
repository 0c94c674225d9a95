#include "cli/run_folder.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *ae_run_folder(const char *word, const char *results) {
    char *path = NULL;
    if (strchr(word, '/') || is_folder(word)) return strdup(word);
    if (asprintf(&path, "%s/ROME/%s", results, word) < 0) return NULL;
    if (is_folder(path)) return path;
    free(path);
    return strdup(word);
}
