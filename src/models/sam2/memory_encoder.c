/* The memory encoder: a frame's features and an object's mask on it become a memory. */
#include "models/sam2/video_forward.h"

static const float NORM_EPS = 1e-6F;

struct tensor sam2_resize_planes(struct compute *compute, struct tensor planes, int64_t size, bool antialias)
{
    if (planes.dim[1] == size && planes.dim[2] == size)
        return planes;
    const struct resize filter = op_filter_bilinear(compute, planes.dim[1], size, antialias);
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, planes.dim[0], size, size);
    op_resize_planes(compute, planes, &filter, &filter, out);
    return out;
}

struct tensor sam2_memory_mask(const struct sam2_video *video, struct compute *compute, struct tensor logits,
                               bool binary)
{
    const struct sam2_config *config = &video->model->config;
    const float scale = video->config.mask_scale, bias = video->config.mask_bias;
    const int64_t size = 4 * config->mask_side;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, logits.dim[0], size, size);
    const size_t mark = compute_mark(compute);
    const struct tensor whole = sam2_resize_planes(compute, logits, config->image_size, false);
    const struct tensor masks = sam2_resize_planes(compute, whole, size, true);
    if (binary) {
        op_step(compute, masks, 0.0F, bias, scale + bias, out);
    } else {
        op_activation(compute, masks, ACTIVATION_SIGMOID, out);
        op_affine(compute, out, scale, bias, out);
    }
    compute_release(compute, mark);
    return out;
}

void sam2_memory_features(const struct sam2_video *video, struct compute *compute, struct tensor image,
                          struct tensor out)
{
    op_linear(compute, video->weights.feature, image, ACTIVATION_NONE, NULL, out);
}

/* masks [n, S, S] -> the last layer's maps [n, grid, grid, channels]. */
static struct tensor downsample(const struct sam2_video *video, struct compute *compute, struct tensor masks)
{
    const struct sam2_video_config *config = &video->config;
    struct tensor x = TENSOR_RESHAPE(masks, masks.dim[0], masks.dim[1], masks.dim[2], 1);
    int64_t channels = 1;
    for (int i = 0; i < config->downsampler_layers; i++) {
        const struct nn_norm *norm = &video->weights.downsampler_norm[i];
        const int64_t side =
            (x.dim[1] + 2 * config->downsampler_padding - config->downsampler_kernel) / config->downsampler_stride + 1;
        channels *= (int64_t)config->downsampler_stride * config->downsampler_stride;
        struct tensor out = COMPUTE_TENSOR(compute, compute_narrow(compute), x.dim[0], side, side, channels);
        op_conv2d(compute, video->weights.downsampler[i], x, NULL, out);
        op_layer_norm(compute, out, norm->gamma, norm->beta, NORM_EPS, out);
        op_activation(compute, out, config->downsampler_activation, out);
        x = out;
    }
    return x;
}

/* x [n, grid, grid, C] += a ConvNeXt block of it (Liu et al. 2022). */
static void fuse(const struct sam2_video *video, struct compute *compute, const struct sam2_fuser_block *block,
                 struct tensor x)
{
    const struct sam2_video_config *config = &video->config;
    const size_t mark = compute_mark(compute);
    struct tensor mixed = compute_tensor(compute, DTYPE_F32, 4, x.dim);
    struct tensor hidden =
        COMPUTE_TENSOR(compute, compute_narrow(compute), x.dim[0], x.dim[1], x.dim[2], config->fuser_hidden);
    op_depthwise_conv2d(compute, x, block->kernel, block->bias, config->fuser_padding, mixed);
    op_layer_norm(compute, mixed, block->norm.gamma, block->norm.beta, NORM_EPS, mixed);
    op_linear(compute, block->fc1, mixed, config->fuser_activation, NULL, hidden);
    op_linear(compute, block->fc2, hidden, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

/* out [n, P, M] += what stands for an object that is not in the picture, where it is not. */
static void add_occlusion(struct compute *compute, struct tensor occlusion, struct tensor scores, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    struct tensor shift = COMPUTE_TENSOR(compute, DTYPE_F32, out.dim[0], out.dim[2]);
    op_fill(compute, 0.0F, shift);
    op_select(compute, scores, 0.0F, shift, occlusion, shift);
    op_add(compute, out, TENSOR_RESHAPE(shift, out.dim[0], 1, out.dim[2]), out);
    compute_release(compute, mark);
}

void sam2_encode_memory(const struct sam2_video *video, struct compute *compute, struct tensor masks,
                        struct tensor features, struct tensor scores, const struct model_trace *trace,
                        struct tensor out)
{
    const struct sam2_video_weights *weights = &video->weights;
    const int64_t n = masks.dim[0], grid = video->model->config.grid, width = video->model->config.width;
    const size_t mark = compute_mark(compute);
    struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, n, grid, grid, width);
    const size_t inner_mark = compute_mark(compute);
    op_conv2d(compute, weights->mask_out, downsample(video, compute, masks), NULL, x);
    compute_release(compute, inner_mark);
    op_add(compute, x, TENSOR_RESHAPE(features, 1, grid, grid, width), x);
    for (int i = 0; i < video->config.fuser_layers; i++)
        fuse(video, compute, &weights->fuser[i], x);
    op_linear(compute, weights->memory_out, TENSOR_RESHAPE(x, n, grid * grid, width), ACTIVATION_NONE, NULL, out);
    if (weights->occlusion.buffer)
        add_occlusion(compute, weights->occlusion, scores, out);
    model_emit(trace, compute, out, "memory");
    compute_release(compute, mark);
}
