/* One tensor's description in a safetensors header, checked against the file. */
#ifndef WEIGHTS_SAFETENSORS_TENSOR_H
#define WEIGHTS_SAFETENSORS_TENSOR_H

#include "base/dtype.h"

#include <jansson.h>

#define SAFETENSORS_DAMAGED "the file is damaged: get it again"

/* Checks `info` (type, shape, byte range) of the tensor `name` and fills `out`, which points into
 * `data`, the file's data section of `data_size` bytes. Errors: FORMAT, naming `file` and tensor. */
int safetensors_tensor_read(const char *file, const char *name, const json_t *info, const unsigned char *data,
                            size_t data_size, struct host_tensor *out);

/* FORMAT after "<file>: tensor "<name>": <why>". */
int safetensors_tensor_error(const char *file, const char *name, const char *why);

#endif
