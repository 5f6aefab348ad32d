/* Which frames of a video are tracked where there is not time for all: those where much changes; quiet stretches are
 * filled in from their neighbours afterwards. Pure functions. */
#ifndef ANALYSIS_BUDGET_H
#define ANALYSIS_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frames in a row that may stay untracked, where the caller has no better number. */
enum { BUDGET_MOST_GAP = 8 };

struct budget {
    double fraction;  /* of the frames that are tracked, over 0 and at most 1 */
    int64_t most_gap; /* most frames in a row that are not tracked, at least 1 */
};

/* What is known of the frames; each array has `count` values or is NULL. */
struct budget_frames {
    int64_t count;
    const float *importance; /* how much changes from the frame before, 0 to 1; not a number: as 0. NULL: all alike */
    const bool *must;        /* tracked in any case: a detection's frame, ... */
    const bool *scene_start; /* likewise; and no frame is filled in across it */
};

/* Decides tracked[count]: max(1, round(fraction * count)) frames, or as many more as the first frame, must, scene
 * starts and most_gap ask for. Among all such choices it takes the one that leaves least change between frames that
 * are filled in and the tracked ones they are filled from. Gives the number of tracked frames to *tracked_count (may
 * be NULL). Takes about 30 * most_gap steps a frame. Errors: ARGUMENT (fraction, most_gap), MEMORY. */
int budget_choose(const struct budget_frames *frames, const struct budget *budget, bool *tracked,
                  int64_t *tracked_count);

/* The same for input that comes once: every frame is decided when it comes, by what was seen so far. Over many frames
 * the share of tracked ones comes to the fraction. */
struct budget_stream {
    struct budget budget;
    double change;         /* importance since the last tracked frame, less what is paid for */
    double mean;           /* of the importance, over about the last 100 frames */
    int64_t seen, tracked; /* frames so far */
    int64_t gap;           /* frames since the last tracked one */
};

/* Errors: ARGUMENT. */
int budget_stream_open(const struct budget *budget, struct budget_stream *out);

/* Whether the next frame is tracked; the first one is. `must`: it is a scene's start or has to be tracked. */
bool budget_stream_next(struct budget_stream *stream, float importance, bool must);

/* Scores of some frames at rising times to all frames: out[i] is the score of the last scored frame that is not after
 * times[i] (the first one's before it), divided by how many of the `count` frames share it where `share` is set, so
 * that a sum over frames stays what it was. `scored` must be at least 1. */
void budget_spread(const double *score_times, const float *scores, int64_t scored, const double *times, int64_t count,
                   bool share, float *out);

#endif
