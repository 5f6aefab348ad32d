/* What kernels are given, for the host's C and for the kernels: one struct each, so that both sides agree on it.
 * Strides and widths are in elements. */
#ifndef OPS_CUDA_ARGUMENTS_H
#define OPS_CUDA_ARGUMENTS_H

#include <stdint.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif

/* What only the device can see; the first of a pass is kept. */
struct cuda_fault {
    int32_t kind; /* 0: none; enum cuda_fault_kind */
    int32_t value;
    int64_t row, column, limit;
};
enum cuda_fault_kind { CUDA_FAULT_EMBED = 1, CUDA_FAULT_GATHER = 2 };

/* Rows of equal width in up to three levels: row (n, y, x) begins at n * stride[0] + y * stride[1] + x * stride[2]. A
 * matrix has n = y = 0. */
struct cuda_rows {
    void *data;
    int64_t stride[3];
};

/* out = activation(x W^T + b) + residual. x is what a convolution of kernel_height x kernel_width sees of a map
 * [n, height, width, inputs]; of a matrix the map is one line, and the kernel 1 x 1. */
struct product_arguments {
    struct cuda_rows x, residual, out; /* residual.data NULL: none */
    const void *weight;                /* [outputs][weight_stride], of the device's type */
    const float *bias;                 /* or NULL */
    int64_t rows, outputs, depth;      /* depth: values that are summed */
    int64_t weight_stride;
    int64_t out_height, out_width; /* rows = n * out_height * out_width */
    int64_t height, width, inputs;
    int32_t kernel_width, stride, padding;
    int32_t window; /* 0: a matrix */
    int32_t activation;
    int32_t vector_x, vector_weight; /* rows begin at 16 bytes and hold whole ones */
    int32_t vector_out;              /* rows of out and residual begin at 16 bytes */
};

/* A convolution of at most so many values that are summed, and so many outputs, is one of few channels. */
enum { FEW_DEPTH = 64, FEW_OUTPUTS = 16 };

struct attention_arguments {
    struct cuda_rows q, k, v, out; /* stride: batch entry, token, head */
    /* Blocks that do a part of a tile's steps leave [blocks, 2, tile_queries, 2 + value_width]: maximum, sum, weighted
     * sum. */
    float *partial;
    int64_t batch, queries, keys, heads, width, value_width;
    int64_t steps;               /* of a tile of queries: tiles of keys */
    int64_t block_steps, longer; /* of a block; so many have one more */
    float scale;
    int32_t causal;
    int32_t vector; /* q, k and v: rows begin at 16 bytes and hold whole ones */
    int32_t tile_queries;
    int32_t pairs; /* out: any two values from an even place on can be written at once */
};

struct attend_rows_arguments {
    const float *q, *x, *positions;
    float *out;
    float *partial;                         /* [batch, queries, parts, 2 + width]: maximum, sum, weighted sum */
    int64_t queries, rows, width, x_stride; /* x_stride 0: shared */
    int64_t parts, part_rows;
    int32_t tile; /* rows at once in shared memory */
    float scale;
};

struct attend_tokens_arguments {
    const float *x, *positions, *k, *v, *bias, *gamma, *beta;
    float *out;
    int64_t rows, width, tokens, heads, x_stride;
    int32_t chunk; /* of the width, in shared memory at once; at most 32 */
    float scale, eps;
};

struct upscale_arguments {
    const float *x, *weight1, *bias1, *features1, *gamma, *beta, *weight2, *bias2, *features2, *hyper;
    float *out;
    int64_t batch, pixels, side, width, width1, width2, masks;
    int32_t tile; /* pixels at once */
    float eps;
};

struct rope_arguments {
    struct cuda_rows x; /* stride: batch entry, token, head */
    const float *cosines, *sines;
    int64_t cosine_stride[2], sine_stride[2]; /* batch entry (0: shared), token */
    int64_t tokens, heads, pairs, count;      /* count: pairs of all */
};

struct norm_arguments {
    const void *x;
    void *out;
    const float *gamma, *beta;
    int64_t rows, columns, x_stride, out_stride;
    float eps;
    int32_t lanes; /* of layer_norm: how many have a row, four values each time; 0: a warp, value by value */
};

struct activation_arguments {
    const void *x;
    void *out;
    int64_t columns, count, x_stride, out_stride;
    int32_t activation;
    int32_t vector; /* four values at once: they are what is counted, and strides are of values */
};

/* Of rank 4; b's stride is 0 where it is repeated. */
struct pair_arguments {
    const void *a;
    const float *b;
    void *out;
    int64_t dim[4], a_stride[4], b_stride[4], out_stride[4], count;
    int32_t multiply;
    int32_t vector; /* four values at once: they are what is counted everywhere */
};

/* Of rows of f32 [rows, columns]: what is done to each value depends on the kernel. */
struct values_arguments {
    const float *x, *other, *factor; /* other, factor: a column each; of select a matrix and the scores */
    float *out;
    int64_t columns, count, x_stride, out_stride, other_stride, other_step, factor_stride;
    float threshold, low, high; /* of affine: scale and shift are low and high */
};

struct max_rows_arguments {
    const float *x;
    float *out;
    int64_t rows, columns, x_stride, out_stride;
};

/* A block has an entry. */
enum { VARIANCE_THREADS = 512 };
struct variance_arguments {
    const float *x;
    float *out;
    int64_t rows, columns, x_stride[2], out_stride;
};

struct sine_arguments {
    const float *x, *periods;
    float *out;
    int64_t half, count, x_stride, out_stride;
};

struct copy_arguments {
    const void *from;
    void *out;
    int64_t dim[5], from_stride[5], out_stride[5], count;
    int32_t size; /* of an element, where bytes are copied; else how many values are one, 1 or 4 */
};

struct fill_arguments {
    void *out;
    int64_t dim[4], stride[4], count;
    float value;
};

struct embed_arguments {
    const int32_t *ids;
    const float *table, *positions;
    float *out;
    struct cuda_fault *fault;
    int64_t ids_stride, table_stride, positions_stride, out_stride[2];
    int64_t entries, tokens, columns, vocabulary;
};

struct gather_arguments {
    const int32_t *index;
    const float *x;
    float *out;
    struct cuda_fault *fault;
    int64_t index_stride, x_stride[2], out_stride[2];
    int64_t entries, rows, columns, limit;
};

enum { CUDA_BLOCKS = 256 }; /* arguments of a kernel are at most 4096 bytes */
struct blocks_arguments {
    const void *from[CUDA_BLOCKS];
    int32_t place[CUDA_BLOCKS];
    const float *positions; /* or NULL */
    void *out, *placed;
    int64_t out_stride[3], placed_stride[3], place_stride, row_stride; /* the last two of positions */
    int64_t first, each; /* number of from[0], and blocks of an entry of out */
    int64_t rows, columns, count;
    int32_t size, padding; /* columns a thread does: 1 or 4 */
};

struct pool_arguments {
    const void *x;
    void *out;
    int64_t x_stride[3], out_stride[3];
    int64_t height, width, channels, count; /* of out */
    int32_t size;
};

struct depthwise_arguments {
    const float *x, *weight, *bias;
    float *out;
    int64_t x_stride[3], weight_stride[2], out_stride[3];
    int64_t height, width, out_height, out_width, channels, count; /* count: of strips */
    int32_t kernel_height, kernel_width, padding;
    int32_t strip; /* outputs beside each other that a thread has: 1, or 8 of a kernel 7 wide */
};

struct points_arguments {
    const float *fourier, *kinds, *not_a_point, *points;
    const int32_t *kind;
    float *out;
    int64_t out_stride[2];
    int64_t tokens, half, known, count;
};

struct choose_arguments {
    const float *masks, *scores;
    int32_t *index;
    int64_t planes, area;
    int32_t several, fallback;
    float delta, threshold;
};

struct clean_arguments {
    float *masks;
    int32_t *labels, *areas; /* [n, height, width] each */
    int64_t height, width, count;
    int64_t hole_area, sprinkle_area;
    float threshold;
};

struct separate_arguments {
    float *masks;
    int64_t count, area;
    float outside;
};

/* One axis of a resize: see struct resize. */
struct cuda_taps {
    const int32_t *first, *count;
    const void *weight; /* float or int16_t */
    int64_t stride;
    int32_t outputs, inputs, precision;
};

struct planes_arguments {
    const float *x;
    void *out; /* float, or bytes of bits that are 1 over the threshold */
    struct cuda_taps vertical, horizontal;
    int64_t x_stride[2], out_stride[2], count;
    int64_t columns; /* values, or bytes, of a row of out */
    float threshold;
    int32_t padding;
};

struct image_arguments {
    const uint8_t *pixels;
    void *between; /* after the first axis: dense */
    float *out;
    struct cuda_taps vertical, horizontal;
    int64_t row_bytes, out_stride[2], count;
    float scale, mean[3], deviation[3];
    int32_t padding;
};

/* KERNEL(file, name, arguments): every kernel. Where a name ends in two letters they are the types of what is read and
 * of what is written: f is F32, n the device's narrow type. */
#define CUDA_KERNELS(KERNEL)                                                                                           \
    KERNEL(products, product_exact, product_arguments)                                                                 \
    KERNEL(products, product_small_ff, product_arguments)                                                              \
    KERNEL(products, product_small_fn, product_arguments)                                                              \
    KERNEL(products, product_small_nf, product_arguments)                                                              \
    KERNEL(products, product_small_nn, product_arguments)                                                              \
    KERNEL(products, window_small_ff, product_arguments)                                                               \
    KERNEL(products, window_small_fn, product_arguments)                                                               \
    KERNEL(products, window_small_nf, product_arguments)                                                               \
    KERNEL(products, window_small_nn, product_arguments)                                                               \
    KERNEL(products, product_large_nf, product_arguments)                                                              \
    KERNEL(products, product_large_nn, product_arguments)                                                              \
    KERNEL(products, window_large_nf, product_arguments)                                                               \
    KERNEL(products, window_large_nn, product_arguments)                                                               \
    KERNEL(products, unfold_f, product_arguments)                                                                      \
    KERNEL(products, unfold_n, product_arguments)                                                                      \
    KERNEL(attention, attention_exact, attention_arguments)                                                            \
    KERNEL(attention, attention_any_nf, attention_arguments)                                                           \
    KERNEL(attention, attention_any_nn, attention_arguments)                                                           \
    KERNEL(attention, attention_64_64_16_nf, attention_arguments)                                                      \
    KERNEL(attention, attention_64_64_16_nn, attention_arguments)                                                      \
    KERNEL(attention, attention_64_64_64_nf, attention_arguments)                                                      \
    KERNEL(attention, attention_64_64_64_nn, attention_arguments)                                                      \
    KERNEL(attention, attention_64_64_128_nf, attention_arguments)                                                     \
    KERNEL(attention, attention_64_64_128_nn, attention_arguments)                                                     \
    KERNEL(attention, attention_96_96_16_nf, attention_arguments)                                                      \
    KERNEL(attention, attention_96_96_16_nn, attention_arguments)                                                      \
    KERNEL(attention, attention_96_96_64_nf, attention_arguments)                                                      \
    KERNEL(attention, attention_96_96_64_nn, attention_arguments)                                                      \
    KERNEL(attention, attention_96_96_128_nf, attention_arguments)                                                     \
    KERNEL(attention, attention_96_96_128_nn, attention_arguments)                                                     \
    KERNEL(attention, attention_128_128_64_nf, attention_arguments)                                                    \
    KERNEL(attention, attention_128_128_64_nn, attention_arguments)                                                    \
    KERNEL(attention, attention_128_128_128_nf, attention_arguments)                                                   \
    KERNEL(attention, attention_128_128_128_nn, attention_arguments)                                                   \
    KERNEL(attention, attention_256_64_128_nf, attention_arguments)                                                    \
    KERNEL(attention, attention_256_64_128_nn, attention_arguments)                                                    \
    KERNEL(attention, attention_256_256_64_nf, attention_arguments)                                                    \
    KERNEL(attention, attention_256_256_64_nn, attention_arguments)                                                    \
    KERNEL(attention_hopper, attention_hopper_64_64_64_nf, attention_arguments)                                        \
    KERNEL(attention_hopper, attention_hopper_64_64_64_nn, attention_arguments)                                        \
    KERNEL(attention_hopper, attention_hopper_256_64_128_nf, attention_arguments)                                      \
    KERNEL(attention_hopper, attention_hopper_256_64_128_nn, attention_arguments)                                      \
    KERNEL(attention_hopper, attention_hopper_256_256_128_nf, attention_arguments)                                     \
    KERNEL(attention_hopper, attention_hopper_256_256_128_nn, attention_arguments)                                     \
    KERNEL(attention, attention_join_f, attention_arguments)                                                           \
    KERNEL(attention, attention_join_n, attention_arguments)                                                           \
    KERNEL(prompts, attend_rows_exact, attend_rows_arguments)                                                          \
    KERNEL(prompts, attend_rows_rounded, attend_rows_arguments)                                                        \
    KERNEL(prompts, attend_rows_join, attend_rows_arguments)                                                           \
    KERNEL(prompts, attend_tokens_exact, attend_tokens_arguments)                                                      \
    KERNEL(prompts, attend_tokens_rounded, attend_tokens_arguments)                                                    \
    KERNEL(prompts, upscale_exact, upscale_arguments)                                                                  \
    KERNEL(prompts, upscale_rounded, upscale_arguments)                                                                \
    KERNEL(prompts, embed_points, points_arguments)                                                                    \
    KERNEL(decoder, attend_rows_256, attend_rows_arguments)                                                            \
    KERNEL(decoder, attend_tokens_10, attend_tokens_arguments)                                                         \
    KERNEL(decoder, attend_tokens_16, attend_tokens_arguments)                                                         \
    KERNEL(decoder, upscale_256, upscale_arguments)                                                                    \
    KERNEL(elements, layer_norm_ff, norm_arguments)                                                                    \
    KERNEL(elements, layer_norm_fn, norm_arguments)                                                                    \
    KERNEL(elements, layer_norm_nf, norm_arguments)                                                                    \
    KERNEL(elements, layer_norm_nn, norm_arguments)                                                                    \
    KERNEL(elements, l2_normalize, norm_arguments)                                                                     \
    KERNEL(elements, activation_ff, activation_arguments)                                                              \
    KERNEL(elements, activation_fn, activation_arguments)                                                              \
    KERNEL(elements, activation_nf, activation_arguments)                                                              \
    KERNEL(elements, activation_nn, activation_arguments)                                                              \
    KERNEL(elements, pair_ff, pair_arguments)                                                                          \
    KERNEL(elements, pair_fn, pair_arguments)                                                                          \
    KERNEL(elements, pair_nf, pair_arguments)                                                                          \
    KERNEL(elements, pair_nn, pair_arguments)                                                                          \
    KERNEL(elements, rope_f, rope_arguments)                                                                           \
    KERNEL(elements, rope_n, rope_arguments)                                                                           \
    KERNEL(elements, step, values_arguments)                                                                           \
    KERNEL(elements, affine, values_arguments)                                                                         \
    KERNEL(elements, shift_scale, values_arguments)                                                                    \
    KERNEL(elements, select_rows, values_arguments)                                                                    \
    KERNEL(elements, max_rows, max_rows_arguments)                                                                     \
    KERNEL(elements, variance, variance_arguments)                                                                     \
    KERNEL(elements, sine, sine_arguments)                                                                             \
    KERNEL(moves, copy_bytes, copy_arguments)                                                                          \
    KERNEL(moves, copy_fn, copy_arguments)                                                                             \
    KERNEL(moves, copy_nf, copy_arguments)                                                                             \
    KERNEL(moves, copy_uf, copy_arguments)                                                                             \
    KERNEL(moves, fill_f, fill_arguments)                                                                              \
    KERNEL(moves, fill_n, fill_arguments)                                                                              \
    KERNEL(moves, embed, embed_arguments)                                                                              \
    KERNEL(moves, gather_rows, gather_arguments)                                                                       \
    KERNEL(moves, gather_blocks_ff, blocks_arguments)                                                                  \
    KERNEL(moves, gather_blocks_fn, blocks_arguments)                                                                  \
    KERNEL(moves, gather_blocks_nf, blocks_arguments)                                                                  \
    KERNEL(moves, gather_blocks_nn, blocks_arguments)                                                                  \
    KERNEL(moves, max_pool_ff, pool_arguments)                                                                         \
    KERNEL(moves, max_pool_fn, pool_arguments)                                                                         \
    KERNEL(moves, max_pool_nf, pool_arguments)                                                                         \
    KERNEL(moves, max_pool_nn, pool_arguments)                                                                         \
    KERNEL(convolutions, depthwise, depthwise_arguments)                                                               \
    KERNEL(convolutions, convolve_ff, product_arguments)                                                               \
    KERNEL(convolutions, convolve_fn, product_arguments)                                                               \
    KERNEL(convolutions, convolve_nf, product_arguments)                                                               \
    KERNEL(convolutions, convolve_nn, product_arguments)                                                               \
    KERNEL(masks, choose_mask, choose_arguments)                                                                       \
    KERNEL(masks, clean_begin, clean_arguments)                                                                        \
    KERNEL(masks, clean_join, clean_arguments)                                                                         \
    KERNEL(masks, clean_count, clean_arguments)                                                                        \
    KERNEL(masks, clean_end, clean_arguments)                                                                          \
    KERNEL(masks, separate_masks, separate_arguments)                                                                  \
    KERNEL(resize, resize_planes, planes_arguments)                                                                    \
    KERNEL(resize, planes_above, planes_arguments)                                                                     \
    KERNEL(resize, image_down, image_arguments)                                                                        \
    KERNEL(resize, image_across, image_arguments)                                                                      \
    KERNEL(resize, image_across_u8, image_arguments)                                                                   \
    KERNEL(resize, image_down_u8, image_arguments)

/* FILE(name): the files of kernels, each a module. */
#define CUDA_KERNEL_FILES(FILE)                                                                                        \
    FILE(products)                                                                                                     \
    FILE(attention)                                                                                                    \
    FILE(attention_hopper)                                                                                             \
    FILE(prompts) FILE(decoder) FILE(elements) FILE(moves) FILE(convolutions) FILE(masks) FILE(resize)

#define CUDA_KERNEL_ENUM(file, name, arguments) KERNEL_##name,
enum cuda_kernel { CUDA_KERNELS(CUDA_KERNEL_ENUM) CUDA_KERNEL_COUNT };
#define CUDA_FILE_ENUM(name) CUDA_FILE_##name,
enum cuda_file { CUDA_KERNEL_FILES(CUDA_FILE_ENUM) CUDA_FILE_COUNT };

#endif
