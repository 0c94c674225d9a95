#include "format/torch_pickle.h"

#include <string.h>

#include "format/pickle_machine.h"

// ---- what the file may ask for beyond plain data ----------------------------------------------------

// Kinds of AE_PICKLE_OBJECT here.
typedef enum object_kind { FUNCTION, STORAGE, TENSOR } object_kind;

static const char *value_name(const ae_pickle_value *v) {
    static const char *const names[] = {"a function", "a storage", "a tensor"};
    return v->kind == AE_PICKLE_OBJECT ? names[v->object_kind] : ae_pickle_kind_name(v->kind);
}

typedef enum callable { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_TYPE } callable;

typedef struct known_global {
    const char *module, *name;
    callable callable;
    ae_dtype dtype; // of a STORAGE_TYPE
} known_global;

static const known_global known_globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, AE_F32},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, AE_F32},
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, AE_F32},
    {"torch", "DoubleStorage", STORAGE_TYPE, AE_F64},
    {"torch", "FloatStorage", STORAGE_TYPE, AE_F32},
    {"torch", "HalfStorage", STORAGE_TYPE, AE_F16},
    {"torch", "BFloat16Storage", STORAGE_TYPE, AE_BF16},
    {"torch", "LongStorage", STORAGE_TYPE, AE_I64},
    {"torch", "IntStorage", STORAGE_TYPE, AE_I32},
    {"torch", "ShortStorage", STORAGE_TYPE, AE_I16},
    {"torch", "CharStorage", STORAGE_TYPE, AE_I8},
    {"torch", "ByteStorage", STORAGE_TYPE, AE_U8},
    {"torch", "BoolStorage", STORAGE_TYPE, AE_BOOL},
};

typedef struct storage {
    ae_dtype dtype;
    const char *key;
    int64_t elements;
} storage;

static bool is_object(const ae_pickle_value *v, object_kind kind) {
    return v->kind == AE_PICKLE_OBJECT && v->object_kind == (int)kind;
}

static ae_status push_object(ae_pickle_machine *m, object_kind kind, const void *object) {
    ae_pickle_value *v;
    AE_TRY(ae_pickle_new(m, AE_PICKLE_OBJECT, &v));
    v->object_kind = (int)kind;
    v->object = object;
    return ae_pickle_push(m, v);
}

static bool is_text(const char *text, const char *bytes, size_t length) {
    return strlen(text) == length && memcmp(text, bytes, length) == 0;
}

static ae_status push_global(ae_pickle_machine *m, unsigned char opcode) {
    ae_pickle_name name;
    AE_TRY(ae_pickle_take_name(m, opcode, &name));
    for (size_t i = 0; i < sizeof known_globals / sizeof *known_globals; i++)
        if (is_text(known_globals[i].module, name.module, name.module_length) &&
            is_text(known_globals[i].name, name.name, name.name_length))
            return push_object(m, FUNCTION, &known_globals[i]);
    return ae_fail(
        AE_ERR_UNSUPPORTED,
        "'%s': the file asks for Python's '%.*s.%.*s', which is refused: only what a state dict of plain "
        "tensors needs is read; if you trust the file, save its state dict anew as safetensors",
        m->path, (int)(name.module_length < 200 ? name.module_length : 200), name.module,
        (int)(name.name_length < 200 ? name.name_length : 200), name.name);
}

// ('storage', torch.FloatStorage, '0', 'cpu', 6)
static ae_status persistent_id(ae_pickle_machine *m) {
    ae_pickle_value *id;
    AE_TRY(ae_pickle_pop(m, &id));
    ae_pickle_value **items = id->kind == AE_PICKLE_TUPLE ? id->sequence.items : NULL;
    if (!items || id->sequence.count != 5 || items[0]->kind != AE_PICKLE_STRING ||
        strcmp(items[0]->string.text, "storage") != 0)
        return ae_pickle_malformed(m, "a persistent id is not a storage's");
    const known_global *type = is_object(items[1], FUNCTION) ? items[1]->object : NULL;
    if (!type || type->callable != STORAGE_TYPE || items[2]->kind != AE_PICKLE_STRING ||
        items[4]->kind != AE_PICKLE_INTEGER || items[4]->integer < 0)
        return ae_pickle_malformed(m, "a storage's type, key or size is not valid");
    storage *s = ae_arena_alloc(m->arena, 1, sizeof *s);
    if (!s) return ae_no_memory();
    *s = (storage){.dtype = type->dtype, .key = items[2]->string.text, .elements = items[4]->integer};
    return push_object(m, STORAGE, s);
}

static ae_status take_extents(ae_pickle_machine *m, const ae_pickle_value *tuple, int n_dim, int64_t *out) {
    if (tuple->kind != AE_PICKLE_TUPLE || tuple->sequence.count != (size_t)n_dim)
        return ae_pickle_malformed(m, "a tensor's shape and stride do not fit together");
    for (int i = 0; i < n_dim; i++) {
        if (tuple->sequence.items[i]->kind != AE_PICKLE_INTEGER)
            return ae_pickle_malformed(m, "a tensor's shape or stride is no integer");
        out[i] = tuple->sequence.items[i]->integer;
    }
    return AE_OK;
}

// _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, backward_hooks[, metadata])
static ae_status rebuild_tensor(ae_pickle_machine *m, ae_pickle_value *const *items, size_t count) {
    if (count < 6 || count > 7 || !is_object(items[0], STORAGE) || items[1]->kind != AE_PICKLE_INTEGER ||
        items[2]->kind != AE_PICKLE_TUPLE)
        return ae_pickle_malformed(m, "the arguments of torch._utils._rebuild_tensor_v2 are not valid");
    if (items[2]->sequence.count > AE_MAX_DIM)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': a tensor with %zu dimensions, at most %d are supported",
                       m->path, items[2]->sequence.count, AE_MAX_DIM);
    const storage *s = items[0]->object;
    ae_torch_entry *entry = ae_arena_alloc(m->arena, 1, sizeof *entry);
    if (!entry) return ae_no_memory();
    entry->storage = s->key;
    entry->storage_elements = s->elements;
    entry->dtype = s->dtype;
    entry->offset = items[1]->integer;
    entry->n_dim = (int)items[2]->sequence.count;
    AE_TRY(take_extents(m, items[2], entry->n_dim, entry->shape));
    AE_TRY(take_extents(m, items[3], entry->n_dim, entry->stride));
    return push_object(m, TENSOR, entry);
}

static ae_status reduce(ae_pickle_machine *m) {
    ae_pickle_value *arguments, *function;
    AE_TRY(ae_pickle_pop(m, &arguments));
    AE_TRY(ae_pickle_pop(m, &function));
    if (arguments->kind != AE_PICKLE_TUPLE || !is_object(function, FUNCTION))
        return ae_pickle_malformed(m, "a call of what is no function");
    const known_global *known = function->object;
    ae_pickle_value *const *items = arguments->sequence.items;
    size_t count = arguments->sequence.count;
    switch (known->callable) {
    case ORDERED_DICT:
        if (count != 0) return ae_pickle_malformed(m, "an OrderedDict made from arguments");
        return ae_pickle_push_dict(m);
    case REBUILD_TENSOR:
        return rebuild_tensor(m, items, count);
    case REBUILD_PARAMETER: // (tensor, requires_grad, backward_hooks): the tensor itself
        if (count != 3 || !is_object(items[0], TENSOR))
            return ae_pickle_malformed(m, "the arguments of torch._utils._rebuild_parameter are not valid");
        return ae_pickle_push(m, items[0]);
    default:
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': the file calls '%s.%s', which is refused", m->path,
                       known->module, known->name);
    }
}

// A module's state dict carries attributes ({"_metadata": ...}): version numbers of layers, of no use here.
static ae_status build(ae_pickle_machine *m) {
    ae_pickle_value *state, *object;
    AE_TRY(ae_pickle_pop(m, &state));
    if (state->kind != AE_PICKLE_DICT) return ae_pickle_malformed(m, "an object's attributes are no dict");
    return ae_pickle_top(m, AE_PICKLE_DICT, &object);
}

static ae_status run_opcode(ae_pickle_machine *m, unsigned char opcode) {
    switch (opcode) {
    case 'c':  // GLOBAL
    case 0x93: // STACK_GLOBAL
        return push_global(m, opcode);
    case 'Q': // BINPERSID
        return persistent_id(m);
    case 'R': // REDUCE
        return reduce(m);
    case 'b': // BUILD
        return build(m);
    default:
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': pickle opcode 0x%02x at byte %zu is refused: a state dict has no need of it",
                       m->path, opcode, m->opcode_at);
    }
}

// ---- the state dict --------------------------------------------------------------------------------

static ae_status read_state_dict(const ae_pickle_machine *m, const ae_pickle_value *dict,
                                 ae_torch_entry **entries, size_t *count) {
    if (dict->kind != AE_PICKLE_DICT)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s' holds %s, expected a state dict: a dict of tensors", m->path,
                       value_name(dict));
    size_t n = dict->sequence.count / 2;
    ae_torch_entry *list = ae_arena_alloc(m->arena, n, sizeof *list);
    if (!list) return ae_no_memory();
    for (size_t i = 0; i < n; i++) {
        const ae_pickle_value *key = dict->sequence.items[2 * i], *v = dict->sequence.items[2 * i + 1];
        if (key->kind != AE_PICKLE_STRING)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': a key of the state dict is %s, expected a string",
                           m->path, value_name(key));
        if (strlen(key->string.text) != key->string.length)
            return ae_fail(AE_ERR_FORMAT, "'%s': the tensor name '%s...' holds a NUL character", m->path,
                           key->string.text);
        if (!is_object(v, TENSOR))
            return ae_fail(
                AE_ERR_UNSUPPORTED,
                "'%s': entry '%s' is %s, not a tensor: no plain state dict; save the state dict alone",
                m->path, key->string.text, value_name(v));
        list[i] = *(const ae_torch_entry *)v->object;
        list[i].name = key->string.text;
    }
    *entries = list;
    *count = n;
    return AE_OK;
}

ae_status ae_torch_unpickle(const char *path, const unsigned char *bytes, size_t size, ae_arena *arena,
                            ae_torch_entry **entries, size_t *count) {
    ae_pickle_machine m = {.path = path,
                           .bytes = bytes,
                           .size = size,
                           .arena = arena,
                           .lowest_protocol = 2,
                           .other = run_opcode};
    ae_pickle_value *result = NULL;
    AE_TRY(ae_pickle_run(&m, &result));
    return read_state_dict(&m, result, entries, count);
}
