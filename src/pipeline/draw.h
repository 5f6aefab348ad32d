/* What was found, drawn onto the image. */
#ifndef PIPELINE_DRAW_H
#define PIPELINE_DRAW_H

#include "pipeline/job.h"

/* Draws the boxes, labels and masks (`draw`: enum draw) of the job's objects `first` to `first + count - 1` onto
 * `pixels` [height][width][3] of the job's image size. Every object has its own colour, whatever is drawn beside
 * it. Errors: MEMORY. */
int draw_objects(uint8_t *pixels, const struct job *job, size_t first, size_t count, const char *const *prompts,
                 unsigned draw);

/* The object cut out of the job's image, tight around its mask: RGBA, transparent and black beside the mask.
 * `*out` [*height][*width][4] is freed by the caller; NULL where the mask is empty. Errors: MEMORY. */
int draw_crop(const struct job *job, size_t object, uint8_t **out, int *width, int *height);

#endif
