/* The checked ops that resample: filters on the device, resizes of planes and of 8-bit images. */
#include "ops/check.h"
#include "ops/filter.h"

#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PRECISION = 22 };

/* Every tap lies inside the inputs. */
static bool check_taps(struct compute *compute, const struct resize *resize, int64_t stride, const int32_t *first,
                       const int32_t *count)
{
    if (resize->inputs < 1 || resize->outputs < 1 || stride < 1 || resize->precision < 0 ||
        resize->precision > MAX_PRECISION) {
        return check_failed(compute, "op_upload_filter", "from %d to %d values, %d fraction bits", resize->inputs,
                            resize->outputs, resize->precision);
    }
    for (int i = 0; i < resize->outputs; i++)
        if (count[i] < 0 || count[i] > stride ||
            (count[i] > 0 && (first[i] < 0 || first[i] > resize->inputs - count[i])))
            return check_failed(compute, "op_upload_filter", "output %d reads outside of the inputs", i);
    return true;
}

static struct resize upload(struct compute *compute, struct resize resize, int64_t stride, const int32_t *first,
                            const int32_t *count, enum dtype dtype, const void *weight)
{
    if (compute_status(compute) != 0 || !check_taps(compute, &resize, stride, first, count))
        return resize;
    const size_t outputs = (size_t)resize.outputs;
    int32_t *const taps = malloc(2 * outputs * sizeof(*taps));
    if (!taps) {
        compute_fail(compute, error_memory("a resize filter"));
        return resize;
    }
    memcpy(taps, first, outputs * sizeof(*taps));
    memcpy(taps + outputs, count, outputs * sizeof(*taps));
    resize.taps = op_upload(compute, DTYPE_I32, 2, (int64_t[]){2, resize.outputs}, taps);
    resize.weight = op_upload(compute, dtype, 2, (int64_t[]){resize.outputs, stride}, weight);
    free(taps);
    return resize;
}

struct resize op_upload_filter(struct compute *compute, const struct filter *filter)
{
    const struct resize resize = {.outputs = filter->outputs, .inputs = filter->inputs};
    return upload(compute, resize, filter->stride, filter->first, filter->count, DTYPE_F32, filter->weight);
}

struct resize op_upload_filter_u8(struct compute *compute, const struct filter_u8 *filter)
{
    const struct resize resize = {.outputs = filter->outputs, .inputs = filter->inputs, .precision = filter->precision};
    return upload(compute, resize, filter->stride, filter->first, filter->count, DTYPE_I16, filter->weight);
}

/* Uploads what a builder made, where it could, and frees it. */
static struct resize take(struct compute *compute, struct filter *filter, int status)
{
    struct resize resize = {0};
    if (status == 0)
        resize = op_upload_filter(compute, filter);
    compute_fail(compute, status);
    filter_free(filter);
    return resize;
}

struct resize op_filter_blur_bilinear(struct compute *compute, int inputs_valid, int inputs_padded, int outputs)
{
    struct filter filter = {0};
    return take(compute, &filter, filter_blur_bilinear(inputs_valid, inputs_padded, outputs, &filter));
}

struct resize op_filter_sigma_bilinear(struct compute *compute, int inputs, int outputs, float sigma)
{
    struct filter filter = {0};
    return take(compute, &filter, filter_sigma_bilinear(inputs, inputs, outputs, sigma, &filter));
}

struct resize op_filter_bilinear(struct compute *compute, int64_t inputs, int64_t outputs, bool antialias)
{
    struct filter filter = {0};
    const int status = antialias ? filter_bilinear_antialias((int)inputs, (int)outputs, &filter)
                                 : filter_bilinear((int)inputs, (int)outputs, &filter);
    return take(compute, &filter, status);
}

struct resize op_filter_u8_bilinear(struct compute *compute, int64_t inputs, int64_t outputs)
{
    int first_input;
    return op_filter_u8_bilinear_part(compute, inputs, outputs, 0, (int)outputs, &first_input);
}

/* Cuts a filter down to its outputs first .. first + count - 1 and to the inputs that they read; returns the first. */
static int cut(struct filter_u8 *filter, int first, int count)
{
    int32_t begin = filter->inputs, end = 0;
    filter->outputs = count;
    memmove(filter->first, filter->first + first, (size_t)count * sizeof(*filter->first));
    memmove(filter->count, filter->count + first, (size_t)count * sizeof(*filter->count));
    memmove(filter->weight, filter->weight + (size_t)first * (size_t)filter->stride,
            (size_t)count * (size_t)filter->stride * sizeof(*filter->weight));
    for (int i = 0; i < count; i++) {
        const int32_t behind = filter->first[i] + filter->count[i];
        begin = filter->first[i] < begin ? filter->first[i] : begin;
        end = behind > end ? behind : end;
    }
    for (int i = 0; i < count; i++)
        filter->first[i] -= begin;
    filter->inputs = end - begin;
    return begin;
}

struct resize op_filter_u8_bilinear_part(struct compute *compute, int64_t inputs, int64_t outputs, int first, int count,
                                         int *first_input)
{
    struct filter_u8 filter = {0};
    struct resize resize = {.outputs = count};
    const int status = filter_u8_bilinear_antialias((int)inputs, (int)outputs, &filter);
    *first_input = 0;
    if (status == 0) {
        *first_input = cut(&filter, first, count);
        resize = op_upload_filter_u8(compute, &filter);
    }
    compute_fail(compute, status);
    filter_u8_free(&filter);
    return resize;
}

static struct tensor keep(struct compute *compute, struct tensor from)
{
    struct tensor kept = {0};
    if (compute_status(compute) != 0)
        return kept;
    compute_fail(compute, device_tensor_create(compute_device(compute), from.dtype, from.rank, from.dim, &kept));
    op_copy(compute, from, kept);
    return kept;
}

struct resize op_keep_filter(struct compute *compute, const struct resize *resize)
{
    struct resize kept = *resize;
    kept.taps = keep(compute, resize->taps);
    kept.weight = keep(compute, resize->weight);
    return kept;
}

void resize_free(struct device *device, struct resize *resize)
{
    device_tensor_free(device, &resize->taps);
    device_tensor_free(device, &resize->weight);
    *resize = (struct resize){0};
}

struct pixel_scale pixel_scale(float scale, const float mean[3], const float std[3])
{
    return (struct pixel_scale){scale, {mean[0], mean[1], mean[2]}, {std[0], std[1], std[2]}};
}

/* The filter was uploaded for these sizes. */
static bool check_sizes(struct compute *compute, const char *op, const char *name, const struct resize *resize,
                        int64_t inputs, int64_t outputs)
{
    return (resize->inputs == inputs && resize->outputs == outputs) ||
           check_failed(compute, op, "the %s filter is from %d to %d where %lld to %lld is needed", name,
                        resize->inputs, resize->outputs, (long long)inputs, (long long)outputs);
}

/* x and out with the filters between them, whose weights are of `type`. */
static bool check_resize(struct compute *compute, const char *op, struct operand x, const struct resize *vertical,
                         const struct resize *horizontal, unsigned type, struct operand out)
{
    return CHECK_OPERANDS(compute, op, x, out, {"vertical taps", &vertical->taps, IS_I32, SHAPE(2, vertical->outputs)},
                          {"vertical weights", &vertical->weight, type, SHAPE(vertical->outputs, ANY)},
                          {"horizontal taps", &horizontal->taps, IS_I32, SHAPE(2, horizontal->outputs)},
                          {"horizontal weights", &horizontal->weight, type, SHAPE(horizontal->outputs, ANY)});
}

/* `row`: what a row of out has, values or bytes of bits. */
static void resize_planes(struct compute *compute, const char *op, struct tensor x, const struct resize *vertical,
                          const struct resize *horizontal, float threshold, unsigned type, int64_t row,
                          struct tensor out)
{
    const struct operand given = {"x", &x, IS_F32, SHAPE(ANY, ANY, ANY)};
    const struct operand written = {"out", &out, type | IS_OUT, SHAPE(x.dim[0], ANY, row)};
    if (check_resize(compute, op, given, vertical, horizontal, IS_F32, written) &&
        check_sizes(compute, op, "vertical", vertical, x.dim[1], out.dim[1]) &&
        check_sizes(compute, op, "horizontal", horizontal, x.dim[2], horizontal->outputs) && tensor_count(&out) > 0)
        set_of(compute)->resize_planes(compute, x, vertical, horizontal, threshold, out);
}

void op_resize_planes(struct compute *compute, struct tensor x, const struct resize *vertical,
                      const struct resize *horizontal, struct tensor out)
{
    resize_planes(compute, "op_resize_planes", x, vertical, horizontal, 0.0F, IS_F32, horizontal->outputs, out);
}

void op_resize_planes_above(struct compute *compute, struct tensor x, const struct resize *vertical,
                            const struct resize *horizontal, float threshold, struct tensor out)
{
    resize_planes(compute, "op_resize_planes_above", x, vertical, horizontal, threshold, IS_U8,
                  bits_bytes(horizontal->outputs), out);
}

void op_resize_image(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                     const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out)
{
    enum { CHANNELS = 3 };
    const char *const op = "op_resize_image";
    const unsigned type = vertical->weight.dtype == DTYPE_I16 ? IS_I16 : IS_F32;
    const struct operand given = {"pixels", &pixels, IS_U8, SHAPE(ANY, (int64_t)horizontal->inputs * CHANNELS)};
    const struct operand written = {"out", &out, IS_F32 | IS_OUT, SHAPE(ANY, ANY, CHANNELS)};
    if (check_resize(compute, op, given, vertical, horizontal, type, written) &&
        check_sizes(compute, op, "vertical", vertical, pixels.dim[0], out.dim[0]) &&
        check_sizes(compute, op, "horizontal", horizontal, horizontal->inputs, out.dim[1]) && tensor_count(&out) > 0)
        set_of(compute)->resize_image(compute, pixels, vertical, horizontal, scale, out);
}
