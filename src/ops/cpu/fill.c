/* The CPU set: the reference set with oneDNN's products and our own kernels in place, by level. */
#include "base/error.h"
#include "ops/cpu/copy.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/onednn.h"

int ops_cpu_fill(enum cpu_level level, struct ops_set *set)
{
    if (level <= CPU_REFERENCE)
        return 0;
    const int status = onednn_start(level);
    if (status != 0)
        return status;
    set->name = "cpu";
    set->linear_create = cpu_linear_create;
    set->linear_free = cpu_linear_free;
    set->linear = cpu_linear;
    set->matmul_transposed = cpu_matmul_transposed;
    set->conv2d = cpu_conv2d;
    set->copy = cpu_copy;
    set->fill = cpu_fill;
    if (level == CPU_AVX2) {
        set->attention = kernel_attention_avx2;
        set->attend_rows = kernel_attend_rows_avx2;
        set->attend_tokens = kernel_attend_tokens_avx2;
        set->upscale_masks = kernel_upscale_masks_avx2;
        set->rope = kernel_rope_avx2;
        set->layer_norm = kernel_layer_norm_avx2;
        set->add = kernel_add_avx2;
        set->mul = kernel_mul_avx2;
        set->resize_normalize = kernel_resize_normalize_avx2;
        set->activation = kernel_activation_avx2;
        set->max_pool2d = kernel_max_pool2d_avx2;
        set->depthwise_conv2d = kernel_depthwise_conv2d_avx2;
        set->resize_planes = kernel_resize_planes_avx2;
        set->resize_u8_normalize = kernel_resize_u8_normalize_avx2;
    } else {
        set->attention = kernel_attention_avx512;
        set->attend_rows = kernel_attend_rows_avx512;
        set->attend_tokens = kernel_attend_tokens_avx512;
        set->upscale_masks = kernel_upscale_masks_avx512;
        set->rope = kernel_rope_avx512;
        set->layer_norm = kernel_layer_norm_avx512;
        set->add = kernel_add_avx512;
        set->mul = kernel_mul_avx512;
        set->resize_normalize = kernel_resize_normalize_avx512;
        set->activation = kernel_activation_avx512;
        set->max_pool2d = kernel_max_pool2d_avx512;
        set->depthwise_conv2d = kernel_depthwise_conv2d_avx512;
        set->resize_planes = kernel_resize_planes_avx512;
        set->resize_u8_normalize = kernel_resize_u8_normalize_avx512;
    }
    return 0;
}
