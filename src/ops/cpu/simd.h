/* The few vector operations that the kernels need, for the instruction set a file is compiled for
 * (AVX-512 F/BW/DQ/VL, the same with BF16, or AVX2 with FMA). Kernel sources are compiled once a set, see
 * CMakeLists.txt; SIMD_NAME gives each copy's functions their own names. The copy with BF16 is for devices that compute
 * in bfloat16: it alone meets narrow tensors, and rounds what is multiplied. */
#ifndef OPS_CPU_SIMD_H
#define OPS_CPU_SIMD_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define SIMD_INLINE static inline __attribute__((always_inline))

/* The cache line of p into the nearest cache; p may lie anywhere. */
SIMD_INLINE void v_prefetch(const float *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

#if defined(__AVX512F__)

#if defined(SOWLV2_AMX_EMULATED)
#define SIMD_NAME(name) name##_amx_emulated
#elif defined(ATTENTION_BY_TILES)
#define SIMD_NAME(name) name##_amx
#elif defined(__AVX512BF16__)
#define SIMD_NAME(name) name##_avx512_bf16
#else
#define SIMD_NAME(name) name##_avx512
#endif
enum { SIMD_LANES = 16, SIMD_PANEL_VECTORS = 4 };
typedef __m512 vfloat;

SIMD_INLINE vfloat v_zero(void)
{
    return _mm512_setzero_ps();
}
SIMD_INLINE vfloat v_set(float x)
{
    return _mm512_set1_ps(x);
}
SIMD_INLINE vfloat v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
SIMD_INLINE void v_store(float *p, vfloat x)
{
    _mm512_storeu_ps(p, x);
}
SIMD_INLINE vfloat v_load_part(const float *p, int n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1U << n) - 1U), p);
}
SIMD_INLINE void v_store_part(float *p, int n, vfloat x)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1U << n) - 1U), x);
}
SIMD_INLINE vfloat v_add(vfloat a, vfloat b)
{
    return _mm512_add_ps(a, b);
}
SIMD_INLINE vfloat v_sub(vfloat a, vfloat b)
{
    return _mm512_sub_ps(a, b);
}
SIMD_INLINE vfloat v_mul(vfloat a, vfloat b)
{
    return _mm512_mul_ps(a, b);
}
SIMD_INLINE vfloat v_div(vfloat a, vfloat b)
{
    return _mm512_div_ps(a, b);
}
SIMD_INLINE vfloat v_max(vfloat a, vfloat b)
{
    return _mm512_max_ps(a, b);
}
/* Bit i: lane i of a is over that of b; not so where one is NaN. */
SIMD_INLINE uint32_t v_over(vfloat a, vfloat b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
/* The larger one; NaN where either is. */
SIMD_INLINE vfloat v_max_or_nan(vfloat a, vfloat b)
{
    /* The second operand is what comes out of a maximum with NaN. */
    return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
/* a * b + c */
SIMD_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c)
{
    return _mm512_fmadd_ps(a, b, c);
}
SIMD_INLINE float v_sum(vfloat x)
{
    return _mm512_reduce_add_ps(x);
}
/* Each pair of neighbours exchanged. */
SIMD_INLINE vfloat v_swap_pairs(vfloat x)
{
    return _mm512_permute_ps(x, 0xB1);
}
/* a * b - c in even lanes, a * b + c in odd ones. */
SIMD_INLINE vfloat v_fma_alternate(vfloat a, vfloat b, vfloat c)
{
    return _mm512_fmaddsub_ps(a, b, c);
}
/* Eight-bit values to floats. */
SIMD_INLINE vfloat v_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* x - floor(x). */
SIMD_INLINE vfloat v_fraction(vfloat x)
{
    return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* Lane i gets lane (i + by) % SIMD_LANES. */
SIMD_INLINE vfloat v_rotate(vfloat x, int by)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_permutexvar_ps(_mm512_add_epi32(lane, _mm512_set1_epi32(by)), x);
}
SIMD_INLINE vfloat v_sum_low_pairs(vfloat a, vfloat b)
{
    return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}
SIMD_INLINE vfloat v_sum_high_pairs(vfloat a, vfloat b)
{
    const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
    return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}
SIMD_INLINE vfloat v_sum_quarters(vfloat a, vfloat b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
}
/* Lane i of the result is the sum of x[i]'s lanes. */
SIMD_INLINE vfloat v_sums(const vfloat x[SIMD_LANES])
{
    vfloat part[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        part[i] =
            v_sum_high_pairs(v_sum_low_pairs(x[4 * i], x[4 * i + 1]), v_sum_low_pairs(x[4 * i + 2], x[4 * i + 3]));
    }
    return v_sum_quarters(v_sum_quarters(part[0], part[1]), v_sum_quarters(part[2], part[3]));
}

/* x[i] lane j and x[j] lane i exchanged. */
SIMD_INLINE void v_turn(vfloat x[SIMD_LANES])
{
    __m512 a[16], b[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* b[i + c] holds columns c, c + 4, c + 8, c + 12 of rows i to i + 3 */
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            const __m512d low = _mm512_castps_pd(a[i + h]), high = _mm512_castps_pd(a[i + h + 2]);
            b[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            b[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512 even = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88),
                     odd = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xDD);
        const __m512 more_even = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88),
                     more_odd = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xDD);
        x[c] = _mm512_shuffle_f32x4(even, more_even, 0x88);
        x[4 + c] = _mm512_shuffle_f32x4(odd, more_odd, 0x88);
        x[8 + c] = _mm512_shuffle_f32x4(even, more_even, 0xDD);
        x[12 + c] = _mm512_shuffle_f32x4(odd, more_odd, 0xDD);
    }
}

#if defined(__AVX512BF16__)
SIMD_INLINE vfloat v_widen(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
/* To the nearest, ties to even; NaN stays NaN. A number under 2^-126 becomes 0: all instructions of bfloat16 do so. */
SIMD_INLINE __m256i v_narrow(vfloat x)
{
    return (__m256i)_mm512_cvtneps_pbh(x);
}
/* sum[i] += a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1] */
SIMD_INLINE vfloat v_dot_pairs(__m512i a, __m512i b, vfloat sum)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
#endif

#elif defined(__AVX2__) && defined(__FMA__)

#define SIMD_NAME(name) name##_avx2
enum { SIMD_LANES = 8, SIMD_PANEL_VECTORS = 2 };
typedef __m256 vfloat;

SIMD_INLINE vfloat v_zero(void)
{
    return _mm256_setzero_ps();
}
SIMD_INLINE vfloat v_set(float x)
{
    return _mm256_set1_ps(x);
}
SIMD_INLINE vfloat v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
SIMD_INLINE void v_store(float *p, vfloat x)
{
    _mm256_storeu_ps(p, x);
}
SIMD_INLINE __m256i v_part_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SIMD_INLINE vfloat v_load_part(const float *p, int n)
{
    return _mm256_maskload_ps(p, v_part_mask(n));
}
SIMD_INLINE void v_store_part(float *p, int n, vfloat x)
{
    _mm256_maskstore_ps(p, v_part_mask(n), x);
}
SIMD_INLINE vfloat v_add(vfloat a, vfloat b)
{
    return _mm256_add_ps(a, b);
}
SIMD_INLINE vfloat v_sub(vfloat a, vfloat b)
{
    return _mm256_sub_ps(a, b);
}
SIMD_INLINE vfloat v_mul(vfloat a, vfloat b)
{
    return _mm256_mul_ps(a, b);
}
SIMD_INLINE vfloat v_div(vfloat a, vfloat b)
{
    return _mm256_div_ps(a, b);
}
SIMD_INLINE vfloat v_max(vfloat a, vfloat b)
{
    return _mm256_max_ps(a, b);
}
SIMD_INLINE uint32_t v_over(vfloat a, vfloat b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
SIMD_INLINE vfloat v_max_or_nan(vfloat a, vfloat b)
{
    return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
SIMD_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c)
{
    return _mm256_fmadd_ps(a, b, c);
}
SIMD_INLINE float v_sum(vfloat x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
SIMD_INLINE vfloat v_swap_pairs(vfloat x)
{
    return _mm256_permute_ps(x, 0xB1);
}
SIMD_INLINE vfloat v_fma_alternate(vfloat a, vfloat b, vfloat c)
{
    return _mm256_fmaddsub_ps(a, b, c);
}
SIMD_INLINE vfloat v_load_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
SIMD_INLINE vfloat v_rotate(vfloat x, int by)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_permutevar8x32_ps(x, _mm256_add_epi32(lane, _mm256_set1_epi32(by)));
}
SIMD_INLINE vfloat v_sums(const vfloat x[SIMD_LANES])
{
    const vfloat low = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
    const vfloat high = _mm256_hadd_ps(_mm256_hadd_ps(x[4], x[5]), _mm256_hadd_ps(x[6], x[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}

SIMD_INLINE void v_turn(vfloat x[SIMD_LANES])
{
    __m256 a[8], b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            const __m256d low = _mm256_castps_pd(a[i + h]), high = _mm256_castps_pd(a[i + h + 2]);
            b[i + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
            b[i + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        x[c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
        x[4 + c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
    }
}

#else
#error "compile this file with -mavx2 -mfma or -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

/* As a factor of a product: rounded where the device computes in bfloat16. */
SIMD_INLINE vfloat v_factor(vfloat x)
{
#if defined(__AVX512BF16__)
    return v_widen(v_narrow(x));
#else
    return x;
#endif
}

/* 2^x for x <= 0 (an attention score minus its row's maximum), relative error under 2e-7; 0 from -127.5 on. Both
 * polynomials of degree 5 have the least largest relative error, on [0, 1) (7.5e-8 before rounding) and on
 * [-0.5, 0.5] (9.1e-8, 1 at 0). */
#if defined(__AVX512F__)
SIMD_INLINE vfloat v_exp2(vfloat x)
{
    const vfloat f = v_fraction(x);
    vfloat p = v_set(1.877576229e-3F);
    p = v_fma(p, f, v_set(8.989341557e-3F));
    p = v_fma(p, f, v_set(5.582631752e-2F));
    p = v_fma(p, f, v_set(2.401536107e-1F));
    p = v_fma(p, f, v_set(6.931530833e-1F));
    p = v_fma(p, f, v_set(9.999999404e-1F));
    return _mm512_scalef_ps(p, x); /* p * 2^floor(x) */
}
#else
SIMD_INLINE vfloat v_exp2(vfloat x)
{
    /* Added to a number of this size, x rounds to an integer, whose exponent field stands in the lowest bits. */
    const vfloat round = v_set(0x1.8p23F + 127.0F), bounded = _mm256_max_ps(v_set(-127.0F), x); /* keeps NaN */
    const vfloat shifted = v_add(bounded, round);
    const vfloat f = v_sub(bounded, v_sub(shifted, round));
    vfloat p = v_set(1.326472714e-3F);
    p = v_fma(p, f, v_set(9.671512640e-3F));
    p = v_fma(p, f, v_set(5.550733743e-2F));
    p = v_fma(p, f, v_set(2.402224209e-1F));
    p = v_fma(p, f, v_set(6.931469776e-1F));
    p = v_fma(p, f, v_set(1.0F));
    return v_mul(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
#endif

#endif
