/* What is behind the engine's segmenter. */
#ifndef ENGINE_SEGMENTER_PARTS_H
#define ENGINE_SEGMENTER_PARTS_H

#include "engine/segmenter.h"

#include <pthread.h>

struct segmenter {
    const struct segmenter_model *model;
    struct device *device; /* not owned */
    void *weights;
    char *folder;
    pthread_mutex_t video_lock;
    void *video; /* NULL: not opened yet */
};

struct segment_session {
    const struct segmenter *segmenter; /* not owned */
    struct compute *compute;
    void *features;
    int width, height;               /* of the image */
    bool has_image;                  /* the features are an image's */
    uint64_t images;                 /* given so far */
    const struct pixel_scale *scale; /* of a video's frames; NULL: of images */
    uint64_t *bits;                  /* masks at the image's size, some at a time: see segment_result */
    size_t bits_capacity;            /* words */
};

/* How many of `count` masks at the session's size are made before they are fetched. */
int64_t segment_session_part(const struct segment_session *session, int64_t count);
/* Words of one mask's bits. */
size_t segment_session_words(const struct segment_session *session);
/* Room in session->bits for so many. Errors: MEMORY. */
int segment_session_reserve(struct segment_session *session, int64_t count);
/* Within a pass: masks [n, mask_side, mask_side] at the session's size, asked for into session->bits. */
void segment_session_fetch(struct segment_session *session, struct tensor masks, float threshold);

#endif
