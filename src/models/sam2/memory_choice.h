/* Memory that is chosen: see memory_choice.c. Plain functions over what the device has given back. */
#ifndef MODELS_SAM2_MEMORY_CHOICE_H
#define MODELS_SAM2_MEMORY_CHOICE_H

#include "models/sam2/memory_bank.h"

/* Anchors that are kept beside the last memories. */
enum { SAM2_ANCHORS = 2 };

/* All masks that the decoder made of an object on a frame. */
struct sam2_alternatives {
    int64_t count, best; /* which one counts; below 0: nothing is known of them */
    const float *iou;    /* [count] estimated */
    const float *shared; /* [count][count]: pixels that two masks share; of a mask with itself: its area */
};

/* Whether another mask takes in much more than the one that counts: something like the object is beside it. */
bool sam2_choice_distracted(const struct sam2_alternatives *alternatives);

/* Whether a tracked frame is remembered, and is an anchor. `alternatives` may be NULL. */
void sam2_choice_judge(struct sam2_choice *choice, int64_t frame, float iou, float object_score,
                       const struct sam2_alternatives *alternatives, bool *good, bool *anchor);

/* Adds what `object` recalls of tracked frames on `frame`: at most as much as plain memory. Errors: MEMORY. */
int sam2_choice_recall(const struct sam2_object *object, const struct sam2_video_config *config, int64_t frame,
                       bool reverse, struct sam2_recalled *out);

/* As sam2_object_prune(), counted in remembered frames; anchors stay. */
void sam2_choice_prune(struct sam2_object *object, struct sam2_bank *bank, int64_t frame, int memories, int pointers,
                       int window);

#endif
