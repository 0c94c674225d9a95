#include "format/torch_pickle.h"

#include <inttypes.h>
#include <string.h>
#include <utf8proc.h>

// ---- values ----------------------------------------------------------------------------------------

typedef enum value_kind {
    NONE,
    BOOLEAN,
    INTEGER,
    REAL,
    STRING,
    BYTES,
    TUPLE,
    LIST,
    DICT, // dict and OrderedDict: key, value, key, value, ...
    GLOBAL,
    STORAGE,
    TENSOR,
    MARK,
} value_kind;

static const char *const kind_names[] = {
    "None",   "a boolean", "an integer", "a float",   "a string", "bytes",  "a tuple",
    "a list", "a dict",    "a function", "a storage", "a tensor", "a mark",
};

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

typedef struct value value;
struct value {
    value_kind kind;
    union {
        int64_t integer; // BOOLEAN, INTEGER
        struct {
            const char *text; // NUL-terminated copy
            size_t length;
        } string; // STRING, BYTES
        struct {
            value **items;
            size_t count, capacity;
        } sequence; // TUPLE, LIST, DICT
        const known_global *global;
        struct {
            ae_dtype dtype;
            const char *key;
            int64_t elements;
        } storage;
        ae_torch_entry *tensor;
    };
};

// Written by nobody: shared by all machines.
static value none_value = {.kind = NONE}, true_value = {.kind = BOOLEAN, .integer = 1},
             false_value = {.kind = BOOLEAN, .integer = 0}, mark_value = {.kind = MARK},
             empty_tuple = {.kind = TUPLE};

typedef struct machine {
    const char *path;
    const unsigned char *bytes;
    size_t size, position, opcode_at;
    ae_arena *arena;
    value **stack;
    size_t depth, stack_capacity;
    value **memo;
    size_t memo_count, memo_capacity;
} machine;

static ae_status malformed(const machine *m, const char *what) {
    ae_fail(AE_ERR_FORMAT, "'%s': the pickle is damaged at byte %zu: %s", m->path, m->opcode_at, what);
    return AE_ERR_FORMAT; // spelled out: the compiler sees that outputs are set where this is not returned
}

static ae_status new_value(machine *m, value_kind kind, value **out) {
    value *v = ae_arena_alloc(m->arena, 1, sizeof *v);
    if (!v) return AE_ERR_MEMORY;
    v->kind = kind;
    *out = v;
    return AE_OK;
}

// ---- stack and memo --------------------------------------------------------------------------------

static ae_status push(machine *m, value *v) {
    AE_TRY(ae_grow((void **)&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack));
    m->stack[m->depth++] = v;
    return AE_OK;
}

static ae_status pop(machine *m, value **out) {
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == MARK) return malformed(m, "the stack is empty");
    *out = m->stack[--m->depth];
    return AE_OK;
}

// The value on top stays there; it must be of this kind.
static ae_status top(machine *m, value_kind kind, value **out) {
    if (m->depth == 0 || m->stack[m->depth - 1]->kind != kind)
        return malformed(m, "the value on the stack is not what the opcode works on");
    *out = m->stack[m->depth - 1];
    return AE_OK;
}

// Takes everything above the topmost mark, and the mark, off the stack; the items stay readable until the
// next push.
static ae_status pop_mark(machine *m, value ***items, size_t *count) {
    size_t at = m->depth;
    while (at > 0 && m->stack[at - 1]->kind != MARK)
        at--;
    if (at == 0) return malformed(m, "there is no mark on the stack");
    *items = m->stack + at;
    *count = m->depth - at;
    m->depth = at - 1;
    return AE_OK;
}

static ae_status memo_put(machine *m, uint64_t index) {
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == MARK) return malformed(m, "the stack is empty");
    // A pickler numbers its memos one after the other, each by an opcode of its own.
    if (index >= m->size) return malformed(m, "a memo number is too large");
    size_t before = m->memo_capacity;
    AE_TRY(ae_grow((void **)&m->memo, &m->memo_capacity, (size_t)index + 1, sizeof *m->memo));
    for (size_t i = before; i < m->memo_capacity; i++)
        m->memo[i] = NULL;
    m->memo[index] = m->stack[m->depth - 1];
    if (index >= m->memo_count) m->memo_count = (size_t)index + 1;
    return AE_OK;
}

static ae_status memo_get(machine *m, uint64_t index) {
    if (index >= m->memo_count || !m->memo[index]) return malformed(m, "a memo is used that was never set");
    return push(m, m->memo[index]);
}

static ae_status sequence_add(machine *m, value *sequence, value *const *items, size_t count) {
    size_t needed = sequence->sequence.count + count;
    if (needed > sequence->sequence.capacity) {
        size_t capacity = needed > 2 * sequence->sequence.capacity ? needed : 2 * sequence->sequence.capacity;
        value **grown = ae_arena_alloc(m->arena, capacity, sizeof(value *));
        if (!grown) return ae_no_memory();
        if (sequence->sequence.count > 0)
            memcpy(grown, sequence->sequence.items, sequence->sequence.count * sizeof(value *));
        sequence->sequence.items = grown;
        sequence->sequence.capacity = capacity;
    }
    if (count > 0)
        memcpy(sequence->sequence.items + sequence->sequence.count, items, count * sizeof(value *));
    sequence->sequence.count = needed;
    return AE_OK;
}

static ae_status push_sequence(machine *m, value_kind kind, value *const *items, size_t count) {
    value *v;
    AE_TRY(new_value(m, kind, &v));
    AE_TRY(sequence_add(m, v, items, count));
    return push(m, v);
}

// ---- arguments of opcodes --------------------------------------------------------------------------

static ae_status take(machine *m, uint64_t length, const unsigned char **out) {
    if (length > m->size - m->position) return malformed(m, "it ends within an opcode's argument");
    *out = m->bytes + m->position;
    m->position += (size_t)length;
    return AE_OK;
}

// An unsigned little-endian number of `width` bytes.
static ae_status take_number(machine *m, int width, uint64_t *out) {
    const unsigned char *bytes;
    AE_TRY(take(m, (uint64_t)width, &bytes));
    uint64_t number = 0;
    for (int i = width - 1; i >= 0; i--)
        number = number << 8 | bytes[i];
    *out = number;
    return AE_OK;
}

static ae_status push_integer(machine *m, int64_t integer) {
    value *v;
    AE_TRY(new_value(m, INTEGER, &v));
    v->integer = integer;
    return push(m, v);
}

// LONG1 and LONG4: two's complement of any length.
static ae_status push_long(machine *m, int width) {
    uint64_t length;
    AE_TRY(take_number(m, width, &length));
    const unsigned char *bytes;
    AE_TRY(take(m, length, &bytes));
    if (length > 8)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': an integer of %" PRIu64 " bytes at byte %zu of the pickle",
                       m->path, length, m->opcode_at);
    uint64_t number = length > 0 && bytes[length - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = (size_t)length; i > 0; i--)
        number = number << 8 | bytes[i - 1];
    return push_integer(m, (int64_t)number);
}

static bool is_utf8(const unsigned char *bytes, size_t length) {
    for (size_t at = 0; at < length;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(length - at), &point);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

static ae_status push_string(machine *m, value_kind kind, int width) {
    uint64_t length;
    AE_TRY(take_number(m, width, &length));
    const unsigned char *bytes;
    AE_TRY(take(m, length, &bytes));
    if (kind == STRING && !is_utf8(bytes, (size_t)length)) return malformed(m, "a string is not UTF-8");
    value *v;
    AE_TRY(new_value(m, kind, &v));
    v->string.text = ae_arena_strndup(m->arena, (const char *)bytes, (size_t)length);
    if (!v->string.text) return ae_no_memory();
    v->string.length = (size_t)length;
    return push(m, v);
}

// ---- globals and what they do ----------------------------------------------------------------------

static bool is_text(const char *text, const char *bytes, size_t length) {
    return strlen(text) == length && memcmp(text, bytes, length) == 0;
}

static ae_status push_global(machine *m, const char *module, size_t module_length, const char *name,
                             size_t name_length) {
    for (size_t i = 0; i < sizeof known_globals / sizeof *known_globals; i++) {
        if (!is_text(known_globals[i].module, module, module_length) ||
            !is_text(known_globals[i].name, name, name_length))
            continue;
        value *v;
        AE_TRY(new_value(m, GLOBAL, &v));
        v->global = &known_globals[i];
        return push(m, v);
    }
    return ae_fail(
        AE_ERR_UNSUPPORTED,
        "'%s': the file asks for Python's '%.*s.%.*s', which is refused: only what a state dict of plain "
        "tensors needs is read; if you trust the file, save its state dict anew as safetensors",
        m->path, (int)(module_length < 200 ? module_length : 200), module,
        (int)(name_length < 200 ? name_length : 200), name);
}

static ae_status take_line(machine *m, const char **line, size_t *length) {
    const unsigned char *begin = m->bytes + m->position;
    const unsigned char *end = memchr(begin, '\n', m->size - m->position);
    if (!end) return malformed(m, "it ends within a name");
    *line = (const char *)begin;
    *length = (size_t)(end - begin);
    m->position += *length + 1;
    return AE_OK;
}

static ae_status global(machine *m) {
    const char *module, *name;
    size_t module_length, name_length;
    AE_TRY(take_line(m, &module, &module_length));
    AE_TRY(take_line(m, &name, &name_length));
    return push_global(m, module, module_length, name, name_length);
}

static ae_status stack_global(machine *m) {
    value *name, *module;
    AE_TRY(pop(m, &name));
    AE_TRY(pop(m, &module));
    if (name->kind != STRING || module->kind != STRING)
        return malformed(m, "a global's name is not a string");
    return push_global(m, module->string.text, module->string.length, name->string.text, name->string.length);
}

// ('storage', torch.FloatStorage, '0', 'cpu', 6)
static ae_status persistent_id(machine *m) {
    value *id;
    AE_TRY(pop(m, &id));
    value **items = id->kind == TUPLE ? id->sequence.items : NULL;
    if (!items || id->sequence.count != 5 || items[0]->kind != STRING ||
        strcmp(items[0]->string.text, "storage") != 0)
        return malformed(m, "a persistent id is not a storage's");
    if (items[1]->kind != GLOBAL || items[1]->global->callable != STORAGE_TYPE || items[2]->kind != STRING ||
        items[4]->kind != INTEGER || items[4]->integer < 0)
        return malformed(m, "a storage's type, key or size is not valid");
    value *v;
    AE_TRY(new_value(m, STORAGE, &v));
    v->storage.dtype = items[1]->global->dtype;
    v->storage.key = items[2]->string.text;
    v->storage.elements = items[4]->integer;
    return push(m, v);
}

static ae_status take_extents(machine *m, const value *tuple, int n_dim, int64_t *out) {
    if (tuple->kind != TUPLE || tuple->sequence.count != (size_t)n_dim)
        return malformed(m, "a tensor's shape and stride do not fit together");
    for (int i = 0; i < n_dim; i++) {
        if (tuple->sequence.items[i]->kind != INTEGER)
            return malformed(m, "a tensor's shape or stride is no integer");
        out[i] = tuple->sequence.items[i]->integer;
    }
    return AE_OK;
}

// _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, backward_hooks[, metadata])
static ae_status rebuild_tensor(machine *m, value *const *items, size_t count) {
    if (count < 6 || count > 7 || items[0]->kind != STORAGE || items[1]->kind != INTEGER ||
        items[2]->kind != TUPLE)
        return malformed(m, "the arguments of torch._utils._rebuild_tensor_v2 are not valid");
    if (items[2]->sequence.count > AE_MAX_DIM)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': a tensor with %zu dimensions, at most %d are supported",
                       m->path, items[2]->sequence.count, AE_MAX_DIM);
    value *v;
    AE_TRY(new_value(m, TENSOR, &v));
    ae_torch_entry *entry = v->tensor = ae_arena_alloc(m->arena, 1, sizeof *entry);
    if (!entry) return ae_no_memory();
    entry->storage = items[0]->storage.key;
    entry->storage_elements = items[0]->storage.elements;
    entry->dtype = items[0]->storage.dtype;
    entry->offset = items[1]->integer;
    entry->n_dim = (int)items[2]->sequence.count;
    AE_TRY(take_extents(m, items[2], entry->n_dim, entry->shape));
    AE_TRY(take_extents(m, items[3], entry->n_dim, entry->stride));
    return push(m, v);
}

static ae_status reduce(machine *m) {
    value *arguments, *function;
    AE_TRY(pop(m, &arguments));
    AE_TRY(pop(m, &function));
    if (arguments->kind != TUPLE || function->kind != GLOBAL)
        return malformed(m, "a call of what is no function");
    value *const *items = arguments->sequence.items;
    size_t count = arguments->sequence.count;
    switch (function->global->callable) {
    case ORDERED_DICT:
        if (count != 0) return malformed(m, "an OrderedDict made from arguments");
        return push_sequence(m, DICT, NULL, 0);
    case REBUILD_TENSOR:
        return rebuild_tensor(m, items, count);
    case REBUILD_PARAMETER: // (tensor, requires_grad, backward_hooks): the tensor itself
        if (count != 3 || items[0]->kind != TENSOR)
            return malformed(m, "the arguments of torch._utils._rebuild_parameter are not valid");
        return push(m, items[0]);
    default:
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': the file calls '%s.%s', which is refused", m->path,
                       function->global->module, function->global->name);
    }
}

// A module's state dict carries attributes ({"_metadata": ...}): version numbers of layers, of no use here.
static ae_status build(machine *m) {
    value *state, *object;
    AE_TRY(pop(m, &state));
    if (state->kind != DICT) return malformed(m, "an object's attributes are no dict");
    return top(m, DICT, &object);
}

static ae_status set_items(machine *m, value *const *items, size_t count) {
    value *dict;
    AE_TRY(top(m, DICT, &dict));
    if (count % 2 != 0) return malformed(m, "a dict gets a key without a value");
    return sequence_add(m, dict, items, count);
}

// ---- the machine -----------------------------------------------------------------------------------

/* opcode, its name in Python's pickle module, what it does */
#define OPCODES(X)                                                                                           \
    X('N', NONE, push(m, &none_value))                                                                       \
    X(0x88, NEWTRUE, push(m, &true_value))                                                                   \
    X(0x89, NEWFALSE, push(m, &false_value))                                                                 \
    X(')', EMPTY_TUPLE, push(m, &empty_tuple))                                                               \
    X('(', MARK, push(m, &mark_value))                                                                       \
    X(']', EMPTY_LIST, push_sequence(m, LIST, NULL, 0))                                                      \
    X('}', EMPTY_DICT, push_sequence(m, DICT, NULL, 0))                                                      \
    X(0x8a, LONG1, push_long(m, 1))                                                                          \
    X(0x8b, LONG4, push_long(m, 4))                                                                          \
    X('X', BINUNICODE, push_string(m, STRING, 4))                                                            \
    X(0x8c, SHORT_BINUNICODE, push_string(m, STRING, 1))                                                     \
    X(0x8d, BINUNICODE8, push_string(m, STRING, 8))                                                          \
    X('B', BINBYTES, push_string(m, BYTES, 4))                                                               \
    X('C', SHORT_BINBYTES, push_string(m, BYTES, 1))                                                         \
    X(0x8e, BINBYTES8, push_string(m, BYTES, 8))                                                             \
    X('c', GLOBAL, global(m))                                                                                \
    X(0x93, STACK_GLOBAL, stack_global(m))                                                                   \
    X('Q', BINPERSID, persistent_id(m))                                                                      \
    X('R', REDUCE, reduce(m))                                                                                \
    X('b', BUILD, build(m))

static ae_status run_number(machine *m, unsigned char opcode) {
    int width = opcode == 'K' ? 1 : opcode == 'M' ? 2 : opcode == 'G' ? 8 : 4;
    uint64_t number;
    AE_TRY(take_number(m, width, &number));
    if (opcode != 'G')
        return push_integer(m, opcode == 'J' ? (int64_t)(int32_t)(uint32_t)number : (int64_t)number);
    value *v; // a float's value is never asked for
    AE_TRY(new_value(m, REAL, &v));
    return push(m, v);
}

static ae_status run_memo(machine *m, unsigned char opcode) {
    if (opcode == 0x94) return memo_put(m, m->memo_count); // MEMOIZE
    bool is_long = opcode == 'r' || opcode == 'j';
    uint64_t index;
    AE_TRY(take_number(m, is_long ? 4 : 1, &index));
    return opcode == 'q' || opcode == 'r' ? memo_put(m, index) : memo_get(m, index);
}

// Opcodes that take the newest 1, 2 or 3 values, or all those since the mark.
static ae_status run_collection(machine *m, unsigned char opcode) {
    value **items, *list, *taken[3];
    size_t count = opcode == 0x85 || opcode == 'a'   ? 1
                   : opcode == 0x86 || opcode == 's' ? 2
                   : opcode == 0x87                  ? 3
                                                     : 0;
    for (size_t i = count; i > 0; i--)
        AE_TRY(pop(m, &taken[i - 1]));
    items = taken;
    if (count == 0) AE_TRY(pop_mark(m, &items, &count));
    switch (opcode) {
    case 'a':
    case 'e':
        AE_TRY(top(m, LIST, &list));
        return sequence_add(m, list, items, count);
    case 's':
    case 'u':
        return set_items(m, items, count);
    case 'l':
        return push_sequence(m, LIST, items, count);
    case 'd':
        if (count % 2 != 0) return malformed(m, "a dict gets a key without a value");
        return push_sequence(m, DICT, items, count);
    case '1':
        return AE_OK; // POP_MARK
    default:
        return push_sequence(m, TUPLE, items, count);
    }
}

static ae_status step(machine *m, unsigned char opcode) {
    value *v;
    const unsigned char *ignored;
    uint64_t number;
    switch (opcode) {
#define OPCODE_CASE(code, name, action)                                                                      \
    case code:                                                                                               \
        return action;
        OPCODES(OPCODE_CASE)
#undef OPCODE_CASE
    case 'K': // BININT1
    case 'M': // BININT2
    case 'J': // BININT
    case 'G': // BINFLOAT
        return run_number(m, opcode);
    case 'q':  // BINPUT
    case 'r':  // LONG_BINPUT
    case 'h':  // BINGET
    case 'j':  // LONG_BINGET
    case 0x94: // MEMOIZE
        return run_memo(m, opcode);
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
    case 't':  // TUPLE
    case 'l':  // LIST
    case 'd':  // DICT
    case 'a':  // APPEND
    case 'e':  // APPENDS
    case 's':  // SETITEM
    case 'u':  // SETITEMS
    case '1':  // POP_MARK
        return run_collection(m, opcode);
    case '0':
        return pop(m, &v); // POP
    case '2':              // DUP
        AE_TRY(pop(m, &v));
        AE_TRY(push(m, v));
        return push(m, v);
    case 0x95: // FRAME: the length of what follows, for readers of streams
        AE_TRY(take_number(m, 8, &number));
        if (number > m->size - m->position) return malformed(m, "a frame reaches beyond the end");
        return AE_OK;
    case 0x80: // PROTO
        AE_TRY(take(m, 1, &ignored));
        if (ignored[0] < 2 || ignored[0] > 5)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': pickle protocol %d, supported are 2 to 5", m->path,
                           ignored[0]);
        return AE_OK;
    default:
        return ae_fail(AE_ERR_UNSUPPORTED,
                       "'%s': pickle opcode 0x%02x at byte %zu is refused: a state dict has no need of it",
                       m->path, opcode, m->opcode_at);
    }
}

static ae_status run(machine *m, value **out) {
    if (m->size < 2 || m->bytes[0] != 0x80) return malformed(m, "it does not begin with a protocol number");
    while (m->position < m->size) {
        m->opcode_at = m->position;
        unsigned char opcode = m->bytes[m->position++];
        if (opcode != '.') { // STOP
            AE_TRY(step(m, opcode));
            continue;
        }
        AE_TRY(pop(m, out));
        if (m->depth != 0 || m->position != m->size) return malformed(m, "it stops too early");
        return AE_OK;
    }
    m->opcode_at = m->size;
    return malformed(m, "it ends without a stop");
}

// ---- the state dict --------------------------------------------------------------------------------

static ae_status read_state_dict(const machine *m, const value *dict, ae_torch_entry **entries,
                                 size_t *count) {
    if (dict->kind != DICT)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s' holds %s, expected a state dict: a dict of tensors", m->path,
                       kind_names[dict->kind]);
    size_t n = dict->sequence.count / 2;
    ae_torch_entry *list = ae_arena_alloc(m->arena, n, sizeof *list);
    if (!list) return ae_no_memory();
    for (size_t i = 0; i < n; i++) {
        const value *key = dict->sequence.items[2 * i], *v = dict->sequence.items[2 * i + 1];
        if (key->kind != STRING)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': a key of the state dict is %s, expected a string",
                           m->path, kind_names[key->kind]);
        if (strlen(key->string.text) != key->string.length)
            return ae_fail(AE_ERR_FORMAT, "'%s': the tensor name '%s...' holds a NUL character", m->path,
                           key->string.text);
        if (v->kind != TENSOR)
            return ae_fail(
                AE_ERR_UNSUPPORTED,
                "'%s': entry '%s' is %s, not a tensor: no plain state dict; save the state dict alone",
                m->path, key->string.text, kind_names[v->kind]);
        list[i] = *v->tensor;
        list[i].name = key->string.text;
    }
    *entries = list;
    *count = n;
    return AE_OK;
}

ae_status ae_torch_unpickle(const char *path, const unsigned char *bytes, size_t size, ae_arena *arena,
                            ae_torch_entry **entries, size_t *count) {
    machine m = {.path = path, .bytes = bytes, .size = size, .arena = arena};
    value *result = NULL;
    ae_status status = run(&m, &result);
    if (status == AE_OK) status = read_state_dict(&m, result, entries, count);
    ae_free(m.stack);
    ae_free(m.memo);
    return status;
}
