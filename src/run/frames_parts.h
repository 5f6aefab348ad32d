/* The parts of one sowlv2_key_frames_run(). */
#ifndef RUN_FRAMES_PARTS_H
#define RUN_FRAMES_PARTS_H

#include "media/image.h"
#include "output/plot.h"
#include "output/safetensors_write.h"
#include "sowlv2_run.h"
#include "video/video_in.h"

/* ---- pictures of chosen frames ---- */

/* Pictures of a source that cannot be read twice, as far as they fit. Starts as {0} but for what is asked. */
struct frames_kept {
    struct image *images; /* [capacity] */
    int64_t *index;       /* [capacity] of the frame */
    size_t count, capacity;
    size_t bytes, limit;                                       /* limit 0: the usual one */
    float (*importance)(int64_t index, const void *user_data); /* of a frame, NaN: none is known */
    const void *user_data;
};

int frames_kept_add(struct frames_kept *kept, int64_t index, const struct image *image);
void frames_kept_free(struct frames_kept *kept);

/* Receives one; 0, or an error, which ends it. */
typedef int (*frames_picture)(const struct image *image, const struct sowlv2_frame *frame, void *user_data);

struct frames_pictures {
    struct video_reader *reader;
    const int64_t *numbers; /* [frames.count], the reader's */
    const struct frames_kept *kept;
    const char *source;
    const volatile sig_atomic_t *stop; /* NULL: never */
    frames_picture give;
    void *user_data;
};

/* Gives the chosen frames in time order: read again, or as they were kept. */
int frames_pictures_give(const struct frames_pictures *pictures, const struct sowlv2_frames *frames);

/* ---- files ---- */

/* What the files say of how frames were scored. */
struct frames_how {
    const char *source;
    double fps;
    enum sowlv2_importance importance;
    float motion_weight;
    const sowlv2_scorer *scorer; /* for the names of classes */
};

/* Writes the scores of all frames to `path`, as its ending says. Errors: IO, MEMORY. */
int frames_scores_write(const char *path, const struct frames_how *how, const struct sowlv2_frames *frames);

/* A file of features. Starts as {0}. */
struct frames_features {
    struct safetensors_writer writer;
    int status; /* of what could not be written */
    char *failure;
};

int frames_features_open(const char *path, bool pooled, struct frames_features *out);
/* false: see frames_features_status(). */
bool frames_features_add(struct frames_features *features, const struct sowlv2_clip_features *clip);
/* The error of frames_features_add(), its message set again; 0: none. */
int frames_features_status(const struct frames_features *features);
int frames_features_commit(struct frames_features *features, const struct sowlv2_frames *frames, double fps);
void frames_features_free(struct frames_features *features);

/* The small pictures of a plot. Starts as {0}. */
struct frames_thumbs {
    struct plot_thumb *items; /* [count] */
    int64_t count, capacity;
};

int frames_thumbs_add(struct frames_thumbs *thumbs, const struct image *image, const struct sowlv2_frame *frame);
int frames_plot_write(const char *path, const struct frames_thumbs *thumbs, const struct frames_how *how,
                      const struct sowlv2_frames *frames);
void frames_thumbs_free(struct frames_thumbs *thumbs);

/* Writes a frame's picture into the folder. */
int frames_picture_save(const char *folder, const struct image *image, const struct sowlv2_frame *frame);

#endif
