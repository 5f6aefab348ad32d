/* Which safetensors files a model folder consists of. */
#ifndef WEIGHTS_CHECKPOINT_FILES_H
#define WEIGHTS_CHECKPOINT_FILES_H

#include "base/strings.h"

#include <jansson.h>

/* The files' names inside `folder`, each once: model.safetensors alone, or the shards that
 * model.safetensors.index.json names. `*weight_map` is the index's map from tensor to shard, given to
 * json_decref by the caller; NULL where there is no index. On error nothing is kept.
 * Errors: MODEL (no weights here; says what is), FORMAT (a bad index), IO, MEMORY. */
int checkpoint_files(const char *folder, struct string_list *files, json_t **weight_map);

#endif
