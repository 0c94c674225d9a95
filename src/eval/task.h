/* eval/task.h: downstream tasks by few-shot prompt (spec/evaluation.md §4). */
#ifndef AE_EVAL_TASK_H
#define AE_EVAL_TASK_H

#include "aedile/eval.h"
#include "base/json.h"
#include "eval/metrics.h"
#include "model/model.h"

typedef struct ae_answer {
    const char *keyword; // case-sensitive substring
    int label;
} ae_answer;

typedef struct ae_example {
    const char *sentence1, *sentence2; // sentence2 is NULL for tasks on one sentence
    int label;
    int64_t idx; // in its source; -1: not given
} ae_example;

/* Strings live as long as the task. */
typedef struct ae_task {
    const char *name, *path; // "sst", "mrpc", "cola", "rte"
    char sha256[65];         // of the file; of a pickle and its form, which lies elsewhere
    const char *header, *prompt_template, *answer_marker;
    ae_answer answers[8]; // in the order in which they are looked for
    int n_answers;
    int gen_len;
    bool corrected; // rte with --glue-labels corrected: header and keywords swapped
    ae_example *examples;
    size_t n_examples;
    struct ae_arena *arena;
} ae_task;

/* A JSON file in the form of docs/formats.md:
 *
 *     task             name: letters, digits, '_' and '-'
 *     header           few-shot examples; "": none
 *     prompt_template  with {sentence}, or with {sentence1} and {sentence2}; answer_marker is in it
 *     answer_marker    the answer is looked for behind the last one
 *     answers          [[keyword, label], ...], 1 to 8, in the order in which they are looked for; a label is
 *                      0 or more
 *     gen_len          tokens to generate, 1 to 256
 *     examples         [{sentence, label, idx}, ...] or [{sentence1, sentence2, label, idx}, ...], at least
 *                      one; idx may be absent
 *
 * Further fields are ignored. A .pkl, as the reference ships them, is a list of examples alone: the rest
 * comes from the .json of the same name beside it, else from aedile's own for sst2, mrpc, cola and rte
 * (warned of: figures then do not compare digit for digit). AE_ERR_FORMAT names file, example and field.
 *
 * AE_GLUE_CORRECTED changes the task named "rte" alone: True and False are exchanged behind every
 * answer_marker of the header, and in the keywords. AE_ERR_ARGUMENT where header or keywords are not the
 * reference's kind. */
ae_status ae_task_load(const char *path, ae_glue_labels labels, const ae_hooks *hooks, ae_task **out);
void ae_task_free(ae_task *task); // NULL is fine

/* The full prompt of one example: header + template filled in. ae_free. NULL on lack of memory. */
char *ae_task_prompt(const ae_task *task, const ae_example *example);

/* The label that prompt + continuation answers: that of the first keyword, in their order, that occurs behind
 * the last answer marker; -1: none. */
int ae_task_answer(const ae_task *task, const char *text);

typedef struct ae_task_result {
    ae_class_scores scores;
    double seconds;
    char **generated; // [n_examples] the continuation
    int *answers;     // [n_examples]
    size_t n_failed;  // examples that an edited model answers with logits that are not finite: invalid
} ae_task_result;     // lives in the arena

/* All examples, batched, the header's keys and values computed once; the same answers as one prompt at a
 * time. Progress is told example by example, as stage "downstream tasks". AE_ERR_ARGUMENT names an example
 * whose prompt and gen_len new tokens exceed the context; AE_ERR_NUMERIC if logits are not finite and that is
 * the unedited model's fault. Where edits broke it, such an example is an invalid answer, and warned of. */
ae_status ae_task_evaluate(ae_model *model, const ae_task *task, const ae_hooks *hooks,
                           struct ae_arena *arena, ae_task_result *out);

#endif
