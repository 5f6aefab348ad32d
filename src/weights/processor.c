/* See processor.h. */
#include "weights/processor.h"

#include "base/error.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static const char joint_name[] = "processor_config.json";

/* What one kind is called. */
struct names {
    const char *key;      /* in processor_config.json */
    const char *files[3]; /* of its own, by rank, ended by NULL */
    const char *type;     /* the key of its class */
};

static const struct names names[] = {
    [PROCESSOR_IMAGE] = {"image_processor", {"preprocessor_config.json", NULL}, "image_processor_type"},
    [PROCESSOR_VIDEO] = {"video_processor",
                         {"video_preprocessor_config.json", "preprocessor_config.json", NULL},
                         "video_processor_type"},
};

/* Opens a file that may be missing: then `*out` is NULL. */
static int open_present(const char *folder, const char *name, struct config **out)
{
    char *path = path_join(folder, name);
    *out = NULL;
    if (!path)
        return error_memory(name);
    int status = 0;
    if (file_is_broken_link(path))
        status =
            error_set(SOWLV2_ERROR_MODEL, "%s: is a link to a file that is missing: download the model again", path);
    else if (file_exists(path))
        status = config_open(folder, name, out);
    free(path);
    return status;
}

int processor_open(const char *folder, enum processor_kind kind, struct processor *out)
{
    *out = (struct processor){0};
    int status = open_present(folder, joint_name, &out->file);
    if (!status && out->file)
        status = config_object(out->file, config_root(out->file), names[kind].key, &out->node);
    if (!status && out->node)
        return 0;
    config_close(&out->file); /* releases before 5 write it without what it holds */
    for (size_t i = 0; !status && !out->file && names[kind].files[i]; i++)
        status = open_present(folder, names[kind].files[i], &out->file);
    if (!status && out->file)
        out->node = config_root(out->file);
    return status;
}

void processor_close(struct processor *processor)
{
    config_close(&processor->file);
    processor->node = NULL;
}

int processor_report_missing(const char *folder, enum processor_kind kind)
{
    return error_set(SOWLV2_ERROR_MODEL,
                     "%s: does not say how pixels are prepared: needs %s with \"%s\", or %s: get these files of the "
                     "model, or save its processor with save_pretrained of transformers",
                     folder, joint_name, names[kind].key, names[kind].files[0]);
}

static bool ends_with(const char *text, size_t length, const char *ending)
{
    const size_t size = strlen(ending);
    return length >= size && memcmp(text + length - size, ending, size) == 0;
}

/* Whether `name`, less "Fast" or "Pil", is `wanted`. */
static bool is_class(const char *name, const char *wanted)
{
    static const char old_ending[] = "FeatureExtractor", new_ending[] = "ImageProcessor";
    size_t length = strlen(name), wanted_length = strlen(wanted);
    if (ends_with(name, length, "Fast"))
        length -= 4;
    else if (ends_with(name, length, "Pil"))
        length -= 3;
    if (ends_with(name, length, old_ending) && ends_with(wanted, wanted_length, new_ending)) {
        length -= sizeof(old_ending) - 1;
        wanted_length -= sizeof(new_ending) - 1;
    }
    return length == wanted_length && memcmp(name, wanted, length) == 0;
}

int processor_check_class(const struct processor *processor, enum processor_kind kind, const char *wanted)
{
    const char *key = names[kind].type, *name;
    int status = config_string(processor->file, processor->node, key, NULL, &name);
    if (!status && !name && kind == PROCESSOR_IMAGE) {
        key = "feature_extractor_type";
        status = config_string(processor->file, processor->node, key, NULL, &name);
    }
    if (status || !name || is_class(name, wanted))
        return status;
    return config_field_error(processor->file, processor->node, key,
                              "is \"%s\", which prepares pixels in another way than %s, the only one that sowlv2 "
                              "computes for this kind of model: save the model with that one, or, where it was trained "
                              "with that one, write its name here",
                              name, wanted);
}
