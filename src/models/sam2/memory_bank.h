/* What a tracker remembers of each object. */
#ifndef MODELS_SAM2_MEMORY_BANK_H
#define MODELS_SAM2_MEMORY_BANK_H

#include "models/sam2/video_forward.h"

/* Memories that are not used at the moment, for all objects of a tracker. */
struct sam2_pool {
    struct device *device;
    int64_t pixels, width; /* of a memory */
    struct tensor *free;
    int64_t free_count, free_capacity;
    int64_t total; /* memories that exist */
};
int sam2_pool_take(struct sam2_pool *pool, struct tensor *out);
void sam2_pool_give(struct sam2_pool *pool, struct tensor *memory);
void sam2_pool_free(struct sam2_pool *pool);

/* An object on one frame. */
struct sam2_memory {
    int64_t frame;
    struct tensor features; /* [P, M]; without data where it was let go */
    float *pointer;         /* [C] */
    float *mask;            /* [mask_side^2]; of conditioning frames, else NULL */
    float iou, object_score;
};

/* Memories of one kind, in the order in which they came. Places behind `count` keep their pointer for reuse. */
struct sam2_memories {
    struct sam2_memory *item;
    int64_t count, capacity;
};

/* What an object was asked by on one frame. */
struct sam2_input {
    int64_t frame;
    bool fresh; /* not yet run */
    int point_count;
    float *points;   /* [point_count][2] */
    int32_t *labels; /* a box is its two corners, first */
    uint8_t *mask;   /* [mask_height][mask_width] or NULL */
    int mask_width, mask_height;
};

struct sam2_object {
    int64_t id;
    struct sam2_memories conditioning, tracked;
    struct sam2_input *inputs;
    int64_t input_count;
};

/* NULL where there is none. */
struct sam2_memory *sam2_memories_find(const struct sam2_memories *memories, int64_t frame);
struct sam2_input *sam2_object_input(const struct sam2_object *object, int64_t frame);

/* Room for one more, with a pointer of `width` floats: after it, sam2_memories_add cannot fail. */
int sam2_memories_reserve(struct sam2_memories *memories, int64_t width);
/* A new memory of the frame, or the one it has, without features and mask. */
struct sam2_memory *sam2_memories_add(struct sam2_memories *memories, struct sam2_pool *pool, int64_t frame);
void sam2_memories_remove(struct sam2_memories *memories, struct sam2_pool *pool, int64_t frame);

void sam2_object_free_input(struct sam2_object *object, int64_t frame);
void sam2_object_free(struct sam2_object *object, struct sam2_pool *pool);

/* Lets go of what neither tracking on from `frame` nor running it once more needs: itself and `memories` - 1 (of
 * pointers: `pointers` - 1) frames around it are kept, and at least `window`. */
void sam2_object_prune(struct sam2_object *object, struct sam2_pool *pool, int64_t frame, int memories, int pointers,
                       int window);
/* All but `limit` conditioning frames, those nearest to `frame`, become tracked ones. Errors: MEMORY. */
int sam2_object_limit(struct sam2_object *object, struct sam2_pool *pool, int64_t frame, int limit, int64_t width);

/* The conditioning frames that count on `frame`: at most `limit` (-1: all): the nearest before, the nearest at or
 * after it, then the closest. selected [conditioning.count]. */
void sam2_select_conditioning(const struct sam2_memories *conditioning, int64_t frame, int limit, bool *selected);

/* A recall with the memory its arrays lie in. */
struct sam2_recalled {
    struct sam2_recall recall;
    struct tensor *memory;
    int *place;
    float *pointer, *frames;
};
/* What `object` recalls on `frame`. Errors: MEMORY. */
int sam2_object_recall(const struct sam2_object *object, const struct sam2_video *video, int64_t frame, bool reverse,
                       int limit, bool reference_rules, struct sam2_recalled *out);
void sam2_recalled_free(struct sam2_recalled *recalled);

#endif
