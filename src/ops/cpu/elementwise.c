/* Sums and products of two tensors, the second one repeated along dimensions where it has size 1; one tensor on a
 * line. */
#include "ops/cpu/kernels.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/simd.h"

enum operation { ADD, MUL };

SIMD_INLINE vfloat apply(const enum operation operation, vfloat a, vfloat b)
{
    return operation == ADD ? v_add(a, b) : v_mul(a, b);
}

SIMD_INLINE void row(const enum operation operation, struct elements a, const float *b, bool repeat, int64_t count,
                     struct elements out)
{
    const vfloat single = v_set(b[0]);
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES)
        elements_store(out, i, apply(operation, elements_load(a, i), repeat ? single : v_load(b + i)));
    const int tail = (int)(count - i);
    if (tail > 0) {
        elements_store_part(
            out, i, tail, apply(operation, elements_load_part(a, i, tail), repeat ? single : v_load_part(b + i, tail)));
    }
}

SIMD_INLINE void broadcast(const enum operation operation, struct compute *compute, struct tensor a, struct tensor b,
                           struct tensor out)
{
    const int64_t count = a.dim[a.rank - 1], rows = count == 0 ? 0 : tensor_count(&a) / count;
    const bool repeat = b.dim[b.rank - 1] == 1;
    /* b as seen from a: the same shape, stride 0 where it is repeated. */
    struct tensor wide = b;
    for (int axis = 0; axis < a.rank; axis++) {
        wide.stride[axis] = b.dim[axis] == 1 ? 0 : b.stride[axis];
        wide.dim[axis] = a.dim[axis];
    }
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * count > 65536)
    for (int64_t i = 0; i < rows; i++)
        row(operation, rows_at(&a, i), (const float *)(const void *)rows_at(&wide, i).data, repeat, count,
            rows_at(&out, i));
}

void SIMD_NAME(kernel_add)(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    broadcast(ADD, compute, a, b, out);
}

void SIMD_NAME(kernel_mul)(struct compute *compute, struct tensor a, struct tensor b, struct tensor out)
{
    broadcast(MUL, compute, a, b, out);
}

void SIMD_NAME(kernel_affine)(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out)
{
    const int64_t count = x.dim[1];
    const vfloat factor = v_set(scale), term = v_set(shift);
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (x.dim[0] * count > 65536)
    for (int64_t r = 0; r < x.dim[0]; r++) {
        const struct elements from = rows_at(&x, r), to = rows_at(&out, r);
        int64_t i = 0;
        for (; i + SIMD_LANES <= count; i += SIMD_LANES)
            elements_store(to, i, v_fma(elements_load(from, i), factor, term));
        const int tail = (int)(count - i);
        if (tail > 0)
            elements_store_part(to, i, tail, v_fma(elements_load_part(from, i, tail), factor, term));
    }
}
