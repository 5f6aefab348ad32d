/* The prompt encoder: boxes and points as tokens, masks as a dense embedding of the grid. */
#include "models/sam2/forward.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

enum { BOX_TOKENS = 3 }; /* two corners, and the padding point that the reference adds */

int64_t sam2_prompt_tokens(const struct sowlv2_segment_prompt *prompt)
{
    const int64_t points = (int64_t)prompt->point_count;
    if (prompt->box)
        return points + BOX_TOKENS;
    /* Nothing at all is one point that is not a point. */
    return (points > 0 ? points : 1) + 1;
}

int sam2_prompt_check(const struct sam2_config *config, const struct sowlv2_segment_prompt *prompt)
{
    if (prompt->point_count > SAM2_MAX_POINTS)
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: %zu points are too many", prompt->point_count);
    for (int i = 0; prompt->box && i < 4; i++)
        if (!isfinite(prompt->box[i]))
            return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: the box has a coordinate that is not finite");
    for (size_t i = 0; i < prompt->point_count; i++) {
        const int32_t label = segment_label_of(prompt, i);
        if (!isfinite(prompt->points[2 * i]) || !isfinite(prompt->points[2 * i + 1]))
            return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: point %zu has a coordinate that is not finite", i);
        if (label != SEGMENT_PADDING && (label < SEGMENT_NOT_A_POINT || label >= config->point_kinds)) {
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "prompt: point %zu has label %d: labels are 1 (inside), 0 (outside)", i, (int)label);
        }
    }
    return 0;
}

/* The points of a batch of prompts, T each, as they are uploaded. */
struct points {
    float *place;  /* [T][2], as parts of the image */
    int32_t *kind; /* [T] */
    float scale_x, scale_y, size;
};

static void put_point(struct points *points, float x, float y, int32_t kind)
{
    /* A pixel's centre, in pixels of the model's square image. */
    points->place[0] = (x * points->scale_x + 0.5F) / points->size;
    points->place[1] = (y * points->scale_y + 0.5F) / points->size;
    points->place += 2;
    *points->kind++ = kind;
}

/* All of a prompt, in the reference's order: points, corners, padding. */
static void put_prompt(struct points *points, const struct sowlv2_segment_prompt *prompt)
{
    for (size_t i = 0; i < prompt->point_count; i++)
        put_point(points, prompt->points[2 * i], prompt->points[2 * i + 1], segment_label_of(prompt, i));
    if (prompt->box) {
        put_point(points, prompt->box[0], prompt->box[1], SEGMENT_TOP_LEFT);
        put_point(points, prompt->box[2], prompt->box[3], SEGMENT_BOTTOM_RIGHT);
    } else if (prompt->point_count == 0) {
        put_point(points, 0.0F, 0.0F, SEGMENT_NOT_A_POINT);
    }
    put_point(points, 0.0F, 0.0F, SEGMENT_NOT_A_POINT);
}

struct tensor sam2_prompt_sparse(const struct sam2 *model, struct compute *compute,
                                 const struct sam2_features *features, const struct sowlv2_segment_prompt *prompts,
                                 int64_t count)
{
    const struct sam2_config *config = &model->config;
    const struct sam2_weights *weights = &model->weights;
    const int64_t first = 2 + config->mask_tokens, tokens = sam2_prompt_tokens(&prompts[0]), width = config->width;
    const double size = (double)config->image_size;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, count, first + tokens, width);
    float *const places = malloc((size_t)(count * tokens) * 2 * sizeof(*places));
    int32_t *const kinds = malloc((size_t)(count * tokens) * sizeof(*kinds));
    if (!places || !kinds) {
        compute_fail(compute, error_memory("prompts"));
    } else {
        struct points points = {.place = places,
                                .kind = kinds,
                                .scale_x = (float)(size / (double)features->width),
                                .scale_y = (float)(size / (double)features->height),
                                .size = (float)config->image_size};
        for (int64_t n = 0; n < count; n++)
            put_prompt(&points, &prompts[n]);
        const size_t mark = compute_mark(compute);
        const struct tensor place = op_upload(compute, DTYPE_F32, 3, (int64_t[]){count, tokens, 2}, places);
        const struct tensor kind = op_upload(compute, DTYPE_I32, 2, (int64_t[]){count, tokens}, kinds);
        op_copy(compute, tensor_repeat(weights->output_tokens, 0, count), tensor_slice(out, 1, 0, first));
        op_embed_points(compute, &weights->points, place, kind, tensor_slice(out, 1, first, tokens));
        compute_release(compute, mark);
    }
    free(places);
    free(kinds);
    return out;
}

/* image [P, C] + the embedding of a mask, `given` or `logits` -> out [P, C]. */
static void embed_mask(const struct sam2 *model, struct compute *compute, const struct tensor *given,
                       const float *logits, struct tensor image, struct tensor out)
{
    const struct sam2_config *config = &model->config;
    const struct sam2_weights *weights = &model->weights;
    const int64_t side = config->mask_side, grid = config->grid, channels = config->mask_channels;
    const size_t mark = compute_mark(compute);
    struct tensor x = given ? TENSOR_RESHAPE(*given, 1, side, side, 1)
                            : op_upload(compute, DTYPE_F32, 4, (int64_t[]){1, side, side, 1}, logits);
    struct tensor half = COMPUTE_TENSOR(compute, DTYPE_F32, 1, 2 * grid, 2 * grid, channels / 4);
    struct tensor quarter = COMPUTE_TENSOR(compute, DTYPE_F32, 1, grid, grid, channels);
    struct tensor residual = TENSOR_RESHAPE(image, 1, grid, grid, config->width);
    op_conv2d(compute, weights->mask_conv[0], x, NULL, half);
    op_layer_norm(compute, half, weights->mask_norm[0].gamma, weights->mask_norm[0].beta, config->prompt_eps, half);
    op_activation(compute, half, config->prompt_activation, half);
    op_conv2d(compute, weights->mask_conv[1], half, NULL, quarter);
    op_layer_norm(compute, quarter, weights->mask_norm[1].gamma, weights->mask_norm[1].beta, config->prompt_eps,
                  quarter);
    op_activation(compute, quarter, config->prompt_activation, quarter);
    op_conv2d(compute, weights->mask_conv[2], quarter, &residual, TENSOR_RESHAPE(out, 1, grid, grid, config->width));
    compute_release(compute, mark);
}

struct tensor sam2_prompt_dense(const struct sam2 *model, struct compute *compute, const struct sam2_features *features,
                                const struct sowlv2_segment_prompt *prompts, const struct tensor *masks, int64_t count)
{
    const int64_t pixels = model->config.grid * model->config.grid, width = model->config.width;
    bool any = masks != NULL;
    for (int64_t n = 0; n < count; n++)
        any = any || prompts[n].logits;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, any ? count : 1, pixels, width);
    for (int64_t n = 0; n < out.dim[0]; n++) {
        const struct tensor mask = masks ? tensor_at(*masks, n) : (struct tensor){0};
        if (masks || prompts[n].logits)
            embed_mask(model, compute, masks ? &mask : NULL, prompts[n].logits, features->embedding, tensor_at(out, n));
        else
            op_add(compute, features->embedding, model->weights.no_mask, tensor_at(out, n));
    }
    return out;
}
