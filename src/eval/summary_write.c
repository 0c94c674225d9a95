// evals/summary.json: on one line, as Python's json.dump writes it.
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "eval/python_json.h"
#include "eval/summary.h"

// The reference rounds what it multiplies by 100, and nothing else.
static bool is_rounded(const char *name) {
    for (int column = 0; column < AE_SUMMARY_COLUMNS; column++)
        if (strcmp(ae_summary_columns[column].name, name) == 0) return ae_summary_columns[column].scale != 1;
    return false;
}

static ae_status put_value(json_t *document, const ae_summary_value *value) {
    const bool rounded = is_rounded(value->name);
    json_t *pair = json_array();
    // Handed over first: a pair that lacks a member is then released with the document.
    AE_TRY(ae_json_put(document, value->name, pair));
    const int failed =
        json_array_append_new(pair, ae_json_figure(rounded ? ae_summary_round(value->mean) : value->mean)) |
        json_array_append_new(pair, ae_json_figure(rounded ? ae_summary_round(value->std) : value->std));
    return failed ? ae_fail(AE_ERR_MEMORY, "out of memory while writing JSON") : AE_OK;
}

static ae_status fill_document(json_t *document, const ae_summary *summary) {
    for (size_t i = 0; i < summary->n_values; i++)
        AE_TRY(put_value(document, &summary->values[i]));
    AE_TRY(ae_json_put(document, "run_dir", ae_json_any_text(summary->folder)));
    return ae_json_put(document, "num_cases", json_integer(summary->n_cases));
}

static ae_status summary_text(const ae_summary *summary, char **text) {
    json_t *document = json_object();
    const ae_status status = fill_document(document, summary); // which tells of one that could not be made
    return ae_python_json_finish(status, document, -1, text);
}

ae_status ae_summary_write(const ae_summary *summary) {
    char *text = NULL, *folder = ae_path_join(summary->folder, "evals");
    char *path = folder ? ae_path_join(folder, "summary.json") : NULL;
    ae_status status = path ? summary_text(summary, &text) : ae_no_memory();
    if (status == AE_OK) status = ae_folder_check_own(folder);
    if (status == AE_OK) status = ae_folder_make(folder);
    if (status == AE_OK) status = ae_atomic_write(path, text, strlen(text));
    ae_free(text);
    ae_free(path);
    ae_free(folder);
    return status;
}
