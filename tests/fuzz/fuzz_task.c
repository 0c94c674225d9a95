// Downstream tasks (eval/task.h): JSON files, and pickles of examples with or without a JSON file beside
// them.
#include "fuzz.h"

#include "base/file.h"
#include "eval/task.h"

static const char *const names[] = {"task.json", "task.pkl", "rte.pkl"};

static void check_task(const ae_task *task) {
    FUZZ_CHECK(task->n_examples > 0 && task->n_answers > 0 && task->gen_len > 0, "something is missing");
    for (size_t i = 0; i < task->n_examples && i < 8; i++) {
        char *prompt = ae_task_prompt(task, &task->examples[i]);
        FUZZ_CHECK(prompt && strncmp(prompt, task->header, strlen(task->header)) == 0, "prompt");
        const int label = ae_task_answer(task, prompt);
        bool known = label == -1;
        for (int a = 0; a < task->n_answers; a++)
            known = known || task->answers[a].label == label;
        FUZZ_CHECK(known, "label %d", label);
        ae_free(prompt);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, 3, data, size);
    for (int i = 0; i < 6; i++) {
        char *path = ae_path_join(folder, names[i % 3]);
        ae_task *task = NULL;
        if (ae_path_exists(path)) {
            fuzz_begin();
            const bool good =
                fuzz_ok(ae_task_load(path, i < 3 ? AE_GLUE_COMPAT : AE_GLUE_CORRECTED, &fuzz_hooks, &task));
            fuzz_end(size, 512, 1 << 20);
            if (good) check_task(task);
            ae_task_free(task);
        }
        ae_free(path);
    }
    return 0;
}
