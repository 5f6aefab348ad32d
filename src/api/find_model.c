/* From the model options to the model's folder. */
#include "api/checks.h"
#include "hub/model_find.h"

int find_model(const struct sowlv2_model_options *options, const char *kind, char **folder)
{
    const struct model_source source = {
        .model = options->model,
        .revision = options->revision,
        .cache_dir = options->cache_dir,
        .kind = kind,
        .offline = options->offline,
        .download = options->download,
        .download_user_data = options->download_user_data,
    };
    return model_find(&source, folder);
}
