/* A caller's prompts: what can be a prompt of an image, and what cannot. */
#include "api/segment_prompts.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>

static int check_box(const float *box, const char *what, int width, int height)
{
    for (int i = 0; i < 4; i++) {
        if (!(fabsf(box[i]) <= (float)SEGMENT_MAX_COORDINATE)) {
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "%s: coordinate %d of the box is not finite, or far outside of any image", what, i);
        }
    }
    if (box[2] <= box[0] || box[3] <= box[1]) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: the box %g,%g,%g,%g is empty or reversed: give x0,y0,x1,y1 with x0 < x1 and "
                         "y0 < y1",
                         what, (double)box[0], (double)box[1], (double)box[2], (double)box[3]);
    }
    if (box[0] >= (float)width || box[1] >= (float)height || box[2] <= 0.0F || box[3] <= 0.0F) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: the box %g,%g,%g,%g is outside of the image of %d x %d pixels",
                         what, (double)box[0], (double)box[1], (double)box[2], (double)box[3], width, height);
    }
    return 0;
}

static int check_points(const struct sowlv2_segment_prompt *prompt, const char *what, int width, int height)
{
    if (prompt->point_count > SEGMENT_MAX_POINTS) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: %zu points are too many, at most %d", what, prompt->point_count,
                         SEGMENT_MAX_POINTS);
    }
    if (prompt->point_count > 0 && !prompt->points)
        return error_set(SOWLV2_ERROR_ARGUMENT, "%s: points are missing", what);
    for (size_t i = 0; i < prompt->point_count; i++) {
        const float x = prompt->points[2 * i], y = prompt->points[2 * i + 1];
        if (!(x >= 0.0F && x < (float)width && y >= 0.0F && y < (float)height)) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: point %g,%g is outside of the image of %d x %d pixels", what,
                             (double)x, (double)y, width, height);
        }
        if (prompt->labels && prompt->labels[i] != SEGMENT_INSIDE && prompt->labels[i] != SEGMENT_OUTSIDE) {
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: label %d of a point: give 1 (of the object) or 0 (not of it)",
                             what, (int)prompt->labels[i]);
        }
    }
    return 0;
}

static int check_logits(const struct sowlv2_segment_prompt *prompt, const char *what, int mask_side)
{
    if (!prompt->logits)
        return 0;
    if (prompt->logits_side != mask_side) {
        return error_set(SOWLV2_ERROR_ARGUMENT,
                         "%s: its mask is %d x %d logits: this model takes %d x %d, as sowlv2_mask.logits "
                         "gives them",
                         what, prompt->logits_side, prompt->logits_side, mask_side, mask_side);
    }
    for (int64_t i = 0; i < (int64_t)mask_side * mask_side; i++)
        if (!isfinite(prompt->logits[i]))
            return error_set(SOWLV2_ERROR_ARGUMENT, "%s: its mask has a logit that is not finite", what);
    return 0;
}

int segment_prompt_check(const struct sowlv2_segment_prompt *prompt, size_t number, int width, int height,
                         int mask_side)
{
    char what[32] = "prompt";
    if (number > 0)
        snprintf(what, sizeof(what), "prompt %zu", number);
    int status = prompt->box ? check_box(prompt->box, what, width, height) : 0;
    if (status == 0)
        status = check_points(prompt, what, width, height);
    return status != 0 ? status : check_logits(prompt, what, mask_side);
}
