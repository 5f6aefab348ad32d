/* Writing one f32 tensor of a length that is not known before the end as a safetensors file, part by part. */
#ifndef OUTPUT_SAFETENSORS_WRITE_H
#define OUTPUT_SAFETENSORS_WRITE_H

#include "base/dtype.h"
#include "base/file.h"

/* Starts as {0}. */
struct safetensors_writer {
    struct file_writer file;
    char name[32];
    int rank;
    int64_t dim[TENSOR_MAX_RANK]; /* dim[0]: rows so far */
};

/* Begins `path`, whose only tensor is `name` (at most 31 plain characters): F32, rows of shape dim[1 .. rank-1];
 * dim[0] is not looked at. Nothing is at `path` before the commit. Errors: IO, ARGUMENT, MEMORY. */
int safetensors_writer_open(const char *path, const char *name, int rank, const int64_t *dim,
                            struct safetensors_writer *out);

/* Appends one row, dim[1] * ... * dim[rank-1] values. Errors: IO. */
int safetensors_writer_append(struct safetensors_writer *writer, const float *values);

/* Completes the file; `metadata` is a JSON object of strings ("{}": none) of at most 600 bytes. Errors: IO, ARGUMENT.
 * The writer is closed in any case. */
int safetensors_writer_commit(struct safetensors_writer *writer, const char *metadata);

/* Removes what was written; harmless after the commit and on {0}. */
void safetensors_writer_abort(struct safetensors_writer *writer);

#endif
