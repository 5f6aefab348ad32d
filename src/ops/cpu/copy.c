/* Copies between views and filling: runs that lie densely in both are moved whole, by all threads. */
#include "ops/cpu/copy.h"

#include <string.h>

enum { PARALLEL_BYTES = 1 << 18 };

/* Joins axes that lie over each other alike in both, from the last one; axes of 1 vanish. */
static void join_axes(struct tensor *a, struct tensor *b)
{
    int rank = 0;
    struct tensor x = *a, y = *b;
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] == 1)
            continue;
        const bool joins = rank > 0 && x.stride[rank - 1] == a->stride[i] * a->dim[i] &&
                           y.stride[rank - 1] == b->stride[i] * b->dim[i];
        const int at = joins ? rank - 1 : rank++;
        const int64_t before = joins ? x.dim[at] : 1;
        x.dim[at] = y.dim[at] = before * a->dim[i];
        x.stride[at] = a->stride[i];
        y.stride[at] = b->stride[i];
    }
    if (rank == 0) {
        x.dim[0] = y.dim[0] = 1;
        x.stride[0] = y.stride[0] = 1;
        rank = 1;
    }
    x.rank = y.rank = rank;
    *a = x;
    *b = y;
}

static int64_t offset_of(const struct tensor *tensor, int axes, int64_t i)
{
    int64_t offset = 0;
    for (int axis = axes - 1; axis >= 0; axis--) {
        offset += i % tensor->dim[axis] * tensor->stride[axis];
        i /= tensor->dim[axis];
    }
    return offset;
}

/* One run: `count` elements of `size` bytes; strides in elements. */
static void copy_run(const char *from, int64_t from_stride, char *to, int64_t to_stride, int64_t count, int64_t size)
{
    if (from_stride == 1 && to_stride == 1) {
        memcpy(to, from, (size_t)(count * size));
    } else if (size == (int64_t)sizeof(float)) {
        for (int64_t i = 0; i < count; i++) {
            memcpy(to + i * to_stride * (int64_t)sizeof(float), from + i * from_stride * (int64_t)sizeof(float),
                   sizeof(float));
        }
    } else {
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * to_stride * size, from + i * from_stride * size, (size_t)size);
    }
}

/* Runs that change the type; those that lie densely in both become vectors. */
#define CONVERT_RUN(NAME, FROM, TO, VALUE)                                                                             \
    static void NAME(const char *source, int64_t from_stride, char *target, int64_t to_stride, int64_t count)          \
    {                                                                                                                  \
        const FROM *restrict from = (const FROM *)(const void *)source;                                                \
        TO *restrict to = (TO *)(void *)target;                                                                        \
        if (from_stride == 1 && to_stride == 1) {                                                                      \
            _Pragma("omp simd") for (int64_t i = 0; i < count; i++) to[i] = VALUE(from[i]);                            \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < count; i++)                                                                            \
            to[i * to_stride] = VALUE(from[i * from_stride]);                                                          \
    }
CONVERT_RUN(round_run, float, uint16_t, host_round_bf16)
CONVERT_RUN(widen_run, uint16_t, float, host_widen_bf16)
CONVERT_RUN(float_run, uint8_t, float, (float))

static void any_run(const struct tensor *from, int64_t from_at, const struct tensor *out, int64_t out_at, int64_t count)
{
    const int64_t from_size = (int64_t)dtype_size(from->dtype), out_size = (int64_t)dtype_size(out->dtype);
    const int64_t from_stride = from->stride[from->rank - 1], out_stride = out->stride[out->rank - 1];
    const char *const source = (const char *)host_data(*from) + from_at * from_size;
    char *const target = (char *)host_data(*out) + out_at * out_size;
    if (from->dtype == out->dtype)
        copy_run(source, from_stride, target, out_stride, count, from_size);
    else if (out->dtype == DTYPE_BF16)
        round_run(source, from_stride, target, out_stride, count);
    else if (from->dtype == DTYPE_BF16)
        widen_run(source, from_stride, target, out_stride, count);
    else
        float_run(source, from_stride, target, out_stride, count);
}

void cpu_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    join_axes(&from, &out);
    const int last = from.rank - 1;
    const int64_t run = from.dim[last], runs = tensor_count(&from) / run, size = (int64_t)dtype_size(out.dtype);
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (runs * run * size > PARALLEL_BYTES)
    for (int64_t i = 0; i < runs; i++)
        any_run(&from, offset_of(&from, last, i), &out, offset_of(&out, last, i), run);
}

void cpu_fill(struct compute *compute, float value, struct tensor out)
{
    const int last = out.rank - 1;
    const int64_t run = out.dim[last], runs = tensor_count(&out) / run;
    const uint16_t narrow = host_round_bf16(value);
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (runs * run * 4 > PARALLEL_BYTES)
    for (int64_t i = 0; i < runs; i++) {
        const int64_t at = offset_of(&out, last, i);
        for (int64_t j = 0; j < run; j++)
            if (out.dtype == DTYPE_BF16)
                ((uint16_t *)host_data(out))[at + j] = narrow;
            else
                ((float *)host_data(out))[at + j] = value;
    }
}
