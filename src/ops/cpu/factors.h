/* What a kernel multiplies, where the device computes in bfloat16: rounded to it, and kept as F32. In the copies of the
 * kernels that compute in f32 these leave values as they are. */
#ifndef OPS_CPU_FACTORS_H
#define OPS_CPU_FACTORS_H

#include "ops/cpu/simd.h"
#include "ops/host.h"

SIMD_INLINE float factor_of(float x)
{
#if defined(__AVX512BF16__)
    return host_widen_bf16(host_round_bf16(x));
#else
    return x;
#endif
}

static inline void factors_copy(const float *from, int64_t count, float *to)
{
    int64_t i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES)
        v_store(to + i, v_factor(v_load(from + i)));
    for (; i < count; i++)
        to[i] = factor_of(from[i]);
}

/* Values as factors: themselves, or rounded in `scratch`, which has room for them. */
SIMD_INLINE const float *factors_of(const float *values, int64_t count, float *scratch)
{
#if defined(__AVX512BF16__)
    factors_copy(values, count, scratch);
    return scratch;
#else
    (void)count;
    (void)scratch;
    return values;
#endif
}

#endif
