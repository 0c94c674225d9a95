#include "format/pickle_machine.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/json.h"

// Written by nobody: shared by all machines.
static ae_pickle_value none_value = {.kind = AE_PICKLE_NONE},
                       true_value = {.kind = AE_PICKLE_BOOLEAN, .integer = 1},
                       false_value = {.kind = AE_PICKLE_BOOLEAN}, mark_value = {.kind = AE_PICKLE_MARK},
                       empty_tuple = {.kind = AE_PICKLE_TUPLE};

bool ae_pickle_is_constant(const ae_pickle_value *value) {
    return value == &none_value || value == &true_value || value == &false_value || value == &empty_tuple;
}

const char *ae_pickle_kind_name(ae_pickle_kind kind) {
    static const char *const names[] = {"None",     "a boolean", "an integer", "a float",
                                        "a string", "bytes",     "a tuple",    "a list",
                                        "a dict",   "an object", "a mark"};
    return names[kind];
}

ae_status ae_pickle_malformed(const ae_pickle_machine *m, const char *what) {
    ae_fail(AE_ERR_FORMAT, "'%s': the pickle is damaged at byte %zu: %s", m->path, m->opcode_at, what);
    return AE_ERR_FORMAT; // spelled out: the compiler sees that outputs are set where this is not returned
}

ae_status ae_pickle_new(ae_pickle_machine *m, ae_pickle_kind kind, ae_pickle_value **out) {
    ae_pickle_value *v = ae_arena_alloc(m->arena, 1, sizeof *v);
    if (!v) return AE_ERR_MEMORY;
    v->kind = kind;
    v->at = m->opcode_at;
    *out = v;
    return AE_OK;
}

// ---- stack and memo --------------------------------------------------------------------------------

ae_status ae_pickle_push(ae_pickle_machine *m, ae_pickle_value *v) {
    AE_TRY(ae_grow((void **)&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack));
    m->stack[m->depth++] = v;
    return AE_OK;
}

ae_status ae_pickle_pop(ae_pickle_machine *m, ae_pickle_value **out) {
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == AE_PICKLE_MARK)
        return ae_pickle_malformed(m, "the stack is empty");
    *out = m->stack[--m->depth];
    return AE_OK;
}

ae_status ae_pickle_top(ae_pickle_machine *m, ae_pickle_kind kind, ae_pickle_value **out) {
    if (m->depth == 0 || m->stack[m->depth - 1]->kind != kind)
        return ae_pickle_malformed(m, "the value on the stack is not what the opcode works on");
    *out = m->stack[m->depth - 1];
    return AE_OK;
}

// Takes everything above the topmost mark, and the mark, off the stack; the items stay readable until the
// next push.
static ae_status pop_mark(ae_pickle_machine *m, ae_pickle_value ***items, size_t *count) {
    size_t at = m->depth;
    while (at > 0 && m->stack[at - 1]->kind != AE_PICKLE_MARK)
        at--;
    if (at == 0) return ae_pickle_malformed(m, "there is no mark on the stack");
    *items = m->stack + at;
    *count = m->depth - at;
    m->depth = at - 1;
    return AE_OK;
}

static ae_status memo_put(ae_pickle_machine *m, uint64_t index) {
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == AE_PICKLE_MARK)
        return ae_pickle_malformed(m, "the stack is empty");
    // A pickler numbers its memos one after the other, each by an opcode of its own.
    if (index >= m->size) return ae_pickle_malformed(m, "a memo number is too large");
    size_t before = m->memo_capacity;
    AE_TRY(ae_grow((void **)&m->memo, &m->memo_capacity, (size_t)index + 1, sizeof *m->memo));
    for (size_t i = before; i < m->memo_capacity; i++)
        m->memo[i] = NULL;
    m->memo[index] = m->stack[m->depth - 1];
    if (index >= m->memo_count) m->memo_count = (size_t)index + 1;
    return AE_OK;
}

static ae_status memo_get(ae_pickle_machine *m, uint64_t index) {
    if (index >= m->memo_count || !m->memo[index])
        return ae_pickle_malformed(m, "a memo is used that was never set");
    return ae_pickle_push(m, m->memo[index]);
}

static ae_status sequence_add(ae_pickle_machine *m, ae_pickle_value *sequence, ae_pickle_value *const *items,
                              size_t count) {
    size_t needed = sequence->sequence.count + count;
    if (needed > sequence->sequence.capacity) {
        size_t capacity = needed > 2 * sequence->sequence.capacity ? needed : 2 * sequence->sequence.capacity;
        ae_pickle_value **grown = ae_arena_alloc(m->arena, capacity, sizeof *grown);
        if (!grown) return ae_no_memory();
        if (sequence->sequence.count > 0)
            memcpy(grown, sequence->sequence.items, sequence->sequence.count * sizeof *grown);
        sequence->sequence.items = grown;
        sequence->sequence.capacity = capacity;
    }
    if (count > 0) memcpy(sequence->sequence.items + sequence->sequence.count, items, count * sizeof *items);
    sequence->sequence.count = needed;
    return AE_OK;
}

static ae_status push_sequence(ae_pickle_machine *m, ae_pickle_kind kind, ae_pickle_value *const *items,
                               size_t count) {
    ae_pickle_value *v;
    AE_TRY(ae_pickle_new(m, kind, &v));
    AE_TRY(sequence_add(m, v, items, count));
    return ae_pickle_push(m, v);
}

ae_status ae_pickle_push_dict(ae_pickle_machine *m) {
    return push_sequence(m, AE_PICKLE_DICT, NULL, 0);
}

// ---- arguments of opcodes --------------------------------------------------------------------------

static ae_status take(ae_pickle_machine *m, uint64_t length, const unsigned char **out) {
    if (length > m->size - m->position) return ae_pickle_malformed(m, "it ends within an opcode's argument");
    *out = m->bytes + m->position;
    m->position += (size_t)length;
    return AE_OK;
}

// An unsigned little-endian number of `width` bytes.
static ae_status take_number(ae_pickle_machine *m, int width, uint64_t *out) {
    const unsigned char *bytes;
    AE_TRY(take(m, (uint64_t)width, &bytes));
    uint64_t number = 0;
    for (int i = width - 1; i >= 0; i--)
        number = number << 8 | bytes[i];
    *out = number;
    return AE_OK;
}

// The bytes up to the next newline, which is passed and stays readable behind them.
static ae_status take_line(ae_pickle_machine *m, const char **line, size_t *length) {
    const unsigned char *begin = m->bytes + m->position;
    const unsigned char *end = memchr(begin, '\n', m->size - m->position);
    if (!end) return ae_pickle_malformed(m, "it ends within a name or a line of text");
    *line = (const char *)begin;
    *length = (size_t)(end - begin);
    m->position += *length + 1;
    return AE_OK;
}

ae_status ae_pickle_take_name(ae_pickle_machine *m, unsigned char opcode, ae_pickle_name *out) {
    if (opcode != 0x93) { // GLOBAL, INST
        AE_TRY(take_line(m, &out->module, &out->module_length));
        return take_line(m, &out->name, &out->name_length);
    }
    ae_pickle_value *name, *module;
    AE_TRY(ae_pickle_pop(m, &name));
    AE_TRY(ae_pickle_pop(m, &module));
    if (name->kind != AE_PICKLE_STRING || module->kind != AE_PICKLE_STRING)
        return ae_pickle_malformed(m, "a global's name is not a string");
    *out =
        (ae_pickle_name){module->string.text, name->string.text, module->string.length, name->string.length};
    return AE_OK;
}

// ---- numbers ---------------------------------------------------------------------------------------

static ae_status push_integer(ae_pickle_machine *m, int64_t integer) {
    ae_pickle_value *v;
    AE_TRY(ae_pickle_new(m, AE_PICKLE_INTEGER, &v));
    v->integer = integer;
    return ae_pickle_push(m, v);
}

static ae_status push_real(ae_pickle_machine *m, double real) {
    ae_pickle_value *v;
    AE_TRY(ae_pickle_new(m, AE_PICKLE_REAL, &v));
    v->real = real;
    return ae_pickle_push(m, v);
}

// BININT1, BININT2, BININT, and BINFLOAT, whose eight bytes are big-endian.
static ae_status push_fixed_number(ae_pickle_machine *m, unsigned char opcode) {
    int width = opcode == 'K' ? 1 : opcode == 'M' ? 2 : opcode == 'G' ? 8 : 4;
    uint64_t number;
    AE_TRY(take_number(m, width, &number));
    if (opcode != 'G')
        return push_integer(m, opcode == 'J' ? (int64_t)(int32_t)(uint32_t)number : (int64_t)number);
    number = __builtin_bswap64(number);
    double real;
    memcpy(&real, &number, sizeof real);
    return push_real(m, real);
}

// LONG1 and LONG4: two's complement of any length.
static ae_status push_long(ae_pickle_machine *m, int width) {
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

// A line of digits, with a minus before and `behind` after them (or '\0').
static ae_status take_decimal(ae_pickle_machine *m, char behind, int64_t *out) {
    const char *line;
    size_t length;
    AE_TRY(take_line(m, &line, &length));
    size_t digits = length - (behind && length > 0 && line[length - 1] == behind);
    size_t sign = digits > 0 && line[0] == '-';
    bool valid = digits > sign;
    for (size_t i = sign; i < digits; i++)
        valid = valid && line[i] >= '0' && line[i] <= '9';
    if (!valid) return ae_pickle_malformed(m, "an integer is not written in digits");
    errno = 0;
    *out = strtoll(line, NULL, 10); // stops at the newline at the latest
    if (errno == ERANGE)
        return ae_fail(AE_ERR_UNSUPPORTED, "'%s': an integer of more than 64 bits at byte %zu of the pickle",
                       m->path, m->opcode_at);
    return AE_OK;
}

// INT, which also spells True "01" and False "00", and LONG, which ends in 'L'.
static ae_status push_decimal(ae_pickle_machine *m, unsigned char opcode) {
    const char *line = (const char *)m->bytes + m->position;
    size_t left = m->size - m->position;
    if (opcode == 'I' && left >= 3 && (memcmp(line, "01\n", 3) == 0 || memcmp(line, "00\n", 3) == 0)) {
        m->position += 3;
        return ae_pickle_push(m, line[1] == '1' ? &true_value : &false_value);
    }
    int64_t integer;
    AE_TRY(take_decimal(m, opcode == 'L' ? 'L' : '\0', &integer));
    return push_integer(m, integer);
}

// FLOAT: as Python's repr writes it. strtod would go by the locale, so JSON's reader does this.
static ae_status push_float_text(ae_pickle_machine *m) {
    const char *line;
    size_t length;
    AE_TRY(take_line(m, &line, &length));
    if (length == 3 && memcmp(line, "nan", 3) == 0) return push_real(m, NAN);
    if (length == 3 && memcmp(line, "inf", 3) == 0) return push_real(m, INFINITY);
    if (length == 4 && memcmp(line, "-inf", 4) == 0) return push_real(m, -INFINITY);
    json_t *number = NULL;
    ae_status status = ae_json_parse(m->path, line, length, &number);
    if (status == AE_ERR_MEMORY) return status;
    bool valid = json_is_number(number);
    double real = json_number_value(number);
    json_decref(number);
    return valid ? push_real(m, real) : ae_pickle_malformed(m, "a float is not written as one");
}

// ---- strings ---------------------------------------------------------------------------------------

bool ae_pickle_is_utf8(const char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(length - at), &point);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

// `text` lies in the arena, with a NUL behind it.
static ae_status push_text(ae_pickle_machine *m, ae_pickle_kind kind, const char *text, size_t length) {
    if (kind == AE_PICKLE_STRING && !ae_pickle_is_utf8(text, length))
        return ae_pickle_malformed(m, "a string is not UTF-8");
    ae_pickle_value *v;
    AE_TRY(ae_pickle_new(m, kind, &v));
    v->string.text = text;
    v->string.length = length;
    return ae_pickle_push(m, v);
}

static ae_status push_string(ae_pickle_machine *m, ae_pickle_kind kind, int width) {
    uint64_t length;
    AE_TRY(take_number(m, width, &length));
    const unsigned char *bytes;
    AE_TRY(take(m, length, &bytes));
    const char *text = ae_arena_strndup(m->arena, (const char *)bytes, (size_t)length);
    return text ? push_text(m, kind, text, (size_t)length) : ae_no_memory();
}

// `n` hexadecimal digits of text[0..length); false where they are not there.
static bool read_hex(const char *text, size_t length, size_t n, uint32_t *out) {
    if (length < n) return false;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i], lower = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0) return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

// UNICODE: a line of Latin-1 in which \uXXXX and \UXXXXXXXX stand for characters; another backslash, and
// what follows it, stand for themselves.
static ae_status push_unicode_line(ae_pickle_machine *m) {
    const char *line;
    size_t length, n = 0;
    AE_TRY(take_line(m, &line, &length));
    char *text = ae_arena_alloc(m->arena, 2 * length + 1, 1); // a byte becomes two at most
    if (!text) return ae_no_memory();
    for (size_t i = 0; i < length; i++) {
        uint32_t code = (unsigned char)line[i];
        char escape = code == '\\' && i + 1 < length ? line[i + 1] : '\0';
        if (escape == 'u' || escape == 'U') {
            size_t digits = escape == 'u' ? 4 : 8;
            if (!read_hex(line + i + 2, length - i - 2, digits, &code) || code > 0x10ffff)
                return ae_pickle_malformed(m, "an escape in a string is not valid");
            i += 1 + digits;
        } else if (escape) {
            text[n++] = '\\';
            code = (unsigned char)escape;
            i++;
        }
        n += (size_t)utf8proc_encode_char((utf8proc_int32_t)code, (utf8proc_uint8_t *)text + n);
    }
    return push_text(m, AE_PICKLE_STRING, text, n);
}

// STRING: a line with a quoted string as Python 2's repr writes it.
static ae_status push_quoted_line(ae_pickle_machine *m) {
    static const char letters[] = "abfnrtv\\'\"", meanings[] = "\a\b\f\n\r\t\v\\'\"";
    const char *line;
    size_t length, n = 0;
    AE_TRY(take_line(m, &line, &length));
    if (length < 2 || (line[0] != '\'' && line[0] != '"') || line[length - 1] != line[0])
        return ae_pickle_malformed(m, "a string has no quotes");
    char *text = ae_arena_alloc(m->arena, length, 1);
    if (!text) return ae_no_memory();
    for (size_t i = 1; i < length - 1; i++) {
        if (line[i] != '\\') {
            text[n++] = line[i];
            continue;
        }
        i++;
        const char *letter = i < length - 1 && line[i] ? strchr(letters, line[i]) : NULL;
        uint32_t code;
        if (letter) {
            text[n++] = meanings[letter - letters];
        } else if (i < length - 1 && line[i] == 'x' && read_hex(line + i + 1, length - 2 - i, 2, &code)) {
            text[n++] = (char)code;
            i += 2;
        } else {
            return ae_pickle_malformed(m, "an escape in a string is not valid");
        }
    }
    return push_text(m, AE_PICKLE_STRING, text, n);
}

// ---- the machine -----------------------------------------------------------------------------------

static ae_status run_memo(ae_pickle_machine *m, unsigned char opcode) {
    if (opcode == 0x94) return memo_put(m, m->memo_count); // MEMOIZE
    bool is_long = opcode == 'r' || opcode == 'j';
    uint64_t index;
    AE_TRY(take_number(m, is_long ? 4 : 1, &index));
    return opcode == 'q' || opcode == 'r' ? memo_put(m, index) : memo_get(m, index);
}

static ae_status set_items(ae_pickle_machine *m, ae_pickle_value *const *items, size_t count) {
    ae_pickle_value *dict;
    AE_TRY(ae_pickle_top(m, AE_PICKLE_DICT, &dict));
    if (count % 2 != 0) return ae_pickle_malformed(m, "a dict gets a key without a value");
    return sequence_add(m, dict, items, count);
}

// Opcodes that take the newest 1, 2 or 3 values, or all those since the mark.
static ae_status run_collection(ae_pickle_machine *m, unsigned char opcode) {
    ae_pickle_value **items, *list, *taken[3];
    size_t count = opcode == 0x85 || opcode == 'a'   ? 1
                   : opcode == 0x86 || opcode == 's' ? 2
                   : opcode == 0x87                  ? 3
                                                     : 0;
    for (size_t i = count; i > 0; i--)
        AE_TRY(ae_pickle_pop(m, &taken[i - 1]));
    items = taken;
    if (count == 0) AE_TRY(pop_mark(m, &items, &count));
    switch (opcode) {
    case 'a':
    case 'e':
        AE_TRY(ae_pickle_top(m, AE_PICKLE_LIST, &list));
        return sequence_add(m, list, items, count);
    case 's':
    case 'u':
        return set_items(m, items, count);
    case 'l':
        return push_sequence(m, AE_PICKLE_LIST, items, count);
    case 'd':
        if (count % 2 != 0) return ae_pickle_malformed(m, "a dict gets a key without a value");
        return push_sequence(m, AE_PICKLE_DICT, items, count);
    case '1':
        return AE_OK; // POP_MARK
    default:
        return push_sequence(m, AE_PICKLE_TUPLE, items, count);
    }
}

// What only protocols 0 and 1 write: numbers and memos in digits, strings as lines or as Python 2's.
static ae_status run_old(ae_pickle_machine *m, unsigned char opcode) {
    int64_t index;
    switch (opcode) {
    case 'I': // INT
    case 'L': // LONG
        return push_decimal(m, opcode);
    case 'F': // FLOAT
        return push_float_text(m);
    case 'V': // UNICODE
        return push_unicode_line(m);
    case 'S': // STRING
        return push_quoted_line(m);
    case 'T': // BINSTRING
        return push_string(m, AE_PICKLE_STRING, 4);
    case 'U': // SHORT_BINSTRING
        return push_string(m, AE_PICKLE_STRING, 1);
    default: // PUT, GET
        AE_TRY(take_decimal(m, '\0', &index));
        return opcode == 'p' ? memo_put(m, (uint64_t)index) : memo_get(m, (uint64_t)index);
    }
}

/* opcode, its name in Python's pickle module, what it does */
#define OPCODES(X)                                                                                           \
    X('N', NONE, ae_pickle_push(m, &none_value))                                                             \
    X(0x88, NEWTRUE, ae_pickle_push(m, &true_value))                                                         \
    X(0x89, NEWFALSE, ae_pickle_push(m, &false_value))                                                       \
    X(')', EMPTY_TUPLE, ae_pickle_push(m, &empty_tuple))                                                     \
    X('(', MARK, ae_pickle_push(m, &mark_value))                                                             \
    X(']', EMPTY_LIST, push_sequence(m, AE_PICKLE_LIST, NULL, 0))                                            \
    X('}', EMPTY_DICT, push_sequence(m, AE_PICKLE_DICT, NULL, 0))                                            \
    X(0x8a, LONG1, push_long(m, 1))                                                                          \
    X(0x8b, LONG4, push_long(m, 4))                                                                          \
    X('X', BINUNICODE, push_string(m, AE_PICKLE_STRING, 4))                                                  \
    X(0x8c, SHORT_BINUNICODE, push_string(m, AE_PICKLE_STRING, 1))                                           \
    X(0x8d, BINUNICODE8, push_string(m, AE_PICKLE_STRING, 8))                                                \
    X('B', BINBYTES, push_string(m, AE_PICKLE_BYTES, 4))                                                     \
    X('C', SHORT_BINBYTES, push_string(m, AE_PICKLE_BYTES, 1))                                               \
    X(0x8e, BINBYTES8, push_string(m, AE_PICKLE_BYTES, 8))

static ae_status step(ae_pickle_machine *m, unsigned char opcode) {
    ae_pickle_value *v;
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
        return push_fixed_number(m, opcode);
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
    case 'I':
    case 'L':
    case 'F':
    case 'V':
    case 'S':
    case 'T':
    case 'U':
    case 'p':
    case 'g':
        return m->lowest_protocol < 2 ? run_old(m, opcode) : m->other(m, opcode);
    case '0':
        return ae_pickle_pop(m, &v); // POP
    case '2':                        // DUP
        AE_TRY(ae_pickle_pop(m, &v));
        AE_TRY(ae_pickle_push(m, v));
        return ae_pickle_push(m, v);
    case 0x95: // FRAME: the length of what follows, for readers of streams
        AE_TRY(take_number(m, 8, &number));
        if (number > m->size - m->position) return ae_pickle_malformed(m, "a frame reaches beyond the end");
        return AE_OK;
    case 0x80: // PROTO
        AE_TRY(take(m, 1, &ignored));
        if (ignored[0] < m->lowest_protocol || ignored[0] > 5)
            return ae_fail(AE_ERR_UNSUPPORTED, "'%s': pickle protocol %d, supported are %d to 5", m->path,
                           ignored[0], m->lowest_protocol);
        return AE_OK;
    default:
        return m->other(m, opcode);
    }
}

static ae_status run(ae_pickle_machine *m, ae_pickle_value **result) {
    if (m->lowest_protocol >= 2 && (m->size < 2 || m->bytes[0] != 0x80))
        return ae_pickle_malformed(m, "it does not begin with a protocol number");
    while (m->position < m->size) {
        m->opcode_at = m->position;
        unsigned char opcode = m->bytes[m->position++];
        if (opcode != '.') { // STOP
            AE_TRY(step(m, opcode));
            continue;
        }
        AE_TRY(ae_pickle_pop(m, result));
        if (m->depth != 0 || m->position != m->size) return ae_pickle_malformed(m, "it stops too early");
        return AE_OK;
    }
    m->opcode_at = m->size;
    return ae_pickle_malformed(m, "it ends without a stop");
}

ae_status ae_pickle_run(ae_pickle_machine *m, ae_pickle_value **result) {
    ae_status status = run(m, result);
    ae_free(m->stack);
    ae_free(m->memo);
    m->stack = m->memo = NULL;
    m->depth = m->stack_capacity = m->memo_count = m->memo_capacity = 0;
    return status;
}
