// edit: exports: only the edited bytes differ, nothing half-written, nothing stale, and the adapter's product
// is the sum.
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "format/safetensors.h"
#include "made_up_edit.h"
#include "torch_writer.h"

static char *join(const char *folder, const char *name) {
    char *path = ae_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void write_text(const char *folder, const char *name, const char *text) {
    char *path = join(folder, name);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    ae_free(path);
}

static void read_file(const char *folder, const char *name, char **bytes, size_t *length) {
    char *path = join(folder, name);
    assert_ok(ae_file_read(path, 16 << 20, bytes, length));
    ae_free(path);
}

static void assert_same_file(const char *a, const char *b, const char *name) {
    char *x, *y;
    size_t n, m;
    read_file(a, name, &x, &n);
    read_file(b, name, &y, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    ae_free(x);
    ae_free(y);
}

static void assert_absent(const char *folder, const char *name) {
    char *path = join(folder, name);
    assert_false(ae_path_exists(path));
    ae_free(path);
}

// Edits layer by layer, without a journal.
static void edit_layers(ae_model *model, const int *layers, int n, uint64_t seed) {
    ae_edit *edit = made_up_edit(model, layers, n, seed);
    for (int i = 0; i < n; i++)
        assert_ok(ae_model_add_rank_one(model, layers[i], edit->layers[i].u, edit->layers[i].right));
    ae_edit_free(edit);
}

// The exported folder, opened, holds each matrix as `model` has it, rounded as stored; returns the largest
// rounding error.
static double assert_holds(const char *folder, ae_model *model, ae_dtype dtype) {
    ae_model *back = NULL;
    assert_ok(ae_model_open(folder, &(ae_model_options){.n_threads = 1}, &back));
    const size_t n = (size_t)model->info.d_mlp * (size_t)model->info.d_model;
    float *now = ae_alloc(n, sizeof *now), *stored = ae_alloc(n, sizeof *stored);
    unsigned char *rounded = ae_alloc(n, sizeof(float));
    double error = 0;
    for (int layer = 0; layer < model->info.n_layer; layer++) {
        assert_ok(ae_model_get_mlp_out(model, layer, now));
        assert_ok(ae_model_get_mlp_out(back, layer, stored));
        ae_float_to_dtype(now, (int64_t)n, dtype, rounded);
        const ae_tensor *tensor = back->layers[layer].mlp_out_tensor;
        assert_int_equal(tensor->dtype, dtype);
        assert_memory_equal(tensor->data, rounded, tensor->n_bytes);
        for (size_t i = 0; i < n; i++)
            error = fmax(error, fabs((double)stored[i] - (double)now[i]));
    }
    ae_free(now);
    ae_free(stored);
    ae_free(rounded);
    ae_model_free(back);
    return error;
}

// ---- safetensors bases -----------------------------------------------------------------------------

// All bytes of the weight file but those of the edited layers' matrices; in these, at least half must differ.
static void assert_only_edited_bytes_differ(const char *base, const char *output, const ae_model *model,
                                            const char *file) {
    char *x, *y;
    size_t n, m;
    read_file(base, file, &x, &n);
    read_file(output, file, &y, &m);
    assert_int_equal(n, m);
    for (int layer = 0; layer < model->info.n_layer; layer++) {
        const ae_tensor *t = model->layers[layer].mlp_out_tensor;
        if (!model->layers[layer].edited ||
            strcmp(ae_checkpoint_file(model->checkpoint, (size_t)t->file), file) != 0)
            continue;
        assert_memory_equal(x + t->offset, t->data, t->n_bytes);
        size_t differing = 0;
        for (size_t i = 0; i < t->n_bytes; i++)
            differing += x[t->offset + i] != y[t->offset + i];
        if (differing * 2 < t->n_bytes)
            fail_msg("layer %d: %zu of %zu bytes differ", layer, differing, t->n_bytes);
        memcpy(y + t->offset, x + t->offset, t->n_bytes);
    }
    assert_memory_equal(x, y, n);
    ae_free(x);
    ae_free(y);
}

static void only_edited_bytes_differ(void **state) {
    static const ae_dtype types[] = {AE_F32, AE_F16, AE_BF16};
    static const char *const families[] = {"gpt2", "gptj"};
    for (int i = 0; i < 6; i++) {
        const ae_dtype dtype = types[i / 2];
        char name[32];
        snprintf(name, sizeof name, "base-%d", i);
        ae_model *model = open_tiny(*state, name, families[i % 2], dtype, 5);
        char *output = ae_format("%s/new/out-%d", (char *)*state, i); // the folder above is made
        edit_layers(model, (int[]){0, 2}, 2, 11);
        double error = -1;
        assert_ok(ae_export_hf(model, output, NULL, &error));
        assert_only_edited_bytes_differ(model->info.folder, output, model, "model.safetensors");
        assert_folder(output, "config.json generation_config.json merges.txt model.safetensors "
                              "tokenizer_config.json vocab.json");
        assert_same_file(model->info.folder, output, "config.json");
        assert_same_file(model->info.folder, output, "vocab.json");
        const double expected = assert_holds(output, model, dtype);
        assert_true(error == expected);
        if (dtype == AE_F32)
            assert_true(error == 0);
        else
            assert_true(error > 1e-6 && error < 0.02);
        print_message("%s %s: largest rounding error %.3g\n", families[i % 2], ae_dtype_name(dtype), error);
        ae_free(output);
        ae_model_free(model);
    }
    char *above = join(*state, "new"); // no temporary folder is left
    assert_folder(above, "out-0 out-1 out-2 out-3 out-4 out-5");
    ae_free(above);
}

// A matrix of more than the 65536 values that are converted at a time.
static void large_matrices_are_converted_piece_by_piece(void **state) {
    char *folder = join(*state, "wide"), *output = join(*state, "out");
    assert_int_equal(make_wide_tiny_model(folder, "gpt2", AE_F16, 5, 9001), 0);
    ae_model *model = NULL;
    assert_ok(ae_model_open(folder, NULL, &model));
    edit_layers(model, (int[]){1}, 1, 11);
    double error = -1;
    assert_ok(ae_export_hf(model, output, NULL, &error));
    assert_only_edited_bytes_differ(folder, output, model, "model.safetensors");
    assert_true(error == assert_holds(output, model, AE_F16));
    ae_model_free(model);
    ae_free(folder);
    ae_free(output);
}

static void an_unedited_model_is_copied(void **state) {
    ae_model *model = open_tiny(*state, "base", "gpt2", AE_F16, 5);
    char *output = join(*state, "out");
    double error = -1;
    assert_ok(ae_folder_make(output)); // an empty folder is as good as none
    assert_ok(ae_export_hf(model, output, NULL, &error));
    assert_same_file(model->info.folder, output, "model.safetensors");
    assert_true(error == 0);
    ae_free(output);
    ae_model_free(model);
}

// The base in `n` shards with an index, all of it behind symbolic links as in the hub's cache.
static void make_sharded(const char *folder, const char *blobs, size_t n) {
    assert_int_equal(make_tiny_model(blobs, "gpt2", AE_F32, 5), 0);
    char *whole = join(blobs, "model.safetensors");
    ae_safetensors *file = NULL;
    assert_ok(ae_safetensors_open(whole, &file));
    json_t *map = json_object();
    const size_t count = ae_safetensors_count(file);
    for (size_t shard = 0; shard < n; shard++) {
        char name[64];
        snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", shard + 1, n);
        ae_tensor tensors[TINY_MAX_TENSORS];
        size_t held = 0;
        for (size_t i = shard * count / n; i < (shard + 1) * count / n; i++) {
            tensors[held++] = *ae_safetensors_at(file, i);
            json_object_set_new(map, tensors[held - 1].name, json_string(name));
        }
        char *path = join(blobs, name);
        assert_ok(ae_safetensors_write(path, tensors, held, NULL));
        ae_free(path);
    }
    ae_safetensors_close(file);
    assert_int_equal(unlink(whole), 0);
    ae_free(whole);
    assert_int_equal(tiny_write_json(blobs, "model.safetensors.index.json",
                                     json_pack("{s:{}, s:o}", "metadata", "weight_map", map)),
                     0);
    assert_ok(ae_folder_make(folder));
    char **names = NULL;
    size_t n_names = 0;
    assert_ok(ae_folder_list(blobs, &names, &n_names));
    for (size_t i = 0; i < n_names; i++) {
        char *target = join(blobs, names[i]), *link = join(folder, names[i]);
        assert_int_equal(symlink(target, link), 0);
        ae_free(target);
        ae_free(link);
    }
    ae_folder_list_free(names, n_names);
}

static void shards_and_links_are_followed(void **state) {
    // As the hub's cache has them.
    char *folder = join(*state, "models--x--y/snapshots/abc"), *blobs = join(*state, "models--x--y/blobs"),
         *output = join(*state, "out");
    assert_ok(ae_folder_make(blobs));
    make_sharded(folder, blobs, 3);
    ae_model *model = NULL;
    assert_ok(ae_model_open(folder, NULL, &model));
    edit_layers(model, (int[]){0, 1, 2}, 3, 4);
    assert_ok(ae_export_hf(model, output, NULL, NULL));
    assert_folder(output, "config.json generation_config.json merges.txt model-00001-of-00003.safetensors "
                          "model-00002-of-00003.safetensors model-00003-of-00003.safetensors "
                          "model.safetensors.index.json tokenizer_config.json vocab.json");
    static const char *const shards[] = {"model-00001-of-00003.safetensors",
                                         "model-00002-of-00003.safetensors",
                                         "model-00003-of-00003.safetensors"};
    for (int i = 0; i < 3; i++) {
        assert_only_edited_bytes_differ(folder, output, model, shards[i]);
        char *path = join(output, shards[i]);
        struct stat info;
        assert_int_equal(lstat(path, &info), 0);
        assert_true(S_ISREG(info.st_mode));
        ae_free(path);
    }
    assert_same_file(folder, output, "model.safetensors.index.json");
    assert_true(assert_holds(output, model, AE_F32) == 0);
    ae_model_free(model);
    ae_free(folder);
    ae_free(blobs);
    ae_free(output);
}

static void unedited_copies_do_not_travel_along(void **state) {
    ae_model *model = open_tiny(*state, "base", "gpt2", AE_F32, 5);
    const char *base = model->info.folder;
    static const char *const stale[] = {"pytorch_model.bin",
                                        "pytorch_model.bin.index.json",
                                        "tf_model.h5",
                                        "flax_model.msgpack",
                                        "rust_model.ot",
                                        "decoder_model.ONNX",
                                        "model.fp16.safetensors",
                                        "model.safetensors.index.json",
                                        "gpt2.Q4_0.gguf",
                                        "model.ckpt.data-00000-of-00001"};
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        write_text(base, stale[i], "old weights");
    write_text(base, "README.md", "a model");
    write_text(base, ".gitattributes", "");
    char *folder = join(base, "onnx"), *output = join(*state, "out");
    assert_ok(ae_folder_make(folder));
    write_text(folder, "decoder.json", "{}");
    edit_layers(model, (int[]){1}, 1, 4);
    ae_text heard = {0};
    const ae_hooks hooks = {.user = &heard, .warn = keep_warning};
    assert_ok(ae_export_hf(model, output, &hooks, NULL));
    assert_folder(output,
                  ".gitattributes README.md config.json generation_config.json merges.txt model.safetensors "
                  "tokenizer_config.json vocab.json");
    assert_same_file(base, output, "README.md");
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
        char *line = ae_format("'%s' is left out of the export", stale[i]);
        if (!strstr(heard.data, line)) fail_msg("no warning of %s", stale[i]);
        ae_free(line);
    }
    ae_free(heard.data);
    ae_free(folder);
    ae_free(output);
    ae_model_free(model);
}

// ---- torch bases -----------------------------------------------------------------------------------

// gpt2 as torch.save leaves it: lm_head is a second name of the embedding; a byte mask travels along.
static void make_torch(const char *folder, int n_files, ae_dtype dtype) {
    assert_ok(ae_folder_make(folder));
    assert_int_equal(tiny_write_rest(folder, "gpt2", dtype), 0);
    tiny_tensors list;
    assert_int_equal(tiny_make_tensors(&list, "gpt2", dtype, 5), 0);
    const size_t own = list.count;
    const ae_tensor embedding = list.tensor[0];
    static const unsigned char mask[3] = {1, 0, 1};
    // The alias comes first, in the dictionary and by name, and is still the one to go; the mask's odd size
    // comes before the weights, which must not be displaced by it.
    memmove(list.tensor + 2, list.tensor, own * sizeof *list.tensor);
    list.tensor[0] = embedding;
    list.tensor[0].name = "lm_head.weight";
    list.tensor[1] = (ae_tensor){.name = "transformer.h.0.attn.bias",
                                 .dtype = AE_U8,
                                 .n_dim = 2,
                                 .shape = {1, 3},
                                 .n_bytes = 3,
                                 .data = mask};
    const size_t count = own + 2;
    json_t *map = json_object();
    for (int file = 0; file < n_files; file++) {
        char name[64];
        if (n_files == 1)
            snprintf(name, sizeof name, "pytorch_model.bin");
        else
            snprintf(name, sizeof name, "pytorch_model-%05d-of-%05d.bin", file + 1, n_files);
        const size_t first = (size_t)file * count / (size_t)n_files,
                     last = (size_t)(file + 1) * count / (size_t)n_files;
        char *path = join(folder, name);
        assert_int_equal(write_torch_bin(path, list.tensor + first, last - first), 0);
        for (size_t i = first; i < last; i++)
            json_object_set_new(map, list.tensor[i].name, json_string(name));
        ae_free(path);
    }
    json_t *index = json_pack("{s:{}, s:o}", "metadata", "weight_map", map);
    if (n_files > 1)
        assert_int_equal(tiny_write_json(folder, "pytorch_model.bin.index.json", index), 0);
    else
        json_decref(index);
    for (size_t i = 0; i < own; i++)
        ae_free((void *)(uintptr_t)list.tensor[i + 2].data);
}

// Every tensor but the alias has come over, bytes unchanged but for the edited ones; returns how many there
// are.
static size_t assert_same_tensors(const ae_model *model, const char *output) {
    ae_checkpoint *there = NULL;
    assert_ok(ae_checkpoint_open(output, &there));
    assert_true(ae_checkpoint_is_safetensors(there));
    const size_t count = ae_checkpoint_count(there);
    for (size_t i = 0; i < ae_checkpoint_count(model->checkpoint); i++) {
        const ae_tensor *old = ae_checkpoint_at(model->checkpoint, i),
                        *new = ae_checkpoint_find(there, old->name);
        if (strcmp(old->name, "lm_head.weight") == 0) {
            assert_null(new);
            continue;
        }
        assert_non_null(new);
        assert_int_equal(new->dtype, old->dtype);
        assert_int_equal(new->n_dim, old->n_dim);
        assert_memory_equal(new->shape, old->shape, (size_t)old->n_dim * sizeof *old->shape);
        assert_int_equal((uintptr_t) new->data % ae_dtype_size(new->dtype), 0);
        if (old->data == model->layers[1].mlp_out_tensor->data)
            assert_memory_not_equal(new->data, old->data, old->n_bytes);
        else
            assert_memory_equal(new->data, old->data, old->n_bytes);
    }
    ae_checkpoint_close(there);
    return count;
}

static void torch_bases_become_safetensors(void **state) {
    for (int n_files = 1; n_files <= 2; n_files++) {
        const ae_dtype dtype = n_files == 1 ? AE_F32 : AE_F16;
        char *folder = ae_format("%s/torch-%d", (char *)*state, n_files),
             *output = ae_format("%s/out-%d", (char *)*state, n_files);
        make_torch(folder, n_files, dtype);
        ae_model *model = NULL;
        assert_ok(ae_model_open(folder, NULL, &model));
        edit_layers(model, (int[]){1}, 1, 4);
        double error = -1;
        ae_text heard = {0};
        assert_ok(ae_text_append(&heard, "", 0));
        const ae_hooks hooks = {.user = &heard, .warn = keep_warning};
        assert_ok(ae_export_hf(model, output, &hooks, &error));
        assert_string_equal(heard.data, ""); // the torch files are not left out, they are what was written
        ae_free(heard.data);
        assert_folder(
            output,
            n_files == 1
                ? "config.json generation_config.json merges.txt model.safetensors tokenizer_config.json "
                  "vocab.json"
                : "config.json generation_config.json merges.txt model-00001-of-00002.safetensors "
                  "model-00002-of-00002.safetensors model.safetensors.index.json tokenizer_config.json "
                  "vocab.json");
        assert_int_equal(assert_same_tensors(model, output), ae_checkpoint_count(model->checkpoint) - 1);
        assert_true(error == assert_holds(output, model, dtype));
        assert_true(n_files == 1 ? error == 0 : error > 0);
        char *path = join(output, n_files == 1 ? "model.safetensors" : "model-00002-of-00002.safetensors");
        ae_safetensors *file = NULL;
        assert_ok(ae_safetensors_open(path, &file));
        assert_string_equal(json_string_value(json_object_get(ae_safetensors_metadata(file), "format")),
                            "pt");
        ae_safetensors_close(file);
        ae_free(path);
        if (n_files == 2) {
            char *index_path = join(output, "model.safetensors.index.json");
            json_t *index = NULL;
            assert_ok(ae_json_load(index_path, 1 << 20, &index));
            int64_t total = 0;
            assert_ok(ae_json_int("index", json_object_get(index, "metadata"), "total_size", true, 0,
                                  INT64_MAX, &total));
            int64_t expected = 0;
            for (size_t i = 0; i < ae_checkpoint_count(model->checkpoint); i++)
                expected += (int64_t)ae_checkpoint_at(model->checkpoint, i)->n_bytes;
            assert_int_equal(
                total, expected - (int64_t)ae_checkpoint_find(model->checkpoint, "lm_head.weight")->n_bytes);
            json_decref(index);
            ae_free(index_path);
        }
        ae_model_free(model);
        ae_free(folder);
        ae_free(output);
    }
}

// ---- refusals --------------------------------------------------------------------------------------

static void what_is_there_is_not_overwritten(void **state) {
    ae_model *model = open_tiny(*state, "base", "gpt2", AE_F32, 5);
    edit_layers(model, (int[]){1}, 1, 4);
    char *output = join(*state, "out"), *slashed = join(*state, "out//");
    assert_ok(ae_folder_make(output));
    write_text(output, "mine.txt", "precious");
    assert_fails(ae_export_hf(model, output, NULL, NULL), AE_ERR_ARGUMENT,
                 "exists and is not empty (it holds 'mine.txt')");
    assert_fails(ae_export_hf(model, slashed, NULL, NULL), AE_ERR_ARGUMENT, "exists and is not empty");
    assert_fails(ae_export_hf(model, model->info.folder, NULL, NULL), AE_ERR_ARGUMENT,
                 "exists and is not empty");
    assert_folder(output, "mine.txt");
    char *file = join(output, "mine.txt"), *below = join(file, "out");
    assert_fails(ae_export_hf(model, file, NULL, NULL), AE_ERR_ARGUMENT, "exists and is not a folder");
    assert_fails(ae_export_hf(model, below, NULL, NULL), AE_ERR_IO, "mine.txt");
    assert_fails(ae_export_hf(model, "", NULL, NULL), AE_ERR_ARGUMENT, "name is empty");
    assert_folder(*state, "base out");
    ae_free(file);
    ae_free(below);
    ae_free(output);
    ae_free(slashed);
    ae_model_free(model);
}

static void values_too_large_for_the_stored_type_are_refused(void **state) {
    ae_model *model = open_tiny(*state, "base", "gpt2", AE_F16, 5);
    char *output = join(*state, "out");
    float u[TINY_MLP] = {[3] = 1}, right[TINY_D] = {[7] = 70000};
    assert_ok(ae_model_add_rank_one(model, 2, u, right));
    double error = -1;
    assert_fails(ae_export_hf(model, output, NULL, &error), AE_ERR_NUMERIC,
                 "tensor 'transformer.h.2.mlp.c_proj.weight': the edited value 69999.9");
    assert_non_null(strstr(ae_last_error(), "at element 55 is too large for F16")); // 3 * 16 + 7
    assert_true(error == -1);
    ae_model_restore(model);
    right[7] = INFINITY;
    assert_ok(ae_model_add_rank_one(model, 1, u, right));
    assert_fails(ae_export_hf(model, output, NULL, NULL), AE_ERR_NUMERIC,
                 "tensor 'transformer.h.1.mlp.c_proj.weight' holds ");
    assert_folder(*state, "base");
    ae_free(output);
    ae_model_free(model);
}

typedef struct stopper {
    int calls, stop_at;
    double last;
} stopper;

static bool stop_progress(void *user, const char *stage, double done, double total, const char *unit) {
    stopper *s = user;
    assert_string_equal(stage, "writing weights");
    assert_string_equal(unit, "bytes");
    assert_true(done > s->last && done <= total);
    s->last = done;
    return ++s->calls != s->stop_at;
}

static void a_stopped_export_leaves_nothing(void **state) {
    ae_model *model = open_tiny(*state, "base", "gpt2", AE_F32, 5);
    edit_layers(model, (int[]){0, 1}, 2, 4);
    char *output = join(*state, "out");
    stopper s = {.stop_at = 2};
    const ae_hooks hooks = {.user = &s, .progress = stop_progress};
    assert_int_equal(ae_export_hf(model, output, &hooks, NULL), AE_ERR_CANCELLED);
    assert_int_equal(s.calls, 2);
    assert_folder(*state, "base");
    s = (stopper){.stop_at = -1};
    assert_ok(ae_export_hf(model, output, &hooks, NULL));
    assert_true(s.last == (double)model->info.n_bytes);
    ae_free(output);
    ae_model_free(model);
}

static void lack_of_memory_leaves_nothing(void **state) {
    ae_model *model = open_tiny(*state, "base", "gpt2", AE_F32, 5);
    edit_layers(model, (int[]){1}, 1, 4);
    char *output = join(*state, "out"), *folder = join(*state, "journal"), *adapter = join(*state, "adapter");
    for (uint64_t n = 1;; n++) {
        ae_memory_fail_at(n);
        ae_status status = ae_export_hf(model, output, NULL, NULL);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_folder(*state, "base");
    }
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(folder, model, true, false, &journal));
    append_made_up(journal, model, (int[]){1}, 1, 1);
    for (uint64_t n = 1;; n++) {
        ae_memory_fail_at(n);
        ae_status status = ae_export_lora(journal, model, adapter);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_folder(*state, "base journal out");
    }
    ae_journal_close(journal);
    ae_free(folder);
    ae_free(adapter);
    ae_free(output);
    ae_model_free(model);
}

// ---- LoRA ------------------------------------------------------------------------------------------

static const ae_tensor *find(const ae_safetensors *file, const char *name) {
    const ae_tensor *t = ae_safetensors_find(file, name);
    if (!t) fail_msg("no tensor '%s'", name);
    return t;
}

// Row k of A is u, column k of B is right, of the k-th active edit of the layer; both by bits.
static void assert_matrices(const ae_journal *journal, const ae_safetensors *file, const char *module,
                            int layer, int rank) {
    char name[200];
    snprintf(name, sizeof name, "base_model.model.%s.lora_A.weight", module);
    const ae_tensor *a = find(file, name);
    snprintf(name, sizeof name, "base_model.model.%s.lora_B.weight", module);
    const ae_tensor *b = find(file, name);
    assert_int_equal(a->dtype, AE_F32);
    assert_int_equal(b->dtype, AE_F32);
    assert_int_equal(a->n_dim, 2);
    assert_int_equal(b->n_dim, 2);
    assert_int_equal(a->shape[0], rank);
    assert_int_equal(a->shape[1], TINY_MLP);
    assert_int_equal(b->shape[0], TINY_D);
    assert_int_equal(b->shape[1], rank);
    const float *rows = a->data, *columns = b->data;
    int k = 0;
    for (size_t i = 0; i < ae_journal_count(journal); i++) {
        ae_journal_entry entry;
        assert_ok(ae_journal_get(journal, i, &entry));
        for (int j = 0; !entry.reverted && j < entry.edit->n_layers; j++) {
            const ae_layer_edit *edit = &entry.edit->layers[j];
            if (edit->layer != layer) continue;
            assert_memory_equal(rows + k * TINY_MLP, edit->u, TINY_MLP * sizeof *rows);
            for (int d = 0; d < TINY_D; d++)
                assert_memory_equal(&columns[d * rank + k], &edit->right[d], sizeof *columns);
            k++;
        }
    }
    assert_int_equal(k, rank);
}

static json_t *load_config(const char *output) {
    char *path = join(output, "adapter_config.json");
    json_t *config = NULL;
    assert_ok(ae_json_load(path, 1 << 20, &config));
    ae_free(path);
    return config;
}

static void adapters_hold_the_active_edits(void **state) {
    static const char *const families[] = {"gpt2", "gptj"};
    static const char *const modules[] = {"transformer.h.%d.mlp.c_proj", "transformer.h.%d.mlp.fc_out"};
    for (int i = 0; i < 2; i++) {
        ae_model *model = open_tiny(*state, families[i], families[i], AE_F16, 5);
        char *folder = ae_format("%s/journal-%d", (char *)*state, i),
             *output = ae_format("%s/adapter-%d", (char *)*state, i);
        ae_journal *journal = NULL;
        assert_ok(ae_journal_open(folder, model, true, false, &journal));
        assert_fails(ae_export_lora(journal, model, output), AE_ERR_ARGUMENT, "has no active entries");
        append_made_up(journal, model, (int[]){1}, 1, 1);
        append_made_up(journal, model, (int[]){0, 1}, 2, 2);
        append_made_up(journal, model, (int[]){1}, 1, 3);
        append_made_up(journal, model, (int[]){1}, 1, 4);
        append_made_up(journal, model, (int[]){2}, 1, 5);
        assert_ok(ae_journal_revert(journal, 3));
        assert_ok(ae_journal_revert(journal, 5));
        assert_ok(ae_export_lora(journal, model, output)); // layer 0: rank 1; layer 1: rank 3; layer 2: none
        assert_folder(output, "adapter_config.json adapter_model.safetensors");
        assert_null(model->layers[1].edited); // the model is as it was

        char *path = join(output, "adapter_model.safetensors"), module[2][64];
        ae_safetensors *file = NULL;
        assert_ok(ae_safetensors_open(path, &file));
        assert_int_equal(ae_safetensors_count(file), 4);
        for (int layer = 0; layer < 2; layer++) {
            snprintf(module[layer], sizeof module[layer], i ? modules[1] : modules[0], layer);
            assert_matrices(journal, file, module[layer], layer, layer == 0 ? 1 : 3);
        }
        ae_safetensors_close(file);
        ae_free(path);

        json_t *config = load_config(output);
        const char *base = json_string_value(json_object_get(config, "base_model_name_or_path"));
        char *real = realpath(model->info.folder, NULL);
        assert_string_equal(base, real);
        free(real);
        json_t *expected =
            json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:f, s:s, s:b, s:[s, s], s:{s:i}, s:{s:i}, s:b, s:b}",
                      "peft_type", "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path", base,
                      "inference_mode", 1, "r", 3, "lora_alpha", 3, "lora_dropout", 0.0, "bias", "none",
                      "fan_in_fan_out", i == 0, "target_modules", module[0], module[1], "rank_pattern",
                      module[0], 1, "alpha_pattern", module[0], 1, "use_rslora", 0, "use_dora", 0);
        assert_true(json_equal(config, expected));
        json_decref(expected);
        json_decref(config);

        assert_fails(ae_export_lora(journal, model, output), AE_ERR_ARGUMENT, "exists and is not empty");
        ae_model *other = open_tiny(*state, i ? "other-gptj" : "other-gpt2", families[i], AE_F16, 6);
        char *second = ae_format("%s/second", (char *)*state);
        assert_fails(ae_export_lora(journal, other, second), AE_ERR_MISMATCH, "has sha256");
        assert_absent(*state, "second");
        ae_model_free(other);
        ae_free(second);
        ae_journal_close(journal);
        ae_free(folder);
        ae_free(output);
        ae_model_free(model);
    }
}

// A model of the hub's cache is named as the hub names it, so that the adapter works on other machines.
static void an_adapter_names_a_hub_model(void **state) {
    ae_model *model = open_tiny(*state, "models--EleutherAI--tiny-j/snapshots/abc", "gptj", AE_F32, 5);
    char *folder = join(*state, "journal"), *output = join(*state, "adapter");
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(folder, model, true, false, &journal));
    append_made_up(journal, model, (int[]){1}, 1, 1);
    assert_ok(ae_export_lora(journal, model, output));
    json_t *config = load_config(output);
    assert_string_equal(json_string_value(json_object_get(config, "base_model_name_or_path")),
                        "EleutherAI/tiny-j");
    assert_int_equal(json_object_size(json_object_get(config, "rank_pattern")), 0);
    json_decref(config);
    ae_journal_close(journal);
    ae_free(folder);
    ae_free(output);
    ae_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch_folder, remove_scratch_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_edited_bytes_differ),
        TEST(large_matrices_are_converted_piece_by_piece),
        TEST(an_unedited_model_is_copied),
        TEST(shards_and_links_are_followed),
        TEST(unedited_copies_do_not_travel_along),
        TEST(torch_bases_become_safetensors),
        TEST(what_is_there_is_not_overwritten),
        TEST(values_too_large_for_the_stored_type_are_refused),
        TEST(a_stopped_export_leaves_nothing),
        TEST(lack_of_memory_leaves_nothing),
        TEST(adapters_hold_the_active_edits),
        TEST(an_adapter_names_a_hub_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
