/* bench/long_sequence: does an edit cost the same however many came before it? 500 edits in a sequence on one
 * model, each applied and appended to a journal; the time of each, and the model's and program's memory along
 * the way.
 *
 * Usage: long_sequence FOLDER [--threads N] [--edits N] */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aedile/edit.h"
#include "aedile/journal.h"
#include "base/clock.h"
#include "base/file.h"
#include "eval/dataset.h"
#include "machine.h"
#include "samples.h"

static void must(ae_status status, const char *what) {
    if (status == AE_OK) return;
    fprintf(stderr, "long_sequence: %s: %s\n", what, ae_last_error());
    exit(1);
}

/* Of the fifty from `first` on. */
static double median_of(const bench_samples *all, int first) {
    bench_samples some = {.n = 0};
    for (int i = first; i < first + 50; i++)
        bench_add(&some, all->value[i]);
    return bench_median(&some);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"threads", 1, NULL, 't'}, {"edits", 1, NULL, 'e'}, {NULL, 0, NULL, 0}};
    int threads = 0, n_edits = 500;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (option == 't')
            threads = atoi(optarg);
        else if (option == 'e')
            n_edits = atoi(optarg);
        else
            return 2;
    if (optind + 1 != argc || n_edits < 50 || n_edits > BENCH_SAMPLES) return 2;
    const char *folder = argv[optind];
    char journal_folder[] = "/tmp/aedile-bench-XXXXXX";
    if (!mkdtemp(journal_folder)) return 1;
    const ae_model_options model_options = {.n_threads = threads};
    ae_model *model = NULL;
    ae_hparams hparams;
    ae_templates templates;
    ae_moment *moment = NULL;
    ae_journal *journal = NULL;
    ae_dataset *records = NULL;
    must(ae_model_open(folder, &model_options, &model), "model");
    must(ae_hparams_builtin(model, -1, &hparams), "hyperparameters");
    must(ae_templates_sample(model, &hparams, 0, NULL, &templates), "templates");
    must(ae_moment_open(model, hparams.layers[0], &hparams, NULL, 0, NULL, &moment), "second moments");
    must(ae_journal_open(journal_folder, model, true, false, &journal), "journal");
    char *data = ae_path_join(folder, "data/counterfact.json");
    const ae_dataset_options all = {.max_edits = n_edits};
    must(ae_dataset_open(data, NULL, &all, NULL, &records), "records");
    const ae_edit_options edit = {
        .hparams = &hparams, .templates = &templates, .moments = (const ae_moment *const *)&moment};
    static bench_samples whole, evaluation, count, kept;
    double memory[2] = {0};
    for (size_t i = 0; i < records->count; i++) {
        ae_edit *e = NULL;
        int id;
        const double start = ae_seconds();
        must(ae_edit_compute(model, &records->records[i].request, 1, &edit, NULL, &e), "edit");
        const double computed = ae_seconds();
        must(ae_edit_apply(model, e), "apply");
        must(ae_journal_append(journal, model, e, &id), "append");
        bench_add(&whole, ae_seconds() - start);
        bench_add(&kept, ae_seconds() - computed);
        bench_add(&count, e->layers[0].n_steps);
        bench_add(&evaluation, e->seconds_optimise / e->layers[0].n_steps);
        ae_edit_free(e);
        if (i == 49) memory[0] = bench_anonymous();
    }
    memory[1] = bench_anonymous();
    printf("\n%d edits in a sequence on %s, each applied and appended to a journal; medians:\n\n", whole.n,
           ae_model_get_info(model)->name);
    printf("| edits | one edit | evaluations of it | one evaluation | applying and appending it "
           "|\n|---|---|---|---|---|\n");
    for (int first = 0; first + 50 <= whole.n; first += 50)
        printf("| %d to %d | %.1f ms | %.0f | %.2f ms | %.2f ms |\n", first + 1, first + 50,
               1e3 * median_of(&whole, first), median_of(&count, first), 1e3 * median_of(&evaluation, first),
               1e3 * median_of(&kept, first));
    printf("\nAnonymous memory after 50 edits %.1f MB, after %d %.1f MB.\n", memory[0] * 1e-6, whole.n,
           memory[1] * 1e-6);
    ae_dataset_free(records);
    ae_journal_close(journal);
    ae_moment_free(moment);
    ae_templates_free(&templates);
    ae_model_free(model);
    ae_free(data);
    char *remove[] = {"/bin/rm", "-rf", journal_folder, NULL};
    bench_child child;
    return bench_run(remove, &child) == 0 ? 0 : 1;
}
