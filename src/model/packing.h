/* model/packing.h: many token sequences as few rows of one batch.
 *
 * Prompts of one evaluation begin alike: two targets after one prompt, twenty prompts of one form. Sorted,
 * sequences that begin alike lie side by side. One that another begins with needs no rows of its own; any
 * other attends to rows of the last "trunk", a sequence that is there in full, and adds the rest.
 *
 *     ae_packing_sort(sequences, n);
 *     for (first = 0; first < n; first += packing.n_sequences) {
 *         ae_packing_make(arena, sequences + first, n - first, max_rows, &packing);
 *         ae_run_layers(m, &packing.batch, packing.ids, x, store, work, &select);
 *         ... ae_packed_row(&sequences[first], position) ...
 *     } */
#ifndef AE_MODEL_PACKING_H
#define AE_MODEL_PACKING_H

#include "model/pass.h"

typedef struct ae_packed {
    const int32_t *ids;
    int32_t n_ids; // at least 1
    int32_t n_own; // of its last tokens, that have rows of their own even where another sequence has the same
    int32_t index; // the caller's number for it: sorting moves sequences
    // Filled by ae_packing_make: position p lies in row shared_row + p up to `shared`, then in row + p -
    // shared.
    int32_t shared, shared_row, row;
} ae_packed;

typedef struct ae_packing {
    int32_t n_sequences; // how many of those given are in
    ae_batch batch;      // its rows are the store's rows
    int32_t *ids;        // [batch.n_rows]
} ae_packing;

void ae_packing_sort(ae_packed *sequences, int32_t n);

/* Packs the first of the sorted sequences, as many as fit into max_rows (one at least); memory from `arena`.
 */
ae_status ae_packing_make(ae_arena *arena, ae_packed *sequences, int32_t n, int32_t max_rows,
                          ae_packing *out);

static inline int32_t ae_packed_row(const ae_packed *s, int32_t position) {
    return position < s->shared ? s->shared_row + position : s->row + position - s->shared;
}

#endif
