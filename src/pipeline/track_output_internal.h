/* Between the files of the tracked video's output. */
#ifndef PIPELINE_TRACK_OUTPUT_INTERNAL_H
#define PIPELINE_TRACK_OUTPUT_INTERNAL_H

#include "base/strings.h"
#include "output/claim.h"
#include "output/names.h"
#include "output/results.h"
#include "pipeline/pool.h"
#include "pipeline/queue.h"
#include "pipeline/track_output.h"

#include <pthread.h>
#include <stdatomic.h>

/* One video file. */
struct track_video {
    enum names_kind kind;
    int64_t object;              /* id, of the object kinds */
    const char *slug;            /* NULL: without a prompt */
    struct video_writer *writer; /* NULL: not begun, or over */
    double last;                 /* time of its last picture */
};

/* The videos of one object. */
struct track_object_videos {
    int64_t id;
    bool ended;
    struct track_video mask, overlay;
};

struct track_videos {
    struct track_video merged_mask, merged_overlay;
    struct track_object_videos *objects; /* [count], every object that ever had videos */
    size_t count, capacity;
    bool noticed; /* that there are more objects than videos */
};

/* What the queue carries: a frame, or the end of an object. */
struct track_item {
    bool is_end;
    int64_t id;
    struct track_frame frame;
};

struct track_output {
    struct track_output_options options;
    struct string_list slugs; /* of the prompts */
    struct output_claim *claim;
    struct output_identity identity; /* of the source */
    struct queue *queue;             /* struct track_item */
    struct pool *pool;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards the first error */
    int status;
    char *message;

    /* The output's own thread's, and, a part at a time, the pool's. */
    struct track_videos videos;
    uint8_t **scratch; /* [pool_size][height][width][3], a picture a worker */
    bool has_first;
    double first; /* time of the first frame */
    int64_t frames;
    double write_seconds;
    atomic_int_fast64_t pictures, finished_videos;
};

/* Keeps this thread's error as the output's, unless there is one. Any thread. */
void track_output_fail(struct track_output *output, int status);
bool track_output_failed(struct track_output *output);

/* The slug and the bare text of a prompt by its index; NULL for -1. */
const char *track_output_slug(const struct track_output *output, int prompt);
const char *track_output_prompt(const struct track_output *output, int prompt);

/* Makes the folder ready for the first file: what an earlier run left there goes. Again, it does nothing. Errors: IO,
 * ARGUMENT, FORMAT, MEMORY. */
int track_output_begin(struct track_output *output);

/* Writes all that a frame leaves, its row last; an error becomes the output's. */
void track_output_write_frame(struct track_output *output, struct track_frame *frame);

/* The object's videos, made on its first call; `*out` is NULL where it has none: videos are off, there are too many,
 * or it has ended. The pointer is good until the next call. Errors: MEMORY. */
int track_videos_find(struct track_output *output, const struct track_object *object, struct track_object_videos **out);

/* Makes room for `more` objects, so that pointers stay good. Errors: MEMORY. */
int track_videos_reserve(struct track_output *output, size_t more);

/* Adds a picture of 1 or 3 channels, as `video->kind` says; opens the video for the first one. Errors: IO, MEMORY. */
int track_video_add(struct track_output *output, struct track_video *video, const uint8_t *pixels,
                    const struct track_frame *frame);

/* Finishes the videos of an object; errors become the output's. */
void track_videos_end(struct track_output *output, int64_t id);

/* Finishes all videos and frees what holds them; errors become the output's. */
void track_videos_close(struct track_output *output);

#endif
