/* compare_runs.h: are two runs' folders the same, byte for byte, but for times?
 *
 * Times are: members "time" and "created", the "digest" of a file that holds one, and those whose names begin
 * with "seconds", wherever they stand; "run_dir", which says where the run lies, is left out with them. A
 * journal entry holds them inside, and a digest over them: it is read, its times are set to nothing, and it
 * is written again before it is compared. Nothing else can hide there: written again as it was read, it must
 * be the file, byte for byte.
 */
#ifndef AE_TEST_COMPARE_RUNS_H
#define AE_TEST_COMPARE_RUNS_H

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "edit/journal_entry.h"

/* Is this, behind its opening quote, the name of a time, or of where the run lies? */
static inline bool compare_is_time(const char *name) {
    return strncmp(name, "time\":", 6) == 0 || strncmp(name, "created\":", 9) == 0 ||
           strncmp(name, "seconds", 7) == 0 || strncmp(name, "digest\":", 8) == 0 ||
           strncmp(name, "run_dir\":", 9) == 0;
}

/* JSON as it stands in the file, each of those values replaced by 0. */
static inline void compare_drop_times(ae_text *text) {
    ae_text out = {0};
    for (const char *at = text->data; *at;) {
        if (*at == '"' && compare_is_time(at + 1)) {
            const char *colon = strchr(at, ':'), *value = colon ? colon + 1 : at + strlen(at);
            value += strspn(value, " ");
            ae_text_append(&out, at, (size_t)(value - at));
            ae_text_append(&out, "0", 1);
            at = *value == '"'   ? strchr(value + 1, '"') + 1
                 : *value == '[' ? strchr(value, ']') + 1
                 : *value == '{' ? strchr(value, '}') + 1
                                 : value + strcspn(value, ",}]\n");
        } else {
            ae_text_append(&out, at++, 1);
        }
    }
    ae_free(text->data);
    *text = out;
}

/* A journal entry without its times. */
static inline ae_status compare_drop_entry_times(const char *path, ae_text *bytes) {
    ae_entry_head head;
    ae_edit *edit = NULL;
    AE_TRY(ae_entry_read(path, bytes->data, bytes->length, &head, &edit));
    ae_text same = {0};
    ae_status status = ae_entry_write(&head, edit, &same.data, &same.length);
    if (status == AE_OK && (same.length != bytes->length || memcmp(same.data, bytes->data, same.length) != 0))
        status = ae_fail(AE_ERR_FORMAT, "'%s' holds more than what is read from it", path);
    ae_free(same.data);
    if (status != AE_OK) {
        ae_edit_free(edit);
        return status;
    }
    memset(head.time, 0, sizeof head.time);
    edit->seconds_keys = edit->seconds_solve = edit->seconds_optimise = edit->seconds_update = 0;
    ae_free(bytes->data);
    *bytes = (ae_text){0};
    status = ae_entry_write(&head, edit, &bytes->data, &bytes->length);
    ae_edit_free(edit);
    return status;
}

static inline bool compare_ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), n = strlen(end);
    return length >= n && strcmp(name + length - n, end) == 0;
}

/* "0001.safetensors", not a model's or an adapter's */
static inline bool compare_is_entry(const char *path) {
    const char *name = strrchr(path, '/');
    return isdigit((unsigned char)(name ? name[1] : path[0])) && compare_ends_with(path, ".safetensors");
}

static inline ae_status compare_read(const char *path, ae_text *out) {
    AE_TRY(ae_file_read(path, (size_t)1 << 30, &out->data, &out->length));
    if (compare_is_entry(path)) return compare_drop_entry_times(path, out);
    if (compare_ends_with(path, ".json") || compare_ends_with(path, ".jsonl")) compare_drop_times(out);
    return AE_OK;
}

/* Paths below `folder`, each on its own line, folders with a '/' behind them; `prefix` is what they begin
 * with. */
static inline void compare_list(const char *folder, const char *prefix, ae_text *out) {
    char **names = NULL;
    size_t count = 0;
    if (ae_folder_list(folder, &names, &count) != AE_OK) ae_text_printf(out, "(%s)\n", ae_last_error());
    for (size_t i = 0; i < count; i++) {
        char *path = ae_path_join(folder, names[i]), *name = ae_format("%s%s", prefix, names[i]);
        const bool deeper = ae_path_is_folder(path);
        ae_text_printf(out, "%s%s\n", name, deeper ? "/" : "");
        char *inner = ae_format("%s/", name);
        if (deeper) compare_list(path, inner, out);
        ae_free(inner);
        ae_free(name);
        ae_free(path);
    }
    ae_folder_list_free(names, count);
}

static inline char *compare_file(const char *a, const char *b, const char *name) {
    char *left = ae_path_join(a, name), *right = ae_path_join(b, name), *difference = NULL;
    ae_text x = {0}, y = {0};
    if (compare_read(left, &x) != AE_OK || compare_read(right, &y) != AE_OK) {
        difference = ae_strdup(ae_last_error());
    } else if (x.length != y.length || memcmp(x.data, y.data, x.length) != 0) {
        size_t at = 0;
        while (at < x.length && at < y.length && x.data[at] == y.data[at])
            at++;
        const size_t from = at < 60 ? 0 : at - 60;
        const bool readable = !compare_ends_with(name, ".safetensors");
        difference = readable ? ae_format("'%s' differs at byte %zu:\n  %.100s\n  %.100s", name, at,
                                          x.data + from, y.data + from)
                              : ae_format("'%s' differs at byte %zu", name, at);
    }
    ae_free(x.data);
    ae_free(y.data);
    ae_free(left);
    ae_free(right);
    return difference;
}

/* The first difference, for people (ae_free); NULL: there is none. */
static inline char *compare_runs(const char *a, const char *b) {
    ae_text left = {0}, right = {0};
    ae_text_append(&left, "", 0);
    ae_text_append(&right, "", 0);
    compare_list(a, "", &left);
    compare_list(b, "", &right);
    char *difference = NULL;
    if (strcmp(left.data, right.data) != 0)
        difference = ae_format("different files in '%s':\n%s\nand in '%s':\n%s", a, left.data, b, right.data);
    for (char *name = strtok(left.data, "\n"); name && !difference; name = strtok(NULL, "\n"))
        if (!compare_ends_with(name, "/")) difference = compare_file(a, b, name);
    ae_free(left.data);
    ae_free(right.data);
    return difference;
}

#endif
