/* A set of ops: the table that ops.c calls after it has checked shapes. A set starts from the
 * reference set and replaces what it does better.
 *
 * What ops.c has done when an entry is called: the pass has not failed, no tensor is empty, every last
 * stride is 1. linear, layer_norm, l2_normalize, activation, step and round_bf16 get rank 2 (leading dimensions are
 * joined; where strides do not allow that, the entry is called once a part); add and mul get rank 4. */
#ifndef OPS_SET_H
#define OPS_SET_H

#include "ops/ops.h"

struct ops_set {
    const char *name;

    /* Prepared weights. `weight` f32 dense [outputs, inputs], `bias` f32 [outputs] or NULL: copied. */
    int (*linear_create)(struct device *, int64_t outputs, int64_t inputs, const float *weight, const float *bias,
                         int64_t rows_hint, void **state);
    void (*linear_free)(void *state);
    void (*linear)(struct compute *, const struct linear *, struct tensor x, enum activation,
                   const struct tensor *residual, struct tensor out);

    void (*conv2d)(struct compute *, const struct conv2d *, struct tensor x, const struct tensor *residual,
                   struct tensor out);
    void (*matmul_transposed)(struct compute *, struct tensor a, struct tensor b, struct tensor out);
    void (*layer_norm)(struct compute *, struct tensor x, struct tensor gamma, struct tensor beta, float eps,
                       struct tensor out);
    void (*l2_normalize)(struct compute *, struct tensor x, float eps, struct tensor out);
    void (*attention)(struct compute *, struct tensor q, struct tensor k, struct tensor v, float scale, bool causal,
                      struct tensor out);
    void (*attend_rows)(struct compute *, struct tensor q, struct tensor x, struct tensor positions, float scale,
                        struct tensor out);
    void (*attend_tokens)(struct compute *, const struct token_attention *, struct tensor out);
    void (*upscale_masks)(struct compute *, const struct mask_upscaling *, struct tensor out);
    void (*rope)(struct compute *, struct tensor x, struct tensor cosines, struct tensor sines);
    void (*add)(struct compute *, struct tensor a, struct tensor b, struct tensor out);
    void (*mul)(struct compute *, struct tensor a, struct tensor b, struct tensor out);
    void (*activation)(struct compute *, struct tensor x, enum activation, struct tensor out);
    void (*embed)(struct compute *, struct tensor ids, struct tensor table, struct tensor positions, struct tensor out);
    void (*gather_rows)(struct compute *, struct tensor x, struct tensor index, struct tensor out);
    void (*shift_scale)(struct compute *, struct tensor x, struct tensor shift, struct tensor scale, struct tensor out);
    void (*resize_normalize)(struct compute *, const uint8_t *pixels, size_t row_bytes, const struct filter *vertical,
                             const struct filter *horizontal, float scale, const float mean[3], const float std[3],
                             struct tensor out);

    /* from, out: rank 5, any strides that do not overlap in `out`. */
    void (*copy)(struct compute *, struct tensor from, struct tensor out);
    void (*fill)(struct compute *, float value, struct tensor out); /* rank 4 */
    void (*max_pool2d)(struct compute *, struct tensor x, int size, struct tensor out);
    void (*depthwise_conv2d)(struct compute *, struct tensor x, struct tensor weight, struct tensor bias, int padding,
                             struct tensor out);
    void (*step)(struct compute *, struct tensor x, float threshold, float low, float high,
                 struct tensor out);                                          /* rank 2 */
    void (*round_bf16)(struct compute *, struct tensor x, struct tensor out); /* rank 2 */
    /* out is F32, or U8: then 1 where the value is over `threshold`. */
    void (*resize_planes)(struct compute *, struct tensor x, const struct filter *vertical,
                          const struct filter *horizontal, float threshold, struct tensor out);
    void (*resize_u8_normalize)(struct compute *, const uint8_t *pixels, size_t row_bytes,
                                const struct filter_u8 *vertical, const struct filter_u8 *horizontal, float scale,
                                const float mean[3], const float std[3], struct tensor out);
};

/* What a set sees of the objects that ops.h keeps opaque. */
struct device {
    enum cpu_level level;
    int threads;
    struct ops_set set;
};

struct linear {
    int64_t outputs, inputs;
    void *state; /* the set's own */
};

struct conv2d {
    int64_t outputs, inputs;
    int kernel_height, kernel_width, stride, padding;
    const struct linear *product; /* [outputs, kernel_height * kernel_width * inputs], taps row by row, channels last */
};

extern const struct ops_set ops_reference; /* ops/reference: portable C of every op */

/* ops/cpu: replaces entries of `set` by what `level` allows. Errors: UNSUPPORTED, MEMORY. */
int ops_cpu_fill(enum cpu_level level, struct ops_set *set);

#endif
