/* The heads on the patch features: boxes, objectness, class logits. */
#include "models/owlv2/forward.h"

/* out = dense2(gelu(dense1(gelu(dense0(features))))) [+ residual]. */
static void mlp(struct compute *compute, const struct owlv2_head *head, struct tensor features,
                const struct tensor *residual, struct tensor out)
{
    const size_t mark = compute_mark(compute);
    struct tensor a = compute_tensor(compute, DTYPE_F32, features.rank, features.dim);
    struct tensor b = compute_tensor(compute, DTYPE_F32, features.rank, features.dim);
    op_linear(compute, head->dense[0], features, ACTIVATION_GELU, NULL, a);
    op_linear(compute, head->dense[1], a, ACTIVATION_GELU, NULL, b);
    op_linear(compute, head->dense[2], b, ACTIVATION_NONE, residual, out);
    compute_release(compute, mark);
}

void owlv2_box_head(const struct owlv2 *model, struct compute *compute, struct tensor features, struct tensor boxes)
{
    for (int64_t b = 0; b < features.dim[0]; b++)
        mlp(compute, &model->weights.box_head, tensor_at(features, b), &model->weights.box_bias, tensor_at(boxes, b));
    op_activation(compute, boxes, ACTIVATION_SIGMOID, boxes);
}

void owlv2_objectness_head(const struct owlv2 *model, struct compute *compute, struct tensor features,
                           struct tensor objectness)
{
    mlp(compute, &model->weights.objectness_head, features, NULL, objectness);
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
