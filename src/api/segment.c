/* A segment session's image, and the masks of prompts on it. */
#include "api/checks.h"
#include "api/segment_parts.h"
#include "api/segment_prompts.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"
#include "masks/masks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One sowlv2_segment(). */
struct call {
    sowlv2_segment_session *session;
    const struct sowlv2_segment_options *options;
    struct sowlv2_mask *out;
};

int segment_take_bits(struct segment_session *session, const uint64_t *bits, bool wanted, struct sowlv2_mask *out)
{
    int width, height;
    segment_session_size(session, &width, &height);
    const int status = mask_set_bits(out, bits, width, height);
    if (status != 0 || !wanted)
        return status;
    out->pixels = calloc((size_t)height, (size_t)width);
    if (!out->pixels)
        return error_memory("mask");
    mask_paint(out, 1, out->pixels);
    return 0;
}

static int take(int64_t index, const struct segment_result *result, void *user_data)
{
    const struct call *const call = user_data;
    struct sowlv2_mask *const mask = &call->out[index];
    mask->mask_score = result->iou;
    mask->object_score = result->object_score;
    if (result->logits) {
        const int side = sowlv2_segmenter_mask_side(call->session->segmenter);
        const size_t bytes = (size_t)side * (size_t)side * sizeof(*mask->logits);
        mask->logits = malloc(bytes);
        if (!mask->logits)
            return error_memory("mask");
        memcpy(mask->logits, result->logits, bytes);
        mask->logits_side = side;
    }
    return segment_take_bits(call->session->session, result->bits, call->options->pixels, mask);
}

int segment_take_rules(float threshold, int fill_holes, int remove_sprinkles, struct mask_rules *out)
{
    if (!isfinite(threshold))
        return error_set(SOWLV2_ERROR_ARGUMENT, "mask threshold: not a finite number");
    if (fill_holes < 0 || remove_sprinkles < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "areas of holes and sprinkles: below 0");
    *out = (struct mask_rules){.threshold = threshold, .hole_area = fill_holes, .sprinkle_area = remove_sprinkles};
    return 0;
}

/* All that is wrong is said before anything is computed. */
static int check(const struct call *call, const struct sowlv2_segment_prompt *prompts, size_t count,
                 struct mask_rules *rules)
{
    const struct sowlv2_segment_options *const options = call->options;
    const sowlv2_segment_session *const session = call->session;
    const int side = sowlv2_segmenter_mask_side(session->segmenter);
    int width, height;
    int status = segment_take_rules(options->mask_threshold, options->fill_holes, options->remove_sprinkles, rules);
    if (status == 0 && !segment_session_has_image(session->session))
        status = error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment: no image: call sowlv2_segment_set_image first");
    segment_session_size(session->session, &width, &height);
    for (size_t i = 0; i < count && status == 0; i++) {
        if (!prompts[i].box && prompts[i].point_count == 0 && !prompts[i].logits) {
            return error_set(SOWLV2_ERROR_ARGUMENT,
                             "prompt %zu: is empty: give a box, points, the logits of an earlier mask, or several",
                             i + 1);
        }
        status = segment_prompt_check(&prompts[i], i + 1, width, height, side);
    }
    return status;
}

int sowlv2_segment_set_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                             const struct sowlv2_segment_options *options)
{
    struct sowlv2_segment_options mine;
    struct sowlv2_image view;
    if (!session || !image)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment_set_image: a session and an image are needed");
    segment_session_forget(session->session); /* also where this image cannot be encoded */
    int status = OPTIONS_TAKE(segment, options, &mine);
    if (status == 0)
        status = take_segment_image(image, &view);
    if (status != 0)
        return status;
    const struct model_control control = {mine.progress, mine.progress_user_data};
    return segment_session_encode(session->session, &view, &control);
}

int sowlv2_segment(sowlv2_segment_session *session, const struct sowlv2_segment_prompt *prompts, size_t count,
                   const struct sowlv2_segment_options *options, struct sowlv2_mask *out)
{
    struct sowlv2_segment_options mine;
    enum { MAX_PROMPTS = 1000000 };
    if (out && count <= MAX_PROMPTS)
        memset(out, 0, count * sizeof(*out));
    if (!session || (count > 0 && (!prompts || !out)) || count > MAX_PROMPTS) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment: a session, at most %d prompts and out are needed",
                         MAX_PROMPTS);
    }
    int status = OPTIONS_TAKE(segment, options, &mine);
    if (status != 0)
        return status;
    struct call call = {.session = session, .options = &mine, .out = out};
    struct segment_request request = {.prompts = prompts,
                                      .count = (int64_t)count,
                                      .multimask = mine.multimask,
                                      .refine = mine.refine,
                                      .logits = mine.logits};
    status = check(&call, prompts, count, &request.rules);
    if (status != 0 || count == 0)
        return status;
    const struct model_control control = {mine.progress, mine.progress_user_data};
    status = segment_session_run(session->session, &request, &control, take, &call);
    if (status != 0)
        sowlv2_masks_free(out, count);
    return status;
}
