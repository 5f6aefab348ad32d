/* What was found, drawn onto the image. */
#ifndef PIPELINE_DRAW_H
#define PIPELINE_DRAW_H

#include "pipeline/job.h"

#include <stddef.h>
#include <stdint.h>

/* One thing to draw. */
struct drawing {
    int64_t number;                 /* from 1: gives the colour, and the label where there is no prompt */
    const char *prompt;             /* bare; NULL: none */
    float score;                    /* the label's */
    const float *box;               /* [4]: x0, y0, x1, y1 in pixels; NULL: neither box nor label is drawn */
    const struct sowlv2_mask *mask; /* its runs, of the picture's size; NULL: none */
};

/* Draws `count` things onto `pixels` [height][width][3], `draw` (enum draw) of each: all masks, then all boxes, then
 * all labels. Errors: MEMORY. */
int draw_things(uint8_t *pixels, int width, int height, const struct drawing *things, size_t count, unsigned draw);

/* Draws the boxes, labels and masks (`draw`: enum draw) of the job's objects `first` to `first + count - 1` onto
 * `pixels` [height][width][3] of the job's image size. Every object has its own colour, whatever is drawn beside
 * it. Errors: MEMORY. */
int draw_objects(uint8_t *pixels, const struct job *job, size_t first, size_t count, const char *const *prompts,
                 unsigned draw);

/* The object cut out of the job's image, tight around its mask: RGBA, transparent and black beside the mask.
 * `*out` [*height][*width][4] is freed by the caller; NULL where the mask is empty. Errors: MEMORY. */
int draw_crop(const struct job *job, size_t object, uint8_t **out, int *width, int *height);

#endif
