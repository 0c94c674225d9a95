/* make_seeds CORPUS: writes the seeds of fuzz_entry and fuzz_journal, which our own writer makes: a journal
 * of made-up edits of the targets' model. */
#include "test.h"

#include "fuzz.h"

#include "made_up_edit.h"

static const char *corpus;

static void write_seed(const char *reader, const char *name, const ae_text *bytes) {
    char *folder = ae_path_join(corpus, reader), *path = ae_path_join(folder, name);
    FUZZ_CHECK(ae_folder_make(folder) == AE_OK && ae_atomic_write(path, bytes->data, bytes->length) == AE_OK,
               "%s", ae_last_error());
    ae_free(path);
    ae_free(folder);
}

// Appends a file of the folder, behind its mark where `number` is not negative.
static void take(ae_text *bytes, const char *folder, const char *name, int number) {
    const char mark[] = {(char)0xff, 'f', 'z', (char)number};
    char *path = ae_path_join(folder, name), *text = NULL;
    size_t length = 0;
    FUZZ_CHECK((number < 0 || ae_text_append(bytes, mark, sizeof mark) == AE_OK) &&
                   ae_file_read(path, SIZE_MAX, &text, &length) == AE_OK &&
                   ae_text_append(bytes, text, length) == AE_OK,
               "%s", ae_last_error());
    ae_free(text);
    ae_free(path);
}

static void write_journal(void) {
    ae_model *model = fuzz_model();
    char *folder = ae_path_join(fuzz_folder(), "journal");
    ae_journal *journal = NULL;
    FUZZ_CHECK(ae_journal_open(folder, model, true, false, &journal) == AE_OK, "%s", ae_last_error());
    append_made_up(journal, model, (const int[]){1}, 1, 1);
    append_made_up(journal, model, (const int[]){0, 2}, 2, 2);
    ae_text bytes = {0};
    take(&bytes, folder, "0001.safetensors", -1);
    write_seed("entry", "one_layer.safetensors", &bytes);
    bytes.length = 0;
    take(&bytes, folder, "0002.safetensors", -1);
    write_seed("entry", "two_layers.safetensors", &bytes);
    bytes.length = 0;
    take(&bytes, folder, "journal.json", 0);
    take(&bytes, folder, "0001.safetensors", 1);
    write_seed("journal", "one", &bytes);
    take(&bytes, folder, "0002.safetensors", 2);
    write_seed("journal", "two", &bytes);
    FUZZ_CHECK(ae_journal_revert(journal, 2) == AE_OK, "%s", ae_last_error());
    bytes.length = 0;
    take(&bytes, folder, "journal.json", 0);
    take(&bytes, folder, "0001.safetensors", 1);
    take(&bytes, folder, "0002.reverted.safetensors", 3);
    write_seed("journal", "reverted", &bytes);
    ae_free(bytes.data);
    ae_journal_close(journal);
    ae_free(folder);
}

static void write_model(const char *architecture, ae_dtype dtype) {
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt",
                                        "tokenizer_config.json"};
    char *folder = ae_path_join(fuzz_folder(), architecture);
    FUZZ_CHECK(make_wide_tiny_model(folder, architecture, dtype, 2, FUZZ_D_MLP) == 0, "cannot make a model");
    ae_text bytes = {0};
    for (int i = 0; i < 5; i++)
        take(&bytes, folder, names[i], i);
    write_seed("model", architecture, &bytes);
    ae_free(bytes.data);
    ae_free(folder);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "make_seeds CORPUS\n");
        return 2;
    }
    corpus = argv[1];
    write_journal();
    write_model("gpt2", AE_F16);
    write_model("gptj", AE_BF16);
    return 0;
}
