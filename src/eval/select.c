// What selects records, and `aedile select`, which writes it down.
#include "eval/select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "aedile/eval.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"

enum { SELECTION_LIMIT = 256 << 20 }; // bytes; the reference's own has 422 KB

struct ae_case_selection {
    bool by_row;    // by `rows`; else by `cases`
    bool *rows;     // [total]
    int64_t *cases; // ascending
    size_t n_cases;
    char sha256[AE_DIGEST_HEX]; // of the file
};

// Digits alone, without a leading zero; false also beyond 64 bits.
static bool read_digits(const char *text, size_t length, uint64_t *out) {
    if (length == 0 || (length > 1 && text[0] == '0')) return false;
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
            return false;
    }
    *out = number;
    return true;
}

// ---- sample:SEED:N ---------------------------------------------------------------------------------

static ae_status sample_rows(const char *rule, int64_t total, ae_case_selection *selection) {
    const char *seed_text = rule + strlen("sample:"), *colon = strchr(seed_text, ':');
    uint64_t seed, n;
    if (!colon || !read_digits(seed_text, (size_t)(colon - seed_text), &seed) ||
        !read_digits(colon + 1, strlen(colon + 1), &n))
        return ae_fail(
            AE_ERR_ARGUMENT,
            "selection '%s': expected sample:SEED:N with whole numbers, SEED from 0 to 2^64 - 1, as "
            "in sample:37:5000",
            rule);
    if (n == 0 || n > (uint64_t)total)
        return ae_fail(AE_ERR_ARGUMENT,
                       "selection '%s': expected to draw 1 to %" PRId64 " records, as many as there are",
                       rule, total);
    uint32_t *order = ae_alloc((size_t)total, sizeof *order);
    selection->rows = ae_alloc((size_t)total, sizeof *selection->rows);
    ae_status status =
        order && selection->rows ? ae_python_shuffle(seed, (uint32_t)total, order) : ae_no_memory();
    for (uint64_t i = 0; status == AE_OK && i < n; i++)
        selection->rows[order[i]] = true;
    ae_free(order);
    return status;
}

// ---- a file ----------------------------------------------------------------------------------------

static int compare_cases(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static ae_status read_cases(const char *path, const json_t *document, ae_case_selection *selection) {
    if (!json_is_object(document))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object of case id -> true or false", path,
                       ae_json_type_name(document));
    selection->cases = ae_alloc(json_object_size(document), sizeof *selection->cases);
    if (!selection->cases) return ae_no_memory();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)document, key, value) {
        uint64_t case_id;
        if (!read_digits(key, strlen(key), &case_id) || case_id > INT64_MAX)
            return ae_fail(AE_ERR_FORMAT, "'%s': key '%s' is no case id: expected digits alone", path, key);
        if (!json_is_boolean(value))
            return ae_fail(AE_ERR_FORMAT, "'%s': case '%s' is %s, expected true or false", path, key,
                           ae_json_type_name(value));
        if (json_is_true(value)) selection->cases[selection->n_cases++] = (int64_t)case_id;
    }
    qsort(selection->cases, selection->n_cases, sizeof *selection->cases, compare_cases);
    return AE_OK;
}

static ae_status load_cases(const char *path, ae_case_selection *selection) {
    json_t *document = NULL;
    char *text = NULL;
    size_t length = 0;
    ae_status status = ae_file_read(path, SELECTION_LIMIT, &text, &length);
    if (status == AE_OK) status = ae_sha256(text, length, selection->sha256);
    if (status == AE_OK) status = ae_json_parse(path, text, length, &document);
    ae_free(text);
    if (status == AE_ERR_NOT_FOUND)
        return ae_fail_context(status,
                               "selection '%s' is neither sample:SEED:N nor a file of case id -> true "
                               "or false",
                               path);
    if (status == AE_OK) status = read_cases(path, document, selection);
    json_decref(document);
    return status;
}

// ---- both ------------------------------------------------------------------------------------------

ae_status ae_selection_open(const char *rule, int64_t total, ae_case_selection **out) {
    if (total < 0 || total > INT32_MAX)
        return ae_fail(AE_ERR_ARGUMENT, "a selection from %" PRId64 " records, expected 0 to %d", total,
                       INT32_MAX);
    ae_case_selection *selection = ae_alloc(1, sizeof *selection);
    if (!selection) return ae_no_memory();
    selection->by_row = !rule || !*rule || strncmp(rule, "sample:", 7) == 0;
    ae_status status = AE_OK;
    if (!selection->by_row)
        status = load_cases(rule, selection);
    else if (rule && *rule)
        status = sample_rows(rule, total, selection);
    if (status != AE_OK) {
        ae_selection_free(selection);
        return status;
    }
    *out = selection;
    return AE_OK;
}

bool ae_selection_has(const ae_case_selection *selection, int64_t row, int64_t case_id) {
    if (selection->by_row) return !selection->rows || selection->rows[row];
    return bsearch(&case_id, selection->cases, selection->n_cases, sizeof case_id, compare_cases) != NULL;
}

const char *ae_selection_sha256(const ae_case_selection *selection) {
    return selection->sha256;
}

const int64_t *ae_selection_cases(const ae_case_selection *selection, size_t *count) {
    *count = selection->n_cases;
    return selection->cases;
}

void ae_selection_free(ae_case_selection *selection) {
    if (!selection) return;
    ae_free(selection->rows);
    ae_free(selection->cases);
    ae_free(selection);
}

// Row numbers are taken for case ids.
static ae_status check_rows(const char *rule, const ae_case_selection *selection, int64_t total) {
    const size_t n = selection->n_cases;
    if (n == 0 || selection->cases[n - 1] < total) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT,
                   "selection '%s' selects record %" PRId64 ", of %" PRId64
                   " records there are 0 to %" PRId64,
                   rule, selection->cases[n - 1], total, total - 1);
}

ae_status ae_select_write(const char *rule, int64_t total, const char *path) {
    if (total < 1)
        return ae_fail(AE_ERR_ARGUMENT, "a selection from %" PRId64 " records, expected 1 or more", total);
    ae_case_selection *selection = NULL;
    ae_atomic_file file = {0};
    AE_TRY(ae_selection_open(rule, total, &selection));
    ae_status status = check_rows(rule, selection, total);
    if (status == AE_OK) status = ae_atomic_open(path, &file);
    for (int64_t row = 0; status == AE_OK && row < total; row++)
        fprintf(file.stream, "%s\n    \"%" PRId64 "\": %s", row == 0 ? "{" : ",", row,
                ae_selection_has(selection, row, row) ? "true" : "false");
    if (status == AE_OK) {
        fputs("\n}", file.stream);
        status = ae_atomic_commit(&file);
    }
    ae_selection_free(selection);
    return status;
}
