#include "eval/snippets.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_array.h"
#include "base/memory.h"

// A record that asks for snippets.
typedef struct asker {
    const char *relation, *target, *subject; // the data set's
    size_t index;                            // of the record
} asker;

// A (relation, target) with those that ask for it.
typedef struct snippet_pair {
    const asker *askers; // part of ae_snippets.askers
    size_t n_askers;
    bool found;
    ae_tfidf_vector vector; // of all its snippets
} snippet_pair;

struct ae_snippets {
    ae_tfidf *tfidf;
    asker *askers;       // [n_askers], sorted by relation, target
    snippet_pair *pairs; // [n_pairs], in the same order
    size_t n_askers, n_pairs, n_records;
    ae_text *essences; // [n_records]; data NULL: none
};

// ---- who asks --------------------------------------------------------------------------------------

static int compare_pairs(const asker *a, const asker *b) {
    int by_relation = strcmp(a->relation, b->relation);
    return by_relation != 0 ? by_relation : strcmp(a->target, b->target);
}

static int compare_askers(const void *a, const void *b) {
    const asker *x = a, *y = b;
    int by_pair = compare_pairs(x, y);
    return by_pair != 0 ? by_pair : (x->index > y->index) - (x->index < y->index);
}

static int compare_with_pair(const void *key, const void *element) {
    return compare_pairs(key, ((const snippet_pair *)element)->askers);
}

static snippet_pair *find_pair(const ae_snippets *snippets, const char *relation, const char *target) {
    const asker key = {.relation = relation, .target = target};
    return bsearch(&key, snippets->pairs, snippets->n_pairs, sizeof *snippets->pairs, compare_with_pair);
}

static ae_status collect_askers(const ae_dataset *dataset, ae_snippets *out) {
    out->n_records = dataset->count;
    out->essences = ae_alloc(dataset->count, sizeof *out->essences);
    out->askers = ae_alloc(dataset->count, sizeof *out->askers);
    out->pairs = ae_alloc(dataset->count, sizeof *out->pairs);
    if (!out->essences || !out->askers || !out->pairs) return ae_no_memory();
    for (size_t i = 0; i < dataset->count; i++) {
        const ae_record *record = &dataset->records[i];
        if (!*record->relation_id || !*record->target_new_id) continue;
        out->askers[out->n_askers++] =
            (asker){record->relation_id, record->target_new_id, record->request.subject, i};
    }
    qsort(out->askers, out->n_askers, sizeof *out->askers, compare_askers);
    for (size_t i = 0; i < out->n_askers; i++) {
        const asker *one = &out->askers[i];
        if (i == 0 || compare_pairs(one - 1, one) != 0)
            out->pairs[out->n_pairs++] = (snippet_pair){.askers = one};
        out->pairs[out->n_pairs - 1].n_askers++;
    }
    return AE_OK;
}

// ---- the files -------------------------------------------------------------------------------------

static ae_status append_joined(ae_text *text, const char *more, size_t length) {
    if (text->data) AE_TRY(ae_text_append(text, " ", 1));
    return ae_text_append(text, more, length);
}

// One snippet: into `all`, and into the essence of each record whose subject it is named after.
static ae_status add_sample(const char *where, const json_t *sample, const snippet_pair *pair, ae_text *all,
                            ae_text *essences) {
    const char *name = NULL, *text = NULL;
    AE_TRY(ae_json_string(where, sample, "name", true, &name));
    size_t length = 0;
    AE_TRY(ae_json_bytes(where, sample, "text", true, &text, &length));
    AE_TRY(append_joined(all, text, length));
    for (size_t i = 0; i < pair->n_askers; i++)
        if (strcmp(pair->askers[i].subject, name) == 0)
            AE_TRY(append_joined(&essences[pair->askers[i].index], text, length));
    return AE_OK;
}

// All snippets of one element of the file. A pair may have several elements.
static ae_status add_samples(const char *where, const json_t *samples, snippet_pair *pair,
                             ae_snippets *snippets) {
    ae_text all = {0};
    ae_tfidf_vector vector = {0}, joined;
    ae_status status = AE_OK;
    for (size_t i = 0; status == AE_OK && i < json_array_size(samples); i++) {
        status = add_sample(where, json_array_get(samples, i), pair, &all, snippets->essences);
        if (status != AE_OK && status != AE_ERR_MEMORY) ae_fail_context(status, "sample %zu", i + 1);
    }
    if (status == AE_OK && all.data) {
        status = ae_tfidf_transform(snippets->tfidf, all.data, all.length, &vector);
        if (status == AE_OK && pair->found) {
            status = ae_tfidf_join(&pair->vector, &vector, &joined);
            ae_tfidf_vector_free(&vector);
            if (status == AE_OK) vector = joined;
        }
        if (status == AE_OK) {
            ae_tfidf_vector_free(&pair->vector);
            pair->vector = vector;
            pair->found = true;
        }
    }
    ae_free(all.data);
    return status;
}

static ae_status add_element(const char *where, const json_t *element, ae_snippets *snippets) {
    const char *relation = NULL, *target = NULL;
    AE_TRY(ae_json_string(where, element, "relation_id", true, &relation));
    AE_TRY(ae_json_string(where, element, "target_id", true, &target));
    snippet_pair *pair = find_pair(snippets, relation, target);
    if (!pair) return AE_OK;
    const json_t *samples = json_object_get(element, "samples");
    if (!json_is_array(samples))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'samples' is %s, expected an array", where,
                       ae_json_type_name(samples));
    return add_samples(where, samples, pair, snippets);
}

static ae_status read_snippets(const char *path, const ae_hooks *hooks, ae_snippets *snippets) {
    ae_json_array array = {0};
    AE_TRY(ae_json_array_open(path, &array));
    ae_status status = AE_OK;
    for (bool more = true; status == AE_OK && more;) {
        json_t *element = NULL;
        status = ae_json_array_next(&array, &element);
        more = status == AE_OK && element;
        if (!more) break;
        char *where = ae_format("%s, element %zu", path, array.index);
        status = where ? add_element(where, element, snippets) : ae_no_memory();
        ae_free(where);
        json_decref(element);
        if (status == AE_OK)
            status =
                ae_progress(hooks, "reading snippets", (double)array.at, (double)array.map.size, "bytes");
    }
    ae_json_array_close(&array);
    return status;
}

// ---- the interface ---------------------------------------------------------------------------------

enum { SNIPPETS, VOCABULARY, IDF };
const char *const ae_snippet_files[AE_SNIPPET_FILES] = {
    [SNIPPETS] = "attribute_snippets.json", [VOCABULARY] = "tfidf_vocab.json", [IDF] = "idf.npy"};

// Whether all files are there (then *all), or none; one that is missing among others is an error.
static ae_status look_for_files(char *const paths[AE_SNIPPET_FILES], bool *all) {
    const char *there = NULL, *missing = NULL;
    for (int i = 0; i < AE_SNIPPET_FILES; i++)
        *(ae_path_exists(paths[i]) ? &there : &missing) = paths[i];
    *all = !missing;
    if (!there || !missing) return AE_OK;
    return ae_fail(AE_ERR_NOT_FOUND,
                   "'%s' is not there although '%s' is: generated text is scored with both; they are "
                   "published under https://rome.baulab.info/data/dsets/",
                   missing, there);
}

// *done is false where there is nothing to compare with.
static ae_status read_files(char *const paths[AE_SNIPPET_FILES], const char *folder,
                            const ae_dataset *dataset, const ae_hooks *hooks, ae_snippets *out, bool *done) {
    *done = false;
    AE_TRY(collect_askers(dataset, out));
    if (out->n_pairs == 0) return AE_OK;
    AE_TRY(look_for_files(paths, done));
    if (!*done) {
        ae_warn(hooks,
                "'%s' has no attribute_snippets.json, tfidf_vocab.json and idf.npy: there are no generation "
                "tests, which "
                "compare with them (they are published under https://rome.baulab.info/data/dsets/)",
                folder);
        return AE_OK;
    }
    AE_TRY(ae_tfidf_open(paths[VOCABULARY], paths[IDF], &out->tfidf));
    return read_snippets(paths[SNIPPETS], hooks, out);
}

static ae_status open_paths(char *const paths[AE_SNIPPET_FILES], const char *folder,
                            const ae_dataset *dataset, const ae_hooks *hooks, ae_snippets **out) {
    bool done = false;
    ae_snippets *snippets = ae_alloc(1, sizeof *snippets);
    if (!snippets) return ae_no_memory();
    const ae_status status = read_files(paths, folder, dataset, hooks, snippets, &done);
    if (status != AE_OK || !done) {
        ae_snippets_free(snippets);
        snippets = NULL;
    }
    if (status == AE_OK) *out = snippets;
    return status;
}

ae_status ae_snippets_open(const char *folder, const ae_dataset *dataset, const ae_hooks *hooks,
                           ae_snippets **out) {
    char *paths[AE_SNIPPET_FILES] = {NULL};
    ae_status status = AE_OK;
    for (int i = 0; i < AE_SNIPPET_FILES && status == AE_OK; i++) {
        paths[i] = ae_path_join(folder, ae_snippet_files[i]);
        if (!paths[i]) status = ae_no_memory();
    }
    if (status == AE_OK) status = open_paths(paths, folder, dataset, hooks, out);
    for (int i = 0; i < AE_SNIPPET_FILES; i++)
        ae_free(paths[i]);
    return status;
}

void ae_snippets_free(ae_snippets *snippets) {
    if (!snippets) return;
    ae_tfidf_free(snippets->tfidf);
    for (size_t i = 0; i < snippets->n_pairs; i++)
        ae_tfidf_vector_free(&snippets->pairs[i].vector);
    for (size_t i = 0; snippets->essences && i < snippets->n_records; i++)
        ae_free(snippets->essences[i].data);
    ae_free(snippets->essences);
    ae_free(snippets->pairs);
    ae_free(snippets->askers);
    ae_free(snippets);
}

ae_status ae_snippets_reference_score(const ae_snippets *snippets, const ae_record *record,
                                      const char *const *texts, size_t n_texts, bool *found, double *score) {
    const snippet_pair *pair = find_pair(snippets, record->relation_id, record->target_new_id);
    if (!pair || !pair->found) {
        *found = false;
        return AE_OK;
    }
    ae_text all = {0};
    ae_tfidf_vector vector = {0};
    ae_status status = AE_OK;
    for (size_t i = 0; status == AE_OK && i < n_texts; i++)
        status = append_joined(&all, texts[i], strlen(texts[i]));
    if (status == AE_OK) status = ae_tfidf_transform(snippets->tfidf, all.data, all.length, &vector);
    ae_free(all.data);
    if (status != AE_OK) return status;
    *found = true;
    *score = ae_tfidf_cosine(&vector, &pair->vector);
    ae_tfidf_vector_free(&vector);
    return AE_OK;
}

const char *ae_snippets_essence(const ae_snippets *snippets, size_t index) {
    return snippets->essences[index].data;
}
