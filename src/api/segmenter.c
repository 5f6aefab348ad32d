/* Opening and closing a segmenter, and one thread's session with it. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"

#include <stdlib.h>

/* Takes `folder` over, also on error. */
static int make_video_part(char *folder, struct video_part **out)
{
    struct video_part *part = calloc(1, sizeof(*part));
    if (part == NULL) {
        free(folder);
        return error_memory("segmenter");
    }
    pthread_mutex_init(&part->lock, NULL);
    part->folder = folder;
    *out = part;
    return 0;
}

static void free_video_part(struct video_part **part)
{
    if (*part == NULL)
        return;
    sam2_video_free(&(*part)->video);
    pthread_mutex_destroy(&(*part)->lock);
    free((*part)->folder);
    free(*part);
    *part = NULL;
}

int sowlv2_segmenter_open(const struct sowlv2_model_options *options, sowlv2_segmenter **out)
{
    if (options == NULL || options->model == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segmenter_open: options, options->model and out are needed");
    sowlv2_segmenter *segmenter = calloc(1, sizeof(*segmenter));
    if (segmenter == NULL)
        return error_memory("segmenter");
    char *folder = NULL;
    int status = find_model(options, "sam2", &folder);
    if (status == 0)
        status = open_named_device(&options->device, &segmenter->device);
    if (status == 0)
        status = sam2_open(folder, segmenter->device, &segmenter->model);
    if (status == 0)
        status = make_video_part(folder, &segmenter->video_part);
    else
        free(folder);
    if (status != 0) {
        sowlv2_segmenter_free(&segmenter);
        return status;
    }
    *out = segmenter;
    return 0;
}

void sowlv2_segmenter_free(sowlv2_segmenter **segmenter)
{
    if (segmenter == NULL || *segmenter == NULL)
        return;
    free_video_part(&(*segmenter)->video_part);
    sam2_free(&(*segmenter)->model);
    device_close(&(*segmenter)->device);
    free(*segmenter);
    *segmenter = NULL;
}

int sowlv2_segmenter_mask_side(const sowlv2_segmenter *segmenter)
{
    return (int)sam2_get_config(segmenter->model)->mask_side;
}

int sowlv2_segment_session_create(const sowlv2_segmenter *segmenter, sowlv2_segment_session **out)
{
    if (segmenter == NULL || out == NULL)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment_session_create: a segmenter and out are needed");
    sowlv2_segment_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return error_memory("segment session");
    session->segmenter = segmenter;
    int status = compute_create(segmenter->device, &session->compute);
    if (status == 0)
        status = sam2_features_create(segmenter->model, &session->features);
    if (status != 0) {
        sowlv2_segment_session_free(&session);
        return status;
    }
    *out = session;
    return 0;
}

void sowlv2_segment_session_free(sowlv2_segment_session **session)
{
    if (session == NULL || *session == NULL)
        return;
    sam2_features_free(&(*session)->features);
    compute_free(&(*session)->compute);
    free((*session)->masks);
    free((*session)->second_masks);
    free((*session)->pixels);
    free(*session);
    *session = NULL;
}
