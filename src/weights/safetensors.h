/* One safetensors file, mapped read-only. The file is untrusted: the header is checked in full when
 * it is opened (length, JSON, no duplicate names, every tensor inside the file, byte count = shape x
 * type, no overlaps, no gaps), so that a tensor handed out is safe to read.
 * Format: https://huggingface.co/docs/safetensors (8-byte little-endian header length, JSON, data). */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include "base/dtype.h"

struct safetensors;

/* A tensor by name. */
struct safetensors_entry {
    const char *name;
    struct host_tensor tensor; /* DTYPE_OTHER where the type is none of enum dtype, and, as a list, where
                                  the rank is over TENSOR_MAX_RANK */
};

/* Maps and checks `path`. Errors: IO, FORMAT (names the file and the tensor), MEMORY. */
int safetensors_open(const char *path, struct safetensors **out);
void safetensors_close(struct safetensors **file);

/* Checks and indexes a file that is in memory already; `data` must outlive the result. `name` is what
 * messages call it. */
int safetensors_parse(const char *name, const void *data, size_t size, struct safetensors **out);

size_t safetensors_count(const struct safetensors *file);
/* Entries sorted by name (byte order). Valid while the file is open. */
const struct safetensors_entry *safetensors_entries(const struct safetensors *file);
/* NULL when there is none of that name. */
const struct host_tensor *safetensors_find(const struct safetensors *file, const char *name);

#endif
