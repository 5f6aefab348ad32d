/* See hub_snapshot.h. */
#include "weights/hub_snapshot.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/checkpoint_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Folders in folders that are looked into. */
enum { DEEPEST = 8 };

static const char *const owlv2_files[] = {"preprocessor_config.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json",
                                          "tokenizer.json",
                                          "vocab.json",
                                          "merges.txt",
                                          NULL};
static const char *const sam2_files[] = {"preprocessor_config.json", "processor_config.json", NULL};
static const char *const vjepa2_files[] = {"video_preprocessor_config.json", "processor_config.json",
                                           "preprocessor_config.json", NULL};

/* Groups of names: of each group one must be there. */
struct wanted {
    const char *kind;
    const char *groups[3][4];
};

static const struct wanted wanted[] = {
    {"owlv2", {{"preprocessor_config.json"}, {"tokenizer.json", "vocab.json"}, {"tokenizer.json", "merges.txt"}}},
    {"tokenizer", {{"tokenizer.json", "vocab.json"}, {"tokenizer.json", "merges.txt"}}},
    {"sam2", {{"preprocessor_config.json", "processor_config.json"}}},
    {"vjepa2", {{"video_preprocessor_config.json", "processor_config.json", "preprocessor_config.json"}}},
};

const char *const *hub_side_files(const char *kind)
{
    if (strcmp(kind, "sam2") == 0)
        return sam2_files;
    return strcmp(kind, "vjepa2") == 0 ? vjepa2_files : owlv2_files;
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

/* The first name of a group of which none is there; NULL: all groups are served. */
static const char *find_missing_side(const char *folder, const char *kind, bool *failed)
{
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strcmp(wanted[i].kind, kind) != 0)
            continue;
        for (size_t g = 0; g < 3 && wanted[i].groups[g][0]; g++) {
            bool served = false;
            for (size_t n = 0; n < 4 && wanted[i].groups[g][n]; n++)
                served |= is_there(folder, wanted[i].groups[g][n], failed);
            if (!served)
                return wanted[i].groups[g][0];
        }
    }
    return NULL;
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

int hub_snapshot_is_complete(const char *folder, const char *kind, bool *complete, char **missing)
{
    struct string_list files = {0};
    bool failed = false;
    const char *name = is_there(folder, "config.json", &failed) ? NULL : "config.json";
    if (!name)
        name = find_missing_side(folder, kind, &failed);
    int status = failed ? error_memory(folder) : 0;
    if (!status && !name && hub_needs_weights(kind))
        status = find_missing_weights(folder, &files, &name);
    *complete = !status && !name;
    if (missing) {
        *missing = name ? strdup(name) : NULL;
        if (name && !*missing)
            status = error_memory(folder);
    }
    string_list_free(&files);
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
