/* One safetensors file. The file is untrusted: the header is checked in full when
 * it is opened (length, JSON, no duplicate names, every tensor inside the file, byte count = shape x
 * type, no overlaps, no gaps), so that a tensor handed out is safe to read.
 * Format: https://huggingface.co/docs/safetensors (8-byte little-endian header length, JSON, data). */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include "base/dtype.h"

#include <stdbool.h>

struct safetensors;

/* A tensor by name. */
struct safetensors_entry {
    const char *name;
    struct host_tensor tensor; /* DTYPE_OTHER where the type is none of enum dtype, and, as a list, where
                                  the rank is over TENSOR_MAX_RANK */
};

/* Opens and checks `path`, and reads all tensors. Errors: IO, FORMAT (names the file and the tensor), MEMORY. */
int safetensors_open(const char *path, struct safetensors **out);
/* The same, where a tensor's `data` are addresses that must not be touched before safetensors_read. */
int safetensors_open_unread(const char *path, struct safetensors **out);
void safetensors_close(struct safetensors **file);

/* Checks and indexes a file that is in memory already; `data` must outlive the result. `name` is what
 * messages call it. */
int safetensors_parse(const char *name, const void *data, size_t size, struct safetensors **out);

/* Whether the tensor's bytes belong to this file, which was opened (not parsed in memory). */
bool safetensors_has(const struct safetensors *file, const struct host_tensor *tensor);
/* Reads a tensor that the file has, and gives up its memory, all but the pages that it shares with others. Errors: IO
 * (also where the file has become shorter), MEMORY. */
int safetensors_read(const struct safetensors *file, const struct host_tensor *tensor);
void safetensors_forget(const struct safetensors *file, const struct host_tensor *tensor);
/* Whether the file is as it was opened. Errors: IO. */
int safetensors_check(const struct safetensors *file);

size_t safetensors_count(const struct safetensors *file);
/* Entries sorted by name (byte order). Valid while the file is open. */
const struct safetensors_entry *safetensors_entries(const struct safetensors *file);
/* NULL when there is none of that name. */
const struct host_tensor *safetensors_find(const struct safetensors *file, const char *name);

#endif
