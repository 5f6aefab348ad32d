/* Checks of what an op is given. */
#include "ops/check.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

struct shape_text shape_text(int rank, const int64_t *dim)
{
    struct shape_text shape;
    size_t used = 0;
    shape.text[0] = '\0';
    used += (size_t)snprintf(shape.text, sizeof(shape.text), "[");
    for (int i = 0; i < rank && used < sizeof(shape.text); i++) {
        used += (size_t)snprintf(shape.text + used, sizeof(shape.text) - used, i == 0 ? "%lld" : ", %lld",
                                 (long long)dim[i]);
    }
    if (used < sizeof(shape.text))
        snprintf(shape.text + used, sizeof(shape.text) - used, "]");
    return shape;
}

bool check_failed(struct compute *compute, const char *op, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    compute_fail(compute, error_set(SOWLV2_ERROR_ARGUMENT, "%s: %s", op, text));
    return false;
}

/* Elements from the first to one past the last, of the axes from `axis` on. */
static int64_t extent(const struct tensor *tensor, int axis)
{
    int64_t last = 0;
    for (int i = axis; i < tensor->rank; i++)
        last += (tensor->dim[i] - 1) * tensor->stride[i];
    return last + 1;
}

bool check_tensor(struct compute *compute, const char *op, const char *name, const struct tensor *tensor,
                  enum dtype dtype, int rank)
{
    if (tensor->rank < 1 || tensor->rank > TENSOR_MAX_RANK || (rank >= 0 && tensor->rank != rank))
        return check_failed(compute, op, "%s has rank %d%s", name, tensor->rank, rank >= 0 ? ", not the op's" : "");
    struct shape_text shape = shape_text(tensor->rank, tensor->dim);
    if (tensor->dtype != dtype) {
        return check_failed(compute, op, "%s %s is %s, not %s", name, shape.text, dtype_name(tensor->dtype),
                            dtype_name(dtype));
    }
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dim[i] < 0)
            return check_failed(compute, op, "%s %s has a negative dimension", name, shape.text);
        if (tensor->dim[i] == 0)
            return true;
        if (__builtin_mul_overflow(count, tensor->dim[i], &count))
            return check_failed(compute, op, "%s %s is too large", name, shape.text);
    }
    if (tensor->buffer == NULL)
        return check_failed(compute, op, "%s %s has no memory", name, shape.text);
    for (int i = tensor->rank - 1; i >= 0; i--) {
        bool last = i == tensor->rank - 1;
        if (last ? tensor->stride[i] != 1 : tensor->dim[i] > 1 && tensor->stride[i] < extent(tensor, i + 1)) {
            return check_failed(compute, op, "%s %s has stride %lld along axis %d", name, shape.text,
                                (long long)tensor->stride[i], i);
        }
    }
    return true;
}

bool check_narrow(struct compute *compute, const char *op, const char *name, const struct tensor *tensor, int rank)
{
    const enum dtype narrow = compute_narrow(compute);
    return check_tensor(compute, op, name, tensor, tensor->dtype == narrow ? narrow : DTYPE_F32, rank);
}

bool check_shape(struct compute *compute, const char *op, const char *name, const struct tensor *tensor, int rank,
                 const int64_t *dim)
{
    bool same = tensor->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = tensor->dim[i] == dim[i];
    if (!same) {
        return check_failed(compute, op, "%s is %s where %s is needed", name,
                            shape_text(tensor->rank, tensor->dim).text, shape_text(rank, dim).text);
    }
    return true;
}

static bool same_view(const struct tensor *a, const struct tensor *b)
{
    if (a->buffer != b->buffer || a->offset != b->offset || a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i] || (a->dim[i] > 1 && a->stride[i] != b->stride[i]))
            return false;
    return true;
}

bool check_overlap(struct compute *compute, const char *op, const char *name, const struct tensor *input,
                   const struct tensor *out, bool may_be_same)
{
    if (input->buffer != out->buffer || tensor_count(input) == 0 || tensor_count(out) == 0 ||
        (may_be_same && same_view(input, out)))
        return true;
    const size_t a = input->offset, b = out->offset;
    const size_t a_end = a + (size_t)extent(input, 0) * dtype_size(input->dtype);
    const size_t b_end = b + (size_t)extent(out, 0) * dtype_size(out->dtype);
    bool dense = tensor_is_dense(input) && tensor_is_dense(out);
    if (a == b || (dense && a < b_end && b < a_end)) {
        return check_failed(compute, op, "out %s overlaps %s %s", shape_text(out->rank, out->dim).text, name,
                            shape_text(input->rank, input->dim).text);
    }
    return true;
}
