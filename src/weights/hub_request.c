/* See hub_request.h. */
#include "weights/hub_request.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/foreign.h"
#include "weights/hub.h"
#include "weights/hub_cache.h"

#include <stdlib.h>
#include <string.h>

enum { REF_LIMIT = 4096 };

static int fill(const char *model, const char *revision, const char *cache_dir, struct hub_request *request)
{
    const char *at = strchr(model, '@');
    *request = (struct hub_request){.cache_dir = cache_dir && *cache_dir ? cache_dir : NULL};
    request->id = at ? strndup(model, (size_t)(at - model)) : strdup(model);
    request->revision = strdup(revision && *revision ? revision : at ? at + 1 : "main");
    if (!request->id || !request->revision)
        return error_memory("model name");
    if (foreign_is_file_name(request->id))
        return foreign_report_name(request->id);
    if (!hub_id_is_valid(request->id))
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: no such folder, and not a hub id: give a local folder or an id such as "
                         "google/owlv2-base-patch16-ensemble",
                         model);
    if (!hub_revision_is_valid(request->revision))
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: revision \"%s\" is not a valid name: give a branch, tag or commit",
                         model, request->revision);
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

int hub_request_make(const char *model, const char *revision, const char *cache_dir, struct hub_request *out)
{
    int status = fill(model, revision, cache_dir, out);
    if (status)
        hub_request_free(out);
    return status;
}

void hub_request_free(struct hub_request *request)
{
    free(request->id);
    free(request->revision);
    free(request->cache);
    free(request->repository);
    *request = (struct hub_request){0};
}

char *hub_request_pull_command(const struct hub_request *request)
{
    struct string command = {0};
    string_append_format(&command, "sowlv2 pull %s", request->id);
    if (strcmp(request->revision, "main") != 0)
        string_append_format(&command, "@%s", request->revision);
    if (request->cache_dir)
        string_append_format(&command, " --cache-dir %s", request->cache);
    if (command.failed)
        string_free(&command);
    return command.data;
}

bool hub_commit_is_valid(const char *commit)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return *commit && commit[strspn(commit, allowed)] == '\0';
}

int hub_read_commit(const struct hub_request *request, char **commit)
{
    struct string path = {0};
    size_t size = 0;
    *commit = NULL;
    string_append_format(&path, "%s/refs/%s", request->repository, request->revision);
    if (path.failed)
        return error_memory("model name");
    int status = 0;
    if (file_exists(path.data) && !file_is_directory(path.data)) {
        status = file_read(path.data, REF_LIMIT, commit, &size);
        if (!status) {
            while (size > 0 && strchr(" \t\r\n", (*commit)[size - 1]))
                (*commit)[--size] = '\0';
            if (!hub_commit_is_valid(*commit) || strlen(*commit) != size)
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
    if (status) {
        free(*commit);
        *commit = NULL;
    }
    return status;
}
