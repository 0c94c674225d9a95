// Two runs over the cases that both have: differences case by case, resampled together.
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "eval/summary.h"

// ---- pairs -----------------------------------------------------------------------------------------

// The values of up to three columns in both runs, for the cases that both have and measured.
typedef struct pairs {
    const int *columns;
    int n_columns;
    double *a[3], *b[3]; // each [n]
    size_t n;
} pairs;

static int order_of(const ae_summary_case *a, const ae_summary_case *b) {
    if (a->case_id != b->case_id) return a->case_id < b->case_id ? -1 : 1;
    return strcmp(a->request, b->request);
}

static void add_pair(pairs *p, const ae_summary_cases *a, size_t i, const ae_summary_cases *b, size_t j) {
    for (int c = 0; c < p->n_columns; c++) {
        p->a[c][p->n] = a->cells[p->columns[c]][i];
        p->b[c][p->n] = b->cells[p->columns[c]][j];
        if (isnan(p->a[c][p->n]) || isnan(p->b[c][p->n])) return; // the next pair takes this one's place
    }
    p->n++;
}

static ae_status pair_up(const ae_summary_cases *a, const ae_summary_cases *b, struct ae_arena *arena,
                         pairs *p) {
    const size_t n_a = (size_t)a->shown.n_cases, n_b = (size_t)b->shown.n_cases;
    for (int c = 0; c < p->n_columns; c++) {
        p->a[c] = ae_arena_alloc(arena, n_a, sizeof(double));
        p->b[c] = ae_arena_alloc(arena, n_a, sizeof(double));
        if (!p->a[c] || !p->b[c]) return ae_no_memory();
    }
    for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
        const int order = order_of(&a->cases[i], &b->cases[j]);
        if (order == 0) add_pair(p, a, a->cases[i].index, b, b->cases[j].index);
        i += order <= 0;
        j += order >= 0;
    }
    if (p->n == 0)
        return ae_fail(AE_ERR_NOT_FOUND, "'%s' and '%s' have no measured case in common", a->shown.folder,
                       b->shown.folder);
    return AE_OK;
}

// ---- differences -----------------------------------------------------------------------------------

static ae_status mean_difference(const pairs *p, double scale, ae_difference *out) {
    double *differences = p->b[0], std;
    for (size_t i = 0; i < p->n; i++)
        differences[i] -= p->a[0][i];
    ae_difference found = {.n = p->n};
    ae_mean_std(differences, p->n, &found.mean, &std);
    AE_TRY(ae_bootstrap_mean(differences, p->n, AE_SUMMARY_DRAWS, AE_SUMMARY_SEED, &found.low, &found.high));
    found.mean *= scale;
    found.low *= scale;
    found.high *= scale;
    *out = found;
    return AE_OK;
}

// Harmonic mean of the columns' means over the pairs `chosen` (NULL: each once), b's less a's.
static double score_difference(const pairs *p, const size_t *chosen) {
    double means_a[3] = {0}, means_b[3] = {0};
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < p->n; i++) {
            const size_t at = chosen ? chosen[i] : i;
            means_a[c] += p->a[c][at];
            means_b[c] += p->b[c][at];
        }
        means_a[c] *= 100 / (double)p->n;
        means_b[c] *= 100 / (double)p->n;
    }
    return ae_harmonic_mean(means_b, 3) - ae_harmonic_mean(means_a, 3);
}

// Cases are drawn whole: the three measures of a case, in both runs, come together.
static ae_status score_interval(const pairs *p, struct ae_arena *arena, ae_difference *out) {
    size_t *chosen = ae_arena_alloc(arena, p->n, sizeof *chosen);
    double *draws = ae_arena_alloc(arena, AE_SUMMARY_DRAWS, sizeof *draws);
    if (!chosen || !draws) return ae_no_memory();
    ae_random random = ae_random_stream(AE_SUMMARY_SEED, 0, 0);
    for (int d = 0; d < AE_SUMMARY_DRAWS; d++) {
        for (size_t i = 0; i < p->n; i++)
            chosen[i] = (size_t)(ae_random_uniform(&random) * (double)p->n);
        draws[d] = score_difference(p, chosen);
    }
    *out = (ae_difference){.mean = score_difference(p, NULL), .n = p->n};
    ae_interval(draws, AE_SUMMARY_DRAWS, &out->low, &out->high);
    return AE_OK;
}

static ae_status compare(const ae_summary_cases *a, const ae_summary_cases *b, const char *name,
                         struct ae_arena *arena, ae_difference *out) {
    for (int s = 0; s < AE_SUMMARY_SCORES; s++) {
        if (strcmp(ae_summary_scores[s].name, name) != 0) continue;
        pairs p = {.columns = ae_summary_scores[s].parts, .n_columns = 3};
        AE_TRY(pair_up(a, b, arena, &p));
        return score_interval(&p, arena, out);
    }
    for (int column = 0; column < AE_SUMMARY_COLUMNS; column++) {
        if (strcmp(ae_summary_columns[column].name, name) != 0) continue;
        pairs p = {.columns = &column, .n_columns = 1};
        AE_TRY(pair_up(a, b, arena, &p));
        return mean_difference(&p, ae_summary_columns[column].scale, out);
    }
    return ae_fail(AE_ERR_ARGUMENT, "'%s' is not the name of a number that runs are summarised by", name);
}

ae_status ae_summary_compare(const ae_summary *a, const ae_summary *b, const char *name, ae_difference *out) {
    struct ae_arena *arena = NULL;
    AE_TRY(ae_arena_new(&arena));
    ae_status status = compare((const ae_summary_cases *)a, (const ae_summary_cases *)b, name, arena, out);
    ae_arena_free(arena);
    return status;
}
