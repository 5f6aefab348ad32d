/* Rotary position embedding: each token's row of the tables serves all its heads. */
#include "ops/cpu/elements.h"
#include "ops/cpu/kernels.h"

/* `count` is even, so that a part never splits a pair. */
static void rotate(struct elements x, const float *cosines, const float *sines, int64_t count)
{
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        const vfloat value = elements_load(x, i);
        const vfloat turned = v_mul(v_swap_pairs(value), v_load(sines + i));
        elements_store(x, i, v_fma_alternate(value, v_load(cosines + i), turned));
    }
    const int tail = (int)(count - i);
    if (tail > 0) {
        const vfloat value = elements_load_part(x, i, tail);
        const vfloat turned = v_mul(v_swap_pairs(value), v_load_part(sines + i, tail));
        elements_store_part(x, i, tail, v_fma_alternate(value, v_load_part(cosines + i, tail), turned));
    }
}

void SIMD_NAME(kernel_rope)(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines)
{
    const int64_t tokens = x.dim[1], rows = x.dim[0] * tokens, heads = x.dim[2];
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * heads * cosines.dim[2] > 16384)
    for (int64_t i = 0; i < rows; i++) {
        const int64_t b = i / tokens, t = i % tokens, table = cosines.dim[0] == 1 ? 0 : b;
        const float *c = (const float *)host_data(cosines) + table * cosines.stride[0] + t * cosines.stride[1];
        const float *s = (const float *)host_data(sines) + table * sines.stride[0] + t * sines.stride[1];
        const struct elements row = elements_of(&x, b * x.stride[0] + t * x.stride[1]);
        for (int64_t h = 0; h < heads; h++)
            rotate(elements_from(row, h * x.stride[2]), c, s, cosines.dim[2]);
    }
}
