/* What was detected, drawn onto the image. */
#ifndef PIPELINE_DRAW_H
#define PIPELINE_DRAW_H

#include "media/image.h"
#include "sowlv2.h"

/* Draws the parts `draw` (enum draw) of every detection, each in its own colour, labelled with its prompt and
 * score ("cat 0.83"). Errors: MEMORY. */
int draw_detections(struct image *image, const struct sowlv2_detections *detections, const char *const *prompts,
                    unsigned draw);

#endif
