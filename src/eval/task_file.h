/* eval/task_file.h: what downstream tasks came to: glue_eval/base_glue.json and case_<id>_glue.json, and one
 * ..._<task>_gen.json a task; aedile/base.json is one without tasks. Every key is in docs/formats.md, "Run
 * folder". */
#ifndef AE_EVAL_TASK_FILE_H
#define AE_EVAL_TASK_FILE_H

#include "eval/task.h"

/* The text of <...>_<task>_gen.json; free with ae_free. */
ae_status ae_task_generations_text(const ae_task *task, const ae_task_result *result, char **text);

/* All tasks at one point of the run. */
typedef struct ae_task_point {
    int64_t n_edits;         // 0: before the first
    const int64_t *case_ids; // of the chunk
    size_t n_case_ids;
    const ae_task *const *tasks; // [n_tasks], with
    const ae_task_result *results;
    int n_tasks;
    double perplexity;
} ae_task_point;

/* The text of base_glue.json (n_edits 0) or case_<id>_glue.json; free with ae_free. */
ae_status ae_task_point_text(const ae_task_point *point, char **text);

/* What a run needs to know of such a file that is there already. Lives in the arena. */
typedef struct ae_task_record {
    ae_run_tasks tasks;
    const char *time;
} ae_task_record;
ae_status ae_task_point_read(const char *path, ae_arena *arena, ae_task_record *out);

#endif
