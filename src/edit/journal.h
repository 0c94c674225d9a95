/* edit/journal.h: what the library needs of a journal beyond the public calls. */
#ifndef AE_EDIT_JOURNAL_H
#define AE_EDIT_JOURNAL_H

#include "aedile/journal.h"

/* AE_OK if the model is the one that the journal belongs to: its shape, and the stored bytes of every matrix
 * that an entry (reverted or not) edits. Else AE_ERR_MISMATCH, naming both. */
ae_status ae_journal_check_model(const ae_journal *journal, ae_model *model);

/* AE_OK if a new journal can be made in `folder`: it is there and empty, or somebody may make it, as far as
 * that can be told without doing so. */
ae_status ae_journal_check_place(const char *folder);

/* The journal's folder, as it was opened. */
const char *ae_journal_folder(const ae_journal *journal);

#endif
