#include "nn/nn.h"

#include <math.h>

/* Narrow scratch as `tensor`, but `width` values long in its last dimension. */
static struct tensor beside(struct compute *compute, struct tensor tensor, int64_t width)
{
    int64_t dim[TENSOR_MAX_RANK];
    for (int i = 0; i < tensor.rank; i++)
        dim[i] = i < tensor.rank - 1 ? tensor.dim[i] : width;
    return compute_tensor(compute, compute_narrow(compute), tensor.rank, dim);
}

void nn_norm_forward(struct compute *compute, const struct nn_norm *norm, float eps, struct tensor x, struct tensor out)
{
    op_layer_norm(compute, x, norm->gamma, norm->beta, eps, out);
}

void nn_feed_forward(struct compute *compute, const struct nn_feed_forward *layers, enum activation activation,
                     enum activation last, const struct tensor *residual, struct tensor x, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    struct tensor hidden[2];
    for (int i = 0; i < 2; i++)
        hidden[i] = beside(compute, x, layers->hidden);
    op_linear(compute, layers->layer[0], x, activation, NULL, hidden[0]);
    for (int i = 1; i < layers->depth - 1; i++)
        op_linear(compute, layers->layer[i], hidden[(i - 1) % 2], activation, NULL, hidden[i % 2]);
    op_linear(compute, layers->layer[layers->depth - 1], hidden[layers->depth % 2], last, residual, out);
    compute_release(compute, mark);
}

void nn_mlp(struct compute *compute, const struct nn_norm *norm, float eps, const struct linear *fc1,
            enum activation activation, const struct linear *fc2, struct tensor x)
{
    const size_t mark = compute_mark(compute);
    struct tensor normed = beside(compute, x, linear_inputs(fc1)), hidden = beside(compute, x, linear_outputs(fc1));
    nn_norm_forward(compute, norm, eps, x, normed);
    op_linear(compute, fc1, normed, activation, NULL, hidden);
    op_linear(compute, fc2, hidden, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
}

void nn_self_attention(struct compute *compute, int64_t heads, bool causal, const struct nn_rope *rope,
                       struct tensor qkv, struct tensor out)
{
    const int64_t batch = qkv.dim[0], tokens = qkv.dim[1], head = qkv.dim[2] / (3 * heads);
    struct tensor split = TENSOR_RESHAPE(qkv, batch, tokens, 3 * heads, head);
    struct tensor q = tensor_slice(split, 2, 0, heads);         /* [batch, tokens, heads, head] */
    struct tensor k = tensor_slice(split, 2, heads, heads);     /* the same */
    struct tensor v = tensor_slice(split, 2, 2 * heads, heads); /* the same */
    if (rope)
        op_rope(compute, tensor_slice(split, 2, 0, 2 * heads), rope->cosines, rope->sines);
    op_attention(compute, q, k, v, 1.0F / sqrtf((float)head), causal, TENSOR_RESHAPE(out, batch, tokens, heads, head));
}

void nn_block_forward(struct compute *compute, const struct nn_tower *tower, const struct nn_block *block, bool causal,
                      const struct nn_rope *rope, struct tensor x)
{
    const size_t mark = compute_mark(compute);
    struct tensor normed = beside(compute, x, tower->width), qkv = beside(compute, x, 3 * tower->width);
    nn_norm_forward(compute, &block->norm1, tower->eps, x, normed);
    op_linear(compute, block->qkv, normed, ACTIVATION_NONE, NULL, qkv);
    nn_self_attention(compute, tower->heads, causal, rope, qkv, normed);
    op_linear(compute, block->out, normed, ACTIVATION_NONE, &x, x);
    compute_release(compute, mark);
    nn_mlp(compute, &block->norm2, tower->eps, block->fc1, tower->activation, block->fc2, x);
}

void nn_tower_forward(struct compute *compute, const struct nn_tower *tower, const struct nn_block *blocks, bool causal,
                      const struct nn_rope *rope, const struct nn_watch *watch, struct tensor x)
{
    for (int64_t i = 0; i < tower->layers && model_keep_going(watch->control, compute, i, tower->layers, watch->what);
         i++) {
        nn_block_forward(compute, tower, &blocks[i], causal, rope, x);
        model_emit_numbered(watch->trace, compute, x, "%s.%lld", watch->name, (long long)i);
    }
}
