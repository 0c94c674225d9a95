/* format/safetensors.h: the safetensors format, read by mapping and written whole. docs/formats.md describes
 * it. */
#ifndef AE_FORMAT_SAFETENSORS_H
#define AE_FORMAT_SAFETENSORS_H

#include "base/file.h"
#include "base/json.h"
#include "format/tensor.h"

typedef struct ae_safetensors ae_safetensors;

/* Everything is checked before this returns: header length against the file's size (and 100 MB), JSON, types,
 * shapes against byte ranges, ranges against the file, overlaps, gaps, duplicate names. */
ae_status ae_safetensors_open(const char *path, ae_safetensors **out);

/* The same over bytes in memory that outlive the object; `name` is for messages. */
ae_status ae_safetensors_open_memory(const char *name, const void *bytes, size_t size, ae_safetensors **out);
void ae_safetensors_close(ae_safetensors *file); // NULL is fine

size_t ae_safetensors_count(const ae_safetensors *file);
const ae_tensor *ae_safetensors_at(const ae_safetensors *file, size_t index);       // in order of data offset
const ae_tensor *ae_safetensors_find(const ae_safetensors *file, const char *name); // NULL: not there
const json_t *ae_safetensors_metadata(const ae_safetensors *file); // object of strings; NULL: none

/* Writes the tensors in the given order; metadata (object of strings) may be NULL. Each tensor's data must be
 * present. Complete or not at all. */
ae_status ae_safetensors_write(const char *path, const ae_tensor *tensors, size_t count,
                               const json_t *metadata);

/* The header alone (8-byte length, JSON, padding to 8 bytes), for writers that stream the data themselves. */
ae_status ae_safetensors_header(const ae_tensor *tensors, size_t count, const json_t *metadata, char **bytes,
                                size_t *length);

#endif
