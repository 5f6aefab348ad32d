/* Which safetensors files a model folder consists of: one, or the shards of an index. */
#include "weights/checkpoint_files.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/foreign.h"
#include "weights/json.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* Indexes of models with a hundred thousand tensors take about 10 MB. */
enum { INDEX_LIMIT = 64 << 20, LISTED_LIMIT = 5 };

static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

/* Whether a shard's name stays in the folder: relative, without empty, "." and ".." parts. */
static bool name_stays_inside(const char *name)
{
    if (!*name)
        return false;
    for (const char *part = name;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
            return false;
        part += length;
        if (!*part)
            return true;
    }
}

/* A set, so that an index of many tensors in many shards takes linear time. */
static int collect_shards(const char *path, json_t *map, json_t *seen, struct string_list *files)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(map, tensor, shard)
    {
        const char *name = json_string_value(shard);
        if (!name)
            return error_set(SOWLV2_ERROR_FORMAT,
                             "%s: weight_map: tensor \"%.200s\" names no file: the file is damaged: get it again", path,
                             tensor);
        if (!name_stays_inside(name))
            return error_set(SOWLV2_ERROR_FORMAT,
                             "%s: weight_map: \"%.200s\" is not a file inside the model's folder: get the model from a "
                             "source you trust",
                             path, name);
        if (json_object_get(seen, name))
            continue;
        int status = json_object_set_new(seen, name, json_true()) ? error_memory(path) : 0;
        if (!status)
            status = string_list_append(files, name);
        if (status)
            return status;
    }
    return 0;
}

static int read_index(const char *path, struct string_list *files, json_t **weight_map)
{
    char *text = NULL;
    size_t size = 0;
    json_t *root = NULL;
    int status = file_read(path, INDEX_LIMIT, &text, &size);
    if (status)
        return status;
    status = json_parse_object(path, text, size, &root);
    free(text);
    if (status)
        return status;
    json_t *map = json_object_get(root, "weight_map");
    json_t *seen = json_object();
    if (!seen)
        status = error_memory(path);
    else if (!json_is_object(map) || json_object_size(map) == 0)
        status = error_set(SOWLV2_ERROR_FORMAT, "%s: has no weight_map: the file is damaged: get it again", path);
    else
        status = collect_shards(path, map, seen, files);
    json_decref(seen);
    if (!status)
        *weight_map = json_incref(map);
    json_decref(root);
    return status;
}

static bool looks_like_weights(const char *name)
{
    static const char *const endings[] = {".safetensors", ".bin",  ".msgpack", ".h5",   ".pt",
                                          ".pth",         ".ckpt", ".onnx",    ".gguf", ".index.json"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

/* Weight files of other kinds in `folder`: "a, b"; empty where there are none. */
static void list_other_weights(const char *folder, struct string *list)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return;
    int count = 0;
    for (struct dirent *entry; count < LISTED_LIMIT && (entry = readdir(directory));)
        if (looks_like_weights(entry->d_name))
            string_append_format(list, "%s%s", count++ ? ", " : "", entry->d_name);
    closedir(directory);
}

static int report_no_weights(const char *folder)
{
    struct string list = {0};
    if (!file_is_directory(folder))
        return error_set(SOWLV2_ERROR_MODEL, "%s: no such folder: give the folder of a model", folder);
    if (foreign_is_known_folder(folder))
        return foreign_report_folder(folder);
    list_other_weights(folder, &list);
    int status;
    if (list.length > 0)
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: no %s, only %s: convert the model with save_pretrained of transformers, or get a "
                           "version that has safetensors files",
                           folder, single_name, list.data);
    else
        status = error_set(SOWLV2_ERROR_MODEL, "%s: no weights: needs %s, or shards with %s", folder, single_name,
                           index_name);
    string_free(&list);
    return status;
}

/* Whether `path` is there. A link whose target is missing is an error: a download was cut short. */
static int check_present(const char *path, bool *present)
{
    *present = file_exists(path);
    if (file_is_broken_link(path))
        return error_set(SOWLV2_ERROR_MODEL, "%s: is a link to a file that is missing: download the model again", path);
    return 0;
}

int checkpoint_files(const char *folder, struct string_list *files, json_t **weight_map)
{
    *weight_map = NULL;
    char *single = path_join(folder, single_name);
    char *index = path_join(folder, index_name);
    bool has_single = false, has_index = false;
    int status = single && index ? check_present(single, &has_single) : error_memory(folder);
    if (!status && !has_single)
        status = check_present(index, &has_index);
    if (!status) {
        if (has_single)
            status = string_list_append(files, single_name);
        else if (has_index)
            status = read_index(index, files, weight_map);
        else
            status = report_no_weights(folder);
    }
    free(single);
    free(index);
    if (status)
        string_list_free(files);
    return status;
}
