/* eval/task_defaults.h: the form of the four tasks, for files that hold examples alone.
 *
 * Prompt, marker and keywords are the reference's; the sentences of the headers are aedile's own. Answers
 * follow the reference's, too: in "rte" what follows from the first sentence is answered False
 * (spec/evaluation.md §4). */
#ifndef AE_EVAL_TASK_DEFAULTS_H
#define AE_EVAL_TASK_DEFAULTS_H

#include "eval/task.h"

typedef struct ae_task_default {
    const char *stem; // of the file's name
    const char *name, *header, *prompt_template, *answer_marker;
    ae_answer answers[2];
} ae_task_default;

enum { AE_DEFAULT_GEN_LEN = 3 };

/* By stem or name; NULL: none. */
const ae_task_default *ae_task_default_find(const char *stem);

#endif
