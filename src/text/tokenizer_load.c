// Reads a model folder's tokenizer files: tokenizer.json, or vocab.json + merges.txt, and what names added
// tokens.

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

enum { FILE_LIMIT = 256 << 20, MAX_IDS = 1 << 24 };

typedef struct loader {
    const char *folder;
    int32_t n_vocab;
    int32_t max_id;
    char *main_path;       // tokenizer.json or vocab.json
    char *merges_path;     // merges.txt, NULL with tokenizer.json
    json_t *main;          // the document of main_path
    const json_t *vocab;   // token -> id, within `main`
    ae_added_tokens added; // in the order found
    ae_bpe *bpe;
    int16_t byte_of[324]; // by character, -1: stands for no byte
    ae_text key;          // a token's bytes, reused
} loader;

/* ---- the alphabet ---------------------------------------------------------------------------------------
 */

/* In these files a byte is written as a visible character: printable Latin-1 as itself, the others as U+0100
 * and on in the order of their values. */
static void make_alphabet(int16_t byte_of[324]) {
    for (int code = 0; code < 324; code++)
        byte_of[code] = -1;
    int next = 256;
    for (int byte = 0; byte < 256; byte++) {
        bool visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
        byte_of[visible ? byte : next++] = (int16_t)byte;
    }
}

// Appends the bytes that a written token stands for; *merged is false (nothing appended) if it holds other
// characters.
static ae_status append_written(loader *load, const char *written, size_t length, bool *merged) {
    const unsigned char *s = (const unsigned char *)written;
    size_t before = load->key.length;
    *merged = length > 0;
    for (size_t at = 0; at < length && *merged;) {
        uint32_t code = UINT32_MAX;
        int step = ae_utf8_decode(s + at, length - at, &code);
        *merged = step > 0 && code < 324 && load->byte_of[code] >= 0;
        if (!*merged) break;
        char byte = (char)load->byte_of[code];
        AE_TRY(ae_text_append(&load->key, &byte, 1));
        at += (size_t)step;
    }
    if (!*merged) load->key.length = before;
    return AE_OK;
}

/* ---- added tokens ---------------------------------------------------------------------------------------
 */

void ae_added_tokens_free(ae_added_tokens *added) {
    for (size_t i = 0; i < added->n; i++)
        ae_free(added->items[i].text);
    ae_free(added->items);
    *added = (ae_added_tokens){0};
}

static ae_status check_id(loader *load, const char *path, const char *token, const json_t *value,
                          int32_t *id) {
    if (!json_is_integer(value))
        return ae_fail(AE_ERR_FORMAT, "'%s': the id of token \"%.80s\" is %s, expected an integer", path,
                       token, ae_json_type_name(value));
    json_int_t number = json_integer_value(value);
    int32_t limit = load->n_vocab < MAX_IDS ? load->n_vocab : MAX_IDS;
    if (number < 0 || number >= limit)
        return ae_fail(AE_ERR_FORMAT, "'%s': token \"%.80s\" has id %lld, the model's ids are 0 to %d", path,
                       token, (long long)number, limit - 1);
    *id = (int32_t)number;
    if (*id > load->max_id) load->max_id = *id;
    return AE_OK;
}

// One added token; `flags` (an object, or NULL) may hold its flags, `normalized` is what counts where they do
// not say.
static ae_status add_added(loader *load, const char *path, const char *text, size_t length, int32_t id,
                           const json_t *flags, bool normalized) {
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
    for (size_t i = 0; i < load->added.n; i++) {
        const ae_added_token *other = &load->added.items[i];
        bool same_text = other->length == length && memcmp(other->text, text, length) == 0;
        if (same_text && other->id == id) return AE_OK;
        if (same_text || other->id == id)
            return ae_fail(AE_ERR_FORMAT,
                           "'%s': added token \"%.80s\" with id %d contradicts \"%.80s\" with id %d", path,
                           text, id, other->text, other->id);
    }
    AE_TRY(ae_grow((void **)&load->added.items, &load->added.capacity, load->added.n + 1,
                   sizeof *load->added.items));
    char *copy = ae_strndup(text, length);
    if (!copy) return ae_no_memory();
    load->added.items[load->added.n++] = (ae_added_token){copy, length, id, normalized};
    return AE_OK;
}

// {"content": ..., "lstrip": ...} with an id of its own.
static ae_status add_described(loader *load, const char *path, const json_t *entry, const json_t *id_value) {
    if (!json_is_object(entry))
        return ae_fail(AE_ERR_FORMAT, "'%s': an added token is %s, expected an object", path,
                       ae_json_type_name(entry));
    const char *text = NULL;
    AE_TRY(ae_json_string(path, entry, "content", true, &text));
    int32_t id = -1;
    AE_TRY(check_id(load, path, text, id_value, &id));
    return add_added(load, path, text, json_string_length(json_object_get(entry, "content")), id, entry,
                     !json_is_true(json_object_get(entry, "special")));
}

// A special token that is only named: its id is that in the vocabulary; one without an id is nothing to look
// for.
static ae_status add_named(loader *load, const char *path, const json_t *value) {
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    if (!json_is_string(content)) return AE_OK;
    const char *text = json_string_value(content);
    size_t length = json_string_length(content);
    const json_t *id_value = json_object_getn(load->vocab, text, length);
    if (!id_value) return AE_OK;
    int32_t id = -1;
    AE_TRY(check_id(load, path, text, id_value, &id));
    return add_added(load, path, text, length, id, json_is_object(value) ? value : NULL, false);
}

// bos_token, eos_token, ... and lists of further ones, in special_tokens_map.json and tokenizer_config.json.
static ae_status add_special_tokens(loader *load, const char *path, json_t *object) {
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
static ae_status load_optional(const loader *load, const char *name, char **path, json_t **out) {
    *path = ae_path_join(load->folder, name);
    if (!*path) return ae_no_memory();
    if (!ae_path_exists(*path)) return AE_OK;
    AE_TRY(ae_json_load(*path, FILE_LIMIT, out));
    if (!json_is_object(*out))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", *path, ae_json_type_name(*out));
    return AE_OK;
}

static ae_status read_added_tokens(loader *load, const char *path, json_t *object) {
    const char *key;
    size_t length;
    json_t *value;
    json_object_keylen_foreach(object, key, length, value) {
        int32_t id = -1;
        AE_TRY(check_id(load, path, key, value, &id));
        AE_TRY(add_added(load, path, key, length, id, NULL, true));
    }
    return AE_OK;
}

static ae_status read_decoder_entries(loader *load, const char *path, json_t *entries) {
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
        ae_status status = add_described(load, path, value, id_value);
        json_decref(id_value);
        AE_TRY(status);
    }
    return AE_OK;
}

static ae_status read_config(loader *load, const char *path, json_t *config) {
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

typedef ae_status (*reader)(loader *load, const char *path, json_t *object);

static ae_status read_optional(loader *load, const char *name, reader read) {
    char *path = NULL;
    json_t *object = NULL;
    ae_status status = load_optional(load, name, &path, &object);
    if (status == AE_OK && object) status = read(load, path, object);
    json_decref(object);
    ae_free(path);
    return status;
}

static ae_status read_other_added_tokens(loader *load) {
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

/* ---- vocabulary -----------------------------------------------------------------------------------------
 */

static ae_status find_max_id(loader *load) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)load->vocab, key, value) {
        int32_t id = -1;
        AE_TRY(check_id(load, load->main_path, key, value, &id));
    }
    return AE_OK;
}

static ae_status name_id(loader *load, const char *written, int32_t id, const char *bytes, size_t length,
                         bool merged) {
    size_t other_length;
    if (ae_bpe_bytes(load->bpe, id, &other_length))
        return ae_fail(AE_ERR_FORMAT, "'%s': token \"%.80s\" has id %d, which another token has already",
                       load->main_path, written, id);
    ae_status status = ae_bpe_add_token(load->bpe, id, bytes, length, merged);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "'%s'", load->main_path);
}

static ae_status read_vocab(loader *load) {
    const char *key;
    size_t key_length;
    json_t *value;
    json_object_keylen_foreach((json_t *)(uintptr_t)load->vocab, key, key_length, value) {
        int32_t id = (int32_t)json_integer_value(value);
        bool merged;
        load->key.length = 0;
        AE_TRY(append_written(load, key, key_length, &merged));
        AE_TRY(name_id(load, key, id, merged ? load->key.data : key, merged ? load->key.length : key_length,
                       merged));
    }
    for (size_t i = 0; i < load->added.n; i++) {
        const ae_added_token *token = &load->added.items[i];
        if (json_object_getn(load->vocab, token->text, token->length)) continue;
        AE_TRY(name_id(load, token->text, token->id, token->text, token->length, false));
    }
    int missing = ae_bpe_missing_byte(load->bpe);
    if (missing >= 0)
        return ae_fail(AE_ERR_FORMAT,
                       "'%s': the vocabulary has no token for byte 0x%02X, so it is not a byte-level one or "
                       "not complete",
                       load->main_path, (unsigned)missing);
    return AE_OK;
}

/* ---- merges ---------------------------------------------------------------------------------------------
 */

// Where a merge stands, for messages: "'path', line 3".
typedef struct place {
    const char *path, *unit;
    size_t number;
} place;

typedef struct half {
    const char *text; // as written
    size_t length;
} half;

static ae_status bad_merge(ae_status status, place at, half left, half right, const char *what) {
    return ae_fail(status, "'%s', %s %zu: \"%.*s\" and \"%.*s\": %s", at.path, at.unit, at.number,
                   (int)(left.length < 80 ? left.length : 80), left.text,
                   (int)(right.length < 80 ? right.length : 80), right.text, what);
}

static ae_status add_merge(loader *load, place at, half left, half right) {
    const half parts[2] = {left, right};
    int32_t ids[2] = {-1, -1};
    bool reachable = true;
    load->key.length = 0;
    for (int i = 0; i < 2; i++) {
        size_t start = load->key.length;
        bool merged;
        AE_TRY(append_written(load, parts[i].text, parts[i].length, &merged));
        if (merged) ids[i] = ae_bpe_find(load->bpe, load->key.data + start, load->key.length - start);
        reachable = reachable && merged;
        if (ids[i] < 0 && (merged || !json_object_getn(load->vocab, parts[i].text, parts[i].length)))
            return bad_merge(AE_ERR_FORMAT, at, left, right,
                             i == 0 ? "the first is not in the vocabulary"
                                    : "the second is not in the vocabulary");
    }
    if (!reachable) return AE_OK; // written in the alphabet, no text holds other characters
    int32_t result = ae_bpe_find(load->bpe, load->key.data, load->key.length);
    if (result < 0)
        return bad_merge(AE_ERR_FORMAT, at, left, right,
                         "what they are merged into is not in the vocabulary");
    bool fresh;
    AE_TRY(ae_bpe_add_merge(load->bpe, ids[0], ids[1], result, &fresh));
    return fresh ? AE_OK : bad_merge(AE_ERR_FORMAT, at, left, right, "an earlier merge has the same pair");
}

// "left right", the form of merges.txt.
static ae_status add_merge_line(loader *load, place at, const char *line, size_t length) {
    const char *space = memchr(line, ' ', length);
    size_t left = space ? (size_t)(space - line) : 0;
    if (!space || left == 0 || left + 1 == length || memchr(space + 1, ' ', length - left - 1))
        return ae_fail(AE_ERR_FORMAT, "'%s', %s %zu: \"%.*s\" is not two tokens with one space between",
                       at.path, at.unit, at.number, (int)(length < 80 ? length : 80), line);
    return add_merge(load, at, (half){line, left}, (half){space + 1, length - left - 1});
}

static ae_status read_merges_file(loader *load) {
    char *text = NULL;
    size_t length;
    AE_TRY(ae_file_read(load->merges_path, FILE_LIMIT, &text, &length));
    ae_status status = AE_OK;
    size_t number = 1;
    for (const char *line = text, *end = text + length; status == AE_OK && line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        if (strncmp(line, "#version", 8) != 0)
            status =
                add_merge_line(load, (place){load->merges_path, "line", number}, line, (size_t)(stop - line));
        line = stop + 1;
    }
    ae_free(text);
    return status;
}

static ae_status read_merges_array(loader *load, const json_t *merges) {
    size_t i;
    json_t *item;
    json_array_foreach(merges, i, item) {
        place at = {load->main_path, "merge", i + 1};
        if (json_is_string(item)) {
            AE_TRY(add_merge_line(load, at, json_string_value(item), json_string_length(item)));
            continue;
        }
        const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
        if (json_array_size(item) != 2 || !json_is_string(left) || !json_is_string(right))
            return ae_fail(AE_ERR_FORMAT, "'%s', merge %zu is %s, expected a string or a pair of strings",
                           at.path, at.number, ae_json_type_name(item));
        AE_TRY(add_merge(load, at, (half){json_string_value(left), json_string_length(left)},
                         (half){json_string_value(right), json_string_length(right)}));
    }
    return AE_OK;
}

/* ---- tokenizer.json -------------------------------------------------------------------------------------
 */

// The "type" of a part such as "normalizer"; NULL: null or absent.
static ae_status part_type(const loader *load, const char *field, const json_t **out, const char **type) {
    *type = NULL;
    *out = json_object_get(load->main, field);
    if (!*out || json_is_null(*out)) return AE_OK;
    if (!json_is_object(*out))
        return ae_fail(AE_ERR_FORMAT, "'%s': field '%s' is %s, expected an object or null", load->main_path,
                       field, ae_json_type_name(*out));
    ae_status status = ae_json_string(load->main_path, *out, "type", true, type);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "field '%s'", field);
}

static ae_status unsupported_part(const loader *load, const char *field, const char *type,
                                  const char *expected) {
    return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field '%s' is %s, only %s is supported", load->main_path, field,
                   type ? type : "null", expected);
}

// Everything that would change ids or text and is not GPT-2's way is refused by its name.
static ae_status check_parts(const loader *load) {
    const json_t *part;
    const char *type;
    AE_TRY(part_type(load, "normalizer", &part, &type));
    if (type) return unsupported_part(load, "normalizer", type, "null");
    AE_TRY(part_type(load, "post_processor", &part, &type));
    if (type && strcmp(type, "ByteLevel") != 0)
        return unsupported_part(load, "post_processor", type, "ByteLevel or null");
    AE_TRY(part_type(load, "decoder", &part, &type));
    if (!type || strcmp(type, "ByteLevel") != 0) return unsupported_part(load, "decoder", type, "ByteLevel");
    AE_TRY(part_type(load, "pre_tokenizer", &part, &type));
    if (!type || strcmp(type, "ByteLevel") != 0)
        return unsupported_part(load, "pre_tokenizer", type, "ByteLevel");
    bool prefix_space = true, use_regex = true;
    AE_TRY(ae_json_bool(load->main_path, part, "add_prefix_space", false, &prefix_space));
    AE_TRY(ae_json_bool(load->main_path, part, "use_regex", false, &use_regex));
    if (prefix_space)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': field 'pre_tokenizer.add_prefix_space' is true, which is not supported",
                       load->main_path);
    if (!use_regex)
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': field 'pre_tokenizer.use_regex' is false, which is not supported",
                       load->main_path);
    return AE_OK;
}

static ae_status check_model(const loader *load, const json_t *model) {
    const char *type = "BPE"; // GPT-2's own file does not say
    AE_TRY(ae_json_string(load->main_path, model, "type", false, &type));
    if (strcmp(type, "BPE") != 0) return unsupported_part(load, "model.type", type, "BPE");
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof affixes / sizeof affixes[0]; i++) {
        const char *affix = "";
        AE_TRY(ae_json_string(load->main_path, model, affixes[i], false, &affix));
        if (*affix)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field 'model.%s' is \"%.80s\", which is not supported",
                           load->main_path, affixes[i], affix);
    }
    static const char *const switches[] = {"byte_fallback", "ignore_merges"};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        bool on = false;
        AE_TRY(ae_json_bool(load->main_path, model, switches[i], false, &on));
        if (on)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field 'model.%s' is true, which is not supported",
                           load->main_path, switches[i]);
    }
    double dropout = 0;
    AE_TRY(ae_json_number(load->main_path, model, "dropout", false, 0, 1, &dropout));
    if (dropout > 0)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': field 'model.dropout' is %g, only none is supported",
                       load->main_path, dropout);
    return AE_OK;
}

// Looks at all of tokenizer.json but the tokens and merges; *merges and *added are borrowed from it.
static ae_status read_main(loader *load, const json_t **merges, const json_t **added) {
    const json_t *model = json_object_get(load->main, "model");
    if (!json_is_object(model))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'model' is %s, expected an object", load->main_path,
                       ae_json_type_name(model));
    AE_TRY(check_model(load, model));
    AE_TRY(check_parts(load));
    load->vocab = json_object_get(model, "vocab");
    if (!json_is_object(load->vocab))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'model.vocab' is %s, expected an object", load->main_path,
                       ae_json_type_name(load->vocab));
    *merges = json_object_get(model, "merges");
    if (!json_is_array(*merges))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'model.merges' is %s, expected an array", load->main_path,
                       ae_json_type_name(*merges));
    *added = json_object_get(load->main, "added_tokens");
    if (*added && !json_is_array(*added) && !json_is_null(*added))
        return ae_fail(AE_ERR_FORMAT, "'%s': field 'added_tokens' is %s, expected an array", load->main_path,
                       ae_json_type_name(*added));
    return AE_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------------
 */

static ae_status choose_files(loader *load) {
    load->main_path = ae_path_join(load->folder, "tokenizer.json");
    if (!load->main_path) return ae_no_memory();
    if (ae_path_exists(load->main_path)) return AE_OK;
    ae_free(load->main_path);
    load->main_path = ae_path_join(load->folder, "vocab.json");
    load->merges_path = ae_path_join(load->folder, "merges.txt");
    if (!load->main_path || !load->merges_path) return ae_no_memory();
    if (ae_path_exists(load->main_path) && ae_path_exists(load->merges_path)) return AE_OK;
    return ae_fail(AE_ERR_NOT_FOUND,
                   "'%s' has no tokenizer: looked for tokenizer.json, or vocab.json and merges.txt; download "
                   "these files "
                   "with the model",
                   load->folder);
}

static ae_status load_all(loader *load) {
    const json_t *merges = NULL, *described = NULL;
    AE_TRY(choose_files(load));
    AE_TRY(ae_json_load(load->main_path, FILE_LIMIT, &load->main));
    if (!json_is_object(load->main))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", load->main_path,
                       ae_json_type_name(load->main));
    if (load->merges_path)
        load->vocab = load->main;
    else
        AE_TRY(read_main(load, &merges, &described));
    AE_TRY(find_max_id(load));
    size_t i;
    json_t *entry;
    json_array_foreach(described, i, entry)
        AE_TRY(add_described(load, load->main_path, entry, json_object_get(entry, "id")));
    AE_TRY(read_other_added_tokens(load));
    AE_TRY(ae_bpe_new(load->max_id + 1, &load->bpe));
    AE_TRY(read_vocab(load));
    return load->merges_path ? read_merges_file(load) : read_merges_array(load, merges);
}

ae_status ae_tokenizer_load(const char *folder, int32_t n_vocab, ae_bpe **bpe, ae_added_tokens *added) {
    loader load = {.folder = folder, .n_vocab = n_vocab};
    make_alphabet(load.byte_of);
    ae_status status = load_all(&load);
    if (status == AE_OK) {
        *bpe = load.bpe;
        *added = load.added;
    } else {
        ae_bpe_free(load.bpe);
        ae_added_tokens_free(&load.added);
    }
    json_decref(load.main);
    ae_free(load.main_path);
    ae_free(load.merges_path);
    ae_free(load.key.data);
    return status;
}
