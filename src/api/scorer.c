/* Opening and closing a scorer, and what it is. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "engine/shared_device.h"

#include <stdlib.h>

int sowlv2_scorer_open(const struct sowlv2_model_options *options, sowlv2_scorer **out)
{
    if (out)
        *out = NULL;
    if (!options || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_scorer_open: options and out are needed");
    sowlv2_scorer *scorer = calloc(1, sizeof(*scorer));
    if (!scorer)
        return error_memory("scorer");
    char *folder = NULL;
    int status = find_model("sowlv2_scorer_open", options, "vjepa2", &folder, &scorer->device);
    if (status == 0)
        status = scorer_open(folder, scorer->device, &scorer->scorer);
    free(folder);
    if (status != 0) {
        sowlv2_scorer_free(&scorer);
        return status;
    }
    *out = scorer;
    return 0;
}

void sowlv2_scorer_free(sowlv2_scorer **scorer)
{
    if (!scorer || !*scorer)
        return;
    scorer_free(&(*scorer)->scorer);
    shared_device_close(&(*scorer)->device);
    free(*scorer);
    *scorer = NULL;
}

struct sowlv2_scorer_info sowlv2_scorer_info(const sowlv2_scorer *scorer)
{
    if (!scorer)
        return (struct sowlv2_scorer_info){0};
    const struct scorer_info *const info = scorer_info(scorer->scorer);
    return (struct sowlv2_scorer_info){
        .crop_size = info->side,
        .frames_per_clip = info->frames_per_clip,
        .tubelet_size = info->tubelet_size,
        .width = (int)info->width,
        .grid = (int)info->grid,
        .label_count = (int)info->label_count,
        .predictor = info->predictor,
    };
}

const char *sowlv2_scorer_label(const sowlv2_scorer *scorer, int label)
{
    if (!scorer)
        return NULL;
    const struct scorer_info *const info = scorer_info(scorer->scorer);
    return label >= 0 && label < info->label_count ? info->labels[label] : NULL;
}
