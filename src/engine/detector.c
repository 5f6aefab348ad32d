/* A detector's weights. */
#include "engine/detector_parts.h"

#include "base/error.h"
#include "base/log.h"
#include "engine/models.h"

#include <stdlib.h>

int detector_open(const char *folder, struct device *device, struct detector **out)
{
    *out = NULL;
    struct detector *detector = calloc(1, sizeof(*detector));
    if (!detector)
        return error_memory("detector");
    detector->device = device;
    int status = find_detector(folder, &detector->model);
    if (status == 0)
        status = detector->model->open(folder, device, &detector->weights);
    if (status != 0) {
        detector_free(&detector);
        return status;
    }
    detector->info = detector->model->info(detector->weights);
    *out = detector;
    return 0;
}

void detector_free(struct detector **detector)
{
    struct detector *old = *detector;
    if (!old)
        return;
    if (old->weights)
        old->model->free(old->weights);
    free(old);
    *detector = NULL;
}

const struct detector_info *detector_info(const struct detector *detector)
{
    return &detector->info;
}

int detector_tokenize_quietly(const struct detector *detector, const char *text, int32_t *ids, bool *cut)
{
    *cut = false;
    return detector->model->tokenize(detector->weights, text, ids, cut);
}

int detector_tokenize(const struct detector *detector, const char *text, int32_t *ids)
{
    bool cut;
    const int status = detector_tokenize_quietly(detector, text, ids, &cut);
    if (status == 0 && cut)
        log_notice("prompt \"%s\": longer than the model's %d tokens, it is cut off", text, detector->info.text_length);
    return status;
}
