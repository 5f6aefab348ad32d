/* The mask decoder: a transformer in which tokens and the image attend to each other, upscaling, and one small
 * network for each mask token whose output is that mask's linear classifier of pixels. */
#include "models/sam2/forward.h"

#include <math.h>

static const float TRANSFORMER_EPS = 1e-5F, UPSCALE_EPS = 1e-6F;

void sam2_feed_forward(struct compute *compute, const struct sam2_feed_forward *mlp, enum activation activation,
                       enum activation last, const struct tensor *residual, struct tensor x, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    struct tensor hidden[2];
    for (int i = 0; i < 2; i++) {
        hidden[i] = COMPUTE_TENSOR(compute, DTYPE_F32, x.dim[0], mlp->hidden);
    }
    op_linear(compute, mlp->layer[0], x, activation, NULL, hidden[0]);
    for (int i = 1; i < mlp->depth - 1; i++) {
        op_linear(compute, mlp->layer[i], hidden[(i - 1) % 2], activation, NULL, hidden[i % 2]);
    }
    op_linear(compute, mlp->layer[mlp->depth - 1], hidden[mlp->depth % 2], last, residual, out);
    compute_release(compute, mark);
}

static void normalize(struct compute *compute, const struct sam2_norm *norm, struct tensor x)
{
    op_layer_norm(compute, x, norm->gamma, norm->beta, TRANSFORMER_EPS, x);
}

/* Attention of q [b, m, width], k [b, n, width], v [b, n, width] with `heads` heads -> out [b, m, width]. */
static void attend(struct compute *compute, int64_t heads, struct tensor q, struct tensor k, struct tensor v,
                   struct tensor out)
{
    const int64_t batch = q.dim[0], queries = q.dim[1], keys = k.dim[1], head = q.dim[2] / heads;
    op_attention(compute, TENSOR_RESHAPE(q, batch, queries, heads, head), TENSOR_RESHAPE(k, batch, keys, heads, head),
                 TENSOR_RESHAPE(v, batch, keys, heads, head), 1.0F / sqrtf((float)head), false,
                 TENSOR_RESHAPE(out, batch, queries, heads, head));
}

/* What one pass of the transformer works on. n prompts of T tokens; P pixels of the grid; D inner channels. */
struct state {
    const struct sam2 *model;
    struct compute *compute;
    int64_t prompts, tokens, pixels, width, inner, heads;
    struct tensor positions; /* [n, T, C]: the first tokens, which are also their positions */
    struct tensor queries;   /* [n, T, C] */
    struct tensor placed;    /* [n, T, C]: queries + positions */
    struct tensor attended;  /* [n, T, D] */
};

static void place_queries(const struct state *state)
{
    op_add(state->compute, state->queries, state->positions, state->placed);
}

/* Tokens among themselves. The first layer has no positions and no residual. */
static void attend_self(const struct state *state, const struct sam2_decoder_layer *layer, bool first)
{
    struct compute *compute = state->compute;
    const int64_t n = state->prompts, tokens = state->tokens, width = state->width;
    const size_t mark = compute_mark(compute);
    struct tensor qk = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, 2 * width);
    struct tensor v = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, width);
    struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, width);
    if (first) {
        op_copy(compute, state->positions, state->queries);
    } else {
        place_queries(state);
    }
    op_linear(compute, layer->self_qk, first ? state->queries : state->placed, ACTIVATION_NONE, NULL, qk);
    op_linear(compute, layer->self_v, state->queries, ACTIVATION_NONE, NULL, v);
    attend(compute, state->heads, tensor_slice(qk, 2, 0, width), tensor_slice(qk, 2, width, width), v, attended);
    op_linear(compute, layer->self_out, attended, ACTIVATION_NONE, first ? NULL : &state->queries, state->queries);
    normalize(compute, &layer->norm1, state->queries);
    compute_release(compute, mark);
}

/* kq [b, P, 2 D] of image + positions, v [b, P, D] of image [b, P, C]. */
static void project_image(const struct state *state, const struct linear *with_positions, const struct linear *without,
                          struct tensor image, struct tensor kq, struct tensor v)
{
    struct compute *compute = state->compute;
    const size_t mark = compute_mark(compute);
    struct tensor placed = COMPUTE_TENSOR(compute, DTYPE_F32, state->pixels, state->width);
    for (int64_t b = 0; b < image.dim[0]; b++) {
        op_add(compute, tensor_at(image, b), state->model->weights.image_positions, placed);
        op_linear(compute, with_positions, placed, ACTIVATION_NONE, NULL, tensor_at(kq, b));
        op_linear(compute, without, tensor_at(image, b), ACTIVATION_NONE, NULL, tensor_at(v, b));
    }
    compute_release(compute, mark);
}

/* Tokens to image. Where all prompts share one image, all their tokens are the queries of one attention. */
static void attend_image(const struct state *state, const struct linear *query, const struct linear *out,
                         struct tensor k, struct tensor v)
{
    struct compute *compute = state->compute;
    const int64_t shared = k.dim[0] == 1 ? state->prompts : 1;
    const size_t mark = compute_mark(compute);
    struct tensor q = COMPUTE_TENSOR(compute, DTYPE_F32, state->prompts, state->tokens, state->inner);
    const int64_t batch = state->prompts / shared, tokens = state->tokens * shared;
    place_queries(state);
    op_linear(compute, query, state->placed, ACTIVATION_NONE, NULL, q);
    attend(compute, state->heads, TENSOR_RESHAPE(q, batch, tokens, state->inner), k, v,
           TENSOR_RESHAPE(state->attended, batch, tokens, state->inner));
    op_linear(compute, out, state->attended, ACTIVATION_NONE, &state->queries, state->queries);
    compute_release(compute, mark);
}

/* Image to tokens: keys = norm(image + attention). `image` [b, P, C] may be `keys` [n, P, C]. */
static void attend_tokens(const struct state *state, const struct sam2_decoder_layer *layer, struct tensor image,
                          struct tensor image_q, struct tensor keys)
{
    struct compute *compute = state->compute;
    const int64_t n = state->prompts, tokens = state->tokens, inner = state->inner;
    const size_t mark = compute_mark(compute);
    struct tensor k = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, inner);
    struct tensor v = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, inner);
    struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, 1, state->pixels, inner);
    place_queries(state);
    op_linear(compute, layer->token_k, state->placed, ACTIVATION_NONE, NULL, k);
    op_linear(compute, layer->token_v, state->queries, ACTIVATION_NONE, NULL, v);
    for (int64_t i = 0; i < n; i++) {
        const int64_t b = image.dim[0] == 1 ? 0 : i;
        struct tensor from = tensor_at(image, b);
        attend(compute, state->heads, tensor_slice(image_q, 0, b, 1), tensor_slice(k, 0, i, 1),
               tensor_slice(v, 0, i, 1), attended);
        op_linear(compute, layer->image_out, tensor_at(attended, 0), ACTIVATION_NONE, &from, tensor_at(keys, i));
        normalize(compute, &layer->norm4, tensor_at(keys, i));
    }
    compute_release(compute, mark);
}

static void layer_forward(const struct state *state, const struct sam2_decoder_layer *layer, bool first,
                          struct tensor image, struct tensor keys)
{
    struct compute *compute = state->compute;
    const int64_t inner = state->inner;
    const size_t mark = compute_mark(compute);
    struct tensor kq = COMPUTE_TENSOR(compute, DTYPE_F32, image.dim[0], state->pixels, 2 * inner);
    struct tensor v = COMPUTE_TENSOR(compute, DTYPE_F32, image.dim[0], state->pixels, inner);
    struct tensor rows = TENSOR_RESHAPE(state->queries, state->prompts * state->tokens, state->width);
    attend_self(state, layer, first);
    project_image(state, layer->image_kq, layer->image_v, image, kq, v);
    attend_image(state, layer->token_q, layer->token_out, tensor_slice(kq, 2, 0, inner), v);
    normalize(compute, &layer->norm2, state->queries);
    sam2_feed_forward(compute, &layer->mlp, ACTIVATION_RELU, ACTIVATION_NONE, &rows, rows, rows);
    normalize(compute, &layer->norm3, state->queries);
    attend_tokens(state, layer, image, tensor_slice(kq, 2, inner, inner), keys);
    compute_release(compute, mark);
}

void sam2_two_way(const struct sam2 *model, struct compute *compute, struct tensor tokens, struct tensor image,
                  const struct sam2_trace *trace, struct tensor queries, struct tensor keys)
{
    const struct sam2_config *config = &model->config;
    const struct sam2_weights *weights = &model->weights;
    const size_t mark = compute_mark(compute);
    struct state state = {.model = model, .compute = compute, .positions = tokens, .queries = queries};
    state.prompts = tokens.dim[0];
    state.tokens = tokens.dim[1];
    state.pixels = image.dim[1];
    state.width = config->width;
    state.inner = config->width / config->downsample;
    state.heads = config->decoder_heads;
    state.placed = COMPUTE_TENSOR(compute, DTYPE_F32, state.prompts, state.tokens, state.width);
    state.attended = COMPUTE_TENSOR(compute, DTYPE_F32, state.prompts, state.tokens, state.inner);
    for (int i = 0; i < config->decoder_layers; i++) {
        layer_forward(&state, &weights->layers[i], i == 0, i == 0 ? image : keys, keys);
        sam2_emit_numbered(trace, compute, queries, "queries.%d", i);
        sam2_emit_numbered(trace, compute, keys, "keys.%d", i);
    }
    struct tensor k = COMPUTE_TENSOR(compute, DTYPE_F32, state.prompts, state.pixels, state.inner);
    struct tensor v = COMPUTE_TENSOR(compute, DTYPE_F32, state.prompts, state.pixels, state.inner);
    project_image(&state, weights->final_k, weights->final_v, keys, k, v);
    attend_image(&state, weights->final_q, weights->final_out, k, v);
    normalize(compute, &weights->final_norm, queries);
    sam2_emit(trace, compute, queries, "queries");
    compute_release(compute, mark);
}

/* blocks [m, h * w, 2, 2, run] -> out [m, h, 2, w, 2, run]: pixels of 2 x 2 blocks to their rows. */
static void spread_blocks(struct compute *compute, int64_t height, int64_t width, int64_t run, struct tensor blocks,
                          struct tensor out)
{
    const int64_t planes = blocks.dim[0];
    op_copy(compute, tensor_swap_axes(TENSOR_RESHAPE(blocks, planes, height, width, 2, 2 * run), 2, 3),
            TENSOR_RESHAPE(out, planes, height, 2, width, 2 * run));
}

void sam2_upscale(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                  struct tensor keys, struct tensor hyper, struct tensor masks)
{
    const struct sam2_weights *weights = &model->weights;
    const int64_t grid = model->config.grid, pixels = grid * grid, width = model->config.width, planes = hyper.dim[0];
    const size_t mark = compute_mark(compute);
    struct tensor middle = COMPUTE_TENSOR(compute, DTYPE_F32, pixels, width);            /* [P, 4, C / 4] */
    struct tensor fine = COMPUTE_TENSOR(compute, DTYPE_F32, 4 * pixels, width / 2);      /* [P, 4, 4, C / 8] */
    struct tensor values = COMPUTE_TENSOR(compute, DTYPE_F32, planes, 16 * pixels);      /* [m, P, 4, 4] */
    struct tensor halfway = COMPUTE_TENSOR(compute, DTYPE_F32, planes, 16 * pixels);     /* [m, 2 grid, 2 grid, 4] */
    struct tensor middle_features = TENSOR_RESHAPE(features->middle, pixels, width);     /* the same order */
    struct tensor fine_features = TENSOR_RESHAPE(features->fine, 4 * pixels, width / 2); /* the same order */
    struct tensor middle_pixels = TENSOR_RESHAPE(middle, 4 * pixels, width / 4);

    op_linear(compute, weights->upscale1, keys, ACTIVATION_NONE, &middle_features, middle);
    op_layer_norm(compute, middle_pixels, weights->upscale_norm.gamma, weights->upscale_norm.beta, UPSCALE_EPS,
                  middle_pixels);
    op_activation(compute, middle_pixels, ACTIVATION_GELU, middle_pixels);
    op_linear(compute, weights->upscale2, middle_pixels, ACTIVATION_NONE, &fine_features, fine);
    op_activation(compute, fine, ACTIVATION_GELU, fine);
    op_matmul_transposed(compute, hyper, TENSOR_RESHAPE(fine, 16 * pixels, width / 8), values);
    spread_blocks(compute, grid, grid, 4, values, halfway);
    spread_blocks(compute, 2 * grid, 2 * grid, 1, halfway, masks);
    compute_release(compute, mark);
}
