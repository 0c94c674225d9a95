// A run's folder: as data (eval/run_read.h), as a summary, as settings to go on with (aedile/eval.h), and its
// files one by one as a resumed run reads them.
#include "fuzz.h"

#include "base/file.h"
#include "eval/case_file.h"
#include "eval/run_read.h"
#include "eval/task_file.h"

static const char *const names[] = {
    "params.json",
    "1_edits-case_3.json",
    "1_edits-case_7.json",
    "glue_eval/base_glue.json",
    "glue_eval/case_7_glue.json",
    "aedile/skipped/case_1.json",
    "aedile/settings.json",
    "aedile/base.json",
    "2_edits-case_11.json",
    "aedile/events.jsonl",
};
enum { N_NAMES = sizeof names / sizeof *names };

static void read_files(const char *folder) {
    ae_arena *arena = NULL;
    FUZZ_CHECK(ae_arena_new(&arena) == AE_OK, "no memory");
    for (size_t i = 1; i < 6; i++) {
        char *path = ae_path_join(folder, names[i]);
        ae_case_record one;
        ae_task_record tasks;
        ae_skipped_case skipped;
        if (!ae_path_exists(path))
            ;
        else if (i < 3)
            fuzz_ok(ae_case_file_read(path, arena, &one));
        else if (i < 5)
            fuzz_ok(ae_task_point_read(path, arena, &tasks));
        else
            fuzz_ok(ae_skipped_read(path, arena, &skipped));
        ae_free(path);
    }
    ae_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, N_NAMES, data, size);
    ae_run_data *run = NULL;
    ae_summary *summary = NULL;
    ae_run_record *record = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_run_read(folder, &fuzz_hooks, &run))) {
        for (size_t i = 0; i < run->n_cases; i++)
            FUZZ_CHECK(run->cases[i].subject && run->cases[i].prompt && run->cases[i].target_new &&
                           run->cases[i].document,
                       "a text is missing");
        for (size_t i = 0; i < run->n_tasks; i++)
            FUZZ_CHECK(run->tasks[i].n_cases <= run->n_cases, "tasks behind the last case");
        ae_run_data_free(run);
        if (fuzz_ok(ae_summarize(folder, 0, &fuzz_hooks, &summary))) {
            FUZZ_CHECK(summary->n_cases > 0 && (summary->values || summary->n_values == 0),
                       "an empty summary");
            ae_summary_free(summary);
        }
    }
    if (fuzz_ok(ae_run_record_open("results", folder, &record))) {
        FUZZ_CHECK(record->model_name && record->options.dataset && record->options.data,
                   "a text is missing");
        ae_run_record_free(record);
    }
    read_files(folder);
    fuzz_end(size, 4 * FUZZ_PER_JSON_BYTE, 1 << 20);
    return 0;
}
