/* The V-JEPA 2 model that the settings name. */
#include "cli/vjepa2_model.h"

#include "cli/download.h"
#include "cli/job_options.h"

int vjepa2_model_open(const struct settings *settings, const char *revision, sowlv2_scorer **out)
{
    const struct sowlv2_device_options device = job_device_options(settings);
    struct sowlv2_model_options options = sowlv2_scorer_options_default();
    struct download download = {0};
    options.model = settings->frames.model;
    options.revision = revision;
    options.cache_dir = settings->cache_dir;
    options.offline = settings->offline;
    options.download = download_update;
    options.download_user_data = &download;
    options.device_options = &device;
    const int status = sowlv2_scorer_open(&options, out);
    download_end(&download);
    return status;
}
