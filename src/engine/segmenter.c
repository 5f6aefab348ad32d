/* A segmenter's weights, and the part that only tracking needs, opened by the first who does. */
#include "engine/segmenter_parts.h"

#include "engine/models.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int segmenter_open(const char *folder, struct device *device, struct segmenter **out)
{
    *out = NULL;
    struct segmenter *segmenter = calloc(1, sizeof(*segmenter));
    if (!segmenter)
        return error_memory("segmenter");
    segmenter->device = device;
    pthread_mutex_init(&segmenter->video_lock, NULL);
    int status = (segmenter->folder = strdup(folder)) ? 0 : error_memory("segmenter");
    if (status == 0)
        status = find_segmenter(folder, &segmenter->model);
    if (status == 0)
        status = segmenter->model->open(folder, device, &segmenter->weights);
    if (status != 0) {
        segmenter_free(&segmenter);
        return status;
    }
    *out = segmenter;
    return 0;
}

void segmenter_free(struct segmenter **segmenter)
{
    struct segmenter *old = *segmenter;
    if (!old)
        return;
    if (old->video)
        old->model->video_free(old->video);
    if (old->weights)
        old->model->free(old->weights);
    pthread_mutex_destroy(&old->video_lock);
    free(old->folder);
    free(old);
    *segmenter = NULL;
}

int segmenter_mask_side(const struct segmenter *segmenter)
{
    return (int)segmenter->model->mask_side(segmenter->weights);
}

int segmenter_prepare_tracking(struct segmenter *segmenter)
{
    const struct segmenter_model *const model = segmenter->model;
    int status = 0;
    if (!model->video_open) {
        return error_set(SOWLV2_ERROR_MODEL,
                         "%s: this model segments images and does not track: use a SAM 2 video model",
                         segmenter->folder);
    }
    pthread_mutex_lock(&segmenter->video_lock);
    if (!segmenter->video)
        status = model->video_open(segmenter->folder, segmenter->weights, &segmenter->video);
    pthread_mutex_unlock(&segmenter->video_lock);
    return status;
}
