// Snippets, the TF-IDF vocabulary and its weights (eval/snippets.h, text/tfidf.h), for a data set's records.
#include "fuzz.h"

#include <math.h>

#include "base/file.h"
#include "eval/snippets.h"

static const char *const names[] = {"attribute_snippets.json", "tfidf_vocab.json", "idf.npy", "data.json"};

static void check(const ae_dataset *dataset, const ae_snippets *snippets) {
    static const char *const texts[] = {"Physicist of the theory", "born in Rome"};
    for (size_t i = 0; i < dataset->count; i++) {
        bool found = false;
        double score = -2;
        FUZZ_CHECK(ae_snippets_reference_score(snippets, &dataset->records[i], texts, 2, &found, &score) ==
                       AE_OK,
                   "%s", ae_last_error());
        FUZZ_CHECK(!found || !(fabs(score) > 1.0001), "a cosine of %g", score);
        const char *essence = ae_snippets_essence(snippets, i);
        if (essence) fuzz_touch(essence, strlen(essence));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, 4, data, size);
    char *path = ae_path_join(folder, names[3]);
    const ae_dataset_options options = {0};
    ae_dataset *dataset = NULL;
    ae_snippets *snippets = NULL;
    fuzz_begin();
    if (fuzz_ok(ae_dataset_open(path, folder, &options, &fuzz_hooks, &dataset))) {
        if (fuzz_ok(ae_snippets_open(folder, dataset, &fuzz_hooks, &snippets)) && snippets)
            check(dataset, snippets);
        ae_snippets_free(snippets);
        ae_dataset_free(dataset);
    }
    fuzz_end(size, 3 * FUZZ_PER_JSON_BYTE, 1 << 20);
    ae_free(path);
    return 0;
}
