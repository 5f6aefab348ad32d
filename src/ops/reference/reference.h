/* The portable set of ops: plain loops with sums in double, so that it can judge the other sets. In BF16 it shows what
 * a device that computes in bfloat16 may do: what is multiplied is rounded to it, and so is what it stores in that
 * type; what lies between stays in double. Shapes were checked by the callers, see ops/set.h. */
#ifndef OPS_REFERENCE_REFERENCE_H
#define OPS_REFERENCE_REFERENCE_H

#include "ops/host.h"

/* elements.c: `count` elements from element `at` on of an F32 or BF16 tensor, where they lie behind each other. */
double *reference_doubles(struct compute *compute, int64_t count); /* scratch; NULL where the pass has failed */
void reference_load(const struct tensor *tensor, int64_t at, int64_t count, double *row);
/* As factors of a product: rounded to the device's type. */
void reference_load_factors(const struct compute *compute, const struct tensor *tensor, int64_t at, int64_t count,
                            double *row);
void reference_round(const struct compute *compute, int64_t count, double *row);
/* Rounded to the tensor's type. */
void reference_store(const struct tensor *tensor, int64_t at, int64_t count, const double *row);
double reference_dot(const double *a, const double *b, int64_t count);

/* linear.c */
struct reference_weights {
    int64_t outputs, inputs;
    float *values; /* [outputs, inputs], rounded to the device's type, or whole numbers of 8 bits; owned */
    float *bias;   /* [outputs] behind them, or NULL */
    float *scale;  /* [outputs] of whole numbers of 8 bits (ops/int8.h), owned; NULL: the values are no such */
};
int reference_weights_create(const struct device *device, const struct linear_source *source, bool channels_last,
                             void **state);
/* out = activation(x W^T + b) + residual, for matrices. */
void reference_product(struct compute *compute, const struct reference_weights *weights, struct tensor x,
                       enum activation activation, const struct tensor *residual, struct tensor out);
int reference_linear_create(struct device *device, const struct linear_source *source, void **state);
void reference_linear_free(struct device *device, void *state);
void reference_linear(struct compute *compute, const struct linear *linear, struct tensor x, enum activation activation,
                      const struct tensor *residual, struct tensor out);
void reference_matmul_transposed(struct compute *compute, struct tensor a, struct tensor b, struct tensor out);

/* conv2d.c: its weights are a linear layer's over windows */
int reference_conv2d_create(struct device *device, const struct linear_source *source, const struct conv2d *conv,
                            void **state);
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

/* resize.c, resize_u8.c */
void reference_resize_image(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                            const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out);
void reference_resize_image_u8(struct compute *compute, struct tensor pixels, const struct resize *vertical,
                               const struct resize *horizontal, const struct pixel_scale *scale, struct tensor out);

/* copy.c */
void reference_copy(struct compute *compute, struct tensor from, struct tensor out);
void reference_fill(struct compute *compute, float value, struct tensor out);

/* maps.c */
void reference_max_pool2d(struct compute *compute, struct tensor x, int size, struct tensor out);
void reference_resize_planes(struct compute *compute, struct tensor x, const struct resize *vertical,
                             const struct resize *horizontal, float threshold, struct tensor out);

/* depthwise.c */
void reference_depthwise_conv2d(struct compute *compute, struct tensor x, struct tensor weight, struct tensor bias,
                                int padding, struct tensor out);

/* values.c */
void reference_step(struct compute *compute, struct tensor x, float threshold, float low, float high,
                    struct tensor out);
void reference_affine(struct compute *compute, struct tensor x, float scale, float shift, struct tensor out);
void reference_select(struct compute *compute, struct tensor score, float threshold, struct tensor x,
                      struct tensor other, struct tensor out);
void reference_max_rows(struct compute *compute, struct tensor x, struct tensor out);
void reference_variance(struct compute *compute, struct tensor x, struct tensor out);
void reference_sine(struct compute *compute, struct tensor x, struct tensor periods, struct tensor out);

/* masks.c */
void reference_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                            struct tensor kinds, struct tensor out);
void reference_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                           struct tensor scores, struct tensor index);
void reference_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                           int64_t sprinkle_area);
void reference_separate_masks(struct compute *compute, struct tensor masks, float outside);

/* Row `i` of a matrix of f32. */
static inline float *matrix_row(const struct tensor *matrix, int64_t i)
{
    return (float *)host_data(*matrix) + i * matrix->stride[0];
}

#endif
