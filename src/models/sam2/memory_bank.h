/* What a tracker remembers of each object. */
#ifndef MODELS_SAM2_MEMORY_BANK_H
#define MODELS_SAM2_MEMORY_BANK_H

#include "models/sam2/video_forward.h"

/* Tensors of one type and shape on the device, and those of them that are not used at the moment. */
struct sam2_pool {
    struct device *device;
    enum dtype dtype;
    int64_t dim[2];
    struct tensor *free;
    int64_t free_count, free_capacity;
    int64_t total; /* tensors that exist */
};
int sam2_pool_take(struct sam2_pool *pool, struct tensor *out);
void sam2_pool_give(struct sam2_pool *pool, struct tensor *tensor);
void sam2_pool_free(struct sam2_pool *pool);

/* What all objects of a tracker remember by. */
struct sam2_bank {
    struct sam2_pool features; /* [P, M], BF16: the reference implementation keeps them so */
    struct sam2_pool pointers; /* [1, C], F32 */
    struct sam2_pool masks;    /* [mask_side, mask_side], F32 */
};

/* An object on one frame. */
struct sam2_memory {
    int64_t frame;
    struct tensor features; /* [P, M]; without memory where it was let go */
    struct tensor pointer;  /* [1, C] */
    struct tensor mask;     /* [mask_side, mask_side]; of conditioning frames alone */
    float iou, object_score;
    bool anchor,
        poor; /* of chosen memory: it shows what is like the object beside it; it counts on the next frame alone */
};

/* Memories of one kind, in the order in which they came. */
struct sam2_memories {
    struct sam2_memory *item;
    int64_t count, capacity;
};

/* What an object was asked by on one frame. */
struct sam2_input {
    int64_t frame;
    bool fresh;                          /* not yet run */
    struct sowlv2_segment_prompt prompt; /* points alone: a box is its two corners */
    void *points;                        /* the memory that they and their labels lie in */
    uint8_t *mask;                       /* [mask_height][mask_width] or NULL */
    int mask_width, mask_height;
};

/* What chosen memory (memory_choice.h) goes by. Starts as {0}. */
struct sam2_choice {
    float last_area, mean_area; /* of its mask, in pixels of the low-resolution mask */
    int64_t last_anchor;        /* frame */
    bool anchored;              /* there was one */
};

struct sam2_object {
    int64_t id;
    struct sam2_choice choice;
    struct sam2_memories conditioning, tracked;
    struct sam2_input *inputs;
    int64_t input_count;
};

/* NULL where there is none. */
struct sam2_memory *sam2_memories_find(const struct sam2_memories *memories, int64_t frame);
struct sam2_input *sam2_object_input(const struct sam2_object *object, int64_t frame);

/* Room for one more: after it, sam2_memories_add cannot fail. */
int sam2_memories_reserve(struct sam2_memories *memories);
/* A new memory of the frame, or the one it has, emptied. */
struct sam2_memory *sam2_memories_add(struct sam2_memories *memories, struct sam2_bank *bank, int64_t frame);
void sam2_memories_remove(struct sam2_memories *memories, struct sam2_bank *bank, int64_t frame);

void sam2_input_free(struct sam2_input *input);
void sam2_object_free_input(struct sam2_object *object, int64_t frame);
void sam2_object_free(struct sam2_object *object, struct sam2_bank *bank);

/* Lets go of what neither tracking on from `frame` nor running it once more needs: itself and `memories` - 1 (of
 * pointers: `pointers` - 1) frames around it are kept, and at least `window`. */
void sam2_object_prune(struct sam2_object *object, struct sam2_bank *bank, int64_t frame, int memories, int pointers,
                       int window);
/* All but `limit` conditioning frames, those nearest to `frame`, become tracked ones. Errors: MEMORY. */
int sam2_object_limit(struct sam2_object *object, struct sam2_bank *bank, int64_t frame, int limit);

/* The conditioning frames that count on `frame`: at most `limit` (-1: all): the nearest before, the nearest at or
 * after it, then the closest. selected [conditioning.count]. */
void sam2_select_conditioning(const struct sam2_memories *conditioning, int64_t frame, int limit, bool *selected);

/* A recall with the memory its arrays lie in. */
struct sam2_recalled {
    struct sam2_recall recall;
    struct tensor *memory, *pointer;
    int *place;
    float *frames;
};
/* What `object` recalls on `frame`. Errors: MEMORY. */
int sam2_object_recall(const struct sam2_object *object, const struct sam2_video *video, int64_t frame, bool reverse,
                       const struct tracker_options *options, struct sam2_recalled *out);
/* Adds a memory, at one of the position tables' places, and a pointer from so many frames away. */
void sam2_recall_memory(struct sam2_recalled *out, const struct sam2_memory *memory, int place);
void sam2_recall_pointer(struct sam2_recalled *out, const struct sam2_memory *memory, int64_t frames);
void sam2_recalled_free(struct sam2_recalled *recalled);

#endif
