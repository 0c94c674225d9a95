/* eval/run_folder.h: results/ROME/run_<NNN>: its number, its lock, and how files come into it.
 *
 *   params.json, <n>_edits-case_<id>.json, glue_eval/, evals/    what the reference writes, and nothing else
 *   aedile/                                                      settings.json, templates.json, base.json,
 *                                                                events.jsonl, journal/, skipped/, lock
 *
 * Files are prepared as aedile/part and renamed into place, so that the run's own folder never holds a name
 * that the reference's scripts would stumble over, and a crash leaves one file to clear away. */
#ifndef AE_EVAL_RUN_FOLDER_H
#define AE_EVAL_RUN_FOLDER_H

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

typedef struct ae_run_folder {
    char *path;
    int lock; // -1: not held
} ae_run_folder;

/* Where a run is: `run` is its folder, or its name below <results>/ROME. AE_ERR_NOT_FOUND names both places.
 * *path: ae_free. */
ae_status ae_run_folder_find(const char *results, const char *run, char **path);

/* What a new run's folder would be called: one number above the highest. *path: ae_free. */
ae_status ae_run_folder_next(const char *results, char **path);

/* Makes the next free number's folder, which no other process then gets, and takes its lock. */
ae_status ae_run_folder_create(const char *results, ae_run_folder *out);

/* Takes the lock of a folder that is there, makes what is missing of its subfolders and clears away what a
 * crash left half-written. AE_ERR_BUSY says which process has the lock. */
ae_status ae_run_folder_open(const char *path, ae_run_folder *out);

/* Gives the lock up; a zeroed or closed one is fine. */
void ae_run_folder_close(ae_run_folder *folder);

/* "<folder>/<printf>": ae_free. NULL on lack of memory. */
char *ae_run_folder_path(const ae_run_folder *folder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Is there a file of this name (printf) in the folder? */
bool ae_run_folder_has(const ae_run_folder *folder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes a file of this name (printf): complete, flushed to disk and durable under its name, or not at all.
 */
ae_status ae_run_folder_write(const ae_run_folder *folder, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
