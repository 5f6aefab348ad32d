/* The weights that the parts of models have in common. */
#ifndef NN_NN_H
#define NN_NN_H

#include "ops/ops.h"

/* A layer norm. */
struct nn_norm {
    struct tensor gamma, beta; /* [width] */
};

enum { NN_MAX_DEPTH = 16 };

/* Linear layers with an activation between. */
struct nn_feed_forward {
    int depth;
    const struct linear *layer[NN_MAX_DEPTH];
    int64_t hidden; /* width between the layers */
};

#endif
