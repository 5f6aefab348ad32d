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
    const struct tensor *pointer; /* [pointers], each [1, C] */
    const float *frames;          /* [pointers]: distance in time */
};

/* image [P, C] without the "no memory" embedding -> out [n, P, C], for n objects. Those that follow each other and
 * recall equally much go through as one batch, as far as suits the device. `plain`: values are projected before
 * attention instead of after it, which costs more and gives the same. Traced: "attention.0" ... [batch, P, C] of each
 * batch. */
void sam2_memory_attention(const struct sam2_video *video, struct compute *compute, struct tensor image,
                           const struct sam2_recall *recalls, int64_t n, bool plain, const struct model_trace *trace,
                           struct tensor out);

/* What objects that recall equally much remember, as rows: values [n, rows, M] and, with positions in place and time,
 * keys [n, rows, M]; the memories' pixels first, then the pointers' parts. */
void sam2_gather_recalls(const struct sam2_video *video, struct compute *compute, const struct sam2_recall *recalls,
                         int64_t n, struct tensor values, struct tensor keys);

/* Output tokens [n, C] of masks -> out [n, C], the objects' pointers; where `appears` [n, 1] is not over 0, the one
 * that stands for no object. */
void sam2_object_pointers(const struct sam2_video *video, struct compute *compute, struct tensor tokens,
                          struct tensor appears, struct tensor out);

/* Mask logits [n, side, side] -> [n, S, S], S = 16 grid, as the memory encoder takes them: probabilities, or 0 and 1
 * where `binary`, scaled. */
struct tensor sam2_memory_mask(const struct sam2_video *video, struct compute *compute, struct tensor logits,
                               bool binary);

/* image [P, C] as above -> out [P, C], what all the memories of a frame share. */
void sam2_memory_features(const struct sam2_video *video, struct compute *compute, struct tensor image,
                          struct tensor out);

/* masks [n, S, S] and features [P, C] -> out [n, P, M], F32; the bank keeps it as BF16. Objects whose score [n, 1] is
 * not over 0 are not in the picture. Traced: "memory" [n, P, M]. */
void sam2_encode_memory(const struct sam2_video *video, struct compute *compute, struct tensor masks,
                        struct tensor features, struct tensor scores, const struct model_trace *trace,
                        struct tensor out);

/* planes [n, side, side] -> [n, size, size], bilinear, antialiased or not. */
struct tensor sam2_resize_planes(struct compute *compute, struct tensor planes, int64_t size, bool antialias);

#endif
