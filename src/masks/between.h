/* The mask of a frame that was not tracked, from those of the tracked frames around it: each is moved along with the
 * pictures, and the two are put together. Thread-safe: nothing is shared between calls. */
#ifndef MASKS_BETWEEN_H
#define MASKS_BETWEEN_H

#include "sowlv2.h"

/* What of a frame is kept for it: a small grey picture (at most 320 pixels on the longer side, about 80 KB) and
 * smaller ones of it. */
enum { BETWEEN_LEVELS = 4, BETWEEN_SIDE = 320 };

struct between_level {
    int width, height;
    uint8_t *pixels; /* [height][width]; part of the picture's memory */
};

struct between_picture {
    uint8_t *memory;
    int source_width, source_height;            /* of the frame it was made of */
    int levels;                                 /* how many there are, at least 1 */
    struct between_level level[BETWEEN_LEVELS]; /* each half as large as the one before */
};

/* Makes the picture of a frame of RGB rows, `stride` bytes from row to row. `out` may be {0} or hold a picture
 * of the same size, whose memory is used again. About 1 ms at 1280x720. Errors: MEMORY (`out` is then empty). */
int between_picture_make(const uint8_t *rgb, int width, int height, size_t stride, struct between_picture *out);
void between_picture_free(struct between_picture *picture);

/* Three frames of one video, all of one size. */
struct between_frames {
    const struct between_picture *before; /* the last tracked frame before this one */
    const struct between_picture *now;    /* the frame whose mask is wanted */
    const struct between_picture *after;  /* the next tracked frame; NULL: there is none */
    double position;                      /* when `now` is: 0 at `before`, 1 at `after`; not used without `after` */
};

/* Fills `out` with the object's mask in frames->now: runs, area, box, size; no pixels and no logits. mask_score and
 * object_score are the neighbours', mixed by time. `before` and `after` are the same object's masks (with runs or
 * pixels) at the frames' size; either may be NULL or empty, where the object is not seen: the other is then moved, and
 * stays only where the picture bears it out. Where nothing is left, or both are empty, the mask is empty and the
 * answer is 0. `after` is not looked at without frames->after.
 *
 * `out` must not hold memory; it belongs to the caller (sowlv2_masks_free). A few ms an object at 1280x720.
 * Errors: ARGUMENT (sizes that differ), MEMORY. */
int masks_between(const struct between_frames *frames, const struct sowlv2_mask *before,
                  const struct sowlv2_mask *after, struct sowlv2_mask *out);

#endif
