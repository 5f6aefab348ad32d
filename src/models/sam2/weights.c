/* The two walks over a SAM 2 checkpoint, and the prompt encoder's weights. */
#include "models/sam2/weights.h"
#include "models/sam2/positions.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Fourier features of the image's grid. */
static void load_image_positions(struct loader *loader, const struct sam2_config *config,
                                 const struct host_tensor *fourier, struct sam2_weights *out)
{
    const int64_t grid = config->grid, width = config->width;
    float *matrix = NULL;
    loader_host(loader, fourier, &matrix);
    if (loader_preparing(loader)) {
        float *const positions = malloc((size_t)(grid * grid * width) * sizeof(*positions));
        if (!positions) {
            loader_fail(loader, error_memory("image positions"));
        } else {
            sam2_grid_positions(matrix, grid, width, positions);
            loader_values(loader, positions, LOADER_DIMS(grid * grid, width), &out->image_positions);
        }
        free(positions);
    }
    free(matrix);
}

void sam2_load_prompt_encoder(struct loader *loader, const struct sam2_config *config, struct sam2_weights *out)
{
    const int64_t width = config->width, channels = config->mask_channels;
    const struct host_tensor *no_memory = loader_tensor(loader, false, LOADER_DIMS(1, 1, width), "no_memory_embedding");
    const struct host_tensor *image =
        loader_tensor(loader, false, LOADER_DIMS(2, width / 2), "shared_image_embedding.positional_embedding");
    /* Older releases tied the two and saved one. */
    const struct host_tensor *prompt =
        loader_tensor(loader, true, LOADER_DIMS(2, width / 2), "prompt_encoder.shared_embedding.positional_embedding");
    const struct host_tensor *kinds =
        loader_tensor(loader, false, LOADER_DIMS(config->point_kinds, width), "prompt_encoder.point_embed.weight");
    const struct host_tensor *none =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "prompt_encoder.not_a_point_embed.weight");
    const struct host_tensor *no_mask =
        loader_tensor(loader, false, LOADER_DIMS(1, width), "prompt_encoder.no_mask_embed.weight");
    loader_device(loader, no_memory, LOADER_DIMS(1, width), &out->no_memory);
    loader_device(loader, no_mask, LOADER_DIMS(1, width), &out->no_mask);
    load_image_positions(loader, config, image, out);
    loader_device(loader, loader_preparing(loader) && !prompt->data ? image : prompt, LOADER_DIMS(2, width / 2),
                  &out->points.fourier);
    loader_device(loader, kinds, LOADER_DIMS(config->point_kinds, width), &out->points.kinds);
    loader_device(loader, none, LOADER_DIMS(1, width), &out->points.not_a_point);

    const char *const mask = "prompt_encoder.mask_embed.";
    loader_conv2d(loader, channels / 4, 1, 2, 2, 0, "prompt_encoder.mask_embed.conv1", &out->mask_conv[0]);
    loader_conv2d(loader, channels, channels / 4, 2, 2, 0, "prompt_encoder.mask_embed.conv2", &out->mask_conv[1]);
    loader_conv2d(loader, width, channels, 1, 1, 0, "prompt_encoder.mask_embed.conv3", &out->mask_conv[2]);
    loader_norm(loader, channels / 4, mask, "layer_norm1", &out->mask_norm[0]);
    loader_norm(loader, channels, mask, "layer_norm2", &out->mask_norm[1]);
}

struct load {
    const struct sam2_config *config;
    struct sam2_weights *out;
};

static void walk(struct loader *loader, void *user_data)
{
    const struct load *const load = user_data;
    sam2_load_encoder(loader, load->config, load->out);
    sam2_load_prompt_encoder(loader, load->config, load->out);
    sam2_load_decoder(loader, load->config, load->out);
}

int sam2_weights_load(const struct sam2_config *config, const struct checkpoint *checkpoint,
                      struct parameters *parameters, struct sam2_weights *out)
{
    /* The video model's part of a checkpoint, which the image model has no use for. */
    static const char *const video_part[] = {"memory_",
                                             "mask_downsample",
                                             "object_pointer_proj",
                                             "temporal_positional_encoding_projection_layer",
                                             "no_memory_positional_encoding",
                                             "no_object_pointer",
                                             "occlusion_spatial_embedding_parameter",
                                             NULL};
    memset(out, 0, sizeof(*out));
    const int status = loader_load(checkpoint, parameters, video_part, walk, &(struct load){config, out});
    if (status != 0)
        sam2_weights_free(out);
    return status;
}

void sam2_weights_free(struct sam2_weights *weights)
{
    free(weights->blocks);
    free(weights->layers);
    free(weights->hypernetworks);
    memset(weights, 0, sizeof(*weights));
}
