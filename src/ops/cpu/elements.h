/* Elements that lie behind each other, F32 or, in the copy of the kernels that meets them, BF16. */
#ifndef OPS_CPU_ELEMENTS_H
#define OPS_CPU_ELEMENTS_H

#include "ops/cpu/simd.h"
#include "ops/host.h"

struct elements {
    char *data;
    bool narrow;
};

SIMD_INLINE int64_t elements_size(struct elements row)
{
    return row.narrow ? (int64_t)sizeof(uint16_t) : (int64_t)sizeof(float);
}

/* Those from element `at` on. */
SIMD_INLINE struct elements elements_from(struct elements row, int64_t at)
{
    return (struct elements){row.data + at * elements_size(row), row.narrow};
}

SIMD_INLINE struct elements elements_of(const struct tensor *tensor, int64_t at)
{
#if defined(__AVX512BF16__)
    const bool narrow = tensor->dtype == DTYPE_BF16;
#else
    const bool narrow = false;
#endif
    return elements_from((struct elements){host_data(*tensor), narrow}, at);
}

SIMD_INLINE struct elements elements_f32(float *data)
{
    return (struct elements){(char *)data, false};
}

SIMD_INLINE vfloat elements_load(struct elements row, int64_t i)
{
#if defined(__AVX512BF16__)
    if (row.narrow)
        return v_widen(_mm256_loadu_si256((const __m256i *)(const void *)(row.data + 2 * i)));
#endif
    return v_load((const float *)(const void *)row.data + i);
}

/* The first `n` lanes, the others 0. */
SIMD_INLINE vfloat elements_load_part(struct elements row, int64_t i, int n)
{
#if defined(__AVX512BF16__)
    if (row.narrow)
        return v_widen(_mm256_maskz_loadu_epi16((__mmask16)((1U << n) - 1U), row.data + 2 * i));
#endif
    return v_load_part((const float *)(const void *)row.data + i, n);
}

SIMD_INLINE void elements_store(struct elements row, int64_t i, vfloat x)
{
#if defined(__AVX512BF16__)
    if (row.narrow) {
        _mm256_storeu_si256((__m256i *)(void *)(row.data + 2 * i), v_narrow(x));
        return;
    }
#endif
    v_store((float *)(void *)row.data + i, x);
}

SIMD_INLINE void elements_store_part(struct elements row, int64_t i, int n, vfloat x)
{
#if defined(__AVX512BF16__)
    if (row.narrow) {
        _mm256_mask_storeu_epi16(row.data + 2 * i, (__mmask16)((1U << n) - 1U), v_narrow(x));
        return;
    }
#endif
    v_store_part((float *)(void *)row.data + i, n, x);
}

#endif
