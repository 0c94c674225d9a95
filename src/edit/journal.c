// The journal folder: journal.json, lock, 0001.safetensors, 0002.reverted.safetensors, ...
#include "edit/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "edit/journal_base.h"
#include "edit/journal_entry.h"

enum { FILE_NAME = 40, MAX_OPEN_TRIES = 4 };
static const char active_end[] = ".safetensors", reverted_end[] = ".reverted.safetensors";

typedef struct entry {
    int id;
    bool reverted;
    char file[FILE_NAME];
    char time[AE_ENTRY_TIME];
    ae_edit *edit; // NULL: in its file alone, until somebody asks for it
} entry;

// A layer that some entry edits, and what its matrix was before any edit: the same for all entries.
typedef struct edited_layer {
    int layer;
    char module[sizeof((ae_layer_edit){0}).module], base_sha256[AE_DIGEST_HEX];
    const entry *owner; // the first that edits it
} edited_layer;

struct ae_journal {
    char *folder;
    int lock; // -1: read-only
    ae_journal_base base;
    entry **entries; // by id; each stays where it is, so that what ae_journal_get gave remains valid
    size_t count, capacity;
    edited_layer *layers; // of all entries, so that a new one need not be checked against each of them
    size_t n_layers, layers_capacity;
};

static void entry_free(entry *e) {
    if (!e) return;
    ae_edit_free(e->edit);
    ae_free(e);
}

static void file_name(int id, bool reverted, char out[FILE_NAME]) {
    snprintf(out, FILE_NAME, "%04d%s", id, reverted ? reverted_end : active_end);
}

// What a name in the folder says: the id, or 0 where it is no entry's name at all. A name that ends like an
// entry's but is not spelled as we spell it (a copy, say) is an error: ignoring it would drop an edit without
// a word.
static ae_status parse_name(const char *folder, const char *name, int *id, bool *reverted) {
    *id = 0;
    const size_t length = strlen(name), end = sizeof active_end - 1;
    if (length < end || strcmp(name + length - end, active_end) != 0) return AE_OK;
    char expected[FILE_NAME], *stop = NULL;
    const long number = strtol(name, &stop, 10);
    if (number >= 1 && number < INT_MAX) {
        *reverted = strcmp(stop, reverted_end) == 0;
        file_name((int)number, *reverted, expected);
        if (strcmp(expected, name) == 0) {
            *id = (int)number;
            return AE_OK;
        }
    }
    return ae_fail(AE_ERR_FORMAT,
                   "'%s/%s' is not named like an entry (0001%s or 0001%s): move it out of the journal",
                   folder, name, active_end, reverted_end);
}

static int next_id(const ae_journal *j) {
    return j->count > 0 ? j->entries[j->count - 1]->id + 1 : 1;
}

// ---- checks of an entry against the journal --------------------------------------------------------

static ae_status check_entry(const ae_journal *j, const char *path, int id, const ae_entry_head *head,
                             const ae_edit *edit) {
    if (head->id != id)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s' holds entry %d: its name does not agree; give the file its own name back", path,
                       head->id);
    if (strcmp(head->shape_sha256, j->base.shape_sha256) != 0)
        return ae_fail(AE_ERR_MISMATCH,
                       "'%s' was made on a model of shape %.12s, but this journal belongs to '%s' of shape "
                       "%.12s: move it out of the journal",
                       path, head->shape_sha256, j->base.name, j->base.shape_sha256);
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *layer = &edit->layers[i];
        if (layer->layer >= j->base.n_layer || layer->d_mlp != j->base.d_mlp ||
            layer->d_model != j->base.d_model)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s' edits layer %d with d_mlp %d and d_model %d, but '%s' has %d layers with "
                           "d_mlp %d and d_model %d",
                           path, layer->layer, layer->d_mlp, layer->d_model, j->base.name, j->base.n_layer,
                           j->base.d_mlp, j->base.d_model);
    }
    return AE_OK;
}

static const edited_layer *find_layer(const ae_journal *j, int layer) {
    for (size_t i = 0; i < j->n_layers; i++)
        if (j->layers[i].layer == layer) return &j->layers[i];
    return NULL;
}

// All entries must name the same base weights for a layer.
static ae_status check_same_base(const ae_journal *j, const char *path, const ae_edit *edit) {
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *layer = &edit->layers[i];
        const edited_layer *other = find_layer(j, layer->layer);
        if (other && strcmp(other->base_sha256, layer->base_sha256) != 0)
            return ae_fail(AE_ERR_MISMATCH,
                           "'%s' was made on a base whose layer %d has sha256 %.12s, '%s' on one with "
                           "%.12s: a journal belongs to one base",
                           path, layer->layer, layer->base_sha256, other->owner->file, other->base_sha256);
    }
    return AE_OK;
}

// Room for the layers of one more edit, so that noting them cannot fail.
static ae_status reserve_layers(ae_journal *j, const ae_edit *edit) {
    return ae_grow((void **)&j->layers, &j->layers_capacity, j->n_layers + (size_t)edit->n_layers,
                   sizeof *j->layers);
}

static void note_layers(ae_journal *j, const entry *owner, const ae_edit *edit) {
    for (int i = 0; i < edit->n_layers; i++) {
        const ae_layer_edit *layer = &edit->layers[i];
        if (find_layer(j, layer->layer)) continue;
        edited_layer *noted = &j->layers[j->n_layers++];
        *noted = (edited_layer){.layer = layer->layer, .owner = owner};
        memcpy(noted->module, layer->module, sizeof noted->module);
        memcpy(noted->base_sha256, layer->base_sha256, sizeof noted->base_sha256);
    }
}

static ae_status read_entry(const ae_journal *j, const char *name, int id, ae_entry_head *head,
                            ae_edit **edit) {
    char *path = ae_path_join(j->folder, name);
    if (!path) return ae_no_memory();
    ae_map map = {0};
    ae_edit *read = NULL;
    ae_status status = ae_map_open(path, &map);
    if (status == AE_OK) status = ae_entry_read(path, map.data, map.size, head, &read);
    if (status == AE_OK) status = check_entry(j, path, id, head, read);
    if (status == AE_OK)
        *edit = read;
    else
        ae_edit_free(read);
    ae_map_close(&map);
    ae_free(path);
    return status;
}

static ae_status add_entry(ae_journal *j, const ae_entry_head *head, bool reverted, const ae_edit *edit) {
    entry *e = ae_alloc(1, sizeof *e);
    ae_status status =
        e ? ae_grow((void **)&j->entries, &j->capacity, j->count + 1, sizeof(entry *)) : ae_no_memory();
    if (status == AE_OK) status = reserve_layers(j, edit);
    if (status != AE_OK) {
        ae_free(e);
        return status;
    }
    e->id = head->id;
    e->reverted = reverted;
    file_name(e->id, reverted, e->file);
    memcpy(e->time, head->time, sizeof e->time);
    j->entries[j->count++] = e;
    note_layers(j, e, edit);
    return AE_OK;
}

// The newest entry goes, and with it the layers that it was the first to edit.
static void drop_newest(ae_journal *j) {
    const entry *e = j->entries[j->count - 1];
    while (j->n_layers > 0 && j->layers[j->n_layers - 1].owner == e)
        j->n_layers--;
    entry_free(j->entries[--j->count]);
}

// ---- open and close --------------------------------------------------------------------------------

static int compare_ids(const void *a, const void *b) {
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

static void drop_entries(ae_journal *j) {
    for (size_t i = 0; i < j->count; i++)
        entry_free(j->entries[i]);
    j->count = j->n_layers = 0;
}

static ae_status load_entry(ae_journal *j, const char *name) {
    int id = 0;
    bool reverted = false;
    AE_TRY(parse_name(j->folder, name, &id, &reverted));
    if (id == 0) return AE_OK;
    ae_entry_head head = {0};
    ae_edit *edit = NULL;
    AE_TRY(read_entry(j, name, id, &head, &edit));
    ae_status status = check_same_base(j, name, edit);
    if (status == AE_OK) status = add_entry(j, &head, reverted, edit);
    ae_edit_free(edit);
    return status;
}

static ae_status check_ids(ae_journal *j) {
    if (j->count > 1) qsort(j->entries, j->count, sizeof *j->entries, compare_ids);
    for (size_t i = 0; i < j->count; i++) {
        const entry *e = j->entries[i];
        if (i > 0 && j->entries[i - 1]->id == e->id)
            return ae_fail(AE_ERR_FORMAT, "'%s' holds both '%s' and '%s': keep one of them", j->folder,
                           j->entries[i - 1]->file, e->file);
    }
    return AE_OK;
}

static ae_status load_entries(ae_journal *j) {
    char **names = NULL;
    size_t count = 0;
    AE_TRY(ae_folder_list(j->folder, &names, &count));
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++)
        status = load_entry(j, names[i]);
    ae_folder_list_free(names, count);
    if (status == AE_OK) status = check_ids(j);
    if (status != AE_OK) drop_entries(j);
    return status;
}

// A reader takes no lock: an entry that a writer renames between our listing and our reading is looked for
// again.
static ae_status load_all(ae_journal *j) {
    ae_status status = AE_ERR_NOT_FOUND;
    for (int tries = 0; status == AE_ERR_NOT_FOUND && tries < MAX_OPEN_TRIES; tries++)
        status = load_entries(j);
    return status;
}

// A journal is made in a new folder, or in an empty one, lest a mistyped path fill somebody's folder with our
// files.
static ae_status check_empty(const char *folder) {
    char **names = NULL;
    size_t count = 0;
    AE_TRY(ae_folder_list(folder, &names, &count));
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++)
        if (strcmp(names[i], "lock") != 0 && strncmp(names[i], AE_JOURNAL_FILE, strlen(AE_JOURNAL_FILE)) != 0)
            status = ae_fail(AE_ERR_ARGUMENT,
                             "'%s' is not empty (it holds '%s') and has no " AE_JOURNAL_FILE
                             ": give a new or an empty folder for the journal",
                             folder, names[i]);
    ae_folder_list_free(names, count);
    return status;
}

ae_status ae_journal_check_place(const char *folder) {
    char *place = ae_strdup(folder); // what is there: the folder, or the nearest one above it
    while (place && !ae_path_exists(place) && strcmp(place, ".") != 0) {
        char *parent = ae_path_parent(place);
        ae_free(place);
        place = parent;
    }
    if (!place) return ae_no_memory();
    ae_status status = AE_OK;
    if (!ae_path_exists(place))
        status = ae_fail_errno(AE_ERR_IO, "no journal can be made in '%s': '%s' cannot be looked at", folder,
                               place);
    else if (!ae_path_is_folder(place))
        status =
            ae_fail(AE_ERR_ARGUMENT, "no journal can be made in '%s': '%s' is not a folder", folder, place);
    else if (access(place, W_OK) != 0)
        status =
            ae_fail_errno(AE_ERR_IO, "no journal can be made in '%s': '%s' cannot be written", folder, place);
    else if (strcmp(place, folder) == 0)
        status = check_empty(folder);
    ae_free(place);
    return status;
}

static ae_status take_lock(ae_journal *j) {
    char *path = ae_path_join(j->folder, "lock");
    if (!path) return ae_no_memory();
    ae_status status = ae_lock_open(path, &j->lock);
    if (status != AE_OK)
        status = ae_fail_context(status, "the journal '%s' cannot be written", j->folder);
    else if (flock(j->lock, LOCK_EX | LOCK_NB) != 0)
        status =
            errno == EWOULDBLOCK
                ? ae_fail(AE_ERR_BUSY,
                          "the journal '%s' is in use: another process holds it for writing; try again when "
                          "that has ended",
                          j->folder)
                : ae_fail_errno(AE_ERR_IO, "'%s' cannot be locked; the journal must lie where files can be",
                                path);
    ae_free(path);
    return status;
}

static bool has_journal(const char *folder, ae_status *status) {
    char *path = ae_path_join(folder, AE_JOURNAL_FILE);
    *status = path ? AE_OK : ae_no_memory();
    const bool there = path && ae_path_exists(path);
    ae_free(path);
    return there;
}

static ae_status open_folder(ae_journal *j, ae_model *model, bool create, bool read_only) {
    ae_status status;
    const bool there = has_journal(j->folder, &status);
    AE_TRY(status);
    if (!there && !create)
        return ae_fail(AE_ERR_NOT_FOUND,
                       "there is no journal in '%s' (no " AE_JOURNAL_FILE
                       "); 'aedile edit --journal' makes one",
                       j->folder);
    if (!there) {
        if (read_only)
            return ae_fail(AE_ERR_ARGUMENT, "'%s': a journal cannot be both new and read-only", j->folder);
        if (!model)
            return ae_fail(AE_ERR_ARGUMENT, "'%s': a new journal needs the model that it belongs to",
                           j->folder);
        AE_TRY(ae_folder_make(j->folder));
        AE_TRY(check_empty(j->folder));
    } else // in a folder that is no journal nothing is made or cleared away
        AE_TRY(ae_journal_base_load(j->folder, &j->base));
    if (!read_only) {
        AE_TRY(take_lock(j));
        AE_TRY(ae_folder_clear(j->folder));
    }
    // Whoever held the lock before us may have made the journal meanwhile.
    if (!there && !has_journal(j->folder, &status) && status == AE_OK)
        status = ae_journal_base_create(j->folder, model);
    AE_TRY(status);
    if (!there) AE_TRY(ae_journal_base_load(j->folder, &j->base));
    AE_TRY(load_all(j));
    return model ? ae_journal_base_check(&j->base, j->folder, model) : AE_OK;
}

ae_status ae_journal_open(const char *folder, ae_model *model, bool create, bool read_only,
                          ae_journal **out) {
    if (!*folder) return ae_fail(AE_ERR_ARGUMENT, "the journal's folder is empty text");
    ae_journal *j = ae_alloc(1, sizeof *j);
    if (!j) return ae_no_memory();
    j->lock = -1;
    j->folder = ae_strdup(folder);
    ae_status status = j->folder ? open_folder(j, model, create, read_only) : ae_no_memory();
    if (status == AE_OK)
        *out = j;
    else
        ae_journal_close(j);
    return status;
}

void ae_journal_close(ae_journal *j) {
    if (!j) return;
    drop_entries(j);
    ae_free(j->entries);
    ae_free(j->layers);
    ae_journal_base_free(&j->base);
    if (j->lock >= 0) close(j->lock); // which gives up the lock; its file stays, others may be waiting on it
    ae_free(j->folder);
    ae_free(j);
}

// ---- reading ---------------------------------------------------------------------------------------

const char *ae_journal_folder(const ae_journal *j) {
    return j->folder;
}

size_t ae_journal_count(const ae_journal *j) {
    return j->count;
}

static ae_status check_index(const ae_journal *j, size_t index) {
    if (index < j->count) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT, "the journal '%s' has %zu entries, there is none at index %zu", j->folder,
                   j->count, index);
}

static bool has_file(const ae_journal *j, const char *name) {
    char *path = ae_path_join(j->folder, name);
    const bool there = path && ae_path_exists(path);
    ae_free(path);
    return there;
}

// A journal that is read is what it was when it was opened: an entry that a writer has reverted since has
// only another name.
static ae_status read_edit(const ae_journal *j, const entry *e, ae_edit **edit) {
    ae_entry_head head = {0};
    char other[FILE_NAME];
    file_name(e->id, !e->reverted, other);
    const char *name = e->file;
    ae_status status = read_entry(j, name, e->id, &head, edit);
    if (status == AE_ERR_NOT_FOUND && has_file(j, other))
        status = read_entry(j, name = other, e->id, &head, edit);
    AE_TRY(status);
    status = check_same_base(j, name, *edit);
    if (status == AE_OK) return AE_OK;
    ae_edit_free(*edit);
    *edit = NULL;
    return status;
}

static ae_journal_entry describe(const entry *e, const ae_edit *edit) {
    return (ae_journal_entry){
        .id = e->id, .reverted = e->reverted, .file = e->file, .edit = edit, .time = e->time};
}

ae_status ae_journal_get(const ae_journal *j, size_t index, ae_journal_entry *out) {
    AE_TRY(check_index(j, index));
    entry *e = j->entries[index];
    if (!e->edit) AE_TRY(read_edit(j, e, &e->edit));
    *out = describe(e, e->edit);
    return AE_OK;
}

ae_status ae_journal_read(const ae_journal *j, size_t index, ae_journal_entry *out, ae_edit **edit) {
    AE_TRY(check_index(j, index));
    const entry *e = j->entries[index];
    if (edit) AE_TRY(read_edit(j, e, edit));
    *out = describe(e, edit ? *edit : NULL);
    return AE_OK;
}

static ae_status check_writable(const ae_journal *j) {
    if (j->lock >= 0) return AE_OK;
    return ae_fail(AE_ERR_ARGUMENT, "the journal '%s' was opened read-only", j->folder);
}

// ---- the model -------------------------------------------------------------------------------------

static ae_status check_layer(const ae_journal *j, const char *file, int layer, const char *module,
                             const char *base_sha256, ae_model *model) {
    const ae_model_info *info = &model->info;
    char expected[sizeof((ae_layer_edit){0}).module], base[AE_DIGEST_HEX];
    snprintf(expected, sizeof expected, info->mlp_out_module, layer);
    if (strcmp(expected, module) != 0)
        return ae_fail(AE_ERR_MISMATCH, "'%s/%s' edits module '%s', in the model given, '%s', that is '%s'",
                       j->folder, file, module, info->name, expected);
    AE_TRY(ae_model_base_sha256(model, layer, base));
    if (strcmp(base, base_sha256) == 0) return AE_OK;
    return ae_fail(AE_ERR_MISMATCH,
                   "'%s/%s' belongs to the %s model '%s' whose '%s' has sha256 %.12s, in the model given, "
                   "'%s' in '%s', it is "
                   "%.12s: give the model that the edits were made on, with its weights as they were",
                   j->folder, file, j->base.architecture, j->base.name, module, base_sha256, info->name,
                   info->folder, base);
}

ae_status ae_journal_check_model(const ae_journal *j, ae_model *model) {
    AE_TRY(ae_journal_base_check(&j->base, j->folder, model));
    for (size_t i = 0; i < j->n_layers; i++) {
        const edited_layer *l = &j->layers[i];
        AE_TRY(check_layer(j, l->owner->file, l->layer, l->module, l->base_sha256, model));
    }
    return AE_OK;
}

static ae_status add_to_model(const ae_edit *edit, ae_model *model) {
    for (int k = 0; k < edit->n_layers; k++) {
        const ae_layer_edit *layer = &edit->layers[k];
        AE_TRY(ae_model_check_rank_one(model, layer->layer, layer->u, layer->right));
        AE_TRY(ae_model_add_rank_one(model, layer->layer, layer->u, layer->right));
    }
    return AE_OK;
}

static ae_status apply_entry(const ae_journal *j, const entry *e, ae_model *model) {
    if (e->edit) return add_to_model(e->edit, model);
    ae_edit *edit = NULL;
    AE_TRY(read_edit(j, e, &edit));
    const ae_status status = add_to_model(edit, model);
    ae_edit_free(edit);
    return status;
}

ae_status ae_journal_apply(ae_journal *j, ae_model *model) {
    AE_TRY(ae_journal_check_model(j, model));
    ae_model_restore(model);
    for (size_t i = 0; i < j->count; i++) {
        const entry *e = j->entries[i];
        const ae_status status = e->reverted ? AE_OK : apply_entry(j, e, model);
        if (status != AE_OK) {
            ae_model_restore(model);
            return ae_fail_context(status, "'%s/%s' cannot be applied, the model is back at its base",
                                   j->folder, e->file);
        }
    }
    return AE_OK;
}

// ---- writing ---------------------------------------------------------------------------------------

// Writes a new file; should even the last step fail, the name is gone again.
static ae_status write_new(const ae_journal *j, int id, const char *bytes, size_t length) {
    ae_status status = AE_OK;
    for (int reverted = 1; reverted >= 0 && status == AE_OK; reverted--) {
        char name[FILE_NAME];
        file_name(id, reverted, name);
        char *path = ae_path_join(j->folder, name);
        if (!path)
            status = ae_no_memory();
        else if (ae_path_exists(path))
            status =
                ae_fail(AE_ERR_BUSY, "'%s' has come up since the journal was opened: open it again", path);
        else if (!reverted)
            status = ae_atomic_write(path, bytes, length);
        ae_free(path);
    }
    return status;
}

// The new entry must fit the model, and the model the journal.
static ae_status check_new(const ae_journal *j, ae_model *model, const ae_edit *edit,
                           const ae_entry_head *head) {
    char name[FILE_NAME];
    file_name(head->id, false, name);
    AE_TRY(ae_journal_check_model(j, model));
    AE_TRY(ae_checkpoint_check(model->checkpoint));
    AE_TRY(check_entry(j, name, head->id, head, edit));
    for (int i = 0; i < edit->n_layers; i++)
        AE_TRY(check_layer(j, name, edit->layers[i].layer, edit->layers[i].module,
                           edit->layers[i].base_sha256, model));
    return AE_OK;
}

ae_status ae_journal_append(ae_journal *j, ae_model *model, const ae_edit *edit, int *id) {
    AE_TRY(check_writable(j));
    ae_entry_head head = {.id = next_id(j)};
    if (head.id == INT_MAX) return ae_fail(AE_ERR_UNSUPPORTED, "the journal '%s' is full", j->folder);
    ae_time_text(head.time);
    memcpy(head.shape_sha256, j->base.shape_sha256, sizeof head.shape_sha256);
    char *bytes = NULL;
    size_t length = 0;
    ae_status status = ae_entry_write(&head, edit, &bytes, &length);
    // What is checked is what a later reader will see: the entry is read back from its bytes before they go
    // to disk.
    ae_edit *copy = NULL;
    ae_entry_head got = {0};
    if (status == AE_OK) status = ae_entry_read("the new entry", bytes, length, &got, &copy);
    if (status == AE_OK) status = check_new(j, model, copy, &got);
    if (status == AE_OK) status = add_entry(j, &got, false, copy);
    ae_edit_free(copy);
    if (status == AE_OK) {
        status = write_new(j, got.id, bytes, length);
        if (status == AE_OK)
            *id = got.id;
        else
            drop_newest(j);
    }
    ae_free(bytes);
    return status;
}

// "1-3, 5": ids of the entries, all or the active ones only.
static ae_status list_ids(const ae_journal *j, bool active_only, ae_text *out) {
    AE_TRY(ae_text_append(out, "", 0));
    for (size_t i = 0; i < j->count; i++) {
        if (active_only && j->entries[i]->reverted) continue;
        size_t last = i;
        while (last + 1 < j->count && j->entries[last + 1]->id == j->entries[last]->id + 1 &&
               !(active_only && j->entries[last + 1]->reverted))
            last++;
        AE_TRY(ae_text_printf(out, last > i ? "%s%d-%d" : "%s%d", out->length > 0 ? ", " : "",
                              j->entries[i]->id, j->entries[last]->id));
        i = last;
    }
    return out->length > 0 ? AE_OK : ae_text_printf(out, "none");
}

static ae_status refuse_revert(const ae_journal *j, int id, bool known) {
    ae_text ids = {0};
    ae_status status = list_ids(j, known, &ids);
    if (status == AE_OK)
        status = known ? ae_fail(AE_ERR_ARGUMENT,
                                 "entry %d of the journal '%s' is already reverted; active entries: %.1000s",
                                 id, j->folder, ids.data)
                       : ae_fail(AE_ERR_NOT_FOUND, "the journal '%s' has no entry %d; there are: %.1000s",
                                 j->folder, id, ids.data);
    ae_free(ids.data);
    return status;
}

static ae_status rename_reverted(const ae_journal *j, const entry *e, const char *new_name) {
    char *from = ae_path_join(j->folder, e->file), *to = ae_path_join(j->folder, new_name);
    ae_status status = from && to ? AE_OK : ae_no_memory();
    if (status == AE_OK && ae_path_exists(to))
        status = ae_fail(AE_ERR_BUSY, "'%s' has come up since the journal was opened: open it again", to);
    else if (status == AE_OK && rename(from, to) != 0)
        status = ae_fail_errno(AE_ERR_IO, "cannot rename '%s' to '%s'", from, new_name);
    else if (status == AE_OK) {
        status = ae_folder_sync(j->folder);
        if (status != AE_OK) (void)rename(to, from);
    }
    ae_free(from);
    ae_free(to);
    return status;
}

ae_status ae_journal_revert(ae_journal *j, int id) {
    AE_TRY(check_writable(j));
    entry *e = NULL;
    for (size_t i = 0; i < j->count; i++)
        if (j->entries[i]->id == id) e = j->entries[i];
    if (!e || e->reverted) return refuse_revert(j, id, e != NULL);
    char name[FILE_NAME];
    file_name(id, true, name);
    AE_TRY(rename_reverted(j, e, name));
    e->reverted = true;
    memcpy(e->file, name, sizeof name);
    return AE_OK;
}

// ---- verification ----------------------------------------------------------------------------------

static ae_status verify_base(const ae_journal *j, const ae_hooks *hooks) {
    ae_journal_base base = {0};
    AE_TRY(ae_journal_base_load(j->folder, &base));
    ae_status status = AE_OK;
    if (!base.has_digest)
        ae_warn(hooks,
                "'%s/" AE_JOURNAL_FILE "' was written by an aedile that noted no digest in it: a change of "
                "its times, versions or names would not be found",
                j->folder);
    if (strcmp(base.shape_sha256, j->base.shape_sha256) != 0)
        status = ae_fail(AE_ERR_MISMATCH,
                         "'%s/" AE_JOURNAL_FILE "' has changed since the journal was opened: it names a base "
                         "of shape %.12s, it was %.12s",
                         j->folder, base.shape_sha256, j->base.shape_sha256);
    ae_journal_base_free(&base);
    return status;
}

// Files that are no part of the journal are harmless, unless one of them was.
static ae_status warn_of_strays(const ae_journal *j, const ae_hooks *hooks) {
    char **names = NULL;
    size_t count = 0;
    AE_TRY(ae_folder_list(j->folder, &names, &count));
    ae_status status = AE_OK;
    for (size_t i = 0; i < count && status == AE_OK; i++) {
        int id = 0;
        bool reverted;
        char *path = ae_path_join(j->folder, names[i]);
        status = path ? parse_name(j->folder, names[i], &id, &reverted) : ae_no_memory();
        if (status == AE_OK && id == 0 && strcmp(names[i], "lock") != 0 &&
            strcmp(names[i], AE_JOURNAL_FILE) != 0 && !ae_path_is_half_written(path))
            ae_warn(hooks, "'%s' is no part of the journal and has no effect", path);
        ae_free(path);
    }
    ae_folder_list_free(names, count);
    return status;
}

ae_status ae_journal_verify(ae_journal *j, ae_model *model, const ae_hooks *hooks) {
    AE_TRY(verify_base(j, hooks));
    AE_TRY(warn_of_strays(j, hooks));
    int expected = 1; // ids are given out without gaps and files are never removed by us
    for (size_t i = 0; i < j->count; i++) {
        const entry *e = j->entries[i];
        ae_edit *edit = NULL;
        AE_TRY(read_edit(j, e, &edit));
        ae_edit_free(edit);
        if (e->id == expected + 1)
            ae_warn(hooks,
                    "the journal '%s' has no entry %d, although there is an entry %d: its file was removed",
                    j->folder, expected, e->id);
        else if (e->id > expected)
            ae_warn(
                hooks,
                "the journal '%s' has no entries %d to %d, although there is an entry %d: their files were "
                "removed",
                j->folder, expected, e->id - 1, e->id);
        expected = e->id + 1;
        AE_TRY(ae_progress(hooks, "verifying entries", (double)(i + 1), (double)j->count, "entries"));
    }
    return model ? ae_journal_check_model(j, model) : AE_OK;
}
