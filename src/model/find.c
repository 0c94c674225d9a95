// From what a user typed to a model folder.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aedile/model.h"
#include "base/file.h"
#include "base/memory.h"

static const char *set_variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

// The hub's cache folder, as huggingface_hub finds it; the second variable is the first one's older name.
static ae_status hub_cache(const char *model, char **folder) {
    static const struct {
        const char *variable, *below;
    } places[] = {
        {"HF_HUB_CACHE", NULL},
        {"HUGGINGFACE_HUB_CACHE", NULL},
        {"HF_HOME", "hub"},
        {"XDG_CACHE_HOME", "huggingface/hub"},
        {"HOME", ".cache/huggingface/hub"},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = set_variable(places[i].variable);
        if (!value) continue;
        *folder = places[i].below ? ae_path_join(value, places[i].below) : ae_strdup(value);
        return *folder ? AE_OK : ae_no_memory();
    }
    return ae_fail(AE_ERR_NOT_FOUND,
                   "model '%s' is not a folder, and where the Hugging Face cache is cannot be told: set "
                   "HF_HUB_CACHE, or HOME, which is not set",
                   model);
}

// The folder of the revision that refs/main names, or the only snapshot there is. *folder stays NULL where
// there is none.
static ae_status find_snapshot(const char *repository, char **folder) {
    char *ref = ae_path_join(repository, "refs/main"), *snapshots = ae_path_join(repository, "snapshots");
    char *revision = NULL;
    ae_status status = ref && snapshots ? AE_OK : ae_no_memory();
    if (status == AE_OK && ae_path_exists(ref)) {
        status = ae_file_read(ref, 4096, &revision, NULL);
        if (status == AE_OK) {
            revision[strcspn(revision, "\r\n \t")] = '\0';
            if (!*revision || strchr(revision, '/') || *revision == '.')
                status =
                    ae_fail(AE_ERR_FORMAT, "'%s' does not hold a revision: download the model again", ref);
        }
    } else if (status == AE_OK && ae_path_is_folder(snapshots)) {
        char **names = NULL;
        size_t count = 0;
        status = ae_folder_list(snapshots, &names, &count);
        if (status == AE_OK) {
            if (count == 1) {
                revision = ae_strdup(names[0]);
                if (!revision) status = ae_no_memory();
            }
            ae_folder_list_free(names, count);
        }
    }
    if (status == AE_OK && revision) {
        char *found = ae_path_join(snapshots, revision);
        if (!found)
            status = ae_no_memory();
        else if (ae_path_is_folder(found))
            *folder = found;
        else
            ae_free(found);
    }
    ae_free(ref);
    ae_free(snapshots);
    ae_free(revision);
    return status;
}

// "owner/name" as the cache's folder name "models--owner--name".
static char *cache_entry(const char *cache, const char *owner, const char *name) {
    ae_text entry = {0};
    ae_status status = ae_text_printf(&entry, "%s/models--%s%s", cache, owner, *owner ? "--" : "");
    for (const char *c = name; status == AE_OK && *c; c++)
        status = *c == '/' ? ae_text_append(&entry, "--", 2) : ae_text_append(&entry, c, 1);
    if (status == AE_OK) return entry.data;
    ae_free(entry.data);
    return NULL;
}

// A hub name: one or two parts of letters, digits, - _ . and no part that starts with a dot.
static bool is_hub_name(const char *name) {
    int slashes = 0;
    for (const char *c = name; *c; c++) {
        if (*c == '/') {
            slashes++;
            continue;
        }
        const bool first = c == name || c[-1] == '/';
        if (*c == '.' && first) return false;
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *c)) return false;
    }
    return *name && *name != '/' && name[strlen(name) - 1] != '/' && slashes <= 1;
}

static ae_status find_in_cache(const char *name, char **folder) {
    // The hub moved these without an owner's name to "openai-community"; both spellings are in people's
    // caches.
    static const char *const moved[] = {"gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"};
    const char *owner = "";
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
        if (strcmp(name, moved[i]) == 0) owner = "openai-community";
    char *cache = NULL, *entries[2] = {NULL, NULL}, *found = NULL;
    ae_status status = hub_cache(name, &cache);
    if (status == AE_OK) {
        entries[0] = cache_entry(cache, "", name);
        entries[1] = cache_entry(cache, owner, name);
        if (!entries[0] || !entries[1]) status = ae_no_memory();
    }
    for (int i = 0; i < 2 && status == AE_OK && !found; i++)
        status = find_snapshot(entries[i], &found);
    if (status == AE_OK && !found)
        status = ae_fail(
            AE_ERR_NOT_FOUND,
            "model '%s' is neither a folder nor in the Hugging Face cache ('%s' was looked for); download it "
            "with: hf download %s%s%s",
            name, entries[1], owner, *owner ? "/" : "", name);
    if (status == AE_OK) *folder = found;
    ae_free(cache);
    ae_free(entries[0]);
    ae_free(entries[1]);
    return status;
}

// The demo model: $AEDILE_DEMO, else beside the program as built or as installed.
static ae_status find_demo(char **folder) {
    const char *value = set_variable("AEDILE_DEMO");
    if (value) {
        if (!ae_path_is_folder(value))
            return ae_fail(AE_ERR_NOT_FOUND, "AEDILE_DEMO is '%s', which is not a folder", value);
        *folder = ae_strdup(value);
        return *folder ? AE_OK : ae_no_memory();
    }
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) length = 0;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    static const char *const places[] = {"demo", "../share/aedile/demo"};
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char *place = ae_path_join(program, places[i]), resolved[PATH_MAX];
        if (!place) return ae_no_memory();
        const bool found = ae_path_is_folder(place) && realpath(place, resolved);
        ae_free(place);
        if (!found) continue;
        *folder = ae_strdup(resolved);
        return *folder ? AE_OK : ae_no_memory();
    }
    return ae_fail(AE_ERR_NOT_FOUND,
                   "the demo model is not beside the program ('%s/demo'): build it with "
                   "'make demo', or set AEDILE_DEMO to its folder",
                   slash ? program : "");
}

ae_status ae_model_find(const char *name, char **folder) {
    if (!*name) return ae_fail(AE_ERR_ARGUMENT, "the model's name is empty");
    if (ae_path_is_folder(name)) {
        *folder = ae_strdup(name);
        return *folder ? AE_OK : ae_no_memory();
    }
    if (strcmp(name, "demo") == 0) return find_demo(folder);
    if (ae_path_exists(name))
        return ae_fail(AE_ERR_ARGUMENT, "'%s' is a file: give the model folder that holds config.json", name);
    if (!is_hub_name(name)) return ae_fail(AE_ERR_NOT_FOUND, "there is no folder '%s'", name);
    return find_in_cache(name, folder);
}
