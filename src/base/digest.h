/* base/digest.h: SHA-256, for the identity of weights, templates and journal entries. */
#ifndef AE_BASE_DIGEST_H
#define AE_BASE_DIGEST_H

#include "base/error.h"

enum { AE_DIGEST_HEX = 65 }; // 64 hex digits and the NUL

typedef struct ae_digest ae_digest;
ae_status ae_digest_new(ae_digest **out);
ae_status ae_digest_add(ae_digest *digest, const void *bytes, size_t length);
ae_status ae_digest_hex(ae_digest *digest, char hex[AE_DIGEST_HEX]); // ends the digest; only _free may follow
void ae_digest_free(ae_digest *digest);                              // NULL is fine

/* All of it at once. */
ae_status ae_sha256(const void *bytes, size_t length, char hex[AE_DIGEST_HEX]);

/* Of a file's contents. */
ae_status ae_sha256_file(const char *path, char hex[AE_DIGEST_HEX]);

#endif
