/* The checked ops that move and resample: copies between views, pooling, resizes of planes and of 8-bit
 * images. */
#include "ops/check.h"

static bool skip(const struct compute *compute)
{
    return compute_status(compute) != 0;
}

/* The tensor with axes of 1 put in front. */
static struct tensor widen(struct tensor tensor, int rank)
{
    const int added = rank - tensor.rank;
    struct tensor out = tensor;
    out.rank = rank;
    for (int i = 0; i < rank; i++) {
        out.dim[i] = i < added ? 1 : tensor.dim[i - added];
        out.stride[i] = i < added ? 0 : tensor.stride[i - added];
    }
    return out;
}

/* A tensor whose axes may have any order, and stride 0 where `repeats`. */
static bool check_view(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                       bool repeats)
{
    if (tensor->rank < 1 || tensor->rank > TENSOR_MAX_RANK || dtype_size(tensor->dtype) == 0)
        return check_failed(compute, op, "%s has rank %d or a type that cannot be copied", name, tensor->rank);
    bool ordered[TENSOR_MAX_RANK] = {false};
    int64_t reach = 0; /* the last element of the axes looked at so far */
    for (int n = 0; n < tensor->rank; n++) {
        int next = -1;
        for (int i = 0; i < tensor->rank; i++)
            if (!ordered[i] && (next < 0 || tensor->stride[i] < tensor->stride[next]))
                next = i;
        ordered[next] = true;
        const bool repeated = repeats && tensor->stride[next] == 0;
        if (tensor->dim[next] < 0 || (tensor->dim[next] > 1 && !repeated && tensor->stride[next] <= reach)) {
            return check_failed(compute, op, "%s %s has stride %lld along axis %d", name,
                                shape_text(tensor->rank, tensor->dim).text, (long long)tensor->stride[next], next);
        }
        reach += tensor->dim[next] > 1 ? (tensor->dim[next] - 1) * tensor->stride[next] : 0;
    }
    return tensor->data != NULL || tensor_count(tensor) == 0 ||
           check_failed(compute, op, "%s %s has no memory", name, shape_text(tensor->rank, tensor->dim).text);
}

void op_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    const char *op = "op_copy";
    if (skip(compute) || !check_view(compute, op, "from", &from, true) ||
        !check_view(compute, op, "out", &out, false) || !check_shape(compute, op, "out", &out, from.rank, from.dim))
        return;
    if (from.dtype != out.dtype) {
        check_failed(compute, op, "from is %s, out is %s", dtype_name(from.dtype), dtype_name(out.dtype));
        return;
    }
    if (tensor_count(&out) > 0 && check_overlap(compute, op, "from", &from, &out, false))
        compute_device(compute)->set.copy(compute, widen(from, TENSOR_MAX_RANK), widen(out, TENSOR_MAX_RANK));
}

void op_fill(struct compute *compute, float value, struct tensor out)
{
    const char *op = "op_fill";
    if (skip(compute) || !check_tensor(compute, op, "out", &out, DTYPE_F32, -1))
        return;
    if (out.rank > 4)
        check_failed(compute, op, "out has rank %d, at most 4 is needed", out.rank);
    else if (tensor_count(&out) > 0)
        compute_device(compute)->set.fill(compute, value, widen(out, 4));
}

void op_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out)
{
    const char *op = "op_max_pool2d";
    if (skip(compute) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 4) ||
        !check_tensor(compute, op, "out", &out, DTYPE_F32, 4))
        return;
    if (size < 1) {
        check_failed(compute, op, "windows of %d", size);
        return;
    }
    if (CHECK_SHAPE(compute, op, "out", &out, x.dim[0], x.dim[1] / size, x.dim[2] / size, x.dim[3]) &&
        check_overlap(compute, op, "x", &x, &out, false) && tensor_count(&out) > 0)
        compute_device(compute)->set.max_pool2d(compute, x, size, out);
}

/* Sizes fit, and every tap lies inside the inputs. */
static bool check_taps(struct compute *compute, const char *op, const char *name, int inputs, int outputs, int stride,
                       const int32_t *first, const int32_t *count, int64_t wanted_inputs, int64_t wanted_outputs)
{
    if (inputs < 1 || outputs != wanted_outputs || inputs != wanted_inputs) {
        return check_failed(compute, op, "the %s filter is from %d to %d where %lld to %lld is needed", name, inputs,
                            outputs, (long long)wanted_inputs, (long long)wanted_outputs);
    }
    for (int i = 0; i < outputs; i++)
        if (count[i] < 0 || count[i] > stride || (count[i] > 0 && (first[i] < 0 || first[i] > inputs - count[i])))
            return check_failed(compute, op, "the %s filter's output %d reads outside its inputs", name, i);
    return true;
}

static void resize_planes(struct compute *compute, const char *op, struct tensor x, const struct filter *vertical,
                          const struct filter *horizontal, float threshold, enum dtype dtype, struct tensor out)
{
    if (skip(compute) || !check_tensor(compute, op, "x", &x, DTYPE_F32, 3) ||
        !check_tensor(compute, op, "out", &out, dtype, 3) ||
        !CHECK_SHAPE(compute, op, "out", &out, x.dim[0], out.dim[1], out.dim[2]) ||
        !check_taps(compute, op, "vertical", vertical->inputs, vertical->outputs, vertical->stride, vertical->first,
                    vertical->count, x.dim[1], out.dim[1]) ||
        !check_taps(compute, op, "horizontal", horizontal->inputs, horizontal->outputs, horizontal->stride,
                    horizontal->first, horizontal->count, x.dim[2], out.dim[2]))
        return;
    if (tensor_count(&out) > 0 && check_overlap(compute, op, "x", &x, &out, false))
        compute_device(compute)->set.resize_planes(compute, x, vertical, horizontal, threshold, out);
}

void op_resize_planes(struct compute *compute, struct tensor x, const struct filter *vertical,
                      const struct filter *horizontal, struct tensor out)
{
    resize_planes(compute, "op_resize_planes", x, vertical, horizontal, 0.0F, DTYPE_F32, out);
}

void op_resize_planes_above(struct compute *compute, struct tensor x, const struct filter *vertical,
                            const struct filter *horizontal, float threshold, struct tensor out)
{
    resize_planes(compute, "op_resize_planes_above", x, vertical, horizontal, threshold, DTYPE_U8, out);
}

void op_resize_u8_normalize(struct compute *compute, const uint8_t *pixels, size_t row_bytes,
                            const struct filter_u8 *vertical, const struct filter_u8 *horizontal, float scale,
                            const float mean[3], const float std[3], struct tensor out)
{
    const char *op = "op_resize_u8_normalize";
    if (skip(compute) || !check_tensor(compute, op, "out", &out, DTYPE_F32, 3) ||
        !CHECK_SHAPE(compute, op, "out", &out, out.dim[0], out.dim[1], 3) ||
        !check_taps(compute, op, "vertical", vertical->inputs, vertical->outputs, vertical->stride, vertical->first,
                    vertical->count, vertical->inputs, out.dim[0]) ||
        !check_taps(compute, op, "horizontal", horizontal->inputs, horizontal->outputs, horizontal->stride,
                    horizontal->first, horizontal->count, horizontal->inputs, out.dim[1]))
        return;
    enum { MAX_PRECISION = 22 };
    if (pixels == NULL || row_bytes / 3 < (size_t)horizontal->inputs) {
        check_failed(compute, op, "rows of %zu bytes cannot hold %d pixels", row_bytes, horizontal->inputs);
    } else if (vertical->precision < 0 || vertical->precision > MAX_PRECISION || horizontal->precision < 0 ||
               horizontal->precision > MAX_PRECISION) {
        check_failed(compute, op, "a filter of %d or %d fraction bits", vertical->precision, horizontal->precision);
    } else if (tensor_count(&out) > 0) {
        compute_device(compute)->set.resize_u8_normalize(compute, pixels, row_bytes, vertical, horizontal, scale, mean,
                                                         std, out);
    }
}
