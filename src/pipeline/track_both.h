/* Tracking in two passes: key frames are detected on first, and each object is followed from its best detection
 * backward and forward.
 *
 *   first pass   every frame up to the last key frame is read; key frames are detected on, and what is found on them
 *                is put together along the masks that a tracker sees from key frame to key frame: seeds
 *   backward     from the last seed's frame to the first frame, in chunks that are read again; masks are spooled
 *   forward      all frames once more, each object from its seed's frame; before it, from the spool; rows in order
 *
 * With doubt the detector looks at each key frame again in both of the passes that follow, so that what is followed
 * frame by frame is confirmed, corrected or made lost there as in one pass. */
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
    int64_t returned;         /* the seed of an earlier scene which it is again, or -1 */
    int64_t scene;            /* see struct track_known */
    struct track_doubt doubt; /* what the key frames say of it */
    bool settled;             /* so many of them say so that its name is sure */
};

/* A frame of the first pass. */
struct track_known {
    double time;
    int64_t scene; /* which of the video's, from 0 */
    bool tracked;  /* within the budget */
    bool key;      /* the detector has looked at it */
};

/* A find of the first pass: the seed that it was taken for. */
struct track_sighting {
    int64_t frame;
    size_t seed;
    struct sowlv2_detection detection;
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
    struct track_sighting *sightings; /* [sighting_count], frames rising */
    size_t sighting_count, sighting_capacity;
    int64_t last; /* the highest frame of a seed; below `first`: there is none */
    struct track_spool *spool;
};

/* What is known of a frame; NULL: the first pass has not come so far. */
const struct track_known *track_both_known(const struct track_both *both, int64_t frame);

/* Begins to choose which frames are tracked, for run->options->budget. */
int track_both_open_budget(struct track_both *both);

/* ---- seeds: track_seeds.c ---- */

/* The seed that a seed turned out to be, in the end. */
size_t track_seeds_resolve(const struct track_both *both, size_t seed);
/* The id of the object that a seed is followed as: i + 1 of seed i in the second pass, later the object's own or 0. */
int64_t track_seeds_object(const struct track_both *both, size_t seed);
/* Two seeds turned out to be one: `from` is `into`, with what was found of both. */
void track_seeds_join(struct track_both *both, size_t from, size_t into);
/* Whether they are two things, with doubt: both were found on one key frame at different places, under their names; or
 * their names are sure, and differ. */
bool track_seeds_are_apart(const struct track_both *both, size_t one, size_t other);
/* The same of a seed and all that a followed object is. */
bool track_seeds_are_apart_from(const struct track_both *both, size_t seed, int64_t id);
/* Whether a seed of a later scene is this one again. */
bool track_seeds_return(const struct track_both *both, const struct track_seed *seed);
/* Notes a find of a seed. Errors: MEMORY. */
int track_seeds_see(struct track_both *both, size_t seed, const struct sowlv2_detection *detection, int64_t frame);
/* The seed that a find of the frame was taken for, resolved; -1: none. */
int64_t track_seeds_of(const struct track_both *both, const struct sowlv2_detection *detection, int64_t frame);
/* The next frame before this one on which a seed begins or, with doubt, was found; -1: none. */
int64_t track_seeds_before(const struct track_both *both, int64_t frame);

/* Which seeds the finds of a key frame of the scene are, object i being seed i: by their masks and names; where a name
 * is sure, a find of that name nearby rather than one of another name at the place; then whatever lies at the place;
 * then what is nearby. taken[i]: it was found, or cannot be. Errors: MEMORY. */
int track_seeds_match(const struct track_both *both, const struct track_objects *objects, int64_t scene,
                      struct track_candidates *candidates, bool *taken);
/* The seed of an earlier scene that this one looks like, at the place where that was seen last, as where a film goes
 * back to a view; -1: none. */
int64_t track_seeds_find_earlier(const struct track_both *both, const struct track_objects *objects, size_t seed);

/* ---- the passes ---- */

/* The first pass. */
int track_both_discover(struct track_both *both);
/* What a later pass makes of a key frame that it has followed objects to; of any other frame, nothing. In the second
 * pass (run->backward) the object of seed i has the id i + 1. */
int track_both_look(struct track_both *both, const struct track_feed_frame *frame);
/* The second: fills the spool and the seeds' `first` and `same_as`. */
int track_both_backward(struct track_both *both);
/* The third. */
int track_both_forward(struct track_both *both, struct track_feed *feed);

#endif
