/* eval/guard.h: which edits are out of line with the run so far.
 *
 * A single edit can disable a model ("disabling edits", arXiv 2403.07175): its update is far larger than the
 * others, mostly because k·u, which it is divided by, is close to zero. That shows before the edit is kept.
 * What is asked here depends on the edits before and on nothing else, so that a resumed run answers as one
 * that ran through. */
#ifndef AE_EVAL_GUARD_H
#define AE_EVAL_GUARD_H

#include "eval/edit_figures.h"

/* Norms of sound updates of one layer spread over a factor of three or so about their median; those of
 * disabling edits lie one to three orders of magnitude above it. Ten separates the two with room on both
 * sides. */
#define AE_GUARD_NORM_FACTOR 10.0

/* Earlier edits below which there is no median to speak of. */
#define AE_GUARD_ENOUGH 5

/* k·u = kᵀC⁻¹k / ‖C⁻¹k‖ varies as the update's norm does, in the other direction: the same ten. One that is
 * not positive is possible with two different keys alone (variant rome), and turns the update around. */
#define AE_GUARD_KU_FACTOR 0.1

/* Perplexity on running text moves by a few per cent over hundreds of sound edits. Twice as high is a model
 * that has lost what it knew, and late enough that noise of a short text cannot bring it about. */
#define AE_GUARD_PERPLEXITY_FACTOR 2.0

enum { AE_FLAG_TEXT = 512 };

/* Figures of the edits that were kept, sorted: 16 bytes an edit and layer. */
typedef struct ae_guard_history ae_guard_history;
ae_status ae_guard_new(ae_guard_history **out);
void ae_guard_free(ae_guard_history *history); // NULL is fine

/* Adds an edit that is kept. */
ae_status ae_guard_add(ae_guard_history *history, const ae_edit_figures *figures);

/* Notes a measured perplexity: that of the unedited model, or that after the edits so far. What is not finite
 * is not noted. */
void ae_guard_note_base_perplexity(ae_guard_history *history, double perplexity);
void ae_guard_note_perplexity(ae_guard_history *history, double perplexity);

/* True if the edit is out of line; flag then names each value and its bound, "" otherwise. An edit is flagged
 * if, in any layer, a figure is not finite; the update's norm is larger than the matrix's own, or more than
 * 10 times the median of the earlier ones; k·u is not positive, or below a tenth of their median; or the
 * optimisation ended at a higher loss than it began with. */
bool ae_guard_check_edit(const ae_guard_history *history, const ae_edit_figures *figures,
                         char flag[AE_FLAG_TEXT]);

/* The same of the perplexity measured after an edit: not finite, or more than twice the last one or the
 * unedited model's. What flag already holds stays, parted by "; ". */
bool ae_guard_check_perplexity(const ae_guard_history *history, double perplexity, char flag[AE_FLAG_TEXT]);

#endif
