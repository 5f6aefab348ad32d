/* Activations of their own (those that follow a product are fused into it). */
#include "ops/cpu/kernels.h"
#include "ops/cpu/simd.h"

/* x/2 (1 + erf(x / sqrt 2)) = max(x, 0) - |x|/2 erfc(|x| / sqrt 2), with erfc as in Abramowitz & Stegun
 * 7.1.26: absolute error under 2e-7. */
SIMD_INLINE vfloat gelu(vfloat x)
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

SIMD_INLINE vfloat apply(const enum activation activation, vfloat x)
{
    return activation == ACTIVATION_GELU ? gelu(x) : v_max(v_zero(), x);
}

SIMD_INLINE void rows(const enum activation activation, int threads, struct tensor x, struct tensor out)
{
    const int64_t count = x.dim[1];
#pragma omp parallel for num_threads(threads) schedule(static) if (x.dim[0] * count > 16384)
    for (int64_t r = 0; r < x.dim[0]; r++) {
        const float *from = (const float *)x.data + r * x.stride[0];
        float *to = (float *)out.data + r * out.stride[0];
        int64_t i = 0;
        for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
            v_store(to + i, apply(activation, v_load(from + i)));
        }
        const int tail = (int)(count - i);
        if (tail > 0) {
            v_store_part(to + i, tail, apply(activation, v_load_part(from + i, tail)));
        }
    }
}

void SIMD_NAME(kernel_activation)(struct compute *compute, struct tensor x, enum activation activation,
                                  struct tensor out)
{
    const int threads = device_threads(compute_device(compute));
    if (activation == ACTIVATION_GELU) {
        rows(ACTIVATION_GELU, threads, x, out);
    } else if (activation == ACTIVATION_RELU) {
        rows(ACTIVATION_RELU, threads, x, out);
    } else {
        ops_reference.activation(compute, x, activation, out);
    }
}
