/* GELU by its error function: x/2 (1 + erf(x / sqrt 2)) = max(x, 0) - f(|x|), f(u) = u/2 erfc(u / sqrt 2). */
#ifndef OPS_CPU_GELU_H
#define OPS_CPU_GELU_H

#include "ops/cpu/simd.h"

#if defined(__AVX512F__)

/* f as 16 polynomials of degree 5, each for a piece of 0.36: absolute error under 6e-8. Beyond the last one f is
 * under 3e-8, and its end stands for it. Coefficients (powers of the way through the piece, 5 to 0) are least
 * squares at Chebyshev nodes; one vector is one power's for all pieces, which a permutation looks up. */
SIMD_INLINE vfloat v_gelu(vfloat x)
{
    static const float coefficients[6][SIMD_LANES] __attribute__((aligned(64))) = {
        {-6.226286865e-05F, -1.384727488e-04F, -1.169427900e-04F, -3.517605401e-05F, 3.433311517e-05F, 5.427926168e-05F,
         3.722783827e-05F, 1.294535341e-05F, -1.409471705e-06F, -5.136334989e-06F, -3.893918197e-06F, -1.954956863e-06F,
         -7.514006514e-07F, -2.329107904e-07F, -5.973193232e-08F, -1.286403388e-08F},
        {1.185227304e-03F, 8.376494071e-04F, 1.075517610e-04F, -4.863781931e-04F, -6.454462030e-04F, -4.533588574e-04F,
         -1.731889531e-04F, 1.093996619e-05F, 7.058640478e-05F, 6.029466645e-05F, 3.369748775e-05F, 1.440832366e-05F,
         4.974701509e-06F, 1.423414046e-06F, 3.425713385e-07F, 7.000477337e-08F},
        {-3.499413435e-05F, 4.040153416e-03F, 6.017496293e-03F, 5.323991422e-03F, 3.066327429e-03F, 8.399253479e-04F,
         -4.398536339e-04F, -7.740761568e-04F, -6.092532187e-04F, -3.433350436e-04F, -1.529007093e-04F,
         -5.594892125e-05F, -1.715866528e-05F, -4.462293382e-06F, -9.915063492e-07F, -1.892170585e-07F},
        {-5.169479487e-02F, -4.531629216e-02F, -2.956013363e-02F, -1.203311015e-02F, 6.712613556e-04F, 6.343860132e-03F,
         6.687557136e-03F, 4.700856240e-03F, 2.572985060e-03F, 1.154176134e-03F, 4.344407483e-04F, 1.390097540e-04F,
         3.811286833e-05F, 9.001112508e-06F, 1.837884660e-06F, 3.253155096e-07F},
        {1.799993083e-01F, 8.093347582e-02F, 5.079806890e-03F, -3.614157690e-02F, -4.635642831e-02F, -3.822479693e-02F,
         -2.455951636e-02F, -1.301085213e-02F, -5.823050168e-03F, -2.229589658e-03F, -7.357340041e-04F,
         -2.102124187e-04F, -5.216693416e-05F, -1.126905326e-05F, -2.122426879e-06F, -3.489446156e-07F},
        {9.558061634e-09F, 1.293924866e-01F, 1.697489934e-01F, 1.512767702e-01F, 1.079045234e-01F, 6.467457457e-02F,
         3.323448516e-02F, 1.478671083e-02F, 5.726523166e-03F, 1.936381169e-03F, 5.727907600e-04F, 1.484003962e-04F,
         3.370223995e-05F, 6.712848047e-06F, 1.173132874e-06F, 1.799286364e-07F},
    };
    const vfloat magnitude = v_max(v_sub(v_zero(), x), x);
    /* The smaller one, also where x is NaN: vminps gives its second operand then. */
    const vfloat place = _mm512_min_ps(v_mul(magnitude, v_set(1.0F / 0.36F)), v_set(15.999999F));
    const __m512i piece = _mm512_cvttps_epi32(place);
    const vfloat t = v_fraction(place);
    vfloat p = _mm512_permutexvar_ps(piece, _mm512_load_ps(coefficients[0]));
#pragma GCC unroll 5
    for (int i = 1; i < 6; i++)
        p = v_fma(p, t, _mm512_permutexvar_ps(piece, _mm512_load_ps(coefficients[i])));
    return v_sub(v_max(v_zero(), x), p);
}

#else

/* erfc as in Abramowitz & Stegun 7.1.26: absolute error under 2e-7. */
SIMD_INLINE vfloat v_gelu(vfloat x)
{
    const vfloat magnitude = v_max(v_sub(v_zero(), x), x);
    const vfloat z = v_mul(magnitude, v_set(0.707106781F));
    const vfloat t = v_div(v_set(1.0F), v_fma(z, v_set(0.3275911F), v_set(1.0F)));
    vfloat p = v_set(1.061405429F);
    p = v_fma(p, t, v_set(-1.453152027F));
    p = v_fma(p, t, v_set(1.421413741F));
    p = v_fma(p, t, v_set(-0.284496736F));
    p = v_fma(p, t, v_set(0.254829592F));
    p = v_mul(p, t);
    /* v_exp2 takes what is finite and not positive; beyond z = 14, erfc is 0 in f32 anyway. */
    const vfloat bounded = v_sub(v_zero(), v_max(v_sub(v_zero(), z), v_set(-14.0F)));
    const vfloat e = v_exp2(v_mul(v_mul(bounded, bounded), v_set(-1.44269504F)));
    return v_sub(v_max(v_zero(), x), v_mul(v_mul(magnitude, v_set(0.5F)), v_mul(p, e)));
}

#endif

#endif
