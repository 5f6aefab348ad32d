/* Prompts and masks: points as tokens, the choice among masks, holes and sprinkles. */
#include "ops/reference/reference.h"

#include <math.h>
#include <string.h>

static const float TWO_PI = 6.283185307179586F;

/* One token [width]; x and y are parts of the image. In f32 from the first step on, as the reference has it. */
static void embed_point(const struct point_embedding *embedding, const float *point, int32_t kind, int64_t width,
                        float *out)
{
    const float *const fourier = host_data(embedding->fourier), *const none = host_data(embedding->not_a_point);
    const float centred_x = 2.0F * point[0] - 1.0F, centred_y = 2.0F * point[1] - 1.0F;
    const int64_t half = width / 2;
    if (kind == POINT_NONE) {
        memcpy(out, none, (size_t)width * sizeof(*out));
        return;
    }
    memset(out, 0, (size_t)width * sizeof(*out));
    if (kind < 0 || kind >= embedding->kinds.dim[0])
        return;
    const float *const row = matrix_row(&embedding->kinds, kind);
    for (int64_t i = 0; i < half; i++) {
        const float angle = TWO_PI * (centred_x * fourier[i] + centred_y * fourier[half + i]);
        out[i] = sinf(angle) + row[i];
        out[half + i] = cosf(angle) + row[half + i];
    }
}

void reference_embed_points(struct compute *compute, const struct point_embedding *embedding, struct tensor points,
                            struct tensor kinds, struct tensor out)
{
    (void)compute;
    const float *const at = host_data(points);
    const int32_t *const kind = host_data(kinds);
    for (int64_t b = 0; b < out.dim[0]; b++) {
        for (int64_t t = 0; t < out.dim[1]; t++) {
            const int64_t i = b * out.dim[1] + t;
            embed_point(embedding, at + 2 * i, kind[i], out.dim[2],
                        (float *)host_data(out) + b * out.stride[0] + t * out.stride[1]);
        }
    }
}

/* Whether the mask's area hardly depends on the threshold: IoU of the masks at +delta and -delta. */
static bool is_stable(const struct mask_choice *choice, const float *mask, int64_t area)
{
    int64_t inner = 0, outer = 0;
    for (int64_t i = 0; i < area; i++) {
        inner += mask[i] > choice->delta;
        outer += mask[i] > -choice->delta;
    }
    const float score = outer > 0 ? (float)inner / (float)outer : 1.0F;
    return score >= choice->threshold;
}

/* NaN is over all but NaN. */
static bool is_over(float a, float b)
{
    return a > b || (isnan(a) && !isnan(b));
}

void reference_choose_mask(struct compute *compute, const struct mask_choice *choice, struct tensor masks,
                           struct tensor scores, struct tensor index)
{
    (void)compute;
    const int64_t planes = masks.dim[1], area = masks.dim[2];
    const float *const mask = host_data(masks);
    int32_t *const chosen = host_data(index);
    for (int64_t b = 0; b < masks.dim[0]; b++) {
        const float *const score = (const float *)host_data(scores) + b * planes;
        chosen[b] = 0;
        if (!choice->several && (!choice->fallback || is_stable(choice, mask + b * planes * area, area)))
            continue;
        int32_t best = 1;
        for (int32_t i = 2; i < planes; i++)
            best = is_over(score[i], score[best]) ? i : best;
        chosen[b] = best;
    }
}

/* A pixel's kind; those that were looked at become SEEN. NaN is neither. */
enum kind { BACKGROUND, OBJECT, NEITHER, SEEN };

/* Gathers in `part` the pixels of `kind` connected to `start` (8 neighbours); returns how many. */
static int64_t collect_part(uint8_t *kinds, int64_t height, int64_t width, int64_t start, int32_t *part)
{
    const uint8_t kind = kinds[start];
    int64_t count = 1;
    part[0] = (int32_t)start;
    kinds[start] = SEEN;
    for (int64_t i = 0; i < count; i++) {
        const int64_t y = part[i] / width, x = part[i] % width;
        for (int64_t near_y = y > 0 ? y - 1 : 0; near_y <= y + 1 && near_y < height; near_y++) {
            for (int64_t near_x = x > 0 ? x - 1 : 0; near_x <= x + 1 && near_x < width; near_x++) {
                const int64_t near = near_y * width + near_x;
                if (kinds[near] == kind) { // NOLINT(clang-analyzer-core.*): all of height * width are set
                    kinds[near] = SEEN;
                    part[count++] = (int32_t)near;
                }
            }
        }
    }
    return count;
}

void reference_clean_masks(struct compute *compute, struct tensor masks, float threshold, int64_t hole_area,
                           int64_t sprinkle_area)
{
    const int64_t height = masks.dim[1], width = masks.dim[2], area = height * width;
    const size_t mark = compute_mark(compute);
    uint8_t *const kinds = host_data(COMPUTE_TENSOR(compute, DTYPE_U8, area));
    int32_t *const part = host_data(COMPUTE_TENSOR(compute, DTYPE_I32, area));
    for (int64_t n = 0; n < masks.dim[0] && compute_status(compute) == 0; n++) {
        float *const mask = (float *)host_data(masks) + n * area;
        for (int64_t i = 0; i < area; i++)
            kinds[i] = (uint8_t)(mask[i] > threshold ? OBJECT : mask[i] <= threshold ? BACKGROUND : NEITHER);
        for (int64_t i = 0; i < area; i++) {
            if (kinds[i] != BACKGROUND && kinds[i] != OBJECT)
                continue;
            const bool hole = kinds[i] == BACKGROUND;
            const int64_t count = collect_part(kinds, height, width, i, part);
            if (count <= (hole ? hole_area : sprinkle_area))
                for (int64_t j = 0; j < count; j++)
                    mask[part[j]] = hole ? threshold + 10.0F : threshold - 10.0F;
        }
    }
    compute_release(compute, mark);
}

void reference_separate_masks(struct compute *compute, struct tensor masks, float outside)
{
    (void)compute;
    const int64_t count = masks.dim[0], area = masks.dim[1];
    float *const values = host_data(masks);
    for (int64_t i = 0; i < area; i++) {
        int64_t best = 0;
        for (int64_t n = 1; n < count; n++)
            best = is_over(values[n * area + i], values[best * area + i]) ? n : best;
        for (int64_t n = 0; n < count; n++) {
            float *const value = &values[n * area + i];
            *value = n != best && *value > outside ? outside : *value;
        }
    }
}
