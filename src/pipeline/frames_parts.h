/* The parts of one frames_run(). */
#ifndef PIPELINE_FRAMES_PARTS_H
#define PIPELINE_FRAMES_PARTS_H

#include "pipeline/frames.h"
#include "video/video_in.h"
#include "weights/safetensors_write.h"

/* ---- numbers of every frame ---- */

struct frames_track {
    struct frames_item *items; /* [count]; `raw` holds sums until frames_track_finish() */
    uint16_t *scored;          /* [count] how many clips have scored it */
    int16_t *slot;             /* [count] surprise: how far behind the known part it was predicted */
    int64_t count, capacity;
};

int frames_track_add(struct frames_track *track, const struct frames_item *item);

/* Adds the score of `tubelets` tubelets to the `frames` frames from index `first` on; frames behind the last whole
 * tubelet get the last one's. A NaN is no score. With `once` a frame that has a score keeps it. */
void frames_track_score(struct frames_track *track, int64_t first, int64_t frames, int64_t tubelet_size,
                        const float *scores, int64_t tubelets, bool once);

/* From sums to scores, scenes and the choice. Errors: MEMORY. */
int frames_track_finish(struct frames_track *track, const struct frames_options *options, int64_t clips,
                        struct frames_report *report);
void frames_track_free(struct frames_track *track);

/* ---- clips through the model ---- */

struct frames_clips {
    const struct scorer *scorer;
    const struct scorer_info *info;
    const struct frames_options *options;
    struct scorer_session *session;
    struct model_control control;
    int64_t frames, step;     /* of a clip; from clip to clip */
    uint8_t *squares;         /* [frames][side][side][3]: a ring of what the model sees of the last frames */
    struct model_image *clip; /* [frames]: the ring in time order */
    float *features;          /* [history + tubelets][patches][width] */
    int64_t history;          /* tubelets of the clip before that lie in front of it */
    float *expected;          /* surprise: what is predicted from the clip's first part */
    float *scores, *pooled, *logits;
    int64_t end; /* frames looked at by the clips so far */
    struct safetensors_writer writer;
    struct frames_clip *done; /* [done_count] */
    int64_t done_count, done_capacity;
};

/* `out` starts as {0} and is given to frames_clips_free() in any case. */
int frames_clips_open(const struct scorer *scorer, const struct frames_options *options, struct frames_clips *out);
/* Where the model's view of frame `index` goes. */
uint8_t *frames_clips_square(struct frames_clips *clips, int64_t index);
/* Computes the clip of the last min(frames, track->count) frames. */
int frames_clips_run(struct frames_clips *clips, struct frames_track *track);
void frames_clips_free(struct frames_clips *clips);

/* ---- pictures of chosen frames ---- */

/* Pictures of a source that cannot be read twice, as far as they fit. */
struct frames_kept {
    struct image *images; /* [capacity] */
    int64_t *index;       /* [capacity] of the frame */
    size_t count, capacity;
    size_t bytes, limit;
};

int frames_kept_add(struct frames_kept *kept, const struct frames_track *track, int64_t index,
                    const struct image *image);
void frames_kept_free(struct frames_kept *kept);

/* Gives the chosen frames to options->picture: read again, or as they were kept. */
int frames_give_pictures(struct video_reader *reader, const struct frames_kept *kept,
                         const struct frames_options *options, const struct frames_report *report);

#endif
