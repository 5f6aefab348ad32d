/* The parts of SAM 2's memory. All write into tensors of the caller's compute. C is the model's width, M a memory's, P
 * the pixels of the grid. */
#ifndef MODELS_SAM2_VIDEO_FORWARD_H
#define MODELS_SAM2_VIDEO_FORWARD_H

#include "models/sam2/forward.h"
#include "models/sam2/video.h"
#include "models/sam2/video_weights.h"

struct sam2_video {
    const struct sam2 *model; /* not owned */
    struct sam2_video_config config;
    struct sam2_video_weights weights;
    struct parameters *parameters;
};

/* What one object recalls on a frame. */
struct sam2_recall {
    int64_t memories;
    const struct tensor *memory; /* [memories], each [P, M] */
    const int *place;            /* [memories]: which of the position tables: frames back - 1, or the last one */
    int64_t pointers;
    const float *pointer; /* [pointers][C], host */
    const float *frames;  /* [pointers]: distance in time, host */
};

/* image [P, C] without the "no memory" embedding -> out [n, P, C], for n objects at once. `plain`: values are projected
 * before attention instead of after it, which costs more and gives the same. Traced: "attention.0" ... [n, P, C]. */
void sam2_memory_attention(const struct sam2_video *video, struct compute *compute, struct tensor image,
                           const struct sam2_recall *recalls, int64_t n, bool plain, const struct model_trace *trace,
                           struct tensor out);

/* A pointer's token and its place in time: values [pointers * parts, M] and keys, the same with positions. */
void sam2_pointer_tokens(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recall,
                         struct tensor values, struct tensor keys);

/* Output tokens [n][C] of masks -> out [n][C], the objects' pointers; host memory. */
void sam2_object_pointers(const struct sam2_video *video, struct compute *compute, const float *tokens,
                          const bool *appears, int64_t n, float *out);

/* Mask logits [side][side] in host memory -> [S, S], S = 16 grid, as the memory encoder takes them: probabilities, or
 * 0 and 1 where `binary`, scaled. */
struct tensor sam2_memory_mask(const struct sam2_video *video, struct compute *compute, const float *logits,
                               int64_t side, bool binary);

/* image [P, C] as above -> out [P, C], what all the memories of a frame share. */
void sam2_memory_features(const struct sam2_video *video, struct compute *compute, struct tensor image,
                          struct tensor out);

/* mask [S, S] and features [P, C] -> out [P, M], rounded to bfloat16. `absent`: the object is not in the picture.
 * Traced: "memory" [P, M], before rounding. */
void sam2_encode_memory(const struct sam2_video *video, struct compute *compute, struct tensor mask,
                        struct tensor features, bool absent, const struct model_trace *trace, struct tensor out);

/* planes [1, side, side] -> [1, size, size], bilinear, antialiased or not. */
struct tensor sam2_resize_plane(struct compute *compute, struct tensor plane, int64_t size, bool antialias);

#endif
