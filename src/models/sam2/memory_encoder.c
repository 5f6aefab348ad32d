/* The memory encoder: a frame's features and an object's mask on it become a memory. */
#include "models/sam2/video_forward.h"

static const float NORM_EPS = 1e-6F;

struct tensor sam2_resize_plane(struct compute *compute, struct tensor plane, int64_t size, bool antialias)
{
    if (plane.dim[1] == size && plane.dim[2] == size)
        return plane;
    const struct resize filter = op_filter_bilinear(compute, plane.dim[1], size, antialias);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, size, size);
    op_resize_planes(compute, plane, &filter, &filter, out);
    return out;
}

struct tensor sam2_memory_mask(const struct sam2_video *video, struct compute *compute, const float *logits,
                               int64_t side, bool binary)
{
    const struct sam2_config *config = &video->model->config;
    const float scale = video->config.mask_scale, bias = video->config.mask_bias;
    const int64_t size = 4 * config->mask_side;
    struct tensor mask = op_upload(compute, DTYPE_F32, 3, (int64_t[]){1, side, side}, logits);
    mask = sam2_resize_plane(compute, mask, config->image_size, false);
    mask = TENSOR_RESHAPE(sam2_resize_plane(compute, mask, size, true), size, size);
    if (binary) {
        op_step(compute, mask, 0.0F, bias, scale + bias, mask);
        return mask;
    }
    struct tensor factor = op_upload(compute, DTYPE_F32, 2, (int64_t[]){1, 1}, &scale);
    struct tensor shift = op_upload(compute, DTYPE_F32, 2, (int64_t[]){1, 1}, &bias);
    op_activation(compute, mask, ACTIVATION_SIGMOID, mask);
    op_mul(compute, mask, factor, mask);
    op_add(compute, mask, shift, mask);
    return mask;
}

void sam2_memory_features(const struct sam2_video *video, struct compute *compute, struct tensor image,
                          struct tensor out)
{
    op_linear(compute, video->weights.feature, image, ACTIVATION_NONE, NULL, out);
}

/* mask [S, S] -> the last layer's map [1, grid, grid, channels]. */
static struct tensor downsample(const struct sam2_video *video, struct compute *compute, struct tensor mask)
{
    const struct sam2_video_config *config = &video->config;
    struct tensor x = TENSOR_RESHAPE(mask, 1, mask.dim[0], mask.dim[1], 1);
    int64_t channels = 1;
    for (int i = 0; i < config->downsampler_layers; i++) {
        const struct nn_norm *norm = &video->weights.downsampler_norm[i];
        const int64_t side =
            (x.dim[1] + 2 * config->downsampler_padding - config->downsampler_kernel) / config->downsampler_stride + 1;
        channels *= (int64_t)config->downsampler_stride * config->downsampler_stride;
        struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, 1, side, side, channels);
        op_conv2d(compute, video->weights.downsampler[i], x, NULL, out);
        op_layer_norm(compute, out, norm->gamma, norm->beta, NORM_EPS, out);
        op_activation(compute, out, config->downsampler_activation, out);
        x = out;
    }
    return x;
}

/* x [1, grid, grid, C] += a ConvNeXt block of it (Liu et al. 2022). */
static void fuse(const struct sam2_video *video, struct compute *compute, const struct sam2_fuser_block *block,
                 struct tensor x)
{
    const struct sam2_video_config *config = &video->config;
    const size_t mark = compute_mark(compute);
    struct tensor mixed = compute_tensor(compute, DTYPE_F32, 4, x.dim);
    struct tensor hidden = COMPUTE_TENSOR(compute, DTYPE_F32, 1, x.dim[1], x.dim[2], config->fuser_hidden);
    op_depthwise_conv2d(compute, x, block->kernel, block->bias, config->fuser_padding, mixed);
    op_layer_norm(compute, mixed, block->norm.gamma, block->norm.beta, NORM_EPS, mixed);
    op_linear(compute, block->fc1, mixed, config->fuser_activation, NULL, hidden);
    op_linear(compute, block->fc2, hidden, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

void sam2_encode_memory(const struct sam2_video *video, struct compute *compute, struct tensor mask,
                        struct tensor features, bool absent, const struct model_trace *trace, struct tensor out)
{
    const struct sam2_video_weights *weights = &video->weights;
    const int64_t grid = video->model->config.grid, width = video->model->config.width;
    const size_t mark = compute_mark(compute);
    struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, 1, grid, grid, width);
    struct tensor shared = TENSOR_RESHAPE(features, 1, grid, grid, width);
    const size_t inner_mark = compute_mark(compute);
    op_conv2d(compute, weights->mask_out, downsample(video, compute, mask), &shared, x);
    compute_release(compute, inner_mark);
    for (int i = 0; i < video->config.fuser_layers; i++)
        fuse(video, compute, &weights->fuser[i], x);
    op_linear(compute, weights->memory_out, TENSOR_RESHAPE(x, grid * grid, width), ACTIVATION_NONE, NULL, out);
    if (absent && weights->occlusion.buffer != NULL)
        op_add(compute, out, weights->occlusion, out);
    model_emit(trace, compute, out, "memory");
    op_round_bf16(compute, out, out);
    compute_release(compute, mark);
}
