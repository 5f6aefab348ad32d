/* A segmenter: one model's weights, whichever model that is, and one thread's sessions with it. Masks stay on the
 * device until they are chosen, cleaned and resized. */
#ifndef ENGINE_SEGMENTER_H
#define ENGINE_SEGMENTER_H

#include "nn/segmenter_model.h"

struct segmenter;

/* Opens the model of `folder` on `device`, which must outlive it. Errors: MODEL, FORMAT, IO, MEMORY, UNSUPPORTED. */
int segmenter_open(const char *folder, struct device *device, struct segmenter **out);
void segmenter_free(struct segmenter **segmenter);
/* Side of the square low-resolution masks. */
int segmenter_mask_side(const struct segmenter *segmenter);

/* Opens what tracking needs beside images, once, where it is not open yet: any number of threads may ask. Errors: MODEL
 * (a model that does not track), FORMAT, IO, MEMORY, UNSUPPORTED. */
int segmenter_prepare_tracking(struct segmenter *segmenter);

/* ---- one image and its features ---- */

struct segment_session;

int segment_session_create(const struct segmenter *segmenter, struct segment_session **out);
void segment_session_free(struct segment_session **session);

/* The session has no image any more. */
void segment_session_forget(struct segment_session *session);
/* Encodes the image, which every run that follows is about. On error the session has none. */
int segment_session_encode(struct segment_session *session, const struct sowlv2_image *image,
                           const struct model_control *control);
/* Whether there is an image, and the size of the last one. */
bool segment_session_has_image(const struct segment_session *session);
void segment_session_size(const struct segment_session *session, int *width, int *height);

/* How masks are made of logits. */
struct mask_rules {
    float threshold;                  /* logits over it are the object */
    int64_t hole_area, sprinkle_area; /* see op_clean_masks */
};

struct segment_request {
    const struct sowlv2_segment_prompt *prompts;
    int64_t count;
    bool multimask; /* the best of several masks a prompt */
    bool refine;    /* decode twice, the first mask fed back */
    bool logits;    /* give the low-resolution logits too */
    struct mask_rules rules;
};

/* One prompt's mask. What it points to is valid during the call that gives it. */
struct segment_result {
    float iou, object_score;
    const uint64_t *bits; /* [height][bits_words(width)], rows as in base/bits.h; 1: object, 0: not */
    const float *logits;  /* [mask_side][mask_side], or NULL */
};
/* Called for each prompt in order; not 0 ends the run with that status. */
typedef int (*segment_taker)(int64_t index, const struct segment_result *result, void *user_data);

/* The masks of all prompts on the session's image at its size. `control` counts prompts. Errors: ARGUMENT (no image, a
 * prompt), CANCELLED, MEMORY. */
int segment_session_run(struct segment_session *session, const struct segment_request *request,
                        const struct model_control *control, segment_taker take, void *user_data);

#endif
