/* The transformer layer that both towers are made of (CLIP's: pre-norm, biased projections). */
#include "models/owlv2/forward.h"

#include <math.h>

static void attend(struct compute *compute, const struct owlv2_tower_config *config, const struct owlv2_layer *layer,
                   bool causal, struct tensor x)
{
    const int64_t batch = x.dim[0], tokens = x.dim[1], width = config->width;
    const int64_t heads = config->heads, head = width / heads;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, width);
    struct tensor qkv = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, 3 * width);

    op_layer_norm(compute, x, layer->norm1.gamma, layer->norm1.beta, config->eps, normed);
    op_linear(compute, layer->qkv, normed, ACTIVATION_NONE, NULL, qkv);

    struct tensor split = TENSOR_RESHAPE(qkv, batch, tokens, 3 * heads, head);
    struct tensor q = tensor_slice(split, 2, 0, heads);         /* [batch, tokens, heads, head] */
    struct tensor k = tensor_slice(split, 2, heads, heads);     /* the same */
    struct tensor v = tensor_slice(split, 2, 2 * heads, heads); /* the same */
    struct tensor attended = TENSOR_RESHAPE(normed, batch, tokens, heads, head);
    op_attention(compute, q, k, v, 1.0F / sqrtf((float)head), causal, attended);

    op_linear(compute, layer->out, normed, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

static void feed_forward(struct compute *compute, const struct owlv2_tower_config *config,
                         const struct owlv2_layer *layer, struct tensor x)
{
    const int64_t batch = x.dim[0], tokens = x.dim[1];
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, config->width);
    struct tensor hidden = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, config->mlp_width);

    op_layer_norm(compute, x, layer->norm2.gamma, layer->norm2.beta, config->eps, normed);
    op_linear(compute, layer->fc1, normed, config->activation, NULL, hidden);
    op_linear(compute, layer->fc2, hidden, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

void owlv2_layer_forward(struct compute *compute, const struct owlv2_tower_config *config,
                         const struct owlv2_layer *layer, bool causal, struct tensor x)
{
    attend(compute, config, layer, causal, x);
    feed_forward(compute, config, layer, x);
}
