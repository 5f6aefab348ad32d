/* The masks of prompts on an encoded image, batch by batch. */
#include "models/sam2/forward.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SCRATCH = 160 << 20 };

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

/* How many prompts from the first on make one batch: as many tokens each, within the limit. */
static int64_t batch_size(const struct sam2_config *config, const struct sam2_prompt *prompts, int64_t count,
                          size_t scratch_limit)
{
    const int64_t tokens = sam2_prompt_tokens(&prompts[0]);
    const size_t limit = (scratch_limit > 0 ? scratch_limit : DEFAULT_SCRATCH) / sam2_prompt_bytes(config, tokens);
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

void sam2_decode_tokens(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                        struct tensor tokens, struct tensor image, const struct model_trace *trace,
                        const struct sam2_decoded *results)
{
    const struct sam2_config *config = &model->config;
    const struct sam2_weights *weights = &model->weights;
    const int64_t pixels = config->grid * config->grid, width = config->width, planes = config->mask_tokens;
    const int64_t n = tokens.dim[0], first = 2 + planes;
    struct tensor queries = COMPUTE_TENSOR(compute, DTYPE_F32, n, tokens.dim[1], width);
    struct tensor keys = COMPUTE_TENSOR(compute, DTYPE_F32, n, pixels, width);
    model_emit(trace, compute, tensor_slice(tokens, 1, first, tokens.dim[1] - first), "sparse");
    model_emit(trace, compute, image, "dense");
    sam2_two_way(model, compute, tokens, image, trace, queries, keys);

    struct tensor hyper = COMPUTE_TENSOR(compute, DTYPE_F32, n, planes, width / 8);
    struct tensor iou = COMPUTE_TENSOR(compute, DTYPE_F32, n, planes);
    struct tensor object = COMPUTE_TENSOR(compute, DTYPE_F32, n, 1);
    struct tensor masks = COMPUTE_TENSOR(compute, DTYPE_F32, n, planes, config->mask_side, config->mask_side);
    for (int64_t i = 0; i < planes; i++) {
        sam2_feed_forward(compute, &weights->hypernetworks[i], ACTIVATION_RELU, ACTIVATION_NONE, NULL,
                          output_token(queries, 2 + i), TENSOR_RESHAPE(tensor_slice(hyper, 1, i, 1), n, width / 8));
    }
    sam2_feed_forward(compute, &weights->iou_head, ACTIVATION_RELU, ACTIVATION_SIGMOID, NULL, output_token(queries, 1),
                      iou);
    sam2_feed_forward(compute, &weights->object_head, ACTIVATION_RELU, ACTIVATION_NONE, NULL, output_token(queries, 0),
                      object);
    sam2_upscale(model, compute, features, keys, hyper, masks);
    op_download(compute, masks, results->masks);
    op_download(compute, iou, results->iou);
    op_download(compute, object, results->object);
    op_download(compute, tensor_slice(queries, 1, 2, planes), results->queries);
}

static void decode_batch(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                         const struct sam2_prompt *prompts, int64_t n, const struct model_trace *trace,
                         const struct sam2_decoded *results)
{
    struct tensor tokens = sam2_prompt_sparse(model, compute, features, prompts, n);
    struct tensor image = sam2_prompt_dense(model, compute, features, prompts, n);
    sam2_decode_tokens(model, compute, features, tokens, image, trace, results);
}

/* The masks that are given, from the batch's results to the caller's place for prompt `index` on. */
static void give(const struct sam2_config *config, const struct sam2_decoded *results, int64_t n, bool multimask,
                 int64_t per_prompt, int64_t index, const struct sam2_output *out)
{
    const size_t area = (size_t)(config->mask_side * config->mask_side), width = (size_t)config->width;
    for (int64_t i = 0; i < n; i++, index++) {
        const float *masks = results->masks + (size_t)(i * config->mask_tokens) * area;
        const float *iou = results->iou + i * config->mask_tokens;
        const struct sam2_choice choice = sam2_choose(config, masks, iou, multimask);
        memcpy(out->masks + (size_t)(index * per_prompt) * area, masks + (size_t)choice.first * area,
               (size_t)choice.count * area * sizeof(float));
        memcpy(out->iou + index * per_prompt, iou + choice.first, (size_t)choice.count * sizeof(float));
        if (out->object_score != NULL)
            out->object_score[index] = results->object[i];
        if (out->tokens != NULL) {
            /* Also where a mask gave way to another, the token is the first one: the reference's rule. */
            const float *tokens = results->queries + (size_t)(i * config->mask_tokens + (multimask ? 1 : 0)) * width;
            memcpy(out->tokens + (size_t)(index * per_prompt) * width, tokens,
                   (size_t)per_prompt * width * sizeof(float));
        }
    }
}

int sam2_decoded_create(const struct sam2_config *config, int64_t n, struct sam2_decoded *out)
{
    const size_t area = (size_t)(config->mask_side * config->mask_side);
    const size_t per_prompt = (size_t)config->mask_tokens * (area + 1 + (size_t)config->width) + 1;
    float *memory = malloc((size_t)n * per_prompt * sizeof(*memory));
    if (memory == NULL)
        return error_memory("masks");
    out->masks = memory;
    out->iou = out->masks + (size_t)(n * config->mask_tokens) * area;
    out->object = out->iou + n * config->mask_tokens;
    out->queries = out->object + n;
    return 0;
}

void sam2_decoded_free(struct sam2_decoded *decoded)
{
    free(decoded->masks);
    memset(decoded, 0, sizeof(*decoded));
}

int sam2_decode(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                const struct sam2_prompt *prompts, int64_t count, bool multimask, size_t scratch_limit,
                const struct model_trace *trace, const struct model_control *control, const struct sam2_output *out)
{
    const struct sam2_config *config = &model->config;
    int status = 0;
    if (features->width < 1)
        return error_set(SOWLV2_ERROR_ARGUMENT, "segmentation: no image was encoded");
    for (int64_t i = 0; i < count && status == 0; i++)
        status = sam2_prompt_check(config, &prompts[i]);
    int64_t largest = 0;
    for (int64_t i = 0, n; i < count && status == 0; i += n) {
        n = batch_size(config, prompts + i, count - i, scratch_limit);
        largest = n > largest ? n : largest;
    }
    if (status != 0 || count == 0)
        return status;
    struct sam2_decoded results = {0};
    status = sam2_decoded_create(config, largest, &results);
    if (status != 0)
        return status;
    const int64_t per_prompt = sam2_masks_per_prompt(model, multimask);
    for (int64_t i = 0, n; i < count && status == 0; i += n) {
        n = batch_size(config, prompts + i, count - i, scratch_limit);
        compute_begin(compute);
        if (model_keep_going(control, compute, i, count, "segmentation"))
            decode_batch(model, compute, features, prompts + i, n, trace, &results);
        status = compute_status(compute);
        if (status == 0)
            give(config, &results, n, multimask, per_prompt, i, out);
    }
    sam2_decoded_free(&results);
    return status;
}
