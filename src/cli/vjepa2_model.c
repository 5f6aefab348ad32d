/* The V-JEPA 2 model that the settings name. */
#include "cli/vjepa2_model.h"

#include "cli/download.h"

int vjepa2_model_open(const struct settings *settings, const char *revision, sowlv2_scorer **out)
{
    struct sowlv2_model_options options = sowlv2_scorer_options_default();
    struct download download = {0};
    options.model = settings->frames.model;
    options.revision = revision;
    options.cache_dir = settings->cache_dir;
    options.offline = settings->offline;
    options.download = download_update;
    options.download_user_data = &download;
    options.device.device = "cpu";
    options.device.precision = settings->precision;
    options.device.cpu_level = settings->cpu;
    options.device.threads = (int)settings->threads;
    const int status = sowlv2_scorer_open(&options, out);
    download_end(&download);
    return status;
}
