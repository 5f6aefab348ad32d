/* Layers of the same weights on both sides, and what they add to. */
#ifndef TESTS_OPS_LAYERS_H
#define TESTS_OPS_LAYERS_H

#include "ops/sides.h"

struct layers {
    struct parameters *parameters[SIDES];
    const struct linear *linear[SIDES];
    const struct conv2d *conv[SIDES];
};

/* `bias` NULL: none. */
void layers_linear(const struct host_tensor *weight, const struct host_tensor *bias, int64_t rows_hint,
                   struct layers *out);
void layers_conv2d(const struct host_tensor *weight, const struct host_tensor *bias, int stride, int padding,
                   struct layers *out);
void layers_free(struct layers *layers);

enum residual { RESIDUAL_NONE, RESIDUAL_APART, RESIDUAL_IN_PLACE };

/* Results to fill, and what is added to them; in place that is what the side under test fills, so that the reference
 * must go first. */
struct tensor residual_out(struct tensor out[SIDES], enum residual residual, bool gaps, int rank, const int64_t *dim);

#endif
