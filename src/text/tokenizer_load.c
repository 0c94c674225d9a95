// Reads a model folder's tokenizer files: tokenizer.json, or vocab.json + merges.txt, and what names added
// tokens.

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer_loader.h"
#include "text/utf8.h"

/* ---- the alphabet ----------------------------------------------------------------------------------- */

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
static ae_status append_written(ae_tokenizer_loader *load, const char *written, size_t length, bool *merged) {
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

/* ---- vocabulary ------------------------------------------------------------------------------------- */

static ae_status find_max_id(ae_tokenizer_loader *load) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)load->vocab, key, value) {
        int32_t id = -1;
        AE_TRY(ae_loader_check_id(load, load->main_path, key, value, &id));
    }
    return AE_OK;
}

static ae_status name_id(ae_tokenizer_loader *load, const char *written, int32_t id, const char *bytes,
                         size_t length, bool merged) {
    size_t other_length;
    if (ae_bpe_bytes(load->bpe, id, &other_length))
        return ae_fail(AE_ERR_FORMAT, "'%s': token \"%.80s\" has id %d, which another token has already",
                       load->main_path, written, id);
    ae_status status = ae_bpe_add_token(load->bpe, id, bytes, length, merged);
    return status == AE_OK ? AE_OK : ae_fail_context(status, "'%s'", load->main_path);
}

static ae_status read_vocab(ae_tokenizer_loader *load) {
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

/* ---- merges ----------------------------------------------------------------------------------------- */

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

static ae_status add_merge(ae_tokenizer_loader *load, place at, half left, half right) {
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
static ae_status add_merge_line(ae_tokenizer_loader *load, place at, const char *line, size_t length) {
    const char *space = memchr(line, ' ', length);
    size_t left = space ? (size_t)(space - line) : 0;
    if (!space || left == 0 || left + 1 == length || memchr(space + 1, ' ', length - left - 1))
        return ae_fail(AE_ERR_FORMAT, "'%s', %s %zu: \"%.*s\" is not two tokens with one space between",
                       at.path, at.unit, at.number, (int)(length < 80 ? length : 80), line);
    return add_merge(load, at, (half){line, left}, (half){space + 1, length - left - 1});
}

static ae_status read_merges_file(ae_tokenizer_loader *load) {
    char *text = NULL;
    size_t length;
    AE_TRY(ae_file_read(load->merges_path, AE_TOKENIZER_FILE_LIMIT, &text, &length));
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

static ae_status read_merges_array(ae_tokenizer_loader *load, const json_t *merges) {
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

/* ---- all of it -------------------------------------------------------------------------------------- */

static ae_status choose_files(ae_tokenizer_loader *load) {
    load->main_path = ae_path_join(load->folder, "tokenizer.json");
    if (!load->main_path) return ae_no_memory();
    if (ae_path_is_taken(load->main_path)) return AE_OK;
    ae_free(load->main_path);
    load->main_path = ae_path_join(load->folder, "vocab.json");
    load->merges_path = ae_path_join(load->folder, "merges.txt");
    if (!load->main_path || !load->merges_path) return ae_no_memory();
    if (ae_path_is_taken(load->main_path) && ae_path_is_taken(load->merges_path)) return AE_OK;
    return ae_fail(AE_ERR_NOT_FOUND,
                   "'%s' has no tokenizer: looked for tokenizer.json, or vocab.json and merges.txt; download "
                   "these files "
                   "with the model",
                   load->folder);
}

static ae_status load_all(ae_tokenizer_loader *load) {
    const json_t *merges = NULL, *described = NULL;
    AE_TRY(choose_files(load));
    AE_TRY(ae_json_load(load->main_path, AE_TOKENIZER_FILE_LIMIT, &load->main));
    if (!json_is_object(load->main))
        return ae_fail(AE_ERR_FORMAT, "'%s' holds %s, expected an object", load->main_path,
                       ae_json_type_name(load->main));
    if (load->merges_path)
        load->vocab = load->main;
    else
        AE_TRY(ae_loader_read_json(load, &merges, &described));
    AE_TRY(find_max_id(load));
    size_t i;
    json_t *entry;
    json_array_foreach(described, i, entry)
        AE_TRY(ae_loader_add_described(load, load->main_path, entry, json_object_get(entry, "id")));
    AE_TRY(ae_loader_read_added(load));
    AE_TRY(ae_bpe_new(load->max_id + 1, &load->bpe));
    AE_TRY(read_vocab(load));
    return load->merges_path ? read_merges_file(load) : read_merges_array(load, merges);
}

ae_status ae_tokenizer_load(const char *folder, int32_t n_vocab, ae_bpe **bpe, ae_added_tokens *added) {
    ae_tokenizer_loader load = {.folder = folder, .n_vocab = n_vocab};
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
    json_decref(load.by_text);
    json_decref(load.by_id);
    ae_free(load.main_path);
    ae_free(load.merges_path);
    ae_free(load.key.data);
    return status;
}
