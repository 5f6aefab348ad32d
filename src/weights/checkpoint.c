/* The weights of a model folder: opening one file or all shards as one table of tensors. */
#include "weights/checkpoint.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "weights/checkpoint_entries.h"
#include "weights/checkpoint_files.h"
#include "weights/foreign.h"

#include <stdlib.h>
#include <string.h>

static int open_shard(const struct checkpoint *checkpoint, const char *name, struct safetensors **out)
{
    char *path = path_join(checkpoint->folder, name);
    if (!path)
        return error_memory(name);
    int status;
    if (file_exists(path))
        status = safetensors_open_unread(path, out);
    else
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: the index names this file, but it is missing: download the model "
                           "again",
                           path);
    free(path);
    return status;
}

static int compare_entries(const void *left, const void *right)
{
    return strcmp(((const struct safetensors_entry *)left)->name, ((const struct safetensors_entry *)right)->name);
}

/* Joins the tables of all shards. */
static int merge_entries(struct checkpoint *checkpoint)
{
    size_t total = 0;
    for (size_t i = 0; i < checkpoint->shard_count; i++)
        total += safetensors_count(checkpoint->shards[i]);
    checkpoint->entries = calloc(total + 1, sizeof(*checkpoint->entries));
    checkpoint->kept = calloc(total + 1, sizeof(*checkpoint->kept));
    if (!checkpoint->entries || !checkpoint->kept)
        return error_memory(checkpoint->folder);
    for (size_t i = 0; i < checkpoint->shard_count; i++) {
        size_t count = safetensors_count(checkpoint->shards[i]);
        if (count > 0)
            memcpy(checkpoint->entries + checkpoint->count, safetensors_entries(checkpoint->shards[i]),
                   count * sizeof(*checkpoint->entries));
        checkpoint->count += count;
    }
    qsort(checkpoint->entries, checkpoint->count, sizeof(*checkpoint->entries), compare_entries);
    for (size_t i = 1; i < checkpoint->count; i++)
        if (strcmp(checkpoint->entries[i - 1].name, checkpoint->entries[i].name) == 0)
            return error_set(SOWLV2_ERROR_FORMAT,
                             "%s: tensor \"%.200s\" is in two of the model's files: download the model again",
                             checkpoint->folder, checkpoint->entries[i].name);
    return 0;
}

static size_t shard_index(const struct string_list *files, const char *name)
{
    size_t i = 0;
    while (i < files->count && strcmp(files->items[i], name) != 0)
        i++;
    return i;
}

/* Every tensor of the index must be in the shard that the index names. */
static int check_index(const struct checkpoint *checkpoint, const struct string_list *files, json_t *weight_map)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(weight_map, tensor, shard)
    {
        const char *name = json_string_value(shard);
        if (!safetensors_find(checkpoint->shards[shard_index(files, name)], tensor))
            return error_set(SOWLV2_ERROR_FORMAT,
                             "%s/%s: has no tensor \"%.200s\", which the index places there: download the model again",
                             checkpoint->folder, name, tensor);
    }
    return 0;
}

static int open_files(struct checkpoint *checkpoint, const struct string_list *files, json_t *weight_map)
{
    checkpoint->shards = calloc(files->count, sizeof(struct safetensors *));
    if (!checkpoint->shards)
        return error_memory(checkpoint->folder);
    checkpoint->shard_count = files->count;
    int status = 0;
    for (size_t i = 0; i < files->count && !status; i++)
        status = open_shard(checkpoint, files->items[i], &checkpoint->shards[i]);
    if (!status)
        status = merge_entries(checkpoint);
    if (!status && weight_map)
        status = check_index(checkpoint, files, weight_map);
    return status;
}

static int notice_adapter(const char *folder)
{
    bool adapter;
    const int status = foreign_find_adapter(folder, &adapter);
    if (!status && adapter)
        log_notice("%s: the adapter in this folder (adapter_config.json) is not applied, only the whole model's "
                   "weights are: where you want it, merge the two with peft (merge_and_unload(), then "
                   "save_pretrained())",
                   folder);
    return status;
}

int checkpoint_open(const char *folder, struct checkpoint **out)
{
    *out = NULL;
    struct string_list files = {0};
    json_t *weight_map = NULL;
    int status = checkpoint_files(folder, &files, &weight_map);
    if (status)
        return status;
    struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    if (checkpoint)
        checkpoint->folder = strdup(folder);
    status = checkpoint && checkpoint->folder ? open_files(checkpoint, &files, weight_map) : error_memory(folder);
    if (!status)
        status = notice_adapter(folder);
    if (status)
        checkpoint_close(&checkpoint);
    json_decref(weight_map);
    string_list_free(&files);
    *out = checkpoint;
    return status;
}

void checkpoint_close(struct checkpoint **checkpoint)
{
    if (!checkpoint || !*checkpoint)
        return;
    for (size_t i = 0; i < (*checkpoint)->shard_count; i++)
        safetensors_close(&(*checkpoint)->shards[i]);
    free((*checkpoint)->shards);
    free((*checkpoint)->entries);
    free((*checkpoint)->kept);
    free((*checkpoint)->folder);
    free(*checkpoint);
    *checkpoint = NULL;
}

ptrdiff_t checkpoint_index(const struct checkpoint *checkpoint, const char *name)
{
    const struct safetensors_entry key = {.name = name};
    const struct safetensors_entry *entry =
        bsearch(&key, checkpoint->entries, checkpoint->count, sizeof(key), compare_entries);
    return entry ? entry - checkpoint->entries : -1;
}

const struct host_tensor *checkpoint_find(const struct checkpoint *checkpoint, const char *name)
{
    ptrdiff_t index = checkpoint_index(checkpoint, name);
    return index < 0 ? NULL : &checkpoint->entries[index].tensor;
}

/* The file that has the tensor's bytes; NULL: none has. */
static const struct safetensors *find_shard(const struct checkpoint *checkpoint, const struct host_tensor *tensor)
{
    for (size_t i = 0; tensor && tensor->data && i < checkpoint->shard_count; i++)
        if (safetensors_has(checkpoint->shards[i], tensor))
            return checkpoint->shards[i];
    return NULL;
}

/* Whether the tensor must stay in memory; NULL where it has no name. */
static bool *find_kept(const struct checkpoint *checkpoint, const struct host_tensor *tensor)
{
    const ptrdiff_t index = tensor->name ? checkpoint_index(checkpoint, tensor->name) : -1;
    return index < 0 ? NULL : &checkpoint->kept[index];
}

int checkpoint_read(const struct checkpoint *checkpoint, const struct host_tensor *tensor, bool keep)
{
    const struct safetensors *shard = find_shard(checkpoint, tensor);
    bool *kept = shard ? find_kept(checkpoint, tensor) : NULL;
    if (!shard || (kept && *kept))
        return 0;
    const int status = safetensors_read(shard, tensor);
    if (!status && kept)
        *kept = keep;
    return status;
}

void checkpoint_forget(const struct checkpoint *checkpoint, const struct host_tensor *tensor)
{
    const struct safetensors *shard = find_shard(checkpoint, tensor);
    const bool *kept = shard ? find_kept(checkpoint, tensor) : NULL;
    if (kept && !*kept)
        safetensors_forget(shard, tensor);
}

int checkpoint_check(const struct checkpoint *checkpoint)
{
    int status = 0;
    for (size_t i = 0; !status && i < checkpoint->shard_count; i++)
        status = safetensors_check(checkpoint->shards[i]);
    return status;
}
