/* The image processor's numbers: preprocessor_config.json, or processor_config.json as newer releases
 * write it, or the class defaults. */
#include "models/sam2/config_parts.h"

#include "base/error.h"
#include "base/file.h"

#include <stdlib.h>

/* A switch that the reference honours and we only know in one position. */
static int require_on(const struct config *file, const struct config_node *node, const char *key)
{
    bool on;
    const int status = config_bool(file, node, key, true, &on);
    return status != 0 || on ? status : config_error(file, "%s: false is not supported", key);
}

/* `side` is the size where the file does not say. */
static int read_image(const struct config *file, const struct config_node *node, int64_t side, struct sam2_config *out)
{
    enum { BILINEAR = 2 };
    static const double imagenet_mean[3] = {0.485, 0.456, 0.406};
    static const double imagenet_std[3] = {0.229, 0.224, 0.225};
    const struct config_node *size;
    int64_t height, width, resample;
    double mean[3], std[3];
    int status = config_object(file, node, "size", &size);
    if (status != 0 || (status = require_on(file, node, "do_resize")) != 0 ||
        (status = require_on(file, node, "do_rescale")) != 0 ||
        (status = require_on(file, node, "do_normalize")) != 0 ||
        (status = config_int(file, size, "height", side, 1, SAM2_MAX_SIDE, &height)) != 0 ||
        (status = config_int(file, size, "width", side, 1, SAM2_MAX_SIDE, &width)) != 0 ||
        (status = config_int(file, node, "resample", BILINEAR, 0, 5, &resample)) != 0 ||
        (status = sam2_read_number(file, node, "rescale_factor", 1.0 / 255.0, 0.0, 1.0, &out->rescale)) != 0 ||
        (status = config_numbers(file, node, "image_mean", 3, imagenet_mean, -1e6, 1e6, mean)) != 0 ||
        (status = config_numbers(file, node, "image_std", 3, imagenet_std, 1e-6, 1e6, std)) != 0)
        return status;
    for (int c = 0; c < 3; c++) {
        out->mean[c] = (float)mean[c];
        out->std[c] = (float)std[c];
    }
    if (resample != BILINEAR)
        return config_error(file, "resample: %lld is not supported, only 2 (bilinear)", (long long)resample);
    if (height != out->image_size || width != out->image_size) {
        return config_error(file, "size %lldx%lld does not fit the model's image_size %d", (long long)height,
                            (long long)width, out->image_size);
    }
    return 0;
}

/* Whether the folder has that file. */
static int has_file(const char *folder, const char *name, bool *out)
{
    char *path = path_join(folder, name);
    if (path == NULL)
        return error_memory("a path");
    *out = file_exists(path);
    free(path);
    return 0;
}

int sam2_config_image(const char *folder, struct sam2_config *out)
{
    const char *name = "preprocessor_config.json";
    struct config *file = NULL;
    bool found = false;
    int status = has_file(folder, name, &found);
    if (status == 0 && !found) {
        name = "processor_config.json";
        status = has_file(folder, name, &found);
    }
    if (status != 0)
        return status;
    status = found ? config_open(folder, name, &file) : config_parse("config.json", "{}", 2, &file);
    if (status != 0)
        return status;
    const struct config_node *node;
    status = config_object(file, config_root(file), "image_processor", &node);
    if (status == 0) {
        /* Without a processor's file, what the model wants is what it gets. */
        status = read_image(file, node != NULL ? node : config_root(file), found ? 1024 : out->image_size, out);
    }
    config_close(&file);
    return status;
}
