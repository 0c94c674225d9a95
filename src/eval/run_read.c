#include "eval/run_read.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/run_read_parts.h"

enum { DOCUMENT_LIMIT = 256 << 20 };

// ---- documents -------------------------------------------------------------------------------------

static bool starts(const char *text, const char *end, const char *word) {
    const size_t length = strlen(word);
    return (size_t)(end - text) >= length && memcmp(text, word, length) == 0;
}

// The text with NaN, Infinity and -Infinity outside of strings as null, on the same lines as before.
static ae_status replace_non_finite(const char *text, size_t length, ae_text *out) {
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    const char *end = text + length, *kept = text;
    bool in_string = false;
    for (const char *at = text; at < end; at++) {
        if (*at == '"') in_string = !in_string;
        if (in_string && *at == '\\') at++; // whatever it escapes does not end the string
        if (in_string || !strchr("NI-", *at)) continue;
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (starts(at, end, words[w])) {
                AE_TRY(ae_text_append(out, kept, (size_t)(at - kept)));
                AE_TRY(ae_text_append(out, "null", 4));
                kept = at + strlen(words[w]);
                at = kept - 1;
                break;
            }
    }
    return ae_text_append(out, kept, (size_t)(end - kept));
}

static ae_status parse(const char *path, const char *text, size_t length, json_t **out) {
    if (!memmem(text, length, "NaN", 3) && !memmem(text, length, "Infinity", 8))
        return ae_json_parse(path, text, length, out);
    ae_text finite = {0};
    ae_status status = replace_non_finite(text, length, &finite);
    if (status == AE_OK) status = ae_json_parse(path, finite.data, finite.length, out);
    ae_free(finite.data);
    return status;
}

ae_status ae_run_document(ae_run_data *data, const char *path, const json_t **out) {
    char *text = NULL;
    size_t length;
    AE_TRY(ae_file_read(path, DOCUMENT_LIMIT, &text, &length));
    json_t *document = NULL;
    ae_status status = parse(path, text, length, &document);
    ae_free(text);
    if (status == AE_OK && !json_is_object(document))
        status =
            ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", path, ae_json_type_name(document));
    if (status != AE_OK) {
        json_decref(document);
        return status;
    }
    if (json_array_append_new(data->documents, document) != 0) // which releases it where it fails
        return ae_fail(AE_ERR_MEMORY, "out of memory while reading '%s'", path);
    *out = document;
    return AE_OK;
}

ae_status ae_run_number(const char *path, const json_t *object, const char *field, double *out) {
    *out = NAN;
    return ae_json_number(path, object, field, false, -HUGE_VAL, HUGE_VAL, out);
}

ae_status ae_run_object(const char *path, const json_t *object, const char *field, const json_t **out) {
    const json_t *value = json_object_get(object, field);
    *out = NULL;
    if (!value || json_is_null(value)) return AE_OK;
    if (!json_is_object(value))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an object", path, field,
                       ae_json_type_name(value));
    *out = value;
    return AE_OK;
}

// ---- params.json -----------------------------------------------------------------------------------

// Our own word for the way of editing, else what the reference's three flags say together.
static ae_status read_variant(ae_run_data *data, const char *path) {
    bool original = false, prompt = false, random = false;
    AE_TRY(ae_json_string(path, data->params, "variant", false, &data->variant));
    AE_TRY(ae_json_bool(path, data->params, "original_implementation", false, &original));
    AE_TRY(ae_json_bool(path, data->params, "enable_prompt_keys", false, &prompt));
    AE_TRY(ae_json_bool(path, data->params, "enable_random_prefix_keys", false, &random));
    if (*data->variant || prompt == random) return AE_OK;
    data->variant = ae_variant_name(random ? AE_R_ROME : original ? AE_ROME : AE_P_ROME);
    return AE_OK;
}

static ae_status read_params(ae_run_data *data, const char *path) {
    AE_TRY(ae_run_document(data, path, &data->params));
    AE_TRY(ae_json_string(path, data->params, "model_name", false, &data->model));
    AE_TRY(ae_json_string(path, data->params, "dataset", false, &data->dataset));
    data->sequential = true;
    AE_TRY(ae_json_bool(path, data->params, "sequential", false, &data->sequential));
    return read_variant(data, path);
}

// ---- case files ------------------------------------------------------------------------------------

// The N of "<n>_edits-case_<N>.json"; false for any other name.
static bool case_number(const char *name, int64_t *case_id) {
    static const char middle[] = "_edits-case_";
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || strncmp(name + digits, middle, sizeof middle - 1) != 0) return false;
    name += digits + sizeof middle - 1;
    digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 18 || strcmp(name + digits, ".json") != 0) return false;
    *case_id = strtoll(name, NULL, 10);
    return true;
}

static int compare_cases(const void *a, const void *b) {
    const ae_run_case_data *x = a, *y = b;
    return (x->case_id > y->case_id) - (x->case_id < y->case_id);
}

// The case files' names, by the cases' numbers.
static ae_status list_cases(ae_run_data *data) {
    char **names = NULL;
    size_t n_names = 0;
    AE_TRY(ae_folder_list(data->folder, &names, &n_names));
    ae_status status = AE_OK;
    data->cases = ae_arena_alloc(data->arena, n_names, sizeof *data->cases);
    if (!data->cases) status = ae_no_memory();
    for (size_t i = 0; i < n_names && status == AE_OK; i++) {
        ae_run_case_data found = {0};
        if (!case_number(names[i], &found.case_id)) continue;
        found.file = ae_arena_strdup(data->arena, names[i]);
        if (!found.file) status = ae_no_memory();
        data->cases[data->n_cases++] = found;
    }
    ae_folder_list_free(names, n_names);
    if (status != AE_OK) return status;
    if (data->n_cases > 0) qsort(data->cases, data->n_cases, sizeof *data->cases, compare_cases);
    for (size_t i = 1; i < data->n_cases; i++)
        if (data->cases[i].case_id == data->cases[i - 1].case_id)
            return ae_fail(
                AE_ERR_FORMAT,
                "'%s': '%s' and '%s' are both of case %" PRId64 "; expected one file a case: take one away",
                data->folder, data->cases[i - 1].file, data->cases[i].file, data->cases[i].case_id);
    return AE_OK;
}

static ae_status read_case(ae_run_data *data, ae_run_case_data *c) {
    char *path = ae_path_join(data->folder, c->file);
    if (!path) return ae_no_memory();
    const int64_t named = c->case_id;
    ae_status status = ae_run_read_case(data, path, c);
    if (status == AE_OK && c->case_id != named)
        status = ae_fail(AE_ERR_FORMAT, "'%s': field 'case_id' is %" PRId64 ", the file's name says %" PRId64,
                         path, c->case_id, named);
    ae_free(path);
    return status;
}

// The case's chunk: records that were edited before the first of them was measured. NULL: it is alone.
static const json_t *chunk_of(const ae_run_case_data *c) {
    const json_t *chunk = json_object_get(c->document, "grouped_case_ids");
    return json_is_array(chunk) && json_array_size(chunk) > 0 ? chunk : NULL;
}

static size_t place_in_chunk(const ae_run_case_data *c) {
    const json_t *chunk = chunk_of(c), *id;
    size_t i;
    json_array_foreach(chunk, i, id) {
        if (json_is_integer(id) && json_integer_value(id) == c->case_id) return i;
    }
    return 0;
}

static int compare_edits(const void *a, const void *b) {
    const ae_run_case_data *x = a, *y = b;
    if (x->n_edits != y->n_edits) return x->n_edits < y->n_edits ? -1 : 1;
    const size_t place_x = place_in_chunk(x), place_y = place_in_chunk(y);
    if (place_x != place_y) return place_x < place_y ? -1 : 1;
    return compare_cases(a, b);
}

// A run edits its records as they lie in their file. That is the order of the cases' numbers in the data sets
// of the reference, whose files do not tell it; ours do.
static void sort_by_edits(ae_run_data *data) {
    for (size_t i = 0; i < data->n_cases; i++)
        if (data->cases[i].n_edits == 0) return;
    if (data->n_cases > 0) qsort(data->cases, data->n_cases, sizeof *data->cases, compare_edits);
}

// The reference's files do not tell how many edits lie before one; the order does.
static void count_edits(ae_run_data *data) {
    int64_t before = 0;
    for (size_t i = 0; i < data->n_cases;) {
        const json_t *chunk = chunk_of(&data->cases[i]);
        const int64_t size = chunk ? (int64_t)json_array_size(chunk) : 1;
        size_t next = i;
        do {
            if (data->cases[next].n_edits == 0) data->cases[next].n_edits = before + size;
            next++;
        } while (next < data->n_cases && chunk && json_equal(chunk_of(&data->cases[next]), chunk));
        if (data->sequential) before += size;
        i = next;
    }
}

static ae_status read_cases(ae_run_data *data, const ae_hooks *hooks) {
    char *stage = ae_format("reading %s", data->name);
    if (!stage) return ae_no_memory();
    ae_status status = AE_OK;
    for (size_t i = 0; i < data->n_cases && status == AE_OK; i++) {
        status = read_case(data, &data->cases[i]);
        if (status == AE_OK)
            status = ae_progress(hooks, stage, (double)(i + 1), (double)data->n_cases, "cases");
    }
    ae_free(stage);
    if (status != AE_OK) return status;
    sort_by_edits(data);
    count_edits(data);
    return AE_OK;
}

// One file for each record that was not edited (eval/case_file.h).
static ae_status count_skipped(ae_run_data *data) {
    char *folder = ae_path_join(data->folder, "aedile/skipped");
    if (!folder) return ae_no_memory();
    char **names = NULL;
    size_t n_names = 0;
    ae_status status = ae_path_is_folder(folder) ? ae_folder_list(folder, &names, &n_names) : AE_OK;
    for (size_t i = 0; i < n_names; i++) {
        const size_t length = strlen(names[i]);
        data->n_skipped += length > 5 && strcmp(names[i] + length - 5, ".json") == 0;
    }
    ae_folder_list_free(names, n_names);
    ae_free(folder);
    return status;
}

// ---- the whole -------------------------------------------------------------------------------------

// "runs/ROME/run_003/" is named run_003.
static ae_status keep_name(ae_run_data *data, const char *folder) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    char *path = ae_arena_strndup(data->arena, folder, length);
    if (!path) return ae_no_memory();
    const char *slash = strrchr(path, '/');
    data->folder = path;
    data->name = slash && slash[1] ? slash + 1 : path;
    return AE_OK;
}

static ae_status read_run(ae_run_data *data, const char *folder, const ae_hooks *hooks) {
    AE_TRY(keep_name(data, folder));
    if (!ae_path_is_folder(data->folder))
        return ae_fail(AE_ERR_NOT_FOUND, "there is no run '%s': %s", folder,
                       ae_path_exists(folder) ? "it is a file, not a folder" : "no such folder");
    data->variant = data->model = data->dataset = "";
    data->sequential = true;
    AE_TRY(list_cases(data));
    char *params = ae_path_join(data->folder, "params.json");
    if (!params) return ae_no_memory();
    ae_status status = AE_OK;
    if (ae_path_exists(params))
        status = read_params(data, params);
    else if (data->n_cases == 0)
        status =
            ae_fail(AE_ERR_NOT_FOUND,
                    "'%s' is no run's folder: neither params.json nor case files (<n>_edits-case_<id>.json) "
                    "are in it",
                    data->folder);
    ae_free(params);
    AE_TRY(status);
    AE_TRY(read_cases(data, hooks));
    AE_TRY(count_skipped(data));
    return ae_run_read_tasks(data, hooks);
}

ae_status ae_run_read(const char *folder, const ae_hooks *hooks, ae_run_data **out) {
    ae_run_data *data = ae_alloc(1, sizeof *data);
    if (!data) return ae_no_memory();
    ae_status status = ae_arena_new(&data->arena);
    data->documents = json_array();
    if (status == AE_OK && !data->documents) status = ae_no_memory();
    if (status == AE_OK) status = read_run(data, folder, hooks);
    if (status != AE_OK) {
        ae_run_data_free(data);
        return status;
    }
    *out = data;
    return AE_OK;
}

void ae_run_data_free(ae_run_data *data) {
    if (!data) return;
    json_decref(data->documents);
    ae_arena_free(data->arena);
    ae_free(data);
}
