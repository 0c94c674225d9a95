/* mutation.h: one way of damaging a file, drawn from a random stream. */
#ifndef AE_TEST_MUTATION_H
#define AE_TEST_MUTATION_H

#include "base/random.h"
#include "tree.h"

enum { MUTATION_KINDS = 11, MUTATION_TEXT = 200 };

/* bit, byte, bytes (2 to 16 of them), cut, insert, remove, fill, copy, number, sign, float */
extern const char *const mutation_names[MUTATION_KINDS];

typedef struct mutation {
    int kind;
    size_t offset;            // of the first damaged byte
    bool mended;              // lengths and checksums were put right again
    char text[MUTATION_TEXT]; // "bit at 12: 7b -> 7f"
    unsigned char *bytes;     // the file as it is now; free with ae_free
    size_t size;
} mutation;

/* Half of the damage falls on what holds a file together (headers, directories, pickles), the other half
 * anywhere. In every second case what would give the damage away before it is read, where that can be put
 * right, is: the length of a safetensors header, the digest of a journal's entry and of
 * journal.json, the checksums of an archive's members. The result always differs from the file. */
void mutate_file(const tree_file *file, ae_random *random, mutation *out);

#endif
