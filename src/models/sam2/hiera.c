/* The Hiera encoder (Ryali et al. 2023; absolute positions as in Bolya et al. 2023, "Window Attention is
 * Bugged"): blocks of windowed or global attention; a stage's first block pools its queries 2 x 2 and
 * doubles the channels. */
#include "models/sam2/forward.h"

#include <math.h>

void sam2_preprocess(struct compute *compute, const struct sowlv2_image *image, const struct pixel_scale *scale,
                     int64_t side, struct tensor out)
{
    const struct resize vertical = op_filter_u8_bilinear(compute, image->height, side);
    const struct resize horizontal = op_filter_u8_bilinear(compute, image->width, side);
    const struct tensor pixels =
        op_upload_rows(compute, image->pixels, image->stride, image->height, 3 * (int64_t)image->width);
    op_resize_image(compute, pixels, &vertical, &horizontal, scale, out);
}

/* Part of an axis in windows: `count` windows from `first`, `length` entries in each. */
struct span {
    int64_t first, count, length;
};

/* A side as whole windows and, where they do not divide it, what is left; returns how many spans. */
static int make_spans(int64_t side, int64_t window, struct span spans[2])
{
    int count = 0;
    if (side / window > 0)
        spans[count++] = (struct span){0, side / window, window};
    if (side % window > 0)
        spans[count++] = (struct span){side / window, 1, side % window};
    return count;
}

/* Copies between map [side, side, c] and windows [n, n, w, w, c]; entries beyond the map are not touched. */
static void move_windows(struct compute *compute, struct tensor map, struct tensor windows, bool to_windows)
{
    struct span spans[2];
    const int64_t window = windows.dim[2], channels = map.dim[2];
    const int parts = make_spans(map.dim[0], window, spans);
    for (int a = 0; a < parts; a++) {
        for (int b = 0; b < parts; b++) {
            const struct span *y = &spans[a], *x = &spans[b];
            struct tensor area = tensor_slice(tensor_slice(map, 0, y->first * window, y->count * y->length), 1,
                                              x->first * window, x->count * x->length);
            area = TENSOR_RESHAPE(area, y->count, y->length, x->count, x->length, channels);
            struct tensor part = tensor_slice(tensor_slice(windows, 0, y->first, y->count), 1, x->first, x->count);
            part = tensor_slice(tensor_slice(part, 2, 0, y->length), 3, 0, x->length);
            part = tensor_swap_axes(part, 1, 2); /* [y count, y length, x count, x length, c] */
            if (to_windows)
                op_copy(compute, area, part);
            else
                op_copy(compute, part, area);
        }
    }
}

/* windows [batch, tokens, d_in] -> out [batch, pooled tokens, d]. `side`: of a window. */
static void attend(struct compute *compute, const struct sam2_block_config *config, const struct sam2_block *block,
                   int64_t side, struct tensor windows, struct tensor out)
{
    const int64_t batch = windows.dim[0], tokens = windows.dim[1], dim = config->dim;
    const int64_t heads = config->heads, head = dim / heads;
    const size_t mark = compute_mark(compute);
    struct tensor qkv = COMPUTE_TENSOR(compute, compute_narrow(compute), batch, tokens, 3 * dim);
    op_linear(compute, block->qkv, windows, ACTIVATION_NONE, NULL, qkv);

    struct tensor split = TENSOR_RESHAPE(qkv, batch, tokens, 3 * heads, head);
    struct tensor q = tensor_slice(split, 2, 0, heads);         /* [batch, tokens, heads, head] */
    struct tensor k = tensor_slice(split, 2, heads, heads);     /* the same */
    struct tensor v = tensor_slice(split, 2, 2 * heads, heads); /* the same */
    if (config->pool > 1) {
        const int64_t pooled = side / config->pool;
        struct tensor small = COMPUTE_TENSOR(compute, compute_narrow(compute), batch, pooled, pooled, dim);
        op_max_pool2d(compute, TENSOR_RESHAPE(tensor_slice(qkv, 2, 0, dim), batch, side, side, dim), config->pool,
                      small);
        q = TENSOR_RESHAPE(small, batch, pooled * pooled, heads, head);
    }
    op_attention(compute, q, k, v, 1.0F / sqrtf((float)head), false,
                 TENSOR_RESHAPE(out, batch, out.dim[1], heads, head));
    compute_release(compute, mark);
}

/* Attention of each window by itself; `some` windows at a time. */
static void attend_windows(struct compute *compute, const struct sam2_block_config *config,
                           const struct sam2_block *block, struct tensor normed, struct tensor out)
{
    const int64_t window = config->window, count = (config->side_in + window - 1) / window;
    const int64_t pooled = window / config->pool, tokens = window * window;
    const size_t mark = compute_mark(compute);
    const enum dtype narrow = compute_narrow(compute);
    struct tensor windows = COMPUTE_TENSOR(compute, narrow, count, count, window, window, config->dim_in);
    struct tensor results = COMPUTE_TENSOR(compute, narrow, count, count, pooled, pooled, config->dim);
    if (config->side_in % window != 0) {
        /* What lies beyond the map is zero, and is attended to. */
        op_fill(compute, 0.0F, TENSOR_RESHAPE(windows, count * count, tokens, config->dim_in));
    }
    move_windows(compute, normed, windows, true);

    struct tensor from = TENSOR_RESHAPE(windows, count * count, tokens, config->dim_in);
    struct tensor to = TENSOR_RESHAPE(results, count * count, pooled * pooled, config->dim);
    int64_t some =
        device_hints(compute_device(compute)).chunk_bytes / (tokens * 3 * config->dim * (int64_t)dtype_size(narrow));
    some = some < 1 ? 1 : some;
    for (int64_t first = 0; first < count * count; first += some) {
        const int64_t n = count * count - first < some ? count * count - first : some;
        attend(compute, config, block, window, tensor_slice(from, 0, first, n), tensor_slice(to, 0, first, n));
    }
    move_windows(compute, out, results, false);
    compute_release(compute, mark);
}

static void feed_forward(struct compute *compute, const struct sam2_config *config, const struct sam2_block *block,
                         struct tensor x)
{
    const int64_t pixels = x.dim[0], dim = x.dim[1], hidden = linear_outputs(block->fc1);
    const enum dtype narrow = compute_narrow(compute);
    int64_t some = device_hints(compute_device(compute)).chunk_bytes / (hidden * (int64_t)dtype_size(narrow));
    some = some < 64 ? 64 : some;
    some = some < pixels ? some : pixels;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, narrow, some, dim);
    struct tensor inner = COMPUTE_TENSOR(compute, narrow, some, hidden);
    for (int64_t first = 0; first < pixels; first += some) {
        const int64_t n = pixels - first < some ? pixels - first : some;
        struct tensor rows = tensor_slice(x, 0, first, n);
        struct tensor a = tensor_slice(normed, 0, 0, n), b = tensor_slice(inner, 0, 0, n);
        op_layer_norm(compute, rows, block->norm2.gamma, block->norm2.beta, config->eps, a);
        op_linear(compute, block->fc1, a, config->activation, NULL, b);
        op_linear(compute, block->fc2, b, ACTIVATION_NONE, &rows, rows);
    }
    compute_release(compute, mark);
}

/* x [side_in, side_in, d_in] -> out [side, side, d]; they are the same tensor where the shapes are. */
static void block_forward(const struct sam2 *model, struct compute *compute, int index, struct tensor x,
                          struct tensor out)
{
    const struct sam2_block_config *config = &model->config.block[index];
    const struct sam2_block *block = &model->weights.blocks[index];
    const int64_t side_in = config->side_in, in = config->dim_in, side = config->side, dim = config->dim;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, compute_narrow(compute), side_in, side_in, in);
    struct tensor attended = COMPUTE_TENSOR(compute, compute_narrow(compute), side, side, dim);
    op_layer_norm(compute, x, block->norm1.gamma, block->norm1.beta, model->config.eps, normed);

    if (block->skip) { /* out = pool(skip(normed)) */
        const size_t skip_mark = compute_mark(compute);
        struct tensor skip = config->pool > 1 ? COMPUTE_TENSOR(compute, DTYPE_F32, 1, side_in, side_in, dim) : out;
        op_linear(compute, block->skip, normed, ACTIVATION_NONE, NULL, TENSOR_RESHAPE(skip, side_in, side_in, dim));
        if (config->pool > 1)
            op_max_pool2d(compute, skip, config->pool, TENSOR_RESHAPE(out, 1, side, side, dim));
        compute_release(compute, skip_mark);
    }
    if (config->window > 0) {
        attend_windows(compute, config, block, normed, attended);
    } else {
        attend(compute, config, block, side_in, TENSOR_RESHAPE(normed, 1, side_in * side_in, in),
               TENSOR_RESHAPE(attended, 1, side * side, dim));
    }
    op_linear(compute, block->out, attended, ACTIVATION_NONE, block->skip ? &out : &x, out);
    compute_release(compute, mark);
    feed_forward(compute, &model->config, block, TENSOR_RESHAPE(out, side * side, dim));
}

void sam2_hiera(const struct sam2 *model, struct compute *compute, struct tensor pixel_values,
                const struct model_trace *trace, const struct model_control *control, const struct tensor *maps)
{
    const struct sam2_config *config = &model->config;
    const int64_t side = config->block[0].side_in, size = config->image_size;
    int stage = 0;
    struct tensor x = maps[0];
    op_conv2d(compute, model->weights.patch, TENSOR_RESHAPE(pixel_values, 1, size, size, 3), &model->weights.positions,
              TENSOR_RESHAPE(x, 1, side, side, config->stage_dim[0]));
    model_emit(trace, compute, x, "embeddings");
    for (int i = 0; i < config->blocks && model_keep_going(control, compute, i, config->blocks, "segmentation"); i++) {
        block_forward(model, compute, i, x, maps[stage]);
        x = maps[stage];
        model_emit_numbered(trace, compute, x, "block.%d", i);
        stage += config->block[i].ends_stage ? 1 : 0;
    }
}
