/* See model_kind.h. */
#include "weights/model_kind.h"

#include "base/error.h"
#include "base/strings.h"

#include <string.h>

/* A kind of model that this project computes. Kinds of one task take each other's place: which of them a folder is,
 * says its config.json; the first one of a task is what messages name. */
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
    {"vjepa21", NULL, "a V-JEPA 2.1 model, built differently from V-JEPA 2"},
    {"vjepa2_1", NULL, "a V-JEPA 2.1 model, built differently from V-JEPA 2"},
    {"owlv2_vision_model", NULL, "the image tower of an OWLv2 model alone"},
    {"owlv2_text_model", NULL, "the text tower of an OWLv2 model alone"},
    {"sam2_vision_model", NULL, "the image encoder of a SAM 2 model alone, which makes no masks"},
    {"sam2_hiera_det_model", NULL, "the image encoder of a SAM 2 model alone, which makes no masks"},
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
static int report_unused(const char *what, const char *why, const char *description)
{
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: %s: this is %s, which sowlv2 cannot run: it needs %s for %s, %s for %s, %s for %s", what, why,
                     description, kinds[0].model, kinds[0].task, kinds[1].model, kinds[1].task, kinds[2].model,
                     kinds[2].task);
}

/* The message for a model that `needed` (NULL: nothing in particular) cannot use; `why` tells how that shows. */
static int report(const char *what, const char *why, const char *description, const struct kind *needed,
                  const struct kind *served)
{
    if (!needed)
        return report_unused(what, why, description);
    return error_set(SOWLV2_ERROR_MODEL, "%s: %s: this is %s%s%s, but %s needs %s: give for example %s", what, why,
                     description, served ? ", good for " : "", served ? served->task : "", needed->task, needed->model,
                     needed->example);
}

int model_kind_check(const char *what, const char *model_type, const char *kind)
{
    const struct type *type = find_type(model_type);
    const struct kind *needed = kind ? find_kind(kind) : NULL;
    const struct kind *served = type && type->kind ? find_kind(type->kind) : NULL;
    struct string why = {0};
    if (served && (!needed || strcmp(served->task, needed->task) == 0))
        return 0;
    string_append_format(&why, "model_type is \"%s\"", model_type);
    const char *description = type          ? type->name
                              : *model_type ? "another kind of model"
                                            : "a model that does not say what it is";
    const int status = why.failed ? error_memory(what) : report(what, why.data, description, needed, served);
    string_free(&why);
    return status;
}

/* V-JEPA 2.1 under the type of V-JEPA 2: its switches, which are off where they are absent. */
static int check_version(const struct config *file, const char *what, const char *kind)
{
    static const char *const keys[] = {"use_rope_interleave", "use_modality_embeddings", "modality_embedding",
                                       "interpolate_rope"};
    int status = 0;
    for (size_t i = 0; !status && i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct string why = {0};
        bool on = false;
        status = config_switch(file, config_root(file), keys[i], false, &on);
        if (status || !on)
            continue;
        string_append_format(&why, "%s is on", keys[i]);
        status = why.failed ? error_memory(what)
                            : report(what, why.data, find_type("vjepa21")->name, kind ? find_kind(kind) : NULL, NULL);
        string_free(&why);
    }
    return status;
}

/* How quantization_config says that the weights are quantized, "bitsandbytes, 4 bits"; empty: they are not. */
static int describe_quantization(const struct config *file, struct string *out)
{
    const struct config_node *node;
    const char *method = "";
    bool four = false, eight = false;
    int64_t bits = 0;
    int status = config_object(file, config_root(file), "quantization_config", &node);
    if (!status)
        status = config_string(file, node, "quant_method", "", &method);
    if (!status)
        status = config_switch(file, node, "load_in_4bit", false, &four);
    if (!status)
        status = config_switch(file, node, "load_in_8bit", false, &eight);
    if (!status && config_has(node, "bits"))
        status = config_int(file, node, "bits", 0, 0, 64, &bits);
    bits = four ? 4 : eight ? 8 : bits;
    const bool undone = strcmp(method, "bitsandbytes") == 0 && bits == 0;
    if (status || undone || (!*method && bits == 0))
        return status;
    string_append_text(out, *method ? method : "bitsandbytes");
    if (bits > 0)
        string_append_format(out, ", %d bits", (int)bits);
    return out->failed ? error_memory(config_name(file)) : 0;
}

static int check_quantization(const struct config *file, const char *what, const char *example)
{
    struct string how = {0};
    int status = describe_quantization(file, &how);
    if (!status && how.length > 0)
        status = error_set(SOWLV2_ERROR_MODEL,
                           "%s: quantization_config: the weights are quantized (%s), but sowlv2 reads F32, F16 and "
                           "BF16: give the model that it was made from, such as %s, or save it after "
                           "model.dequantize() of transformers",
                           what, how.data, example);
    string_free(&how);
    return status;
}

int model_kind_check_config(const struct config *file, const char *what, const char *kind)
{
    const char *model_type = "";
    int status = config_string(file, config_root(file), "model_type", "", &model_type);
    if (!status)
        status = model_kind_check(what, model_type, kind);
    if (!status && strcmp(model_type, "vjepa2") == 0)
        status = check_version(file, what, kind);
    if (status || (kind && strcmp(kind, "tokenizer") == 0)) /* which needs no weights */
        return status;
    return check_quantization(file, what, find_kind(find_type(model_type)->kind)->example);
}

const char *model_kind_of_folder(const char *folder)
{
    struct config *file = NULL;
    const char *type = "", *kind = NULL;
    if (config_open(folder, "config.json", &file) == 0 && model_kind_check_config(file, folder, NULL) == 0 &&
        config_string(file, config_root(file), "model_type", "", &type) == 0)
        kind = model_kind_of_type(type);
    config_close(&file);
    return kind;
}
