/* Checks of what an op is given. */
#include "ops/check.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static struct shape_text text_of(const struct shape *shape)
{
    struct shape_text out = {"["};
    size_t used = 1;
    for (int i = 0; i < shape->rank; i++) {
        char *const at = out.text + used;
        const size_t room = sizeof(out.text) - used;
        const char *const comma = i == 0 ? "" : ", ";
        used += (size_t)(shape->dim[i] == ANY ? snprintf(at, room, "%sany", comma)
                                              : snprintf(at, room, "%s%lld", comma, (long long)shape->dim[i]));
    }
    snprintf(out.text + used, sizeof(out.text) - used, "]");
    return out;
}

struct shape_text shape_text(const struct tensor *tensor)
{
    const struct shape shape = shape_of(tensor);
    return text_of(&shape);
}

struct shape shape_of(const struct tensor *tensor)
{
    const bool fits = tensor->rank >= 0 && tensor->rank <= TENSOR_MAX_RANK;
    struct shape shape = {.rank = fits ? tensor->rank : 0};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = tensor->dim[i];
    return shape;
}

struct shape shape_with_last(const struct tensor *tensor, int64_t last)
{
    struct shape shape = shape_of(tensor);
    if (shape.rank > 0)
        shape.dim[shape.rank - 1] = last;
    return shape;
}

int64_t one_or(int64_t dim, int64_t whole)
{
    return dim == 1 ? 1 : whole;
}

int64_t last_dim(const struct tensor *tensor)
{
    const struct shape shape = shape_of(tensor);
    return shape.rank > 0 ? shape.dim[shape.rank - 1] : 0;
}

const struct ops_set *set_of(const struct compute *compute)
{
    return compute_device(compute)->set;
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

bool check_activation(struct compute *compute, const char *op, enum activation activation)
{
    return ((int)activation >= 0 && activation <= ACTIVATION_SIGMOID) ||
           check_failed(compute, op, "there is no activation %d", (int)activation);
}

static bool check_type(struct compute *compute, const char *op, const struct operand *operand)
{
    const enum dtype wanted = operand->is & IS_I32   ? DTYPE_I32
                              : operand->is & IS_I16 ? DTYPE_I16
                              : operand->is & IS_U8  ? DTYPE_U8
                                                     : DTYPE_F32;
    const enum dtype other = operand->is & IS_NARROW ? compute_narrow(compute) : wanted;
    const enum dtype found = operand->tensor->dtype;
    if (operand->is & IS_ANY_TYPE ? dtype_size(found) > 0 : found == wanted || found == other)
        return true;
    const struct shape_text shape = shape_text(operand->tensor);
    if (operand->is & IS_ANY_TYPE)
        return check_failed(compute, op, "%s %s has no type", operand->name, shape.text);
    return check_failed(compute, op, "%s %s is %s, not %s%s%s", operand->name, shape.text, dtype_name(found),
                        dtype_name(wanted), other != wanted ? " or " : "", other != wanted ? dtype_name(other) : "");
}

/* Elements from the first to one past the last. */
static int64_t extent(const struct tensor *tensor)
{
    int64_t last = 0;
    for (int i = 0; i < tensor->rank; i++)
        last += (tensor->dim[i] - 1) * tensor->stride[i];
    return last + 1;
}

/* Of the axes that are not `ordered` yet: the one with the smallest stride, of equal ones the last. */
static int innermost(const struct tensor *tensor, const bool *ordered)
{
    int next = -1;
    for (int i = 0; i < tensor->rank; i++)
        if (!ordered[i] && (next < 0 || tensor->stride[i] <= tensor->stride[next]))
            next = i;
    return next;
}

/* Each axis steps over all that the axes within it reach, so that no element is there twice. */
static bool check_strides(struct compute *compute, const char *op, const struct operand *operand)
{
    const struct tensor *const tensor = operand->tensor;
    const bool view = operand->is & IS_VIEW, repeats = view && !(operand->is & IS_OUT);
    bool ordered[TENSOR_MAX_RANK] = {false};
    int64_t reach = 0; /* the last element of the axes looked at so far */
    for (int n = 0; n < tensor->rank; n++) {
        const int axis = view ? innermost(tensor, ordered) : tensor->rank - 1 - n;
        const int64_t stride = tensor->stride[axis];
        ordered[axis] = true;
        const bool within = tensor->dim[axis] > 1 && stride <= reach && !(repeats && stride == 0);
        if (within || (!view && n == 0 && stride != 1)) {
            return check_failed(compute, op, "%s %s has stride %lld along axis %d", operand->name,
                                shape_text(tensor).text, (long long)stride, axis);
        }
        reach += (tensor->dim[axis] - 1) * stride;
    }
    return true;
}

static bool check_shape(struct compute *compute, const char *op, const struct operand *operand)
{
    const struct shape found = shape_of(operand->tensor), *const wanted = &operand->shape;
    bool same = wanted->rank == 0 || found.rank == wanted->rank;
    for (int i = 0; same && i < wanted->rank; i++)
        same = wanted->dim[i] == ANY || found.dim[i] == wanted->dim[i];
    return same || check_failed(compute, op, "%s is %s where %s is needed", operand->name, text_of(&found).text,
                                text_of(wanted).text);
}

static bool check_operand(struct compute *compute, const char *op, const struct operand *operand)
{
    const struct tensor *const tensor = operand->tensor;
    if (tensor->rank < 1 || tensor->rank > TENSOR_MAX_RANK)
        return check_failed(compute, op, "%s has rank %d", operand->name, tensor->rank);
    if (!check_type(compute, op, operand) || !check_shape(compute, op, operand))
        return false;
    int64_t count = 1;
    bool negative = false, counted = true;
    for (int i = 0; i < tensor->rank; i++) {
        negative = negative || tensor->dim[i] < 0;
        counted = !__builtin_mul_overflow(count, tensor->dim[i], &count) && counted;
    }
    const char *const wrong = negative                       ? "has a negative dimension"
                              : !counted                     ? "is too large"
                              : count > 0 && !tensor->buffer ? "has no memory"
                                                             : NULL;
    if (wrong)
        return check_failed(compute, op, "%s %s %s", operand->name, shape_text(tensor).text, wrong);
    if (count == 0)
        return true;
    return check_strides(compute, op, operand) &&
           (!(operand->is & IS_DENSE) || tensor_is_dense(tensor) ||
            check_failed(compute, op, "%s %s is not dense", operand->name, shape_text(tensor).text));
}

static bool same_view(const struct tensor *a, const struct tensor *b)
{
    if (a->offset != b->offset || a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i] || (a->dim[i] > 1 && a->stride[i] != b->stride[i]))
            return false;
    return true;
}

static bool check_apart(struct compute *compute, const char *op, const struct operand *written,
                        const struct operand *other)
{
    const struct tensor *const out = written->tensor, *const input = other->tensor;
    if (!input || !out || input->buffer != out->buffer || tensor_count(input) == 0 || tensor_count(out) == 0 ||
        (other->is & IS_IN_PLACE && same_view(input, out)))
        return true;
    const size_t input_end = input->offset + (size_t)extent(input) * dtype_size(input->dtype);
    const size_t out_end = out->offset + (size_t)extent(out) * dtype_size(out->dtype);
    const bool dense = tensor_is_dense(input) && tensor_is_dense(out);
    if (input->offset != out->offset && !(dense && input->offset < out_end && out->offset < input_end))
        return true;
    return check_failed(compute, op, "%s %s overlaps %s %s", written->name, shape_text(out).text, other->name,
                        shape_text(input).text);
}

bool check_operands(struct compute *compute, const char *op, int count, const struct operand *operands)
{
    for (int i = 0; i < count; i++)
        if (operands[i].tensor && !check_operand(compute, op, &operands[i]))
            return false;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            if (i != j && operands[i].is & IS_OUT && !check_apart(compute, op, &operands[i], &operands[j]))
                return false;
    return true;
}
