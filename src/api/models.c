/* Models: from options to their folder and device, fetching them ahead, listing them. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"
#include "engine/shared_device.h"
#include "hub/model_find.h"
#include "weights/hub_list.h"
#include "weights/model_kind.h"

#include <stdlib.h>

struct model_source model_source_of(const struct sowlv2_model_options *options, const char *kind)
{
    return (struct model_source){
        .model = options->model,
        .revision = options->revision,
        .cache_dir = options->cache_dir,
        .kind = kind,
        .offline = options->offline,
        .download = options->download,
        .download_user_data = options->download_user_data,
    };
}

int find_model(const char *caller, const struct sowlv2_model_options *options, const char *kind, char **folder,
               struct device **device)
{
    struct sowlv2_model_options mine;
    int status = OPTIONS_TAKE(model, options, &mine);
    if (status != 0)
        return status;
    if (!mine.model)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: options->model is needed", caller);
    const struct model_source source = model_source_of(&mine, kind);
    status = model_find(&source, folder);
    if (status != 0 || !device)
        return status;
    if (!mine.device)
        return open_device(mine.device_options, device);
    *device = shared_device_keep(mine.device->device);
    return 0;
}

int sowlv2_pull(const struct sowlv2_model_options *options, char **folder, int64_t *bytes)
{
    struct sowlv2_model_options mine;
    struct model_pulled pulled;
    if (folder)
        *folder = NULL;
    if (bytes)
        *bytes = 0;
    if (!options || !folder)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_pull: options and folder are needed");
    int status = OPTIONS_TAKE(model, options, &mine);
    if (status != 0)
        return status;
    if (!mine.model)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_pull: options->model is needed");
    const struct model_source source = model_source_of(&mine, NULL);
    status = model_pull(&source, &pulled);
    if (status != 0)
        return status;
    *folder = pulled.folder;
    if (bytes)
        *bytes = pulled.bytes;
    return 0;
}

/* Takes the list over, also on error. */
static int give_list(struct hub_list *list, struct sowlv2_model_list *out)
{
    out->items = calloc(list->count + 1, sizeof(*out->items));
    if (!out->items) {
        hub_list_free(list);
        return error_memory("list of models");
    }
    for (size_t i = 0; i < list->count; i++) {
        struct hub_listed *const item = &list->items[i];
        out->items[i] = (struct sowlv2_listed_model){.id = item->id,
                                                     .revisions = item->revisions,
                                                     .commit = item->commit,
                                                     .task = item->kind ? model_kind_task(item->kind) : NULL,
                                                     .size = item->size,
                                                     .complete = item->complete};
        item->id = item->revisions = item->commit = NULL;
    }
    out->count = list->count;
    out->cache = list->cache;
    list->cache = NULL;
    hub_list_free(list);
    return 0;
}

int sowlv2_models_cached(const char *cache_dir, struct sowlv2_model_list *out)
{
    struct hub_list list;
    if (!out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_models_cached: out is needed");
    *out = (struct sowlv2_model_list){0};
    const int status = hub_list_read(cache_dir, &list);
    return status == 0 ? give_list(&list, out) : status;
}

int sowlv2_models_installed(struct sowlv2_model_list *out)
{
    struct hub_list list = {0};
    if (!out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_models_installed: out is needed");
    *out = (struct sowlv2_model_list){0};
    const int status = hub_list_add_installed(&list);
    if (status == 0)
        return give_list(&list, out);
    hub_list_free(&list);
    return status;
}

void sowlv2_model_list_free(struct sowlv2_model_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].id); // NOLINT(clang-analyzer-core.NullDereference): count is 0 then
        free(list->items[i].revisions);
        free(list->items[i].commit);
    }
    free(list->items);
    free(list->cache);
    *list = (struct sowlv2_model_list){0};
}
