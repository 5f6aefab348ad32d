/* The masks of prompts on the session's image. */
#include "api/checks.h"
#include "api/segment_parts.h"
#include "api/segment_prompts.h"
#include "api/types.h"
#include "base/error.h"
#include "masks/masks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Prompts decoded at a time: what their low-resolution masks take is bounded. */
enum { PART = 32 };

/* One sowlv2_segment(). */
struct pass {
    sowlv2_segment_session *session;
    const struct sowlv2_segment_options *options;
    size_t area;       /* of a low-resolution mask */
    int done, total;   /* steps, for the progress */
    int width, height; /* of the image */
};

static bool report_progress(int done, int total, void *user_data)
{
    const struct pass *pass = user_data;
    (void)total;
    return pass->options->progress(pass->done + done, pass->total, pass->options->progress_user_data);
}

/* Decodes `count` prompts into masks[], the best of each prompt's moved to the prompt's own place. `scores`
 * [2][count]: predicted IoUs, object scores. */
static int decode(struct pass *pass, const struct sam2_prompt *prompts, size_t count, bool multimask, float **masks,
                  size_t *capacity, float *scores)
{
    sowlv2_segment_session *session = pass->session;
    const struct sam2 *model = session->segmenter->model;
    const size_t choices = (size_t)sam2_masks_per_prompt(model, multimask);
    float *iou = malloc(count * choices * sizeof(*iou));
    int status = iou != NULL ? reserve_floats(masks, capacity, count * choices * pass->area) : error_memory("masks");
    if (status == 0) {
        const struct model_control control = {pass->options->progress != NULL ? report_progress : NULL, pass};
        const struct sam2_output output = {.masks = *masks, .iou = iou, .object_score = scores + count};
        status = sam2_decode(model, session->compute, session->features, prompts, (int64_t)count, multimask, 0, NULL,
                             &control, &output);
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        const size_t best = i * choices + (size_t)sam2_best(iou + i * choices, (int64_t)choices);
        scores[i] = iou[best];
        if (best != i)
            memmove(*masks + i * pass->area, *masks + best * pass->area, pass->area * sizeof(float));
    }
    free(iou);
    pass->done += (int)count;
    return status;
}

/* Room for one mask at the image's size. */
static int reserve_pixels(sowlv2_segment_session *session)
{
    const size_t count =
        (size_t)sam2_features_width(session->features) * (size_t)sam2_features_height(session->features);
    if (session->pixels_capacity < count) {
        free(session->pixels);
        session->pixels = malloc(count);
        session->pixels_capacity = session->pixels != NULL ? count : 0;
    }
    return session->pixels != NULL ? 0 : error_memory("mask");
}

int segment_finish_mask(sowlv2_segment_session *session, const struct sowlv2_segment_options *options, float *logits,
                        struct sowlv2_mask *out)
{
    const struct sam2 *model = session->segmenter->model;
    const int side = (int)sam2_get_config(model)->mask_side;
    const int width = sam2_features_width(session->features), height = sam2_features_height(session->features);
    const size_t area = (size_t)side * (size_t)side, pixels = (size_t)width * (size_t)height;
    if (options->logits) {
        out->logits = malloc(area * sizeof(*out->logits));
        if (out->logits == NULL)
            return error_memory("mask");
        memcpy(out->logits, logits, area * sizeof(*out->logits));
        out->logits_side = side;
    }
    int status = sam2_clean_mask(logits, side, options->mask_threshold, options->fill_holes, options->remove_sprinkles);
    if (status == 0)
        status = reserve_pixels(session);
    if (status == 0) {
        status = sam2_masks_at_size(model, session->compute, logits, 1, width, height, options->mask_threshold,
                                    session->pixels);
    }
    if (status == 0)
        status = mask_set_pixels(out, session->pixels, width, height);
    if (status == 0 && options->pixels) {
        out->pixels = malloc(pixels);
        status = out->pixels != NULL ? 0 : error_memory("mask");
    }
    if (status == 0 && options->pixels)
        memcpy(out->pixels, session->pixels, pixels);
    return status;
}

/* At most PART prompts. */
static int segment_part(struct pass *pass, const struct sowlv2_segment_prompt *prompts, size_t count,
                        const int32_t *ones, struct sowlv2_mask *out)
{
    sowlv2_segment_session *session = pass->session;
    struct sam2_prompt converted[PART];
    float scores[2 * PART];
    for (size_t i = 0; i < count; i++)
        converted[i] = segment_prompt_convert(&prompts[i], ones);
    float *masks = NULL;
    int status =
        decode(pass, converted, count, pass->options->multimask, &session->masks, &session->masks_capacity, scores);
    masks = session->masks;
    if (status == 0 && pass->options->refine) {
        for (size_t i = 0; i < count; i++)
            converted[i].mask = session->masks + i * pass->area;
        status = decode(pass, converted, count, false, &session->second_masks, &session->second_capacity, scores);
        masks = session->second_masks;
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        out[i].mask_score = scores[i];
        out[i].object_score = scores[count + i];
        status = segment_finish_mask(session, pass->options, masks + i * pass->area, &out[i]);
    }
    return status;
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
static int prepare(struct pass *pass, const struct sowlv2_segment_prompt *prompts, size_t count)
{
    sowlv2_segment_session *session = pass->session;
    const int side = sowlv2_segmenter_mask_side(session->segmenter);
    int status = segment_check_options(pass->options);
    if (status == 0 && !session->has_image)
        status = error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment: no image: call sowlv2_segment_set_image first");
    if (status != 0)
        return status;
    pass->width = sam2_features_width(session->features);
    pass->height = sam2_features_height(session->features);
    pass->area = (size_t)side * (size_t)side;
    pass->total = (int)count * (pass->options->refine ? 2 : 1);
    for (size_t i = 0; i < count && status == 0; i++)
        status = segment_prompt_check(&prompts[i], i + 1, pass->width, pass->height, side);
    return status;
}

int sowlv2_segment(sowlv2_segment_session *session, const struct sowlv2_segment_prompt *prompts, size_t count,
                   const struct sowlv2_segment_options *options, struct sowlv2_mask *out)
{
    const struct sowlv2_segment_options defaults = sowlv2_segment_options_default();
    enum { MAX_PROMPTS = 1000000 };
    if (session == NULL || (count > 0 && (prompts == NULL || out == NULL)) || count > MAX_PROMPTS) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment: a session, at most %d prompts and out are needed",
                         MAX_PROMPTS);
    }
    struct pass pass = {.session = session, .options = options != NULL ? options : &defaults};
    int32_t *ones = NULL;
    int status = prepare(&pass, prompts, count);
    if (status == 0) {
        ones = malloc(SEGMENT_MAX_POINTS * sizeof(*ones));
        status = ones != NULL ? 0 : error_memory("points");
    }
    for (int i = 0; i < SEGMENT_MAX_POINTS && ones != NULL; i++)
        ones[i] = SAM2_INSIDE;
    size_t begun = 0;
    for (size_t i = 0; i < count && status == 0; i = begun) {
        begun = count - i < PART ? count : i + PART;
        memset(out + i, 0, (begun - i) * sizeof(*out));
        status = segment_part(&pass, prompts + i, begun - i, ones, out + i);
    }
    if (status != 0)
        sowlv2_masks_free(out, begun);
    free(ones);
    return status;
}
