/* aedile/journal.h: edits as files beside an untouched base, and the ways out of aedile.
 *
 * A journal is a folder: journal.json says which base it belongs to; each edit is one safetensors file, in
 * order. The edited model is always base + the active entries in order, so that reverting any of them is
 * exact to the bit. The layout is in docs/formats.md. */
#ifndef AEDILE_JOURNAL_H
#define AEDILE_JOURNAL_H

#include "aedile/edit.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_journal ae_journal;

/* Opens the journal in `folder`, or makes one for `model` where there is none and `create` is true.
 * AE_ERR_BUSY if another process has it open for writing; `read_only` takes no lock and refuses changes.
 * `model` may be NULL when nothing is to be created or applied. Every entry's file is read and checked; its
 * edit is left there, so that an entry takes some hundred bytes of memory, however many there are. */
AE_API ae_status ae_journal_open(const char *folder, ae_model *model, bool create, bool read_only,
                                 ae_journal **out);
AE_API void ae_journal_close(ae_journal *journal); /* NULL is fine */

typedef struct ae_journal_entry {
    int id; /* 1, 2, ...: never used twice */
    bool reverted;
    const char *file;    /* name in the folder; until the journal is closed, or reverts the entry */
    const ae_edit *edit; /* with its tensors */
    const char *time;    /* when it was written, ISO 8601, UTC; until the journal is closed */
} ae_journal_entry;

/* Entries in order, the reverted ones among them. `get` reads an entry's edit when it is asked for it first,
 * and keeps it as long as the journal is open; going through all entries that way needs room for all vectors.
 */
AE_API size_t ae_journal_count(const ae_journal *journal);
AE_API ae_status ae_journal_get(const ae_journal *journal, size_t index, ae_journal_entry *out);
/* The same, but the journal keeps nothing: the edit is read from its file now, and is the caller's
 * (ae_edit_free). `edit` may be NULL: then out->edit is NULL, too, and no file is read. */
AE_API ae_status ae_journal_read(const ae_journal *journal, size_t index, ae_journal_entry *out,
                                 ae_edit **edit);

/* Writes the edit as a new entry, whole or not at all. `model` is the one it was computed on. */
AE_API ae_status ae_journal_append(ae_journal *journal, ae_model *model, const ae_edit *edit, int *id);

/* Marks the entry as reverted (its file is renamed, not removed). Apply the journal anew to see the effect.
 */
AE_API ae_status ae_journal_revert(ae_journal *journal, int id);

/* The model becomes base + active entries in order. AE_ERR_MISMATCH if the base is another: nothing is
 * changed. After any other error the model is at its base. */
AE_API ae_status ae_journal_apply(ae_journal *journal, ae_model *model);

/* Reads every file afresh and checks it against its own hash, and against `model`'s weights where that is not
 * NULL. AE_OK, or the first fault, which names the file. */
AE_API ae_status ae_journal_verify(ae_journal *journal, ae_model *model, const ae_hooks *hooks);

/* Writes `model` as it is now (apply a journal first) as a Hugging Face folder. Only the edited tensors'
 * bytes differ from the base; weights that came as torch .bin are written as safetensors. `output` must not
 * exist or be empty. *rounding_error: the largest |stored - fp32 value| over edited weights (0 for F32); may
 * be NULL. */
AE_API ae_status ae_export_hf(ae_model *model, const char *output, const ae_hooks *hooks,
                              double *rounding_error);

/* Writes the journal's active entries as a PEFT LoRA adapter whose product is exactly the sum of the updates:
 * rank N for N edits of a layer, lora_alpha = r. */
AE_API ae_status ae_export_lora(ae_journal *journal, ae_model *model, const char *output);

#ifdef __cplusplus
}
#endif
#endif
