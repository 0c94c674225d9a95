#include "base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"

struct ae_digest {
    EVP_MD_CTX *context;
};

ae_status ae_digest_new(ae_digest **out) {
    ae_digest *digest = ae_alloc(1, sizeof *digest);
    if (!digest) return ae_no_memory();
    digest->context = EVP_MD_CTX_new();
    if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
        ae_digest_free(digest);
        return ae_fail(AE_ERR_MEMORY, "cannot start a SHA-256 digest");
    }
    *out = digest;
    return AE_OK;
}

ae_status ae_digest_add(ae_digest *digest, const void *bytes, size_t length) {
    if (EVP_DigestUpdate(digest->context, bytes, length) != 1)
        return ae_fail(AE_ERR_INTERNAL, "SHA-256 failed");
    return AE_OK;
}

ae_status ae_digest_hex(ae_digest *digest, char hex[AE_DIGEST_HEX]) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(digest->context, bytes, NULL) != 1)
        return ae_fail(AE_ERR_INTERNAL, "SHA-256 failed");
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    return AE_OK;
}

void ae_digest_free(ae_digest *digest) {
    if (!digest) return;
    EVP_MD_CTX_free(digest->context);
    ae_free(digest);
}

ae_status ae_sha256(const void *bytes, size_t length, char hex[AE_DIGEST_HEX]) {
    ae_digest *digest = NULL;
    AE_TRY(ae_digest_new(&digest));
    ae_status status = ae_digest_add(digest, bytes, length);
    if (status == AE_OK) status = ae_digest_hex(digest, hex);
    ae_digest_free(digest);
    return status;
}

ae_status ae_sha256_file(const char *path, char hex[AE_DIGEST_HEX]) {
    ae_map map;
    AE_TRY(ae_map_open(path, &map));
    const ae_status status = ae_sha256(map.data, map.size, hex);
    ae_map_close(&map);
    return status;
}
