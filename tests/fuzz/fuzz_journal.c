// A journal's folder (aedile/journal.h): opened, verified, applied to a model.
#include "fuzz.h"

#include "edit/journal.h"
#include "edit/journal_base.h"
#include "edit/journal_entry_parts.h"

static const char *const names[] = {
    "journal.json",
    "0001.safetensors",
    "0002.safetensors",
    "0002.reverted.safetensors",
    "3.safetensors",
    "0003.reverted.safetensors",
    "lock",
};
enum { N_NAMES = sizeof names / sizeof *names };

// Entries get the digest that they need.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    size_t begin, end;
    for (size_t i = 0; seed % 8 != 0 && fuzz_find_file(data, size, i, &begin, &end); i++) {
        const char *file = (const char *)data + begin, *digits = ae_entry_find_digits(file, end - begin);
        if (!digits) digits = ae_journal_base_find_digits(file, end - begin);
        char hex[AE_DIGEST_HEX];
        if (digits && ae_entry_digest(file, end - begin, digits, hex) == AE_OK)
            memcpy(data + (digits - (const char *)data), hex, AE_ENTRY_DIGITS);
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ae_model *model = fuzz_model();
    const char *folder = fuzz_files(names, N_NAMES, data, size);
    ae_journal *journal = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_journal_open(folder, NULL, false, true, &journal));
    fuzz_end(size, 3 * FUZZ_PER_JSON_BYTE, 1 << 20);
    if (!good) return 0;
    int last = 0;
    for (size_t i = 0; i < ae_journal_count(journal); i++) {
        ae_journal_entry entry;
        FUZZ_CHECK(ae_journal_get(journal, i, &entry) == AE_OK, "%s", ae_last_error());
        FUZZ_CHECK(entry.id > last && entry.edit && entry.edit->n_layers >= 1, "entry %d", entry.id);
        last = entry.id;
    }
    fuzz_begin();
    FUZZ_CHECK(ae_journal_verify(journal, NULL, &fuzz_hooks) == AE_OK, "%s", ae_last_error());
    const bool fits = fuzz_ok(ae_journal_verify(journal, model, &fuzz_hooks));
    const ae_status applied = ae_journal_apply(journal, model);
    // What fits can only be too large: updates that together leave the range of float.
    if (fits) FUZZ_CHECK(applied == AE_OK || applied == AE_ERR_NUMERIC, "%s", ae_last_error());
    fuzz_ok(applied);
    ae_journal_close(journal);
    ae_model_restore(model);
    fuzz_end(size, 3 * FUZZ_PER_JSON_BYTE, 1 << 20);
    return 0;
}
