/* Finding a model: a local folder, or a snapshot in the Hugging Face cache. */
#include "weights/hub.h"

#include "base/error.h"
#include "base/file.h"
#include "weights/demo.h"
#include "weights/foreign.h"
#include "weights/hub_snapshot.h"

#include <stdlib.h>
#include <string.h>

/* A model folder must hold config.json; other files are checked by those who read them. */
static int local_folder(const char *model, char **folder)
{
    char *config = path_join(model, "config.json");
    if (!config)
        return error_memory(model);
    bool there = file_exists(config);
    free(config);
    if (!there)
        return foreign_report_folder(model);
    *folder = strdup(model);
    return *folder ? 0 : error_memory(model);
}

int hub_report_missing(const struct hub_request *request, const char *why)
{
    char *command = hub_request_pull_command(request);
    int status = !command ? error_memory("model name")
                          : error_set(SOWLV2_ERROR_MODEL,
                                      "%s: %s %s: give a local folder, or download it into the cache with: %s",
                                      request->id, why, request->cache, command);
    free(command);
    return status;
}

int hub_locate_local(const char *model, const char *kind, bool *is_local, char **folder)
{
    *folder = NULL;
    *is_local = true;
    if (!model || !*model)
        return error_set(SOWLV2_ERROR_ARGUMENT, "model: none given: give a local folder or a hub id");
    if (file_is_directory(model))
        return local_folder(model, folder);
    if (demo_is_name(model))
        return demo_locate(strcmp(kind, "tokenizer") == 0 ? "owlv2" : kind, folder);
    if (file_exists(model))
        return foreign_report_file(model);
    *is_local = false;
    return 0;
}

int hub_locate(const char *model, const char *kind, const char *revision, const char *cache_dir, char **folder)
{
    bool is_local;
    int status = hub_locate_local(model, kind, &is_local, folder);
    if (status || is_local)
        return status;
    struct hub_request request;
    const char *why;
    status = hub_request_make(model, revision, cache_dir, &request);
    if (status)
        return status;
    status = hub_snapshot_find(&request, folder, &why);
    if (!status && why)
        status = hub_report_missing(&request, why);
    hub_request_free(&request);
    return status;
}
