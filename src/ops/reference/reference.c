/* The portable set: its device and its table. */
#include "ops/reference/reference.h"

#include "base/error.h"

static int open_device(struct device *device, const struct device_options *options)
{
    if (options->precision != DTYPE_F32 && options->precision != DTYPE_BF16 && options->precision != DTYPE_I8) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "precision %s: the reference set computes in F32, BF16 or I8",
                         dtype_name(options->precision));
    }
    /* Small chunks, so that tests of small models see passes cut. */
    device->hints = (struct device_hints){
        .chunk_bytes = 16 << 20, .enough_rows = 1024, .batch_bytes = 160 << 20, .transfer_bytes = 64 << 20};
    return host_threads(options, &device->threads);
}

static void close_device(struct device *device)
{
    (void)device;
}

const struct ops_set ops_reference = {
    .name = "reference",
    .open = open_device,
    .close = close_device,
    .allocate = host_allocate,
    .release = host_release,
    .guard = host_guard,
    .memory = host_memory,
    .memory_release = host_memory_release,
    .share = host_share,
    .constant_create = host_constant_create,
    .linear_create = reference_linear_create,
    .linear_free = reference_linear_free,
    .conv2d_create = reference_conv2d_create,
    .conv2d_free = reference_linear_free,
    .compute_create = host_compute_create,
    .compute_free = host_compute_free,
    .upload = host_upload,
    .upload_rows = host_upload_rows,
    .download = host_download,
    .wait = host_wait,
    .linear = reference_linear,
    .conv2d = reference_conv2d,
    .matmul_transposed = reference_matmul_transposed,
    .layer_norm = reference_layer_norm,
    .l2_normalize = reference_l2_normalize,
    .attention = reference_attention,
    .attend_rows = reference_attend_rows,
    .attend_tokens = reference_attend_tokens,
    .upscale_masks = reference_upscale_masks,
    .rope = reference_rope,
    .add = reference_add,
    .mul = reference_mul,
    .activation = reference_activation,
    .embed = reference_embed,
    .gather_rows = reference_gather_rows,
    .gather_blocks = host_gather_blocks,
    .shift_scale = reference_shift_scale,
    .copy = reference_copy,
    .fill = reference_fill,
    .max_pool2d = reference_max_pool2d,
    .depthwise_conv2d = reference_depthwise_conv2d,
    .step = reference_step,
    .affine = reference_affine,
    .select = reference_select,
    .max_rows = reference_max_rows,
    .variance = reference_variance,
    .sine = reference_sine,
    .embed_points = reference_embed_points,
    .choose_mask = reference_choose_mask,
    .clean_masks = reference_clean_masks,
    .separate_masks = reference_separate_masks,
    .resize_planes = reference_resize_planes,
    .resize_image = reference_resize_image,
};
