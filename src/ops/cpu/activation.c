/* Activations of their own (those that follow a product are fused into it). */
#include "ops/cpu/elements.h"
#include "ops/cpu/gelu.h"
#include "ops/cpu/kernels.h"

SIMD_INLINE vfloat apply(const enum activation activation, vfloat x)
{
    return activation == ACTIVATION_GELU ? v_gelu(x) : v_max(v_zero(), x);
}

SIMD_INLINE void rows(const enum activation activation, int threads, struct tensor x, struct tensor out)
{
    const int64_t count = x.dim[1];
#pragma omp parallel for num_threads(threads) schedule(static) if (x.dim[0] * count > 16384)
    for (int64_t r = 0; r < x.dim[0]; r++) {
        const struct elements from = elements_of(&x, r * x.stride[0]), to = elements_of(&out, r * out.stride[0]);
        int64_t i = 0;
        for (; i + SIMD_LANES <= count; i += SIMD_LANES)
            elements_store(to, i, apply(activation, elements_load(from, i)));
        const int tail = (int)(count - i);
        if (tail > 0)
            elements_store_part(to, i, tail, apply(activation, elements_load_part(from, i, tail)));
    }
}

void SIMD_NAME(kernel_activation)(struct compute *compute, struct tensor x, enum activation activation,
                                  struct tensor out)
{
    const int threads = device_threads(compute_device(compute));
    if (activation == ACTIVATION_GELU)
        rows(ACTIVATION_GELU, threads, x, out);
    else if (activation == ACTIVATION_RELU)
        rows(ACTIVATION_RELU, threads, x, out);
    else
        ops_reference.activation(compute, x, activation, out);
}
