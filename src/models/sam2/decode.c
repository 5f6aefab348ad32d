/* The masks of prompts on an encoded image, batch by batch. */
#include "models/sam2/forward.h"

#include "base/error.h"

int64_t sam2_masks_per_prompt(const struct sam2 *model, bool multimask)
{
    return multimask ? model->config.mask_tokens - 1 : 1;
}

size_t sam2_prompt_bytes(const struct sam2_config *config, int64_t tokens)
{
    enum { COPIES = 12 }; /* of each head's tokens: queries, keys, values, what they read, in parts */
    const int64_t pixels = config->grid * config->grid, all = 2 + config->mask_tokens + tokens;
    const int64_t image = pixels * (config->width + 16 * config->mask_tokens);
    return (size_t)(image + COPIES * all * config->decoder_heads * config->width) * sizeof(float);
}

int64_t sam2_batch(const struct sam2 *model, const struct sowlv2_segment_prompt *prompts, int64_t count,
                   size_t scratch_limit)
{
    const int64_t tokens = sam2_prompt_tokens(&prompts[0]);
    const size_t most = scratch_limit > 0 ? scratch_limit : (size_t)device_hints(model->device).batch_bytes;
    const size_t limit = most / sam2_prompt_bytes(&model->config, tokens);
    int64_t size = 1;
    while (size < count && (size_t)size < limit && sam2_prompt_tokens(&prompts[size]) == tokens)
        size++;
    return size;
}

/* queries [n, T, C]: token 0 is the object score's, 1 the IoU's, then the masks'. */
static struct tensor output_token(struct tensor queries, int64_t token)
{
    return TENSOR_RESHAPE(tensor_slice(queries, 1, token, 1), queries.dim[0], queries.dim[2]);
}

struct sam2_decoded sam2_decode_tokens(const struct sam2 *model, struct compute *compute,
                                       const struct sam2_features *features, struct tensor tokens, struct tensor image,
                                       const struct model_trace *trace)
{
    const struct sam2_config *config = &model->config;
    const struct sam2_weights *weights = &model->weights;
    const int64_t pixels = config->grid * config->grid, width = config->width, planes = config->mask_tokens;
    const int64_t n = tokens.dim[0], first = 2 + planes;
    struct tensor queries = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens.dim[1], width);
    const struct sam2_decoded out = {
        .masks = COMPUTE_TENSOR(compute, DTYPE_F32, n, planes, config->mask_side, config->mask_side),
        .iou = COMPUTE_TENSOR(compute, DTYPE_F32, n, planes),
        .object = COMPUTE_TENSOR(compute, DTYPE_F32, n, 1),
        .tokens = tensor_slice(queries, 1, 2, planes),
    };
    const size_t mark = compute_mark(compute);
    struct tensor keys = COMPUTE_TENSOR(compute, DTYPE_F32, n, pixels, width);
    struct tensor hyper = COMPUTE_TENSOR(compute, DTYPE_F32, n, planes, width / 8);
    model_emit(trace, compute, tensor_slice(tokens, 1, first, tokens.dim[1] - first), "sparse");
    model_emit(trace, compute, image, "dense");
    sam2_two_way(model, compute, tokens, image, trace, queries, keys);
    for (int64_t i = 0; i < planes; i++) {
        nn_feed_forward(compute, &weights->hypernetworks[i], ACTIVATION_RELU, ACTIVATION_NONE, NULL,
                        output_token(queries, 2 + i), TENSOR_RESHAPE(tensor_slice(hyper, 1, i, 1), n, width / 8));
    }
    nn_feed_forward(compute, &weights->iou_head, ACTIVATION_RELU, ACTIVATION_SIGMOID, NULL, output_token(queries, 1),
                    out.iou);
    nn_feed_forward(compute, &weights->object_head, ACTIVATION_RELU, ACTIVATION_NONE, NULL, output_token(queries, 0),
                    out.object);
    sam2_upscale(model, compute, features, keys, hyper, out.masks);
    compute_release(compute, mark);
    return out;
}

struct tensor sam2_choose(const struct sam2 *model, struct compute *compute, const struct sam2_decoded *decoded,
                          bool several)
{
    const struct sam2_config *config = &model->config;
    const struct mask_choice choice = {.several = several,
                                       .fallback = config->stability_fallback,
                                       .delta = config->stability_delta,
                                       .threshold = config->stability_threshold};
    const int64_t n = decoded->masks.dim[0], area = config->mask_side * config->mask_side;
    struct tensor index = COMPUTE_TENSOR(compute, DTYPE_I32, n);
    op_choose_mask(compute, &choice, TENSOR_RESHAPE(decoded->masks, n, config->mask_tokens, area), decoded->iou, index);
    return index;
}

void sam2_pick(struct compute *compute, struct tensor x, struct tensor index, struct tensor out)
{
    const int64_t n = x.dim[0], planes = x.dim[1], count = n > 0 ? tensor_count(&out) / n : 0;
    op_gather_rows(compute, TENSOR_RESHAPE(x, n, planes, count), TENSOR_RESHAPE(index, n, 1),
                   TENSOR_RESHAPE(out, n, 1, count));
}

static struct sam2_decoded decode_batch(const struct sam2 *model, struct compute *compute,
                                        const struct sam2_features *features,
                                        const struct sowlv2_segment_prompt *prompts, const struct tensor *masks,
                                        int64_t n, const struct model_trace *trace)
{
    struct tensor tokens = sam2_prompt_sparse(model, compute, features, prompts, n);
    struct tensor image = sam2_prompt_dense(model, compute, features, prompts, masks, n);
    return sam2_decode_tokens(model, compute, features, tokens, image, trace);
}

void sam2_decode_best(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                      const struct sowlv2_segment_prompt *prompts, const struct tensor *masks, int64_t n,
                      bool multimask, const struct model_trace *trace, const struct segment_best *out)
{
    const size_t mark = compute_mark(compute);
    const struct sam2_decoded decoded = decode_batch(model, compute, features, prompts, masks, n, trace);
    const struct tensor index = sam2_choose(model, compute, &decoded, multimask);
    sam2_pick(compute, decoded.masks, index, out->masks);
    sam2_pick(compute, decoded.iou, index, out->iou);
    op_copy(compute, decoded.object, out->object_scores);
    compute_release(compute, mark);
}

/* Asks for the results of a batch whose first prompt is number `first`. */
static void give(const struct sam2 *model, struct compute *compute, const struct sam2_decoded *decoded, bool multimask,
                 int64_t first, const struct sam2_output *out)
{
    const struct sam2_config *config = &model->config;
    const int64_t n = decoded->masks.dim[0], side = config->mask_side, width = config->width;
    const int64_t count = sam2_masks_per_prompt(model, multimask), area = side * side;
    struct tensor masks = tensor_slice(decoded->masks, 1, 1, config->mask_tokens - 1);
    struct tensor iou = tensor_slice(decoded->iou, 1, 1, config->mask_tokens - 1);
    if (!multimask) {
        const struct tensor index = sam2_choose(model, compute, decoded, false);
        masks = COMPUTE_TENSOR(compute, DTYPE_F32, n, side, side);
        iou = COMPUTE_TENSOR(compute, DTYPE_F32, n, 1);
        sam2_pick(compute, decoded->masks, index, masks);
        sam2_pick(compute, decoded->iou, index, iou);
    }
    op_download(compute, masks, out->masks + first * count * area);
    op_download(compute, iou, out->iou + first * count);
    if (out->object_score)
        op_download(compute, decoded->object, out->object_score + first);
    /* Also where a mask gave way to another, the token is the first one: the reference's rule. */
    if (out->tokens) {
        op_download(compute, tensor_slice(decoded->tokens, 1, multimask ? 1 : 0, count),
                    out->tokens + first * count * width);
    }
}

int sam2_decode(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                const struct sowlv2_segment_prompt *prompts, int64_t count, bool multimask, size_t scratch_limit,
                const struct model_trace *trace, const struct model_control *control, const struct sam2_output *out)
{
    int status = 0;
    if (features->width < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "segmentation: no image was encoded");
    for (int64_t i = 0; i < count && status == 0; i++)
        status = sam2_prompt_check(&model->config, &prompts[i]);
    if (status != 0 || count == 0)
        return status;
    compute_begin(compute);
    for (int64_t i = 0, n; i < count && model_keep_going(control, compute, i, count, "segmentation"); i += n) {
        n = sam2_batch(model, prompts + i, count - i, scratch_limit);
        const size_t mark = compute_mark(compute);
        const struct sam2_decoded decoded = decode_batch(model, compute, features, prompts + i, NULL, n, trace);
        give(model, compute, &decoded, multimask, i, out);
        compute_release(compute, mark);
    }
    return compute_finish(compute);
}
