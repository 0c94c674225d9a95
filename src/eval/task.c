#include "eval/task.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/generate.h"

// ---- text in, answer out ---------------------------------------------------------------------------

char *ae_task_prompt(const ae_task *task, const ae_example *example) {
    const struct {
        const char *name, *value;
    } holes[] = {{"{sentence}", example->sentence1},
                 {"{sentence1}", example->sentence1},
                 {"{sentence2}", example->sentence2}};
    ae_text prompt = {0};
    ae_status status = ae_text_append(&prompt, task->header, strlen(task->header));
    for (const char *at = task->prompt_template; status == AE_OK && *at;) {
        const char *value = at;
        size_t length = 1, taken = 1; // a character that stands for itself
        for (size_t i = 0; *at == '{' && i < sizeof holes / sizeof *holes; i++)
            if (holes[i].value && strncmp(at, holes[i].name, strlen(holes[i].name)) == 0) {
                value = holes[i].value;
                length = strlen(value);
                taken = strlen(holes[i].name);
            }
        status = ae_text_append(&prompt, value, length);
        at += taken;
    }
    if (status == AE_OK) return prompt.data;
    ae_free(prompt.data);
    return NULL;
}

int ae_task_answer(const ae_task *task, const char *text) {
    for (const char *at; (at = strstr(text, task->answer_marker));)
        text = at + strlen(task->answer_marker);
    for (int i = 0; i < task->n_answers; i++)
        if (strstr(text, task->answers[i].keyword)) return task->answers[i].label;
    return -1;
}

// ---- evaluation ------------------------------------------------------------------------------------

typedef struct evaluation {
    const ae_task *task;
    const ae_hooks *hooks;
    char **prompts;             // [n_examples], each to be freed
    ae_continuation *sequences; // [n_examples]
    int32_t stop_id;
    size_t n_done;
} evaluation;

static ae_status report(const evaluation *e) {
    return ae_progress(e->hooks, "downstream tasks", (double)e->n_done, (double)e->task->n_examples,
                       "examples");
}

static ae_status on_token(void *user, int32_t index, int32_t id) {
    evaluation *e = user;
    const ae_continuation *s = &e->sequences[index];
    if (id != e->stop_id && s->n_ids < s->max_new) return AE_OK;
    e->n_done++;
    return report(e);
}

// Header and prompt as one text: BPE may merge across their border.
static ae_status prepare(const ae_model *m, evaluation *e, size_t index, ae_arena *arena) {
    const ae_task *task = e->task;
    char *prompt = e->prompts[index] = ae_task_prompt(task, &task->examples[index]);
    if (!prompt) return ae_no_memory();
    int32_t *list = NULL;
    size_t n = 0;
    AE_TRY(ae_encode(m, prompt, strlen(prompt), &list, &n));
    int32_t *ids = ae_arena_alloc(arena, n + (size_t)task->gen_len, sizeof *ids);
    if (ids) memcpy(ids, list, n * sizeof *ids);
    ae_free(list);
    if (!ids) return ae_no_memory();
    if (n + (size_t)task->gen_len > (size_t)m->config.n_ctx)
        return ae_fail(
            AE_ERR_ARGUMENT,
            "'%s', example %zu: its prompt's %zu tokens (header included) and %d new ones exceed the "
            "model's context of %d tokens",
            task->path, index + 1, n, task->gen_len, m->config.n_ctx);
    e->sequences[index] =
        (ae_continuation){.prompt = ids, .n_prompt = (int32_t)n, .max_new = task->gen_len, .ids = ids + n};
    return AE_OK;
}

// The continuation as text, and the answer in it.
static ae_status read_answer(const ae_model *m, const evaluation *e, size_t index, ae_arena *arena,
                             ae_task_result *out) {
    const ae_continuation *s = &e->sequences[index];
    int32_t n = s->n_ids;
    if (n > 0 && s->ids[n - 1] == e->stop_id) n--; // the end itself is not text
    char *text = NULL;
    AE_TRY(ae_model_decode_string(m, s->ids, (size_t)n, &text, NULL));
    char *whole = ae_format("%s%s", e->prompts[index], text);
    out->generated[index] = ae_arena_strdup(arena, text);
    ae_free(text);
    if (whole) out->answers[index] = s->failed ? -1 : ae_task_answer(e->task, whole);
    out->n_failed += s->failed;
    ae_free(whole);
    return whole && out->generated[index] ? AE_OK : ae_no_memory();
}

ae_status ae_task_evaluate(ae_model *m, const ae_task *task, const ae_hooks *hooks, ae_arena *arena,
                           ae_task_result *out) {
    const double begun = ae_seconds();
    const size_t n = task->n_examples;
    ae_task_result result = {.generated = ae_arena_alloc(arena, n, sizeof *result.generated),
                             .answers = ae_arena_alloc(arena, n, sizeof *result.answers)};
    if (!result.generated || !result.answers) return ae_no_memory();
    ae_arena *scratch = NULL;
    ae_status status = AE_OK;
    AE_TRY(ae_arena_new(&scratch));
    evaluation e = {.task = task,
                    .hooks = hooks,
                    .prompts = ae_arena_alloc(scratch, n, sizeof *e.prompts),
                    .sequences = ae_arena_alloc(scratch, n, sizeof *e.sequences),
                    .stop_id = ae_tokenizer_end_of_text(m->tokenizer)};
    int *labels = ae_arena_alloc(scratch, n, sizeof *labels);
    if (!e.prompts || !e.sequences || !labels) AE_TRY_GOTO(done, ae_no_memory());
    for (size_t i = 0; i < n; i++) {
        AE_TRY_GOTO(done, prepare(m, &e, i, scratch));
        labels[i] = task->examples[i].label;
    }
    AE_TRY_GOTO(done, report(&e));
    const ae_continue_options greedy = {
        .top_k = 1,
        .temperature = 1,
        .stop_id = e.stop_id,
        .go_on = ae_model_is_edited(m),
        .on_token = on_token,
        .user = &e,
    };
    AE_TRY_GOTO(done, ae_continue(m, e.sequences, (int32_t)n, &greedy));
    for (size_t i = 0; i < n; i++)
        AE_TRY_GOTO(done, read_answer(m, &e, i, arena, &result));
    if (result.n_failed > 0)
        ae_warn(hooks,
                "task '%s': at %zu of %zu examples the edited model's logits are not finite; they count as "
                "invalid answers",
                task->name, result.n_failed, n);
    ae_score_classes(labels, result.answers, n, &result.scores);
    result.seconds = ae_seconds() - begun;
    *out = result;
done:
    for (size_t i = 0; e.prompts && i < n; i++)
        ae_free(e.prompts[i]);
    ae_arena_free(scratch);
    return status;
}
