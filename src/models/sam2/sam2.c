/* Opening a model, an image's features, and the encoder's pass. */
#include "models/sam2/forward.h"

#include "base/error.h"

#include <stdlib.h>

static int open_parts(const char *folder, struct sam2 *model)
{
    int status = sam2_config_read(folder, &model->config);
    if (status != 0 || (status = checkpoint_open(folder, &model->checkpoint)) != 0 ||
        (status = parameters_create(model->device, &model->parameters)) != 0)
        return status;
    return sam2_weights_load(&model->config, model->checkpoint, model->parameters, &model->weights);
}

int sam2_open(const char *folder, struct device *device, struct sam2 **out)
{
    *out = NULL;
    struct sam2 *model = calloc(1, sizeof(*model));
    if (!model)
        return error_memory("model");
    model->device = device;
    const int status = open_parts(folder, model);
    if (status != 0) {
        sam2_free(&model);
        return status;
    }
    *out = model;
    return 0;
}

void sam2_free(struct sam2 **model)
{
    struct sam2 *old = *model;
    if (!old)
        return;
    parameters_free(&old->parameters);
    sam2_weights_free(&old->weights);
    checkpoint_close(&old->checkpoint);
    free(old);
    *model = NULL;
}

const struct sam2_config *sam2_get_config(const struct sam2 *model)
{
    return &model->config;
}

int sam2_features_create(const struct sam2 *model, struct sam2_features **out)
{
    *out = NULL;
    const int64_t pixels = model->config.grid * model->config.grid, width = model->config.width;
    struct sam2_features *features = calloc(1, sizeof(*features));
    if (!features)
        return error_memory("an image's features");
    struct device *device = features->device = model->device;
    int status = DEVICE_TENSOR_CREATE(device, DTYPE_F32, &features->embedding, pixels, width);
    if (status == 0)
        status = DEVICE_TENSOR_CREATE(device, DTYPE_F32, &features->middle, 4 * pixels, width / 4);
    if (status == 0)
        status = DEVICE_TENSOR_CREATE(device, DTYPE_F32, &features->fine, 16 * pixels, width / 8);
    if (status != 0) {
        sam2_features_free(&features);
        return status;
    }
    *out = features;
    return 0;
}

void sam2_features_free(struct sam2_features **features)
{
    struct sam2_features *old = *features;
    if (!old)
        return;
    device_tensor_free(old->device, &old->embedding);
    device_tensor_free(old->device, &old->middle);
    device_tensor_free(old->device, &old->fine);
    free(old);
    *features = NULL;
}

int sam2_features_width(const struct sam2_features *features)
{
    return features->width;
}

int sam2_encode(const struct sam2 *model, struct compute *compute, const struct sowlv2_image *image,
                const struct pixel_scale *scale, const struct model_trace *trace, const struct model_control *control,
                struct sam2_features *features)
{
    const struct sam2_config *config = &model->config;
    const int64_t size = config->image_size;
    features->width = features->height = 0;
    if (!image->pixels || image->width < 1 || image->height < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "segmentation: the image has no pixels");
    compute_begin(compute);
    struct tensor maps[SAM2_MAX_STAGES];
    for (int i = 0; i < config->stages; i++) {
        maps[i] =
            COMPUTE_TENSOR(compute, DTYPE_F32, config->stage_side[i], config->stage_side[i], config->stage_dim[i]);
    }
    const size_t mark = compute_mark(compute);
    struct tensor pixel_values = COMPUTE_TENSOR(compute, DTYPE_F32, size, size, 3);
    sam2_preprocess(compute, image, scale ? scale : &config->scale, config->image_size, pixel_values);
    model_emit(trace, compute, pixel_values, "pixel_values");
    sam2_hiera(model, compute, pixel_values, trace, control, maps);
    compute_release(compute, mark);
    sam2_neck(model, compute, maps, trace, features);

    const int status = compute_status(compute);
    if (status == 0) {
        features->width = image->width;
        features->height = image->height;
    }
    return status;
}
