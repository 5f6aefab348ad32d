/* What is done with an image's detections, whichever model made them. */
#ifndef ENGINE_DETECTIONS_H
#define ENGINE_DETECTIONS_H

#include "nn/detector_model.h"

/* Ends boxes at the image's edges and drops those of which nothing is left. Returns how many are left, in their order.
 */
int64_t detections_clip(struct detection *detections, int64_t count, int width, int height);

/* Greedy non-maximum suppression within each prompt: drops a detection whose IoU with a better one of its prompt is
 * over `iou`. Returns how many are left, in their order, or a negative status. */
int64_t detections_suppress(struct detection *detections, int64_t count, float iou);

#endif
