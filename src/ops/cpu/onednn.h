/* All calls to oneDNN (API version 2; the calls that version 3 changes are in onednn.c alone):
 * matrix products with prepacked weights, bias, activation and residual fused. */
#ifndef OPS_CPU_ONEDNN_H
#define OPS_CPU_ONEDNN_H

#include "ops/cpu/level.h"
#include "ops/ops.h"

/* Limits oneDNN to `level`, once a process, before its first use. Errors: UNSUPPORTED. */
int onednn_start(enum cpu_level level);

/* The threads of the calling thread's passes, kernels' included: they are there, or there is an error and no end of the
 * process. Errors: MEMORY. */
int onednn_start_threads(int threads);

/* Weights [inputs][outputs] in the layout oneDNN likes best, with their bias; immutable but for a
 * cache of compiled primitives, which is guarded. */
struct onednn_product;

/* `weight` dense [outputs][inputs], `bias` [outputs] or NULL: both copied. What is multiplied is `type`, F32 or BF16,
 * sums are F32. Primitives are compiled for and run with `threads` threads. Errors: MEMORY, UNSUPPORTED. */
int onednn_product_create(int threads, enum dtype type, int64_t outputs, int64_t inputs, const float *weight,
                          const float *bias, int64_t rows_hint, struct onednn_product **out);
void onednn_product_free(struct onednn_product *product);

/* out[rows][outputs] = activation(x[rows][inputs] W^T + b), plus what `out` holds where `accumulate`.
 * All dense; x of the product's type, out of `out_type`. Scratch comes from `compute`. */
int onednn_product_run(struct onednn_product *product, struct compute *compute, int64_t rows, const void *x,
                       enum activation activation, bool accumulate, enum dtype out_type, void *out);

/* out[n][m] = a[n][d] b[m][d]^T. All dense. */
int onednn_matmul_transposed(struct compute *compute, int64_t n, int64_t m, int64_t d, const float *a, const float *b,
                             float *out);

#endif
