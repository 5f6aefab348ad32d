/* Layers of the same weights on both sides. */
#include "ops/layers.h"

void layers_linear(const struct host_tensor *weight, const struct host_tensor *bias, int64_t rows_hint,
                   struct layers *out)
{
    *out = (struct layers){0};
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(parameters_create(sides.device[i], &out->parameters[i]), 0);
        assert_int_equal(parameters_linear(out->parameters[i], 1, &weight, &bias, rows_hint, &out->linear[i]), 0);
        assert_int_equal(linear_inputs(out->linear[i]), weight->dim[1]);
        assert_int_equal(linear_outputs(out->linear[i]), weight->dim[0]);
    }
}

void layers_conv2d(const struct host_tensor *weight, const struct host_tensor *bias, int stride, int padding,
                   struct layers *out)
{
    *out = (struct layers){0};
    for (int i = 0; i < SIDES; i++) {
        assert_int_equal(parameters_create(sides.device[i], &out->parameters[i]), 0);
        assert_int_equal(parameters_conv2d(out->parameters[i], weight, bias, stride, padding, &out->conv[i]), 0);
    }
}

void layers_free(struct layers *layers)
{
    for (int i = 0; i < SIDES; i++) {
        parameters_free(&layers->parameters[i]);
        assert_null(layers->parameters[i]);
    }
}

struct tensor residual_out(struct tensor out[SIDES], enum residual residual, bool gaps, int rank, const int64_t *dim)
{
    sides_out(out, gaps, rank, dim);
    if (residual != RESIDUAL_IN_PLACE)
        return field_in(gaps, -2.0F, 2.0F, rank, dim);
    out[UNDER_TEST] = field_inout(gaps, -2.0F, 2.0F, rank, dim);
    return out[UNDER_TEST];
}
