/* Inside of struct checkpoint, shared by its opening and its binding. */
#ifndef WEIGHTS_CHECKPOINT_ENTRIES_H
#define WEIGHTS_CHECKPOINT_ENTRIES_H

#include "base/strings.h"
#include "weights/checkpoint.h"
#include "weights/safetensors.h"

struct checkpoint {
    char *folder;
    struct safetensors **shards; /* own the entries' names and bytes */
    size_t shard_count;
    struct safetensors_entry *entries; /* of all shards, sorted by name */
    size_t count;
    bool *kept; /* [count]: must stay in memory */
};

/* Index of `name` in `entries`; -1 where there is none. */
ptrdiff_t checkpoint_index(const struct checkpoint *checkpoint, const char *name);

/* Appends, for messages, why entries do not fit a model, and what to do. `missing` is the first name of `missing_count`
 * that are not there, NULL where all are; `used`[count] are the entries that have a place in the model. */
void checkpoint_explain_names(const struct checkpoint *checkpoint, const char *missing, size_t missing_count,
                              const bool *used, struct string *out);

#endif
