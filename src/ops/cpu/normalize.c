/* LayerNorm over the last dimension: mean, then centred variance (two passes over a row in cache). */
#include "ops/cpu/kernels.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/simd.h"

#include <math.h>

static void normalize_row(const float *x, int64_t count, const float *gamma, const float *beta, float eps, float *out)
{
    const int64_t whole = count / SIMD_LANES * SIMD_LANES;
    const int tail = (int)(count - whole);

    vfloat sum = v_zero();
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        sum = v_add(sum, v_load(x + i));
    }
    if (tail > 0) {
        sum = v_add(sum, v_load_part(x + whole, tail));
    }
    const float mean = v_sum(sum) / (float)count;

    const vfloat center = v_set(mean);
    vfloat squares = v_zero();
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        const vfloat d = v_sub(v_load(x + i), center);
        squares = v_fma(d, d, squares);
    }
    float total = v_sum(squares);
    for (int64_t i = whole; i < count; i++) {
        total += (x[i] - mean) * (x[i] - mean);
    }

    const vfloat factor = v_set(1.0F / sqrtf(total / (float)count + eps));
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        const vfloat y = v_mul(v_sub(v_load(x + i), center), factor);
        v_store(out + i, v_fma(y, v_load(gamma + i), v_load(beta + i)));
    }
    if (tail > 0) {
        const vfloat y = v_mul(v_sub(v_load_part(x + whole, tail), center), factor);
        v_store_part(out + whole, tail, v_fma(y, v_load_part(gamma + whole, tail), v_load_part(beta + whole, tail)));
    }
}

void SIMD_NAME(kernel_layer_norm)(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta,
                                  float eps, struct tensor out)
{
    const int64_t count = x.dim[x.rank - 1], rows = count == 0 ? 0 : tensor_count(&x) / count;
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * count > 16384)
    for (int64_t i = 0; i < rows; i++) {
        normalize_row(rows_at(&x, i), count, gamma.data, beta.data, eps, rows_at(&out, i));
    }
}
