/* The mask decoder: a transformer in which tokens and the image attend to each other, upscaling, and one small
 * network for each mask token whose output is that mask's linear classifier of pixels. */
#include "models/sam2/forward.h"

#include <math.h>

static const float TRANSFORMER_EPS = 1e-5F, UPSCALE_EPS = 1e-6F;

static void normalize(struct compute *compute, const struct nn_norm *norm, struct tensor x)
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
    float scale;             /* of attention between tokens and image */
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
    if (first)
        op_copy(compute, state->positions, state->queries);
    else
        place_queries(state);
    op_linear(compute, layer->self_qk, first ? state->queries : state->placed, ACTIVATION_NONE, NULL, qk);
    op_linear(compute, layer->self_v, state->queries, ACTIVATION_NONE, NULL, v);
    attend(compute, state->heads, tensor_slice(qk, 2, 0, width), tensor_slice(qk, 2, width, width), v, attended);
    op_linear(compute, layer->self_out, attended, ACTIVATION_NONE, first ? NULL : &state->queries, state->queries);
    normalize(compute, &layer->norm1, state->queries);
    compute_release(compute, mark);
}

/* The view [rows, heads, D / heads] of `rows` [rows, heads * D] where head h's channels are those of its h-th part. */
static struct tensor heads_of_rows(const struct state *state, struct tensor rows)
{
    const int64_t head = state->inner / state->heads;
    struct tensor view = TENSOR_RESHAPE(tensor_slice(rows, 1, 0, state->inner), rows.dim[0], state->heads, head);
    view.stride[1] = state->inner + head;
    return view;
}

/* x [n, T, D] -> [n * T * heads, D]: for each head a row that is zero but for that head's channels. */
static struct tensor spread_heads(const struct state *state, struct tensor x)
{
    const int64_t heads = state->heads, inner = state->inner, rows = state->prompts * state->tokens;
    struct tensor out = COMPUTE_TENSOR(state->compute, DTYPE_F32, rows, heads * inner);
    op_fill(state->compute, 0.0F, out);
    op_copy(state->compute, TENSOR_RESHAPE(x, rows, heads, inner / heads), heads_of_rows(state, out));
    return TENSOR_RESHAPE(out, rows * heads, inner);
}

/* Tokens to the image that all prompts share: their tokens are the queries of one attention to its keys and values. */
static void attend_shared(const struct state *state, const struct sam2_image_attention *layer, struct tensor q,
                          struct tensor image)
{
    struct compute *compute = state->compute;
    const int64_t pixels = state->pixels, inner = state->inner, tokens = state->prompts * state->tokens;
    const size_t mark = compute_mark(compute);
    struct tensor placed = COMPUTE_TENSOR(compute, DTYPE_F32, pixels, state->width);
    struct tensor k = COMPUTE_TENSOR(compute, DTYPE_F32, 1, pixels, inner);
    struct tensor v = COMPUTE_TENSOR(compute, DTYPE_F32, 1, pixels, inner);
    op_add(compute, tensor_at(image, 0), state->model->weights.image_positions, placed);
    op_linear(compute, layer->k, placed, ACTIVATION_NONE, NULL, tensor_at(k, 0));
    op_linear(compute, layer->v, tensor_at(image, 0), ACTIVATION_NONE, NULL, tensor_at(v, 0));
    attend(compute, state->heads, TENSOR_RESHAPE(q, 1, tokens, inner), k, v,
           TENSOR_RESHAPE(state->attended, 1, tokens, inner));
    compute_release(compute, mark);
}

/* Tokens to an image of each prompt's own: queries in the image's channels read its pixels, and what each head read
 * is projected after. */
static void attend_own(const struct state *state, const struct sam2_image_attention *layer, struct tensor q,
                       struct tensor image)
{
    struct compute *compute = state->compute;
    const int64_t n = state->prompts, queries = state->tokens * state->heads, heads = state->heads;
    const int64_t inner = state->inner, rows = n * state->tokens;
    const size_t mark = compute_mark(compute);
    struct tensor asked = COMPUTE_TENSOR(compute, DTYPE_F32, n, queries, state->width);
    struct tensor read = COMPUTE_TENSOR(compute, DTYPE_F32, n, queries, state->width);
    struct tensor values = COMPUTE_TENSOR(compute, DTYPE_F32, rows, heads * inner);
    op_linear(compute, layer->k_of, spread_heads(state, q), ACTIVATION_NONE, NULL,
              TENSOR_RESHAPE(asked, n * queries, state->width));
    op_attend_rows(compute, asked, image, state->model->weights.image_positions, state->scale, read);
    op_linear(compute, layer->v, TENSOR_RESHAPE(read, n * queries, state->width), ACTIVATION_NONE, NULL,
              TENSOR_RESHAPE(values, n * queries, inner));
    op_copy(compute, heads_of_rows(state, values), TENSOR_RESHAPE(state->attended, rows, heads, inner / heads));
    compute_release(compute, mark);
}

/* Tokens to image. Keys and values of a shared image cost as much as SHARED prompts' queries. */
static void attend_image(const struct state *state, const struct sam2_image_attention *layer, struct tensor image)
{
    enum { SHARED = 3 };
    struct compute *compute = state->compute;
    const size_t mark = compute_mark(compute);
    struct tensor q = COMPUTE_TENSOR(compute, DTYPE_F32, state->prompts, state->tokens, state->inner);
    place_queries(state);
    op_linear(compute, layer->q, state->placed, ACTIVATION_NONE, NULL, q);
    if (layer->k && image.dim[0] == 1 && state->prompts >= SHARED)
        attend_shared(state, layer, q, image);
    else
        attend_own(state, layer, q, image);
    op_linear(compute, layer->out, state->attended, ACTIVATION_NONE, &state->queries, state->queries);
    compute_release(compute, mark);
}

/* Image to tokens: keys = norm(image + attention). `image` [1 or n, P, C] may be `keys` [n, P, C]. */
static void attend_tokens(const struct state *state, const struct sam2_decoder_layer *layer, struct tensor image,
                          struct tensor keys)
{
    struct compute *compute = state->compute;
    const int64_t n = state->prompts, tokens = state->tokens, heads = state->heads, width = state->width;
    const size_t mark = compute_mark(compute);
    struct tensor k = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, state->inner);
    struct tensor v = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, state->inner);
    struct token_attention attention = {
        .x = image,
        .positions = state->model->weights.image_positions,
        .k = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, heads, width),
        .v = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, heads, width),
        .bias = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens, heads),
        .gamma = layer->norm4.gamma,
        .beta = layer->norm4.beta,
        .scale = state->scale,
        .eps = TRANSFORMER_EPS,
    };
    const int64_t rows = n * tokens * heads;
    place_queries(state);
    op_linear(compute, layer->token_k, state->placed, ACTIVATION_NONE, NULL, k);
    op_linear(compute, layer->token_v, state->queries, ACTIVATION_NONE, NULL, v);
    struct tensor spread_k = spread_heads(state, k), spread_v = spread_heads(state, v);
    op_linear(compute, layer->q_of, spread_k, ACTIVATION_NONE, NULL, TENSOR_RESHAPE(attention.k, rows, width));
    op_linear(compute, layer->q_bias, spread_k, ACTIVATION_NONE, NULL, TENSOR_RESHAPE(attention.bias, rows, 1));
    op_linear(compute, layer->v_out, spread_v, ACTIVATION_NONE, NULL, TENSOR_RESHAPE(attention.v, rows, width));
    op_attend_tokens(compute, &attention, keys);
    compute_release(compute, mark);
}

static void layer_forward(const struct state *state, const struct sam2_decoder_layer *layer, bool first,
                          struct tensor image, struct tensor keys)
{
    struct tensor rows = TENSOR_RESHAPE(state->queries, state->prompts * state->tokens, state->width);
    attend_self(state, layer, first);
    attend_image(state, &layer->image, image);
    normalize(state->compute, &layer->norm2, state->queries);
    nn_feed_forward(state->compute, &layer->mlp, ACTIVATION_RELU, ACTIVATION_NONE, &rows, rows, rows);
    normalize(state->compute, &layer->norm3, state->queries);
    attend_tokens(state, layer, image, keys);
}

void sam2_two_way(const struct sam2 *model, struct compute *compute, struct tensor tokens, struct tensor image,
                  const struct model_trace *trace, struct tensor queries, struct tensor keys)
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
    const int64_t head = state.inner / state.heads;
    state.scale = 1.0F / sqrtf((float)head);
    state.placed = COMPUTE_TENSOR(compute, DTYPE_F32, state.prompts, state.tokens, state.width);
    state.attended = COMPUTE_TENSOR(compute, DTYPE_F32, state.prompts, state.tokens, state.inner);
    for (int i = 0; i < config->decoder_layers; i++) {
        layer_forward(&state, &weights->layers[i], i == 0, i == 0 ? image : keys, keys);
        model_emit_numbered(trace, compute, queries, "queries.%d", i);
        model_emit_numbered(trace, compute, keys, "keys.%d", i);
    }
    attend_image(&state, &weights->final, keys);
    normalize(compute, &weights->final_norm, queries);
    model_emit(trace, compute, queries, "queries");
    compute_release(compute, mark);
}

void sam2_upscale(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                  struct tensor keys, struct tensor hyper, struct tensor masks)
{
    const struct sam2_upscaling *weights = &model->weights.upscaling;
    const int64_t pixels = model->config.grid * model->config.grid, width = model->config.width;
    const struct mask_upscaling upscaling = {
        .x = keys,
        .weight1 = weights->weight1,
        .bias1 = weights->bias1,
        .features1 = TENSOR_RESHAPE(features->middle, pixels, width),
        .gamma = weights->norm.gamma,
        .beta = weights->norm.beta,
        .weight2 = weights->weight2,
        .bias2 = weights->bias2,
        .features2 = TENSOR_RESHAPE(features->fine, 4 * pixels, width / 2),
        .hyper = hyper,
        .eps = UPSCALE_EPS,
    };
    op_upscale_masks(compute, &upscaling, masks);
}
