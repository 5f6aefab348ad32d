/* The masks of prompts on the session's image. */
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

static bool report_progress(int done, int total, void *user_data)
{
    const struct sowlv2_segment_options *const options = user_data;
    return options->progress(done, total, options->progress_user_data);
}

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

int segment_check_options(const struct sowlv2_segment_options *options)
{
    if (!isfinite(options->mask_threshold))
        return error_set(SOWLV2_ERROR_ARGUMENT, "mask threshold: not a finite number");
    if (options->fill_holes < 0 || options->remove_sprinkles < 0)
        return error_set(SOWLV2_ERROR_ARGUMENT, "areas of holes and sprinkles: below 0");
    return 0;
}

/* All that is wrong is said before anything is computed. */
static int check(const struct call *call, const struct sowlv2_segment_prompt *prompts, size_t count)
{
    const sowlv2_segment_session *const session = call->session;
    const int side = sowlv2_segmenter_mask_side(session->segmenter);
    int width, height, status = segment_check_options(call->options);
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

static int run(struct call *call, const struct segment_prompt *prompts, size_t count)
{
    struct sowlv2_segment_options options = *call->options;
    const struct model_control control = {options.progress ? report_progress : NULL, &options};
    const struct segment_request request = {.prompts = prompts,
                                            .count = (int64_t)count,
                                            .multimask = options.multimask,
                                            .refine = options.refine,
                                            .logits = options.logits,
                                            .rules = {.threshold = options.mask_threshold,
                                                      .hole_area = options.fill_holes,
                                                      .sprinkle_area = options.remove_sprinkles}};
    return segment_session_run(call->session->session, &request, &control, take, call);
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
    status = check(&call, prompts, count);
    if (status != 0 || count == 0)
        return status;
    struct segment_prompt *const converted = calloc(count, sizeof(*converted));
    int32_t *const ones = malloc(SEGMENT_MAX_POINTS * sizeof(*ones));
    status = converted && ones ? 0 : error_memory("prompts");
    for (int i = 0; i < SEGMENT_MAX_POINTS && status == 0; i++)
        ones[i] = SEGMENT_INSIDE;
    for (size_t i = 0; i < count && status == 0; i++)
        converted[i] = segment_prompt_convert(&prompts[i], ones);
    if (status == 0)
        status = run(&call, converted, count);
    if (status != 0)
        sowlv2_masks_free(out, count);
    free(converted);
    free(ones);
    return status;
}
