/* Tracking in two passes: key frames are detected on first, and each object is followed from its best detection
 * backward and forward.
 *
 *   first pass   every frame up to the last key frame is read; key frames are detected on, and what is found on them
 *                is put together along the masks that a tracker sees from key frame to key frame: seeds
 *   backward     from the last seed's frame to the first frame, in chunks that are read again; masks are spooled
 *   forward      all frames once more, each object from its seed's frame; before it, from the spool; rows in order */
#ifndef PIPELINE_TRACK_BOTH_H
#define PIPELINE_TRACK_BOTH_H

#include "analysis/budget.h"
#include "pipeline/track_run.h"
#include "pipeline/track_spool.h"

/* The whole run over a source that can be read again, with run->options->plan. Where it cannot be, all goes forward
 * only, with a notice. */
int track_both_ways(struct track_run *run);

/* An object as the key frames show it. */
struct track_seed {
    int prompt;
    float score, box[4];      /* of its best detection */
    float objectness;         /* likewise; not over 0: not known */
    int64_t frame;            /* of it */
    int64_t first;            /* the first frame on which the backward pass sees it; `frame` where it does not */
    int64_t same_as;          /* another seed that it turned out to be, or -1 */
    int64_t id;               /* of the object; 0: none yet */
    int64_t scene;            /* see struct track_known */
    struct track_doubt doubt; /* what the key frames say of it */
};

/* A frame of the first pass. */
struct track_known {
    double time;
    int64_t scene; /* which of the video's, from 0 */
    bool tracked;  /* within the budget */
};

struct track_both {
    struct track_run *run;
    struct video_reader *reader;
    int64_t first;             /* number of the first frame */
    struct track_known *known; /* [known_count]: frame first + i */
    float *motion;             /* [known_count] from the frame before */
    int64_t known_count, known_capacity;
    struct budget_stream budget;
    struct track_seed *seeds; /* [seed_count] in the order of their discovery */
    size_t seed_count, seed_capacity;
    int64_t last; /* the highest frame of a seed; below `first`: there is none */
    struct track_spool *spool;
};

/* What is known of a frame; NULL: the first pass has not come so far. */
const struct track_known *track_both_known(const struct track_both *both, int64_t frame);

/* Begins to choose which frames are tracked, for run->options->budget. */
int track_both_open_budget(struct track_both *both);

/* The first pass. */
int track_both_discover(struct track_both *both);
/* The second: fills the spool and the seeds' `first` and `same_as`. */
int track_both_backward(struct track_both *both);
/* The third. */
int track_both_forward(struct track_both *both, struct track_feed *feed);

#endif
