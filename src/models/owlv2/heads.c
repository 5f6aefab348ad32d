/* The heads on the patch features: boxes, objectness, class logits. */
#include "models/owlv2/forward.h"

void owlv2_box_head(const struct owlv2 *model, struct compute *compute, struct tensor features, struct tensor boxes)
{
    const struct owlv2_weights *weights = &model->weights;
    for (int64_t b = 0; b < features.dim[0]; b++)
        nn_feed_forward(compute, &weights->box_head, ACTIVATION_GELU, ACTIVATION_NONE, &weights->box_bias,
                        tensor_at(features, b), tensor_at(boxes, b));
    op_activation(compute, boxes, ACTIVATION_SIGMOID, boxes);
}

void owlv2_objectness_head(const struct owlv2 *model, struct compute *compute, struct tensor features,
                           struct tensor objectness)
{
    nn_feed_forward(compute, &model->weights.objectness_head, ACTIVATION_GELU, ACTIVATION_NONE, NULL, features,
                    objectness);
}

void owlv2_class_head(const struct owlv2 *model, struct compute *compute, struct tensor features, struct tensor queries,
                      struct tensor logits)
{
    const int64_t rows = features.dim[0] * features.dim[1], projection = model->config.projection;
    const float eps = 1e-6F; /* the reference's guard against division by zero */
    const size_t mark = compute_mark(compute);

    struct tensor all = COMPUTE_TENSOR(compute, DTYPE_F32, rows, projection + 2);
    op_linear(compute, model->weights.class_head, TENSOR_RESHAPE(features, rows, features.dim[2]), ACTIVATION_NONE,
              NULL, all);
    struct tensor embedding = tensor_slice(all, 1, 0, projection); /* [rows, projection] */
    struct tensor shift = tensor_slice(all, 1, projection, 1);     /* [rows, 1] */
    struct tensor scale = tensor_slice(all, 1, projection + 1, 1); /* [rows, 1] */

    struct tensor unit = COMPUTE_TENSOR(compute, DTYPE_F32, queries.dim[0], projection);
    op_l2_normalize(compute, embedding, eps, embedding);
    op_l2_normalize(compute, queries, eps, unit);
    struct tensor flat = TENSOR_RESHAPE(logits, rows, queries.dim[0]);
    op_matmul_transposed(compute, embedding, unit, flat);
    op_shift_scale(compute, flat, shift, scale, flat);
    compute_release(compute, mark);
}
