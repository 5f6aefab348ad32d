/* The parts that models are made of. All write into tensors of the caller's compute. */
#ifndef NN_NN_H
#define NN_NN_H

#include "nn/pass.h"
#include "ops/ops.h"

/* A layer norm. */
struct nn_norm {
    struct tensor gamma, beta; /* [width] */
};

/* x, out [..., width]; `out` may be `x`. */
void nn_norm_forward(struct compute *compute, const struct nn_norm *norm, float eps, struct tensor x,
                     struct tensor out);

enum { NN_MAX_DEPTH = 16 };

/* Linear layers with an activation between. */
struct nn_feed_forward {
    int depth; /* at least 2 */
    const struct linear *layer[NN_MAX_DEPTH];
    int64_t hidden; /* width between the layers */
};

/* x [..., inputs] -> out [..., outputs] = last(layers(x)) + residual. `residual` may be NULL. */
void nn_feed_forward(struct compute *compute, const struct nn_feed_forward *layers, enum activation activation,
                     enum activation last, const struct tensor *residual, struct tensor x, struct tensor out);

/* x += fc2(activation(fc1(norm(x)))); x [..., width]. */
void nn_mlp(struct compute *compute, const struct nn_norm *norm, float eps, const struct linear *fc1,
            enum activation activation, const struct linear *fc2, struct tensor x);

/* Rotations by position, as op_rope takes them: [1 or batch, tokens, turned values of a head]. */
struct nn_rope {
    struct tensor cosines, sines;
};

/* Attention of `heads` heads among tokens: qkv [batch, tokens, 3 width], queries, keys and values beside each other,
 * -> out [batch, tokens, width]. `causal`: a token does not see those after it. `rope`, unless NULL, turns queries and
 * keys, in place. */
void nn_self_attention(struct compute *compute, int64_t heads, bool causal, const struct nn_rope *rope,
                       struct tensor qkv, struct tensor out);

/* A stack of transformer layers, norms before: x += out(attention(norm1(x))); x += fc2(activation(fc1(norm2(x)))). */
struct nn_tower {
    int64_t width, mlp_width, layers, heads;
    enum activation activation;
    float eps; /* of the norms */
};

/* One of these layers. */
struct nn_block {
    struct nn_norm norm1, norm2;
    const struct linear *qkv; /* [3 width, width]: queries, keys, values */
    const struct linear *out; /* [width, width] */
    const struct linear *fc1; /* [mlp_width, width] */
    const struct linear *fc2; /* [width, mlp_width] */
};

/* x [batch, tokens, width], in place. */
void nn_block_forward(struct compute *compute, const struct nn_tower *tower, const struct nn_block *block, bool causal,
                      const struct nn_rope *rope, struct tensor x);

/* Who watches a tower. */
struct nn_watch {
    const struct model_trace *trace; /* receives "<name>.0", ... after each layer; may be NULL */
    const char *name;
    const struct model_control *control; /* is asked before each layer; may be NULL */
    const char *what;                    /* what a cancelled pass was at */
};

/* All layers: x [batch, tokens, width], in place. */
void nn_tower_forward(struct compute *compute, const struct nn_tower *tower, const struct nn_block *blocks, bool causal,
                      const struct nn_rope *rope, const struct nn_watch *watch, struct tensor x);

#endif
