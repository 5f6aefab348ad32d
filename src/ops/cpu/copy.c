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

void cpu_copy(struct compute *compute, struct tensor from, struct tensor out)
{
    join_axes(&from, &out);
    const int last = from.rank - 1;
    const int64_t run = from.dim[last], runs = tensor_count(&from) / run, size = (int64_t)dtype_size(from.dtype);
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (runs * run * size > PARALLEL_BYTES)
    for (int64_t i = 0; i < runs; i++) {
        copy_run((const char *)host_data(from) + offset_of(&from, last, i) * size, from.stride[last],
                 (char *)host_data(out) + offset_of(&out, last, i) * size, out.stride[last], run, size);
    }
}

void cpu_fill(struct compute *compute, float value, struct tensor out)
{
    const int last = out.rank - 1;
    const int64_t run = out.dim[last], runs = tensor_count(&out) / run;
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (runs * run * 4 > PARALLEL_BYTES)
    for (int64_t i = 0; i < runs; i++) {
        float *row = (float *)host_data(out) + offset_of(&out, last, i);
        for (int64_t j = 0; j < run; j++)
            row[j] = value;
    }
}
