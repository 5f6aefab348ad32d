/* The attentive pooler: self-attention layers over all tokens, then one learned query looks at them. */
#include "models/vjepa2/forward.h"

#include <math.h>

/* query [batch, 1, width] += attention(query, norm1(x)); then the feed-forward part. */
static void cross_layer(struct compute *compute, const struct vjepa2_config *config,
                        const struct vjepa2_cross_layer *layer, struct tensor x, struct tensor query)
{
    const struct vjepa2_tower_config *tower = &config->pooler;
    const int64_t batch = x.dim[0], tokens = x.dim[1], width = tower->width;
    const int64_t heads = tower->heads, head = width / heads;
    const size_t mark = compute_mark(compute);
    struct tensor kv = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, 2 * width);
    struct tensor q = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1, width);
    struct tensor attended = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1, width);
    struct tensor hidden = COMPUTE_TENSOR(compute, DTYPE_F32, batch, 1, tower->mlp_width);

    op_layer_norm(compute, x, layer->norm1.gamma, layer->norm1.beta, config->eps, x);
    op_linear(compute, layer->kv, x, ACTIVATION_NONE, NULL, kv);
    op_linear(compute, layer->q, query, ACTIVATION_NONE, NULL, q);
    struct tensor split = TENSOR_RESHAPE(kv, batch, tokens, 2 * heads, head);
    op_attention(compute, TENSOR_RESHAPE(q, batch, 1, heads, head), tensor_slice(split, 2, 0, heads),
                 tensor_slice(split, 2, heads, heads), 1.0F / sqrtf((float)head), false,
                 TENSOR_RESHAPE(attended, batch, 1, heads, head));
    op_add(compute, query, attended, query);

    op_layer_norm(compute, query, layer->norm2.gamma, layer->norm2.beta, config->eps, attended);
    op_linear(compute, layer->fc1, attended, config->activation, NULL, hidden);
    op_linear(compute, layer->fc2, hidden, ACTIVATION_NONE, &query, query);
    compute_release(compute, mark);
}

void vjepa2_pooler(const struct vjepa2 *model, struct compute *compute, struct tensor x,
                   const struct model_trace *trace, struct tensor pooled)
{
    const struct vjepa2_config *config = &model->config;
    const struct vjepa2_weights *weights = &model->weights;
    for (int64_t i = 0; i < config->pooler.layers; i++) {
        vjepa2_layer_forward(compute, config, &config->pooler, &weights->pooler_layers[i], NULL, x);
        model_emit_numbered(trace, compute, x, "pooler.block.%lld", (long long)i);
    }
    op_copy(compute, tensor_repeat(weights->pooler_query, 0, x.dim[0]), pooled);
    cross_layer(compute, config, &weights->pooler_cross, x, pooled);
}
