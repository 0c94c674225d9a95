/* journal MODEL JOURNAL COPY EXPORT: the journal's active edits made one after another, each appended to a
 * new journal COPY, as a run does it. Prints milliseconds an append and the memory taken meanwhile, for each
 * tenth.
 *
 * Then the weights that came of it must be, bit for bit, those that JOURNAL and COPY give when they are
 * applied, and rounded to the stored type those of EXPORT, a model folder exported from JOURNAL. Exit code 1
 * and a sentence where they are not. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aedile/journal.h"
#include "format/half.h"

enum { PARTS = 10 };

static void must(ae_status status, const char *what) {
    if (status == AE_OK) return;
    fprintf(stderr, "journal: %s: %s\n", what, ae_last_error());
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ae_model *open_model(const char *folder) {
    ae_model *model = NULL;
    must(ae_model_open(folder, &(ae_model_options){.n_threads = 1}, &model), folder);
    return model;
}

static void edit_and_append(ae_model *model, const ae_journal *journal, ae_journal *copy) {
    const size_t count = ae_journal_count(journal);
    printf("%12s %10s %16s\n", "entries", "ms/append", "bytes an entry");
    for (size_t part = 0; part < PARTS; part++) {
        const size_t first = count * part / PARTS, end = count * (part + 1) / PARTS;
        const size_t memory = mallinfo2().uordblks;
        double seconds = 0;
        for (size_t i = first; i < end; i++) {
            ae_journal_entry entry;
            ae_edit *edit = NULL;
            int id = 0;
            must(ae_journal_read(journal, i, &entry, &edit), "reading an entry");
            if (!entry.reverted) {
                must(ae_edit_apply(model, edit), "applying an edit");
                const double began = now();
                must(ae_journal_append(copy, model, edit, &id), "appending an edit");
                seconds += now() - began;
            }
            ae_edit_free(edit);
        }
        if (end == first) continue;
        const double n = (double)(end - first);
        printf("%5zu - %4zu %10.3f %16.0f\n", first, end, 1e3 * seconds / n,
               ((double)mallinfo2().uordblks - (double)memory) / n);
    }
}

static float *matrix_of(const ae_model *model, int layer) {
    const ae_model_info *info = ae_model_get_info(model);
    float *values = calloc((size_t)info->d_mlp * (size_t)info->d_model, sizeof *values);
    if (!values) exit(1);
    must(ae_model_get_mlp_out(model, layer, values), "reading weights");
    return values;
}

static float stored_as(const char *dtype, float value) {
    if (strcmp(dtype, "F16") == 0) return ae_f16_to_float(ae_float_to_f16(value));
    if (strcmp(dtype, "BF16") == 0) return ae_bf16_to_float(ae_float_to_bf16(value));
    return value;
}

/* `round`: what `a` has is rounded to the stored type first. */
static void must_be_same(const ae_model *a, const ae_model *b, bool round, const char *what) {
    const ae_model_info *info = ae_model_get_info(a);
    const size_t n = (size_t)info->d_mlp * (size_t)info->d_model;
    size_t moved = 0;
    for (int layer = 0; layer < info->n_layer; layer++) {
        float *x = matrix_of(a, layer), *y = matrix_of(b, layer);
        for (size_t i = 0; round && i < n; i++) {
            const float value = stored_as(info->dtype, x[i]);
            moved += value != x[i];
            x[i] = value;
        }
        if (memcmp(x, y, n * sizeof *x) != 0) {
            printf("NOT SO: %s: layer %d differs\n", what, layer);
            exit(1);
        }
        free(x);
        free(y);
    }
    printf("ok: %s", what);
    if (round) printf(" (%s; %zu values rounded)", info->dtype, moved);
    putchar('\n');
}

static ae_model *apply(const char *folder, const char *journal_folder) {
    ae_model *model = open_model(folder);
    ae_journal *journal = NULL;
    must(ae_journal_open(journal_folder, model, false, true, &journal), journal_folder);
    must(ae_journal_apply(journal, model), journal_folder);
    ae_journal_close(journal);
    return model;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "Usage: journal MODEL JOURNAL COPY EXPORT\n");
        return 2;
    }
    ae_model *live = open_model(argv[1]);
    ae_journal *journal = NULL, *copy = NULL;
    must(ae_journal_open(argv[2], live, false, true, &journal), argv[2]);
    must(ae_journal_open(argv[3], live, true, false, &copy), argv[3]);
    edit_and_append(live, journal, copy);
    ae_journal_close(journal);
    ae_journal_close(copy);
    ae_model *applied = apply(argv[1], argv[2]), *of_copy = apply(argv[1], argv[3]);
    ae_model *exported = open_model(argv[4]);
    must_be_same(live, applied, false, "edits made one after another and the journal give the same weights");
    must_be_same(live, of_copy, false, "so does the new journal");
    must_be_same(live, exported, true, "the export has them");
    ae_model_free(live);
    ae_model_free(applied);
    ae_model_free(of_copy);
    ae_model_free(exported);
    return 0;
}
