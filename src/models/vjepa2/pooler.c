/* The attentive pooler: self-attention layers over all tokens, then one learned query looks at them. */
#include "models/vjepa2/forward.h"

#include <math.h>

/* query [batch, 1, width] += attention(query, norm1(x)); then the feed-forward part. */
static void cross_layer(struct compute *compute, const struct nn_tower *tower, const struct vjepa2_cross_layer *layer,
                        struct tensor x, struct tensor query)
{
    const int64_t batch = x.dim[0], tokens = x.dim[1], width = tower->width;
    const int64_t heads = tower->heads, head = width / heads;
    const size_t mark = compute_mark(compute);
    const enum dtype narrow = compute_narrow(compute);
    struct tensor kv = COMPUTE_TENSOR(compute, narrow, batch, tokens, 2 * width);
    struct tensor q = COMPUTE_TENSOR(compute, narrow, batch, 1, width);
    struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1, width);

    nn_norm_forward(compute, &layer->norm1, tower->eps, x, x);
    op_linear(compute, layer->kv, x, ACTIVATION_NONE, NULL, kv);
    op_linear(compute, layer->q, query, ACTIVATION_NONE, NULL, q);
    struct tensor split = TENSOR_RESHAPE(kv, batch, tokens, 2 * heads, head);
    op_attention(compute, TENSOR_RESHAPE(q, batch, 1, heads, head), tensor_slice(split, 2, 0, heads),
                 tensor_slice(split, 2, heads, heads), 1.0F / sqrtf((float)head), false,
                 TENSOR_RESHAPE(attended, batch, 1, heads, head));
    op_add(compute, query, attended, query);
    compute_release(compute, mark);
    nn_mlp(compute, &layer->norm2, tower->eps, layer->fc1, tower->activation, layer->fc2, query);
}

void vjepa2_pooler(const struct vjepa2 *model, struct compute *compute, struct tensor x,
                   const struct model_trace *trace, struct tensor pooled)
{
    const struct nn_tower *tower = &model->config.pooler;
    const struct vjepa2_weights *weights = &model->weights;
    nn_tower_forward(compute, tower, weights->pooler_layers, false, NULL,
                     &(struct nn_watch){.trace = trace, .name = "pooler.block", .what = "video classes"}, x);
    op_copy(compute, tensor_repeat(weights->pooler_query, 0, x.dim[0]), pooled);
    cross_layer(compute, tower, &weights->pooler_cross, x, pooled);
}
