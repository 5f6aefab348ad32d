/* The prompt encoder: boxes and points as tokens, masks as a dense embedding of the grid. */
#include "models/sam2/forward.h"
#include "models/sam2/positions.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BOX_TOKENS = 3 }; /* two corners, and the padding point that the reference adds */

int64_t sam2_prompt_tokens(const struct sam2_prompt *prompt)
{
    if (prompt->box != NULL)
        return prompt->point_count + BOX_TOKENS;
    /* Nothing at all is one point that is not a point. */
    return (prompt->point_count > 0 ? prompt->point_count : 1) + 1;
}

int sam2_prompt_check(const struct sam2_config *config, const struct sam2_prompt *prompt)
{
    if (prompt->point_count < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: %d points", prompt->point_count);
    for (int i = 0; prompt->box != NULL && i < 4; i++)
        if (!isfinite(prompt->box[i]))
            return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: the box has a coordinate that is not finite");
    for (int i = 0; i < prompt->point_count; i++) {
        const int32_t label = prompt->labels[i];
        if (!isfinite(prompt->points[2 * i]) || !isfinite(prompt->points[2 * i + 1]))
            return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: point %d has a coordinate that is not finite", i);
        if (label != SAM2_PADDING && (label < SAM2_NOT_A_POINT || label >= config->point_kinds)) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "prompt: point %d has label %d: labels are 1 (inside), 0 (outside)",
                             i, (int)label);
        }
    }
    return 0;
}

/* One token: Fourier features of the pixel's centre, or what stands in for it, plus the label's embedding. x and
 * y are pixels of the model's square image. */
static void point_token(const struct sam2 *model, float x, float y, int32_t label, float *out)
{
    const struct sam2_weights *weights = &model->weights;
    const int64_t width = model->config.width;
    const float size = (float)model->config.image_size;
    if (label == SAM2_PADDING) {
        memset(out, 0, (size_t)width * sizeof(*out));
    } else if (label == SAM2_NOT_A_POINT) {
        memcpy(out, weights->not_a_point, (size_t)width * sizeof(*out));
    } else {
        const float *kind = weights->point_kinds + label * width;
        sam2_fourier(weights->prompt_fourier, (x + 0.5F) / size, (y + 0.5F) / size, width, out);
        for (int64_t i = 0; i < width; i++)
            out[i] += kind[i];
    }
}

/* All tokens of a prompt, in the reference's order: points, corners, padding. */
static void prompt_tokens(const struct sam2 *model, const struct sam2_features *features,
                          const struct sam2_prompt *prompt, float *out)
{
    const int64_t width = model->config.width;
    const double size = (double)model->config.image_size;
    const float scale_x = (float)(size / (double)features->width), scale_y = (float)(size / (double)features->height);
    for (int i = 0; i < prompt->point_count; i++, out += width) {
        point_token(model, prompt->points[2 * i] * scale_x, prompt->points[2 * i + 1] * scale_y, prompt->labels[i],
                    out);
    }
    if (prompt->box != NULL) {
        point_token(model, prompt->box[0] * scale_x, prompt->box[1] * scale_y, SAM2_TOP_LEFT, out);
        point_token(model, prompt->box[2] * scale_x, prompt->box[3] * scale_y, SAM2_BOTTOM_RIGHT, out + width);
        out += 2 * width;
    } else if (prompt->point_count == 0) {
        point_token(model, 0.0F, 0.0F, SAM2_NOT_A_POINT, out);
        out += width;
    }
    point_token(model, 0.0F, 0.0F, SAM2_NOT_A_POINT, out);
}

struct tensor sam2_prompt_sparse(const struct sam2 *model, struct compute *compute,
                                 const struct sam2_features *features, const struct sam2_prompt *prompts, int64_t count)
{
    const int64_t width = model->config.width, first = 2 + model->config.mask_tokens;
    const int64_t tokens = first + sam2_prompt_tokens(&prompts[0]);
    const int64_t dim[3] = {count, tokens, width};
    float *host = malloc((size_t)(count * tokens * width) * sizeof(*host));
    if (host == NULL) {
        compute_fail(compute, error_memory("prompts"));
        return compute_tensor(compute, DTYPE_F32, 3, dim);
    }
    for (int64_t n = 0; n < count; n++) {
        float *row = host + n * tokens * width;
        memcpy(row, model->weights.output_tokens, (size_t)(first * width) * sizeof(*row));
        prompt_tokens(model, features, &prompts[n], row + first * width);
    }
    struct tensor out = op_upload(compute, DTYPE_F32, 3, dim, host);
    free(host);
    return out;
}

/* image [P, C] + the embedding of a mask -> out [P, C]. */
static void embed_mask(const struct sam2 *model, struct compute *compute, const float *mask, struct tensor image,
                       struct tensor out)
{
    const struct sam2_config *config = &model->config;
    const struct sam2_weights *weights = &model->weights;
    const int64_t side = config->mask_side, grid = config->grid, channels = config->mask_channels;
    const size_t mark = compute_mark(compute);
    struct tensor x = op_upload(compute, DTYPE_F32, 4, (int64_t[]){1, side, side, 1}, mask);
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
                                const struct sam2_prompt *prompts, int64_t count)
{
    const int64_t pixels = model->config.grid * model->config.grid, width = model->config.width;
    bool masks = false;
    for (int64_t n = 0; n < count; n++)
        masks = masks || prompts[n].mask != NULL;
    struct tensor out = COMPUTE_TENSOR(compute, DTYPE_F32, masks ? count : 1, pixels, width);
    for (int64_t n = 0; n < out.dim[0]; n++)
        if (prompts[n].mask != NULL)
            embed_mask(model, compute, prompts[n].mask, features->embedding, tensor_at(out, n));
        else
            op_add(compute, features->embedding, model->weights.no_mask, tensor_at(out, n));
    return out;
}
