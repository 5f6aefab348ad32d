/* The transformer layer that encoder, predictor and pooler are made of (pre-norm). */
#include "models/vjepa2/forward.h"

#include <math.h>

static void attend(struct compute *compute, const struct vjepa2_config *config, const struct vjepa2_tower_config *tower,
                   const struct vjepa2_layer *layer, const struct vjepa2_rope *rope, struct tensor x)
{
    const int64_t batch = x.dim[0], tokens = x.dim[1], width = tower->width;
    const int64_t heads = tower->heads, head = width / heads;
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, width);
    struct tensor qkv = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, 3 * width);

    op_layer_norm(compute, x, layer->norm1.gamma, layer->norm1.beta, config->eps, normed);
    op_linear(compute, layer->qkv, normed, ACTIVATION_NONE, NULL, qkv);

    struct tensor split = TENSOR_RESHAPE(qkv, batch, tokens, 3 * heads, head);
    struct tensor q = tensor_slice(split, 2, 0, heads);         /* [batch, tokens, heads, head] */
    struct tensor k = tensor_slice(split, 2, heads, heads);     /* the same */
    struct tensor v = tensor_slice(split, 2, 2 * heads, heads); /* the same */
    if (rope != NULL)
        op_rope(compute, tensor_slice(split, 2, 0, 2 * heads), rope->cosines, rope->sines);
    struct tensor attended = TENSOR_RESHAPE(normed, batch, tokens, heads, head);
    op_attention(compute, q, k, v, 1.0F / sqrtf((float)head), false, attended);

    op_linear(compute, layer->out, normed, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

static void feed_forward(struct compute *compute, const struct vjepa2_config *config,
                         const struct vjepa2_tower_config *tower, const struct vjepa2_layer *layer, struct tensor x)
{
    const int64_t batch = x.dim[0], tokens = x.dim[1];
    const size_t mark = compute_mark(compute);
    struct tensor normed = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, tower->width);
    struct tensor hidden = COMPUTE_TENSOR(compute, DTYPE_F32, batch, tokens, tower->mlp_width);

    op_layer_norm(compute, x, layer->norm2.gamma, layer->norm2.beta, config->eps, normed);
    op_linear(compute, layer->fc1, normed, config->activation, NULL, hidden);
    op_linear(compute, layer->fc2, hidden, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

void vjepa2_layer_forward(struct compute *compute, const struct vjepa2_config *config,
                          const struct vjepa2_tower_config *tower, const struct vjepa2_layer *layer,
                          const struct vjepa2_rope *rope, struct tensor x)
{
    attend(compute, config, tower, layer, rope, x);
    feed_forward(compute, config, tower, layer, x);
}
