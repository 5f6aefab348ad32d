/* Finding a model: a local folder, or a snapshot in the Hugging Face cache. */
#include "weights/hub.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/demo.h"
#include "weights/hub_cache.h"

#include <stdlib.h>
#include <string.h>

enum { REF_LIMIT = 4096 };

/* A model on the hub, as it was asked for. */
struct hub_request {
    char *id;
    const char *revision;
    const char *cache_dir; /* as given; NULL: from the environment */
    char *cache;           /* the folder that is searched */
    char *repository;      /* the id's folder in the cache */
};

/* A model folder must hold config.json; other files are checked by those who read them. */
static int check_folder(const char *folder)
{
    char *config = path_join(folder, "config.json");
    if (!config)
        return error_memory(folder);
    bool there = file_exists(config);
    free(config);
    if (!there)
        return error_set(SOWLV2_ERROR_MODEL, "%s: holds no config.json: give the folder of a complete model", folder);
    return 0;
}

static int local_folder(const char *model, char **folder)
{
    int status = check_folder(model);
    if (status)
        return status;
    *folder = strdup(model);
    return *folder ? 0 : error_memory(model);
}

/* The message for a model that is not there: where it was sought and the command that gets it. */
static int report_missing(const struct hub_request *request, const char *why)
{
    struct string command = {0};
    string_append_format(&command, "hf download %s", request->id);
    if (strcmp(request->revision, "main") != 0)
        string_append_format(&command, " --revision %s", request->revision);
    if (request->cache_dir)
        string_append_format(&command, " --cache-dir %s", request->cache);
    int status = command.failed ? error_memory("model name")
                                : error_set(SOWLV2_ERROR_MODEL,
                                            "%s: %s %s: give a local folder, or download it into the cache with: %s",
                                            request->id, why, request->cache, command.data);
    string_free(&command);
    return status;
}

/* A commit becomes one part of a path: letters, digits, '-' and '_' only. */
static bool commit_is_valid(const char *commit)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return *commit && commit[strspn(commit, allowed)] == '\0';
}

/* The commit that refs/<revision> names; the revision itself where there is no such ref. */
static int read_commit(const struct hub_request *request, char **commit)
{
    struct string path = {0};
    size_t size = 0;
    string_append_format(&path, "%s/refs/%s", request->repository, request->revision);
    if (path.failed)
        return error_memory("model name");
    int status = 0;
    if (file_exists(path.data) && !file_is_directory(path.data)) {
        status = file_read(path.data, REF_LIMIT, commit, &size);
        if (!status) {
            while (size > 0 && strchr(" \t\r\n", (*commit)[size - 1]))
                (*commit)[--size] = '\0';
            if (!commit_is_valid(*commit) || strlen(*commit) != size)
                status = error_set(SOWLV2_ERROR_FORMAT,
                                   "%s: names no commit: remove this file and download the model "
                                   "again",
                                   path.data);
        }
    } else {
        *commit = strdup(request->revision);
        if (!*commit)
            status = error_memory("model name");
    }
    string_free(&path);
    return status;
}

static int find_snapshot(const struct hub_request *request, char **folder)
{
    if (!file_is_directory(request->repository))
        return report_missing(request, "not a local folder, and not in the hub cache");
    char *commit = NULL;
    int status = read_commit(request, &commit);
    struct string path = {0};
    if (!status) {
        string_append_format(&path, "%s/snapshots/%s", request->repository, commit);
        if (path.failed)
            status = error_memory("model name");
        else if (!commit_is_valid(commit) || !file_is_directory(path.data))
            status = report_missing(request, "is not there at this revision in the hub cache");
        else if (check_folder(path.data))
            status = report_missing(request, "is there without its config.json in the hub cache");
    }
    free(commit);
    if (status)
        string_free(&path);
    *folder = path.data;
    return status;
}

/* Splits "id@revision"; what the caller gives as revision wins. */
static int make_request(const char *model, const char *revision, const char *cache_dir, struct hub_request *request)
{
    const char *at = strchr(model, '@');
    *request = (struct hub_request){.cache_dir = cache_dir && *cache_dir ? cache_dir : NULL};
    request->id = at ? strndup(model, (size_t)(at - model)) : strdup(model);
    if (!request->id)
        return error_memory("model name");
    request->revision = revision && *revision ? revision : at ? at + 1 : "main";
    if (!hub_id_is_valid(request->id))
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: no such folder, and not a hub id: give a local folder or an id such as "
                         "google/owlv2-base-patch16-ensemble",
                         model);
    if (!hub_revision_is_valid(request->revision))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: revision \"%s\" cannot be: give a branch, tag or commit", model,
                         request->revision);
    int status = hub_cache_directory(cache_dir, &request->cache);
    if (status)
        return status;
    struct string path = {0};
    string_append_format(&path, "%s/models--", request->cache);
    for (const char *c = request->id; *c; c++)
        string_append(&path, *c == '/' ? "--" : c, *c == '/' ? 2 : 1);
    request->repository = path.data;
    return path.failed ? error_memory("model name") : 0;
}

int hub_locate(const char *model, const char *kind, const char *revision, const char *cache_dir, char **folder)
{
    *folder = NULL;
    if (!model || !*model)
        return error_set(SOWLV2_ERROR_ARGUMENT, "model: none given: give a local folder or a hub id");
    if (file_is_directory(model))
        return local_folder(model, folder);
    if (demo_is_name(model))
        return demo_locate(kind, folder);
    if (file_exists(model))
        return error_set(SOWLV2_ERROR_MODEL, "%s: is a file: give the folder of a model", model);
    struct hub_request request;
    int status = make_request(model, revision, cache_dir, &request);
    if (!status)
        status = find_snapshot(&request, folder);
    free(request.id);
    free(request.cache);
    free(request.repository);
    return status;
}
