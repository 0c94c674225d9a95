// One edit of a journal (edit/journal_entry.h).
#include "fuzz.h"

#include "base/memory.h"
#include "edit/journal_entry_parts.h"

// A mutated file with the digest that it would need: else nothing behind the digest was ever reached.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    size = seed % 4 == 0 ? LLVMFuzzerMutate(data, size, max_size)
                         : fuzz_mutate_safetensors(data, size, max_size);
    const char *digits = ae_entry_find_digits((const char *)data, size);
    char hex[AE_DIGEST_HEX];
    if (digits && seed % 16 != 1 && ae_entry_digest((const char *)data, size, digits, hex) == AE_OK)
        memcpy(data + (digits - (const char *)data), hex, AE_ENTRY_DIGITS);
    return size;
}

// Written anew it reads back as the same bytes.
static void check_again(const ae_entry_head *head, const ae_edit *edit) {
    char *first = NULL, *second = NULL;
    size_t first_length = 0, second_length = 0;
    ae_entry_head again_head = {0};
    ae_edit *again = NULL;
    if (!fuzz_ok(ae_entry_write(head, edit, &first, &first_length))) return;
    FUZZ_CHECK(ae_entry_read("again", first, first_length, &again_head, &again) == AE_OK, "%s",
               ae_last_error());
    FUZZ_CHECK(ae_entry_write(&again_head, again, &second, &second_length) == AE_OK, "%s", ae_last_error());
    FUZZ_CHECK(first_length == second_length && memcmp(first, second, first_length) == 0, "differs");
    ae_edit_free(again);
    ae_free(first);
    ae_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ae_entry_head head = {0};
    ae_edit *edit = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_entry_read("input", data, size, &head, &edit));
    fuzz_end(size, 2 * FUZZ_PER_JSON_BYTE, 1 << 18);
    if (!good) return 0;
    FUZZ_CHECK(head.id >= 1 && ae_is_sha256(head.shape_sha256) && edit->n_layers >= 1, "head");
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *layer = &edit->layers[i];
        for (int v = 0; v < AE_ENTRY_VECTORS; v++) {
            const ae_entry_vector *vector = &ae_entry_vectors[v];
            fuzz_touch(ae_entry_vector_get(vector, layer),
                       (size_t)ae_entry_vector_length(vector, layer) * ae_dtype_size(vector->dtype));
        }
    }
    check_again(&head, edit);
    ae_edit_free(edit);
    return 0;
}
