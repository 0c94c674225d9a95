/* format/zip.h: a zip archive, mapped: its members by name, where stored ones lie, and reading with the
 * checksum.
 *
 * What both numpy's .npz and torch's .bin are made of. zip64 is read throughout: checkpoints are larger than
 * 4 GB. */
#ifndef AE_FORMAT_ZIP_H
#define AE_FORMAT_ZIP_H

#include <zlib.h>

#include "base/file.h"

typedef struct ae_zip ae_zip;

typedef struct ae_zip_member {
    const char *name;
    uint64_t header; // where its local header lies in the archive
    uint64_t size;   // of the content
    uint64_t packed; // in the archive
    int method;      // 0: stored, 8: deflated
    bool encrypted;
    uint32_t crc;
} ae_zip_member;

/* AE_ERR_FORMAT if it is no zip archive, if its directory is damaged, or if a name is there twice. */
ae_status ae_zip_open(const char *path, ae_zip **out);
void ae_zip_close(ae_zip *zip); // NULL is fine

const char *ae_zip_path(const ae_zip *zip);
size_t ae_zip_count(const ae_zip *zip);
const ae_zip_member *ae_zip_at(const ae_zip *zip, size_t index);       // in the directory's order
const ae_zip_member *ae_zip_find(const ae_zip *zip, const char *name); // NULL: not there

/* Where a stored member's content lies in the mapping and in the file (`offset` may be NULL).
 * AE_ERR_UNSUPPORTED if it is compressed. The checksum is not looked at. */
ae_status ae_zip_stored(const ae_zip *zip, const ae_zip_member *member, const unsigned char **data,
                        uint64_t *offset);

/* Reading a member, stored or deflated, from its start. _close checks the checksum if all of it was read.
 * Zero-initialise it, and don't move it while it is open. */
typedef struct ae_zip_reader {
    const ae_zip *zip;
    const ae_zip_member *member;
    const unsigned char *packed; // what of the member is not yet read
    uint64_t packed_left, left;
    uint32_t crc;
    z_stream inflater; // for a deflated member
} ae_zip_reader;
ae_status ae_zip_reader_open(const ae_zip *zip, const ae_zip_member *member, ae_zip_reader *reader);
ae_status ae_zip_reader_read(ae_zip_reader *reader, void *bytes,
                             size_t length);          // exactly `length`, or an error
ae_status ae_zip_reader_close(ae_zip_reader *reader); // zeroed by this; a zeroed one is fine

#endif
