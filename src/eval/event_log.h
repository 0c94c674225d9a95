/* eval/event_log.h: aedile/events.jsonl, a run line by line, for whoever watches it (docs/formats.md, "Run
 * folder").
 *
 * Every line but the last follows from one of the run's files, which is written before it; `time` is that
 * file's. A resumed run therefore makes the log anew from the files, and a line that a crash lost, or tore,
 * is no loss: lines are gathered until ae_event_log_go_on, which replaces the file; each later one is one
 * write. */
#ifndef AE_EVAL_EVENT_LOG_H
#define AE_EVAL_EVENT_LOG_H

#include "eval/case_file.h"
#include "eval/run_folder.h"
#include "eval/task_file.h"

typedef struct ae_event_log ae_event_log;

/* Writes nothing yet. The folder must outlive the log. */
ae_status ae_event_log_new(const ae_run_folder *folder, ae_event_log **out);
void ae_event_log_free(ae_event_log *log); // NULL is fine; what was only gathered is dropped

ae_status ae_event_log_case(ae_event_log *log, const ae_run_case *result, const char *time);
ae_status ae_event_log_skipped(ae_event_log *log, const ae_skipped_case *skipped);
ae_status ae_event_log_tasks(ae_event_log *log, const ae_task_record *record);
ae_status ae_event_log_end(ae_event_log *log, const ae_run_result *result);

/* The gathered lines become the file's content; from now on lines are appended. Called again: does nothing.
 */
ae_status ae_event_log_go_on(ae_event_log *log);

#endif
