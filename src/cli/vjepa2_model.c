/* The V-JEPA 2 model that the settings name. */
#include "cli/vjepa2_model.h"

#include "cli/device.h"
#include "cli/download.h"
#include "engine/shared_device.h"
#include "hub/model_find.h"

#include <stdlib.h>

int vjepa2_model_open(const struct settings *settings, const char *revision, struct device **device,
                      struct scorer **model)
{
    char *folder = NULL;
    struct download download = {0};
    const struct model_source source = {.model = settings->frames.model,
                                        .revision = revision,
                                        .cache_dir = settings->cache_dir,
                                        .kind = "vjepa2",
                                        .offline = settings->offline,
                                        .download = download_update,
                                        .download_user_data = &download};
    struct device_options wanted = {
        .device = device_chosen(settings), .cpu_level = settings->cpu, .threads = (int)settings->threads};
    int status = device_precision(wanted.device, precision_chosen(settings), &wanted.precision);

    if (!status)
        status = shared_device_open(&wanted, device);

    if (!status)
        status = model_find(&source, &folder);
    download_end(&download);
    if (!status)
        status = scorer_open(folder, *device, model);
    free(folder);
    return status;
}

void vjepa2_model_close(struct device **device, struct scorer **model)
{
    scorer_free(model);
    shared_device_close(device);
}
