/* edit/journal_base.h: journal.json, which says what a folder of entries is and which base model it belongs
 * to. */
#ifndef AE_EDIT_JOURNAL_BASE_H
#define AE_EDIT_JOURNAL_BASE_H

#include "edit/journal_entry.h"
#include "model/model.h"

#define AE_JOURNAL_FILE "journal.json"

typedef struct ae_journal_base {
    char *architecture, *name; // free with ae_journal_base_free
    char shape_sha256[AE_DIGEST_HEX];
    int n_layer, d_model, d_mlp;
    char created[AE_ENTRY_TIME];
    bool has_digest; // false: by a version that wrote none, so that not every change can be found
} ae_journal_base;

/* From `<folder>/journal.json`, against its digest where it has one; AE_ERR_NOT_FOUND where there is none. */
ae_status ae_journal_base_load(const char *folder, ae_journal_base *out);

/* Describes `model` and writes it. */
ae_status ae_journal_base_create(const char *folder, const ae_model *model);
void ae_journal_base_free(ae_journal_base *base); // a zeroed one is fine

/* AE_ERR_MISMATCH, naming both, unless the model has the base's architecture and shape. */
ae_status ae_journal_base_check(const ae_journal_base *base, const char *folder, const ae_model *model);

/* Where the 64 digits of journal.json's digest stand in its text; NULL: nowhere. ae_entry_digest tells what
 * they should be. */
const char *ae_journal_base_find_digits(const char *text, size_t length);

/* Now, in UTC: "2025-01-31T12:00:00Z". */
void ae_time_text(char out[AE_ENTRY_TIME]);

#endif
