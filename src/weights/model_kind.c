/* See model_kind.h. */
#include "weights/model_kind.h"

#include "base/error.h"

#include <string.h>

/* A kind of model that this project computes. */
struct kind {
    const char *name, *task, *model, *example;
};

static const struct kind kinds[] = {
    {"owlv2", "detection", "OWLv2", "google/owlv2-base-patch16-ensemble"},
    {"sam2", "segmentation", "SAM 2 or 2.1", "facebook/sam2.1-hiera-small"},
    {"vjepa2", "key frames", "V-JEPA 2", "facebook/vjepa2-vitl-fpc16-256-ssv2"},
};

/* What people have that may be mistaken for one of them, by model_type. */
struct type {
    const char *model_type;
    const char *kind; /* NULL: not computed here */
    const char *name;
};

static const struct type types[] = {
    {"owlv2", "owlv2", "an OWLv2 model"},
    {"sam2", "sam2", "a SAM 2 model"},
    {"sam2_video", "sam2", "a SAM 2 model"},
    {"vjepa2", "vjepa2", "a V-JEPA 2 model"},
    {"owlvit", NULL, "an OWL-ViT model of version 1, which pads images and scores otherwise"},
    {"sam", NULL, "a SAM 1 model"},
    {"sam_hq", NULL, "an HQ-SAM model, made of SAM 1"},
    {"sam3", NULL, "a SAM 3 model"},
    {"sam3_video", NULL, "a SAM 3 model"},
    {"sam3_tracker", NULL, "a SAM 3 model"},
    {"sam3_tracker_video", NULL, "a SAM 3 model"},
    {"sam3_lite_text", NULL, "a SAM 3 model"},
    {"edgetam", NULL, "an EdgeTAM model"},
    {"edgetam_video", NULL, "an EdgeTAM model"},
    {"vjepa", NULL, "a V-JEPA 1 model"},
    {"grounding-dino", NULL, "a Grounding DINO model"},
    {"mm-grounding-dino", NULL, "a Grounding DINO model"},
    {"omdet-turbo", NULL, "an OmDet-Turbo model"},
    {"clip", NULL, "a CLIP model, which finds no boxes"},
    {"clipseg", NULL, "a CLIPSeg model"},
    {"siglip", NULL, "a SigLIP model, which finds no boxes"},
    {"siglip2", NULL, "a SigLIP model, which finds no boxes"},
};

static const struct kind *find_kind(const char *name)
{
    if (strcmp(name, "tokenizer") == 0)
        name = "owlv2";
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static const struct type *find_type(const char *model_type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].model_type, model_type) == 0)
            return &types[i];
    return NULL;
}

const char *model_kind_of_type(const char *model_type)
{
    const struct type *type = find_type(model_type);
    return type ? type->kind : NULL;
}

const char *model_kind_task(const char *kind)
{
    const struct kind *found = find_kind(kind);
    return found ? found->task : "";
}

/* The message for a model that nothing here computes, asked for without saying what for. */
static int report_unused(const char *what, const char *description, const char *model_type)
{
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: model_type is \"%s\": this is %s, which sowlv2 does not compute: it needs %s for %s, %s for "
                     "%s, %s for %s",
                     what, model_type, description, kinds[0].model, kinds[0].task, kinds[1].model, kinds[1].task,
                     kinds[2].model, kinds[2].task);
}

int model_kind_check(const char *what, const char *model_type, const char *kind)
{
    const struct type *type = find_type(model_type);
    const struct kind *needed = kind ? find_kind(kind) : NULL;
    const struct kind *served = type && type->kind ? find_kind(type->kind) : NULL;
    if (served && (!needed || served == needed))
        return 0;
    const char *description = type          ? type->name
                              : *model_type ? "another kind of model"
                                            : "a model that does not say what it is";
    if (!needed)
        return report_unused(what, description, model_type);
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: model_type is \"%s\": this is %s%s%s, but %s needs %s: give for example %s", what, model_type,
                     description, served ? ", good for " : "", served ? served->task : "", needed->task, needed->model,
                     needed->example);
}

int model_kind_check_config(const struct config *file, const char *kind)
{
    const char *model_type = "";
    const int status = config_string(file, config_root(file), "model_type", "", &model_type);
    return status ? status : model_kind_check(config_name(file), model_type, kind);
}
