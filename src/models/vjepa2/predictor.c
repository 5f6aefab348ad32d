/* The predictor: a narrower transformer over the context's features and one mask token for each target. */
#include "models/vjepa2/forward.h"

#include "base/error.h"

#include <stdlib.h>

/* The masks of one call, in one piece: ids [batch][context + target]. */
struct positions {
    int64_t context, target;
    int32_t *ids;
};

static int join_masks(int64_t batch, int64_t tokens, const struct scorer_positions *context,
                      const struct scorer_positions *target, struct positions *out)
{
    const int64_t seen = context ? context->count : tokens, wanted = target ? target->count : tokens;
    enum { MAX_TOKENS = 1 << 24 };
    if (batch < 1 || tokens < 1 || seen < 1 || wanted < 1 || batch > MAX_TOKENS || tokens > MAX_TOKENS ||
        seen > MAX_TOKENS || wanted > MAX_TOKENS || batch * (seen + wanted) > MAX_TOKENS) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "prediction from %lld to %lld of %lld tokens: nothing, or too much",
                         (long long)seen, (long long)wanted, (long long)tokens);
    }
    *out = (struct positions){seen, wanted, malloc((size_t)(batch * (seen + wanted)) * sizeof(*out->ids))};
    if (!out->ids)
        return error_memory("token positions");
    for (int64_t b = 0; b < batch; b++) {
        int32_t *ids = out->ids + b * (seen + wanted);
        for (int64_t i = 0; i < seen; i++) {
            ids[i] = context ? context->ids[b * seen + i] : (int32_t)i;
            if (ids[i] < 0 || ids[i] >= tokens) {
                return error_set(SOWLV2_ERROR_ARGUMENT, "context position %d is outside the clip's %lld tokens",
                                 (int)ids[i], (long long)tokens);
            }
        }
        for (int64_t i = 0; i < wanted; i++) {
            ids[seen + i] = target ? target->ids[b * wanted + i] : (int32_t)i;
            if (ids[seen + i] < 0 || ids[seen + i] >= MAX_TOKENS)
                return error_set(SOWLV2_ERROR_ARGUMENT, "target position %d is out of range", (int)ids[seen + i]);
        }
    }
    return 0;
}

/* Features at the context's positions; all of them, in their order, where there is no mask. */
static struct tensor select_context(struct compute *compute, struct tensor features,
                                    const struct scorer_positions *context)
{
    if (!context)
        return features;
    const int64_t batch = features.dim[0], width = features.dim[2];
    const struct tensor index = op_upload(compute, DTYPE_I32, 2, (int64_t[]){batch, context->count}, context->ids);
    const struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, batch, context->count, width);
    op_gather_rows(compute, features, index, out);
    return out;
}

/* The reference sorts tokens by position before the layers and back after them. Attention does not see the
 * order of tokens, only their rotations, so that they stay where they are here. */
static struct tensor predict(const struct vjepa2 *model, struct compute *compute, struct tensor features,
                             const struct scorer_positions *context, const struct positions *positions,
                             const struct model_trace *trace, const struct model_control *control)
{
    const struct vjepa2_config *config = &model->config;
    const struct nn_tower *tower = &config->predictor;
    const struct vjepa2_weights *weights = &model->weights;
    const int64_t batch = features.dim[0], seen = positions->context, wanted = positions->target;

    struct tensor expected = COMPUTE_TENSOR(compute, DTYPE_F32, batch, wanted, config->encoder.width);
    struct tensor x = COMPUTE_TENSOR(compute, DTYPE_F32, batch, seen + wanted, tower->width);
    const size_t mark = compute_mark(compute);
    op_linear(compute, weights->predictor_in, select_context(compute, features, context), ACTIVATION_NONE, NULL,
              tensor_slice(x, 1, 0, seen));
    compute_release(compute, mark);
    struct tensor mask = tensor_repeat(tensor_repeat(weights->mask_token, 0, batch), 1, wanted);
    op_copy(compute, mask, tensor_slice(x, 1, seen, wanted));
    model_emit(trace, compute, x, "predictor.embeddings");

    struct nn_rope turns;
    const struct nn_rope *const rope = vjepa2_rope_of_tokens(compute, config, tower, weights->predictor_turns,
                                                             positions->ids, batch, seen + wanted, &turns);
    const struct nn_watch watch = {trace, "predictor.block", control, "video features"};
    nn_tower_forward(compute, tower, weights->predictor_layers, false, rope, &watch, x);
    struct tensor targets = tensor_slice(x, 1, seen, wanted); /* [batch, target, predictor width] */
    nn_norm_forward(compute, &weights->predictor_norm, tower->eps, targets, targets);
    op_linear(compute, weights->predictor_out, targets, ACTIVATION_NONE, NULL, expected);
    return expected;
}

int vjepa2_predict(const struct vjepa2 *model, struct compute *compute, struct tensor features,
                   const struct scorer_positions *context, const struct scorer_positions *target,
                   const struct model_trace *trace, const struct model_control *control, float *out)
{
    if (!model->weights.has_predictor) {
        return error_set(SOWLV2_ERROR_UNSUPPORTED, "this V-JEPA 2 checkpoint has no predictor: choose another "
                                                   "kind of importance, or another checkpoint");
    }
    struct positions positions = {0};
    int status = vjepa2_features_check(model, features);
    if (status == 0)
        status = join_masks(features.dim[0], features.dim[1], context, target, &positions);
    if (status == 0) {
        compute_begin(compute);
        op_download(compute, predict(model, compute, features, context, &positions, trace, control), out);
        status = compute_finish(compute);
    }
    free(positions.ids);
    return status;
}
