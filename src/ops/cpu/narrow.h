/* The products of a CPU that computes in bfloat16: oneDNN's where the CPU has AMX, else ours (product_bf16.c). See
 * ops/set.h for shapes. */
#ifndef OPS_CPU_NARROW_H
#define OPS_CPU_NARROW_H

#include "ops/host.h"

int narrow_linear_create(struct device *device, const struct linear_source *source, void **state);
int narrow_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                         void **state);
void narrow_linear_free(struct device *device, void *state);
void narrow_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                   const struct tensor *residual, struct tensor out);
/* Gathers each output's input window into a row, then one product. */
void narrow_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x, const struct tensor *residual,
                   struct tensor out);
/* Attention in f32 of rounded values, for a CPU whose dot products in bfloat16 are slower than that. */
void narrow_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                      bool causal, struct tensor out);
void narrow_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);

/* Weights for our own products: columns of the product in panels of 32, their depth in pairs. */
struct narrow_weights {
    int64_t outputs, depth; /* the depth is even: what was added is 0 */
    uint32_t *pairs;        /* [panels][depth / 2][32 (16 where no more than that is left)] */
    float *bias;            /* [outputs] or NULL */
};
enum { NARROW_PANEL = 32 };

/* out[rows][outputs] = activation(x[rows][depth] W^T + b) + residual. */
struct narrow_product {
    const struct narrow_weights *weights;
    enum activation activation;
    int64_t rows;
    const uint16_t *x;
    const float *residual; /* or NULL; may be `out` */
    void *out;             /* F32 or, `narrow`, BF16 */
    bool narrow;
    int64_t x_stride, residual_stride, out_stride; /* in elements */
    int threads;
    float *wide; /* NULL: by dot products in bfloat16; else in f32, and room for rows as F32 (the next function) */
};
int64_t kernel_product_wide_avx512_bf16(int64_t depth, int threads); /* values */
void kernel_product_avx512_bf16(const struct narrow_product *product);

#endif
