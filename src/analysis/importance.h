/* How much happens at each moment of a video, from V-JEPA 2's features or from pixels. Pure functions over host
 * memory: they know no model, no file and no thread.
 *
 * Features are [tubelets][patches][width]; a score is one number a tubelet or a frame, larger where more happens. */
#ifndef ANALYSIS_IMPORTANCE_H
#define ANALYSIS_IMPORTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The shape of features, every size at least 1. */
struct importance_shape {
    int64_t tubelets, patches, width;
};

/* scores[t] = 1 - the cosine between a patch and the mean of the same patch in the up to `history` tubelets
 * before, averaged over the patches: 0 to 2. The first tubelet has none before and gets 0, and so does a patch
 * where either is all zeros. */
void importance_change(const float *features, struct importance_shape shape, int64_t history, float *scores);
/* That score of one tubelet. */
float importance_change_at(const float *features, struct importance_shape shape, int64_t history, int64_t tubelet);

/* scores[t] = the mean absolute difference between what was predicted and what came (V-JEPA's own loss). */
void importance_surprise(const float *predicted, const float *features, struct importance_shape shape, float *scores);

/* The mean absolute difference of two grey frames of `count` pixels, 0 to 1. */
float importance_motion(const uint8_t *before, const uint8_t *after, size_t count);

/* The first frames of the scenes, into starts[count]; returns how many. motion[i] is importance_motion() of frames
 * i - 1 and i; motion[0] is not looked at. Frame 0 begins the first scene. */
int64_t importance_scenes(const float *motion, int64_t count, int64_t *starts);

/* Whether the frame of motion[at] begins a scene, by the up to IMPORTANCE_CUT_REACH motions before and after it; the
 * motion of a video's first frame is not one of motion[count]. */
enum { IMPORTANCE_CUT_REACH = 4 };
bool importance_is_cut(const float *motion, int64_t count, int64_t at);

/* Size of the grey pictures that motion is measured on, and such a picture of an RGB image [height][width][3], whose
 * rows are `row_bytes` apart: means over the blocks of a grid. */
enum { IMPORTANCE_GREY_WIDTH = 64, IMPORTANCE_GREY_HEIGHT = 36, IMPORTANCE_GREY = 64 * 36 };
void importance_grey(const uint8_t *pixels, int width, int height, size_t row_bytes, uint8_t grey[IMPORTANCE_GREY]);
/* That picture's rows first .. end - 1 alone. */
void importance_grey_rows(const uint8_t *pixels, int width, int height, size_t row_bytes, int first, int end,
                          uint8_t grey[IMPORTANCE_GREY]);

/* Scores to 0 .. 1 by the lowest and the highest; all 0 where nothing differs. A score that is no finite number
 * becomes 0. `out` may be `scores`. */
void importance_normalise(const float *scores, int64_t count, float *out);

/* The same for streams, of scores first .. count - 1: score i by the lowest and the highest of the `window` scores that
 * end at i. */
void importance_normalise_window(const float *scores, int64_t first, int64_t count, int64_t window, float *out);

/* out[i] = (1 - weight) a[i] + weight b[i]. `out` may be either. */
void importance_mix(const float *a, const float *b, float weight, int64_t count, float *out);

/* What to choose. */
struct importance_choice {
    int64_t wanted;        /* how many frames; more than there are: all */
    int64_t spacing;       /* least distance of two chosen frames, halved again and again where too few are left */
    const int64_t *scenes; /* first frames of scenes, rising, or NULL: the best frame of each is taken first */
    int64_t scene_count;   /* if they are more than wanted, those scenes whose best frames are best */
};

/* Chooses frames by score, the highest first, of equal ones the earlier; a score that is not a number is lowest.
 * Writes them in time order to chosen[min(wanted, count)] and how many they are to *chosen_count. Errors: MEMORY. */
int importance_select(const float *scores, int64_t count, const struct importance_choice *choice, int64_t *chosen,
                      int64_t *chosen_count);

/* The middles of `wanted` equal parts of `count` frames, into chosen[min(wanted, count)]; returns how many. */
int64_t importance_uniform(int64_t count, int64_t wanted, int64_t *chosen);

#endif
