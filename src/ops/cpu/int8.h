/* Linear layers of a CPU that computes in int8: those that a model lets are ours (product_int8.c), others are f32's.
 * See ops/set.h for shapes, ops/int8.h for what the values stand for. */
#ifndef OPS_CPU_INT8_H
#define OPS_CPU_INT8_H

#include "ops/host.h"

int int8_linear_create(struct device *device, const struct linear_source *source, void **state);
void int8_linear_free(struct device *device, void *state);
void int8_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                 const struct tensor *residual, struct tensor out);

/* Columns of the product in panels, their depth in fours: what one dot product of the CPU takes. The arrays of outputs
 * are as long as all panels together; what is added to fill the last one is 0, and so is what was added to the depth.
 */
struct int8_panels {
    int64_t outputs, depth; /* the depth is a multiple of 4 */
    int64_t width;          /* columns of a panel */
    int8_t *values;         /* [panels][depth / 4][width][4] */
    float *scale, *bias;    /* [outputs]; bias may be NULL */
    int32_t *sum;           /* [outputs]: of a column's values */
};

struct int8_rows {
    int64_t count, depth;
    uint8_t *values; /* [count][depth] */
    float *scale;    /* [count] */
    int32_t *zero;   /* [count] */
};

/* out[rows][outputs] = activation(x W^T + b) + residual. */
struct int8_product {
    const struct int8_panels *weights;
    const struct int8_rows *x;
    enum activation activation;
    const float *residual; /* or NULL; may be `out` */
    float *out;
    int64_t residual_stride, out_stride;
    int threads;
};

/* Rows x[count][inputs], `stride` apart, as values; what lies between inputs and depth becomes 0. */
#define INT8_KERNELS(SUFFIX)                                                                                           \
    extern const int kernel_int8_width_##SUFFIX; /* columns of a panel */                                              \
    void kernel_int8_rows_##SUFFIX(const float *x, int64_t stride, int64_t inputs, int threads,                        \
                                   const struct int8_rows *out);                                                       \
    void kernel_product_int8_##SUFFIX(const struct int8_product *product);
INT8_KERNELS(avx2)   /* with AVX-VNNI */
INT8_KERNELS(avx512) /* with AVX512-VNNI */

#endif
