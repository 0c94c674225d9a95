/* format/pickle_machine.h: the stack machine that a pickle is a program for, as far as it builds plain data.
 *
 * It knows None, booleans, integers of up to 64 bits, floats, strings, bytes, tuples, lists, dicts, marks and
 * the memo, in every protocol's spelling. An opcode that would name, make or call anything else goes to the
 * client's `other`, which refuses it or knows what it stands for; nothing of the file's choosing runs.
 * Clients: torch_pickle.c (state dicts), pickle.c (plain data). */
#ifndef AE_FORMAT_PICKLE_MACHINE_H
#define AE_FORMAT_PICKLE_MACHINE_H

#include "base/memory.h"

typedef enum ae_pickle_kind {
    AE_PICKLE_NONE,
    AE_PICKLE_BOOLEAN,
    AE_PICKLE_INTEGER,
    AE_PICKLE_REAL,
    AE_PICKLE_STRING, // UTF-8
    AE_PICKLE_BYTES,
    AE_PICKLE_TUPLE,
    AE_PICKLE_LIST,
    AE_PICKLE_DICT,   // key, value, key, value, ...; keys may repeat: the last one counts
    AE_PICKLE_OBJECT, // made by the client
    AE_PICKLE_MARK,   // on the stack alone, never in a value
} ae_pickle_kind;

/* Values lie in the machine's arena. They are shared as the file shares them by its memo, and a list or dict
 * may come to hold itself: whoever walks them must look out for that. */
typedef struct ae_pickle_value ae_pickle_value;
struct ae_pickle_value {
    ae_pickle_kind kind;
    int object_kind; // OBJECT: the client's own
    union {
        int64_t integer; // BOOLEAN, INTEGER
        double real;
        struct {
            const char *text; // NUL-terminated copy
            size_t length;
        } string; // STRING, BYTES
        struct {
            ae_pickle_value **items;
            size_t count, capacity;
        } sequence; // TUPLE, LIST, DICT
        const void *object;
    };
    size_t at;  // byte of the opcode that made it
    void *note; // the client's own, NULL at first; constants take none
};

/* None, True, False and the empty tuple are constants that all machines share. */
bool ae_pickle_is_constant(const ae_pickle_value *value);

/* "None", "a list": for messages. */
const char *ae_pickle_kind_name(ae_pickle_kind kind);

/* STRINGs are; of BYTES it may be asked. */
bool ae_pickle_is_utf8(const char *text, size_t length);

typedef struct ae_pickle_machine ae_pickle_machine;
struct ae_pickle_machine {
    // Set by the client; the rest begins as zero.
    const char *path; // for messages
    const unsigned char *bytes;
    size_t size;
    ae_arena *arena;
    int lowest_protocol;                                                  // 0 or 2
    ae_status (*other)(ae_pickle_machine *machine, unsigned char opcode); // opcodes that are no plain data
    size_t position, opcode_at;
    ae_pickle_value **stack;
    size_t depth, stack_capacity;
    ae_pickle_value **memo;
    size_t memo_count, memo_capacity;
};

/* Runs the pickle to its STOP, which must be the last byte; AE_ERR_FORMAT names the byte where it is damaged.
 * The stack and memo are freed in any case. */
ae_status ae_pickle_run(ae_pickle_machine *machine, ae_pickle_value **result);

/* ---- for `other` ---- */

/* AE_ERR_FORMAT: "'<path>': the pickle is damaged at byte <opcode>: <what>". */
ae_status ae_pickle_malformed(const ae_pickle_machine *machine, const char *what);

ae_status ae_pickle_new(ae_pickle_machine *machine, ae_pickle_kind kind, ae_pickle_value **out);
ae_status ae_pickle_push(ae_pickle_machine *machine, ae_pickle_value *value);
ae_status ae_pickle_pop(ae_pickle_machine *machine, ae_pickle_value **out);
/* The value on top stays there; it must be of this kind. */
ae_status ae_pickle_top(ae_pickle_machine *machine, ae_pickle_kind kind, ae_pickle_value **out);
ae_status ae_pickle_push_dict(ae_pickle_machine *machine); // an empty one

/* A Python name as GLOBAL, INST (two lines) and STACK_GLOBAL (two strings on the stack) give it; not
 * NUL-terminated. */
typedef struct ae_pickle_name {
    const char *module, *name;
    size_t module_length, name_length;
} ae_pickle_name;
ae_status ae_pickle_take_name(ae_pickle_machine *machine, unsigned char opcode, ae_pickle_name *out);

#endif
