/* support.h: what the tests of the editing room share: files, warnings that are kept, a model that is only
 * sizes. */
#ifndef AE_TEST_EDIT_SUPPORT_H
#define AE_TEST_EDIT_SUPPORT_H

#include "test.h"

#include "aedile/edit.h"
#include "base/file.h"
#include "base/memory.h"
#include "model/model.h"

/* "<folder>/<name>" in one of a few buffers that take turns. */
static inline const char *in_folder(const char *folder, const char *name) {
    static char paths[64][1200];
    static int turn;
    char *path = paths[turn++ % 64];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Writes `text` and returns the file's path. */
static inline const char *write_text(const char *folder, const char *name, const char *text) {
    const char *path = in_folder(folder, name);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    return path;
}

/* Warnings, one behind the other. */
typedef struct kept_warnings {
    int count;
    char text[8192];
} kept_warnings;

static inline void keep_warning(void *user, const char *text) {
    kept_warnings *kept = user;
    size_t length = strlen(kept->text);
    kept->count++;
    snprintf(kept->text + length, sizeof kept->text - length, "%s\n", text);
}

#define assert_warned(kept, count_, part)                                                                    \
    do {                                                                                                     \
        if ((kept).count != (count_) || !strstr((kept).text, (part)))                                        \
            fail_msg("%d warnings, expected %d with '%s':\n%s", (kept).count, count_, part, (kept).text);    \
    } while (0)

/* Sizes and names without weights. */
static inline ae_model sized_model(const char *architecture, const char *name, int n_layer, int d_model,
                                   int default_layer) {
    bool gptj = strcmp(architecture, "gptj") == 0;
    ae_model model = {
        .info = {.folder = ".",
                 .name = name,
                 .architecture = architecture,
                 .n_layer = n_layer,
                 .d_model = d_model,
                 .d_mlp = 4 * d_model,
                 .n_ctx = 1024,
                 .mlp_out_module = gptj ? "transformer.h.%d.mlp.fc_out" : "transformer.h.%d.mlp.c_proj",
                 .default_layer = default_layer},
        .config = {.arch = ae_arch_find(architecture),
                   .n_layer = n_layer,
                   .d_model = d_model,
                   .d_mlp = 4 * d_model,
                   .n_ctx = 1024,
                   .tied_head = !gptj}};
    return model;
}

/* A byte as GPT-2's vocabulary writes it: printable Latin-1 as itself, the others from U+0100 on. */
static inline void put_byte_symbol(ae_text *text, int byte) {
    int code = byte, next = 256;
    for (int b = 0; b <= byte; b++) {
        bool visible = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        code = visible ? b : next++;
    }
    if (code == '"' || code == '\\')
        assert_ok(ae_text_printf(text, "\\%c", code));
    else if (code < 0x80)
        assert_ok(ae_text_printf(text, "%c", code));
    else
        assert_ok(ae_text_printf(text, "%c%c", 0xc0 | (code >> 6), 0x80 | (code & 0x3f)));
}

/* A byte-level tokenizer in `folder`: token b is the byte b, token 256 + i the i-th merge (ASCII pairs "left
 * right"), and last <|endoftext|>: 257 + n_merges tokens. */
static inline void write_tokenizer(const char *folder, const char *const *merges, int n_merges) {
    ae_text vocab = {0}, list = {0};
    assert_ok(ae_text_printf(&vocab, "{"));
    for (int byte = 0; byte < 256; byte++) {
        assert_ok(ae_text_printf(&vocab, "\""));
        put_byte_symbol(&vocab, byte);
        assert_ok(ae_text_printf(&vocab, "\": %d, ", byte));
    }
    assert_ok(ae_text_printf(&list, "#version: 0.2\n"));
    for (int i = 0; i < n_merges; i++) {
        const char *space = strchr(merges[i], ' ');
        assert_ok(ae_text_printf(&vocab, "\"%.*s%s\": %d, ", (int)(space - merges[i]), merges[i], space + 1,
                                 256 + i));
        assert_ok(ae_text_printf(&list, "%s\n", merges[i]));
    }
    assert_ok(ae_text_printf(&vocab, "\"<|endoftext|>\": %d}", 256 + n_merges));
    write_text(folder, "vocab.json", vocab.data);
    write_text(folder, "merges.txt", list.data);
    ae_free(vocab.data);
    ae_free(list.data);
}

#endif
