/* edit/journal_entry.h: one edit as the bytes of a safetensors file, and back (docs/formats.md, "Journal").
 *
 * Vectors are tensors "layer.<n>.u" and so on, everything else is one JSON text in the metadata. A digest in
 * the metadata covers the whole file, its own 64 digits taken as zeros, so that any changed byte is found. */
#ifndef AE_EDIT_JOURNAL_ENTRY_H
#define AE_EDIT_JOURNAL_ENTRY_H

#include "aedile/edit.h"
#include "base/digest.h"

enum { AE_ENTRY_TIME = 24 }; // "2025-01-31T12:00:00Z" and the NUL, rounded up

/* What an entry says about itself besides the edit. */
typedef struct ae_entry_head {
    int id;
    char time[AE_ENTRY_TIME];
    char shape_sha256[AE_DIGEST_HEX]; // of the model it belongs to (ae_model_shape_sha256)
} ae_entry_head;

/* *bytes: free with ae_free. AE_ERR_NUMERIC names a vector or figure that is not finite; AE_ERR_ARGUMENT a
 * missing vector, or text that is not UTF-8. */
ae_status ae_entry_write(const ae_entry_head *head, const ae_edit *edit, char **bytes, size_t *length);

/* Checks the digest, then everything else; `name` is for messages. *edit and all it points to lie in its own
 * arena: ae_edit_free. */
ae_status ae_entry_read(const char *name, const void *bytes, size_t length, ae_entry_head *head,
                        ae_edit **edit);

/* 64 lower-case hex digits. */
bool ae_is_sha256(const char *text);

#endif
