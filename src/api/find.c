/* Detection and segmentation in one call. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

/* The objects of one image; the encoder runs only where something was detected. */
static int find_in_image(sowlv2_segment_session *session, const struct sowlv2_image *image,
                         const struct sowlv2_detections *found, const struct sowlv2_find_options *options,
                         struct sowlv2_objects *out)
{
    int status = found->count > 0 ? sowlv2_segment_set_image(session, image, options->segment) : 0;
    if (status == 0)
        status = sowlv2_segment_objects(session, found->items, NULL, found->count, options, out);
    if (status == 0)
        out->dropped = found->dropped;
    return status;
}

int sowlv2_find(sowlv2_detect_session *session, const sowlv2_prompts *prompts, sowlv2_segment_session *segment_session,
                const struct sowlv2_image *images, size_t count, const struct sowlv2_find_options *options,
                struct sowlv2_objects *out)
{
    struct sowlv2_find_options mine;
    struct sowlv2_detect_options detect;
    if (out && count <= API_MAX_BATCH)
        memset(out, 0, count * sizeof(*out));
    if (!session || !segment_session || !out || (count > 0 && !images) || count > API_MAX_BATCH) {
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_find: both sessions, at most %d images and out are needed",
                         API_MAX_BATCH);
    }
    int status = OPTIONS_TAKE(find, options, &mine);
    if (status == 0)
        status = OPTIONS_TAKE(detect, mine.detect, &detect);
    if (status == 0 && !prompts && !detect.image_prompts)
        status = error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_find: prompts are needed");
    if (status != 0)
        return status;
    detect.clip = true; /* a box outside of the image is no prompt */
    struct sowlv2_detections *found = calloc(count + 1, sizeof(*found));
    if (!found)
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
