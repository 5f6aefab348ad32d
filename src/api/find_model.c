/* From the model options to the model's folder and the device it computes on. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"
#include "engine/shared_device.h"
#include "hub/model_find.h"

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
