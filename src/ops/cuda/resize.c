/* Resizes: one axis after the other for 8-bit images, both at once for planes. */
#include "ops/cuda/cuda.h"

enum { CHANNELS = 3 };

static struct cuda_taps taps_of(const struct resize *resize)
{
    const int32_t *const taps = cuda_data(resize->taps);
    return (struct cuda_taps){
        .first = taps,
        .count = taps + resize->taps.stride[0],
        .weight = cuda_data(resize->weight),
        .stride = resize->weight.stride[0],
        .outputs = resize->outputs,
        .inputs = resize->inputs,
        .precision = resize->precision,
    };
}

void cuda_resize_planes(struct compute *compute, struct tensor x, const struct resize *vertical,
                        const struct resize *horizontal, float threshold, struct tensor out)
{
    const struct planes_arguments a = {
        .x = cuda_data(x),
        .out = cuda_data(out),
        .vertical = taps_of(vertical),
        .horizontal = taps_of(horizontal),
        .x_stride = {x.stride[0], x.stride[1]},
        .out_stride = {out.stride[0], out.stride[1]},
        .count = tensor_count(&out),
        .columns = out.dim[2],
        .threshold = threshold,
    };
    cuda_launch_each(compute, out.dtype == DTYPE_U8 ? KERNEL_planes_above : KERNEL_resize_planes, a.count, &a);
}

void cuda_resize_image(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                       const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    const bool whole = vertical->weight.dtype == DTYPE_I16;
    struct image_arguments a = {
        .pixels = cuda_data(pixels),
        .out = cuda_data(out),
        .vertical = taps_of(vertical),
        .horizontal = taps_of(horizontal),
        .row_bytes = pixels.stride[0],
        .out_stride = {out.stride[0], out.stride[1]},
        .scale = scale->scale,
    };
    for (int c = 0; c < CHANNELS; c++) {
        a.mean[c] = scale->mean[c];
        a.deviation[c] = scale->std[c];
    }
    const struct tensor between =
        whole ? COMPUTE_TENSOR(compute, DTYPE_U8, vertical->inputs, (int64_t)horizontal->outputs * CHANNELS)
              : COMPUTE_TENSOR(compute, DTYPE_F32, vertical->outputs, (int64_t)horizontal->inputs * CHANNELS);
    a.between = cuda_data(between);
    a.count = tensor_count(&between);
    cuda_launch_each(compute, whole ? KERNEL_image_across_u8 : KERNEL_image_down, a.count, &a);
    a.count = tensor_count(&out);
    cuda_launch_each(compute, whole ? KERNEL_image_down_u8 : KERNEL_image_across, a.count, &a);
    compute_release(compute, mark);
}
