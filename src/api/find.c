/* Detection and segmentation in one call. */
#include "api/checks.h"
#include "base/options.h"
#include "api/types.h"
#include "base/error.h"
#include "masks/masks.h"

#include <stdlib.h>
#include <string.h>

/* The masks of all detections of one image; the encoder runs only where there is one. */
static int segment_detections(sowlv2_segment_session *session, const struct sowlv2_image *image,
                              const struct sowlv2_detections *found, const struct sowlv2_segment_options *options,
                              struct sowlv2_mask *masks)
{
    if (found->count == 0)
        return 0;
    struct sowlv2_segment_prompt *prompts = calloc(found->count, sizeof(*prompts));
    int status = prompts != NULL ? sowlv2_segment_set_image(session, image, options) : error_memory("detected objects");
    for (size_t i = 0; i < found->count && status == 0; i++)
        prompts[i].box = found->items[i].box;
    if (status == 0)
        status = sowlv2_segment(session, prompts, found->count, options, masks);
    free(prompts);
    return status;
}

/* Moves the kept detections and masks into out; frees the masks of the others. */
static int gather(const struct sowlv2_detections *found, struct sowlv2_mask *masks, float dedupe_iou,
                  struct sowlv2_objects *out)
{
    const size_t count = found->count;
    const struct sowlv2_mask **views = calloc(count + 1, sizeof(const struct sowlv2_mask *));
    float *scores = calloc(count + 1, sizeof(*scores));
    bool *keep = calloc(count + 1, sizeof(*keep));
    int64_t kept = (int64_t)count;
    out->items = calloc(count + 1, sizeof(*out->items));
    int status = views != NULL && scores != NULL && keep != NULL && out->items != NULL ? 0 : error_memory("objects");
    for (size_t i = 0; i < count && status == 0; i++) {
        views[i] = &masks[i];
        scores[i] = found->items[i].score;
        keep[i] = true;
    }
    if (status == 0 && dedupe_iou > 0.0F) {
        kept = masks_dedupe(views, scores, count, (double)dedupe_iou, keep);
        status = kept < 0 ? (int)kept : 0;
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        if (keep[i]) {
            out->items[out->count++] = (struct sowlv2_object){found->items[i], masks[i]};
            masks[i] = (struct sowlv2_mask){0};
        }
    }
    out->dropped = found->dropped;
    out->duplicates = status == 0 ? count - (size_t)kept : 0;
    free(views);
    free(scores);
    free(keep);
    return status;
}

static int find_in_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                         const struct sowlv2_detections *found, const struct sowlv2_find_options *options,
                         struct sowlv2_objects *out)
{
    *out = (struct sowlv2_objects){0};
    struct sowlv2_mask *masks = calloc(found->count + 1, sizeof(*masks));
    int status = masks != NULL ? segment_detections(session, image, found, options->segment, masks)
                               : error_memory("detected objects");
    if (status == 0) {
        status = gather(found, masks, options->dedupe_iou, out);
        sowlv2_masks_free(masks, found->count);
    }
    free(masks);
    if (status != 0)
        sowlv2_objects_free(out);
    return status;
}

int sowlv2_find(sowlv2_detect_session *session, const sowlv2_prompts *prompts, sowlv2_segment_session *segment_session,
                const struct sowlv2_image *images, size_t count, const struct sowlv2_find_options *options,
                struct sowlv2_objects *out)
{
    struct sowlv2_find_options mine;
    struct sowlv2_detect_options detect;
    if (out != NULL && count <= API_MAX_BATCH)
        memset(out, 0, count * sizeof(*out));
    if (segment_session == NULL || out == NULL || count > API_MAX_BATCH) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_find: a segment session, at most %d images and out are needed",
                         API_MAX_BATCH);
    }
    int status = OPTIONS_TAKE(find, options, &mine);
    if (status == 0)
        status = OPTIONS_TAKE(detect, mine.detect, &detect);
    if (status != 0)
        return status;
    detect.clip = true; /* a box outside of the image is no prompt */
    struct sowlv2_detections *found = calloc(count + 1, sizeof(*found));
    if (found == NULL)
        return error_memory("detections");
    status = sowlv2_detect(session, prompts, images, count, &detect, found);
    for (size_t i = 0; i < count && status == 0; i++) {
        status = find_in_image(segment_session, &images[i], &found[i], &mine, &out[i]);
        for (size_t j = 0; status != 0 && j < i; j++)
            sowlv2_objects_free(&out[j]);
    }
    for (size_t i = 0; i < count; i++)
        sowlv2_detections_free(&found[i]);
    free(found);
    return status;
}

void sowlv2_objects_free(struct sowlv2_objects *objects)
{
    if (objects == NULL)
        return;
    for (size_t i = 0; i < objects->count; i++)
        sowlv2_masks_free(&objects->items[i].mask, 1);
    free(objects->items);
    *objects = (struct sowlv2_objects){0};
}
