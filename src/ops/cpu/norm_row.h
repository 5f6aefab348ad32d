/* LayerNorm of one row: mean, then centred variance (two passes over a row in cache). */
#ifndef OPS_CPU_NORM_ROW_H
#define OPS_CPU_NORM_ROW_H

#include "ops/cpu/elements.h"

#include <math.h>

/* `out` may be `x`. */
static inline void norm_row(struct elements x, int64_t count, const float *gamma, const float *beta, float eps,
                            struct elements out)
{
    const int64_t whole = count / SIMD_LANES * SIMD_LANES;
    const int tail = (int)(count - whole);

    vfloat sum = v_zero();
    for (int64_t i = 0; i < whole; i += SIMD_LANES)
        sum = v_add(sum, elements_load(x, i));
    if (tail > 0)
        sum = v_add(sum, elements_load_part(x, whole, tail));
    const float mean = v_sum(sum) / (float)count;

    const vfloat center = v_set(mean);
    vfloat squares = v_zero();
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        const vfloat d = v_sub(elements_load(x, i), center);
        squares = v_fma(d, d, squares);
    }
    float total = v_sum(squares);
    if (tail > 0) {
        float last[SIMD_LANES];
        v_store(last, elements_load_part(x, whole, tail));
        for (int i = 0; i < tail; i++)
            total += (last[i] - mean) * (last[i] - mean);
    }

    const vfloat factor = v_set(1.0F / sqrtf(total / (float)count + eps));
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        const vfloat y = v_mul(v_sub(elements_load(x, i), center), factor);
        elements_store(out, i, v_fma(y, v_load(gamma + i), v_load(beta + i)));
    }
    if (tail > 0) {
        const vfloat y = v_mul(v_sub(elements_load_part(x, whole, tail), center), factor);
        elements_store_part(out, whole, tail,
                            v_fma(y, v_load_part(gamma + whole, tail), v_load_part(beta + whole, tail)));
    }
}

#endif
