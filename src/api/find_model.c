/* From the model options to the model's folder and the device it computes on. */
#include "api/checks.h"
#include "api/options.h"
#include "base/error.h"
#include "engine/shared_device.h"
#include "hub/model_find.h"

#include <string.h>

static int open_device(const struct sowlv2_device_options *given, struct device **out)
{
    struct sowlv2_device_options options;
    const int status = OPTIONS_TAKE(device, given, &options);
    if (status != 0)
        return status;
    const char *const precision = options.precision != NULL ? options.precision : "auto";
    if (strcmp(precision, "auto") != 0 && strcmp(precision, "f32") != 0) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "precision %s: this version computes in f32: use f32 or auto",
                         precision);
    }
    const struct device_options wanted = {
        .device = options.device, .cpu_level = options.cpu_level, .threads = options.threads};
    return shared_device_open(&wanted, out);
}

int find_model(const char *caller, const struct sowlv2_model_options *options, const char *kind, char **folder,
               struct device **device)
{
    struct sowlv2_model_options mine;
    int status = OPTIONS_TAKE(model, options, &mine);
    if (status != 0)
        return status;
    if (mine.model == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: options->model is needed", caller);
    const struct model_source source = {
        .model = mine.model,
        .revision = mine.revision,
        .cache_dir = mine.cache_dir,
        .kind = kind,
        .offline = mine.offline,
        .download = mine.download,
        .download_user_data = mine.download_user_data,
    };
    status = model_find(&source, folder);
    return status == 0 && device != NULL ? open_device(mine.device_options, device) : status;
}
