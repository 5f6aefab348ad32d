/* The memory encoder's weights. */
#include "models/sam2/video_forward.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

enum { PREFIX_BYTES = 96 };

static void load_downsampler(struct loader *loader, const struct sam2_config *image,
                             const struct sam2_video_config *config, struct sam2_video_weights *out)
{
    char name[PREFIX_BYTES];
    int64_t channels = 1;
    for (int i = 0; i < config->downsampler_layers; i++) {
        const int64_t outputs = channels * config->downsampler_stride * config->downsampler_stride;
        snprintf(name, sizeof(name), "memory_encoder.mask_downsampler.layers.%d.conv", i);
        loader_conv2d(loader, outputs, channels, config->downsampler_kernel, config->downsampler_stride,
                      config->downsampler_padding, name, &out->downsampler[i]);
        snprintf(name, sizeof(name), "mask_downsampler.layers.%d.layer_norm", i);
        loader_norm(loader, outputs, "memory_encoder.", name, &out->downsampler_norm[i]);
        channels = outputs;
    }
    out->downsampler_channels = channels;
    loader_conv2d(loader, image->width, channels, 1, 1, 0, "memory_encoder.mask_downsampler.final_conv",
                  &out->mask_out);
}

/* [C, 1, k, k] -> [k, k, C]. */
static void load_depthwise(struct loader *loader, int64_t channels, int kernel, const char *prefix,
                           struct sam2_fuser_block *out)
{
    const struct host_tensor *weight =
        loader_tensor(loader, false, LOADER_DIMS(channels, 1, kernel, kernel), "%sdepthwise_conv.weight", prefix);
    const struct host_tensor *bias =
        loader_tensor(loader, false, LOADER_DIMS(channels), "%sdepthwise_conv.bias", prefix);
    const int64_t taps = (int64_t)kernel * kernel;
    float *from = NULL;
    loader_device(loader, bias, LOADER_DIMS(channels), &out->bias);
    loader_host(loader, weight, &from);
    if (loader_preparing(loader)) {
        float *const turned = malloc((size_t)(taps * channels) * sizeof(*turned));
        if (!turned) {
            loader_fail(loader, error_memory("the memory encoder"));
        } else {
            for (int64_t i = 0; i < taps * channels; i++)
                turned[i] = from[i % channels * taps + i / channels];
            loader_values(loader, turned, LOADER_DIMS(kernel, kernel, channels), &out->kernel);
        }
        free(turned);
    }
    free(from);
}

/* pointwise_conv2 with the block's scale: scale[c] weight[c, :] and scale[c] bias[c]. */
static void load_scaled(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *prefix,
                        const struct linear **out)
{
    const struct host_tensor *const host[] = {
        loader_tensor(loader, false, LOADER_DIMS(outputs, inputs), "%spointwise_conv2.weight", prefix),
        loader_tensor(loader, false, LOADER_DIMS(outputs), "%spointwise_conv2.bias", prefix),
        loader_tensor(loader, false, LOADER_DIMS(outputs), "%sscale", prefix)};
    float *weight = NULL, *bias = NULL, *scale = NULL;
    loader_host(loader, host[0], &weight);
    loader_host(loader, host[1], &bias);
    loader_host(loader, host[2], &scale);
    if (loader_preparing(loader)) {
        for (int64_t c = 0; c < outputs; c++) {
            bias[c] *= scale[c];
            for (int64_t i = 0; i < inputs; i++)
                weight[c * inputs + i] *= scale[c];
        }
        loader_linear_values(loader, rows, outputs, inputs, weight, bias, host[0]->name, out);
    }
    free(weight);
    free(bias);
    free(scale);
}

/* A 1 x 1 convolution is a linear layer of the pixels. */
static void load_pointwise(struct loader *loader, int64_t rows, int64_t outputs, int64_t inputs, const char *name,
                           const struct linear **out)
{
    const struct host_tensor *weight =
        loader_tensor(loader, false, LOADER_DIMS(outputs, inputs, 1, 1), "memory_encoder.%s.weight", name);
    const struct host_tensor *bias = loader_tensor(loader, false, LOADER_DIMS(outputs), "memory_encoder.%s.bias", name);
    if (loader_preparing(loader)) {
        struct host_tensor matrix = *weight;
        matrix.rank = 2;
        const struct host_tensor *const weights[] = {&matrix}, *const biases[] = {bias};
        loader_prepare_linear(loader, rows, 1, weights, biases, out);
    }
}

void sam2_load_memory_encoder(struct loader *loader, const struct sam2_config *image,
                              const struct sam2_video_config *config, struct sam2_video_weights *out)
{
    const int64_t pixels = image->grid * image->grid, width = image->width;
    load_downsampler(loader, image, config, out);
    load_pointwise(loader, pixels, width, width, "feature_projection", &out->feature);
    for (int i = 0; i < config->fuser_layers; i++) {
        char prefix[PREFIX_BYTES];
        snprintf(prefix, sizeof(prefix), "memory_encoder.memory_fuser.layers.%d.", i);
        load_depthwise(loader, width, config->fuser_kernel, prefix, &out->fuser[i]);
        loader_norm(loader, width, prefix, "layer_norm", &out->fuser[i].norm);
        loader_linear(loader, pixels, config->fuser_hidden, width, prefix, "pointwise_conv1", &out->fuser[i].fc1);
        load_scaled(loader, pixels, width, config->fuser_hidden, prefix, &out->fuser[i].fc2);
    }
    load_pointwise(loader, pixels, config->memory_width, width, "projection", &out->memory_out);
    if (config->occlusion_embedding) {
        const struct host_tensor *occlusion =
            loader_tensor(loader, false, LOADER_DIMS(1, config->memory_width), "occlusion_spatial_embedding_parameter");
        loader_device(loader, occlusion, LOADER_DIMS(1, config->memory_width), &out->occlusion);
    }
}
