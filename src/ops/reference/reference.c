/* The table of the portable set. */
#include "ops/reference/reference.h"

const struct ops_set ops_reference = {
    .name = "reference",
    .linear_create = reference_linear_create,
    .linear_free = reference_linear_free,
    .linear = reference_linear,
    .conv2d = reference_conv2d,
    .matmul_transposed = reference_matmul_transposed,
    .layer_norm = reference_layer_norm,
    .l2_normalize = reference_l2_normalize,
    .attention = reference_attention,
    .rope = reference_rope,
    .add = reference_add,
    .mul = reference_mul,
    .activation = reference_activation,
    .embed = reference_embed,
    .gather_rows = reference_gather_rows,
    .shift_scale = reference_shift_scale,
    .resize_normalize = reference_resize_normalize,
    .copy = reference_copy,
    .fill = reference_fill,
    .max_pool2d = reference_max_pool2d,
    .resize_planes = reference_resize_planes,
    .resize_u8_normalize = reference_resize_u8_normalize,
};
