#include "format/pickle.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "format/pickle_machine.h"

enum { MAX_DEPTH = 64, MAX_UNFOLDED = 1 << 28 };

// ---- what is refused -------------------------------------------------------------------------------

static ae_status refuse_opcode(ae_pickle_machine *m, unsigned char opcode) {
    static const struct {
        unsigned char opcode;
        const char *name;
    } known[] = {{'c', "GLOBAL"},      {'i', "INST"},         {0x93, "STACK_GLOBAL"},   {'R', "REDUCE"},
                 {'o', "OBJ"},         {'b', "BUILD"},        {0x81, "NEWOBJ"},         {0x92, "NEWOBJ_EX"},
                 {'P', "PERSID"},      {'Q', "BINPERSID"},    {0x82, "EXT1"},           {0x83, "EXT2"},
                 {0x84, "EXT4"},       {0x8f, "EMPTY_SET"},   {0x90, "ADDITEMS"},       {0x91, "FROZENSET"},
                 {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"}};
    if (opcode == 'c' || opcode == 'i' || opcode == 0x93) {
        ae_pickle_name name;
        AE_TRY(ae_pickle_take_name(m, opcode, &name));
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': the pickle asks for Python's '%.*s.%.*s' at byte %zu, which is refused: only "
                       "lists, dicts, strings and numbers are read",
                       m->path, (int)(name.module_length < 200 ? name.module_length : 200), name.module,
                       (int)(name.name_length < 200 ? name.name_length : 200), name.name, m->opcode_at);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].opcode == opcode)
            return ae_fail(AE_ERR_UNSUPPORTED,
                           "'%s': pickle opcode %s at byte %zu is refused: only lists, dicts, strings and "
                           "numbers are read",
                           m->path, known[i].name, m->opcode_at);
    char what[48];
    snprintf(what, sizeof what, "0x%02x is no opcode", opcode);
    return ae_pickle_malformed(m, what);
}

// ---- values to JSON --------------------------------------------------------------------------------

// A value's JSON, made once however often the value is used.
typedef struct converted {
    struct converted *next; // all of them, to be released
    json_t *json;
    uint64_t unfolded; // values and bytes of text that a walk meets
    int height;        // brackets around what lies deepest
    bool busy;         // its items are being converted
} converted;

typedef struct converter {
    const ae_pickle_machine *m;
    converted *all;
} converter;

static ae_status refuse_value(const converter *c, const ae_pickle_value *v, const char *what) {
    return ae_fail(AE_ERR_UNSUPPORTED, "'%s': %s at byte %zu of the pickle: JSON has no such thing",
                   c->m->path, what, v->at);
}

static ae_status refuse_nesting(const converter *c, const ae_pickle_value *v) {
    return ae_fail(AE_ERR_UNSUPPORTED, "'%s': %s at byte %zu of the pickle is nested deeper than %d",
                   c->m->path, ae_pickle_kind_name(v->kind), v->at, MAX_DEPTH);
}

static ae_status no_memory(const converter *c) {
    return ae_fail(AE_ERR_MEMORY, "out of memory while reading '%s'", c->m->path);
}

static ae_status convert(converter *c, ae_pickle_value *v, int depth, converted **out);

static ae_status convert_items(converter *c, const ae_pickle_value *v, int depth, converted *to) {
    bool is_dict = v->kind == AE_PICKLE_DICT;
    if (depth == MAX_DEPTH) return refuse_nesting(c, v);
    to->json = is_dict ? json_object() : json_array();
    to->height = 1;
    for (size_t i = 0; i < v->sequence.count; i++) {
        const ae_pickle_value *key = v->sequence.items[i];
        if (is_dict) {
            if (key->kind != AE_PICKLE_STRING) return refuse_value(c, key, "a key that is no string");
            if (strlen(key->string.text) != key->string.length)
                return refuse_value(c, key, "a key with a NUL character");
            to->unfolded += key->string.length;
            i++;
        }
        converted *item;
        AE_TRY(convert(c, v->sequence.items[i], depth + 1, &item));
        if ((is_dict ? json_object_set(to->json, key->string.text, item->json)
                     : json_array_append(to->json, item->json)) != 0)
            return no_memory(c);
        if (to->height <= item->height) to->height = item->height + 1;
        to->unfolded += item->unfolded;
        if (to->unfolded > MAX_UNFOLDED)
            return ae_fail(
                AE_ERR_UNSUPPORTED,
                "'%s': %s at byte %zu of the pickle uses the same values over and over and unfolds "
                "to more than %d of them: refused",
                c->m->path, ae_pickle_kind_name(v->kind), v->at, MAX_UNFOLDED);
    }
    return AE_OK;
}

// `depth`: brackets around the value. On AE_OK, (*out)->json belongs to the converter.
static ae_status convert(converter *c, ae_pickle_value *v, int depth, converted **out) {
    converted *made = v->note;
    if (made) {
        if (made->busy) return refuse_value(c, v, "a value that contains itself");
        if (depth + made->height > MAX_DEPTH) return refuse_nesting(c, v);
        *out = made;
        return AE_OK;
    }
    made = ae_arena_alloc(c->m->arena, 1, sizeof *made);
    if (!made) return ae_no_memory();
    made->next = c->all;
    c->all = made;
    if (!ae_pickle_is_constant(v)) v->note = made;
    made->unfolded = 1;
    switch (v->kind) {
    case AE_PICKLE_NONE:
        made->json = json_null();
        break;
    case AE_PICKLE_BOOLEAN:
        made->json = json_boolean(v->integer);
        break;
    case AE_PICKLE_INTEGER:
        made->json = json_integer(v->integer);
        break;
    case AE_PICKLE_REAL:
        if (!isfinite(v->real)) return refuse_value(c, v, "a float that is not finite");
        made->json = json_real(v->real);
        break;
    case AE_PICKLE_BYTES:
        if (!ae_pickle_is_utf8(v->string.text, v->string.length))
            return refuse_value(c, v, "bytes that are not UTF-8");
        // fall through
    case AE_PICKLE_STRING:
        made->unfolded += v->string.length;
        made->json = json_stringn(v->string.text, v->string.length);
        break;
    default:
        made->busy = true;
        AE_TRY(convert_items(c, v, depth, made));
        made->busy = false;
    }
    *out = made;
    return made->json ? AE_OK : no_memory(c);
}

ae_status ae_pickle_load(const char *path, size_t limit, json_t **out) {
    char *bytes = NULL;
    size_t size = 0;
    ae_arena *arena = NULL;
    ae_pickle_value *value = NULL;
    converted *root;
    ae_status status = ae_file_read(path, limit, &bytes, &size);
    if (status == AE_OK) status = ae_arena_new(&arena);
    ae_pickle_machine m = {.path = path,
                           .bytes = (const unsigned char *)bytes,
                           .size = size,
                           .arena = arena,
                           .lowest_protocol = 0,
                           .other = refuse_opcode};
    converter c = {.m = &m};
    if (status == AE_OK) status = ae_pickle_run(&m, &value);
    if (status == AE_OK) status = convert(&c, value, 0, &root);
    if (status == AE_OK) *out = json_incref(root->json);
    for (const converted *made = c.all; made; made = made->next)
        json_decref(made->json);
    ae_arena_free(arena);
    ae_free(bytes);
    return status;
}
