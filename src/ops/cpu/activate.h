/* Activations of a vector, after products in bfloat16 or in 8 bits: a relative error of 1e-6. */
#ifndef OPS_CPU_ACTIVATE_H
#define OPS_CPU_ACTIVATE_H

#include "ops/cpu/gelu.h"

#include "ops/ops.h"

/* 1 / (1 + e^-x), by e^-|x|, which cannot overflow. */
SIMD_INLINE vfloat v_sigmoid(vfloat x)
{
    const vfloat one = v_set(1.0F);
    const vfloat e = v_exp2(v_mul(v_max(v_sub(v_zero(), x), x), v_set(-1.44269504F)));
    const vfloat whole = v_add(one, e);
#if defined(__AVX512F__)
    const vfloat near = _mm512_rcp14_ps(whole), inverse = v_mul(near, v_sub(v_set(2.0F), v_mul(whole, near)));
    return v_mul(_mm512_mask_mov_ps(one, _mm512_cmp_ps_mask(x, v_zero(), _CMP_LT_OQ), e), inverse);
#else
    return v_div(_mm256_blendv_ps(one, e, _mm256_cmp_ps(x, v_zero(), _CMP_LT_OQ)), whole);
#endif
}

SIMD_INLINE vfloat v_activate(enum activation activation, vfloat x)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return v_max(v_zero(), x); /* NaN stays: the second operand comes out then */
    case ACTIVATION_GELU:
        return v_gelu(x);
    case ACTIVATION_GELU_TANH: { /* (1 + tanh(u)) / 2 is the sigmoid of 2 u */
        const vfloat cube = v_mul(v_mul(x, x), x);
        return v_mul(x, v_sigmoid(v_mul(v_set(1.59576912F), v_fma(cube, v_set(0.044715F), x))));
    }
    case ACTIVATION_QUICK_GELU:
        return v_mul(x, v_sigmoid(v_mul(x, v_set(1.702F))));
    case ACTIVATION_SIGMOID:
        return v_sigmoid(x);
    case ACTIVATION_NONE:
    default:
        return x;
    }
}

#endif
