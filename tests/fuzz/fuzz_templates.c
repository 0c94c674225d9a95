// Files of context templates (aedile/edit.h).
#include "fuzz.h"

#include "edit/templates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file("templates.json", data, size);
    ae_templates read = {0}, again = {0};
    fuzz_begin();
    const bool good = fuzz_ok(ae_templates_load(path, &read));
    fuzz_end(size, 2 * FUZZ_PER_JSON_BYTE, 1 << 17);
    if (!good) return 0;
    for (size_t i = 0; i < read.count; i++)
        FUZZ_CHECK(ae_template_placeholder(read.text[i]), "template %zu", i);
    path = fuzz_file("saved.json", data, 0);
    FUZZ_CHECK(ae_templates_save(&read, path) == AE_OK && ae_templates_load(path, &again) == AE_OK, "%s",
               ae_last_error());
    FUZZ_CHECK(again.count == read.count && strcmp(again.sha256, read.sha256) == 0, "another hash");
    ae_templates_free(&again);
    ae_templates_free(&read);
    return 0;
}
