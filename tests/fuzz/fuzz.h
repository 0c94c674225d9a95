/* fuzz.h: what the fuzz targets share.
 *
 * A target is one file fuzz_<reader>.c with LLVMFuzzerTestOneInput. Built with libFuzzer (AE_FUZZ=ON, clang)
 * it makes up inputs of its own; built with replay.c it reads those that are given, which is how the seeds
 * (corpus/<reader>) and the inputs that once found a defect (regressions/<reader>) are run by ctest.
 *
 * Every target reads its input as one file of the reader's format, or, where the reader wants several files,
 * as files behind each other: the four bytes FF 'f' 'z' and the file's number in the target's table begin the
 * next one; what stands before the first such mark is file 0. No JSON text has a byte FF.
 *
 * A target reports a defect by FUZZ_CHECK, which aborts. All of them check, by fuzz_begin, fuzz_ok and
 * fuzz_end, that a refusal has a text of its own and is none that only a defect explains (AE_ERR_MEMORY,
 * AE_ERR_INTERNAL), and, where the address sanitizer counts allocations, that the bytes allocated at any
 * moment stay below `factor` times the input's size plus `fixed`. FUZZ_SHOW=1 prints refusals and bytes. */
#ifndef AE_FUZZ_H
#define AE_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* libFuzzer's own; not there in replay, where no mutator is called. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));

#define FUZZ_CHECK(condition, ...)                                                                           \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                  \
            fprintf(stderr, __VA_ARGS__);                                                                    \
            fputc('\n', stderr);                                                                             \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* Bytes allocated a byte of JSON: 72 for the costliest documents, empty objects in an array ("{}," is a hash
 * table of eight buckets to jansson), and some room. */
enum { FUZZ_PER_JSON_BYTE = 96 };

/* Begins counting what this thread allocates. */
void fuzz_begin(void);

/* True for AE_OK; else the refusal is checked, and false. */
bool fuzz_ok(ae_status status);

/* Ends counting: at no moment more than size * factor + fixed bytes. */
void fuzz_end(size_t size, size_t factor, size_t fixed);

/* With a listener to warnings, which must not be empty. */
extern const ae_hooks fuzz_hooks;

/* A folder of this process in memory (TMPDIR, else /dev/shm), removed when it ends. */
const char *fuzz_folder(void);

/* Writes the input as the file `name` of that folder, and returns its path (until the next call). */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);

/* Makes a folder in it that holds the input's files and no others: those of `names` ("a/b" is fine) that the
 * input has. Returns its path. */
const char *fuzz_files(const char *const *names, size_t n_names, const uint8_t *data, size_t size);

/* A byte string whose value is looked at, so that reading it is not optimised away. */
void fuzz_touch(const void *bytes, size_t size);

/* A model of three layers (tests/tiny_model.h; "gpt2", d_mlp 8), opened once; it must be left as it was. */
enum { FUZZ_D_MLP = 8 };
ae_model *fuzz_model(void);
const char *fuzz_model_folder(void);

/* ---- for mutators ---- */

/* Mutates one part of the input in place, the rest following behind it; returns the new size. */
size_t fuzz_mutate_part(uint8_t *data, size_t size, size_t max_size, size_t begin, size_t end,
                        size_t *new_end);

/* A zip archive whose member's content was mutated and whose headers and checksums fit it; where `data` is
 * no plain archive, any mutation. */
size_t fuzz_mutate_zip(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* A safetensors file whose JSON was mutated and whose length fits it. */
size_t fuzz_mutate_safetensors(uint8_t *data, size_t size, size_t max_size);

/* One of the input's files mutated as its format asks for: zip, JSON, or safetensors. */
size_t fuzz_mutate_files(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* The file number `index` of the input (see above), from 0 in the order in which they stand there; false
 * where there is none. */
bool fuzz_find_file(const uint8_t *data, size_t size, size_t index, size_t *begin, size_t *end);

#endif
