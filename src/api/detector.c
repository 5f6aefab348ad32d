/* Opening and closing a detector. */
#include "api/checks.h"
#include "api/types.h"
#include "base/error.h"
#include "engine/shared_device.h"

#include <stdlib.h>

int sowlv2_detector_open(const struct sowlv2_model_options *options, sowlv2_detector **out)
{
    if (out)
        *out = NULL;
    if (!options || !out)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detector_open: options and out are needed");
    sowlv2_detector *detector = calloc(1, sizeof(*detector));
    if (!detector)
        return error_memory("detector");
    char *folder = NULL;
    int status = find_model("sowlv2_detector_open", options, "owlv2", &folder, &detector->device);
    if (status == 0)
        status = detector_open(folder, detector->device, &detector->detector);
    if (status == 0)
        status = known_words_open(folder, &detector->words);
    free(folder);
    if (status != 0) {
        sowlv2_detector_free(&detector);
        return status;
    }
    *out = detector;
    return 0;
}

void sowlv2_detector_free(sowlv2_detector **detector)
{
    if (!detector || !*detector)
        return;
    known_words_free(&(*detector)->words);
    detector_free(&(*detector)->detector);
    shared_device_close(&(*detector)->device);
    free(*detector);
    *detector = NULL;
}

int sowlv2_detector_image_size(const sowlv2_detector *detector)
{
    return detector ? detector_info(detector->detector)->image_size : 0;
}

int sowlv2_detector_text_length(const sowlv2_detector *detector)
{
    return detector ? detector_info(detector->detector)->text_length : 0;
}

int sowlv2_detector_tokenize(const sowlv2_detector *detector, const char *text, int32_t *ids)
{
    if (!detector || !text || !ids)
        return error_set(SOWLV2_ERROR_ARGUMENT, "sowlv2_detector_tokenize: a detector, a text and ids are needed");
    return detector_tokenize(detector->detector, text, ids);
}

const char *sowlv2_detector_device(const sowlv2_detector *detector)
{
    return detector ? device_name(detector->device) : NULL;
}
