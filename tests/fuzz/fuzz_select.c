// Selections of cases (eval/select.h): a file, or as file 1 of the input a rule.
#include "fuzz.h"

#include "base/file.h"
#include "base/memory.h"
#include "eval/select.h"

static const char *const names[] = {"select.json", "rule"};
enum { TOTAL = 200 };

static void open_selection(const char *rule, size_t size) {
    ae_case_selection *selection = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_selection_open(rule, TOTAL, &selection))) {
        size_t n = 0, n_cases = 0;
        const int64_t *cases = ae_selection_cases(selection, &n_cases);
        for (size_t i = 0; i < n_cases; i++) {
            FUZZ_CHECK(i == 0 || cases[i - 1] <= cases[i], "out of order");
            FUZZ_CHECK(ae_selection_has(selection, 0, cases[i]), "case %lld", (long long)cases[i]);
        }
        for (int64_t row = 0; row < TOTAL; row++)
            n += ae_selection_has(selection, row, row);
        FUZZ_CHECK(cases || n > 0, "nothing selected");
        ae_selection_free(selection);
    }
    fuzz_end(size, FUZZ_PER_JSON_BYTE, 1 << 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, 2, data, size);
    char *path = ae_path_join(folder, names[0]), *rule_path = ae_path_join(folder, names[1]), *rule = NULL;
    if (ae_path_exists(path)) open_selection(path, size);
    if (ae_path_exists(rule_path) && ae_file_read(rule_path, size, &rule, NULL) == AE_OK) {
        char *full = ae_format("sample:%s", rule); // anything else would name a file of this machine
        open_selection(full, size);
        ae_free(full);
    }
    ae_free(rule);
    ae_free(path);
    ae_free(rule_path);
    return 0;
}
