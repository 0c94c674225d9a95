/* format/pickle.h: plain data in Python pickles, without running anything.
 *
 * The reference ships its downstream tasks as pickles (protocol 4) of lists, dicts, strings and numbers.
 * Those opcodes are read into JSON values; whatever would name or build a Python object is refused. */
#ifndef AE_FORMAT_PICKLE_H
#define AE_FORMAT_PICKLE_H

#include "base/json.h"

/* Protocols 0 to 5 of lists, tuples (as arrays), dicts with string keys, strings, bytes that are UTF-8,
 * integers of up to 64 bits, finite floats, booleans and None, in a file of at most `limit` bytes. *out: the
 * caller's (json_decref).
 *
 * AE_ERR_UNSUPPORTED names the opcode (and the class it asks for) or the value that JSON cannot hold, and
 * its byte; AE_ERR_FORMAT the byte where the file is malformed.
 *
 * What the file shares by its memo is shared by reference, so memory is bounded by the file's size times a
 * constant, and whoever changes a value in place changes it everywhere. A value that contains itself is
 * refused, nesting is at most 64 deep, and a value that unfolds to more than 2^28 values and bytes of text (a
 * list of the same list of the same list ...) is refused, so that a walk or a dump of it ends. */
ae_status ae_pickle_load(const char *path, size_t limit, json_t **out);

#endif
