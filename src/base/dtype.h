/* Element types of tensors, in files and in memory. */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I64, DTYPE_I32, DTYPE_I16, DTYPE_I8, DTYPE_U8, DTYPE_OTHER };

/* Bytes of one element; 0 for DTYPE_OTHER. */
size_t dtype_size(enum dtype type);

/* "F32", ... as safetensors spells it. */
const char *dtype_name(enum dtype type);

enum { TENSOR_MAX_RANK = 5 };

/* A tensor as it lies in host memory or in a mapped file: dense, row-major, not necessarily aligned.
 * Does not own `data`. */
struct host_tensor {
    enum dtype dtype;
    int rank;
    int64_t dim[TENSOR_MAX_RANK];
    const void *data;
    size_t bytes;
    const char *name; /* in its file; NULL: none. Not owned */
};

/* Number of elements; 1 for rank 0. */
int64_t host_tensor_count(const struct host_tensor *tensor);

/* Converts `count` elements of F32, F16 or BF16 at `from` (any alignment) to f32 at `to`.
 * Returns 0, or SOWLV2_ERROR_UNSUPPORTED for another type. */
int dtype_to_f32(enum dtype type, const void *from, int64_t count, float *to);

#endif
