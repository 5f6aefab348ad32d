/* LayerNorm over the last dimension. */
#include "ops/cpu/kernels.h"
#include "ops/cpu/norm_row.h"
#include "ops/cpu/rows.h"

void SIMD_NAME(kernel_layer_norm)(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta,
                                  float eps, struct tensor out)
{
    const int64_t count = x.dim[x.rank - 1], rows = count == 0 ? 0 : tensor_count(&x) / count;
    const int threads = device_threads(compute_device(compute));
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * count > 16384)
    for (int64_t i = 0; i < rows; i++)
        norm_row(rows_at(&x, i), count, host_data(gamma), host_data(beta), eps, rows_at(&out, i));
}
