/* edit/export_folder.h: a folder that appears under its name complete or not at all.
 *
 * Everything is written into a temporary folder beside it, flushed, and renamed at the end. A lock's file in
 * the temporary folder tells one that is being written from one whose writer was killed, which the next
 * export to the same name removes: it may be as large as a model. */
#ifndef AE_EDIT_EXPORT_FOLDER_H
#define AE_EDIT_EXPORT_FOLDER_H

#include <stdio.h>

#include "base/error.h"

typedef struct ae_export_folder {
    char *path;      // the final name, without slashes at its end
    char *temporary; // write here
    int lock;        // its lock's file, open; -1: none
} ae_export_folder;

/* AE_ERR_ARGUMENT unless `path` is free or an empty folder; makes the folders above it. */
ae_status ae_export_folder_begin(const char *path, ae_export_folder *out);
ae_status ae_export_folder_commit(ae_export_folder *folder); // releases it in any case
void ae_export_folder_abandon(ae_export_folder *folder);     // a zeroed or committed one is fine

/* A file of the temporary folder, open for writing; *path (for messages: as it will be called): free with
 * ae_free. */
ae_status ae_export_file_open(const ae_export_folder *folder, const char *name, FILE **stream, char **path);

/* Flushes to disk and closes; `path` is for messages. The stream is closed in any case. */
ae_status ae_export_file_close(FILE *stream, const char *path);

/* fwrite with an error that names the file. */
ae_status ae_export_write(FILE *stream, const char *path, const void *bytes, size_t length);

#endif
