/* What happens to masks on the host: which of the decoder's are given, small holes and specks, the size of the
 * image. */
#include "models/sam2/forward.h"

#include "base/error.h"

#include <stdlib.h>

int64_t sam2_best(const float *iou, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        best = iou[i] > iou[best] ? i : best;
    return best;
}

/* Whether the mask's area hardly depends on the threshold: IoU of the masks at +delta and -delta. */
static bool is_stable(const struct sam2_config *config, const float *mask)
{
    const int64_t area = config->mask_side * config->mask_side;
    int64_t inner = 0, outer = 0;
    for (int64_t i = 0; i < area; i++) {
        inner += mask[i] > config->stability_delta;
        outer += mask[i] > -config->stability_delta;
    }
    const float score = outer > 0 ? (float)inner / (float)outer : 1.0F;
    return score >= config->stability_threshold;
}

struct sam2_choice sam2_choose(const struct sam2_config *config, const float *masks, const float *iou, bool multimask)
{
    if (multimask)
        return (struct sam2_choice){1, config->mask_tokens - 1};
    if (!config->stability_fallback || is_stable(config, masks))
        return (struct sam2_choice){0, 1};
    return (struct sam2_choice){1 + sam2_best(iou + 1, config->mask_tokens - 1), 1};
}

/* A pixel's kind; those that were looked at become SEEN. NaN is neither. */
enum kind { BACKGROUND, OBJECT, NEITHER, SEEN };

/* Gathers in `part` the pixels of `kind` connected to `start` (8 neighbours); returns how many. */
static int64_t collect_part(uint8_t *kinds, int64_t side, int64_t start, int32_t *part)
{
    const uint8_t kind = kinds[start];
    int64_t count = 1;
    part[0] = (int32_t)start;
    kinds[start] = SEEN;
    for (int64_t i = 0; i < count; i++) {
        const int64_t y = part[i] / side, x = part[i] % side;
        for (int64_t near_y = y > 0 ? y - 1 : 0; near_y <= y + 1 && near_y < side; near_y++) {
            for (int64_t near_x = x > 0 ? x - 1 : 0; near_x <= x + 1 && near_x < side; near_x++) {
                const int64_t near = near_y * side + near_x;
                if (kinds[near] == kind) { // NOLINT(clang-analyzer-core.*): all of side * side are set
                    kinds[near] = SEEN;
                    part[count++] = (int32_t)near;
                }
            }
        }
    }
    return count;
}

int sam2_clean_mask(float *mask, int64_t side, float threshold, int64_t hole_area, int64_t sprinkle_area)
{
    if (hole_area <= 0 && sprinkle_area <= 0)
        return 0;
    const int64_t area = side * side;
    uint8_t *kinds = malloc((size_t)area);
    int32_t *part = malloc((size_t)area * sizeof(*part));
    if (kinds == NULL || part == NULL) {
        free(kinds);
        free(part);
        return error_memory("a mask's parts");
    }
    for (int64_t i = 0; i < area; i++)
        kinds[i] = (uint8_t)(mask[i] > threshold ? OBJECT : mask[i] <= threshold ? BACKGROUND : NEITHER);
    for (int64_t i = 0; i < area; i++) {
        if (kinds[i] != BACKGROUND && kinds[i] != OBJECT)
            continue;
        const bool hole = kinds[i] == BACKGROUND;
        const int64_t count = collect_part(kinds, side, i, part);
        if (count <= (hole ? hole_area : sprinkle_area))
            for (int64_t j = 0; j < count; j++)
                mask[part[j]] = hole ? threshold + 10.0F : threshold - 10.0F;
    }
    free(kinds);
    free(part);
    return 0;
}

/* Mask by mask, so that scratch is one mask's. `threshold` NULL: the logits themselves, to `logits`. */
static int masks_at_size(const struct sam2 *model, struct compute *compute, const float *masks, int64_t count,
                         int width, int height, const float *threshold, uint8_t *bits, float *logits)
{
    const int side = (int)model->config.mask_side;
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i++) {
        const size_t area = (size_t)width * (size_t)height * (size_t)i;
        compute_begin(compute);
        const struct resize vertical = op_filter_bilinear(compute, side, height, false);
        const struct resize horizontal = op_filter_bilinear(compute, side, width, false);
        struct tensor mask =
            op_upload(compute, DTYPE_F32, 3, (int64_t[]){1, side, side}, masks + i * (int64_t)side * side);
        struct tensor out = COMPUTE_TENSOR(compute, threshold != NULL ? DTYPE_U8 : DTYPE_F32, 1, height, width);
        if (threshold != NULL) {
            op_resize_planes_above(compute, mask, &vertical, &horizontal, *threshold, out);
            op_download(compute, out, bits + area);
        } else {
            op_resize_planes(compute, mask, &vertical, &horizontal, out);
            op_download(compute, out, logits + area);
        }
        status = compute_finish(compute);
    }
    return status;
}

int sam2_masks_at_size(const struct sam2 *model, struct compute *compute, const float *masks, int64_t count, int width,
                       int height, float threshold, uint8_t *out)
{
    return masks_at_size(model, compute, masks, count, width, height, &threshold, out, NULL);
}

int sam2_logits_at_size(const struct sam2 *model, struct compute *compute, const float *masks, int64_t count, int width,
                        int height, float *out)
{
    return masks_at_size(model, compute, masks, count, width, height, NULL, NULL, out);
}
