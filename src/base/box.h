/* Boxes: left, top, right, bottom. */
#ifndef BASE_BOX_H
#define BASE_BOX_H

/* Intersection over union of two boxes, 0 where they do not overlap. In float, as the reference's suppression has it.
 */
float box_iou(const float a[4], const float b[4]);

#endif
