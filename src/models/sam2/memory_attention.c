/* Memory attention: layers in which the image attends to itself, then to what an object remembers. */
#include "models/sam2/video_forward.h"

#include <math.h>

static const float NORM_EPS = 1e-5F;

/* What one batch works on. n objects, P pixels, C the width, D the inner width, M a memory's width. */
struct state {
    const struct sam2_video *video;
    struct compute *compute;
    bool plain;
    enum dtype narrow; /* of what products hand each other */
    int64_t pixels, width, inner, heads, memory;
};

/* What all objects share until they look at their memories. */
struct shared {
    struct tensor x;     /* [1, P, C] after the first layer's attention to itself */
    struct tensor query; /* [1, P, D] of the first layer */
};

static void normalize(struct compute *compute, const struct nn_norm *norm, struct tensor x, struct tensor out)
{
    op_layer_norm(compute, x, norm->gamma, norm->beta, NORM_EPS, out);
}

/* x [batch, tokens, width] with heads apart. */
static struct tensor by_head(struct tensor x, int64_t heads)
{
    return TENSOR_RESHAPE(x, x.dim[0], x.dim[1], heads, x.dim[2] / heads);
}

static void attend(const struct state *state, struct tensor q, struct tensor k, struct tensor v, int64_t value_heads,
                   struct tensor out)
{
    const int64_t head = state->inner / state->heads;
    const float scale = 1.0F / sqrtf((float)head);
    op_attention(state->compute, by_head(q, state->heads), by_head(k, state->heads), by_head(v, value_heads), scale,
                 false, by_head(out, value_heads));
}

/* x [n, P, C] += the pixels' attention among themselves. */
static void attend_self(const struct state *state, const struct sam2_memory_layer *layer, struct tensor x)
{
    struct compute *compute = state->compute;
    const struct sam2_video_weights *weights = &state->video->weights;
    const int64_t batch = x.dim[0], inner = state->inner;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, state->narrow, batch, state->pixels, state->width);
    struct tensor qkv = COMPUTE_TENSOR(compute, state->narrow, batch, state->pixels, 3 * inner);
    struct tensor attended = COMPUTE_TENSOR(compute, state->narrow, batch, state->pixels, inner);
    normalize(compute, &layer->norm1, x, normed);
    op_linear(compute, layer->self_qkv, normed, ACTIVATION_NONE, NULL, qkv);
    /* Queries and keys turn alike: they are the first heads of the joined product. */
    op_rope(compute, by_head(tensor_slice(qkv, 2, 0, 2 * inner), 2 * state->heads), weights->cosines, weights->sines);
    attend(state, tensor_slice(qkv, 2, 0, inner), tensor_slice(qkv, 2, inner, inner),
           tensor_slice(qkv, 2, 2 * inner, inner), state->heads, attended);
    op_linear(compute, layer->self_out, attended, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

/* x [n, P, C] -> out [n, P, D]. */
static void make_query(const struct state *state, const struct sam2_memory_layer *layer, struct tensor x,
                       struct tensor out)
{
    struct compute *compute = state->compute;
    const size_t mark = compute_mark(compute);
    struct tensor normed = compute_tensor(compute, state->narrow, x.rank, x.dim);
    normalize(compute, &layer->norm2, x, normed);
    op_linear(compute, layer->query, normed, ACTIVATION_NONE, NULL, out);
    op_rope(compute, by_head(out, state->heads), state->video->weights.cosines, state->video->weights.sines);
    compute_release(compute, mark);
}

/* The first `memories` P rows of keys [n, rows, D] turn, each frame's by the same tables; the pointers' do not. In as
 * few ops as can be: all frames of an object at once, or one frame of all objects. */
static void turn_keys(const struct state *state, int64_t memories, struct tensor keys)
{
    const struct sam2_video_weights *weights = &state->video->weights;
    const int64_t n = keys.dim[0], pixels = state->pixels, heads = state->heads, head = state->inner / heads;
    const bool by_object = n <= memories;
    for (int64_t i = 0; memories > 0 && i < (by_object ? n : memories); i++) {
        const struct tensor turned =
            by_object ? TENSOR_RESHAPE(tensor_slice(tensor_at(keys, i), 0, 0, memories * pixels), memories, pixels,
                                       heads, head)
                      : TENSOR_RESHAPE(tensor_slice(keys, 1, i * pixels, pixels), n, pixels, heads, head);
        op_rope(state->compute, turned, weights->cosines, weights->sines);
    }
}

/* x [n, P, C] += attention of query [n, P, D] to the memory: values and places [n, rows, M]. */
static void attend_memory(const struct state *state, const struct sam2_memory_layer *layer, int64_t memories,
                          struct tensor query, struct tensor values, struct tensor places, struct tensor x)
{
    struct compute *compute = state->compute;
    const int64_t n = x.dim[0], rows = values.dim[1];
    const size_t mark = compute_mark(compute);
    struct tensor keys = COMPUTE_TENSOR(compute, state->narrow, n, rows, state->inner);
    op_linear(compute, layer->key, places, ACTIVATION_NONE, NULL, keys);
    turn_keys(state, memories, keys);
    if (layer->value_out && !state->plain) {
        /* softmax(q k^T) (m W^T + b) = (softmax(q k^T) m) W^T + b: the narrow memory itself is attended over. */
        struct tensor attended = COMPUTE_TENSOR(compute, state->narrow, n, state->pixels, state->memory);
        attend(state, query, keys, values, 1, attended);
        op_linear(compute, layer->value_out, attended, ACTIVATION_NONE, &x, x);
    } else {
        struct tensor projected = COMPUTE_TENSOR(compute, state->narrow, n, rows, state->inner);
        struct tensor attended = COMPUTE_TENSOR(compute, state->narrow, n, state->pixels, state->inner);
        op_linear(compute, layer->value, values, ACTIVATION_NONE, NULL, projected);
        attend(state, query, keys, projected, state->heads, attended);
        op_linear(compute, layer->out, attended, ACTIVATION_NONE, &x, x);
    }
    compute_release(compute, mark);
}

/* x [rows, C] += feed-forward, some rows at a time. */
static void feed_forward(const struct state *state, const struct sam2_memory_layer *layer, struct tensor x)
{
    struct compute *compute = state->compute;
    const struct sam2_video_config *config = &state->video->config;
    const int64_t bytes = config->feed_forward * (int64_t)dtype_size(state->narrow), rows = x.dim[0];
    int64_t some = device_hints(compute_device(compute)).chunk_bytes / bytes;
    some = some < 1 ? 1 : some < rows ? some : rows;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, state->narrow, some, state->width);
    struct tensor hidden = COMPUTE_TENSOR(compute, state->narrow, some, config->feed_forward);
    for (int64_t first = 0; first < rows; first += some) {
        const int64_t n = rows - first < some ? rows - first : some;
        struct tensor part = tensor_slice(x, 0, first, n);
        struct tensor a = tensor_slice(normed, 0, 0, n), b = tensor_slice(hidden, 0, 0, n);
        normalize(compute, &layer->norm3, part, a);
        op_linear(compute, layer->fc1, a, config->feed_forward_activation, NULL, b);
        op_linear(compute, layer->fc2, b, ACTIVATION_NONE, &part, part);
    }
    compute_release(compute, mark);
}

/* Until they look at their memories, the objects have nothing of their own. */
static void begin(const struct state *state, struct tensor image, const struct shared *shared)
{
    const struct sam2_video_weights *weights = &state->video->weights;
    op_add(state->compute, TENSOR_RESHAPE(image, 1, state->pixels, state->width),
           TENSOR_RESHAPE(weights->feature_positions, 1, state->pixels, state->width), shared->x);
    attend_self(state, &weights->attention[0], shared->x);
    make_query(state, &weights->attention[0], shared->x, shared->query);
}

static int64_t recalled_rows(const struct state *state, const struct sam2_recall *recall)
{
    return recall->memories * state->pixels + recall->pointers * state->video->config.pointer_parts;
}

/* Objects that recall equally much: x [n, P, C]. */
static void attend_batch(const struct state *state, const struct shared *shared, const struct sam2_recall *recalls,
                         const struct model_trace *trace, struct tensor x)
{
    struct compute *compute = state->compute;
    const struct sam2_video *video = state->video;
    const int64_t n = x.dim[0], rows = recalled_rows(state, recalls);
    const size_t mark = compute_mark(compute);
    struct tensor values = COMPUTE_TENSOR(compute, state->narrow, n, rows, state->memory);
    struct tensor places = COMPUTE_TENSOR(compute, state->narrow, n, rows, state->memory);
    struct tensor query = COMPUTE_TENSOR(compute, state->narrow, n, state->pixels, state->inner);
    sam2_gather_recalls(video, compute, recalls, n, values, places);
    op_copy(compute, tensor_repeat(shared->x, 0, n), x);
    op_copy(compute, tensor_repeat(shared->query, 0, n), query);
    for (int i = 0; i < video->config.attention_layers; i++) {
        const struct sam2_memory_layer *const layer = &video->weights.attention[i];
        if (i > 0) {
            attend_self(state, layer, x);
            make_query(state, layer, x, query);
        }
        attend_memory(state, layer, recalls[0].memories, query, values, places, x);
        feed_forward(state, layer, TENSOR_RESHAPE(x, n * state->pixels, state->width));
        model_emit_numbered(trace, compute, x, "attention.%d", i);
    }
    compute_release(compute, mark);
}

/* How many objects from the first one on make one batch. */
static int64_t batch_size(const struct state *state, const struct sam2_recall *recalls, int64_t n)
{
    const int64_t row = 2 * state->memory + state->inner, pixel = 3 * state->width + 6 * state->inner;
    const int64_t values = recalled_rows(state, recalls) * row + state->pixels * pixel;
    const int64_t each = values * (int64_t)dtype_size(state->narrow);
    const int64_t most = device_hints(compute_device(state->compute)).batch_bytes / (each > 0 ? each : 1);
    int64_t size = 1;
    while (size < n && size < most && recalls[size].memories == recalls[0].memories &&
           recalls[size].pointers == recalls[0].pointers)
        size++;
    return size;
}

void sam2_memory_attention(const struct sam2_video *video, struct compute *compute, struct tensor image,
                           const struct sam2_recall *recalls, int64_t n, bool plain, const struct model_trace *trace,
                           struct tensor out)
{
    const struct sam2_config *config = &video->model->config;
    const struct state state = {
        .video = video,
        .compute = compute,
        .plain = plain,
        .narrow = compute_narrow(compute),
        .pixels = config->grid * config->grid,
        .width = config->width,
        .inner = video->config.inner,
        .heads = video->config.heads,
        .memory = video->config.memory_width,
    };
    const size_t mark = compute_mark(compute);
    const struct shared shared = {.x = COMPUTE_TENSOR(compute, DTYPE_F32, 1, state.pixels, state.width),
                                  .query = COMPUTE_TENSOR(compute, state.narrow, 1, state.pixels, state.inner)};
    begin(&state, image, &shared);
    for (int64_t first = 0, count; first < n; first += count) {
        count = batch_size(&state, recalls + first, n - first);
        attend_batch(&state, &shared, recalls + first, trace, tensor_slice(out, 0, first, count));
    }
    normalize(compute, &video->weights.attention_norm, out, out);
    compute_release(compute, mark);
}
