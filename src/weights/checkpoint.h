/* The weights of a model folder: model.safetensors, or the shards that
 * model.safetensors.index.json names; bound to a model through a table of rows. */
#ifndef WEIGHTS_CHECKPOINT_H
#define WEIGHTS_CHECKPOINT_H

#include "base/dtype.h"

#include <stdbool.h>

struct checkpoint;

/* Opens `folder`/model.safetensors or the sharded form. Where neither is there, the error (MODEL)
 * says what is (only .bin, .msgpack, ...) and what is needed. A tensor in two shards, a shard name
 * that leaves the folder, or an indexed tensor that is not in its shard is an error (FORMAT). */
int checkpoint_open(const char *folder, struct checkpoint **out);
void checkpoint_close(struct checkpoint **checkpoint);

/* NULL when there is none of that name. */
const struct host_tensor *checkpoint_find(const struct checkpoint *checkpoint, const char *name);

/* One tensor of a model. */
struct weight_row {
    const char *name;
    int rank;
    int64_t dim[TENSOR_MAX_RANK];
    bool optional; /* absent: its `data` is NULL */
};

/* Fills tensors[row_count], one a row. Every row's tensor must be there
 * with that shape and a type of F32, F16 or BF16; otherwise the error (MODEL) names the tensor, what
 * was expected and what was found (the first few of several, and how many there are). Tensors that no
 * row names give one notice with their number and the first names, except those that end in
 * "position_ids" and those that start with one of `ignored_prefixes` (NULL-terminated list; may be
 * NULL). */
int checkpoint_bind(const struct checkpoint *checkpoint, const struct weight_row *rows, size_t row_count,
                    const char *const *ignored_prefixes, struct host_tensor *tensors);

/* Reads the content of a tensor that was found or bound: before that its `data` must not be touched. `keep`: it stays
 * as long as the checkpoint is open. Does nothing for NULL and for data that are not the checkpoint's. Errors: IO (also
 * where the file has become shorter), MEMORY. */
int checkpoint_read(const struct checkpoint *checkpoint, const struct host_tensor *tensor, bool keep);
/* Gives up the memory of a tensor that was read, unless it is kept. */
void checkpoint_forget(const struct checkpoint *checkpoint, const struct host_tensor *tensor);
/* Whether all files are as they were opened: else what was read may be of two versions. Errors: IO. */
int checkpoint_check(const struct checkpoint *checkpoint);

#endif
