// The added tokens that a model folder's files name.

#include "text/tokenizer_loader.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

void ae_added_tokens_free(ae_added_tokens *added) {
    for (size_t i = 0; i < added->n; i++)
        ae_free(added->items[i].text);
    ae_free(added->items);
    *added = (ae_added_tokens){0};
}

ae_status ae_loader_check_id(ae_tokenizer_loader *load, const char *path, const char *token,
                             const json_t *value, int32_t *id) {
    if (!json_is_integer(value))
        return ae_fail(AE_ERR_FORMAT, "'%s': the id of token \"%.80s\" is %s, expected an integer", path,
                       token, ae_json_type_name(value));
    json_int_t number = json_integer_value(value);
    int32_t limit = load->n_vocab < AE_TOKENIZER_MAX_IDS ? load->n_vocab : AE_TOKENIZER_MAX_IDS;
    if (number < 0 || number >= limit)
        return ae_fail(AE_ERR_FORMAT, "'%s': token \"%.80s\" has id %lld, the model's ids are 0 to %d", path,
                       token, (long long)number, limit - 1);
    *id = (int32_t)number;
    if (*id > load->max_id) load->max_id = *id;
    return AE_OK;
}

/* A file may name as many added tokens as there are ids: those found so far are looked up, not walked
 * through. */
static const ae_added_token *find_added(const ae_tokenizer_loader *load, const json_t *places,
                                        const char *key, size_t length) {
    const json_t *place = json_object_getn(places, key, length);
    return place ? &load->added.items[json_integer_value(place)] : NULL;
}

static ae_status note_added(json_t **places, const char *key, size_t length, size_t place) {
    if (!*places) *places = json_object();
    if (json_object_setn_new(*places, key, length, json_integer((json_int_t)place)) != 0)
        return ae_fail(AE_ERR_MEMORY, "out of memory for %zu added tokens", place + 1);
    return AE_OK;
}

// One added token; `flags` (an object, or NULL) may hold its flags, `normalized` is what counts where they do
// not say.
static ae_status add_added(ae_tokenizer_loader *load, const char *path, const char *text, size_t length,
                           int32_t id, const json_t *flags, bool normalized) {
    static const char *const refused[] = {"lstrip", "rstrip", "single_word"};
    for (size_t i = 0; flags && i < sizeof refused / sizeof refused[0]; i++) {
        bool value = false;
        AE_TRY(ae_json_bool(path, flags, refused[i], false, &value));
        if (value)
            return ae_fail(AE_ERR_UNSUPPORTED,
                           "'%s': added token \"%.80s\" has '%s' set, which is not supported", path, text,
                           refused[i]);
    }
    if (flags) AE_TRY(ae_json_bool(path, flags, "normalized", false, &normalized));
    if (length == 0) return AE_OK; // never found in a text
    const json_t *in_vocab = json_object_getn(load->vocab, text, length);
    if (in_vocab && (!json_is_integer(in_vocab) || json_integer_value(in_vocab) != id))
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': added token \"%.80s\" has id %d, another than in the vocabulary of '%s'", path,
                       text, id, load->main_path);
    char digits[16];
    snprintf(digits, sizeof digits, "%d", id);
    const ae_added_token *same_text = find_added(load, load->by_text, text, length),
                         *same_id = find_added(load, load->by_id, digits, strlen(digits));
    if (same_text && same_text == same_id) return AE_OK;
    if (same_text || same_id) {
        const ae_added_token *other = same_text ? same_text : same_id;
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': added token \"%.80s\" with id %d contradicts \"%.80s\" with id %d", path, text,
                       id, other->text, other->id);
    }
    AE_TRY(note_added(&load->by_text, text, length, load->added.n));
    AE_TRY(note_added(&load->by_id, digits, strlen(digits), load->added.n));
    AE_TRY(ae_grow((void **)&load->added.items, &load->added.capacity, load->added.n + 1,
                   sizeof *load->added.items));
    char *copy = ae_strndup(text, length);
    if (!copy) return ae_no_memory();
    load->added.items[load->added.n++] =
        (ae_added_token){.text = copy, .length = length, .id = id, .normalized = normalized};
    return AE_OK;
}

ae_status ae_loader_add_described(ae_tokenizer_loader *load, const char *path, const json_t *entry,
                                  const json_t *id_value) {
    if (!json_is_object(entry))
        return ae_fail(AE_ERR_FORMAT, "'%s': an added token is %s, expected an object", path,
                       ae_json_type_name(entry));
    const char *text = NULL;
    size_t length = 0;
    AE_TRY(ae_json_bytes(path, entry, "content", true, &text, &length));
    int32_t id = -1;
    AE_TRY(ae_loader_check_id(load, path, text, id_value, &id));
    return add_added(load, path, text, length, id, entry, !json_is_true(json_object_get(entry, "special")));
}

// A special token that is only named: its id is that in the vocabulary; one without an id is nothing to look
// for.
static ae_status add_named(ae_tokenizer_loader *load, const char *path, const json_t *value) {
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    if (!json_is_string(content)) return AE_OK;
    const char *text = json_string_value(content);
    size_t length = json_string_length(content);
    const json_t *id_value = json_object_getn(load->vocab, text, length);
    if (!id_value) return AE_OK;
    int32_t id = -1;
    AE_TRY(ae_loader_check_id(load, path, text, id_value, &id));
    return add_added(load, path, text, length, id, json_is_object(value) ? value : NULL, false);
}

// bos_token, eos_token, ... and lists of further ones, in special_tokens_map.json and tokenizer_config.json.
static ae_status add_special_tokens(ae_tokenizer_loader *load, const char *path, json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t length = strlen(key);
        if (length > 6 && strcmp(key + length - 6, "_token") == 0) AE_TRY(add_named(load, path, value));
        if (strcmp(key, "additional_special_tokens") != 0 && strcmp(key, "extra_special_tokens") != 0)
            continue;
        size_t i;
        json_t *item;
        json_array_foreach(value, i, item) AE_TRY(add_named(load, path, item));
    }
    return AE_OK;
}

// A file of the folder as an object; *out stays NULL where there is none.
static ae_status load_optional(const ae_tokenizer_loader *load, const char *name, char **path, json_t **out) {
    *path = ae_path_join(load->folder, name);
    if (!*path) return ae_no_memory();
    if (!ae_path_is_taken(*path)) return AE_OK;
    AE_TRY(ae_json_load(*path, AE_TOKENIZER_FILE_LIMIT, out));
    if (!json_is_object(*out))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", *path, ae_json_type_name(*out));
    return AE_OK;
}

static ae_status read_added_tokens(ae_tokenizer_loader *load, const char *path, json_t *object) {
    const char *key;
    size_t length;
    json_t *value;
    json_object_keylen_foreach(object, key, length, value) {
        int32_t id = -1;
        AE_TRY(ae_loader_check_id(load, path, key, value, &id));
        AE_TRY(add_added(load, path, key, length, id, NULL, true));
    }
    return AE_OK;
}

static ae_status read_decoder_entries(ae_tokenizer_loader *load, const char *path, json_t *entries) {
    if (!entries) return AE_OK;
    if (!json_is_object(entries))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'added_tokens_decoder' is %s, expected an object", path,
                       ae_json_type_name(entries));
    const char *key;
    json_t *value;
    json_object_foreach(entries, key, value) {
        json_int_t number = 0;
        bool digits = *key && strlen(key) <= 10 && strspn(key, "0123456789") == strlen(key);
        for (const char *c = key; digits && *c; c++)
            number = number * 10 + (*c - '0');
        if (!digits)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s': field 'added_tokens_decoder' has an id \"%.80s\", expected digits", path,
                           key);
        json_t *id_value = json_integer(number);
        if (!id_value) return ae_fail(AE_ERR_MEMORY, "out of memory");
        ae_status status = ae_loader_add_described(load, path, value, id_value);
        json_decref(id_value);
        AE_TRY(status);
    }
    return AE_OK;
}

static ae_status read_config(ae_tokenizer_loader *load, const char *path, json_t *config) {
    static const char *const refused[] = {"add_prefix_space", "add_bos_token", "add_eos_token"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (json_is_true(json_object_get(config, refused[i])))
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field '%s' is true, which is not supported", path,
                           refused[i]);
    const char *class = NULL;
    AE_TRY(ae_json_string(path, config, "tokenizer_class", false, &class));
    // vocab.json and merges.txt do not say which pattern they were made for; the class does.
    static const char *const known[] = {"GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer",
                                        "CodeGenTokenizerFast"};
    bool supported = !class || !load->merges_path;
    for (size_t i = 0; !supported && i < sizeof known / sizeof known[0]; i++)
        supported = strcmp(class, known[i]) == 0;
    if (!supported)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': field 'tokenizer_class' is \"%.80s\"; without a tokenizer.json only "
                       "GPT2Tokenizer is supported",
                       path, class);
    AE_TRY(read_decoder_entries(load, path, json_object_get(config, "added_tokens_decoder")));
    return add_special_tokens(load, path, config);
}

typedef ae_status (*reader)(ae_tokenizer_loader *load, const char *path, json_t *object);

static ae_status read_optional(ae_tokenizer_loader *load, const char *name, reader read) {
    char *path = NULL;
    json_t *object = NULL;
    ae_status status = load_optional(load, name, &path, &object);
    if (status == AE_OK && object) status = read(load, path, object);
    json_decref(object);
    ae_free(path);
    return status;
}

ae_status ae_loader_read_added(ae_tokenizer_loader *load) {
    AE_TRY(read_optional(load, "tokenizer_config.json", read_config));
    AE_TRY(read_optional(load, "added_tokens.json", read_added_tokens));
    AE_TRY(read_optional(load, "special_tokens_map.json", add_special_tokens));
    // GPT-2's tokenizer has this one special token even where no file says so.
    json_t *name = json_string("<|endoftext|>");
    if (!name) return ae_fail(AE_ERR_MEMORY, "out of memory");
    ae_status status = add_named(load, load->main_path, name);
    json_decref(name);
    return status;
}
