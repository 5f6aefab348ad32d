/* Inside of struct checkpoint, shared by its opening and its binding. */
#ifndef WEIGHTS_CHECKPOINT_ENTRIES_H
#define WEIGHTS_CHECKPOINT_ENTRIES_H

#include "weights/checkpoint.h"
#include "weights/safetensors.h"

struct checkpoint {
    char *folder;
    struct safetensors **shards; /* own the entries' names and bytes */
    size_t shard_count;
    struct safetensors_entry *entries; /* of all shards, sorted by name */
    size_t count;
};

/* Index of `name` in `entries`; -1 where there is none. */
ptrdiff_t checkpoint_index(const struct checkpoint *checkpoint, const char *name);

#endif
