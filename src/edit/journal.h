/* edit/journal.h: what the library needs of a journal beyond the public calls. */
#ifndef AE_EDIT_JOURNAL_H
#define AE_EDIT_JOURNAL_H

#include "aedile/journal.h"

/* AE_OK if the model is the one that the journal belongs to: its shape, and the stored bytes of every matrix
 * that an entry (reverted or not) edits. Else AE_ERR_MISMATCH, naming both. */
ae_status ae_journal_check_model(const ae_journal *journal, ae_model *model);

/* Opens, or makes, a journal whose edits stay in their files: an entry takes a few bytes of memory, so that a
 * run of many edits does not grow. ae_journal_get reads an entry's edit when it is asked for it, and then
 * keeps it. */
ae_status ae_journal_open_light(const char *folder, ae_model *model, ae_journal **out);

/* Reads an entry's file afresh: as ae_journal_get, but *edit is the caller's (ae_edit_free). */
ae_status ae_journal_read(const ae_journal *journal, size_t index, ae_journal_entry *out, ae_edit **edit);

/* The journal's folder, as it was opened. */
const char *ae_journal_folder(const ae_journal *journal);

#endif
