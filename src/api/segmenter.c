/* Opening and closing a segmenter, and one thread's session with it. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "engine/shared_device.h"

#include <stdlib.h>

int sowlv2_segmenter_open(const struct sowlv2_model_options *options, sowlv2_segmenter **out)
{
    if (out)
        *out = NULL;
    if (!options || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segmenter_open: options and out are needed");
    sowlv2_segmenter *segmenter = calloc(1, sizeof(*segmenter));
    if (!segmenter)
        return error_memory("segmenter");
    char *folder = NULL;
    int status = find_model("sowlv2_segmenter_open", options, "sam2", &folder, &segmenter->device);
    if (status == 0)
        status = segmenter_open(folder, segmenter->device, &segmenter->segmenter);
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
    if (!segmenter || !*segmenter)
        return;
    segmenter_free(&(*segmenter)->segmenter);
    shared_device_close(&(*segmenter)->device);
    free(*segmenter);
    *segmenter = NULL;
}

int sowlv2_segmenter_mask_side(const sowlv2_segmenter *segmenter)
{
    return segmenter ? segmenter_mask_side(segmenter->segmenter) : 0;
}

int sowlv2_segmenter_prepare_tracking(const sowlv2_segmenter *segmenter)
{
    if (!segmenter)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segmenter_prepare_tracking: a segmenter is needed");
    return segmenter_prepare_tracking(segmenter->segmenter);
}

int sowlv2_segment_session_create(const sowlv2_segmenter *segmenter, sowlv2_segment_session **out)
{
    if (out)
        *out = NULL;
    if (!segmenter || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_segment_session_create: a segmenter and out are needed");
    sowlv2_segment_session *session = calloc(1, sizeof(*session));
    if (!session)
        return error_memory("segment session");
    session->segmenter = segmenter;
    const int status = segment_session_create(segmenter->segmenter, &session->session);
    if (status != 0) {
        free(session);
        return status;
    }
    *out = session;
    return 0;
}

void sowlv2_segment_session_free(sowlv2_segment_session **session)
{
    if (!session || !*session || (*session)->borrowed)
        return;
    segment_session_free(&(*session)->session);
    free(*session);
    *session = NULL;
}
