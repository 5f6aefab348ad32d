/* See model_find.h. */
#include "hub/model_find.h"

#include "base/error.h"
#include "base/log.h"
#include "hub/pull.h"
#include "weights/hub.h"
#include "weights/hub_snapshot.h"
#include "weights/model_kind.h"

#include <stdlib.h>
#include <string.h>

static int pull(const struct model_source *source, const struct hub_request *request, char **folder, int64_t *bytes)
{
    struct hub_settings settings;
    struct hub_session session;
    int status = hub_settings_read(&settings);
    if (status)
        return status;
    status = hub_session_open(&settings, request, source->download, source->download_user_data, &session);
    if (!status) {
        status = hub_pull(&session, source->kind, folder, bytes);
        hub_session_close(&session);
    }
    hub_settings_free(&settings);
    return status;
}

/* What the cache has: `*folder` is NULL where that is nothing that can be used without the hub. Offline, what is
 * there must do: those who read it say what they miss. */
static int look_in_cache(const struct model_source *source, const struct hub_request *request, bool offline,
                         char **folder)
{
    const char *why = NULL;
    bool complete = false;
    int status = hub_snapshot_find(request, folder, &why);
    if (!status && offline && why)
        return hub_report_missing(request, why);
    if (!status && *folder && !offline) {
        status = hub_snapshot_is_complete(*folder, source->kind, &complete);
        if (status == SOWLV2_ERROR_FORMAT || status == SOWLV2_ERROR_MODEL) {
            log_notice("%s: downloading it again", error_message());
            status = 0;
        }
        if (!complete) {
            free(*folder);
            *folder = NULL;
        }
    }
    return status;
}

int model_find(const struct model_source *source, char **folder)
{
    struct hub_request request;
    const bool offline = source->offline || hub_settings_offline();
    bool is_local;
    int status = hub_locate_local(source->model, source->kind, &is_local, folder);
    if (status || is_local)
        return status;
    status = hub_request_make(source->model, source->revision, source->cache_dir, &request);
    if (status)
        return status;
    status = look_in_cache(source, &request, offline, folder);
    if (!status && !*folder)
        status = pull(source, &request, folder, NULL);
    hub_request_free(&request);
    return status;
}

/* Whether the cache has the whole model, so that a hub out of reach is no harm. */
static bool is_in_cache(const struct model_source *source, const struct hub_request *request, char **folder)
{
    const char *why, *kind = source->kind;
    bool complete = false;
    if (hub_snapshot_find(request, folder, &why) != 0 || !*folder)
        return false;
    if (!kind)
        kind = model_kind_of_folder(*folder);
    if (kind && hub_snapshot_is_complete(*folder, kind, &complete) == 0 && complete)
        return true;
    free(*folder);
    *folder = NULL;
    return false;
}

int model_pull(const struct model_source *source, struct model_pulled *out)
{
    struct hub_request request;
    *out = (struct model_pulled){0};
    int status = hub_request_make(source->model, source->revision, source->cache_dir, &request);
    if (status)
        return status;
    if (source->offline || hub_settings_offline())
        status =
            error_set(SOWLV2_ERROR_ARGUMENT,
                      "%s: cannot be downloaded: --offline or HF_HUB_OFFLINE forbids it: leave that out", request.id);
    else
        status = pull(source, &request, &out->folder, &out->bytes);
    if (status == SOWLV2_ERROR_IO) {
        char *why = strdup(error_message());
        if (is_in_cache(source, &request, &out->folder)) {
            log_warning("%s: the version in the cache stays", why ? why : request.id);
            status = 0;
        } else {
            error_set(status, "%s", why ? why : "out of memory");
        }
        free(why);
    }
    hub_request_free(&request);
    return status;
}
