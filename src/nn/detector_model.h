/* What the engine asks of a model that detects what words name: one table, which a model's folder fills. Weights and
 * encoded prompts are immutable and shared by threads. */
#ifndef NN_DETECTOR_MODEL_H
#define NN_DETECTOR_MODEL_H

#include "nn/pass.h"
#include "ops/ops.h"

struct detector_info {
    int image_size;  /* side of the square that it computes on, in pixels */
    int text_length; /* tokens of a prompt */
    int64_t places;  /* where it looks for something in an image; each gives one box */
};

/* What a pass gives, in host memory of the caller. */
struct detector_output {
    float *logits;     /* image after image, [places][its prompts] */
    float *boxes;      /* [images][places][4]: as the model's `select` reads them */
    float *objectness; /* [images][places] logits: over 0, there is something, whatever it is; NULL: not computed */
};

struct detection {
    float box[4];     /* x0, y0, x1, y1 in pixels of the image, where nothing clipped it also outside of it */
    float score;      /* 0 to 1 */
    float objectness; /* 0 to 1; -1: not computed */
    int prompt;
    int64_t place;
};

struct detector_model {
    const char *kind; /* of checkpoint, as folders are told apart: "owlv2" */

    /* The model of `folder` on `device`, which must outlive it. Errors: MODEL, FORMAT, IO, MEMORY, UNSUPPORTED. */
    int (*open)(const char *folder, struct device *device, void **out);
    void (*free)(void *weights);
    struct detector_info (*info)(const void *weights);

    /* A text as ids[text_length]; `*truncated`: its end did not fit. Errors: ARGUMENT, MEMORY. */
    int (*tokenize)(const void *weights, const char *text, int32_t *ids, bool *truncated);
    /* Encodes prompts, ids[count][text_length], for any number of images; they stay on the device. Errors: ARGUMENT,
     * MEMORY. */
    int (*prompts_create)(const void *weights, struct compute *compute, const int32_t *ids, int64_t count, void **out);
    void (*prompts_free)(const void *weights, void *prompts);

    /* At all places of `count` images, each one's prompts[count]. `control` is asked between the parts. Errors:
     * CANCELLED, MEMORY. */
    int (*detect)(const void *weights, struct compute *compute, const struct sowlv2_image *images, int64_t count,
                  const void *const *prompts, const struct model_control *control, const struct detector_output *out);
    /* From one image's logits[places][prompts] and boxes to detections over the threshold, in the order of the places:
     * `out` has room for all of them and gets all fields but `objectness`. Returns how many there are. */
    int64_t (*select)(const void *weights, const float *logits, const float *boxes, int64_t prompts, int width,
                      int height, float threshold, struct detection *out);
};

#endif
