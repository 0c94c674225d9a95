// Every allocation fails in turn, ours and OpenSSL's alike: each call ends with AE_ERR_MEMORY, or comes to
// the same as ever; nothing half-written stays, and (under the address sanitizer) nothing leaks. Jansson's
// are not among them: it does not outlive a shortage whatever its caller does, and the command ends before it
// goes wrong (test_starve.sh).
//
// AE_TEST_FAULTS says how many allocations of each call fail: a number (25), or "all".
#include "unit/eval/run_fixture.h"

#include <openssl/crypto.h>

#include "aedile/aedile.h"
#include "compare_runs.h"

typedef struct place {
    char *folder; // of the inputs; out/ in it is each call's own
    ae_model *model;
    const char *run; // one that is complete
    ae_run_options options;
    ae_text result; // what the call at hand came to
} place;

static const char *path_in(const place *p, const char *name) {
    return in_folder(p->folder, name);
}

// ---- the calls -------------------------------------------------------------------------------------

static ae_status open_model(place *p) {
    const ae_model_options options = {.n_threads = 1};
    ae_model *model = NULL;
    AE_TRY(ae_model_open(path_in(p, "tiny"), &options, &model));
    ae_model_free(model);
    return AE_OK;
}

static ae_status score(place *p) {
    static const char *const targets[] = {"a hen", "there"};
    double nll[2];
    AE_TRY(ae_score(p->model, "The man is", targets, 2, nll));
    return ae_text_printf(&p->result, "%.9g %.9g", nll[0], nll[1]);
}

static ae_status generate(place *p) {
    ae_generate_options options = ae_generate_defaults();
    options.max_tokens = 5;
    char *text = NULL;
    AE_TRY(ae_generate(p->model, "The man is", &options, NULL, NULL, &text));
    const ae_status status = ae_text_append(&p->result, text, strlen(text));
    ae_free(text);
    return status;
}

static ae_status collect(place *p) {
    const char *text = path_in(p, "text.txt");
    const ae_collect_options options = {.layer = RUN_LAYER,
                                        .texts = &text,
                                        .n_texts = 1,
                                        .output = path_in(p, "out"),
                                        .checkpoint_seconds = 1e-9};
    char *path = NULL;
    AE_TRY(ae_moment_collect(p->model, &options, NULL, &path));
    ae_free(path);
    return AE_OK;
}

// From the statistics to an entry in a new journal.
static ae_status edit(place *p) {
    static const ae_request request = {"{} is", "Anna", "a hen", "there", 3};
    const ae_hparams *hp = &p->options.hparams;
    ae_templates templates = {0};
    ae_moment *moment = NULL;
    ae_edit *made = NULL;
    ae_journal *journal = NULL;
    int id = 0;
    ae_status status = ae_templates_sample(p->model, hp, 0, NULL, &templates);
    if (status == AE_OK) status = ae_moment_open(p->model, RUN_LAYER, hp, p->options.stats, 0, NULL, &moment);
    const ae_edit_options how = {
        .hparams = hp, .templates = &templates, .moments = (const ae_moment *[]){moment}};
    if (status == AE_OK) status = ae_edit_compute(p->model, &request, 1, &how, NULL, &made);
    if (status == AE_OK) status = ae_edit_apply(p->model, made);
    if (status == AE_OK) status = ae_journal_open(path_in(p, "out"), p->model, true, false, &journal);
    if (status == AE_OK) status = ae_journal_append(journal, p->model, made, &id);
    if (status == AE_OK) status = ae_journal_apply(journal, p->model);
    if (status == AE_OK) status = ae_journal_revert(journal, id);
    ae_journal_close(journal);
    ae_edit_free(made);
    ae_moment_free(moment);
    ae_templates_free(&templates);
    ae_model_restore(p->model);
    return status;
}

static ae_status two_edits(place *p) {
    ae_run_result result = {0};
    const ae_status status = ae_run_execute(p->model, &p->options, NULL, NULL, &result);
    ae_run_result_free(&result);
    ae_model_restore(p->model);
    return status;
}

static ae_status summarize(place *p) {
    ae_summary *summary = NULL;
    AE_TRY(ae_summarize(p->run, 0, NULL, &summary));
    const ae_summary_value *value = ae_summary_get(summary, "post_score");
    const ae_status status = ae_text_printf(&p->result, "%.17g", value ? value->mean : -1);
    ae_summary_free(summary);
    return status;
}

static ae_status report(place *p, ae_report_format format) {
    const ae_report_options options = {.format = format, .output = path_in(p, "out")};
    return ae_report_write(&p->run, 1, &options, NULL);
}
static ae_status report_html(place *p) {
    return report(p, AE_REPORT_HTML);
}
static ae_status report_csv(place *p) {
    return report(p, AE_REPORT_CSV);
}

static ae_status export(place *p, bool lora) {
    ae_journal *journal = NULL;
    char *folder = ae_format("%s/aedile/journal", p->run);
    if (!folder) return ae_no_memory();
    ae_status status = ae_journal_open(folder, p->model, false, true, &journal);
    ae_free(folder);
    if (status == AE_OK) status = ae_journal_apply(journal, p->model);
    if (status == AE_OK)
        status = lora ? ae_export_lora(journal, p->model, path_in(p, "out"))
                      : ae_export_hf(p->model, path_in(p, "out"), NULL, NULL);
    ae_journal_close(journal);
    ae_model_restore(p->model);
    return status;
}
static ae_status export_lora(place *p) {
    return export(p, true);
}
static ae_status export_hf(place *p) {
    return export(p, false);
}

static ae_status write_selection(place *p) {
    return ae_select_write("sample:37:50", 200, path_in(p, "out"));
}

typedef struct call {
    const char *name;
    ae_status (*make)(place *p);
    bool all_or_nothing; // a call that fails leaves nothing; of the others what is kept to go on from
} call;

static const call calls[] = {
    {"open a model", open_model, true},
    {"score", score, true},
    {"generate", generate, true},
    {"collect", collect, false},
    {"edit", edit, false},
    {"run of two edits", two_edits, false},
    {"summarize", summarize, true},
    {"report as HTML", report_html, true},
    {"report as CSV", report_csv, false},
    {"export, LoRA", export_lora, true},
    {"export, folder", export_hf, true},
    {"select", write_selection, true},
};

// ---- failing ---------------------------------------------------------------------------------------

// Whether another allocation may be made: ae_alloc counts, and fails in its turn.
static bool may_allocate(void) {
    void *probe = ae_alloc(1, 1);
    ae_free(probe);
    return probe;
}

static void *crypto_allocate(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return may_allocate() ? malloc(size) : NULL;
}

static void *crypto_resize(void *memory, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return may_allocate() ? realloc(memory, size) : NULL;
}

static void crypto_release(void *memory, const char *file, int line) {
    (void)file, (void)line;
    free(memory);
}

// Allocations left until one fails: `most` where none will.
static uint64_t allocations_left(uint64_t most) {
    uint64_t n = 0;
    while (n < most && may_allocate())
        n++;
    ae_memory_fail_at(0);
    return n;
}

static bool succeeds(const char *format, const char *a, const char *b) {
    char command[2048];
    snprintf(command, sizeof command, format, a, b);
    return system(command) == 0;
}

static void shell(const char *format, const char *a, const char *b) {
    if (!succeeds(format, a, b)) fail_msg("%s (%s, %s)", format, a, b);
}

static void one_after_the_other(place *p, const call *c) {
    enum { MANY = 1 << 22 };
    const char *setting = getenv("AE_TEST_FAULTS");
    if (setting && !*setting) setting = NULL;
    char *out = ae_format("%s/out", p->folder), *whole = ae_format("%s/whole", p->folder);
    shell("rm -rf '%s' '%s'", out, whole);
    p->result.length = 0;
    assert_ok(c->make(p)); // what is found once (a first use of the C library, say) is found
    char *expected = ae_format("%.*s", (int)p->result.length, p->result.length ? p->result.data : "");
    if (ae_path_exists(out)) shell("mv '%s' '%s'", out, whole);
    ae_memory_fail_at(MANY);
    assert_ok(c->make(p));
    const uint64_t count = MANY - 1 - allocations_left(MANY);
    const uint64_t wanted = setting && strcmp(setting, "all") != 0 ? strtoull(setting, NULL, 10)
                            : setting                              ? count
                                                                   : 25;
    uint64_t failures = 0, tolerated = 0;
    for (uint64_t k = 0; k < wanted && k < count; k++) {
        const uint64_t n = 1 + (wanted < count ? k * count / wanted : k);
        shell("rm -rf '%s'%s", out, "");
        p->result.length = 0;
        ae_memory_fail_at(n);
        const ae_status status = c->make(p);
        ae_memory_fail_at(0);
        if (status != AE_OK) {
            failures++;
            if (status != AE_ERR_MEMORY)
                fail_msg("%s, allocation %llu: %s (%s)", c->name, (unsigned long long)n,
                         ae_status_name(status), ae_last_error());
            if (c->all_or_nothing && ae_path_exists(out))
                fail_msg("%s, allocation %llu: there is an output", c->name, (unsigned long long)n);
            shell("! find '%s'* 2>/dev/null | grep -F .tmp-%s", out, "");
            continue;
        }
        tolerated++;
        char *difference = NULL;
        if (p->result.length != strlen(expected) ||
            (p->result.length && strncmp(p->result.data, expected, p->result.length) != 0))
            difference = ae_strdup("the result is another");
        else if (ae_path_is_folder(whole) && (c->make == edit || c->make == two_edits))
            difference = compare_runs(out, whole);
        else if (ae_path_exists(whole) && // a checkpoint that cannot be removed is told of
                 !succeeds("diff -r -x '*.partial' '%s' '%s' >/dev/null", out, whole))
            difference = ae_strdup("the files are others");
        if (difference) fail_msg("%s, allocation %llu: %s", c->name, (unsigned long long)n, difference);
        ae_free(difference);
    }
    assert_true(failures > 0);
    print_message(
        "%s: %llu allocations; of %llu that failed, %llu ended the call and %llu were done without\n",
        c->name, (unsigned long long)count, (unsigned long long)(failures + tolerated),
        (unsigned long long)failures, (unsigned long long)tolerated);
    ae_free(expected);
    ae_free(out);
    ae_free(whole);
}

// The options of a run of two edits; its paths outlive in_folder's buffers.
static ae_run_options two_edits_options(const place *p) {
    ae_run_options o = small_run(p->folder, p->model, "out");
    o.sequential = true;
    o.limit = 2;
    o.n_tasks = 1;
    const char **const paths[] = {&o.stats, &o.results, &o.tasks[0], &o.ppl_text};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        *paths[i] = ae_strdup(*paths[i]);
    return o;
}

static void every_allocation_may_fail(void **state) {
    place p = {.folder = *state};
    write_run_inputs(p.folder);
    p.model = open_run_model(p.folder);
    collect_run_statistics(p.folder, p.model);
    p.options = two_edits_options(&p);
    char *run = ae_format("%s/out/ROME/run_000", p.folder), *kept = ae_format("%s/run", p.folder);
    assert_ok(two_edits(&p));
    shell("mv '%s' '%s'", run, kept);
    p.run = kept;
    const char *only = getenv("AE_TEST_CALL");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!only || strcmp(only, calls[i].name) == 0) one_after_the_other(&p, &calls[i]);
    const char *const paths[] = {p.options.stats, p.options.results, p.options.tasks[0], p.options.ppl_text};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        ae_free((void *)(uintptr_t)paths[i]);
    ae_model_free(p.model);
    ae_free(p.result.data);
    ae_free(run);
    ae_free(kept);
}

int main(void) {
    if (CRYPTO_set_mem_functions(crypto_allocate, crypto_resize, crypto_release) != 1) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, make_scratch_folder, remove_scratch_folder);
}
