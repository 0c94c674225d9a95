#include "model/packing.h"

#include <stdlib.h>

static int32_t alike_within(const ae_packed *a, const ae_packed *b, int32_t n) {
    int32_t i = 0;
    while (i < n && a->ids[i] == b->ids[i])
        i++;
    return i;
}

// How many tokens the two begin with alike, of those that they may share.
static int32_t alike(const ae_packed *a, const ae_packed *b) {
    const int32_t n_a = a->n_ids - a->n_own, n_b = b->n_ids - b->n_own;
    return alike_within(a, b, n_a < n_b ? n_a : n_b);
}

// Descending, so that a sequence comes before those that it begins with; equal ones as the caller numbers
// them.
static int compare(const void *left, const void *right) {
    const ae_packed *a = left, *b = right;
    const int32_t at = alike_within(a, b, a->n_ids < b->n_ids ? a->n_ids : b->n_ids);
    if (at < a->n_ids && at < b->n_ids) return a->ids[at] > b->ids[at] ? -1 : 1;
    if (a->n_ids != b->n_ids) return a->n_ids > b->n_ids ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

void ae_packing_sort(ae_packed *sequences, int32_t n) {
    qsort(sequences, (size_t)n, sizeof *sequences, compare);
}

// The next that has something that s lacks; NULL: none. What s begins with follows s directly.
static const ae_packed *next_other(const ae_packed *s, const ae_packed *end) {
    const ae_packed *next = s + 1;
    while (next < end && alike(s, next) == next->n_ids)
        next++;
    return next < end ? next : NULL;
}

// Whether `s` is better there in full than attending to the `shared` rows that it has in common with the
// trunk: if it has none, or if its successor then saves at least as many rows as it costs.
static bool becomes_trunk(const ae_packed *trunk, const ae_packed *s, int32_t shared, const ae_packed *end) {
    if (shared == 0) return true;
    const ae_packed *next = next_other(s, end);
    return next && alike(s, next) - alike(trunk, next) >= shared;
}

ae_status ae_packing_make(ae_arena *arena, ae_packed *sequences, int32_t n, int32_t max_rows,
                          ae_packing *out) {
    ae_seq *seqs = ae_arena_alloc(arena, (size_t)n, sizeof *seqs);
    if (!seqs) return ae_no_memory();
    const ae_packed *trunk = NULL, *before = NULL;
    int32_t n_seqs = 0, n_rows = 0, packed = 0;
    for (; packed < n; packed++) {
        ae_packed *s = &sequences[packed];
        if (before && alike(before, s) == s->n_ids) {
            s->shared = before->shared;
            s->shared_row = before->shared_row;
            s->row = before->row;
            continue;
        }
        s->shared = trunk ? alike(trunk, s) : 0;
        const bool own = becomes_trunk(trunk, s, s->shared, sequences + n);
        if (own) s->shared = 0;
        const int32_t rows = s->n_ids - s->shared;
        if (before && rows > max_rows - n_rows) break;
        s->shared_row = s->shared > 0 ? trunk->row : 0;
        s->row = n_rows;
        seqs[n_seqs++] =
            (ae_seq){.n_rows = rows, .ctx_row = s->shared_row, .ctx_len = s->shared, .own_row = s->row};
        n_rows += rows;
        before = s;
        if (own) trunk = s;
    }
    ae_packing p = {.n_sequences = packed, .ids = ae_arena_alloc(arena, (size_t)n_rows, sizeof *p.ids)};
    if (!p.ids) return ae_no_memory();
    for (int32_t i = 0; i < packed; i++) {
        const ae_packed *s = &sequences[i];
        for (int32_t at = s->shared; at < s->n_ids; at++)
            p.ids[s->row + at - s->shared] = s->ids[at];
    }
    AE_TRY(ae_batch_new(arena, seqs, n_seqs, &p.batch));
    *out = p;
    return AE_OK;
}
