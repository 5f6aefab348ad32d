#include "engine/models.h"

#include "base/error.h"
#include "models/sam2/segmenter.h"
#include "weights/config.h"
#include "weights/model_kind.h"

#include <string.h>

static const struct segmenter_model *const segmenters[] = {&sam2_segmenter};

/* The kind of checkpoint that a folder holds, as text of static storage. */
static int read_kind(const char *folder, const char **kind)
{
    struct config *file = NULL;
    const char *model_type = NULL;
    int status = config_open(folder, "config.json", &file);
    if (status == 0)
        status = config_string(file, config_root(file), "model_type", "", &model_type);
    *kind = status == 0 ? model_kind_of_type(model_type) : NULL;
    config_close(&file);
    return status;
}

int find_segmenter(const char *folder, const struct segmenter_model **out)
{
    const char *kind = NULL;
    const int status = read_kind(folder, &kind);
    *out = segmenters[0]; /* whose opening says what the folder holds instead */
    for (size_t i = 0; i < sizeof(segmenters) / sizeof(segmenters[0]); i++)
        if (kind != NULL && strcmp(segmenters[i]->kind, kind) == 0)
            *out = segmenters[i];
    return status;
}
