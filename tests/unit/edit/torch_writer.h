/* torch_writer.h: writes a state dict as torch.save does (a zip of stored members with a pickle), for tests
 * of models that were published that way. Two tensors with the same data pointer share a storage, as tied
 * weights do. */
#ifndef AE_TORCH_WRITER_H
#define AE_TORCH_WRITER_H

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "format/tensor.h"

static inline void put_number(ae_text *out, uint64_t value, int n_bytes) {
    char bytes[8];
    for (int i = 0; i < n_bytes; i++)
        bytes[i] = (char)(value >> (8 * i) & 0xff);
    ae_text_append(out, bytes, (size_t)n_bytes);
}

static inline void put_text(ae_text *out, const char *text) {
    ae_text_append(out, text, strlen(text));
}

static inline void pickle_text(ae_text *out, const char *text) {
    put_text(out, "X");
    put_number(out, strlen(text), 4);
    put_text(out, text);
}

static inline void pickle_int(ae_text *out, int64_t value) {
    put_text(out, "J");
    put_number(out, (uint64_t)value, 4);
}

static inline void pickle_tensor(ae_text *out, const ae_tensor *tensor, size_t storage) {
    char key[16];
    snprintf(key, sizeof key, "%zu", storage);
    put_text(out, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_text(out, "storage");
    put_text(out, tensor->dtype == AE_F32   ? "ctorch\nFloatStorage\n"
                  : tensor->dtype == AE_F16 ? "ctorch\nHalfStorage\n"
                  : tensor->dtype == AE_U8  ? "ctorch\nByteStorage\n"
                                            : "ctorch\nBFloat16Storage\n");
    pickle_text(out, key);
    pickle_text(out, "cpu");
    pickle_int(out, ae_tensor_elements(tensor));
    put_text(out, "tQ");
    pickle_int(out, 0);
    put_text(out, "(");
    for (int i = 0; i < tensor->n_dim; i++)
        pickle_int(out, tensor->shape[i]);
    put_text(out, "t(");
    for (int i = 0; i < tensor->n_dim; i++) {
        int64_t stride = 1;
        for (int j = i + 1; j < tensor->n_dim; j++)
            stride *= tensor->shape[j];
        pickle_int(out, stride);
    }
    put_text(out, "t\x89"
                  "ccollections\nOrderedDict\n)RtR");
}

/* One member, its data at a multiple of 64 as torch pads it; its directory entry goes to `directory`. */
static inline void put_member(ae_text *out, ae_text *directory, const char *name, const void *data,
                              size_t size) {
    const size_t at = out->length, length = strlen(name);
    const uint64_t crc = crc32(0, data, (unsigned)size);
    const size_t extra = 4 + (64 - (at + 30 + length + 4) % 64) % 64;
    for (int central = 0; central < 2; central++) {
        ae_text *to = central ? directory : out;
        put_number(to, central ? 0x02014b50 : 0x04034b50, 4);
        if (central) put_number(to, 20, 2); // made by
        put_number(to, 20, 2);
        put_number(to, 0, 8); // flags, stored, time, date
        put_number(to, crc, 4);
        put_number(to, size, 4);
        put_number(to, size, 4);
        put_number(to, length, 2);
        put_number(to, central ? 0 : extra, 2);
        if (central) {
            put_number(to, 0, 8); // no comment, disk 0, attributes
            put_number(to, 0, 2);
            put_number(to, at, 4);
        }
        put_text(to, name);
        if (central) continue;
        put_text(to, "FB");
        put_number(to, extra - 4, 2);
        for (size_t i = 4; i < extra; i++)
            put_number(to, 'Z', 1);
        ae_text_append(to, data, size);
    }
}

/* 0: done. */
static inline int write_torch_bin(const char *path, const ae_tensor *tensors, size_t count) {
    ae_text pickle = {0}, zip = {0}, directory = {0};
    put_text(&pickle, "\x80\x02"
                      "ccollections\nOrderedDict\n)R(");
    size_t n_storages = 0;
    for (size_t i = 0; i < count; i++) {
        pickle_text(&pickle, tensors[i].name);
        size_t storage = 0, same = 0;
        while (same < i && tensors[same].data != tensors[i].data)
            same++;
        for (size_t j = 0; j < same; j++) { // the number of storages before that tensor's own
            size_t first = 0;
            while (tensors[first].data != tensors[j].data)
                first++;
            storage += first == j;
        }
        pickle_tensor(&pickle, &tensors[i], storage);
        if (same < i) continue;
        char name[64];
        snprintf(name, sizeof name, "archive/data/%zu", n_storages++);
        put_member(&zip, &directory, name, tensors[i].data, tensors[i].n_bytes);
    }
    put_text(&pickle, "u.");
    put_member(&zip, &directory, "archive/data.pkl", pickle.data, pickle.length);
    put_member(&zip, &directory, "archive/version", "3\n", 2);
    const size_t at = zip.length;
    ae_text_append(&zip, directory.data, directory.length);
    put_number(&zip, 0x06054b50, 4);
    put_number(&zip, 0, 4);
    put_number(&zip, n_storages + 2, 2);
    put_number(&zip, n_storages + 2, 2);
    put_number(&zip, directory.length, 4);
    put_number(&zip, at, 4);
    put_number(&zip, 0, 2);
    int failed = ae_atomic_write(path, zip.data, zip.length) != AE_OK;
    ae_free(pickle.data);
    ae_free(zip.data);
    ae_free(directory.data);
    return failed;
}

#endif
