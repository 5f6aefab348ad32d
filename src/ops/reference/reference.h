/* The portable set of ops: plain loops with sums in double, so that it can judge the other sets.
 * Shapes were checked by the callers, see ops/set.h. */
#ifndef OPS_REFERENCE_REFERENCE_H
#define OPS_REFERENCE_REFERENCE_H

#include "ops/set.h"

/* linear.c */
int reference_linear_create(struct device *device, int64_t outputs, int64_t inputs, const float *weight,
                            const float *bias, int64_t rows_hint, void **state);
void reference_linear_free(void *state);
void reference_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                      const struct tensor *residual, struct tensor out);
void reference_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);

/* conv2d.c: on top of the device's own linear, whichever set that is from */
void reference_conv2d(struct compute *compute, const struct conv2d *conv, struct tensor x,
                      const struct tensor *residual, struct tensor out);

/* attention.c */
void reference_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                         bool causal, struct tensor out);

/* attend.c */
void reference_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions,
                           float scale, struct tensor out);
void reference_attend_tokens(struct compute *compute, const struct token_attention *attention, struct tensor out);

/* upscale.c */
void reference_upscale_masks(struct compute *compute, const struct mask_upscaling *upscaling, struct tensor out);

/* rope.c */
void reference_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines);

/* normalize.c */
void reference_layer_norm(struct compute *compute, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                          struct tensor out);
void reference_l2_normalize(struct compute *compute, struct tensor x, float eps, struct tensor out);

/* elementwise.c */
double reference_activate(enum activation activation, double x);
void reference_activation(struct compute *compute, struct tensor x, enum activation activation, struct tensor out);
void reference_add(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
void reference_mul(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);
void reference_shift_scale(struct compute *compute, struct tensor x, struct tensor shift, struct tensor scale,
                           struct tensor out);

/* lookup.c */
void reference_embed(struct compute *compute, struct tensor ids, struct tensor table, struct tensor positions,
                     struct tensor out);
void reference_gather_rows(struct compute *compute, struct tensor x, struct tensor index, struct tensor out);

/* resize.c */
void reference_resize_normalize(struct compute *compute, const uint8_t *pixels, size_t row_bytes,
                                const struct filter *vertical, const struct filter *horizontal, float scale,
                                const float mean[3], const float std[3], struct tensor out);

/* copy.c */
void reference_copy(struct compute *compute, struct tensor from, struct tensor out);
void reference_fill(struct compute *compute, float value, struct tensor out);

/* maps.c */
void reference_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out);
void reference_resize_planes(struct compute *compute, struct tensor x, const struct filter *vertical,
                             const struct filter *horizontal, float threshold, struct tensor out);

/* depthwise.c */
void reference_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                                int padding, struct tensor out);

/* rounding.c */
void reference_step(struct compute *compute, struct tensor x, float threshold, float low, float high,
                    struct tensor out);
void reference_round_bf16(struct compute *compute, struct tensor x, struct tensor out);

/* resize_u8.c */
void reference_resize_u8_normalize(struct compute *compute, const uint8_t *pixels, size_t row_bytes,
                                   const struct filter_u8 *vertical, const struct filter_u8 *horizontal, float scale,
                                   const float mean[3], const float std[3], struct tensor out);

/* Row `i` of a matrix of f32. */
static inline float *matrix_row(const struct tensor *matrix, int64_t i)
{
    return (float *)matrix->data + i * matrix->stride[0];
}

#endif
