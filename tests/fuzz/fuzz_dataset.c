// Data sets (eval/dataset.h): CounterFact, EasyEdit's flat form, zsRE; and a selection of their cases.
#include "fuzz.h"

#include "base/file.h"
#include "eval/dataset.h"

static const char *const names[] = {"data.json", "select.json"};

static void check_prompts(const ae_prompt_list *list) {
    for (size_t i = 0; i < list->count; i++)
        fuzz_touch(list->items[i], strlen(list->items[i]));
}

static void check_record(const ae_dataset *dataset, size_t i) {
    const ae_record *r = &dataset->records[i];
    FUZZ_CHECK(r->row >= 0 && r->row < dataset->n_total, "row %lld", (long long)r->row);
    FUZZ_CHECK(i == 0 || dataset->records[i - 1].row < r->row, "records out of order");
    FUZZ_CHECK(ae_request_check(&r->request) == AE_OK, "%s", ae_last_error());
    FUZZ_CHECK(r->request.target_true && r->relation_id && r->target_new_id, "a text is missing");
    check_prompts(&r->paraphrases);
    check_prompts(&r->neighborhood);
    check_prompts(&r->attributes);
    check_prompts(&r->generation);
    json_t *rewrite = NULL;
    FUZZ_CHECK(ae_json_parse("rewrite", r->rewrite_json, strlen(r->rewrite_json), &rewrite) == AE_OK &&
                   json_is_object(rewrite),
               "%s", ae_last_error());
    json_decref(rewrite);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *folder = fuzz_files(names, 2, data, size);
    char *path = ae_path_join(folder, names[0]), *select = ae_path_join(folder, names[1]);
    const ae_dataset_options options = {.select = ae_path_exists(select) ? select : NULL};
    ae_dataset *dataset = NULL;
    fuzz_begin();
    const bool good = fuzz_ok(ae_dataset_open(path, folder, &options, &fuzz_hooks, &dataset));
    fuzz_end(size, 3 * FUZZ_PER_JSON_BYTE, 1 << 20);
    if (good) {
        for (size_t i = 0; i < dataset->count; i++)
            check_record(dataset, i);
        ae_dataset_free(dataset);
    }
    ae_free(path);
    ae_free(select);
    return 0;
}
