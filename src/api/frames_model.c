/* Opening and closing a V-JEPA 2 model, and what it is. */
#include "api/checks.h"
#include "api/frames_types.h"
#include "base/error.h"
#include "engine/shared_device.h"

#include <stdlib.h>

int sowlv2_frames_model_open(const struct sowlv2_model_options *options, sowlv2_frames_model **out)
{
    if (out != NULL)
        *out = NULL;
    if (options == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_frames_model_open: options and out are needed");
    sowlv2_frames_model *model = calloc(1, sizeof(*model));
    if (model == NULL)
        return error_memory("V-JEPA 2 model");
    char *folder = NULL;
    int status = find_model("sowlv2_frames_model_open", options, "vjepa2", &folder, &model->device);
    if (status == 0)
        status = scorer_open(folder, model->device, &model->scorer);
    free(folder);
    if (status != 0) {
        sowlv2_frames_model_free(&model);
        return status;
    }
    *out = model;
    return 0;
}

void sowlv2_frames_model_free(sowlv2_frames_model **model)
{
    if (model == NULL || *model == NULL)
        return;
    scorer_free(&(*model)->scorer);
    shared_device_close(&(*model)->device);
    free(*model);
    *model = NULL;
}

struct sowlv2_frames_model_info sowlv2_frames_model_info(const sowlv2_frames_model *model)
{
    if (model == NULL)
        return (struct sowlv2_frames_model_info){0};
    const struct scorer_info *const info = scorer_info(model->scorer);
    return (struct sowlv2_frames_model_info){
        .crop_size = info->side,
        .frames_per_clip = info->frames_per_clip,
        .tubelet_size = info->tubelet_size,
        .width = (int)info->width,
        .grid = (int)info->grid,
        .label_count = (int)info->label_count,
        .predictor = info->predictor,
    };
}

const char *sowlv2_frames_model_label(const sowlv2_frames_model *model, int label)
{
    if (model == NULL)
        return NULL;
    const struct scorer_info *const info = scorer_info(model->scorer);
    return label >= 0 && label < info->label_count ? info->labels[label] : NULL;
}
