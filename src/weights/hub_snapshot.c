/* See hub_snapshot.h. */
#include "weights/hub_snapshot.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/checkpoint_files.h"
#include "weights/processor.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Folders in folders that are looked into. */
enum { DEEPEST = 8 };

static const char joint_name[] = "processor_config.json", image_name[] = "preprocessor_config.json",
                  video_name[] = "video_preprocessor_config.json";
static const char *const owlv2_files[] = {joint_name,
                                          image_name,
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json",
                                          "tokenizer.json",
                                          "vocab.json",
                                          "merges.txt",
                                          NULL};
static const char *const video_files[] = {joint_name, image_name, video_name, NULL}; /* of SAM 2 and V-JEPA 2 */

const char *const *hub_side_files(const char *kind)
{
    return strcmp(kind, "sam2") == 0 || strcmp(kind, "vjepa2") == 0 ? video_files : owlv2_files;
}

bool hub_needs_weights(const char *kind)
{
    return strcmp(kind, "tokenizer") != 0;
}

static bool is_there(const char *folder, const char *name, bool *failed)
{
    char *path = path_join(folder, name);
    const bool there = path && file_exists(path);
    *failed |= !path;
    free(path);
    return there;
}

/* Whether a snapshot's cache knows that the model on the hub has no such file. */
static bool is_known_absent(const char *folder, const char *name, bool *failed)
{
    struct string path = {0};
    string_append_format(&path, "%s/../../.no_exist/%s/%s", folder, path_base(folder), name);
    const bool absent = !path.failed && file_exists(path.data);
    *failed |= path.failed;
    string_free(&path);
    return absent;
}

/* What says how pixels are prepared; SAM 2 can do without where nothing does. */
static int find_missing_processor(const char *folder, const char *kind, const char **missing)
{
    struct processor processor = {0};
    const bool is_video = strcmp(kind, "vjepa2") == 0;
    bool failed = false;
    *missing = NULL;
    if (strcmp(kind, "tokenizer") == 0)
        return 0;
    const int status = processor_open(folder, is_video ? PROCESSOR_VIDEO : PROCESSOR_IMAGE, &processor);
    if (!status && !processor.file)
        *missing = is_video ? video_name : image_name;
    processor_close(&processor);
    if (!status && *missing && strcmp(kind, "sam2") == 0 && is_known_absent(folder, image_name, &failed) &&
        (is_there(folder, joint_name, &failed) || is_known_absent(folder, joint_name, &failed)))
        *missing = NULL;
    return !status && failed ? error_memory(folder) : status;
}

/* tokenizer.json, or the two files that it took the place of. */
static const char *find_missing_tokenizer(const char *folder, const char *kind, bool *failed)
{
    if (hub_side_files(kind) != owlv2_files || is_there(folder, "tokenizer.json", failed))
        return NULL;
    if (!is_there(folder, "vocab.json", failed))
        return "tokenizer.json";
    return is_there(folder, "merges.txt", failed) ? NULL : "merges.txt";
}

/* The first file of weights that is not there; NULL: all are. */
static int find_missing_weights(const char *folder, struct string_list *files, const char **missing)
{
    bool failed = false;
    json_t *map = NULL;
    *missing = NULL;
    if (!is_there(folder, "model.safetensors", &failed) && !is_there(folder, "model.safetensors.index.json", &failed)) {
        *missing = "model.safetensors";
        return failed ? error_memory(folder) : 0;
    }
    int status = checkpoint_files(folder, files, &map);
    for (size_t i = 0; !status && !*missing && i < files->count; i++)
        if (!is_there(folder, files->items[i], &failed))
            *missing = files->items[i];
    json_decref(map);
    return !status && failed ? error_memory(folder) : status;
}

int hub_snapshot_find_missing(const char *folder, const char *kind, bool weights, char **missing)
{
    struct string_list files = {0};
    bool failed = false;
    const char *name = is_there(folder, "config.json", &failed) ? NULL : "config.json";
    int status = failed ? error_memory(folder) : 0;
    *missing = NULL;
    if (!status && !name)
        status = find_missing_processor(folder, kind, &name);
    if (!status && !name)
        name = find_missing_tokenizer(folder, kind, &failed);
    if (!status && !name && weights && hub_needs_weights(kind))
        status = find_missing_weights(folder, &files, &name);
    if (!status && name)
        *missing = strdup(name);
    if (!status && (failed || (name && !*missing)))
        status = error_memory(folder);
    string_list_free(&files);
    return status;
}

int hub_snapshot_is_complete(const char *folder, const char *kind, bool *complete)
{
    char *missing;
    const int status = hub_snapshot_find_missing(folder, kind, true, &missing);
    *complete = !status && !missing;
    free(missing);
    return status;
}

static bool is_below(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || (length == 1 && *folder == '/'));
}

/* A file of the snapshot may be a link to a blob, of this repository or of the cache's shared store, and nothing
 * else: a cache that others can write to must not make the tool read what it names. */
static int check_inside(const struct hub_request *request, const char *path)
{
    int status = 0;
    char *real = realpath(path, NULL);
    char *cache = realpath(request->cache, NULL), *repository = realpath(request->repository, NULL);
    if (real && cache && repository && !is_below(real, cache) && !is_below(real, repository))
        status =
            error_set(SOWLV2_ERROR_MODEL,
                      "%s: is a link out of the hub cache, to %s: remove it and download the model again", path, real);
    free(real);
    free(cache);
    free(repository);
    return status;
}

static bool is_real_folder(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* All names in the folder and in those below it, where shards may be. */
static int check_links(const struct hub_request *request, const char *folder, int depth)
{
    int status = 0;
    DIR *directory = depth < DEEPEST ? opendir(folder) : NULL;
    if (!directory)
        return 0;
    for (struct dirent *entry; !status && (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = path_join(folder, entry->d_name);
        if (!path)
            status = error_memory(entry->d_name);
        else if (is_real_folder(path))
            status = check_links(request, path, depth + 1);
        else
            status = check_inside(request, path);
        free(path);
    }
    closedir(directory);
    return status;
}

int hub_snapshot_find(const struct hub_request *request, char **folder, const char **why)
{
    struct string path = {0};
    char *commit = NULL;
    bool failed = false;
    *folder = NULL;
    *why = NULL;
    if (!file_is_directory(request->repository)) {
        *why = "not a local folder, and not in the hub cache";
        return 0;
    }
    int status = hub_read_commit(request, &commit);
    if (!status) {
        string_append_format(&path, "%s/snapshots/%s", request->repository, commit);
        if (path.failed)
            status = error_memory("model name");
        else if (!hub_commit_is_valid(commit) || !file_is_directory(path.data))
            *why = "is not there at this revision in the hub cache";
        else if (!is_there(path.data, "config.json", &failed))
            *why = "is there without its config.json in the hub cache";
        else
            status = check_links(request, path.data, 0);
    }
    free(commit);
    if (!status && failed)
        status = error_memory("model name");
    if (!status && !*why)
        *folder = path.data;
    else
        string_free(&path);
    return status;
}
