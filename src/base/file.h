/* base/file.h: files read by mapping, written whole or not at all. Paths are UTF-8 byte strings. */
#ifndef AE_BASE_FILE_H
#define AE_BASE_FILE_H

#include <stdio.h>

#include "base/error.h"

/* Opens a file for reading. Folders, pipes and devices are refused, without waiting for anything: a file that
 * lies in somebody's folder may be any of them. So is what Git LFS leaves in the place of a file that was not
 * downloaded. */
ae_status ae_file_open(const char *path, int *file);

/* A read-only mapping of a whole file. An empty file has size 0 and data "". */
typedef struct ae_map {
    const unsigned char *data;
    size_t size;
    char *path; // for messages
} ae_map;

ae_status ae_map_open(const char *path, ae_map *out);
void ae_map_close(ae_map *map); // zeroed by this; a zeroed one is fine

/* The whole file as a NUL-terminated string (free with ae_free); AE_ERR_FORMAT if it is larger than `limit`.
 * The process's own descriptors ("/dev/stdin", "/dev/fd/3") may be pipes. */
ae_status ae_file_read(const char *path, size_t limit, char **text, size_t *length);

/* A file that appears under its name complete or not at all: written to a private file in the same folder,
 * flushed to disk and given its name by _commit; _abandon (or a crash) leaves the old file as it was. The
 * private file has no name where the file system can do without, so that a crash leaves nothing; else it is
 * "<path>.tmp-XXXXXX", which only its owner can read until it is complete. */
typedef struct ae_atomic_file {
    FILE *stream; // write here; errors are caught by _commit at the latest
    char *path;
    char *temporary; // NULL: has no name
} ae_atomic_file;

/* AE_ERR_ARGUMENT where a device, a pipe or a folder has the name: those are not replaced. */
ae_status ae_atomic_open(const char *path, ae_atomic_file *out);
ae_status ae_atomic_commit(ae_atomic_file *file); // releases `file` in any case
void ae_atomic_abandon(ae_atomic_file *file);     // a zeroed or committed one is fine
ae_status ae_atomic_write(const char *path, const void *bytes, size_t length); // all three in one

/* 0666 or 0777, less what the process's umask takes: for what was private while it was made. */
unsigned ae_finished_mode(unsigned mode);

/* write(2), again where it took less than all. False: errno says why. */
bool ae_write_all(int file, const void *bytes, size_t length);

bool ae_path_exists(const char *path);
bool ae_path_is_taken(const char *path); // so is a name whose link leads to nothing
bool ae_path_is_folder(const char *path);

/* AE_OK if nothing is there or a folder of its own; AE_ERR_IO for a link, which could lead anywhere,
 * and for a file. For folders that we write into because they are called as ours are. */
ae_status ae_folder_check_own(const char *path);

/* "folder/name"; free with ae_free. NULL on lack of memory. */
char *ae_path_join(const char *folder, const char *name);

/* The folder that `path` lies in, "." where it names none; free with ae_free. NULL on lack of memory. */
char *ae_path_parent(const char *path);

/* Makes the folder and those above it; one that is there is fine. */
ae_status ae_folder_make(const char *path);

/* Names in a folder, without "." and "..", sorted by byte value. Free with ae_folder_list_free. */
ae_status ae_folder_list(const char *path, char ***names, size_t *count);
void ae_folder_list_free(char **names, size_t count);

/* A file "<name>.json.tmp-XXXXXX" or "<name>.safetensors.tmp-XXXXXX", as ae_atomic_open calls those of
 * journals and runs. */
bool ae_path_is_half_written(const char *path);

/* Removes such files, which killed writers left in the folder. For whoever knows that nobody writes there
 * now.
 */
ae_status ae_folder_clear(const char *path);

/* Flushes the folder's own entries (after a rename or a removal in it). */
ae_status ae_folder_sync(const char *path);

#endif
