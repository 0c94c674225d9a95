/* eval/guard.h: which edits are out of line with the run so far.
 *
 * A single edit can disable a model ("disabling edits", arXiv 2403.07175): its update is far larger than the
 * others, mostly because k·u, which it is divided by, is close to zero. That shows before the edit is kept.
 * What is asked here depends on the edits before and on nothing else, so that a resumed run answers as one
 * that ran through. */
#ifndef AE_EVAL_GUARD_H
#define AE_EVAL_GUARD_H

#include "aedile/eval.h"
#include "eval/edit_figures.h"

/* "warn", "skip", "stop". */
extern const char *const ae_guard_names[AE_GUARD_STOP + 1];

/* Of 300 r-ROME edits of the demo model, in sequence or each alone, no update's norm is above 2.5 times the
 * median; ROME's reach ten. That leaves the sound ones room to grow as a sequence goes on. */
#define AE_GUARD_NORM_FACTOR 10.0

/* Earlier edits below which there is no median to speak of. */
#define AE_GUARD_ENOUGH 5

/* The update is divided by k·u: the same ten, the other way round. In those runs r-ROME stays above 0.7 of
 * the median, ROME comes down to 0.13. One that is not positive is possible with two different keys alone
 * (variant rome), and turns the update around. */
#define AE_GUARD_KU_FACTOR 0.1

/* Perplexity on running text creeps up with every edit of a small model, by a quarter in 60 r-ROME edits of
 * the demo model. Twice what it was is a model that has lost much of what it knew. */
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
