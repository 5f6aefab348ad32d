#include "engine/models.h"

#include "base/error.h"
#include "models/owlv2/detector.h"
#include "models/sam2/segmenter.h"
#include "models/vjepa2/scorer.h"
#include "weights/config.h"
#include "weights/model_kind.h"

#include <string.h>

static const struct detector_model *const detectors[] = {&owlv2_detector};
static const struct segmenter_model *const segmenters[] = {&sam2_segmenter};
static const struct scorer_model *const scorers[] = {&vjepa2_scorer};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The kind of checkpoint that a folder holds, as text of static storage; "": none that is computed here. */
static int read_kind(const char *folder, const char **kind)
{
    struct config *file = NULL;
    const char *model_type = NULL, *found = NULL;
    int status = config_open(folder, "config.json", &file);
    if (status == 0)
        status = config_string(file, config_root(file), "model_type", "", &model_type);
    if (status == 0)
        found = model_kind_of_type(model_type);
    *kind = found ? found : "";
    config_close(&file);
    return status;
}

int find_detector(const char *folder, const struct detector_model **out)
{
    const char *kind;
    const int status = read_kind(folder, &kind);
    *out = detectors[0];
    for (size_t i = 0; i < COUNT(detectors); i++)
        if (strcmp(detectors[i]->kind, kind) == 0)
            *out = detectors[i];
    return status;
}

int find_segmenter(const char *folder, const struct segmenter_model **out)
{
    const char *kind;
    const int status = read_kind(folder, &kind);
    *out = segmenters[0];
    for (size_t i = 0; i < COUNT(segmenters); i++)
        if (strcmp(segmenters[i]->kind, kind) == 0)
            *out = segmenters[i];
    return status;
}

int find_scorer(const char *folder, const struct scorer_model **out)
{
    const char *kind;
    const int status = read_kind(folder, &kind);
    *out = scorers[0];
    for (size_t i = 0; i < COUNT(scorers); i++)
        if (strcmp(scorers[i]->kind, kind) == 0)
            *out = scorers[i];
    return status;
}
