// Collecting second moments over text: documents are chosen, packed into batches, and their keys' products
// summed.
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/random.h"
#include "edit/collect_checkpoint.h"
#include "edit/moment.h"
#include "format/text_stream.h"

enum {
    BATCH_TOKENS = 4096,    // a document is at most n_ctx tokens; one longer than this is a batch of its own
    SAMPLE_SEED = 1,        // the reference's random.Random(1)
    COUNTING_REPORT = 8192, // documents between two reports of progress while nothing is computed
};

static const char stage_counting[] = "counting documents", stage_collecting[] = "collecting second moments";

typedef struct collector {
    ae_model *model;
    const ae_collect_options *options;
    const ae_hooks *hooks;
    char *output, *checkpoint, *lock_path;
    int lock;              // -1: nothing is written yet
    int64_t n_stream;      // documents in the texts
    int64_t n_chosen;      // documents to collect
    unsigned char *chosen; // [n_stream]; NULL: all
    ae_collected done;
    double checkpoint_seconds, last_checkpoint;
    ae_keys *keys; // NULL until the first batch

    // the batch: documents [starts[i], starts[i + 1]) of ids
    int32_t *ids;
    size_t n_ids, ids_capacity;
    size_t *starts;
    size_t n_documents, starts_capacity;
    int64_t n_empty; // chosen documents since the last batch that have no tokens
} collector;

// ---- what is asked for -----------------------------------------------------------------------------

static ae_status check_path_name(const char *what, const char *name) {
    if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT, "the %s '%s' cannot be a folder's name", what, name);
}

ae_status ae_dataset_check(const char *name) {
    const size_t room = sizeof((ae_hparams){0}).mom2_dataset;
    AE_TRY(check_path_name("dataset's name", name));
    if (strchr(name, '/')) return ae_fail(AE_ERR_ARGUMENT, "the dataset's name '%s' must not hold '/'", name);
    if (strlen(name) >= room)
        return ae_fail(AE_ERR_ARGUMENT, "the dataset's name '%s' is longer than %zu bytes", name, room - 1);
    json_t *text = json_string(name); // in which it is recorded
    json_decref(text);
    return text ? AE_OK : ae_fail(AE_ERR_ARGUMENT, "the dataset's name '%s' is not valid UTF-8", name);
}

static ae_status check_options(const ae_model *model, const ae_collect_options *o, const char *name,
                               const char *dataset) {
    if (o->layer < 0 || o->layer >= model->info.n_layer)
        return ae_fail(AE_ERR_ARGUMENT, "layer %d does not exist: '%s' has layers 0 to %d", o->layer,
                       model->info.name, model->info.n_layer - 1);
    if (o->n_texts == 0) return ae_fail(AE_ERR_ARGUMENT, "no text files to collect second moments over");
    if (o->n_samples < 0)
        return ae_fail(AE_ERR_ARGUMENT, "%" PRId64 " samples: expected 0 (all documents) or more",
                       o->n_samples);
    if (!o->output || !*o->output) return ae_fail(AE_ERR_ARGUMENT, "no output folder for the second moments");
    if (!isfinite(o->checkpoint_seconds) || o->checkpoint_seconds < 0)
        return ae_fail(AE_ERR_ARGUMENT, "a checkpoint every %g seconds: expected 0 or more",
                       o->checkpoint_seconds);
    AE_TRY(check_path_name("model's name", name));
    AE_TRY(ae_dataset_check(dataset));
    // C stays that of the unedited model; an edit changes the keys of the layers above its own.
    for (int l = 0; l < o->layer; l++)
        if (model->layers[l].edited)
            return ae_fail(
                AE_ERR_ARGUMENT,
                "layer %d of '%s' is edited: second moments of layer %d must come from the unedited model", l,
                model->info.name, o->layer);
    return AE_OK;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Everything that the sums depend on. The edited matrix stands for the weights: who trains a model changes
// all of it.
static ae_status find_identity(collector *c) {
    const ae_collect_options *o = c->options;
    char shape[AE_DIGEST_HEX], weights[AE_DIGEST_HEX];
    AE_TRY(ae_model_shape_sha256(c->model, shape));
    AE_TRY(ae_model_base_sha256(c->model, o->layer, weights));
    ae_text text = {0};
    ae_status status = ae_text_printf(&text, "%s %s layer %d samples %" PRId64 " batch %d\n", shape, weights,
                                      o->layer, o->n_samples, BATCH_TOKENS);
    for (size_t i = 0; status == AE_OK && i < o->n_texts; i++) {
        ae_map map;
        status = ae_map_open(o->texts[i], &map);
        if (status != AE_OK) break;
        status = ae_text_printf(&text, "%zu %s\n", map.size, base_name(o->texts[i]));
        ae_map_close(&map);
    }
    if (status == AE_OK) status = ae_sha256(text.data, text.length, c->done.identity);
    ae_free(text.data);
    return status;
}

static ae_status count_documents(collector *c) {
    ae_text_stream *stream = NULL;
    AE_TRY(ae_text_stream_open(c->options->texts, c->options->n_texts, &stream));
    const char *text;
    size_t length;
    ae_status status;
    while ((status = ae_text_stream_next(stream, &text, &length)) == AE_OK && text) {
        c->n_stream++;
        if (c->n_stream % COUNTING_REPORT == 0)
            AE_TRY_GOTO(done, ae_progress(c->hooks, stage_counting, (double)c->n_stream, 0, "documents"));
    }
done:
    ae_text_stream_close(stream);
    return status;
}

// The reference's choice: the first N document numbers of Python's shuffle.
static ae_status choose_documents(collector *c) {
    int64_t wanted = c->options->n_samples;
    if (c->n_stream == 0)
        return ae_fail(AE_ERR_FORMAT, "'%s'%s no documents to collect second moments over",
                       c->options->texts[0],
                       c->options->n_texts > 1 ? " and the files after it hold" : " holds");
    c->n_chosen = c->n_stream;
    if (wanted == 0) return AE_OK;
    if (wanted >= c->n_stream) {
        if (wanted > c->n_stream)
            ae_warn(c->hooks,
                    "%" PRId64 " samples were asked for, but the texts hold %" PRId64
                    " documents: all are used",
                    wanted, c->n_stream);
        return AE_OK;
    }
    if (c->n_stream > UINT32_MAX)
        return ae_fail(AE_ERR_UNSUPPORTED, "%" PRId64 " documents are more than can be sampled from",
                       c->n_stream);
    uint32_t *order = ae_alloc((size_t)c->n_stream, sizeof *order);
    c->chosen = ae_alloc((size_t)c->n_stream, sizeof *c->chosen);
    ae_status status =
        order && c->chosen ? ae_python_shuffle(SAMPLE_SEED, (uint32_t)c->n_stream, order) : AE_ERR_MEMORY;
    for (int64_t i = 0; status == AE_OK && i < wanted; i++)
        c->chosen[order[i]] = 1;
    if (status == AE_OK) c->n_chosen = wanted;
    ae_free(order);
    return status;
}

// ---- output and checkpoint -------------------------------------------------------------------------

// Before the first batch: an output that cannot be written should be known now, not hours later.
static ae_status make_folder(collector *c) {
    if (c->lock >= 0) return AE_OK;
    char *folder = ae_path_parent(c->output);
    if (!folder) return ae_no_memory();
    ae_status status = ae_folder_make(folder);
    if (status == AE_OK && access(folder, W_OK) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot write to folder '%s'", folder);
    ae_free(folder);
    return status == AE_OK ? ae_lock_take(c->lock_path, c->output, &c->lock) : status;
}

static ae_status resume(collector *c) {
    if (c->options->restart || !ae_path_exists(c->checkpoint)) return AE_OK;
    ae_status status = ae_collected_read(&c->done, c->checkpoint);
    if (status == AE_OK && (c->done.position > c->n_stream || c->done.n_documents > c->n_chosen))
        status = ae_fail(AE_ERR_FORMAT,
                         "checkpoint '%s' is damaged: it is behind document %" PRId64 " of %" PRId64,
                         c->checkpoint, c->done.position, c->n_stream);
    if (status == AE_ERR_MEMORY) return status;
    if (status != AE_OK)
        return ae_fail(
            status,
            "cannot go on where a collection was interrupted: %s. Start afresh (--restart), or remove "
            "the checkpoint",
            ae_last_error());
    return AE_OK;
}

static ae_status write_checkpoint(collector *c) {
    c->last_checkpoint = ae_seconds();
    AE_TRY(ae_checkpoint_check(c->model->checkpoint));
    return ae_collected_write(&c->done, c->checkpoint);
}

// The checkpoint, and what a kill left of one that was being written ("<checkpoint>.tmp-XXXXXX"): they can be
// large.
static void remove_checkpoint(collector *c) {
    const char *name = strrchr(c->checkpoint, '/') + 1;
    char *folder = ae_strndup(c->checkpoint, (size_t)(name - c->checkpoint)), **names = NULL;
    size_t n_names = 0, n = strlen(name);
    if (folder && ae_folder_list(folder, &names, &n_names) != AE_OK) n_names = 0;
    for (size_t i = 0; i < n_names; i++) {
        if (strncmp(names[i], name, n) != 0 ||
            (names[i][n] != '\0' && strncmp(names[i] + n, ".tmp-", 5) != 0))
            continue;
        char *path = ae_path_join(folder, names[i]);
        if (!path || unlink(path) != 0)
            ae_warn(c->hooks, "the checkpoint '%s%s' is done with but could not be removed", folder,
                    names[i]);
        ae_free(path);
    }
    ae_folder_list_free(names, n_names);
    ae_free(folder);
}

static ae_status write_output(collector *c) {
    AE_TRY(ae_checkpoint_check(c->model->checkpoint));
    AE_TRY(ae_moment_write(c->output, c->done.sum, c->done.n, c->done.n_tokens, c->options->n_samples));
    if (c->done.n_tokens < c->done.n)
        ae_warn(c->hooks,
                "only %" PRId64
                " tokens were seen, fewer than the %d entries of a key: these second moments cannot be "
                "inverted without --ridge; collect over more text",
                c->done.n_tokens, c->done.n);
    remove_checkpoint(c);
    return AE_OK;
}

// ---- collecting ------------------------------------------------------------------------------------

// A key that is not finite must not get into the sums, nor they into a checkpoint.
static ae_status check_keys(const collector *c, const float *keys, const int32_t *const *ids,
                            const int32_t *lengths) {
    int64_t bad = -1;
    AE_TRY(c->model->backend->all_finite(c->model->backend, keys, c->n_ids * (size_t)c->done.n, &bad));
    if (bad < 0) return AE_OK;
    const size_t token = (size_t)bad / (size_t)c->done.n;
    size_t i = 0;
    while (i + 1 < c->n_documents && c->starts[i + 1] <= token)
        i++;
    char what[120]; // which of those between are empty is not known here
    snprintf(what, sizeof what, "a key at layer %d, near document %" PRId64 " of those chosen,",
             c->options->layer, c->done.n_documents + (int64_t)i + 1);
    return ae_model_blame_at(c->model, what, ids[i], lengths[i]);
}

// No sum of products is larger than the larger one of the two sums of squares: looking at these is enough.
// The file holds float32, and so does a batch's product, whose overflow is in the sums by now.
static ae_status check_sums(const collector *c) {
    for (size_t i = 0, n = (size_t)c->done.n; i < n; i++) {
        const double sum = c->done.sum[i * n + i];
        if (!(sum <= (double)FLT_MAX / 2))
            return ae_fail(AE_ERR_NUMERIC,
                           "layer %d: the sum of squares of the keys' entry %zu over %" PRId64
                           " tokens is %g, too large for float32: the keys of '%s' are out of all proportion",
                           c->options->layer, i, c->done.n_tokens + (int64_t)c->n_ids, sum,
                           c->model->info.name);
    }
    return AE_OK;
}

static ae_status add_keys(collector *c) {
    ae_model *model = c->model;
    ae_backend *be = model->backend;
    int32_t n_rows = (int32_t)c->n_ids, n_sequences = (int32_t)c->n_documents;
    const float *keys = NULL;
    const int32_t **ids = ae_alloc(c->n_documents, sizeof *ids);
    int32_t *lengths = ae_alloc(c->n_documents, sizeof *lengths);
    ae_status status = ids && lengths ? AE_OK : AE_ERR_MEMORY;
    for (size_t i = 0; status == AE_OK && i < c->n_documents; i++) {
        size_t end = i + 1 < c->n_documents ? c->starts[i + 1] : c->n_ids;
        ids[i] = c->ids + c->starts[i];
        lengths[i] = (int32_t)(end - c->starts[i]);
    }
    if (status == AE_OK && !c->keys) status = ae_keys_new(model, c->options->layer, &c->keys);
    if (status == AE_OK) status = ae_keys_of(c->keys, ids, lengths, n_sequences, &keys);
    if (status == AE_OK) status = check_keys(c, keys, ids, lengths);
    if (status == AE_OK) status = be->second_moment(be, c->done.sum, keys, c->done.n, n_rows, c->done.n);
    if (status == AE_OK) status = check_sums(c);
    ae_free(lengths);
    ae_free(ids);
    return status;
}

// Computes the batch and empties it. `position`: documents of the stream that are behind us once that is
// done.
static ae_status flush(collector *c, int64_t position) {
    if (c->n_documents > 0) {
        AE_TRY(make_folder(c));
        AE_TRY(add_keys(c));
    }
    c->done.n_tokens += (int64_t)c->n_ids;
    c->done.n_documents += (int64_t)c->n_documents + c->n_empty;
    c->done.position = position;
    c->n_ids = c->n_documents = 0;
    c->n_empty = 0;
    return AE_OK;
}

// Between two batches: tell, and keep what there is.
static ae_status rest(collector *c) {
    ae_status status = ae_progress(c->hooks, stage_collecting, (double)c->done.n_documents,
                                   (double)c->n_chosen, "documents");
    if (status != AE_OK) {
        AE_TRY(write_checkpoint(c));
        return ae_fail(status,
                       "collecting second moments was stopped after %" PRId64 " of %" PRId64
                       " documents; the same command%s goes on from there",
                       c->done.n_documents, c->n_chosen, c->options->restart ? " without --restart" : "");
    }
    if (ae_seconds() - c->last_checkpoint >= c->checkpoint_seconds) return write_checkpoint(c);
    return AE_OK;
}

// Adds a document to the batch, after computing the batch where it would grow too long.
static ae_status add_document(collector *c, int64_t number, const char *text, size_t length) {
    size_t start = c->n_ids;
    AE_TRY(ae_tokenizer_encode(c->model->tokenizer, text, length, &c->ids, &c->n_ids, &c->ids_capacity));
    size_t n = c->n_ids - start, n_ctx = (size_t)c->model->info.n_ctx;
    if (n > n_ctx) n = n_ctx;
    if (n == 0) {
        c->n_empty++;
        return AE_OK;
    }
    if (c->n_documents > 0 && start + n > BATCH_TOKENS) {
        c->n_ids = start;
        AE_TRY(flush(c, number));
        memmove(c->ids, c->ids + start, n * sizeof *c->ids);
        start = 0;
        AE_TRY(rest(c));
    }
    AE_TRY(ae_grow((void **)&c->starts, &c->starts_capacity, c->n_documents + 1, sizeof *c->starts));
    c->starts[c->n_documents++] = start;
    c->n_ids = start + n;
    return AE_OK;
}

static ae_status collect(collector *c) {
    ae_text_stream *stream = NULL;
    AE_TRY(ae_text_stream_open(c->options->texts, c->options->n_texts, &stream));
    const char *text;
    size_t length;
    ae_status status = AE_OK;
    int64_t number = 0;
    for (; (status = ae_text_stream_next(stream, &text, &length)) == AE_OK && text; number++) {
        if (number < c->done.position) {
            if (number % COUNTING_REPORT == 0)
                AE_TRY_GOTO(done, ae_progress(c->hooks, stage_collecting, (double)c->done.n_documents,
                                              (double)c->n_chosen, "documents"));
        } else if (number < c->n_stream && (!c->chosen || c->chosen[number])) {
            AE_TRY_GOTO(done, add_document(c, number, text, length));
        }
    }
    if (status != AE_OK) goto done;
    if (number != c->n_stream)
        AE_TRY_GOTO(done,
                    ae_fail(AE_ERR_IO, "'%s' changed while it was read: %" PRId64 " documents, then %" PRId64,
                            c->options->texts[0], c->n_stream, number));
    AE_TRY_GOTO(done, flush(c, number));
    if (c->done.n_tokens == 0)
        AE_TRY_GOTO(done, ae_fail(AE_ERR_FORMAT, "the %" PRId64 " documents of '%s' hold no tokens",
                                  c->n_chosen, c->options->texts[0]));
    AE_TRY_GOTO(done, rest(c));
done:
    ae_text_stream_close(stream);
    return status;
}

ae_status ae_moment_collect(ae_model *model, const ae_collect_options *options, const ae_hooks *hooks,
                            char **path) {
    const char *name = options->name ? options->name : model->info.name;
    const char *dataset = options->dataset ? options->dataset : "text";
    AE_TRY(check_options(model, options, name, dataset));
    collector c = {.model = model,
                   .options = options,
                   .hooks = hooks,
                   .lock = -1,
                   .done = {.n = model->config.d_mlp},
                   .checkpoint_seconds = options->checkpoint_seconds > 0 ? options->checkpoint_seconds : 180};
    ae_status status = AE_OK;
    c.output =
        ae_moment_path(options->output, name, dataset, model, options->layer, "float32", options->n_samples);
    c.checkpoint = c.output ? ae_format("%s.partial", c.output) : NULL;
    c.lock_path = c.output ? ae_format("%s.lock", c.output) : NULL;
    if (!c.checkpoint || !c.lock_path) AE_TRY_GOTO(done, ae_no_memory());
    // One that is being replaced still has its checkpoint.
    if (!options->restart && ae_path_exists(c.output) && !ae_path_exists(c.checkpoint)) {
        if (!options->keep_finished)
            AE_TRY_GOTO(done,
                        ae_fail(AE_ERR_ARGUMENT,
                                "'%s' is there already; use it, or collect anew (--restart) to replace it",
                                c.output));
        ae_warn(hooks, "'%s' is there already and stays as it is; --restart collects it anew", c.output);
        goto finished;
    }
    AE_TRY_GOTO(done, find_identity(&c));
    AE_TRY_GOTO(done, count_documents(&c));
    AE_TRY_GOTO(done, choose_documents(&c));
    c.done.sum = ae_alloc((size_t)c.done.n * (size_t)c.done.n, sizeof *c.done.sum);
    if (!c.done.sum) AE_TRY_GOTO(done, ae_no_memory());
    AE_TRY_GOTO(done, resume(&c));
    c.last_checkpoint = ae_seconds();
    AE_TRY_GOTO(done, collect(&c));
    AE_TRY_GOTO(done, write_output(&c));
finished:
    *path = c.output;
    c.output = NULL;
done:
    if (c.lock >= 0) ae_lock_release(c.lock_path, c.lock);
    ae_free(c.lock_path);
    ae_keys_free(c.keys);
    ae_free(c.output);
    ae_free(c.checkpoint);
    ae_free(c.chosen);
    ae_free(c.done.sum);
    ae_free(c.ids);
    ae_free(c.starts);
    return status;
}
