/* Memory attention: layers in which the image attends to itself, then to what an object remembers. */
#include "models/sam2/video_forward.h"

#include <math.h>

static const float NORM_EPS = 1e-5F;

/* What one pass works on. n objects, P pixels, C the width, D the inner width, M a memory's width. */
struct state {
    const struct sam2_video *video;
    struct compute *compute;
    const struct sam2_recall *recalls;
    bool plain;
    int64_t pixels, width, inner, heads, memory;
};

static void normalize(struct compute *compute, const struct nn_norm *norm, struct tensor x, struct tensor out)
{
    op_layer_norm(compute, x, norm->gamma, norm->beta, NORM_EPS, out);
}

/* x [batch, tokens, width] with heads apart. */
static struct tensor by_head(const struct state *state, struct tensor x, int64_t heads)
{
    (void)state;
    return TENSOR_RESHAPE(x, x.dim[0], x.dim[1], heads, x.dim[2] / heads);
}

static void attend(const struct state *state, struct tensor q, struct tensor k, struct tensor v, int64_t value_heads,
                   struct tensor out)
{
    const int64_t head = state->inner / state->heads;
    const float scale = 1.0F / sqrtf((float)head);
    op_attention(state->compute, by_head(state, q, state->heads), by_head(state, k, state->heads),
                 by_head(state, v, value_heads), scale, false, by_head(state, out, value_heads));
}

/* x [b, P, C] += the pixels' attention among themselves. */
static void attend_self(const struct state *state, const struct sam2_memory_layer *layer, struct tensor x)
{
    struct compute *compute = state->compute;
    const struct sam2_video_weights *weights = &state->video->weights;
    const int64_t batch = x.dim[0], inner = state->inner;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, batch, state->pixels, state->width);
    struct tensor qkv = COMPUTE_TENSOR(compute, DTYPE_F32, batch, state->pixels, 3 * inner);
    struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, batch, state->pixels, inner);
    normalize(compute, &layer->norm1, x, normed);
    op_linear(compute, layer->self_qkv, normed, ACTIVATION_NONE, NULL, qkv);
    /* Queries and keys turn alike: they are the first heads of the joined product. */
    op_rope(compute, by_head(state, tensor_slice(qkv, 2, 0, 2 * inner), 2 * state->heads), weights->cosines,
            weights->sines);
    attend(state, tensor_slice(qkv, 2, 0, inner), tensor_slice(qkv, 2, inner, inner),
           tensor_slice(qkv, 2, 2 * inner, inner), state->heads, attended);
    op_linear(compute, layer->self_out, attended, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

/* All that an object recalls as rows: values [1, keys, M] and, with positions, keys. */
static void gather_memory(const struct state *state, const struct sam2_recall *recall, struct tensor values,
                          struct tensor keys)
{
    struct compute *compute = state->compute;
    const struct sam2_video_weights *weights = &state->video->weights;
    const int64_t pixels = state->pixels;
    struct tensor value_rows = tensor_at(values, 0), key_rows = tensor_at(keys, 0);
    for (int64_t i = 0; i < recall->memories; i++) {
        op_copy(compute, recall->memory[i], tensor_slice(value_rows, 0, i * pixels, pixels));
        op_add(compute, recall->memory[i], tensor_at(weights->memory_positions, recall->place[i]),
               tensor_slice(key_rows, 0, i * pixels, pixels));
    }
    const int64_t first = recall->memories * pixels;
    if (recall->pointers > 0) {
        sam2_pointer_tokens(state->video, compute, recall, tensor_slice(value_rows, 0, first, values.dim[1] - first),
                            tensor_slice(key_rows, 0, first, values.dim[1] - first));
    }
}

/* keys [1, n, D]: the spatial memories' rows turn, each frame's by the same tables; the pointers' do not. */
static void turn_keys(const struct state *state, const struct sam2_recall *recall, struct tensor keys)
{
    const struct sam2_video_weights *weights = &state->video->weights;
    if (recall->memories > 0) {
        struct tensor spatial = tensor_slice(keys, 1, 0, recall->memories * state->pixels);
        op_rope(state->compute,
                TENSOR_RESHAPE(spatial, recall->memories, state->pixels, state->heads, state->inner / state->heads),
                weights->cosines, weights->sines);
    }
}

/* out [1, P, C] = from [1, P, C] + attention of query [1, P, D] to the memory. `from` may be `out`. */
static void attend_memory(const struct state *state, const struct sam2_memory_layer *layer,
                          const struct sam2_recall *recall, struct tensor query, struct tensor from, struct tensor out)
{
    struct compute *compute = state->compute;
    const int64_t count = recall->memories * state->pixels + recall->pointers * state->video->config.pointer_parts;
    const size_t mark = compute_mark(compute);
    struct tensor values = COMPUTE_TENSOR(compute, DTYPE_F32, 1, count, state->memory);
    struct tensor keys = COMPUTE_TENSOR(compute, DTYPE_F32, 1, count, state->inner);
    const size_t inner_mark = compute_mark(compute);
    struct tensor places = COMPUTE_TENSOR(compute, DTYPE_F32, 1, count, state->memory);
    gather_memory(state, recall, values, places);
    op_linear(compute, layer->key, places, ACTIVATION_NONE, NULL, keys);
    compute_release(compute, inner_mark);
    turn_keys(state, recall, keys);
    if (layer->value_out != NULL && !state->plain) {
        /* softmax(q k^T) (m W^T + b) = (softmax(q k^T) m) W^T + b: the narrow memory itself is attended over. */
        struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, 1, state->pixels, state->memory);
        attend(state, query, keys, values, 1, attended);
        op_linear(compute, layer->value_out, attended, ACTIVATION_NONE, &from, out);
    } else {
        struct tensor projected = COMPUTE_TENSOR(compute, DTYPE_F32, 1, count, state->inner);
        struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, 1, state->pixels, state->inner);
        op_linear(compute, layer->value, values, ACTIVATION_NONE, NULL, projected);
        attend(state, query, keys, projected, state->heads, attended);
        op_linear(compute, layer->out, attended, ACTIVATION_NONE, &from, out);
    }
    compute_release(compute, mark);
}

/* x [P, C] += feed-forward. */
static void feed_forward(const struct state *state, const struct sam2_memory_layer *layer, struct tensor x)
{
    struct compute *compute = state->compute;
    const struct sam2_video_config *config = &state->video->config;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, state->pixels, state->width);
    struct tensor hidden = COMPUTE_TENSOR(compute, DTYPE_F32, state->pixels, config->feed_forward);
    normalize(compute, &layer->norm3, x, normed);
    op_linear(compute, layer->fc1, normed, config->feed_forward_activation, NULL, hidden);
    op_linear(compute, layer->fc2, hidden, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

/* x [n, P, C]; where `shared`, only its first entry is set, which is all objects'. */
static void layer_forward(const struct state *state, const struct sam2_memory_layer *layer, bool shared,
                          struct tensor x)
{
    struct compute *compute = state->compute;
    const int64_t n = x.dim[0], batch = shared ? 1 : n;
    struct tensor known = tensor_slice(x, 0, 0, batch);
    attend_self(state, layer, known);

    const size_t mark = compute_mark(compute);
    struct tensor query = COMPUTE_TENSOR(compute, DTYPE_F32, batch, state->pixels, state->inner);
    const size_t inner_mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, batch, state->pixels, state->width);
    normalize(compute, &layer->norm2, known, normed);
    op_linear(compute, layer->query, normed, ACTIVATION_NONE, NULL, query);
    compute_release(compute, inner_mark);
    op_rope(compute, by_head(state, query, state->heads), state->video->weights.cosines, state->video->weights.sines);
    /* Backwards: the first entry, which all may need, changes last. */
    for (int64_t i = n - 1; i >= 0; i--) {
        const int64_t from = shared ? 0 : i;
        attend_memory(state, layer, &state->recalls[i], tensor_slice(query, 0, from, 1), tensor_slice(x, 0, from, 1),
                      tensor_slice(x, 0, i, 1));
        feed_forward(state, layer, tensor_at(x, i));
    }
    compute_release(compute, mark);
}

void sam2_memory_attention(const struct sam2_video *video, struct compute *compute, struct tensor image,
                           const struct sam2_recall *recalls, int64_t n, bool plain, const struct model_trace *trace,
                           struct tensor out)
{
    const struct sam2_config *config = &video->model->config;
    const struct state state = {
        .video = video,
        .compute = compute,
        .recalls = recalls,
        .plain = plain,
        .pixels = config->grid * config->grid,
        .width = config->width,
        .inner = video->config.inner,
        .heads = video->config.heads,
        .memory = video->config.memory_width,
    };
    (void)n;
    op_add(compute, image, video->weights.feature_positions, tensor_at(out, 0));
    for (int i = 0; i < video->config.attention_layers; i++) {
        /* Until they look at their memories, the objects have nothing of their own. */
        layer_forward(&state, &video->weights.attention[i], i == 0, out);
        model_emit_numbered(trace, compute, out, "attention.%d", i);
    }
    normalize(compute, &video->weights.attention_norm, out, out);
}
