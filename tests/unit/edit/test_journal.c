// edit: the journal: round trip to the bit, exact reverts, and every way in which a folder or a file can be
// wrong.
#include "test.h"

#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "edit/journal.h"
#include "edit/journal_base.h"
#include "edit/journal_entry_parts.h"
#include "made_up_edit.h"

typedef struct place {
    char *root, *folder; // the journal is root/journal
    ae_model *model;     // root/base
} place;

static int set_up(void **state) {
    place *p = calloc(1, sizeof *p);
    if (!p || make_scratch_folder((void **)&p->root) != 0) return -1;
    p->folder = ae_path_join(p->root, "journal");
    p->model = open_tiny(p->root, "base", "gpt2", AE_F32, 1);
    *state = p;
    return p->model ? 0 : -1;
}

static int tear_down(void **state) {
    place *p = *state;
    ae_model_free(p->model);
    ae_free(p->folder);
    int failed = remove_scratch_folder((void **)&p->root);
    free(p);
    return failed;
}

static ae_journal *open_new(const place *p) {
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(p->folder, p->model, true, false, &journal));
    return journal;
}

static ae_journal *open_to_read(const place *p) {
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(p->folder, NULL, false, true, &journal));
    return journal;
}

// Three entries: layer 1; layers 0 and 2; layer 1.
static ae_journal *open_three(const place *p) {
    ae_journal *journal = open_new(p);
    append_made_up(journal, p->model, (int[]){1}, 1, 1);
    append_made_up(journal, p->model, (int[]){0, 2}, 2, 2);
    append_made_up(journal, p->model, (int[]){1}, 1, 3);
    return journal;
}

static char *entry_path(const place *p, const char *name) {
    char *path = ae_path_join(p->folder, name);
    assert_non_null(path);
    return path;
}

// ---- round trip ------------------------------------------------------------------------------------

static void assert_same_text(const char *a, const char *b) {
    if (!a || !b)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

// By bits: NaN equals itself, -0 differs from 0.
static void assert_same_number(double a, double b) {
    if (isnan(a) && isnan(b)) return;
    assert_memory_equal(&a, &b, sizeof a);
}

static void assert_same_measure(const ae_measure *a, const ae_measure *b) {
    assert_same_number(a->target_new, b->target_new);
    assert_same_number(a->target_true, b->target_true);
    assert_same_text(a->continuation, b->continuation);
}

static void assert_same_layer(const ae_layer_edit *a, const ae_layer_edit *b) {
    assert_int_equal(a->layer, b->layer);
    assert_int_equal(a->d_mlp, b->d_mlp);
    assert_int_equal(a->d_model, b->d_model);
    assert_string_equal(a->module, b->module);
    assert_string_equal(a->base_sha256, b->base_sha256);
    const size_t wide = (size_t)a->d_mlp * sizeof(float), narrow = (size_t)a->d_model * sizeof(float);
    assert_memory_equal(a->u, b->u, wide);
    assert_memory_equal(a->right, b->right, narrow);
    assert_memory_equal(a->delta, b->delta, narrow);
    assert_memory_equal(a->key_u, b->key_u, wide);
    assert_memory_equal(a->key, b->key, wide);
    assert_memory_equal(a->value, b->value, narrow);
    assert_memory_equal(a->target_init, b->target_init, narrow);
    assert_same_number(a->k_dot_u, b->k_dot_u);
    assert_same_number(a->update_norm, b->update_norm);
    assert_same_number(a->weight_norm, b->weight_norm);
    assert_same_number(a->delta_norm, b->delta_norm);
    assert_same_number(a->target_init_norm, b->target_init_norm);
    assert_int_equal(a->n_steps, b->n_steps);
    const size_t steps = (size_t)a->n_steps * sizeof(double);
    assert_memory_equal(a->loss, b->loss, steps);
    assert_memory_equal(a->nll, b->nll, steps);
    assert_memory_equal(a->kl, b->kl, steps);
    assert_memory_equal(a->decay, b->decay, steps);
}

static void assert_same_edit(const ae_edit *a, const ae_edit *b) {
    assert_same_text(a->request.prompt, b->request.prompt);
    assert_same_text(a->request.subject, b->request.subject);
    assert_same_text(a->request.target_new, b->request.target_new);
    assert_same_text(a->request.target_true, b->request.target_true);
    assert_int_equal(a->request.case_id, b->request.case_id);
    const ae_hparams *g = &a->hparams, *h = &b->hparams;
    assert_int_equal(g->variant, h->variant);
    assert_int_equal(g->n_layers, h->n_layers);
    assert_memory_equal(g->layers, h->layers, sizeof g->layers);
    assert_int_equal(g->fact_token, h->fact_token);
    assert_int_equal(g->v_num_grad_steps, h->v_num_grad_steps);
    assert_same_number(g->v_lr, h->v_lr);
    assert_same_number(g->v_weight_decay, h->v_weight_decay);
    assert_same_number(g->clamp_norm_factor, h->clamp_norm_factor);
    assert_same_number(g->kl_factor, h->kl_factor);
    assert_int_equal(g->mom2_adjustment, h->mom2_adjustment);
    assert_int_equal(g->n_template_lengths, h->n_template_lengths);
    assert_memory_equal(g->template_lengths, h->template_lengths, sizeof g->template_lengths);
    assert_string_equal(g->mom2_dataset, h->mom2_dataset);
    assert_int_equal(g->mom2_n_samples, h->mom2_n_samples);
    assert_string_equal(g->mom2_dtype, h->mom2_dtype);
    assert_true(a->seed == b->seed);
    assert_string_equal(a->templates_sha256, b->templates_sha256);
    assert_int_equal(a->n_templates, b->n_templates);
    assert_int_equal(a->n_layers, b->n_layers);
    for (int i = 0; i < a->n_layers; i++)
        assert_same_layer(&a->layers[i], &b->layers[i]);
    assert_same_measure(&a->before, &b->before);
    assert_same_measure(&a->after, &b->after);
    assert_same_number(a->seconds_keys, b->seconds_keys);
    assert_same_number(a->seconds_solve, b->seconds_solve);
    assert_same_number(a->seconds_optimise, b->seconds_optimise);
    assert_same_number(a->seconds_update, b->seconds_update);
}

static void entries_come_back_to_the_bit(void **state) {
    const place *p = *state;
    ae_journal *journal = open_new(p);
    assert_int_equal(ae_journal_count(journal), 0);
    static const int layers[3][2] = {{1}, {0, 2}, {1}};
    ae_edit *edits[3];
    for (int i = 0; i < 3; i++) {
        edits[i] = made_up_edit(p->model, layers[i], i == 1 ? 2 : 1, (uint64_t)i + 1);
        int id = 0;
        assert_ok(ae_journal_append(journal, p->model, edits[i], &id));
        assert_int_equal(id, i + 1);
    }
    // As the writer keeps them, and as a later reader finds them.
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(ae_journal_count(journal), 3);
        for (int i = 0; i < 3; i++) {
            ae_journal_entry entry;
            char file[32];
            snprintf(file, sizeof file, "%04d.safetensors", i + 1);
            assert_ok(ae_journal_get(journal, (size_t)i, &entry));
            assert_int_equal(entry.id, i + 1);
            assert_false(entry.reverted);
            assert_string_equal(entry.file, file);
            assert_int_equal(strlen(entry.time), 20);
            assert_int_equal(entry.time[19], 'Z');
            assert_same_edit(edits[i], entry.edit);
        }
        assert_ok(ae_journal_verify(journal, p->model, NULL));
        ae_journal_close(journal);
        journal = open_to_read(p);
    }
    ae_journal_entry entry;
    assert_fails(ae_journal_get(journal, 3, &entry), AE_ERR_ARGUMENT, "has 3 entries");
    ae_journal_close(journal);
    for (int i = 0; i < 3; i++)
        ae_edit_free(edits[i]);
    assert_folder(p->folder, "0001.safetensors 0002.safetensors 0003.safetensors journal.json lock");
}

// A trace of no steps (nothing was optimised) is a trace too.
static void an_edit_without_steps_is_recorded(void **state) {
    const place *p = *state;
    ae_journal *journal = open_new(p);
    ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, 1);
    edit->layers[0].n_steps = 0;
    edit->layers[0].loss = edit->layers[0].nll = edit->layers[0].kl = edit->layers[0].decay = NULL;
    edit->after.continuation = NULL;
    edit->templates_sha256[0] = '\0';
    int id;
    assert_ok(ae_journal_append(journal, p->model, edit, &id));
    ae_edit_free(edit);
    ae_journal_close(journal);
    journal = open_to_read(p);
    ae_journal_entry entry;
    assert_ok(ae_journal_get(journal, 0, &entry));
    assert_int_equal(entry.edit->layers[0].n_steps, 0);
    assert_string_equal(entry.edit->templates_sha256, "");
    assert_null(entry.edit->after.continuation);
    ae_journal_close(journal);
}

// ---- apply and revert ------------------------------------------------------------------------------

// The weights that the entries but those of `without` give, on a model opened afresh.
static ae_model *apply_by_hand(const place *p, const ae_journal *journal, int without) {
    ae_model *model = NULL;
    assert_ok(ae_model_open(p->model->info.folder, &(ae_model_options){.n_threads = 1}, &model));
    for (size_t i = 0; i < ae_journal_count(journal); i++) {
        ae_journal_entry entry;
        assert_ok(ae_journal_get(journal, i, &entry));
        for (int k = 0; entry.id != without && k < entry.edit->n_layers; k++) {
            const ae_layer_edit *layer = &entry.edit->layers[k];
            assert_ok(ae_model_add_rank_one(model, layer->layer, layer->u, layer->right));
        }
    }
    return model;
}

static void apply_is_base_and_active_entries(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    // An edit that no journal knows goes away: the model becomes what the journal says.
    ae_edit *stray = made_up_edit(p->model, (int[]){2}, 1, 99);
    assert_ok(ae_model_add_rank_one(p->model, 2, stray->layers[0].u, stray->layers[0].right));
    ae_edit_free(stray);
    ae_model *expected = apply_by_hand(p, journal, 0);
    for (int twice = 0; twice < 2; twice++) {
        assert_ok(ae_journal_apply(journal, p->model));
        assert_same_weights(p->model, expected);
    }
    ae_model_restore(expected);
    for (int layer = 0; layer < 3; layer++)
        assert_false(same_weights(p->model, expected, layer));
    ae_model_free(expected);
    ae_journal_close(journal);
}

static void reverting_any_entry_leaves_base_and_the_rest(void **state) {
    const place *p = *state;
    for (int reverted = 1; reverted <= 3; reverted++) {
        ae_journal *journal = open_three(p);
        assert_ok(ae_journal_apply(journal, p->model));
        ae_journal_entry entry;
        assert_ok(ae_journal_get(journal, (size_t)reverted - 1, &entry));
        const ae_edit *kept = entry.edit;
        assert_ok(ae_journal_revert(journal, reverted));
        assert_ok(ae_journal_get(journal, (size_t)reverted - 1, &entry));
        assert_ptr_equal(entry.edit, kept); // what was handed out remains valid
        assert_ok(ae_journal_apply(journal, p->model));
        ae_model *expected = apply_by_hand(p, journal, reverted);
        assert_same_weights(p->model, expected);
        ae_journal_close(journal);

        journal = open_to_read(p); // the same from disk
        assert_ok(ae_journal_get(journal, (size_t)reverted - 1, &entry));
        char file[40];
        snprintf(file, sizeof file, "%04d.reverted.safetensors", reverted);
        assert_string_equal(entry.file, file);
        assert_true(entry.reverted);
        ae_model_restore(p->model);
        assert_ok(ae_journal_apply(journal, p->model));
        assert_same_weights(p->model, expected);
        assert_ok(ae_journal_verify(journal, p->model, NULL));
        ae_journal_close(journal);
        ae_model_free(expected);
        ae_model_restore(p->model);
        char command[600];
        snprintf(command, sizeof command, "rm -r '%s'", p->folder);
        assert_int_equal(system(command), 0);
    }
}

static void all_reverted_is_the_base(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    ae_model *base = NULL;
    assert_ok(ae_model_open(p->model->info.folder, NULL, &base));
    for (int id = 3; id >= 1; id--)
        assert_ok(ae_journal_revert(journal, id));
    assert_ok(ae_journal_apply(journal, p->model));
    assert_same_weights(p->model, base);
    for (int layer = 0; layer < 3; layer++)
        assert_null(p->model->layers[layer].edited);
    ae_model_free(base);
    ae_journal_close(journal);
}

static void ids_are_never_used_twice(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    assert_ok(ae_journal_revert(journal, 3));
    append_made_up(journal, p->model, (int[]){0}, 1, 4);
    assert_ok(ae_journal_revert(journal, 4));
    ae_journal_close(journal);
    assert_ok(ae_journal_open(p->folder, p->model, true, false, &journal));
    append_made_up(journal, p->model, (int[]){0}, 1, 5);
    ae_journal_close(journal);
    assert_folder(p->folder,
                  "0001.safetensors 0002.safetensors 0003.reverted.safetensors 0004.reverted.safetensors "
                  "0005.safetensors journal.json lock");
}

// By number, not by name: "10000" comes before "9999" in a folder's list.
static void order_is_by_number(void **state) {
    const place *p = *state;
    ae_journal_close(open_new(p));
    static const int ids[] = {10000, 9999, 2};
    for (int i = 0; i < 3; i++) {
        ae_entry_head head = {.id = ids[i], .time = "2025-01-31T12:00:00Z"};
        assert_ok(ae_model_shape_sha256(p->model, head.shape_sha256));
        ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, (uint64_t)i);
        char name[40], *bytes = NULL;
        size_t length = 0;
        assert_ok(ae_entry_write(&head, edit, &bytes, &length));
        snprintf(name, sizeof name, "%04d.safetensors", ids[i]);
        char *path = entry_path(p, name);
        assert_ok(ae_atomic_write(path, bytes, length));
        ae_free(path);
        ae_free(bytes);
        ae_edit_free(edit);
    }
    ae_journal *journal = NULL;
    assert_ok(ae_journal_open(p->folder, p->model, false, false, &journal));
    for (size_t i = 0; i < 3; i++) {
        ae_journal_entry entry;
        assert_ok(ae_journal_get(journal, i, &entry));
        assert_int_equal(entry.id, ids[2 - i]);
    }
    ae_edit *edit = made_up_edit(p->model, (int[]){0}, 1, 7);
    int id;
    assert_ok(ae_journal_append(journal, p->model, edit, &id));
    assert_int_equal(id, 10001);
    ae_edit_free(edit);
    ae_journal_close(journal);
    assert_folder(p->folder,
                  "0002.safetensors 10000.safetensors 10001.safetensors 9999.safetensors journal.json lock");
}

static void impossible_reverts_name_the_ids_there_are(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    append_made_up(journal, p->model, (int[]){0}, 1, 4);
    append_made_up(journal, p->model, (int[]){0}, 1, 5);
    assert_ok(ae_journal_revert(journal, 3));
    assert_fails(ae_journal_revert(journal, 3), AE_ERR_ARGUMENT,
                 "is already reverted; active entries: 1-2, 4-5");
    assert_fails(ae_journal_revert(journal, 6), AE_ERR_NOT_FOUND, "has no entry 6; there are: 1-5");
    assert_fails(ae_journal_revert(journal, 0), AE_ERR_NOT_FOUND, "has no entry 0");
    assert_ok(ae_journal_revert(journal, 2));
    assert_fails(ae_journal_revert(journal, 2), AE_ERR_ARGUMENT, "active entries: 1, 4-5");
    for (int id = 1; id <= 5; id += id == 1 ? 3 : 1)
        assert_ok(ae_journal_revert(journal, id));
    assert_fails(ae_journal_revert(journal, 1), AE_ERR_ARGUMENT, "active entries: none");
    ae_journal_close(journal);
}

// ---- another base ----------------------------------------------------------------------------------

static void another_base_is_refused_and_left_alone(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    ae_model *weights = open_tiny(p->root, "other-weights", "gpt2", AE_F32, 2);
    ae_model *half = open_tiny(p->root, "other-type", "gpt2", AE_F16, 1);
    ae_model *gptj = open_tiny(p->root, "other-family", "gptj", AE_F32, 1);
    ae_model *const others[] = {weights, half, gptj};
    static const char *const reasons[] = {"whose 'transformer.h.1.mlp.c_proj' has sha256", "d_mlp 64, shape ",
                                          "the gptj model"};
    for (int i = 0; i < 3; i++) {
        ae_model *model = others[i], *before = NULL;
        assert_ok(ae_model_open(model->info.folder, NULL, &before));
        ae_edit *edit = made_up_edit(model, (int[]){1}, 1, 7);
        for (int twice = 0; twice < 2; twice++) { // an unedited model, then one with an edit of its own
            assert_fails(ae_journal_apply(journal, model), AE_ERR_MISMATCH, reasons[i]);
            assert_non_null(strstr(ae_last_error(), "gpt2 model 'base'"));
            assert_non_null(strstr(ae_last_error(), model->info.name));
            assert_same_weights(model, before);
            assert_ok(ae_model_add_rank_one(model, 1, edit->layers[0].u, edit->layers[0].right));
            assert_ok(ae_model_add_rank_one(before, 1, edit->layers[0].u, edit->layers[0].right));
        }
        assert_fails(ae_journal_verify(journal, model, NULL), AE_ERR_MISMATCH, reasons[i]);
        int id = 0;
        assert_fails(ae_journal_append(journal, model, edit, &id), AE_ERR_MISMATCH, "belongs to");
        assert_int_equal(id, 0);
        assert_int_equal(ae_journal_count(journal), 3);
        ae_edit_free(edit);
        ae_model_free(before);
    }
    ae_journal *second = NULL;
    assert_fails(ae_journal_open(p->folder, gptj, false, true, &second), AE_ERR_MISMATCH,
                 "belongs to the gpt2 model");
    assert_null(second);
    // The check covers layers that only a reverted entry edits, and the model's identity is that of its
    // stored bytes.
    assert_ok(ae_journal_verify(journal, p->model, NULL));
    ae_model_free(weights);
    ae_model_free(half);
    ae_model_free(gptj);
    ae_journal_close(journal);
}

// ---- damaged files ---------------------------------------------------------------------------------

static void every_changed_byte_is_found(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    char *path = entry_path(p, "0002.safetensors"), *bytes = NULL;
    size_t length = 0;
    assert_ok(ae_file_read(path, 1 << 20, &bytes, &length));
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    setbuf(file, NULL);
    for (size_t i = 0; i < length; i++) {
        fseek(file, (long)i, SEEK_SET);
        fputc(bytes[i] ^ (1 << i % 8), file);
        ae_status status = ae_journal_verify(journal, NULL, NULL);
        if (status != AE_ERR_FORMAT) fail_msg("byte %zu of %zu: %s", i, length, ae_status_name(status));
        if (!strstr(ae_last_error(), "0002.safetensors")) fail_msg("byte %zu: %s", i, ae_last_error());
        fseek(file, (long)i, SEEK_SET);
        fputc(bytes[i], file);
    }
    fclose(file);
    assert_ok(ae_journal_verify(journal, NULL, NULL));
    print_message("%zu bytes flipped\n", length);
    ae_journal_close(journal);

    bytes[length - 1] ^= 1;
    assert_ok(ae_atomic_write(path, bytes, length));
    assert_fails(ae_journal_open(p->folder, NULL, false, true, &journal), AE_ERR_FORMAT,
                 "has changed since it was written");
    ae_free(bytes);
    ae_free(path);
}

static void every_cut_is_found(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    char *path = entry_path(p, "0001.safetensors"), *bytes = NULL;
    size_t length = 0;
    assert_ok(ae_file_read(path, 1 << 20, &bytes, &length));
    for (size_t n = 0; n < length; n += n < 64 || length - n < 64 ? 1 : 61) {
        assert_int_equal(truncate(path, 0), 0);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
        fclose(file);
        assert_fails(ae_journal_verify(journal, NULL, NULL), AE_ERR_FORMAT, "0001.safetensors");
    }
    // Longer is wrong too.
    char *longer = ae_alloc(length + 8, 1);
    memcpy(longer, bytes, length);
    assert_ok(ae_atomic_write(path, longer, length + 8));
    assert_fails(ae_journal_verify(journal, NULL, NULL), AE_ERR_FORMAT, "has changed");
    assert_int_equal(unlink(path), 0);
    assert_fails(ae_journal_verify(journal, NULL, NULL), AE_ERR_NOT_FOUND, "0001.safetensors");
    ae_free(longer);
    ae_free(bytes);
    ae_free(path);
    ae_journal_close(journal);
}

// A file with a right digest whose content is wrong is still refused: the reader trusts no figure.
static void well_made_nonsense_is_refused(void **state) {
    const place *p = *state;
    ae_entry_head head = {.id = 1, .time = "2025-01-31T12:00:00Z"}, got;
    memset(head.shape_sha256, 'b', 64);
    ae_edit *edit = made_up_edit(p->model, (int[]){0, 1}, 2, 1), *read = NULL;
    char *bytes = NULL;
    size_t length = 0;
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_ok(ae_entry_read("e", bytes, length, &got, &read));
    assert_string_equal(got.time, head.time);
    assert_string_equal(got.shape_sha256, head.shape_sha256);
    ae_edit_free(read);
    read = NULL;
    ae_free(bytes);

    edit->layers[1].layer = 0;
    assert_fails(ae_entry_write(&head, edit, &bytes, &length), AE_ERR_ARGUMENT, "already taken");
    edit->layers[0].layer = 1;
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_fails(ae_entry_read("e", bytes, length, &got, &read), AE_ERR_FORMAT, "layer 0 follows layer 1");
    ae_free(bytes);
    edit->layers[0].layer = 0;
    edit->layers[1].layer = 1;
    strcpy(edit->layers[1].base_sha256, "xyz");
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_fails(ae_entry_read("e", bytes, length, &got, &read), AE_ERR_FORMAT,
                 "field 'base_sha256' is 'xyz'");
    ae_free(bytes);
    memset(edit->layers[1].base_sha256, 'c', 64);
    edit->hparams.variant = (ae_variant)17;
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_fails(ae_entry_read("e", bytes, length, &got, &read), AE_ERR_UNSUPPORTED,
                 "field 'variant' is 'unknown'");
    ae_free(bytes);
    edit->hparams.variant = AE_ROME;
    head.id = 0;
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_fails(ae_entry_read("e", bytes, length, &got, &read), AE_ERR_FORMAT, "field 'id' is 0");
    ae_free(bytes);
    assert_null(read);

    // A safetensors file of somebody else.
    char *path = ae_path_join(p->model->info.folder, "model.safetensors");
    assert_ok(ae_file_read(path, 1 << 20, &bytes, &length));
    assert_fails(ae_entry_read(path, bytes, length, &got, &read), AE_ERR_FORMAT, "is not a journal entry");
    ae_free(bytes);
    ae_free(path);
    ae_edit_free(edit);
}

// ---- what the folder may and may not hold ----------------------------------------------------------

static void rename_in(const place *p, const char *from, const char *to) {
    char *a = entry_path(p, from), *b = entry_path(p, to);
    assert_int_equal(rename(a, b), 0);
    ae_free(a);
    ae_free(b);
}

static void write_in(const place *p, const char *name, const char *text) {
    char *path = entry_path(p, name);
    assert_ok(ae_atomic_write(path, text, strlen(text)));
    ae_free(path);
}

static void copy_in(const place *p, const char *from, const char *to) {
    char *a = entry_path(p, from), *b = entry_path(p, to), *bytes = NULL;
    size_t length = 0;
    assert_ok(ae_file_read(a, 1 << 20, &bytes, &length));
    assert_ok(ae_atomic_write(b, bytes, length));
    ae_free(bytes);
    ae_free(a);
    ae_free(b);
}

static void names_and_ids_must_agree(void **state) {
    const place *p = *state;
    ae_journal_close(open_three(p));
    ae_journal *journal = NULL;
    rename_in(p, "0002.safetensors", "0007.safetensors");
    assert_fails(ae_journal_open(p->folder, NULL, false, true, &journal), AE_ERR_FORMAT,
                 "0007.safetensors' holds entry 2: its name does not agree");
    rename_in(p, "0007.safetensors", "2.safetensors");
    assert_fails(ae_journal_open(p->folder, NULL, false, true, &journal), AE_ERR_FORMAT,
                 "2.safetensors' is not named like an entry");
    rename_in(p, "2.safetensors", "0002.safetensors");
    copy_in(p, "0002.safetensors", "0002 (copy).safetensors");
    assert_fails(ae_journal_open(p->folder, NULL, false, true, &journal), AE_ERR_FORMAT,
                 "0002 (copy).safetensors' is not named like an entry");
    rename_in(p, "0002 (copy).safetensors", "0002.reverted.safetensors");
    assert_fails(ae_journal_open(p->folder, NULL, false, true, &journal), AE_ERR_FORMAT,
                 "holds both '0002.reverted.safetensors' and '0002.safetensors'");
    assert_null(journal);
    // What is no entry at all is no matter: a temporary file of a writer that died, a note.
    rename_in(p, "0002.reverted.safetensors", "0004.safetensors.tmp-a1B2c3");
    write_in(p, "NOTES.md", "mine");
    journal = open_to_read(p);
    assert_int_equal(ae_journal_count(journal), 3);
    ae_journal_close(journal);
}

static void a_removed_entry_is_told_by_verify(void **state) {
    const place *p = *state;
    ae_journal_close(open_three(p));
    char *path = entry_path(p, "0002.safetensors");
    assert_int_equal(unlink(path), 0);
    ae_free(path);
    write_in(p, "0004.safetensors.tmp-a1B2c3", ""); // what a kill can leave is not told of, a note is
    write_in(p, "notes.tmp-backup", "mine");
    ae_journal *journal = open_to_read(p);
    ae_text heard = {0};
    assert_ok(ae_text_append(&heard, "", 0));
    const ae_hooks hooks = {.user = &heard, .warn = keep_warning};
    assert_ok(ae_journal_verify(journal, p->model, &hooks));
    assert_non_null(strstr(heard.data, "has no entry 2, although there is an entry 3"));
    assert_non_null(strstr(heard.data, "/notes.tmp-backup' is no part of the journal and has no effect"));
    assert_null(strstr(heard.data, "a1B2c3"));
    ae_free(heard.data);
    ae_journal_close(journal);

    // However many there are, they take one sentence.
    char *far = entry_path(p, "2000000000.safetensors"), *bytes = NULL;
    ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, 1);
    ae_entry_head head = {.id = 2000000000, .time = "2025-01-31T12:00:00Z"};
    size_t length = 0;
    assert_ok(ae_model_shape_sha256(p->model, head.shape_sha256));
    assert_ok(ae_entry_write(&head, edit, &bytes, &length));
    assert_ok(ae_atomic_write(far, bytes, length));
    ae_free(bytes);
    ae_free(far);
    ae_edit_free(edit);
    heard = (ae_text){0};
    journal = open_to_read(p);
    assert_ok(ae_journal_verify(journal, p->model, &hooks));
    assert_non_null(
        strstr(heard.data, "has no entries 4 to 1999999999, although there is an entry 2000000000"));
    assert_true(heard.length < 1000);
    ae_free(heard.data);
    ae_journal_close(journal);
}

static void entries_of_another_journal_are_refused(void **state) {
    const place *p = *state;
    ae_journal_close(open_three(p));
    // The same shape, other weights; then another shape.
    static const ae_dtype types[] = {AE_F32, AE_F16};
    static const char *const reasons[] = {"a journal belongs to one base", "was made on a model of shape"};
    for (int i = 0; i < 2; i++) {
        ae_model *model = open_tiny(p->root, i ? "c" : "b", "gpt2", types[i], 9);
        char *folder = ae_path_join(p->root, i ? "journal-c" : "journal-b"),
             *from = ae_path_join(folder, "0004.safetensors");
        ae_journal *journal = NULL;
        assert_ok(ae_journal_open(folder, model, true, false, &journal));
        for (int n = 0; n < 4; n++)
            append_made_up(journal, model, (int[]){1}, 1, (uint64_t)n);
        ae_journal_close(journal);
        char *to = entry_path(p, "0004.safetensors");
        assert_int_equal(rename(from, to), 0);
        journal = NULL;
        assert_fails(ae_journal_open(p->folder, NULL, false, true, &journal), AE_ERR_MISMATCH, reasons[i]);
        assert_non_null(strstr(ae_last_error(), "0004.safetensors"));
        assert_null(journal);
        assert_int_equal(unlink(to), 0);
        ae_free(to);
        ae_free(from);
        ae_free(folder);
        ae_model_free(model);
    }
}

// journal.json's text gets the digest that it needs.
static void sign(char *text) {
    const size_t length = strlen(text);
    const char *digits = ae_journal_base_find_digits(text, length);
    char hex[AE_DIGEST_HEX];
    if (!digits) return;
    assert_ok(ae_entry_digest(text, length, digits, hex));
    memcpy(text + (digits - text), hex, AE_ENTRY_DIGITS);
}

static void journal_json_is_checked(void **state) {
    const place *p = *state;
    ae_journal_close(open_three(p));
    char *path = entry_path(p, "journal.json"), *text = NULL;
    size_t length = 0;
    assert_ok(ae_file_read(path, 1 << 20, &text, &length));
    assert_non_null(strstr(text, "\"format\": \"aedile-journal\""));
    assert_non_null(strstr(text, "\"architecture\": \"gpt2\""));
    assert_non_null(strstr(text, "\"name\": \"base\""));
    static const struct {
        const char *from, *to;
        ae_status status;
        const char *reason;
    } changes[] = {
        {"aedile-journal", "aedile-jounral", AE_ERR_FORMAT, "field 'format' is 'aedile-jounral'"},
        {"\"version\": 1", "\"version\": 2", AE_ERR_UNSUPPORTED, "is of version 2"},
        {"\"shape_sha256\": \"", "\"shape_sha256\": \"Z", AE_ERR_FORMAT, "field 'shape_sha256' is 'Z"},
        {"\"n_layer\": 3", "\"n_layer\": 0", AE_ERR_FORMAT, "field 'n_layer' is 0, expected 1"},
        {"\"d_mlp\": 64", "\"d_mlp\": 65", AE_ERR_FORMAT, "edits layer 1 with d_mlp 64"},
        {"\"n_layer\": 3", "\"n_layer\": 1", AE_ERR_FORMAT, "but 'base' has 1 layers"},
        {"\"base\": {", "\"bass\": {", AE_ERR_FORMAT, "field 'base' is nothing"},
        {"{", "", AE_ERR_FORMAT, "is not valid JSON"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *at = strstr(text, changes[i].from);
        assert_non_null(at);
        char *changed =
            ae_format("%.*s%s%s", (int)(at - text), text, changes[i].to, at + strlen(changes[i].from));
        sign(changed);
        assert_ok(ae_atomic_write(path, changed, strlen(changed)));
        ae_journal *journal = NULL;
        assert_fails(ae_journal_open(p->folder, p->model, true, false, &journal), changes[i].status,
                     changes[i].reason);
        assert_null(journal);
        ae_free(changed);
    }
    assert_ok(ae_atomic_write(path, text, length));
    ae_journal_close(open_to_read(p));
    ae_free(text);
    ae_free(path);
}

// Digests are right for whoever writes them: a journal may say of its base what it likes, and hold entries
// that agree with it.
static void sizes_that_lie_are_refused(void **state) {
    const place *p = *state;
    static const struct {
        const char *n_layer, *d_model, *d_mlp;
        int layer, rows, columns;
    } lies[] = {{"3", "1", "1", 1, 1, 1},
                {"134217728", "16", "64", 1000000, 16, 64},
                {"3", "16", "1048576", 1, 16, 1 << 20}};
    assert_int_equal(p->model->config.d_model, 16);
    ae_journal_close(open_new(p));
    char *path = entry_path(p, "journal.json"), *entry = entry_path(p, "0001.safetensors"), *text = NULL;
    assert_ok(ae_file_read(path, 1 << 20, &text, NULL));
    const char *sizes = strstr(text, "\"n_layer\"");
    assert_non_null(sizes);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char *changed = ae_format("%.*s\"n_layer\": %s, \"d_model\": %s, \"d_mlp\": %s}}",
                                  (int)(sizes - text), text, lies[i].n_layer, lies[i].d_model, lies[i].d_mlp);
        sign(changed);
        assert_ok(ae_atomic_write(path, changed, strlen(changed)));
        ae_free(changed);
        ae_entry_head head = {.id = 1, .time = "2025-01-31T12:00:00Z"};
        assert_ok(ae_model_shape_sha256(p->model, head.shape_sha256));
        ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, 1);
        ae_layer_edit *layer = &edit->layers[0];
        float *vector = ae_alloc((size_t)lies[i].columns, sizeof *vector);
        assert_non_null(vector);
        vector[0] = 1;
        layer->layer = lies[i].layer;
        layer->d_model = lies[i].rows;
        layer->d_mlp = lies[i].columns;
        layer->u = layer->key = layer->key_u = vector;
        char *bytes = NULL;
        size_t length = 0;
        assert_ok(ae_entry_write(&head, edit, &bytes, &length));
        assert_ok(ae_atomic_write(entry, bytes, length));
        ae_free(bytes);
        ae_edit_free(edit);
        ae_free(vector);

        ae_journal *journal = NULL;
        assert_fails(ae_journal_open(p->folder, p->model, false, false, &journal), AE_ERR_MISMATCH,
                     lies[i].d_mlp);
        journal = open_to_read(p); // without a model there is nothing to compare with
        assert_fails(ae_journal_check_model(journal, p->model), AE_ERR_MISMATCH, lies[i].n_layer);
        assert_fails(ae_journal_apply(journal, p->model), AE_ERR_MISMATCH, lies[i].d_model);
        assert_fails(ae_journal_verify(journal, p->model, NULL), AE_ERR_MISMATCH,
                     "belongs to the gpt2 model");
        char *output = ae_path_join(p->root, "lora");
        assert_fails(ae_export_lora(journal, p->model, output), AE_ERR_MISMATCH, "belongs to the gpt2 model");
        ae_free(output);
        ae_journal_close(journal);
    }
    ae_free(text);
    ae_free(entry);
    ae_free(path);
}

// Whose journal.json it is is looked at before anything is made or cleared away.
static void a_folder_of_others_is_left_alone(void **state) {
    const place *p = *state;
    assert_ok(ae_folder_make(p->folder));
    write_in(p, "journal.json", "{\"name\": \"my experiment\"}");
    write_in(p, "0001.safetensors.tmp-backup", "mine");
    ae_journal *journal = NULL;
    assert_fails(ae_journal_open(p->folder, p->model, true, false, &journal), AE_ERR_FORMAT,
                 "field 'format' is");
    assert_folder(p->folder, "0001.safetensors.tmp-backup journal.json");
}

static void a_journal_is_made_only_where_there_is_room(void **state) {
    const place *p = *state;
    ae_journal *journal = NULL;
    assert_fails(ae_journal_open(p->folder, p->model, false, false, &journal), AE_ERR_NOT_FOUND,
                 "there is no journal in");
    assert_false(ae_path_exists(p->folder));
    assert_fails(ae_journal_open(p->folder, NULL, true, false, &journal), AE_ERR_ARGUMENT,
                 "a new journal needs the model");
    assert_fails(ae_journal_open(p->folder, p->model, true, true, &journal), AE_ERR_ARGUMENT,
                 "both new and read-only");
    assert_false(ae_path_exists(p->folder));
    assert_fails(ae_journal_open("", p->model, true, false, &journal), AE_ERR_ARGUMENT, "empty");
    // A model's folder is no place for it.
    assert_fails(ae_journal_open(p->model->info.folder, p->model, true, false, &journal), AE_ERR_ARGUMENT,
                 "is not empty");
    assert_folder(
        p->model->info.folder,
        "config.json generation_config.json merges.txt model.safetensors tokenizer_config.json vocab.json");
    char *file = ae_path_join(p->root, "base/config.json");
    assert_fails(ae_journal_open(file, p->model, true, false, &journal), AE_ERR_IO, "config.json");
    ae_free(file);
    assert_null(journal);
    assert_ok(ae_folder_make(p->folder)); // an empty folder is fine
    ae_journal_close(open_new(p));
    ae_journal_close(NULL);
}

// Where the current folder cannot be looked at that is told, and not looked for above it for ever.
static void a_place_that_cannot_be_seen_is_told(void **state) {
    const place *p = *state;
    char *closed = ae_path_join(p->root, "closed");
    assert_int_equal(mkdir(closed, 0777), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        const bool away = chdir(closed) == 0 && chmod(".", 0) == 0 && (geteuid() != 0 || setuid(65534) == 0);
        const ae_status status = away ? ae_journal_check_place("new") : AE_OK;
        _exit(status == AE_ERR_IO && strstr(ae_last_error(), "'.' cannot be looked at") ? 0 : 1);
    }
    int ended = -1;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    assert_int_equal(chmod(closed, 0700), 0);
    ae_free(closed);
}

// ---- memory ----------------------------------------------------------------------------------------

static void edits_are_left_in_their_files(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    ae_model *expected = apply_by_hand(p, journal, 0);
    ae_journal_close(journal);
    assert_ok(ae_journal_open(p->folder, p->model, true, false, &journal));
    // An entry that is asked for stays.
    ae_journal_entry entry, again;
    assert_ok(ae_journal_get(journal, 1, &entry));
    assert_ok(ae_journal_get(journal, 1, &again));
    assert_ptr_equal(entry.edit, again.edit);
    assert_int_equal(entry.id, 2);
    // Read, it is the caller's; or only what the journal itself knows of it.
    ae_edit *edit = NULL;
    assert_ok(ae_journal_read(journal, 2, &entry, &edit));
    assert_ptr_equal(entry.edit, edit);
    assert_int_equal(entry.id, 3);
    ae_edit *as_made = made_up_edit(p->model, (int[]){1}, 1, 3);
    assert_same_edit(edit, as_made);
    ae_edit_free(as_made);
    ae_edit_free(edit);
    assert_ok(ae_journal_read(journal, 0, &entry, NULL));
    assert_null(entry.edit);
    assert_int_equal(entry.id, 1);
    assert_string_equal(entry.file, "0001.safetensors");
    assert_false(entry.reverted);
    assert_fails(ae_journal_read(journal, 3, &entry, &edit), AE_ERR_ARGUMENT, "there is none at index 3");
    assert_fails(ae_journal_read(journal, 3, &entry, NULL), AE_ERR_ARGUMENT, "there is none at index 3");
    // A file that is gone, or another, is found when it is needed, and the model is left at its base.
    ae_journal_close(journal);
    assert_ok(ae_journal_open(p->folder, p->model, true, false, &journal));
    assert_ok(ae_journal_apply(journal, p->model));
    assert_same_weights(p->model, expected);
    char *path = entry_path(p, "0002.safetensors"), *other = entry_path(p, "0003.safetensors");
    assert_int_equal(rename(other, path), 0);
    ae_model_restore(expected);
    assert_fails(ae_journal_apply(journal, p->model), AE_ERR_FORMAT, "0002.safetensors' cannot be applied");
    assert_same_weights(p->model, expected);
    assert_fails(ae_journal_read(journal, 1, &entry, &edit), AE_ERR_FORMAT, "holds entry 3");
    assert_int_equal(unlink(path), 0);
    assert_fails(ae_journal_apply(journal, p->model), AE_ERR_NOT_FOUND,
                 "0002.safetensors' cannot be applied");
    assert_fails(ae_journal_get(journal, 1, &entry), AE_ERR_NOT_FOUND, "0002.safetensors");
    ae_free(path);
    ae_free(other);
    ae_model_free(expected);
    ae_journal_close(journal);
}

// A reader's journal is what it was when it was opened, whatever a writer has reverted since.
static void an_entry_is_read_whatever_became_of_its_name(void **state) {
    const place *p = *state;
    ae_journal *writer = open_three(p), *reader = open_to_read(p);
    ae_model *expected = apply_by_hand(p, writer, 0);
    assert_ok(ae_journal_revert(writer, 2));
    ae_journal_entry entry;
    ae_edit *edit = NULL;
    assert_ok(ae_journal_read(reader, 1, &entry, &edit));
    assert_false(entry.reverted);
    assert_int_equal(edit->n_layers, 2);
    ae_edit_free(edit);
    assert_ok(ae_journal_get(reader, 1, &entry));
    assert_int_equal(entry.edit->n_layers, 2);
    assert_ok(ae_journal_apply(reader, p->model));
    assert_same_weights(p->model, expected);
    ae_model_free(expected);
    ae_journal_close(reader);
    ae_journal_close(writer);
}

// An entry of the tiny model has kilobytes of vectors.
static void memory_does_not_grow_with_the_vectors(void **state) {
    const place *p = *state;
    enum { EDITS = 64, BYTES = 400 };
    ae_journal *journal = open_new(p);
    append_made_up(journal, p->model, (int[]){1}, 1, 1);
    const size_t before = mallinfo2().uordblks;
    for (int i = 1; i < EDITS; i++)
        append_made_up(journal, p->model, (int[]){1}, 1, 1);
    const size_t after = mallinfo2().uordblks;
    if (after > before + EDITS * BYTES) fail_msg("%zu bytes, after %d appended %zu", before, EDITS, after);
    ae_journal_close(journal);
    const size_t closed = mallinfo2().uordblks;
    journal = open_to_read(p);
    assert_ok(ae_journal_apply(journal, p->model));
    assert_ok(ae_journal_verify(journal, p->model, NULL));
    for (size_t i = 0; i < EDITS; i++) {
        ae_journal_entry entry;
        ae_edit *edit = NULL;
        assert_ok(ae_journal_read(journal, i, &entry, &edit));
        ae_edit_free(edit);
    }
    const size_t opened = mallinfo2().uordblks;
    if (opened > closed + EDITS * BYTES) fail_msg("%zu bytes, with %d entries %zu", closed, EDITS, opened);
    ae_journal_close(journal);
}

// ---- other processes -------------------------------------------------------------------------------

static void a_second_writer_is_told_to_wait(void **state) {
    const place *p = *state;
    ae_journal_close(open_three(p));
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) { // holds the journal until it is killed
        ae_journal *held = NULL;
        alarm(60); // should this test fail, nobody will kill it
        char answer = ae_journal_open(p->folder, NULL, false, false, &held) == AE_OK ? 'y' : 'n';
        if (write(ready[1], &answer, 1) == 1) pause();
        _exit(0);
    }
    char answer = 0;
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    ae_journal *journal = NULL;
    assert_fails(ae_journal_open(p->folder, NULL, false, false, &journal), AE_ERR_BUSY, p->folder);
    assert_non_null(strstr(ae_last_error(), "another process holds it"));
    assert_null(journal);
    journal = open_to_read(p); // readers need not wait
    int id;
    ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, 1);
    assert_fails(ae_journal_append(journal, p->model, edit, &id), AE_ERR_ARGUMENT, "was opened read-only");
    assert_fails(ae_journal_revert(journal, 1), AE_ERR_ARGUMENT, "was opened read-only");
    ae_edit_free(edit);
    ae_journal_close(journal);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    // A writer that dies leaves no lock behind.
    assert_ok(ae_journal_open(p->folder, NULL, false, false, &journal));
    ae_journal_close(journal);
    close(ready[0]);
    close(ready[1]);
}

static void a_folder_that_cannot_be_written_stays_as_it_is(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    const bool root = geteuid() == 0; // to whom permissions mean nothing: another user's eyes are needed
    assert_int_equal(chmod(p->root, 0755), 0);
    assert_int_equal(chmod(p->folder, 0555), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, 4);
    int id = 0;
    ae_status append = ae_journal_append(journal, p->model, edit, &id);
    char *append_text = ae_strdup(ae_last_error());
    ae_status revert = ae_journal_revert(journal, 2);
    char *revert_text = ae_strdup(ae_last_error());
    ae_journal *reader = NULL;
    ae_status read = ae_journal_open(p->folder, NULL, false, true, &reader);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(p->folder, 0755), 0);
    assert_int_equal(append, AE_ERR_IO);
    assert_non_null(strstr(append_text, "0004.safetensors"));
    assert_non_null(strstr(append_text, "Permission denied"));
    assert_int_equal(revert, AE_ERR_IO);
    assert_non_null(strstr(revert_text, "0002.safetensors"));
    assert_int_equal(read, AE_OK);
    assert_int_equal(id, 0);
    assert_int_equal(ae_journal_count(journal), 3);
    assert_folder(p->folder, "0001.safetensors 0002.safetensors 0003.safetensors journal.json lock");
    ae_journal_entry entry;
    assert_ok(ae_journal_get(journal, 1, &entry));
    assert_false(entry.reverted);
    assert_ok(ae_journal_append(journal, p->model, edit, &id)); // and works again when it can
    assert_int_equal(id, 4);
    ae_free(append_text);
    ae_free(revert_text);
    ae_edit_free(edit);
    ae_journal_close(reader);
    ae_journal_close(journal);
}

// ---- edits that are refused ------------------------------------------------------------------------

static void assert_refused(const place *p, ae_journal *journal, const ae_edit *edit, ae_status status,
                           const char *text) {
    int id = 0;
    assert_fails(ae_journal_append(journal, p->model, edit, &id), status, text);
    assert_int_equal(id, 0);
    assert_int_equal(ae_journal_count(journal), 0);
    assert_folder(p->folder, "journal.json lock");
}

static void unfit_edits_are_refused(void **state) {
    const place *p = *state;
    ae_journal *journal = open_new(p);
    ae_edit *edit = made_up_edit(p->model, (int[]){1}, 1, 1);
    ae_layer_edit *layer = &edit->layers[0];
    const ae_layer_edit kept = *layer;

    layer->right[3] = INFINITY;
    assert_refused(p, journal, edit, AE_ERR_NUMERIC, "layer 1: 'right' holds inf at element 3");
    layer->right[3] = 0;
    layer->loss[2] = NAN;
    assert_refused(p, journal, edit, AE_ERR_NUMERIC, "layer 1: 'loss' holds nan at element 2");
    layer->loss[2] = 0;
    layer->k_dot_u = NAN;
    assert_refused(p, journal, edit, AE_ERR_NUMERIC, "'k_dot_u' is nan");
    *layer = kept;
    edit->after.target_new = INFINITY;
    assert_refused(p, journal, edit, AE_ERR_NUMERIC, "'target_new' is inf");
    edit->after.target_new = NAN;
    layer->delta = NULL;
    assert_refused(p, journal, edit, AE_ERR_ARGUMENT, "layer 1 of the edit has no 'delta'");
    *layer = kept;
    layer->d_model = 8;
    assert_refused(p, journal, edit, AE_ERR_FORMAT, "edits layer 1 with d_mlp 64 and d_model 8");
    *layer = kept;
    layer->layer = 3;
    assert_refused(p, journal, edit, AE_ERR_FORMAT, "edits layer 3");
    *layer = kept;
    strcpy(layer->module, "transformer.h.2.mlp.c_proj");
    assert_refused(p, journal, edit, AE_ERR_MISMATCH, "edits module 'transformer.h.2.mlp.c_proj'");
    *layer = kept;
    memset(layer->base_sha256, '0', 64);
    assert_refused(p, journal, edit, AE_ERR_MISMATCH, "sha256 000000000000");
    *layer = kept;
    edit->request.subject = "caf\xe9";
    assert_refused(p, journal, edit, AE_ERR_ARGUMENT, "'subject' is not valid UTF-8");
    edit->request.subject = "caf\xc3\xa9";
    edit->n_layers = 0;
    assert_refused(p, journal, edit, AE_ERR_ARGUMENT, "an edit of 0 layers");
    edit->n_layers = 1;
    int id;
    assert_ok(ae_journal_append(journal, p->model, edit, &id));
    assert_int_equal(id, 1);
    ae_edit_free(edit);
    ae_journal_close(journal);
}

// Whichever allocation fails, nothing is lost, leaked or half done.
static void lack_of_memory_changes_nothing(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    ae_edit *edit = made_up_edit(p->model, (int[]){0, 1}, 2, 4);
    assert_ok(ae_journal_apply(journal, p->model));
    int id = 0, failures = 0;
    for (uint64_t n = 1;; n++) {
        ae_memory_fail_at(n);
        ae_status status = ae_journal_append(journal, p->model, edit, &id);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        failures++;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_int_equal(ae_journal_count(journal), 3);
        char *text = folder_text(p->folder);
        assert_null(strstr(text, "0004"));
        ae_free(text);
    }
    assert_int_equal(id, 4);
    assert_true(failures > 20);
    ae_journal_close(journal);
    ae_edit_free(edit);
    for (uint64_t n = 1;; n++) {
        journal = NULL;
        ae_memory_fail_at(n);
        ae_status status = ae_journal_open(p->folder, p->model, true, false, &journal);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        assert_null(journal);
    }
    for (uint64_t n = 1;; n++) {
        ae_memory_fail_at(n);
        ae_status status = ae_journal_revert(journal, 2);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
        ae_journal_entry entry;
        assert_ok(ae_journal_get(journal, 1, &entry));
        assert_false(entry.reverted);
    }
    ae_model *expected = apply_by_hand(p, journal, 2);
    for (uint64_t n = 1;; n++) {
        ae_memory_fail_at(n);
        ae_status status = ae_journal_apply(journal, p->model);
        ae_memory_fail_at(0);
        if (status == AE_OK) break;
        assert_int_equal(status, AE_ERR_MEMORY);
    }
    assert_same_weights(p->model, expected);
    ae_model_free(expected);
    ae_journal_close(journal);
}

static bool stop_at_two(void *user, const char *stage, double done, double total, const char *unit) {
    int *calls = user;
    assert_string_equal(stage, "verifying entries");
    assert_string_equal(unit, "entries");
    assert_true(total == 3.0);
    ++*calls;
    return done < 2;
}

static void verify_tells_of_its_progress_and_stops_when_asked(void **state) {
    const place *p = *state;
    ae_journal *journal = open_three(p);
    int calls = 0;
    const ae_hooks hooks = {.user = &calls, .progress = stop_at_two};
    assert_int_equal(ae_journal_verify(journal, p->model, &hooks), AE_ERR_CANCELLED);
    assert_int_equal(calls, 2);
    ae_journal_close(journal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(entries_come_back_to_the_bit),
        TEST(an_edit_without_steps_is_recorded),
        TEST(apply_is_base_and_active_entries),
        TEST(reverting_any_entry_leaves_base_and_the_rest),
        TEST(all_reverted_is_the_base),
        TEST(ids_are_never_used_twice),
        TEST(order_is_by_number),
        TEST(impossible_reverts_name_the_ids_there_are),
        TEST(another_base_is_refused_and_left_alone),
        TEST(every_changed_byte_is_found),
        TEST(every_cut_is_found),
        TEST(well_made_nonsense_is_refused),
        TEST(names_and_ids_must_agree),
        TEST(a_removed_entry_is_told_by_verify),
        TEST(entries_of_another_journal_are_refused),
        TEST(journal_json_is_checked),
        TEST(sizes_that_lie_are_refused),
        TEST(a_folder_of_others_is_left_alone),
        TEST(a_journal_is_made_only_where_there_is_room),
        TEST(a_place_that_cannot_be_seen_is_told),
        TEST(edits_are_left_in_their_files),
        TEST(an_entry_is_read_whatever_became_of_its_name),
        TEST(memory_does_not_grow_with_the_vectors),
        TEST(a_second_writer_is_told_to_wait),
        TEST(a_folder_that_cannot_be_written_stays_as_it_is),
        TEST(unfit_edits_are_refused),
        TEST(lack_of_memory_changes_nothing),
        TEST(verify_tells_of_its_progress_and_stops_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
