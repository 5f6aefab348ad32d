/* How a model's images or videos are to be prepared: which JSON object of its folder says so, in the order of the
 * reference's AutoImageProcessor and AutoVideoProcessor. */
#ifndef WEIGHTS_PROCESSOR_H
#define WEIGHTS_PROCESSOR_H

#include "weights/config.h"

enum processor_kind {
    PROCESSOR_IMAGE, /* "image_processor" of processor_config.json, else preprocessor_config.json */
    PROCESSOR_VIDEO, /* "video_processor" of processor_config.json, else video_preprocessor_config.json, else the
                        image's preprocessor_config.json */
};

struct processor {
    struct config *file; /* NULL: the folder has none of these */
    const struct config_node *node;
};

/* Finds the object; close it with processor_close. Errors: MODEL (a link whose target is missing), FORMAT, IO,
 * MEMORY. */
int processor_open(const char *folder, enum processor_kind kind, struct processor *out);
void processor_close(struct processor *processor);

/* The error (MODEL) for a folder without such an object. */
int processor_report_missing(const char *folder, enum processor_kind kind);

/* FORMAT where the object says that another class than `wanted` prepares the images or videos. "Fast" and "Pil" behind
 * a class's name are ways to compute the same, and "...FeatureExtractor" is what older releases called it. */
int processor_check_class(const struct processor *processor, enum processor_kind kind, const char *wanted);

#endif
