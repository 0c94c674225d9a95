// edit: `edits verify` finds any single flipped bit of a journal's files, and of the matrices that its
// entries edit; and what it says when files are swapped, copied, renamed or removed.
//
// AE_TEST_FAULTS says how many bits of each file are flipped: a number, or "all".
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "edit/journal.h"
#include "edit/journal_base.h"
#include "edit/journal_entry_parts.h"
#include "made_up_edit.h"

enum { SOME = 250, SOME_SANITIZED = 60, D_MLP = 8 };

typedef struct place {
    char *root, *folder, *base; // root/journal, root/base
    ae_model *model;
} place;

// Entry 1 edits layer 1, entry 2 layers 0 and 2 and is reverted, entry 3 layer 1.
static int set_up(void **state) {
    place *p = calloc(1, sizeof *p);
    if (!p || make_scratch_folder((void **)&p->root) != 0) return -1;
    p->folder = ae_path_join(p->root, "journal");
    p->base = ae_path_join(p->root, "base");
    const ae_model_options options = {.n_threads = 1};
    *state = p;
    if (make_wide_tiny_model(p->base, "gpt2", AE_F32, 1, D_MLP) != 0 ||
        ae_model_open(p->base, &options, &p->model) != AE_OK)
        return -1;
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(p->folder, p->model, true, false, &journal));
    append_made_up(journal, p->model, (int[]){1}, 1, 1);
    append_made_up(journal, p->model, (int[]){0, 2}, 2, 2);
    append_made_up(journal, p->model, (int[]){1}, 1, 3);
    assert_ok(ae_journal_revert(journal, 2));
    ae_journal_close(journal);
    return 0;
}

static int tear_down(void **state) {
    place *p = *state;
    ae_model_free(p->model);
    ae_free(p->folder);
    ae_free(p->base);
    const int failed = remove_scratch_folder((void **)&p->root);
    free(p);
    return failed;
}

static ae_status verify(const place *p, ae_model *model, ae_text *warnings) {
    ae_journal *journal = NULL;
    const ae_hooks hooks = {.user = warnings, .warn = keep_warning};
    ae_status status = ae_journal_open(p->folder, NULL, false, true, &journal);
    if (status == AE_OK) status = ae_journal_verify(journal, model, warnings ? &hooks : NULL);
    ae_journal_close(journal);
    return status;
}

// As `edits verify MODEL` does it: the model's files are read afresh.
static ae_status verify_afresh(const place *p) {
    ae_model *model = NULL;
    const ae_model_options options = {.n_threads = 1};
    ae_status status = ae_model_open(p->base, &options, &model);
    if (status == AE_OK) status = verify(p, model, NULL);
    ae_model_free(model);
    return status;
}

// ---- every bit -------------------------------------------------------------------------------------

// Distance between two bits that are flipped: odd, so that every bit of a byte has its turn.
static size_t stride(size_t n_bits) {
    const char *setting = getenv("AE_TEST_FAULTS");
    if (setting && strcmp(setting, "all") == 0) return 1;
    size_t wanted = getenv("AE_SANITIZED") ? SOME_SANITIZED : SOME;
    if (setting && atoi(setting) > 0) wanted = (size_t)atoi(setting);
    return n_bits <= wanted ? 1 : n_bits / wanted | 1;
}

static void flip(int file, size_t bit) {
    unsigned char byte;
    assert_int_equal(pread(file, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (unsigned char)(1u << bit % 8);
    assert_int_equal(pwrite(file, &byte, 1, (off_t)(bit / 8)), 1);
}

static void every_bit_of_a_journals_files_counts(void **state) {
    const place *p = *state;
    static const char *const names[] = {"journal.json", "0001.safetensors", "0002.reverted.safetensors",
                                        "0003.safetensors"};
    assert_folder(p->folder, "0001.safetensors 0002.reverted.safetensors 0003.safetensors journal.json lock");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = ae_path_join(p->folder, names[i]);
        const int file = open(path, O_RDWR | O_CLOEXEC);
        assert_true(file >= 0);
        const size_t n_bits = 8 * (size_t)lseek(file, 0, SEEK_END), step = stride(n_bits);
        size_t n = 0;
        for (size_t bit = 0; bit < n_bits; bit += step, n++) {
            flip(file, bit);
            if (verify(p, p->model, NULL) == AE_OK)
                fail_msg("bit %zu of byte %zu of '%s' was flipped, and nothing found", bit % 8, bit / 8,
                         names[i]);
            if (!strstr(ae_last_error(), names[i]))
                fail_msg("'%s' does not name '%s'", ae_last_error(), names[i]);
            flip(file, bit);
        }
        print_message("%s: %zu of %zu bits flipped, all found\n", names[i], n, n_bits);
        close(file);
        ae_free(path);
    }
    assert_ok(verify(p, p->model, NULL));
}

// Where a tensor's data begin in the base's file, in bytes.
static size_t offset_of(const place *p, const char *name, size_t *n_bytes) {
    const ae_tensor *t = ae_checkpoint_find(p->model->checkpoint, name);
    assert_non_null(t);
    *n_bytes = t->n_bytes;
    return (size_t)t->offset;
}

static void every_bit_of_an_edited_matrix_counts(void **state) {
    const place *p = *state;
    char *path = ae_path_join(p->base, "model.safetensors");
    const int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    for (int layer = 0; layer < TINY_LAYERS; layer++) {
        char name[64];
        snprintf(name, sizeof name, "transformer.h.%d.mlp.c_proj.weight", layer);
        size_t n_bytes, offset = offset_of(p, name, &n_bytes), n = 0;
        const size_t step = stride(8 * n_bytes);
        for (size_t bit = 0; bit < 8 * n_bytes; bit += step, n++) {
            flip(file, 8 * offset + bit);
            name[strlen(name) - (n == 0 ? strlen(".weight") : 0)] = '\0'; // the message names the module
            assert_fails(verify_afresh(p), AE_ERR_MISMATCH, name);
            flip(file, 8 * offset + bit);
        }
        print_message("%s: %zu of %zu bits flipped, all found\n", name, n, 8 * n_bytes);
    }
    assert_ok(verify_afresh(p));
    close(file);
    ae_free(path);
}

// The journal notes digests of what its entries edit. Other tensors are not looked at: the edits do not
// depend on their bytes, and to hash a model takes as long as to read all of it.
static void other_tensors_are_not_looked_at(void **state) {
    const place *p = *state;
    char *path = ae_path_join(p->base, "model.safetensors");
    const int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    static const char *const names[] = {"transformer.wte.weight", "transformer.h.1.mlp.c_fc.weight",
                                        "transformer.ln_f.bias"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n_bytes;
        const size_t bit = 8 * offset_of(p, names[i], &n_bytes) + 3;
        flip(file, bit);
        assert_ok(verify_afresh(p));
        flip(file, bit);
    }
    close(file);
    ae_free(path);
}

// ---- files without a digest ------------------------------------------------------------------------

// journal.json as the first version wrote it.
static void drop_digest(const place *p) {
    char *path = ae_path_join(p->folder, AE_JOURNAL_FILE);
    json_t *json = NULL;
    assert_ok(ae_json_load(path, 1 << 20, &json));
    assert_int_equal(json_object_del(json, "digest"), 0);
    char *text = ae_json_dump(json, 2);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    json_decref(json);
    ae_free(text);
    ae_free(path);
}

static void a_journal_without_a_digest_is_read_and_told_of(void **state) {
    const place *p = *state;
    drop_digest(p);
    ae_text warnings = {0};
    assert_ok(verify(p, p->model, &warnings));
    assert_non_null(strstr(warnings.data, "journal.json' was written by an aedile that noted no digest"));
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(p->folder, p->model, true, false, &journal));
    append_made_up(journal, p->model, (int[]){1}, 1, 4);
    assert_ok(ae_journal_apply(journal, p->model));
    ae_journal_close(journal);
    // But what it does not know is no field of that version.
    char *path = ae_path_join(p->folder, AE_JOURNAL_FILE), *text = NULL;
    size_t length;
    assert_ok(ae_file_read(path, 1 << 20, &text, &length));
    char *changed = ae_format("{\"dhgest\": \"" AE_ENTRY_ZEROS "\", %s", text + 1);
    assert_ok(ae_atomic_write(path, changed, strlen(changed)));
    assert_fails(verify(p, p->model, NULL), AE_ERR_FORMAT,
                 "journal.json' has changed since it was written: it has no digest, but a field 'dhgest'");
    ae_free(changed);
    ae_free(text);
    ae_free(path);
    ae_free(warnings.data);
}

// ---- files that trade places -----------------------------------------------------------------------

static void move(const place *p, const char *from, const char *to) {
    char *a = ae_path_join(p->folder, from), *b = ae_path_join(p->folder, to);
    assert_int_equal(rename(a, b), 0);
    ae_free(a);
    ae_free(b);
}

static void copy(const place *p, const char *from, const char *to) {
    char *a = ae_path_join(p->folder, from), *b = ae_path_join(p->folder, to), *bytes = NULL;
    size_t length;
    assert_ok(ae_file_read(a, 1 << 20, &bytes, &length));
    assert_ok(ae_atomic_write(b, bytes, length));
    ae_free(bytes);
    ae_free(a);
    ae_free(b);
}

static void swapped_entries_are_found(void **state) {
    const place *p = *state;
    move(p, "0001.safetensors", "other");
    move(p, "0003.safetensors", "0001.safetensors");
    move(p, "other", "0003.safetensors");
    assert_fails(verify(p, NULL, NULL), AE_ERR_FORMAT, "0001.safetensors' holds entry 3");
}

static void copies_of_entries_are_found(void **state) {
    const place *p = *state;
    static const struct {
        const char *from, *to, *reason;
    } copies[] = {
        {"0001.safetensors", "0004.safetensors", "0004.safetensors' holds entry 1"},
        {"0001.safetensors", "0001.reverted.safetensors", "holds both '0001."},
        {"0001.safetensors", "0001 copy.safetensors", "0001 copy.safetensors' is not named like an entry"},
        {"0001.safetensors", "00001.safetensors", "00001.safetensors' is not named like an entry"},
        {"0001.safetensors", "0001.severted.safetensors", "severted.safetensors' is not named like an entry"},
    };
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        copy(p, copies[i].from, copies[i].to);
        assert_fails(verify(p, NULL, NULL), AE_ERR_FORMAT, copies[i].reason);
        move(p, copies[i].to, "../away");
    }
    assert_ok(verify(p, NULL, NULL));
}

// Numbers have no gaps, so that an entry that is gone from the middle leaves one.
static void a_removed_entry_is_told_of(void **state) {
    const place *p = *state;
    ae_text warnings = {0};
    move(p, "0001.safetensors", "../away");
    assert_ok(verify(p, p->model, &warnings));
    assert_non_null(strstr(warnings.data, "has no entry 1, although there is an entry 2"));
    ae_free(warnings.data);
}

// A name with a flipped bit is another name: the file stays behind under it.
static void a_stray_file_is_told_of(void **state) {
    const place *p = *state;
    ae_text warnings = {0};
    move(p, "0003.safetensors", "0003.safetensorr");
    assert_ok(verify(p, p->model, &warnings));
    assert_non_null(strstr(warnings.data, "0003.safetensorr' is no part of the journal and has no effect"));
    ae_free(warnings.data);
}

// A file's name alone says whether an entry is reverted, and the highest number which one is the newest: that
// a revert is one rename, and an edit one new file, is what makes both of them all or nothing. Somebody
// else's rename or removal is therefore no damage that could be told from ours.
static void a_rename_is_a_revert(void **state) {
    const place *p = *state;
    ae_text warnings = {0};
    assert_ok(ae_text_append(&warnings, "", 0));
    move(p, "0003.safetensors", "0003.reverted.safetensors");
    assert_ok(verify(p, p->model, &warnings));
    move(p, "0002.reverted.safetensors", "0002.safetensors");
    assert_ok(verify(p, p->model, &warnings));
    move(p, "0003.reverted.safetensors", "../away");
    assert_ok(verify(p, p->model, &warnings));
    assert_string_equal(warnings.data, "");
    ae_free(warnings.data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_bit_of_a_journals_files_counts),
        TEST(every_bit_of_an_edited_matrix_counts),
        TEST(other_tensors_are_not_looked_at),
        TEST(a_journal_without_a_digest_is_read_and_told_of),
        TEST(swapped_entries_are_found),
        TEST(copies_of_entries_are_found),
        TEST(a_removed_entry_is_told_of),
        TEST(a_stray_file_is_told_of),
        TEST(a_rename_is_a_revert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
